//! Upkeep beside the commit path: writing the log back, retention, integrity after an unclean stop.
//!
//! Copying the log into the database and syncing it takes longer than a commit, so it runs here on a connection of its own;
//! the journal thread only copies the short rest, after which the log starts over. Retention is ordered from the journal
//! thread in bounded batches. A store too large to be checked before the first message is checked here, range by range.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    Error, Plan,
    open::{connect, database},
    shared::Shared,
    threads::Threads,
    transaction::{Order, OrderOutcome},
    writer::Request,
};
use crate::units::{ByteCount, Timestamp};

/// Pages in the log at which it is written back: 32 MiB, or a sixteenth of a small store.
const WRITE_BACK_PAGES: u64 = 8192;
/// Pages that may be left for the journal thread, which answers nobody while it copies them.
const REST_PAGES: u32 = 128;
/// Times the log is copied before the rest is left to the journal thread however long it is.
const PASSES_MAX: usize = 4;
/// How often retention looks for old messages.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// Journal rows read in one step of an integrity check.
const CHECK_ROWS: i64 = 2000;

/// The maintenance thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Maintenance {
    work: SyncSender<Work>,
    is_busy: Arc<AtomicBool>,
}

enum Work {
    WriteBack,
}

impl Maintenance {
    /// Starts the thread.
    pub(super) fn start(
        plan: &Plan,
        keep: Duration,
        check: Check,
        journal: SyncSender<Request>,
        shared: Arc<Shared>,
        threads: &Threads,
    ) -> Result<Self, Error> {
        let (work, orders) = sync_channel(1);
        let is_busy = Arc::new(AtomicBool::new(false));
        let busy = Arc::clone(&is_busy);
        let plan = plan.clone();
        let thread = thread::Builder::new()
            .name("maintenance".to_owned())
            .spawn(move || Thread { plan, keep, journal, shared, busy }.run(&orders, check))
            .map_err(Error::file("start", "the maintenance thread"))?;
        threads.add(thread);
        Ok(Self { work, is_busy })
    }

    /// Has the log written back if it is long and that is not under way.
    pub(super) fn write_back_if_due(&self, pages: u32, limit: ByteCount) {
        let due = (limit.0 / 4096 / 16).min(WRITE_BACK_PAGES);
        if u64::from(pages) >= due
            && !self.is_busy.swap(true, Ordering::AcqRel)
            && self.work.try_send(Work::WriteBack).is_err()
        {
            self.is_busy.store(false, Ordering::Release);
        }
    }
}

/// Whether the store is to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// The last stop was clean, or the check was made.
    NotDue,
    /// The last stop was not clean and the store is large.
    Due,
}

struct Thread {
    plan: Plan,
    keep: Duration,
    journal: SyncSender<Request>,
    shared: Arc<Shared>,
    busy: Arc<AtomicBool>,
}

impl Thread {
    fn run(self, orders: &Receiver<Work>, check: Check) {
        // Upkeep gives way to commits; where the system does not allow that, it competes with them.
        rustix::process::setpriority_process(None, 10).ok();
        let mut connection = None;
        if check == Check::Due && self.check().is_err() {
            self.shared.damaged();
        }
        loop {
            match orders.recv_timeout(RETENTION_EVERY) {
                Ok(Work::WriteBack) => {
                    self.write_back(&mut connection);
                    self.busy.store(false, Ordering::Release);
                }
                Err(RecvTimeoutError::Timeout) => self.purge(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn connect(&self) -> Result<Connection, Error> {
        connect(&database(&self.plan.path), &self.plan.key, 256)
    }

    /// Copies the log until little is left, then has the journal thread copy that. A failure is the journal thread's to see.
    fn write_back(&self, connection: &mut Option<Connection>) {
        if connection.is_none() {
            *connection = self.connect().ok();
        }
        let copied = connection.as_ref().is_some_and(|open| self.copy_log(open).is_ok());
        if !copied {
            *connection = None;
        }
        // The journal thread may be stopping; its close writes the log back whole.
        self.journal.send(Request::WriteBack).ok();
    }

    fn copy_log(&self, connection: &Connection) -> Result<(), rusqlite::Error> {
        for _ in 0..PASSES_MAX {
            let copied: i64 = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2))?;
            let copied = u32::try_from(copied).unwrap_or(0);
            if self.shared.log_pages().saturating_sub(copied) <= REST_PAGES {
                break;
            }
        }
        Ok(())
    }

    /// Orders purges until none is due.
    fn purge(&self) {
        let now = wall_clock();
        let before = Timestamp(now.0 - i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX));
        loop {
            let (reply, outcome) = oneshot::channel();
            let request = Request::Order { order: Order::Purge { before }, now, reply };
            if self.journal.send(request).is_err() {
                return;
            }
            match outcome.blocking_recv() {
                Ok(Ok(OrderOutcome::Purged { messages: 1.., .. })) => {}
                _ => return,
            }
        }
    }

    /// Reads every page of the journal by ranges, in short transactions, and checks the small tables whole. Every page read is
    /// verified by its HMAC.
    fn check(&self) -> Result<(), Error> {
        let failed = || Error::database("check itself");
        let connection = self.connect()?;
        for table in ["outbox", "tally", "depth", "aside", "name", "meta", "audit", "seen_run"] {
            let found: String = connection
                .query_row(&format!("PRAGMA quick_check('{table}')"), [], |row| row.get(0))
                .map_err(failed())?;
            if found != "ok" {
                return Err(Error::Corrupt { path: database(&self.plan.path), detail: found });
            }
        }
        let (first, last): (Option<i64>, Option<i64>) = connection
            .query_row("SELECT min(id), max(id) FROM journal", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed())?;
        let (mut from, last) = (first.unwrap_or(1), last.unwrap_or(0));
        while from <= last {
            connection
                .query_row(
                    "SELECT total(length(raw)) FROM journal WHERE id >= ?1 AND id < ?2",
                    [from, from + CHECK_ROWS],
                    |_| Ok(()),
                )
                .map_err(failed())?;
            from += CHECK_ROWS;
            thread::yield_now();
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "retention goes by the wall clock")]
fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
