//! MLLP release 1 (HL7 v2 implementation guide, appendix C.4; HL7 "Transport Specification: MLLP, Release 1").
//!
//! ```text
//! 0x0B  payload  0x1C 0x0D
//! VT             FS   CR
//! ```
//!
//! Liberal in what is taken, strict in the accounting: every departure is an event with a closed [`Cause`], and the
//! bytes that were passed over are kept for a person up to [`limits::SKIPPED_BYTES_KEPT`].
//!
//! - A frame ends at FS followed by CR, by the VT of the next frame, by silence ([`Decoder::idle`]) or by the end of
//!   the stream. Any other byte after FS makes that FS a part of the payload.
//! - A VT inside a frame begins the frame anew; what came before it is abandoned and reported.
//! - A frame that outgrows the limit is reported at the limit, and the rest of it is dropped in constant memory.
//! - A stream that ends, or a frame that takes too long, gives an event and never a frame.
//!
//! Work is linear in the bytes pushed, however they are cut. A payload is handed over in the buffer it was collected
//! in, so nothing of a large frame stays behind. Does not interpret payloads. What the two ends say to each other, and
//! the commit blocks of release 2, are [`MllpLine`]'s.

use std::{collections::VecDeque, fmt, mem};

use memchr::{memchr, memchr2};

pub use self::{
    line::{MllpLine, Options, Release},
    wide::Wide,
};
pub use super::{Cause, Event};
use crate::units::limits;

mod commit;
mod line;
mod wide;

/// Start of a frame.
const VT: u8 = 0x0b;
/// End of the payload.
const FS: u8 = 0x1c;
/// End of the frame.
const CR: u8 = 0x0d;

/// Writes `payload` to `out` as one frame, contiguous, so that one write puts it on the wire.
pub fn encode(out: &mut Vec<u8>, payload: &[u8]) {
    out.reserve(payload.len().saturating_add(3));
    out.push(VT);
    out.extend_from_slice(payload);
    out.extend_from_slice(&[FS, CR]);
}

/// Where the decoder stands in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between frames.
    Outside,
    /// In a frame.
    Inside,
    /// In a frame, the last byte was FS.
    Ending,
    /// In a frame that was reported as too large.
    Dropping,
    /// In such a frame, the last byte was FS.
    DropEnding,
}

/// Takes frames out of a byte stream: push bytes, then take events until there are none.
///
/// ```
/// use gurney::wire::mllp::{Decoder, Event};
///
/// let mut decoder = Decoder::new(1024);
/// decoder.push(b"\x0bMSH|^~\\&|A\r\x1c");
/// assert_eq!(decoder.next(), None);
/// decoder.push(b"\r");
/// assert_eq!(decoder.next(), Some(Event::Frame(b"MSH|^~\\&|A\r".to_vec())));
/// ```
#[derive(Debug)]
pub struct Decoder {
    frame_max: usize,
    state: State,
    frame: Buffer,
    skipped: Skipped,
    separators: u64,
    /// Frames that have begun, so that a user can tell whether the one under way is still the same.
    begun: u64,
    events: VecDeque<Event>,
}

