//! The parser as a whole: what it gives for messages as they come.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const ADT: &[u8] = b"MSH|^~\\&|EHR^1.2.3^ISO|GH|GW|GH|20260301101500||ADT^A03^ADT_A03|17|P|2.5.1|||AL|NE||8859/1\r\
    EVN|A03|20260301101500\r\
    PID|1||4711^^^GH&1.2.3&ISO^MR~99^^^NHS||TEST^ANNA\\T\\B||19500102|F|||\"\"\r\
    OBX|1|ST|A||one\r\
    OBX|2|ST|B||two~three\r";

fn value<'a>(message: &Message<'a>, path: &str) -> Value<'a> {
    message.value(&path.parse().unwrap())
}

fn field(raw: &[u8], path: &str) -> String {
    let index = Index::of(raw).unwrap();
    let message = index.message(raw);
    let charset = message.charset(None);
    value(&message, path).text(&charset).into_owned()
}

#[test]
fn addresses_every_level() {
    let index = Index::of(ADT).unwrap();
    let message = index.message(ADT);
    for (path, expected) in [
        ("MSH-1", Value::Present(b"|" as &[u8])),
        ("MSH-2", Value::Present(b"^~\\&")),
        ("MSH-3.2", Value::Present(b"1.2.3")),
        ("MSH-9.3", Value::Present(b"ADT_A03")),
        ("MSH-18", Value::Present(b"8859/1")),
        ("MSH-19", Value::Absent),
        ("PID-3", Value::Present(b"4711^^^GH&1.2.3&ISO^MR")),
        ("PID-3[2].4.1", Value::Present(b"NHS")),
        ("PID-3.4", Value::Present(b"GH&1.2.3&ISO")),
        ("PID-3.4.2", Value::Present(b"1.2.3")),
        ("PID-3[3].1", Value::Absent),
        ("PID-8.1.1", Value::Present(b"F")),
        ("PID-9", Value::Absent),
        ("PID-11", Value::Null),
        ("PID-11.1.1", Value::Null),
        ("PID-11.2", Value::Absent),
        ("PID-12", Value::Absent),
        ("OBX[2]-5[2]", Value::Present(b"three")),
        ("OBX[3]-5", Value::Absent),
        ("ZZZ-1", Value::Absent),
    ] {
        assert!(value(&message, path) == expected, "{path}");
    }
}

#[test]
fn answers_for_the_header_directly() {
    let index = Index::of(ADT).unwrap();
    let message = index.message(ADT);
    let kind = message.message_type();
    assert_eq!((kind.code, kind.trigger, kind.structure), (&b"ADT"[..], &b"A03"[..], &b"ADT_A03"[..]));
    assert_eq!(message.control_id(), b"17");
    assert_eq!(message.sending_application(), b"EHR^1.2.3^ISO");
    assert_eq!(message.sending_facility(), b"GH");
    assert_eq!(message.receiving_application(), b"GW");
    assert_eq!(message.receiving_facility(), b"GH");
    assert_eq!(message.processing_id(), b"P");
    assert_eq!(message.version(), b"2.5.1");
    assert_eq!(message.accept_ack_type(), b"AL");
    assert_eq!(message.application_ack_type(), b"NE");
}

#[test]
fn finds_no_field_separator_in_a_header_that_is_its_name_alone() {
    let raw = b"MSH|^~\\&|A\rMSH\rMSH|\r";
    let index = Index::of(raw).unwrap();
    let firsts: Vec<&[u8]> = index.message(raw).segments().map(|segment| segment.field(1).bytes()).collect();
    assert_eq!(firsts, [&b"|"[..], b"", b"|"]);
}

