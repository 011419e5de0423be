//! The journal thread: the only writer.
//!
//! It takes requests from one bounded queue, decides and writes as many as wait (up to
//! [`limits::COMMIT_BATCH_MAX`]) in one transaction, and answers after its `COMMIT`
//! returned (INV-01). Arrival order is decision order (INV-03). Settlements wait up to
//! [`limits::SETTLE_DELAY_MAX`] for a message commit to ride on.
//!
//! After a failed sync the connection is not trusted again: it is dropped, nothing of the batch is answered, and the store is
//! opened anew from disk, its log written back and synced, before the next message is taken.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use fail::fail_point;
use rusqlite::{Connection, OptionalExtension as _, hooks::Wal};
use tokio::sync::oneshot;

use super::{
    Error, Opened, Usage,
    answers::{self, Waiters},
    audit::{Chain, Entry},
    ballast::disk_free,
    jobs,
    maintenance::{Check, Maintenance},
    open::{CACHE_KIB, checkpoint_all, connect, database},
    parts,
    pressure::{Pressure, judge},
    promoted,
    receipts::Receipts,
    rows::{LANES, Names, lane},
    schema::name_id,
    shared::Shared,
    threads::Threads,
    transaction::{Batch, Deltas, Earlier, Given, earlier, keep},
};
use crate::{
    flow::{
        Answer, Aside, Decision, Disposition, Facts, Fate, Flows, Original, Record, Understood, Verdict, decide,
        poisoned, settle_aside, tell_again,
    },
    hl7::Index,
    ids::JournalId,
    job::Finding,
    settings::{Flow, Priority, Settings},
    units::{ByteCount, Timestamp, limits},
};

mod continuation;

pub use super::promoted::Promotion;
pub use super::transaction::{Latch, Order, OrderOutcome, Scrap, Settlement, SettlementKind};

/// Something for the journal thread to do.
pub(super) enum Request {
    Accept(Box<Accept>),
    Settle(Settlement),
    Keep(Scrap),
    Order { order: Order, now: Timestamp, reply: oneshot::Sender<Result<OrderOutcome, Error>> },
    WriteBack,
    Stop { now: Timestamp, reply: oneshot::Sender<()> },
}

/// A message to take in.
pub(super) struct Accept {
    pub(super) message: Understood,
    pub(super) raw: Vec<u8>,
    pub(super) latch: Latch,
    pub(super) reply: oneshot::Sender<Answer>,
    /// Hears of the end of the message's deliveries.
    pub(super) settled: Option<oneshot::Sender<Fate>>,
}

/// What the journal thread tells the shell: each is a log line or a metric there.
#[derive(Debug)]
pub enum Notice<'a> {
    /// A transaction is on disk.
    Committed {
        /// Messages in it.
        messages: usize,
        /// Settlements in it.
        settled: usize,
        /// Time from the first request to the return of `COMMIT`.
        took: Duration,
    },
    /// A flow's tally changed by a committed transaction. `flow` is `None` for messages that no flow took.
    Counted {
        /// Index into the settings' flows.
        flow: Option<usize>,
        /// `received`, or an [`Outcome`](crate::flow::Outcome)'s word.
        outcome: &'static str,
        /// By how much.
        by: i64,
    },
    /// A sender used a control id again for another message.
    ControlIdReused {
        /// Index into the settings' links.
        link: usize,
        /// The new message.
        message: JournalId,
    },
    /// The store is fuller or emptier.
    Pressure {
        /// Now.
        level: Pressure,
        /// How full.
        usage: Usage,
    },
    /// A store operation failed; nothing of it was acknowledged.
    Failed(&'a Error),
    /// The store was opened again after a failure.
    Reopened,
    /// Deciding a message panicked; it is quarantined.
    Poisoned,
    /// A flow uses this map from now on.
    MapInUse {
        /// Index into the settings' flows.
        flow: usize,
        /// The map, as `transport@2`.
        mapping: &'a str,
    },
    /// A map refused something that was found out here: what is now known of a job, or a message that came in parts.
    MapRefused {
        /// Index into the settings' flows.
        flow: usize,
        /// The tables that do not list a code of it.
        unmapped: &'a [Arc<str>],
    },
    /// Something was noticed about jobs.
    JobNoticed {
        /// Index into the settings' flows.
        flow: usize,
        /// What.
        finding: Finding,
        /// How often.
        by: u64,
    },
    /// A map that a person put in use is not there any more: the one of the configuration is used.
    MapMissing {
        /// Index into the settings' flows.
        flow: usize,
        /// The map.
        mapping: &'a str,
    },
}

