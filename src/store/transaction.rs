//! What one transaction writes, and what memory must follow once it committed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::oneshot;

use super::{
    Error,
    answers::{self, Ended, Waiters},
    audit::{Chain, Entry},
    jobs::{self, Said, StepState},
    parts,
    promoted::{self, Changed, Promotion},
    receipts::{Receipts, forget},
    rows::{Names, lane, priority, verdict, verdict_code},
    writer::Accept,
};
use crate::{
    flow::{Answer, AsideKind, Decision, Draft, Fate, Original, Outcome, Record, Understood, acknowledgement_key},
    ids::{JournalId, OutboxId},
    job::Finding,
    settings::{Flow, Priority},
    units::{Timestamp, limits},
};

/// What became of a delivery.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The outbox entry.
    pub id: OutboxId,
    /// Index into the settings' destinations.
    pub destination: usize,
    /// Its lane.
    pub priority: Priority,
    /// Attempts made since the start of the process, this one included.
    pub attempts: u32,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// Index into the destination's endpoints.
    pub endpoint: usize,
    /// When it ended.
    pub at: Timestamp,
    /// What it told of jobs in the end; empty for what tells of none.
    pub said: Vec<Said>,
    /// How it ended.
    pub kind: SettlementKind,
}

/// How a delivery ended.
#[derive(Clone, Debug)]
pub enum SettlementKind {
    /// Confirmed.
    Delivered,
    /// Later deliveries say all that it would have said, and nobody was told.
    Overtaken,
    /// It asks for jobs and waited too long to do so by itself.
    Stale,
    /// Refused for good.
    DeadLetter {
        /// A closed word.
        reason: &'static str,
        /// The beginning of the destination's answer; may hold patient data, so it is only ever kept encrypted.
        response: Vec<u8>,
    },
}

/// Bytes on a link that were not a message.
#[derive(Clone)]
pub struct Scrap {
    /// Index into the settings' links.
    pub link: usize,
    /// When they came.
    pub at: Timestamp,
    /// Why they were not a message.
    pub cause: &'static str,
    /// How many there were.
    pub count: u64,
    /// The first of them; may hold patient data.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Scrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrap({}, {} bytes)", self.cause, self.count)
    }
}

/// Something a person, or the box's own upkeep, orders.
#[derive(Clone, Debug)]
pub enum Order {
    /// Puts a message set aside back into its queue.
    Resend {
        /// The aside entry.
        aside: i64,
        /// Who orders it, and why.
        entry: Entry,
    },
    /// Queues a message set aside for the flows that now take it.
    Release {
        /// The aside entry.
        aside: i64,
        /// The deliveries to make; at least one.
        drafts: Vec<Draft>,
        /// Who orders it, and why.
        entry: Entry,
    },
    /// Has a person's decision about a message, or about the job it was set aside for, take effect.
    Decide {
        /// The aside entry.
        aside: i64,
        /// The message, read again.
        message: Box<Understood>,
        /// What was decided.
        decision: Decision,
        /// Who orders it, and why.
        entry: Entry,
    },
    /// What came of that.
    Decided {
        /// The aside entry.
        aside: i64,
        /// What is to happen.
        record: Box<Record>,
        /// Who orders it, and why.
        entry: Entry,
    },
    /// Drops a message set aside from the list; it stays counted and in the journal until retention.
    Discard {
        /// The aside entry.
        aside: i64,
        /// Who orders it, and why.
        entry: Entry,
    },
    /// Sends a delivered message again, with the same delivery key; not one about jobs.
    Repeat {
        /// The message.
        journal: JournalId,
        /// The delivery to make.
        draft: Draft,
        /// Who orders it, and why.
        entry: Entry,
    },
    /// Tells of the jobs of a delivered message again, as they are now.
    TellAgain {
        /// The message.
        journal: JournalId,
        /// The same, as it is read.
        message: Box<Understood>,
        /// Index into the settings' flows.
        flow: usize,
        /// Who orders it, and why.
        entry: Entry,
    },
    /// What came of that.
    ToldAgain {
        /// The message.
        journal: JournalId,
        /// What is to be told.
        record: Box<Record>,
        /// Who orders it, and why.
        entry: Entry,
    },
    /// Notes that deliveries to a destination may be attempted from now on, up to this one.
    Attempt {
        /// Row number of the destination.
        destination: i64,
        /// The last one.
        up_to: OutboxId,
    },
    /// Takes a delivery out of its queue that is not made. What follows it in its queue is read after that.
    LeaveOut(Settlement),
    /// Makes flows use another version of their map, until the configuration names another one.
    Promote {
        /// The flows; those that use it already are left as they are.
        promotions: Vec<Promotion>,
        /// Who orders it, and why; which versions it was is added.
        entry: Entry,
    },
    /// Takes the newest promotion of these flows' maps back.
    TakeBack {
        /// Indices into the settings' flows.
        flows: Vec<usize>,
        /// Who orders it, and why; which versions it was is added.
        entry: Entry,
    },
    /// Notes something that was done.
    Audit(Entry),
    /// Removes delivered messages older than `before`, at most a bounded number.
    Purge {
        /// Received before this.
        before: Timestamp,
    },
    /// Marks the stop as clean.
    Close {
        /// The entry that says so.
        entry: Entry,
    },
}

