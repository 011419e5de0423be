//! What a hospital says over a day, as the acceptance catalogue tells it.

use super::*;

const SAME: Content = Content::Same;
const CHANGED: Content = Content::Changed;

/// What was told of asks that come one after the other, and the job at the end.
fn told(asks: &[(Ask, Stamp)]) -> (Vec<Tell>, Option<Job>) {
    let mut tells = Vec::new();
    let mut job = None;
    for (what, at) in asks {
        let Some(step) = try_ask(job.as_ref(), *what, *at) else { continue };
        tells.extend(step.tell);
        job = Some(step.job);
    }
    (tells, job)
}

#[track_caller]
fn assert_told(asks: &[(Ask, Stamp)], tells: &[Tell], shown: Shown) {
    let (is, job) = told(asks);
    assert_eq!(is, tells, "{asks:?}");
    assert_eq!(job.unwrap().shown(), shown, "{asks:?}");
}

#[test]
fn a_plan_and_its_order_are_one_job_and_the_discharge_makes_no_second() {
    let asks =
        [(Ask::Plan(CHANGED), at(0)), (Ask::Request(CHANGED), at(MINUTE)), (Ask::Discharged(SAME), at(4 * HOUR))];
    assert_told(&asks, &[Tell::Create, Tell::Update], Shown::State(State::Requested));
    assert_eq!(told(&asks).1.unwrap().revision, 2);
}

#[test]
fn a_discharge_alone_sends_nobody() {
    let asks = [(Ask::Discharged(CHANGED), at(0)), (Ask::Discharged(SAME), at(0))];
    assert_told(&asks, &[Tell::Create], Shown::OnHold(Reason::Discharged));
    assert_eq!(Shown::OnHold(Reason::Discharged).task(), (TaskStatus::OnHold, "discharged"));
}

#[test]
fn an_order_releases_a_discharge_that_came_before_it_and_not_one_that_came_after() {
    let discharge = (Ask::Discharged(CHANGED), at(0));
    let newer = [discharge, (Ask::Request(CHANGED), at(MINUTE))];
    assert_told(&newer, &[Tell::Create, Tell::Update], Shown::State(State::Requested));
    for occurred in [-MINUTE, 0] {
        let not_newer = [discharge, (Ask::Request(CHANGED), said(occurred, MINUTE))];
        assert_told(&not_newer, &[Tell::Create, Tell::Update], Shown::OnHold(Reason::Discharged));
    }
    let by_person = [(Ask::Hold(Reason::Discharged), at(0))];
    assert_told(&by_person, &[Tell::Create], Shown::OnHold(Reason::Discharged));
}

#[test]
fn repeated_asks_tell_nothing() {
    let mut asks = vec![(Ask::Plan(CHANGED), at(0)), (Ask::Request(CHANGED), at(MINUTE))];
    for copy in 2..7 {
        asks.push((Ask::Plan(SAME), said(0, copy * MINUTE)));
        asks.push((Ask::Request(SAME), said(MINUTE, copy * MINUTE)));
        asks.push((Ask::Request(SAME), at(copy * MINUTE)));
    }
    assert_told(&asks, &[Tell::Create, Tell::Update], Shown::State(State::Requested));

    let leave = [(Ask::Hold(Reason::Leave), at(7 * MINUTE)), (Ask::Resume(Reason::Leave), at(8 * MINUTE))];
    asks.extend([leave[0], leave[0], leave[1], leave[1]]);
    asks.push((Ask::Hold(Reason::Leave), said(7 * MINUTE, 9 * MINUTE)));
    let tells = [Tell::Create, Tell::Update, Tell::Update, Tell::Update];
    assert_told(&asks, &tells, Shown::State(State::Requested));

    asks.extend([(Ask::Cancel(Why::Requester), at(10 * MINUTE)); 3]);
    let tells = [Tell::Create, Tell::Update, Tell::Update, Tell::Update, Tell::Cancel];
    assert_told(&asks, &tells, Shown::State(State::Cancelled));
}

#[test]
fn a_room_change_is_told_with_the_next_revision_of_the_same_job() {
    let scheduled = hear(&requested(), &of_job(State::Scheduled, MINUTE)).job;
    let step = must_ask(Some(&scheduled), Ask::Update, at(2 * MINUTE));
    assert_eq!((step.tell, step.job.id, step.job.revision), (Some(Tell::Update), scheduled.id, 2));
    assert_eq!(step.job.told, Some(Told { tell: Tell::Update, revision: 2, at: Timestamp(TEN + 2 * MINUTE) }));
}

