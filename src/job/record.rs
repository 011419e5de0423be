//! What is kept of one job, and what is derived from it.
//!
//! Stored as JSON (form [`Job::FORM`]). A field that is added later has a default, so that an older form is read as
//! what it meant; what a newer form says beyond this one is refused rather than dropped.
//!
//! ```text
//!  who it is       id, kind, group, follows, followed_by
//!  what is wanted  wish, wished, holds, cancel, pending, called_off
//!  what happened   reached (job), tracks (per unit), heard (to know repeats)      all of them joins: order is nothing
//!  what was told   asked_at, told, revision
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    Finding, Kind, Plans, Policy, Reason, State, TaskStatus, Why,
    unit::{self, Said},
};
use crate::{
    ids::{GroupId, JobId},
    units::Timestamp,
};

/// Who a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its identity.
    pub id: JobId,
    /// What is done.
    pub kind: Kind,
    /// The visit that it belongs to.
    pub group: Option<GroupId>,
}

/// When something happened and when it was heard here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// When it happened, by the sender's clock.
    pub occurred_at: Timestamp,
    /// When it came in, by this box's clock.
    pub received_at: Timestamp,
}

/// What the hospital wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// It expects the job.
    Plan,
    /// It wants the job.
    Request,
}

/// One reason for a hold: the newest time it was given and the newest time it was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The reason.
    pub reason: Reason,
    /// When it was given last.
    pub held: Option<Stamp>,
    /// When it was taken back last.
    pub lifted: Option<Stamp>,
}

impl Hold {
    /// Whether the reason stands. What was given and taken back at the same time was taken back.
    pub fn stands(&self) -> bool {
        match (self.held, self.lifted) {
            (Some(held), Some(lifted)) => held.occurred_at > lifted.occurred_at,
            (held, _) => held.is_some(),
        }
    }
}

/// A cancel that was decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Why.
    pub why: Why,
    /// When it was said and heard. It takes effect when it is heard.
    pub at: Stamp,
}

/// A cancel that the platform was asked for and has not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingCancel {
    /// Why.
    pub why: Why,
    /// When it was said and heard.
    pub at: Stamp,
    /// When somebody was paged about it.
    pub paged_at: Option<Timestamp>,
}

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
pub struct Track {
    /// The earliest proof of each state the unit reached.
    pub reached: BTreeMap<State, Fact>,
    /// When the unit was taken off the job first.
    pub released: Option<Fact>,
    /// What the unit said last.
    pub said: Option<Said>,
}

impl Track {
    /// How far this unit brings the job (rule 6). A unit that clears the scene without having done the job itself
    /// ends its own track only.
    pub fn brings(&self, kind: Kind) -> Option<State> {
        let does_it = self.reached.keys().any(|state| !state.is_terminal() && *state >= kind.done_from());
        self.reached.keys().copied().filter(|state| does_it || !state.is_terminal()).max()
    }

    /// Whether the unit is still at work on the job.
    pub fn is_at_work(&self) -> bool {
        self.released.is_none() && !self.reached.is_empty() && !self.reached.contains_key(&State::Completed)
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

/// What the platform is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tell {
    /// That there is a job, in the state it is shown in.
    Create,
    /// How the job is now.
    Update,
    /// That it is off.
    Cancel,
    /// That the hospital wants it off, and whether that is still possible.
    AskToCancel,
}

/// What the platform was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What.
    pub tell: Tell,
    /// The revision that it had.
    pub revision: u32,
    /// When.
    pub at: Timestamp,
}

/// What people and platforms are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shown {
    /// The state.
    State(State),
    /// It is on hold, for this reason first.
    OnHold(Reason),
    /// It is in this state, and a cancel of it is not confirmed yet.
    CancelPending(State),
}

impl Shown {
    /// What it is as a FHIR R4 Task: `Task.status` and the code of `Task.businessStatus`.
    pub const fn task(self) -> (TaskStatus, &'static str) {
        match self {
            Self::State(state) => state.task(),
            Self::OnHold(reason) => (TaskStatus::OnHold, reason.as_str()),
            Self::CancelPending(state) => (state.task().0, "cancel-requested"),
        }
    }
}