impl Decoder {
    /// Makes a decoder that takes payloads of up to `frame_max` bytes.
    pub const fn new(frame_max: usize) -> Self {
        Self {
            frame_max,
            state: State::Outside,
            frame: Buffer(Vec::new()),
            skipped: Skipped::new(),
            separators: 0,
            begun: 0,
            events: VecDeque::new(),
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Outside => self.pass_over(bytes),
                State::Inside => self.gather(bytes),
                State::Ending => self.end(bytes),
                State::Dropping => self.drop_until_mark(bytes),
                State::DropEnding => self.end_dropping(bytes),
            };
        }
    }

    /// Says that the line has been silent for 50 ms: an FS that was the last byte ends its frame.
    pub fn idle(&mut self) {
        match self.state {
            State::Ending => self.complete(true),
            State::DropEnding => self.state = State::Outside,
            State::Outside => self.report_skipped(),
            State::Inside | State::Dropping => {}
        }
    }

    /// Whether a call of [`Self::idle`] after 50 ms of silence would change anything.
    pub const fn awaits_idle(&self) -> bool {
        match self.state {
            State::Ending | State::DropEnding => true,
            State::Outside => self.skipped.count > 0,
            State::Inside | State::Dropping => false,
        }
    }

    /// Whether a frame has begun and not ended: the shell's frame time-out runs while this is so.
    pub const fn in_frame(&self) -> bool {
        !matches!(self.state, State::Outside)
    }

    /// Says that the stream has ended. The decoder is then ready for a new stream.
    pub fn finish(&mut self) {
        self.idle();
        self.abandon(Cause::Partial);
        self.state = State::Outside;
    }

    /// Says that the frame which has begun took too long; it is abandoned.
    pub fn expire(&mut self) {
        self.abandon(Cause::Timeout);
        self.state = State::Outside;
    }

    /// Says that the byte which would come next is damaged: a frame that has begun is abandoned, and the rest of it is
    /// dropped up to its end. Between frames nothing is lost that is not reported as noise.
    pub fn damage(&mut self, cause: Cause) {
        if self.in_frame() {
            self.abandon(cause);
            self.state = State::Dropping;
        }
    }

    /// After VT.
    const fn begin(&mut self) {
        self.state = State::Inside;
        self.begun = self.begun.wrapping_add(1);
    }

    /// Between frames: passes over bytes up to the next VT.
    fn pass_over<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(at) = memchr(VT, bytes) else {
            self.skip(bytes);
            return &[];
        };
        let (skipped, rest) = split_at_mark(bytes, at);
        self.skipped.add(skipped);
        self.report_skipped();
        self.begin();
        rest
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.skipped.add(bytes);
        if self.skipped.count >= limits::SKIPPED_RUN_BYTES_MAX {
            self.report_skipped();
        }
    }

    /// In a frame: collects bytes up to the next VT or FS.
    fn gather<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(at) = memchr2(VT, FS, bytes) else {
            self.extend(bytes);
            return &[];
        };
        let mark = bytes.get(at).copied();
        let (payload, rest) = split_at_mark(bytes, at);
        self.extend(payload);
        if mark == Some(FS) {
            self.state = if self.state == State::Dropping { State::DropEnding } else { State::Ending };
            return rest;
        }
        self.abandon(Cause::Restarted);
        self.begin();
        rest
    }

    /// After FS: decides whether it ended the frame.
    fn end<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        match bytes.split_first() {
            Some((&CR, rest)) => {
                self.complete(false);
                rest
            }
            Some((&VT, rest)) => {
                self.complete(true);
                self.begin();
                rest
            }
            _ => {
                self.separators = self.separators.saturating_add(1);
                self.state = State::Inside;
                self.extend(&[FS]);
                bytes
            }
        }
    }

    fn drop_until_mark<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(at) = memchr2(VT, FS, bytes) else { return &[] };
        match bytes.get(at) {
            Some(&FS) => self.state = State::DropEnding,
            _ => self.begin(),
        }
        split_at_mark(bytes, at).1
    }

    fn end_dropping<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        match bytes.split_first() {
            Some((&CR, rest)) => {
                self.state = State::Outside;
                rest
            }
            Some((&VT, rest)) => {
                self.begin();
                rest
            }
            _ => {
                self.state = State::Dropping;
                bytes
            }
        }
    }

    /// Adds to the payload, or gives the frame up where it outgrows the limit.
    fn extend(&mut self, payload: &[u8]) {
        let total = self.frame.0.len().saturating_add(payload.len());
        if total <= self.frame_max {
            return self.frame.extend(payload, self.frame_max);
        }
        // Up to the byte that is too many and no further, so that the report does not depend on how the bytes were cut.
        let counted = self.frame_max.saturating_add(1);
        let missing = limits::SKIPPED_BYTES_KEPT.min(counted).saturating_sub(self.frame.0.len());
        let mut kept = head(&self.frame.0).to_vec();
        kept.extend(payload.iter().take(missing));
        self.frame = Buffer(Vec::new());
        self.separators = 0;
        self.note(Cause::Oversize, kept, counted);
        self.state = State::Dropping;
    }

    /// Hands the collected payload over.
    fn complete(&mut self, without_return: bool) {
        let payload = self.frame.take();
        let separators = mem::take(&mut self.separators);
        self.state = State::Outside;
        if payload.is_empty() {
            self.note(Cause::Empty, Vec::new(), 0);
        } else {
            self.events.push_back(Event::Frame(payload));
        }
        if separators > 0 {
            self.events.push_back(Event::Noise { cause: Cause::SeparatorInside, bytes: Vec::new(), count: separators });
        }
        if without_return {
            self.note(Cause::MissingReturn, Vec::new(), 0);
        }
    }

    /// Reports a frame that has begun and will not be completed.
    fn abandon(&mut self, cause: Cause) {
        let began = match self.state {
            State::Inside | State::Ending => true,
            State::Outside | State::Dropping | State::DropEnding => false,
        };
        let payload = self.frame.take();
        self.separators = 0;
        if began {
            self.note(cause, head(&payload).to_vec(), payload.len());
        }
    }

    fn report_skipped(&mut self) {
        if let Some(noise) = self.skipped.take() {
            self.events.push_back(noise);
        }
    }

    fn note(&mut self, cause: Cause, bytes: Vec<u8>, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.events.push_back(Event::Noise { cause, bytes, count });
    }
}

