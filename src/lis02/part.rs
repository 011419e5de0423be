//! Fields, repetitions and components, and their delimiters and escapes (ASTM E1394-97, 6).
//!
//! | sequence | read as |
//! |---|---|
//! | `&F& &S& &R& &E&` | the delimiter of fields, components, repeats, escapes |
//! | `&X0D0A&` | these bytes |
//! | any other, and one without an end | as it stands |

use std::borrow::Cow;

use memchr::memchr;

use super::error::{Fault, Oddity, ParseError, Place};
use super::record::Kind;

/// What separates the parts of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    /// Between fields.
    pub field: u8,
    /// Between repetitions of a field.
    pub repeat: u8,
    /// Between components.
    pub component: u8,
    /// Around an escape sequence.
    pub escape: u8,
}

impl Delimiters {
    /// The recommended ones.
    pub const STANDARD: Self = Self { field: b'|', repeat: b'\\', component: b'^', escape: b'&' };

    /// Reads them from the line of an H record.
    pub(super) fn read(line: &[u8]) -> Result<(Self, Option<Oddity>), ParseError> {
        let Some((b'H' | b'h', rest)) = line.split_first() else {
            return Err(ParseError::at_start(Fault::MissingHeader));
        };
        let fault =
            ParseError { fault: Fault::Delimiters, place: Place { record: Some(Kind::Header), number: 1, field: 2 } };
        let [field, repeat, component, escape, rest @ ..] = rest else { return Err(fault) };
        let found = Self { field: *field, repeat: *repeat, component: *component, escape: *escape };
        let all = [*field, *repeat, *component, *escape];
        let is_distinct = (0..).zip(all).all(|(at, byte)| memchr(byte, all.get(..at).unwrap_or_default()).is_none());
        if !is_distinct || !all.iter().all(u8::is_ascii_punctuation) {
            return Err(fault);
        }
        let length = memchr(*field, rest).unwrap_or(rest.len());
        match rest.get(..length).unwrap_or_default() {
            [] => Ok((found, None)),
            // A fifth one, which some devices took over from HL7, separates nothing here.
            [extra] if extra.is_ascii_punctuation() => Ok((found, Some(Oddity::ExtraDelimiter))),
            _ => Err(fault),
        }
    }

    /// Delimiters that split nothing below a field.
    pub(super) const fn literal(self) -> Self {
        Self { repeat: self.field, component: self.field, escape: self.field, ..self }
    }

    const fn of_letter(self, letter: u8) -> Option<u8> {
        match letter {
            b'F' => Some(self.field),
            b'S' => Some(self.component),
            b'R' => Some(self.repeat),
            b'E' => Some(self.escape),
            _ => None,
        }
    }
}

/// A field, a repetition or a component. Prints nothing of it: it may be patient data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    bytes: &'a [u8],
    delimiters: Delimiters,
}

impl<'a> Part<'a> {
    pub(super) const fn new(bytes: &'a [u8], delimiters: Delimiters) -> Self {
        Self { bytes, delimiters }
    }

    /// Its bytes as they came.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether it says nothing, so that what the receiver knows stays.
    pub const fn is_absent(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether it says that there is no value: `""`.
    pub const fn is_null(&self) -> bool {
        matches!(self.bytes, b"\"\"")
    }

    /// Whether there is a value.
    pub const fn has_value(&self) -> bool {
        !self.is_absent() && !self.is_null()
    }

    /// Its repetitions; an absent field has one, which is absent.
    pub fn repetitions(&self) -> impl Iterator<Item = Self> + use<'a> {
        self.split(self.delimiters.repeat)
    }

    /// Its components.
    pub fn components(&self) -> impl Iterator<Item = Self> + use<'a> {
        self.split(self.delimiters.component)
    }

    /// A component of its first repetition, from 1; absent where there is none.
    pub fn component(&self, number: usize) -> Self {
        let first = self.repetitions().next().unwrap_or(*self);
        let found = number.checked_sub(1).and_then(|at| first.components().nth(at));
        found.unwrap_or(Self { bytes: &[], ..*self })
    }

    /// Its value, escapes read.
    pub fn text(&self) -> Cow<'a, [u8]> {
        unescape(self.bytes, self.delimiters)
    }

    fn split(&self, delimiter: u8) -> impl Iterator<Item = Self> + use<'a> {
        let delimiters = self.delimiters;
        self.bytes.split(move |byte| *byte == delimiter).map(move |bytes| Self { bytes, delimiters })
    }
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<phi>")
    }
}

fn unescape(bytes: &[u8], delimiters: Delimiters) -> Cow<'_, [u8]> {
    let escape = delimiters.escape;
    let Some(first) = memchr(escape, bytes) else { return Cow::Borrowed(bytes) };
    let (plain, mut rest) = bytes.split_at_checked(first).unwrap_or((bytes, &[]));
    let mut out = plain.to_vec();
    while let Some((_, body)) = rest.split_first() {
        let length = memchr(escape, body);
        let sequence = length.and_then(|length| body.get(..length));
        let Some((read, length)) = sequence.and_then(|body| Some((read_sequence(body, delimiters)?, body.len())))
        else {
            // Only the one character is passed over: the next one may begin a sequence.
            let next = memchr(escape, body).map_or(rest.len(), |at| at.saturating_add(1));
            out.extend_from_slice(rest.get(..next).unwrap_or(rest));
            rest = rest.get(next..).unwrap_or_default();
            continue;
        };
        out.extend_from_slice(&read);
        let after = body.get(length.saturating_add(1)..).unwrap_or_default();
        let plain = memchr(escape, after).unwrap_or(after.len());
        out.extend_from_slice(after.get(..plain).unwrap_or(after));
        rest = after.get(plain..).unwrap_or_default();
    }
    Cow::Owned(out)
}

fn read_sequence(body: &[u8], delimiters: Delimiters) -> Option<Vec<u8>> {
    match body {
        [letter] => delimiters.of_letter(*letter).map(|byte| vec![byte]),
        [b'X', digits @ ..] if !digits.is_empty() && digits.len().is_multiple_of(2) => {
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
        }
        _ => None,
    }
}
