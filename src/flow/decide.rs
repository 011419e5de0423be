//! The decision: a message as it was understood, and what the store knows, to everything that is to happen.

use super::{
    Outcome,
    understood::{Fault, Route, RouteVerdict, Understood},
};
use crate::{
    ids::JournalId,
    settings::{Flow, Priority},
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
}

/// Decides what happens to a message.
pub fn decide(message: &Understood, facts: &Facts, flows: &[Flow]) -> Disposition {
    if let Some(original) = facts.original {
        return Disposition::Repeat { original, flows: flows_of(message) };
    }
    if !has_room(message, facts, flows) {
        return Disposition::Refuse;
    }
    Disposition::Record(record(message, facts, flows))
}

/// The record of a message whose decision failed by a bug: kept, refused, and never in the way of others.
pub fn poisoned() -> Record {
    quarantined(Fault::Internal, String::new())
}

fn flows_of(message: &Understood) -> Vec<Option<usize>> {
    if message.routes.is_empty() {
        return vec![None];
    }
    message.routes.iter().map(|route| Some(route.flow)).collect()
}

/// A message is as urgent as its most urgent flow; one that no flow takes is routine.
fn has_room(message: &Understood, facts: &Facts, flows: &[Flow]) -> bool {
    let priority = message.routes.iter().filter_map(|route| flows.get(route.flow)).map(|flow| flow.priority).min();
    facts.room_for.is_some_and(|least| priority.unwrap_or(Priority::Routine) <= least)
}

fn record(message: &Understood, facts: &Facts, flows: &[Flow]) -> Record {
    if let Some((fault, detail)) = &message.fault {
        return quarantined(*fault, detail.clone());
    }
    let mut record = Record {
        verdict: if message.is_answer { Verdict::Silent } else { Verdict::Accept },
        control_id_reused: facts.control_id_reused,
        outbox: Vec::with_capacity(message.routes.len()),
        aside: Vec::new(),
        outcomes: Vec::with_capacity(message.routes.len().max(1)),
    };
    for route in &message.routes {
        let outcome = follow(route, flows, &mut record);
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
        RouteVerdict::NotApplicable => Outcome::Filtered,
        RouteVerdict::Hold { reason, detail } => {
            record.aside.push(Aside { flow: Some(route.flow), kind: AsideKind::Held, reason, detail: detail.clone() });
            Outcome::Held
        }
        RouteVerdict::Quarantine { reason, detail } => {
            record.aside.push(Aside {
                flow: Some(route.flow),
                kind: AsideKind::Quarantined,
                reason,
                detail: detail.clone(),
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
        aside: vec![Aside { flow: None, kind: AsideKind::Quarantined, reason: fault.as_str(), detail }],
        outcomes: vec![(None, Outcome::Quarantined)],
    }
}
