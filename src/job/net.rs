//! What is left to send when a queue has grown: the net state of each job, cancels first.
//!
//! After an outage a job may have been asked for, changed ten times and called off. Only what it comes to is sent. What
//! may have arrived is never taken back by silence: if the platform may know the job, its cancel goes out.
//!
//! | waits, oldest first | is sent |
//! |---|---|
//! | create, .., cancel; none of them tried | nothing |
//! | create, update, update | the last update, as the create |
//! | update, update | the last update |
//! | update, cancel | the cancel |
//! | update, ask-to-cancel | both: the crew may come all the same |
//! | anything up to the last step that was tried | as it is, in its place; then the net of the rest |

use std::collections::BTreeMap;

use super::Tell;
use crate::ids::JobId;

/// Whether the platform may have seen a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It never left the box.
    Never,
    /// It may have arrived.
    Maybe,
}

/// One step that waits to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting<K> {
    /// The caller's name for it, such as its row.
    pub key: K,
    /// The job.
    pub job: JobId,
    /// What is told.
    pub tell: Tell,
    /// Whether it was tried.
    pub attempt: Attempt,
}

/// A step that is to be sent, with its own content, as this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Send<K> {
    /// Its key.
    pub key: K,
    /// What is told with it: for the last change of a job that was never told of, that there is one.
    pub tell: Tell,
}

/// The net state of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net<K> {
    /// What is to be sent, in this order.
    pub send: Vec<Send<K>>,
    /// What need not be sent any more: what is sent says it all.
    pub dropped: Vec<K>,
}

/// The net state of a queue of steps, oldest first, of any number of jobs. Jobs that are called off come first, the
/// others after them; among both, who waits longest is first; the steps of one job keep their order.
pub fn collapse<K: Copy>(queue: &[Waiting<K>]) -> Net<K> {
    let mut jobs: BTreeMap<JobId, (usize, Vec<Waiting<K>>)> = BTreeMap::new();
    for (place, step) in queue.iter().enumerate() {
        jobs.entry(step.job).or_insert_with(|| (place, Vec::new())).1.push(*step);
    }
    let mut nets: Vec<(bool, usize, Net<K>)> = jobs.into_values().map(|(place, steps)| of_job(place, &steps)).collect();
    nets.sort_by_key(|(goes_on, place, _)| (*goes_on, *place));
    let mut whole = Net { send: Vec::new(), dropped: Vec::new() };
    for (_, _, net) in nets {
        whole.send.extend(net.send);
        whole.dropped.extend(net.dropped);
    }
    whole
}

/// The net state of one job, whether it goes on, and where its first step stands.
fn of_job<K: Copy>(place: usize, steps: &[Waiting<K>]) -> (bool, usize, Net<K>) {
    let net = of_steps(steps);
    let goes_on = !net.send.iter().any(|step| is_cancel(step.tell));
    (goes_on, place, net)
}

const fn is_cancel(tell: Tell) -> bool {
    matches!(tell, Tell::Cancel | Tell::AskToCancel)
}

/// What was tried stays as it is; the rest is replaced by what it comes to.
fn of_steps<K: Copy>(steps: &[Waiting<K>]) -> Net<K> {
    let tried = steps.iter().rposition(|step| step.attempt == Attempt::Maybe).map_or(0, |last| last + 1);
    let (tried, rest) = steps.split_at(tried);
    let mut kept: Vec<Send<K>> = Vec::new();
    let mut dropped = Vec::new();
    for step in rest {
        add(&mut kept, &mut dropped, Send { key: step.key, tell: step.tell });
    }
    if let [Send { tell: Tell::Create, .. }, Send { tell: Tell::Cancel, .. }] = kept.as_slice() {
        dropped.extend(kept.drain(..).map(|step| step.key));
    }
    let send = tried.iter().map(|step| Send { key: step.key, tell: step.tell }).chain(kept).collect();
    Net { send, dropped }
}

/// Adds one step to what the steps before it came to.
fn add<K: Copy>(kept: &mut Vec<Send<K>>, dropped: &mut Vec<K>, step: Send<K>) {
    let last = kept.last().map(|step| step.tell);
    match (step.tell, last) {
        // The job is off; nothing that follows changes that.
        (_, Some(Tell::Cancel)) => dropped.push(step.key),
        // The newest content says it all, as the create if there is one.
        (Tell::Update, Some(tell @ (Tell::Create | Tell::Update))) => {
            dropped.extend(kept.pop().map(|step| step.key));
            kept.push(Send { key: step.key, tell });
        }
        // A cancel needs no change before it. That it was asked for before shows that a crew was on its way.
        (Tell::Cancel, _) => {
            let (updates, others): (Vec<_>, Vec<_>) = kept.drain(..).partition(|step| step.tell == Tell::Update);
            dropped.extend(updates.into_iter().map(|step| step.key));
            kept.extend(others);
            kept.push(step);
        }
        (Tell::AskToCancel, _) if kept.iter().any(|step| step.tell == Tell::AskToCancel) => dropped.push(step.key),
        _ => kept.push(step),
    }
}