#[test]
fn walks_segments_and_parts() {
    let index = Index::of(ADT).unwrap();
    let message = index.message(ADT);
    let names: Vec<&[u8]> = message.segments().map(|segment| segment.name()).collect();
    assert_eq!(names, [b"MSH", b"EVN", b"PID", b"OBX", b"OBX"]);
    assert_eq!(message.segment("MSH").unwrap().field_count(), 18);
    let pid = message.segment("PID").unwrap();
    assert_eq!(pid.field_count(), 11);
    assert_eq!(pid.field(3).repetitions().count(), 2);
    assert_eq!(pid.field(2).repetitions().count(), 0);
    assert_eq!(pid.field(3).repetition(1).components().count(), 5);
    assert_eq!(pid.field(3).component(4).subcomponents().count(), 3);
    assert_eq!(pid.field(0).bytes(), b"");
    assert_eq!(pid.bytes().len(), message.segments_named("OBX").next().unwrap().start() - pid.start() - 1);
    assert_eq!(message.segments_named("OBX").count(), 2);
    assert!(index.findings().is_clean());
}

#[test]
fn takes_any_segment_end_and_counts_it() {
    type Ends = (u32, u32, u32, u32, bool);
    let cases: [(&[u8], Ends); 9] = [
        (b"MSH|^~\\&|A\rPID|1\r", (2, 0, 0, 0, false)),
        (b"MSH|^~\\&|A\nPID|1\n", (0, 2, 0, 0, false)),
        (b"MSH|^~\\&|A\r\nPID|1\r\n", (0, 0, 2, 0, false)),
        (b"MSH|^~\\&|A\r\nPID|1\n", (0, 1, 1, 0, false)),
        (b"MSH|^~\\&|A\rPID|1", (1, 0, 0, 0, true)),
        (b"MSH|^~\\&|A\r\r\rPID|1\r", (2, 0, 0, 2, false)),
        (b"MSH|^~\\&|A\n\nPID|1\n", (0, 2, 0, 1, false)),
        (b"\r\nMSH|^~\\&|A\rPID|1\r\r\n", (2, 0, 0, 4, false)),
        (b"MSH|^~\\&|A\r\n\r\nPID|1\r\n", (0, 0, 2, 2, false)),
    ];
    for (raw, expected) in cases {
        let index = Index::of(raw).unwrap();
        let found = index.findings();
        let got = (found.ends_cr, found.ends_lf, found.ends_crlf, found.blank_lines, found.unended);
        assert_eq!(got, expected, "{}", raw.escape_ascii());
        assert_eq!(index.segment_count(), 2);
        assert_eq!(field(raw, "MSH-3"), "A");
        assert_eq!(field(raw, "PID-1"), "1");
    }
}

#[test]
fn takes_delimiters_from_the_message() {
    for (raw, path, expected) in [
        (&b"MSH|^~\\&#|A\rPID|a^b\r"[..], "PID-1.2", "b"),
        (b"MSH#*!%@#A\rPID#a*b!c*d@e\r", "PID-1[2].2.2", "e"),
        (b"MSH|^|A\rPID|a^b~c\r", "PID-1.2", "b~c"),
        (b"MSH|^~|A\rPID|a^b~c\\d\\&e\r", "PID-1[2]", "c\\d\\&e"),
        (b"MSH$%~\\&$A\rPID$x%y\\S\\z\r", "PID-1.2", "y%z"),
    ] {
        assert_eq!(field(raw, path), expected, "{}", raw.escape_ascii());
    }
}