#[test]
fn a_cancel_that_comes_first_is_remembered_for_72_hours() {
    let cancel = (Ask::Cancel(Why::Requester), at(0));
    for (hours, tells, state) in
        [(0, vec![], State::Cancelled), (72, vec![], State::Cancelled), (73, vec![Tell::Create], State::Requested)]
    {
        let order = (Ask::Request(CHANGED), said(-MINUTE, hours * HOUR));
        assert_told(&[cancel, order], &tells, Shown::State(state));
    }
    let step = must_ask(told(&[cancel]).1.as_ref(), Ask::Request(CHANGED), said(-MINUTE, MINUTE));
    assert_eq!(step.findings, [Finding::Tombstone]);
    assert!(step.job.is_tombstone() && step.job.wished_again.is_some(), "recorded");
    let newer = must_ask(Some(&step.job), Ask::Request(CHANGED), at(2 * MINUTE));
    assert_eq!(newer.findings, [Finding::Tombstone, Finding::CancelInDoubt]);
    let repeated = must_ask(Some(&newer.job), Ask::Request(SAME), said(2 * MINUTE, 3 * MINUTE));
    assert_eq!(repeated.findings, [Finding::Tombstone]);
}

#[test]
fn a_new_plan_after_a_cancel_of_an_unknown_plan_is_a_plan() {
    let cancel = (Ask::Cancel(Why::PlanCancelled), at(0));
    let newer = [cancel, (Ask::Plan(CHANGED), at(HOUR))];
    assert_told(&newer, &[Tell::Create], Shown::State(State::Planned));
    let older = [cancel, (Ask::Plan(CHANGED), said(-MINUTE, HOUR))];
    assert_told(&older, &[], Shown::State(State::Cancelled));
    for last in [Why::Deceased, Why::NeverRides] {
        let dead = [cancel, (Ask::Cancel(last), at(MINUTE)), (Ask::Plan(CHANGED), at(HOUR))];
        assert_told(&dead, &[], Shown::State(State::Cancelled));
        let dead_for_long = [dead[0], dead[1], (Ask::Request(CHANGED), at(1000 * HOUR))];
        assert_told(&dead_for_long, &[], Shown::State(State::Cancelled));
    }
}

#[test]
fn nobody_reopens_a_job_of_a_patient_who_died() {
    for asks in [
        vec![(Ask::Request(CHANGED), at(0)), (Ask::Cancel(Why::Deceased), at(MINUTE))],
        vec![
            (Ask::Request(CHANGED), at(0)),
            (Ask::Cancel(Why::Requester), at(MINUTE)),
            (Ask::Cancel(Why::Deceased), at(2 * MINUTE)),
            (Ask::Cancel(Why::Requester), at(3 * MINUTE)),
        ],
    ] {
        let job = told(&asks).1.unwrap();
        assert!(!may_reopen(&job, &Ask::Request(CHANGED), at(HOUR)));
    }
    assert!(may_reopen(&in_state(State::Cancelled), &Ask::Request(CHANGED), at(HOUR)));
}

#[test]
fn what_the_platform_never_heard_of_is_not_cancelled_there() {
    let asks = [
        (Ask::Hold(Reason::PossibleDuplicate), at(0)),
        (Ask::Request(CHANGED), at(0)),
        (Ask::Update, at(MINUTE)),
        (Ask::Hold(Reason::Leave), at(MINUTE)),
        (Ask::Cancel(Why::Requester), at(2 * MINUTE)),
        (Ask::Request(SAME), said(0, 3 * MINUTE)),
    ];
    assert_told(&asks, &[], Shown::State(State::Cancelled));
    let spoken_of = hear(&told(&asks[..2]).1.unwrap(), &of_job(State::Scheduled, MINUTE)).job;
    let step = must_ask(Some(&spoken_of), Ask::Cancel(Why::Requester), at(2 * MINUTE));
    assert_eq!(step.tell, Some(Tell::Cancel), "but for one that it spoke of itself");
}

#[test]
fn what_a_person_releases_is_told_as_it_is_then() {
    for reason in [Reason::Stale, Reason::PossibleDuplicate, Reason::Incomplete, Reason::MergedJobs] {
        let asks = [
            (Ask::Hold(reason), at(0)),
            (Ask::Request(CHANGED), at(0)),
            (Ask::Hold(Reason::Leave), at(MINUTE)),
            (Ask::Resume(reason), at(2 * MINUTE)),
            (Ask::Resume(Reason::Leave), at(3 * MINUTE)),
        ];
        assert_told(&asks[..3], &[], Shown::OnHold(reason));
        assert_told(&asks[..4], &[Tell::Create], Shown::OnHold(Reason::Leave));
        assert_told(&asks, &[Tell::Create, Tell::Update], Shown::State(State::Requested));
    }
}

