//! The way of a frame from a link to its answer, the same for every kind of link.
//!
//! Understand, hand to the journal, wait for the commit, write the acknowledgement. No positive acknowledgement leaves before the
//! journal's answer, which comes after the durable commit (INV-01).

use std::{collections::VecDeque, future::Future, ops::Range, sync::Arc, time::Duration};

use actix::Addr;
use fail::fail_point;
use tokio::sync::{oneshot, watch};

use super::{
    clock::Clock,
    exchange::{Exchange, Undelivered, fate},
    journal::{Accept, Journal, Keep},
    tap::Tap,
};
use crate::{
    flow::{self, Answer, Asked, Fate, Flows, Original, Reply, RouteVerdict, Verdict},
    hl7::{
        Index, Text, Why,
        ack::{Code, Condition, Stamp},
        batch::{self, Batch, Oddity},
        profile::Level,
    },
    settings::{AckAfter, ApplicationAck, BatchAck, Content, Framing, Link, WhenRefused},
    store::writer::{Latch, Scrap},
    telemetry::{
        LinkSignal, Signal, Telemetry,
        labels::{AckCode, BatchFault, FrameFault, Guess, LinkEvent, Stage},
    },
    units::{Timestamp, limits},
    wire::{Cause, Happening},
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
    /// Where people watch the link.
    pub tap: Tap,
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
    /// Writes nothing, since its deliveries did not end in time: the sender is to repeat.
    Overdue,
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
        let batch = match self.settings.content {
            Content::Hl7 => Batch::read(&frame),
            Content::Lis02 | Content::Text => Batch::default(),
        };
        self.look_at(&batch, &frame);
        let mut parts = parts(&batch, &frame).into_iter();
        let mut pending: VecDeque<Pending> = parts
            .by_ref()
            .take(limits::BATCH_WINDOW_MAX)
            .map(|part| self.hand_over_one(frame_part(&frame, part), received_at, index, latch))
            .collect();
        let intake = self.clone();
        let latch = latch.clone();
        async move {
            let mut index = Index::default();
            let mut answers = Vec::with_capacity(pending.len());
            while let Some(message) = pending.pop_front() {
                // A journal that is gone cannot have stored it.
                let answer = message.answer.await.unwrap_or(Answer::Refused);
                fail_point!("commit-answered");
                let answered = intake.answered(message.raw, message.received_at, answer, message.settled, began);
                answers.extend(answered.await);
                if let Some(part) = parts.next() {
                    let raw = frame_part(&frame, part);
                    pending.push_back(intake.hand_over_one(raw, received_at, &mut index, &latch));
                }
            }
            intake.as_batch(&batch, &frame, received_at, answers)
        }
    }

    /// Whether a frame holds more messages than are handed over at once: what comes behind it has to wait until it is
    /// answered, or it would overtake.
    pub fn is_long(&self, frame: &[u8]) -> bool {
        self.settings.content == Content::Hl7
            && frame.len() > limits::BATCH_WINDOW_MAX * MESSAGE_BYTES_MIN
            && Batch::read(frame).messages.len() > limits::BATCH_WINDOW_MAX
    }

    /// Counts what is odd about a batch, and keeps the lines it is about for a person.
    fn look_at(&self, batch: &Batch, frame: &[u8]) {
        for finding in &batch.findings {
            let (stated, counted) = match finding.oddity {
                Oddity::Count { stated, counted, .. } => (Some(stated), Some(counted)),
                _ => (None, None),
            };
            self.telemetry.link(self.link).tell(LinkSignal::BatchOdd {
                fault: batch_fault(finding.oddity),
                stated,
                counted,
            });
            let line = frame.get(finding.place.clone()).unwrap_or_default();
            let kept = line.iter().take(limits::SKIPPED_BYTES_KEPT).copied().collect();
            let count = u64::try_from(line.len()).unwrap_or(u64::MAX);
            let cause = finding.oddity.as_str();
            let scrap = Scrap { link: self.link, at: self.clock.wall(), cause, count, bytes: kept };
            // Kept for convenience only: a journal that has too much to do leaves the count.
            self.journal.try_send(Keep(scrap)).ok();
        }
    }

    /// The answers of a batch as one batch, on links that are set so. Where one could not be stored, the link closes.
    fn as_batch(&self, batch: &Batch, frame: &[u8], received_at: Timestamp, answers: Vec<Answered>) -> Vec<Answered> {
        let is_one = self.settings.batch_ack == BatchAck::Batch && batch.is_enveloped;
        if !is_one || answers.iter().any(|answer| matches!(answer, Answered::Close)) {
            return answers;
        }
        let (mut acknowledgements, mut others) = (Vec::new(), Vec::new());
        for answer in answers {
            match answer {
                Answered::Write(bytes) => acknowledgements.push(bytes),
                other => others.push(other),
            }
        }
        let at = flow::local(received_at, &self.zone);
        let control_id = format!("B{}", received_at.0);
        let stamp = Stamp { at: &at, control_id: &control_id };
        others.insert(0, Answered::Write(batch::acknowledge(frame, batch, &stamp, &acknowledgements)));
        others
    }

    fn hand_over_one(&self, raw: Vec<u8>, received_at: Timestamp, index: &mut Index, latch: &Latch) -> Pending {
        let message = self.flows.understand(self.link, received_at, &raw, index);
        let (code, trigger) = message.kind.split_once('^').unwrap_or((&message.kind, ""));
        self.telemetry.link(self.link).received(received_at, code, trigger);
        if let Some(why) = message.charset_guessed {
            self.telemetry.link(self.link).charset_guessed(guess(why));
        }
        if let Some(findings) = &message.findings {
            let counts = [Level::Note, Level::Warn, Level::Error, Level::Reject].map(|level| findings.count(level));
            self.telemetry.link(self.link).judged(counts);
        }
        // A part that waits for the others is no error.
        for route in message.routes.iter().filter(|_| message.part.is_none()) {
            if matches!(route.verdict, RouteVerdict::Hold { .. } | RouteVerdict::Quarantine { .. }) {
                self.telemetry.flow(route.flow).error(Stage::Map);
            }
        }
        for (flow, table) in &message.unmapped {
            if let Some(map) = self.flows.map_of(*flow) {
                self.telemetry.tell(Signal::CodeUnmapped { mapping: &map.name, table });
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
        let ack = self.settings.ack;
        match answer {
            // The protocol of the line says that it is stored; there is nothing to say beside.
            Answer::Stored(_) if self.settings.content != Content::Hl7 => vec![Answered::Silent],
            Answer::Stored(original) => self.acknowledge(raw, original, settled, began).await,
            Answer::OutOfSequence { expected } => {
                let reply = self.reply_to(&raw, |raw, index| {
                    flow::out_of_sequence(raw, index, ack, expected, received_at, &self.zone)
                });
                vec![self.written(reply, began)]
            }
            Answer::Refused => {
                let reply = match self.settings.when_refused {
                    WhenRefused::Close => None,
                    WhenRefused::Error => {
                        self.reply_to(&raw, |raw, index| flow::refusal(raw, index, ack, received_at, &self.zone))
                    }
                };
                // Silence would let the sender believe that its message is safe.
                vec![reply.map_or(Answered::Close, |reply| self.written(Some(reply), began))]
            }
        }
    }

    /// Makes a reply to `raw` as it is read, and writes it in the character set that `raw` came in.
    fn reply_to(&self, raw: &[u8], make: impl FnOnce(&[u8], &mut Index) -> Option<Reply>) -> Option<Reply> {
        let text = Text::of(raw, self.flows.charset(self.link));
        let reply = make(text.bytes(), &mut Index::default())?;
        Some(Reply { bytes: text.encode(reply.bytes), ..reply })
    }

    /// The acknowledgement of the application, once `fate` is known.
    fn application(&self, raw: &[u8], original: &Original, fate: Fate) -> Option<Reply> {
        let ack = self.settings.ack;
        self.reply_to(raw, |raw, index| flow::application(raw, index, ack, original, fate, &self.zone))
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
        let ack = self.settings.ack;
        let waits = settled.is_some() && original.verdict == Verdict::Accept;
        let asked = flow::asked(Text::of(&raw, self.flows.charset(self.link)).bytes(), &mut Index::default(), ack);
        if waits && asked == Asked::Once {
            let fate = fate(settled, self.settings.answering.ack_wait, self.stopping.clone()).await;
            let answered = |fate| self.written(self.application(&raw, &original, fate), began);
            return vec![fate.map_or(Answered::Overdue, answered)];
        }
        let first = self.reply_to(&raw, |raw, index| flow::reply(raw, index, ack, &original, &self.zone));
        let mut answers = vec![self.written(first, began)];
        let on_this_line = self.settings.answering.application_ack == ApplicationAck::SameConnection;
        match asked {
            Asked::Once | Asked::Twice(Condition::Never) => {}
            Asked::Twice(_) if !on_this_line => {}
            Asked::Twice(_) if waits => answers.push(self.later(raw, original, settled, began)),
            Asked::Twice(_) => {
                let reply = self.application(&raw, &original, Fate::Delivered);
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
        let message = move |fate| match intake.written(intake.application(&raw, &original, fate), began) {
            Answered::Write(message) => Some(message),
            _ => None,
        };
        Answered::Later(Exchange::new(fate, message, undelivered))
    }

    /// Answers a frame that outgrew the link's bound, from its first bytes; `None` where the line itself says no.
    pub fn oversize(&self, head: &[u8]) -> Option<Answered> {
        let now = self.clock.wall();
        let is_hl7 = self.settings.content == Content::Hl7;
        let answers = is_hl7 && matches!(self.settings.framing, Framing::Mllp(_));
        answers.then(|| self.written(flow::oversize(head, self.settings.ack, now, &self.zone), self.clock.elapsed()))
    }

    /// Counts something of the link layer.
    pub fn happened(&self, happening: Happening) {
        self.telemetry.link(self.link).happened(match happening {
            Happening::NakSent => LinkEvent::NakSent,
            Happening::NakReceived => LinkEvent::NakReceived,
            Happening::Retransmitted => LinkEvent::Retransmitted,
            Happening::DuplicateFrame => LinkEvent::DuplicateFrame,
            Happening::Contention => LinkEvent::Contention,
            Happening::Interrupted => LinkEvent::Interrupted,
            Happening::Resynchronised => LinkEvent::Resynchronised,
            Happening::AbortedOften => LinkEvent::AbortedOften,
            Happening::Heartbeat => LinkEvent::Heartbeat,
        });
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
        let Some(Reply { mut bytes, code }) = reply else { return Answered::Silent };
        // It may wait for a hundred thousand others of its batch.
        bytes.shrink_to_fit();
        self.telemetry.link(self.link).acked(ack_code(code), self.clock.elapsed().saturating_sub(began));
        Answered::Write(bytes)
    }
}

/// The shortest message: `MSH`, separators, a type and a line end.
const MESSAGE_BYTES_MIN: usize = 6;

/// The messages of a frame: a single one without envelopes, and bytes without any, are taken whole, and so is a frame
/// with more messages than one may hold, which is then refused.
fn parts(batch: &Batch, frame: &[u8]) -> Vec<Range<usize>> {
    let most = usize::try_from(limits::BATCH_MESSAGES_MAX).unwrap_or(usize::MAX);
    let count = batch.messages.len();
    if count == 0 || count > most || count == 1 && !batch.is_enveloped {
        return std::iter::once(0..frame.len()).collect();
    }
    batch.messages.clone()
}

fn frame_part(frame: &[u8], part: Range<usize>) -> Vec<u8> {
    frame.get(part).unwrap_or_default().to_vec()
}

const fn guess(why: Why) -> Guess {
    match why {
        Why::Undeclared => Guess::Undeclared,
        Why::UnknownName => Guess::UnknownName,
        Why::Contradicted => Guess::Contradicted,
    }
}

const fn batch_fault(oddity: Oddity) -> BatchFault {
    match oddity {
        Oddity::Count { .. } | Oddity::UnreadableCount(_) => BatchFault::Count,
        Oddity::WithoutHeader(_) => BatchFault::WithoutHeader,
        Oddity::WithoutTrailer(_) => BatchFault::WithoutTrailer,
        Oddity::Stray => BatchFault::Stray,
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
