//! The merge rules 1 to 7, each by its number.

use super::*;

const ON_THE_WAY: [State; 8] = [
    State::Assigned,
    State::EnRoute,
    State::OnScene,
    State::PatientContact,
    State::OnBoard,
    State::AtDestination,
    State::HandedOver,
    State::Completed,
];

#[test]
fn rule_1_an_older_and_lower_event_fills_its_time_and_moves_nothing_back() {
    let job = after(requested(), &[of_unit("M7", State::OnBoard, 30 * MINUTE)]);
    let late = Report { received_at: Timestamp(TEN + 40 * MINUTE), ..of_unit("M7", State::OnScene, 10 * MINUTE) };
    let step = hear(&job, &late);
    assert_eq!(step.job.state(), State::OnBoard);
    assert_eq!(step.job.reached_at(State::OnScene), Some(Timestamp(TEN + 10 * MINUTE)));
    assert_eq!(step.findings, [Finding::OlderThanKnown]);

    let back = hear(&job, &of_unit("M7", State::EnRoute, 35 * MINUTE));
    assert_eq!((back.job.state(), back.findings), (State::OnBoard, vec![Finding::Backwards]));
}

#[test]
fn rule_1_the_earliest_proof_of_a_state_is_kept() {
    let times = [20, 15, 25].map(|minutes| of_unit("M7", State::EnRoute, minutes * MINUTE));
    assert_eq!(after(requested(), &times).reached_at(State::EnRoute), Some(Timestamp(TEN + 15 * MINUTE)));
}

#[test]
fn rule_2_an_end_is_final() {
    for end in State::ALL.into_iter().filter(|state| state.is_terminal()) {
        let ended = in_state(end);
        for state in State::ALL.into_iter().filter(|state| !state.is_terminal()) {
            assert_eq!(hear(&ended, &of_job(state, 10 * MINUTE)).job.state(), end, "{state} after {end}");
        }
        for later in State::ALL.into_iter().filter(|state| state.is_terminal()) {
            assert_eq!(hear(&ended, &of_job(later, 10 * MINUTE)).job.state(), end, "{later} after {end}");
        }
        let again = must_ask(Some(&ended), Ask::Request(Content::Changed), at(10 * MINUTE));
        assert_eq!((again.job.state(), again.tell), (end, None));
        assert_eq!(again.findings, [Finding::AfterEnd]);
        let repeated = must_ask(Some(&again.job), Ask::Request(Content::Changed), at(10 * MINUTE));
        assert_eq!(repeated.findings, [Finding::Duplicate]);
    }
}

#[test]
fn rule_2_of_two_ends_the_earlier_holds_whichever_comes_first() {
    let (completed, cancelled) = (of_job(State::Completed, 50 * MINUTE), of_job(State::Cancelled, 40 * MINUTE));
    let moving = hear(&requested(), &of_job(State::EnRoute, 5 * MINUTE)).job;
    for order in [[&completed, &cancelled], [&cancelled, &completed]] {
        let job =
            order.into_iter().fold(moving.clone(), |job, report| hear_at(&job, report, Timestamp(TEN + HOUR)).job);
        assert_eq!(job.end(), Some((State::Cancelled, Timestamp(TEN + 40 * MINUTE))));
    }
    let corrected = hear_at(&hear(&moving, &completed).job, &cancelled, Timestamp(TEN + HOUR));
    assert_eq!(corrected.findings, [Finding::EndCorrected]);
}

#[test]
fn rule_2_a_reopen_is_a_new_job_that_follows_the_old_one() {
    let ended = in_state(State::Failed(Failure::NoShow));
    let (wish, late, early) = (Ask::Request(Content::Changed), at(HOUR), at(30_000));
    let policy = Policy::default();
    assert!(reopen(&ended, &wish, early, &policy).is_none(), "an ask from before the end");
    assert!(reopen(&requested(), &wish, late, &policy).is_none(), "a job that lives");

    let (old, step) = reopen(&ended, &wish, late, &policy).unwrap();
    assert_eq!((old.state(), old.followed_by), (ended.state(), Some(step.job.id)));
    assert!(!is_regression(&ended, &old));
    assert_eq!((step.job.state(), step.tell), (State::Requested, Some(Tell::Create)));
    assert_eq!((step.job.follows, step.job.group), (Some(ended.id), ended.group));
    assert_ne!(step.job.id, ended.id);
    assert_eq!(step.findings, [Finding::Reopened]);
    assert!(reopen(&old, &wish, at(2 * HOUR), &policy).is_none(), "one that was followed already");

    let old_cancel = must_ask(Some(&step.job), Ask::Cancel(Why::Requester), said(MINUTE, 2 * HOUR));
    assert_eq!((old_cancel.tell, old_cancel.job.state()), (None, State::Requested), "a cancel of the job before");
}

