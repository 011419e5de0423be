//! A message as it was understood: plain data between the link's thread and the journal thread.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};

use crate::{
    hl7::{
        Path, Why,
        ack::{Mode, Reason},
        continuation::Part,
        profile::Findings,
        sequence::Number,
    },
    mapping::JobAsk,
    settings::AckAfter,
    units::Timestamp,
};

/// What is wrong with a message, so that its sender is told no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Gurney failed at it.
    Internal,
    /// It is not what its link's messages are: there is no readable MSH segment, or no whole message of records.
    Unparsable,
    /// MSH-9 is empty.
    NoMessageType,
    /// The link does not take its version (MSH-12).
    UnsupportedVersion,
    /// No flow of the link takes its message code (MSH-9.1).
    UnsupportedType,
    /// No flow of the link takes its trigger event (MSH-9.2).
    UnsupportedEvent,
    /// The link does not take its processing id (MSH-11).
    ProcessingId,
    /// MSH-13 is no sequence number, on a link that follows the protocol.
    SequenceNumber,
    /// What it says breaks a rule.
    Content {
        /// Which kind of rule.
        reason: Reason,
        /// Where.
        place: Option<Path>,
    },
    /// What it is breaks a rule.
    Rejected {
        /// Which kind of rule.
        reason: Reason,
        /// Where.
        place: Option<Path>,
    },
}

impl Fault {
    /// Every fault; positions are stored, so new ones go to the end. The last two stand for all of their kinds.
    pub const ALL: [Self; 10] = [
        Self::Internal,
        Self::Unparsable,
        Self::NoMessageType,
        Self::UnsupportedVersion,
        Self::UnsupportedType,
        Self::UnsupportedEvent,
        Self::ProcessingId,
        Self::SequenceNumber,
        Self::Content { reason: Reason::RequiredFieldMissing, place: None },
        Self::Rejected { reason: Reason::RequiredFieldMissing, place: None },
    ];

    /// The closed word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Unparsable => "unparsable",
            Self::NoMessageType => "no_message_type",
            Self::UnsupportedVersion => "unsupported_version",
            Self::UnsupportedType => "unsupported_type",
            Self::UnsupportedEvent => "unsupported_event",
            Self::ProcessingId => "processing_id",
            Self::SequenceNumber => "sequence_number",
            Self::Content { .. } => "content",
            Self::Rejected { .. } => "rejected",
        }
    }
}

/// A message as it was understood: all that [`decide()`](super::decide()) needs of it.
#[derive(Clone, Debug)]
pub struct Understood {
    /// Index into the settings' links.
    pub link: usize,
    /// When its last byte came.
    pub received_at: Timestamp,
    /// Message code and trigger, as `ADT^A03`; empty where there is none. See [`Flows::content`](super::Flows::content) for
    /// messages that are not HL7.
    pub kind: String,
    /// 64 bits of a hash over MSH-3, MSH-4 and MSH-10, or what stands for them; `None` without a control id, which has no repeats.
    pub fingerprint: Option<i64>,
    /// SHA-256 of the content, trailing line ends apart.
    pub content_hash: [u8; 32],
    /// Whether it is an acknowledgement itself, which is never answered.
    pub is_answer: bool,
    /// Why the character set of its text had to be guessed, where it had to be.
    pub charset_guessed: Option<Why>,
    /// What is wrong with it, and where.
    pub fault: Option<(Fault, String)>,
    /// What its link's profile found, where there is one.
    pub findings: Option<Findings>,
    /// The flows that take it.
    pub routes: Vec<Route>,
    /// Its place in a longer message, where it is only a part of one that a flow takes.
    pub part: Option<PartOf>,
    /// Its place in its sender's sequence, on links that follow one.
    pub sequence: Option<Sequenced>,
    /// What the acknowledgement of the application waits for.
    pub ack_after: AckAfter,
    /// The application acknowledgement that becomes a delivery, where there may be one.
    pub later: Option<Later>,
    /// How often the maps in use had changed when it was read.
    pub map_changes: u64,
    /// The flows whose maps found codes that no table lists, each with the table.
    pub unmapped: Vec<(usize, Arc<str>)>,
}

/// A part of a longer message (HL7 v2.5.1 chapter 2, 2.10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartOf {
    /// The parts that it may belong to: 64 bits of a hash over MSH-1 to MSH-4, MSH-9 and MSH-18.
    pub family: i64,
    /// Where it stands among them.
    pub part: Part,
}

/// A place in a sequence (HL7 v2.5.1 chapter 2, 2.10.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequenced {
    /// The stream: 64 bits of a hash over MSH-3 to MSH-6.
    pub stream: i64,
    /// MSH-13.
    pub number: Number,
}

/// An application acknowledgement that becomes a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// Index into the settings' flows.
    pub flow: usize,
    /// When it is due.
    pub mode: Mode,
}

/// A flow that takes a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Index into the settings' flows.
    pub flow: usize,
    /// What the flow makes of it.
    pub verdict: RouteVerdict,
}

/// What a flow makes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteVerdict {
    /// It is to be delivered.
    Deliver {
        /// Deliveries with the same key leave one after the other.
        ordering_key: u64,
    },
    /// It speaks of jobs; what becomes of them depends on what is known of them.
    Jobs {
        /// What it asks for; at least one thing.
        asks: Vec<JobAsk>,
    },
    /// It is none of the flow's business: an order for a laboratory test in a transport flow.
    NotApplicable,
    /// A person must complete it.
    Hold {
        /// A closed word.
        reason: &'static str,
        /// Field paths.
        detail: String,
    },
    /// The map cannot read it; it is replayed after mending.
    Quarantine {
        /// A closed word.
        reason: &'static str,
        /// Field paths and tables.
        detail: String,
    },
}

/// The ordering key of the application acknowledgements of a link: they leave one after the other.
pub fn acknowledgement_key(link: usize) -> u64 {
    short_hash(&[b"ack", &link.to_be_bytes()])
}

/// 64 bits of SHA-256 over length-prefixed parts.
pub(super) fn short_hash(parts: &[&[u8]]) -> u64 {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}
