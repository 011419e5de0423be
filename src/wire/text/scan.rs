//! Finds lines in a byte stream.
//!
//! - **Start mark.** With one, bytes before it are noise, and one inside a line begins the line anew. Without one, a line
//!   begins where the last one ended.
//! - **End mark.** The first one ends the line. Data that hold it cannot be carried.
//! - **A check of one byte** may look like any mark, so it stands behind the end mark, where it is taken for what it is;
//!   one before the end mark is written in digits. One that is wrong and looks like the start mark is missing, and is
//!   the next line's.
//! - **Digits** behind the end mark: what is no digit is not one of them, but the beginning of what follows.
//! - A line that outgrows the limit or is damaged is reported there, and the rest of it is dropped up to its end in
//!   constant memory.
//!
//! Work is linear in the bytes pushed, and what is found does not depend on how they are cut.

use std::{collections::VecDeque, fmt, mem};

use super::{Algorithm, Check, Form, Heartbeat, Options, Place, Reply, Span};
use crate::{
    units::limits,
    wire::{Cause, Event, exchange::Said, mllp::Skipped},
};

/// What the scanner found.
#[derive(PartialEq, Eq)]
pub(super) enum Found {
    /// The payload of a good line.
    Line(Vec<u8>),
    /// ACK or NAK between lines.
    Said(Said, u8),
    /// A heartbeat between lines.
    Beat,
    /// A heartbeat that is a line.
    BeatLine,
    /// Something that is not a good line.
    Noise(Event),
    /// The end of a bad line, which is to be refused.
    Spoilt,
}

/// Where the scanner stands in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between lines; without a start mark, perhaps at the first byte of one.
    Outside,
    /// In a line.
    Inside,
    /// Behind the end mark, at so many bytes of the check.
    Checking(usize),
    /// In a line that was reported.
    Dropping,
    /// Behind its end mark, with so many bytes of the check to come.
    DropChecking(usize),
}

/// Takes lines out of a byte stream.
pub(super) struct Scanner {
    options: Options,
    /// Largest number of bytes from the first one of data to the last one of the end mark.
    body_max: usize,
    state: State,
    /// What came behind the start mark; of a line that is dropped, the last bytes.
    body: Vec<u8>,
    skipped: Skipped,
    begun: u64,
    found: VecDeque<Found>,
}

impl Scanner {
    pub(super) fn new(options: Options) -> Self {
        let before = options.check.filter(|check| check.place == Place::BeforeEnd).map_or(0, |check| width(check.form));
        let marks = options.end.as_bytes().len().saturating_add(before);
        Self {
            body_max: options.bounds.frame_max.saturating_add(marks),
            options,
            state: State::Outside,
            body: Vec::new(),
            skipped: Skipped::new(),
            begun: 0,
            found: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.take(*byte);
        }
    }

    pub(super) fn next(&mut self) -> Option<Found> {
        self.found.pop_front()
    }

    /// Whether a line has begun and not ended.
    pub(super) const fn in_line(&self) -> bool {
        !matches!(self.state, State::Outside)
    }

    /// Lines that have begun, so that a user can tell whether the one under way is still the same.
    pub(super) const fn begun(&self) -> u64 {
        self.begun
    }

    /// Whether a silence would change anything.
    pub(super) const fn awaits_silence(&self) -> bool {
        matches!(self.state, State::Outside) && self.skipped.count > 0
    }

    pub(super) fn silence(&mut self) {
        if self.state == State::Outside {
            self.report_skipped();
        }
    }

    /// Says that the line which has begun took too long.
    pub(super) fn expire(&mut self) {
        match self.state {
            State::Outside => {}
            State::Dropping | State::DropChecking(_) => self.end_dropping(),
            _ => self.spoil(Cause::Timeout),
        }
    }

    /// Says that the byte which would come next is damaged.
    pub(super) fn damage(&mut self, cause: Cause) {
        match self.state {
            // It may be the first one of a line.
            State::Outside if self.options.start.is_none() => self.begin(),
            State::Outside => return,
            State::Dropping => return self.body.clear(),
            State::DropChecking(left) => return self.skip_check(left),
            State::Inside | State::Checking(_) => {}
        }
        let left = match self.state {
            State::Checking(seen) => self.options.check.map_or(0, |check| width(check.form)).saturating_sub(seen),
            _ => 0,
        };
        self.abandon(cause);
        self.state = State::Dropping;
        if left > 0 {
            self.skip_check(left);
        }
    }

