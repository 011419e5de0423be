//! Sends generated traffic over MLLP as a careful EHR does.
//!
//! Every connection has a generator and a window of its own, so the messages of one patient travel on one connection.
//! What a connection sent and was not told to be safe stays in its window; when the connection is lost or an answer
//! is late, the socket is closed (so that a late answer cannot be taken for the next one) and the window is sent again,
//! the same bytes in the same order. Only AA and CA settle a message, matched by MSA-2 against MSH-10. AE, AR, CE and CR
//! leave it in the window: after a pause it is sent again.
//!
//! Bounds: 1024 connections, 1024 messages in flight on each. With a window above one and an
//! answer that refuses, later messages of the window may be accepted first: then the order was broken by the sender.
//! Does not speak TLS.

mod link;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{Clock, Dialect, Generator, Ledger, Profile};
use crate::sim::{
    Error, Stop, Stopper, stop_pair,
    tally::{Latencies, LatencySummary},
};

/// Connections of one sender.
const CONNECTIONS_MAX: usize = 1024;
/// Messages in flight on one connection.
const WINDOW_MAX: usize = 1024;

/// What to send, where, and how fast.
#[derive(Clone, Debug)]
pub struct EhrOptions {
    /// Host and port of the MLLP listener.
    pub to: String,
    /// Connections, each with patients of its own.
    pub connections: usize,
    /// Messages in flight per connection; 1 is what MLLP release 1 expects.
    pub window: usize,
    /// New messages per second over all connections; none sends flat out.
    pub rate: Option<f64>,
    /// New messages over all connections; none goes on.
    pub messages: Option<u64>,
    /// Time after which no new message is made; none goes on.
    pub duration: Option<Duration>,
    /// Time after the last new message to get the rest acknowledged.
    pub linger: Duration,
    /// Time an answer may take before the connection is closed.
    pub answer_timeout: Duration,
    /// Pause before connecting again, and before repeating what was refused.
    pub pause: Duration,
    /// Determines the traffic.
    pub seed: u64,
    /// Names the traffic in control ids and record numbers; connections append a number.
    pub link: String,
    /// Dialects, taken in turn by the connections.
    pub dialects: Vec<Dialect>,
    /// Bytes that a message has at least.
    pub size: Option<usize>,
    /// Stays that run interleaved on each connection.
    pub population: usize,
    /// The times in the messages.
    pub clock: Clock,
    /// A file that every acknowledged control id is appended to.
    pub ledger: Option<PathBuf>,
}

impl Default for EhrOptions {
    fn default() -> Self {
        Self {
            to: "127.0.0.1:6661".into(),
            connections: 1,
            window: 1,
            rate: Some(5.0),
            messages: None,
            duration: None,
            linger: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
            pause: Duration::from_millis(200),
            seed: 1,
            link: "E".into(),
            dialects: vec![Dialect::Modern],
            size: None,
            population: 40,
            clock: Clock::Wall,
            ledger: None,
        }
    }
}

impl EhrOptions {
    /// The traffic that connection `number` sends; with a clock of steps, to the byte.
    pub fn generator(&self, number: usize) -> Generator {
        let turn = number.checked_rem(self.dialects.len()).unwrap_or(0);
        let profile = Profile {
            link: format!("{}{number}", self.link),
            dialect: self.dialects.get(turn).copied().unwrap_or_default(),
            size: self.size,
            population: self.population,
            clock: self.clock,
        };
        let own = u64::try_from(number).unwrap_or(u64::MAX).wrapping_mul(0x9e37_79b9);
        Generator::new(self.seed.wrapping_add(own), profile)
    }
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Messages made.
    pub made: u64,
    /// Messages written to a connection, repeats included.
    pub sent: u64,
    /// Of those, how many were sent before.
    pub repeated: u64,
    /// Messages positively acknowledged.
    pub acknowledged: u64,
    /// Answers that refused (AE, AR, CE, CR).
    pub refused: u64,
    /// Answers to nothing in flight, or that could not be read.
    pub stray: u64,
    /// Connections made.
    pub connects: u64,
    /// Attempts to connect that failed.
    pub connect_failures: u64,
    /// Connections lost with messages in flight or to come.
    pub lost_connections: u64,
    /// Answers that came too late or never.
    pub timeouts: u64,
}

/// How it ended.
#[derive(Clone, Debug, Serialize)]
pub struct EhrSummary {
    /// The counts.
    #[serde(flatten)]
    pub tally: Tally,
    /// Messages made and not acknowledged.
    pub unacknowledged: u64,
    /// Time from the start to the end.
    pub seconds: f64,
    /// Acknowledged messages per second.
    pub per_second: f64,
    /// From the last write of a message to its positive answer.
    pub answer: LatencySummary,
}

