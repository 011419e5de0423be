//! Stop and wait: messages of our own on a line whose peer answers each of them, one at a time.
//!
//! An answer does not say which copy of a message it answers. A message therefore begins only when no copy of the one
//! before can still be answered: an answer that was given up and comes late is never taken for that of the next
//! message. The protocol says what an answer looks like and when the line is free.

use std::{collections::VecDeque, mem, time::Duration};

use super::{Event, Happening, Unsent};
use crate::units::Timestamp;

/// Events an empty queue keeps room for.
const EVENTS_KEPT: usize = 64;

/// What a machine gives to its shell.
#[derive(Default)]
pub(super) struct Out {
    pub(super) events: VecDeque<Event>,
    pub(super) writing: Vec<u8>,
}

impl Out {
    pub(super) fn count(&mut self, happening: Happening) {
        self.events.push_back(Event::Count(happening));
    }

    /// Takes the next event, and gives the room of a long queue back with the last one.
    pub(super) fn next(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() && self.events.capacity() > EVENTS_KEPT {
            self.events = VecDeque::new();
        }
        event
    }
}

/// What the peer said to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It took it.
    Taken,
    /// It did not.
    Refused,
}

/// Who wants to know what becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The shell, which gave it.
    Shell,
    /// Nobody: it is a reply, and the peer asks again for what it misses.
    Nobody,
}

/// The messages that are not settled.
pub(super) struct Exchange {
    timeout: Duration,
    resends: u32,
    /// As they go on the wire, where the protocol can carry them; the first one is under way if it was written.
    messages: VecDeque<(Option<Vec<u8>>, Told)>,
    /// How often the first message was written.
    written: u32,
    /// Copies, of the first message or of the settled one before it, that may still be answered.
    unanswered: u32,
    /// When the last copy was written, or the message before was settled.
    since: Timestamp,
}

impl Exchange {
    pub(super) const fn new(timeout: Duration, resends: u32) -> Self {
        Self { timeout, resends, messages: VecDeque::new(), written: 0, unanswered: 0, since: Timestamp(0) }
    }

    /// Queues a message as it goes on the wire; none for one that the protocol cannot carry, which is told in its turn.
    pub(super) fn push(&mut self, message: Option<Vec<u8>>, told: Told) {
        self.messages.push_back((message, told));
    }

    /// Begins the next message, if nothing can be taken for the answer to it. Called when the line is free.
    pub(super) fn begin(&mut self, now: Timestamp, out: &mut Out) {
        self.forget_late(now);
        while self.written == 0 && self.unanswered == 0 {
            match self.messages.front() {
                Some((Some(_), _)) => self.write(now, out),
                Some((None, _)) => self.settle(now, Event::Unsent(Unsent::Unfit), out),
                None => return,
            }
        }
    }

    /// Takes an answer; gives whether one was awaited.
    pub(super) fn answered(&mut self, now: Timestamp, said: Said, out: &mut Out) -> bool {
        if self.unanswered == 0 {
            return false;
        }
        self.unanswered = self.unanswered.saturating_sub(1);
        match said {
            Said::Taken if self.written > 0 => self.settle(now, Event::Sent, out),
            Said::Refused if self.written > 0 && self.unanswered == 0 => self.again(now, Unsent::Refused, out),
            Said::Taken | Said::Refused => {}
        }
        true
    }

    /// Says that something comes which may become an answer: it has its time.
    pub(super) const fn stirred(&mut self, now: Timestamp) {
        if self.written > 0 {
            self.since = now;
        }
    }

    pub(super) fn tick(&mut self, now: Timestamp, out: &mut Out) {
        if self.written > 0 && self.until() <= now {
            self.again(now, Unsent::NoAnswer, out);
        }
        self.forget_late(now);
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        (!self.messages.is_empty() && self.unanswered > 0).then(|| self.until())
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.messages.is_empty()
    }

    /// Says that the stream has ended: nothing is answered any more.
    pub(super) fn end(&mut self, out: &mut Out) {
        for (_, told) in mem::take(&mut self.messages) {
            out.events.extend((told == Told::Shell).then_some(Event::Unsent(Unsent::Ended)));
        }
        *self = Self::new(self.timeout, self.resends);
    }

    fn until(&self) -> Timestamp {
        self.since.plus(self.timeout)
    }

    fn forget_late(&mut self, now: Timestamp) {
        if self.written == 0 && self.until() <= now {
            self.unanswered = 0;
        }
    }

    fn write(&mut self, now: Timestamp, out: &mut Out) {
        let Some((Some(message), _)) = self.messages.front() else { return };
        out.writing.extend_from_slice(message);
        self.written = self.written.saturating_add(1);
        self.unanswered = self.unanswered.saturating_add(1);
        self.since = now;
    }

    /// Writes the message under way again, or gives it up.
    fn again(&mut self, now: Timestamp, why: Unsent, out: &mut Out) {
        if self.written > self.resends {
            return self.settle(now, Event::Unsent(why), out);
        }
        out.count(Happening::Retransmitted);
        self.write(now, out);
    }

    fn settle(&mut self, now: Timestamp, event: Event, out: &mut Out) {
        let told = self.messages.pop_front().map(|(_, told)| told);
        out.events.extend((told == Some(Told::Shell)).then_some(event));
        self.written = 0;
        self.since = now;
    }
}
