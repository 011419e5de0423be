//! When and where an outbox entry is tried next, on which path, and what an answer means.
//!
//! [`Courier`] is the machine of one destination. It is told what waits ([`Courier::offer`]), hands out what may be
//! sent now ([`Courier::next`]), is told how that went ([`Courier::settle`]) and says when to ask again
//! ([`Courier::wake_at`]). It sends, reads and stores nothing, and forgets everything at a restart: the outbox on
//! disk is the truth, and entries not settled there are offered again.
//!
//! * Order: per priority and ordering key, by outbox id; only the head of a key is in flight, and no key is in flight
//!   twice (INV-03). Lanes go strictly by priority; within a lane the oldest head goes first. What must keep its
//!   order has to share its priority.
//! * Failure: a head that failed stays the head and waits, exponentially longer each time. Others go on, unless the
//!   endpoint is in trouble: then its breaker opens, another endpoint takes over, or everything waits for a probe.
//!   Heads that waited only because of the endpoint are tried at once when it is well again.
//! * Bounds (INV-07): [`limits::WINDOW_MAX`] entries in memory, half of them routine and a quarter each for the lanes
//!   before it; an eighth of a lane per key. The rest stays on disk and is asked for by [`Courier::wants`].
//!
//! `now` must never go backwards: wall-clock time at start plus monotonic time since. A time to wait that was stored
//! under another clock is cut to the longest pause there can be (F13).

use std::{collections::BTreeMap, collections::BTreeSet, time::Duration};

use self::{
    endpoints::{Endpoints, Role, Sign},
    lane::{Lane, Need, Pick},
};
use crate::{
    ids::OutboxId,
    settings::{OnRefusal, Priority, Retry},
    units::{Timestamp, limits},
};

mod answer;
mod endpoints;
mod identity;
mod lane;
pub mod pace;
#[cfg(test)]
mod tests;

pub use self::{
    answer::{Fault, Outcome, classify, classify_ack},
    endpoints::{BreakerState, Change},
    identity::{KeyParts, delivery_key, traceparent},
};

/// How a destination is to be served.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Deliveries in flight at once.
    pub in_flight: usize,
    /// When a failed delivery is tried again.
    pub retry: Retry,
    /// Number of endpoints, the preferred one first.
    pub endpoints: usize,
    /// Entries held in memory: [`limits::WINDOW_MAX`] but for tests.
    pub window: usize,
    /// Makes this box's jitter its own: made from site, node and destination.
    pub seed: u64,
}

/// One entry of the outbox, as far as its delivery order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its row.
    pub id: OutboxId,
    /// Its ordering key: entries of one key and priority are delivered in order.
    pub key: u64,
    /// Its lane.
    pub priority: Priority,
    /// What its flow says about a permanent refusal.
    pub on_refusal: OnRefusal,
    /// When it was decided.
    pub enqueued_at: Timestamp,
    /// Attempts that failed so far.
    pub attempts: u32,
    /// It is not tried before this time.
    pub not_before: Timestamp,
}

/// A delivery to make now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The entry.
    pub id: OutboxId,
    /// Index of the endpoint to send it to.
    pub endpoint: usize,
    /// Number of this attempt; the first is 1.
    pub number: u32,
}

/// A read of the outbox that the courier asks for: pending entries of this destination and priority with an id
/// beyond `after`, in id order, at most `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The lane.
    pub priority: Priority,
    /// Only entries of this ordering key, if set.
    pub key: Option<u64>,
    /// Only entries beyond this one.
    pub after: OutboxId,
    /// At most this many.
    pub limit: usize,
}

/// What becomes of an entry: to be made durable by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is delivered.
    Delivered,
    /// It is tried again.
    RetryAt {
        /// Not before this time.
        at: Timestamp,
        /// Attempts that failed so far.
        attempts: u32,
    },
    /// It is set aside for a person; what follows goes on.
    DeadLetter(DeadReason),
    /// It was refused and its flow says to stop: it stays where it is, and the destination stops until
    /// [`Courier::resume`].
    Stopped {
        /// The status that refused it.
        status: u16,
    },
}

