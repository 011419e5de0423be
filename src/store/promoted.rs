//! Maps that a person put in use in place of those that the configuration names.
//!
//! ```text
//! meta   key   = "map " flow              row number of the flow
//!        value = configured promoted...   words like transport@1, the one in use last
//! ```
//! A row holds as long as the configuration names the map that it named when the promotion was made: who changes the
//! configuration afterwards has the last word. At most [`limits::PROMOTIONS_KEPT_MAX`] promotions can be taken back.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::{Names, mapping_word};
use crate::{settings::Flow, units::limits};

/// A flow that is to use another map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// Index into the settings' flows.
    pub flow: usize,
    /// What the configuration names, as `transport@1`.
    pub configured: String,
    /// What it uses from now on.
    pub mapping: String,
}

/// A flow whose map was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) flow: usize,
    pub(super) from: String,
    pub(super) to: String,
}

/// Puts a map in use.
pub(super) fn promote(
    connection: &Connection,
    names: &Names,
    promotion: &Promotion,
) -> Result<Option<Changed>, rusqlite::Error> {
    let Promotion { flow, configured, mapping } = promotion;
    let mut words = match words(connection, names, *flow)? {
        words if words.first() == Some(configured) => words,
        _ => vec![configured.clone()],
    };
    let from = words.last().cloned().unwrap_or_default();
    if from == *mapping {
        return Ok(None);
    }
    words.push(mapping.clone());
    if words.len() > limits::PROMOTIONS_KEPT_MAX + 1 {
        words.remove(1);
    }
    save(connection, names, *flow, &words)?;
    Ok(Some(Changed { flow: *flow, from, to: mapping.clone() }))
}

/// Takes the newest promotion of a flow back; `None` where there is none.
pub(super) fn take_back(
    connection: &Connection,
    names: &Names,
    flow: usize,
) -> Result<Option<Changed>, rusqlite::Error> {
    let mut words = words(connection, names, flow)?;
    if words.len() < 2 {
        return Ok(None);
    }
    let from = words.pop().unwrap_or_default();
    let to = words.last().cloned().unwrap_or_default();
    save(connection, names, flow, &words)?;
    Ok(Some(Changed { flow, from, to }))
}

/// The promotions that still hold. Those of a flow whose configuration names another map by now are forgotten.
pub(super) fn load(
    connection: &Connection,
    names: &Names,
    flows: &[Flow],
) -> Result<Vec<(usize, String)>, rusqlite::Error> {
    let mut in_use = Vec::new();
    for (index, flow) in flows.iter().enumerate() {
        let words = words(connection, names, index)?;
        match words.as_slice() {
            [configured, .., mapping] if *configured == mapping_word(&flow.mapping) => {
                in_use.push((index, mapping.clone()));
            }
            [] => {}
            _ => {
                connection.execute("DELETE FROM meta WHERE key = ?1", [key(names, index)])?;
            }
        }
    }
    Ok(in_use)
}

fn key(names: &Names, flow: usize) -> String {
    format!("map {}", names.flow(Some(flow)))
}

fn words(connection: &Connection, names: &Names, flow: usize) -> Result<Vec<String>, rusqlite::Error> {
    let value: Option<String> = connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key(names, flow)], |row| row.get(0))
        .optional()?;
    Ok(value.unwrap_or_default().split_whitespace().map(str::to_owned).collect())
}

fn save(connection: &Connection, names: &Names, flow: usize, words: &[String]) -> Result<(), rusqlite::Error> {
    let key = key(names, flow);
    if words.len() < 2 {
        connection.execute("DELETE FROM meta WHERE key = ?1", [key])?;
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute(params![key, words.join(" ")])?;
    Ok(())
}
