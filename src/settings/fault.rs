//! What is wrong with a configuration, where, and what to do: for people and as JSON.
//!
//! A fault carries its own line of text, so it can be shown without the files. Secrets are covered before a
//! fault is made. At most [`limits::FAULTS_MAX`] faults are kept.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::place::Spot;
#[cfg(doc)]
use crate::units::limits;

/// Whether Gurney starts with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does not.
    Error,
    /// It does, but a person should look.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Whether Gurney starts with it.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where.
    #[serde(flatten)]
    pub at: Location,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub help: String,
    /// Other places that have a part in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Location>,
}

/// A place in a file, and what it has to do with the fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The file's name as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is to be seen there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    #[serde(skip)]
    excerpt: String,
    #[serde(skip)]
    caret: Range<usize>,
}

impl Location {
    pub(super) fn new(spot: Spot, note: String) -> Self {
        Self { file: spot.file, line: spot.line, column: spot.column, note, excerpt: spot.excerpt, caret: spot.caret }
    }
}

/// Plain text, or with colours for a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// No escape sequences.
    Plain,
    /// ANSI colours.
    Coloured,
}

impl Fault {
    /// Whether Gurney starts with it.
    pub const fn is_warning(&self) -> bool {
        matches!(self.severity, Severity::Warning)
    }

    /// Shows the fault with its line and a caret, and what to do.
    pub fn render(&self, paint: Paint) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level.primary_title(self.message.as_str()).element(shown(&self.at, AnnotationKind::Primary));
        for other in &self.also {
            group = group.element(shown(other, AnnotationKind::Context));
        }
        let mut groups = vec![group];
        if !self.help.is_empty() {
            groups.push(Group::with_title(Level::HELP.secondary_title(self.help.as_str())));
        }
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Coloured => Renderer::styled(),
        };
        renderer.render(&groups)
    }
}

fn shown(location: &Location, kind: AnnotationKind) -> Element<'_> {
    if location.excerpt.is_empty() {
        return Origin::path(location.file.as_str()).line(location.line).char_column(location.column).into();
    }
    let note = (!location.note.is_empty()).then_some(location.note.as_str());
    Snippet::source(location.excerpt.as_str())
        .path(location.file.as_str())
        .line_start(location.line)
        .annotation(kind.span(location.caret.clone()).label(note))
        .into()
}

/// Everything that is wrong with a configuration, in the order of its files and lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// The faults.
    pub faults: Vec<Fault>,
    /// Faults beyond the bound, which are only counted.
    pub not_shown: usize,
}

impl Faults {
    /// Shows all faults and, at the end, how many there are.
    pub fn render(&self, paint: Paint) -> String {
        let mut text = String::new();
        for fault in &self.faults {
            text.push_str(&fault.render(paint));
            text.push_str("\n\n");
        }
        text.push_str(&self.summary());
        text
    }

    /// How many there are, such as `3 errors, 1 warning`.
    pub fn summary(&self) -> String {
        let warnings = self.faults.iter().filter(|fault| fault.is_warning()).count();
        let errors = self.faults.len() - warnings;
        let mut parts = Vec::new();
        for (count, word) in [(errors, "error"), (warnings, "warning")] {
            match count {
                0 => {}
                1 => parts.push(format!("1 {word}")),
                _ => parts.push(format!("{count} {word}s")),
            }
        }
        if self.not_shown > 0 {
            parts.push(format!("{} more not shown", self.not_shown));
        }
        parts.join(", ")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint::Plain))
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fault() -> Fault {
        let spot = |line, excerpt: &str| Spot {
            file: "gurney.toml".to_owned(),
            line,
            column: 5,
            excerpt: excerpt.to_owned(),
            caret: 4..5,
        };
        Fault {
            severity: Severity::Error,
            message: "two of a kind".to_owned(),
            at: Location::new(spot(7, "b = 1"), "again".to_owned()),
            help: "take one away".to_owned(),
            also: vec![Location::new(spot(3, "a = 1"), "first".to_owned())],
        }
    }

    #[test]
    fn shows_every_place_with_a_caret() {
        let text = fault().render(Paint::Plain);
        for part in ["error: two of a kind", "gurney.toml:7:5", "b = 1", "^ again", "a = 1", "- first", "take one away"]
        {
            assert!(text.contains(part), "{part} not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        assert!(fault().render(Paint::Coloured).contains('\u{1b}'));
    }

    #[test]
    fn serialises_places_without_text_of_the_file() {
        let json = serde_json::to_value(fault()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"severity": "error", "message": "two of a kind", "file": "gurney.toml", "line": 7,
                "column": 5, "note": "again", "help": "take one away",
                "also": [{"file": "gurney.toml", "line": 3, "column": 5, "note": "first"}]})
        );
    }

    #[test]
    fn counts_in_words() {
        let warning = Fault { severity: Severity::Warning, ..fault() };
        let faults = |faults, not_shown| Faults { faults, not_shown }.summary();
        assert_eq!(faults(vec![fault()], 0), "1 error");
        assert_eq!(faults(vec![fault(), warning.clone(), fault()], 0), "2 errors, 1 warning");
        assert_eq!(faults(vec![warning], 3), "1 warning, 3 more not shown");
    }
}
