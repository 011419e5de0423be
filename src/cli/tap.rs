//! `gurney tap`: what passes over a link of the running box, as it passes. Masked, unless --reveal says otherwise.

use std::{
    io::{BufRead as _, BufReader},
    time::Duration,
};

use super::{
    Exit, Failure,
    daemon::{Access, Reveal, watch},
    data, note,
    text::{local, printable},
};
use crate::{
    units::limits,
    web::admin::protocol::{Request, TapEvent},
};

pub(super) const HELP: &str = "\
Each line has the time, the stream of the link, the direction, a number of bytes, and the bytes: control characters by name,
letters as x, digits as 9. At the end it says what the bytes look like. The link never waits: what a slow reader misses is counted.
Examples: gurney tap bedboard --seconds 30
          gurney tap lab --reveal --reason \"ticket 4711\"";

/// Arguments of `gurney tap`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The link.
    link: String,
    /// Watches for so many seconds.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    #[command(flatten)]
    reveal: Reveal,
    #[command(flatten)]
    access: Access,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let request = Request::Tap {
        link: arguments.link.clone(),
        seconds: Some(arguments.seconds),
        reveal: arguments.reveal.purpose(),
    };
    let patience = Duration::from_secs(arguments.seconds) + limits::ADMIN_PEER_TIMEOUT;
    let stream = watch(&arguments.access, &request, patience)?;
    if !arguments.access.json {
        note(&format!("watching {} for {} s", arguments.link, arguments.seconds));
    }
    let mut has_ended = false;
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { break };
        let Ok(event) = serde_json::from_str::<TapEvent>(&line) else { continue };
        has_ended = event.what == "end";
        let shown = if arguments.access.json { line + "\n" } else { text(&event) };
        if data(&shown) != Exit::Good {
            return Ok(Exit::Unhealthy);
        }
    }
    if has_ended {
        return Ok(Exit::Good);
    }
    Err(Failure::new(Exit::Unreachable, "the box ended, or its connection did"))
}

fn text(event: &TapEvent) -> String {
    let shown = printable(&event.text);
    let TapEvent { stream, count, .. } = event;
    let said = match event.what.as_str() {
        direction @ ("in" | "out") => format!("{direction:>3} {count:>5}  {shown}"),
        "frame" => format!("--        a frame of {count} bytes"),
        "noise" => format!("--        noise: {shown}, {count} bytes"),
        "missed" => format!("--        {count} events were missed: this reader is too slow"),
        "end" => return format!("{shown}\n"),
        other => format!("--        {} {shown}", other.replace('_', " ")),
    };
    format!("{} #{stream} {said}\n", local(event.at))
}
