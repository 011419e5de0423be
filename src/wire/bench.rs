//! A bench for machines: a virtual clock, conversations, and what every protocol must hold.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::units::limits;

/// A machine and a clock.
pub(super) struct Bench {
    pub(super) line: Box<dyn Line>,
    pub(super) now: i64,
}

pub(super) fn frame(payload: &[u8]) -> Event {
    Event::Frame(payload.to_vec())
}

pub(super) fn noise(cause: Cause, bytes: &[u8]) -> Event {
    Event::Noise { cause, bytes: bytes.to_vec(), count: u64::try_from(bytes.len()).unwrap() }
}

pub(super) fn taken(replies: &[&[u8]]) -> Answer {
    Answer::Taken(replies.iter().map(|reply| reply.to_vec()).collect())
}

impl Bench {
    pub(super) fn new(line: impl Line + 'static) -> Self {
        Self { line: Box::new(line), now: 0 }
    }

    pub(super) fn at(&self) -> Timestamp {
        Timestamp(self.now)
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.line.receive(self.at(), bytes);
        self.check();
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        self.line.answer(self.at(), answer);
        self.check();
    }

    pub(super) fn send(&mut self, payload: &[u8]) {
        self.line.send(self.at(), payload.to_vec());
        self.check();
    }

    pub(super) fn damaged(&mut self, fault: LineFault) {
        self.line.damaged(self.at(), fault);
        self.check();
    }

    pub(super) fn end(&mut self) {
        self.line.end(self.at());
        assert_eq!((self.line.deadline(), self.line.is_busy()), (None, false));
    }

    /// A deadline that has come is met by a tick or two.
    fn check(&mut self) {
        for _ in 0..4 {
            if self.line.deadline().is_none_or(|deadline| deadline > self.at()) {
                return;
            }
            self.line.tick(self.at());
        }
        panic!("a deadline that stays");
    }

    /// Lets time pass, tick by tick.
    pub(super) fn wait(&mut self, milliseconds: i64) {
        let end = self.now + milliseconds;
        while let Some(deadline) = self.line.deadline().filter(|deadline| deadline.0 <= end) {
            self.now = deadline.0.max(self.now);
            self.line.tick(self.at());
            self.check();
        }
        self.now = end;
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.line.next()).collect()
    }

    #[track_caller]
    pub(super) fn expect(&mut self, written: &[u8], events: &[Event]) {
        let found = self.line.transmit();
        assert!(found == written, "{} instead of {}", found.escape_ascii(), written.escape_ascii());
        let found = self.events();
        assert!(found == events, "{found:?} instead of {events:?}");
        assert_eq!((self.line.transmit(), self.line.next()), (Vec::new(), None));
    }
}

/// Lets two ends talk until neither has anything to say; each takes every frame, and the second replies with `reply`.
/// Gives what the first one found and the frames that arrived at the second. Bytes that `spoil` changes arrive changed.
pub(super) fn converse(
    left: &mut Bench,
    right: &mut Bench,
    reply: &[&[u8]],
    mut spoil: impl FnMut(&mut Vec<u8>),
) -> (Vec<Event>, Vec<Vec<u8>>) {
    let (mut events, mut arrived) = (Vec::new(), Vec::new());
    for _ in 0..100_000 {
        let (mut there, mut back) = (left.line.transmit(), right.line.transmit());
        let is_silent = there.is_empty() && back.is_empty();
        spoil(&mut there);
        spoil(&mut back);
        there.chunks(7).for_each(|bytes| right.receive(bytes));
        back.chunks(7).for_each(|bytes| left.receive(bytes));
        for event in right.events() {
            if let Event::Frame(payload) = event {
                arrived.push(payload);
                right.answer(taken(reply));
            }
        }
        for event in left.events() {
            if matches!(event, Event::Frame(_)) {
                left.answer(taken(&[]));
            }
            events.push(event);
        }
        if is_silent {
            let next = left.line.deadline().into_iter().chain(right.line.deadline()).min();
            let Some(next) = next else { return (events, arrived) };
            for end in [&mut *left, right] {
                end.wait((next.0 - end.now).max(0));
            }
        }
    }
    panic!("the conversation does not end");
}

/// The frames of a stream that comes in these pieces, each taken at once.
pub(super) fn frames_of<'a>(line: impl Line + 'static, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut bench = Bench::new(line);
    let mut frames = Vec::new();
    for piece in pieces {
        bench.receive(piece);
        for event in bench.events() {
            match event {
                Event::Frame(payload) => {
                    frames.push(payload);
                    bench.answer(taken(&[]));
                }
                Event::Noise { bytes, .. } => assert!(bytes.len() <= limits::SKIPPED_BYTES_KEPT),
                _ => {}
            }
        }
        bench.line.transmit();
    }
    frames
}

/// Cuts the stream of each message everywhere.
pub(super) fn holds_for_every_split<L: Line + 'static>(make: impl Fn() -> L, streams: &[(Vec<u8>, Vec<u8>)]) {
    for (payload, stream) in streams {
        for at in 0..=stream.len() {
            let (one, two) = stream.split_at(at);
            assert!(frames_of(make(), [one, two]) == [payload.clone()], "cut at {at} of {}", stream.len());
        }
        assert!(frames_of(make(), stream.chunks(1)) == [payload.clone()]);
    }
}

/// Replaces each byte of a stream, one at a time, and gives what is taken instead of the payload.
pub(super) fn taken_of_corrupted<L: Line + 'static>(make: impl Fn() -> L, stream: &[u8]) -> Vec<Vec<u8>> {
    let mut taken = Vec::new();
    for at in 0..stream.len() {
        for flip in 1..=255_u8 {
            let mut bytes = stream.to_vec();
            bytes[at] ^= flip;
            taken.extend(frames_of(make(), [bytes.as_slice()]));
        }
    }
    taken
}

/// Numbers that look random, the same in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    /// Noise that likes the protocol's own bytes.
    pub(super) fn noise(&mut self, length: usize, marks: &[u8]) -> Vec<u8> {
        (0..length)
            .map(|_| match self.roll(4) {
                0 => marks[self.roll(marks.len())],
                _ => u8::try_from(self.roll(256)).unwrap(),
            })
            .collect()
    }
}
