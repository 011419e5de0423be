//! The parser over the corpus, over large messages and over spoilt bytes: nothing is lost, nothing panics, and work
//! stays linear.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::{
    ack::{self, Code, Stamp},
    *,
};
use crate::{hl7_corpus::CORPUS, settings::AckMode};

/// Writes a parsed message anew from its smallest parts.
fn rebuild(message: &Message<'_>) -> Vec<u8> {
    let delimiters = message.delimiters();
    let mut out = Vec::new();
    for segment in message.segments() {
        out.extend_from_slice(segment.name());
        let header = segment.is("MSH");
        for number in if header { 2 } else { 1 }..=segment.field_count() {
            out.push(delimiters.field);
            rebuild_field(&mut out, &segment.field(number), &delimiters, header && number == 2);
        }
        out.push(b'\r');
    }
    out
}

fn rebuild_field(out: &mut Vec<u8>, field: &Field<'_>, delimiters: &Delimiters, literal: bool) {
    if literal {
        return out.extend_from_slice(field.bytes());
    }
    let repetitions: Vec<Vec<u8>> = field
        .repetitions()
        .map(|repetition| {
            let components: Vec<Vec<u8>> = repetition
                .components()
                .map(|component| join(component.subcomponents().map(<[u8]>::to_vec), delimiters.subcomponent))
                .collect();
            join(components.into_iter(), delimiters.component)
        })
        .collect();
    out.extend(join(repetitions.into_iter(), delimiters.repetition));
}

fn join(parts: impl Iterator<Item = Vec<u8>>, delimiter: Option<u8>) -> Vec<u8> {
    let parts: Vec<Vec<u8>> = parts.collect();
    delimiter.map_or_else(|| parts.concat(), |byte| parts.join(&byte))
}

/// The bytes with plain segment ends, as [`rebuild`] writes them.
fn normal(raw: &[u8]) -> Vec<u8> {
    let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    let lines = raw.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty());
    lines.flat_map(|line| [line, b"\r"].concat()).collect()
}

#[test]
fn loses_no_byte_of_any_sample() {
    for (name, raw) in CORPUS {
        let index = Index::of(raw).unwrap();
        assert!(rebuild(&index.message(raw)) == normal(raw), "{name}");
    }
}

#[test]
fn reads_what_the_samples_say() {
    for (name, path, expected) in [
        ("northwind_a03_discharge_snf", "PV1-36", "03"),
        ("northwind_a03_discharge_snf", "PV1-37.1", "SNF01"),
        ("northwind_a16_pending_discharge", "PV1-15", "A2"),
        ("northwind_a16_pending_discharge", "PV2-41.1", "CON"),
        ("northwind_a28_unicode", "PID-5[2].2", "花子"),
        ("northwind_a40_merge", "MRG-1.1", "90000018"),
        ("northwind_orm_bls", "OBR-4.1", "BLS"),
        ("northwind_orm_bls", "OBR-30", "CART"),
        ("northwind_orm_bls", "OBX[4]-5", "2"),
        ("northwind_orm_wheelchair", "TQ1-7", "20260302140000+0100"),
        ("oldmill_orm_stretcher_lf", "NTE-3", "NEEDS TWO PERSONS & A LIFT"),
        ("oldmill_22_crlf", "PV1-36", "01"),
        ("oldmill_bom", "PID-5.2", "MAX"),
        ("alpine_a01_latin1", "PID-5.1", "Müßterfräulein"),
        ("alpine_a08_latin1_undeclared", "PID-11.1", "Straße der Muster 1"),
        ("alpine_a16_utf8", "PID-5.2", "Jörgine"),
        ("alpine_a13_iso885915", "ZDG-1[2]", "Nässe & Kälte"),
        ("harbor_odd_delimiters_a03", "PID-3[2].4", "HB"),
        ("harbor_odd_delimiters_a03", "PID-3[1].4.3", "ISO"),
        ("harbor_odd_delimiters_a03", "PID-5.2", "Petra#a%b"),
        ("harbor_27_truncation", "NTE-3", "value #5 of 7"),
        ("harbor_mount_sinai", "PV1-3.2", "MSH"),
        ("harbor_hex_line_ends", "OBX-5", "first\r\nsecond\nthird \\Zlocal\\ \\Cxx\\ C:\\temp"),
        ("harbor_siu_s12", "AIL-3.2", "CHAIR"),
        ("harbor_missing_parts", "MSH-9.2", ""),
    ] {
        let raw = CORPUS.iter().find(|(sample, _)| *sample == name).unwrap().1;
        let index = Index::of(raw).unwrap();
        let message = index.message(raw);
        let charset = message.charset(None);
        assert_eq!(message.value(&path.parse().unwrap()).text(&charset), expected, "{name} {path}");
    }
}

