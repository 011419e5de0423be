//! A line on which only one end may send at a time: what its protocol wants to write waits until the other end has stopped.
//!
//! The protocol itself is not changed; it is asked as before, and what it gives to be written is held back:
//!
//! ```text
//! receive ──────────────►┌──────┐──► transmit ──► held ──► the wire, once the line is quiet
//!         quiet_at = now + turn-around └ and, where frames are not answered one by one, no frame is under way
//! ```
//! Holds no more than the protocol gave; a frame under way ends by its own deadline, so nothing is held for ever.

use std::time::Duration;

use super::{Answer, Event, Line, LineFault};
use crate::units::Timestamp;

/// What keeps a line from being written to, beside bytes that arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nothing: the protocol writes only when it is its turn, also in the middle of a message.
    Bytes,
    /// A frame that has begun and not ended, also while it pauses.
    Frames,
}

/// A protocol on a half-duplex line.
#[derive(Debug)]
pub struct HalfDuplex {
    line: Box<dyn Line>,
    turn_around: Duration,
    hold: Hold,
    held: Vec<u8>,
    now: Timestamp,
    /// When the line counts as quiet, if no byte comes before.
    quiet_at: Timestamp,
}

impl HalfDuplex {
    /// Puts `line` on a half-duplex line that is quiet `turn_around` after its last byte.
    pub fn new(line: Box<dyn Line>, turn_around: Duration, hold: Hold) -> Self {
        let began = Timestamp(0);
        Self { line, turn_around, hold, held: Vec::new(), now: began, quiet_at: began }
    }

    fn heard(&mut self, now: Timestamp) {
        self.now = now;
        self.quiet_at = now.plus(self.turn_around);
    }

    fn may_write(&self) -> bool {
        self.now >= self.quiet_at && (self.hold == Hold::Bytes || !self.line.is_busy())
    }
}

impl Line for HalfDuplex {
    fn receive(&mut self, now: Timestamp, bytes: &[u8]) {
        self.heard(now);
        self.line.receive(now, bytes);
    }

    fn damaged(&mut self, now: Timestamp, fault: LineFault) {
        self.heard(now);
        self.line.damaged(now, fault);
    }

    fn tick(&mut self, now: Timestamp) {
        self.now = now;
        if self.line.deadline().is_some_and(|at| at <= now) {
            self.line.tick(now);
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        let quiet = (!self.held.is_empty() && self.now < self.quiet_at).then_some(self.quiet_at);
        quiet.into_iter().chain(self.line.deadline()).min()
    }

    fn next(&mut self) -> Option<Event> {
        self.line.next()
    }

    fn answer(&mut self, now: Timestamp, answer: Answer) {
        self.now = now;
        self.line.answer(now, answer);
    }

    fn send(&mut self, now: Timestamp, payload: Vec<u8>) {
        self.now = now;
        self.line.send(now, payload);
    }

    fn transmit(&mut self) -> Vec<u8> {
        self.held.extend(self.line.transmit());
        if self.may_write() { std::mem::take(&mut self.held) } else { Vec::new() }
    }

    fn is_busy(&self) -> bool {
        self.line.is_busy() || !self.held.is_empty()
    }

    fn end(&mut self, now: Timestamp) {
        self.now = now;
        self.quiet_at = now;
        self.held.clear();
        self.line.end(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Bounds, mllp};

    const TURN: Duration = Duration::from_millis(20);
    const FRAME: &[u8] = b"\x0bMSH|1\x1c\r";

    fn line(hold: Hold) -> HalfDuplex {
        let bounds =
            Bounds { frame_max: 1000, frame_timeout: Duration::from_secs(30), gap_max: Some(Duration::from_secs(2)) };
        let inner = mllp::MllpLine::new(mllp::Options { bounds, ..mllp::Options::default() });
        HalfDuplex::new(Box::new(inner), TURN, hold)
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp(1_000_000 + ms)
    }

    fn take(line: &mut HalfDuplex) -> usize {
        std::iter::from_fn(|| line.next()).filter(|event| matches!(event, Event::Frame(_))).count()
    }

    #[test]
    fn answers_after_the_turn_around_and_not_before() {
        let mut line = line(Hold::Frames);
        line.receive(at(0), FRAME);
        assert_eq!(take(&mut line), 1);
        line.answer(at(3), Answer::Taken(vec![b"ACK".to_vec()]));
        assert!(line.transmit().is_empty() && line.is_busy());
        assert_eq!(line.deadline(), Some(at(20)));
        line.tick(at(20));
        assert_eq!(line.transmit(), b"\x0bACK\x1c\r");
        assert!(!line.is_busy() && line.deadline().is_none());
    }

    #[test]
    fn does_not_write_into_a_frame_that_pauses() {
        let mut line = line(Hold::Frames);
        line.receive(at(0), FRAME);
        assert_eq!(take(&mut line), 1);
        line.receive(at(5), &FRAME[..4]);
        line.answer(at(6), Answer::Taken(vec![b"ACK".to_vec()]));
        assert!(line.transmit().is_empty());
        line.tick(at(500));
        assert!(line.transmit().is_empty(), "half a frame is on the line");
        line.receive(at(600), &FRAME[4..]);
        assert_eq!(take(&mut line), 1);
        assert!(line.transmit().is_empty());
        line.tick(at(620));
        assert_eq!(line.transmit(), b"\x0bACK\x1c\r");
    }

    #[test]
    fn is_let_go_by_the_gap_of_a_frame_that_never_ends() {
        let mut line = line(Hold::Frames);
        line.receive(at(0), FRAME);
        assert_eq!(take(&mut line), 1);
        line.receive(at(5), &FRAME[..4]);
        line.answer(at(6), Answer::Taken(vec![b"ACK".to_vec()]));
        assert!(line.transmit().is_empty());
        let mut written = Vec::new();
        for _ in 0..5 {
            let Some(due) = line.deadline() else { break };
            line.tick(due);
            take(&mut line);
            written.extend(line.transmit());
        }
        assert_eq!(written, b"\x0bACK\x1c\r");
    }

    #[test]
    fn forgets_what_was_not_written_when_the_line_is_lost() {
        let mut line = line(Hold::Bytes);
        line.receive(at(0), FRAME);
        assert_eq!(take(&mut line), 1);
        line.answer(at(1), Answer::Taken(vec![b"ACK".to_vec()]));
        assert!(line.transmit().is_empty());
        line.end(at(2));
        assert!(line.transmit().is_empty() && !line.is_busy());
    }

    proptest! {
        #[test]
        fn writes_only_into_a_quiet_line(pauses in proptest::collection::vec(1..40_i64, 1..60)) {
            let mut line = line(Hold::Bytes);
            let stream = FRAME.repeat(10);
            let (mut now, mut last_byte, mut written) = (0, 0, 0);
            for (byte, pause) in stream.iter().zip(pauses.iter().cycle()) {
                let next = now + pause;
                if let Some(due) = line.deadline().filter(|due| *due < at(next)) {
                    line.tick(due);
                    let out = line.transmit();
                    prop_assert!(out.is_empty() || due >= at(last_byte + 20));
                    written += out.len();
                }
                now = next;
                last_byte = now;
                line.receive(at(now), &[*byte]);
                for _ in 0..take(&mut line) {
                    line.answer(at(now), Answer::Taken(vec![b"A".to_vec()]));
                }
                prop_assert!(line.transmit().is_empty(), "a byte has just come");
            }
            line.tick(at(now + 20));
            written += line.transmit().len();
            prop_assert_eq!(written, 10 * 4);
        }
    }
}
