//! Where segments and fields begin: one pass over the bytes, nothing copied.
//!
//! ```text
//! PID|1||4711\r        marks: start of segment, each field separator, end of segment
//! ^  ^ ^^    ^         starts: place of each segment's first mark
//! ```
//!
//! Segments end at CR, LF or CRLF, mixed as they come; empty lines are passed over, a missing last end is taken, and
//! all of it is counted in [`Findings`]. Limits: [`limits::SEGMENTS_MAX`], [`limits::FIELDS_MAX`], 4 GiB of bytes.

use std::fmt;

use memchr::memchr3_iter;

use super::{
    batch::is_header,
    delimiters::{Delimiters, is_delimiter, is_line_end},
    message::Message,
};
use crate::units::limits;

/// The places of a message's segments and fields. Holds no bytes of the message, and can be used again for another.
#[derive(Clone, Debug, Default)]
pub struct Index {
    delimiters: Delimiters,
    marks: Vec<u32>,
    starts: Vec<u32>,
    /// Place of the mark at which the segment being read begins.
    open: usize,
    findings: Findings,
}

impl Index {
    /// Makes an empty index.
    pub const fn new() -> Self {
        Self {
            delimiters: Delimiters::STANDARD,
            marks: Vec::new(),
            starts: Vec::new(),
            open: 0,
            findings: Findings::NONE,
        }
    }

    /// Makes the index of `raw`.
    pub fn of(raw: &[u8]) -> Result<Self, ParseError> {
        let mut index = Self::new();
        index.parse(raw)?;
        Ok(index)
    }

    /// Makes this the index of `raw`; what it held before is gone, also after an error.
    pub fn parse(&mut self, raw: &[u8]) -> Result<(), ParseError> {
        self.clear();
        if u32::try_from(raw.len()).is_err() {
            return Err(ParseError { at: raw.len(), expected: Expected::FewerBytes, found: Found::More });
        }
        let start = self.pass_over_lead(raw);
        self.delimiters = Delimiters::read(raw, start)?;
        let scanned = self.scan(raw, start);
        if scanned.is_err() {
            self.clear();
        }
        scanned
    }

    /// Puts the index and the bytes it was made of together. With other bytes the answers are wrong, but safe.
    pub const fn message<'a>(&'a self, raw: &'a [u8]) -> Message<'a> {
        Message::new(raw, self)
    }

    /// The delimiters of the message.
    pub const fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// What was odd about the message.
    pub const fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Bytes that it keeps room for. They follow the largest message it was made of, not the number of messages, and
    /// are given back after an unusually large one.
    pub const fn room(&self) -> usize {
        self.marks.capacity().saturating_add(self.starts.capacity()).saturating_mul(size_of::<u32>())
    }

    /// How many segments there are.
    pub const fn segment_count(&self) -> usize {
        self.starts.len()
    }

    /// The marks of the segment at `place`, counted from 0.
    pub(super) fn marks(&self, place: usize) -> Option<&[u32]> {
        let start = *self.starts.get(place)?;
        let end = self.starts.get(place.saturating_add(1)).map_or(self.marks.len(), |mark| offset(*mark));
        self.marks.get(offset(start)..end)
    }

    /// Forgets what it held; room made for an unusually large message is given back.
    fn clear(&mut self) {
        if self.marks.capacity() > MARKS_KEPT || self.starts.capacity() > MARKS_KEPT {
            self.marks = Vec::new();
            self.starts = Vec::new();
        }
        self.marks.clear();
        self.starts.clear();
        self.open = 0;
        self.findings = Findings::NONE;
    }

    /// Passes over a byte order mark and empty lines before the first segment.
    fn pass_over_lead(&mut self, raw: &[u8]) -> usize {
        let mut start = 0;
        if raw.starts_with(b"\xef\xbb\xbf") {
            self.findings.byte_order_mark = true;
            start = 3;
        }
        let lines = raw.get(start..).unwrap_or_default().iter().take_while(|byte| is_line_end(**byte)).count();
        self.findings.blank_lines = mark(lines);
        start.saturating_add(lines)
    }