/// Why an entry is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadReason {
    /// The destination will never take it.
    Refused {
        /// The HTTP status, or 0 where an HL7 acknowledgement refused it.
        status: u16,
    },
    /// It failed until it was too old to be tried again.
    TooOld,
}

/// What a settled attempt brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What becomes of the entry.
    pub verdict: Verdict,
    /// What changed about the endpoints.
    pub changes: Vec<Change>,
}

/// What a person decided about the entry that stopped a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// It is tried again.
    Retry,
    /// It was dealt with elsewhere; what follows goes on.
    Skip,
}

/// A courier's state for metrics and the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Deliveries in flight.
    pub in_flight: usize,
    /// Entries held in memory.
    pub held: usize,
    /// Index of the endpoint in use.
    pub active: usize,
    /// The breaker of each endpoint.
    pub breakers: Vec<BreakerState>,
    /// The entry that stopped this destination.
    pub stopped: Option<OutboxId>,
    /// Whether the last attempt was answered by the destination, as it should; `None` before the first.
    pub up: Option<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    entry: Entry,
    endpoint: usize,
    role: Role,
}

/// The machine of one destination.
#[derive(Debug)]
pub struct Courier {
    plan: Plan,
    lanes: [Lane; 3],
    endpoints: Endpoints,
    flights: BTreeMap<OutboxId, Flight>,
    busy: BTreeSet<u64>,
    reading: Option<Want>,
    stopped: Option<Entry>,
    up: Option<bool>,
}

impl Courier {
    /// Makes a courier that knows of no entries yet and will want to read them.
    pub fn new(mut plan: Plan) -> Self {
        plan.in_flight = plan.in_flight.clamp(1, limits::IN_FLIGHT_MAX);
        plan.retry.first = plan.retry.first.max(limits::RETRY_FIRST_MIN);
        plan.retry.at_most = plan.retry.at_most.max(plan.retry.first);
        let window = plan.window.min(limits::WINDOW_MAX);
        Self {
            lanes: [Lane::new(window / 4), Lane::new(window / 4), Lane::new(window / 2)],
            endpoints: Endpoints::new(plan.endpoints, plan.retry, plan.seed),
            flights: BTreeMap::new(),
            busy: BTreeSet::new(),
            reading: None,
            stopped: None,
            up: None,
            plan,
        }
    }

    /// Notes that entries of `priority` were committed since they were last read.
    pub fn arrived(&mut self, priority: Priority) {
        self.lane(priority).arrived();
    }

    /// What to read from the outbox now, if anything. One read at a time: answer it with [`Self::offer`] or
    /// [`Self::unread`] before asking again. Worth asking after every other call.
    pub fn wants(&mut self, now: Timestamp) -> Option<Want> {
        if self.reading.is_some() || self.stopped.is_some() {
            return None;
        }
        let blocked = matches!(self.endpoints.route(now), Some((_, Role::Deliver | Role::Return)));
        for priority in PRIORITIES {
            if let Some(Need { key, after, limit }) = self.lane(priority).need(now, blocked) {
                self.reading = Some(Want { priority, key, after, limit });
                return self.reading;
            }
        }
        None
    }

    /// Takes what was read for `want`: all there is up to its limit, in order.
    pub fn offer(&mut self, now: Timestamp, want: Want, entries: impl IntoIterator<Item = Entry>) {
        if self.reading != Some(want) {
            return;
        }
        self.reading = None;
        let latest = now.plus(self.plan.retry.at_most.max(limits::RETRY_AFTER_MAX));
        let entries: Vec<Entry> = entries
            .into_iter()
            .filter(|entry| entry.priority == want.priority)
            .map(|entry| Entry { not_before: entry.not_before.min(latest), ..entry })
            .collect();
        self.lane(want.priority).offer(now, want.into(), &entries);
    }

