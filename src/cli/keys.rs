//! `gurney keys`: making store keys.

use std::path::PathBuf;

use super::{Exit, chain, data, note};
use crate::store::key::StoreKey;

/// Commands of `gurney keys`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Writes a fresh 256-bit store key, readable by its owner alone.
    New {
        /// File to make; an existing one is never replaced.
        path: PathBuf,
    },
}

pub(super) fn run(command: &Command) -> Exit {
    let Command::New { path } = command;
    match StoreKey::random().and_then(|key| key.write_new(path)) {
        Ok(()) => {
            note("keep a copy of this key where the box is not: without it the store cannot be read by anyone");
            data(&format!("{}\n", path.display()))
        }
        Err(error) => {
            note(&format!("error: {}", chain(&error)));
            Exit::Unhealthy
        }
    }
}
