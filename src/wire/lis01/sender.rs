//! Our own messages: establishment, transfer, termination (LIS01-A2 6.2, 6.3, 6.4, 6.5.1).

use std::{fmt, ops::Range};

use super::{
    super::{Cause, Event, Happening, Unsent},
    Grouping, Lis01, Pause, Phase, Role,
    frame::{self, ACK, CR, ENQ, EOT, End, NAK},
};
use crate::units::{Timestamp, limits};

/// A message that is to be sent.
pub(super) struct Outgoing {
    payload: Vec<u8>,
    origin: Origin,
}

/// Who is told what became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The shell gave it, and is told.
    Shell,
    /// It is the reply to a message of the peer; nobody waits.
    Reply,
}

impl Outgoing {
    pub(super) const fn from_shell(payload: Vec<u8>) -> Self {
        Self { payload, origin: Origin::Shell }
    }

    pub(super) const fn reply(payload: Vec<u8>) -> Self {
        Self { payload, origin: Origin::Reply }
    }

    pub(super) fn is_told(&self) -> bool {
        self.origin == Origin::Shell
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {:?}", self.payload.len(), self.origin)
    }
}

/// A message in transfer: the oldest of `outgoing`.
#[derive(Debug)]
pub(super) struct Transfer {
    pieces: Vec<(Range<usize>, End)>,
    at: usize,
    number: u8,
    tries: u32,
    /// Whether the peer asked for the line.
    yields: Yields,
    until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Yields {
    No,
    Yes,
}

impl Lis01 {
    /// Asks for the line, if nobody has it and there is something to send.
    pub(super) fn begin(&mut self, now: Timestamp) {
        while let (Phase::Neutral, None, Some(message)) = (&self.phase, self.pause_until, self.outgoing.front()) {
            if is_fit(&message.payload, self.options.grouping) {
                self.out.push(ENQ);
                self.phase = Phase::Asking { until: now.plus(self.options.timers.establishment) };
                return;
            }
            self.done(Event::Unsent(Unsent::Unfit));
        }
    }

    /// When the current phase ends by itself.
    pub(super) fn phase_deadline(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Neutral | Phase::Held(_) => None,
            Phase::Receiving(reception) => reception.until,
            Phase::Asking { until } => Some(*until),
            Phase::Sending(transfer) => Some(transfer.until),
        }
    }

    /// A byte that came while we wait for a reply. What came before our own bytes left is no reply to them.
    pub(super) fn take_reply(&mut self, now: Timestamp, byte: u8, fault: Option<Cause>) {
        let is_asking = matches!(self.phase, Phase::Asking { .. });
        match byte {
            ENQ if is_asking && fault.is_none() => self.collided(now),
            _ if !self.out.is_empty() => self.scanner.skip(byte, &mut self.events),
            ACK if is_asking && fault.is_none() => self.established(now),
            NAK if is_asking && fault.is_none() => self.turned_away(now),
            _ if is_asking => self.scanner.skip(byte, &mut self.events),
            ACK if fault.is_none() => self.acknowledged(now),
            EOT if fault.is_none() => {
                self.count(Happening::Interrupted);
                if let Phase::Sending(transfer) = &mut self.phase {
                    transfer.yields = Yields::Yes;
                }
                self.acknowledged(now);
            }
            _ => self.not_accepted(now, byte),
        }
    }

    /// Both ends asked for the line: the instrument wins and asks again, the host waits for it.
    fn collided(&mut self, now: Timestamp) {
        self.count(Happening::Contention);
        self.phase = Phase::Neutral;
        match self.options.role {
            Role::Instrument => self.rest(now, self.options.timers.contention_instrument, Pause::Fixed),
            Role::Host => self.rest(now, self.options.timers.contention_host, Pause::PeerFirst),
        }
    }

    fn turned_away(&mut self, now: Timestamp) {
        self.count(Happening::NakReceived);
        self.phase = Phase::Neutral;
        self.asked = self.asked.saturating_add(1);
        self.rest(now, self.options.timers.busy, Pause::Fixed);
        if self.asked >= self.options.tries {
            self.aborted(now);
            self.done(Event::Unsent(Unsent::Refused));
        }
    }

