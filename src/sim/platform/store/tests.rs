//! The resources against what the built-in map makes of simulated traffic.

//! Conditional requests against the in-memory FHIR store.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::BTreeSet, time::Duration};

use super::*;
use crate::{
    hl7::Index,
    mapping::{Context, Outcome, Registry, STANDARD},
    sim::ehr::{Clock, Dialect, Generator, Kind, Profile},
    units::Timestamp,
};

/// Rides ordered, cancelled and planned by the simulated EHR become the jobs they should, in every dialect.
#[test]
fn takes_the_bundles_that_the_built_in_map_makes_of_simulated_traffic() {
    let registry = Registry::builtin().unwrap();
    let map = registry.get("transport", 1).unwrap();
    for dialect in Dialect::ALL {
        let clock = Clock::Steps { from: "2026-11-22T08:00:00Z".parse().unwrap(), step: Duration::from_secs(60) };
        let mut generator = Generator::new(11, Profile { dialect, clock, ..Profile::default() });
        let mut store = Store::default();
        let (mut ordered, mut people) = (0, BTreeSet::new());
        for number in 0..400 {
            let generated = generator.next();
            let index = Index::of(&generated.bytes).unwrap();
            let context = Context {
                site: "test",
                zone: &jiff::tz::TimeZone::UTC,
                encoding: None,
                received_at: Timestamp(1_795_000_000_000 + number),
                source_hash: [7; 32],
                dialect: STANDARD,
            };
            let outcome = map.prepare(&index.message(&generated.bytes), &context);
            let outcome = outcome.unwrap_or_else(|refusal| panic!("{dialect:?} {:?}: {refusal:?}", generated.kind));
            let Outcome::Send(prepared) = outcome else {
                assert!(!matches!(generated.kind, Kind::OrderRide | Kind::CancelRide | Kind::PlanDischarge));
                continue;
            };
            ordered += usize::from(generated.kind == Kind::OrderRide);
            people.insert(generated.patient_key);
            let bundle = serde_json::from_slice(&prepared.render()).unwrap();
            store.transaction(&bundle).unwrap_or_else(|refusal| panic!("{dialect:?}: {refusal:?}"));
        }
        let requested = store.jobs.values().filter(|states| states.iter().any(|state| state == "requested")).count();
        assert!(ordered > 30);
        assert_eq!(requested, ordered, "{dialect:?}: one job per order");
        assert_eq!(store.counts().get("Patient"), Some(&people.len()), "{dialect:?}: one Patient per person");
        assert_eq!(store.double_creates(), 0, "{dialect:?}");
    }
}
