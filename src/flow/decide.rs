//! The decision: a message as it was understood, and what the store knows, to everything that is to happen.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    Flows, Outcome,
    jobs::{self, By, Decided, JobRecord},
    reply::outcome_of,
    understand::refused,
    understood::{Fault, Route, RouteVerdict, Sequenced, Understood, acknowledgement_key, short_hash},
};
use crate::{
    hl7::{
        ack::{Condition, Mode},
        sequence::{self, Number, Step},
    },
    ids::JournalId,
    job::{Finding, Severity},
    mapping::{JobAsk, Refusal, Told, Verb},
    settings::{AckAfter, Flow, Priority},
    units::Timestamp,
};

/// What the store knows that bears on a message.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The earlier message with the same MSH-3, MSH-4, MSH-10 and content.
    pub original: Option<Original>,
    /// Whether an earlier message had the same MSH-3, MSH-4 and MSH-10 with other content: senders wrap their counters.
    pub control_id_reused: bool,
    /// The lowest priority that the store still takes; `None` while it takes nothing.
    pub room_for: Option<Priority>,
    /// The sequence number that the message's stream expects; `None` while any will do.
    pub expected_sequence: Option<i64>,
    /// The message that was taken last from that stream, if this one bears its control id or has its content.
    pub last_in_sequence: Option<Original>,
    /// The jobs that the message may be about.
    pub jobs: Vec<Known>,
}

/// A job that is known.
#[derive(Clone, Debug)]
pub struct Known {
    /// Index into the settings' destinations: each has its own jobs.
    pub destination: usize,
    /// The job.
    pub record: JobRecord,
    /// Whether something of it still waits for its delivery.
    pub is_waiting: bool,
}

/// A message that was taken in before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// Its place in the journal.
    pub journal: JournalId,
    /// When it came: the answer's time.
    pub received_at: Timestamp,
    /// What its sender was told.
    pub verdict: Verdict,
    /// MSA-4, under the sequence number protocol. It follows from the message, so it is not kept.
    pub expected: Option<i64>,
}

/// What the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Stored: AA or CA.
    Accept,
    /// Stored for a person, but refused: AR, AE, CR or CE by the fault.
    Reject(Fault),
    /// Stored; no answer is due, because the message was an answer itself.
    Silent,
}

/// Everything that is to happen to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Nothing is stored, the sender keeps the message.
    Refuse,
    /// The sender repeats itself: it gets the answer it got, and nothing is processed again.
    Repeat {
        /// What it repeats.
        original: Original,
        /// The flows that count it.
        flows: Vec<Option<usize>>,
    },
    /// It is not the message that its sender's sequence has next: nothing is stored, the sender is told which one is.
    OutOfSequence {
        /// The number expected.
        expected: i64,
    },
    /// The message is recorded.
    Record(Record),
}

/// How a message is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the sender is told.
    pub verdict: Verdict,
    /// Whether the sender used its control id before, for another message.
    pub control_id_reused: bool,
    /// Deliveries to make.
    pub outbox: Vec<Draft>,
    /// What a person must look at.
    pub aside: Vec<Aside>,
    /// Where the message stands in each flow that took it; `None` is no flow.
    pub outcomes: Vec<(Option<usize>, Outcome)>,
    /// MSA-4, under the sequence number protocol.
    pub expected: Option<i64>,
    /// How its sender's sequence goes on.
    pub sequence: Option<Advance>,
    /// Its acknowledgement waits for its deliveries: this is what follows then.
    pub awaited: Option<Awaited>,
    /// Jobs that are different now, by the index of their destination.
    pub jobs: Vec<(usize, JobRecord)>,
    /// What the deliveries tell of jobs, by the index of their flow.
    pub told: Vec<(usize, Vec<Told>)>,
    /// What was noticed about jobs, by the index of the flow.
    pub findings: Vec<(usize, Finding)>,
    /// The flows whose maps refuse what is now known of a job, each with the tables that do not list a code.
    pub refused: Vec<(usize, Vec<Arc<str>>)>,
}

/// How a sequence goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The stream.
    pub stream: i64,
    /// The number expected from now on; `None` is any.
    pub expected: Option<i64>,
}

