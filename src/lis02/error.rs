//! What is wrong or odd about a message, and where. Never what its values are.

use std::fmt;

use super::record::Kind;

/// A place in a message: `R/3-9` is field 9 of its third R record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The kind of record; `None` is a line that is no record.
    pub record: Option<Kind>,
    /// Which one of its kind in the message, from 1; of lines that are no record, which line.
    pub number: u32,
    /// The field, from 1.
    pub field: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.record {
            Some(kind) => write!(f, "{}/{}-{}", kind.letter(), self.number, self.field),
            None => write!(f, "line {}", self.number),
        }
    }
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct ParseError {
    /// What is wrong.
    pub fault: Fault,
    /// Where.
    pub place: Place,
}

impl ParseError {
    pub(super) const fn at_start(fault: Fault) -> Self {
        Self { fault, place: Place { record: None, number: 1, field: 1 } }
    }
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no record.
    Empty,
    /// It does not begin with an H record.
    MissingHeader,
    /// The delimiters in the H record are none, or not four different ones.
    Delimiters,
    /// It does not end with an L record: something of it may be missing.
    MissingTerminator,
    /// There is an H record within it.
    SecondHeader,
    /// There is something behind its L record.
    AfterTerminator,
    /// A line that is no record of a known kind.
    UnknownRecord,
    /// A record that needs one of this kind before it.
    Nesting {
        /// What it needs.
        needs: Kind,
    },
    /// More records than a message may have.
    TooManyRecords,
    /// More fields than a record may have.
    TooManyFields,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("expected an H record, found nothing"),
            Self::MissingHeader => f.write_str("expected an H record, found something else"),
            Self::Delimiters => f.write_str("expected four different delimiters, found something else"),
            Self::MissingTerminator => f.write_str("expected an L record at the end, found none"),
            Self::SecondHeader => f.write_str("expected records of this message, found another H record"),
            Self::AfterTerminator => f.write_str("expected nothing behind the L record, found more"),
            Self::UnknownRecord => f.write_str("expected a record of type H, P, O, R, C, Q, M, S or L"),
            Self::Nesting { needs } => write!(f, "expected a record of type {} before it, found none", needs.letter()),
            Self::TooManyRecords => f.write_str("expected fewer records"),
            Self::TooManyFields => f.write_str("expected fewer fields"),
        }
    }
}

/// Something odd that does not keep a message from being understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub oddity: Oddity,
    /// Where.
    pub place: Place,
}

/// What is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// A sequence number that is not the next one.
    Sequence {
        /// The next one.
        expected: u32,
        /// What it is; `None` is no number.
        found: Option<u32>,
    },
    /// More delimiters than there are.
    ExtraDelimiter,
    /// A termination code that the standard does not have.
    TerminationCode,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match self.oddity {
            Oddity::Sequence { expected, found: Some(found) } => {
                write!(f, "expected sequence number {expected}, found {found}")
            }
            Oddity::Sequence { expected, found: None } => {
                write!(f, "expected sequence number {expected}, found none")
            }
            Oddity::ExtraDelimiter => f.write_str("expected four delimiters, found five"),
            Oddity::TerminationCode => f.write_str("expected one of N, T, R, E, Q, I, F"),
        }
    }
}
