//! Messages of the peer: frames in, replies out (LIS01-A2 6.3.2, 6.4, 6.5.2).

use std::{fmt, mem};

use super::{
    super::{Answer, Cause, Event, Happening},
    Interrupt, Lis01, Pause, Phase,
    assembly::{Added, Close, Left, Message},
    frame::{ACK, EOT, Frame, NAK},
    scan::{Scan, Wish},
    sender::Outgoing,
};
use crate::units::Timestamp;

/// A session of the peer.
#[derive(Debug)]
pub(super) struct Reception {
    /// When the peer has been silent for too long; none while it waits for us.
    pub(super) until: Option<Timestamp>,
    /// The last frame that was accepted.
    last: Option<Frame>,
    /// What we said last.
    said: Said,
    /// The frame whose acknowledgement waits for the shell's answers.
    pending: Option<Pending>,
    /// A frame that the shell refused in part: its first messages, so many, are taken already.
    refused: Option<(Frame, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Yes,
    No,
}

#[derive(Debug)]
struct Pending {
    frame: Frame,
    /// Messages of it that were taken in an earlier try, and in this one before any was refused.
    taken: usize,
    answer: Said,
}

/// What an answer of the shell is for.
pub(super) enum Due {
    /// A message of the frame that waits for its acknowledgement.
    Pending,
    /// A message whose sender waits no longer.
    Gone,
    /// Text that was acknowledged already.
    Orphan(Vec<u8>),
}

impl fmt::Debug for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "Pending",
            Self::Gone => "Gone",
            Self::Orphan(_) => "Orphan",
        })
    }
}

/// Acknowledged text that the shell refused.
pub(super) struct Orphan {
    pub(super) again_at: Timestamp,
    text: Vec<u8>,
}

impl fmt::Debug for Orphan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, again at {:?}", self.text.len(), self.again_at)
    }
}

impl Lis01 {
    /// ENQ came. While acknowledged text has no place to go, the peer is to wait.
    pub(super) fn enquired(&mut self, now: Timestamp) {
        self.scanner.report(&mut self.events);
        if !self.due.is_empty() {
            self.phase = Phase::Held;
        } else if self.orphan.is_some() {
            self.phase = Phase::Neutral;
            self.out.push(NAK);
            self.count(Happening::NakSent);
        } else {
            self.out.push(ACK);
            let until = Some(now.plus(self.options.timers.receiver));
            self.phase =
                Phase::Receiving(Reception { until, last: None, said: Said::Yes, pending: None, refused: None });
        }
    }

    pub(super) fn take_receiving(&mut self, now: Timestamp, byte: u8, fault: Option<Cause>) {
        match self.scanner.push(byte, fault, &mut self.events) {
            Scan::Nothing => {}
            Scan::Frame(frame) => {
                self.found_again();
                self.frame(now, frame);
            }
            Scan::Damaged(cause, bytes, count) => {
                self.scanner.report(&mut self.events);
                self.events.push_back(Event::Noise { cause, bytes, count });
                self.refuse(now);
            }
            Scan::End => self.session_ended(now),
            Scan::Enquiry => {
                let is_noise = self.scanner.is_in_noise();
                self.find_unseen_frame();
                self.close_message(now);
                if is_noise {
                    // If it was not meant, a frame comes behind it, and the sender would take our answer for that of its
                    // frame. If it was, the sender asks again.
                    self.scanner.report(&mut self.events);
                    return self.doubt(now);
                }
                self.enquired(now);
            }
        }
    }

    /// Nobody knows whether a session has begun: nothing is said until a frame, EOT or a clear ENQ comes.
    fn doubt(&mut self, now: Timestamp) {
        let until = Some(now.plus(self.options.timers.receiver));
        self.phase = Phase::Receiving(Reception { until, last: None, said: Said::No, pending: None, refused: None });
    }

    /// A readable frame ends a run of bytes that made no sense.
    fn found_again(&mut self) {
        if self.scanner.report(&mut self.events) {
            self.count(Happening::Resynchronised);
        }
    }

