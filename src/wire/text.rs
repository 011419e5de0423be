//! Framed lines of text, as dispatch systems, nurse call and printers ports send them: one end of a line, in both roles.
//!
//! ```text
//! [start]  data …  [check]  end  [check]
//!  STX                      ETX  or CR, LF, CR LF …
//!
//! peer ──►  line              line               line (damaged)      heartbeat
//! peer ◄──        ACK              NAK                  NAK          (ACK, if it is a whole line)
//!           ▲ after Answer::Taken  ▲ after Answer::Refused  ▲ nothing is taken
//! ```
//!
//! There is no standard: every part is an option, to be set as the peer's manual says. How lines are found in the bytes
//! stands in `scan`.
//!
//! - Without acknowledgements ([`Reply::None`]) nothing is ever written for what is received, also no reply, and a message
//!   of ours counts as sent when it is written.
//! - With them, one message of ours is under way at a time; NAK or silence has it sent again, [`Options::retries`] times.
//!   It begins only when the peer has its answers and no line of the peer is under way. Replies go the same way.
//! - ACK and NAK are looked for between lines only; one that nobody waits for is noise.
//! - A line that the next one cuts short is not refused: the refusal would be taken for that of the next one.
//! - A message that our own end would not read back (it holds a mark, or is a heartbeat) is [`Unsent::Unfit`]; such a
//!   reply is not written.
//!
//! What such a protocol cannot promise:
//! - Without a check a damaged line is taken unless the receiver of the line noticed.
//! - A check of eight bits sees every damage of one byte inside a line, and takes one in 256 of anything worse: noise
//!   that looks like a line, two damaged bytes, two lines that a lost end made one. None sees the order of bytes or a
//!   NUL too many, and [`Algorithm::Xor`] no pair of equal bytes too many.
//! - Without a start mark noise between lines is a part of the next one, and a lost end joins two lines.
//! - A missing check costs the next line as well, unless that begins with a start mark.
//! - A damaged ACK or NAK is silence, and the line comes twice; one that damage made of the other is believed.
//!
//! Bounds: one line of [`Bounds::frame_max`], and what was given to [`Line::send`].

use std::{collections::VecDeque, fmt, mem, time::Duration};

use super::{
    Answer, Bounds, Cause, Event, Happening, Line, LineFault, Unsent,
    exchange::{Exchange, Out, Said, Told},
};
use crate::units::{Timestamp, limits};

mod scan;
#[cfg(test)]
mod tests;

use scan::{Found, Scanner};

/// How a link frames its lines. The values behind the dots are the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Largest payload, time for a line, and silence that ends it.
    pub bounds: Bounds,
    /// The byte before a line, if there is one. STX.
    pub start: Option<u8>,
    /// The bytes behind a line. [`End::ETX`].
    pub end: End,
    /// The check of a line. None.
    pub check: Option<Check>,
    /// How a line is acknowledged. [`Reply::None`].
    pub reply: Reply,
    /// What the peer sends to show that it is there. None.
    pub heartbeat: Option<Heartbeat>,
    /// How often a line of ours is sent again. [`limits::TEXT_RETRIES`].
    pub retries: u32,
    /// Time the peer has to acknowledge a line of ours. [`limits::TEXT_REPLY_TIMEOUT`].
    pub reply_timeout: Duration,
}

/// The bytes behind a line: one to [`End::BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    bytes: [u8; Self::BYTES_MAX],
    length: usize,
}

impl End {
    /// Longest end.
    pub const BYTES_MAX: usize = 4;
    /// ETX.
    pub const ETX: Self = Self { bytes: [0x03, 0, 0, 0], length: 1 };
    /// CR.
    pub const CR: Self = Self { bytes: [b'\r', 0, 0, 0], length: 1 };
    /// LF.
    pub const LF: Self = Self { bytes: [b'\n', 0, 0, 0], length: 1 };
    /// CR LF.
    pub const CRLF: Self = Self { bytes: [b'\r', b'\n', 0, 0], length: 2 };

    /// These bytes; none if there are too many or too few.
    pub fn new(mark: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::BYTES_MAX];
        bytes.get_mut(..mark.len()).filter(|place| !place.is_empty())?.copy_from_slice(mark);
        Some(Self { bytes, length: mark.len() })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The check of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// How it is made.
    pub algorithm: Algorithm,
    /// How it is written.
    pub form: Form,
    /// Where it stands.
    pub place: Place,
    /// Whether the start mark is summed.
    pub start: Span,
    /// Whether the end mark is summed.
    pub end: Span,
}

