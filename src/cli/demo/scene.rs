//! `gurney demo --scene`: documented use cases on simulated peers, each with a box and a platform of its own, and whether
//! the platform has in the end what it must have.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    Error,
    daemon::{Daemon, get},
    play::until_ready,
    scrape,
    site::Site,
};
use crate::{
    cli::{note, simulate::scene::persona},
    sim::{
        platform::{Platform, PlatformOptions},
        scene::{Caller, Presence, Scene},
        serial::Terminal,
    },
};

/// Time the box may take to deliver what a beat leads to.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// What came of a scene.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    /// Its name.
    pub(super) scene: String,
    /// What it is about.
    pub(super) title: String,
    /// Whether the platform has what it must have.
    pub(super) kept: bool,
    /// The jobs, in the end, by their states.
    pub(super) jobs: Vec<String>,
    /// What is not so.
    pub(super) faults: Vec<String>,
}

/// Plays a scene, with so much time between its beats.
pub(super) async fn play(name: &str, scene: &Scene, site: &Site, pause: Duration) -> Result<Outcome, Error> {
    let options = PlatformOptions { listen: site.platform, ..PlatformOptions::default() };
    let mut platform = Platform::start(options).await?;
    // A bed board that has nothing to say: the box is ready once all its links are.
    let board = Terminal::open(&site.port())?;
    let mut daemon = Daemon::start(site)?;
    until_ready(site, &mut daemon).await?;
    let mut caller = Caller::connect(&site.ehr.to_string()).await.map_err(Error::Daemon)?;
    let persona = persona(None);
    let mut faults = Vec::new();
    note(&format!("{name}: {}", scene.title));
    for (number, beat) in scene.beat.iter().enumerate() {
        note(&format!("  {}", beat.say));
        match beat.platform {
            Some(Presence::Unplugged) => platform.unplug().await,
            Some(Presence::Plugged) => platform.plug()?,
            None => {}
        }
        let message = beat.message(&persona, &format!("SCENE-{number}"));
        if let Some(message) = message.map_err(|error| Error::Daemon(std::io::Error::other(error)))? {
            let answer = caller.exchange(&message).await.map_err(Error::Daemon)?;
            if answer != "AA" {
                faults.push(format!("message {number} was answered {answer}"));
            }
        }
        let away = scene.beat.iter().take(number + 1).filter_map(|beat| beat.platform).next_back();
        if away != Some(Presence::Unplugged) {
            settled(site).await?;
        }
        sleep(pause).await;
    }
    faults.extend(platform.with_store(|store| scene.faults(&persona, store)));
    let jobs = platform.with_store(|store| store.jobs().into_values().map(|states| states.join(" -> ")).collect());
    daemon.stop(PATIENCE).await?;
    drop(board);
    platform.unplug().await;
    Ok(Outcome { scene: name.to_owned(), title: scene.title.clone(), kept: faults.is_empty(), jobs, faults })
}

/// Waits until nothing waits for the platform.
async fn settled(site: &Site) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok((200, page)) = get(site.metrics, "/metrics").await
            && scrape::count(&page, "gurney_queue_messages", &[]) == Some(0)
        {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Error::Late { act: 1, waited_for: "the platform to have everything" });
        }
        sleep(LOOK).await;
    }
}

/// The outcomes as lines.
pub(super) fn render(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let word = if outcome.kept { "kept  " } else { "BROKEN" };
        text += &format!("{word} {}: {}\n", outcome.scene, outcome.title);
        for (what, lines) in [("job", &outcome.jobs), ("but", &outcome.faults)] {
            for line in lines {
                text += &format!("       {what} {line}\n");
            }
        }
    }
    text
}
