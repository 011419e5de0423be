//! Reading beside the writer: couriers' pages, status and listings.
//!
//! One thread with its own connection runs short read transactions in the order in which they were asked for. Long reads are
//! cut into pages, because an open read transaction keeps the log from starting over.

use std::{
    sync::mpsc::{SyncSender, TrySendError, sync_channel},
    thread,
};

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::sync::oneshot;

use super::{
    Error, Plan, answers, jobs, open_reader,
    rows::{lane, priority, verdict},
    threads::Threads,
};
use crate::{
    delivery::Want,
    flow::{Fate, Step, Verdict},
    ids::{JournalId, OutboxId},
    settings::Priority,
    units::Timestamp,
};

type Task = Box<dyn FnOnce(&Connection) + Send>;

/// Reads waiting for the thread.
const QUEUE_MAX: usize = 256;

/// The way to a reader thread.
#[derive(Clone, Debug)]
pub struct Reader {
    /// `None` ends the thread.
    tasks: SyncSender<Option<Task>>,
    threads: Threads,
}

impl Reader {
    /// Starts a reader thread.
    ///
    /// # Errors
    /// If the store cannot be opened for reading.
    pub fn start(plan: &Plan) -> Result<Self, Error> {
        let connection = open_reader(plan)?;
        let (tasks, queue) = sync_channel::<Option<Task>>(QUEUE_MAX);
        let thread = thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || {
                while let Ok(Some(task)) = queue.recv() {
                    task(&connection);
                }
            })
            .map_err(Error::file("start", "a reader thread"))?;
        let threads = Threads::default();
        threads.add(thread);
        Ok(Self { tasks, threads })
    }

    /// Ends the thread after what was asked for before, and waits for it. Later reads are refused.
    pub async fn close(&self) {
        while let Err(TrySendError::Full(_)) = self.tasks.try_send(None) {
            tokio::task::yield_now().await;
        }
        self.threads.ended().await;
    }

    /// Runs `read` on the reader thread.
    ///
    /// # Errors
    /// [`Error::Database`] if it fails, [`Error::Stopped`] if the thread is gone or has too much to do.
    pub async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, result) = oneshot::channel();
        let task: Task = Box::new(move |connection| {
            // Whoever asked may have gone.
            reply.send(read(connection)).ok();
        });
        self.tasks.try_send(Some(task)).map_err(|_| Error::Stopped)?;
        result.await.map_err(|_| Error::Stopped)?.map_err(Error::database("read"))
    }
}

/// An entry of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its place.
    pub id: OutboxId,
    /// Its lane.
    pub priority: Priority,
    /// The message.
    pub journal: JournalId,
    /// Row number of the flow.
    pub flow: i64,
    /// Entries with the same key leave one after the other.
    pub ordering_key: u64,
    /// When it was queued.
    pub enqueued_at: Timestamp,
}

/// The entries of a lane that `want` asks for, oldest first. Asking for one key of a long lane reads past the others.
///
/// # Errors
/// Those of SQLite.
pub fn page(connection: &Connection, destination: i64, want: Want) -> Result<Vec<Waiting>, rusqlite::Error> {
    let sql = match want.key {
        None => {
            "SELECT id, priority, journal, flow, ordering_key, enqueued_at FROM outbox
                 WHERE destination = ?1 AND priority = ?2 AND id > ?3 AND ?5 IS NULL ORDER BY id LIMIT ?4"
        }
        Some(_) => {
            "SELECT id, priority, journal, flow, ordering_key, enqueued_at FROM outbox
                 WHERE destination = ?1 AND priority = ?2 AND id > ?3 AND ordering_key = ?5 ORDER BY id LIMIT ?4"
        }
    };
    connection
        .prepare_cached(sql)?
        .query_map(
            params![
                destination,
                lane(want.priority),
                want.after.0,
                i64::try_from(want.limit).unwrap_or(i64::MAX),
                want.key.map(u64::cast_signed)
            ],
            waiting,
        )?
        .collect()
}