#[test]
fn says_where_a_header_is_broken_and_never_what_stands_there() {
    for (raw, at, expected, found) in [
        (&b""[..], 0, Expected::Header, Found::Nothing),
        (b"MSH", 0, Expected::Header, Found::Nothing),
        (b"PID|1\r", 0, Expected::Header, Found::OtherSegment),
        (b"FHS|^~\\&|A\r", 0, Expected::Header, Found::Batch),
        (b"hello", 0, Expected::Header, Found::Letter),
        (b" MSH|^~\\&", 0, Expected::Header, Found::Blank),
        (b"\xff\xfeM\0S\0H\0", 0, Expected::Header, Found::NonAscii),
        (b"\r\n\r\nEVN|A", 4, Expected::Header, Found::OtherSegment),
        (b"MSHA^~\\&", 3, Expected::FieldSeparator, Found::Letter),
        (b"MSH7^~\\&", 3, Expected::FieldSeparator, Found::Digit),
        (b"MSH ^~\\&", 3, Expected::FieldSeparator, Found::Blank),
        (b"MSH\r^~\\&", 3, Expected::FieldSeparator, Found::Control),
        (b"MSH\0^~\\&", 3, Expected::FieldSeparator, Found::Control),
        (b"MSH|", 4, Expected::EncodingCharacters, Found::Nothing),
        (b"MSH||A", 4, Expected::EncodingCharacters, Found::Nothing),
        (b"MSH|^~\\&#!|A", 9, Expected::EncodingCharacters, Found::More),
        (b"MSH|^a\\&|A", 5, Expected::EncodingCharacters, Found::Letter),
        (b"MSH|^~\0&|A", 6, Expected::EncodingCharacters, Found::Control),
        (b"MSH|^~\\^|A", 7, Expected::DistinctDelimiters, Found::Punctuation),
        (b"\xef\xbb\xbfMSH|&&\\^|A", 8, Expected::DistinctDelimiters, Found::Punctuation),
    ] {
        let error = Index::of(raw).unwrap_err();
        assert_eq!(error, ParseError { at, expected, found }, "{}", raw.escape_ascii());
    }
    let error = Index::of(b"SECRET^NAME").unwrap_err().to_string();
    assert_eq!(error, "expected segment MSH at byte 0, found a letter");
}

#[test]
fn counts_odd_names_and_keeps_their_segments() {
    let raw = b"MSH|^~\\&|A\rpid|1\rAB|2\rZP1|3\r  \r";
    let index = Index::of(raw).unwrap();
    assert_eq!(index.findings().odd_names, 3);
    assert_eq!(index.segment_count(), 5);
    assert_eq!(field(raw, "ZP1-1"), "3");
}

#[test]
fn splits_messages_only_at_segment_starts() {
    let raw = b"\xef\xbb\xbfMSH|^~\\&|A\rNTE|1||MSH|x MSH\rMSHX|1\rMSH|^~\\&|B\r\nMSH#*~\\&#C";
    let ranges = split_messages(raw);
    assert_eq!(ranges.len(), 3);
    let names: Vec<String> = ranges.iter().map(|range| field(&raw[range.clone()], "MSH-3")).collect();
    assert_eq!(names, ["A", "B", "C"]);
    assert_eq!(ranges.first().map(|range| range.start), Some(0));
    assert_eq!(Index::of(raw).unwrap().findings().messages, 3);
    assert_eq!(ranges.iter().map(ExactSizeIterator::len).sum::<usize>(), raw.len());
    assert!(split_messages(b"PID|1\r").is_empty());
    assert_eq!(split_messages(b"FHS|x\rMSH|^~\\&|A\r").len(), 1);
}

#[test]
fn refuses_more_segments_and_fields_than_allowed() {
    use crate::units::limits::{FIELDS_MAX, SEGMENTS_MAX};
    let mut raw = b"MSH|^~\\&|A\r".to_vec();
    raw.extend(std::iter::repeat_n(*b"Z\r", SEGMENTS_MAX - 1).flatten());
    assert!(Index::of(&raw).is_ok());
    raw.extend_from_slice(b"Z\r");
    assert_eq!(Index::of(&raw).unwrap_err().expected, Expected::FewerSegments);
    let mut raw = b"MSH|^~\\&|A\rZ".to_vec();
    raw.extend(std::iter::repeat_n(b'|', FIELDS_MAX));
    let mut index = Index::new();
    assert_eq!(index.parse(&raw).unwrap_err().expected, Expected::FewerFields);
    assert_eq!(index.segment_count(), 0);
    assert!(index.parse(ADT).is_ok());
}