/// What is kept of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The form of this record.
    #[serde(deserialize_with = "known_form")]
    pub form: u32,
    /// Its identity.
    pub id: JobId,
    /// What is done.
    pub kind: Kind,
    /// The visit that it belongs to.
    #[serde(default)]
    pub group: Option<GroupId>,
    /// The ended job that this one follows.
    #[serde(default)]
    pub follows: Option<JobId>,
    /// When the job that this one follows had ended.
    #[serde(default)]
    pub follows_end: Option<Timestamp>,
    /// The job that follows this one.
    #[serde(default)]
    pub followed_by: Option<JobId>,
    /// What the hospital wants.
    pub wish: Wish,
    /// The newest time that it wanted it.
    pub wished: Stamp,
    /// The newest time that it was wanted again after its end.
    #[serde(default)]
    pub wished_again: Option<Stamp>,
    /// The reasons for holds, those taken back too, by reason.
    #[serde(default)]
    pub holds: Vec<Hold>,
    /// The cancel that ended it.
    #[serde(default)]
    pub cancel: Option<Cancel>,
    /// The cancel that the platform was asked for.
    #[serde(default)]
    pub pending: Option<PendingCancel>,
    /// The newest cancel that was said, whatever came of it; one that is final stays.
    #[serde(default)]
    pub called_off: Option<Cancel>,
    /// The earliest proof of each state of the job as a whole.
    #[serde(default)]
    pub reached: BTreeMap<State, Fact>,
    /// What each unit did.
    #[serde(default)]
    pub tracks: BTreeMap<String, Track>,
    /// The reports that are known, the newest of them.
    #[serde(default)]
    pub heard: BTreeSet<Heard>,
    /// When something was heard about it last.
    #[serde(default)]
    pub heard_at: Option<Timestamp>,
    /// Since when nobody knows where it stands.
    #[serde(default)]
    pub unknown_since: Option<Timestamp>,
    /// When the platform was to be told of it first.
    #[serde(default)]
    pub asked_at: Option<Timestamp>,
    /// What the platform was to be told last.
    #[serde(default)]
    pub told: Option<Told>,
    /// Goes up with everything that is told.
    #[serde(default)]
    pub revision: u32,
    /// When it was first spoken of.
    pub opened_at: Timestamp,
    /// When it changed last.
    pub changed_at: Timestamp,
}

/// What comes of an ask, a report or of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The job to keep.
    pub job: Job,
    /// What the platform is to be told now.
    pub tell: Option<Tell>,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

impl Job {
    /// The form that is written.
    pub const FORM: u32 = 1;

    /// A job that was just spoken of.
    pub(super) const fn new(who: &Identity, wish: Wish, at: Stamp) -> Self {
        Self {
            form: Self::FORM,
            id: who.id,
            kind: who.kind,
            group: who.group,
            follows: None,
            follows_end: None,
            followed_by: None,
            wish,
            wished: at,
            wished_again: None,
            holds: Vec::new(),
            cancel: None,
            pending: None,
            called_off: None,
            reached: BTreeMap::new(),
            tracks: BTreeMap::new(),
            heard: BTreeSet::new(),
            heard_at: None,
            unknown_since: None,
            asked_at: None,
            told: None,
            revision: 0,
            opened_at: at.received_at,
            changed_at: at.received_at,
        }
    }

    /// Where it stands. Rule 1: the highest rank that anything proves, whatever came when; rule 2: an end is final.
    pub fn state(&self) -> State {
        self.end().map_or_else(|| self.progress(), |(state, _)| state)
    }

    /// How it ended and when: the earliest end that anything proves; of several at the same time the first by rank.
    pub fn end(&self) -> Option<(State, Timestamp)> {
        let own = self.cancel.map(|cancel| (State::Cancelled, cancel.at.received_at));
        let of_job = self.reached.iter().map(|(state, fact)| (*state, fact.occurred_at));
        let of_units = self.tracks.values().filter_map(|track| {
            let completed = track.brings(self.kind).filter(|state| state.is_terminal())?;
            Some((completed, track.reached.get(&completed)?.occurred_at))
        });
        own.into_iter()
            .chain(of_job)
            .chain(of_units)
            .filter(|(state, _)| state.is_terminal())
            .min_by_key(|(state, at)| (*at, *state))
    }

