//! What is wrong with a map or table: file, line, column, and what was expected.

use std::{fmt, ops::Range};

use crate::units::limits;

/// One fault in the text of a map or table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapFault {
    /// The file's name, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what was expected.
    pub text: String,
}

impl fmt::Display for MapFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.text)
    }
}

impl std::error::Error for MapFault {}

/// One source text, able to say where a span of it stands; collects the faults of all texts.
pub(super) struct Faults<'t> {
    pub(super) file: &'t str,
    pub(super) text: &'t str,
    pub(super) found: &'t mut Vec<MapFault>,
}

impl Faults<'_> {
    /// Notes a fault at `span`.
    pub(super) fn add(&mut self, span: Range<usize>, text: impl Into<String>) {
        if self.found.len() >= limits::FAULTS_MAX {
            // Those that are told keep anybody busy.
            return;
        }
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = self.line(&span);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.found.push(MapFault { file: self.file.to_owned(), line, column, text: text.into() });
    }

    /// The line at which `span` begins, from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        self.text.get(..span.start).unwrap_or(self.text).matches('\n').count() + 1
    }
}