#[test]
fn rule_3_states_may_be_skipped_and_the_gaps_are_recorded() {
    for (place, state) in ON_THE_WAY.into_iter().enumerate() {
        let step = hear(&requested(), &of_unit("M7", State::EnRoute, MINUTE));
        let step = hear(&step.job, &of_job(state, 9 * MINUTE));
        assert_eq!(step.job.state(), state.max(State::EnRoute));
        let expected: Vec<State> = ON_THE_WAY[..place].iter().copied().filter(|gap| *gap != State::EnRoute).collect();
        assert_eq!(step.job.gaps(), if place == 0 { vec![] } else { expected.clone() }, "{state}");
        assert_eq!(step.findings.contains(&Finding::Gap), place > 2, "{state}: {:?}", step.findings);
    }
    let filled = after(requested(), &[of_job(State::OnBoard, 9 * MINUTE), of_unit("M7", State::OnScene, 8 * MINUTE)]);
    assert_eq!(filled.gaps(), [State::Assigned, State::EnRoute, State::PatientContact]);
}

#[test]
fn rule_4_the_same_source_unit_status_and_time_is_the_same_report() {
    let first = of_unit("M7", State::EnRoute, MINUTE);
    let known = hear(&requested(), &first).job;
    let repeated = Report { received_at: Timestamp(TEN + HOUR), source_seq: Some(9), ..first.clone() };
    let step = hear(&known, &repeated);
    assert_eq!(step.findings, [Finding::Duplicate]);
    assert_eq!((&step.job.tracks, &step.job.reached), (&known.tracks, &known.reached));

    for other in [
        Report { source: "dispatch".to_owned(), ..first.clone() },
        Report { unit: Some("M8".to_owned()), ..first.clone() },
        Report { unit: None, ..first.clone() },
        Report { news: News::State(State::OnScene), ..first.clone() },
        Report { occurred_at: Timestamp(TEN + MINUTE + 1), ..first.clone() },
    ] {
        let now = Timestamp(TEN + HOUR);
        assert!(!hear_at(&known, &other, now).findings.contains(&Finding::Duplicate), "{other:?}");
    }
}

#[test]
fn rule_5_a_cancel_does_what_the_state_still_allows() {
    let cancel = Ask::Cancel(Why::DischargeCancelled);
    for state in State::ALL.into_iter().filter(|state| !state.is_terminal()) {
        let step = must_ask(Some(&in_state(state)), cancel, at(5 * MINUTE));
        let (tell, shown) = match state {
            early if early < State::EnRoute => (Some(Tell::Cancel), Shown::State(State::Cancelled)),
            on_the_way if on_the_way < State::OnBoard => (Some(Tell::AskToCancel), Shown::CancelPending(state)),
            late => (None, Shown::State(late)),
        };
        assert_eq!((step.tell, step.job.shown()), (tell, shown), "{state}");
        assert_eq!(step.findings.contains(&Finding::CancelTooLate), state >= State::OnBoard, "{state}");
    }
    assert_eq!(Finding::CancelTooLate.severity(), Severity::Critical);
}

#[test]
fn rule_5_a_pending_cancel_is_settled_by_the_platform_or_by_the_patient_on_board() {
    let pending = must_ask(Some(&in_state(State::OnScene)), Ask::Cancel(Why::Requester), at(5 * MINUTE)).job;
    let confirmed = hear(&pending, &of_job(State::Cancelled, 6 * MINUTE));
    assert_eq!(confirmed.job.shown(), Shown::State(State::Cancelled));
    assert!(confirmed.findings.iter().all(|finding| finding.severity() < Severity::Critical));

    let refused = hear(&pending, &of_job(State::OnBoard, 6 * MINUTE));
    assert_eq!(refused.job.shown(), Shown::State(State::OnBoard));
    assert!(refused.findings.contains(&Finding::CancelTooLate));

    let repeated = must_ask(Some(&pending), Ask::Cancel(Why::Requester), at(7 * MINUTE));
    assert_eq!((repeated.tell, repeated.findings), (None, vec![Finding::Duplicate]));
}

