//! HLLP, the hybrid lower layer protocol (HL7 v2 implementation guide, appendix C.2): blocks with a count and a checksum,
//! and a refusal that asks for the block again. One end of a line, in both roles at once.
//!
//! ```text
//! peer ──►  D block                               D block                  D block (damaged)
//! peer ◄──           reply as a D block                    N block 'G'              N block 'C', 'X', 'B' or 'G'
//!           ▲ after Answer::Taken                 ▲ after Answer::Refused  ▲ nothing is taken
//! ```
//!
//! The layout of a block, and how its end is found, stand in `block`.
//!
//! - HLLP has no positive acknowledgement of its own: the reply is the next D block. Where there is no reply to give,
//!   nothing is written, and the peer waits in vain.
//! - A D block of the peer completes the message of ours that is under way, and is a frame like any other: whether the
//!   peer accepted the message, the reply says in HL7, as in MLLP release 1.
//! - An N block, or no block in [`Npt::receive_timeout`], has the message sent again, [`Npt::send_retries`] times. An N
//!   block while none is under way has our last reply sent again.
//! - A message of ours begins only when the peer has its answer, no block of the peer is under way, and nothing can be
//!   taken for an answer to the message before.
//! - A block that the next one cuts short is not refused: the refusal would be taken for that of the next one. Noise is
//!   never answered.
//! - A message that the protocol cannot carry such that our own end would read it back is [`Unsent::Unfit`](super::Unsent::Unfit); such a reply
//!   is not written.
//!
//! [`Npt::connect_retries`] and [`Npt::connect_pause`] are the shell's, which dials. Ranges, digits and radix vary among
//! vendors and are to be set as the peer's manual says; the defaults are those most often described.
//!
//! Bounds: one block of [`Bounds::frame_max`], the last reply, and what was given to [`Line::send`].

use std::{collections::VecDeque, fmt, mem, time::Duration};

use super::{
    Answer, Bounds, Event, Happening, Line, LineFault,
    exchange::{Exchange, Out, Said, Told},
};
use crate::units::{Timestamp, limits};

mod block;
#[cfg(test)]
mod tests;
mod trailer;

use block::{Decoder, Found, Reason};

/// How a link speaks HLLP. The values behind the dots are the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Largest payload, time for a block, and silence that ends it.
    pub bounds: Bounds,
    /// The two digits of the version in blocks of ours; any two are taken. `21`.
    pub version: [u8; 2],
    /// How the checksum is made. [`Checksum::Xor`].
    pub checksum: Checksum,
    /// Digits of the count; 0 for none, and then data must not hold FS before CR. 5.
    pub count_digits: u8,
    /// Digits of the checksum. 3.
    pub checksum_digits: u8,
    /// How both are written. [`Radix::Decimal`].
    pub radix: Radix,
    /// First byte of those before the count that are counted. [`From::Mark`].
    pub count_from: From,
    /// First byte of those before the checksum that are summed, the count among them. [`From::Mark`].
    pub checksum_from: From,
    /// The four settings of the network protocol table.
    pub npt: Npt,
    /// Longest line the peer's host takes, where CR stuffing is agreed: behind this many bytes of data without CR the
    /// sender puts a CR, which the receiver takes out. Count and checksum are of the bytes on the wire. Both ends must be
    /// set alike, since a CR that ends a line of just this length cannot be told from a stuffed one. None.
    pub line_max: Option<usize>,
}

/// How a checksum is made. Of a value with too many digits the last ones are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Exclusive or of all bytes.
    Xor,
    /// Sum of all bytes in eight bits.
    Sum,
    /// Sum of all bytes.
    WideSum,
    /// None, with no digits.
    None,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Radix {
    /// Decimal digits.
    Decimal,
    /// Hexadecimal digits: capitals in blocks of ours, either are taken.
    Hex,
}

/// The first byte that a count or checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// VT.
    Mark,
    /// The block type, behind VT.
    Type,
    /// The first byte of data, behind the CR of the header.
    Data,
}