    /// Notes that the read of `want` failed; it is wanted again.
    pub fn unread(&mut self, want: Want) {
        if self.reading.take_if(|reading| *reading == want).is_some() {
            self.lane(want.priority).unread(want.into());
        }
    }

    /// The next delivery to make now, if any. It is in flight until [`Self::settle`] or [`Self::abandon`].
    pub fn next(&mut self, now: Timestamp) -> Option<Attempt> {
        if self.stopped.is_some() || self.flights.len() >= self.plan.in_flight {
            return None;
        }
        for lane in &mut self.lanes {
            lane.promote(now);
        }
        let (endpoint, role) = self.endpoints.route(now)?;
        let (priority, key) = self.pick(role)?;
        let entry = self.lane(priority).start(key)?;
        self.endpoints.begin(role);
        self.busy.insert(key);
        self.flights.insert(entry.id, Flight { entry, endpoint, role });
        Some(Attempt { id: entry.id, endpoint, number: entry.attempts.saturating_add(1) })
    }

    /// Takes the outcome of an attempt and says what becomes of its entry; `None` if it is not in flight.
    pub fn settle(&mut self, now: Timestamp, id: OutboxId, outcome: Outcome) -> Option<Settled> {
        let flight = self.land(id)?;
        self.up = Some(!matches!(outcome, Outcome::Retry { fault, .. } if fault != Fault::Message));
        let entry = flight.entry;
        let (verdict, sign) = match outcome {
            Outcome::Delivered => (Verdict::Delivered, Sign::Well),
            Outcome::Refused { status } => (refusal(entry.on_refusal, status), Sign::Well),
            Outcome::Retry { after, fault } => {
                let attempts = entry.attempts.saturating_add(1);
                let pause = self.pause(entry.id, attempts);
                let at = now.plus(pause.max(after.unwrap_or_default().min(limits::RETRY_AFTER_MAX)));
                let verdict = self.retry_or_give_up(now, entry, at, attempts);
                (verdict, Sign::of(fault, after, pause))
            }
        };
        let lane = self.lane(entry.priority);
        match verdict {
            Verdict::Delivered | Verdict::DeadLetter(_) => lane.finish(now, entry.key),
            Verdict::RetryAt { at, attempts } => lane.retry(now, entry.key, attempts, at, excused(outcome)),
            Verdict::Stopped { .. } => {
                lane.retry(now, entry.key, entry.attempts.saturating_add(1), now, false);
                self.stopped = self.stopped.or(Some(entry));
            }
        }
        let changes = self.endpoints.observe(now, flight.endpoint, flight.role, sign);
        if self.healed(&changes) {
            for lane in &mut self.lanes {
                lane.pardon(now);
            }
        }
        Some(Settled { verdict, changes })
    }

    /// Forgets an entry in flight that was not sent after all, because it was dealt with elsewhere.
    pub fn abandon(&mut self, now: Timestamp, id: OutboxId) {
        if let Some(flight) = self.land(id) {
            self.endpoints.abandon(flight.role);
            self.lane(flight.entry.priority).finish(now, flight.entry.key);
        }
    }

    /// Notes that a peer which connects to us has come: what waited for it need not wait any longer.
    pub fn knocked(&mut self, now: Timestamp) {
        self.endpoints.reopen(now);
        for lane in &mut self.lanes {
            lane.pardon(now);
        }
    }

    /// Goes on after a stop.
    pub fn resume(&mut self, now: Timestamp, resume: Resume) {
        let Some(entry) = self.stopped.take() else { return };
        if resume == Resume::Skip {
            let lane = self.lane(entry.priority);
            lane.start(entry.key);
            lane.finish(now, entry.key);
        }
    }