#[test]
fn rule_5_a_crew_that_moves_for_a_cancelled_job_is_critical() {
    let cancelled = in_state(State::Cancelled);
    for (state, minutes) in [(State::EnRoute, 3), (State::OnBoard, 3), (State::EnRoute, 0)] {
        let late = Report { received_at: Timestamp(TEN + HOUR), ..of_unit("M7", state, minutes * MINUTE) };
        let step = hear(&cancelled, &late);
        assert_eq!(step.job.state(), State::Cancelled);
        assert!(step.findings.contains(&Finding::MovingAlthoughCancelled), "{state} at {minutes}: {:?}", step.findings);
    }
    assert_eq!(Finding::MovingAlthoughCancelled.severity(), Severity::Critical);

    let moving = in_state(State::EnRoute);
    let confirmed = hear(&moving, &of_job(State::Cancelled, 10 * MINUTE)).job;
    let of_before = hear_at(&confirmed, &of_job(State::OnScene, 9 * MINUTE), Timestamp(TEN + HOUR));
    assert_eq!(of_before.findings, [Finding::ReportAfterEnd], "what was before a confirmed cancel is history");
    let of_after = hear(&confirmed, &of_job(State::OnScene, 11 * MINUTE));
    assert!(of_after.findings.contains(&Finding::MovingAlthoughCancelled));
}

#[test]
fn rule_6_two_units_are_two_tracks_and_who_transports_says_where_the_job_is() {
    let job = after(
        requested(),
        &[
            of_unit("M7", State::EnRoute, MINUTE),
            of_unit("E2", State::OnScene, 2 * MINUTE),
            of_unit("M7", State::OnBoard, 3 * MINUTE),
            of_unit("E2", State::Completed, 4 * MINUTE),
        ],
    );
    assert_eq!(job.state(), State::OnBoard, "the engine that clears the scene ends its own track only");
    assert_eq!(job.tracks["M7"].brings(Kind::Transport), Some(State::OnBoard));
    assert_eq!(job.tracks["E2"].brings(Kind::Transport), Some(State::OnScene));
    assert_eq!(job.units().map(|(name, _)| name).collect::<Vec<_>>(), ["M7"]);

    let done = hear(&job, &of_unit("M7", State::Completed, 9 * MINUTE)).job;
    assert_eq!(done.end(), Some((State::Completed, Timestamp(TEN + 9 * MINUTE))));
}

#[test]
fn rule_6_a_visit_is_done_by_the_unit_that_came() {
    let who = who(Kind::HomeVisit);
    let job = ask(&who, None, &Ask::Request(Content::Changed), at(0), &Policy::default()).unwrap().job;
    let nurse = [of_unit("N1", State::OnScene, MINUTE), of_unit("N1", State::Completed, HOUR)];
    assert_eq!(after(job.clone(), &nurse).state(), State::Completed);
    let turned_back = [of_unit("N1", State::EnRoute, MINUTE), of_unit("N1", State::Completed, HOUR)];
    let job = after(job, &turned_back);
    assert_eq!((job.state(), job.is_left_alone()), (State::EnRoute, true));
}

#[test]
fn rule_6_the_last_unit_that_is_taken_off_leaves_the_patient_alone() {
    let job = after(requested(), &[of_unit("M7", State::EnRoute, MINUTE), of_unit("M8", State::Assigned, MINUTE)]);
    let off = |unit| says(unit, Status::new(unit::Primary::Available, [unit::Word::AssignmentCancelled]), 2 * MINUTE);
    let one_left = hear(&job, &off("M7"));
    assert_eq!((one_left.job.state(), one_left.findings), (State::EnRoute, vec![]));
    let none_left = hear(&one_left.job, &off("M8"));
    assert_eq!(none_left.findings, [Finding::NobodyComing]);
    let another = hear(&none_left.job, &of_unit("M9", State::Assigned, 3 * MINUTE));
    assert!(!another.job.is_left_alone());
}

#[test]
fn rule_7_a_clock_that_is_ahead_proves_nothing() {
    let now = Timestamp(TEN);
    for (ahead, applied) in [(0, true), (120_000, true), (120_001, false), (10 * MINUTE, false)] {
        let step = hear_at(&requested(), &of_job(State::OnBoard, ahead), now);
        assert_eq!(step.job.state() == State::OnBoard, applied, "{ahead} ms ahead");
        assert_eq!(step.findings.contains(&Finding::ClockAhead), !applied, "{ahead} ms ahead");
        assert!(applied || step.job == requested());
    }
}

#[test]
fn a_lost_job_and_a_crew_that_moves_unasked_call_a_person() {
    let ends = [State::Rejected, State::Expired, State::Failed(Failure::DryRun), State::Cancelled];
    for end in ends {
        assert_eq!(hear(&requested(), &of_job(end, MINUTE)).findings, [Finding::JobLost], "{end}");
    }
    let on_leave = must_ask(Some(&requested()), Ask::Hold(Reason::Leave), at(MINUTE)).job;
    for unwanted in [planned(), on_leave] {
        let step = hear(&unwanted, &of_unit("M7", State::EnRoute, 2 * MINUTE));
        assert_eq!(step.job.shown(), Shown::State(State::EnRoute), "what moves is shown to move");
        assert!(step.findings.contains(&Finding::MovingAlthoughHeld));
    }
}