/// How a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Sum of the bytes in eight bits.
    Sum8,
    /// Exclusive or of the bytes (LRC).
    Xor,
    /// The number that makes the sum zero.
    Twos,
}

/// How a check is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As one byte, whatever it is; only behind the end mark, since before it a byte that looks like a mark would be one.
    Byte,
    /// As two hexadecimal digits: capitals in lines of ours, either are taken.
    Hex,
}

/// Where a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the end mark.
    BeforeEnd,
    /// Behind the end mark.
    AfterEnd,
}

/// Whether a mark is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// It is.
    Included,
    /// It is not.
    Excluded,
}

/// How lines are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Not at all: one way.
    None,
    /// By one byte for a line that was taken, and another for one that was not.
    AckNak {
        /// Taken.
        ack: u8,
        /// Not taken: send it again.
        nak: u8,
    },
}

/// What a peer sends to show that it is there; counted and otherwise ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// This byte between lines. Without a start mark no line can begin with it.
    Byte(u8),
    /// A line with just this payload.
    Line(Vec<u8>),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bounds: Bounds {
                frame_max: usize::try_from(limits::FRAME_BYTES_DEFAULT).unwrap_or(usize::MAX),
                frame_timeout: limits::FRAME_TIMEOUT,
                gap_max: None,
            },
            start: Some(0x02),
            end: End::ETX,
            check: None,
            reply: Reply::None,
            heartbeat: None,
            retries: limits::TEXT_RETRIES,
            reply_timeout: limits::TEXT_REPLY_TIMEOUT,
        }
    }
}

/// One end of a line.
///
/// ```
/// use gurney::{units::Timestamp, wire::{Answer, Event, Line as _, text::{Options, Reply, TextLine}}};
///
/// let reply = Reply::AckNak { ack: 0x06, nak: 0x15 };
/// let (mut end, now) = (TextLine::new(Options { reply, ..Options::default() }), Timestamp(0));
/// end.receive(now, b"\x02unit 7|on scene\x03");
/// assert_eq!(end.next(), Some(Event::Frame(b"unit 7|on scene".to_vec())));
/// assert_eq!(end.transmit(), b"", "not before the commit");
/// end.answer(now, Answer::Taken(Vec::new()));
/// assert_eq!(end.transmit(), b"\x06");
/// ```
pub struct TextLine {
    bounds: Bounds,
    reply: Reply,
    scanner: Scanner,
    out: Out,
    exchange: Exchange,
    /// With acknowledgements: what the peer is owed, in order.
    owed: VecDeque<Owed>,
    /// When the line under way began, and which one it is.
    began: (u64, Timestamp),
    received_at: Timestamp,
}

/// What is owed to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    /// The answer to a frame.
    Answer,
    /// ACK, for a heartbeat.
    Ack,
    /// NAK, for a line that cannot be taken.
    Nak,
}

impl TextLine {
    /// Makes the machine of one stream.
    pub fn new(options: Options) -> Self {
        Self {
            bounds: options.bounds,
            reply: options.reply,
            exchange: Exchange::new(options.reply_timeout, options.retries),
            scanner: Scanner::new(options),
            out: Out::default(),
            owed: VecDeque::new(),
            began: (0, Timestamp(0)),
            received_at: Timestamp(0),
        }
    }

    /// Takes what the scanner found.
    fn collect(&mut self, now: Timestamp) {
        while let Some(found) = self.scanner.next() {
            match found {
                Found::Line(payload) => {
                    self.owe(Owed::Answer);
                    self.out.events.push_back(Event::Frame(payload));
                }
                Found::Said(said, byte) => self.take_reply(now, said, byte),
                Found::Beat => self.out.count(Happening::Heartbeat),
                Found::BeatLine => {
                    self.out.count(Happening::Heartbeat);
                    self.owe(Owed::Ack);
                }
                Found::Noise(noise) => self.out.events.push_back(noise),
                Found::Spoilt => self.owe(Owed::Nak),
            }
            self.pay();
        }
        if self.began.0 != self.scanner.begun() {
            self.began = (self.scanner.begun(), now);
        }
    }

    fn take_reply(&mut self, now: Timestamp, said: Said, byte: u8) {
        if said == Said::Refused {
            self.out.count(Happening::NakReceived);
        }
        if !self.exchange.answered(now, said, &mut self.out) {
            self.out.events.push_back(Event::Noise { cause: Cause::Malformed, bytes: vec![byte], count: 1 });
        }
    }

