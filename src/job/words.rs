//! What a hospital says about a job, in closed words.
//!
//! | message | ask |
//! |---|---|
//! | A16, A14 for a discharge | `Plan` |
//! | ORC-1 NW, SIU S12 | `Request` |
//! | ORC-1 XO, SIU S13, S14 | `Change` |
//! | A02, A08, A12, A31, an older or newer detail of any message | `Update` |
//! | A03 | `Discharged`; with a disposition that never rides `Cancel(NeverRides)` or `Cancel(Deceased)` |
//! | ORC-1 CA, DC, SIU S15 | `Cancel(Requester)` |
//! | A25 | `Cancel(PlanCancelled)` |
//! | A13 | `Cancel(DischargeCancelled)` |
//! | ORC-1 HD, RL | `Hold(Site)`, `Resume(Site)` |
//! | A21, A22, A52, A53 | `Hold(Leave)`, `Resume(Leave)`, `Resume(Leave)`, `Hold(Leave)` |
//! | A40, A18, A34 | `Merge` |
//! | A44, A45 | `Move` |
//! | A37 | `Split` |
//! | a person releases | `Resume(...)` |

use serde::{Deserialize, Serialize};

use super::State;
use crate::ids::{GroupId, JobId};

/// Whether a message changed what is known about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing new: what the platform was told last is what would be told now.
    Same,
    /// Something new.
    Changed,
}

/// What the hospital (or a person at it) says about one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A job is to be expected.
    Plan(Content),
    /// The job is wanted.
    Request(Content),
    /// The job is wanted, otherwise than before.
    Change(Content),
    /// The patient has gone. Alone it opens no ride, only something for a person to look at.
    Discharged(Content),
    /// Something about it changed; whether it is wanted did not.
    Update,
    /// The job is not wanted.
    Cancel(Why),
    /// Not now.
    Hold(Reason),
    /// The reason is gone.
    Resume(Reason),
    /// The patient is the same as another; the job goes on under the surviving identity.
    Merge,
    /// The job belongs to another visit now.
    Move(GroupId),
    /// Two patients that were made one are two again; whose job it is, a person decides.
    Split,
}

/// Why a job is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Who ordered it called it off.
    Requester,
    /// The planned discharge is off.
    PlanCancelled,
    /// The discharge was taken back: the patient stays.
    DischargeCancelled,
    /// The patient has died.
    Deceased,
    /// The patient left otherwise: against advice, without being seen.
    NeverRides,
    /// Another job does the same.
    Duplicate,
    /// A person at the site decided so.
    Person,
}

impl Why {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Requester,
        Self::PlanCancelled,
        Self::DischargeCancelled,
        Self::Deceased,
        Self::NeverRides,
        Self::Duplicate,
        Self::Person,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requester => "requester",
            Self::PlanCancelled => "plan-cancelled",
            Self::DischargeCancelled => "discharge-cancelled",
            Self::Deceased => "deceased",
            Self::NeverRides => "never-rides",
            Self::Duplicate => "duplicate",
            Self::Person => "person",
        }
    }

    /// The reason of that word.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == name)
    }

    /// Whether nothing that is planned later brings the job back.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Deceased | Self::NeverRides)
    }
}

/// Why a job is on hold. Several may stand at once; the first in this order is the one that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A cancel that is older than the wish it meets: which of both holds, a person decides.
    CancelInDoubt,
    /// Two patients became one and both have a job.
    MergedJobs,
    /// Patients that were one became two.
    Identity,
    /// It may be the same as one that was booked by phone or ordered otherwise.
    PossibleDuplicate,
    /// Something that must be known is missing or not understood.
    Incomplete,
    /// It came too late to be sent by itself.
    Stale,
    /// The patient's consent does not cover it.
    Consent,
    /// What the hospital ordered cannot be said to the platform without loss, and it is critical.
    Confirmation,
    /// The planned discharge is off, and the site wants a hold then.
    PlanCancelled,
    /// The patient has gone already.
    Discharged,
    /// The patient is on leave.
    Leave,
    /// The hospital says so.
    Site,
    /// Another job has to reach a state first.
    WaitsFor(JobId, State),
}

impl Reason {
    /// The word; it is the code of `Task.businessStatus` too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CancelInDoubt => "cancel-in-doubt",
            Self::MergedJobs => "merged-jobs",
            Self::Identity => "identity",
            Self::PossibleDuplicate => "possible-duplicate",
            Self::Incomplete => "incomplete",
            Self::Stale => "stale",
            Self::Consent => "consent",
            Self::Confirmation => "confirmation",
            Self::PlanCancelled => "plan-cancelled",
            Self::Discharged => "discharged",
            Self::Leave => "leave",
            Self::Site => "site",
            Self::WaitsFor(..) => "waits-for",
        }
    }

    /// Whether a job that the platform does not know stays unknown to it while this reason stands. The other reasons
    /// let it be told as one that is on hold.
    pub const fn keeps_back(self) -> bool {
        match self {
            Self::CancelInDoubt
            | Self::MergedJobs
            | Self::Identity
            | Self::PossibleDuplicate
            | Self::Incomplete
            | Self::Stale
            | Self::Consent
            | Self::Confirmation => true,
            Self::PlanCancelled | Self::Discharged | Self::Leave | Self::Site | Self::WaitsFor(..) => false,
        }
    }

    /// Whether a hold for this reason opens a job that nobody spoke of before. A leave of a patient without a job is
    /// no news about any.
    pub const fn opens(self) -> bool {
        self.keeps_back() || matches!(self, Self::Discharged)
    }
}
