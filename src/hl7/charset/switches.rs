//! Switches between character sets inside a text (ISO/IEC 2022; HL7 v2.5.1 chapter 2, 2.7.2 and table 0211).
//!
//! ```text
//! \C2842\    ESC ( B    ASCII                 \M2442\    ESC $ B    JIS X 0208 (ISO IR87)
//! \C2949\    ESC ) I    JIS X 0201 katakana   \M242844\  ESC $ ( D  JIS X 0212 (ISO IR159)
//! \C2D46\    ESC - F    8859/7 in G1          \M242943\  ESC $ ) C  KS X 1001 in G1
//! ```
//!
//! G0 is read from bytes below 0x80, G1 from those above; a line end sets G0 back to ASCII. JIS X 0201 Roman is read
//! as ASCII, because HL7 uses its 0x5C as escape character. Sequences that are not known stay as they stand.

use std::borrow::Cow;

use memchr::memchr;

use super::{Encoding, Set};

pub(in crate::hl7) const ESC: u8 = 0x1b;

/// What a designation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repertoire {
    Ascii,
    Roman,
    Katakana,
    Jis208,
    Jis212,
    Gb2312,
    Ksc5601,
    Latin(u8),
}

/// Where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    G0,
    G1,
}

impl Repertoire {
    /// Reads what follows ESC; gives its length too.
    fn designated(bytes: &[u8]) -> Option<(Slot, Self, usize)> {
        Some(match bytes {
            [b'(', b'B', ..] => (Slot::G0, Self::Ascii, 2),
            [b'(', b'J', ..] => (Slot::G0, Self::Roman, 2),
            [b'(', b'I', ..] => (Slot::G0, Self::Katakana, 2),
            [b')', b'I', ..] => (Slot::G1, Self::Katakana, 2),
            [b'$', b'@' | b'B', ..] => (Slot::G0, Self::Jis208, 2),
            [b'$', b'A', ..] => (Slot::G0, Self::Gb2312, 2),
            [b'$', b'(', b'D', ..] => (Slot::G0, Self::Jis212, 3),
            [b'$', b'(', b'C', ..] => (Slot::G0, Self::Ksc5601, 3),
            [b'$', b')', b'C', ..] => (Slot::G1, Self::Ksc5601, 3),
            [b'$', b')', b'A', ..] => (Slot::G1, Self::Gb2312, 3),
            [b'-', last, ..] => (Slot::G1, Self::Latin(latin(*last)?), 2),
            _ => return None,
        })
    }

    /// Whether a designation of these bytes, without ESC, is known.
    pub(super) fn named_by(bytes: &[u8]) -> Option<Self> {
        Self::designated(bytes).filter(|(.., length)| *length == bytes.len()).map(|(_, repertoire, _)| repertoire)
    }

    /// Whether each character has two bytes below 0x80.
    pub(super) const fn is_wide(self) -> bool {
        matches!(self, Self::Jis208 | Self::Jis212 | Self::Gb2312 | Self::Ksc5601)
    }

    /// The bit that stands for it among the sets that a message declares.
    pub(super) const fn bit(self) -> u32 {
        match self {
            Self::Ascii => 1 << 16,
            Self::Roman => 1 << 17,
            Self::Katakana => 1 << 18,
            Self::Jis208 => 1 << 19,
            Self::Jis212 => 1 << 20,
            Self::Gb2312 => 1 << 21,
            Self::Ksc5601 => 1 << 22,
            Self::Latin(number) => 1 << (number & 15),
        }
    }

    /// The bits of what a repetition of MSH-18 declares.
    pub(super) fn declared(name: &[u8]) -> u32 {
        let name = String::from_utf8_lossy(name).trim().to_ascii_uppercase().replace('_', " ");
        match name.as_str() {
            "ISO IR13" | "ISO IR14" | "ISO IR 13" | "ISO IR 14" => Self::Roman.bit() | Self::Katakana.bit(),
            "ISO IR87" | "ISO IR 87" => Self::Jis208.bit(),
            "ISO IR159" | "ISO IR 159" => Self::Jis212.bit(),
            "JAS2020" | "ISO-2022-JP" | "JIS" => {
                Self::Roman.bit() | Self::Katakana.bit() | Self::Jis208.bit() | Self::Jis212.bit()
            }
            "GB 18030-2000" | "GB2312" | "ISO IR 58" | "ISO IR58" => Self::Gb2312.bit(),
            "KS X 1001" | "ISO IR 149" | "ISO IR149" => Self::Ksc5601.bit(),
            other => other
                .strip_prefix("8859/")
                .and_then(|number| number.parse::<u8>().ok())
                .map_or(0, |number| if (1..=15).contains(&number) { Self::Latin(number).bit() } else { 0 }),
        }
    }
}

