//! What the bytes of a line look like: a hint for the person who has to set up its other end. Counts only; keeps no text.

use std::fmt;

/// What bytes look like, from the most telling sign to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// Nothing came.
    Nothing,
    /// MLLP.
    Mllp,
    /// HLLP.
    Hllp,
    /// LIS01-A2.
    Lis01,
    /// ENQ again and again, and nobody answers.
    Unanswered,
    /// Lines between STX and ETX.
    Marked,
    /// Lines that end with CR LF.
    CrLf,
    /// Lines that end with CR.
    Cr,
    /// Lines that end with LF.
    Lf,
    /// Text of seven bits whose eighth is parity.
    SevenBits,
    /// Hardly any text: another speed or shape, most likely.
    WrongLine,
    /// Text without an end that is known.
    Unknown,
}

impl Guess {
    /// What to try, in a sentence without patient data.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Nothing => {
                "nothing came: is the device on, does it have something to send, is the cable the right one (straight or \
                 crossed), is it the right port?"
            }
            Self::Mllp => "this looks like MLLP: framing = \"mllp\"",
            Self::Hllp => "this looks like HLLP: framing = \"hllp\"",
            Self::Lis01 => "this looks like LIS01-A2 (ASTM E1381): framing = \"lis01\"",
            Self::Unanswered => {
                "a device asks for the line (ENQ) and hears no answer: framing = \"lis01\", and is our way to it connected?"
            }
            Self::Marked => "this looks like lines between STX and ETX: framing = \"line\"",
            Self::CrLf => {
                "this looks like lines that end with CR LF: framing = \"line\", start = \"none\", end = \"CR LF\""
            }
            Self::Cr => "this looks like lines that end with CR: framing = \"line\", start = \"none\", end = \"CR\"",
            Self::Lf => "this looks like lines that end with LF: framing = \"line\", start = \"none\", end = \"LF\"",
            Self::SevenBits => "this is text of 7 data bits with parity, read as 8: line = \"... 7E1\" or \"... 7O1\"",
            Self::WrongLine => "hardly any of it is text: try another speed, or other data bits and parity",
            Self::Unknown => "this is text, and no framing that is known",
        }
    }

    /// The guess as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Mllp => "mllp",
            Self::Hllp => "hllp",
            Self::Lis01 => "lis01",
            Self::Unanswered => "unanswered_enquiry",
            Self::Marked => "line_stx_etx",
            Self::CrLf => "line_crlf",
            Self::Cr => "line_cr",
            Self::Lf => "line_lf",
            Self::SevenBits => "seven_bits",
            Self::WrongLine => "wrong_line",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Looks at the bytes that come in.
#[derive(Clone, Debug, Default)]
pub struct Guesser {
    bytes: u64,
    text: u64,
    /// Bytes that are text without their eighth bit.
    text_of_seven: u64,
    /// Ones of all eight bits: an even number, an odd number.
    parities: [u64; 2],
    damaged: u64,
    counts: Counts,
    /// The bytes before, the last one last.
    before: [u8; 4],
}

#[derive(Clone, Debug, Default)]
struct Counts {
    mllp_begins: u64,
    hllp_begins: u64,
    block_ends: u64,
    enquiries: u64,
    numbered_frames: u64,
    starts: u64,
    ends: u64,
    cr_lf: u64,
    cr: u64,
    lf: u64,
}

