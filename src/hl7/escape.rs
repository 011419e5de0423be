//! Escape sequences (HL7 v2.5.1 chapter 2, 2.7; `\P\`: v2.7).
//!
//! | sequence | read as |
//! |---|---|
//! | `\F\ \S\ \R\ \T\ \E\ \P\` | the delimiter |
//! | `\X0D0A\` | these bytes, in the message's character set |
//! | `\.br\ \.sp2\ \.ce\` | line ends; `\.sk3\` blanks |
//! | `\H\ \N\ \.in4\ \.ti4\ \.fi\ \.nf\` | nothing: marks of layout |
//! | `\C..\ \M..\` charset switches, `\Z..\` local ones, any other, and one without an end | as it stands, and counted |
//!
//! Unescaping comes after splitting. Escaping is for the delimiters of the message being written; a pass-through
//! never does either (INV-12). What [`escape`] writes, [`unescape`] reads back byte by byte, given delimiters with an
//! escape character.

use std::borrow::Cow;

use memchr::memchr;

use super::delimiters::Delimiters;

/// What was odd about the escapes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct EscapeFindings {
    /// Sequences that are unknown or not understood; kept as they stood.
    pub unknown: u32,
    /// Escape characters without a second one; kept as they stood.
    pub unclosed: u32,
}

/// Reads the escape sequences of a part that was split off a message with these `delimiters`.
pub fn unescape<'a>(bytes: &'a [u8], delimiters: &Delimiters) -> (Cow<'a, [u8]>, EscapeFindings) {
    let mut findings = EscapeFindings::default();
    let first = delimiters.escape.and_then(|escape| memchr(escape, bytes).map(|at| (escape, at)));
    let Some((escape, mut at)) = first else { return (Cow::Borrowed(bytes), findings) };
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let (plain, sequence) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let body = sequence.get(1..).unwrap_or_default();
        let Some(length) = memchr(escape, body) else {
            findings.unclosed += 1;
            out.extend_from_slice(sequence);
            break;
        };
        let (body, after) = body.split_at_checked(length).unwrap_or((body, &[]));
        if !read_sequence(&mut out, body, delimiters) {
            findings.unknown += 1;
            out.extend(sequence.iter().take(length.saturating_add(2)));
        }
        rest = after.get(1..).unwrap_or_default();
        let Some(next) = memchr(escape, rest) else {
            out.extend_from_slice(rest);
            break;
        };
        at = next;
    }
    (Cow::Owned(out), findings)
}

/// Writes `bytes` so that they are one value in a message with these `delimiters`: no delimiter and no control
/// character is left, and `""` does not become a null. Delimiters without an escape character leave no way to write
/// such a byte; a blank takes its place.
pub fn escape<'a>(bytes: &'a [u8], delimiters: &Delimiters) -> Cow<'a, [u8]> {
    if bytes == b"\"\"" {
        return delimiters.escape.map_or(Cow::Borrowed(b" "), |escape| Cow::Owned(hex(escape, bytes)));
    }
    if !bytes.iter().any(|byte| needs_escape(*byte, delimiters)) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len().saturating_add(16));
    for byte in bytes {
        write_byte(&mut out, *byte, delimiters);
    }
    Cow::Owned(out)
}

fn write_byte(out: &mut Vec<u8>, byte: u8, delimiters: &Delimiters) {
    if !needs_escape(byte, delimiters) {
        return out.push(byte);
    }
    let Some(escape) = delimiters.escape else { return out.push(b' ') };
    match letter_of(byte, delimiters) {
        Some(letter) => out.extend_from_slice(&[escape, letter, escape]),
        None => out.extend_from_slice(&hex(escape, &[byte])),
    }
}

fn needs_escape(byte: u8, delimiters: &Delimiters) -> bool {
    byte < 0x20 || byte == 0x7f || letter_of(byte, delimiters).is_some()
}

fn hex(escape: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![escape, b'X'];
    for byte in bytes {
        out.extend_from_slice(format!("{byte:02X}").as_bytes());
    }
    out.push(escape);
    out
}

/// The letter that stands for a delimiter.
fn letter_of(byte: u8, delimiters: &Delimiters) -> Option<u8> {
    LETTERS.into_iter().find(|letter| delimiter_of(*letter, delimiters) == Some(byte))
}

/// The delimiter that a letter stands for.
const fn delimiter_of(letter: u8, delimiters: &Delimiters) -> Option<u8> {
    match letter {
        b'F' => Some(delimiters.field),
        b'S' => delimiters.component,
        b'R' => delimiters.repetition,
        b'T' => delimiters.subcomponent,
        b'E' => delimiters.escape,
        b'P' => delimiters.truncation,
        _ => None,
    }
}

const LETTERS: [u8; 6] = *b"FSRTEP";

/// Writes what the sequence `body` stands for; `false` where it is not known.
fn read_sequence(out: &mut Vec<u8>, body: &[u8], delimiters: &Delimiters) -> bool {
    match body {
        [letter] => match delimiter_of(*letter, delimiters) {
            Some(byte) => out.push(byte),
            None => return matches!(letter, b'H' | b'N'),
        },
        [b'X', digits @ ..] => return read_hex(out, digits),
        [b'.', command @ ..] => return read_layout(out, command),
        _ => return false,
    }
    true
}

fn read_hex(out: &mut Vec<u8>, digits: &[u8]) -> bool {
    let whole = !digits.is_empty() && digits.len().is_multiple_of(2);
    if !whole || !digits.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    out.extend(digits.as_chunks::<2>().0.iter().map(|[high, low]| nibble(*high) << 4 | nibble(*low)));
    true
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

fn read_layout(out: &mut Vec<u8>, command: &[u8]) -> bool {
    let (name, count) = command.split_at_checked(2).unwrap_or((command, &[]));
    let Some(count) = read_count(count) else { return false };
    match name {
        b"br" | b"ce" => out.push(b'\n'),
        b"sp" => out.extend(std::iter::repeat_n(b'\n', count)),
        b"sk" => out.extend(std::iter::repeat_n(b' ', count)),
        b"in" | b"ti" | b"fi" | b"nf" => {}
        _ => return false,
    }
    true
}

/// The number after a layout command, 1 where left out; bounded, so that no text grows beyond reason.
fn read_count(digits: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(digits).ok()?.trim().trim_start_matches(['+', '-']);
    if text.is_empty() {
        return Some(1);
    }
    text.parse::<usize>().ok().map(|count| count.min(LAYOUT_COUNT_MAX))
}

/// Blanks or lines one layout command can stand for.
const LAYOUT_COUNT_MAX: usize = 80;
