//! The acknowledgement of a batch as a batch (HL7 v2.5.1 chapter 2, 2.10.3.2): BHS, the acknowledgements of its
//! messages, BTS.
//!
//! ```text
//! BHS|^~\&|their receiver|...|their sender|...|now||||own id|their BHS-11
//! MSH|... MSA|...
//! BTS|1
//! ```

use super::{Batch, header_field};
use crate::hl7::{Delimiters, ack::Stamp, delimiters::is_delimiter, escape::escape};

/// Writes `acknowledgements`, which belong to the messages of `batch`, as one batch. The header is that of the first
/// batch with its peers swapped, BHS-12 the id it had; without a BHS it is made of standard delimiters alone.
pub fn acknowledge(raw: &[u8], batch: &Batch, stamp: &Stamp<'_>, acknowledgements: &[Vec<u8>]) -> Vec<u8> {
    let header = batch.envelopes.iter().find_map(|envelope| envelope.header.clone());
    let header = header.and_then(|range| raw.get(range)).unwrap_or_default();
    let delimiters = delimiters_of(header);
    let separator = delimiters.field;
    let mut out = Vec::with_capacity(256 + acknowledgements.iter().map(Vec::len).sum::<usize>());
    out.extend_from_slice(b"BHS");
    out.push(separator);
    out.extend(delimiters.encoding_characters());
    for number in [5, 6, 3, 4] {
        field(&mut out, separator, header_field(header, number));
    }
    field(&mut out, separator, stamp.at.as_bytes());
    for _ in 8..11 {
        field(&mut out, separator, b"");
    }
    field(&mut out, separator, &escape(stamp.control_id.as_bytes(), &delimiters));
    field(&mut out, separator, header_field(header, 11));
    out.push(b'\r');
    for acknowledgement in acknowledgements {
        out.extend_from_slice(acknowledgement);
    }
    out.extend_from_slice(b"BTS");
    field(&mut out, separator, acknowledgements.len().to_string().as_bytes());
    out.push(b'\r');
    out
}

/// Those of the header where they can be read, else the standard ones.
fn delimiters_of(header: &[u8]) -> Delimiters {
    let as_message = [b"MSH", header.get(3..).unwrap_or_default()].concat();
    Delimiters::read(&as_message, 0)
        .ok()
        .filter(|delimiters| is_delimiter(delimiters.field))
        .unwrap_or(Delimiters::STANDARD)
}

/// Writes a field as it came, without what could end a segment or a frame.
fn field(out: &mut Vec<u8>, separator: u8, bytes: &[u8]) {
    out.push(separator);
    out.extend(bytes.iter().map(|byte| if byte.is_ascii_control() || *byte == separator { b' ' } else { *byte }));
}
