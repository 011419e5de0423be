//! A message laid out for people: `gurney hl7 show FILE`.
//!
//! ```text
//! PID  Patient identification
//!   PID-3     Patient identifiers   9999^^^xx
//!   PID-3[2]  Patient identifiers   99^^^xxx
//!     .1      Id                    99
//! ```
//! Names are those of the dictionary, in the version that the message names. A code of a known table is shown with its
//! meaning, where the code itself may be seen; `""` is shown as what it does: it deletes. What is absent is not shown.
//!
//! Values are masked unless asked otherwise: letters become `x`, digits `9`, what separates them stays, so that the
//! shape can be judged without the data (INV-05). Fields that hold only codes of the protocol are shown as they are.
//! Control and direction characters never reach the terminal. Does not check the message.

use std::{borrow::Cow, collections::HashMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    Charset, Encoding, Message, Repetition, Segment,
    dictionary::{self, Dictionary, Version},
};

/// Whether values are hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// Letters and digits are replaced.
    Masked,
    /// Values are shown.
    Clear,
}

/// A message laid out. With [`Masking::Clear`] it holds patient data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The character set it was read with.
    pub charset: Cow<'static, str>,
    /// Its segments, in order.
    pub segments: Vec<SegmentLayout>,
}

/// A segment laid out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentLayout {
    /// Its name, such as `PID`.
    pub name: String,
    /// What it is about; empty where not known.
    pub title: Cow<'static, str>,
    /// Its fields that say something, in order.
    pub fields: Vec<FieldLayout>,
}

/// One repetition of a field laid out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldLayout {
    /// Its address, such as `PID-3[2]`.
    pub path: String,
    /// What it is; empty where not known.
    pub name: Cow<'static, str>,
    /// What it says, unescaped, with its inner delimiters.
    pub value: String,
    /// Its data type; empty where not known.
    #[serde(rename = "type", default, skip_serializing_if = "str::is_empty")]
    pub data_type: Cow<'static, str>,
    /// The number of the table of its codes, such as `0001`; empty where it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub table: String,
    /// What its code means; empty where not known or not to be seen.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub meaning: Cow<'static, str>,
    /// Its components that say something, where it has more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ComponentLayout>,
}

/// One component laid out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentLayout {
    /// Its number.
    pub number: usize,
    /// What it is; empty where not known.
    pub name: Cow<'static, str>,
    /// What it says, unescaped, with its inner delimiters.
    pub value: String,
    /// What its code means; empty where not known or not to be seen.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub meaning: Cow<'static, str>,
}

/// Lays `message` out; `configured` is the link's character set, where it has one.
pub fn lay_out(message: &Message<'_>, masking: Masking, configured: Option<Encoding>) -> Layout {
    let charset = message.charset(configured);
    let version = Version::near(message.version());
    let mut occurrences = HashMap::new();
    let segments = message.segments().map(|segment| {
        let occurrence: &mut usize = occurrences.entry(segment.name()).or_default();
        *occurrence += 1;
        lay_out_segment(&segment, *occurrence, &Look { masking, charset: &charset, version })
    });
    Layout { charset: charset.encoding().name().into(), segments: segments.collect() }
}

/// How the parts of one message are looked at.
#[derive(Clone, Copy)]
struct Look<'c> {
    masking: Masking,
    charset: &'c Charset,
    version: Version,
}

fn lay_out_segment(segment: &Segment<'_>, occurrence: usize, look: &Look<'_>) -> SegmentLayout {
    let known = Dictionary::standard().segment(segment.name());
    let name = segment_name(segment, look.masking, look.charset);
    let place = if occurrence > 1 { format!("{name}[{occurrence}]") } else { name.clone() };
    let mut fields = Vec::new();
    for number in 1..=segment.field_count() {
        let is_open = known.is_some_and(|known| known.is_open(number));
        let look = Look { masking: if is_open { Masking::Clear } else { look.masking }, ..*look };
        let definition = known.and_then(|known| known.field(number));
        let kind = if segment.is("OBX") && number == 5 {
            Dictionary::standard().type_named(segment.field(2).bytes())
        } else {
            definition.and_then(|field| field.kind(look.version))
        };
        for (repetition, written) in (1..).zip(segment.field(number).repetitions()) {
            let path =
                if repetition > 1 { format!("{place}-{number}[{repetition}]") } else { format!("{place}-{number}") };
            fields.push(lay_out_field(path, &written, definition, kind, &look));
        }
    }
    SegmentLayout { name, title: known.map_or("", |known| known.title).into(), fields }
}

