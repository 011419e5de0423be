//! How sessions of the peer end (LIS01-A2 6.4, 6.5.2): with EOT, with ENQ in its place, by silence, with the stream.
//!
//! Since STX is not summed, EOT and ENQ in the middle of a message are believed when silence follows.

use super::{
    super::{
        super::{Cause, Event},
        Lis01, Pause, Phase,
        assembly::Left,
        scan::Wish,
    },
    Due, Heard, Said,
};
use crate::units::Timestamp;

impl Lis01 {
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
        if self.scanner.may_hide_frame() {
            self.give_up_session();
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

    /// Silence inside a frame: its last byte may have been no part of it.
    pub(in super::super) fn silent(&mut self, now: Timestamp) {
        if self.scanner.in_frame() {
            self.silent_in_frame(now);
        }
        let Phase::Receiving(reception) = &mut self.phase else { return };
        match reception.heard.take() {
            Some(Heard::End | Heard::EndInNoise) => self.session_ended(now),
            Some(Heard::Enquiry) => self.started_anew(now),
            None => {}
        }
    }

    fn silent_in_frame(&mut self, now: Timestamp) {
        let gap = self.scanner.gap();
        let cause = if gap.wish == Wish::Nothing { Cause::Garbage } else { Cause::Timeout };
        self.scanner.report(&mut self.events);
        self.events.push_back(Event::Noise { cause, bytes: gap.bytes, count: gap.count });
        match gap.wish {
            Wish::Nothing => {}
            Wish::Frame => {
                self.hear(None);
                self.refuse(now);
            }
            Wish::End => {
                self.give_up_session();
                self.session_ended(now);
            }
            Wish::Enquiry => self.started_anew(now),
        }
    }

    /// The peer did not complete its message, and knows.
    fn give_up_session(&mut self) {
        if let Phase::Receiving(reception) = &mut self.phase {
            reception.said = Said::No;
        }
    }

    /// ENQ without EOT before it: the peer was switched off, and begins anew.
    fn started_anew(&mut self, now: Timestamp) {
        self.give_up_session();
        self.session_ended(now);
        self.enquired(now);
    }

    /// Neither a frame nor EOT in time: what is not complete is dropped.
    pub(in super::super) fn waited_for_frame(&mut self, now: Timestamp) {
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
    pub(in super::super) fn cut_off(&mut self, now: Timestamp) {
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