/// The way to the journal thread.
#[derive(Clone, Debug)]
pub struct Journal {
    queue: SyncSender<Request>,
    shared: Arc<Shared>,
    threads: Threads,
}

impl Journal {
    /// Starts the journal thread and its maintenance. `reading` is for messages that come in parts.
    ///
    /// # Errors
    /// If the store's rows cannot be read.
    pub fn start(
        opened: Opened,
        settings: &Settings,
        reading: Arc<Flows>,
        tell: impl FnMut(Notice<'_>) + Send + 'static,
    ) -> Result<(Self, Names), Error> {
        let (queue, requests) = sync_channel(limits::JOURNAL_QUEUE_MAX);
        let shared = Arc::new(Shared::new(settings.destinations.len()));
        let mut writer = Writer::new(opened, settings, reading, Arc::clone(&shared), Box::new(tell))?;
        let names = writer.names.clone();
        let check = if writer.opened.checked { Check::NotDue } else { Check::Due };
        let plan = writer.opened.plan.clone();
        let threads = Threads::default();
        let upkeep =
            Maintenance::start(&plan, settings.store.keep, check, queue.clone(), Arc::clone(&shared), &threads)?;
        writer.maintenance = Some(upkeep);
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&requests))
            .map_err(Error::file("start", "the journal thread"))?;
        threads.add(thread);
        Ok((Self { queue, shared, threads }, names))
    }

    /// Hands a message over that nothing else depends on. The order of calls is the order of decisions. The answer comes after
    /// the durable commit.
    pub fn accept(&self, message: Understood, raw: Vec<u8>) -> oneshot::Receiver<Answer> {
        self.accept_behind(message, raw, Latch::default())
    }

    /// Hands a message over that is refused if one before it with the same latch was.
    pub fn accept_behind(&self, message: Understood, raw: Vec<u8>, latch: Latch) -> oneshot::Receiver<Answer> {
        self.accept_and_tell(message, raw, latch, None)
    }

    /// Hands a message over as [`Self::accept_behind`] does. `settled` hears what became of its deliveries, once: at once where
    /// they have ended or there is none, else with the last of them. Nothing is heard where too many wait, or after a
    /// restart: a repeat of the message asks again.
    pub fn accept_and_tell(
        &self,
        message: Understood,
        raw: Vec<u8>,
        latch: Latch,
        settled: Option<oneshot::Sender<Fate>>,
    ) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        let accept = Accept { message, raw, latch: latch.clone(), reply, settled };
        if !self.offer(Request::Accept(Box::new(accept))) {
            latch.close();
        }
        answer
    }

    /// Records what became of a delivery.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the thread has ended, has too much to do or cannot write: offer it again later.
    pub fn settle(&self, settlement: Settlement) -> Result<(), Error> {
        if self.shared.unsettled() >= limits::UNSETTLED_MAX {
            return Err(Error::Stopped);
        }
        self.queue.try_send(Request::Settle(settlement)).map_err(|_| Error::Stopped)
    }

    /// Keeps bytes that were not a message. They have been counted; when the thread has too much to do, they are let go.
    pub fn keep(&self, scrap: Scrap) {
        self.offer(Request::Keep(scrap));
    }

    /// Carries out a person's order.
    pub fn order(&self, order: Order, now: Timestamp) -> oneshot::Receiver<Result<OrderOutcome, Error>> {
        let (reply, outcome) = oneshot::channel();
        self.offer(Request::Order { order, now, reply });
        outcome
    }

    /// Commits what waits, marks the stop as clean and ends the thread.
    pub fn stop(&self, now: Timestamp) -> oneshot::Receiver<()> {
        let (reply, done) = oneshot::channel();
        self.offer(Request::Stop { now, reply });
        done
    }

    /// Returns once the journal thread and its maintenance have ended after [`Self::stop`]. Has no bound of its own.
    pub async fn ended(&self) {
        self.threads.ended().await;
    }

    /// Facts that other threads may look at.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether there was room. A full queue drops the reply channel, which its owner reads as a refusal.
    fn offer(&self, request: Request) -> bool {
        match self.queue.try_send(request) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.turned_away();
                false
            }
        }
    }
}

