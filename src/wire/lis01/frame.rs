//! One frame: its marks, its number and its checksum (LIS01-A2 6.3.1; ASTM E1381-95 6.3.1).
//!
//! ```text
//! STX  FN  text  ETB|ETX  C1 C2  CR LF
//! 02   0-7       17  03   hex    0D 0A
//! ```
//!
//! The checksum is the 8-bit sum of everything from FN to ETB or ETX, as two hexadecimal digits. Capitals are
//! written; small letters are read as well, but not a mixture. An 8-bit sum sees every damage of one byte and not
//! every damage of two.

use std::{fmt, ops::Range};

use super::super::Cause;

pub(super) const STX: u8 = 0x02;
pub(super) const ETX: u8 = 0x03;
pub(super) const EOT: u8 = 0x04;
pub(super) const ENQ: u8 = 0x05;
pub(super) const ACK: u8 = 0x06;
pub(super) const NAK: u8 = 0x15;
pub(super) const ETB: u8 = 0x17;
pub(super) const CR: u8 = 0x0d;
pub(super) const LF: u8 = 0x0a;

/// How a frame ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// ETB: the text goes on in the next frame.
    Continued,
    /// ETX: the text is whole.
    Whole,
}

impl End {
    const fn byte(self) -> u8 {
        match self {
            Self::Continued => ETB,
            Self::Whole => ETX,
        }
    }
}

/// A frame whose marks and checksum are right.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// 0 to 7.
    pub(super) number: u8,
    pub(super) text: Vec<u8>,
    pub(super) end: End,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame {} of {} bytes, {:?}", self.number, self.text.len(), self.end)
    }
}

/// Reads `body`, what stands between STX and the first checksum digit, and the four bytes after it.
pub(super) fn read(mut body: Vec<u8>, tail: [u8; 4]) -> Result<Frame, (Cause, Vec<u8>)> {
    let [high, low, CR, LF] = tail else { return Err((Cause::Malformed, body)) };
    let Some(sent) = checksum_of([high, low]) else { return Err((Cause::Malformed, body)) };
    if sent != sum(&body) {
        return Err((Cause::Checksum, body));
    }
    let end = match body.pop() {
        Some(ETX) => End::Whole,
        Some(ETB) => End::Continued,
        _ => return Err((Cause::Malformed, body)),
    };
    match body.first() {
        Some(digit @ b'0'..=b'7') => {
            let number = digit - b'0';
            body.remove(0);
            Ok(Frame { number, text: body, end })
        }
        _ => Err((Cause::FrameNumber, body)),
    }
}

/// Writes a frame.
pub(super) fn write(out: &mut Vec<u8>, number: u8, text: &[u8], end: End) {
    out.reserve(text.len().saturating_add(OVERHEAD));
    out.push(STX);
    let digit = b'0' | (number & 7);
    out.push(digit);
    out.extend_from_slice(text);
    out.push(end.byte());
    let sum = sum(text).wrapping_add(digit).wrapping_add(end.byte());
    out.extend_from_slice(format!("{sum:02X}").as_bytes());
    out.extend_from_slice(&[CR, LF]);
}

/// Bytes of a frame beside its text.
const OVERHEAD: usize = 7;

/// The same, as a count of the smallest frame.
pub(super) const SMALLEST: u64 = 7;

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn checksum_of(digits: [u8; 2]) -> Option<u8> {
    let mixed = digits.iter().any(u8::is_ascii_uppercase) && digits.iter().any(u8::is_ascii_lowercase);
    let [high, low] = digits.map(|digit| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    });
    if mixed { None } else { Some(high? << 4 | low?) }
}

/// Whether a byte may not stand in a text: SOH, STX, ETX, EOT, ENQ, ACK, DLE, NAK, SYN, ETB, LF, DC1 to DC4.
pub(super) const fn is_restricted(byte: u8) -> bool {
    matches!(byte, 0x01..=0x06 | LF | 0x10..=0x17)
}

/// Cuts `text` into the texts of frames of at most `max` bytes; only the last of them is whole.
pub(super) fn cut(text: Range<usize>, max: usize, pieces: &mut Vec<(Range<usize>, End)>) {
    let max = max.max(1);
    let mut at = text.start;
    while text.end.saturating_sub(at) > max {
        pieces.push((at..at.saturating_add(max), End::Continued));
        at = at.saturating_add(max);
    }
    pieces.push((at..text.end, End::Whole));
}
