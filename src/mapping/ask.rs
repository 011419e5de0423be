//! What a message asks for, job by job: whom it is about, what it says, and what it wants done.
//!
//! [`Map::asks`](super::Map::asks) looks at the message alone and runs on the link's thread; which jobs there are is for
//! the journal thread to find out. Names and keys are derived, so that a resend, a replay and a second box give the same.

use uuid::Uuid;

use super::Verb;
use crate::{event::Statement, units::Timestamp};

/// What one event of a message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAsk {
    /// What it wants done.
    pub verb: Verb,
    /// The trigger event, such as `A03`.
    pub event: String,
    /// The service, such as `transport`.
    pub service: String,
    /// Whether an order asks; else the visit does.
    pub by_order: bool,
    /// The job's identity, if the job is new: made of the order's number, or of the visit's.
    pub name: Option<Uuid>,
    /// The identity of a job that the visit itself would have.
    pub visit_name: Option<Uuid>,
    /// The visit, whatever the service.
    pub visit: Option<Uuid>,
    /// The visit's number of before (MRG-5).
    pub former_visit: Option<Uuid>,
    /// Everything that the patient is known by (PID-3).
    pub persons: Vec<Uuid>,
    /// Everything that the record that is given up was known by (MRG-1).
    pub retired: Vec<Uuid>,
    /// Deliveries with the same key keep their order.
    pub ordering_key: Uuid,
    /// When it happened, where the message says so.
    pub occurred_at: Option<Timestamp>,
    /// The end of the wanted time, else its begin.
    pub wanted_until: Option<Timestamp>,
    /// Where the patient is to be taken: the same for the same place, whoever orders it.
    pub destination: Option<Uuid>,
    /// What it says.
    pub statement: Statement,
}

/// What is to be told of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its identity.
    pub job: Uuid,
    /// What is told: one of those that maps write rows for.
    pub verb: Verb,
    /// Whether the platform may know of it: it is then found and changed, else made.
    pub is_known: bool,
    /// The link whose sender speaks in it: its dialect and its zone.
    pub link: String,
    /// What is known of it, as an HL7 message in UTF-8.
    pub message: Vec<u8>,
}
