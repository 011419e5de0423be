//! A message whose bytes can be split, whatever character set it is written in.
//!
//! In Shift-JIS, GB 18030, Big5 and ISO-2022 a delimiter's byte can be a part of a character, and in UTF-16 every
//! delimiter has two bytes. Such a message is read once as UTF-8, for reading only: what is stored, passed through and
//! repeated are the bytes that came (INV-12). An acknowledgement made from the text is written back in the sender's set
//! by [`Text::encode`]. A message of any other set is borrowed as it is.
//!
//! UTF-16 is known by its byte order mark, by `MSH` in units of two bytes, or by the link's configuration; the others
//! by the configuration or MSH-18. A message that is not what it says stays as it came.

use std::borrow::Cow;

use memchr::memchr;

use super::{
    batch::header_field,
    charset::{Declared, ESC, Encoding},
    delimiters::{Delimiters, is_line_end},
    escape::hex_bytes,
    message::piece,
};

/// A message as it can be split by bytes.
#[derive(Clone)]
pub struct Text<'a> {
    bytes: Cow<'a, [u8]>,
    /// The set of the bytes that came, where they had to be read anew.
    source: Option<Encoding>,
    configured: Option<Encoding>,
}

impl<'a> Text<'a> {
    /// Makes `raw` readable; `configured` is the link's own choice, where it has one.
    pub fn of(raw: &'a [u8], configured: Option<Encoding>) -> Self {
        let plain = Self { bytes: Cow::Borrowed(raw), source: None, configured };
        if let Some(encoding) = wide(raw, configured) {
            return plain.read_anew(raw, encoding, Declared::default());
        }
        let header = header_line(raw);
        let names = header_field(header, 18);
        let repetition = header.get(5).copied();
        let declared = std::str::from_utf8(piece(names, repetition, 1)).ok().and_then(Encoding::named);
        let declared = declared.or_else(|| named_in_itself(header));
        for encoding in [configured, declared].into_iter().flatten() {
            if !encoding.splits() && !encoding.is_utf_16() && (!raw.is_ascii() || memchr(ESC, raw).is_some()) {
                let read = plain.clone().read_anew(raw, encoding, Declared::default());
                if read.source.is_some() {
                    return read;
                }
            }
        }
        if names.is_empty() || memchr(ESC, raw).is_none() {
            return plain;
        }
        let switches = Declared::read((1..=REPETITIONS_READ).map(|number| piece(names, repetition, number)));
        if !switches.switches() {
            return plain;
        }
        plain.read_anew(raw, configured.or(declared).unwrap_or(Encoding::ASCII), switches)
    }

    fn read_anew(self, raw: &'a [u8], encoding: Encoding, declared: Declared) -> Self {
        let Some(text) = encoding.decode_all(raw, declared) else { return self };
        let bytes = rewrite_hex(text.strip_prefix('\u{feff}').unwrap_or(&text).as_bytes(), encoding);
        Self { bytes: Cow::Owned(bytes), source: Some(encoding), ..self }
    }

    /// The bytes, to be split.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What [`Message::charset`](super::Message::charset) and maps are told: UTF-8 for a message that was read anew, the
    /// link's own choice for any other.
    pub fn configured(&self) -> Option<Encoding> {
        self.source.map_or(self.configured, |_| Some(Encoding::UTF_8))
    }

    /// The set the message was written in, where it had to be read anew.
    pub const fn source(&self) -> Option<Encoding> {
        self.source
    }

    /// Writes what was made from this text, such as its acknowledgement, in the set of the message.
    pub fn encode(&self, made: Vec<u8>) -> Vec<u8> {
        match self.source {
            Some(encoding) => encoding.encode(&String::from_utf8_lossy(&made)),
            None => made,
        }
    }
}

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({} bytes, {:?})", self.bytes.len(), self.source)
    }
}

/// Repetitions of MSH-18 that are looked at.
const REPETITIONS_READ: usize = 16;

/// UTF-16, by its mark, by its header, or because the link says so and the bytes do not contradict.
fn wide(raw: &[u8], configured: Option<Encoding>) -> Option<Encoding> {
    match raw {
        [0xff, 0xfe, ..] | [b'M', 0, b'S', 0, b'H', 0, ..] => Encoding::named("UTF-16LE"),
        [0xfe, 0xff, ..] | [0, b'M', 0, b'S', 0, b'H', ..] => Encoding::named("UTF-16BE"),
        [b'M', b'S', b'H', ..] => None,
        _ => configured.filter(|encoding| encoding.is_utf_16()),
    }
}

/// The set of a header whose own characters hold its delimiters: MSH-18 names it once the header is read in it.
fn named_in_itself(header: &[u8]) -> Option<Encoding> {
    if header.is_ascii() {
        return None;
    }
    ["SHIFT-JIS", "BIG-5", "GB 18030"].into_iter().filter_map(Encoding::named).find(|encoding| {
        let read = encoding.decode_all(header, Declared::default()).unwrap_or_default();
        let names = header_field(read.as_bytes(), 18);
        let first = piece(names, read.as_bytes().get(5).copied(), 1);
        std::str::from_utf8(first).ok().and_then(Encoding::named) == Some(*encoding)
    })
}

/// The first line, from its `MSH` on.
fn header_line(raw: &[u8]) -> &[u8] {
    let lead = raw.iter().take_while(|byte| !byte.is_ascii_uppercase()).count();
    let line = raw.get(lead..).unwrap_or_default();
    let length = line.iter().position(|byte| is_line_end(*byte)).unwrap_or(line.len());
    line.get(..length).unwrap_or_default()
}

/// `\X..\` is in the set of the message; in its text it has to be UTF-8 as well.
fn rewrite_hex(text: &[u8], encoding: Encoding) -> Vec<u8> {
    let escape = Delimiters::read(header_line(text), 0).ok().and_then(|delimiters| delimiters.escape);
    let Some(escape) = escape else { return text.to_vec() };
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr(escape, rest) {
        let body = rest.get(at + 1..).unwrap_or_default();
        let Some(length) = memchr(escape, body) else { break };
        let after = rest.get(at + length + 2..).unwrap_or_default();
        let bytes = match body.get(..length) {
            Some([b'X' | b'x', digits @ ..]) => hex_bytes(digits).filter(|bytes| !bytes.is_ascii()),
            _ => None,
        };
        match bytes.and_then(|bytes| encoding.decode_all(&bytes, Declared::default())) {
            Some(letters) => {
                out.extend_from_slice(rest.get(..at).unwrap_or_default());
                out.extend_from_slice(&[escape, b'X']);
                out.extend(letters.bytes().flat_map(|byte| format!("{byte:02X}").into_bytes()));
                out.push(escape);
                rest = after;
            }
            // The header's own escape character has no pair: only one at a time is passed over.
            None => {
                let (passed, left) = rest.split_at_checked(at + 1).unwrap_or((rest, &[]));
                out.extend_from_slice(passed);
                rest = left;
            }
        }
    }
    out.extend_from_slice(rest);
    out
}
