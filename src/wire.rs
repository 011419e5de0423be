//! Bytes and frames: how a message is marked off on a wire, and how the two ends of the wire agree that it arrived.
//!
//! Every codec here is a plain state machine: bytes are pushed in, events and bytes are taken out, nothing waits and
//! nothing is read. The shell owns the wire and the clock, and says when a deadline passed or the line ended. What is
//! inside a frame is not looked at. [`Line`] is what a shell sees of a protocol; all of them are driven the same way:
//!
//! ```text
//! wire ── receive(now, bytes) ──►┌──────┐──► next() ──► Event::Frame ──► journal
//! wire ◄────── transmit() ───────│ Line │◄── answer(now, Answer::Taken(replies)) ◄── after the commit
//! clock ── deadline() / tick() ──└──────┘◄── send(now, payload): a message of our own
//! ```
//!
//! A machine never tells its peer that a message is taken before [`Line::answer`] said so (INV-01); parts of a message
//! that are not yet a whole one are acknowledged where the protocol wants it, since they make no promise.

use std::{fmt, time::Duration};

use crate::units::Timestamp;

pub mod folder;
pub mod half_duplex;
pub mod hl7_over_http;
pub mod hllp;
pub mod lis01;
pub mod marks;
pub mod mllp;
pub mod text;
pub mod trace;

#[cfg(test)]
mod bad_tests;
#[cfg(test)]
mod bench;
mod exchange;

/// What a machine found in the bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// The payload of a complete frame, or of a complete message of several frames. It is to be answered by
    /// [`Line::answer`], in order.
    Frame(Vec<u8>),
    /// Something that is not a plain frame. A complete frame whose end was odd is followed by one of these.
    Noise {
        /// What it was.
        cause: Cause,
        /// Its first bytes; may hold patient data.
        bytes: Vec<u8>,
        /// How many bytes it had, kept or not.
        count: u64,
    },
    /// Something of the link layer that is counted and needs nothing else.
    Count(Happening),
    /// The peer took the oldest message given to [`Line::send`].
    Sent,
    /// The peer did not take the oldest message given to [`Line::send`]; it is to be sent again later.
    Unsent(Unsent),
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(payload) => write!(f, "Frame({} bytes)", payload.len()),
            Self::Noise { cause, count, .. } => write!(f, "Noise({cause}, {count} bytes)"),
            Self::Count(happening) => write!(f, "Count({happening:?})"),
            Self::Sent => f.write_str("Sent"),
            Self::Unsent(why) => write!(f, "Unsent({why:?})"),
        }
    }
}

/// Why bytes were not a plain frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// NUL, CR, LF, tab or blank between frames.
    Padding,
    /// A byte order mark between frames, alone or with padding.
    ByteOrderMark,
    /// Any other bytes between frames.
    Garbage,
    /// A frame without a payload.
    Empty,
    /// FS without CR at the end of a frame; the frame was taken.
    MissingReturn,
    /// FS inside a payload; kept.
    SeparatorInside,
    /// The start of a frame inside a frame: what came before it was abandoned.
    Restarted,
    /// A frame larger than the link takes.
    Oversize,
    /// The stream ended inside a frame.
    Partial,
    /// The peer took too long to complete a frame.
    Timeout,
    /// The checksum of a frame does not match.
    Checksum,
    /// The byte count of a frame does not match.
    Length,
    /// The number of a frame is neither the next one nor a repeat of the last one.
    FrameNumber,
    /// The marks, digits or header of a frame are not what the protocol asks for.
    Malformed,
    /// The sender gave a message up after it had begun.
    Abandoned,
    /// A message without the record that ends it; what had come was taken.
    Unterminated,
    /// The receiver reported a parity error inside a frame.
    Parity,
    /// The receiver reported a framing error or a break inside a frame.
    Line,
    /// The receiver lost bytes inside a frame.
    Overrun,
}

impl Cause {
    /// Every cause, for labels that exist from the start.
    pub const ALL: [Self; 19] = [
        Self::Padding,
        Self::ByteOrderMark,
        Self::Garbage,
        Self::Empty,
        Self::MissingReturn,
        Self::SeparatorInside,
        Self::Restarted,
        Self::Oversize,
        Self::Partial,
        Self::Timeout,
        Self::Checksum,
        Self::Length,
        Self::FrameNumber,
        Self::Malformed,
        Self::Abandoned,
        Self::Unterminated,
        Self::Parity,
        Self::Line,
        Self::Overrun,
    ];

