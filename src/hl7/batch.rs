//! Batches: several messages in one file or frame (HL7 v2.5.1 chapter 2, 2.10.3; FHS, BHS, BTS, FTS: 2.15).
//!
//! ```text
//! FHS|^~\&|LAB|GH|||20260301||name|comment|file id       [FHS]
//! BHS|^~\&|LAB|GH|||20260301||name|comment|batch id        {[BHS]
//! MSH|^~\&|...                                                {message}
//! BTS|1                        messages of the batch         [BTS]}
//! FTS|1                        batches of the file         [FTS]
//! ```
//!
//! Every part but the messages may be missing, and files of messages alone are as common. Each message is a range of
//! the bytes; nothing is copied. What the envelope says of its content is held against what is there, and a difference
//! is a [`Finding`]: it never costs a message. Headers have delimiters of their own, which may differ from those of
//! the messages. Work is one pass over the line ends; limits: [`limits::BATCH_ENVELOPES_MAX`],
//! [`limits::BATCH_FINDINGS_MAX`]. Whether too many messages are in one frame is for [`Index::parse`](super::Index::parse)
//! to say. Does not look into messages.

mod answer;

use std::{fmt, ops::Range};

use memchr::memchr2_iter;

pub use answer::acknowledge;

use super::{delimiters::is_delimiter, message::piece};
use crate::units::limits;

/// What a file or frame is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The messages, in order. Without envelopes, what stands before the first belongs to the first.
    pub messages: Vec<Range<usize>>,
    /// The batches, in order; messages without a BHS make one too.
    pub envelopes: Vec<Envelope>,
    /// What was odd, in order.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are listed.
    pub more_findings: u64,
    /// Whether there was any of FHS, BHS, BTS and FTS.
    pub is_enveloped: bool,
}

/// One batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where its FHS stands.
    pub file_header: Option<Range<usize>>,
    /// Where its BHS stands.
    pub header: Option<Range<usize>>,
    /// Its messages, as places in [`Batch::messages`].
    pub messages: Range<usize>,
}

/// A segment of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// FHS.
    FileHeader,
    /// BHS.
    BatchHeader,
    /// BTS.
    BatchTrailer,
    /// FTS.
    FileTrailer,
}

impl Part {
    /// The segment's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FileHeader => "FHS",
            Self::BatchHeader => "BHS",
            Self::BatchTrailer => "BTS",
            Self::FileTrailer => "FTS",
        }
    }
}

/// Something odd about a batch; holds no data of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The bytes it is about.
    pub place: Range<usize>,
    /// What is odd.
    pub oddity: Oddity,
}

/// What is odd about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// BTS-1 or FTS-1 is not the number that is there.
    Count {
        /// The trailer.
        part: Part,
        /// What it says.
        stated: u64,
        /// What is there.
        counted: u64,
    },
    /// BTS-1 or FTS-1 is no number.
    UnreadableCount(Part),
    /// A trailer came without its header.
    WithoutHeader(Part),
    /// A header came without its trailer: another one, or the end, came first.
    WithoutTrailer(Part),
    /// Lines that are neither in a message nor of the envelope.
    Stray,
}

impl Oddity {
    /// A closed word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count { .. } => "batch_count",
            Self::UnreadableCount(_) => "batch_count_unreadable",
            Self::WithoutHeader(_) => "batch_without_header",
            Self::WithoutTrailer(_) => "batch_without_trailer",
            Self::Stray => "batch_stray",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.place.start;
        match self.oddity {
            Oddity::Count { part, stated, counted } => {
                write!(f, "{}-1 at byte {at} says {stated}, there are {counted}", part.name())
            }
            Oddity::UnreadableCount(part) => write!(f, "{}-1 at byte {at} is no number", part.name()),
            Oddity::WithoutHeader(part) => write!(f, "{} at byte {at} has no header before it", part.name()),
            Oddity::WithoutTrailer(part) => write!(f, "{} at byte {at} has no trailer", part.name()),
            Oddity::Stray => write!(f, "{} bytes at byte {at} belong to no message", self.place.len()),
        }
    }
}