#[test]
fn a_leave_holds_and_a_return_goes_on_in_whatever_order_they_come() {
    let (order, leave, back) = (
        (Ask::Request(CHANGED), at(0)),
        (Ask::Hold(Reason::Leave), said(MINUTE, 5 * MINUTE)),
        (Ask::Resume(Reason::Leave), said(2 * MINUTE, 6 * MINUTE)),
    );
    assert_told(&[order, leave], &[Tell::Create, Tell::Update], Shown::OnHold(Reason::Leave));
    let tells = [Tell::Create, Tell::Update, Tell::Update];
    assert_told(&[order, leave, back], &tells, Shown::State(State::Requested));
    assert_told(&[order, back, leave], &[Tell::Create], Shown::State(State::Requested));
    let back_at_once = (Ask::Resume(Reason::Leave), said(MINUTE, 6 * MINUTE));
    assert_told(&[order, leave, back_at_once], &tells, Shown::State(State::Requested));
}

#[test]
fn several_holds_stand_until_the_last_is_taken_back() {
    let asks = [
        (Ask::Request(CHANGED), at(0)),
        (Ask::Hold(Reason::Leave), at(MINUTE)),
        (Ask::Hold(Reason::Site), at(2 * MINUTE)),
        (Ask::Resume(Reason::Leave), at(3 * MINUTE)),
        (Ask::Resume(Reason::Site), at(4 * MINUTE)),
    ];
    let shown = [
        Shown::State(State::Requested),
        Shown::OnHold(Reason::Leave),
        Shown::OnHold(Reason::Leave),
        Shown::OnHold(Reason::Site),
        Shown::State(State::Requested),
    ];
    for (count, shown) in (1..).zip(shown) {
        assert_eq!(told(&asks[..count]).1.unwrap().shown(), shown);
    }
}

#[test]
fn a_cancel_older_than_the_wish_it_meets_is_held_for_a_person() {
    let asks = [
        (Ask::Plan(CHANGED), at(0)),
        (Ask::Plan(CHANGED), at(10 * MINUTE)),
        (Ask::Cancel(Why::PlanCancelled), said(5 * MINUTE, 11 * MINUTE)),
    ];
    let step = must_ask(told(&asks[..2]).1.as_ref(), asks[2].0, asks[2].1);
    assert_eq!((step.tell, step.job.shown()), (Some(Tell::Update), Shown::OnHold(Reason::CancelInDoubt)));
    assert_eq!(step.findings, [Finding::CancelInDoubt]);
    let repeated = must_ask(Some(&step.job), asks[2].0, said(5 * MINUTE, 12 * MINUTE));
    assert_eq!((repeated.tell, repeated.findings), (None, vec![Finding::Duplicate]));

    let released = must_ask(Some(&step.job), Ask::Resume(Reason::CancelInDoubt), at(15 * MINUTE));
    assert_eq!(released.job.shown(), Shown::State(State::Planned));
    let called_off = must_ask(Some(&step.job), Ask::Cancel(Why::Person), at(15 * MINUTE));
    assert_eq!(called_off.job.shown(), Shown::State(State::Cancelled));
    for why in [Why::Deceased, Why::NeverRides, Why::Person, Why::Duplicate] {
        let sure = must_ask(told(&asks[..2]).1.as_ref(), Ask::Cancel(why), said(5 * MINUTE, 11 * MINUTE));
        assert_eq!(sure.job.state(), State::Cancelled, "{why:?} holds whenever it happened");
    }
}

#[test]
fn a_wish_after_a_cancel_that_is_pending_calls_a_person() {
    let pending = must_ask(Some(&in_state(State::EnRoute)), Ask::Cancel(Why::PlanCancelled), at(5 * MINUTE)).job;
    let newer = must_ask(Some(&pending), Ask::Plan(CHANGED), at(6 * MINUTE));
    assert_eq!(newer.findings, [Finding::CancelInDoubt]);
    let older = must_ask(Some(&pending), Ask::Plan(SAME), said(4 * MINUTE, 6 * MINUTE));
    assert_eq!(older.findings, [Finding::Duplicate]);
    assert_eq!(newer.job.shown(), Shown::CancelPending(State::EnRoute), "nothing is taken back by itself");
}

