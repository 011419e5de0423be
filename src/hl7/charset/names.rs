//! Names of character sets: table 0211, and what senders write in its place.

use super::{Encoding, Set};

impl Encoding {
    /// The set called `name`: a code of table 0211, or a common name such as `ISO-8859-15`. UTF-32 and CNS 11643 are
    /// not read.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_uppercase();
        let set = match name.as_str() {
            "ASCII" | "US-ASCII" | "ISO IR6" | "ISO IR 6" | "ISO_IR 6" | "ISO-IR-6" => Set::Ascii,
            // Written for UTF-8 by nearly everyone who writes it.
            "UNICODE UTF-8" | "UTF-8" | "UTF8" | "UNICODE" | "ISO_IR 192" | "ISO IR192" => Set::Utf8,
            "8859/1" | "8859" | "ISO-8859-1" | "ISO8859-1" | "ISO_8859-1" | "ISO 8859-1" | "LATIN1" | "LATIN-1"
            | "ISO IR100" | "ISO_IR 100" => Set::Latin1,
            "ISO IR13" | "ISO IR14" | "ISO IR87" | "ISO IR159" | "ISO_IR 13" | "ISO_IR 14" | "ISO_IR 87"
            | "ISO_IR 159" | "JAS2020" | "ISO-2022-JP" | "JIS" => Set::Iso2022,
            "UNICODE UTF-16" | "UTF-16" | "UTF16" | "UTF-16LE" => Set::Table(encoding_rs::UTF_16LE),
            "UTF-16BE" => Set::Table(encoding_rs::UTF_16BE),
            "GB 18030-2000" | "GB18030-2000" | "GB 18030-2005" | "GB 18030" => Set::Table(encoding_rs::GB18030),
            "BIG-5" => Set::Table(encoding_rs::BIG5),
            "KS X 1001" | "KS_X_1001" | "CP949" => Set::Table(encoding_rs::EUC_KR),
            "SHIFT-JIS" | "SHIFTJIS" | "CP932" | "MS932" => Set::Table(encoding_rs::SHIFT_JIS),
            _ => iso_8859(&name).or_else(|| code_page(&name)).or_else(|| label(&name)).map(Set::Table)?,
        };
        Some(Self(set))
    }

    /// The name for a `charset=` parameter.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Ascii => "us-ascii",
            Set::Utf8 => "utf-8",
            Set::Latin1 => "iso-8859-1",
            Set::Iso2022 => "iso-2022-jp",
            Set::Table(table) => table.name(),
        }
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

/// `WINDOWS-125N`, `CP125N` or `WIN125N`.
fn code_page(name: &str) -> Option<&'static encoding_rs::Encoding> {
    let number = ["WINDOWS-", "WINDOWS", "CP", "WIN", "ANSI-"].iter().find_map(|p| name.strip_prefix(p))?;
    label(&format!("windows-{number}"))
}

/// A label of the WHATWG Encoding Standard; those that stand for no real set are left out.
fn label(name: &str) -> Option<&'static encoding_rs::Encoding> {
    encoding_rs::Encoding::for_label(name.as_bytes())
        .filter(|table| *table != encoding_rs::REPLACEMENT && *table != encoding_rs::X_USER_DEFINED)
}
