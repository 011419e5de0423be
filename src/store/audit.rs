//! The audit table: who did what, sealed in a chain.
//!
//! Each entry's seal is a keyed hash over the entry and the seal before it, so a changed, removed or reordered entry breaks
//! every seal after it (INV-11). Cutting off the end is found only by a copy of the last seal kept elsewhere.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::{Error, Plan, key::StoreKey, open_offline};
use crate::units::Timestamp;

/// One thing that was done. No patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who: an account, or `gurney`.
    pub actor: String,
    /// What: a closed word.
    pub action: &'static str,
    /// On what.
    pub subject: String,
    /// Why, and particulars.
    pub detail: String,
}

/// The chain's end.
#[derive(Debug)]
pub(super) struct Chain {
    key: StoreKey,
    seq: i64,
    seal: Vec<u8>,
}

impl Chain {
    /// Finds the end of the chain.
    pub(super) fn load(connection: &Connection, key: &StoreKey) -> Result<Self, rusqlite::Error> {
        let last = connection
            .query_row("SELECT seq, seal FROM audit ORDER BY seq DESC LIMIT 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let (seq, seal) = last.unwrap_or((0, Vec::new()));
        Ok(Self { key: key.clone(), seq, seal })
    }

    /// Appends an entry inside the caller's transaction.
    pub(super) fn append(
        &mut self,
        connection: &Connection,
        now: Timestamp,
        entry: &Entry,
    ) -> Result<(), rusqlite::Error> {
        let seq = self.seq + 1;
        let seal = seal(&self.key, &self.seal, seq, now, entry);
        connection
            .prepare_cached(
                "INSERT INTO audit (seq, at, actor, action, subject, detail, seal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![seq, now.0, entry.actor, entry.action, entry.subject, entry.detail, seal])?;
        self.seq = seq;
        self.seal = seal;
        Ok(())
    }
}

/// What a verification of the chain found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCheck {
    /// Entries that hold, from the first.
    pub entries: i64,
    /// The first entry that does not hold.
    pub broken_at: Option<i64>,
    /// The seal of the last entry that holds: a copy of it kept elsewhere proves later that the end was not cut off.
    pub seal: String,
}

/// Verifies the whole audit chain of a store, also of one that a daemon runs on.
///
/// # Errors
/// As [`open_offline`].
pub fn verify_audit(plan: &Plan) -> Result<AuditCheck, Error> {
    let connection = open_offline(plan)?;
    verify(&connection, &plan.key).map_err(Error::database("read its audit chain"))
}

fn verify(connection: &Connection, key: &StoreKey) -> Result<AuditCheck, rusqlite::Error> {
    let mut select =
        connection.prepare("SELECT seq, at, actor, action, subject, detail, seal FROM audit ORDER BY seq")?;
    let mut rows = select.query([])?;
    let (mut last, mut before, mut broken_at) = (0, Vec::new(), None);
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let (at, found): (i64, Vec<u8>) = (row.get(1)?, row.get(6)?);
        let texts: [String; 4] = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
        if seq != last + 1 || seal_of(key, &before, seq, at, texts.each_ref().map(String::as_str)) != found {
            broken_at = Some(seq);
            break;
        }
        (last, before) = (seq, found);
    }
    let seal = before.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(AuditCheck { entries: last, broken_at, seal })
}

fn seal(key: &StoreKey, before: &[u8], seq: i64, at: Timestamp, entry: &Entry) -> Vec<u8> {
    seal_of(key, before, seq, at.0, [&entry.actor, entry.action, &entry.subject, &entry.detail])
}

fn seal_of(key: &StoreKey, before: &[u8], seq: i64, at: i64, texts: [&str; 4]) -> Vec<u8> {
    let mut message = Vec::with_capacity(128);
    message.extend_from_slice(b"gurney audit 1");
    message.extend_from_slice(before);
    message.extend_from_slice(&seq.to_be_bytes());
    message.extend_from_slice(&at.to_be_bytes());
    for text in texts {
        message.extend_from_slice(&(text.len() as u64).to_be_bytes());
        message.extend_from_slice(text.as_bytes());
    }
    key.seal(&message).to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_the_first_entry_that_was_changed() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE audit (seq INTEGER PRIMARY KEY, at, actor TEXT, action TEXT, subject TEXT, detail TEXT, seal BLOB)")
            .unwrap();
        let key = StoreKey::random().unwrap();
        let mut chain = Chain::load(&connection, &key).unwrap();
        for n in 0..10 {
            let entry =
                Entry { actor: "tester".to_owned(), action: "discard", subject: n.to_string(), detail: String::new() };
            chain.append(&connection, Timestamp(n), &entry).unwrap();
        }
        let broken_at = || verify(&connection, &key).unwrap().broken_at;
        let good = verify(&connection, &key).unwrap();
        assert_eq!((good.entries, good.broken_at, good.seal.len()), (10, None, 64));
        connection.execute("UPDATE audit SET actor = 'other' WHERE seq = 4", []).unwrap();
        assert_eq!(broken_at(), Some(4));
        connection.execute("UPDATE audit SET actor = 'tester' WHERE seq = 4", []).unwrap();
        connection.execute("DELETE FROM audit WHERE seq = 7", []).unwrap();
        assert_eq!(broken_at(), Some(8));
        assert_eq!(verify(&connection, &StoreKey::random().unwrap()).unwrap().broken_at, Some(1));
    }
}