#[test]
fn reads_a_sample_the_same_whatever_its_segment_ends() {
    for (name, raw) in CORPUS {
        let plain = normal(raw);
        let expected = rebuild(&Index::of(&plain).unwrap().message(&plain));
        for end in [&b"\n"[..], b"\r\n", b"\r\r", b"\n\n", b"\r\n\r\n"] {
            let other: Vec<u8> =
                plain.iter().flat_map(|byte| if *byte == b'\r' { end.to_vec() } else { vec![*byte] }).collect();
            assert!(rebuild(&Index::of(&other).unwrap().message(&other)) == expected, "{name}");
        }
    }
}

#[test]
fn acknowledges_every_sample_with_its_own_control_id() {
    for (name, raw) in CORPUS {
        let index = Index::of(raw).unwrap();
        let message = index.message(raw);
        let stamp = Stamp { at: "20260301", control_id: "G1" };
        let reply = ack::read(&ack::build(&message, &stamp, Code::Ca, None)).unwrap();
        assert_eq!((reply.code, &reply.control_id[..]), (Some(Code::Ca), message.control_id()), "{name}");
        assert_eq!(ack::is_acknowledgement(&message), name.starts_with("ack_") && *name != "ack_adr_a19", "{name}");
    }
}

/// An ORU with `bytes` of base64 in OBX-5.
fn large(bytes: usize) -> Vec<u8> {
    let mut raw =
        b"MSH|^~\\&|HARBOR|HB|GURNEY|LOG|20260301||ORU^R01^ORU_R01|HB99|P|2.5.1\rOBX|1|ED|PCS||^AP^^Base64^".to_vec();
    raw.extend(b"JVBERi0xLjQKJcfs".iter().cycle().take(bytes));
    raw.extend_from_slice(b"||||||F\rNTE|1||end\r");
    raw
}

#[test]
fn reads_large_values() {
    for size in [65_535, 65_536, 200_000, 4 << 20] {
        let raw = large(size);
        let index = Index::of(&raw).unwrap();
        let message = index.message(&raw);
        let document = message.value(&"OBX-5.5".parse().unwrap());
        assert_eq!(document.bytes().unwrap().len(), size);
        assert_eq!(document.text(&message.charset(None)).len(), size);
        assert_eq!(message.value(&"NTE-3".parse().unwrap()), Value::Present(b"end"));
    }
}

#[test]
fn holds_marks_in_proportion_to_fields_not_bytes() {
    let raw = large(8 << 20);
    assert!(Index::of(&raw).unwrap().message(&raw).segments().map(|segment| segment.field_count()).sum::<usize>() < 40);
}

#[test]
fn walks_extreme_counts() {
    let mut repeats = b"MSH|^~\\&|A\rPID|1||".to_vec();
    repeats.extend(std::iter::repeat_n(*b"a~", 1_000_000).flatten());
    let index = Index::of(&repeats).unwrap();
    assert_eq!(index.message(&repeats).segment("PID").unwrap().field(3).repetitions().count(), 1_000_001);
    let mut components = b"MSH|^~\\&|A\rPID|1||".to_vec();
    components.extend(std::iter::repeat_n(*b"a^", 100_000).flatten());
    let index = Index::of(&components).unwrap();
    let message = index.message(&components);
    assert_eq!(message.value(&"PID-3.65535".parse().unwrap()), Value::Present(b"a"));
    let escapes = [b"MSH|^~\\&|A\rPID|".to_vec(), b"\\E".repeat(1_000_000)].concat();
    let index = Index::of(&escapes).unwrap();
    let message = index.message(&escapes);
    let charset = message.charset(None);
    assert!(message.value(&"PID-1".parse().unwrap()).text(&charset).len() <= 2_000_000);
}

/// Numbers drawn from a seed; the same for every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// Asks everything of bytes that may or may not be a message.
fn exercise(raw: &[u8]) {
    let stamp = Stamp { at: "20260301", control_id: "G1" };
    let parsed = Index::of(raw);
    let answer = match &parsed {
        Ok(index) => {
            let message = index.message(raw);
            let charset = message.charset(None);
            for segment in message.segments() {
                for number in 0..=segment.field_count().min(60) {
                    let text = segment.field(number).value().text(&charset);
                    assert!(text.len() <= 100 * raw.len());
                }
            }
            Some(ack::build(&message, &stamp, Code::Ae, None))
        }
        Err(error) => {
            assert!(error.at <= raw.len());
            ack::for_unparsable(raw, AckMode::Auto, &stamp, error)
        }
    };
    for range in split_messages(raw) {
        assert!(raw.get(range).is_some());
    }
    let Some(answer) = answer else { return };
    let index = Index::of(&answer).unwrap();
    let message = index.message(&answer);
    assert_eq!(message.segments_named("MSA").count(), 1);
    assert_eq!(message.segments_named("MSH").count(), 1);
    assert!(message.segments().count() <= 3);
    assert!(!answer.iter().any(|byte| matches!(byte, 0x0b | 0x1c | b'\n')));
}

