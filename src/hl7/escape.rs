//! Escape sequences (HL7 v2.5.1 chapter 2, 2.7; `\P\`: v2.7).
//!
//! | sequence | read as |
//! |---|---|
//! | `\F\ \S\ \R\ \T\ \E\ \P\` | the delimiter |
//! | `\X0D0A\`, also `\x0d 0a\` | these bytes, in the message's character set |
//! | `\.br\ \.ce\ \.sp\ \.sp2\` | line ends |
//! | `\.sk3\` | blanks |
//! | `\.in+4\ \.ti4\` | blanks at the beginning of each line, or of this one |
//! | `\H\ \N\ \.fi\ \.nf\` | nothing: marks of layout |
//! | `\C..\ \M..\` switches of character set, `\Z..\` local ones, any other, and one without an end | as it stands, and counted |
//!
//! Layout commands are read in either case and with blanks before the number. Switches to sets that the message
//! declares are read by [`Charset`](super::Charset). Unescaping comes after splitting. Escaping is for the delimiters of
//! the message being written; a pass-through never does either (INV-12). What [`escape`] writes, [`unescape`] reads
//! back byte by byte, given delimiters with an escape character.

use std::borrow::Cow;

use memchr::memchr;

use super::delimiters::Delimiters;

/// What was odd about the escapes of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct EscapeFindings {
    /// Sequences that are unknown or not understood; kept as they stood.
    pub unknown: u32,
    /// Sequences that the site defined (`\Z..\`); kept as they stood.
    pub local: u32,
    /// Switches (`\C..\`, `\M..\`) to character sets that the message does not declare; kept as they stood.
    pub switches: u32,
    /// Escape characters without a second one; kept as they stood.
    pub unclosed: u32,
}

impl EscapeFindings {
    /// Adds those of another text.
    pub const fn add(&mut self, other: Self) {
        self.unknown = self.unknown.saturating_add(other.unknown);
        self.local = self.local.saturating_add(other.local);
        self.switches = self.switches.saturating_add(other.switches);
        self.unclosed = self.unclosed.saturating_add(other.unclosed);
    }

    const fn kept(&mut self, body: &[u8]) {
        match body {
            [b'Z' | b'z', ..] => self.local += 1,
            [b'C' | b'M', _, ..] => self.switches += 1,
            _ => self.unknown += 1,
        }
    }
}

/// Reads the escape sequences of a part that was split off a message with these `delimiters`.
pub fn unescape<'a>(bytes: &'a [u8], delimiters: &Delimiters) -> (Cow<'a, [u8]>, EscapeFindings) {
    let mut findings = EscapeFindings::default();
    let first = delimiters.escape.and_then(|escape| memchr(escape, bytes).map(|at| (escape, at)));
    let Some((escape, mut at)) = first else { return (Cow::Borrowed(bytes), findings) };
    let mut out = Text { bytes: Vec::with_capacity(bytes.len()), indent: 0, pending: 0 };
    let mut rest = bytes;
    loop {
        let (plain, sequence) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.push(plain);
        let body = sequence.get(1..).unwrap_or_default();
        let Some(length) = memchr(escape, body) else {
            findings.unclosed += 1;
            out.push(sequence);
            break;
        };
        let (body, after) = body.split_at_checked(length).unwrap_or((body, &[]));
        if !read_sequence(&mut out, body, delimiters) {
            findings.kept(body);
            out.push(sequence.get(..length.saturating_add(2)).unwrap_or(sequence));
        }
        rest = after.get(1..).unwrap_or_default();
        let Some(next) = memchr(escape, rest) else {
            out.push(rest);
            break;
        };
        at = next;
    }
    (Cow::Owned(out.bytes), findings)
}

/// A text being read, and the blanks that its next line begins with.
struct Text {
    bytes: Vec<u8>,
    /// For each line to come.
    indent: usize,
    /// For the line that has not begun yet.
    pending: usize,
}