    /// The cause as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Padding => "padding",
            Self::ByteOrderMark => "byte_order_mark",
            Self::Garbage => "garbage",
            Self::Empty => "empty",
            Self::MissingReturn => "missing_return",
            Self::SeparatorInside => "separator_inside",
            Self::Restarted => "restarted",
            Self::Oversize => "oversize",
            Self::Partial => "partial",
            Self::Timeout => "timeout",
            Self::Checksum => "checksum",
            Self::Length => "length",
            Self::FrameNumber => "frame_number",
            Self::Malformed => "malformed",
            Self::Abandoned => "abandoned",
            Self::Unterminated => "unterminated",
            Self::Parity => "parity",
            Self::Line => "line",
            Self::Overrun => "overrun",
        }
    }

    /// The `kind` of the frame error metric it belongs to.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Oversize => "oversize",
            Self::Timeout => "timeout",
            Self::Checksum | Self::Length => "checksum",
            Self::Parity => "parity",
            Self::Overrun => "overrun",
            _ => "framing",
        }
    }

    /// Whether a message was, or may have been, lost by it, so that a person should look.
    pub const fn lost_a_frame(self) -> bool {
        !matches!(self, Self::Padding | Self::ByteOrderMark | Self::Empty | Self::MissingReturn | Self::SeparatorInside)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something of the link layer that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// We refused a frame.
    NakSent,
    /// The peer refused a frame of ours.
    NakReceived,
    /// We sent a frame again.
    Retransmitted,
    /// The peer sent a frame that we had; it was acknowledged again and not taken twice.
    DuplicateFrame,
    /// Both ends asked for the line at once.
    Contention,
    /// The receiver took a frame and asked the sender to stop.
    Interrupted,
    /// The line was found again after bytes that made no sense.
    Resynchronised,
    /// Several messages were given up half-way soon after each other: the line or the peer needs a person.
    AbortedOften,
    /// The peer said that it is there, and nothing else.
    Heartbeat,
}

/// Why a message of ours was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// The peer gave no answer in time.
    NoAnswer,
    /// The peer refused it as often as the protocol allows.
    Refused,
    /// The stream ended before it was taken.
    Ended,
    /// It holds bytes that the protocol cannot carry, or more than it can carry; sending it again does not help.
    Unfit,
}

/// What is wrong with a byte, as the receiver of a serial line reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// Its parity is wrong.
    Parity,
    /// Its stop bit is missing, or the line was held low for longer than a character (break).
    Framing,
    /// Bytes before it were lost.
    Overrun,
}

impl LineFault {
    /// The cause it gives to a frame that was under way.
    pub const fn cause(self) -> Cause {
        match self {
            Self::Parity => Cause::Parity,
            Self::Framing => Cause::Line,
            Self::Overrun => Cause::Overrun,
        }
    }
}

/// What became of the oldest unanswered frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is stored, or was refused for what it says; these are the replies to its messages, in order, each to be framed.
    Taken(Vec<Vec<u8>>),
    /// It is not stored: the sender must keep it.
    Refused,
}

/// One end of a line, as a shell drives it: after each call, [`Self::transmit`] and [`Self::next`] until both have
/// nothing, then wait for bytes, an answer, or [`Self::deadline`]. `now` is a clock that never goes back.
pub trait Line: fmt::Debug + Send {
    /// Takes the next bytes of the stream.
    fn receive(&mut self, now: Timestamp, bytes: &[u8]);

    /// Says that the byte which would come next is damaged: whatever is under way cannot be taken.
    fn damaged(&mut self, now: Timestamp, fault: LineFault);

    /// Says that the time of [`Self::deadline`] has come.
    fn tick(&mut self, now: Timestamp);

    /// When [`Self::tick`] is to be called, if nothing else happens.
    fn deadline(&self) -> Option<Timestamp>;

    /// Takes the next event.
    fn next(&mut self) -> Option<Event>;

    /// Answers the oldest frame that has none.
    fn answer(&mut self, now: Timestamp, answer: Answer);

    /// Queues a message of our own; [`Event::Sent`] or [`Event::Unsent`] tells what became of it.
    fn send(&mut self, now: Timestamp, payload: Vec<u8>);

    /// Takes the bytes that are to be written now; empty where there are none.
    fn transmit(&mut self) -> Vec<u8>;

    /// Whether a frame has begun and not ended, or a message of ours is under way: the line must not be let go of.
    fn is_busy(&self) -> bool;

    /// Says that the stream has ended. The machine is then ready for a new stream.
    fn end(&mut self, now: Timestamp);
}

/// How a frame that is under way is timed, the same for every protocol that has no timers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Largest payload.
    pub frame_max: usize,
    /// Time from the first to the last byte of a frame.
    pub frame_timeout: Duration,
    /// Silence inside a frame after which it is given up; none on TCP, where a pause says nothing.
    pub gap_max: Option<Duration>,
}
