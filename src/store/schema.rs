//! Tables, pragmas and migrations.
//!
//! ```text
//! meta      key, value                     application facts: clean-stop flag, highest numbers whose rows may be gone, maps in use
//! name      id, kind, name                 links, flows, destinations, mappings, endpoints: small numbers for names
//! journal   id, link, received_at, kind, fingerprint, verdict, first_outbox, content_hash, raw
//! outbox    (destination, priority, id), journal, flow, mapping, ordering_key, enqueued_at
//! receipt   id (= outbox id), journal, flow, destination, finished_at, attempts, status, endpoint, mapping
//! aside     id, kind, journal, flow, destination, mapping, priority, ordering_key, at, reason, detail, response
//! scrap     id, link, at, cause, count, bytes       bytes on a link that were not a message
//! tally     (flow, outcome), n             INV-02 in rows
//! depth     (destination, priority), n     queue depths in rows
//! pin       outbox, destination, priority, journal   journal rows that a delivery still needs although younger ones are queued before it
//! seen      (run, chunk), entries          sorted fingerprints of the duplicate index
//! seen_run  id, last_journal, first, bloom what is needed to know which chunk to read
//! sequence  (link, stream), expected, journal   sequence numbers of senders: the next one, and the message taken last
//! awaited   journal, last_outbox, open, refusal, flow, due   messages whose acknowledgement waits for deliveries
//! part      journal, link, family, pointer, next, body, bytes, at, whole   parts of longer messages, and what they became
//! job, job_key, step, aside_job            jobs and what is told of them: see the module `jobs`
//! audit     seq, at, actor, action, subject, detail, seal
//! ```
//! `application_id` is `GRNY`, `user_version` the schema version. Migrations go forward only, each in one transaction.

use rusqlite::{Connection, Transaction};

use super::Error;

/// Schema version of this build.
pub const SCHEMA_VERSION: i64 = 3;

/// "GRNY".
pub(super) const APPLICATION_ID: i64 = 0x4752_4E59;

const CREATE: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE name (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name)) STRICT;
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    link INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    fingerprint INTEGER,
    verdict INTEGER NOT NULL,
    first_outbox INTEGER,
    content_hash BLOB NOT NULL,
    raw BLOB NOT NULL
) STRICT;
CREATE TABLE outbox (
    destination INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    id INTEGER NOT NULL,
    journal INTEGER NOT NULL,
    flow INTEGER NOT NULL,
    mapping INTEGER NOT NULL,
    ordering_key INTEGER NOT NULL,
    enqueued_at INTEGER NOT NULL,
    PRIMARY KEY (destination, priority, id)
) WITHOUT ROWID, STRICT;
CREATE TABLE receipt (
    id INTEGER PRIMARY KEY,
    journal INTEGER NOT NULL,
    flow INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    status INTEGER,
    endpoint INTEGER NOT NULL
) STRICT;
CREATE TABLE aside (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    journal INTEGER NOT NULL,
    flow INTEGER NOT NULL,
    destination INTEGER,
    mapping INTEGER,
    priority INTEGER,
    ordering_key INTEGER,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    response BLOB
) STRICT;
CREATE TABLE scrap (id INTEGER PRIMARY KEY, link INTEGER NOT NULL, at INTEGER NOT NULL, cause TEXT NOT NULL,
    count INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE TABLE tally (flow INTEGER NOT NULL, outcome TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (flow, outcome))
    WITHOUT ROWID, STRICT;
CREATE TABLE depth (destination INTEGER NOT NULL, priority INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (destination, priority)) WITHOUT ROWID, STRICT;
CREATE TABLE pin (outbox INTEGER PRIMARY KEY, destination INTEGER NOT NULL, priority INTEGER NOT NULL,
    journal INTEGER NOT NULL) STRICT;
CREATE TABLE seen (run INTEGER NOT NULL, chunk INTEGER NOT NULL, entries BLOB NOT NULL, PRIMARY KEY (run, chunk))
    WITHOUT ROWID, STRICT;
CREATE TABLE seen_run (id INTEGER PRIMARY KEY, last_journal INTEGER NOT NULL, first BLOB NOT NULL, bloom BLOB NOT NULL)
    STRICT;
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    seal BLOB NOT NULL
) STRICT;
";

