//! `gurney demo`: the product at work on simulated peers, and the proof of what it promises.
//!
//! Everything is on loopback and in a temporary folder, which is removed at the end and kept when something failed. The
//! daemon is this same program as a child process, so that it can be killed. The story has five acts: traffic, the
//! uplink pulled, kill -9 and restart, the uplink back, verification. The table at the end is what it is all for; the
//! exit code is 0 only if every promise in it was kept.
//!
//! With `--scene` documented use cases are played instead, each with a box of its own, and judged by what the platform has.
//!
//! Bounds: 4 to 600 s of traffic, 100 messages a second; each act has a deadline.

use std::{
    io::{self, IsTerminal as _},
    process::ExitStatus,
    time::Duration,
};

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, chain, colours, data, note, pretty, simulate::scene::named};
use crate::{
    actors::clock::Clock,
    sim::{self, scene::names as scene_names},
    store,
};

mod daemon;
mod expected;
mod play;
mod proof;
mod rides;
mod scan;
mod scene;
mod scrape;
mod site;
mod view;

use proof::Evidence;
use site::Site;
use view::Show;

/// Pause between two beats of a scene, for a person who watches.
const SCENE_PAUSE: Duration = Duration::from_secs(2);
/// Seconds of traffic where none are asked for: for a program, and for a person who watches.
const SECONDS: (u32, u32) = (8, 20);

/// Arguments of `gurney demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Plays unattended: a line per act, then the table.
    #[arg(long)]
    script: bool,
    /// Seconds of traffic, 4 to 600.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=600))]
    seconds: Option<u32>,
    /// Prints the table as JSON.
    #[arg(long)]
    json: bool,
    /// Plays documented use cases in place of the story; `all` is all of them.
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with = "seconds")]
    scene: Vec<String>,
}

/// Why the demo could not be played to its end. No text holds anything of a message.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The folder, the ports or a file.
    #[error("prepare the demo's folder and ports")]
    Folder(#[source] io::Error),
    /// The child process.
    #[error("run the daemon")]
    Daemon(#[source] io::Error),
    /// It ended by itself.
    #[error("the daemon ended by itself ({0}); its log says why")]
    Died(ExitStatus),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A simulator.
    #[error(transparent)]
    Simulator(#[from] sim::Error),
    /// An act came to no end.
    #[error("act {act} waited in vain for {waited_for}")]
    Late {
        /// Which, from 1.
        act: usize,
        /// What did not happen.
        waited_for: &'static str,
    },
    /// A person or a service manager ended it.
    #[error("ended before its end")]
    Interrupted,
}

/// Plays the demo.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let is_live = !arguments.script && io::stderr().is_terminal();
    if !arguments.scene.is_empty() {
        let pause = if is_live { SCENE_PAUSE } else { Duration::ZERO };
        return scenes(arguments, pause);
    }
    let mut show = if is_live { Show::Live { colours: colours(), drawn: 0 } } else { Show::Lines };
    let seconds = arguments.seconds.unwrap_or(if is_live { SECONDS.1 } else { SECONDS.0 });
    let site = match Site::make(seed()) {
        Ok(site) => site,
        Err(error) => return fail(&error),
    };
    let played = actix_rt::System::new().block_on(async {
        tokio::select! {
            biased;
            ended = told_to_end() => ended,
            played = play::play(&site, seconds, &mut show) => played,
        }
    });
    drop(show);
    match played {
        Ok(evidence) => tell(&evidence, site, arguments.json),
        Err(Error::Interrupted) => {
            note("the demo was ended early and proved nothing; nothing of it is left");
            Exit::Unhealthy
        }
        Err(error) => {
            keep(site);
            fail(&error)
        }
    }
}

/// Plays the scenes that are asked for.
fn scenes(arguments: &Arguments, pause: Duration) -> Exit {
    let all = arguments.scene.iter().any(|name| name == "all");
    let names: Vec<String> = if all { scene_names().map(str::to_owned).collect() } else { arguments.scene.clone() };
    let mut outcomes = Vec::new();
    for name in names {
        let scene = match named(&name) {
            Ok(scene) => scene,
            Err(failure) => {
                note(&format!("error: {}", failure.text));
                return failure.exit;
            }
        };
        let site = match Site::for_scenes(seed()) {
            Ok(site) => site,
            Err(error) => return fail(&error),
        };
        let played = actix_rt::System::new().block_on(async {
            tokio::select! {
                biased;
                ended = told_to_end() => ended.map(|_| None),
                played = scene::play(&name, &scene, &site, pause) => played.map(Some),
            }
        });
        match played {
            Ok(outcome) => {
                if outcome.as_ref().is_some_and(|outcome| !outcome.kept) {
                    keep(site);
                }
                outcomes.extend(outcome);
            }
            Err(error) => {
                keep(site);
                return fail(&error);
            }
        }
    }
    let kept = outcomes.iter().all(|outcome| outcome.kept);
    let text =
        if arguments.json { pretty(&json!({ "kept": kept, "scenes": outcomes })) } else { scene::render(&outcomes) };
    data(&text).unless(!kept)
}

/// Prints the table and says what to try next.
fn tell(evidence: &Evidence, site: Site, as_json: bool) -> Exit {
    let rows = proof::judge(evidence);
    let kept = proof::all_kept(&rows);
    let text = if as_json { pretty(&json!({ "kept": kept, "promises": rows })) } else { proof::render(&rows) };
    let told = data(&text);
    if !kept {
        keep(site);
        return Exit::Unhealthy;
    }
    note("next: read config/sites/loopback/gurney.toml, make it yours, and try: gurney check --config FILE");
    told
}

fn keep(site: Site) {
    note(&format!("kept for a look: {} (configuration, key, store, gurney.log)", site.keep().display()));
}

fn fail(error: &Error) -> Exit {
    note(&format!("error: {}", chain(error)));
    Exit::Unhealthy
}

/// Returns when somebody wants the end.
async fn told_to_end() -> Result<Evidence, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Daemon)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Daemon)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Err(Error::Interrupted)
}

/// Two demos at a time look for ports in different places.
fn seed() -> u64 {
    Clock::start().wall().0.cast_unsigned() ^ (u64::from(std::process::id()) << 40)
}
