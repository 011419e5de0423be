//! How the text of a message is read: its character set (MSH-18, table 0211) and its escapes.
//!
//! The link's configuration comes first, then MSH-18, then UTF-8 where the bytes are valid, then windows-1252, which
//! reads anything. A declaration that the bytes contradict (UTF-8 that is not, ASCII with high bytes) is passed over.
//! [`Charset::choice`] tells which it was, so that fallbacks can be counted. Reading never fails and loses no byte.
//!
//! Read are the sets of table 0211 but UTF-32 and CNS 11643, the windows code pages, and whatever else the WHATWG
//! Encoding Standard knows. Sets in which a delimiter's byte can be a part of a character (Shift-JIS, ISO-2022, Big5,
//! GB 18030, UTF-16) cannot be split by bytes: [`Text`](super::Text) reads such a message as UTF-8 first. `\C..\` and
//! `\M..\` switch to the sets that MSH-18 declares; to any other they are kept as they stand and counted. ISO 8859-9
//! and -11 are read as windows-1254 and -874, which differ only in control characters.

mod names;
mod switches;

use std::{borrow::Cow, fmt};

use encoding_rs::mem;

pub(super) use self::switches::ESC;
use self::switches::Repertoire;
use super::{
    delimiters::Delimiters,
    escape::{EscapeFindings, unescape},
    message::Message,
};

/// A character set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Encoding(Set);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    Ascii,
    Utf8,
    Latin1,
    /// ISO/IEC 2022 with the sets of Japan: ASCII until an escape sequence says otherwise.
    Iso2022,
    Table(&'static encoding_rs::Encoding),
}

impl Encoding {
    /// ASCII.
    pub const ASCII: Self = Self(Set::Ascii);
    /// UTF-8.
    pub const UTF_8: Self = Self(Set::Utf8);
    /// Windows code page 1252.
    pub const WINDOWS_1252: Self = Self(Set::Table(encoding_rs::WINDOWS_1252));

    /// Whether `bytes` can be text of this set.
    pub fn fits(self, bytes: &[u8]) -> bool {
        match self.0 {
            Set::Ascii => bytes.is_ascii(),
            Set::Utf8 => std::str::from_utf8(bytes).is_ok(),
            Set::Latin1 => true,
            Set::Iso2022 => switches::decode(bytes, Self(Set::Ascii)).1,
            Set::Table(table) if table.is_single_byte() => true,
            Set::Table(table) => table.decode_without_bom_handling_and_without_replacement(bytes).is_some(),
        }
    }

    /// Whether the bytes of a delimiter stand for nothing else, so that a message can be split by bytes.
    pub(super) fn splits(self) -> bool {
        match self.0 {
            Set::Ascii | Set::Utf8 | Set::Latin1 => true,
            Set::Iso2022 => false,
            Set::Table(table) => table.is_single_byte() || table == encoding_rs::EUC_KR || table == encoding_rs::EUC_JP,
        }
    }

    /// Whether characters have two bytes or four, ASCII too.
    pub(super) fn is_utf_16(self) -> bool {
        self.0 == Set::Table(encoding_rs::UTF_16LE) || self.0 == Set::Table(encoding_rs::UTF_16BE)
    }

    /// The text of a whole message, where all of it is of this set; `declared` are the other sets it may switch to.
    pub(super) fn decode_all(self, bytes: &[u8], declared: Declared) -> Option<String> {
        if self.is_utf_16() || !declared.switches() && self.0 != Set::Iso2022 {
            let Set::Table(table) = self.0 else { return None };
            return table.decode_without_bom_handling_and_without_replacement(bytes).map(Cow::into_owned);
        }
        let base = if self.0 == Set::Iso2022 { Self(Set::Ascii) } else { self };
        let (text, is_sound) = switches::decode(bytes, base);
        is_sound.then_some(text)
    }

    /// Writes `text` in this set; what it cannot say becomes a question mark.
    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        let table = match self.0 {
            Set::Table(table) if self.is_utf_16() => {
                let little = table == encoding_rs::UTF_16LE;
                let unit = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
                return text.encode_utf16().flat_map(unit).collect();
            }
            Set::Utf8 => return text.as_bytes().to_vec(),
            Set::Latin1 | Set::Ascii => {
                let most = if self.0 == Set::Ascii { 0x7f } else { 0xff };
                let byte = |letter: char| u8::try_from(u32::from(letter)).ok().filter(|byte| *byte <= most);
                return text.chars().map(|letter| byte(letter).unwrap_or(b'?')).collect();
            }
            Set::Iso2022 => encoding_rs::ISO_2022_JP,
            Set::Table(table) => table,
        };
        let (bytes, _, has_gaps) = table.encode(text);
        if !has_gaps {
            return bytes.into_owned();
        }
        let known = |letter: &char| !table.encode(letter.encode_utf8(&mut [0; 4])).2;
        let filled: String = text.chars().map(|letter| if known(&letter) { letter } else { '?' }).collect();
        table.encode(&filled).0.into_owned()
    }

    /// Reads `bytes`; those that do not fit are read as windows-1252.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        let table = match self.0 {
            Set::Latin1 => return mem::decode_latin1(bytes),
            Set::Iso2022 => return Cow::Owned(switches::decode(bytes, Self(Set::Ascii)).0),
            Set::Ascii | Set::Utf8 => match std::str::from_utf8(bytes) {
                Ok(text) => return Cow::Borrowed(text),
                Err(_) => encoding_rs::WINDOWS_1252,
            },
            Set::Table(table) => table,
        };
        table.decode_without_bom_handling(bytes).0
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a set was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The link's configuration says so.
    Configured,
    /// MSH-18 says so.
    Declared,
    /// Nothing but ASCII was found, and nothing said otherwise.
    Ascii,
    /// The bytes are valid UTF-8.
    Utf8(Why),
    /// Nothing else fits.
    Windows1252(Why),
}