#[test]
fn reads_and_writes_paths() {
    for text in ["PID-3", "PID-3[2].4.1", "OBX[3]-5", "ZP1[65535]-65535[1].1.1", "PV1-3.4"] {
        assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
    }
    for (text, error) in [
        ("", PathError::Segment),
        ("PI-3", PathError::Segment),
        ("pid-3", PathError::Segment),
        ("PID", PathError::Field),
        ("PID-", PathError::Field),
        ("PID-0", PathError::Field),
        ("PID-65536", PathError::Field),
        ("PID[0]-3", PathError::Bracket),
        ("PID-3[", PathError::Bracket),
        ("PID-3[2", PathError::Bracket),
        ("PID-3.", PathError::Part),
        ("PID-3.1.x", PathError::Part),
        ("PID-3.1.2.3", PathError::Trailing),
        ("PID-3 ", PathError::Trailing),
    ] {
        assert_eq!(text.parse::<Path>(), Err(error), "{text}");
    }
    let path: Path = serde_json::from_str("\"PID-3[2].1\"").unwrap();
    assert_eq!(path.in_occurrence(2).in_repetition(0).to_string(), "PID[2]-3.1");
    assert_eq!(serde_json::to_string(&path).unwrap(), "\"PID-3[2].1\"");
}

#[test]
fn reads_escapes() {
    let delimiters = Delimiters { truncation: Some(b'#'), ..Delimiters::STANDARD };
    for (text, expected, unknown, unclosed) in [
        ("plain", "plain", 0, 0),
        ("a\\F\\b\\S\\c\\R\\d\\T\\e\\E\\f\\P\\g", "a|b^c~d&e\\f#g", 0, 0),
        ("\\X0D0A\\", "\r\n", 0, 0),
        ("\\X4a4B\\", "JK", 0, 0),
        ("\\x0d 0a\\", "\r\n", 0, 0),
        ("\\X 4a\\", "J", 0, 0),
        ("\\X4 a\\", "\\X4 a\\", 1, 0),
        ("\\X\\", "\\X\\", 1, 0),
        ("\\X4\\", "\\X4\\", 1, 0),
        ("\\XZZ\\", "\\XZZ\\", 1, 0),
        ("one\\.br\\two\\.sp2\\three\\.sk3\\four\\.ce\\", "one\ntwo\n\nthree   four\n", 0, 0),
        ("\\.in+4\\x\\.br\\y\\.ti-4\\z\\.fi\\\\.nf\\", "    x\n    yz", 0, 0),
        ("\\.ti2\\x\\.br\\y\\.br\\\\.ti 1\\z", "  x\ny\n z", 0, 0),
        ("\\.in4\\x\\.br\\\\.in-1\\y\\.br\\\\.in\\z", "    x\n   y\nz", 0, 0),
        ("\\.SP 1\\x\\.BR\\", "\nx\n", 0, 0),
        ("\\.sp1x\\\\.sp+\\", "\\.sp1x\\\\.sp+\\", 2, 0),
        ("\\.zz\\\\.b\\", "\\.zz\\\\.b\\", 2, 0),
        ("\\H\\loud\\N\\", "loud", 0, 0),
        ("\\Z12\\\\C2842\\\\M244242\\", "\\Z12\\\\C2842\\\\M244242\\", 0, 0),
        ("\\Q\\x", "\\Q\\x", 1, 0),
        ("\\\\", "\\\\", 1, 0),
        ("C:\\temp", "C:\\temp", 0, 1),
        ("\\E\\E\\", "\\E\\", 0, 1),
        ("\\F\\\\", "|\\", 0, 1),
    ] {
        let (bytes, findings) = unescape(text.as_bytes(), &delimiters);
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected, "{text}");
        assert_eq!((findings.unknown, findings.unclosed), (unknown, unclosed), "{text}");
    }
    for long in [&b"\\.sp99999\\"[..], b"\\.sp999999999999999999999\\", b"\\.sk81\\", b"\\.in+99\\"] {
        assert!(unescape(long, &delimiters).0.len() <= 80);
    }
    let (_, kept) = unescape(b"\\Z12\\\\C2842\\\\M244242\\", &delimiters);
    assert_eq!((kept.local, kept.switches), (1, 2));
}

