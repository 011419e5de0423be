//! Jobs that wait for each other: a ride home waits for the oxygen there.
//!
//! A job that waits is on hold for [`Reason::WaitsFor`], which names the other job and the state that it has to reach.
//! ```text
//!  begin ---> on hold --- the other one gets there ---> goes on        (notice)
//!                    \--- the other one ends without --> stays on hold, and a person is called
//! ```
//! Who waits for whom is a rule of the site; [`closes_circle`] keeps two jobs from waiting for each other.

use std::collections::BTreeSet;

use super::{Ask, Finding, Identity, Job, Policy, Reason, Stamp, State, Step, ask};
use crate::{ids::JobId, units::limits};

/// Makes `job` wait until `other` has reached `needed`. None if it has, or if `job` waits already.
pub fn begin(job: &Job, other: &Job, needed: State, at: Stamp, policy: &Policy) -> Option<Step> {
    let reason = Reason::WaitsFor(other.id, needed);
    if has_reached(other, needed) || job.standing().any(|standing| standing == reason) {
        return None;
    }
    let mut step = ask(&identity(job), Some(job), &Ask::Hold(reason), at, policy)?;
    if other.state().is_terminal() {
        step.findings.push(Finding::AwaitedEnded);
    }
    Some(step)
}

/// What a step of another job, from `before` to `after`, means for a job that may wait for it; None if nothing.
pub fn notice(job: &Job, before: &Job, after: &Job, at: Stamp, policy: &Policy) -> Option<Step> {
    let (reason, needed) = job.standing().find_map(|reason| match reason {
        Reason::WaitsFor(id, needed) if id == after.id => Some((reason, needed)),
        _ => None,
    })?;
    if has_reached(after, needed) {
        return ask(&identity(job), Some(job), &Ask::Resume(reason), at, policy);
    }
    let has_ended = after.state().is_terminal() && !before.state().is_terminal();
    has_ended.then(|| Step { job: job.clone(), tell: None, findings: vec![Finding::AwaitedEnded] })
}

/// The jobs that a job waits for.
pub fn awaited(job: &Job) -> impl Iterator<Item = (JobId, State)> + '_ {
    job.standing().filter_map(|reason| match reason {
        Reason::WaitsFor(id, needed) => Some((id, needed)),
        _ => None,
    })
}

/// Whether a job that began to wait for `other` would wait for itself in the end. `awaited_by` says whom a job waits
/// for. A chain that is longer than any site's counts as a circle.
pub fn closes_circle(job: JobId, other: JobId, awaited_by: impl Fn(JobId) -> Vec<JobId>) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![other];
    while let Some(next) = open.pop() {
        if next == job || seen.len() >= limits::JOB_WAITS_MAX {
            return true;
        }
        if seen.insert(next) {
            open.extend(awaited_by(next));
        }
    }
    false
}

/// Whether a job has got so far. How it ended later is nothing to that; an end short of it is no arrival.
fn has_reached(job: &Job, needed: State) -> bool {
    job.progress() >= needed || job.state() == State::Completed
}

const fn identity(job: &Job) -> Identity {
    Identity { id: job.id, kind: job.kind, group: job.group }
}
