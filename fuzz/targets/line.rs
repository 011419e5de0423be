//! What every machine of `wire::Line` must hold, whatever comes and whenever: used by the targets of the protocols.
//!
//! The input is the line as bytes, in which `0xF5` and a byte after it stand for what else happens at it: silence, damage, the
//! end of the stream, an answer of the shell, a message of ours.

use gurney::{
    units::{Timestamp, limits},
    wire::{Answer, Event, Line, LineFault},
};

use super::cut;

const MARK: u8 = 0xf5;

/// A protocol.
pub(super) struct Protocol<'a> {
    /// Makes one end of a line.
    pub(super) make: &'a dyn Fn() -> Box<dyn Line>,
    /// Largest message.
    pub(super) frame_max: usize,
    /// What the peer waits for before it goes on, if it does: the byte it takes for leave.
    pub(super) leave: Option<u8>,
    /// A message that it can carry.
    pub(super) good: &'a [u8],
}

enum Step<'a> {
    Bytes(&'a [u8]),
    Silence(i64),
    Damaged(LineFault),
    End,
    Answer(Answer),
    Send(&'static [u8]),
}

/// What sender and shell do, in bytes: `before`, the good message, silence, and the message again with an answer between.
pub(super) fn seed(before: &[u8], protocol: &Protocol<'_>) -> Vec<u8> {
    let good = written(protocol);
    let mut bytes = before.to_vec();
    for piece in [&*good, &[MARK, 4], b"noise", &[MARK, 1], &good, &[MARK, 5, MARK, 2], &good, &[MARK, 6, MARK, 3]] {
        bytes.extend_from_slice(piece);
    }
    bytes
}

fn steps(mut rest: &[u8]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let length = rest.iter().position(|byte| *byte == MARK).unwrap_or(rest.len());
        let (bytes, after) = rest.split_at(length);
        steps.push(Step::Bytes(bytes));
        steps.extend(after.get(1).map(|what| match what % 9 {
            0 => Step::Silence(60),
            1 => Step::Silence(2500),
            2 => Step::Silence(60_000),
            3 => Step::End,
            4 => Step::Answer(Answer::Taken(Vec::new())),
            5 => Step::Answer(Answer::Refused),
            6 => Step::Send(b"H|ours\rL|1\r"),
            7 => Step::Damaged(LineFault::Parity),
            _ => Step::Damaged(LineFault::Overrun),
        }));
        rest = after.get(2..).unwrap_or_default();
    }
    steps
}

/// Checks all of it for these bytes.
pub(super) fn check(protocol: &Protocol<'_>, cuts: u8, data: &[u8]) {
    let steps = steps(data);
    let whole = End::run(protocol, &steps, Ours::Kept, |bytes| vec![bytes]);
    for pieces in [
        End::run(protocol, &steps, Ours::Kept, |bytes| bytes.chunks(1).collect()),
        End::run(protocol, &steps, Ours::Kept, |bytes| cut(bytes, cuts).collect()),
    ] {
        assert!(whole.events == pieces.events && whole.written == pieces.written, "in pieces it reads otherwise");
    }
    let mut end = End::run(protocol, &steps, Ours::Sent, |bytes| vec![bytes]);
    end.comes_to_rest();
    assert_eq!(end.settled, end.sent, "a message of ours is lost");
    for turn in turns(protocol, &written(protocol)) {
        end.line.receive(end.now, turn);
        end.attend();
        end.written.clear();
    }
    assert!(end.frames.last().is_some_and(|frame| frame == protocol.good), "a good message behind it is not taken");
}

/// What a good sender writes.
fn written(protocol: &Protocol<'_>) -> Vec<u8> {
    let mut line = (protocol.make)();
    line.send(Timestamp(0), protocol.good.to_vec());
    let mut stream = line.transmit();
    while let (Some(leave), true) = (protocol.leave, line.is_busy()) {
        line.receive(Timestamp(0), &[leave]);
        stream.extend(line.transmit());
    }
    stream
}

/// Cut where the sender waits for leave: behind LF and ENQ.
fn turns<'a>(protocol: &Protocol<'_>, stream: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let waits = protocol.leave.is_some();
    stream.split_inclusive(move |byte| waits && matches!(byte, b'\n' | 0x05))
}

