//! The courier actor: one per destination.
//!
//! Messages: [`Stop`] (reply when nothing is in flight), [`Look`] (reply [`delivery::View`]). Mailbox: the default bound. The machine is [`delivery::Courier`]; this
//! shell reads the outbox when the machine wants to, sends what it hands out, and tells the journal what became of it. It holds
//! nothing that must survive: what is not settled in the store is delivered again after a restart, under the same key (INV-04).

use std::{cell::RefCell, collections::BTreeSet, rc::Rc, sync::Arc, time::Duration};

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, Message, ResponseFuture};
use fail::fail_point;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{
    clock::Clock,
    journal::{Do, Journal, Settle},
};
use crate::{
    delivery::{
        self, Attempt, Change, Courier as Machine, DeadReason, Entry, Outcome, Settled, Verdict, Want, classify,
        classify_ack,
    },
    flow::{self, Flows},
    ids::OutboxId,
    mapping::Told,
    settings::{Destination, DestinationKind, OnError, OnRefusal, Priority},
    store::{
        jobs::{self, Said},
        reader::{self, Due, Reader},
        shared::Shared,
        writer::{Order, Settlement, SettlementKind},
    },
    telemetry::{
        DestinationSignal, FlowMeter, FlowSignal, StoreSignal, Telemetry,
        labels::{AttemptResult, ExchangeFault, Stage, StoreOperation},
    },
    units::{Timestamp, limits},
    uplink::{Attempted, Client, Reply, Resent},
};

mod request;

/// Starts nothing new and waits for what is in flight.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// Says how the destination is.
#[derive(Debug, Message)]
#[rtype(result = "delivery::View")]
pub struct Look;

/// What a courier needs.
#[derive(Clone)]
pub struct Plan {
    /// Index into the settings' destinations.
    pub destination: usize,
    /// Row number of the destination.
    pub row: i64,
    /// Makes this box's jitter its own.
    pub seed: u64,
    /// The site's name, for delivery keys.
    pub site: String,
    /// The destination's settings.
    pub settings: Arc<Destination>,
    /// The site's flows: what is sent, and how a refusal is taken.
    pub flows: Arc<Flows>,
    /// Names in rows.
    pub names: Arc<crate::store::rows::Names>,
    /// The client.
    pub client: Client,
    /// The outbox, for reading.
    pub reader: Reader,
    /// Facts of the journal thread.
    pub shared: Arc<Shared>,
    /// Where outcomes go.
    pub journal: Addr<Journal>,
    /// Where signals go.
    pub telemetry: Arc<Telemetry>,
    /// The clocks.
    pub clock: Clock,
}

/// The actor.
pub struct Courier {
    inner: Rc<Inner>,
}

struct Inner {
    plan: Plan,
    machine: RefCell<Machine>,
    /// Wakes the turning task.
    turn: Notify,
    /// Wakes a stop that waits for what is in flight.
    landed: Notify,
    stopping: std::cell::Cell<bool>,
    turns: std::cell::Cell<u64>,
    /// Outcomes on their way to the journal.
    recording: std::cell::Cell<usize>,
    /// Up to which delivery about jobs attempts may have been made: before the start, and as noted since.
    attempted: std::cell::Cell<Option<(OutboxId, OutboxId)>>,
    /// Deliveries about jobs that wait and may have left since the start.
    touched: RefCell<BTreeSet<OutboxId>>,
}

impl Courier {
    /// Makes the courier of a destination.
    pub fn new(plan: Plan) -> Self {
        let machine = Machine::new(delivery::Plan {
            in_flight: plan.settings.in_flight,
            retry: plan.settings.retry,
            endpoints: plan.settings.endpoints.len(),
            window: limits::WINDOW_MAX,
            seed: plan.seed,
        });
        let inner = Inner {
            plan,
            machine: RefCell::new(machine),
            turn: Notify::new(),
            landed: Notify::new(),
            stopping: std::cell::Cell::new(false),
            turns: std::cell::Cell::new(0),
            recording: std::cell::Cell::new(0),
            attempted: std::cell::Cell::new(None),
            touched: RefCell::default(),
        };
        Self { inner: Rc::new(inner) }
    }
}