/// The part of ISO 8859 with this final byte in a 96-character designation.
const fn latin(last: u8) -> Option<u8> {
    Some(match last {
        b'A' => 1,
        b'B' => 2,
        b'C' => 3,
        b'D' => 4,
        b'L' => 5,
        b'G' => 6,
        b'F' => 7,
        b'H' => 8,
        b'M' => 9,
        b'T' => 11,
        b'b' => 15,
        _ => return None,
    })
}

/// Reads `bytes` with their escape sequences; bytes beyond 0x7F without a set of their own are of `base`. The second
/// value tells whether all of it could be read.
pub(super) fn decode(bytes: &[u8], base: Encoding) -> (String, bool) {
    let mut reader = Reader { base, g0: Repertoire::Ascii, g1: None, out: String::new(), is_sound: true };
    reader.out.reserve(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        if first == ESC
            && let Some((slot, repertoire, length)) = Repertoire::designated(after)
        {
            reader.designate(slot, repertoire);
            rest = after.get(length..).unwrap_or_default();
            continue;
        }
        reader.is_sound &= first != ESC;
        let length = reader.run(first, rest);
        let (run, next) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        reader.read(first, run);
        rest = next;
    }
    (reader.out, reader.is_sound)
}

struct Reader {
    base: Encoding,
    g0: Repertoire,
    g1: Option<Repertoire>,
    out: String,
    is_sound: bool,
}

impl Reader {
    const fn designate(&mut self, slot: Slot, repertoire: Repertoire) {
        match slot {
            Slot::G0 => self.g0 = repertoire,
            Slot::G1 => self.g1 = Some(repertoire),
        }
    }

    /// How many bytes from the beginning of `rest`, which begins with `first`, are read alike; at least one.
    fn run(&self, first: u8, rest: &[u8]) -> usize {
        let graphic = |byte: &u8| (0x21..=0x7e).contains(byte);
        let length = match first {
            0x80.. => rest.iter().take_while(|byte| **byte >= 0x80).count(),
            _ if graphic(&first) && self.g0.is_wide() => rest.iter().take_while(|byte| graphic(byte)).count(),
            _ if graphic(&first) => rest.iter().take_while(|byte| graphic(byte)).count(),
            _ => 1,
        };
        length.max(1)
    }

    fn read(&mut self, first: u8, run: &[u8]) {
        match first {
            0x80.. => self.read_high(run),
            b'\r' | b'\n' => {
                self.g0 = Repertoire::Ascii;
                self.out.push(char::from(first));
            }
            0x21..=0x7e => self.read_low(run),
            _ => self.out.push(char::from(first)),
        }
    }

    fn read_low(&mut self, run: &[u8]) {
        match self.g0 {
            Repertoire::Katakana => self.katakana(run, 0x21),
            wide if wide.is_wide() => {
                let (pairs, odd) = run.as_chunks::<2>();
                self.is_sound &= odd.is_empty();
                self.pairs(wide, pairs);
                self.out.extend(odd.iter().map(|byte| char::from(*byte)));
            }
            _ => self.out.extend(run.iter().map(|byte| char::from(*byte))),
        }
    }

    fn read_high(&mut self, run: &[u8]) {
        let base = self.base;
        match self.g1 {
            Some(Repertoire::Katakana) => self.katakana(run, 0xa1),
            Some(Repertoire::Latin(number)) => {
                let named = Encoding::named(&format!("8859/{number}")).unwrap_or(base);
                self.out += &named.decode(run);
            }
            Some(wide) if wide.is_wide() => self.pairs(wide, run.as_chunks::<2>().0),
            _ => {
                self.is_sound &= base.fits(run) && base.0 != Set::Iso2022;
                self.out += &if base.0 == Set::Iso2022 { Encoding::WINDOWS_1252.decode(run) } else { base.decode(run) };
            }
        }
    }