    fn scan(&mut self, raw: &[u8], start: usize) -> Result<(), ParseError> {
        let field = self.delimiters.field;
        let body = raw.get(start..).unwrap_or_default();
        let mut begin = start;
        let mut returned = None;
        self.marks.push(mark(begin));
        for hit in memchr3_iter(field, b'\r', b'\n', body) {
            let at = start.saturating_add(hit);
            match body.get(hit) {
                Some(b'\n') if at == begin && returned == Some(at) => self.findings.pair_line_end(),
                Some(b'\r' | b'\n') if at == begin => self.findings.blank_lines += 1,
                Some(b'\r') => {
                    self.close(raw, begin, at)?;
                    self.findings.ends_cr += 1;
                    returned = Some(at.saturating_add(1));
                }
                Some(b'\n') => {
                    self.close(raw, begin, at)?;
                    self.findings.ends_lf += 1;
                }
                _ => {
                    self.push(at)?;
                    continue;
                }
            }
            begin = at.saturating_add(1);
            self.reopen(begin);
        }
        self.close_last(raw, begin)
    }

    /// Begins a segment at `begin`, in place of one that began there and turned out to be an empty line.
    fn reopen(&mut self, begin: usize) {
        self.marks.truncate(self.open);
        self.marks.push(mark(begin));
    }

    fn push(&mut self, at: usize) -> Result<(), ParseError> {
        if self.marks.len() >= limits::FIELDS_MAX {
            return Err(ParseError { at, expected: Expected::FewerFields, found: Found::More });
        }
        self.marks.push(mark(at));
        Ok(())
    }

    /// Ends the segment that begins at `begin`.
    fn close(&mut self, raw: &[u8], begin: usize, end: usize) -> Result<(), ParseError> {
        if self.starts.len() >= limits::SEGMENTS_MAX {
            return Err(ParseError { at: begin, expected: Expected::FewerSegments, found: Found::More });
        }
        if self.findings.messages > limits::BATCH_MESSAGES_MAX {
            return Err(ParseError { at: begin, expected: Expected::FewerMessages, found: Found::More });
        }
        let name_end = self.marks.get(self.open.saturating_add(1)).map_or(end, |at| offset(*at));
        self.note_name(raw, begin, name_end);
        self.starts.push(mark(self.open));
        self.push(end)?;
        self.open = self.marks.len();
        Ok(())
    }

    fn close_last(&mut self, raw: &[u8], begin: usize) -> Result<(), ParseError> {
        if begin < raw.len() {
            self.findings.unended = true;
            return self.close(raw, begin, raw.len());
        }
        self.marks.truncate(self.open);
        Ok(())
    }

    fn note_name(&mut self, raw: &[u8], begin: usize, end: usize) {
        let name = raw.get(begin..end).unwrap_or_default();
        if is_header(raw, begin) {
            self.findings.messages += 1;
            return;
        }
        if name == b"ADD" {
            self.findings.addenda += 1;
        }
        let plain = name.len() == 3 && name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !plain {
            self.findings.odd_names += 1;
        }
    }
}

/// Marks an index keeps room for between messages: 1 MB.
const MARKS_KEPT: usize = 256 << 10;

/// What was odd about a message, beyond what its fields say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Findings {
    /// Segments ended by CR, as they should.
    pub ends_cr: u32,
    /// Segments ended by LF.
    pub ends_lf: u32,
    /// Segments ended by CRLF.
    pub ends_crlf: u32,
    /// Line ends of empty lines, which were passed over.
    pub blank_lines: u32,
    /// Whether the last segment had no end.
    pub unended: bool,
    /// Whether a byte order mark stood before the header.
    pub byte_order_mark: bool,
    /// Headers: more than one means several messages, to be taken apart by [`split_messages`](super::split_messages).
    pub messages: u32,
    /// Segments whose name is not three capitals or digits.
    pub odd_names: u32,
    /// Segments ADD: the segments before them are cut, see [`unfold`](super::continuation::unfold).
    pub addenda: u32,
}