/// What an order came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderOutcome {
    /// Done.
    Done,
    /// A decision about a job took effect.
    Decided {
        /// Whether something is told for it.
        queued: bool,
    },
    /// It cannot be decided so yet.
    Still {
        /// A closed word for what stands in the way.
        reason: &'static str,
        /// More about it.
        detail: String,
    },
    /// There is no such entry, or it cannot be sent because it never had a destination.
    NotFound,
    /// Messages were removed; zero when none was due.
    Purged {
        /// Messages removed.
        messages: usize,
        /// A run of the duplicate index that went with them.
        run: Option<i64>,
    },
}

/// An order with its time and the way back.
type Ordered = (Order, Timestamp, oneshot::Sender<Result<OrderOutcome, Error>>);

/// Closed by the first message of a connection that was not stored. What came behind it on the same connection is refused as
/// well: a sender that has several messages under way repeats from the refused one on, and its order holds (INV-03).
#[derive(Clone, Debug, Default)]
pub struct Latch(Arc<AtomicBool>);

impl Latch {
    pub(super) fn close(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a message was not stored.
    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Requests gathered for one transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) accepts: Vec<Accept>,
    pub(super) settlements: Vec<Settlement>,
    pub(super) scraps: Vec<Scrap>,
    pub(super) orders: Vec<Ordered>,
    pub(super) stop: Option<(Timestamp, oneshot::Sender<()>)>,
    bytes: usize,
    began: Option<Instant>,
}

/// How long the thread sleeps when nothing waits.
const IDLE: Duration = Duration::from_millis(250);

impl Batch {
    pub(super) fn push(&mut self, accept: Accept, now: Instant) {
        self.bytes += accept.raw.len();
        self.accepts.push(accept);
        self.began.get_or_insert(now);
    }

    pub(super) fn settle(&mut self, settlement: Settlement, now: Instant) {
        self.settlements.push(settlement);
        self.began.get_or_insert(now);
    }

    pub(super) fn keep(&mut self, scrap: Scrap, now: Instant) {
        self.scraps.push(scrap);
        self.began.get_or_insert(now);
    }

    pub(super) fn is_full(&self) -> bool {
        self.scraps.len() >= limits::COMMIT_BATCH_MAX
            || self.accepts.len() >= limits::COMMIT_BATCH_MAX
            || self.settlements.len() >= limits::COMMIT_BATCH_MAX
            || self.bytes >= limits::COMMIT_BATCH_BYTES_MAX
    }

    /// Messages never wait; settlements alone wait a little for company.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.accepts.is_empty()
            || self.is_full()
            || self.began.is_some_and(|began| now >= began + limits::SETTLE_DELAY_MAX)
            || (self.stop.is_some() && self.began.is_some())
    }

    pub(super) fn patience(&self, now: Instant) -> Duration {
        self.began.map_or(IDLE, |began| (began + limits::SETTLE_DELAY_MAX).saturating_duration_since(now))
    }

    pub(super) fn take_began(&mut self) -> Option<Instant> {
        self.began.take()
    }

    /// Answers the messages of a committed batch and empties it.
    pub(super) fn answer(
        &mut self,
        answers: Vec<Answer>,
        fates: &[(usize, JournalId, Option<Fate>)],
        waiters: &mut Waiters,
    ) {
        for (at, journal, fate) in fates {
            let Some(waiter) = self.accepts.get_mut(*at).and_then(|accept| accept.settled.take()) else { continue };
            match fate {
                // A sender that has gone asks again.
                Some(fate) => {
                    waiter.send(*fate).ok();
                }
                None => waiters.add(*journal, waiter),
            }
        }
        for (accept, answer) in self.accepts.drain(..).zip(answers) {
            // The sender may have gone; its repeat will find the message.
            accept.reply.send(answer).ok();
        }
        self.settlements.clear();
        self.scraps.clear();
        self.bytes = 0;
    }

    /// Refuses the messages of a batch that was not committed. Its settlements stay for the next one, which is due without
    /// further messages.
    pub(super) fn refuse(&mut self, now: Instant) {
        for accept in self.accepts.drain(..) {
            accept.latch.close();
            // The sender may have gone.
            accept.reply.send(Answer::Refused).ok();
        }
        self.scraps.clear();
        self.bytes = 0;
        self.began = (!self.settlements.is_empty()).then(|| now + IDLE);
    }
}

