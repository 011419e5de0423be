//! The duplicate index: which messages were taken in before.
//!
//! A unique index over random hashes would write a page per message. This one writes about 32 bytes: the newest
//! fingerprints stand in memory (and can be rebuilt from the journal); every [`RUN_ENTRIES`] messages they are sorted and
//! written as one *run* of chunks that fit a page, with a Bloom filter that stays in memory (about 20 KB a run). A look-up
//! asks the memory, then each filter, and reads a chunk only where a filter says "perhaps". A hit is only a hint: the caller
//! compares content hashes in the journal.
//!
//! Limits: [`RUNS_MAX`] runs, then the oldest is forgotten with its filter; runs whose messages retention has purged go
//! earlier. A fingerprint is 64 bits of SHA-256 over MSH-3, MSH-4 and MSH-10.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::ids::JournalId;

/// Messages in one run.
pub const RUN_ENTRIES: usize = 16_384;
/// Runs kept: about 16 million messages.
pub const RUNS_MAX: usize = 1024;
/// Earlier messages with one fingerprint that a look-up returns, newest first.
pub const HITS_MAX: usize = 16;

const ENTRY_BYTES: usize = 16;
const CHUNK_ENTRIES: usize = 200;
const BLOOM_BITS_PER_ENTRY: usize = 10;
const BLOOM_HASHES: u32 = 7;

/// The index.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    recent: HashMap<i64, Vec<JournalId>>,
    recent_count: usize,
    last: i64,
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    id: i64,
    last_journal: i64,
    /// First fingerprint of each chunk.
    first: Vec<i64>,
    bloom: Vec<u8>,
}

impl Receipts {
    /// Reads the filters and rebuilds the newest part from the journal.
    pub(super) fn load(connection: &Connection) -> Result<Self, rusqlite::Error> {
        let mut receipts = Self::default();
        let mut runs = connection.prepare("SELECT id, last_journal, first, bloom FROM seen_run ORDER BY id")?;
        let mut rows = runs.query([])?;
        while let Some(row) = rows.next()? {
            let first: Vec<u8> = row.get(2)?;
            receipts.runs.push(Run {
                id: row.get(0)?,
                last_journal: row.get(1)?,
                first: first.chunks_exact(8).map(integer).collect(),
                bloom: row.get(3)?,
            });
        }
        receipts.last = receipts.runs.last().map_or(0, |run| run.last_journal);
        let mut newest =
            connection.prepare("SELECT id, fingerprint FROM journal WHERE id > ?1 AND fingerprint IS NOT NULL")?;
        let mut rows = newest.query([receipts.last])?;
        while let Some(row) = rows.next()? {
            receipts.insert(row.get(1)?, JournalId(row.get(0)?));
        }
        Ok(receipts)
    }

    /// Notes a committed message.
    pub(super) fn insert(&mut self, fingerprint: i64, journal: JournalId) {
        self.recent.entry(fingerprint).or_default().push(journal);
        self.recent_count += 1;
    }

    /// Forgets a message noted in a transaction that did not commit.
    pub(super) fn remove(&mut self, fingerprint: i64, journal: JournalId) {
        let Some(ids) = self.recent.get_mut(&fingerprint) else { return };
        let before = ids.len();
        ids.retain(|id| *id != journal);
        self.recent_count -= before - ids.len();
        if ids.is_empty() {
            self.recent.remove(&fingerprint);
        }
    }

    /// Earlier messages that may have this fingerprint, newest first.
    pub(super) fn find(&self, connection: &Connection, fingerprint: i64) -> Result<Vec<JournalId>, rusqlite::Error> {
        let mut hits: Vec<JournalId> =
            self.recent.get(&fingerprint).map(|ids| ids.iter().rev().copied().collect()).unwrap_or_default();
        for run in self.runs.iter().rev() {
            if hits.len() >= HITS_MAX {
                break;
            }
            if contains(&run.bloom, fingerprint) {
                run.read(connection, fingerprint, &mut hits)?;
            }
        }
        hits.truncate(HITS_MAX);
        Ok(hits)
    }

