//! Where a person can watch a link: what passes its sessions is shown to whoever asks, and to nobody else.
//!
//! A link never waits for a watcher. What happened is copied into a ring of [`limits::TAP_EVENTS_MAX`] only while somebody
//! watches; a watcher that is too slow misses the oldest and is told how many.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::broadcast;

use crate::{
    units::{Timestamp, limits},
    wire::{Cause, Happening, LineFault},
};

/// Something that happened on a link.
#[derive(Clone)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// On which of its streams, counted from the start.
    pub stream: u64,
    /// What.
    pub what: What,
}

/// What happened on a link.
#[derive(Clone)]
pub enum What {
    /// A stream began: a connection, or an open port.
    Opened,
    /// Bytes came.
    Received(Arc<[u8]>),
    /// The receiver found a byte damaged.
    Damaged(LineFault),
    /// Bytes were written.
    Sent(Arc<[u8]>),
    /// A frame of so many bytes is complete.
    Frame(usize),
    /// Bytes that were no plain frame: why, and how many.
    Noise(Cause, u64),
    /// Something of the link layer.
    Happened(Happening),
    /// The oldest frame has its answer: it is taken, with so many replies, or refused.
    Answered(Option<usize>),
    /// The stream ended, and why.
    Closed(String),
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the bytes: they are patient data.
        f.debug_struct("Seen").field("at", &self.at).field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("What")
    }
}

/// Where a link can be watched.
#[derive(Clone, Debug)]
pub struct Tap {
    seen: broadcast::Sender<Seen>,
    streams: Arc<AtomicU64>,
}

impl Tap {
    /// Of a link that nobody watches.
    pub fn new() -> Self {
        Self { seen: broadcast::Sender::new(limits::TAP_EVENTS_MAX), streams: Arc::default() }
    }

    /// Begins to watch; none where as many watch as may.
    pub fn watch(&self) -> Option<broadcast::Receiver<Seen>> {
        (self.seen.receiver_count() < limits::TAPS_MAX).then(|| self.seen.subscribe())
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.seen.receiver_count()
    }

    /// The number of a stream that begins.
    pub(super) fn next_stream(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Tells what happened, if anybody watches.
    pub(super) fn tell(&self, stream: u64, now: impl FnOnce() -> Timestamp, what: impl FnOnce() -> What) {
        if self.seen.receiver_count() > 0 {
            // A watcher may have gone just now.
            self.seen.send(Seen { at: now(), stream, what: what() }).ok();
        }
    }
}

impl Default for Tap {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;

    fn tell(tap: &Tap, count: usize) {
        for number in 0..count {
            tap.tell(1, || Timestamp(0), || What::Frame(number));
        }
    }

    #[test]
    fn a_watcher_that_is_too_slow_misses_the_oldest_and_knows_how_many() {
        let tap = Tap::new();
        let mut seen = tap.watch().unwrap();
        tell(&tap, limits::TAP_EVENTS_MAX + 5);
        assert_eq!(seen.try_recv().unwrap_err(), TryRecvError::Lagged(5));
        assert!(matches!(seen.try_recv().unwrap().what, What::Frame(5)));
    }

    #[test]
    fn nothing_is_made_while_nobody_watches_and_few_may() {
        let tap = Tap::new();
        tap.tell(1, || Timestamp(0), || unreachable!("nobody watches"));
        let watching: Vec<_> = (0..limits::TAPS_MAX).map(|_| tap.watch().unwrap()).collect();
        assert!(tap.watch().is_none());
        drop(watching);
        assert_eq!(tap.watchers(), 0);
        assert!(tap.watch().is_some());
    }
}
