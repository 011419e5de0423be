//! Messages of the peer: frames in, replies out (LIS01-A2 6.3.2, 6.4, 6.5.2).

use std::{fmt, mem};

use super::{
    super::{Answer, Cause, Event, Happening},
    Interrupt, Lis01, Phase,
    assembly::{Added, Close, Message},
    frame::{ACK, ENQ, EOT, Frame, NAK},
    scan::Scan,
    sender::Outgoing,
};
use crate::units::Timestamp;

mod ending;

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
    /// What the peer said between frames, if only silence can tell whether it did.
    heard: Option<Heard>,
}

impl Reception {
    const fn new(until: Timestamp) -> Self {
        Self { until: Some(until), last: None, said: Said::Yes, pending: None, refused: None, heard: None }
    }
}

/// What we said last, or are to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Yes,
    No,
}

/// A byte that is a control of the line or the damaged begin of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// EOT in the middle of a message.
    End,
    /// The same, and more bytes came behind it.
    EndInNoise,
    /// ENQ without EOT before it.
    Enquiry,
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
            self.phase = Phase::Held(Said::Yes);
        } else if self.orphan.is_some() {
            self.turn_away();
        } else {
            self.out.push(ACK);
            self.phase = Phase::Receiving(Reception::new(now.plus(self.options.timers.receiver)));
        }
    }

    /// The peer is to ask for the line again later.
    fn turn_away(&mut self) {
        self.phase = Phase::Neutral;
        self.out.push(NAK);
        self.count(Happening::NakSent);
    }

    pub(super) fn take_receiving(&mut self, now: Timestamp, byte: u8, fault: Option<Cause>) {
        self.doubt(byte);
        match self.scanner.push(byte, fault, &mut self.events) {
            Scan::Nothing => {}
            Scan::Frame(frame) => {
                self.hear(None);
                self.found_again();
                self.frame(now, frame);
            }
            Scan::Damaged(cause, bytes, count) => {
                self.hear(None);
                self.scanner.report(&mut self.events);
                self.events.push_back(Event::Noise { cause, bytes, count });
                self.refuse(now);
            }
            Scan::End if self.is_inside_message() => self.hear(Some(Heard::End)),
            Scan::End => self.session_ended(now),
            Scan::Enquiry => match &self.phase {
                Phase::Receiving(Reception { pending: None, heard: None | Some(Heard::Enquiry), .. }) => {
                    self.hear(Some(Heard::Enquiry));
                }
                _ => {
                    self.session_ended(now);
                    self.enquired(now);
                }
            },
        }
    }

    /// Whether the end of the session would leave whole records that the peer may take for a message.
    fn is_inside_message(&self) -> bool {
        matches!(&self.phase, Phase::Receiving(Reception { pending: None, said: Said::Yes, .. }))
            && self.assembly.is_between_records()
    }

    fn hear(&mut self, heard: Option<Heard>) {
        if let Phase::Receiving(reception) = &mut self.phase {
            reception.heard = heard;
        }
    }

    /// No silence follows what was heard: it is perhaps a damaged STX, and counts as a byte of what nobody understands.
    fn doubt(&mut self, byte: u8) {
        let Phase::Receiving(reception) = &mut self.phase else { return };
        let heard = match reception.heard {
            Some(Heard::End) if byte != ENQ => EOT,
            Some(Heard::Enquiry) => ENQ,
            _ => return,
        };
        reception.heard = (heard == EOT).then_some(Heard::EndInNoise);
        self.scanner.skip(heard, &mut self.events);
    }

    /// Whether silence would tell what the peer meant.
    pub(super) fn awaits_silence(&self) -> bool {
        self.scanner.in_frame() || matches!(&self.phase, Phase::Receiving(Reception { heard: Some(_), .. }))
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
            // The enquiry that waits was perhaps none: then what is said to it is taken for the answer to the frame.
            Due::Gone if answer == Said::No && matches!(self.phase, Phase::Held(_)) => self.phase = Phase::Held(answer),
            Due::Orphan(_) | Due::Gone => {}
        }
        if !self.due.is_empty() {
            return;
        }
        match &self.phase {
            Phase::Receiving(reception) if reception.pending.is_some() => self.settle(now),
            Phase::Held(Said::Yes) => self.enquired(now),
            Phase::Held(Said::No) => self.turn_away(),
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
}

/// The first bytes, as many as are kept of noise.
fn head(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(crate::units::limits::SKIPPED_BYTES_KEPT);
    mem::take(&mut bytes)
}
