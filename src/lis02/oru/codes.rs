//! Codes of LIS02 and what they are in HL7. Some letters mean something else there.
//!
//! | R-9 | OBX-11 (table 0085) |
//! |---|---|
//! | C correction, P preliminary, F final, X cannot be done, I pending, S partial | the same letter |
//! | V verified by the operator, M a MIC level, R sent before, Q answer to a request | F |
//! | W validity is doubtful, none | R, entered and not verified; HL7's W would mean the wrong patient |
//! | N what is needed for a new order | none: refused |
//!
//! R-7 (abnormal flags) and R-8 (nature of abnormality) have the letters of tables 0078 and 0080. Table 0078 is a site's
//! own, so flags that the standard does not have are carried over. O-26 (report types) has those of table 0123.

use super::{Part, Reason, Record, Refusal};

/// OBX-11 of an R record: of several statuses, the most careful one.
pub(super) fn result_status(record: &Record<'_>) -> Result<u8, Refusal> {
    let mut found = None;
    for status in record.field(9).repetitions().filter(Part::has_value) {
        let letter = status.bytes().trim_ascii().to_ascii_uppercase();
        let code = match letter.as_slice() {
            [letter @ (b'C' | b'P' | b'F' | b'X' | b'I' | b'S')] => *letter,
            b"V" | b"M" | b"R" | b"Q" => b'F',
            b"W" => b'R',
            _ => {
                let why = "HL7 has no such result status";
                return Err(Refusal::new(Reason::UnmappedCode, record.place(9), why));
            }
        };
        if found.is_none_or(|before| care(code) > care(before)) {
            found = Some(code);
        }
    }
    Ok(found.unwrap_or(b'R'))
}

/// How much a status keeps a reader from relying on the value.
const fn care(code: u8) -> u8 {
    match code {
        b'X' => 6,
        b'I' => 5,
        b'R' => 4,
        b'P' => 3,
        b'S' => 2,
        b'C' => 1,
        _ => 0,
    }
}

/// OBR-25 as the order says it: O-26.
pub(super) fn reported_status(order: &Record<'_>) -> Option<u8> {
    match order.field(26).component(1).bytes().trim_ascii() {
        [letter] => Some(letter.to_ascii_uppercase()).filter(|letter| b"OCPFXIYZ".contains(letter)),
        _ => None,
    }
}

/// OBR-25 where the order does not say it: what all results of the test are.
pub(super) fn common_status(results: &[u8]) -> Option<u8> {
    let first = *results.first()?;
    results.iter().all(|status| *status == first).then_some(first)
}

/// MSH-11 (table 0103): H-12, processing id.
pub(super) fn processing_id(header: &Record<'_>) -> Result<u8, Refusal> {
    match header.field(12).bytes().trim_ascii() {
        // A message of quality control is a real one; its specimens say what they are.
        [] | b"P" | b"p" | b"Q" | b"q" => Ok(b'P'),
        b"T" | b"t" => Ok(b'T'),
        b"D" | b"d" => Ok(b'D'),
        _ => Err(Refusal::new(Reason::UnmappedCode, header.place(12), "HL7 has no such processing id")),
    }
}

/// Whether an O record is of a control, by its action code, or an H record of a message of controls, by its processing id.
pub(super) fn is_control(record: &Record<'_>) -> bool {
    record.field(12).repetitions().any(|code| code.bytes().trim_ascii().eq_ignore_ascii_case(b"Q"))
}

/// NTE-2 (table 0105): C-3, who says it.
pub(super) fn comment_source(comment: &Record<'_>) -> &'static [u8] {
    match comment.field(3).bytes().trim_ascii() {
        b"P" | b"p" => b"P",
        b"L" | b"l" => b"L",
        [] => b"",
        _ => b"O",
    }
}

/// Whether a value is a number as HL7 writes it (v2.5.1 2A.3.43).
pub(super) fn is_number(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"+").or_else(|| value.strip_prefix(b"-")).unwrap_or(value);
    let mut points = 0;
    let is_plain = digits.iter().all(|byte| {
        points += u8::from(*byte == b'.');
        byte.is_ascii_digit() || *byte == b'.'
    });
    is_plain && points <= 1 && digits.first().is_some_and(u8::is_ascii_digit) && digits.last() != Some(&b'.')
}
