//! A device as a plain machine: it speaks a protocol of `wire` from the other end, one message at a time, and repeats the
//! same bytes until they are acknowledged. Bytes and the time go in, bytes come out.
//!
//! What counts as acknowledged depends on the protocol: over MLLP and HLLP an HL7 acknowledgement with AA or CA that names
//! MSH-10, over LIS01-A2 and acknowledged lines of text the protocol's own word, and on a line that goes one way nothing.
//! A receiver takes what comes and says so as the protocol does; it refuses some if it was told to. Both ends answer
//! messages, also a sender, which a gateway may send acknowledgements of its own.

use std::{
    collections::{VecDeque, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    time::Duration,
};

use super::{
    SerialTally,
    content::{Content, Message, control_id},
};
use crate::{
    hl7::{
        Index,
        ack::{self, Code, Stamp},
    },
    settings::Framing,
    units::Timestamp,
    wire::{Answer, Bounds, Event, Happening, Line, Unsent, hllp, lis01, mllp, text},
};

/// Which end of the talk a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It has messages; the instrument of LIS01-A2.
    Sender,
    /// It takes messages; the host of LIS01-A2.
    Receiver,
}

/// How a device behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) role: Role,
    /// Messages to send or to take; none goes on.
    pub(super) messages: Option<u64>,
    /// When no new message is made, and a receiver ends.
    pub(super) until: Option<Timestamp>,
    pub(super) gap: Duration,
    pub(super) answer_timeout: Duration,
    /// How often a message is sent before it is given up; none repeats it for ever.
    pub(super) tries: Option<u32>,
    /// A receiver refuses one message of so many.
    pub(super) refuse_every: Option<u64>,
    /// Settled messages after which it does nothing any more.
    pub(super) stuck_after: Option<u64>,
}

/// What says that a message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// An HL7 acknowledgement, for which the device itself keeps the time.
    Reply,
    /// An HL7 acknowledgement, for which the protocol keeps the time.
    TimedReply,
    /// The protocol.
    Line,
    /// Nothing.
    Nothing,
}

/// A message that was acknowledged, and how long that took from its last byte.
pub(super) type Acknowledged = (String, Duration);

/// The machine.
pub(super) struct Station {
    line: Box<dyn Line>,
    proof: Proof,
    manner: Manner,
    content: Content,
    has_more: bool,
    current: Option<Current>,
    /// Nothing is sent before.
    ready_at: Timestamp,
    is_connected: bool,
    /// Marks of what was taken last, to know repeats by.
    taken_last: VecDeque<u64>,
    /// What happened so far.
    pub(super) tally: SerialTally,
    /// Messages acknowledged since somebody looked.
    pub(super) acknowledged: Vec<Acknowledged>,
    /// Messages taken since somebody looked.
    pub(super) taken: Vec<Vec<u8>>,
}

/// The message that is not settled.
struct Current {
    message: Message,
    attempts: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is to be sent.
    Waiting,
    /// It is given to the line.
    UnderWay,
    /// Its last byte was written then.
    Written(Timestamp),
    /// The line got something for an answer.
    Answered,
}

impl Station {
    /// Makes a device that speaks what its peer, a link with this `framing`, understands.
    pub(super) fn new(framing: &Framing, bounds: Bounds, manner: Manner, content: Content) -> Self {
        Self {
            line: opposite(framing, bounds, manner.role),
            proof: proof(framing),
            manner,
            content,
            has_more: manner.role == Role::Sender,
            current: None,
            ready_at: Timestamp(i64::MIN),
            is_connected: false,
            taken_last: VecDeque::new(),
            tally: SerialTally::default(),
            acknowledged: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// Somebody listens from now on.
    pub(super) fn connected(&mut self, now: Timestamp) {
        self.is_connected = true;
        self.pump(now);
    }

    /// The line is gone.
    pub(super) fn lost(&mut self, now: Timestamp) {
        self.line.end(now);
        self.pump(now);
        self.is_connected = false;
        // What was to be written is gone with the line.
        self.line.transmit();
        if let Some(current) = &mut self.current {
            current.state = State::Waiting;
        }
    }

    pub(super) fn receive(&mut self, now: Timestamp, bytes: &[u8]) {
        if self.is_stuck() {
            return;
        }
        self.line.receive(now, bytes);
        self.pump(now);
    }

    pub(super) fn tick(&mut self, now: Timestamp) {
        if self.is_stuck() {
            return;
        }
        if self.line.deadline().is_some_and(|at| at <= now) {
            self.line.tick(now);
        }
        if self.answer_deadline().is_some_and(|at| at <= now) {
            self.tally.timeouts += 1;
            self.again(now);
        }
        self.pump(now);
    }

    /// When [`Self::tick`] is due.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if self.is_stuck() {
            return None;
        }
        let is_waiting = self.current.as_ref().is_none_or(|current| current.state == State::Waiting);
        let begins = (self.is_connected && self.has_more && is_waiting).then_some(self.ready_at);
        let ends = self.manner.until.filter(|_| self.manner.role == Role::Receiver);
        [self.line.deadline(), self.answer_deadline(), begins, ends].into_iter().flatten().min()
    }