    /// Whether a run is due.
    pub(super) const fn is_full(&self) -> bool {
        self.recent_count >= RUN_ENTRIES
    }

    /// Writes the newest part as a run, inside the caller's transaction. The caller calls [`Self::sealed`] after its commit.
    pub(super) fn seal(&self, connection: &Connection) -> Result<Sealed, rusqlite::Error> {
        let mut entries: Vec<(i64, i64)> =
            self.recent.iter().flat_map(|(fingerprint, ids)| ids.iter().map(|id| (*fingerprint, id.0))).collect();
        entries.sort_unstable();
        let last_journal = entries.iter().map(|(_, id)| *id).max().unwrap_or(self.last);
        let mut bloom = vec![0; (entries.len() * BLOOM_BITS_PER_ENTRY).div_ceil(8).max(8)];
        let mut first = Vec::new();
        let id = self.runs.last().map_or(1, |run| run.id + 1);
        let mut insert = connection.prepare_cached("INSERT INTO seen (run, chunk, entries) VALUES (?1, ?2, ?3)")?;
        for (chunk, part) in entries.chunks(CHUNK_ENTRIES).enumerate() {
            let mut bytes = Vec::with_capacity(part.len() * ENTRY_BYTES);
            for (fingerprint, journal) in part {
                mark(&mut bloom, *fingerprint);
                bytes.extend_from_slice(&fingerprint.to_be_bytes());
                bytes.extend_from_slice(&journal.to_be_bytes());
            }
            first.extend(part.first().map(|(fingerprint, _)| *fingerprint));
            insert.execute(params![id, i64::try_from(chunk).unwrap_or(i64::MAX), bytes])?;
        }
        let firsts: Vec<u8> = first.iter().flat_map(|fingerprint| fingerprint.to_be_bytes()).collect();
        connection.execute(
            "INSERT INTO seen_run (id, last_journal, first, bloom) VALUES (?1, ?2, ?3, ?4)",
            params![id, last_journal, firsts, bloom],
        )?;
        let forgotten: Vec<i64> = self.runs.iter().rev().skip(RUNS_MAX - 1).map(|run| run.id).collect();
        for run in &forgotten {
            forget(connection, *run)?;
        }
        Ok(Sealed { run: Run { id, last_journal, first, bloom }, forgotten })
    }

    /// Takes over a run whose transaction committed.
    pub(super) fn sealed(&mut self, sealed: Sealed) {
        self.recent = HashMap::new();
        self.recent_count = 0;
        self.last = sealed.run.last_journal;
        self.runs.retain(|run| !sealed.forgotten.contains(&run.id));
        self.runs.push(sealed.run);
    }

    /// Drops a run whose rows were deleted.
    pub(super) fn purged(&mut self, id: i64) {
        self.runs.retain(|run| run.id != id);
    }
}

/// A run that was written and waits for its commit.
#[derive(Debug)]
pub(super) struct Sealed {
    run: Run,
    forgotten: Vec<i64>,
}

/// Deletes the rows of a run.
pub(super) fn forget(connection: &Connection, run: i64) -> Result<(), rusqlite::Error> {
    connection.execute("DELETE FROM seen WHERE run = ?1", [run])?;
    connection.execute("DELETE FROM seen_run WHERE id = ?1", [run])?;
    Ok(())
}

impl Run {
    /// Reads the chunks that may hold `fingerprint`. Equal fingerprints may cross a chunk's end.
    fn read(
        &self,
        connection: &Connection,
        fingerprint: i64,
        hits: &mut Vec<JournalId>,
    ) -> Result<(), rusqlite::Error> {
        let mut select = connection.prepare_cached("SELECT entries FROM seen WHERE run = ?1 AND chunk = ?2")?;
        let from = self.first.partition_point(|first| *first < fingerprint).saturating_sub(1);
        let to = self.first.partition_point(|first| *first <= fingerprint);
        let mut found = Vec::new();
        for chunk in from..to {
            let entries: Option<Vec<u8>> = select
                .query_row(params![self.id, i64::try_from(chunk).unwrap_or(i64::MAX)], |row| row.get(0))
                .optional()?;
            for entry in entries.unwrap_or_default().chunks_exact(ENTRY_BYTES) {
                let (key, journal) = entry.split_at(8);
                if integer(key) == fingerprint {
                    found.push(JournalId(integer(journal)));
                }
            }
        }
        hits.extend(found.into_iter().rev().take(HITS_MAX));
        Ok(())
    }
}

