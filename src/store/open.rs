//! Opening a store: lock, key, identity, recovery, schema.
//!
//! The order matters. The lock comes first, so a second process is refused before it touches anything. The key is checked
//! against `store.json` before the database is opened, so a wrong key is called by its name. SQLite then recovers its log.
//! `store.json` is written last when a store is made, so a creation that was cut off is finished by the next start, and a
//! database without its file is never mistaken for a new one.

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use super::{
    Error,
    ballast::Ballast,
    identity::Identity,
    key::StoreKey,
    schema::{APPLICATION_ID, PRAGMAS, SCHEMA_VERSION, migrate, version},
};
use crate::units::ByteCount;

/// Bytes of page cache of the writer; readers get a quarter.
pub(super) const CACHE_KIB: i64 = 8192;

/// A database small enough to be checked before the first message is taken; larger ones are checked beside the traffic.
const CHECK_FIRST_BYTES: u64 = 48 << 20;

/// What to open.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The store's folder.
    pub path: PathBuf,
    /// Its key.
    pub key: StoreKey,
    /// Its size limit.
    pub limit: ByteCount,
}

/// A store that was opened for writing.
#[derive(Debug)]
pub struct Opened {
    pub(super) plan: Plan,
    pub(super) connection: Connection,
    pub(super) ballast: Ballast,
    /// The store stays ours as long as this lives.
    #[expect(dead_code, reason = "held, never read")]
    lock: fs::File,
    /// Whether the last stop was clean.
    pub was_clean: bool,
    /// Whether the check that an unclean stop asks for was made already.
    pub checked: bool,
    /// Whether the ballast lies.
    pub ballast_laid: bool,
    /// Whether the store was made just now.
    pub is_new: bool,
}

impl Opened {
    /// What it was opened by.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Opens the store for the one process that writes it.
///
/// # Errors
/// See [`Error`]: every way in which a store cannot be opened has its own variant.
pub fn open(plan: Plan) -> Result<Opened, Error> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&plan.path).map_err(Error::file("create", &plan.path))?;
    let lock = lock(&plan.path)?;
    let database = database(&plan.path);
    let identity = Identity::read(&plan.path)?;
    match &identity {
        Some(identity) => identity.verify(&database, &plan.key)?,
        None => refuse_leftover_log(&database)?,
    }
    let is_new = identity.is_none();
    let ballast = Ballast::new(&plan.path, plan.limit);
    let ballast_laid = ballast.lay().unwrap_or(false);
    let mut connection = connect(&database, &plan.key, CACHE_KIB)?;
    verify_kind(&connection, &database)?;
    migrate(&mut connection).map_err(|error| damaged(&database, error))?;
    if is_new {
        checkpoint_all(&connection)?;
        Identity::of(&database, &plan.key)?.write(&plan.path)?;
    }
    let was_clean = is_new || take_clean_flag(&connection).map_err(|error| damaged(&database, error))?;
    let small = fs::metadata(&database).is_ok_and(|meta| meta.len() <= CHECK_FIRST_BYTES);
    if !was_clean && small {
        quick_check(&connection, &database)?;
    }
    Ok(Opened { plan, connection, ballast, lock, was_clean, checked: was_clean || small, ballast_laid, is_new })
}

/// Opens a further connection that only reads.
///
/// # Errors
/// [`Error::Database`] if the database cannot be read.
pub fn open_reader(plan: &Plan) -> Result<Connection, Error> {
    let connection = connect(&database(&plan.path), &plan.key, CACHE_KIB / 4)?;
    connection.pragma_update(None, "query_only", true).map_err(Error::database("open for reading"))?;
    Ok(connection)
}

/// Opens a store that no daemon runs on, for a command that only reads: status after a crash, verification.
///
/// # Errors
/// As [`open`]; a store that was never made is [`Error::Missing`].
pub fn open_offline(plan: &Plan) -> Result<Connection, Error> {
    let path = database(&plan.path);
    Identity::read(&plan.path)?.ok_or_else(|| Error::Missing(path.clone()))?.verify(&path, &plan.key)?;
    open_reader(plan)
}

pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join("store.db")
}

fn lock(folder: &Path) -> Result<fs::File, Error> {
    let path = folder.join("store.lock");
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Locked(folder.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(Error::file("lock", path)(error)),
    }
}

/// A log without a database means that the database was removed, not that the store is new.
fn refuse_leftover_log(database: &Path) -> Result<(), Error> {
    let log = database.with_extension("db-wal");
    let has_log = fs::metadata(&log).is_ok_and(|meta| meta.len() > 0);
    let has_database = fs::metadata(database).is_ok_and(|meta| meta.len() > 0);
    if has_log && !has_database { Err(Error::Missing(database.to_owned())) } else { Ok(()) }
}

