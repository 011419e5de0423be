//! `gurney demo`: the product at work on simulated peers, and the proof of what it promises.
//!
//! Everything is on loopback and in a temporary folder, which is removed at the end and kept when something failed. The
//! daemon is this same program as a child process, so that it can be killed. The story has five acts: traffic, the
//! uplink pulled, kill -9 and restart, the uplink back, verification. The table at the end is what it is all for; the
//! exit code is 0 only if every promise in it was kept.
//!
//! Bounds: 4 to 600 s of traffic, 100 messages a second; each act has a deadline.

use std::{
    io::{self, IsTerminal as _},
    process::ExitStatus,
};

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, chain, colours, data, note, pretty};
use crate::{actors::clock::Clock, sim, store};

mod daemon;
mod expected;
mod play;
mod proof;
mod scan;
mod scrape;
mod site;
mod view;

use proof::Evidence;
use site::Site;
use view::Show;

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