/// Header faults, class C: each byte of a header's first twelve replaced by each of these.
#[test]
fn survives_broken_headers() {
    let raw = CORPUS.iter().find(|(name, _)| *name == "northwind_a03_discharge_snf").unwrap().1;
    let mut cases = 0;
    for at in 0..12 {
        for byte in [b'|', b'^', b'\\', b'A', b'7', b' ', 0, b'\r', b'\n', 0x0b, 0x1c, 0x7f, 0x80, 0xff] {
            let mut spoilt = raw.to_vec();
            spoilt[at] = byte;
            exercise(&spoilt);
            spoilt.truncate(at + 1);
            exercise(&spoilt);
            cases += 2;
        }
    }
    for length in 0..80 {
        exercise(&raw[..length]);
        exercise(&raw[length..]);
        cases += 2;
    }
    assert!(cases >= 400);
}

/// Escape, character set and injection faults, classes D and E: in each field of each segment of one message.
#[test]
fn survives_hostile_values() {
    let values: [&[u8]; 40] = [
        b"\\X0\\",
        b"\\X0D0A\\",
        b"\\XGG\\",
        b"\\X",
        b"\\",
        b"\\\\",
        b"\\E\\E\\",
        b"\\.sp99999\\",
        b"\\.sp-1\\",
        b"\\.br",
        b"\\C2842\\x\\C\\",
        b"\\M92\\",
        b"\\Z\\",
        b"\\F\\\\F",
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\xff\xfeM\0S\0H\0",
        b"\xfe\xff\0M",
        b"\x1b$B$3\x1b(B",
        b"\xe2\x80\xae",
        b"\xc2\xa0",
        b"\0",
        b"\x01\x02",
        b"\x1c",
        b"\x0b",
        b"\x1c\x0b",
        b"\"\"",
        b"\"",
        b"''; DROP TABLE x",
        b"$(id)",
        b"{{7*7}}",
        b"../../x",
        b"*)(uid=*",
        b"=HYPERLINK(1)",
        b"<svg onload=1>",
        b"%0d%0a",
        b"\xc3\xa9\xe9",
        b"x#",
    ];
    let raw = CORPUS.iter().find(|(name, _)| *name == "northwind_orm_bls").unwrap().1;
    let separators: Vec<usize> = (3..raw.len()).filter(|at| raw[*at] == b'|').collect();
    for value in values {
        for at in separators.iter().step_by(3) {
            let spoilt = [&raw[..=*at], value, &raw[at + 1..]].concat();
            exercise(&spoilt);
        }
    }
}

#[test]
fn survives_samples_spoilt_at_random() {
    for seed in 1..=600 {
        let mut draw = Draw(seed * 0x9e37_79b9);
        let mut raw = CORPUS[draw.below(CORPUS.len())].1.to_vec();
        for _ in 0..=draw.below(12) {
            let at = draw.below(raw.len());
            match draw.below(4) {
                0 => raw[at] = b"|^~\\&\r\n\0\x0b\x1cM"[draw.below(11)],
                1 => drop(raw.splice(at..at, *b"\rMSH|^~\\&|")),
                2 => raw[at] = u8::try_from(draw.below(256)).unwrap(),
                _ => raw.truncate(at + 1),
            }
        }
        exercise(&raw);
    }
}

proptest! {
    #[test]
    fn survives_any_bytes(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        exercise(&raw);
        exercise(&[b"MSH|^~\\&|", &raw[..]].concat());
    }

    #[test]
    fn reads_back_what_it_escaped(text in prop::collection::vec(any::<u8>(), 0..100), odd in any::<bool>()) {
        let delimiters = match odd {
            true => Delimiters { field: b'#', escape: Some(b'%'), truncation: Some(b'!'), ..Delimiters::STANDARD },
            false => Delimiters::STANDARD,
        };
        let written = escape(&text, &delimiters);
        prop_assert!(!written.iter().any(|byte| *byte == delimiters.field || byte.is_ascii_control()));
        prop_assert_eq!(Value::of(&written) == Value::Null, false);
        let (read, findings) = unescape(&written, &delimiters);
        prop_assert_eq!(&read[..], &text[..]);
        prop_assert_eq!(findings, EscapeFindings::default());
    }

    #[test]
    fn keeps_any_value_it_escaped_in_one_place(text in "\\PC{1,40}") {
        let written = escape(text.as_bytes(), &Delimiters::STANDARD);
        let raw = [&b"MSH|^~\\&|A\rPID|1|"[..], &written, b"^x|y\r"].concat();
        let index = Index::of(&raw).unwrap();
        let message = index.message(&raw);
        let charset = message.charset(Some(Encoding::UTF_8));
        prop_assert_eq!(message.value(&"PID-2[1].1.1".parse().unwrap()).text(&charset), text);
    }
}