#[test]
fn writes_escapes() {
    let other = Delimiters { field: b'#', escape: Some(b'%'), ..Delimiters::STANDARD };
    let none = Delimiters { escape: None, ..Delimiters::STANDARD };
    for (text, delimiters, expected) in [
        ("plain", Delimiters::STANDARD, "plain"),
        ("a|b^c~d&e\\f#g", Delimiters::STANDARD, "a\\F\\b\\S\\c\\R\\d\\T\\e\\E\\f#g"),
        ("a|b#c\\d%", other, "a|b%F%c\\d%E%"),
        ("\r\n\x0b\x1c\0", Delimiters::STANDARD, "\\X0D\\\\X0A\\\\X0B\\\\X1C\\\\X00\\"),
        ("\"\"", Delimiters::STANDARD, "\\X2222\\"),
        ("a|b\rc", none, "a b c"),
        ("\"\"", none, " "),
        ("M\u{fc}ller", Delimiters::STANDARD, "M\u{fc}ller"),
    ] {
        assert_eq!(std::str::from_utf8(&escape(text.as_bytes(), &delimiters)).unwrap(), expected);
    }
}

#[test]
fn chooses_the_character_set_and_tells_how() {
    let message = |declared: &str, name: &[u8]| {
        let mut raw = format!("MSH|^~\\&|A||||||ADT^A01|1|P|2.5||||||{declared}\rPID|||||").into_bytes();
        raw.extend_from_slice(name);
        raw
    };
    let latin = b"M\xfcller \x80";
    let utf8 = "M\u{fc}ller \u{20ac}".as_bytes();
    for (declared, name, configured, text, choice) in [
        ("", &b"Miller"[..], None, "Miller", Choice::Ascii),
        ("", utf8, None, "M\u{fc}ller \u{20ac}", Choice::Utf8(Why::Undeclared)),
        ("", latin, None, "M\u{fc}ller \u{20ac}", Choice::Windows1252(Why::Undeclared)),
        ("8859/1", latin, None, "M\u{fc}ller \u{80}", Choice::Declared),
        ("8859/1", utf8, Some("UTF-8"), "M\u{fc}ller \u{20ac}", Choice::Configured),
        ("8859/15", b"\xa4", None, "\u{20ac}", Choice::Declared),
        ("8859/5", b"\xbf", None, "\u{41f}", Choice::Declared),
        ("UNICODE UTF-8", utf8, None, "M\u{fc}ller \u{20ac}", Choice::Declared),
        ("UNICODE UTF-8", latin, None, "M\u{fc}ller \u{20ac}", Choice::Windows1252(Why::Contradicted)),
        ("ASCII", utf8, None, "M\u{fc}ller \u{20ac}", Choice::Utf8(Why::Contradicted)),
        ("UNICODE UTF-8~ISO IR87", utf8, None, "M\u{fc}ller \u{20ac}", Choice::Declared),
        ("garbage", utf8, None, "M\u{fc}ller \u{20ac}", Choice::Utf8(Why::UnknownName)),
        ("ISO IR87", latin, None, "M\u{fc}ller \u{20ac}", Choice::Windows1252(Why::Contradicted)),
        ("UNICODE UTF-8", b"\\XFC\\", None, "\u{fc}", Choice::Declared),
        ("8859/1", latin, Some("UTF-8"), "M\u{fc}ller \u{80}", Choice::Declared),
        ("", latin, Some("UTF-8"), "M\u{fc}ller \u{20ac}", Choice::Windows1252(Why::Contradicted)),
    ] {
        let raw = message(declared, name);
        let index = Index::of(&raw).unwrap();
        let message = index.message(&raw);
        let charset = message.charset(configured.and_then(Encoding::named));
        assert_eq!(value(&message, "PID-5").text(&charset), text, "{declared}");
        assert_eq!(charset.choice(), choice, "{declared}");
    }
}

#[test]
fn prints_no_content() {
    let index = Index::of(ADT).unwrap();
    let message = index.message(ADT);
    let pid = message.segment("PID").unwrap();
    let shown = format!("{message:?} {pid:?} {:?} {:?} {index:?}", pid.field(5), pid.field(5).value());
    for secret in ["TEST", "ANNA", "4711", "1950"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn is_safe_with_an_index_of_other_bytes() {
    let index = Index::of(ADT).unwrap();
    for raw in [&b""[..], b"MSH", b"MSH|^~\\&|"] {
        let message = index.message(raw);
        assert_eq!(value(&message, "PID-3"), Value::Absent);
        assert_eq!(message.segments().count(), 5);
    }
}
