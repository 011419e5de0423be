//! The order of records: which may follow which, and how they are numbered (ASTM E1394-97, 5.1.8 and 6.6).
//!
//! A record of level 2 needs one of level 1 before it, one of level 3 one of level 2; P, Q and S all are level 1, but only P
//! has orders. Numbers of a kind begin anew behind a record of a lower level.

use super::{
    error::{Fault, Oddity, ParseError, Place},
    part::Delimiters,
    record::{Kind, Record},
};

/// What came so far.
#[derive(Debug, Default)]
pub(super) struct Order {
    lines: u32,
    /// How many records of each kind there were, and the number that the last one of them had.
    counts: [u32; Kind::ALL.len()],
    numbers: [u32; Kind::ALL.len()],
    /// The last record but C and M.
    parent: Option<Kind>,
    /// Whether a P record, and an O record of it, is open.
    in_patient: bool,
    in_order: bool,
    ended: bool,
}

impl Order {
    /// Takes the next line.
    pub(super) fn take<'a>(&mut self, line: &'a [u8], delimiters: Delimiters) -> Result<Record<'a>, ParseError> {
        self.lines += 1;
        let kind = match line {
            [letter] => Kind::of(*letter),
            [letter, next, ..] if *next == delimiters.field => Kind::of(*letter),
            _ => None,
        };
        if self.ended {
            return Err(ParseError { fault: Fault::AfterTerminator, place: self.line() });
        }
        let Some(kind) = kind else { return Err(ParseError { fault: Fault::UnknownRecord, place: self.line() }) };
        let number = self.count(kind);
        let record = Record::new(kind, number, line, delimiters);
        self.nest(kind).map_err(|fault| ParseError { fault, place: record.place(1) })?;
        Ok(record)
    }

    fn line(&self) -> Place {
        Place { record: None, number: self.lines, field: 1 }
    }

    /// The place where the message ended.
    pub(super) const fn end(&self) -> Place {
        Place { record: None, number: self.lines.saturating_add(1), field: 1 }
    }

    fn count(&mut self, kind: Kind) -> u32 {
        let count = self.counts.get_mut(place(kind));
        count.map_or(1, |count| {
            *count += 1;
            *count
        })
    }

    fn nest(&mut self, kind: Kind) -> Result<(), Fault> {
        match kind {
            Kind::Header if self.parent.is_some() => return Err(Fault::SecondHeader),
            Kind::Header | Kind::Comment | Kind::Manufacturer => {}
            Kind::Patient => (self.in_patient, self.in_order) = (true, false),
            Kind::Request | Kind::Scientific => (self.in_patient, self.in_order) = (false, false),
            Kind::Order if !self.in_patient => return Err(Fault::Nesting { needs: Kind::Patient }),
            Kind::Order => self.in_order = true,
            Kind::Result if !self.in_order => return Err(Fault::Nesting { needs: Kind::Order }),
            Kind::Result => {}
            Kind::Terminator => self.ended = true,
        }
        if kind.level().is_some() {
            self.parent = Some(kind);
        }
        Ok(())
    }

    /// What is odd about the sequence number of the record that was taken last.
    pub(super) fn sequence(&mut self, record: &Record<'_>) -> Option<Oddity> {
        let kind = record.kind();
        if kind != Kind::Comment && kind != Kind::Manufacturer {
            let begun_anew =
                Kind::ALL.into_iter().filter(|other| other.level().is_none_or(|level| Some(level) > kind.level()));
            for other in begun_anew {
                if let Some(number) = self.numbers.get_mut(place(other)) {
                    *number = 0;
                }
            }
        }
        if kind == Kind::Header {
            return None;
        }
        let last = self.numbers.get_mut(place(kind))?;
        let expected = last.saturating_add(1);
        let digits = std::str::from_utf8(record.field(2).bytes().trim_ascii()).ok();
        let found =
            digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())).and_then(|text| text.parse().ok());
        // The next one is told from what the sender counts, so that one gap is one finding.
        *last = found.unwrap_or(expected);
        (found != Some(expected)).then_some(Oddity::Sequence { expected, found })
    }
}

fn place(kind: Kind) -> usize {
    Kind::ALL.iter().position(|known| *known == kind).unwrap_or_default()
}