    fn established(&mut self, now: Timestamp) {
        let Some(message) = self.outgoing.front_mut() else { return self.terminate() };
        let pieces = pieces(&mut message.payload, self.options.grouping, self.options.frame_text_max);
        self.phase = Phase::Sending(Transfer { pieces, at: 0, number: 1, tries: 0, yields: Yields::No, until: now });
        self.put_frame(now);
    }

    /// Writes the current frame.
    fn put_frame(&mut self, now: Timestamp) {
        let (Phase::Sending(transfer), Some(message)) = (&mut self.phase, self.outgoing.front()) else { return };
        let Some((range, end)) = transfer.pieces.get(transfer.at) else { return };
        let text = message.payload.get(range.clone()).unwrap_or_default();
        frame::write(&mut self.out, transfer.number, text, *end);
        transfer.tries = transfer.tries.saturating_add(1);
        transfer.until = now.plus(self.options.timers.reply);
    }

    fn acknowledged(&mut self, now: Timestamp) {
        let Phase::Sending(transfer) = &mut self.phase else { return };
        transfer.at = transfer.at.saturating_add(1);
        transfer.number = transfer.number.wrapping_add(1) & 7;
        transfer.tries = 0;
        if transfer.at < transfer.pieces.len() {
            return self.put_frame(now);
        }
        let yields = transfer.yields;
        self.terminate();
        if yields == Yields::Yes {
            self.rest(now, self.options.timers.interrupted, Pause::PeerFirst);
        }
        self.done(Event::Sent);
    }

    /// NAK, or a byte that is no reply at all: the frame was not accepted.
    fn not_accepted(&mut self, now: Timestamp, byte: u8) {
        if byte == NAK {
            self.count(Happening::NakReceived);
        } else {
            self.scanner.skip(byte, &mut self.events);
        }
        let Phase::Sending(transfer) = &self.phase else { return };
        if transfer.tries >= self.options.tries {
            return self.abort(now, Unsent::Refused);
        }
        self.count(Happening::Retransmitted);
        self.put_frame(now);
    }

    pub(super) fn waited_for_reply(&mut self, now: Timestamp) {
        self.abort(now, Unsent::NoAnswer);
    }

    fn abort(&mut self, now: Timestamp, why: Unsent) {
        self.terminate();
        self.rest(now, self.options.timers.busy, Pause::Fixed);
        self.aborted(now);
        self.done(Event::Unsent(why));
    }

    fn terminate(&mut self) {
        self.out.push(EOT);
        self.phase = Phase::Neutral;
    }

    /// The oldest message has come to an end.
    fn done(&mut self, event: Event) {
        self.asked = 0;
        if self.outgoing.pop_front().is_some_and(|message| message.is_told()) {
            self.events.push_back(event);
        }
    }
}

/// Whether a message can be carried: something, and nothing that the link layer would take for its own.
fn is_fit(payload: &[u8], grouping: Grouping) -> bool {
    let is_allowed = |byte: &u8| !frame::is_restricted(*byte);
    let has_content = match grouping {
        Grouping::Records => payload.iter().any(|byte| *byte != CR),
        Grouping::EndFrame => !payload.is_empty(),
    };
    has_content && payload.iter().all(is_allowed)
}

/// The texts of a message's frames: each record begins a text of its own.
fn pieces(payload: &mut Vec<u8>, grouping: Grouping, max: usize) -> Vec<(Range<usize>, End)> {
    let max = max.clamp(1, limits::LIS01_FRAME_TEXT_MAX);
    let mut pieces = Vec::new();
    if grouping == Grouping::EndFrame {
        frame::cut(0..payload.len(), max, &mut pieces);
        return pieces;
    }
    if payload.last() != Some(&CR) {
        payload.push(CR);
    }
    let mut begin = 0;
    for end in memchr::memchr_iter(CR, payload).map(|at| at.saturating_add(1)) {
        frame::cut(begin..end, max, &mut pieces);
        begin = end;
    }
    pieces
}