fn lay_out_field(
    path: String,
    written: &Repetition<'_>,
    definition: Option<&'static dictionary::Field>,
    kind: Option<dictionary::TypeId>,
    look: &Look<'_>,
) -> FieldLayout {
    let kind = kind.and_then(|kind| Dictionary::standard().data_type(kind));
    let count = written.components().filter(|component| !component.bytes().is_empty()).count();
    let has_parts = kind.is_some_and(|kind| kind.component_count(look.version) > 0);
    let mut components = Vec::new();
    for (number, component) in (1..).zip(written.components()).filter(|_| has_parts && count > 1) {
        if component.bytes().is_empty() {
            continue;
        }
        let definition = kind.and_then(|kind| kind.component(number, look.version));
        components.push(ComponentLayout {
            number,
            name: definition.map_or("", |field| field.name).into(),
            value: hide(look.charset.text(component.bytes()), look.masking),
            meaning: meaning(component.bytes(), definition, look).into(),
        });
    }
    FieldLayout {
        path,
        name: definition.map_or("", |field| field.name).into(),
        value: hide(look.charset.text(written.bytes()), look.masking),
        data_type: kind.map_or("", |kind| kind.name).into(),
        table: definition
            .and_then(|field| field.table(look.version))
            .map_or_else(String::new, |table| format!("{table:04}")),
        meaning: if components.is_empty() { meaning(written.bytes(), definition, look) } else { "" }.into(),
        components,
    }
}

/// What a code means, where the code may be seen.
fn meaning(bytes: &[u8], definition: Option<&'static dictionary::Field>, look: &Look<'_>) -> &'static str {
    let table = definition.and_then(|field| field.table(look.version));
    let table =
        table.filter(|_| look.masking == Masking::Clear).and_then(|number| Dictionary::standard().table(number));
    let code = std::str::from_utf8(bytes).unwrap_or_default();
    let meaning = table.and_then(|table| table.meaning(code));
    // `2.5.1 (release 2.5.1)` says nothing.
    meaning.filter(|meaning| !meaning.ends_with(code)).unwrap_or_default()
}

/// The name; a line that is no segment may be a piece of data, and is hidden like data.
fn segment_name(segment: &Segment<'_>, masking: Masking, charset: &Charset) -> String {
    let name = segment.name();
    let text = charset.text(name);
    let plain = name.len() == 3 && name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if plain { text.into_owned() } else { hide(text, masking) }
}

/// A value as it may be shown.
pub fn hide(text: Cow<'_, str>, masking: Masking) -> String {
    match masking {
        Masking::Clear => text.into_owned(),
        Masking::Masked => text.chars().map(mask).collect(),
    }
}

fn mask(character: char) -> char {
    match character {
        _ if character.is_numeric() => '9',
        _ if character.is_alphabetic() || !character.is_ascii() => 'x',
        _ => character,
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            writeln!(f, "{}  {}", printable(&segment.name), segment.title)?;
            for field in &segment.fields {
                let path = printable(&field.path);
                writeln!(f, "  {path:<12} {:<32} {}", field.name, Said(&field.value, &field.meaning, &field.table))?;
                for part in &field.components {
                    let number = format!(".{}", part.number);
                    writeln!(f, "    {number:<10}   {:<30} {}", part.name, Said(&part.value, &part.meaning, ""))?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layout({} segments)", self.segments.len())
    }
}

/// A value with what its code means; a null as what it does.
struct Said<'t>(&'t str, &'t str, &'t str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1, self.2) {
            ("\"\"", ..) => f.write_str("\"\" (delete)"),
            (value, "", _) => f.write_str(&printable(value)),
            (value, meaning, "") => write!(f, "{} ({meaning})", printable(value)),
            (value, meaning, table) => write!(f, "{} ({meaning}, table {table})", printable(value)),
        }
    }
}

/// The text as a terminal can take it: no control or direction characters, and not without end.
fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(CHARACTERS_SHOWN_MAX).map(visible).collect();
    let hidden = text.chars().skip(CHARACTERS_SHOWN_MAX).count();
    if hidden > 0 {
        shown += &format!("... and {hidden} more");
    }
    shown
}

fn visible(character: char) -> char {
    match character {
        '\r' | '\n' => '\u{21b5}',
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
        _ if character.is_control() => '\u{fffd}',
        _ => character,
    }
}