impl Actor for Courier {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let turning = Rc::clone(&self.inner);
        context.spawn(actix::fut::wrap_future(async move { turning.run().await }));
        let hearing = Rc::clone(&self.inner);
        context.spawn(actix::fut::wrap_future(async move { hearing.hear().await }));
        self.inner.plan.client.open();
        let waiting = Rc::clone(&self.inner);
        context.spawn(actix::fut::wrap_future(async move { waiting.welcome().await }));
    }
}

impl Handler<Stop> for Courier {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        self.inner.stopping.set(true);
        let inner = Rc::clone(&self.inner);
        Box::pin(async move {
            while inner.machine.borrow().in_flight() > 0 {
                inner.landed.notified().await;
            }
        })
    }
}

impl Handler<Look> for Courier {
    type Result = actix::MessageResult<Look>;

    fn handle(&mut self, _: Look, _: &mut Self::Context) -> Self::Result {
        let now = self.inner.plan.clock.steady();
        actix::MessageResult(self.inner.machine.borrow().view(now))
    }
}

/// Longest sleep of the turning task: it then looks whether there is anything to do even if nobody woke it.
const PATIENCE: Duration = Duration::from_secs(5);

impl Inner {
    /// Turns the machine for ever: reads, sends, sleeps.
    async fn run(self: Rc<Self>) {
        loop {
            self.turns.set(self.turns.get() + 1);
            self.plan.shared.courier_turned(self.plan.destination);
            while !self.stopping.get() && self.advance() {}
            let now = self.plan.clock.steady();
            let wake_at = self.machine.borrow().wake_at(now);
            let wait = wake_at.map_or(PATIENCE, |at| at.since(now).min(PATIENCE));
            // A time-out means that something may be due now.
            timeout(wait.max(Duration::from_millis(1)), self.turn.notified()).await.ok();
        }
    }

    /// Tells the machine when the journal has something new.
    async fn hear(self: Rc<Self>) {
        loop {
            self.plan.shared.arrived(self.plan.destination).await;
            for priority in [Priority::Stat, Priority::Urgent, Priority::Routine] {
                self.machine.borrow_mut().arrived(priority);
            }
            self.turn.notify_one();
        }
    }

    /// Tells the machine when a peer has come that connects to us.
    async fn welcome(self: Rc<Self>) {
        loop {
            self.plan.client.peer_came().await;
            self.machine.borrow_mut().knocked(self.plan.clock.steady());
            self.turn.notify_one();
        }
    }

    /// Starts one read and one delivery, if the machine has them; whether it had.
    fn advance(self: &Rc<Self>) -> bool {
        let now = self.plan.clock.steady();
        let want = self.machine.borrow_mut().wants(now);
        if let Some(want) = want {
            actix_rt::spawn(Rc::clone(self).read(want));
        }
        // Outcomes that the journal cannot take yet are bounded too (INV-07).
        let may_deliver = self.recording.get() < limits::IN_FLIGHT_MAX;
        let attempt = if may_deliver { self.machine.borrow_mut().next(now) } else { None };
        if let Some(attempt) = attempt {
            actix_rt::spawn(Rc::clone(self).deliver(attempt));
        }
        want.is_some() || attempt.is_some()
    }

    async fn read(self: Rc<Self>, want: Want) {
        let row = self.plan.row;
        let page = self.plan.reader.run(move |store| reader::page(store, row, want)).await;
        let now = self.plan.clock.steady();
        match page {
            Ok(entries) => {
                let entries: Vec<Entry> = entries.into_iter().map(|waiting| self.entry(waiting)).collect();
                self.machine.borrow_mut().offer(now, want, entries);
            }
            Err(error) => {
                self.plan
                    .telemetry
                    .store()
                    .tell(StoreSignal::Failed { operation: StoreOperation::Read, cause: &error });
                sleep(READ_PAUSE).await;
                self.machine.borrow_mut().unread(want);
            }
        }
        self.turn.notify_one();
    }

    fn entry(&self, waiting: reader::Waiting) -> Entry {
        let flow = self.plan.names.flow_index(waiting.flow).and_then(|flow| self.plan.flows.flow(flow));
        Entry {
            id: waiting.id,
            key: waiting.ordering_key,
            priority: waiting.priority,
            on_refusal: flow.map_or(OnRefusal::Skip, |flow| flow.on_refusal),
            enqueued_at: waiting.enqueued_at,
            attempts: 0,
            not_before: waiting.enqueued_at,
        }
    }