/// A header's field: the separator is the byte after its name, as in MSH.
pub(super) fn header_field(header: &[u8], number: usize) -> &[u8] {
    let separator = header.get(3).copied().filter(|byte| is_delimiter(*byte));
    separator.map(|byte| piece(header, Some(byte), number)).unwrap_or_default()
}

impl Envelope {
    /// BHS-11: the batch's own id, empty where it has none.
    pub fn control_id<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        field_of(raw, self.header.as_ref())
    }

    /// FHS-11: the file's own id, empty where it has none.
    pub fn file_control_id<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        field_of(raw, self.file_header.as_ref())
    }
}

fn field_of<'a>(raw: &'a [u8], header: Option<&Range<usize>>) -> &'a [u8] {
    header.and_then(|range| raw.get(range.clone())).map(|line| header_field(line, 11)).unwrap_or_default()
}

impl Batch {
    /// Takes `raw` apart.
    pub fn read(raw: &[u8]) -> Self {
        let mut walk =
            Walk { raw, batch: Self::default(), message: None, group: None, file: None, ended: 0, stray: None };
        let mut begin = 0;
        for end in memchr2_iter(b'\r', b'\n', raw) {
            walk.line(begin, end);
            begin = end.saturating_add(1);
        }
        walk.line(begin, raw.len());
        walk.finish()
    }

    fn note(&mut self, place: Range<usize>, oddity: Oddity) {
        if self.findings.len() < limits::BATCH_FINDINGS_MAX {
            self.findings.push(Finding { place, oddity });
        } else {
            self.more_findings = self.more_findings.saturating_add(1);
        }
    }
}

/// Takes the messages of a file or frame apart. Gives no range where there is no segment MSH.
pub fn split_messages(raw: &[u8]) -> Vec<Range<usize>> {
    Batch::read(raw).messages
}

/// Whether a segment that begins at `begin` is a message header: `MSH` and a separator, perhaps after a byte order
/// mark, which files that were strung together have in their middle.
pub(super) fn is_header(raw: &[u8], begin: usize) -> bool {
    let segment = raw.get(begin..).unwrap_or_default();
    let named = segment.strip_prefix(BYTE_ORDER_MARK).unwrap_or(segment);
    matches!(named, [b'M', b'S', b'H', separator, ..] if is_delimiter(*separator))
}

/// What a line begins.
enum Begins {
    Message,
    Part(Part),
    Nothing,
}

impl Begins {
    fn of(line: &[u8]) -> Self {
        match line {
            [b'M', b'S', b'H', separator, ..] if is_delimiter(*separator) => Self::Message,
            [b'F', b'H', b'S', separator, ..] if is_delimiter(*separator) => Self::Part(Part::FileHeader),
            [b'B', b'H', b'S', separator, ..] if is_delimiter(*separator) => Self::Part(Part::BatchHeader),
            [b'B', b'T', b'S', rest @ ..] if may_end_name(rest) => Self::Part(Part::BatchTrailer),
            [b'F', b'T', b'S', rest @ ..] if may_end_name(rest) => Self::Part(Part::FileTrailer),
            _ => Self::Nothing,
        }
    }
}

fn may_end_name(rest: &[u8]) -> bool {
    rest.first().is_none_or(|byte| is_delimiter(*byte))
}

/// A batch that is being read.
struct Group {
    header: Option<Range<usize>>,
    first: usize,
}

