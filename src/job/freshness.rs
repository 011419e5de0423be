//! How old an ask may be to have its effect by itself.
//!
//! | class | age | plan, request, change |
//! |---|---|---|
//! | F0 | up to 15 min | goes |
//! | F1 | up to 2 h | goes, flagged, while the pickup window lies ahead; else as F2 |
//! | F2 | up to 24 h | a person releases it |
//! | F3 | above | is reported only |
//!
//! Cancels, holds, merges and news about a job that is wanted already are never blocked: the older they are, the more
//! urgent.

use std::time::Duration;

use super::{Ask, Finding, Job, Policy, Wish};
use crate::units::Timestamp;

/// How old an ask is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Fresh.
    F0,
    /// Late.
    F1,
    /// Old.
    F2,
    /// History.
    F3,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 4] = [Self::F0, Self::F1, Self::F2, Self::F3];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::F0 => "F0",
            Self::F1 => "F1",
            Self::F2 => "F2",
            Self::F3 => "F3",
        }
    }

    /// The class of an age.
    pub fn of(age: Duration, policy: &Policy) -> Self {
        match age {
            age if age <= policy.fresh => Self::F0,
            age if age <= policy.late => Self::F1,
            age if age <= policy.old => Self::F2,
            _ => Self::F3,
        }
    }
}

/// Where the pickup window lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Its end is still to come.
    Ahead,
    /// It is over.
    Past,
    /// The ask says none.
    Unknown,
}

impl Window {
    /// Where a window lies that ends at `latest`.
    pub fn ending(latest: Option<Timestamp>, now: Timestamp) -> Self {
        match latest {
            Some(latest) if latest > now => Self::Ahead,
            Some(_) => Self::Past,
            None => Self::Unknown,
        }
    }
}

/// What may be done with an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allowed {
    /// It has its effect.
    Go,
    /// It has its effect, flagged as stale.
    GoFlagged,
    /// It has its effect when a person releases it: give the job [`super::Reason::Stale`] with it.
    Release,
    /// It is reported and has no effect.
    Report,
}

impl Allowed {
    /// What is to be noticed about it.
    pub const fn finding(self) -> Option<Finding> {
        match self {
            Self::Go => None,
            Self::GoFlagged | Self::Release | Self::Report => Some(Finding::Stale),
        }
    }
}

/// What may be done at `now` with an ask about `known` that happened at `occurred_at`.
pub fn allows(
    ask: &Ask,
    known: Option<&Job>,
    occurred_at: Timestamp,
    now: Timestamp,
    window: Window,
    policy: &Policy,
) -> (Class, Allowed) {
    let class = Class::of(now.since(occurred_at), policy);
    let allowed = match (class, window) {
        _ if !is_new_wish(ask, known) => Allowed::Go,
        (Class::F0, _) => Allowed::Go,
        (Class::F1, Window::Ahead) => Allowed::GoFlagged,
        (Class::F1 | Class::F2, _) => Allowed::Release,
        (Class::F3, _) => Allowed::Report,
    };
    (class, allowed)
}

/// Whether an ask would have something sent for that was not wanted before. News about a job that is wanted already
/// must not wait, however old: it may be where the patient is. A discharge alone sends nobody.
fn is_new_wish(ask: &Ask, known: Option<&Job>) -> bool {
    let known = known.filter(|job| !job.is_tombstone()).map(|job| job.wish);
    match ask {
        Ask::Plan(_) => known.is_none(),
        Ask::Request(_) | Ask::Change(_) => known != Some(Wish::Request),
        _ => false,
    }
}
