//! What a link takes and how it answers beyond the acknowledgement mode (HL7 v2.5.1 chapter 2, 2.9 and 2.10.1).

use std::time::Duration;

use crate::units::limits;

/// What a link refuses for what MSH says, and when and where it acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    /// Versions (MSH-12.1) that are taken; empty means all.
    pub versions: Vec<String>,
    /// Processing ids (MSH-11.1) that are taken; empty means all.
    pub processing: Vec<String>,
    /// What becomes of a message that no flow takes.
    pub unrouted: Unrouted,
    /// Where the application acknowledgement of enhanced mode goes.
    pub application_ack: ApplicationAck,
    /// What the acknowledgement of the application waits for.
    pub ack_after: AckAfter,
    /// Longest time a sender's acknowledgement is held back for deliveries.
    pub ack_wait: Duration,
    /// Whether MSH-13 is followed.
    pub sequence: Sequence,
}

impl Default for Answering {
    /// Everything is taken, and acknowledged once it is stored.
    fn default() -> Self {
        Self {
            versions: Vec::new(),
            processing: Vec::new(),
            unrouted: Unrouted::Accept,
            application_ack: ApplicationAck::SameConnection,
            ack_after: AckAfter::Stored,
            ack_wait: limits::ACK_WAIT_DEFAULT,
            sequence: Sequence::Off,
        }
    }
}

/// What becomes of a message that no flow takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrouted {
    /// It is stored, accepted and counted as filtered.
    Accept,
    /// It is kept for a person, and its sender is told that its type is not supported.
    Reject,
}

/// Where the application acknowledgement of enhanced mode goes: the first message of a later exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationAck {
    /// Over the connection the message came by, after its commit acknowledgement.
    SameConnection,
    /// Nowhere.
    Never,
    /// To a destination, as a delivery that survives a restart.
    To {
        /// Index into the settings' destinations.
        destination: usize,
    },
}

/// What the acknowledgement of the application waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckAfter {
    /// The durable commit.
    Stored,
    /// The end of every delivery of the message.
    Delivered,
}

/// Whether a link follows the sequence number protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// MSH-13 is not looked at.
    Off,
    /// MSH-13 is checked against what is expected, and answered in MSA-4.
    On,
}
