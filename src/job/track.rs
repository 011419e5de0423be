//! What is proven of a job: facts, and what each unit did.
//!
//! Everything here is a join: the earliest, the newest, the union. In whatever order reports come, and however often,
//! the same is kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Kind, State, unit::Said};
use crate::units::{Timestamp, limits};

/// The earliest proof of a state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fact {
    /// When it was reached, by the source's clock.
    pub occurred_at: Timestamp,
    /// When that came in.
    pub received_at: Timestamp,
    /// Who says so.
    pub source: String,
    /// Its number at that source.
    pub source_seq: Option<u64>,
}

/// What one unit did for the job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// The earliest proof of each state that the unit reached.
    pub reached: BTreeMap<State, Fact>,
    /// When the unit was free: before the job, after it, or after it had only stood by.
    pub freed: BTreeSet<Timestamp>,
    /// When it was last heard to be at work on the job or off it.
    pub newest: Option<(Timestamp, Duty)>,
    /// What the unit said last.
    pub said: Option<Said>,
}

/// Whether a unit works on the job. Of two at the same time the second variant holds, so that nobody relies on a unit
/// that may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duty {
    /// It does.
    AtWork,
    /// It was taken off, or is done.
    Off,
}

impl Track {
    /// When the unit was first known to do the job itself and not only to stand by.
    fn did_it_at(&self, kind: Kind) -> Option<Timestamp> {
        self.reached.range(kind.done_from()..).map(|(_, fact)| fact.occurred_at).min()
    }

    /// When the unit had done the job: when it was first free after it did it. That it was free before is no news, and
    /// a unit that leaves the scene without having done the job ends its own track only (rule 6).
    pub fn completed_at(&self, kind: Kind) -> Option<Timestamp> {
        let did_it_at = self.did_it_at(kind)?;
        self.freed.range(did_it_at..).next().copied()
    }

    /// How far this unit brings the job (rule 6).
    pub fn brings(&self, kind: Kind) -> Option<State> {
        match self.completed_at(kind) {
            Some(_) => Some(State::Completed),
            None => self.reached.keys().next_back().copied(),
        }
    }

    /// Remembers that the unit was free. Beyond the bound those go first that cannot be the end of the job.
    pub(super) fn free(&mut self, kind: Kind, at: Timestamp) {
        self.freed.insert(at);
        if self.freed.len() <= limits::JOB_UNIT_FREED_MAX {
            return;
        }
        let did_it_at = self.did_it_at(kind);
        if did_it_at.is_none() || self.freed.first().copied() < did_it_at {
            self.freed.pop_first();
        } else {
            self.freed.pop_last();
        }
    }

    /// Whether the unit is at work on the job.
    pub fn is_at_work(&self) -> bool {
        self.newest.is_some_and(|(_, duty)| duty == Duty::AtWork)
    }
}

/// What makes two reports the same (rule 4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Heard {
    /// When it happened. First, so that the newest are kept.
    pub occurred_at: Timestamp,
    /// Who says so.
    pub source: String,
    /// The unit it is about.
    pub unit: Option<String>,
    /// What it says.
    pub status: String,
}
