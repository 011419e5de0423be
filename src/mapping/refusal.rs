//! Why a message could not be mapped. Says where, never what the patient's data are.

use std::{fmt, sync::Arc};

use crate::phi::Phi;

/// Everything that keeps a message from being mapped, all at once, for the person who mends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// What is needed and missing.
    pub missing: Vec<Missing>,
    /// Codes that no table lists.
    pub unmapped: Vec<Unmapped>,
    /// Places that contradict each other.
    pub contradictory: Vec<(Arc<str>, Arc<str>)>,
    /// What is asked less for than before, and the place that does.
    pub lowered: Vec<(Arc<str>, Arc<str>)>,
    /// Places whose value cannot be read as what it should be.
    pub unreadable: Vec<Arc<str>>,
    /// Places by which two orders of the message would be one job.
    pub repeated: Vec<Arc<str>>,
    /// Bounds that the message broke.
    pub excessive: Vec<Arc<str>>,
}

/// Something needed that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What is needed.
    pub what: Arc<str>,
    /// The places that were looked at.
    pub from: Vec<Arc<str>>,
}

/// A code that no table lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmapped {
    /// The table.
    pub table: Arc<str>,
    /// The place.
    pub path: Arc<str>,
    /// The code. Wrapped because a sender may put anything there.
    pub code: Phi<String>,
}

/// The leading reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A code that no table lists.
    UnmappedCode,
    /// Something needed is missing.
    MissingField,
    /// Places contradict each other.
    Contradiction,
    /// It asks for less than what was wanted before.
    Lowered,
    /// A value cannot be read.
    UnreadableValue,
    /// Two orders with one number.
    RepeatedOrder,
    /// It is too much for a map.
    TooLarge,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::UnmappedCode,
        Self::MissingField,
        Self::Contradiction,
        Self::Lowered,
        Self::UnreadableValue,
        Self::RepeatedOrder,
        Self::TooLarge,
    ];

    /// The reason as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnmappedCode => "unmapped-code",
            Self::MissingField => "missing-field",
            Self::Contradiction => "contradiction",
            Self::Lowered => "lowered",
            Self::UnreadableValue => "unreadable-value",
            Self::RepeatedOrder => "repeated-order",
            Self::TooLarge => "too-large",
        }
    }
}

impl Refusal {
    /// The leading reason: a broken bound first, because the rest was then not looked at; then an unmapped code, because
    /// mending the table may fill what is missing.
    pub const fn reason(&self) -> Reason {
        if !self.excessive.is_empty() {
            Reason::TooLarge
        } else if !self.unmapped.is_empty() {
            Reason::UnmappedCode
        } else if !self.missing.is_empty() {
            Reason::MissingField
        } else if !self.contradictory.is_empty() {
            Reason::Contradiction
        } else if !self.lowered.is_empty() {
            Reason::Lowered
        } else if !self.unreadable.is_empty() {
            Reason::UnreadableValue
        } else {
            Reason::RepeatedOrder
        }
    }

    /// Whether nothing is wrong.
    pub const fn is_empty(&self) -> bool {
        self.missing.is_empty()
            && self.unmapped.is_empty()
            && self.contradictory.is_empty()
            && self.lowered.is_empty()
            && self.unreadable.is_empty()
            && self.repeated.is_empty()
            && self.excessive.is_empty()
    }

    /// Adds another refusal's findings, each once.
    pub fn merge(&mut self, other: Self) {
        merge(&mut self.missing, other.missing);
        merge(&mut self.unmapped, other.unmapped);
        merge(&mut self.contradictory, other.contradictory);
        merge(&mut self.lowered, other.lowered);
        merge(&mut self.unreadable, other.unreadable);
        merge(&mut self.repeated, other.repeated);
        merge(&mut self.excessive, other.excessive);
    }
}

fn merge<T: PartialEq>(into: &mut Vec<T>, from: Vec<T>) {
    for item in from {
        if !into.contains(&item) {
            into.push(item);
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = false;
        let mut say = |f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>| {
            let comma = if std::mem::replace(&mut said, true) { "; " } else { "" };
            write!(f, "{comma}{text}")
        };
        for unmapped in &self.unmapped {
            say(f, format_args!("unmapped code at {} (table {})", unmapped.path, unmapped.table))?;
        }
        for missing in &self.missing {
            say(f, format_args!("missing {} (looked at {})", missing.what, missing.from.join(", ")))?;
        }
        for (one, other) in &self.contradictory {
            say(f, format_args!("{one} contradicts {other}"))?;
        }
        for (what, path) in &self.lowered {
            say(f, format_args!("lower {what} than before (by {path})"))?;
        }
        for path in &self.unreadable {
            say(f, format_args!("unreadable value at {path}"))?;
        }
        for path in &self.repeated {
            say(f, format_args!("two orders with one number ({path})"))?;
        }
        for what in &self.excessive {
            say(f, format_args!("too many or too much: {what}"))?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
