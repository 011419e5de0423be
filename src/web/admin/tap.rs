//! A link as it is watched: its events as lines, masked unless somebody says why they must not be.
//!
//! The link never waits: events wait in its ring, and those that a slow client misses are counted. A client that takes nothing
//! for [`limits::ADMIN_PEER_TIMEOUT`] is left.

use std::{collections::HashMap, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep_until, timeout},
};

use super::{
    State,
    look::unknown,
    peer::Peer,
    protocol::{Purpose, Refusal, RefusalKind, Response, TapEvent},
    show::unmask,
};
use crate::{
    actors::{
        clock::Clock,
        tap::{Seen, What},
    },
    hl7::show::Masking,
    units::{Timestamp, limits},
    wire::trace::{Guesser, Showing, Writer},
};

/// A link that is watched.
pub(super) struct Watch {
    seen: Receiver<Seen>,
    clock: Clock,
    showing: Showing,
    /// The writers of each direction of each stream.
    writers: HashMap<(u64, Direction), Writer>,
    guesser: Guesser,
    /// Lines that are to be written.
    lines: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Direction {
    In,
    Out,
}

impl Direction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// Begins to watch a link. A look at its text is in the audit chain before the first of it leaves.
pub(super) async fn begin(state: &State, peer: &Peer, link: &str, reveal: Option<Purpose>) -> Result<Watch, Refusal> {
    let mut names = state.web.settings.links.iter().map(|link| link.name.as_str());
    let index = names.clone().position(|name| name == link).ok_or_else(|| unknown("link", link, &mut names))?;
    let busy = || Refusal::new(RefusalKind::Busy, format!("{} watch this link already; try again", limits::TAPS_MAX));
    let tap = state.taps.get(index).ok_or_else(busy)?;
    let showing = match unmask(state, peer, format!("what passes over link {link}"), reveal).await? {
        Masking::Clear => Showing::Text,
        Masking::Masked => Showing::Kinds,
    };
    Ok(Watch {
        seen: tap.watch().ok_or_else(busy)?,
        clock: state.web.clock,
        showing,
        writers: HashMap::new(),
        guesser: Guesser::default(),
        lines: Vec::new(),
    })
}

impl Watch {
    /// Writes what happens until the time is over, or the client has enough or is gone.
    pub(super) async fn run(mut self, stream: &mut UnixStream, seconds: Option<u64>) {
        let most = seconds.map_or(limits::TAP_TIME_MAX, Duration::from_secs).min(limits::TAP_TIME_MAX);
        let until = Instant::now() + most;
        let mut flush_at = None;
        let mut answered = serde_json::to_vec(&Response::Ok(serde_json::Value::Null)).unwrap_or_default();
        answered.push(b'\n');
        self.lines = answered;
        let mut end = None;
        let mut scrap = [0; 64];
        loop {
            if !self.lines.is_empty() {
                let written = timeout(limits::ADMIN_PEER_TIMEOUT, stream.write_all(&self.lines)).await;
                if !matches!(written, Ok(Ok(()))) {
                    return;
                }
                self.lines.clear();
            }
            if end.is_some() {
                return;
            }
            let wake_at = flush_at.unwrap_or(until);
            tokio::select! {
                biased;
                read = stream.read(&mut scrap) => match read {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => end = Some(()),
                },
                seen = self.seen.recv() => match seen {
                    Ok(seen) => {
                        self.take(seen);
                        flush_at = Some(Instant::now() + limits::TAP_FLUSH);
                    }
                    Err(RecvError::Lagged(missed)) => self.line(0, "missed", missed, String::new()),
                    Err(RecvError::Closed) => end = Some(()),
                },
                () = sleep_until(wake_at.min(until)) => {
                    flush_at = None;
                    self.flush();
                    end = (Instant::now() >= until).then_some(());
                }
            }
            if end.is_some() {
                self.flush();
                let guess = self.guesser.guess();
                self.line(0, "end", 0, guess.advice().to_owned());
            }
        }
    }

    fn take(&mut self, Seen { at, stream, what }: Seen) {
        match what {
            What::Opened => self.line_at(at, stream, "opened", 0, String::new()),
            What::Received(bytes) => {
                self.guesser.push(&bytes);
                self.bytes(at, stream, Direction::In, &bytes);
            }
            What::Sent(bytes) => self.bytes(at, stream, Direction::Out, &bytes),
            What::Damaged(fault) => {
                self.guesser.damaged();
                self.line_at(at, stream, "noise", 1, format!("a byte is damaged: {}", fault.cause()));
            }
            What::Frame(bytes) => self.line_at(at, stream, "frame", count(bytes), String::new()),
            What::Noise(cause, bytes) => self.line_at(at, stream, "noise", bytes, cause.to_string()),
            What::Happened(happening) => self.line_at(at, stream, "link_layer", 0, format!("{happening:?}")),
            What::Answered(Some(replies)) => self.line_at(at, stream, "answered", count(replies), "taken".to_owned()),
            What::Answered(None) => self.line_at(at, stream, "answered", 0, "refused: not stored".to_owned()),
            What::Closed(why) => {
                self.flush();
                self.writers.retain(|(of, _), _| *of != stream);
                self.line_at(at, stream, "closed", 0, why);
            }
        }
    }

    fn bytes(&mut self, at: Timestamp, stream: u64, direction: Direction, bytes: &[u8]) {
        let writer = self.writers.entry((stream, direction)).or_insert_with(|| Writer::new(self.showing));
        let text = writer.write(bytes);
        self.line_at(at, stream, direction.as_str(), count(bytes.len()), text);
    }

    /// Shows what the writers kept.
    fn flush(&mut self) {
        let mut kept: Vec<_> = self.writers.iter_mut().map(|(of, writer)| (*of, writer.flush())).collect();
        kept.retain(|(_, text)| !text.is_empty());
        for ((stream, direction), text) in kept {
            self.line(stream, direction.as_str(), 0, text);
        }
    }

    fn line(&mut self, stream: u64, what: &str, count: u64, text: String) {
        self.line_at(self.clock.wall(), stream, what, count, text);
    }

    fn line_at(&mut self, at: Timestamp, stream: u64, what: &str, count: u64, text: String) {
        let event = TapEvent { at, stream, what: what.to_owned(), count, text };
        // Text and numbers always have a form in JSON.
        if let Ok(line) = serde_json::to_vec(&event) {
            self.lines.extend_from_slice(&line);
            self.lines.push(b'\n');
        }
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