/// What a transaction changes in tallies, depths and the duplicate index.
#[derive(Default)]
pub(super) struct Deltas {
    pub(super) tally: BTreeMap<(Option<usize>, &'static str), i64>,
    pub(super) depth: BTreeMap<(usize, Priority), i64>,
    /// Destinations with new deliveries, also where as many were settled by the same transaction.
    pub(super) arrived: BTreeSet<usize>,
    /// Tallies of flows that are known by their row number only.
    other_tally: BTreeMap<(i64, &'static str), i64>,
    pub(super) inserted: Vec<(i64, JournalId)>,
    pub(super) reused: Vec<(usize, JournalId)>,
    pub(super) journal_rows: i64,
    /// What was noticed about jobs, by flow.
    pub(super) findings: BTreeMap<(usize, Finding), u64>,
    /// The flows whose maps refused something, each with the tables that do not list a code of it.
    pub(super) refused: Vec<(usize, Vec<Arc<str>>)>,
    /// Messages whose last delivery ended.
    pub(super) ended: Vec<Ended>,
    /// Messages of this batch, by their place in it, whose senders wait for the end of deliveries; `None` is not yet.
    pub(super) fates: Vec<(usize, JournalId, Option<Fate>)>,
    /// Flows that use another map from now on.
    pub(super) maps: Vec<Changed>,
}

const RECEIVED: &str = "received";

impl Deltas {
    fn count(&mut self, flow: Option<usize>, outcome: &'static str, by: i64) {
        *self.tally.entry((flow, outcome)).or_default() += by;
    }

    /// Counts by a flow's row number; flows that are no longer configured keep their tallies.
    fn count_row(&mut self, names: &Names, flow: i64, outcome: &'static str, by: i64) {
        match names.flow_index(flow) {
            Some(index) => self.count(Some(index), outcome, by),
            None if flow == names.unrouted => self.count(None, outcome, by),
            None => *self.other_tally.entry((flow, outcome)).or_default() += by,
        }
    }

    /// Forgets what was noted in memory by a transaction that did not commit.
    pub(super) fn take_back(&mut self, receipts: &mut Receipts) {
        for (fingerprint, journal) in self.inserted.drain(..) {
            receipts.remove(fingerprint, journal);
        }
    }

    pub(super) fn repeat(&mut self, flows: &[Option<usize>]) {
        for flow in flows {
            self.count(*flow, RECEIVED, 1);
            self.count(*flow, Outcome::Duplicate.as_str(), 1);
        }
    }

    /// Writes a message and what follows from it.
    pub(super) fn record(
        &mut self,
        connection: &Connection,
        names: &Names,
        id: i64,
        next_outbox: &mut i64,
        (message, raw): (&Understood, &[u8]),
        record: &Record,
    ) -> Result<Original, rusqlite::Error> {
        let first_outbox = (!record.outbox.is_empty()).then_some(*next_outbox);
        connection
            .prepare_cached(
                "INSERT INTO journal (id, link, received_at, kind, fingerprint, verdict, first_outbox, content_hash, raw)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                id,
                names.links.get(message.link).copied().unwrap_or(0),
                message.received_at.0,
                message.kind,
                message.fingerprint,
                verdict_code(record.verdict),
                first_outbox,
                message.content_hash.as_slice(),
                raw,
            ])?;
        self.journal_rows += 1;
        for draft in &record.outbox {
            let outbox = self.enqueue(connection, names, next_outbox, JournalId(id), draft, message.received_at)?;
            tell(connection, names, (id, outbox), draft, record)?;
        }
        self.keep_jobs(connection, names, record, message.received_at)?;
        if let (Some(awaited), Some(first)) = (&record.awaited, first_outbox) {
            let deliveries = (*next_outbox - 1, record.outbox.len());
            debug_assert_eq!(first + i64::try_from(deliveries.1).unwrap_or(0), *next_outbox);
            let later = awaited.later.map(|(flow, condition)| (names.flow(Some(flow)), condition));
            answers::await_deliveries(connection, id, deliveries, later)?;
        }
        if let Some(advance) = record.sequence {
            let link = names.links.get(message.link).copied().unwrap_or(0);
            answers::advance(connection, link, advance, id)?;
        }
        for aside in &record.aside {
            connection
                .prepare_cached(
                    "INSERT INTO aside (kind, journal, flow, at, reason, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    aside.kind.as_str(),
                    id,
                    names.flow(aside.flow),
                    message.received_at.0,
                    aside.reason,
                    aside.detail
                ])?;
            if aside.job.is_some() {
                jobs::set_aside(connection, connection.last_insert_rowid(), aside.job, None)?;
            }
        }
        for (flow, outcome) in &record.outcomes {
            self.count(*flow, RECEIVED, 1);
            self.count(*flow, outcome.as_str(), 1);
        }
        if record.control_id_reused {
            self.reused.push((message.link, JournalId(id)));
        }
        Ok(Original {
            journal: JournalId(id),
            received_at: message.received_at,
            // What fits the row, so that a repeat is told the same.
            verdict: verdict(verdict_code(record.verdict)),
            expected: record.expected,
        })
    }

