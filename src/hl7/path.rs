//! The address of a value: `PID-3[2].4.1`, `OBX[3]-5`.
//!
//! ```text
//! OBX [3] - 5 [1] . 2 . 1
//! |   |     | |     |   subcomponent
//! |   |     | |     component
//! |   |     | repetition, the first where left out
//! |   |     field
//! |   occurrence of the segment, the first where left out
//! segment
//! ```
//!
//! All numbers begin at 1 and end at 65535. A path without component means all of the repetition, a path without
//! subcomponent all of the component.

use std::{fmt, num::NonZeroU16, str::FromStr};

use serde::{Deserialize, Serialize};

/// The address of one value in a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path {
    segment: [u8; 3],
    occurrence: Option<NonZeroU16>,
    field: NonZeroU16,
    repetition: Option<NonZeroU16>,
    component: Option<NonZeroU16>,
    subcomponent: Option<NonZeroU16>,
}

impl Path {
    /// The segment's name.
    pub fn segment(&self) -> &str {
        std::str::from_utf8(&self.segment).unwrap_or_default()
    }

    /// Which segment of that name.
    pub fn occurrence(&self) -> Option<u16> {
        self.occurrence.map(NonZeroU16::get)
    }

    /// The field.
    pub const fn field(&self) -> u16 {
        self.field.get()
    }

    /// Which repetition of the field.
    pub fn repetition(&self) -> Option<u16> {
        self.repetition.map(NonZeroU16::get)
    }

    /// The component.
    pub fn component(&self) -> Option<u16> {
        self.component.map(NonZeroU16::get)
    }

    /// The subcomponent.
    pub fn subcomponent(&self) -> Option<u16> {
        self.subcomponent.map(NonZeroU16::get)
    }

    /// The same place in the segment's occurrence with this number; 0 means no particular one.
    #[must_use]
    pub const fn in_occurrence(self, occurrence: u16) -> Self {
        Self { occurrence: NonZeroU16::new(occurrence), ..self }
    }

    /// The same place in the repetition with this number; 0 means no particular one.
    #[must_use]
    pub const fn in_repetition(self, repetition: u16) -> Self {
        Self { repetition: NonZeroU16::new(repetition), ..self }
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut reader = Reader { rest: text.as_bytes() };
        let segment = reader.name().ok_or(PathError::Segment)?;
        let occurrence = reader.bracketed()?;
        if !reader.take(b'-') {
            return Err(PathError::Field);
        }
        let field = reader.number().ok_or(PathError::Field)?;
        let repetition = reader.bracketed()?;
        let component = reader.dotted()?;
        let subcomponent = if component.is_some() { reader.dotted()? } else { None };
        if !reader.rest.is_empty() {
            return Err(PathError::Trailing);
        }
        Ok(Self { segment, occurrence, field, repetition, component, subcomponent })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.segment())?;
        if let Some(occurrence) = self.occurrence {
            write!(f, "[{occurrence}]")?;
        }
        write!(f, "-{}", self.field)?;
        if let Some(repetition) = self.repetition {
            write!(f, "[{repetition}]")?;
        }
        for part in [self.component, self.subcomponent].into_iter().flatten() {
            write!(f, ".{part}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Path {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        text.parse()
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.to_string()
    }
}

/// Why a text is not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The segment's name.
    #[error("expected a segment of three capitals or digits, as in PID-3[2].4.1")]
    Segment,
    /// The field.
    #[error("expected `-` and a field number from 1 to 65535, as in PID-3[2].4.1")]
    Field,
    /// A number in brackets.
    #[error("expected a number from 1 to 65535 and `]`, as in PID-3[2].4.1")]
    Bracket,
    /// A component or subcomponent.
    #[error("expected a number from 1 to 65535 after `.`, as in PID-3[2].4.1")]
    Part,
    /// Something after the end.
    #[error("unexpected text after the path, which has the form PID-3[2].4.1")]
    Trailing,
}

/// What is left of the text.
struct Reader<'t> {
    rest: &'t [u8],
}

impl Reader<'_> {
    fn name(&mut self) -> Option<[u8; 3]> {
        let (name, rest) = self.rest.split_first_chunk::<3>()?;
        let plain = name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        self.rest = rest;
        plain.then_some(*name)
    }

    fn take(&mut self, byte: u8) -> bool {
        let Some(rest) = self.rest.strip_prefix(&[byte]) else { return false };
        self.rest = rest;
        true
    }

    fn number(&mut self) -> Option<NonZeroU16> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        std::str::from_utf8(number).ok()?.parse().ok()
    }

    fn bracketed(&mut self) -> Result<Option<NonZeroU16>, PathError> {
        if !self.take(b'[') {
            return Ok(None);
        }
        let number = self.number().ok_or(PathError::Bracket)?;
        if self.take(b']') { Ok(Some(number)) } else { Err(PathError::Bracket) }
    }

    fn dotted(&mut self) -> Result<Option<NonZeroU16>, PathError> {
        if !self.take(b'.') {
            return Ok(None);
        }
        self.number().map(Some).ok_or(PathError::Part)
    }
}