/// Whether messages of ours are given to the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ours {
    Sent,
    Kept,
}

/// One end of the line with its shell.
struct End {
    line: Box<dyn Line>,
    frame_max: usize,
    now: Timestamp,
    events: Vec<Event>,
    written: Vec<u8>,
    frames: Vec<Vec<u8>>,
    answered: usize,
    sent: usize,
    settled: usize,
}

impl End {
    fn run<'a>(
        protocol: &Protocol<'_>,
        steps: &[Step<'a>],
        ours: Ours,
        cut: impl Fn(&'a [u8]) -> Vec<&'a [u8]>,
    ) -> Self {
        let mut end = Self {
            line: (protocol.make)(),
            frame_max: protocol.frame_max,
            now: Timestamp(0),
            events: Vec::new(),
            written: Vec::new(),
            frames: Vec::new(),
            answered: 0,
            sent: 0,
            settled: 0,
        };
        for step in steps {
            end.step(step, ours, &cut);
            end.written.extend(end.line.transmit());
            end.take();
        }
        end
    }

    fn step<'a>(&mut self, step: &Step<'a>, ours: Ours, cut: &impl Fn(&'a [u8]) -> Vec<&'a [u8]>) {
        match step {
            Step::Bytes(bytes) => cut(bytes).into_iter().for_each(|piece| self.line.receive(self.now, piece)),
            Step::Silence(milliseconds) => self.wait(*milliseconds),
            Step::Damaged(fault) => self.line.damaged(self.now, *fault),
            Step::End => {
                self.line.end(self.now);
                assert!(!self.line.is_busy() || self.answered < self.frames.len(), "busy after the end");
            }
            Step::Answer(answer) if self.answered < self.frames.len() => {
                self.answered += 1;
                self.line.answer(self.now, answer.clone());
            }
            Step::Send(payload) if ours == Ours::Sent => {
                self.sent += 1;
                self.line.send(self.now, payload.to_vec());
            }
            Step::Answer(_) | Step::Send(_) => {}
        }
    }

    /// Lets time pass, deadline by deadline; none of them stays.
    fn wait(&mut self, milliseconds: i64) {
        let until = Timestamp(self.now.0 + milliseconds);
        let mut ticks_at_once = 0;
        while let Some(deadline) = self.line.deadline().filter(|deadline| *deadline <= until) {
            ticks_at_once = if deadline > self.now { 0 } else { ticks_at_once + 1 };
            assert!(ticks_at_once < 8, "a deadline that stays");
            self.now = deadline.max(self.now);
            self.line.tick(self.now);
        }
        self.now = until;
    }

    /// Takes the events, and checks each by itself.
    fn take(&mut self) {
        while let Some(event) = self.line.next() {
            match &event {
                Event::Frame(payload) => {
                    assert!(payload.len() <= self.frame_max + 1, "larger than the link takes");
                    self.frames.push(payload.clone());
                }
                Event::Noise { bytes, count, .. } => {
                    let count = usize::try_from(*count).expect("a count of bytes that are in memory");
                    assert!(bytes.len() <= count && bytes.len() <= limits::SKIPPED_BYTES_KEPT.max(self.frame_max + 1));
                }
                Event::Sent | Event::Unsent(_) => self.settled += 1,
                Event::Count(_) => {}
            }
            self.events.push(event);
        }
        assert!(self.settled <= self.sent, "settled twice");
    }

    /// Takes every frame.
    fn attend(&mut self) {
        self.take();
        while self.answered < self.frames.len() {
            self.answered += 1;
            self.line.answer(self.now, Answer::Taken(Vec::new()));
            self.written.extend(self.line.transmit());
            self.take();
        }
    }

    /// Takes every frame and lets time pass until nothing is left to wait for. Each message of ours that nobody answers
    /// takes its tries and waits.
    fn comes_to_rest(&mut self) {
        for _ in 0..1000 + 64 * self.sent {
            self.attend();
            let Some(deadline) = self.line.deadline() else { return };
            self.wait(deadline.since(self.now).as_millis().try_into().expect("a wait that is no age"));
            self.written.extend(self.line.transmit());
        }
        panic!("it does not come to rest");
    }
}
