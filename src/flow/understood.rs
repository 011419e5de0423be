//! A message as it was understood: plain data between the link's thread and the journal thread.

use crate::{
    hl7::{Why, profile::Findings},
    units::Timestamp,
};

/// What is wrong with a message, so that its sender is told no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Gurney failed at it.
    Internal,
    /// It is not HL7 v2: there is no readable MSH segment.
    Unparsable,
    /// MSH-9 is empty.
    NoMessageType,
    /// It breaks its link's profile by what it says.
    Content,
    /// Its link's profile rejects messages of its kind.
    Rejected,
}

impl Fault {
    /// Every fault; positions are stored, so new ones go to the end.
    pub const ALL: [Self; 5] = [Self::Internal, Self::Unparsable, Self::NoMessageType, Self::Content, Self::Rejected];

    /// The closed word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Unparsable => "unparsable",
            Self::NoMessageType => "no_message_type",
            Self::Content => "content",
            Self::Rejected => "rejected",
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
    /// Message code and trigger, as `ADT^A03`; empty where there is none.
    pub kind: String,
    /// 64 bits of a hash over MSH-3, MSH-4 and MSH-10; `None` without a control id, which has no repeats.
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