struct Walk<'a> {
    raw: &'a [u8],
    batch: Batch,
    /// Where the message that is being read begins.
    message: Option<usize>,
    group: Option<Group>,
    /// Where the header of the file that is being read stands.
    file: Option<Range<usize>>,
    /// Batches of the file that have ended.
    ended: u64,
    /// Where lines that belong to nothing begin.
    stray: Option<usize>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Walk<'_> {
    fn line(&mut self, begin: usize, end: usize) {
        let line = self.raw.get(begin..end).unwrap_or_default();
        let named = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        match Begins::of(named) {
            Begins::Message => self.begin_message(begin),
            Begins::Part(part) => {
                self.end_message(begin);
                self.batch.is_enveloped = true;
                self.part(part, end.saturating_sub(named.len())..end);
            }
            Begins::Nothing if self.message.is_none() && !line.is_empty() => {
                self.stray.get_or_insert(begin);
            }
            Begins::Nothing => {}
        }
    }

    fn begin_message(&mut self, at: usize) {
        let leads = self.batch.messages.is_empty() && self.message.is_none() && !self.batch.is_enveloped;
        if leads {
            self.stray = None;
        }
        self.end_message(at);
        let first = self.batch.messages.len();
        self.group.get_or_insert(Group { header: None, first });
        self.message = Some(if leads { 0 } else { at });
    }

    /// Ends the message, or the lines that belong to none, that reach up to `at`.
    fn end_message(&mut self, at: usize) {
        if let Some(begin) = self.message.take() {
            self.batch.messages.push(begin..at);
        }
        if let Some(begin) = self.stray.take() {
            self.batch.note(begin..at, Oddity::Stray);
        }
    }

    fn part(&mut self, part: Part, line: Range<usize>) {
        match part {
            Part::FileHeader => {
                self.end_group();
                self.end_file();
                self.file = Some(line);
            }
            Part::BatchHeader => {
                self.end_group();
                self.group = Some(Group { header: Some(line), first: self.batch.messages.len() });
            }
            Part::BatchTrailer => self.batch_trailer(line),
            Part::FileTrailer => self.file_trailer(line),
        }
    }

    fn batch_trailer(&mut self, line: Range<usize>) {
        let group = self.group.take();
        if group.as_ref().is_none_or(|group| group.header.is_none()) {
            self.batch.note(line.clone(), Oddity::WithoutHeader(Part::BatchTrailer));
        }
        let first = group.as_ref().map_or(self.batch.messages.len(), |group| group.first);
        self.verify(Part::BatchTrailer, line, counted(first, self.batch.messages.len()));
        self.keep(group);
    }

    fn file_trailer(&mut self, line: Range<usize>) {
        self.end_group();
        let file = self.file.take();
        if file.is_none() {
            self.batch.note(line.clone(), Oddity::WithoutHeader(Part::FileTrailer));
        }
        self.verify(Part::FileTrailer, line, self.ended);
        self.ended = 0;
    }

    /// Holds the first field of a trailer against what was counted; an empty one says nothing.
    fn verify(&mut self, part: Part, line: Range<usize>, counted: u64) {
        let stated = header_field(self.raw.get(line.clone()).unwrap_or_default(), 2).trim_ascii();
        if stated.is_empty() {
            return;
        }
        match std::str::from_utf8(stated).ok().and_then(|text| text.parse::<u64>().ok()) {
            Some(stated) if stated == counted => {}
            Some(stated) => self.batch.note(line, Oddity::Count { part, stated, counted }),
            None => self.batch.note(line, Oddity::UnreadableCount(part)),
        }
    }

    /// Ends a batch that has no trailer.
    fn end_group(&mut self) {
        let Some(group) = self.group.take() else { return };
        if let Some(header) = &group.header {
            self.batch.note(header.clone(), Oddity::WithoutTrailer(Part::BatchHeader));
        }
        self.keep(Some(group));
    }

    /// Ends a file that has no trailer.
    fn end_file(&mut self) {
        if let Some(header) = self.file.take() {
            self.batch.note(header, Oddity::WithoutTrailer(Part::FileHeader));
        }
        self.ended = 0;
    }

    fn keep(&mut self, group: Option<Group>) {
        self.ended = self.ended.saturating_add(1);
        let Some(Group { header, first }) = group else { return };
        if self.batch.envelopes.len() < limits::BATCH_ENVELOPES_MAX {
            let messages = first..self.batch.messages.len();
            self.batch.envelopes.push(Envelope { file_header: self.file.clone(), header, messages });
        }
    }

    fn finish(mut self) -> Batch {
        self.end_message(self.raw.len());
        self.end_group();
        self.end_file();
        if !self.batch.is_enveloped {
            // Without envelopes and messages there is nothing to belong to.
            self.batch.findings.clear();
        }
        self.batch
    }
}

fn counted(first: usize, end: usize) -> u64 {
    u64::try_from(end.saturating_sub(first)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