    fn katakana(&mut self, run: &[u8], first: u8) {
        for byte in run {
            let offset = byte.checked_sub(first).filter(|offset| *offset < 0x3f);
            self.is_sound &= offset.is_some();
            let letter = offset.and_then(|offset| char::from_u32(0xff61 + u32::from(offset)));
            self.out.push(letter.unwrap_or_else(|| char::from(*byte)));
        }
    }

    /// Two bytes a character, as the table of the same set that has them above 0x7F.
    fn pairs(&mut self, set: Repertoire, pairs: &[[u8; 2]]) {
        let mut high = Vec::with_capacity(pairs.len() * 3);
        for [first, second] in pairs {
            if set == Repertoire::Jis212 {
                high.push(0x8f);
            }
            high.extend_from_slice(&[first | 0x80, second | 0x80]);
        }
        let table = match set {
            Repertoire::Gb2312 => encoding_rs::GBK,
            Repertoire::Ksc5601 => encoding_rs::EUC_KR,
            _ => encoding_rs::EUC_JP,
        };
        let (text, had_errors) = table.decode_without_bom_handling(&high);
        self.is_sound &= !had_errors;
        self.out += &text;
    }
}

/// The switch of a sequence `\Cxxyy\` or `\Mxxyyzz\`, as what stands after ESC.
pub(super) fn sequence(body: &[u8]) -> Option<Vec<u8>> {
    let digits = match body {
        [b'C' | b'c', digits @ ..] if digits.len() == 4 => digits,
        [b'M' | b'm', digits @ ..] if matches!(digits.len(), 4 | 6) => digits,
        _ => return None,
    };
    let text = std::str::from_utf8(digits).ok()?;
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// Bytes with their switches written as escape sequences, so that [`decode`] reads them.
pub(super) fn as_designations<'a>(
    bytes: &'a [u8],
    escape: u8,
    declared: u32,
    mut plain: impl FnMut(&'a [u8]) -> Cow<'a, [u8]>,
) -> (Vec<u8>, u32) {
    let mut out = Vec::with_capacity(bytes.len());
    let mut taken = 0;
    let mut rest = bytes;
    let mut is_wide = false;
    loop {
        let found = next_switch(rest, escape, declared, is_wide);
        let (before, after, switch) = match found {
            Some((at, end, switch)) => {
                (rest.get(..at).unwrap_or_default(), rest.get(end..).unwrap_or_default(), Some(switch))
            }
            None => (rest, &[][..], None),
        };
        if is_wide {
            out.extend_from_slice(before);
        } else {
            out.extend_from_slice(&plain(before));
        }
        let Some(switch) = switch else { return (out, taken) };
        taken += 1;
        if let Some(repertoire) = Repertoire::named_by(&switch)
            && switch.get(1) != Some(&b')')
            && !matches!(switch.first(), Some(b')' | b'-'))
        {
            is_wide = repertoire.is_wide();
        }
        out.push(ESC);
        out.extend_from_slice(&switch);
        rest = after;
    }
}

/// The next switch to a declared set: where it begins, where it ends, and what it says.
fn next_switch(bytes: &[u8], escape: u8, declared: u32, is_wide: bool) -> Option<(usize, usize, Vec<u8>)> {
    let is_declared = |switch: &Vec<u8>| Repertoire::named_by(switch).is_some_and(|set| declared & set.bit() != 0);
    let mut at = 0;
    loop {
        at += if is_wide { pairs_before(bytes.get(at..)?, escape)? } else { memchr(escape, bytes.get(at..)?)? };
        let body = bytes.get(at + 1..)?;
        // In a wide set the escape character can be the first half of a letter: only what reads as a switch is one.
        let length = if is_wide { memchr(escape, body.get(..7).unwrap_or(body)) } else { Some(memchr(escape, body)?) };
        let switch = length.and_then(|length| body.get(..length)).and_then(sequence).filter(is_declared);
        match (length, switch) {
            (Some(length), Some(switch)) => return Some((at, at + length + 2, switch)),
            (Some(length), None) if !is_wide => at += length + 2,
            _ => at += 2,
        }
    }
}

/// Where an escape character begins a pair.
fn pairs_before(bytes: &[u8], escape: u8) -> Option<usize> {
    bytes.chunks(2).position(|pair| pair.first() == Some(&escape)).map(|pairs| pairs * 2)
}