/// Why a set had to be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Neither the link nor the message names one.
    Undeclared,
    /// MSH-18 names none that is known here.
    UnknownName,
    /// The bytes contradict what was named.
    Contradicted,
}

/// How the text of one message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset {
    encoding: Encoding,
    choice: Choice,
    delimiters: Delimiters,
    declared: Declared,
}

/// The sets that a message may switch to: those of all repetitions of MSH-18.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Declared(u32);

impl Declared {
    /// Reads the repetitions of MSH-18.
    pub(super) fn read<'a>(names: impl Iterator<Item = &'a [u8]>) -> Self {
        let bits = names.fold(0, |bits, name| bits | Repertoire::declared(name));
        // Back to ASCII is always allowed, but is nothing to switch to.
        Self(if bits == 0 { 0 } else { bits | Repertoire::Ascii.bit() })
    }

    /// Whether there is a set to switch to by an escape sequence.
    pub(super) const fn switches(self) -> bool {
        self.0 != 0
    }
}

impl Charset {
    /// Chooses for `message`.
    pub(super) fn choose(message: &Message<'_>, configured: Option<Encoding>) -> Self {
        let raw = message.raw();
        let field = message.header(18);
        let declared = field.repetition(1).bytes();
        let name = std::str::from_utf8(declared).unwrap_or("?");
        let named = Encoding::named(name);
        let switches = Declared::read(field.repetitions().map(|repetition| repetition.bytes()));
        let (encoding, choice) = match (configured, named) {
            (Some(encoding), _) if encoding.fits(raw) => (encoding, Choice::Configured),
            (_, Some(encoding)) if encoding.fits(raw) => (encoding, Choice::Declared),
            (None, None) if declared.is_empty() => guess(raw, Why::Undeclared),
            (None, None) => guess(raw, Why::UnknownName),
            _ => guess(raw, Why::Contradicted),
        };
        Self { encoding, choice, delimiters: message.delimiters(), declared: switches }
    }

    /// The set.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether the message may switch to another set inside a value.
    pub const fn switches(&self) -> bool {
        self.declared.switches()
    }

    /// How it was chosen.
    pub const fn choice(&self) -> Choice {
        self.choice
    }

    /// Reads `bytes`, a part of the message.
    pub fn text<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        self.read(bytes).0
    }

    /// Reads `bytes`, a part of the message, and tells what was odd.
    pub fn read<'a>(&self, bytes: &'a [u8]) -> (Cow<'a, str>, EscapeFindings) {
        if self.declared.switches()
            && let Some(escape) = self.delimiters.escape
            && memchr::memchr(escape, bytes).is_some()
        {
            return self.read_switched(bytes, escape);
        }
        let (plain, findings) = unescape(bytes, &self.delimiters);
        let text = match plain {
            Cow::Borrowed(plain) => self.encoding.decode(plain),
            Cow::Owned(plain) => Cow::Owned(self.encoding.decode(&plain).into_owned()),
        };
        (text, findings)
    }

    fn read_switched<'a>(&self, bytes: &'a [u8], escape: u8) -> (Cow<'a, str>, EscapeFindings) {
        let mut findings = EscapeFindings::default();
        let (plain, taken) = switches::as_designations(bytes, escape, self.declared.0, |part| {
            let (plain, found) = unescape(part, &self.delimiters);
            findings.add(found);
            plain
        });
        let text = match taken {
            0 => self.encoding.decode(&plain).into_owned(),
            _ => switches::decode(&plain, self.encoding).0,
        };
        (Cow::Owned(text), findings)
    }

    /// Why the set had to be guessed; none where it was known.
    pub const fn guessed(&self) -> Option<Why> {
        match self.choice {
            Choice::Configured | Choice::Declared | Choice::Ascii => None,
            Choice::Utf8(why) | Choice::Windows1252(why) => Some(why),
        }
    }
}

fn guess(raw: &[u8], why: Why) -> (Encoding, Choice) {
    if raw.is_ascii() && why == Why::Undeclared {
        return (Encoding(Set::Ascii), Choice::Ascii);
    }
    if Encoding::UTF_8.fits(raw) {
        return (Encoding::UTF_8, Choice::Utf8(why));
    }
    (Encoding::WINDOWS_1252, Choice::Windows1252(why))
}