/// What follows the end of a message's deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The flow of the application acknowledgement that is to be queued, and when it is due; the link's own connection
    /// is no matter of the store.
    pub later: Option<(usize, Condition)>,
}

/// What became of all deliveries of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Each was confirmed, or there was none to make.
    Delivered,
    /// One was refused for good.
    Refused {
        /// The HTTP status, or 0 where there was none.
        status: u16,
    },
    /// One was given up because of its age.
    TooOld,
}

/// A delivery to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Index into the settings' flows.
    pub flow: usize,
    /// Index into the settings' destinations.
    pub destination: usize,
    /// Its lane.
    pub priority: Priority,
    /// Deliveries with the same key leave one after the other.
    pub ordering_key: u64,
}

/// Something set aside for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Index into the settings' flows, if a flow took it.
    pub flow: Option<usize>,
    /// Why it is here.
    pub kind: AsideKind,
    /// A closed word for the reason.
    pub reason: &'static str,
    /// Field paths and rules, for the person; no patient data.
    pub detail: String,
    /// The job that a person must decide about, where it is not the message itself.
    pub job: Option<Uuid>,
}

/// Why something was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AsideKind {
    /// The destination refused it for good.
    DeadLetter,
    /// A person must decide.
    Held,
    /// It was not understood.
    Quarantined,
}

impl AsideKind {
    /// The word for it in listings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeadLetter => "dead_letter",
            Self::Held => "held",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What came of one message, for the link that must answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is in the journal, durably (INV-01); a repeat gets its original's answer.
    Stored(Original),
    /// It was not stored.
    Refused,
    /// It was not stored, because its sender's sequence has another number next.
    OutOfSequence {
        /// The number expected.
        expected: i64,
    },
}

/// Decides what happens to a message.
pub fn decide(message: &Understood, facts: &Facts, flows: &Flows) -> Disposition {
    let number = message.sequence.map(|place| place.number);
    let repeat = |original: Original| Disposition::Repeat {
        // The answer that the original got: it was taken, so its number was echoed.
        original: Original { expected: number.and_then(Number::of_message), ..original },
        flows: flows_of(message),
    };
    if let Some(original) = facts.original {
        return repeat(original);
    }
    let step = number.map(|number| sequence::step(facts.expected_sequence, number));
    match (step, facts.last_in_sequence) {
        // The number alone proves nothing: what is answered as taken must have been.
        (Some(Step::Repeated), Some(last)) => return repeat(last),
        (Some(Step::Repeated), None) => {
            return Disposition::OutOfSequence { expected: facts.expected_sequence.unwrap_or(-1) };
        }
        (Some(Step::Unexpected { expected }), _) => return Disposition::OutOfSequence { expected },
        _ => {}
    }
    if !has_room(message, facts, flows) {
        return Disposition::Refuse;
    }
    let (expected, sequence) = advance(message.sequence, step);
    Disposition::Record(Record { expected, sequence, ..record(message, facts, flows) })
}

/// MSA-4 of a message that is recorded, and how its sequence goes on. A message that is kept for a person has its
/// number taken too: its sender got its last word on it and goes on with the next.
fn advance(place: Option<Sequenced>, step: Option<Step>) -> (Option<i64>, Option<Advance>) {
    let (Some(Sequenced { stream, number }), Some(step)) = (place, step) else { return (None, None) };
    match step {
        Step::Answer(expected) => (Some(expected), None),
        Step::Forget => (Some(-1), Some(Advance { stream, expected: None })),
        Step::Take { next } => (number.of_message(), Some(Advance { stream, expected: Some(next) })),
        Step::Repeated | Step::Unexpected { .. } => (None, None),
    }
}

/// The record of a message whose decision failed by a bug: kept, refused, and never in the way of others.
pub fn poisoned(message: &Understood, facts: &Facts) -> Record {
    let step = message.sequence.map(|place| sequence::step(facts.expected_sequence, place.number));
    let (expected, sequence) = advance(message.sequence, step);
    Record { expected, sequence, ..quarantined(Fault::Internal, String::new()) }
}