/// A sender at work.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    stopper: Stopper,
    tally: watch::Receiver<Tally>,
    running: mpsc::Receiver<()>,
    started: Instant,
}

/// What the connections have in common.
#[derive(Debug)]
struct Shared {
    options: EhrOptions,
    tally: watch::Sender<Tally>,
    ledger: Mutex<Ledger>,
    latencies: Mutex<Latencies>,
    ledger_fault: Mutex<Option<io::Error>>,
    deadline: Option<Instant>,
}

impl Sender {
    /// Starts sending on the current runtime.
    pub fn start(mut options: EhrOptions) -> Result<Self, Error> {
        options.connections = options.connections.clamp(1, CONNECTIONS_MAX);
        options.window = options.window.clamp(1, WINDOW_MAX);
        let ledger = match &options.ledger {
            Some(path) => Ledger::open(path).map_err(|source| Error::Write { path: path.clone(), source })?,
            None => Ledger::default(),
        };
        let started = Instant::now();
        let deadline = options.duration.and_then(|duration| started.checked_add(duration));
        let (sender, tally) = watch::channel(Tally::default());
        let (alive, running) = mpsc::channel(1);
        let (stopper, stop) = stop_pair();
        let shared = Arc::new(Shared {
            options,
            tally: sender,
            ledger: Mutex::new(ledger),
            latencies: Mutex::default(),
            ledger_fault: Mutex::default(),
            deadline,
        });
        for number in 0..shared.options.connections {
            let link = link::Link::new(Arc::clone(&shared), number, started);
            tokio::spawn(keep(link, stop.clone(), alive.clone()));
        }
        Ok(Self { shared, stopper, tally, running, started })
    }

    /// What happened so far.
    pub fn tally(&self) -> Tally {
        *self.tally.borrow()
    }

    /// Returns the counts once they satisfy `wanted`, or as they are at the end.
    pub async fn until(&mut self, wanted: impl Fn(&Tally) -> bool) -> Tally {
        tokio::select! {
            found = async { self.tally.wait_for(|tally| wanted(tally)).await.map(|tally| *tally) } => {
                found.unwrap_or_else(|_| *self.shared.tally.borrow())
            }
            _ = self.running.recv() => *self.shared.tally.borrow(),
        }
    }

    /// Returns once every connection has ended by itself.
    pub async fn ended(&mut self) {
        // Nothing is ever sent: the channel closes when the last connection drops its end.
        self.running.recv().await;
    }

    /// Ends now, with messages in flight left as they are.
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// The control ids acknowledged so far, oldest first.
    pub fn acknowledged(&self) -> Vec<String> {
        locked(&self.shared.ledger).ids().map(str::to_owned).collect()
    }

    /// Waits for the end and sums up.
    pub async fn finish(mut self) -> Result<EhrSummary, Error> {
        self.ended().await;
        let written = locked(&self.shared.ledger).flush();
        let fault = locked(&self.shared.ledger_fault).take();
        if let (Some(path), Some(source)) = (&self.shared.options.ledger, fault.or_else(|| written.err())) {
            return Err(Error::Write { path: path.clone(), source });
        }
        let tally = self.tally();
        let seconds = self.started.elapsed().as_secs_f64();
        let answer = locked(&self.shared.latencies).summary();
        let per_second = f64::from(u32::try_from(tally.acknowledged).unwrap_or(u32::MAX)) / seconds.max(1e-9);
        Ok(EhrSummary { tally, unacknowledged: tally.made - tally.acknowledged, seconds, per_second, answer })
    }
}

/// Keeps one connection until its work is done; `_alive` tells of its end by being dropped.
async fn keep(mut link: link::Link, mut stop: Stop, _alive: mpsc::Sender<()>) {
    tokio::select! {
        () = link.run() => {}
        () = stop.stopped() => {}
    }
}

impl Shared {
    fn count(&self, change: impl FnOnce(&mut Tally)) {
        self.tally.send_modify(change);
    }

    /// Enters a positive answer. A ledger that cannot be written is reported at the end.
    fn settle(&self, control_id: &str, latency: Duration) {
        if let Err(fault) = locked(&self.ledger).enter(control_id) {
            locked(&self.ledger_fault).get_or_insert(fault);
        }
        locked(&self.latencies).record(latency);
        self.count(|tally| tally.acknowledged += 1);
    }

    /// Whether the time or the budget for new messages is used up.
    fn is_exhausted(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
            || self.options.messages.is_some_and(|messages| self.tally.borrow().made >= messages)
    }

    /// Takes one message off the budget; false when none is left.
    fn take_budget(&self) -> bool {
        let messages = self.options.messages.unwrap_or(u64::MAX);
        self.tally.send_if_modified(|tally| {
            let free = tally.made < messages;
            tally.made += u64::from(free);
            free
        })
    }
}

/// Locks; a panic elsewhere leaves counts and lists usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