    async fn deliver(self: Rc<Self>, attempt: Attempt) {
        match self.due(attempt).await {
            Some(Some((due, Touched::NoJobs))) => {
                self.send(attempt, due, &[]).await;
            }
            Some(Some((due, touched))) => self.send_of_jobs(attempt, due, touched).await,
            // A person dealt with it, or its message is gone: there is nothing left to deliver.
            Some(None) => self.machine.borrow_mut().abandon(self.plan.clock.steady(), attempt.id),
            None => {
                sleep(READ_PAUSE).await;
                let now = self.plan.clock.steady();
                let outcome = Outcome::Retry { after: None, fault: delivery::Fault::Message };
                self.machine.borrow_mut().settle(now, attempt.id, outcome);
            }
        }
        self.landed.notify_one();
        self.turn.notify_one();
    }

    /// What is to be delivered, and whether it may have left before; `None` while the store cannot tell. What it tells of
    /// jobs is read as late as can be: everything that came since is behind it in the queue.
    async fn due(&self, attempt: Attempt) -> Option<Option<(Due, Touched)>> {
        let row = self.plan.row;
        let read = || self.plan.reader.run(move |store| reader::due(store, row, attempt.id));
        let Some(due) = read().await.ok()? else { return Some(None) };
        if due.steps.is_empty() {
            return Some(Some((due, Touched::NoJobs)));
        }
        let due = match self.about_to_attempt(attempt).await? {
            Noted::Before => Some(due),
            Noted::Now => read().await.ok()?,
        };
        let Some(due) = due else { return Some(None) };
        let is_new = self.touch(attempt.id);
        Some(Some((due, if is_new { Touched::Never } else { Touched::Maybe })))
    }

    /// Sends what is still to be told of jobs (UC-19): nothing, where later deliveries say all of it.
    async fn send_of_jobs(&self, attempt: Attempt, due: Due, touched: Touched) {
        let is_untouched = touched == Touched::Never;
        let age = self.plan.clock.wall().since(due.waiting.enqueued_at);
        let kind = match flow::due(&due.steps, is_untouched, age, self.plan.flows.policy()) {
            flow::Due::Tell(told) => {
                let may_have_left = self.send(attempt, due, &told).await;
                if is_untouched && !may_have_left {
                    self.never_left(attempt.id);
                }
                return;
            }
            flow::Due::Nothing => SettlementKind::Overtaken,
            flow::Due::Stale => SettlementKind::Stale,
        };
        self.never_left(attempt.id);
        self.leave_out(self.settled(attempt, due.waiting.priority, None, kind)).await;
        self.machine.borrow_mut().abandon(self.plan.clock.steady(), attempt.id);
    }

    /// Notes durably that this delivery may have been attempted, before it is: what may have left is never left out
    /// later. `None` if it cannot be noted now.
    async fn about_to_attempt(&self, attempt: Attempt) -> Option<Noted> {
        let row = self.plan.row;
        if self.attempted.get().is_none() {
            let at_start = self.plan.reader.run(move |store| jobs::attempted(store, row)).await.ok()?;
            // Another delivery may have found it meanwhile.
            self.attempted.set(Some(self.attempted.get().unwrap_or((at_start, at_start))));
        }
        let (at_start, noted) = self.attempted.get()?;
        if attempt.id <= noted {
            return Some(Noted::Before);
        }
        let up_to = OutboxId(attempt.id.0.saturating_add(ATTEMPTS_NOTED));
        let order = Order::Attempt { destination: row, up_to };
        let done = self.plan.journal.send(Do { order, now: self.plan.clock.wall() }).await;
        done.ok()?.ok()?;
        self.attempted.set(Some((at_start, noted.max(up_to))));
        Some(Noted::Now)
    }

    /// Notes that a delivery may have left from now on; whether it never may have before.
    fn touch(&self, id: OutboxId) -> bool {
        let mut touched = self.touched.borrow_mut();
        if touched.len() >= limits::TOUCHED_MAX
            && let Some(last) = touched.pop_last()
        {
            // Nothing is known any more of those up to it.
            touched.clear();
            self.attempted.set(self.attempted.get().map(|(start, noted)| (start.max(last), noted.max(last))));
        }
        self.attempted.get().is_some_and(|(start, _)| id > start) && touched.insert(id)
    }