    fn keep_jobs(
        &mut self,
        connection: &Connection,
        names: &Names,
        record: &Record,
        now: Timestamp,
    ) -> Result<(), rusqlite::Error> {
        for (destination, job) in &record.jobs {
            jobs::put(connection, names.destinations.get(*destination).copied().unwrap_or(0), job, now)?;
        }
        for (flow, finding) in &record.findings {
            *self.findings.entry((*flow, *finding)).or_default() += 1;
        }
        self.refused.extend(record.refused.iter().cloned());
        Ok(())
    }

    /// Resolves a part that was held: the whole is there, and stands for it in each flow.
    pub(super) fn resolve(
        &mut self,
        connection: &Connection,
        names: &Names,
        journal: i64,
        whole: i64,
        outcome: Outcome,
    ) -> Result<(), rusqlite::Error> {
        for flow in parts::resolve(connection, journal, whole)? {
            self.count_row(names, flow, Outcome::Held.as_str(), -1);
            self.count_row(names, flow, outcome.as_str(), 1);
        }
        Ok(())
    }

    /// Queues a delivery and gives it its place.
    fn enqueue(
        &mut self,
        connection: &Connection,
        names: &Names,
        next_outbox: &mut i64,
        journal: JournalId,
        draft: &Draft,
        at: Timestamp,
    ) -> Result<OutboxId, rusqlite::Error> {
        let id = *next_outbox;
        connection
            .prepare_cached(
                "INSERT INTO outbox (destination, priority, id, journal, flow, mapping, ordering_key, enqueued_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                names.destinations.get(draft.destination).copied().unwrap_or(0),
                lane(draft.priority),
                id,
                journal.0,
                names.flow(Some(draft.flow)),
                names.mappings.get(draft.flow).copied().unwrap_or(0),
                draft.ordering_key.cast_signed(),
                at.0,
            ])?;
        *next_outbox += 1;
        *self.depth.entry((draft.destination, draft.priority)).or_default() += 1;
        self.arrived.insert(draft.destination);
        Ok(OutboxId(id))
    }

    /// Takes a settled delivery out of its queue. One that is gone already (a person dealt with it) changes nothing.
    pub(super) fn settle(
        &mut self,
        connection: &Connection,
        names: &Names,
        next_outbox: &mut i64,
        flows: &[Flow],
        settlement: &Settlement,
    ) -> Result<(), rusqlite::Error> {
        let destination = names.destinations.get(settlement.destination).copied().unwrap_or(0);
        let row = connection
            .prepare_cached(
                "DELETE FROM outbox WHERE destination = ?1 AND priority = ?2 AND id = ?3
                 RETURNING journal, flow, mapping, ordering_key",
            )?
            .query_row(params![destination, lane(settlement.priority), settlement.id.0], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
            })
            .optional()?;
        let Some((journal, flow, mapping, ordering_key)) = row else { return Ok(()) };
        *self.depth.entry((settlement.destination, settlement.priority)).or_default() -= 1;
        self.count_row(names, flow, Outcome::Waiting.as_str(), -1);
        match &settlement.kind {
            SettlementKind::Overtaken => {
                self.count_row(names, flow, Outcome::Filtered.as_str(), 1);
                // It leaves no receipt, and its number must not be given again.
                Given::Outbox.remember(connection, settlement.id.0)?;
                jobs::ended(connection, settlement.id, StepState::Overtaken)?;
            }
            SettlementKind::Stale => {
                Given::Outbox.remember(connection, settlement.id.0)?;
                jobs::ended(connection, settlement.id, StepState::Overtaken)?;
                let jobs = jobs::told_of(connection, settlement.id)?;
                for (at, job) in jobs.into_iter().enumerate() {
                    if at > 0 {
                        self.count_row(names, flow, RECEIVED, 1);
                    }
                    self.count_row(names, flow, Outcome::Held.as_str(), 1);
                    connection
                        .prepare_cached(
                            "INSERT INTO aside (kind, journal, flow, at, reason, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        )?
                        .execute(params![
                            AsideKind::Held.as_str(),
                            journal,
                            flow,
                            settlement.at.0,
                            "stale",
                            "it waited too long for its destination"
                        ])?;
                    jobs::set_aside(connection, connection.last_insert_rowid(), Some(job), None)?;
                }
            }
            SettlementKind::Delivered => {
                jobs::left(connection, settlement.id, &settlement.said)?;
                self.count_row(names, flow, Outcome::Delivered.as_str(), 1);
                connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO receipt
                         (id, journal, flow, destination, finished_at, attempts, status, endpoint, mapping)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    )?
                    .execute(params![
                        settlement.id.0,
                        journal,
                        flow,
                        destination,
                        settlement.at.0,
                        settlement.attempts,
                        settlement.status,
                        i64::try_from(settlement.endpoint).unwrap_or(0),
                        mapping,
                    ])?;
            }
            SettlementKind::DeadLetter { reason, response } => {
                self.count_row(names, flow, Outcome::DeadLetter.as_str(), 1);
                // It leaves no receipt, and its number must not be given again.
                Given::Outbox.remember(connection, settlement.id.0)?;
                let detail = settlement.status.map(|status| format!("HTTP {status}")).unwrap_or_default();
                connection
                    .prepare_cached(
                        "INSERT INTO aside
                         (kind, journal, flow, destination, mapping, priority, ordering_key, at, reason, detail, response)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                    )?
                    .execute(params![
                        AsideKind::DeadLetter.as_str(),
                        journal,
                        flow,
                        destination,
                        mapping,
                        lane(settlement.priority),
                        ordering_key,
                        settlement.at.0,
                        reason,
                        detail,
                        response,
                    ])?;
                let aside = connection.last_insert_rowid();
                if jobs::has_steps(connection, settlement.id)? {
                    jobs::left(connection, settlement.id, &settlement.said)?;
                    jobs::set_aside(connection, aside, None, Some(settlement.id))?;
                }
            }
        }
        let Some(ended) = answers::settled(connection, journal, settlement)? else { return Ok(()) };
        self.ended.push(ended);
        if let Some((flow, draft)) = ended.later.and_then(|row| acknowledgement(names, flows, row)) {
            // It is a message of its own in its flow, so it is received there when it is queued (INV-02).
            self.count(Some(flow), RECEIVED, 1);
            self.requeue(connection, names, next_outbox, ended.journal, &draft, settlement.at)?;
        }
        Ok(())
    }

    /// Writes tallies and depths, one row each however many messages there were.
    pub(super) fn flush(&self, connection: &Connection, names: &Names) -> Result<(), rusqlite::Error> {
        let mut tally = connection.prepare_cached(
            "INSERT INTO tally (flow, outcome, n) VALUES (?1, ?2, ?3)
             ON CONFLICT (flow, outcome) DO UPDATE SET n = n + excluded.n",
        )?;
        for ((flow, outcome), by) in &self.tally {
            tally.execute(params![names.flow(*flow), outcome, by])?;
        }
        for ((flow, outcome), by) in &self.other_tally {
            tally.execute(params![flow, outcome, by])?;
        }
        let mut depth = connection.prepare_cached(
            "INSERT INTO depth (destination, priority, n) VALUES (?1, ?2, ?3)
             ON CONFLICT (destination, priority) DO UPDATE SET n = n + excluded.n",
        )?;
        for ((destination, priority), by) in &self.depth {
            let destination = names.destinations.get(*destination).copied().unwrap_or(0);
            depth.execute(params![destination, lane(*priority), by])?;
        }
        Ok(())
    }

    /// Carries out an order inside the caller's transaction.
    pub(super) fn carry_out(
        &mut self,
        connection: &Connection,
        names: &Names,
        chain: &mut Chain,
        next_outbox: &mut i64,
        flows: &[Flow],
        (order, now): (&Order, Timestamp),
    ) -> Result<OrderOutcome, rusqlite::Error> {
        match order {
            Order::LeaveOut(settlement) => {
                self.settle(connection, names, next_outbox, flows, settlement)?;
                Ok(OrderOutcome::Done)
            }
            Order::Audit(entry) => {
                chain.append(connection, now, entry)?;
                Ok(OrderOutcome::Done)
            }
            Order::Attempt { destination, up_to } => {
                jobs::attempt(connection, *destination, *up_to)?;
                Ok(OrderOutcome::Done)
            }
            Order::Close { entry } => {
                chain.append(connection, now, entry)?;
                connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('clean', '1')", [])?;
                Ok(OrderOutcome::Done)
            }
            Order::Promote { promotions, entry } => {
                for promotion in promotions {
                    self.maps.extend(promoted::promote(connection, names, promotion)?);
                }
                self.note_maps(connection, chain, entry, now)
            }
            Order::TakeBack { flows, entry } => {
                for flow in flows {
                    self.maps.extend(promoted::take_back(connection, names, *flow)?);
                }
                self.note_maps(connection, chain, entry, now)
            }
            Order::Purge { before } => purge(connection, *before, now),
            Order::Discard { aside, entry } => {
                if take_aside(connection, *aside)?.is_none() {
                    return Ok(OrderOutcome::NotFound);
                }
                chain.append(connection, now, entry)?;
                Ok(OrderOutcome::Done)
            }
            Order::Resend { aside, entry } => {
                let Some(taken) = take_aside(connection, *aside)? else { return Ok(OrderOutcome::NotFound) };
                let Some(draft) = taken.draft(names) else { return Ok(OrderOutcome::NotFound) };
                self.count_row(names, taken.flow, taken.outcome, -1);
                let id = self.requeue(connection, names, next_outbox, taken.journal, &draft, now)?;
                if let Some(from) = taken.outbox {
                    jobs::again(connection, from, id)?;
                }
                chain.append(connection, now, entry)?;
                Ok(OrderOutcome::Done)
            }
            // The writer decides before it carries out.
            Order::Decide { .. } => Ok(OrderOutcome::NotFound),
            Order::Decided { aside, record, entry } => {
                let Some(taken) = take_aside(connection, *aside)? else { return Ok(OrderOutcome::NotFound) };
                self.count_row(names, taken.flow, taken.outcome, -1);
                self.count_row(names, taken.flow, RECEIVED, -1);
                for (flow, outcome) in &record.outcomes {
                    self.count(*flow, RECEIVED, 1);
                    if *outcome != Outcome::Waiting {
                        self.count(*flow, outcome.as_str(), 1);
                    }
                }
                for draft in &record.outbox {
                    let id = self.requeue(connection, names, next_outbox, taken.journal, draft, now)?;
                    tell(connection, names, (taken.journal.0, id), draft, record)?;
                }
                self.keep_jobs(connection, names, record, now)?;
                chain.append(connection, now, entry)?;
                Ok(OrderOutcome::Decided { queued: !record.outbox.is_empty() })
            }
            Order::Release { drafts, .. } if drafts.is_empty() => Ok(OrderOutcome::NotFound),
            Order::Release { aside, drafts, entry } => {
                let Some(taken) = take_aside(connection, *aside)? else { return Ok(OrderOutcome::NotFound) };
                self.count_row(names, taken.flow, taken.outcome, -1);
                // A message that no flow had taken was received by none; from now on its flows account for it (INV-02).
                self.count_row(names, taken.flow, RECEIVED, -1);
                for draft in drafts {
                    self.count(Some(draft.flow), RECEIVED, 1);
                    self.requeue(connection, names, next_outbox, taken.journal, draft, now)?;
                }
                chain.append(connection, now, entry)?;
                Ok(OrderOutcome::Done)
            }
            Order::Repeat { journal, draft, entry } => {
                self.count(Some(draft.flow), Outcome::Delivered.as_str(), -1);
                self.requeue(connection, names, next_outbox, *journal, draft, now)?;
                chain.append(connection, now, entry)?;
                Ok(OrderOutcome::Done)
            }
            // The writer decides before it carries out.
            Order::TellAgain { .. } => Ok(OrderOutcome::NotFound),
            Order::ToldAgain { journal, record, entry } => {
                for draft in &record.outbox {
                    self.count(Some(draft.flow), Outcome::Delivered.as_str(), -1);
                    let id = self.requeue(connection, names, next_outbox, *journal, draft, now)?;
                    tell(connection, names, (journal.0, id), draft, record)?;
                }
                chain.append(connection, now, entry)?;
                Ok(OrderOutcome::Decided { queued: !record.outbox.is_empty() })
            }
        }
    }

    /// Notes which flows use which map from now on.
    fn note_maps(
        &self,
        connection: &Connection,
        chain: &mut Chain,
        entry: &Entry,
        now: Timestamp,
    ) -> Result<OrderOutcome, rusqlite::Error> {
        if self.maps.is_empty() {
            return Ok(OrderOutcome::NotFound);
        }
        let flow = |changed: &Changed| format!("{} -> {}", changed.from, changed.to);
        let mut changes: Vec<String> = self.maps.iter().map(flow).collect();
        changes.dedup();
        let detail = format!("{} [{}, flows changed: {}]", entry.detail, changes.join(", "), self.maps.len());
        chain.append(connection, now, &Entry { detail, ..entry.clone() })?;
        Ok(OrderOutcome::Done)
    }

    /// Queues something of an old message behind younger ones and keeps its journal row from retention until it is settled.
    fn requeue(
        &mut self,
        connection: &Connection,
        names: &Names,
        next_outbox: &mut i64,
        journal: JournalId,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<OutboxId, rusqlite::Error> {
        self.count(Some(draft.flow), Outcome::Waiting.as_str(), 1);
        let id = self.enqueue(connection, names, next_outbox, journal, draft, now)?;
        let destination = names.destinations.get(draft.destination).copied().unwrap_or(0);
        connection.execute(
            "INSERT INTO pin (outbox, destination, priority, journal) VALUES (?1, ?2, ?3, ?4)",
            params![id.0, destination, lane(draft.priority), journal.0],
        )?;
        Ok(id)
    }
}