    fn frame(&mut self, now: Timestamp, frame: Frame) {
        let Phase::Receiving(reception) = &mut self.phase else { return };
        if let Some(pending) = &reception.pending {
            // Our answer to the first copy is still to come; a second one would be one too many.
            if pending.frame == frame {
                return self.count(Happening::DuplicateFrame);
            }
            return self.noise(Cause::FrameNumber, frame.text);
        }
        if reception.last.as_ref() == Some(&frame) {
            self.count(Happening::DuplicateFrame);
            return self.say(now, Said::Yes);
        }
        let expected = reception.last.as_ref().map_or(1, |last| last.number.wrapping_add(1) & 7);
        if frame.number != expected {
            self.noise(Cause::FrameNumber, head(frame.text));
            return self.refuse(now);
        }
        match self.assembly.add(&frame) {
            Added::Part => self.accept(now, frame),
            Added::Whole(messages) => self.hand_over(now, frame, messages),
            Added::TooLarge => {
                self.noise(Cause::Oversize, head(frame.text));
                self.refuse(now);
            }
        }
    }

    fn hand_over(&mut self, now: Timestamp, frame: Frame, messages: Vec<Message>) {
        let Phase::Receiving(reception) = &mut self.phase else { return };
        let taken = match reception.refused.take() {
            Some((before, taken)) if before == frame => taken,
            _ => 0,
        };
        reception.until = None;
        reception.pending = Some(Pending { frame, taken, answer: Said::Yes });
        for message in messages.into_iter().skip(taken) {
            self.due.push_back(Due::Pending);
            self.events.push_back(Event::Frame(message.text));
            if message.close == Close::Unterminated {
                self.noise(Cause::Unterminated, Vec::new());
            }
        }
        if self.due.is_empty() {
            self.settle(now);
        }
    }

    fn accept(&mut self, now: Timestamp, frame: Frame) {
        if let Phase::Receiving(reception) = &mut self.phase {
            reception.last = Some(frame);
            reception.refused = None;
        }
        self.say(now, Said::Yes);
    }

    fn refuse(&mut self, now: Timestamp) {
        let waits = matches!(&self.phase, Phase::Receiving(reception) if reception.pending.is_some());
        if !waits {
            self.say(now, Said::No);
        }
    }

    fn say(&mut self, now: Timestamp, said: Said) {
        let Phase::Receiving(reception) = &mut self.phase else { return };
        reception.until = Some(now.plus(self.options.timers.receiver));
        reception.said = said;
        match said {
            Said::Yes => self.out.push(ACK),
            Said::No => {
                self.out.push(NAK);
                self.count(Happening::NakSent);
            }
        }
    }

    /// The shell's answer to the oldest frame.
    pub(super) fn answered(&mut self, now: Timestamp, answer: Answer) {
        let Some(due) = self.due.pop_front() else { return };
        let answer = match answer {
            Answer::Taken(replies) => {
                self.outgoing.extend(replies.into_iter().map(Outgoing::reply));
                Said::Yes
            }
            Answer::Refused => Said::No,
        };
        match due {
            Due::Pending => self.answered_pending(answer),
            Due::Orphan(text) if answer == Said::No => {
                self.orphan = Some(Orphan { again_at: now.plus(self.options.timers.busy), text });
            }
            Due::Orphan(_) | Due::Gone => {}
        }
        if !self.due.is_empty() {
            return;
        }
        match &self.phase {
            Phase::Receiving(reception) if reception.pending.is_some() => self.settle(now),
            Phase::Held => self.enquired(now),
            _ => {}
        }
    }

    fn answered_pending(&mut self, answer: Said) {
        let Phase::Receiving(reception) = &mut self.phase else { return };
        let Some(pending) = &mut reception.pending else { return };
        if answer == Said::No {
            pending.answer = Said::No;
        } else if pending.answer == Said::Yes {
            pending.taken = pending.taken.saturating_add(1);
        }
    }

    /// All messages of the pending frame have their answers, and so has the frame.
    fn settle(&mut self, now: Timestamp) {
        let Phase::Receiving(reception) = &mut self.phase else { return };
        let Some(Pending { frame, taken, answer }) = reception.pending.take() else { return };
        if answer == Said::No {
            reception.refused = Some((frame, taken));
            self.assembly.undo();
            return self.say(now, Said::No);
        }
        self.assembly.keep();
        let interrupts = self.options.interrupt == Interrupt::BetweenMessages && !self.outgoing.is_empty();
        self.accept(now, frame);
        if interrupts && self.out.pop().is_some() {
            self.out.push(EOT);
            self.count(Happening::Interrupted);
        }
    }

