//! Parts of longer messages: which of them wait for which, and what they became.
//!
//! Written inside the journal's transaction. A part waits as long as all its entries for a person (`held`, "continuation")
//! are there: they also keep its bytes from retention. The whole is a row of the journal beside its parts, with the joined
//! bytes, so that deliveries, listings and retention know nothing of parts.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::{
    flow::{CONTINUATION, PartOf},
    hl7::continuation::Part,
    ids::JournalId,
    units::{Timestamp, limits},
};

type Done<T> = Result<T, rusqlite::Error>;

/// A part that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) journal: i64,
    pub(super) part: Part,
}

/// Notes a part; `whole` is the message it completed.
pub(super) fn keep(
    connection: &Connection,
    link: i64,
    of: PartOf,
    at: Timestamp,
    journal: i64,
    whole: Option<i64>,
) -> Done<()> {
    connection
        .prepare_cached(
            "INSERT INTO part (journal, link, family, pointer, next, body, bytes, at, whole)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            journal,
            link,
            of.family,
            of.part.pointer,
            of.part.next,
            of.part.body,
            i64::try_from(of.part.bytes).unwrap_or(i64::MAX),
            at.0,
            whole
        ])?;
    Ok(())
}

/// The newest parts that may belong to the same message, oldest first; none while there is no last part, which is so for all
/// but one of the parts of a message.
pub(super) fn waiting(connection: &Connection, link: i64, of: PartOf, now: Timestamp) -> Done<Vec<Waiting>> {
    let age = i64::try_from(limits::CONTINUATION_AGE_MAX.as_millis()).unwrap_or(i64::MAX);
    let since = now.0.saturating_sub(age);
    if of.part.next.is_some() {
        let last = connection
            .prepare_cached(
                "SELECT 1 FROM part WHERE link = ?1 AND family = ?2 AND next IS NULL AND at >= ?3 AND whole IS NULL LIMIT 1",
            )?
            .query_row(params![link, of.family, since], |_| Ok(()))
            .optional()?;
        if last.is_none() {
            return Ok(Vec::new());
        }
    }
    // Those of two messages of any length.
    let most = i64::try_from(2 * limits::CONTINUATION_PARTS_MAX).unwrap_or(i64::MAX);
    let mut newest = connection
        .prepare_cached(
            "SELECT journal, pointer, next, body, bytes FROM part
             WHERE link = ?1 AND family = ?2 AND at >= ?3 AND whole IS NULL ORDER BY journal DESC LIMIT ?4",
        )?
        .query_map(params![link, of.family, since, most], |row| {
            let bytes: i64 = row.get(4)?;
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let part = Part { pointer: row.get(1)?, next: row.get(2)?, body: row.get(3)?, bytes };
            Ok(Waiting { journal: row.get(0)?, part })
        })?
        .collect::<Done<Vec<_>>>()?;
    newest.reverse();
    Ok(newest)
}

/// The bytes of a part.
pub(super) fn raw(connection: &Connection, journal: i64) -> Done<Vec<u8>> {
    connection.prepare_cached("SELECT raw FROM journal WHERE id = ?1")?.query_row([journal], |row| row.get(0))
}

/// Notes what a part became, and gives the row numbers of the flows that held it.
pub(super) fn resolve(connection: &Connection, journal: i64, whole: i64) -> Done<Vec<i64>> {
    connection.prepare_cached("UPDATE part SET whole = ?2 WHERE journal = ?1")?.execute([journal, whole])?;
    connection
        .prepare_cached("DELETE FROM aside WHERE journal = ?1 AND reason = ?2 RETURNING flow")?
        .query_map(params![journal, CONTINUATION], |row| row.get(0))?
        .collect()
}

/// A part that a person took off the list waits no longer.
pub(super) fn give_up(connection: &Connection, journal: JournalId) -> Done<()> {
    connection.prepare_cached("DELETE FROM part WHERE journal = ?1 AND whole IS NULL")?.execute([journal.0])?;
    Ok(())
}

/// The message whose deliveries are those of `journal`: the whole, for a part of one.
pub(super) fn whole_of(connection: &Connection, journal: JournalId) -> Done<JournalId> {
    let whole = connection
        .prepare_cached("SELECT whole FROM part WHERE journal = ?1")?
        .query_row([journal.0], |row| row.get::<_, Option<i64>>(0))
        .optional()?;
    Ok(whole.flatten().map_or(journal, JournalId))
}

/// Deletes what is known of messages that retention removed.
pub(super) fn forget(connection: &Connection, journals: &[i64]) -> Done<()> {
    let mut delete = connection.prepare_cached("DELETE FROM part WHERE journal = ?1")?;
    for journal in journals {
        delete.execute([journal])?;
    }
    Ok(())
}
