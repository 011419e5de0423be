//! Messages of records, as laboratory instruments exchange them (LIS02-A2, formerly LIS2-A and ASTM E1394).
//!
//! A message goes from its H record to its L record; every record ends in CR. What stands behind the letter of a record is
//! fields, a field may repeat and has components. The delimiters come from each message:
//!
//! ```text
//! H|\^&|4711||cobas^1.0|||||LIS||P|LIS2-A2|20261126083000<CR>     level 0  H-2: repeat \  component ^  escape &
//! P|1||ZZ-4711||SAMPLE^ANNA||19700101|F<CR>                       level 1  also Q, S
//! O|1|S-100||^^^GLU|R||20261126080000||||A<CR>                    level 2
//! R|1|^^^GLU|5.8|mmol/L|3.9 to 5.6|H||F||||20261126082900|c1<CR>  level 3
//! C|1|I|haemolytic|I<CR>                                          a comment on what stands before it; so is M
//! L|1|N<CR>                                                       level 0
//! ```
//!
//! Reading changes nothing: a [`Message`] borrows the bytes that came, and what is passed through are those (INV-12). A
//! message that breaks the order of records, has no end or goes beyond a bound is no message; a wrong sequence number is
//! only a [`Finding`]. What is understood of it is made an HL7 message by [`report`]. Field numbers are the standard's, the
//! letter being field 1. ASTM E1394-97: 5.1.8 levels, 6 delimiters and escapes, 7 H, 8 P, 9 O, 10 R, 11 C, 12 Q, 13 L,
//! 14 S, 15 M.
//!
//! Bounds: [`limits::LIS02_RECORDS_MAX`], [`limits::LIS02_FIELDS_MAX`]; a message is no longer than its link's frame.
//! Work is linear in the bytes.

use crate::{hl7::Encoding, units::limits};

mod error;
mod names;
mod order;
mod oru;
mod part;
mod record;
mod show;

pub use error::{Fault, Finding, Oddity, ParseError, Place};
pub use oru::{Context, Outcome, Reason, Refusal, report};
pub use part::{Delimiters, Part};
pub use record::{Kind, Record, Termination};
pub use show::lay_out;

use order::Order;

/// A message that was read. Borrows its bytes.
#[derive(Clone)]
pub struct Message<'a> {
    records: Vec<Record<'a>>,
    delimiters: Delimiters,
    findings: Vec<Finding>,
    findings_count: usize,
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// If the bytes are no whole message of records, with the place and never with a value.
    pub fn parse(raw: &'a [u8]) -> Result<Self, ParseError> {
        let mut lines = lines(raw);
        let first = lines.next().ok_or_else(|| ParseError::at_start(Fault::Empty))?;
        let (delimiters, oddity) = Delimiters::read(first)?;
        let mut message = Self { records: Vec::new(), delimiters, findings: Vec::new(), findings_count: 0 };
        let mut order = Order::default();
        for line in std::iter::once(first).chain(lines) {
            let record = order.take(line, delimiters)?;
            if message.records.len() >= limits::LIS02_RECORDS_MAX {
                return Err(ParseError { fault: Fault::TooManyRecords, place: record.place(1) });
            }
            if memchr::memchr_iter(delimiters.field, line).count() >= limits::LIS02_FIELDS_MAX {
                return Err(ParseError { fault: Fault::TooManyFields, place: record.place(1) });
            }
            if let Some(oddity) = order.sequence(&record) {
                message.note(Finding { oddity, place: record.place(2) });
            }
            message.records.push(record);
        }
        let last = message.records.last().filter(|record| record.kind() == Kind::Terminator);
        let Some(last) = last.copied() else {
            return Err(ParseError { fault: Fault::MissingTerminator, place: order.end() });
        };
        if let Some(oddity) = oddity {
            message.note(Finding { oddity, place: Place { record: Some(Kind::Header), number: 1, field: 2 } });
        }
        if last.termination() == Termination::Unknown {
            message.note(Finding { oddity: Oddity::TerminationCode, place: last.place(3) });
        }
        Ok(message)
    }

    fn note(&mut self, finding: Finding) {
        self.findings_count += 1;
        if self.findings.len() < limits::LIS02_FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// Its records in order, from H to L.
    pub fn records(&self) -> &[Record<'a>] {
        &self.records
    }

    /// Its delimiters.
    pub const fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// What is odd about it, the first [`limits::LIS02_FINDINGS_MAX`].
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How much is odd about it.
    pub const fn findings_count(&self) -> usize {
        self.findings_count
    }

    /// The H record.
    pub fn header(&self) -> Option<&Record<'a>> {
        self.records.first()
    }

    /// H-3, the message control id; empty where there is none.
    pub fn control_id(&self) -> &'a [u8] {
        self.header().map_or(&[], |header| header.field(3).bytes())
    }

    /// H-5, the sender's name or id; empty where there is none.
    pub fn sender(&self) -> &'a [u8] {
        self.header().map_or(&[], |header| header.field(5).bytes())
    }

    /// The character set of its values: the link's own; else UTF-8 where all of it is, or what the standard says, ISO 8859-1,
    /// whose letters are those of windows-1252.
    pub fn encoding(&self, configured: Option<Encoding>) -> Encoding {
        let is_utf_8 = || self.records.iter().all(|record| Encoding::UTF_8.fits(record.bytes()));
        configured.unwrap_or_else(|| if is_utf_8() { Encoding::UTF_8 } else { Encoding::WINDOWS_1252 })
    }

    /// L-3.
    pub fn termination(&self) -> Termination {
        self.records.last().map_or(Termination::Unknown, Record::termination)
    }

    /// What the message is about: its most telling kind of record. `None` has only H and L: the instrument says that it
    /// is there.
    pub fn about(&self) -> Option<Kind> {
        let has = |kind: &Kind| self.records.iter().any(|record| record.kind() == *kind);
        TELLING.into_iter().find(has)
    }
}

/// Kinds of records, the most telling one first.
const TELLING: [Kind; 7] =
    [Kind::Result, Kind::Request, Kind::Order, Kind::Patient, Kind::Scientific, Kind::Manufacturer, Kind::Comment];

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({} records, {} findings)", self.records.len(), self.findings_count)
    }
}

/// The lines of a message; line feeds, NULs and blanks around them are not theirs, and lines of nothing else are none.
fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let trim = |line: &'_ [u8]| -> usize { line.iter().take_while(|byte| is_blank(**byte)).count() };
    raw.split(|byte| matches!(byte, b'\r' | b'\n'))
        .map(move |line| line.get(trim(line)..).unwrap_or_default())
        .filter(|line| !line.is_empty())
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, 0 | b' ' | b'\t')
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