/// Writes what a delivery tells of jobs.
fn tell(
    connection: &Connection,
    names: &Names,
    (journal, outbox): (i64, OutboxId),
    draft: &Draft,
    record: &Record,
) -> Result<(), rusqlite::Error> {
    let Some((_, told)) = record.told.iter().find(|(flow, _)| *flow == draft.flow) else { return Ok(()) };
    let destination = names.destinations.get(draft.destination).copied().unwrap_or(0);
    jobs::tell(connection, outbox, (destination, journal, names.flow(Some(draft.flow))), told)
}

/// The delivery of an application acknowledgement by the flow with this row number, if it is still configured.
fn acknowledgement(names: &Names, flows: &[Flow], row: i64) -> Option<(usize, Draft)> {
    let index = names.flow_index(row)?;
    let flow = flows.get(index)?;
    let ordering_key = acknowledgement_key(flow.from);
    Some((index, Draft { flow: index, destination: flow.to, priority: flow.priority, ordering_key }))
}

/// A message taken off the aside table.
struct Taken {
    journal: JournalId,
    flow: i64,
    destination: Option<i64>,
    priority: Option<i64>,
    ordering_key: Option<i64>,
    outcome: &'static str,
    /// The delivery that was not made.
    outbox: Option<OutboxId>,
}