fn flows_of(message: &Understood) -> Vec<Option<usize>> {
    if message.routes.is_empty() {
        return vec![None];
    }
    message.routes.iter().map(|route| Some(route.flow)).collect()
}

/// A message is as urgent as its most urgent flow; one that no flow takes is routine.
fn has_room(message: &Understood, facts: &Facts, flows: &Flows) -> bool {
    let priority = message.routes.iter().filter_map(|route| flows.flow(route.flow)).map(|flow| flow.priority).min();
    facts.room_for.is_some_and(|least| priority.unwrap_or(Priority::Routine) <= least)
}

fn record(message: &Understood, facts: &Facts, flows: &Flows) -> Record {
    let mut record = match &message.fault {
        Some((fault, detail)) => quarantined(*fault, detail.clone()),
        None => routed(message, facts, flows),
    };
    acknowledge_later(message, flows.all(), &mut record);
    record
}

/// Queues the application acknowledgement, or notes that it is to be queued once the deliveries have ended.
fn acknowledge_later(message: &Understood, flows: &[Flow], record: &mut Record) {
    let waits =
        message.ack_after == AckAfter::Delivered && record.verdict == Verdict::Accept && !record.outbox.is_empty();
    if waits {
        let later = message.later.and_then(|later| match later.mode {
            Mode::Enhanced { application: Condition::Never, .. } | Mode::Original => None,
            Mode::Enhanced { application, .. } => Some((later.flow, application)),
        });
        record.awaited = Some(Awaited { later });
        return;
    }
    let Some(later) = message.later else { return };
    let (Some(outcome), Some(flow)) = (outcome_of(record.verdict), flows.get(later.flow)) else { return };
    if later.mode.exchanges(outcome).later.is_some() {
        record.outbox.push(Draft {
            flow: later.flow,
            destination: flow.to,
            priority: flow.priority,
            ordering_key: acknowledgement_key(message.link),
        });
        record.outcomes.push((Some(later.flow), Outcome::Waiting));
    }
}

fn routed(message: &Understood, facts: &Facts, flows: &Flows) -> Record {
    let mut record = Record {
        verdict: if message.is_answer { Verdict::Silent } else { Verdict::Accept },
        control_id_reused: facts.control_id_reused,
        outbox: Vec::with_capacity(message.routes.len()),
        aside: Vec::new(),
        outcomes: Vec::with_capacity(message.routes.len().max(1)),
        expected: None,
        sequence: None,
        awaited: None,
        jobs: Vec::new(),
        told: Vec::new(),
        findings: Vec::new(),
        refused: Vec::new(),
    };
    let mut known = facts.jobs.clone();
    for route in &message.routes {
        let outcome = match &route.verdict {
            RouteVerdict::Jobs { asks } => {
                ask(message, (route.flow, asks), (By::Message, message.received_at), &mut known, flows, &mut record)
            }
            _ => follow(route, flows.all(), &mut record),
        };
        record.outcomes.push((Some(route.flow), outcome));
    }
    if message.routes.is_empty() {
        record.outcomes.push((None, Outcome::Filtered));
    }
    record
}

fn follow(route: &Route, flows: &[Flow], record: &mut Record) -> Outcome {
    let Some(flow) = flows.get(route.flow) else { return Outcome::Filtered };
    match &route.verdict {
        RouteVerdict::Deliver { ordering_key } => {
            record.outbox.push(Draft {
                flow: route.flow,
                destination: flow.to,
                priority: flow.priority,
                ordering_key: *ordering_key,
            });
            Outcome::Waiting
        }
        // Jobs are decided by what is known of them.
        RouteVerdict::NotApplicable | RouteVerdict::Jobs { .. } => Outcome::Filtered,
        RouteVerdict::Hold { reason, detail } => {
            record.aside.push(Aside {
                flow: Some(route.flow),
                kind: AsideKind::Held,
                reason,
                detail: detail.clone(),
                job: None,
            });
            Outcome::Held
        }
        RouteVerdict::Quarantine { reason, detail } => {
            record.aside.push(Aside {
                flow: Some(route.flow),
                kind: AsideKind::Quarantined,
                reason,
                detail: detail.clone(),
                job: None,
            });
            Outcome::Quarantined
        }
    }
}

