//! The acceptance catalogue: every use case in scope is a folder of scenarios, `UC-nn/NAME`, played against the real binary.
//!
//! A scenario is messages with placeholders, a script of steps and faults, and what must come of it: requests in order,
//! answers, what is set aside, what the platform has in the end. It is played over MLLP, a serial line and a watched folder
//! from the same fixtures, and then with what nobody wrote into them: other people, numbers and beds, repeats under new
//! control ids, other encoding characters and zones, no pause between messages. The form of a scenario stands in
//! `scenario.rs`, placeholders in `gurney::sim::scene::persona`. The seed of a run is printed; `GURNEY_SEED` repeats it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod bench;
mod dress;
mod judge;
mod links;
mod play;
mod scenario;
mod scenes;
mod storms;
#[path = "../support/wait.rs"]
mod wait;

use std::{
    fs,
    path::{Path, PathBuf},
};

use scenario::Scenario;

/// Scenarios of behaviour that is not there yet: each must fail in one of its plays, so that one which no longer does is
/// taken off this list.
const AWAITED: &[&str] = &[
    "UC-28/oxygen",
    "UC-28/oxygen-and-the-ride",
    "UC-28/visit-cancelled",
    "UC-28/visit-rescheduled",
    "scene/dme-hand-off",
];

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");

/// The scenarios of a use case, by name.
fn scenarios(case: &str) -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = fs::read_dir(Path::new(CASES).join(case))
        .unwrap_or_else(|error| panic!("{case}: {error}"))
        .map(|entry| entry.unwrap())
        .map(|entry| (format!("{case}/{}", entry.file_name().to_str().unwrap()), entry.path()))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{case} has no scenario");
    found
}

/// Plays all scenarios of a use case.
async fn play_all(case: &str) {
    let seed = seed(case);
    let mut faults = Vec::new();
    for (name, folder) in scenarios(case) {
        let read = Scenario::read(&folder);
        if AWAITED.contains(&name.as_str()) {
            if play::scenario(&read, seed).await.is_ok() {
                faults.push(format!("{name} is good now: take it off the list of what is awaited"));
            }
            continue;
        }
        if let Err(fault) = play::scenario(&read, seed).await {
            faults.push(format!("{name}: {fault}"));
        }
    }
    assert!(faults.is_empty(), "GURNEY_SEED={seed}\n{}", faults.join("\n\n"));
}

fn seed(case: &str) -> u64 {
    let given = std::env::var("GURNEY_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        #[expect(clippy::disallowed_methods, reason = "a seed that differs from run to run")]
        let now = jiff::Timestamp::now();
        u64::try_from(now.as_microsecond()).unwrap_or(0) ^ (u64::from(std::process::id()) << 32)
    });
    eprintln!("{case}: GURNEY_SEED={seed}");
    seed
}

macro_rules! cases {
    ($($test:ident: $case:literal,)*) => {
        /// Every use case that has a folder.
        const NAMES: &[&str] = &[$($case),*];

        $(#[tokio::test]
        async fn $test() {
            play_all($case).await;
        })*
    };
}

cases! {
    uc_01_order_to_confirmed_ride: "UC-01",
    uc_02_discharge_without_an_order: "UC-02",
    uc_03_discharge_that_never_rides: "UC-03",
    uc_04_missing_data: "UC-04",
    uc_05_unknown_codes: "UC-05",
    uc_06_room_change: "UC-06",
    uc_07_temporary_places: "UC-07",
    uc_08_transfer_taken_back: "UC-08",
    uc_09_pending_discharge_taken_back: "UC-09",
    uc_10_discharge_taken_back: "UC-10",
    uc_11_cancel_before_its_order: "UC-11",
    uc_12_duplicates: "UC-12",
    uc_13_older_events: "UC-13",
    uc_14_merge_during_a_ride: "UC-14",
    uc_15_merge_of_two_rides: "UC-15",
    uc_16_visit_moves: "UC-16",
    uc_17_newborns: "UC-17",
    uc_18_lost_answers: "UC-18",
    uc_19_outage: "UC-19",
    uc_20_age_after_downtime: "UC-20",
    uc_21_ride_booked_twice: "UC-21",
    uc_27_critical_care: "UC-27",
    uc_28_equipment_and_home_visits: "UC-28",
    uc_29_consent: "UC-29",
    uc_32_throttled_platform: "UC-32",
    uc_34_leave_of_absence: "UC-34",
    uc_35_refused_by_the_platform: "UC-35",
}

/// Folders, tests and the list of what is awaited speak of the same scenarios, and documented use cases have fixtures.
#[test]
fn every_folder_is_played() {
    let mut folders: Vec<String> = fs::read_dir(CASES)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().to_str().unwrap().to_owned())
        .collect();
    folders.sort();
    assert_eq!(folders, NAMES);
    let all: Vec<String> = NAMES.iter().flat_map(|case| scenarios(case)).map(|(name, _)| name).collect();
    let scenarios = AWAITED.iter().filter(|name| name.starts_with("UC-"));
    let unknown: Vec<_> = scenarios.filter(|name| !all.iter().any(|known| known == *name)).collect();
    assert!(unknown.is_empty(), "awaited, but not there: {unknown:?}");
    for case in gurney::settings::use_cases(&[]).unwrap() {
        assert_eq!(case.fixtures, Path::new("tests/cases"), "{}", case.name);
        let without: Vec<String> =
            case.covers.iter().map(ToString::to_string).filter(|id| !NAMES.contains(&id.as_str())).collect();
        assert!(without.is_empty(), "{} covers what has no fixtures: {without:?}", case.name);
    }
}
