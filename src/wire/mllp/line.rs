//! One end of an MLLP link, release 1 or 2 (HL7 "Transport Specification: MLLP", releases 1 and 2).
//!
//! ```text
//!             release 1                          release 2
//! peer ──►    VT payload FS CR                   VT payload FS CR
//! peer ◄──    VT reply FS CR                     VT ACK FS CR, then VT reply FS CR
//!   refused   nothing: close the connection      VT NAK FS CR
//! peer ◄──    VT message FS CR                   VT message FS CR
//!   settled   when it is written                 by the peer's VT ACK FS CR; again after NAK or silence
//! ```
//!
//! - Release 1 has no acknowledgement of its own: whether the peer took a message, its HL7 acknowledgement says, which
//!   comes as a frame.
//! - In release 2 a frame that cannot be taken (too large, too slow, damaged, empty) is answered by NAK in its turn. One
//!   message of ours is under way at a time.
//! - A payload of the one byte ACK or NAK is never a message: in release 2 it is a commit block if the block is exact, and
//!   noise otherwise.
//! - An answer after [`Line::end`] is still written: a TCP peer may have closed its half only.
//!
//! The shell bounds how much it gives to [`Line::send`]: all of it is kept until it is settled.

use std::{collections::VecDeque, fmt, mem, time::Duration};

use super::{
    Decoder, EVENTS_KEPT,
    commit::{ACK, Commits, NAK, Out},
    wide::{Aligner, Wide},
};
use crate::{
    units::{Timestamp, limits},
    wire::{Answer, Bounds, Cause, Event, Line, LineFault, Unsent},
};

/// How a link speaks MLLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Largest payload, time for a frame, and silence that ends it.
    pub bounds: Bounds,
    /// Whether blocks are committed. Release 1 unless both ends are set to release 2.
    pub release: Release,
    /// Whether marks and text are UTF-16. [`Wide::No`].
    pub wide: Wide,
    /// Release 2: time the peer has to commit a message of ours. 10 s.
    pub commit_timeout: Duration,
    /// Release 2: how often a message of ours is sent again after a NAK or no answer. 2.
    pub resends: u32,
}

impl Default for Options {
    fn default() -> Self {
        let frame_max = usize::try_from(limits::FRAME_BYTES_DEFAULT).unwrap_or(usize::MAX);
        Self {
            bounds: Bounds { frame_max, frame_timeout: limits::FRAME_TIMEOUT, gap_max: None },
            release: Release::One,
            wide: Wide::No,
            commit_timeout: limits::COMMIT_TIMEOUT,
            resends: limits::COMMIT_RESENDS,
        }
    }
}

/// The release of MLLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Frames only.
    One,
    /// Frames and commit blocks.
    Two,
}

/// One end of an MLLP link.
pub struct MllpLine {
    bounds: Bounds,
    decoder: Decoder,
    /// In UTF-16 only.
    aligner: Option<Aligner>,
    out: Out,
    /// When the frame under way began, and which one it is.
    began: (u64, Timestamp),
    received_at: Timestamp,
    /// Release 2 only.
    committing: Option<Committing>,
}

/// What release 2 has beyond release 1.
struct Committing {
    commits: Commits,
    /// Frames of the peer that wait for their commit block, and those that are to be refused behind them.
    owed: VecDeque<Owed>,
}

/// A commit block that is owed to the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owed {
    /// By the answer to a frame.
    Answer,
    /// For a frame that cannot be taken.
    Nak,
}

impl MllpLine {
    /// Makes the machine of one stream.
    pub fn new(options: Options) -> Self {
        let committing =
            || Committing { commits: Commits::new(options.commit_timeout, options.resends), owed: VecDeque::new() };
        Self {
            bounds: options.bounds,
            decoder: Decoder::new(options.bounds.frame_max),
            aligner: Aligner::new(options.wide),
            out: Out { wide: options.wide, ..Out::default() },
            began: (0, Timestamp(0)),
            received_at: Timestamp(0),
            committing: (options.release == Release::Two).then(committing),
        }
    }

    /// Takes what the decoder found.
    fn collect(&mut self, now: Timestamp) {
        while let Some(event) = self.decoder.next() {
            match event {
                Event::Frame(payload) => {
                    if let Some(says @ (ACK | NAK)) = self.out.wide.single(&payload) {
                        self.take_commit(now, says, payload);
                        continue;
                    }
                    if let Some(committing) = &mut self.committing {
                        committing.owed.push_back(Owed::Answer);
                    }
                    self.out.events.push_back(Event::Frame(payload));
                }
                noise => self.take_noise(noise),
            }
        }
        if self.began.0 != self.decoder.begun {
            self.began = (self.decoder.begun, now);
        }
    }

    /// Takes a payload that is ACK or NAK.
    fn take_commit(&mut self, now: Timestamp, says: u8, payload: Vec<u8>) {
        let next = self.decoder.events.front();
        let is_exact = !matches!(next, Some(Event::Noise { cause: Cause::MissingReturn, .. }));
        match &mut self.committing {
            Some(committing) if is_exact => committing.commits.take(now, says, &mut self.out),
            _ => {
                let count = u64::try_from(payload.len()).unwrap_or(u64::MAX);
                self.out.events.push_back(Event::Noise { cause: Cause::Malformed, bytes: payload, count });
            }
        }
    }