    /// What is to be written.
    pub(super) fn transmit(&mut self) -> Vec<u8> {
        self.line.transmit()
    }

    /// Everything that was to be written has left.
    pub(super) fn written(&mut self, now: Timestamp) {
        if let Some(current) = &mut self.current
            && current.state == State::UnderWay
        {
            current.state = State::Written(now);
        }
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_done(&self, now: Timestamp) -> bool {
        match self.manner.role {
            Role::Sender => !self.has_more && self.current.is_none(),
            Role::Receiver => {
                self.manner.messages.is_some_and(|most| self.tally.received - self.tally.duplicates >= most)
                    || self.manner.until.is_some_and(|until| until <= now)
            }
        }
    }

    /// Whether it neither sends nor listens any more.
    fn is_stuck(&self) -> bool {
        self.manner.stuck_after.is_some_and(|most| self.tally.acknowledged + self.tally.received >= most)
    }

    fn answer_deadline(&self) -> Option<Timestamp> {
        match self.current.as_ref()?.state {
            State::Written(at) if self.proof == Proof::Reply => Some(at.plus(self.manner.answer_timeout)),
            _ => None,
        }
    }

    /// Takes what the line found, and begins what can begin.
    fn pump(&mut self, now: Timestamp) {
        loop {
            while let Some(event) = self.line.next() {
                self.take(now, event);
            }
            if self.current.as_ref().is_some_and(|current| current.state == State::Answered) {
                // What was taken for an answer names another message, or none.
                self.again(now);
            }
            if !self.begin(now) {
                return;
            }
        }
    }

    fn take(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Frame(payload) => self.take_frame(now, payload),
            Event::Sent => match self.proof {
                Proof::Reply => {}
                Proof::TimedReply => self.set(State::Answered),
                Proof::Line => self.settled(now),
                Proof::Nothing => {
                    self.tally.unproven += 1;
                    self.current = None;
                    self.ready_at = now.plus(self.manner.gap);
                }
            },
            Event::Unsent(why) => {
                match why {
                    Unsent::NoAnswer => self.tally.timeouts += 1,
                    Unsent::Refused => self.tally.refused += 1,
                    Unsent::Ended => {}
                    Unsent::Unfit => return self.give_up(now),
                }
                self.again(now);
            }
            Event::Noise { .. } => self.tally.stray += 1,
            Event::Count(Happening::Retransmitted) => self.tally.retransmitted += 1,
            Event::Count(_) => {}
        }
    }

    fn set(&mut self, state: State) {
        if let Some(current) = &mut self.current {
            current.state = state;
        }
    }

    fn take_frame(&mut self, now: Timestamp, payload: Vec<u8>) {
        let Ok(reply) = ack::read(&payload) else { return self.take_message(now, payload) };
        self.line.answer(now, Answer::Taken(Vec::new()));
        let is_ours = matches!(self.proof, Proof::Reply | Proof::TimedReply)
            && self.current.as_ref().is_some_and(|current| {
                current.state != State::Waiting && current.message.id.as_bytes() == reply.control_id
            });
        match reply.code {
            Some(code) if is_ours && code.is_positive() => self.settled(now),
            Some(_) if is_ours => {
                self.tally.refused += 1;
                self.again(now);
            }
            _ => self.tally.stray += 1,
        }
    }

    /// Answers a message of the peer. What is no HL7 message where HL7 is spoken may be a damaged answer: a sender takes it for
    /// nothing.
    fn take_message(&mut self, now: Timestamp, payload: Vec<u8>) {
        let speaks_hl7 = matches!(self.proof, Proof::Reply | Proof::TimedReply);
        let index = Index::of(&payload).ok();
        if speaks_hl7 && index.is_none() && self.manner.role == Role::Sender {
            self.tally.stray += 1;
            return self.line.answer(now, Answer::Taken(Vec::new()));
        }
        let came = self.tally.received + self.tally.turned_away + 1;
        if self.manner.refuse_every.is_some_and(|every| came.is_multiple_of(every)) {
            self.tally.turned_away += 1;
            return self.line.answer(now, Answer::Refused);
        }
        self.tally.received += 1;
        let mut replies = Vec::new();
        if let (true, Some(index)) = (speaks_hl7, &index) {
            let control_id = format!("ZZSIM{:06}", self.tally.received);
            let stamp = Stamp { at: &ack::time_text(now, 0), control_id: &control_id };
            replies.push(ack::build(&index.message(&payload), &stamp, Code::Aa, None));
        }
        self.line.answer(now, Answer::Taken(replies));
        self.note_taken(payload);
    }

