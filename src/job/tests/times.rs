//! What time alone makes of a job.

use super::*;

fn due_after(job: &Job, after: i64) -> Step {
    let step = due(job, Timestamp(TEN + after), &Policy::default());
    assert!(!is_regression(job, &step.job));
    step
}

#[test]
fn a_cancel_that_nobody_confirms_pages_once_after_60_seconds() {
    let job = must_ask(Some(&in_state(State::EnRoute)), Ask::Cancel(Why::DischargeCancelled), at(5 * MINUTE)).job;
    let job = hear(&job, &of_job(State::OnScene, 5 * MINUTE)).job;
    assert_eq!(due_at(&job, &Policy::default()), Some(Timestamp(TEN + 6 * MINUTE)));

    assert_eq!(due_after(&job, 6 * MINUTE - 1).findings, []);
    let paged = due_after(&job, 6 * MINUTE);
    assert_eq!((paged.findings, paged.tell), (vec![Finding::CancelUnanswered], None));
    assert_eq!(due_after(&paged.job, 6 * MINUTE + 1).findings, []);
    assert_eq!(paged.job.shown(), Shown::CancelPending(State::OnScene));

    let confirmed = hear(&job, &of_job(State::Cancelled, 5 * MINUTE + 30_000)).job;
    assert_eq!(due_after(&confirmed, HOUR).findings, []);
    assert_eq!(due_at(&confirmed, &Policy::default()), None);
}

#[test]
fn silence_makes_a_state_unknown_until_something_is_heard() {
    for (state, patience) in [
        (State::Requested, None),
        (State::Offered, None),
        (State::Scheduled, None),
        (State::Assigned, None),
        (State::EnRoute, Some(30 * MINUTE)),
        (State::HandedOver, Some(30 * MINUTE)),
        (State::Completed, None),
    ] {
        let job = hear(&requested(), &of_job(state, MINUTE)).job;
        let expected = patience.map(|patience| Timestamp(TEN + MINUTE + patience));
        assert_eq!(due_at(&job, &Policy::default()), expected, "{state}");
        let Some(patience) = patience else {
            assert_eq!(due_after(&job, 100 * HOUR).findings, [], "{state}");
            continue;
        };
        assert_eq!(due_after(&job, MINUTE + patience - 1).job.unknown_since, None);
        let silent = due_after(&job, MINUTE + patience);
        assert_eq!(silent.findings, [Finding::Silent]);
        assert_eq!(silent.job.unknown_since, Some(Timestamp(TEN + MINUTE)), "since the last word, not since now");
        assert_eq!(due_after(&silent.job, HOUR).findings, [], "once");
        let heard = hear(&silent.job, &of_job(state, HOUR)).job;
        assert_eq!(heard.unknown_since, None);
    }
}

#[test]
fn a_platform_that_should_answer_and_does_not_is_silent_since_it_was_told() {
    let mut policy = Policy::default();
    policy.silence.asked = Some(std::time::Duration::from_secs(3600));
    let step = due(&requested(), Timestamp(TEN + HOUR), &policy);
    assert_eq!((step.findings, step.job.unknown_since), (vec![Finding::Silent], Some(Timestamp(TEN))));
}

#[test]
fn a_platform_that_is_asked_at_intervals_is_silent_sooner() {
    let mut policy = Policy::default();
    policy.silence.scheduled = Some(std::time::Duration::from_secs(90));
    let job = in_state(State::Assigned);
    assert_eq!(due_at(&job, &policy), Some(Timestamp(TEN + MINUTE + 90_000)));
    let same_answer = Report { received_at: Timestamp(TEN + 2 * MINUTE), ..of_job(State::Assigned, MINUTE) };
    let heard = hear(&job, &same_answer).job;
    assert_eq!(due_at(&heard, &policy), Some(Timestamp(TEN + 2 * MINUTE + 90_000)), "the same answer is an answer");
}

#[test]
fn a_link_that_is_down_leaves_its_open_jobs_unknown_until_it_is_back() {
    let (since, now) = (Timestamp(TEN + 2 * MINUTE), Timestamp(TEN + 4 * MINUTE));
    for state in State::ALL {
        let job = in_state(state);
        let lost = lose_sight(&job, since, now);
        let expected = (!state.is_terminal()).then_some(since);
        assert_eq!((lost.job.unknown_since, lost.job.shown()), (expected, job.shown()), "{state}");
        assert_eq!(lose_sight(&lost.job, now, now).findings, [], "once");
    }
    let kept_back = must_ask(None, Ask::Hold(Reason::Stale), at(0)).job;
    assert_eq!(lose_sight(&kept_back, since, now).findings, [], "of a job that nobody there knows");
    let back = hear(&lose_sight(&in_state(State::EnRoute), since, now).job, &of_job(State::OnScene, 5 * MINUTE)).job;
    assert_eq!(back.unknown_since, None);
}