/// Characters of one value that are printed.
const CHARACTERS_SHOWN_MAX: usize = 200;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use crate::{hl7::Index, hl7_corpus::CORPUS};

    fn shown(raw: &[u8], masking: Masking) -> Layout {
        lay_out(&Index::of(raw).unwrap().message(raw), masking, None)
    }

    fn value<'l>(layout: &'l Layout, path: &str) -> &'l str {
        let mut fields = layout.segments.iter().flat_map(|segment| &segment.fields);
        fields.find(|field| field.path == path).map_or("", |field| &field.value)
    }

    const RAW: &[u8] = b"MSH|^~\\&|EHR|GH|||20260301||ADT^A03|17|P|2.5.1||||||UNICODE UTF-8\r\
        PID|1||4711^^^GH~99^^^NHS||M\xc3\xbcller \\T\\ S\xc3\xb6hne^\xe8\x8a\xb1\xe5\xad\x90||19500102|F||\"\"\r\
        OBX|1|NM|WT^Weight^L||71.5\rOBX|2|ST|X^X^L||stretcher\r";

    #[test]
    fn keeps_the_shape_and_hides_the_data() {
        let layout = shown(RAW, Masking::Masked);
        for (path, expected) in [
            ("MSH-1", "|"),
            ("MSH-2", "^~\\&"),
            ("MSH-9", "ADT^A03"),
            ("MSH-10", "17"),
            ("PID-3", "9999^^^xx"),
            ("PID-3[2]", "99^^^xxx"),
            ("PID-5", "xxxxxx & xxxxx^xx"),
            ("PID-7", "99999999"),
            ("PID-10", "\"\""),
            ("OBX-2", "NM"),
            ("OBX-5", "99.9"),
            ("OBX[2]-5", "xxxxxxxxx"),
        ] {
            assert_eq!(value(&layout, path), expected, "{path}");
        }
    }

    #[test]
    fn shows_the_data_when_asked() {
        let layout = shown(RAW, Masking::Clear);
        assert_eq!(value(&layout, "PID-5"), "M\u{fc}ller & S\u{f6}hne^\u{82b1}\u{5b50}");
        assert_eq!(layout.charset, "utf-8");
    }

    #[test]
    fn lays_out_lines_with_names() {
        let text = shown(RAW, Masking::Masked).to_string();
        assert!(text.contains("\nPID  Patient identification\n"), "{text}");
        assert!(text.contains("\n  PID-3[2]     Patient identifier list          99^^^xxx\n"), "{text}");
    }

    #[test]
    fn serialises_for_programs() {
        let json = serde_json::to_value(shown(RAW, Masking::Masked)).unwrap();
        assert_eq!(json["segments"][1]["fields"][1]["path"], "PID-3");
        assert_eq!(json["segments"][1]["title"], "Patient identification");
    }

    #[test]
    fn explains_codes_components_and_nulls() {
        let raw =
            b"MSH|^~\\&|A||||1||ADT^A03|1|P|2.5\rPID|1||7^^^GH&1.2&ISO^MR||\"\"||\"\"|F\rPV1|1|I|W^1||||||||||||A2\r";
        let text = shown(raw, Masking::Clear).to_string();
        for line in [
            "  PID-3        Patient identifier list          7^^^GH&1.2&ISO^MR\n    .1           Id                             7\n",
            "    .4           Assigning authority            GH&1.2&ISO\n",
            "    .5           Type of id                     MR (medical record number)\n",
            "  PID-7        Date of birth                    \"\" (delete)\n",
            "  PID-8        Administrative sex               F (female, table 0001)\n",
            "  PV1-15       Ambulatory status                A2 (wheelchair or stretcher bound, table 0009)\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        let masked = shown(raw, Masking::Masked);
        let identifier = &masked.segments[1].fields[1];
        assert_eq!((&*identifier.data_type, &*identifier.components[2].meaning), ("CX", ""));
        assert!(!masked.to_string().contains("medical record"));
    }

    #[test]
    fn hides_what_is_no_segment() {
        let layout = shown(b"MSH|^~\\&|A\rNTE|1||first\nMrs Secret 17 lives\nZZ9|secret\r", Masking::Masked);
        let text = layout.to_string();
        assert!(!text.contains("ecret") && text.contains("xxx xxxxxx 99 xxxxx") && text.contains("ZZ9"), "{text}");
    }

    #[test]
    fn sends_no_control_characters_to_the_terminal() {
        let raw = b"MSH|^~\\&|\x1b[2J\\X1B\\[31m|\xe2\x80\xaeabc\rNTE|1||a\\X0D0A\\b\\.br\\c\x07\rNTE|2||";
        let raw = [&raw[..], &b"y".repeat(5000)].concat();
        for masking in [Masking::Clear, Masking::Masked] {
            let text = shown(&raw, masking).to_string();
            assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text}");
            assert!(text.contains("... and 4800 more"));
            assert_eq!(text.lines().count(), 11);
        }
    }

    #[test]
    fn names_every_field_of_the_samples_that_it_should() {
        for (sample, raw) in CORPUS {
            let layout = shown(raw, Masking::Masked);
            for segment in &layout.segments {
                let local = segment.name.starts_with('Z');
                assert!(local || !segment.title.is_empty(), "{sample} {}", segment.name);
                assert!(
                    local || segment.fields.iter().all(|field| !field.name.is_empty()),
                    "{sample} {}",
                    segment.name
                );
            }
            let text = layout.to_string();
            for secret in ["Testfrau", "90000017", "MUSTER^", "Probe", "fräulein", "19500102", "5550100456", "S72.0"] {
                assert!(!text.contains(secret), "{sample} {secret}");
            }
        }
    }
}