impl Iterator for Decoder {
    type Item = Event;

    /// Takes the next event; more may follow after the next push.
    fn next(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() && self.events.capacity() > EVENTS_KEPT {
            self.events = VecDeque::new();
        }
        event
    }
}

/// Events an empty queue keeps room for.
const EVENTS_KEPT: usize = 64;

/// The payload collected so far.
struct Buffer(Vec<u8>);

impl Buffer {
    /// Adds `payload`; doubles its room, but never beyond `limit`.
    fn extend(&mut self, payload: &[u8], limit: usize) {
        let needed = self.0.len().saturating_add(payload.len());
        if needed > self.0.capacity() {
            let room = self.0.capacity().saturating_mul(2).min(limit).max(needed);
            self.0.reserve_exact(room.saturating_sub(self.0.len()));
        }
        self.0.extend_from_slice(payload);
    }

    /// Gives the payload away, without much unused room.
    fn take(&mut self) -> Vec<u8> {
        let mut payload = mem::take(&mut self.0);
        if payload.capacity().saturating_sub(payload.len()) > SLACK_BYTES_MAX {
            payload.shrink_to_fit();
        }
        payload
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Unused room a payload may be handed over with.
const SLACK_BYTES_MAX: usize = 64 << 10;

/// A run of bytes between frames.
pub(super) struct Skipped {
    kept: Vec<u8>,
    pub(super) count: u64,
    foreign: bool,
}

impl Skipped {
    pub(super) const fn new() -> Self {
        Self { kept: Vec::new(), count: 0, foreign: false }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = limits::SKIPPED_BYTES_KEPT.saturating_sub(self.kept.len());
        self.kept.extend(bytes.iter().take(room));
        self.count = self.count.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.foreign = self.foreign || !bytes.iter().all(|byte| is_padding(*byte));
    }

    pub(super) fn take(&mut self) -> Option<Event> {
        let Self { kept, count, foreign } = mem::replace(self, Self::new());
        if count == 0 {
            return None;
        }
        let cause = match foreign {
            false => Cause::Padding,
            true if is_marked_padding(&kept, count) => Cause::ByteOrderMark,
            true => Cause::Garbage,
        };
        Some(Event::Noise { cause, bytes: kept, count })
    }
}

impl fmt::Debug for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.count)
    }
}

const fn is_padding(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | b'\r' | b' ')
}

/// Whether the run is padding around one byte order mark (UTF-8, UTF-16 either way).
fn is_marked_padding(kept: &[u8], count: u64) -> bool {
    let whole = u64::try_from(kept.len()).is_ok_and(|length| length == count);
    let start = kept.iter().position(|byte| !is_padding(*byte)).unwrap_or(kept.len());
    let rest = kept.get(start..).unwrap_or_default();
    let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe"];
    let after = marks.iter().find_map(|mark| rest.strip_prefix(*mark));
    whole && after.is_some_and(|bytes| bytes.iter().all(|byte| is_padding(*byte)))
}

/// The bytes before the mark at `at`, and those after it.
fn split_at_mark(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    let before = bytes.get(..at).unwrap_or_default();
    let after = bytes.get(at.saturating_add(1)..).unwrap_or_default();
    (before, after)
}

/// The first bytes, as many as are kept.
fn head(bytes: &[u8]) -> &[u8] {
    bytes.get(..limits::SKIPPED_BYTES_KEPT).unwrap_or(bytes)
}

#[cfg(test)]
mod tests;
