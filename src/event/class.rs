//! What kind of thing a message tells (HL7 v2.5.1 chapters 3, 4, 6, 7, 9, 10, 11; table 0003).
//!
//! What it does to a job is said by a map's triggers; the class says how it is cut into events and where its time is.

use crate::hl7::MessageType;

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A stay and its changes (ADT, but for the two below).
    Visit,
    /// Who is who: merges, moves, links and their undoing (ADT A18, A24, A30, A34 to A37, A39 to A51).
    Identity,
    /// A person without a stay (ADT A28, A29, A31).
    Person,
    /// Orders (ORM, OMG, OMS, OMP, OML, RDE and their kin).
    Order,
    /// An appointment (SIU, SRM).
    Appointment,
    /// A referral (REF) or a problem (PPR).
    Referral,
    /// Results (ORU, OUL).
    Observation,
    /// A document (MDM).
    Document,
    /// Accounts and charges (BAR, DFT).
    Billing,
    /// Anything else.
    Other,
}

impl Class {
    /// The class of a message type.
    pub fn of(kind: &MessageType<'_>) -> Self {
        match (kind.code, kind.trigger) {
            (b"ADT", b"A28" | b"A29" | b"A31") => Self::Person,
            (b"ADT", trigger) if is_identity(trigger) => Self::Identity,
            (b"ADT", _) => Self::Visit,
            (b"ORM" | b"OMG" | b"OMS" | b"OMP" | b"OML" | b"OMN" | b"OMD" | b"OMI", _) => Self::Order,
            (b"RDE" | b"RDS" | b"RGV" | b"RAS", _) => Self::Order,
            (b"SIU" | b"SRM", _) => Self::Appointment,
            (b"REF" | b"PPR", _) => Self::Referral,
            (b"ORU" | b"OUL", _) => Self::Observation,
            (b"MDM", _) => Self::Document,
            (b"BAR" | b"DFT", _) => Self::Billing,
            _ => Self::Other,
        }
    }
}

fn is_identity(trigger: &[u8]) -> bool {
    let [b'A', tens @ b'0'..=b'9', units @ b'0'..=b'9'] = trigger else {
        return false;
    };
    let number = (tens - b'0') * 10 + (units - b'0');
    matches!(number, 18 | 24 | 30 | 34..=37 | 39..=51)
}