fn waiting(row: &Row<'_>) -> Result<Waiting, rusqlite::Error> {
    Ok(Waiting {
        id: OutboxId(row.get(0)?),
        priority: priority(row.get(1)?),
        journal: JournalId(row.get(2)?),
        flow: row.get(3)?,
        ordering_key: row.get::<_, i64>(4)?.cast_unsigned(),
        enqueued_at: Timestamp(row.get(5)?),
    })
}

/// A delivery that is due: its entry, its message, and the mapping it was decided with.
pub struct Due {
    /// The entry.
    pub waiting: Waiting,
    /// The message.
    pub message: Stored,
    /// `raw` or `name@version`.
    pub mapping: String,
    /// What it tells of jobs.
    pub steps: Vec<Step>,
    /// Which telling of its message's jobs it is; 0 for one that came of the message itself.
    pub occasion: u32,
}

/// Reads what a delivery needs; `None` if it is no longer in the outbox.
///
/// # Errors
/// Those of SQLite.
pub fn due(connection: &Connection, destination: i64, id: OutboxId) -> Result<Option<Due>, rusqlite::Error> {
    let found = connection
        .prepare_cached(
            "SELECT id, priority, journal, flow, ordering_key, enqueued_at,
                    (SELECT name FROM name WHERE name.id = mapping) FROM outbox
             WHERE destination = ?1 AND priority IN (0, 1, 2) AND id = ?2",
        )?
        .query_row(params![destination, id.0], |row| Ok((waiting(row)?, row.get::<_, String>(6)?)))
        .optional()?;
    let Some((waiting, mapping)) = found else { return Ok(None) };
    let (steps, occasion) = (jobs::steps(connection, id)?, jobs::occasion(connection, id)?);
    Ok(message(connection, waiting.journal)?.map(|message| Due { waiting, message, mapping, steps, occasion }))
}

/// A message in the journal.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place.
    pub id: JournalId,
    /// Row number of its link.
    pub link: i64,
    /// When it came.
    pub received_at: Timestamp,
    /// Message code and trigger.
    pub kind: String,
    /// What its sender was told.
    pub verdict: Verdict,
    /// What became of the deliveries that its acknowledgement waited for.
    pub fate: Fate,
    /// SHA-256 of its content.
    pub content_hash: [u8; 32],
    /// The message, byte by byte.
    pub raw: Vec<u8>,
}

/// Reads a message; `None` once retention has removed it.
///
/// # Errors
/// Those of SQLite.
pub fn message(connection: &Connection, id: JournalId) -> Result<Option<Stored>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT link, received_at, kind, content_hash, raw, verdict,
                    (SELECT refusal FROM awaited WHERE awaited.journal = journal.id) FROM journal WHERE id = ?1",
        )?
        .query_row([id.0], |row| {
            Ok(Stored {
                id,
                link: row.get(0)?,
                received_at: Timestamp(row.get(1)?),
                kind: row.get(2)?,
                content_hash: row.get(3)?,
                raw: row.get(4)?,
                verdict: verdict(row.get(5)?),
                fate: answers::fate(row.get(6)?),
            })
        })
        .optional()
}

/// When the oldest waiting entry of a destination was queued.
///
/// # Errors
/// Those of SQLite.
pub fn oldest(connection: &Connection, destination: i64) -> Result<Option<Timestamp>, rusqlite::Error> {
    let mut oldest = None;
    for in_lane in super::rows::LANES {
        let first = Want { priority: in_lane, key: None, after: OutboxId(0), limit: 1 };
        let at = page(connection, destination, first)?.first().map(|entry| entry.enqueued_at);
        oldest = [oldest, at].into_iter().flatten().min();
    }
    Ok(oldest)
}

/// How many messages are set aside, by row number of the flow and kind.
///
/// # Errors
/// Those of SQLite.
pub fn aside_counts(connection: &Connection) -> Result<Vec<(i64, String, i64)>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT flow, kind, count(*) FROM aside GROUP BY flow, kind")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}
