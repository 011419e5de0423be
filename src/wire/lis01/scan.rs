//! Finds frames in the bytes that come while we receive, and counts what is none.
//!
//! A byte that has no place inside a frame (STX, EOT, ENQ) spoils the frame and does not end it: what follows a false
//! STX could pass an 8-bit checksum by chance, and a false EOT would cut a message short. Only when silence follows,
//! such a byte is what it says ([`Gap`]).

use std::{fmt, mem};

use super::{
    super::{Cause, Event},
    frame::{self, ENQ, EOT, ETB, ETX, Frame, STX},
};
use crate::units::limits;

/// What a byte completed.
#[derive(Debug)]
pub(super) enum Scan {
    /// Nothing yet.
    Nothing,
    /// A frame that can be read.
    Frame(Frame),
    /// A frame that cannot: why, its first bytes, and how many it had.
    Damaged(Cause, Vec<u8>, u64),
    /// EOT between frames.
    End,
    /// ENQ between frames.
    Enquiry,
}

/// What silence inside a frame means.
#[derive(Debug)]
pub(super) struct Gap {
    /// What the last byte asks for.
    pub(super) wish: Wish,
    /// The first bytes of what had come.
    pub(super) bytes: Vec<u8>,
    /// How many came.
    pub(super) count: u64,
}

/// What the last byte before a silence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It was EOT.
    End,
    /// It was ENQ.
    Enquiry,
    /// A frame was under way, by its number.
    Frame,
    /// It was noise that began with STX.
    Nothing,
}

/// Where the scanner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Text,
    /// After ETX or ETB: so many bytes of the tail have come.
    Tail(usize),
}

/// The scanner of one stream.
pub(super) struct Scanner {
    state: State,
    body: Vec<u8>,
    tail: [u8; 4],
    count: u64,
    damage: Option<Cause>,
    last: u8,
    skipped: Skipped,
}

impl Scanner {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Between,
            body: Vec::new(),
            tail: [0; 4],
            count: 0,
            damage: None,
            last: 0,
            skipped: Skipped::new(),
        }
    }

    /// Whether a frame is under way.
    pub(super) fn in_frame(&self) -> bool {
        self.state != State::Between
    }

    /// How many bytes of a frame it holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.body.len()
    }

    /// Takes a byte; one with a fault of the line spoils its frame and is noise elsewhere.
    pub(super) fn push(&mut self, byte: u8, fault: Option<Cause>, events: &mut impl Extend<Event>) -> Scan {
        if self.state == State::Between {
            return self.between(byte, fault, events);
        }
        self.count = self.count.saturating_add(1);
        self.last = if fault.is_some() { 0 } else { byte };
        self.damage = self.damage.or(fault);
        match self.state {
            State::Tail(have) => self.tail_byte(have, byte),
            _ => self.text_byte(byte),
        }
    }

    /// Says that it has been silent inside a frame.
    pub(super) fn gap(&mut self) -> Gap {
        let wish = match (self.last, self.body.first()) {
            (EOT, _) => Wish::End,
            (ENQ, _) => Wish::Enquiry,
            (_, Some(b'0'..=b'7')) => Wish::Frame,
            _ => Wish::Nothing,
        };
        let (bytes, count) = self.drop_frame();
        Gap { wish, bytes, count }
    }

    /// Gives up the frame that is under way: its first bytes, and how many it had.
    pub(super) fn drop_frame(&mut self) -> (Vec<u8>, u64) {
        let mut bytes = mem::take(&mut self.body);
        if let State::Tail(have) = self.state {
            bytes.extend(self.tail.iter().take(have));
        }
        self.state = State::Between;
        self.damage = None;
        bytes.truncate(limits::SKIPPED_BYTES_KEPT);
        bytes.shrink_to_fit();
        (bytes, mem::take(&mut self.count))
    }

    /// Counts a byte that is no part of a frame.
    pub(super) fn skip(&mut self, byte: u8, events: &mut impl Extend<Event>) {
        self.skipped.add(byte);
        if self.skipped.count >= limits::SKIPPED_RUN_BYTES_MAX {
            self.report(events);
        }
    }

    /// Whether the bytes between frames so far may have been a frame whose begin was damaged.
    pub(super) fn may_hide_frame(&self) -> bool {
        self.skipped.foreign && self.skipped.count >= frame::SMALLEST
    }

    /// Reports the bytes between frames so far; says whether there were any that made no sense.
    pub(super) fn report(&mut self, events: &mut impl Extend<Event>) -> bool {
        let noise = self.skipped.take();
        let is_garbage = matches!(noise, Some(Event::Noise { cause: Cause::Garbage, .. }));
        events.extend(noise);
        is_garbage
    }

    fn between(&mut self, byte: u8, fault: Option<Cause>, events: &mut impl Extend<Event>) -> Scan {
        match byte {
            _ if fault.is_some() => self.skip(byte, events),
            STX => {
                self.state = State::Text;
                self.count = 0;
                self.last = STX;
            }
            EOT => return Scan::End,
            ENQ => return Scan::Enquiry,
            _ => self.skip(byte, events),
        }
        Scan::Nothing
    }

    fn text_byte(&mut self, byte: u8) -> Scan {
        match byte {
            ETX | ETB => self.state = State::Tail(0),
            STX => self.spoil(Cause::Restarted),
            EOT | ENQ => self.spoil(Cause::Malformed),
            _ => {}
        }
        if self.body.len() <= limits::LIS01_FRAME_TEXT_MAX.saturating_add(1) {
            self.body.push(byte);
        } else {
            self.body.truncate(limits::SKIPPED_BYTES_KEPT);
            self.spoil(Cause::Oversize);
        }
        Scan::Nothing
    }

    fn tail_byte(&mut self, have: usize, byte: u8) -> Scan {
        if let Some(place) = self.tail.get_mut(have) {
            *place = byte;
        }
        if have < 3 {
            self.state = State::Tail(have.saturating_add(1));
            return Scan::Nothing;
        }
        let count = self.count;
        if let Some(cause) = self.damage {
            let (bytes, count) = self.drop_frame();
            return Scan::Damaged(cause, bytes, count);
        }
        self.state = State::Between;
        self.count = 0;
        match frame::read(mem::take(&mut self.body), self.tail) {
            Ok(frame) => Scan::Frame(frame),
            Err((cause, mut bytes)) => {
                bytes.truncate(limits::SKIPPED_BYTES_KEPT);
                Scan::Damaged(cause, bytes, count)
            }
        }
    }

    fn spoil(&mut self, cause: Cause) {
        self.damage = self.damage.or(Some(cause));
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} bytes", self.state, self.body.len())
    }
}

/// A run of bytes between frames.
struct Skipped {
    kept: Vec<u8>,
    count: u64,
    foreign: bool,
}

impl Skipped {
    const fn new() -> Self {
        Self { kept: Vec::new(), count: 0, foreign: false }
    }

    fn add(&mut self, byte: u8) {
        if self.kept.len() < limits::SKIPPED_BYTES_KEPT {
            self.kept.push(byte);
        }
        self.count = self.count.saturating_add(1);
        self.foreign = self.foreign || !matches!(byte, 0 | b'\t' | b'\n' | b'\r' | b' ');
    }

    fn take(&mut self) -> Option<Event> {
        let Self { kept, count, foreign } = mem::replace(self, Self::new());
        let cause = if foreign { Cause::Garbage } else { Cause::Padding };
        (count > 0).then_some(Event::Noise { cause, bytes: kept, count })
    }
}
