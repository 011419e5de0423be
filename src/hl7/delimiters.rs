//! The delimiters of a message (HL7 v2.5.1 chapter 2, 2.5.4; truncation: v2.7 chapter 2, 2.5.5.2).
//!
//! They come from each message: MSH-1 is the byte after `MSH`, MSH-2 the one to five characters after it. A delimiter
//! is an ASCII punctuation character, and no two are the same; anything else could not be told from data.

use memchr::memchr;

use super::index::{Expected, Found, ParseError};

/// What separates the parts of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    /// Between fields: MSH-1.
    pub field: u8,
    /// Between components.
    pub component: Option<u8>,
    /// Between repetitions.
    pub repetition: Option<u8>,
    /// Around an escape sequence.
    pub escape: Option<u8>,
    /// Between subcomponents.
    pub subcomponent: Option<u8>,
    /// Ends a truncated value, from version 2.7 on.
    pub truncation: Option<u8>,
}

impl Delimiters {
    /// The recommended ones: `|^~\&`.
    pub const STANDARD: Self = Self {
        field: b'|',
        component: Some(b'^'),
        repetition: Some(b'~'),
        escape: Some(b'\\'),
        subcomponent: Some(b'&'),
        truncation: None,
    };

    /// Reads MSH-1 and MSH-2 of the header segment that begins at `start`.
    pub(super) fn read(raw: &[u8], start: usize) -> Result<Self, ParseError> {
        let header = raw.get(start..).unwrap_or_default();
        let at = start.saturating_add(3);
        let Some((&field, rest)) = header.strip_prefix(b"MSH").and_then(<[u8]>::split_first) else {
            return Err(ParseError { at: start, expected: Expected::Header, found: Found::at_segment(header) });
        };
        if !is_delimiter(field) {
            return Err(ParseError { at, expected: Expected::FieldSeparator, found: Found::byte(field) });
        }
        let length = rest.iter().position(|byte| *byte == field || is_line_end(*byte)).unwrap_or(rest.len());
        let characters = rest.get(..length).unwrap_or_default();
        Self::from_characters(field, characters).map_err(|(offset, expected, found)| ParseError {
            at: at.saturating_add(1).saturating_add(offset),
            expected,
            found,
        })
    }

    fn from_characters(field: u8, characters: &[u8]) -> Result<Self, (usize, Expected, Found)> {
        match characters.len() {
            0 => return Err((0, Expected::EncodingCharacters, Found::Nothing)),
            1..=5 => {}
            _ => return Err((5, Expected::EncodingCharacters, Found::More)),
        }
        for (offset, byte) in characters.iter().enumerate() {
            if !is_delimiter(*byte) {
                return Err((offset, Expected::EncodingCharacters, Found::byte(*byte)));
            }
            let before = characters.get(..offset).unwrap_or_default();
            if memchr(*byte, before).is_some() {
                return Err((offset, Expected::DistinctDelimiters, Found::Punctuation));
            }
        }
        let at = |place: usize| characters.get(place).copied();
        Ok(Self { field, component: at(0), repetition: at(1), escape: at(2), subcomponent: at(3), truncation: at(4) })
    }

    /// Delimiters that split nothing below a field: MSH-1 and MSH-2 are not data.
    pub(super) const fn literal(self) -> Self {
        Self { component: None, repetition: None, escape: None, subcomponent: None, truncation: None, ..self }
    }

    /// The content of MSH-2.
    pub fn encoding_characters(&self) -> impl Iterator<Item = u8> {
        [self.component, self.repetition, self.escape, self.subcomponent, self.truncation].into_iter().flatten()
    }
}

impl Default for Delimiters {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Whether a byte can separate: ASCII punctuation. Letters, digits, blanks and control characters cannot.
pub(super) const fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii_punctuation()
}

pub(super) const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