impl Taken {
    /// The delivery it stood for, if it had one and its flow and destination still exist.
    fn draft(&self, names: &Names) -> Option<Draft> {
        let destination = self.destination?;
        Some(Draft {
            flow: names.flow_index(self.flow)?,
            destination: names.destinations.iter().position(|id| *id == destination)?,
            priority: priority(self.priority?),
            ordering_key: self.ordering_key?.cast_unsigned(),
        })
    }
}

fn take_aside(connection: &Connection, id: i64) -> Result<Option<Taken>, rusqlite::Error> {
    let taken = connection
        .query_row(
            "DELETE FROM aside WHERE id = ?1 RETURNING journal, flow, destination, priority, ordering_key, kind",
            [id],
            |row| {
                let kind: String = row.get(5)?;
                let outcome = Outcome::ALL.iter().map(|outcome| outcome.as_str()).find(|word| *word == kind);
                Ok(Taken {
                    journal: JournalId(row.get(0)?),
                    flow: row.get(1)?,
                    destination: row.get(2)?,
                    priority: row.get(3)?,
                    ordering_key: row.get(4)?,
                    outcome: outcome.unwrap_or(Outcome::Quarantined.as_str()),
                    outbox: None,
                })
            },
        )
        .optional()?;
    let mut taken = taken;
    if let Some(taken) = &mut taken {
        (_, taken.outbox) = jobs::taken_up(connection, id)?;
        parts::give_up(connection, taken.journal)?;
    }
    Ok(taken)
}