    /// EOT: the peer lets go of the line.
    pub(super) fn session_ended(&mut self, now: Timestamp) {
        self.find_unseen_frame();
        self.scanner.report(&mut self.events);
        self.close_message(now);
        self.phase = Phase::Neutral;
        if self.pause == Pause::PeerFirst {
            self.pause_until = None;
        }
    }

    /// A frame whose STX was damaged got no reply, so its sender does not take the message for acknowledged.
    fn find_unseen_frame(&mut self) {
        if let Phase::Receiving(reception) = &mut self.phase
            && self.scanner.may_hide_frame()
        {
            reception.said = Said::No;
        }
    }

    /// Ends the message under way, because its sender ended the session or began another one.
    fn close_message(&mut self, now: Timestamp) {
        let Phase::Receiving(reception) = &mut self.phase else { return };
        let said = reception.said;
        if reception.pending.take().is_some() {
            self.forget_due();
            self.assembly.close();
            return self.aborted(now);
        }
        match (self.assembly.close(), said) {
            (Left::Nothing, Said::Yes) => {}
            (Left::Nothing, Said::No) => self.aborted(now),
            (Left::Unterminated(text) | Left::Cut(text), Said::No) => self.give_up(now, Cause::Abandoned, text),
            (Left::Cut(text), Said::Yes) => self.give_up(now, Cause::Partial, text),
            (Left::Unterminated(text), Said::Yes) => {
                self.offer(text);
                self.noise(Cause::Unterminated, Vec::new());
            }
        }
    }

    fn give_up(&mut self, now: Timestamp, cause: Cause, text: Vec<u8>) {
        self.noise(cause, text);
        self.aborted(now);
    }

    /// Hands over text that was acknowledged already.
    fn offer(&mut self, text: Vec<u8>) {
        self.events.push_back(Event::Frame(text.clone()));
        self.due.push_back(Due::Orphan(text));
    }

    pub(super) fn offer_again(&mut self, now: Timestamp) {
        if let Some(orphan) = self.orphan.take_if(|orphan| orphan.again_at <= now) {
            self.offer(orphan.text);
        }
    }

    /// Silence inside a frame: its last byte may have been no part of it.
    pub(super) fn silent(&mut self, now: Timestamp) {
        let gap = self.scanner.gap();
        let cause = if gap.wish == Wish::Nothing { Cause::Garbage } else { Cause::Timeout };
        self.scanner.report(&mut self.events);
        self.events.push_back(Event::Noise { cause, bytes: gap.bytes, count: gap.count });
        match gap.wish {
            Wish::Nothing => {}
            Wish::Frame => self.refuse(now),
            Wish::End | Wish::Enquiry => {
                // The frame was given up before its end, so the message was not completed either.
                if let Phase::Receiving(reception) = &mut self.phase {
                    reception.said = Said::No;
                }
                self.session_ended(now);
                if gap.wish == Wish::Enquiry {
                    self.enquired(now);
                }
            }
        }
    }

    /// Neither a frame nor EOT in time: what is not complete is dropped.
    pub(super) fn waited_for_frame(&mut self, now: Timestamp) {
        self.gap_until = None;
        let (bytes, count) = self.scanner.drop_frame();
        if count > 0 {
            self.events.push_back(Event::Noise { cause: Cause::Timeout, bytes, count });
        }
        self.scanner.report(&mut self.events);
        match self.assembly.close() {
            Left::Nothing => {}
            Left::Unterminated(text) | Left::Cut(text) => self.give_up(now, Cause::Timeout, text),
        }
        self.phase = Phase::Neutral;
    }

    /// The stream has ended under a session of the peer.
    pub(super) fn cut_off(&mut self, now: Timestamp) {
        let (bytes, count) = self.scanner.drop_frame();
        if count > 0 {
            self.events.push_back(Event::Noise { cause: Cause::Partial, bytes, count });
        }
        self.forget_due();
        let Phase::Receiving(reception) = &self.phase else { return };
        let is_pending = reception.pending.is_some();
        match self.assembly.close() {
            Left::Unterminated(text) | Left::Cut(text) if !is_pending => self.give_up(now, Cause::Partial, text),
            _ => {}
        }
    }

    /// Nobody waits for the answers that are due to the pending frame.
    fn forget_due(&mut self) {
        for due in &mut self.due {
            if matches!(due, Due::Pending) {
                *due = Due::Gone;
            }
        }
    }
}

/// The first bytes, as many as are kept of noise.
fn head(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(crate::units::limits::SKIPPED_BYTES_KEPT);
    mem::take(&mut bytes)
}
