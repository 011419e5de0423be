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
    /// Line and column of `span`, from 1.
    pub(super) fn place(&self, span: &Range<usize>) -> (usize, usize) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        (self.line(span), before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
    }

    /// Notes a fault at `span`.
    pub(super) fn add(&mut self, span: Range<usize>, text: impl Into<String>) {
        if self.found.len() >= limits::FAULTS_MAX {
            // Those that are told keep anybody busy.
            return;
        }
        let (line, column) = self.place(&span);
        self.found.push(MapFault { file: self.file.to_owned(), line, column, text: text.into() });
    }

    /// The line at which `span` begins, from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        self.text.get(..span.start).unwrap_or(self.text).matches('\n').count() + 1
    }
}

/// `; did you mean …?` where one of `known` is near `word`: at most a third of its letters differ.
pub(super) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let most = (word.chars().count() / 3).max(1);
    let distances = known.into_iter().map(|known| (strsim::damerau_levenshtein(word, known), known));
    let nearest = distances.filter(|(distance, _)| *distance <= most).min();
    nearest.map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"))
}