/// The four settings of the network protocol table (NPT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Npt {
    /// Failed connections in a row after which the link is down. [`limits::HLLP_CONNECT_RETRIES`].
    pub connect_retries: u32,
    /// Pause between two attempts to connect. [`limits::HLLP_CONNECT_PAUSE`].
    pub connect_pause: Duration,
    /// Time the peer has to answer a block. [`limits::HLLP_RECEIVE_TIMEOUT`].
    pub receive_timeout: Duration,
    /// How often a block is sent again. [`limits::HLLP_SEND_RETRIES`].
    pub send_retries: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bounds: Bounds {
                frame_max: usize::try_from(limits::FRAME_BYTES_DEFAULT).unwrap_or(usize::MAX),
                frame_timeout: limits::FRAME_TIMEOUT,
                gap_max: None,
            },
            version: *b"21",
            checksum: Checksum::Xor,
            count_digits: 5,
            checksum_digits: 3,
            radix: Radix::Decimal,
            count_from: From::Mark,
            checksum_from: From::Mark,
            npt: Npt::default(),
            line_max: None,
        }
    }
}

impl Default for Npt {
    fn default() -> Self {
        Self {
            connect_retries: limits::HLLP_CONNECT_RETRIES,
            connect_pause: limits::HLLP_CONNECT_PAUSE,
            receive_timeout: limits::HLLP_RECEIVE_TIMEOUT,
            send_retries: limits::HLLP_SEND_RETRIES,
        }
    }
}

/// One end of an HLLP line.
///
/// ```
/// use gurney::{units::Timestamp, wire::{Answer, Event, Line as _, hllp::{Hllp, Options}}};
///
/// let (mut end, now) = (Hllp::new(Options::default()), Timestamp(0));
/// end.receive(now, b"\x0bD21\rMSH|^~\\&|A\r00016054\x1c\r");
/// assert_eq!(end.next(), Some(Event::Frame(b"MSH|^~\\&|A\r".to_vec())));
/// end.answer(now, Answer::Refused);
/// assert_eq!(end.transmit(), b"\x0bN21\rG00006058\x1c\r");
/// ```
pub struct Hllp {
    options: Options,
    decoder: Decoder,
    out: Out,
    exchange: Exchange,
    /// Blocks of the peer that wait for their answer, and those that are to be refused behind them.
    owed: VecDeque<Owed>,
    /// Our last reply, and how often it was sent again.
    replied: Option<(Vec<u8>, u32)>,
    /// When the block under way began, and which one it is.
    began: (u64, Timestamp),
    received_at: Timestamp,
}

/// What is owed to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    /// The answer to a frame.
    Answer,
    /// An N block.
    Refusal(Reason),
}

impl Hllp {
    /// Makes the machine of one stream.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            decoder: Decoder::new(options),
            out: Out::default(),
            exchange: Exchange::new(options.npt.receive_timeout, options.npt.send_retries),
            owed: VecDeque::new(),
            replied: None,
            began: (0, Timestamp(0)),
            received_at: Timestamp(0),
        }
    }

    /// Takes what the decoder found.
    fn collect(&mut self, now: Timestamp) {
        while let Some(found) = self.decoder.next() {
            match found {
                Found::Data(payload) => {
                    self.replied = None;
                    self.exchange.answered(now, Said::Taken, &mut self.out);
                    self.owed.push_back(Owed::Answer);
                    self.out.events.push_back(Event::Frame(payload));
                }
                Found::Refusal => self.refused(now),
                Found::Noise(noise) => self.out.events.push_back(noise),
                Found::Spoilt(reason) => {
                    // If it was to be our answer, it comes again.
                    self.exchange.stirred(now);
                    self.owed.push_back(Owed::Refusal(reason));
                    self.refuse_in_turn();
                }
            }
        }
        if self.began.0 != self.decoder.begun() {
            self.began = (self.decoder.begun(), now);
        }
    }

    /// The peer did not take our last block.
    fn refused(&mut self, now: Timestamp) {
        self.out.count(Happening::NakReceived);
        if self.exchange.answered(now, Said::Refused, &mut self.out) {
            return;
        }
        if let Some((block, resends)) = &mut self.replied
            && *resends < self.options.npt.send_retries
        {
            *resends = resends.saturating_add(1);
            self.out.writing.extend_from_slice(block);
            self.out.events.push_back(Event::Count(Happening::Retransmitted));
        }
    }

    /// Refuses the blocks whose turn has come.
    fn refuse_in_turn(&mut self) {
        while let Some(Owed::Refusal(reason)) = self.owed.front().copied() {
            self.owed.pop_front();
            self.refuse(reason);
        }
    }

    fn refuse(&mut self, reason: Reason) {
        block::encode_refusal(&mut self.out.writing, &self.options, reason);
        self.out.count(Happening::NakSent);
    }

    /// Begins a message of ours where the line is free.
    fn begin(&mut self, now: Timestamp) {
        if self.owed.is_empty() && !self.decoder.in_block() {
            self.exchange.begin(now, &mut self.out);
        }
    }

    /// When the block under way is given up.
    fn block_deadline(&self) -> Option<Timestamp> {
        if !self.decoder.in_block() {
            return None;
        }
        let whole = self.began.1.plus(self.options.bounds.frame_timeout);
        let gap = self.options.bounds.gap_max.map(|gap| self.received_at.plus(gap));
        Some(gap.map_or(whole, |gap| whole.min(gap)))
    }

    /// When silence decides something.
    fn lull_deadline(&self) -> Option<Timestamp> {
        self.decoder.awaits_silence().map(|silence| self.received_at.plus(silence))
    }

    /// When an answer of the peer is given up; a block that has begun may be it.
    fn answer_deadline(&self) -> Option<Timestamp> {
        self.exchange.deadline().filter(|_| !self.decoder.in_block())
    }
}

