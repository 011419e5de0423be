//! `gurney simulate scene`: a documented use case, played message by message to a box, for training and rehearsals.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use crate::{
    actors::clock::Clock,
    cli::{Exit, Failure, chain, data, note, pretty, text::printable},
    sim::{
        random::SplitMix64,
        scene::{Caller, Persona, Presence, Scene, SceneError, names, persona::ZONE},
    },
};

pub(super) const HELP: &str = "Without a name it lists the scenes. gurney demo --scene NAME brings box and platform along.\n\
    Example: gurney simulate scene room-change --to 127.0.0.1:6661 --pace 5";

/// Arguments of `gurney simulate scene`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Which scene.
    #[arg(requires = "to")]
    name: Option<String>,
    /// Host and port of the MLLP listener.
    #[arg(long, value_name = "HOST:PORT", requires = "name")]
    to: Option<String>,
    /// Determines who it is about; the time where none is given.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Seconds between two messages.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pace: u64,
    /// Prints what was sent as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (Some(name), Some(to)) = (&arguments.name, &arguments.to) else { return list(arguments.json) };
    let scene = named(name)?;
    let played = actix_rt::System::new().block_on(play(&scene, to, arguments));
    played.map_err(|(exit, text)| Failure::new(exit, text))
}

/// The scene of this name.
pub(in crate::cli) fn named(name: &str) -> Result<Scene, Failure> {
    Scene::named(name).map_err(|error| match error {
        SceneError::Unknown(_) => {
            let known: Vec<&str> = names().collect();
            let text = format!("there is no scene `{}`; there are {}", printable(name), known.join(", "));
            Failure::new(Exit::Usage, text)
        }
        other => Failure::new(Exit::Unhealthy, chain(&other)),
    })
}

/// Whom a scene is about, by default another persona each time.
pub(in crate::cli) fn persona(seed: Option<u64>) -> Persona {
    let now = Clock::start().wall();
    let seed = seed.unwrap_or_else(|| now.0.cast_unsigned());
    let number = usize::try_from(seed % 10_000).unwrap_or(0);
    let now = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    // Whatever zone the box takes its senders to be in, these say theirs.
    Persona::invent(&mut SplitMix64::new(seed), number, now).with_offset_of(ZONE)
}

fn list(json: bool) -> Result<Exit, Failure> {
    let scenes = names().map(|name| Ok((name, named(name)?))).collect::<Result<Vec<_>, Failure>>()?;
    if json {
        let rows: Vec<_> = scenes.iter().map(|(name, scene)| json!({ "scene": name, "title": scene.title })).collect();
        return Ok(data(&pretty(&json!(rows))));
    }
    let lines: String = scenes.iter().map(|(name, scene)| format!("{name:<22} {}\n", scene.title)).collect();
    Ok(data(&lines))
}

async fn play(scene: &Scene, to: &str, arguments: &Arguments) -> Result<Exit, (Exit, String)> {
    let persona = persona(arguments.seed);
    let lost = |error: std::io::Error| (Exit::TryAgain, format!("{}: {error}", printable(to)));
    let mut caller = Caller::connect(to).await.map_err(lost)?;
    let mut sent = Vec::new();
    note(&scene.title);
    for (number, beat) in scene.beat.iter().enumerate() {
        note(&format!("  {}", beat.say));
        match beat.platform {
            Some(Presence::Unplugged) => note("  (stop the platform now)"),
            Some(Presence::Plugged) => note("  (start the platform again)"),
            None => {}
        }
        let id = format!("SCENE-{}-{number}", persona.value("visit").unwrap_or_default());
        let message = beat.message(&persona, &id).map_err(|error| (Exit::Unhealthy, chain(&error)))?;
        if let Some(message) = message {
            let answer = caller.exchange(&message).await.map_err(lost)?;
            sent.push(json!({ "message": id, "answer": answer }));
        }
        if number + 1 < scene.beat.len() {
            tokio::time::sleep(Duration::from_secs(arguments.pace)).await;
        }
    }
    let refused = sent.iter().any(|sent| sent.get("answer").is_none_or(|answer| answer != "AA"));
    let jobs: Vec<_> = scene
        .job
        .iter()
        .map(|job| {
            let has: BTreeMap<&str, String> = job
                .has
                .iter()
                .filter_map(|(path, value)| Some((path.as_str(), persona.fill(value, &BTreeMap::new()).ok()?)))
                .collect();
            json!({ "job": job.name, "status": job.status, "has": has })
        })
        .collect();
    let printed = if arguments.json {
        data(&pretty(&json!({ "scene": scene.title, "sent": sent, "jobs": jobs })))
    } else {
        data(&format!("{} messages sent; the platform must now have {} jobs\n", sent.len(), jobs.len()))
    };
    Ok(printed.unless(refused))
}
