//! Reading beside the writer: couriers' pages, status and listings.
//!
//! One thread with its own connection runs short read transactions in the order in which they were asked for. Long reads are
//! cut into pages, because an open read transaction keeps the log from starting over.

use std::{
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::oneshot;

use super::{
    Error, Plan, open_reader,
    rows::{lane, priority},
};
use crate::{
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
    tasks: SyncSender<Task>,
}

impl Reader {
    /// Starts a reader thread.
    ///
    /// # Errors
    /// If the store cannot be opened for reading.
    pub fn start(plan: &Plan) -> Result<Self, Error> {
        let connection = open_reader(plan)?;
        let (tasks, queue) = sync_channel::<Task>(QUEUE_MAX);
        thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || {
                for task in queue {
                    task(&connection);
                }
            })
            .map_err(Error::file("start", "a reader thread"))?;
        Ok(Self { tasks })
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
        self.tasks.try_send(task).map_err(|_| Error::Stopped)?;
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
    /// Row number of the mapping.
    pub mapping: i64,
    /// Entries with the same key leave one after the other.
    pub ordering_key: u64,
    /// When it was queued.
    pub enqueued_at: Timestamp,
}

/// The next entries of a lane after `after`, oldest first, at most `most`.
///
/// # Errors
/// Those of SQLite.
pub fn page(
    connection: &Connection,
    destination: i64,
    in_lane: Priority,
    after: OutboxId,
    most: usize,
) -> Result<Vec<Waiting>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT id, priority, journal, flow, mapping, ordering_key, enqueued_at FROM outbox
             WHERE destination = ?1 AND priority = ?2 AND id > ?3 ORDER BY id LIMIT ?4",
        )?
        .query_map(params![destination, lane(in_lane), after.0, most as i64], |row| {
            Ok(Waiting {
                id: OutboxId(row.get(0)?),
                priority: priority(row.get(1)?),
                journal: JournalId(row.get(2)?),
                flow: row.get(3)?,
                mapping: row.get(4)?,
                ordering_key: row.get::<_, i64>(5)?.cast_unsigned(),
                enqueued_at: Timestamp(row.get(6)?),
            })
        })?
        .collect()
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
        .prepare_cached("SELECT link, received_at, kind, content_hash, raw FROM journal WHERE id = ?1")?
        .query_row([id.0], |row| {
            Ok(Stored {
                id,
                link: row.get(0)?,
                received_at: Timestamp(row.get(1)?),
                kind: row.get(2)?,
                content_hash: row.get(3)?,
                raw: row.get(4)?,
            })
        })
        .optional()
}

/// When the oldest waiting entry of a destination was queued.
///
/// # Errors
/// Those of SQLite.
pub fn oldest(connection: &Connection, destination: i64) -> Result<Option<Timestamp>, rusqlite::Error> {
    let mut oldest: Option<Timestamp> = None;
    for in_lane in super::rows::LANES {
        let first = page(connection, destination, in_lane, OutboxId(0), 1)?.first().map(|entry| entry.enqueued_at);
        oldest = match (oldest, first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    Ok(oldest)
}
