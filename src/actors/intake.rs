//! The way of a frame from a link to its answer, the same for every kind of link.
//!
//! Understand, hand to the journal, wait for the commit, write the acknowledgement. No positive acknowledgement leaves before the
//! journal's answer, which comes after the durable commit (INV-01).

use std::{future::Future, sync::Arc, time::Duration};

use actix::Addr;
use fail::fail_point;

use super::{
    clock::Clock,
    journal::{Accept, Journal, Keep},
};
use crate::{
    flow::{self, Answer, Fault, Flows, Reply, RouteVerdict, Verdict},
    hl7::{Index, ack::Code, profile::Level, split_messages},
    settings::{Link, WhenRefused},
    store::writer::{Latch, Scrap},
    telemetry::{
        LinkSignal, Telemetry,
        labels::{AckCode, FrameFault, Stage},
    },
    units::Timestamp,
    wire::Cause,
};

/// What a link needs to take messages in.
#[derive(Clone)]
pub struct Intake {
    /// Index into the settings' links.
    pub link: usize,
    /// The link's settings.
    pub settings: Arc<Link>,
    /// Zone of the sender's times and of our answers.
    pub zone: jiff::tz::TimeZone,
    /// The site's flows.
    pub flows: Arc<Flows>,
    /// Where messages go.
    pub journal: Addr<Journal>,
    /// Where signals go.
    pub telemetry: Arc<Telemetry>,
    /// The clocks.
    pub clock: Clock,
}

/// What a link does once a message has its answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered {
    /// Writes this.
    Write(Vec<u8>),
    /// Writes nothing.
    Silent,
    /// Closes without a word: the sender keeps its message.
    Close,
}

/// A message on its way through the journal.
struct Pending {
    raw: Vec<u8>,
    received_at: Timestamp,
    answer: actix::dev::Request<Journal, Accept>,
}

impl Intake {
    /// Takes a frame in. Everything up to the hand-over happens in this call, so the order of calls is the order of
    /// decisions; the future waits for the commit and gives what to write for each message of the frame.
    pub fn take(
        &self,
        frame: Vec<u8>,
        index: &mut Index,
        latch: &Latch,
    ) -> impl Future<Output = Vec<Answered>> + use<> {
        fail_point!("frame-received");
        let began = self.clock.elapsed();
        let received_at = self.clock.wall();
        let pending = self.hand_over(frame, received_at, index, latch);
        let intake = self.clone();
        async move {
            let mut answers = Vec::with_capacity(pending.len());
            for message in pending {
                // A journal that is gone cannot have stored it.
                let answer = message.answer.await.unwrap_or(Answer::Refused);
                fail_point!("commit-answered");
                answers.push(intake.answered(&message.raw, message.received_at, answer, began));
            }
            answers
        }
    }

    /// Several messages in one frame are taken one by one and answered one by one.
    fn hand_over(&self, frame: Vec<u8>, received_at: Timestamp, index: &mut Index, latch: &Latch) -> Vec<Pending> {
        let parts = split_messages(&frame);
        if parts.len() <= 1 {
            return vec![self.hand_over_one(frame, received_at, index, latch)];
        }
        parts
            .into_iter()
            .filter_map(|part| frame.get(part))
            .map(|message| self.hand_over_one(message.to_vec(), received_at, index, latch))
            .collect()
    }

    fn hand_over_one(&self, raw: Vec<u8>, received_at: Timestamp, index: &mut Index, latch: &Latch) -> Pending {
        let message = self.flows.understand(self.link, received_at, &raw, index);
        let (code, trigger) = message.kind.split_once('^').unwrap_or((&message.kind, ""));
        self.telemetry.link(self.link).received(received_at, code, trigger);
        if let Some(findings) = &message.findings {
            let counts = [Level::Note, Level::Warn, Level::Error, Level::Reject].map(|level| findings.count(level));
            self.telemetry.link(self.link).judged(counts);
        }
        for route in &message.routes {
            if matches!(route.verdict, RouteVerdict::Hold { .. } | RouteVerdict::Quarantine { .. }) {
                self.telemetry.flow(route.flow).error(Stage::Map);
            }
        }
        // A sender that is told AE goes on with its next message, so nothing is held back for it.
        let latch = match self.settings.when_refused {
            WhenRefused::Close => latch.clone(),
            WhenRefused::Error => Latch::default(),
        };
        let answer = self.journal.send(Accept { message, raw: raw.clone(), latch });
        Pending { raw, received_at, answer }
    }

    fn answered(&self, raw: &[u8], received_at: Timestamp, answer: Answer, began: Duration) -> Answered {
        let mut index = Index::default();
        let ack = self.settings.ack;
        let reply = match answer {
            Answer::Stored(original) => {
                let is_unfit = matches!(original.verdict, Verdict::Reject(Fault::Content | Fault::Rejected));
                let complaint = is_unfit.then(|| self.flows.complaint(self.link, raw, &mut index)).flatten();
                flow::reply(raw, &mut index, ack, &original, &self.zone, complaint.as_ref())
            }
            Answer::Refused => match self.settings.when_refused {
                WhenRefused::Close => return Answered::Close,
                WhenRefused::Error => flow::refusal(raw, &mut index, ack, received_at, &self.zone),
            },
        };
        self.written(reply, began)
    }

    /// Answers a frame that outgrew the link's bound, from its first bytes.
    pub fn oversize(&self, head: &[u8]) -> Answered {
        let now = self.clock.wall();
        self.written(flow::oversize(head, self.settings.ack, now, &self.zone), self.clock.elapsed())
    }

    /// Counts bytes that were not a plain frame, and keeps their beginning for a person.
    pub fn noise(&self, cause: Cause, bytes: Vec<u8>, count: u64) {
        let dropped = usize::try_from(count).unwrap_or(usize::MAX);
        self.telemetry.link(self.link).tell(LinkSignal::FrameError { fault: fault(cause), dropped });
        if !bytes.is_empty() {
            let scrap = Scrap { link: self.link, at: self.clock.wall(), cause: cause.as_str(), count, bytes };
            // Kept for convenience only: a journal that has too much to do leaves the count.
            self.journal.try_send(Keep(scrap)).ok();
        }
    }

    fn written(&self, reply: Option<Reply>, began: Duration) -> Answered {
        let Some(Reply { bytes, code }) = reply else { return Answered::Silent };
        self.telemetry.link(self.link).acked(ack_code(code), self.clock.elapsed().saturating_sub(began));
        Answered::Write(bytes)
    }
}

const fn ack_code(code: Code) -> AckCode {
    match code {
        Code::Aa => AckCode::Aa,
        Code::Ae => AckCode::Ae,
        Code::Ar => AckCode::Ar,
        Code::Ca => AckCode::Ca,
        Code::Ce => AckCode::Ce,
        Code::Cr => AckCode::Cr,
    }
}

const fn fault(cause: Cause) -> FrameFault {
    match cause {
        Cause::Oversize => FrameFault::Oversize,
        Cause::Timeout => FrameFault::Timeout,
        Cause::Checksum | Cause::Length => FrameFault::Checksum,
        Cause::Parity => FrameFault::Parity,
        Cause::Overrun => FrameFault::Overrun,
        _ => FrameFault::Framing,
    }
}