impl Text {
    fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        self.bytes.extend(std::iter::repeat_n(b' ', pending));
        self.bytes.extend_from_slice(bytes);
    }

    fn end_lines(&mut self, count: usize) {
        self.bytes.extend(std::iter::repeat_n(b'\n', count));
        self.pending = self.indent;
    }

    /// Indentation is for lines that have not begun.
    fn at_line_start(&self) -> bool {
        matches!(self.bytes.last(), None | Some(b'\n'))
    }

    fn indent_line(&mut self, blanks: usize) {
        if self.at_line_start() {
            self.pending = blanks;
        }
    }
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
fn read_sequence(out: &mut Text, body: &[u8], delimiters: &Delimiters) -> bool {
    match body {
        [letter] => match delimiter_of(*letter, delimiters) {
            Some(byte) => out.push(&[byte]),
            None => return matches!(letter, b'H' | b'N'),
        },
        [b'X' | b'x', digits @ ..] => return read_hex(out, digits),
        [b'.', command @ ..] => return read_layout(out, command),
        _ => return false,
    }
    true
}

/// Pairs of digits, with blanks around them as some senders write.
fn read_hex(out: &mut Text, digits: &[u8]) -> bool {
    let Some(bytes) = hex_bytes(digits) else { return false };
    out.push(&bytes);
    true
}

/// The bytes of pairs of digits; none where there is no whole pair, half a one or something else.
pub(super) fn hex_bytes(digits: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let mut high = None;
    for digit in digits {
        match (digit, high) {
            (b' ' | b'\t' | b'\r' | b'\n', None) => {}
            (digit, None) if digit.is_ascii_hexdigit() => high = Some(nibble(*digit)),
            (digit, Some(first)) if digit.is_ascii_hexdigit() => {
                bytes.push(first << 4 | nibble(*digit));
                high = None;
            }
            _ => return None,
        }
    }
    (high.is_none() && !bytes.is_empty()).then_some(bytes)
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

fn read_layout(out: &mut Text, command: &[u8]) -> bool {
    let (name, number) = command.split_at_checked(2).unwrap_or((command, &[]));
    let Some(number) = Number::read(number) else { return false };
    match name.to_ascii_lowercase().as_slice() {
        b"br" | b"ce" => out.end_lines(1),
        b"sp" => out.end_lines(number.or(1)),
        b"sk" => out.push(&b" ".repeat(number.or(1))),
        b"in" => {
            out.indent = number.from(out.indent);
            out.indent_line(out.indent);
        }
        b"ti" => out.indent_line(number.from(out.indent)),
        b"fi" | b"nf" => {}
        _ => return false,
    }
    true
}

/// The number after a layout command; bounded, so that no text grows beyond reason.
enum Number {
    None,
    Is(usize),
    More(usize),
    Less(usize),
}

impl Number {
    fn read(digits: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(digits).ok()?.trim();
        if text.is_empty() {
            return Some(Self::None);
        }
        let (kind, digits): (fn(usize) -> Self, &str) = match text.split_at_checked(1)? {
            ("+", digits) => (Self::More, digits),
            ("-", digits) => (Self::Less, digits),
            _ => (Self::Is, text),
        };
        let digits = digits.trim();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| kind(digits.parse::<usize>().unwrap_or(usize::MAX).min(LAYOUT_COUNT_MAX)))
    }

    /// A plain count.
    const fn or(&self, absent: usize) -> usize {
        match self {
            Self::None => absent,
            Self::Is(count) | Self::More(count) | Self::Less(count) => *count,
        }
    }

    /// A place, told from `present` where it has a sign.
    fn from(&self, present: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Is(place) => *place,
            Self::More(by) => present.saturating_add(*by).min(LAYOUT_COUNT_MAX),
            Self::Less(by) => present.saturating_sub(*by),
        }
    }
}

/// Blanks or lines one layout command can stand for.
const LAYOUT_COUNT_MAX: usize = 80;
