//! Where a row takes its value from: `PID-3[2].4.1`, `answer(mobility)`, each perhaps `via table.column`.

use std::{fmt, sync::Arc};

use super::table::{Column, Table};
use crate::hl7::Path;

/// One place, with the table that gives its code a meaning.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) place: SourcePlace,
    pub(super) via: Option<Via>,
    /// The place as it stands in the map: what reports and refusals name.
    pub(super) shown: Arc<str>,
}

/// A place in a message.
#[derive(Clone)]
pub(super) enum SourcePlace {
    /// A field, component or subcomponent.
    Path(Path),
    /// OBX-5 of the question that the table of questions calls by this name.
    Answer(Arc<str>),
}

/// A column of a table.
#[derive(Clone)]
pub(super) struct Via {
    pub(super) table: Arc<Table>,
    pub(super) column: Column,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Source {
    /// Reads a source; `tables` finds a table by name. The error says what was expected.
    pub(super) fn read(
        text: &str,
        via: Option<&str>,
        tables: &dyn Fn(&str) -> Option<Arc<Table>>,
    ) -> Result<Self, String> {
        let (place, via) = match text.split_once(" via ") {
            Some((place, via)) => (place.trim(), Some(via.trim())),
            None => (text.trim(), via),
        };
        let shown = place.into();
        let place = match place.strip_prefix("answer(").and_then(|rest| rest.strip_suffix(')')) {
            Some(name) => SourcePlace::Answer(name.into()),
            None => SourcePlace::Path(place.parse().map_err(|error| format!("`{place}`: {error}"))?),
        };
        let via = via.map(|via| read_via(via, tables)).transpose()?;
        Ok(Self { place, via, shown })
    }
}

/// Reads `table.column`.
pub(super) fn read_via(text: &str, tables: &dyn Fn(&str) -> Option<Arc<Table>>) -> Result<Via, String> {
    let (name, column) = text.split_once('.').ok_or_else(|| format!("`{text}`: expected `table.column`"))?;
    let table = tables(name).ok_or_else(|| format!("there is no table `{name}`"))?;
    let column = table.column(column).ok_or_else(|| format!("the table `{name}` has no column `{column}`"))?;
    Ok(Via { table, column })
}
