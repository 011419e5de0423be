//! Results of an instrument as an HL7 v2.5.1 unsolicited observation message (ORU^R01; chapter 7, 7.3.1): the map `oru@1`.
//!
//! One message of records becomes one message: a group per P record that has results, an OBR per test that has results, an
//! OBX per R record. Every value is written anew with HL7's delimiters and escapes, in UTF-8. What a sender leaves out
//! stays empty, `""` stays `""`.
//!
//! | HL7 | from |
//! |---|---|
//! | MSH-3, MSH-4, MSH-5, MSH-7, MSH-11 | H-5.1, the site, H-10.1, H-14 or when it came, H-12 (Q, quality control, is P and SPM-11 Q) |
//! | MSH-10 | the delivery's key |
//! | PID-3 | P-3 (PT, the practice's), P-4 (PI, the laboratory's), P-5 (U) |
//! | PID-5 to PID-8, PID-10, PID-11, PID-13 | P-6 to P-11, P-13 |
//! | PV1-2, PV1-3, PV1-7 | P-25 (U where absent), P-26, P-14; left out where all are absent |
//! | OBR-2, OBR-3, OBR-4 | O-3.1, O-4.1 or O-3.1, O-5, or R-3 where O-5 names several tests or none |
//! | OBR-6, -7, -8, -10, -13, -14, -16, -17, -22, -25, -27.6 | O-7, -8, -9, -11, -14, -15, -17, -18, -23, -26, -6 |
//! | OBX-2, OBX-5 | NM where R-4 is a number, TX where it is long, else ST; components and repeats of R-4 stay in the text |
//! | OBX-3, OBX-4 | R-3: the universal id, and the local code as the alternate; what is behind the local code |
//! | OBX-6, OBX-7, OBX-8, OBX-10, OBX-11 | R-5, R-6, R-7, R-8, R-9 (see [`codes`]) |
//! | OBX-14, OBX-16, OBX-18, OBX-19 | O-8, R-11, R-14, R-13 or R-12 |
//! | NTE | C records, behind what they are about |
//! | SPM | O-3, O-4, O-16, O-8, O-9, O-15, O-12 Q |
//!
//! Not carried over: M and S records, rack and position (O-3.2 on), requests (Q), and the fields that are not named here; all
//! are in the stored message. Refused: a message that was broken off (L-3 T, R, E), a code without a counterpart, a time that
//! is none, a result without a test.

use jiff::tz::TimeZone;

use super::{Kind, Message, Part, Place, Record};
use crate::{hl7::Encoding, units::Timestamp};

mod codes;
mod groups;
mod segment;
mod time;
mod write;

/// What the gateway knows about a message besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// MSH-4: the site.
    pub site: &'a str,
    /// The zone of times without an offset.
    pub zone: &'a TimeZone,
    /// The character set of the link, where it has one.
    pub encoding: Option<Encoding>,
    /// When the message was received.
    pub received_at: Timestamp,
    /// MSH-10.
    pub control_id: &'a str,
}

/// What a message becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This HL7 message.
    Report(Vec<u8>),
    /// Nothing: it has no results.
    NotApplicable,
}

/// Why a message cannot be mapped, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", place)]
pub struct Refusal {
    /// The kind of reason.
    pub reason: Reason,
    /// Where.
    pub place: Place,
    why: &'static str,
}

impl Refusal {
    const fn new(reason: Reason, place: Place, why: &'static str) -> Self {
        Self { reason, place, why }
    }
}

/// The kind of reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A code that HL7 has no counterpart for.
    UnmappedCode,
    /// Something needed is missing.
    MissingField,
    /// A value cannot be read.
    UnreadableValue,
    /// Its sender or receiver broke the message off.
    BrokenOff,
    /// The report would be larger than a message may be.
    TooLarge,
}

impl Reason {
    /// The reason as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnmappedCode => "unmapped-code",
            Self::MissingField => "missing-field",
            Self::UnreadableValue => "unreadable-value",
            Self::BrokenOff => "broken-off",
            Self::TooLarge => "too-large",
        }
    }
}

/// Makes the HL7 message of `message`.
///
/// # Errors
/// If something of it cannot be said in HL7, with the place and never with a value.
pub fn report(message: &Message<'_>, context: &Context<'_>) -> Result<Outcome, Refusal> {
    if message.about() != Some(Kind::Result) {
        return Ok(Outcome::NotApplicable);
    }
    if message.termination().is_aborted() {
        let place = Place { record: Some(Kind::Terminator), number: 1, field: 3 };
        return Err(Refusal::new(Reason::BrokenOff, place, "the message was broken off, results may be missing"));
    }
    write::Writer::new(message, context).write().map(Outcome::Report)
}

#[cfg(test)]
mod tests;