    fn owe(&mut self, owed: Owed) {
        if self.reply != Reply::None {
            self.owed.push_back(owed);
        }
    }

    /// Says what needs no answer and whose turn has come.
    fn pay(&mut self) {
        while let Some(said) = self.owed.front().and_then(|owed| match owed {
            Owed::Answer => None,
            Owed::Ack => Some(Said::Taken),
            Owed::Nak => Some(Said::Refused),
        }) {
            self.owed.pop_front();
            self.say(said);
        }
    }

    fn say(&mut self, said: Said) {
        let Reply::AckNak { ack, nak } = self.reply else { return };
        match said {
            Said::Taken => self.out.writing.push(ack),
            Said::Refused => {
                self.out.writing.push(nak);
                self.out.count(Happening::NakSent);
            }
        }
    }

    /// Begins a message of ours where the line is free.
    fn begin(&mut self, now: Timestamp) {
        if self.owed.is_empty() && !self.scanner.in_line() {
            self.exchange.begin(now, &mut self.out);
        }
    }

    /// When the line under way is given up.
    fn line_deadline(&self) -> Option<Timestamp> {
        if !self.scanner.in_line() {
            return None;
        }
        let whole = self.began.1.plus(self.bounds.frame_timeout);
        let gap = self.bounds.gap_max.map(|gap| self.received_at.plus(gap));
        Some(gap.map_or(whole, |gap| whole.min(gap)))
    }

    /// When silence decides something.
    fn lull_deadline(&self) -> Option<Timestamp> {
        self.scanner.awaits_silence().then(|| self.received_at.plus(limits::LULL))
    }
}

impl Line for TextLine {
    fn receive(&mut self, now: Timestamp, bytes: &[u8]) {
        self.scanner.push(bytes);
        self.received_at = now;
        self.collect(now);
        // However slowly its bytes drip and however late the clock is read, a line has its time and no more.
        if self.scanner.in_line() && self.began.1.plus(self.bounds.frame_timeout) <= now {
            self.scanner.expire();
            self.collect(now);
        }
        self.begin(now);
    }

    fn damaged(&mut self, now: Timestamp, fault: LineFault) {
        self.scanner.damage(fault.cause());
        self.received_at = now;
        self.collect(now);
        self.begin(now);
    }

    fn tick(&mut self, now: Timestamp) {
        let is_due = |deadline: Option<Timestamp>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.lull_deadline()) {
            self.scanner.silence();
        }
        if is_due(self.line_deadline()) {
            self.scanner.expire();
        }
        self.collect(now);
        self.exchange.tick(now, &mut self.out);
        self.begin(now);
    }

    fn deadline(&self) -> Option<Timestamp> {
        [self.lull_deadline(), self.line_deadline(), self.exchange.deadline()].into_iter().flatten().min()
    }

    fn next(&mut self) -> Option<Event> {
        self.out.next()
    }

    fn answer(&mut self, now: Timestamp, answer: Answer) {
        if self.owed.pop_front().is_none() {
            return;
        }
        match answer {
            Answer::Refused => self.say(Said::Refused),
            Answer::Taken(replies) => {
                self.say(Said::Taken);
                for line in replies.iter().filter_map(|reply| self.scanner.encode(reply)) {
                    self.exchange.push(Some(line), Told::Nobody);
                }
            }
        }
        self.pay();
        self.begin(now);
    }

    fn send(&mut self, now: Timestamp, payload: Vec<u8>) {
        let line = self.scanner.encode(&payload);
        if self.reply != Reply::None {
            self.exchange.push(line, Told::Shell);
            return self.begin(now);
        }
        self.out.events.push_back(if line.is_some() { Event::Sent } else { Event::Unsent(Unsent::Unfit) });
        self.out.writing.extend(line.unwrap_or_default());
    }

    fn transmit(&mut self) -> Vec<u8> {
        mem::take(&mut self.out.writing)
    }

    fn is_busy(&self) -> bool {
        self.scanner.in_line() || self.exchange.is_busy()
    }

    fn end(&mut self, now: Timestamp) {
        self.scanner.finish();
        self.collect(now);
        self.exchange.end(&mut self.out);
    }
}

impl fmt::Debug for TextLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bounds, reply, scanner, out, owed, .. } = self;
        f.debug_struct("TextLine")
            .field("bounds", bounds)
            .field("reply", reply)
            .field("scanner", scanner)
            .field("owed", owed)
            .field("events", &out.events)
            .field("writing_bytes", &out.writing.len())
            .finish_non_exhaustive()
    }
}