impl Findings {
    const NONE: Self = Self {
        ends_cr: 0,
        ends_lf: 0,
        ends_crlf: 0,
        blank_lines: 0,
        unended: false,
        byte_order_mark: false,
        messages: 0,
        odd_names: 0,
        addenda: 0,
    };

    /// Whether nothing was odd. A missing last end is not: most senders leave it out.
    pub const fn is_clean(&self) -> bool {
        self.ends_lf == 0
            && self.ends_crlf == 0
            && self.blank_lines == 0
            && !self.byte_order_mark
            && self.messages <= 1
            && self.odd_names == 0
    }

    /// The last end was CR, and LF follows it.
    const fn pair_line_end(&mut self) {
        self.ends_cr = self.ends_cr.saturating_sub(1);
        self.ends_crlf = self.ends_crlf.saturating_add(1);
    }
}

/// Where a message is broken; says nothing of what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {at}, found {found}")]
pub struct ParseError {
    /// Offset of the byte, from 0.
    pub at: usize,
    /// What should stand there.
    pub expected: Expected,
    /// The kind of thing that stands there.
    pub found: Found,
}

/// What a parser expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The segment MSH.
    Header,
    /// MSH-1.
    FieldSeparator,
    /// MSH-2, of one to five characters.
    EncodingCharacters,
    /// Delimiters that differ from each other.
    DistinctDelimiters,
    /// No more than [`limits::SEGMENTS_MAX`] segments.
    FewerSegments,
    /// No more than [`limits::FIELDS_MAX`] fields.
    FewerFields,
    /// Less than 4 GiB.
    FewerBytes,
    /// No more than [`limits::BATCH_MESSAGES_MAX`] messages.
    FewerMessages,
    /// The segment MSA.
    Acknowledgement,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "segment MSH",
            Self::FieldSeparator => "a field separator (MSH-1)",
            Self::EncodingCharacters => "1 to 5 encoding characters (MSH-2)",
            Self::DistinctDelimiters => "delimiters that differ (MSH-2)",
            Self::FewerSegments => "fewer segments",
            Self::FewerFields => "fewer fields",
            Self::FewerBytes => "fewer bytes",
            Self::FewerMessages => "fewer messages in one frame",
            Self::Acknowledgement => "segment MSA",
        })
    }
}

/// What kind of thing a parser found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The end of the bytes, or an empty field.
    Nothing,
    /// A letter.
    Letter,
    /// A digit.
    Digit,
    /// A blank.
    Blank,
    /// A control character.
    Control,
    /// ASCII punctuation.
    Punctuation,
    /// A byte beyond ASCII.
    NonAscii,
    /// Another segment.
    OtherSegment,
    /// The header of a batch.
    Batch,
    /// More than is allowed.
    More,
}

impl Found {
    pub(super) const fn byte(byte: u8) -> Self {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Self::Letter,
            b'0'..=b'9' => Self::Digit,
            b' ' => Self::Blank,
            0..=0x1f | 0x7f => Self::Control,
            0x80..=0xff => Self::NonAscii,
            _ => Self::Punctuation,
        }
    }

    /// What stands where a segment MSH should begin.
    pub(super) fn at_segment(bytes: &[u8]) -> Self {
        let name = bytes.get(..3).unwrap_or_default();
        match name {
            b"FHS" | b"BHS" => Self::Batch,
            b"MSH" => Self::Nothing,
            [b'A'..=b'Z', _, _] if bytes.get(3).copied().is_some_and(is_delimiter) => Self::OtherSegment,
            _ => bytes.first().map_or(Self::Nothing, |byte| Self::byte(*byte)),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Letter => "a letter",
            Self::Digit => "a digit",
            Self::Blank => "a blank",
            Self::Control => "a control character",
            Self::Punctuation => "another punctuation character",
            Self::NonAscii => "a byte beyond ASCII",
            Self::OtherSegment => "another segment",
            Self::Batch => "a batch header",
            Self::More => "more",
        })
    }
}

/// An offset as it is kept; [`Index::parse`] refuses bytes beyond its range.
fn mark(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A kept offset as it is used.
pub(super) fn offset(mark: u32) -> usize {
    usize::try_from(mark).unwrap_or(usize::MAX)
}
