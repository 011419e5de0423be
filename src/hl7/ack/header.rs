//! What an acknowledgement takes over from the header of the message it answers.

use super::{Stamp, Writer};
use crate::hl7::{
    Delimiters,
    delimiters::{is_delimiter, is_line_end},
    message::piece,
};

/// Fields of MSH, as they came; none holds the field separator of `delimiters`.
pub(super) struct Header<'a> {
    pub(super) delimiters: Delimiters,
    pub(super) control_id: &'a [u8],
    pub(super) accept: &'a [u8],
    pub(super) application: &'a [u8],
    sending_application: &'a [u8],
    sending_facility: &'a [u8],
    receiving_application: &'a [u8],
    receiving_facility: &'a [u8],
    trigger: &'a [u8],
    processing_id: &'a [u8],
    version: &'a [u8],
    charset: &'a [u8],
}

impl<'a> Header<'a> {
    /// As much of a header as can be made out at the beginning of `raw`. Where MSH-1 and MSH-2 are good, it is read as
    /// usual; where only MSH-1 is, fields that standard delimiters can carry are taken; else nothing.
    pub(super) fn read(raw: &'a [u8]) -> Self {
        let line = first_line(raw);
        let separator = match line {
            [b'M', b'S', b'H', byte, ..] if is_delimiter(*byte) => *byte,
            _ => return Self::collect(Delimiters::STANDARD, |_| &[]),
        };
        let field = |number| piece(line, Some(separator), number);
        if let Ok(delimiters) = Delimiters::read(line, 0) {
            return Self::collect(delimiters, field);
        }
        let carried = |number| if field(number).contains(&b'|') { &[] } else { field(number) };
        Self::collect(Delimiters::STANDARD, carried)
    }

    /// Takes the fields. The name of the segment counts as the first piece, so that pieces are numbered as fields.
    fn collect(delimiters: Delimiters, field: impl Fn(usize) -> &'a [u8]) -> Self {
        let first = piece(field(9), delimiters.repetition, 1);
        Self {
            delimiters,
            control_id: field(10),
            accept: field(15),
            application: field(16),
            sending_application: field(3),
            sending_facility: field(4),
            receiving_application: field(5),
            receiving_facility: field(6),
            trigger: piece(first, delimiters.component, 2),
            processing_id: field(11),
            version: field(12),
            charset: field(18),
        }
    }

    /// Writes the header of the answer.
    pub(super) fn write_answer(&self, writer: &mut Writer, stamp: &Stamp<'_>, asks: [&str; 2]) {
        let message_type: Vec<&[u8]> = match self.trigger {
            b"" => vec![b"ACK"],
            _ if self.version_below(&[2, 3, 1]) => vec![b"ACK"],
            trigger => vec![b"ACK", trigger, b"ACK"],
        };
        writer.segment("MSH");
        writer.raw(&self.delimiters.encoding_characters().collect::<Vec<_>>());
        writer.raw(self.receiving_application);
        writer.raw(self.receiving_facility);
        writer.raw(self.sending_application);
        writer.raw(self.sending_facility);
        writer.text(stamp.at);
        writer.text("");
        writer.components(&message_type);
        writer.text(stamp.control_id);
        writer.raw(or(self.processing_id, b"P"));
        writer.raw(or(self.version, b"2.5.1"));
        let [accept, application] = asks;
        for text in ["", "", accept, application, ""] {
            writer.text(text);
        }
        writer.raw(self.charset);
    }

    /// Whether MSH-12 names a version before `other`. One that is no number counts as a late one.
    pub(super) fn version_below(&self, other: &[u32]) -> bool {
        let version = piece(self.version, self.delimiters.component, 1).trim_ascii();
        let parts = version.split(|byte| *byte == b'.').map(|part| std::str::from_utf8(part).ok()?.parse().ok());
        parts.collect::<Option<Vec<u32>>>().is_some_and(|numbers| numbers.as_slice() < other)
    }
}

/// The first line, from the first capital on.
fn first_line(raw: &[u8]) -> &[u8] {
    let lead = raw.iter().take_while(|byte| !byte.is_ascii_uppercase()).count();
    let line = raw.get(lead..).unwrap_or_default();
    let length = line.iter().position(|byte| is_line_end(*byte)).unwrap_or(line.len());
    line.get(..length).unwrap_or_default()
}

const fn or<'a>(bytes: &'a [u8], default: &'a [u8]) -> &'a [u8] {
    if bytes.is_empty() { default } else { bytes }
}