thread_local! {
    static DECIDING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is deciding about a message: the one place where a panic is caught.
pub fn is_deciding() -> bool {
    DECIDING.get()
}

type Tell = Box<dyn FnMut(Notice<'_>) + Send>;

pub(super) struct Writer {
    opened: Opened,
    flows: Vec<Flow>,
    /// Reads what is whole only here: messages that came in parts.
    reading: Arc<Flows>,
    names: Names,
    receipts: Receipts,
    chain: Chain,
    next_journal: i64,
    next_outbox: i64,
    pressure: Pressure,
    usage_due: Instant,
    is_broken: bool,
    waiters: Waiters,
    shared: Arc<Shared>,
    maintenance: Option<Maintenance>,
    tell: Tell,
}

/// How often the store is measured, and a broken one tried again.
const MEASURE_EVERY: Duration = Duration::from_millis(500);

#[expect(clippy::disallowed_methods, reason = "the journal thread measures its own commits")]
fn monotonic() -> Instant {
    Instant::now()
}

impl Writer {
    fn new(
        opened: Opened,
        settings: &Settings,
        reading: Arc<Flows>,
        shared: Arc<Shared>,
        tell: Tell,
    ) -> Result<Self, Error> {
        let connection = &opened.connection;
        let rows = Error::database("read its state");
        let read = || -> Result<_, rusqlite::Error> {
            Ok((
                Names::load(connection, settings)?,
                Receipts::load(connection)?,
                Chain::load(connection, &opened.plan.key)?,
                next_ids(connection)?,
            ))
        };
        let (names, receipts, chain, (next_journal, next_outbox)) = read().map_err(rows)?;
        let mut writer = Self {
            opened,
            flows: settings.flows.clone(),
            reading,
            names,
            receipts,
            chain,
            next_journal,
            next_outbox,
            pressure: Pressure::Normal,
            usage_due: monotonic(),
            is_broken: false,
            waiters: Waiters::default(),
            shared,
            maintenance: None,
            tell,
        };
        writer.load_depths().map_err(Error::database("read its queue depths"))?;
        writer.load_maps().map_err(Error::database("read the maps in use"))?;
        writer.watch_log();
        writer.measure();
        Ok(writer)
    }

    fn load_depths(&self) -> Result<(), rusqlite::Error> {
        for (index, destination) in self.names.destinations.iter().enumerate() {
            for priority in LANES {
                let depth = self
                    .opened
                    .connection
                    .query_row(
                        "SELECT n FROM depth WHERE destination = ?1 AND priority = ?2",
                        [*destination, lane(priority)],
                        |row| row.get::<_, i64>(0),
                    )
                    .or_else(|error| match error {
                        rusqlite::Error::QueryReturnedNoRows => Ok(0),
                        other => Err(other),
                    })?;
                self.shared.set_depth(index, priority, depth);
            }
        }
        Ok(())
    }

    /// The maps that people put in use before the last stop.
    fn load_maps(&mut self) -> Result<(), rusqlite::Error> {
        for (flow, mapping) in promoted::load(&self.opened.connection, &self.names, &self.flows)? {
            if self.reading.map(&mapping).is_some() {
                self.use_map(flow, &mapping)?;
            } else {
                (self.tell)(Notice::MapMissing { flow, mapping: &mapping });
            }
        }
        Ok(())
    }

    /// From now on messages of the flow are read and queued with this map.
    fn use_map(&mut self, flow: usize, mapping: &str) -> Result<(), rusqlite::Error> {
        let row = name_id(&self.opened.connection, "mapping", mapping)?;
        if let Some(of_flow) = self.names.mappings.get_mut(flow) {
            *of_flow = row;
        }
        self.reading.activate(std::iter::once((flow, mapping)));
        (self.tell)(Notice::MapInUse { flow, mapping });
        Ok(())
    }

    /// The hook that tells the log's length after each commit.
    fn watch_log(&mut self) {
        let shared = Arc::clone(&self.shared);
        let hook = move |_: &mut Wal, pages: i32| {
            shared.set_log_pages(pages);
            Ok(())
        };
        // Without the hook the log's length reads as zero: it is then written back at the stop only.
        self.opened.connection.wal_hook(Some(hook)).ok();
    }

    fn run(mut self, requests: &Receiver<Request>) {
        let mut batch = Batch::default();
        loop {
            match requests.recv_timeout(batch.patience(monotonic())) {
                Ok(request) => self.gather(request, requests, &mut batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.measure_if_due();
            if batch.is_due(monotonic()) {
                self.commit(&mut batch);
            }
            for (order, now, reply) in batch.orders.drain(..).collect::<Vec<_>>() {
                let outcome = self.carry_out(order, now);
                // The person who asked may have gone; the order is carried out all the same.
                reply.send(outcome).ok();
            }
            if let Some((now, reply)) = batch.stop.take() {
                self.close(now);
                drop(self);
                // The node may have given up waiting for the stop.
                reply.send(()).ok();
                return;
            }
        }
    }

    /// Takes what waits, up to the bounds of one transaction.
    fn gather(&mut self, first: Request, requests: &Receiver<Request>, batch: &mut Batch) {
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Accept(accept) => {
                    fail_point!("journal-received");
                    batch.push(*accept, monotonic());
                }
                Request::Settle(settlement) => batch.settle(settlement, monotonic()),
                Request::Keep(scrap) => batch.keep(scrap, monotonic()),
                Request::Order { order, now, reply } => batch.orders.push((order, now, reply)),
                Request::WriteBack => self.write_back(),
                Request::Stop { now, reply } => batch.stop = Some((now, reply)),
            }
            if batch.is_full() || batch.stop.is_some() {
                return;
            }
            next = requests.try_recv().ok();
        }
    }

    /// Commits a batch, and tells couriers how much is left to settle: a store that cannot be written slows them down.
    fn commit(&mut self, batch: &mut Batch) {
        self.commit_or_refuse(batch);
        self.shared.set_unsettled(batch.settlements.len());
    }

    fn commit_or_refuse(&mut self, batch: &mut Batch) {
        let began = batch.take_began().unwrap_or_else(monotonic);
        if self.is_broken && !self.reopen() {
            batch.refuse(monotonic());
            return;
        }
        let mut deltas = Deltas::default();
        match self.transact(batch, &mut deltas) {
            Ok(answers) => {
                fail_point!("commit-after");
                self.tell_committed(batch, &deltas, began.elapsed());
                batch.answer(answers, &deltas.fates, &mut self.waiters);
                for ended in &deltas.ended {
                    self.waiters.tell(ended.journal, ended.fate);
                }
                self.seal_if_due();
                self.write_back_if_due();
            }
            Err(error) => {
                deltas.take_back(&mut self.receipts);
                self.next_journal -= deltas.journal_rows;
                self.fail(&error);
                batch.refuse(monotonic());
            }
        }
    }

    fn transact(&mut self, batch: &Batch, deltas: &mut Deltas) -> Result<Vec<Answer>, Error> {
        let failed = Error::database("commit messages");
        self.try_transact(batch, deltas).map_err(failed)
    }

    fn try_transact(&mut self, batch: &Batch, deltas: &mut Deltas) -> Result<Vec<Answer>, rusqlite::Error> {
        execute(&self.opened.connection, "BEGIN IMMEDIATE")?;
        let result = self.write(batch, deltas).and_then(|answers| {
            fail_point!("commit-before");
            execute(&self.opened.connection, "COMMIT")?;
            Ok(answers)
        });
        if result.is_err() {
            // A failed statement may have rolled the transaction back already.
            execute(&self.opened.connection, "ROLLBACK").ok();
        }
        result
    }

    fn write(&mut self, batch: &Batch, deltas: &mut Deltas) -> Result<Vec<Answer>, rusqlite::Error> {
        let mut answers = Vec::with_capacity(batch.accepts.len());
        for (at, accept) in batch.accepts.iter().enumerate() {
            let answer = self.take_in(accept, deltas)?;
            if let (Answer::Stored(original), true) = (&answer, accept.settled.is_some()) {
                let journal = parts::whole_of(&self.opened.connection, original.journal)?;
                let fate = answers::fate_of(&self.opened.connection, journal)?;
                deltas.fates.push((at, journal, fate));
            }
            answers.push(answer);
        }
        for settlement in &batch.settlements {
            let (names, flows) = (&self.names, &self.flows);
            deltas.settle(&self.opened.connection, names, &mut self.next_outbox, flows, settlement)?;
        }
        for scrap in &batch.scraps {
            keep(&self.opened.connection, &self.names, scrap)?;
        }
        deltas.flush(&self.opened.connection, &self.names)?;
        Ok(answers)
    }

    /// Gather, decide and write one message.
    fn take_in(&mut self, accept: &Accept, deltas: &mut Deltas) -> Result<Answer, rusqlite::Error> {
        if accept.latch.is_closed() {
            return Ok(Answer::Refused);
        }
        // Read with maps that are no longer in use: what is decided must be what is written on its deliveries.
        let is_stale = accept.message.map_changes != self.reading.map_changes();
        let again = if is_stale { self.read_again(&accept.message, &accept.raw) } else { None };
        let message = again.as_ref().unwrap_or(&accept.message);
        let facts = self.facts(message)?;
        let disposition = if is_stale && again.is_none() {
            None
        } else {
            self.decide(|flows| {
                fail_point!("decide");
                decide(message, &facts, flows)
            })
        };
        match disposition.unwrap_or_else(|| Disposition::Record(poisoned(message, &facts))) {
            Disposition::Refuse => {
                accept.latch.close();
                Ok(Answer::Refused)
            }
            Disposition::OutOfSequence { expected } => Ok(Answer::OutOfSequence { expected }),
            Disposition::Repeat { original, flows } => {
                deltas.repeat(&flows);
                Ok(Answer::Stored(original))
            }
            Disposition::Record(record) => match message.part.filter(|_| record.verdict == Verdict::Accept) {
                Some(of) => self.take_in_part(accept, of, record, &facts, deltas),
                None => Ok(Answer::Stored(self.record(message, &accept.raw, &record, deltas)?)),
            },
        }
    }

    /// Reads a message with the maps in use; `None` if that panicked.
    fn read_again(&mut self, message: &Understood, raw: &[u8]) -> Option<Understood> {
        let reading = Arc::clone(&self.reading);
        self.decide(|_| reading.understand(message.link, message.received_at, raw, &mut Index::default()))
    }

    /// Runs what decides about a message; `None` if it panicked.
    fn decide<T>(&mut self, decide: impl FnOnce(&Flows) -> T) -> Option<T> {
        DECIDING.set(true);
        let decided = catch_unwind(AssertUnwindSafe(|| decide(&self.reading)));
        DECIDING.set(false);
        if decided.is_err() {
            (self.tell)(Notice::Poisoned);
        }
        decided.ok()
    }

    fn record(
        &mut self,
        message: &Understood,
        raw: &[u8],
        record: &Record,
        deltas: &mut Deltas,
    ) -> Result<Original, rusqlite::Error> {
        let (connection, id) = (&self.opened.connection, self.next_journal);
        let original = deltas.record(connection, &self.names, id, &mut self.next_outbox, (message, raw), record)?;
        self.next_journal += 1;
        if let Some(fingerprint) = message.fingerprint {
            self.receipts.insert(fingerprint, original.journal);
            deltas.inserted.push((fingerprint, original.journal));
        }
        Ok(original)
    }

    fn facts(&self, message: &Understood) -> Result<Facts, rusqlite::Error> {
        let room_for = match self.pressure {
            Pressure::Normal | Pressure::Warn => Some(Priority::Routine),
            Pressure::Shed => Some(Priority::Urgent),
            Pressure::Refuse => None,
        };
        let jobs = jobs::gather(&self.opened.connection, &self.names, message, &self.flows)?;
        let mut facts = Facts { room_for, jobs, ..Facts::default() };
        if let Some(place) = message.sequence {
            let link = self.names.links.get(message.link).copied().unwrap_or(0);
            (facts.expected_sequence, facts.last_in_sequence) =
                answers::expected(&self.opened.connection, link, place.stream, message)?;
        }
        let Some(fingerprint) = message.fingerprint else { return Ok(facts) };
        for journal in self.receipts.find(&self.opened.connection, fingerprint)? {
            match earlier(&self.opened.connection, journal, &message.content_hash)? {
                Earlier::Same(original) => {
                    facts.original = Some(original);
                    break;
                }
                Earlier::Other => facts.control_id_reused = true,
                Earlier::Gone => {}
            }
        }
        Ok(facts)
    }

    fn tell_committed(&mut self, batch: &Batch, deltas: &Deltas, took: Duration) {
        (self.tell)(Notice::Committed { messages: batch.accepts.len(), settled: batch.settlements.len(), took });
        for ((flow, outcome), by) in &deltas.tally {
            (self.tell)(Notice::Counted { flow: *flow, outcome, by: *by });
        }
        for (flow, unmapped) in &deltas.refused {
            (self.tell)(Notice::MapRefused { flow: *flow, unmapped });
        }
        for ((flow, finding), by) in &deltas.findings {
            (self.tell)(Notice::JobNoticed { flow: *flow, finding: *finding, by: *by });
        }
        for (link, message) in &deltas.reused {
            (self.tell)(Notice::ControlIdReused { link: *link, message: *message });
        }
        for ((destination, priority), by) in &deltas.depth {
            self.shared.add_depth(*destination, *priority, *by);
        }
        self.shared.committed(deltas.arrived.iter().copied());
    }

    fn carry_out(&mut self, order: Order, now: Timestamp) -> Result<OrderOutcome, Error> {
        if self.is_broken && !self.reopen() {
            return Err(Error::Stopped);
        }
        let order = match order {
            Order::Decide { aside, message, decision, entry } => {
                let decided = self.decide_aside(aside, &message, decision, now);
                match decided.map_err(Error::database("read what is known of a job"))? {
                    Some(Ok(record)) => Order::Decided { aside, record: Box::new(record), entry },
                    Some(Err(still)) => {
                        return Ok(OrderOutcome::Still { reason: still.reason, detail: still.detail });
                    }
                    None => return Ok(OrderOutcome::NotFound),
                }
            }
            Order::TellAgain { journal, message, flow, entry } => {
                let decided = self.decide_again(journal, &message, flow, now);
                match decided.map_err(Error::database("read what is known of a job"))? {
                    Some(Ok(record)) => Order::ToldAgain { journal, record: Box::new(record), entry },
                    Some(Err(still)) => {
                        return Ok(OrderOutcome::Still { reason: still.reason, detail: still.detail });
                    }
                    None => return Ok(OrderOutcome::NotFound),
                }
            }
            order => order,
        };
        let mut deltas = Deltas::default();
        let connection = &self.opened.connection;
        let result = execute(connection, "BEGIN IMMEDIATE").and_then(|()| {
            let (names, chain, next_outbox) = (&self.names, &mut self.chain, &mut self.next_outbox);
            let outcome = deltas.carry_out(connection, names, chain, next_outbox, &self.flows, (&order, now))?;
            let is_known = |changed: &promoted::Changed| self.reading.map(&changed.to).is_some();
            let outcome = if deltas.maps.iter().all(is_known) { outcome } else { OrderOutcome::NotFound };
            if outcome == OrderOutcome::NotFound {
                // An order that finds nothing, or half of what it needs, must leave everything as it is.
                execute(connection, "ROLLBACK")?;
                return Ok(outcome);
            }
            deltas.flush(connection, &self.names)?;
            for changed in &deltas.maps {
                // Made inside the transaction, so that using it afterwards writes nothing.
                name_id(connection, "mapping", &changed.to)?;
            }
            execute(connection, "COMMIT")?;
            Ok(outcome)
        });
        match result {
            Ok(outcome) => {
                if outcome == OrderOutcome::Done {
                    for changed in &deltas.maps {
                        self.use_map(changed.flow, &changed.to).map_err(Error::database("read a map's number"))?;
                    }
                }
                self.tell_committed(&Batch::default(), &deltas, Duration::ZERO);
                for ended in &deltas.ended {
                    self.waiters.tell(ended.journal, ended.fate);
                }
                if let OrderOutcome::Purged { run: Some(run), .. } = outcome {
                    self.receipts.purged(run);
                }
                Ok(outcome)
            }
            Err(error) => {
                let error = Error::database("carry out an order")(error);
                execute(&self.opened.connection, "ROLLBACK").ok();
                self.fail(&error);
                // A store that cannot be read now is opened again before the next entry, and the chain read with it.
                if let Ok(chain) = Chain::load(&self.opened.connection, &self.opened.plan.key) {
                    self.chain = chain;
                }
                Err(error)
            }
        }
    }

    /// What a person's decision about an entry comes to; `None` if there is no such entry or its flow is gone.
    fn decide_aside(
        &mut self,
        aside: i64,
        message: &Understood,
        decision: Decision,
        now: Timestamp,
    ) -> Result<Option<Result<Record, Aside>>, rusqlite::Error> {
        let connection = &self.opened.connection;
        let row = connection
            .prepare_cached("SELECT flow FROM aside WHERE id = ?1")?
            .query_row([aside], |row| row.get::<_, i64>(0))
            .optional()?;
        let Some(row) = row else { return Ok(None) };
        let flow = self.names.flow_index(row);
        if flow.is_none() && row != self.names.unrouted {
            return Ok(None);
        }
        let mut facts = self.facts(message)?;
        let job = jobs::job_of(connection, aside)?;
        let to = flow.and_then(|flow| self.flows.get(flow)).map(|flow| flow.to);
        if let (Some(job), Some(to)) = (job, to)
            && !facts.jobs.iter().any(|known| known.destination == to && known.record.id.0 == job)
        {
            let row = self.names.destinations.get(to).copied().unwrap_or(0);
            facts.jobs.extend(jobs::read(connection, row, to, job)?);
        }
        Ok(self.decide(|flows| settle_aside(message, (flow, job), decision, now, &facts, flows)))
    }

    /// What is told where a person has the jobs of a message told again; `None` if that panicked.
    fn decide_again(
        &mut self,
        journal: JournalId,
        message: &Understood,
        flow: usize,
        now: Timestamp,
    ) -> Result<Option<Result<Record, Aside>>, rusqlite::Error> {
        let connection = &self.opened.connection;
        let to = self.flows.get(flow).map_or(0, |flow| flow.to);
        let row = self.names.destinations.get(to).copied().unwrap_or(0);
        let mut known = Vec::new();
        for job in jobs::told_because_of(connection, journal.0, self.names.flow(Some(flow)))? {
            known.extend(jobs::read(connection, row, to, job)?);
        }
        Ok(self.decide(|flows| tell_again(message, flow, now, &known, flows)))
    }

    /// Writes a run of the duplicate index; a failure only means that it is tried again after the next commit.
    fn seal_if_due(&mut self) {
        if !self.receipts.is_full() {
            return;
        }
        let connection = &self.opened.connection;
        let sealed = execute(connection, "BEGIN IMMEDIATE").and_then(|()| {
            let sealed = self.receipts.seal(connection)?;
            execute(connection, "COMMIT")?;
            Ok(sealed)
        });
        match sealed {
            Ok(sealed) => self.receipts.sealed(sealed),
            Err(error) => {
                execute(&self.opened.connection, "ROLLBACK").ok();
                self.fail(&Error::database("write its duplicate index")(error));
            }
        }
    }

    /// A store that is full or failing refuses messages until it was measured again.
    fn fail(&mut self, error: &Error) {
        if error.is_full() {
            self.opened.ballast.release().ok();
            self.set_pressure(Pressure::Refuse, self.usage());
        } else if error.is_io() {
            self.is_broken = true;
            // What a broken store says of itself is worth nothing.
            self.set_pressure(Pressure::Refuse, self.shared.usage());
        }
        self.shared.failed();
        (self.tell)(Notice::Failed(error));
    }

    /// Opens the database again. What the failed sync left in the page cache is written and synced before anything is built on it.
    fn reopen(&mut self) -> bool {
        let path = database(&self.opened.plan.path);
        let key = self.opened.plan.key.clone();
        let opened = Connection::open_in_memory().map_err(Error::database("open")).and_then(|nothing| {
            // Dropping the old connection first: its locks must not stand in the way of the new one.
            drop(std::mem::replace(&mut self.opened.connection, nothing));
            let connection = connect(&path, &key, CACHE_KIB)?;
            checkpoint_all(&connection)?;
            let receipts = Receipts::load(&connection).map_err(Error::database("read its duplicate index"))?;
            let chain = Chain::load(&connection, &key).map_err(Error::database("read its audit chain"))?;
            let last: Option<i64> = connection
                .query_row("SELECT max(id) FROM journal", [], |row| row.get(0))
                .map_err(Error::database("read its journal"))?;
            Ok((connection, receipts, chain, last.unwrap_or(0) + 1))
        });
        match opened {
            Ok((connection, receipts, chain, next_journal)) => {
                self.opened.connection = connection;
                self.receipts = receipts;
                self.chain = chain;
                self.next_journal = self.next_journal.max(next_journal);
                self.is_broken = false;
                self.watch_log();
                self.load_depths().ok();
                // A commit whose sync failed may have reached the log: its deliveries are there although nobody was told.
                self.shared.committed(0..self.names.destinations.len());
                (self.tell)(Notice::Reopened);
                self.weigh(Pressure::Normal);
                true
            }
            Err(error) => {
                self.fail(&error);
                self.is_broken = true;
                false
            }
        }
    }

    fn write_back_if_due(&self) {
        if let Some(maintenance) = &self.maintenance {
            maintenance.write_back_if_due(self.shared.log_pages(), self.opened.plan.limit);
        }
    }

    /// The maintenance thread has copied most of the log; the rest is short, and copying it here lets the next commit start
    /// the log over.
    fn write_back(&mut self) {
        fail_point!("checkpoint");
        let done = self
            .opened
            .connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)));
        match done {
            // All of it is in the database: the next commit starts the log over.
            Ok((pages, copied)) if pages == copied => self.shared.set_log_pages(0),
            Ok(_) => {}
            Err(error) => self.fail(&Error::database("write back its log")(error)),
        }
    }

    fn measure_if_due(&mut self) {
        if monotonic() >= self.usage_due {
            self.usage_due = monotonic() + MEASURE_EVERY;
            self.measure();
        }
    }

    fn measure(&mut self) {
        // A thread that keeps trying advances: the box stays up to say what is wrong, and is not restarted for it.
        self.shared.alive();
        if self.is_broken && !self.reopen() {
            return;
        }
        self.weigh(self.pressure);
        self.write_back_if_due();
    }

    /// Measures how full the store is, and says so.
    fn weigh(&mut self, before: Pressure) {
        let usage = self.usage();
        let level = judge(before, usage);
        if level < Pressure::Refuse {
            self.opened.ballast.lay().ok();
        }
        self.shared.set_usage(usage);
        self.set_pressure(level, usage);
    }

    fn usage(&self) -> Usage {
        let pages = |what: &str| -> u64 {
            self.opened.connection.query_row(what, [], |row| row.get::<_, i64>(0)).map_or(0, |n| n.cast_unsigned())
        };
        let log = ByteCount(u64::from(self.shared.log_pages()) * 4096);
        let database = pages("PRAGMA page_count").saturating_sub(pages("PRAGMA freelist_count")) * 4096;
        Usage {
            used: ByteCount(database + log.0),
            limit: self.opened.plan.limit,
            disk_free: self.opened.ballast.free_beside(disk_free(&self.opened.plan.path).unwrap_or_default()),
            log,
        }
    }

    fn set_pressure(&mut self, level: Pressure, usage: Usage) {
        self.shared.set_pressure(level);
        if level != self.pressure {
            self.pressure = level;
            (self.tell)(Notice::Pressure { level, usage });
        }
    }

    fn close(&mut self, now: Timestamp) {
        let stop = Entry {
            actor: "gurney".to_owned(),
            action: "stop",
            subject: "store".to_owned(),
            detail: "clean".to_owned(),
        };
        if let Err(error) = self.carry_out(Order::Close { entry: stop }, now) {
            (self.tell)(Notice::Failed(&error));
        }
        self.maintenance = None;
        if let Err(error) = checkpoint_all(&self.opened.connection) {
            (self.tell)(Notice::Failed(&error));
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// The next free places in the journal and the outbox. Lanes are asked one by one: each answer is one step down a tree.
fn next_ids(connection: &Connection) -> Result<(i64, i64), rusqlite::Error> {
    let last = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
    let journal = last("SELECT max(id) FROM journal")?.unwrap_or(0).max(Given::Journal.last(connection)?);
    let mut outbox = last("SELECT max(id) FROM receipt")?.unwrap_or(0).max(Given::Outbox.last(connection)?);
    let mut lanes = connection.prepare("SELECT destination, priority FROM depth")?;
    let mut rows = lanes.query([])?;
    while let Some(row) = rows.next()? {
        let newest: Option<i64> = connection.query_row(
            "SELECT max(id) FROM outbox WHERE destination = ?1 AND priority = ?2",
            [row.get::<_, i64>(0)?, row.get::<_, i64>(1)?],
            |row| row.get(0),
        )?;
        outbox = outbox.max(newest.unwrap_or(0));
    }
    Ok((journal + 1, outbox + 1))
}
