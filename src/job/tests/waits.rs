//! A ride that waits for oxygen.

use super::{
    wait::{awaited, begin, closes_circle, notice},
    *,
};

const NEEDED: State = State::HandedOver;

fn oxygen() -> Job {
    let who = Identity { id: job_id(2), kind: Kind::Equipment, group: None };
    ask(&who, None, &Ask::Request(Content::Changed), at(0), &Policy::default()).unwrap().job
}

fn waiting() -> Job {
    let step = begin(&requested(), &oxygen(), NEEDED, at(MINUTE), &Policy::default()).unwrap();
    assert_eq!(step.tell, Some(Tell::Update));
    step.job
}

#[test]
fn a_ride_is_on_hold_until_the_oxygen_is_there() {
    let (ride, policy) = (waiting(), Policy::default());
    assert_eq!(ride.shown(), Shown::OnHold(Reason::WaitsFor(job_id(2), NEEDED)));
    assert_eq!(awaited(&ride).collect::<Vec<_>>(), [(job_id(2), NEEDED)]);
    let mut before = oxygen();
    for (minute, state) in [(2, State::Scheduled), (3, State::OnBoard), (4, State::AtDestination)] {
        let step = hear(&before, &of_job(state, minute * MINUTE)).job;
        assert_eq!(notice(&ride, &before, &step, at(minute * MINUTE), &policy), None, "{state}");
        before = step;
    }
    for arrival in [State::HandedOver, State::Completed] {
        let there = hear(&before, &of_job(arrival, 5 * MINUTE)).job;
        let step = notice(&ride, &before, &there, at(5 * MINUTE), &policy).unwrap();
        assert_eq!((step.tell, step.job.shown()), (Some(Tell::Update), Shown::State(State::Requested)));
        assert!(step.job.holds.is_empty(), "what was waited for is forgotten");
        assert_eq!(notice(&step.job, &before, &there, at(6 * MINUTE), &policy), None);
    }
}

#[test]
fn oxygen_that_will_not_come_keeps_the_ride_on_hold_and_calls_a_person_once() {
    let (ride, policy) = (waiting(), Policy::default());
    let cancelled = ask(&who(Kind::Equipment), Some(&oxygen()), &Ask::Cancel(Why::Requester), at(2 * MINUTE), &policy);
    let cancelled = cancelled.unwrap().job;
    let failed = hear(&oxygen(), &of_job(State::Failed(Failure::Refused), 2 * MINUTE)).job;
    for ended in [cancelled, failed] {
        let step = notice(&ride, &oxygen(), &ended, at(2 * MINUTE), &policy).unwrap();
        assert_eq!((step.tell, step.findings), (None, vec![Finding::AwaitedEnded]));
        assert_eq!(step.job, ride);
        assert_eq!(notice(&ride, &ended, &ended, at(3 * MINUTE), &policy), None);

        let late = begin(&requested(), &ended, NEEDED, at(3 * MINUTE), &policy).unwrap();
        assert_eq!(late.findings, [Finding::AwaitedEnded]);
        assert!(late.job.hold().is_some(), "the gate stands whichever came first");
    }
}

#[test]
fn nobody_waits_for_what_is_there_already_or_waits_twice() {
    let there = hear(&oxygen(), &of_job(State::Completed, MINUTE)).job;
    assert_eq!(begin(&requested(), &there, NEEDED, at(2 * MINUTE), &Policy::default()), None);
    assert_eq!(begin(&waiting(), &oxygen(), NEEDED, at(2 * MINUTE), &Policy::default()), None);
    assert_eq!(notice(&requested(), &oxygen(), &there, at(2 * MINUTE), &Policy::default()), None);
}

#[test]
fn two_waits_each_hold_for_themselves() {
    let third = Job { id: job_id(3), ..oxygen() };
    let both = begin(&waiting(), &third, State::Scheduled, at(2 * MINUTE), &Policy::default()).unwrap().job;
    let there = hear(&third, &of_job(State::Scheduled, 3 * MINUTE)).job;
    let one_left = notice(&both, &third, &there, at(3 * MINUTE), &Policy::default()).unwrap().job;
    assert_eq!(awaited(&one_left).collect::<Vec<_>>(), [(job_id(2), NEEDED)]);
}

#[test]
fn a_circle_of_waits_is_known_before_it_is_closed() {
    let chain = |job: JobId| (2..9).filter(|n| job_id(*n) == job).map(|n| job_id(n + 1)).collect::<Vec<_>>();
    assert!(closes_circle(job_id(9), job_id(2), chain));
    assert!(!closes_circle(job_id(1), job_id(2), chain));
    assert!(closes_circle(job_id(1), job_id(1), |_| Vec::new()), "itself");
    let endless = |job: JobId| vec![JobId(derive("next", &[job.0.as_bytes()]))];
    assert!(closes_circle(job_id(1), job_id(2), endless), "a chain without an end");
}