    /// Says that the stream has ended.
    pub(super) fn finish(&mut self) {
        match self.state {
            State::Outside | State::Dropping | State::DropChecking(_) => {}
            _ => self.abandon(Cause::Partial),
        }
        self.report_skipped();
        self.body = Vec::new();
        self.state = State::Outside;
    }

    /// The line of `payload`; none if this end would not read it back.
    pub(super) fn encode(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let end = self.options.end.as_bytes();
        let check = self.options.check.map(|check| (check.place, self.written(check, payload)));
        let at = |wanted: Place| match &check {
            Some((place, written)) if *place == wanted => written.as_slice(),
            _ => &[],
        };
        let line = [self.options.start.as_slice(), payload, at(Place::BeforeEnd), end, at(Place::AfterEnd)].concat();
        let mut options = self.options.clone();
        options.bounds.frame_max = payload.len();
        let mut scanner = Self::new(options);
        scanner.push(&line);
        let is_read_back = matches!(scanner.next(), Some(Found::Line(read)) if read == payload);
        (is_read_back && scanner.next().is_none() && !scanner.in_line()).then_some(line)
    }

    fn take(&mut self, byte: u8) {
        match self.state {
            State::Outside => self.take_between(byte),
            State::Inside => self.take_inside(byte),
            State::Checking(seen) => self.take_check(seen, byte),
            State::Dropping => self.drop(byte),
            State::DropChecking(left) if self.is_check_byte(byte) => {
                self.skip_check(left);
                self.begin_at(byte);
            }
            State::DropChecking(_) => {
                self.end_dropping();
                self.take(byte);
            }
        }
    }

    fn take_between(&mut self, byte: u8) {
        if self.options.start == Some(byte) {
            self.report_skipped();
            return self.begin();
        }
        if let Some(said) = self.reply(byte) {
            self.report_skipped();
            return self.found.push_back(Found::Said(said, byte));
        }
        if self.options.heartbeat == Some(Heartbeat::Byte(byte)) {
            self.report_skipped();
            return self.found.push_back(Found::Beat);
        }
        if self.options.start.is_none() {
            self.begin();
            return self.take_inside(byte);
        }
        self.skipped.add(&[byte]);
        if self.skipped.count >= limits::SKIPPED_RUN_BYTES_MAX {
            self.report_skipped();
        }
    }

    const fn reply(&self, byte: u8) -> Option<Said> {
        match self.options.reply {
            Reply::AckNak { ack, .. } if ack == byte => Some(Said::Taken),
            Reply::AckNak { nak, .. } if nak == byte => Some(Said::Refused),
            Reply::AckNak { .. } | Reply::None => None,
        }
    }

    fn begin(&mut self) {
        self.body.clear();
        self.state = State::Inside;
        self.begun = self.begun.wrapping_add(1);
    }

    fn take_inside(&mut self, byte: u8) {
        if self.options.start == Some(byte) {
            self.abandon(Cause::Restarted);
            return self.begin();
        }
        self.body.push(byte);
        if self.body.ends_with(self.options.end.as_bytes()) {
            return self.judge();
        }
        if self.body.len() > self.body_max {
            // What came last may be the beginning of the end mark.
            let last = self.body.len().saturating_sub(self.options.end.as_bytes().len());
            let last = self.body.get(last..).unwrap_or_default().to_vec();
            self.abandon(Cause::Oversize);
            self.body = last;
            self.state = State::Dropping;
        }
    }

    /// At an end mark: whether the line is good.
    fn judge(&mut self) {
        let end = self.options.end.as_bytes().len();
        let Some(check) = self.options.check else {
            return self.complete(end);
        };
        if check.place == Place::AfterEnd {
            self.state = State::Checking(0);
            return;
        }
        let data_len = self.body.len().checked_sub(width(check.form).saturating_add(end));
        let split = data_len.and_then(|data_len| self.body.split_at_checked(data_len));
        let is_good = split.is_some_and(|(data, rest)| {
            is_same(check.form, rest.get(..width(check.form)).unwrap_or_default(), &self.written(check, data))
        });
        if is_good { self.complete(width(check.form).saturating_add(end)) } else { self.spoil(Cause::Checksum) }
    }

    /// At a byte of the check behind the end mark.
    fn take_check(&mut self, seen: usize, byte: u8) {
        let Some(check) = self.options.check else { return };
        if !self.is_check_byte(byte) {
            self.spoil(Cause::Checksum);
            return self.take(byte);
        }
        self.body.push(byte);
        let seen = seen.saturating_add(1);
        if seen < width(check.form) {
            self.state = State::Checking(seen);
            return;
        }
        let surplus = seen.saturating_add(self.options.end.as_bytes().len());
        let data = self.body.get(..self.body.len().saturating_sub(surplus)).unwrap_or_default();
        let found = self.body.get(self.body.len().saturating_sub(seen)..).unwrap_or_default();
        if is_same(check.form, found, &self.written(check, data)) {
            return self.complete(surplus);
        }
        self.spoil(Cause::Checksum);
        self.begin_at(byte);
    }