    /// How far it came, its end aside.
    pub fn progress(&self) -> State {
        let wished = match self.wish {
            Wish::Plan => State::Planned,
            Wish::Request => State::Requested,
        };
        let reached = self.reached.keys().copied();
        let by_units = self.tracks.values().flat_map(|track| track.reached.keys().copied());
        reached.chain(by_units).filter(|state| !state.is_terminal()).fold(wished, State::max)
    }

    /// What people and platforms are shown: a hold hides the state until a crew is on its way.
    pub fn shown(&self) -> Shown {
        let state = self.state();
        match (self.pending, self.hold()) {
            _ if state.is_terminal() => Shown::State(state),
            (Some(_), _) => Shown::CancelPending(state),
            (None, Some(reason)) if !state.has_begun() => Shown::OnHold(reason),
            _ => Shown::State(state),
        }
    }

    /// The first reason that stands for a hold.
    pub fn hold(&self) -> Option<Reason> {
        self.standing().next()
    }

    /// All reasons that stand for a hold, the first one first.
    pub fn standing(&self) -> impl Iterator<Item = Reason> + '_ {
        self.holds.iter().filter(|hold| hold.stands()).map(|hold| hold.reason)
    }

    /// Whether the platform may know it: it was to be told, or it spoke of it itself.
    pub fn is_known_there(&self) -> bool {
        self.asked_at.is_some() || !self.heard.is_empty()
    }

    /// Whether it was called off before the platform heard of it: nothing but the memory of a cancel.
    pub fn is_tombstone(&self) -> bool {
        !self.is_known_there() && self.cancel.is_some()
    }

    /// The states of the ride that were passed and that nothing proves (rule 3). Who offers and accepts it, and how, is
    /// the platform's business; gaps count from the unit on.
    pub fn gaps(&self) -> Vec<State> {
        let passed = match self.state() {
            State::Completed => State::Completed,
            _ => self.progress(),
        };
        let is_gap = |state: &State| *state >= State::Assigned && *state < passed && self.reached_at(*state).is_none();
        State::ALL.into_iter().filter(is_gap).collect()
    }

    /// When a state was reached first, over the job and all its units.
    pub fn reached_at(&self, state: State) -> Option<Timestamp> {
        let by_units = self.tracks.values().filter_map(|track| track.reached.get(&state));
        self.reached.get(&state).into_iter().chain(by_units).map(|fact| fact.occurred_at).min()
    }

    /// Whether it had a unit and has none any more, although it goes on.
    pub fn is_left_alone(&self) -> bool {
        let had_one = self.progress() >= State::Assigned && !self.tracks.is_empty();
        had_one && !self.state().is_terminal() && !self.tracks.values().any(Track::is_at_work)
    }

    /// The units that are at work on it.
    pub fn units(&self) -> impl Iterator<Item = (&str, Option<&unit::Status>)> {
        self.tracks
            .iter()
            .filter(|(_, track)| track.is_at_work())
            .map(|(name, track)| (name.as_str(), track.said.as_ref().map(|said| &said.status)))
    }

    /// What the platform has to be told after a change of what it is shown.
    pub(super) fn news(&self, policy: &Policy) -> Option<Tell> {
        if self.is_known_there() {
            return Some(Tell::Update);
        }
        let kept_back = self.standing().any(Reason::keeps_back);
        let kept_plan = self.wish == Wish::Plan && policy.plans == Plans::Keep;
        (!kept_back && !kept_plan).then_some(Tell::Create)
    }

    /// Remembers what is told.
    pub(super) const fn tell(&mut self, tell: Option<Tell>, now: Timestamp) {
        let Some(tell) = tell else { return };
        self.revision = self.revision.saturating_add(1);
        self.told = Some(Told { tell, revision: self.revision, at: now });
        if self.asked_at.is_none() {
            self.asked_at = Some(now);
        }
    }
}

/// A newer form is refused: what it says may matter.
fn known_form<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let form = u32::deserialize(deserializer)?;
    if form > Job::FORM {
        return Err(de::Error::custom(format_args!("expected a job of form {} or less, found form {form}", Job::FORM)));
    }
    Ok(form)
}