impl Guesser {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.take(byte);
            let [_, a, b, c] = self.before;
            self.before = [a, b, c, byte];
        }
    }

    /// Counts a byte that its receiver found damaged.
    pub const fn damaged(&mut self) {
        self.damaged = self.damaged.saturating_add(1);
    }

    fn take(&mut self, byte: u8) {
        self.bytes += 1;
        self.text += u64::from(is_text(byte));
        self.text_of_seven += u64::from(is_text(byte & 0x7f));
        let [even, odd] = &mut self.parities;
        *(if byte.count_ones().is_multiple_of(2) { even } else { odd }) += 1;
        let counts = &mut self.counts;
        match (self.before, byte) {
            ([_, _, _, VT], b'M' | b'F' | b'B') => counts.mllp_begins += 1,
            ([VT, b'D' | b'N', b'0'..=b'9', b'0'..=b'9'], CR) => counts.hllp_begins += 1,
            ([_, _, _, STX], b'0'..=b'7') => {
                counts.numbered_frames += 1;
                counts.starts += 1;
            }
            ([_, _, _, STX], _) => counts.starts += 1,
            ([_, _, _, FS], CR) => counts.block_ends += 1,
            ([_, _, _, CR], LF) => {
                counts.cr_lf += 1;
                counts.cr -= 1;
            }
            (_, ENQ) => counts.enquiries += 1,
            (_, ETX) => counts.ends += 1,
            (_, CR) => counts.cr += 1,
            (_, LF) => counts.lf += 1,
            _ => {}
        }
    }

    /// What the bytes so far look like.
    pub fn guess(&self) -> Guess {
        let counts = &self.counts;
        let all = self.bytes + self.damaged;
        if all == 0 {
            return Guess::Nothing;
        }
        let is_mostly = |part: u64| part * 10 >= all * 9;
        let [even, odd] = self.parities;
        if counts.hllp_begins > 0 {
            return Guess::Hllp;
        }
        if counts.mllp_begins > 0 {
            return Guess::Mllp;
        }
        if counts.enquiries > 0 && counts.numbered_frames > 0 {
            return Guess::Lis01;
        }
        if counts.enquiries * 2 > all {
            return Guess::Unanswered;
        }
        if !is_mostly(self.text) {
            let has_parity = is_mostly(even) || is_mostly(odd);
            return if is_mostly(self.text_of_seven) && has_parity { Guess::SevenBits } else { Guess::WrongLine };
        }
        match counts {
            Counts { numbered_frames, ends: 1.., .. } if *numbered_frames > 0 && *numbered_frames == counts.starts => {
                Guess::Lis01
            }
            Counts { starts: 1.., ends: 1.., .. } => Guess::Marked,
            Counts { cr_lf: 1.., .. } => Guess::CrLf,
            Counts { cr: 1.., .. } => Guess::Cr,
            Counts { lf: 1.., .. } => Guess::Lf,
            _ => Guess::Unknown,
        }
    }
}

const STX: u8 = 0x02;
const ETX: u8 = 0x03;
const ENQ: u8 = 0x05;
const LF: u8 = 0x0a;
const VT: u8 = 0x0b;
const CR: u8 = 0x0d;
const FS: u8 = 0x1c;

/// Letters, digits, punctuation, and the control characters that protocols use.
const fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | 0x01..=0x06 | b'\t' | LF | VT | CR | 0x15 | 0x17 | FS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(bytes: &[u8]) -> Guess {
        let mut guesser = Guesser::default();
        guesser.push(bytes);
        guesser.guess()
    }

    /// 7E1 as a receiver of 8 bits takes it.
    fn with_parity(text: &[u8]) -> Vec<u8> {
        text.iter().map(|byte| if byte.count_ones() % 2 == 1 { byte | 0x80 } else { *byte }).collect()
    }

    #[test]
    fn knows_every_framing_by_its_marks() {
        for (bytes, expected) in [
            (&b""[..], Guess::Nothing),
            (b"\x0bMSH|^~\\&|A|B\rPID|1\r\x1c\r", Guess::Mllp),
            (b"noise\x0bMSH|^~\\&|A|B\r", Guess::Mllp),
            (b"\x0bD21\rMSH|^~\\&|A\r00016054\x1c\r", Guess::Hllp),
            (b"\x05\x021H|\\^&\r\x0317\r\n\x04", Guess::Lis01),
            (b"\x05\x05\x05", Guess::Unanswered),
            (b"\x02unit 7 on scene\x03", Guess::Marked),
            (b"CALL 4711\r\nCALL 4712\r\n", Guess::CrLf),
            (b"CALL 4711\rCALL 4712\r", Guess::Cr),
            (b"CALL 4711\nCALL 4712\n", Guess::Lf),
            (b"hello", Guess::Unknown),
            (b"\x80\xff\x00\xf8\x78\x00\xe6", Guess::WrongLine),
        ] {
            assert_eq!(guess(bytes), expected, "{bytes:?}");
        }
        assert_eq!(guess(&with_parity(b"CALL 4711 FROM ROOM 12, BED A\r\n")), Guess::SevenBits);
    }

    #[test]
    fn takes_damaged_bytes_for_a_sign_of_the_wrong_speed() {
        let mut guesser = Guesser::default();
        guesser.push(b"ab");
        (0..10).for_each(|_| guesser.damaged());
        assert_eq!(guesser.guess(), Guess::WrongLine);
    }
}