impl Line for Hllp {
    fn receive(&mut self, now: Timestamp, bytes: &[u8]) {
        self.decoder.push(bytes);
        self.received_at = now;
        self.collect(now);
        // However slowly its bytes drip and however late the clock is read, a block has its time and no more.
        if self.decoder.in_block() && self.began.1.plus(self.options.bounds.frame_timeout) <= now {
            self.decoder.expire();
            self.collect(now);
        }
        self.begin(now);
    }

    fn damaged(&mut self, now: Timestamp, fault: LineFault) {
        self.decoder.damage(fault.cause());
        self.received_at = now;
        self.collect(now);
        self.begin(now);
    }

    fn tick(&mut self, now: Timestamp) {
        let is_due = |deadline: Option<Timestamp>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.lull_deadline()) {
            self.decoder.silence();
        }
        if is_due(self.block_deadline()) {
            self.decoder.expire();
        }
        self.collect(now);
        if is_due(self.answer_deadline()) {
            self.exchange.tick(now, &mut self.out);
        }
        self.begin(now);
    }

    fn deadline(&self) -> Option<Timestamp> {
        [self.lull_deadline(), self.block_deadline(), self.answer_deadline()].into_iter().flatten().min()
    }

    fn next(&mut self) -> Option<Event> {
        self.out.next()
    }

    fn answer(&mut self, now: Timestamp, answer: Answer) {
        if self.owed.pop_front().is_none() {
            return;
        }
        match answer {
            Answer::Refused => self.refuse(Reason::Other),
            Answer::Taken(replies) => {
                for block in replies.iter().filter_map(|reply| block::encode(&self.options, reply)) {
                    self.out.writing.extend_from_slice(&block);
                    self.replied = Some((block, 0));
                }
            }
        }
        self.refuse_in_turn();
        self.begin(now);
    }

    fn send(&mut self, now: Timestamp, payload: Vec<u8>) {
        self.exchange.push(block::encode(&self.options, &payload), Told::Shell);
        self.begin(now);
    }

    fn transmit(&mut self) -> Vec<u8> {
        mem::take(&mut self.out.writing)
    }

    fn is_busy(&self) -> bool {
        self.decoder.in_block() || self.exchange.is_busy()
    }

    fn end(&mut self, now: Timestamp) {
        self.decoder.finish();
        self.collect(now);
        self.exchange.end(&mut self.out);
        self.replied = None;
    }
}

impl fmt::Debug for Hllp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, decoder, out, owed, .. } = self;
        f.debug_struct("Hllp")
            .field("options", options)
            .field("decoder", decoder)
            .field("owed", owed)
            .field("events", &out.events)
            .field("writing_bytes", &out.writing.len())
            .finish_non_exhaustive()
    }
}
