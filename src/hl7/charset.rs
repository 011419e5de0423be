//! How the text of a message is read: its character set (MSH-18, table 0211) and its escapes.
//!
//! The link's configuration comes first, then MSH-18, then UTF-8 where the bytes are valid, then windows-1252, which
//! reads anything. A declaration that the bytes contradict (UTF-8 that is not, ASCII with high bytes) is passed over.
//! [`Charset::choice`] tells which it was, so that fallbacks can be counted. Reading never fails and loses no byte.
//!
//! Read are ASCII, UTF-8, ISO 8859 and windows-1252. Sets in which a delimiter's byte can be a part of a character
//! (Shift-JIS, ISO-2022, Big5, GB 18030, UTF-16) are not: their messages cannot be split by bytes. `\C..\` and `\M..\`
//! switches are kept as they stand. ISO 8859-9 and -11 are read as windows-1254 and -874, which differ only in
//! control characters.

use std::{borrow::Cow, fmt};

use encoding_rs::mem;

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
    Table(&'static encoding_rs::Encoding),
}

impl Encoding {
    /// UTF-8.
    pub const UTF_8: Self = Self(Set::Utf8);
    /// Windows code page 1252.
    pub const WINDOWS_1252: Self = Self(Set::Table(encoding_rs::WINDOWS_1252));

    /// The set called `name`: a code of table 0211, or a common name such as `ISO-8859-15`.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_uppercase();
        let set = match name.as_str() {
            "ASCII" | "US-ASCII" | "ISO IR6" | "ISO IR 6" => Set::Ascii,
            "UNICODE UTF-8" | "UTF-8" | "UTF8" => Set::Utf8,
            "8859/1" | "8859" | "ISO-8859-1" | "ISO8859-1" | "LATIN1" | "LATIN-1" => Set::Latin1,
            "WINDOWS-1252" | "CP1252" => Set::Table(encoding_rs::WINDOWS_1252),
            _ => Set::Table(iso_8859(&name)?),
        };
        Some(Self(set))
    }

    /// The name for a `charset=` parameter.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Ascii => "us-ascii",
            Set::Utf8 => "utf-8",
            Set::Latin1 => "iso-8859-1",
            Set::Table(table) => table.name(),
        }
    }

    /// Whether `bytes` can be text of this set.
    fn fits(self, bytes: &[u8]) -> bool {
        match self.0 {
            Set::Ascii => bytes.is_ascii(),
            Set::Utf8 => std::str::from_utf8(bytes).is_ok(),
            Set::Latin1 | Set::Table(_) => true,
        }
    }

    /// Reads `bytes`; those that do not fit are read as windows-1252.
    fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        let table = match self.0 {
            Set::Latin1 => return mem::decode_latin1(bytes),
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

/// `8859/N` or `ISO-8859-N`, of those that are tables.
fn iso_8859(name: &str) -> Option<&'static encoding_rs::Encoding> {
    let number =
        ["8859/", "ISO-8859-", "ISO8859-", "ISO 8859-", "ISO_8859-"].iter().find_map(|p| name.strip_prefix(p))?;
    Some(match number {
        "2" => encoding_rs::ISO_8859_2,
        "3" => encoding_rs::ISO_8859_3,
        "4" => encoding_rs::ISO_8859_4,
        "5" => encoding_rs::ISO_8859_5,
        "6" => encoding_rs::ISO_8859_6,
        "7" => encoding_rs::ISO_8859_7,
        "8" => encoding_rs::ISO_8859_8,
        "9" => encoding_rs::WINDOWS_1254,
        "10" => encoding_rs::ISO_8859_10,
        "11" => encoding_rs::WINDOWS_874,
        "13" => encoding_rs::ISO_8859_13,
        "14" => encoding_rs::ISO_8859_14,
        "15" => encoding_rs::ISO_8859_15,
        "16" => encoding_rs::ISO_8859_16,
        _ => return None,
    })
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
}

impl Charset {
    /// Chooses for `message`.
    pub(super) fn choose(message: &Message<'_>, configured: Option<Encoding>) -> Self {
        let raw = message.raw();
        let declared = message.header(18).repetition(1).bytes();
        let name = std::str::from_utf8(declared).unwrap_or("?");
        let named = Encoding::named(name);
        let (encoding, choice) = match (configured, named) {
            (Some(encoding), _) if encoding.fits(raw) => (encoding, Choice::Configured),
            (_, Some(encoding)) if encoding.fits(raw) => (encoding, Choice::Declared),
            (None, None) if declared.is_empty() => guess(raw, Why::Undeclared),
            (None, None) => guess(raw, Why::UnknownName),
            _ => guess(raw, Why::Contradicted),
        };
        Self { encoding, choice, delimiters: message.delimiters() }
    }

    /// The set.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
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
        let (plain, findings) = unescape(bytes, &self.delimiters);
        let text = match plain {
            Cow::Borrowed(plain) => self.encoding.decode(plain),
            Cow::Owned(plain) => Cow::Owned(self.encoding.decode(&plain).into_owned()),
        };
        (text, findings)
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
