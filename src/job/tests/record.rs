//! What stands on disk.

use super::*;

/// The least that was ever written of a job.
const OLD: &str = r#"{"form":1,"id":"6d0c3a2e-8f0b-5d3e-9c8e-5f2f5b7f4a10","kind":"home-care","wish":"request",
    "wished":{"occurred_at":"2026-11-26T10:00:00.000Z","received_at":"2026-11-26T10:00:00.250Z"},
    "opened_at":"2026-11-26T10:00:00.250Z","changed_at":"2026-11-26T10:00:00.250Z"}"#;

#[test]
fn a_job_is_read_as_it_was_written() {
    let busy = after(
        requested(),
        &[
            of_job(State::Scheduled, MINUTE),
            says("M7", Status::zetron(2).unwrap(), 2 * MINUTE),
            of_unit("M8", State::Assigned, 3 * MINUTE),
        ],
    );
    let busy = must_ask(Some(&busy), Ask::Hold(Reason::WaitsFor(job_id(2), State::HandedOver)), at(3 * MINUTE)).job;
    let busy = must_ask(Some(&busy), Ask::Hold(Reason::Leave), at(3 * MINUTE)).job;
    let busy = must_ask(Some(&busy), Ask::Cancel(Why::Deceased), at(4 * MINUTE)).job;
    for job in State::ALL.map(in_state).into_iter().chain([busy]) {
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job, "{text}");
    }
}

#[test]
fn an_older_form_is_read_as_what_it_meant() {
    let job: Job = serde_json::from_str(OLD).unwrap();
    assert_eq!((job.kind, job.state(), job.revision), (Kind::HomeVisit, State::Requested, 0));
    assert_eq!(job.wished.received_at, Timestamp(TEN + 250));
    assert!(job.holds.is_empty() && job.group.is_none() && job.heard.is_empty() && !job.is_known_there());
}

#[test]
fn what_this_version_does_not_know_is_refused_and_not_dropped() {
    for (from, to, says) in [
        (r#""form":1"#, r#""form":2"#, "form 1 or less, found form 2"),
        (r#""form":1"#, r#""form":1,"priority":"stat""#, "priority"),
        (r#""kind":"home-care""#, r#""kind":"teleport""#, "teleport"),
    ] {
        let error = serde_json::from_str::<Job>(&OLD.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn every_word_names_one_thing() {
    for state in State::ALL {
        assert_eq!(State::named(state.as_str()), Some(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
    assert!(State::ALL.windows(2).all(|pair| pair[0] < pair[1] && pair[0].rank() <= pair[1].rank()));
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.as_str()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    for why in Why::ALL {
        assert_eq!(Why::named(why.as_str()), Some(why));
        assert_eq!(serde_json::to_value(why).unwrap(), why.as_str());
    }
    for reason in Reason::PLAIN {
        assert_eq!(Reason::named(reason.as_str()), Some(reason));
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
    }
    assert!(Reason::PLAIN.is_sorted() && Reason::named("waits-for").is_none());
    let findings: std::collections::BTreeSet<&str> = Finding::ALL.iter().map(|finding| finding.as_str()).collect();
    assert_eq!(findings.len(), Finding::ALL.len());
    assert_eq!((State::named("available"), Kind::named(""), Why::named("x")), (None, None, None));
}

#[test]
fn states_are_told_to_a_fhir_platform_by_the_table() {
    let table = State::ALL.map(|state| {
        let (status, business) = state.task();
        (state.as_str(), status.as_str(), business)
    });
    assert_eq!(
        table,
        [
            ("planned", "draft", "planned"),
            ("requested", "requested", "requested"),
            ("offered", "received", "offered"),
            ("scheduled", "accepted", "scheduled"),
            ("assigned", "accepted", "unit-assigned"),
            ("en-route", "in-progress", "en-route"),
            ("on-scene", "in-progress", "at-pickup"),
            ("patient-contact", "in-progress", "with-patient"),
            ("on-board", "in-progress", "transporting"),
            ("at-destination", "in-progress", "at-destination"),
            ("handed-over", "in-progress", "care-transferred"),
            ("completed", "completed", "completed"),
            ("cancelled", "cancelled", "cancelled-requester"),
            ("rejected", "rejected", "declined"),
            ("expired", "rejected", "expired"),
            ("failed-dry-run", "failed", "dry-run"),
            ("failed-no-show", "failed", "no-show"),
            ("failed-refused", "failed", "refused"),
            ("failed-provider-cancelled", "failed", "provider-cancelled"),
            ("entered-in-error", "entered-in-error", "entered-in-error"),
        ]
    );
    let pending = Shown::CancelPending(State::EnRoute).task();
    assert_eq!((pending.0.as_str(), pending.1), ("in-progress", "cancel-requested"));
}

#[test]
fn a_regression_is_known_as_one() {
    let (early, late) = (in_state(State::Scheduled), in_state(State::OnBoard));
    assert!(is_regression(&late, &early) && !is_regression(&requested(), &late) && !is_regression(&late, &late));
    let ended = in_state(State::Completed);
    assert!(is_regression(&ended, &late), "an end taken back");
    assert!(is_regression(&requested(), &planned()), "a wish taken back");
    let later = hear(&requested(), &of_job(State::Cancelled, HOUR)).job;
    assert!(is_regression(&ended, &later) && is_regression(&later, &in_state(State::Requested)));
    let with_unit = hear(&requested(), &of_unit("M7", State::Assigned, MINUTE)).job;
    assert!(is_regression(&with_unit, &hear(&requested(), &of_job(State::Assigned, MINUTE)).job), "a track forgotten");
    assert!(is_regression(&Job { revision: 2, ..requested() }, &requested()), "a revision used again");
    let wished_less = Job { wish: Wish::Plan, ..early.clone() };
    assert!(is_regression(&early, &wished_less), "a wish taken back behind a report");
    let tombstone = must_ask(None, Ask::Cancel(Why::Requester), at(0)).job;
    assert!(!is_regression(&tombstone, &requested()));
}

#[test]
fn what_is_remembered_has_bounds() {
    use crate::units::limits::{JOB_REPORTS_REMEMBERED_MAX, JOB_UNIT_FREED_MAX, JOB_UNITS_MAX};
    let mut job = requested();
    for number in 0..1000_i64 {
        let unit = format!("M{}", number % 100);
        job = hear(&job, &of_unit(&unit, State::EnRoute, number)).job;
    }
    assert_eq!((job.heard.len(), job.tracks.len()), (JOB_REPORTS_REMEMBERED_MAX, JOB_UNITS_MAX));
    for number in 0..100 {
        job = hear(&job, &says("M7", Status::zetron(1).unwrap(), number)).job;
    }
    assert_eq!(job.tracks["M7"].freed.len(), JOB_UNIT_FREED_MAX);
    let done = after(job.clone(), &[of_unit("M7", State::OnBoard, 200), says("M7", Status::zetron(1).unwrap(), 300)]);
    assert_eq!(done.end(), Some((State::Completed, Timestamp(TEN + 300))), "what was before the job makes room");
    let again = (301..400).fold(done, |job, number| hear(&job, &says("M7", Status::zetron(1).unwrap(), number)).job);
    assert_eq!(again.end(), Some((State::Completed, Timestamp(TEN + 300))), "what came after it does not push it out");
    let beyond = hear(&job, &of_unit("Z9", State::OnBoard, 2000)).job;
    assert_eq!(beyond.state(), State::OnBoard, "a unit beyond the bound still moves the job");
    assert_eq!(hear(&beyond, &of_unit("Z9", State::Completed, 3000)).job.state(), State::OnBoard);
}