/// Opens a connection and proves that the key reads it.
pub(super) fn connect(database: &Path, key: &StoreKey, cache_kib: i64) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags).map_err(Error::database("open"))?;
    connection.pragma_update(None, "cipher_log_level", "NONE").map_err(Error::database("silence its cipher"))?;
    connection.pragma_update(None, "key", &*key.pragma()).map_err(Error::database("take its key"))?;
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .and_then(|()| connection.execute_batch(PRAGMAS))
        .and_then(|()| connection.pragma_update(None, "cache_size", -cache_kib))
        .map_err(|source| damaged(database, Error::Database { operation: "open", source }))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn verify_kind(connection: &Connection, database: &Path) -> Result<(), Error> {
    let application: i64 = connection
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(Error::database("read its application id"))?;
    let found = version(connection).map_err(Error::database("read its schema version"))?;
    if found > 0 && application != APPLICATION_ID {
        return Err(Error::Foreign(database.to_owned()));
    }
    if found > SCHEMA_VERSION {
        return Err(Error::NewerSchema { path: database.to_owned(), found, known: SCHEMA_VERSION });
    }
    Ok(())
}

/// The key is known to be right by now, so a file that SQLCipher cannot read is damaged.
fn damaged(database: &Path, error: Error) -> Error {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        Error::Database { source, operation } => match source.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => {
                Error::Corrupt { path: database.to_owned(), detail: source.to_string() }
            }
            _ => Error::Database { source, operation },
        },
        other => other,
    }
}

/// Whether the last process stopped cleanly. The flag is taken away, so a crash from now on is seen.
fn take_clean_flag(connection: &Connection) -> Result<bool, Error> {
    connection
        .execute("DELETE FROM meta WHERE key = 'clean'", [])
        .map(|rows| rows == 1)
        .map_err(Error::database("take its clean-stop flag"))
}

pub(super) fn quick_check(connection: &Connection, database: &Path) -> Result<(), Error> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| damaged(database, Error::Database { operation: "check itself", source }))?;
    if found == "ok" { Ok(()) } else { Err(Error::Corrupt { path: database.to_owned(), detail: found }) }
}

/// Moves the whole log into the database and syncs it.
pub(super) fn checkpoint_all(connection: &Connection) -> Result<(), Error> {
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(Error::database("write back its log"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn plan(folder: &Path) -> Plan {
        Plan { path: folder.to_owned(), key: StoreKey::random().unwrap(), limit: ByteCount(64 << 20) }
    }

    fn made(folder: &Path) -> Plan {
        let plan = plan(folder);
        drop(open(plan.clone()).unwrap());
        plan
    }

    fn refusal(plan: Plan) -> Error {
        match open(plan) {
            Ok(_) => panic!("the store was opened"),
            Err(error) => error,
        }
    }

    #[test]
    fn refuses_a_second_owner() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(folder.path());
        let first = open(plan.clone()).unwrap();
        assert!(matches!(refusal(plan.clone()), Error::Locked(_)));
        drop(first);
        open(plan).unwrap();
    }

    #[test]
    fn tells_wrong_key_missing_truncated_foreign_damaged_and_newer_apart() {
        let folder = tempfile::tempdir().unwrap();
        let good = made(folder.path());
        let file = database(folder.path());
        let bytes = fs::read(&file).unwrap();

        assert!(matches!(refusal(plan(folder.path())), Error::WrongKey(_)));

        fs::write(&file, b"").unwrap();
        assert!(matches!(refusal(good.clone()), Error::Corrupt { .. }));
        fs::write(&file, &bytes[..5000]).unwrap();
        assert!(matches!(refusal(good.clone()), Error::Corrupt { .. }));
        fs::remove_file(&file).unwrap();
        assert!(matches!(refusal(good.clone()), Error::Missing(_)));
        assert!(!file.is_file(), "a missing store was replaced by an empty one");

        let other = tempfile::tempdir().unwrap();
        made(other.path());
        fs::copy(database(other.path()), &file).unwrap();
        assert!(matches!(refusal(good.clone()), Error::Foreign(_)));

        let mut flipped = bytes.clone();
        flipped[100] ^= 1;
        fs::write(&file, &flipped).unwrap();
        assert!(matches!(refusal(good.clone()), Error::Corrupt { .. }));

        fs::write(&file, &bytes).unwrap();
        let opened = open(good.clone()).unwrap();
        opened.connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        drop(opened);
        assert!(matches!(refusal(good), Error::NewerSchema { .. }));
    }

    #[test]
    fn finishes_a_creation_that_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let plan = made(folder.path());
        fs::remove_file(folder.path().join("store.json")).unwrap();
        open(plan.clone()).unwrap();
        assert!(Identity::read(folder.path()).unwrap().is_some());
    }
}
