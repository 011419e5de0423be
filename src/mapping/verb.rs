//! What a message does to a job.

use serde::Deserialize;

/// What a message does to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Asks for it.
    Request,
    /// Changes what was asked for.
    Change,
    /// Calls it off.
    Cancel,
    /// Says that one is to be expected.
    Plan,
    /// Puts it before a person.
    Hold,
    /// Nothing.
    Ignore,
    /// Tells what is, without a job.
    Record,
}

impl Verb {
    /// All verbs.
    pub const ALL: [Self; 7] =
        [Self::Request, Self::Change, Self::Cancel, Self::Plan, Self::Hold, Self::Ignore, Self::Record];

    /// The verb as maps write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Change => "change",
            Self::Cancel => "cancel",
            Self::Plan => "plan",
            Self::Hold => "hold",
            Self::Ignore => "ignore",
            Self::Record => "record",
        }
    }

    /// The verb that maps write so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == name)
    }
}

/// A set of verbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verbs(u8);

impl Verbs {
    pub(super) const ALL: Self = Self(u8::MAX);

    pub(super) fn of(verbs: &[Verb]) -> Self {
        Self(verbs.iter().fold(0, |set, verb| set | Self::bit(*verb)))
    }

    pub(super) const fn has(self, verb: Verb) -> bool {
        self.0 & Self::bit(verb) != 0
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn bit(verb: Verb) -> u8 {
        match verb {
            Verb::Request => 1,
            Verb::Change => 2,
            Verb::Cancel => 4,
            Verb::Plan => 8,
            Verb::Hold => 16,
            Verb::Ignore => 32,
            Verb::Record => 64,
        }
    }
}