    /// Begins a line if the wrong check of the one before, which is perhaps missing, is a start mark.
    fn begin_at(&mut self, byte: u8) {
        if self.options.start == Some(byte) {
            self.begin();
        }
    }

    /// Whether a byte may be one of the check behind the end mark.
    fn is_check_byte(&self, byte: u8) -> bool {
        self.options.check.is_some_and(|check| check.form == Form::Byte || byte.is_ascii_hexdigit())
    }

    fn skip_check(&mut self, left: usize) {
        if left <= 1 {
            return self.end_dropping();
        }
        self.state = State::DropChecking(left.saturating_sub(1));
    }

    /// In a line that was reported.
    fn drop(&mut self, byte: u8) {
        if self.options.start == Some(byte) {
            return self.begin();
        }
        let mark = self.options.end;
        if self.body.len() >= mark.as_bytes().len() {
            self.body.remove(0);
        }
        self.body.push(byte);
        if self.body != mark.as_bytes() {
            return;
        }
        match self.options.check {
            Some(check) if check.place == Place::AfterEnd => self.state = State::DropChecking(width(check.form)),
            _ => self.end_dropping(),
        }
    }

    /// Takes the line, which is good, without its last bytes.
    fn complete(&mut self, surplus: usize) {
        let mut data = mem::take(&mut self.body);
        data.truncate(data.len().saturating_sub(surplus));
        data.shrink_to_fit();
        self.state = State::Outside;
        if matches!(&self.options.heartbeat, Some(Heartbeat::Line(beat)) if *beat == data) {
            return self.found.push_back(Found::BeatLine);
        }
        if data.len() > self.options.bounds.frame_max {
            self.body = data;
            return self.spoil(Cause::Oversize);
        }
        if !data.is_empty() {
            return self.found.push_back(Found::Line(data));
        }
        if self.options.start.is_none() {
            return self.note(Cause::Padding, self.options.end.as_bytes().to_vec(), self.options.end.as_bytes().len());
        }
        self.note(Cause::Empty, Vec::new(), 0);
        self.found.push_back(Found::Spoilt);
    }

    /// The line has ended and is bad.
    fn spoil(&mut self, cause: Cause) {
        self.abandon(cause);
        self.end_dropping();
    }

    fn end_dropping(&mut self) {
        self.body = Vec::new();
        self.state = State::Outside;
        self.found.push_back(Found::Spoilt);
    }

    /// Reports a line that will not be taken.
    fn abandon(&mut self, cause: Cause) {
        let body = mem::take(&mut self.body);
        let kept = body.iter().copied().take(limits::SKIPPED_BYTES_KEPT).collect();
        self.note(cause, kept, body.len());
    }

    fn report_skipped(&mut self) {
        self.found.extend(self.skipped.take().map(Found::Noise));
    }

    fn note(&mut self, cause: Cause, bytes: Vec<u8>, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.found.push_back(Found::Noise(Event::Noise { cause, bytes, count }));
    }

    /// The check of `data` as it is written.
    fn written(&self, check: Check, data: &[u8]) -> Vec<u8> {
        let start = self.options.start.filter(|_| check.start == Span::Included);
        let end = if check.end == Span::Included { self.options.end.as_bytes() } else { &[] };
        let bytes = start.iter().chain(data).chain(end);
        let sum = match check.algorithm {
            Algorithm::Sum8 => bytes.fold(0_u8, |sum, byte| sum.wrapping_add(*byte)),
            Algorithm::Twos => bytes.fold(0_u8, |sum, byte| sum.wrapping_sub(*byte)),
            Algorithm::Xor => bytes.fold(0_u8, |sum, byte| sum ^ byte),
        };
        match check.form {
            Form::Byte => vec![sum],
            Form::Hex => format!("{sum:02X}").into_bytes(),
        }
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {} bytes", self.state, self.body.len())
    }
}

/// Bytes of a check.
const fn width(form: Form) -> usize {
    match form {
        Form::Byte => 1,
        Form::Hex => 2,
    }
}

fn is_same(form: Form, found: &[u8], written: &[u8]) -> bool {
    match form {
        Form::Byte => found == written,
        Form::Hex => found.eq_ignore_ascii_case(written),
    }
}
