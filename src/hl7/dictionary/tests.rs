//! The standard's definitions: complete as promised, readable to the last line, and right where they changed.
#![allow(clippy::unwrap_used)]

use super::*;

fn kind(segment: &str, number: usize, version: Version) -> Option<&'static str> {
    let dictionary = Dictionary::standard();
    let field = dictionary.segment(segment.as_bytes())?.field(number)?;
    field.usage.at(version)?;
    dictionary.data_type(field.kind.at(version)?).map(|kind| kind.name)
}

#[test]
fn reads_every_line() {
    assert_eq!(text::read(&TEXTS).1, Vec::<String>::new());
}

#[test]
fn knows_the_segments_types_and_structures_of_a_hospital() {
    let dictionary = Dictionary::standard();
    for name in
        "MSH MSA ERR EVN PID PD1 NK1 PV1 PV2 OBR OBX ORC TQ1 NTE AL1 DG1 IN1 IN2 GT1 MRG SCH AIS AIL AIP RGS RXO RXE \
                 RXR FT1 TXA ROL PRD AUT ACC DB1 DSC ADD FHS BHS BTS FTS QRD QRF"
            .split_whitespace()
    {
        assert!(!dictionary.segment(name.as_bytes()).unwrap().fields.is_empty(), "{name}");
    }
    for (code, triggers) in [
        ("ADT", "A01 A02 A03 A04 A05 A06 A07 A08 A11 A12 A13 A14 A15 A16 A17 A25 A26 A27 A28 A31 A34 A35 A36 A40 A60"),
        ("SIU", "S12 S13 S14 S15 S17 S26"),
        ("REF", "I12 I13 I14"),
        ("MDM", "T02 T10 T11"),
        ("ORM", "O01"),
        ("OMG", "O19"),
        ("ORR", "O02"),
        ("ORU", "R01"),
        ("DFT", "P03"),
        ("BAR", "P01 P05"),
        ("RDE", "O11"),
        ("OMP", "O09"),
        ("ACK", "A03"),
    ] {
        for trigger in triggers.split(' ') {
            let structure = dictionary.structure(code.as_bytes(), trigger.as_bytes(), b"", Version::V25);
            assert!(structure.is_some(), "{code}^{trigger}");
        }
    }
    let counts = dictionary.counts();
    let least = [46, 180, 980, 70, 400, 110, 560, 150];
    assert!(counts.iter().zip(least).all(|(count, least)| *count >= least), "{counts:?}");
}

#[test]
fn names_only_types_and_segments_that_it_knows() {
    let dictionary = Dictionary::standard();
    for structure in dictionary.structures.iter().flat_map(structure::Family::all) {
        for place in 0.. {
            let Some(leaf) = structure.leaf(place) else { break };
            assert!(dictionary.segment(&leaf.name).is_some(), "{:?}", String::from_utf8_lossy(&leaf.name));
        }
    }
    let fields = dictionary.segments.values().flat_map(|segment| &segment.fields);
    for field in fields.chain(dictionary.types.iter().flat_map(|kind| &kind.components)) {
        for version in Version::ALL.into_iter().filter(|version| field.usage.at(*version).is_some()) {
            assert!(field.kind.at(version).is_some(), "{}", field.name);
        }
        assert!(!field.name.is_empty());
    }
}

#[test]
fn follows_the_standard_from_version_to_version() {
    for (segment, number, version, expected) in [
        ("PID", 3, Version::V21, Some("CK")),
        ("PID", 3, Version::V23, Some("CX")),
        ("PID", 5, Version::V22, Some("PN")),
        ("PID", 7, Version::V251, Some("TS")),
        ("PID", 7, Version::V26, Some("DTM")),
        ("PID", 10, Version::V25, Some("CE")),
        ("PID", 10, Version::V26, Some("CWE")),
        ("PID", 39, Version::V24, None),
        ("PV1", 2, Version::V26, Some("IS")),
        ("PV1", 2, Version::V27, Some("CWE")),
        ("OBR", 43, Version::V22, None),
        ("OBR", 43, Version::V23, Some("CE")),
        ("ORC", 7, Version::V23, Some("TQ")),
    ] {
        assert_eq!(kind(segment, number, version), expected, "{segment}-{number} in {version}");
    }
    let pid = Dictionary::standard().segment(b"PID").unwrap();
    let length = |version| pid.field(3).unwrap().length(version);
    assert_eq!((length(Version::V23), length(Version::V25), length(Version::V27)), (Some(20), Some(250), None));
    assert_eq!(pid.field(2).unwrap().usage.at(Version::V27).unwrap().need, Need::Withdrawn);
}

#[test]
fn takes_the_structure_that_the_message_names_or_that_its_event_has() {
    let dictionary = Dictionary::standard();
    let has = |code: &[u8], trigger: &[u8], structure: &[u8], version, segment: &[u8]| {
        dictionary.structure(code, trigger, structure, version).map(|structure| structure.has(segment))
    };
    assert_eq!(has(b"ADT", b"A08", b"ADT_A01", Version::V25, b"IN1"), Some(true));
    assert_eq!(has(b"ADT", b"A08", b"ADT_A08", Version::V25, b"IN1"), Some(true));
    assert_eq!(has(b"ADT", b"A28", b"", Version::V251, b"SFT"), Some(true));
    assert_eq!(has(b"ORM", b"O01", b"", Version::V25, b"TQ1"), Some(false));
    assert_eq!(has(b"OMG", b"O19", b"", Version::V25, b"TQ1"), Some(true));
    assert_eq!(has(b"ACK", b"A01", b"", Version::V25, b"MSA"), Some(true));
    assert_eq!(has(b"ORM", b"", b"", Version::V21, b"RX1"), Some(true));
    assert_eq!(has(b"VXU", b"V04", b"", Version::V25, b"PID"), None);
}
