//! The durable store: one folder with an encrypted SQLite database and what keeps it safe.
//!
//! ```text
//! <path>/store.db      SQLCipher (AES-256-CBC, HMAC per page), WAL, synchronous=FULL, 4 KiB pages
//! <path>/store.db-wal  write-ahead log, encrypted like the database
//! <path>/store.json    what tells a wrong key, a foreign database and a damaged one apart; no secret, no patient data
//! <path>/store.lock    held by the one process that may open the store
//! <path>/ballast       space given back when the disk is full, so that deliveries can still be recorded
//! <path>/admin.sock    the running daemon
//! ```
//!
//! **Who writes.** One thread, [`writer`], commits messages, settlements and audit entries in groups: INV-01 rests on
//! its `COMMIT` returning before any reply leaves. Readers ([`reader`]) have their own connections and short
//! transactions. A [`maintenance`] thread checkpoints the log off the commit path, purges by bounded batches and checks
//! integrity after an unclean stop.
//!
//! **Order.** `journal.id` is arrival order; `outbox.id` is decision order, and the outbox is keyed by destination,
//! priority and id, so the oldest due entry is the first row of its lane whatever the backlog.
//!
//! **Recovery.** State lives in rows. After a kill the process starts from the store alone: queue depths and tallies
//! are rows, the duplicate index is rebuilt from at most [`receipts::RUN_ENTRIES`] journal rows. A store that cannot be
//! opened is never replaced by an empty one; the [`Error`] says which of the possible reasons it was.
//!
//! **Non-goals.** No replication, no full-text search, no second writer, no repair of damaged pages.

use std::{io, path::PathBuf};

use crate::units::ByteCount;

mod answers;
mod audit;
mod ballast;
mod identity;
pub mod jobs;
pub mod key;
pub mod listing;
pub mod maintenance;
mod open;
mod parts;
pub mod pressure;
mod promoted;
pub mod reader;
pub mod receipts;
pub mod rows;
mod schema;
pub mod shared;
mod threads;
mod transaction;
pub mod translations;
pub mod writer;

pub use audit::{AuditCheck, Entry, verify_audit};
pub use open::{Opened, Plan, open, open_offline, open_reader};
pub use schema::SCHEMA_VERSION;
pub use writer::Journal;

/// Why the store cannot be opened or used. Texts name what to do; none holds patient data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the store.
    #[error("store {0} is in use by another process; stop it first, a store has one owner")]
    Locked(PathBuf),
    /// The key does not belong to this store.
    #[error("the key does not open store {0}; point `key_file` or `key` at the key this store was made with")]
    WrongKey(PathBuf),
    /// The key could not be read.
    #[error("cannot read the store key: {0}")]
    KeyUnreadable(String),
    /// The database is gone although this folder held one.
    #[error(
        "database {0} is missing, but its folder says that a store was here; restore the file or a backup, or use an empty folder"
    )]
    Missing(PathBuf),
    /// The database belongs to another appliance or store.
    #[error("database {0} is not the one this folder was made for; put the right file back or restore a backup")]
    Foreign(PathBuf),
    /// The database is damaged.
    #[error("database {path} is damaged ({detail}); keep a copy of the folder and restore a backup")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The database was written by a newer Gurney.
    #[error(
        "database {path} has schema {found}, this version knows up to {known}; start the newer version again or restore the copy taken before the upgrade"
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A file operation failed.
    #[error("cannot {operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The database refused an operation.
    #[error("database cannot {operation}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: rusqlite::Error,
    },
    /// The thread that owns the store has ended.
    #[error("the store has stopped")]
    Stopped,
}

impl Error {
    fn file(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { operation, path, source }
    }

    fn database(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { operation, source }
    }

    /// Whether the disk, or the store's share of it, is full.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Database { source, .. } => source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Self::File { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// Whether the disk failed in a way after which the connection must not be trusted.
    pub fn is_io(&self) -> bool {
        matches!(self, Self::Database { source, .. } if matches!(
            source.sqlite_error_code(),
            Some(rusqlite::ErrorCode::SystemIoFailure
                | rusqlite::ErrorCode::CannotOpen
                | rusqlite::ErrorCode::ReadOnly
                | rusqlite::ErrorCode::DatabaseCorrupt
                | rusqlite::ErrorCode::NotADatabase)
        ))
    }
}

/// How full the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of the database that hold something, and its log.
    pub used: ByteCount,
    /// The configured limit.
    pub limit: ByteCount,
    /// Free bytes of the file system.
    pub disk_free: ByteCount,
    /// Bytes of the write-ahead log.
    pub log: ByteCount,
}

#[cfg(test)]
mod tests;
