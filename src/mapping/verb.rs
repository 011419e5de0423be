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
    /// Says something about its patient or visit that may change it.
    Update,
    /// The patient is out of bed for a while, or back: the pickup stays.
    Locate,
    /// The patient has left for some days: it waits.
    Leave,
    /// The patient is back: it goes on.
    Return,
    /// Two records are one person.
    Merge,
    /// A visit belongs to another record or account.
    Relink,
    /// What was ordered waits: told of a job, never asked by a message.
    Pause,
    /// What is under way is to be called off: told of a job, never asked by a message.
    Recall,
    /// Tells what is, without a job.
    Record,
}

impl Verb {
    /// All verbs.
    pub const ALL: [Self; 15] = [
        Self::Request,
        Self::Change,
        Self::Cancel,
        Self::Plan,
        Self::Hold,
        Self::Ignore,
        Self::Update,
        Self::Locate,
        Self::Leave,
        Self::Return,
        Self::Merge,
        Self::Relink,
        Self::Pause,
        Self::Recall,
        Self::Record,
    ];

    /// The verb as maps write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Change => "change",
            Self::Cancel => "cancel",
            Self::Plan => "plan",
            Self::Hold => "hold",
            Self::Ignore => "ignore",
            Self::Update => "update",
            Self::Locate => "locate",
            Self::Leave => "leave",
            Self::Return => "return",
            Self::Merge => "merge",
            Self::Relink => "relink",
            Self::Pause => "pause",
            Self::Recall => "recall",
            Self::Record => "record",
        }
    }

    /// The verb whose rows hold for this one as well: maps say of `pause` and `recall` only what is different.
    pub(super) const fn stands_for(self) -> Self {
        match self {
            Self::Pause => Self::Change,
            Self::Recall => Self::Cancel,
            other => other,
        }
    }

    /// Whether it speaks only of jobs that are there already.
    pub const fn needs_a_job(self) -> bool {
        matches!(self, Self::Update | Self::Locate | Self::Leave | Self::Return | Self::Merge | Self::Relink)
    }

    /// The verb that maps write so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == name)
    }
}

/// A set of verbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verbs(u16);

impl Verbs {
    pub(super) const ALL: Self = Self(u16::MAX);

    pub(super) fn of(verbs: &[Verb]) -> Self {
        Self(verbs.iter().fold(0, |set, verb| set | Self::bit(*verb)))
    }

    /// Whether what is said of these holds for `verb`.
    pub(super) const fn has(self, verb: Verb) -> bool {
        self.names(verb) || self.names(verb.stands_for())
    }

    /// Whether `verb` itself is among these.
    pub(super) const fn names(self, verb: Verb) -> bool {
        self.0 & Self::bit(verb) != 0
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn bit(verb: Verb) -> u16 {
        match verb {
            Verb::Request => 1,
            Verb::Change => 1 << 1,
            Verb::Cancel => 1 << 2,
            Verb::Plan => 1 << 3,
            Verb::Hold => 1 << 4,
            Verb::Ignore => 1 << 5,
            Verb::Update => 1 << 6,
            Verb::Locate => 1 << 7,
            Verb::Leave => 1 << 8,
            Verb::Return => 1 << 9,
            Verb::Merge => 1 << 10,
            Verb::Relink => 1 << 11,
            Verb::Pause => 1 << 12,
            Verb::Recall => 1 << 13,
            Verb::Record => 1 << 14,
        }
    }
}
