//! The way of a frame from a link to its answer, the same for every kind of link.
//!
//! Understand, hand to the journal, wait for the commit, write the acknowledgement. No positive acknowledgement leaves before the
//! journal's answer, which comes after the durable commit (INV-01).

use std::{future::Future, sync::Arc, time::Duration};

use actix::Addr;
use fail::fail_point;
use tokio::sync::{oneshot, watch};

use super::{
    clock::Clock,
    exchange::{Exchange, Undelivered, fate},
    journal::{Accept, Journal, Keep},
};
use crate::{
    flow::{self, Answer, Asked, Fate, Flows, Original, Reply, RouteVerdict, Verdict},
    hl7::{
        Index,
        ack::{Code, Condition},
        split_messages,
    },
    settings::{AckAfter, ApplicationAck, Link, WhenRefused},
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
    /// Becomes true when the box stops: acknowledgements that wait for deliveries then wait no longer.
    pub stopping: watch::Receiver<bool>,
}

/// What a link does once a message has its answer.
pub enum Answered {
    /// Writes this answer.
    Write(Vec<u8>),
    /// Sends this message of our own.
    Send(Vec<u8>),
    /// Sends a message of our own once it is known.
    Later(Exchange),
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
    /// News of its deliveries, where its acknowledgement waits for them.
    settled: Option<oneshot::Receiver<Fate>>,
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
                let answered = intake.answered(message.raw, message.received_at, answer, message.settled, began);
                answers.extend(answered.await);
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
        let (teller, settled) = match self.settings.answering.ack_after {
            AckAfter::Stored => (None, None),
            AckAfter::Delivered => {
                let (teller, settled) = oneshot::channel();
                (Some(teller), Some(settled))
            }
        };
        let answer = self.journal.send(Accept { message, raw: raw.clone(), latch, settled: teller });
        Pending { raw, received_at, answer, settled }
    }

    async fn answered(
        &self,
        raw: Vec<u8>,
        received_at: Timestamp,
        answer: Answer,
        settled: Option<oneshot::Receiver<Fate>>,
        began: Duration,
    ) -> Vec<Answered> {
        let mut index = Index::default();
        let ack = self.settings.ack;
        let zone = &self.zone;
        match answer {
            Answer::Stored(original) => self.acknowledge(raw, original, settled, began).await,
            Answer::OutOfSequence { expected } => {
                let reply = flow::out_of_sequence(&raw, &mut index, ack, expected, received_at, zone);
                vec![self.written(reply, began)]
            }
            Answer::Refused => {
                let reply = match self.settings.when_refused {
                    WhenRefused::Close => None,
                    WhenRefused::Error => flow::refusal(&raw, &mut index, ack, received_at, zone),
                };
                // Silence would let the sender believe that its message is safe.
                vec![reply.map_or(Answered::Close, |reply| self.written(Some(reply), began))]
            }
        }
    }

    /// Answers a stored message. The one answer of original mode waits for the deliveries where the link wants that; in
    /// enhanced mode the first does not wait, and what goes over a connection of its own is the store's matter.
    async fn acknowledge(
        &self,
        raw: Vec<u8>,
        original: Original,
        settled: Option<oneshot::Receiver<Fate>>,
        began: Duration,
    ) -> Vec<Answered> {
        let (mut index, ack) = (Index::default(), self.settings.ack);
        let waits = settled.is_some() && original.verdict == Verdict::Accept;
        let asked = flow::asked(&raw, &mut index, ack);
        if waits && asked == Asked::Once {
            let fate = fate(settled, self.settings.answering.ack_wait, self.stopping.clone()).await;
            let reply = fate.and_then(|fate| flow::application(&raw, &mut index, ack, &original, fate, &self.zone));
            return vec![self.written(reply, began)];
        }
        let mut answers = vec![self.written(flow::reply(&raw, &mut index, ack, &original, &self.zone), began)];
        let on_this_line = self.settings.answering.application_ack == ApplicationAck::SameConnection;
        match asked {
            Asked::Once | Asked::Twice(Condition::Never) => {}
            Asked::Twice(_) if !on_this_line => {}
            Asked::Twice(_) if waits => answers.push(self.later(raw, original, settled, began)),
            Asked::Twice(_) => {
                let reply = flow::application(&raw, &mut index, ack, &original, Fate::Delivered, &self.zone);
                if let Answered::Write(message) = self.written(reply, began) {
                    answers.push(Answered::Send(message));
                }
            }
        }
        answers
    }

    /// The application acknowledgement that follows the end of the deliveries.
    fn later(
        &self,
        raw: Vec<u8>,
        original: Original,
        settled: Option<oneshot::Receiver<Fate>>,
        began: Duration,
    ) -> Answered {
        let fate = fate(settled, self.settings.answering.ack_wait, self.stopping.clone());
        let undelivered = Undelivered { telemetry: Arc::clone(&self.telemetry), link: self.link };
        let intake = self.clone();
        let message = move |fate| {
            let (mut index, ack) = (Index::default(), intake.settings.ack);
            let reply = flow::application(&raw, &mut index, ack, &original, fate, &intake.zone);
            match intake.written(reply, began) {
                Answered::Write(message) => Some(message),
                _ => None,
            }
        };
        Answered::Later(Exchange::new(fate, message, undelivered))
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
