//! The way of a frame from a link to its answer, the same for every kind of link.
//!
//! Understand, hand to the journal, wait for the commit, write the acknowledgement. No positive acknowledgement leaves before the
//! journal's answer, which comes after the durable commit (INV-01).

use std::{collections::VecDeque, future::Future, ops::Range, sync::Arc, time::Duration};

use actix::Addr;
use fail::fail_point;

use super::{
    clock::Clock,
    journal::{Accept, Journal, Keep},
};
use crate::{
    flow::{self, Answer, Fault, Flows, Reply, RouteVerdict, Verdict},
    hl7::{
        Index, Text, Why,
        ack::{Code, Stamp},
        batch::{self, Batch, Oddity},
        profile::Level,
    },
    settings::{BatchAck, Framing, Link, WhenRefused},
    store::writer::{Latch, Scrap},
    telemetry::{
        LinkSignal, Telemetry,
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
        let batch = Batch::read(&frame);
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
                answers.push(intake.answered(&message.raw, message.received_at, answer, began));
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
    pub fn is_long(frame: &[u8]) -> bool {
        frame.len() > limits::BATCH_WINDOW_MAX * MESSAGE_BYTES_MIN
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
        if !is_one || answers.contains(&Answered::Close) {
            return answers;
        }
        let written = answers.into_iter().filter_map(|answer| match answer {
            Answered::Write(bytes) => Some(bytes),
            Answered::Silent | Answered::Close => None,
        });
        let acknowledgements: Vec<Vec<u8>> = written.collect();
        let at = flow::local(received_at, &self.zone);
        let control_id = format!("B{}", received_at.0);
        let stamp = Stamp { at: &at, control_id: &control_id };
        vec![Answered::Write(batch::acknowledge(frame, batch, &stamp, &acknowledgements))]
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
        let text = Text::of(raw, self.flows.charset(self.link));
        let raw = text.bytes();
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
        let in_its_set = |reply: Reply| Reply { bytes: text.encode(reply.bytes), ..reply };
        self.written(reply.map(in_its_set), began)
    }

    /// Answers a frame that outgrew the link's bound, from its first bytes; `None` where the line itself says no.
    pub fn oversize(&self, head: &[u8]) -> Option<Answered> {
        let now = self.clock.wall();
        let answers = matches!(self.settings.wire.framing(), Framing::Mllp);
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
        let Some(Reply { bytes, code }) = reply else { return Answered::Silent };
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
