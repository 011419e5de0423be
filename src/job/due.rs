//! What time makes of a job: a cancel that nobody confirms, a platform that says nothing.

use std::time::Duration;

use super::{Finding, Job, Policy, State, Step};
use crate::units::Timestamp;

/// What is due at `now`. Each thing is noticed once.
pub fn due(known: &Job, now: Timestamp, policy: &Policy) -> Step {
    let mut step = Step { job: known.clone(), tell: None, findings: Vec::new() };
    if unanswered_at(known, policy).is_some_and(|at| now >= at)
        && let Some(pending) = step.job.pending.as_mut()
    {
        pending.paged_at = Some(now);
        step.findings.push(Finding::CancelUnanswered);
    }
    if silent_at(known, policy).is_some_and(|at| now >= at) {
        step.job.unknown_since = heard_last(known);
        step.findings.push(Finding::Silent);
    }
    if !step.findings.is_empty() {
        step.job.changed_at = step.job.changed_at.max(now);
    }
    step
}

/// When something is due next, if nothing is heard before.
pub fn due_at(job: &Job, policy: &Policy) -> Option<Timestamp> {
    [unanswered_at(job, policy), silent_at(job, policy)].into_iter().flatten().min()
}

/// When somebody is paged about a cancel that is not confirmed (rule 5).
fn unanswered_at(job: &Job, policy: &Policy) -> Option<Timestamp> {
    let pending = job.pending.filter(|pending| pending.paged_at.is_none())?;
    Some(pending.at.received_at.plus(policy.cancel_answer))
}

/// When it is no longer known where a job stands.
fn silent_at(job: &Job, policy: &Policy) -> Option<Timestamp> {
    if job.unknown_since.is_some() {
        return None;
    }
    Some(heard_last(job)?.plus(patience(job.state(), policy)?))
}

/// When the platform was heard about it last; before its first word, when it was told of the job.
fn heard_last(job: &Job) -> Option<Timestamp> {
    job.heard_at.max(job.asked_at)
}

fn patience(state: State, policy: &Policy) -> Option<Duration> {
    match state {
        State::Requested | State::Offered => policy.silence.asked,
        State::Scheduled | State::Assigned => policy.silence.scheduled,
        moving if moving.has_begun() => policy.silence.moving,
        _ => None,
    }
}