/// Since version 2: sequence numbers of senders, and messages whose acknowledgement waits for `open` more deliveries up to
/// `last_outbox`. `refusal` is that of the first delivery that was given up, `flow` the one whose application
/// acknowledgement is queued at the end if it is `due` (MSH-16).
const SEQUENCE_TABLES: &str = "
CREATE TABLE sequence (link INTEGER NOT NULL, stream INTEGER NOT NULL, expected INTEGER NOT NULL,
    journal INTEGER NOT NULL, PRIMARY KEY (link, stream)) WITHOUT ROWID, STRICT;
CREATE TABLE awaited (journal INTEGER PRIMARY KEY, last_outbox INTEGER NOT NULL, open INTEGER NOT NULL, refusal INTEGER,
    flow INTEGER, due INTEGER NOT NULL) STRICT;
";

/// Since version 2: parts of longer messages. Pointers and bodies are hashes; `whole` is the journal row with the joined bytes.
const PART_TABLE: &str = "
CREATE TABLE part (journal INTEGER PRIMARY KEY, link INTEGER NOT NULL, family INTEGER NOT NULL, pointer INTEGER,
    next INTEGER, body INTEGER NOT NULL, bytes INTEGER NOT NULL, at INTEGER NOT NULL, whole INTEGER) STRICT;
CREATE INDEX part_waiting ON part (link, family, next) WHERE whole IS NULL;
";

/// Since version 3. A receipt's `mapping` is the version of the map that a delivery was made with; those from before do
/// not say.
const JOB_TABLES: &str = "
ALTER TABLE receipt ADD COLUMN mapping INTEGER;
CREATE TABLE job (destination INTEGER NOT NULL, id BLOB NOT NULL, visit BLOB, is_open INTEGER NOT NULL,
    changed_at INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (destination, id)) WITHOUT ROWID, STRICT;
CREATE INDEX job_visit ON job (destination, visit) WHERE is_open = 1;
CREATE INDEX job_ended ON job (changed_at) WHERE is_open = 0;
CREATE TABLE job_key (destination INTEGER NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (destination, key, id)) WITHOUT ROWID, STRICT;
CREATE INDEX job_key_of ON job_key (destination, id);
CREATE TABLE step (outbox INTEGER NOT NULL, ordinal INTEGER NOT NULL, destination INTEGER NOT NULL, job BLOB NOT NULL,
    journal INTEGER NOT NULL, flow INTEGER NOT NULL, verb TEXT NOT NULL, is_known INTEGER NOT NULL,
    state INTEGER NOT NULL, occasion INTEGER NOT NULL, link TEXT NOT NULL, message BLOB NOT NULL,
    PRIMARY KEY (outbox, ordinal)) WITHOUT ROWID, STRICT;
CREATE INDEX step_job ON step (destination, job, outbox, state);
CREATE INDEX step_journal ON step (journal);
CREATE TABLE aside_job (aside INTEGER PRIMARY KEY, job BLOB, outbox INTEGER) STRICT;
";

/// Pragmas of every connection, right after the key.
pub(super) const PRAGMAS: &str = "
PRAGMA cipher_memory_security = OFF;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA busy_timeout = 5000;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = 67108864;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA secure_delete = FAST;
PRAGMA temp_store = MEMORY;
PRAGMA mmap_size = 0;
";

/// The database's schema version; 0 for one that was never finished.
pub(super) fn version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings the database up to [`SCHEMA_VERSION`], each step in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let mut at = version(connection).map_err(Error::database("read its schema version"))?;
    while at < SCHEMA_VERSION {
        let step = connection.transaction().map_err(Error::database("begin a migration"))?;
        up(&step, at).map_err(Error::database("migrate"))?;
        at += 1;
        step.pragma_update(None, "user_version", at).map_err(Error::database("set its schema version"))?;
        step.commit().map_err(Error::database("commit a migration"))?;
    }
    Ok(())
}

/// One step, from version `from` to the next.
fn up(step: &Transaction<'_>, from: i64) -> Result<(), rusqlite::Error> {
    match from {
        0 => {
            step.pragma_update(None, "application_id", APPLICATION_ID)?;
            step.execute_batch(CREATE)
        }
        1 => {
            step.execute_batch(SEQUENCE_TABLES)?;
            step.execute_batch(PART_TABLE)
        }
        2 => step.execute_batch(JOB_TABLES),
        _ => Ok(()),
    }
}

/// The number that stands for `name` in rows; made when new.
pub(super) fn name_id(connection: &Connection, kind: &str, name: &str) -> Result<i64, rusqlite::Error> {
    connection.execute("INSERT INTO name (kind, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING", [kind, name])?;
    connection.query_row("SELECT id FROM name WHERE kind = ?1 AND name = ?2", [kind, name], |row| row.get(0))
}
