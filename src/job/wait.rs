//! Jobs that wait for each other: a ride home waits for the oxygen there.
//!
//! A job that waits is on hold for [`Reason::WaitsFor`], which names the other job and the state that it has to reach.

use super::{Ask, Finding, Identity, Job, Policy, Reason, Stamp, Step, ask};

/// What the state of `other` means for `job`, which may wait for it: None if nothing changes.
pub fn notice(job: &Job, other: &Job, at: Stamp, policy: &Policy) -> Option<Step> {
    let reason = job.standing().find(|reason| matches!(reason, Reason::WaitsFor(id, _) if *id == other.id))?;
    let Reason::WaitsFor(_, needed) = reason else { return None };
    let state = other.state();
    let who = Identity { id: job.id, kind: job.kind, group: job.group };
    if other.progress() >= needed || state == needed {
        return ask(&who, Some(job), &Ask::Resume(reason), at, policy);
    }
    let step = Step { job: job.clone(), tell: None, findings: vec![Finding::AwaitedEnded] };
    state.is_terminal().then_some(step)
}