/// Messages one purge removes at most: a few milliseconds of work.
const PURGE_MAX: i64 = 500;

/// Removes old messages from the head of the journal that nothing needs any more.
fn purge(connection: &Connection, before: Timestamp, now: Timestamp) -> Result<OrderOutcome, rusqlite::Error> {
    connection.execute(
        "DELETE FROM pin WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.destination = pin.destination
         AND outbox.priority = pin.priority AND outbox.id = pin.outbox)",
        [],
    )?;
    let needed_from = oldest_waiting(connection)?.unwrap_or(i64::MAX);
    let mut delete = connection.prepare_cached(
        "DELETE FROM journal WHERE id IN (
            SELECT id FROM journal WHERE id < ?1 AND id NOT IN (SELECT journal FROM aside)
            AND id NOT IN (SELECT journal FROM pin) ORDER BY id LIMIT ?3
         ) AND received_at < ?2 RETURNING id",
    )?;
    let deleted = delete.query_map(params![needed_from, before.0, PURGE_MAX], |row| row.get(0))?;
    let deleted = deleted.collect::<Result<Vec<i64>, _>>()?;
    answers::forget(connection, &deleted)?;
    if let Some(last) = deleted.iter().max() {
        Given::Journal.remember(connection, *last)?;
    }
    if let Some(last) = connection.query_row("SELECT max(id) FROM receipt", [], |row| row.get(0))? {
        Given::Outbox.remember(connection, last)?;
    }
    parts::forget(connection, &deleted)?;
    jobs::forget(connection, &deleted)?;
    jobs::purge(connection, before, now, PURGE_MAX)?;
    let messages = deleted.len();
    connection.execute(
        "DELETE FROM receipt WHERE id IN (SELECT id FROM receipt ORDER BY id LIMIT ?2) AND finished_at < ?1",
        params![before.0, PURGE_MAX],
    )?;
    let oldest: Option<i64> = connection.query_row("SELECT min(id) FROM journal", [], |row| row.get(0))?;
    let run: Option<i64> = connection
        .query_row(
            "SELECT id FROM seen_run WHERE last_journal < ?1 ORDER BY id LIMIT 1",
            [oldest.unwrap_or(0)],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(run) = run {
        forget(connection, run)?;
    }
    Ok(OrderOutcome::Purged { messages, run })
}

