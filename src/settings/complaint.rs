//! Collects what is wrong while a configuration is read, and turns it into [`Faults`] at the end.
//!
//! Text that is not TOML hides keys and tables from the reader. So where a file is broken, complaints about what
//! is absent or not found are left out: they may be nothing but the shadow of the break.

use std::collections::{BTreeMap, HashSet};

use super::{
    fault::{Fault, Faults, Location, Severity},
    place::{Place, Sources},
};
use crate::units::limits;

/// What a complaint rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// The text is not TOML.
    Syntax,
    /// A value or key that stands there.
    Presence,
    /// Something that does not stand where it should.
    Absence,
}

/// One thing that is wrong, its places still in bytes.
#[derive(Clone, Debug)]
pub(super) struct Complaint {
    severity: Severity,
    ground: Ground,
    message: String,
    place: Place,
    note: String,
    help: String,
    also: Vec<(Place, String)>,
}

impl Complaint {
    pub(super) fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            ground: Ground::Presence,
            message: message.into(),
            place,
            note: String::new(),
            help: String::new(),
            also: Vec::new(),
        }
    }

    pub(super) fn warning(place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::new(place, message) }
    }

    pub(super) fn ground(self, ground: Ground) -> Self {
        Self { ground, ..self }
    }

    pub(super) fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }

    pub(super) fn also(mut self, place: Place, note: impl Into<String>) -> Self {
        self.also.push((place, note.into()));
        self
    }
}

/// Complaints kept before they are sorted; files of this size have few enough honest mistakes.
const COMPLAINTS_MAX: usize = 100 * limits::FAULTS_MAX;

/// The complaints so far.
#[derive(Default)]
pub(super) struct Complaints {
    list: Vec<Complaint>,
    /// Those beyond the bound.
    not_kept: usize,
    /// Ranges about which all has been said: file and first byte, to the last byte.
    settled: BTreeMap<(usize, usize), usize>,
}

impl Complaints {
    pub(super) fn push(&mut self, complaint: Complaint) {
        if self.is_settled(&complaint.place) {
            return;
        }
        if self.list.len() < COMPLAINTS_MAX {
            self.list.push(complaint);
        } else {
            self.not_kept += 1;
        }
    }

    /// Counts complaints without keeping them.
    pub(super) const fn count_more(&mut self, count: usize) {
        self.not_kept += count;
    }

    /// Takes no further complaints about `place`.
    pub(super) fn settle(&mut self, place: &Place) {
        self.settled.insert((place.file, place.span.start), place.span.end);
    }

    fn is_settled(&self, place: &Place) -> bool {
        let before = self.settled.range(..=(place.file, place.span.start)).next_back();
        before.is_some_and(|(&(file, start), &end)| Place { file, span: start..end }.holds(place))
    }

    pub(super) fn has_errors(&self) -> bool {
        self.not_kept > 0 || self.list.iter().any(|complaint| complaint.severity == Severity::Error)
    }

    /// Everything as faults, in the order of files and lines.
    pub(super) fn into_faults(mut self, sources: &Sources) -> Faults {
        self.drop_shadows(sources);
        self.list.sort_by_key(|complaint| (complaint.place.file, complaint.place.span.start, complaint.severity));
        let not_shown = self.not_kept + self.list.len().saturating_sub(limits::FAULTS_MAX);
        self.list.truncate(limits::FAULTS_MAX);
        let locate = |place: &Place, note: String| Location::new(sources.spot(place), note);
        let fault = |complaint: Complaint| Fault {
            severity: complaint.severity,
            message: complaint.message,
            at: locate(&complaint.place, complaint.note),
            help: complaint.help,
            also: complaint.also.into_iter().map(|(place, note)| locate(&place, note)).collect(),
        };
        Faults { faults: self.list.into_iter().map(fault).collect(), not_shown }
    }

    fn drop_shadows(&mut self, sources: &Sources) {
        let line_of = |complaint: &Complaint| (complaint.place.file, sources.line(&complaint.place));
        let broken = self.list.iter().filter(|complaint| complaint.ground == Ground::Syntax).map(line_of);
        let broken: HashSet<_> = broken.collect();
        if broken.is_empty() {
            return;
        }
        self.list.retain(|complaint| match complaint.ground {
            Ground::Syntax => true,
            Ground::Presence => !broken.contains(&line_of(complaint)),
            Ground::Absence => false,
        });
    }
}

/// `text` in backquotes for a message: shortened, control characters escaped.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    shown = shown.replace("\\\"", "\"").replace("\\'", "'");
    let more = if text.chars().nth(SHOWN_CHARS_MAX).is_some() { "..." } else { "" };
    format!("`{shown}{more}`")
}

/// Words as a list for a message: `a`, `b` and `c`.
pub(super) fn listed<'a>(words: impl IntoIterator<Item = &'a str>, conjunction: &str) -> String {
    let mut words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    let Some(last) = words.pop() else { return String::new() };
    if words.is_empty() { last } else { format!("{} {conjunction} {last}", words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_without_control_characters_and_at_bounded_length() {
        assert_eq!(quoted("it's \"x\""), "`it's \"x\"`");
        assert_eq!(quoted("a\u{1b}[31m\n"), "`a\\u{1b}[31m\\n`");
        assert_eq!(quoted(&"ü".repeat(61)), format!("`{}...`", "ü".repeat(60)));
    }

    #[test]
    fn lists_words() {
        assert_eq!(listed(["a"], "or"), "`a`");
        assert_eq!(listed(["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