    fn take_noise(&mut self, noise: Event) {
        let is_refused = match &noise {
            Event::Noise { cause, .. } => matches!(
                cause,
                Cause::Empty | Cause::Oversize | Cause::Timeout | Cause::Parity | Cause::Line | Cause::Overrun
            ),
            _ => false,
        };
        self.out.events.push_back(noise);
        if let Some(committing) = &mut self.committing
            && is_refused
        {
            committing.owed.push_back(Owed::Nak);
            committing.refuse_in_turn(&mut self.out);
        }
    }

    /// When the frame under way is given up.
    fn frame_deadline(&self) -> Option<Timestamp> {
        if !self.decoder.in_frame() {
            return None;
        }
        let whole = self.began.1.plus(self.bounds.frame_timeout);
        let gap = self.bounds.gap_max.map(|gap| self.received_at.plus(gap));
        Some(gap.map_or(whole, |gap| whole.min(gap)))
    }

    /// When an odd end counts as an end.
    fn lull_deadline(&self) -> Option<Timestamp> {
        self.decoder.awaits_idle().then(|| self.received_at.plus(limits::LULL))
    }
}

impl Line for MllpLine {
    fn receive(&mut self, now: Timestamp, bytes: &[u8]) {
        match &mut self.aligner {
            None => self.decoder.push(bytes),
            Some(aligner) => aligner.push(&mut self.decoder, bytes),
        }
        self.received_at = now;
        self.collect(now);
        // However slowly its bytes drip and however late the clock is read, a frame has its time and no more.
        if self.decoder.in_frame() && self.began.1.plus(self.bounds.frame_timeout) <= now {
            self.decoder.expire();
            self.collect(now);
        }
    }

    fn damaged(&mut self, now: Timestamp, fault: LineFault) {
        if let Some(aligner) = &mut self.aligner {
            aligner.damage(&self.decoder);
        }
        self.decoder.damage(fault.cause());
        self.received_at = now;
        self.collect(now);
    }

    fn tick(&mut self, now: Timestamp) {
        let is_due = |deadline: Option<Timestamp>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.lull_deadline()) {
            self.decoder.idle();
        }
        if is_due(self.frame_deadline()) {
            self.decoder.expire();
        }
        self.collect(now);
        if let Some(committing) = &mut self.committing {
            committing.commits.tick(now, &mut self.out);
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        let commit = self.committing.as_ref().and_then(|committing| committing.commits.deadline());
        [self.lull_deadline(), self.frame_deadline(), commit].into_iter().flatten().min()
    }

    fn next(&mut self) -> Option<Event> {
        let event = self.out.events.pop_front();
        if self.out.events.is_empty() && self.out.events.capacity() > EVENTS_KEPT {
            self.out.events = VecDeque::new();
        }
        event
    }

    fn answer(&mut self, now: Timestamp, answer: Answer) {
        if let Some(committing) = &mut self.committing {
            return committing.answer(now, answer, &mut self.out);
        }
        if let Answer::Taken(replies) = answer {
            // A batch may have a hundred thousand of them: each goes as soon as it is framed.
            replies.into_iter().for_each(|reply| self.out.frame(&reply));
        }
    }

    fn send(&mut self, now: Timestamp, payload: Vec<u8>) {
        if let Some(committing) = &mut self.committing {
            return committing.commits.send(now, payload, &mut self.out);
        }
        if !self.out.wide.fits(&payload) {
            return self.out.events.push_back(Event::Unsent(Unsent::Unfit));
        }
        self.out.frame(&payload);
        self.out.events.push_back(Event::Sent);
    }

    fn transmit(&mut self) -> Vec<u8> {
        mem::take(&mut self.out.writing)
    }

    fn is_busy(&self) -> bool {
        self.decoder.in_frame() || self.committing.as_ref().is_some_and(|committing| committing.commits.is_busy())
    }

    fn end(&mut self, now: Timestamp) {
        if let Some(aligner) = &mut self.aligner {
            aligner.finish(&mut self.decoder);
        }
        self.decoder.finish();
        self.collect(now);
        if let Some(committing) = &mut self.committing {
            committing.commits.end(&mut self.out);
        }
    }
}

impl Committing {
    fn answer(&mut self, now: Timestamp, answer: Answer, out: &mut Out) {
        if self.owed.pop_front().is_none() {
            return;
        }
        match answer {
            Answer::Refused => out.commit(NAK),
            Answer::Taken(replies) => {
                out.commit(ACK);
                for reply in &replies {
                    out.frame(reply);
                    self.commits.replied(now);
                }
            }
        }
        self.refuse_in_turn(out);
    }

    /// Refuses the frames whose turn has come.
    fn refuse_in_turn(&mut self, out: &mut Out) {
        while self.owed.front() == Some(&Owed::Nak) {
            self.owed.pop_front();
            out.commit(NAK);
        }
    }
}

impl fmt::Debug for MllpLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bounds, decoder, out, committing, .. } = self;
        let release = if committing.is_some() { Release::Two } else { Release::One };
        f.debug_struct("MllpLine")
            .field("release", &release)
            .field("bounds", bounds)
            .field("decoder", decoder)
            .field("events", &out.events)
            .field("writing_bytes", &out.writing.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
