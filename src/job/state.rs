//! The states of a job, in rank order, and what FHIR R4 calls them.
//!
//! ```text
//!  planned < requested < offered < scheduled < assigned < en-route < on-scene < patient-contact
//!          < on-board < at-destination < handed-over < completed
//!  other ends: cancelled, rejected, expired, failed-(dry-run | no-show | refused | provider-cancelled), entered-in-error
//! ```
//!
//! On hold is no state: a job on hold keeps its state and has reasons beside it ([`super::Reason`]).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What is done for the patient. All kinds run through one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A ride.
    #[serde(rename = "transport")]
    Transport,
    /// A visit at home.
    #[serde(rename = "home-care")]
    HomeVisit,
    /// A delivery of equipment.
    #[serde(rename = "equipment")]
    Equipment,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Transport, Self::HomeVisit, Self::Equipment];

    /// The service, as maps name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::HomeVisit => "home-care",
            Self::Equipment => "equipment",
        }
    }

    /// The kind that maps name so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The least state that shows that a unit does this job itself and did not only stand by (rule 6): who has the
    /// patient or the goods on board, or who has come to the patient's home.
    pub const fn done_from(self) -> State {
        match self {
            Self::Transport | Self::Equipment => State::OnBoard,
            Self::HomeVisit => State::OnScene,
        }
    }
}

/// Why a job failed after its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The crew came and there was nothing to carry.
    DryRun,
    /// The patient was not there.
    NoShow,
    /// The patient refused.
    Refused,
    /// The provider called it off.
    ProviderCancelled,
}

/// Where a job stands. The order of the variants is their rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Expected: a discharge is planned, nothing is asked for.
    Planned,
    /// Asked for.
    Requested,
    /// Offered to providers.
    Offered,
    /// Accepted by a provider.
    Scheduled,
    /// A unit is named.
    Assigned,
    /// The unit is on its way.
    EnRoute,
    /// The unit is at the pickup.
    OnScene,
    /// The crew is with the patient.
    PatientContact,
    /// The patient is on board.
    OnBoard,
    /// The unit is at the destination.
    AtDestination,
    /// The patient is in other hands.
    HandedOver,
    /// Done.
    Completed,
    /// Called off by the hospital.
    Cancelled,
    /// No provider wanted it.
    Rejected,
    /// No provider answered in time.
    Expired,
    /// Failed after its start.
    Failed(Failure),
    /// Should never have been.
    EnteredInError,
}

impl State {
    /// All states, by rank.
    pub const ALL: [Self; 20] = [
        Self::Planned,
        Self::Requested,
        Self::Offered,
        Self::Scheduled,
        Self::Assigned,
        Self::EnRoute,
        Self::OnScene,
        Self::PatientContact,
        Self::OnBoard,
        Self::AtDestination,
        Self::HandedOver,
        Self::Completed,
        Self::Cancelled,
        Self::Rejected,
        Self::Expired,
        Self::Failed(Failure::DryRun),
        Self::Failed(Failure::NoShow),
        Self::Failed(Failure::Refused),
        Self::Failed(Failure::ProviderCancelled),
        Self::EnteredInError,
    ];

    /// The state's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Requested => "requested",
            Self::Offered => "offered",
            Self::Scheduled => "scheduled",
            Self::Assigned => "assigned",
            Self::EnRoute => "en-route",
            Self::OnScene => "on-scene",
            Self::PatientContact => "patient-contact",
            Self::OnBoard => "on-board",
            Self::AtDestination => "at-destination",
            Self::HandedOver => "handed-over",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Failed(Failure::DryRun) => "failed-dry-run",
            Self::Failed(Failure::NoShow) => "failed-no-show",
            Self::Failed(Failure::Refused) => "failed-refused",
            Self::Failed(Failure::ProviderCancelled) => "failed-provider-cancelled",
            Self::EnteredInError => "entered-in-error",
        }
    }

    /// The state of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Its place in the order of the table: 0 is planned. The reasons of a failure share a rank.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Planned => 0,
            Self::Requested => 1,
            Self::Offered => 2,
            Self::Scheduled => 3,
            Self::Assigned => 4,
            Self::EnRoute => 5,
            Self::OnScene => 6,
            Self::PatientContact => 7,
            Self::OnBoard => 8,
            Self::AtDestination => 9,
            Self::HandedOver => 10,
            Self::Completed => 11,
            Self::Cancelled => 12,
            Self::Rejected => 13,
            Self::Expired => 14,
            Self::Failed(_) => 15,
            Self::EnteredInError => 16,
        }
    }

    /// Whether nothing follows: rule 2, an end is final.
    pub const fn is_terminal(self) -> bool {
        self.rank() >= Self::Completed.rank()
    }

    /// Whether a crew is on its way or further.
    pub fn has_begun(self) -> bool {
        !self.is_terminal() && self >= Self::EnRoute
    }

    /// What it is as a FHIR R4 Task: `Task.status` and the code of `Task.businessStatus`.
    pub const fn task(self) -> (TaskStatus, &'static str) {
        match self {
            Self::Planned => (TaskStatus::Draft, "planned"),
            Self::Requested => (TaskStatus::Requested, "requested"),
            Self::Offered => (TaskStatus::Received, "offered"),
            Self::Scheduled => (TaskStatus::Accepted, "scheduled"),
            Self::Assigned => (TaskStatus::Accepted, "unit-assigned"),
            Self::EnRoute => (TaskStatus::InProgress, "en-route"),
            Self::OnScene => (TaskStatus::InProgress, "at-pickup"),
            Self::PatientContact => (TaskStatus::InProgress, "with-patient"),
            Self::OnBoard => (TaskStatus::InProgress, "transporting"),
            Self::AtDestination => (TaskStatus::InProgress, "at-destination"),
            Self::HandedOver => (TaskStatus::InProgress, "care-transferred"),
            Self::Completed => (TaskStatus::Completed, "completed"),
            Self::Cancelled => (TaskStatus::Cancelled, "cancelled-requester"),
            Self::Rejected => (TaskStatus::Rejected, "declined"),
            Self::Expired => (TaskStatus::Rejected, "expired"),
            Self::Failed(Failure::DryRun) => (TaskStatus::Failed, "dry-run"),
            Self::Failed(Failure::NoShow) => (TaskStatus::Failed, "no-show"),
            Self::Failed(Failure::Refused) => (TaskStatus::Failed, "refused"),
            Self::Failed(Failure::ProviderCancelled) => (TaskStatus::Failed, "provider-cancelled"),
            Self::EnteredInError => (TaskStatus::EnteredInError, "entered-in-error"),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| de::Error::custom("expected the name of a job state"))
    }
}

/// FHIR R4 `Task.status`, as far as jobs use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskStatus {
    /// `draft`
    Draft,
    /// `requested`
    Requested,
    /// `received`
    Received,
    /// `accepted`
    Accepted,
    /// `in-progress`
    InProgress,
    /// `on-hold`
    OnHold,
    /// `completed`
    Completed,
    /// `cancelled`
    Cancelled,
    /// `rejected`
    Rejected,
    /// `failed`
    Failed,
    /// `entered-in-error`
    EnteredInError,
}

impl TaskStatus {
    /// The code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Requested => "requested",
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::InProgress => "in-progress",
            Self::OnHold => "on-hold",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::EnteredInError => "entered-in-error",
        }
    }
}
