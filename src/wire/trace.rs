//! The bytes of a line for people, without what they say: control characters by name, letters as `x`, digits as `9`.
//!
//! ```text
//! 0b MSH|^~\&|ZZEHR|... PID|1||4711   ►   <VT>MSH|^~\&|xxxxx|...<CR>PID|9||9999
//! ```
//! Shown as they are: punctuation and blanks, and names of segments and records where they stand: behind a control character,
//! from a closed list, with `|` behind them. Everything else of 7 bits is masked by its kind, and a byte beyond them is `x`.
//! `<` of the text itself is `\x3c`, so that no text looks like a control character. What the bytes look like as a whole
//! says `guess`. Holds at most four bytes between two calls.

mod guess;

pub use guess::{Guess, Guesser};

/// Whether the text itself is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showing {
    /// Its kind of characters.
    Kinds,
    /// Itself.
    Text,
}

/// Writes the bytes of one direction of one stream.
#[derive(Debug)]
pub struct Writer {
    showing: Showing,
    /// The beginning of a record, as long as it may be a name.
    held: Vec<u8>,
    /// Whether the next byte begins a record.
    at_start: bool,
    /// Whether a frame number may stand before the record.
    may_number: bool,
}

impl Writer {
    /// Of a stream that begins.
    pub const fn new(showing: Showing) -> Self {
        Self { showing, held: Vec::new(), at_start: true, may_number: false }
    }

    /// Writes bytes; the last few may be kept until it is known what they are.
    pub fn write(&mut self, bytes: &[u8]) -> String {
        let mut out = String::with_capacity(bytes.len());
        for &byte in bytes {
            self.take(byte, &mut out);
        }
        out
    }

    /// Writes what was kept; nothing more comes for now.
    pub fn flush(&mut self) -> String {
        let mut out = String::new();
        self.let_go(&mut out);
        out
    }

    fn take(&mut self, byte: u8, out: &mut String) {
        if byte < 0x20 || byte == 0x7f {
            self.let_go(out);
            out.push('<');
            out.push_str(&name(byte));
            out.push('>');
            self.at_start = true;
            self.may_number = byte == STX;
            return;
        }
        if !self.at_start {
            return self.put(byte, out);
        }
        if self.held.is_empty() && std::mem::take(&mut self.may_number) && byte.is_ascii_digit() {
            // The number of a frame says nothing about anybody.
            return out.push(char::from(byte));
        }
        if byte == b'|' && NAMES.contains(&self.held.as_slice()) {
            out.extend(self.held.drain(..).map(char::from));
            self.at_start = false;
            return out.push('|');
        }
        self.held.push(byte);
        if self.held.len() > NAME_BYTES_MAX || !byte.is_ascii_alphanumeric() {
            self.let_go(out);
        }
    }

    /// What was kept is no name.
    fn let_go(&mut self, out: &mut String) {
        if self.held.is_empty() {
            return;
        }
        self.at_start = false;
        for byte in std::mem::take(&mut self.held) {
            self.put(byte, out);
        }
    }

    fn put(&self, byte: u8, out: &mut String) {
        match (self.showing, byte) {
            (_, b'<') => out.push_str("\\x3c"),
            (Showing::Text, b'\\') => out.push_str("\\\\"),
            (Showing::Text, 0x80..) => out.push_str(&format!("\\x{byte:02x}")),
            (Showing::Text, _) => out.push(char::from(byte)),
            (Showing::Kinds, b'0'..=b'9') => out.push('9'),
            (Showing::Kinds, b'a'..=b'z' | b'A'..=b'Z' | 0x80..) => out.push('x'),
            (Showing::Kinds, _) => out.push(char::from(byte)),
        }
    }
}

/// The name of a control character.
fn name(byte: u8) -> String {
    CONTROLS.get(usize::from(byte)).map_or_else(|| format!("{byte:02X}"), |name| (*name).to_owned())
}

const STX: u8 = 0x02;
const NAME_BYTES_MAX: usize = 3;

/// The control characters of ASCII, in their order.
const CONTROLS: [&str; 32] = [
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI", "DLE",
    "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
];

/// Segments of HL7 and records of LIS02 that are shown by name.
const NAMES: [&[u8]; 62] = [
    b"MSH", b"MSA", b"EVN", b"PID", b"PD1", b"NK1", b"PV1", b"PV2", b"OBR", b"OBX", b"ORC", b"NTE", b"ERR", b"QRD",
    b"QRF", b"QPD", b"RCP", b"DSC", b"DSP", b"ADD", b"FHS", b"FTS", b"BHS", b"BTS", b"AL1", b"DG1", b"DRG", b"PR1",
    b"GT1", b"IN1", b"IN2", b"IN3", b"ACC", b"MRG", b"ROL", b"DB1", b"SCH", b"RGS", b"AIS", b"AIG", b"AIL", b"AIP",
    b"TXA", b"SPM", b"RXA", b"RXE", b"RXO", b"RXR", b"FT1", b"MFI", b"MFE", b"SFT", b"NPU", b"H", b"P", b"O", b"R",
    b"C", b"Q", b"L", b"S", b"M",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(bytes: &[u8]) -> String {
        let mut writer = Writer::new(Showing::Kinds);
        writer.write(bytes) + &writer.flush()
    }

    #[test]
    fn names_control_characters_and_masks_the_rest_by_its_kind() {
        for (bytes, shown) in [
            (&b"\x0bMSH|^~\\&|EHR|1\rPID|1||47^Q\r\x1c\r"[..], "<VT>MSH|^~\\&|xxx|9<CR>PID|9||99^x<CR><FS><CR>"),
            (b"\x05\x021H|\\^&\r\x03F5\r\n\x04", "<ENQ><STX>1H|\\^&<CR><ETX>x9<CR><LF><EOT>"),
            (b"\x06\x15\x00\x7f", "<ACK><NAK><NUL><7F>"),
            (b"\x02BOB, room 4\x03", "<STX>xxx, xxxx 9<ETX>"),
            (b"\x02BOB|room\x03", "<STX>xxx|xxxx<ETX>"),
            (b"\x0bM\xfcller <b>", "<VT>xxxxxx \\x3cx>"),
            (b"PIDGIN|PID|", "xxxxxx|xxx|"),
            (b"\r0815|", "<CR>9999|"),
            (b"\x0bPI", "<VT>xx"),
        ] {
            assert_eq!(masked(bytes), shown);
        }
    }

    #[test]
    fn shows_text_only_where_that_is_asked_for() {
        let mut writer = Writer::new(Showing::Text);
        assert_eq!(writer.write(b"\x0bMSH|^~\\&|ZZ<\xe4>\r"), "<VT>MSH|^~\\\\&|ZZ\\x3c\\xe4><CR>");
    }

    proptest! {
        #[test]
        fn is_the_same_however_the_bytes_are_cut(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..200) {
            let (first, rest) = bytes.split_at(at.min(bytes.len()));
            let mut writer = Writer::new(Showing::Kinds);
            let cut = writer.write(first) + &writer.write(rest) + &writer.flush();
            prop_assert_eq!(cut, masked(&bytes));
        }

        #[test]
        fn shows_no_letter_or_digit_of_a_text_that_stands_behind_a_text(text in "[a-wy-zA-Z0-8|^&~. ]{0,60}") {
            let shown = masked(format!(".{text}").as_bytes());
            prop_assert!(shown.chars().all(|one| !one.is_ascii_alphanumeric() || one == 'x' || one == '9'), "{}", shown);
        }
    }
}