    /// Takes the note back that a delivery may have left.
    fn never_left(&self, id: OutboxId) {
        self.touched.borrow_mut().remove(&id);
    }

    /// Sends a delivery and notes what came of it; whether any of it may have left.
    async fn send(&self, attempt: Attempt, due: Due, told: &[Told]) -> bool {
        let priority = due.waiting.priority;
        let queued_at = due.waiting.enqueued_at;
        let flow = self.plan.names.flow_index(due.waiting.flow);
        let mut may_have_left = false;
        let (outcome, status, body) = match request::build(&self.plan, &due, told) {
            Ok(delivery) => {
                fail_point!("delivery-before");
                let attempted = self.plan.client.send(attempt.endpoint, delivery).await;
                fail_point!("delivery-after");
                may_have_left = attempted.reply.may_have_left();
                self.tell_odd(attempt, &attempted);
                self.meaning(attempt, attempted.reply)
            }
            Err(error) => {
                self.flow_meter(flow).error(Stage::Map);
                (Outcome::Refused { status: 0 }, None, error.as_str().as_bytes().to_vec())
            }
        };
        let now = self.plan.clock.steady();
        let settled = self.machine.borrow_mut().settle(now, attempt.id, outcome);
        let Some(settled) = settled else { return may_have_left };
        self.tell(attempt, flow, outcome, &settled, (now, now.since(queued_at)));
        if let Some(settlement) = self.settlement(attempt, priority, status, body, settled.verdict) {
            self.record(Settlement { said: Said::all(told), ..settlement }).await;
            // It has left the outbox, and its number does not come back.
            self.never_left(attempt.id);
        }
        may_have_left
    }

    /// Takes a delivery out of the queue for good before the next of its key is read: what follows depends on it.
    async fn leave_out(&self, settlement: Settlement) {
        self.recording.set(self.recording.get() + 1);
        loop {
            let order = Order::LeaveOut(settlement.clone());
            match self.plan.journal.send(Do { order, now: self.plan.clock.wall() }).await {
                Ok(Err(_)) => sleep(READ_PAUSE).await,
                // Where the box stops, it is decided again after the start.
                Ok(Ok(_)) | Err(_) => break,
            }
        }
        self.recording.set(self.recording.get() - 1);
    }

    /// A settlement that the journal cannot take now is offered again: the entry has left the machine and must leave the outbox.
    async fn record(&self, settlement: Settlement) {
        self.recording.set(self.recording.get() + 1);
        self.offer(settlement).await;
        self.recording.set(self.recording.get() - 1);
    }

    async fn offer(&self, settlement: Settlement) {
        loop {
            match self.plan.journal.send(Settle(settlement.clone())).await {
                Ok(Ok(())) => return,
                Ok(Err(_)) => sleep(READ_PAUSE).await,
                // The box stops; the delivery is made again with the same key.
                Err(_) => return,
            }
        }
    }

    fn meaning(&self, attempt: Attempt, reply: Reply) -> (Outcome, Option<u16>, Vec<u8>) {
        match reply {
            Reply::Answer { status, retry_after, body } => {
                let wall = self.plan.clock.wall();
                (classify(status, retry_after.as_deref(), attempt.number, wall), Some(status), body)
            }
            Reply::Acknowledged { code, echoed, sent, answer } => {
                (classify_ack(code.as_str().as_bytes(), &echoed, &sent, self.on_error()), None, answer)
            }
            Reply::Malformed { answer } => (Outcome::FAILING, None, answer),
            Reply::Committed | Reply::Filed => (Outcome::Delivered, None, Vec::new()),
            Reply::NotCommitted | Reply::NotFiled => (Outcome::FAILING, None, Vec::new()),
            Reply::Unfit { why } => (Outcome::Refused { status: 0 }, None, why.as_bytes().to_vec()),
            Reply::Timeout => (Outcome::TIMEOUT, None, Vec::new()),
            Reply::Unreached | Reply::Broken => (Outcome::UNREACHABLE, None, Vec::new()),
        }
    }