fn integer(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0, |value, byte| (value << 8) | i64::from(*byte))
}

/// The bits of a fingerprint. It is a hash already, so two halves of it make all probes (double hashing).
fn bits(len: usize, fingerprint: i64) -> impl Iterator<Item = (usize, u8)> {
    let hash = u64::from_be_bytes(fingerprint.to_be_bytes());
    let (low, high) = (hash & 0xFFFF_FFFF, (hash >> 32) | 1);
    let size = (len as u64) * 8;
    (0..u64::from(BLOOM_HASHES)).map(move |i| {
        let bit = low.wrapping_add(i.wrapping_mul(high)) % size.max(1);
        #[expect(clippy::cast_possible_truncation, reason = "below the filter's length in bits, which is a usize")]
        let byte = (bit / 8) as usize;
        (byte, 1_u8 << (bit % 8))
    })
}

fn mark(bloom: &mut [u8], fingerprint: i64) {
    for (byte, bit) in bits(bloom.len(), fingerprint) {
        if let Some(byte) = bloom.get_mut(byte) {
            *byte |= bit;
        }
    }
}

fn contains(bloom: &[u8], fingerprint: i64) -> bool {
    bits(bloom.len(), fingerprint).all(|(byte, bit)| bloom.get(byte).is_some_and(|byte| byte & bit != 0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE seen (run INTEGER, chunk INTEGER, entries BLOB, PRIMARY KEY (run, chunk)) WITHOUT ROWID;
                 CREATE TABLE seen_run (id INTEGER PRIMARY KEY, last_journal INTEGER, first BLOB, bloom BLOB);
                 CREATE TABLE journal (id INTEGER PRIMARY KEY, fingerprint INTEGER);",
            )
            .unwrap();
        connection
    }

    fn scatter(n: i64) -> i64 {
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed()).rotate_left(17)
    }

    #[test]
    fn finds_every_message_after_sealing_and_reloading() {
        let database = database();
        let mut receipts = Receipts::default();
        for n in 1..=5000 {
            receipts.insert(scatter(n), JournalId(n));
            if n % 1000 == 0 {
                let sealed = receipts.seal(&database).unwrap();
                receipts.sealed(sealed);
            }
        }
        let again = Receipts::load(&database).unwrap();
        for n in 1..=5000 {
            assert_eq!(receipts.find(&database, scatter(n)).unwrap(), [JournalId(n)]);
            assert_eq!(again.find(&database, scatter(n)).unwrap(), [JournalId(n)]);
        }
        let strangers = (5001..15_000).filter(|n| !receipts.find(&database, scatter(*n)).unwrap().is_empty()).count();
        assert_eq!(strangers, 0);
    }

    #[test]
    fn returns_repeats_of_a_fingerprint_newest_first_across_chunks() {
        let database = database();
        let mut receipts = Receipts::default();
        for n in 1..=300 {
            receipts.insert(scatter(n), JournalId(n));
        }
        for n in 301..=800 {
            receipts.insert(7, JournalId(n));
        }
        let sealed = receipts.seal(&database).unwrap();
        receipts.sealed(sealed);
        receipts.insert(7, JournalId(801));
        let hits = receipts.find(&database, 7).unwrap();
        assert_eq!(hits.len(), HITS_MAX);
        assert_eq!(hits.first(), Some(&JournalId(801)));
        assert_eq!(hits.get(1), Some(&JournalId(800)));
    }

    #[test]
    fn forgets_what_was_rolled_back() {
        let database = database();
        let mut receipts = Receipts::default();
        receipts.insert(1, JournalId(1));
        receipts.remove(1, JournalId(1));
        assert!(receipts.find(&database, 1).unwrap().is_empty());
    }
}