    fn note_taken(&mut self, payload: Vec<u8>) {
        let mut hasher = DefaultHasher::new();
        control_id(&payload).unwrap_or_else(|| payload.clone()).hash(&mut hasher);
        let mark = hasher.finish();
        if self.taken_last.contains(&mark) {
            self.tally.duplicates += 1;
            return;
        }
        self.taken_last.push_back(mark);
        if self.taken_last.len() > REPEATS_KNOWN_MAX {
            self.taken_last.pop_front();
        }
        self.taken.push(payload);
    }

    /// The message was taken.
    fn settled(&mut self, now: Timestamp) {
        let Some(current) = self.current.take() else { return };
        let took = match current.state {
            State::Written(at) => now.since(at),
            _ => Duration::ZERO,
        };
        self.tally.acknowledged += 1;
        self.acknowledged.push((current.message.id, took));
        self.ready_at = now.plus(self.manner.gap);
    }

    /// The message was not taken, as far as this end knows.
    fn again(&mut self, now: Timestamp) {
        let Some(current) = &mut self.current else { return };
        current.state = State::Waiting;
        self.ready_at = now.plus(self.manner.gap);
        if self.manner.tries.is_some_and(|tries| current.attempts >= tries) {
            self.give_up(now);
        }
    }

    fn give_up(&mut self, now: Timestamp) {
        self.tally.given_up += u64::from(self.current.take().is_some());
        self.ready_at = now.plus(self.manner.gap);
    }

    /// Gives a message to the line, if one is due.
    fn begin(&mut self, now: Timestamp) -> bool {
        let is_due = self.is_connected && self.manner.role == Role::Sender && self.ready_at <= now && !self.is_stuck();
        if !is_due || self.current.as_ref().is_some_and(|current| current.state != State::Waiting) {
            return false;
        }
        if self.current.is_none() {
            self.current = self.make(now);
        }
        let Some(current) = &mut self.current else { return false };
        self.tally.sent += 1;
        self.tally.repeated += u64::from(current.attempts > 0);
        current.attempts = current.attempts.saturating_add(1);
        current.state = State::UnderWay;
        self.line.send(now, current.message.bytes.clone());
        true
    }

    fn make(&mut self, now: Timestamp) -> Option<Current> {
        let is_over = self.manner.messages.is_some_and(|most| self.tally.made >= most)
            || self.manner.until.is_some_and(|until| until <= now);
        let message = if is_over { None } else { self.content.next() };
        let Some(message) = message else {
            self.has_more = false;
            return None;
        };
        self.tally.made += 1;
        Some(Current { message, attempts: 0, state: State::Waiting })
    }
}

/// Messages that a repeat is known from.
const REPEATS_KNOWN_MAX: usize = 1024;

/// The other end of a link.
fn opposite(framing: &Framing, bounds: Bounds, role: Role) -> Box<dyn Line> {
    match framing {
        Framing::Mllp(options) => Box::new(mllp::MllpLine::new(mllp::Options { bounds, ..*options })),
        Framing::Hllp(options) => Box::new(hllp::Hllp::new(hllp::Options { bounds, ..*options })),
        Framing::Lis01(options) => {
            let role = match role {
                Role::Sender => lis01::Role::Instrument,
                Role::Receiver => lis01::Role::Host,
            };
            Box::new(lis01::Lis01::new(lis01::Options { role, message_max: bounds.frame_max, ..*options }))
        }
        Framing::Line(options) => Box::new(text::TextLine::new(text::Options { bounds, ..options.clone() })),
    }
}

const fn proof(framing: &Framing) -> Proof {
    match framing {
        Framing::Mllp(_) => Proof::Reply,
        Framing::Hllp(_) => Proof::TimedReply,
        Framing::Lis01(_) => Proof::Line,
        Framing::Line(text::Options { reply: text::Reply::AckNak { .. }, .. }) => Proof::Line,
        Framing::Line(text::Options { reply: text::Reply::None, .. }) => Proof::Nothing,
    }
}

#[cfg(test)]
mod tests;