fn quarantined(fault: Fault, detail: String) -> Record {
    Record {
        verdict: Verdict::Reject(fault),
        control_id_reused: false,
        outbox: Vec::new(),
        aside: vec![Aside { flow: None, kind: AsideKind::Quarantined, reason: fault.as_str(), detail, job: None }],
        outcomes: vec![(None, Outcome::Quarantined)],
        expected: None,
        sequence: None,
        awaited: None,
        jobs: Vec::new(),
        told: Vec::new(),
        findings: Vec::new(),
        refused: Vec::new(),
    }
}

/// Asks the jobs of a flow what a message does to them.
fn ask(
    message: &Understood,
    (flow, asks): (usize, &[JobAsk]),
    (by, now): (By, Timestamp),
    known: &mut Vec<Known>,
    flows: &Flows,
    record: &mut Record,
) -> Outcome {
    let (Some(settings), Some(desk)) = (flows.flow(flow), flows.desk(flow, message, by, now)) else {
        return Outcome::Filtered;
    };
    let here = |job: &&Known| job.destination == settings.to;
    let mut records: Vec<JobRecord> = known.iter().filter(here).map(|job| job.record.clone()).collect();
    match jobs::follow(asks, &mut records, &desk) {
        Ok(decided) => take(decided, (flow, settings), known, record),
        Err(refusal) => refuse(&refusal, flow, flows, record),
    }
}

/// Sets aside what a map refuses, and notes why for who counts.
fn refuse(refusal: &Refusal, flow: usize, flows: &Flows, record: &mut Record) -> Outcome {
    record.refused.push((flow, refusal.unmapped.iter().map(|code| Arc::clone(&code.table)).collect()));
    follow(&Route { flow, verdict: refused(refusal) }, flows.all(), record)
}

/// Takes over what was decided about the jobs of a flow; where the message stands in it then.
fn take(decided: Decided, (flow, settings): (usize, &Flow), known: &mut Vec<Known>, record: &mut Record) -> Outcome {
    let Decided { jobs, told, mut held, findings } = decided;
    let critical = findings.iter().filter(|finding| finding.severity() == Severity::Critical);
    let job = jobs.first().map(|record| record.id.0);
    held.extend(critical.map(|finding| jobs::Held { job, reason: finding.as_str(), detail: String::new() }));
    let mut outcome = if findings.contains(&Finding::Duplicate) { Outcome::Duplicate } else { Outcome::Filtered };
    if let Some(first) = told.first() {
        let waits = |told: &Told| known.iter().any(|job| job.is_waiting && job.record.id.0 == told.job);
        let calls_off = told.iter().all(|told| matches!(told.verb, Verb::Cancel | Verb::Recall) && !waits(told));
        let of = jobs.iter().find(|record| record.id.0 == first.job);
        let key = of.and_then(JobRecord::visit).map_or(first.job, |visit| visit.0);
        record.outbox.push(Draft {
            flow,
            destination: settings.to,
            // Nothing of it is on its way: it may overtake everything else.
            priority: if calls_off { Priority::Stat } else { settings.priority },
            ordering_key: job_key(key),
        });
        record.told.push((flow, told));
        outcome = Outcome::Waiting;
    }
    for jobs::Held { job, reason, detail } in held {
        record.aside.push(Aside { flow: Some(flow), kind: AsideKind::Held, reason, detail, job });
        if matches!(outcome, Outcome::Filtered | Outcome::Duplicate) {
            outcome = Outcome::Held;
        } else {
            // It is something of its own for a person, beside what the message does, so it is counted so (INV-02).
            record.outcomes.push((Some(flow), Outcome::Held));
        }
    }
    record.findings.extend(findings.into_iter().map(|finding| (flow, finding)));
    for job in jobs {
        match known.iter_mut().find(|known| known.destination == settings.to && known.record.id == job.id) {
            Some(known) => known.record = job.clone(),
            None => known.push(Known { destination: settings.to, record: job.clone(), is_waiting: false }),
        }
        record.jobs.retain(|(to, known)| *to != settings.to || known.id != job.id);
        record.jobs.push((settings.to, job));
    }
    outcome
}

