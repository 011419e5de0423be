//! What is odd about a serial line: silence, a lost carrier, bytes that do not leave, errors of the receiver. Decisions only;
//! the port looks and tells.

use std::time::Duration;

use tokio::time::Instant;

use super::counters::Counts;
use crate::{settings::Parity, telemetry::labels::LineError, wire::LineFault};

/// Since when a line has been silent.
#[derive(Clone, Copy, Debug)]
pub(in crate::actors) struct Hearing {
    last: Instant,
    is_silent: bool,
}

impl Hearing {
    /// Of a line that is listened to from `now` on.
    pub(in crate::actors) const fn new(now: Instant) -> Self {
        Self { last: now, is_silent: false }
    }

    /// Bytes came; gives how long the silence was, if it was reported.
    pub(in crate::actors) fn heard(&mut self, now: Instant) -> Option<Duration> {
        let silent = now.saturating_duration_since(self.last);
        self.last = now;
        std::mem::take(&mut self.is_silent).then_some(silent)
    }

    /// Gives how long the silence is, once it is longer than `most`; once for each silence.
    pub(in crate::actors) fn silent(&mut self, now: Instant, most: Option<Duration>) -> Option<Duration> {
        let silent = now.saturating_duration_since(self.last);
        let is_new = !self.is_silent && most.is_some_and(|most| silent >= most);
        self.is_silent |= is_new;
        is_new.then_some(silent)
    }
}

/// Whether what was written leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    queued: u32,
    since: Instant,
}

impl Leaving {
    /// Of a port that has nothing to send.
    pub(super) const fn new(now: Instant) -> Self {
        Self { queued: 0, since: now }
    }

    /// `queued` bytes wait in the port now; gives for how long none of them has left.
    pub(super) fn waiting(&mut self, now: Instant, queued: u32) -> Duration {
        if queued == 0 || queued < self.queued || self.queued == 0 {
            self.since = now;
        }
        self.queued = queued;
        now.saturating_duration_since(self.since)
    }
}

/// What the receiver reported, as it is counted.
pub(super) fn errors(counts: Counts) -> impl Iterator<Item = (LineError, u64)> {
    let all = [
        (LineError::Parity, counts.parity),
        (LineError::Framing, counts.framing),
        (LineError::Overrun, counts.overrun),
        (LineError::Break, counts.breaks),
    ];
    all.into_iter().filter(|(_, by)| *by > 0)
}

/// What a mark in the bytes says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A byte has a parity or framing error.
    Damaged,
    /// A break, or a NUL with such an error.
    Break,
}

/// What a mark was. Where the driver counts, what it `added` since the last look decides. Otherwise a damaged byte on a line
/// with parity had the wrong parity, since a byte without its stop bit mostly has that too.
pub(super) fn kind(mark: Mark, parity: Parity, added: Option<Counts>) -> (LineError, LineFault) {
    let is_parity = match (mark, added) {
        (_, Some(Counts { framing: 0, breaks: 0, parity: 1.., .. })) => true,
        (Mark::Damaged, Some(Counts { framing: 1.., .. })) => false,
        (Mark::Damaged, _) => parity != Parity::None,
        (Mark::Break, _) => false,
    };
    match mark {
        _ if is_parity => (LineError::Parity, LineFault::Parity),
        Mark::Damaged => (LineError::Framing, LineFault::Framing),
        Mark::Break => (LineError::Break, LineFault::Framing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn reports_a_silence_once_and_its_end_once() {
        let began = Instant::now();
        let mut hearing = Hearing::new(began);
        let most = Some(seconds(60));
        assert_eq!(hearing.silent(began + seconds(59), most), None);
        assert_eq!(hearing.silent(began + seconds(60), most), Some(seconds(60)));
        assert_eq!(hearing.silent(began + seconds(90), most), None);
        assert_eq!(hearing.heard(began + seconds(100)), Some(seconds(100)));
        assert_eq!(hearing.heard(began + seconds(101)), None);
        assert_eq!(hearing.silent(began + seconds(161), most), Some(seconds(60)));
        assert_eq!(hearing.heard(began + seconds(162)), Some(seconds(61)));
        assert_eq!(hearing.silent(began + seconds(100_000), None), None);
    }

    #[test]
    fn tells_a_slow_line_from_one_that_takes_nothing() {
        let began = Instant::now();
        let mut leaving = Leaving::new(began);
        for (second, queued, waited) in [
            (0, 0, 0),
            (100, 500, 0),
            (101, 380, 0),
            (102, 380, 1),
            (103, 900, 2),
            (110, 900, 9),
            (111, 899, 0),
            (112, 0, 0),
        ] {
            assert_eq!(leaving.waiting(began + seconds(second), queued), seconds(waited), "at {second} s");
        }
        assert_eq!(leaving.waiting(began + seconds(500), 7), seconds(0), "written just now");
        assert_eq!(leaving.waiting(began + seconds(501), 7), seconds(1));
    }

    #[test]
    fn knows_what_a_mark_was_by_the_counters_or_by_the_line() {
        let parity = Counts { parity: 1, ..Counts::default() };
        let framing = Counts { framing: 2, ..Counts::default() };
        let breaks = Counts { breaks: 1, ..Counts::default() };
        for (mark, line, added, error, fault) in [
            (Mark::Damaged, Parity::Even, None, LineError::Parity, LineFault::Parity),
            (Mark::Damaged, Parity::None, None, LineError::Framing, LineFault::Framing),
            (Mark::Break, Parity::Even, None, LineError::Break, LineFault::Framing),
            (Mark::Damaged, Parity::Even, Some(framing), LineError::Framing, LineFault::Framing),
            (Mark::Damaged, Parity::Even, Some(parity), LineError::Parity, LineFault::Parity),
            (Mark::Damaged, Parity::Odd, Some(Counts::default()), LineError::Parity, LineFault::Parity),
            (Mark::Break, Parity::Even, Some(parity), LineError::Parity, LineFault::Parity),
            (Mark::Break, Parity::Even, Some(breaks), LineError::Break, LineFault::Framing),
        ] {
            assert_eq!(kind(mark, line, added), (error, fault), "{mark:?} {line:?} {added:?}");
        }
    }
}