    fn on_error(&self) -> OnError {
        match &self.plan.settings.kind {
            DestinationKind::Mllp(target) => target.on_error,
            DestinationKind::Http | DestinationKind::Fhir | DestinationKind::Folder(_) => OnError::Retry,
        }
    }

    /// Tells what was odd about an exchange, whatever came of it.
    fn tell_odd(&self, attempt: Attempt, attempted: &Attempted) {
        let meter = self.plan.telemetry.destination(self.plan.destination);
        let tell = |fault| meter.tell(DestinationSignal::Exchange { endpoint: attempt.endpoint, fault });
        if attempted.resent == Resent::OnAnotherConnection {
            tell(ExchangeFault::DeadConnection);
        }
        match &attempted.reply {
            Reply::Acknowledged { echoed, sent, .. } if echoed != sent => tell(ExchangeFault::OtherMessage),
            Reply::Malformed { .. } => tell(ExchangeFault::MalformedAnswer),
            _ => {}
        }
    }

    fn settlement(
        &self,
        attempt: Attempt,
        priority: Priority,
        status: Option<u16>,
        response: Vec<u8>,
        verdict: Verdict,
    ) -> Option<Settlement> {
        let kind = match verdict {
            Verdict::Delivered => SettlementKind::Delivered,
            Verdict::DeadLetter(reason) => SettlementKind::DeadLetter { reason: word(reason), response },
            Verdict::RetryAt { .. } | Verdict::Stopped { .. } => return None,
        };
        Some(self.settled(attempt, priority, status, kind))
    }

    fn settled(&self, attempt: Attempt, priority: Priority, status: Option<u16>, kind: SettlementKind) -> Settlement {
        Settlement {
            id: attempt.id,
            destination: self.plan.destination,
            priority,
            attempts: attempt.number,
            status,
            endpoint: attempt.endpoint,
            at: self.plan.clock.wall(),
            said: Vec::new(),
            kind,
        }
    }

    fn tell(
        &self,
        attempt: Attempt,
        flow: Option<usize>,
        outcome: Outcome,
        settled: &Settled,
        (now, took): (Timestamp, Duration),
    ) {
        let meter = self.plan.telemetry.destination(self.plan.destination);
        let up = self.machine.borrow().view(now).up.unwrap_or(true);
        meter.attempted(AttemptResult::of(outcome.label()).unwrap_or(AttemptResult::Retry), up);
        match settled.verdict {
            Verdict::Delivered => self.flow_meter(flow).delivered(took),
            Verdict::DeadLetter(reason) => {
                self.flow_meter(flow).tell(FlowSignal::DeadLettered { entry: attempt.id, reason: word(reason) });
            }
            Verdict::Stopped { status } => meter.tell(DestinationSignal::Stopped { entry: attempt.id, status }),
            Verdict::RetryAt { .. } => {}
        }
        for change in &settled.changes {
            meter.tell(match *change {
                Change::Opened { endpoint, until } => {
                    DestinationSignal::BreakerOpened { endpoint, pause: until.since(now) }
                }
                Change::Closed { endpoint } => DestinationSignal::BreakerClosed { endpoint },
                Change::Switched { from, to } => DestinationSignal::Switched { from, to },
                Change::Paused { endpoint, until } => DestinationSignal::Paused { endpoint, pause: until.since(now) },
            });
        }
    }

    fn flow_meter(&self, flow: Option<usize>) -> &FlowMeter {
        flow.map_or_else(|| self.plan.telemetry.unrouted(), |flow| self.plan.telemetry.flow(flow))
    }
}

/// Whether a delivery about jobs may have left before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Touched {
    /// It is not about jobs.
    NoJobs,
    /// It never left.
    Never,
    /// It may have.
    Maybe,
}

/// When it was noted that a delivery may be attempted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Noted {
    /// Earlier.
    Before,
    /// Just now, which took its time.
    Now,
}

/// Deliveries for which one note says that they may be attempted: a commit each would slow all of them down.
const ATTEMPTS_NOTED: i64 = 64;

/// Pause after a failed read of the store.
const READ_PAUSE: Duration = Duration::from_millis(200);

const fn word(reason: DeadReason) -> &'static str {
    match reason {
        DeadReason::Refused { .. } => "refused",
        DeadReason::TooOld => "too_old",
    }
}