/// Deliveries about the jobs of one visit leave one after the other; without a visit, those about one job.
fn job_key(visit: Uuid) -> u64 {
    short_hash(&[b"job", visit.as_bytes()])
}

/// What a person decided about something that was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes on.
    Release,
    /// It does not: a job that it stands for is called off.
    Discard,
}

/// What a person's decision does: to the job that was set aside, or to the jobs that the message is about. A message that
/// no flow had taken, so that it was set aside for none, is taken by all that take it now. Gives back what stands in the
/// way, if something does.
pub fn settle_aside(
    message: &Understood,
    (flow, job): (Option<usize>, Option<Uuid>),
    decision: Decision,
    now: Timestamp,
    facts: &Facts,
    flows: &Flows,
) -> Result<Record, Aside> {
    let mut record = empty();
    let mut known = facts.jobs.clone();
    let of = job.and_then(|job| known.iter().find(|known| known.record.id.0 == job).map(|known| known.record.clone()));
    let desk = flow.and_then(|flow| Some((flow, flows.flow(flow)?, flows.desk(flow, message, By::Person, now)?)));
    match (of, desk) {
        (Some(of), Some((flow, settings, desk))) => {
            let outcome = match jobs::settle(&of, decision, &desk) {
                Ok(decided) => take(decided, (flow, settings), &mut known, &mut record),
                Err(refusal) => refuse(&refusal, flow, flows, &mut record),
            };
            record.outcomes.push((Some(flow), outcome));
        }
        _ if decision == Decision::Discard => record.outcomes.push((flow, Outcome::Filtered)),
        _ => {
            for route in message.routes.iter().filter(|route| flow.is_none_or(|flow| flow == route.flow)) {
                let outcome = match &route.verdict {
                    RouteVerdict::Jobs { asks } => {
                        ask(message, (route.flow, asks), (By::Person, now), &mut known, flows, &mut record)
                    }
                    _ => follow(route, flows.all(), &mut record),
                };
                record.outcomes.push((Some(route.flow), outcome));
            }
            if record.outcomes.is_empty() {
                record.outcomes.push((flow, Outcome::Filtered));
            }
        }
    }
    match record.aside.pop() {
        Some(aside) => Err(aside),
        None => Ok(record),
    }
}

/// What is told where a person has the jobs of a delivered message told again: how they are now. The jobs themselves stay
/// as they are. Gives back why there is nothing to tell.
pub fn tell_again(
    message: &Understood,
    flow: usize,
    now: Timestamp,
    jobs: &[Known],
    flows: &Flows,
) -> Result<Record, Aside> {
    let mut record = empty();
    let aside = |reason, detail: &str| {
        Err(Aside { flow: Some(flow), kind: AsideKind::Held, reason, detail: detail.to_owned(), job: None })
    };
    let (Some(settings), Some(desk)) = (flows.flow(flow), flows.desk(flow, message, By::Person, now)) else {
        return aside(NOTHING_TO_TELL, "its flow makes no jobs any more");
    };
    let records: Vec<JobRecord> = jobs.iter().map(|known| known.record.clone()).collect();
    let told = match jobs::tell_again(&records, &desk) {
        Ok(told) => told,
        Err(refusal) => return aside(refusal.reason().as_str(), &refusal.to_string()),
    };
    if told.is_empty() {
        return aside(NOTHING_TO_TELL, "the jobs it told of have ended, or are not kept any more");
    }
    let of = told.first().and_then(|told| records.iter().find(|record| record.id.0 == told.job));
    record.outbox.push(Draft {
        flow,
        destination: settings.to,
        priority: settings.priority,
        ordering_key: job_key(of.map(|of| of.visit().map_or(of.id.0, |visit| visit.0)).unwrap_or_default()),
    });
    record.told.push((flow, told));
    Ok(record)
}

const NOTHING_TO_TELL: &str = "nothing-to-tell";

/// A record in which nothing happens yet.
fn empty() -> Record {
    Record { aside: Vec::new(), outcomes: Vec::new(), ..quarantined(Fault::Internal, String::new()) }
}
