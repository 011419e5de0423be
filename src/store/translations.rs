//! Reads for who looks after maps: stored messages, and deliveries by the map that they were made with.
//!
//! Short reads, like the listings: who asks for more than a page asks again.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::reader::{Stored, message};
use crate::{ids::JournalId, units::Timestamp};

type Read<T> = Result<T, rusqlite::Error>;

/// A delivery that was confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Its number.
    pub delivery: i64,
    /// The message.
    pub journal: i64,
    /// Its flow's name.
    pub flow: String,
    /// When it was confirmed.
    pub at: Timestamp,
}

/// Bytes of messages after which a page ends.
const PAGE_BYTES: usize = 16 << 20;

/// The newest messages before `before`, newest first, at most `limit`, and fewer where they are large; none at the end.
///
/// # Errors
/// Those of SQLite.
pub fn newest(connection: &Connection, before: i64, limit: usize) -> Read<Vec<Stored>> {
    let ids: Vec<i64> = connection
        .prepare_cached("SELECT id FROM journal WHERE id < ?1 ORDER BY id DESC LIMIT ?2")?
        .query_map(params![before, i64::try_from(limit).unwrap_or(i64::MAX)], |row| row.get(0))?
        .collect::<Read<_>>()?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    for id in ids {
        let Some(stored) = message(connection, JournalId(id))? else { continue };
        bytes += stored.raw.len();
        page.push(stored);
        if bytes > PAGE_BYTES {
            break;
        }
    }
    Ok(page)
}

/// The highest number of a delivery that has ended, and the first that ended at `since` or later.
///
/// # Errors
/// Those of SQLite.
pub fn window(connection: &Connection, since: Timestamp) -> Read<(i64, i64)> {
    let last: Option<i64> = connection.query_row("SELECT max(id) FROM receipt", [], |row| row.get(0))?;
    let before: Option<i64> = connection
        .prepare_cached("SELECT id FROM receipt WHERE finished_at < ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([since.0], |row| row.get(0))
        .optional()?;
    Ok((before.map_or(1, |before| before + 1), last.unwrap_or(0)))
}

/// The deliveries made with `mapping` whose numbers lie between `first` and `last`, from the `limit` lowest numbers looked
/// at; and where the next page begins, if there is one.
///
/// # Errors
/// Those of SQLite.
pub fn passed(
    connection: &Connection,
    mapping: &str,
    (first, last): (i64, i64),
    limit: i64,
) -> Read<(Vec<Passed>, Option<i64>)> {
    let to = last.min(first.saturating_add(limit - 1));
    let found = connection
        .prepare_cached(
            "SELECT r.id, r.journal, (SELECT name FROM name WHERE name.id = r.flow), r.finished_at FROM receipt r
             WHERE r.id BETWEEN ?1 AND ?2
             AND r.mapping = (SELECT id FROM name WHERE kind = 'mapping' AND name = ?3)",
        )?
        .query_map(params![first, to, mapping], |row| {
            Ok(Passed { delivery: row.get(0)?, journal: row.get(1)?, flow: row.get(2)?, at: Timestamp(row.get(3)?) })
        })?
        .collect::<Read<_>>()?;
    Ok((found, (to < last).then_some(to + 1)))
}