    /// When to call [`Self::next`] and [`Self::wants`] again if nothing else happens. Meant to be asked after both
    /// had nothing to give.
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.stopped.is_some() {
            return None;
        }
        let refill = self.lanes.iter().filter_map(|lane| lane.next_refill(now)).min();
        if self.flights.len() >= self.plan.in_flight {
            return refill;
        }
        let Some(open) = self.endpoints.opens_at() else { return refill };
        let role = if self.endpoints.flowing() { Role::Deliver } else { Role::Probe };
        let due = match self.pick(role) {
            Some(_) => Some(now),
            None => self.lanes.iter().filter_map(Lane::next_due).min(),
        };
        [refill, due.map(|due| due.max(open))].into_iter().flatten().min()
    }

    /// Deliveries in flight.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// The courier's state.
    pub fn view(&self, now: Timestamp) -> View {
        View {
            in_flight: self.flights.len(),
            held: self.lanes.iter().map(Lane::held).sum(),
            active: self.endpoints.active(),
            breakers: self.endpoints.states(now).collect(),
            stopped: self.stopped.map(|entry| entry.id),
            up: self.up,
        }
    }

    fn land(&mut self, id: OutboxId) -> Option<Flight> {
        let flight = self.flights.remove(&id)?;
        self.busy.remove(&flight.entry.key);
        Some(flight)
    }

    /// Chooses the head to send. A probe may be one that waits for the endpoint; a probe of the preferred endpoint
    /// while another one works is taken from the least urgent lane, since it may cost that message a timeout.
    fn pick(&self, role: Role) -> Option<(Priority, u64)> {
        let [stat, urgent, routine] = &self.lanes;
        let mut lanes = [(Priority::Stat, stat), (Priority::Urgent, urgent), (Priority::Routine, routine)];
        if role == Role::Return {
            lanes.reverse();
        }
        let first = |pick| lanes.iter().find_map(|(priority, lane)| Some((*priority, lane.pick(pick, &self.busy)?)));
        let due = first(Pick::Due);
        if due.is_some() || role != Role::Probe {
            return due;
        }
        first(Pick::DueOrExcused)
    }

    fn pause(&self, id: OutboxId, attempts: u32) -> Duration {
        let seed = pace::seed([self.plan.seed, id.0.cast_unsigned(), u64::from(attempts)]);
        pace::pause(self.plan.retry.first, self.plan.retry.at_most, attempts, seed)
    }

    fn retry_or_give_up(&self, now: Timestamp, entry: Entry, at: Timestamp, attempts: u32) -> Verdict {
        match self.plan.retry.give_up {
            Some(age) if now.since(entry.enqueued_at) >= age => Verdict::DeadLetter(DeadReason::TooOld),
            _ => Verdict::RetryAt { at, attempts },
        }
    }

    fn healed(&self, changes: &[Change]) -> bool {
        let active = self.endpoints.active();
        changes.iter().any(|change| match *change {
            Change::Closed { endpoint } => endpoint == active,
            Change::Switched { .. } => true,
            Change::Opened { .. } | Change::Paused { .. } => false,
        })
    }

    fn lane(&mut self, priority: Priority) -> &mut Lane {
        let [stat, urgent, routine] = &mut self.lanes;
        match priority {
            Priority::Stat => stat,
            Priority::Urgent => urgent,
            Priority::Routine => routine,
        }
    }
}

impl From<Want> for Need {
    fn from(Want { key, after, limit, .. }: Want) -> Self {
        Self { key, after, limit }
    }
}

const PRIORITIES: [Priority; 3] = [Priority::Stat, Priority::Urgent, Priority::Routine];

fn refusal(on_refusal: OnRefusal, status: u16) -> Verdict {
    match on_refusal {
        OnRefusal::Skip => Verdict::DeadLetter(DeadReason::Refused { status }),
        OnRefusal::Stop => Verdict::Stopped { status },
    }
}

/// Whether a head that waits after `outcome` waits only because of the endpoint.
fn excused(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Retry { fault: Fault::Failing | Fault::Timeout | Fault::Unreachable, .. })
}
