//! A documented use case, and the one decision function.
//!
//! Pure. [`Flows::understand`] reads a message without knowing anything but the message and the configuration; it runs on
//! the link's thread. [`decide()`] takes that and the [`Facts`] of the store and says everything that is to happen
//! ([`Disposition`]); it runs on the journal thread, in arrival order (INV-03), inside the transaction. Whatever can refuse a
//! message is found here, before the acknowledgement; making the outgoing body later cannot fail for a reason in the
//! message. There is one way through: a damaged message, a repeat and an unmapped code are dispositions too.

mod acknowledge;
mod continuation;
mod decide;
mod instrument;
mod jobs;
mod maps;
mod net;
mod reply;
mod understand;
mod understood;

pub use continuation::{CONTINUATION, Whole, joined};
pub use decide::{
    Advance, Answer, Aside, AsideKind, Awaited, Decision, Disposition, Draft, Facts, Fate, Known, Original, Record,
    Verdict, decide, poisoned, settle_aside, tell_again,
};
pub use instrument::{Named, named};
pub use jobs::{By, Decided, Held, JobRecord};
pub use maps::Changes;
pub use net::{Due, Step, due};
pub use reply::{
    ACKNOWLEDGEMENT, Asked, Reply, application, asked, delivery, local, out_of_sequence, oversize, refusal, reply,
};
pub use understand::Flows;
pub use understood::{Fault, Later, PartOf, Route, RouteVerdict, Sequenced, Understood, acknowledgement_key};

use crate::ids::Name;

/// Where a message of a flow stands. `received` equals the sum of the others, always (INV-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Waiting for its destination.
    Waiting,
    /// Confirmed by the destination.
    Delivered,
    /// Taken in and kept, but no business of the flow.
    Filtered,
    /// A repeat of a message already taken in.
    Duplicate,
    /// Consent forbids it.
    Withheld,
    /// Waiting for a person.
    Held,
    /// Refused for good by the destination.
    DeadLetter,
    /// Not understood; the bytes are kept.
    Quarantined,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Delivered,
        Self::Filtered,
        Self::Duplicate,
        Self::Withheld,
        Self::Held,
        Self::DeadLetter,
        Self::Quarantined,
    ];

    /// The word for it in metrics and listings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Filtered => "filtered",
            Self::Duplicate => "duplicate",
            Self::Withheld => "withheld",
            Self::Held => "held",
            Self::DeadLetter => "dead_letter",
            Self::Quarantined => "quarantined",
        }
    }
}

/// The flow label of messages that no flow takes.
pub fn unrouted() -> Name {
    Name::new("unrouted")
}
