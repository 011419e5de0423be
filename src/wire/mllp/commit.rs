//! The commit blocks of MLLP release 2 (HL7 "Transport Specification: MLLP, Release 2", section 2): our own blocks
//! wait for them, one at a time.
//!
//! ```text
//! 0x0B 0x06 0x1C 0x0D   the block before it is committed to storage
//! 0x0B 0x15 0x1C 0x0D   it is not: send it again
//! ```
//!
//! A commit block does not say which block it answers, so it is credited in the order in which blocks were written. A
//! message begins only when no other block can still be answered: an answer that was given up and comes late is never
//! taken for that of the next message. Replies to the peer's messages are blocks, too; some peers commit them and some
//! do not, and both are borne with.

use std::{collections::VecDeque, mem, time::Duration};

use super::Wide;
use crate::{
    units::{Timestamp, limits},
    wire::{Cause, Event, Happening, Unsent},
};

/// Payload of a block that says: committed.
pub(super) const ACK: u8 = 0x06;
/// Payload of a block that says: not committed.
pub(super) const NAK: u8 = 0x15;

/// What a machine gives to its shell.
#[derive(Default)]
pub(super) struct Out {
    pub(super) wide: Wide,
    pub(super) events: VecDeque<Event>,
    pub(super) writing: Vec<u8>,
}

impl Out {
    /// Writes a frame.
    pub(super) fn frame(&mut self, payload: &[u8]) {
        self.wide.encode(&mut self.writing, payload);
    }

    /// Writes a block that `says` ACK or NAK.
    pub(super) fn commit(&mut self, says: u8) {
        self.wide.encode_one(&mut self.writing, says);
        if says == NAK {
            self.events.push_back(Event::Count(Happening::NakSent));
        }
    }
}

/// Messages of our own, and the blocks the peer has not answered.
pub(super) struct Commits {
    timeout: Duration,
    resends: u32,
    /// Messages that are not settled; the first one is under way if it was written.
    messages: VecDeque<Vec<u8>>,
    /// How often the first message was written.
    written: u32,
    /// When the last copy of the first message was written.
    written_at: Timestamp,
    /// Blocks that may still be answered, in the order they were written.
    awaited: VecDeque<(Block, Timestamp)>,
    replies: Replies,
}

/// A block that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// A copy of the message under way.
    Message,
    /// A copy of a message that is settled already.
    Settled,
    /// A reply to a message of the peer.
    Reply,
}

/// Whether the peer commits replies, as far as it has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replies {
    Committed,
    Uncommitted,
}

impl Commits {
    pub(super) const fn new(timeout: Duration, resends: u32) -> Self {
        Self {
            timeout,
            resends,
            messages: VecDeque::new(),
            written: 0,
            written_at: Timestamp(0),
            awaited: VecDeque::new(),
            replies: Replies::Committed,
        }
    }

    pub(super) fn send(&mut self, now: Timestamp, payload: Vec<u8>, out: &mut Out) {
        self.messages.push_back(payload);
        self.advance(now, out);
    }

    /// Says that a reply was written.
    pub(super) fn replied(&mut self, now: Timestamp) {
        if self.replies == Replies::Uncommitted {
            return;
        }
        if self.awaited.len() >= limits::UNANSWERED_FRAMES_MAX {
            return self.await_no_replies();
        }
        self.awaited.push_back((Block::Reply, now));
    }

    /// Takes a commit block that `says` one thing or the other.
    pub(super) fn take(&mut self, now: Timestamp, says: u8, out: &mut Out) {
        let block = self.awaited.pop_front().map(|(block, _)| block);
        if block.is_none() && self.replies == Replies::Committed {
            return out.events.push_back(Event::Noise { cause: Cause::Malformed, bytes: vec![says], count: 1 });
        }
        if says == NAK {
            out.events.push_back(Event::Count(Happening::NakReceived));
        }
        match block {
            Some(Block::Message) if says == ACK => self.settle(now, Event::Sent, out),
            Some(Block::Message) if self.awaits(Block::Message) => {}
            Some(Block::Message) => self.again(now, Unsent::Refused, out),
            Some(Block::Settled) => self.advance(now, out),
            Some(Block::Reply) | None => {
                self.replies = Replies::Committed;
                self.advance(now, out);
            }
        }
    }

    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Out) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        if self.written > 0 {
            self.again(now, Unsent::NoAnswer, out);
        }
        if self.written > 0 {
            return;
        }
        while let Some((block, at)) = self.awaited.front().copied()
            && at.plus(self.timeout) <= now
        {
            self.awaited.pop_front();
            if block == Block::Reply {
                self.await_no_replies();
            }
        }
        self.advance(now, out);
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if self.messages.is_empty() {
            return None;
        }
        let since = if self.written > 0 { Some(self.written_at) } else { self.awaited.front().map(|(_, at)| *at) };
        since.map(|at| at.plus(self.timeout))
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.messages.is_empty()
    }

    /// Says that the stream has ended: no block is answered any more.
    pub(super) fn end(&mut self, out: &mut Out) {
        for _ in mem::take(&mut self.messages) {
            out.events.push_back(Event::Unsent(Unsent::Ended));
        }
        *self = Self::new(self.timeout, self.resends);
    }

    /// Begins the next message if nothing can be taken for the answer to it.
    fn advance(&mut self, now: Timestamp, out: &mut Out) {
        while self.written == 0
            && self.awaited.is_empty()
            && let Some(message) = self.messages.front()
        {
            if out.wide.fits(message) {
                self.write(now, out);
            } else {
                self.messages.pop_front();
                out.events.push_back(Event::Unsent(Unsent::Unfit));
            }
        }
    }

    fn write(&mut self, now: Timestamp, out: &mut Out) {
        let Some(message) = self.messages.front() else { return };
        out.frame(message);
        self.written = self.written.saturating_add(1);
        self.written_at = now;
        self.awaited.push_back((Block::Message, now));
    }

    /// Writes the message under way again, or gives it up.
    fn again(&mut self, now: Timestamp, why: Unsent, out: &mut Out) {
        if self.written > self.resends {
            return self.settle(now, Event::Unsent(why), out);
        }
        out.events.push_back(Event::Count(Happening::Retransmitted));
        self.write(now, out);
    }

    fn settle(&mut self, now: Timestamp, event: Event, out: &mut Out) {
        self.messages.pop_front();
        self.written = 0;
        // The peer has a whole time-out from now for what it still owes.
        for (block, at) in &mut self.awaited {
            if *block == Block::Message {
                (*block, *at) = (Block::Settled, now);
            }
        }
        out.events.push_back(event);
        self.advance(now, out);
    }

    fn awaits(&self, block: Block) -> bool {
        self.awaited.iter().any(|(awaited, _)| *awaited == block)
    }

    fn await_no_replies(&mut self) {
        self.replies = Replies::Uncommitted;
        self.awaited.retain(|(block, _)| *block != Block::Reply);
    }
}