#[test]
fn a_site_may_hold_what_a_cancelled_plan_leaves() {
    let policy = Policy { on_plan_cancelled: OnPlanCancelled::Hold, ..Policy::default() };
    let go = |job: &Job, what: Ask, at: Stamp| ask(&who(Kind::Transport), Some(job), &what, at, &policy).unwrap();
    let cancel = Ask::Cancel(Why::PlanCancelled);
    let held = go(&requested(), cancel, at(MINUTE));
    assert_eq!((held.tell, held.job.shown()), (Some(Tell::Update), Shown::OnHold(Reason::PlanCancelled)));
    let again = go(&held.job, Ask::Plan(SAME), at(2 * MINUTE));
    assert_eq!((again.tell, again.job.shown()), (Some(Tell::Update), Shown::State(State::Requested)));
    let late_copy = go(&again.job, cancel, said(MINUTE, 3 * MINUTE));
    assert_eq!((late_copy.tell, late_copy.findings), (None, vec![Finding::Duplicate]));

    assert_eq!(
        go(&in_state(State::EnRoute), cancel, at(5 * MINUTE)).tell,
        Some(Tell::AskToCancel),
        "a crew is stopped"
    );
    assert_eq!(go(&requested(), Ask::Cancel(Why::Requester), at(MINUTE)).tell, Some(Tell::Cancel));
}

#[test]
fn a_site_may_keep_plans_to_itself() {
    let policy = Policy { plans: Plans::Keep, ..Policy::default() };
    let go = |job: Option<&Job>, what: Ask, at: Stamp| ask(&who(Kind::Transport), job, &what, at, &policy).unwrap();
    let plan = go(None, Ask::Plan(CHANGED), at(0));
    assert_eq!(plan.tell, None);
    for quiet in [Ask::Plan(CHANGED), Ask::Update, Ask::Discharged(SAME), Ask::Cancel(Why::PlanCancelled)] {
        assert_eq!(go(Some(&plan.job), quiet, at(MINUTE)).tell, None, "{quiet:?}");
    }
    assert_eq!(go(Some(&plan.job), Ask::Request(SAME), at(MINUTE)).tell, Some(Tell::Create));
}

#[test]
fn a_merge_keeps_the_job_a_move_takes_it_along_and_a_split_stops_it() {
    let job = in_state(State::Scheduled);
    let merged = must_ask(Some(&job), Ask::Merge, at(5 * MINUTE));
    assert_eq!((merged.tell, merged.job.id, merged.job.shown()), (Some(Tell::Update), job.id, job.shown()));

    let group = GroupId(derive("test-visit", &[b"2"]));
    let moved = must_ask(Some(&job), Ask::Move(group), at(5 * MINUTE));
    assert_eq!((moved.tell, moved.job.group), (Some(Tell::Update), Some(group)));
    let again = must_ask(Some(&moved.job), Ask::Move(group), at(6 * MINUTE));
    assert_eq!((again.tell, again.findings), (None, vec![Finding::Duplicate]));

    let split = must_ask(Some(&job), Ask::Split, at(5 * MINUTE));
    assert_eq!(split.job.shown(), Shown::OnHold(Reason::Identity));
    assert_eq!(split.findings, [Finding::IdentitySplit]);
}

#[test]
fn a_senders_clock_that_is_ahead_does_not_outlast_later_news() {
    let far = 365 * 24 * HOUR;
    let order = must_ask(None, Ask::Request(CHANGED), said(far, 0));
    assert!(order.findings.contains(&Finding::ClockAhead));
    let held = must_ask(Some(&order.job), Ask::Hold(Reason::Leave), said(far, MINUTE)).job;
    let resumed = must_ask(Some(&held), Ask::Resume(Reason::Leave), at(2 * MINUTE)).job;
    assert_eq!(resumed.shown(), Shown::State(State::Requested));
    let cancelled = must_ask(Some(&resumed), Ask::Cancel(Why::Requester), at(3 * MINUTE));
    assert_eq!(cancelled.tell, Some(Tell::Cancel));
}

#[test]
fn what_happened_at_the_same_time_is_taken_in_the_order_in_which_it_came() {
    let asks = [(Ask::Request(CHANGED), at(0)), (Ask::Cancel(Why::Requester), said(0, MINUTE))];
    assert_told(&asks, &[Tell::Create, Tell::Cancel], Shown::State(State::Cancelled));
}

#[test]
fn a_cancel_takes_effect_when_it_is_heard() {
    let late = must_ask(Some(&requested()), Ask::Cancel(Why::Requester), said(MINUTE, HOUR)).job;
    assert_eq!(late.end(), Some((State::Cancelled, Timestamp(TEN + HOUR))));
    let done = Report { received_at: Timestamp(TEN + HOUR + 1), ..of_job(State::Completed, 30 * MINUTE) };
    let step = hear(&late, &done);
    assert_eq!((step.job.state(), step.findings), (State::Completed, vec![Finding::EndCorrected]));
}
