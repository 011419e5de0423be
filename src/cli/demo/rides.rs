//! What must have become of each visit's ride, by what was said about the visit.
//!
//! Plan, order and discharge of one visit are one ride. Whether one that was asked for and taken back was ever told of
//! depends on how long it waited; that it is not asked for in the end does not.

use std::collections::BTreeMap;

use super::{
    proof::Match,
    scan::field,
    site::{BEDBOARD, TRANSPORT},
};
use crate::sim::{
    ehr::{Generated, Kind},
    platform::Store,
    scene::look::{JobAtPlatform, holds, look},
};

/// Dispositions of the example site after which nobody rides.
const NEVER_RIDES: [&[u8]; 2] = [b"07", b"20"];

/// The rides of all visits.
#[derive(Debug, Default)]
pub(super) struct Rides(BTreeMap<String, Ride>);

/// Where a visit's ride stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ride {
    /// Nothing was said of one.
    #[default]
    None,
    /// A discharge is planned.
    Draft,
    /// The patient was discharged, and nobody ordered one.
    OnHold,
    /// It was ordered.
    Requested,
    /// It was taken back.
    Ended,
}

impl Rides {
    /// Takes in a message of a flow that makes jobs.
    pub(super) fn hear(&mut self, message: &Generated) {
        let Some(visit) = field(&message.bytes, b"PV1", 19) else { return };
        let disposition = field(&message.bytes, b"PV1", 36).unwrap_or_default();
        let ride = self.0.entry(String::from_utf8_lossy(visit).into_owned()).or_default();
        *ride = ride.after(message.kind, NEVER_RIDES.contains(&disposition));
    }

    /// How many must be there in the end.
    pub(super) fn due(&self) -> usize {
        self.0.values().filter(|ride| ride.status().is_some()).count()
    }

    /// What of it the platform has.
    pub(super) fn at(&self, store: &Store) -> Match {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for task in store.all("Task") {
            let job = JobAtPlatform { store, task };
            if !holds(&job, "ServiceRequest.category.coding.code", "transport") {
                continue;
            }
            let text = |path| {
                let found = look(&job, path);
                found.first().and_then(|value| value.as_str()).unwrap_or_default().to_owned()
            };
            found.entry(text("Task.groupIdentifier.value")).or_default().push(text("Task.status"));
        }
        let mut surplus = 0;
        let mut right = 0;
        for (visit, states) in &found {
            let ride = self.0.get(visit).copied().unwrap_or_default();
            let fits = match ride.status() {
                Some(status) => *states == [status],
                None => ride == Ride::Ended && *states == ["cancelled"],
            };
            right += u64::from(fits && ride.status().is_some());
            surplus += u64::from(!fits);
        }
        Match { expected: self.due() as u64, found: right, surplus }
    }
}

impl Ride {
    fn after(self, kind: Kind, never_rides: bool) -> Self {
        match (self, kind) {
            (Self::None, Kind::PlanDischarge) => Self::Draft,
            (Self::None | Self::Draft | Self::OnHold, Kind::OrderRide) => Self::Requested,
            (Self::Draft | Self::OnHold | Self::Requested, Kind::Discharge) if never_rides => Self::Ended,
            (Self::None | Self::Draft, Kind::Discharge) if !never_rides => Self::OnHold,
            (
                Self::Draft | Self::OnHold | Self::Requested,
                Kind::CancelPlan | Kind::CancelDischarge | Kind::CancelRide,
            ) => Self::Ended,
            _ => self,
        }
    }

    /// Task.status, where there must be a Task.
    const fn status(self) -> Option<&'static str> {
        match self {
            Self::Draft => Some("draft"),
            Self::OnHold => Some("on-hold"),
            Self::Requested => Some("requested"),
            Self::None | Self::Ended => None,
        }
    }
}

/// Whether a flow makes jobs.
pub(super) fn makes_jobs(flow: &str) -> bool {
    [TRANSPORT, BEDBOARD].iter().any(|route| route.flow == flow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_visit_from_plan_to_end() {
        use Kind::{CancelDischarge, CancelPlan, CancelRide, Discharge, OrderRide, PlanDischarge, Transfer};
        for (kinds, never_rides, status) in [
            (&[][..], false, None),
            (&[PlanDischarge], false, Some("draft")),
            (&[PlanDischarge, OrderRide, Transfer, Discharge], false, Some("requested")),
            (&[PlanDischarge, OrderRide, CancelPlan, CancelRide], false, None),
            (&[PlanDischarge, OrderRide, Discharge, CancelDischarge, Discharge], false, None),
            (&[Discharge], false, Some("on-hold")),
            (&[Discharge, OrderRide], false, Some("requested")),
            (&[Discharge], true, None),
            (&[PlanDischarge, OrderRide, Discharge], true, None),
        ] {
            let ride = kinds.iter().fold(Ride::None, |ride, kind| ride.after(*kind, never_rides));
            assert_eq!(ride.status(), status, "{kinds:?}");
        }
    }
}