/// Numbers that were given, where the rows that bore them may be gone: no number is given twice.
#[derive(Clone, Copy)]
pub(super) enum Given {
    /// Messages of the journal.
    Journal,
    /// Deliveries.
    Outbox,
}

impl Given {
    const fn key(self) -> &'static str {
        match self {
            Self::Journal => "last_journal",
            Self::Outbox => "last_outbox",
        }
    }

    /// The highest number known to have been given; 0 where none is.
    pub(super) fn last(self, connection: &Connection) -> Result<i64, rusqlite::Error> {
        let last = connection
            .query_row("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1", [self.key()], |row| row.get(0))
            .optional()?;
        Ok(last.unwrap_or(0))
    }

    fn remember(self, connection: &Connection, number: i64) -> Result<(), rusqlite::Error> {
        connection
            .prepare_cached(
                "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value
                 WHERE CAST(value AS INTEGER) < CAST(excluded.value AS INTEGER)",
            )?
            .execute(params![self.key(), number.to_string()])?;
        Ok(())
    }
}

/// The oldest message that waits in any lane. Ids rise within a lane, apart from what was queued of old messages, which
/// are pinned.
fn oldest_waiting(connection: &Connection) -> Result<Option<i64>, rusqlite::Error> {
    connection.query_row(
        "SELECT min((SELECT journal FROM outbox WHERE destination = depth.destination AND priority = depth.priority
                     AND id NOT IN (SELECT outbox FROM pin) ORDER BY id LIMIT 1)) FROM depth",
        [],
        |row| row.get(0),
    )
}

/// Scraps kept; older ones make room.
const SCRAPS_MAX: i64 = 2000;

/// Keeps a scrap.
pub(super) fn keep(connection: &Connection, names: &Names, scrap: &Scrap) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("INSERT INTO scrap (link, at, cause, count, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            names.links.get(scrap.link).copied().unwrap_or(0),
            scrap.at.0,
            scrap.cause,
            i64::try_from(scrap.count).unwrap_or(i64::MAX),
            scrap.bytes
        ])?;
    let oldest = connection.last_insert_rowid() - SCRAPS_MAX;
    connection.prepare_cached("DELETE FROM scrap WHERE id <= ?1")?.execute([oldest])?;
    Ok(())
}

/// What an earlier message with the same control id is to this one.
pub(super) enum Earlier {
    /// The same message.
    Same(Original),
    /// Another message under the same control id.
    Other,
    /// Purged by retention.
    Gone,
}

/// Compares with an earlier message by content hash.
pub(super) fn earlier(
    connection: &Connection,
    journal: JournalId,
    content_hash: &[u8; 32],
) -> Result<Earlier, rusqlite::Error> {
    let row = connection
        .prepare_cached("SELECT content_hash = ?2, received_at, verdict FROM journal WHERE id = ?1")?
        .query_row(params![journal.0, content_hash.as_slice()], |row| {
            Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })
        .optional()?;
    Ok(match row {
        Some((true, received_at, code)) => {
            let received_at = Timestamp(received_at);
            Earlier::Same(Original { journal, received_at, verdict: verdict(code), expected: None })
        }
        Some((false, ..)) => Earlier::Other,
        None => Earlier::Gone,
    })
}
