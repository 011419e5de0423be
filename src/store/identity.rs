//! `store.json`: what tells a wrong key, a foreign database and a damaged one apart.
//!
//! SQLCipher answers "not a database" to all three. This file keeps a keyed hash of a fixed text (so a wrong key is known
//! before the database is touched) and the database's salt (its first 16 bytes, public), so that a file swapped in from
//! another appliance is known by its salt. Written last when a store is made, by rename; it holds no secret.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{Error, key::StoreKey};

const FILE: &str = "store.json";
const CHECKED: &[u8] = b"gurney store key check 1";

/// The facts in `store.json`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    version: u32,
    key_check: String,
    salt: String,
}

impl Identity {
    /// The identity of the database at `database` under `key`.
    pub(super) fn of(database: &Path, key: &StoreKey) -> Result<Self, Error> {
        Ok(Self { version: 1, key_check: hex(&key.seal(CHECKED)), salt: hex(&salt(database)?) })
    }

    /// Reads the folder's identity; `None` where no store was ever finished.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| Error::Corrupt {
            path,
            detail: format!("line {} column {}", error.line(), error.column()),
        })
    }

    /// Writes the folder's identity, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(FILE);
        let draft = folder.join("store.json.new");
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::file("write", &path)(std::io::Error::other(error)))?;
        let mut file = fs::File::create(&draft).map_err(Error::file("create", &draft))?;
        file.write_all(&text).map_err(Error::file("write", &draft))?;
        file.sync_all().map_err(Error::file("sync", &draft))?;
        fs::rename(&draft, &path).map_err(Error::file("rename", &draft))?;
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::file("sync", folder))
    }

    /// Compares what is known with what is there, before the database is opened.
    pub(super) fn verify(&self, database: &Path, key: &StoreKey) -> Result<(), Error> {
        if self.key_check != hex(&key.seal(CHECKED)) {
            return Err(Error::WrongKey(database.to_owned()));
        }
        let length = match fs::metadata(database) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Missing(database.to_owned()));
            }
            Err(error) => return Err(Error::file("read", database)(error)),
        };
        if length < 4096 {
            return Err(Error::Corrupt { path: database.to_owned(), detail: format!("only {length} bytes long") });
        }
        if self.salt != hex(&salt(database)?) {
            return Err(Error::Foreign(database.to_owned()));
        }
        Ok(())
    }
}

fn salt(database: &Path) -> Result<[u8; 16], Error> {
    let mut salt = [0; 16];
    let mut file = fs::File::open(database).map_err(Error::file("open", database))?;
    file.read_exact(&mut salt).map_err(Error::file("read", database))?;
    Ok(salt)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
