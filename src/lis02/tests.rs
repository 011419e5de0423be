//! Reading messages of records: the corpora, addresses, escapes, numbers, and whatever else may come.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::{corpus, *};

fn read(text: &str) -> Message<'_> {
    Message::parse(text.as_bytes()).unwrap()
}

#[test]
fn reads_every_good_message_and_knows_what_it_is_about() {
    let corpus = corpus::good();
    assert!(corpus.len() >= 60, "{}", corpus.len());
    for (about, text) in &corpus {
        let message = Message::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let found = message.about().map_or_else(|| "none".to_owned(), |kind| kind.letter().to_string());
        assert_eq!(&found, about, "{text:?}");
    }
}

#[test]
fn refuses_every_bad_message_for_its_reason_and_quotes_nothing() {
    let corpus = corpus::bad();
    assert!(corpus.len() >= 100, "{}", corpus.len());
    for (expected, bytes) in &corpus {
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let error = Message::parse(bytes).map(|_| ()).expect_err(&head);
        assert!(error.to_string().contains(expected), "{head:?}: {error}");
        assert!(!error.to_string().contains("GLU") && !error.to_string().contains("printer"), "{error}");
    }
}

#[test]
fn addresses_fields_repetitions_and_components_as_the_standard_numbers_them() {
    let message = read(
        "H|\\^&|4711||zz^2.1|||||LIS\rP|1||ZZ-1||A&F&B^C&E&D\rO|1|S^2^3||^^^GLU\\^^^CREA\rR|1|^^^GLU|\"\"\rL|1|N\r",
    );
    let records = message.records();
    assert_eq!((message.control_id(), message.sender()), (b"4711".as_slice(), b"zz^2.1".as_slice()));
    assert_eq!(records[0].field(2).bytes(), b"\\^&");
    assert_eq!(records[0].field(2).components().count(), 1);
    assert_eq!(records[0].field(10).bytes(), b"LIS");
    assert_eq!(records[1].field(1).bytes(), b"P");
    let name = records[1].field(6);
    assert_eq!((name.component(1).text().as_ref(), name.component(2).text().as_ref()), (&b"A|B"[..], &b"C&D"[..]));
    let tests: Vec<_> = records[2].field(5).repetitions().map(|test| test.component(4).text().into_owned()).collect();
    assert_eq!(tests, [b"GLU".to_vec(), b"CREA".to_vec()]);
    let value = records[3].field(4);
    assert!(value.is_null() && !value.has_value() && !value.is_absent());
    assert!(records[3].field(5).is_absent() && records[3].field(99).is_absent() && records[3].field(0).is_absent());
    assert_eq!(message.termination(), Termination::Normal);
    assert_eq!(records[3].place(9).to_string(), "R/1-9");
}

#[test]
fn reads_escapes_and_keeps_what_it_does_not_know() {
    for (text, expected) in [
        ("&F&&S&&R&&E&", "|^\\&"),
        ("&X414243&", "ABC"),
        ("&X41", "&X41"),
        ("&X4&", "&X4&"),
        ("&X+1&", "&X+1&"),
        ("&X&", "&X&"),
        ("&H&bold&N&", "&H&bold&N&"),
        ("&Z9&", "&Z9&"),
        ("R&D", "R&D"),
        ("R&D or B&B and &F&", "R&D or B&B and |"),
        ("&&F&", "&|"),
        ("&", "&"),
        ("&&", "&&"),
    ] {
        let raw = format!("H|\\^&\rC|1|I|{text}\rL|1\r");
        let message = read(&raw);
        assert_eq!(message.records()[1].field(4).text().as_ref(), expected.as_bytes(), "{text}");
    }
}

#[test]
fn numbers_begin_anew_behind_a_lower_level_and_gaps_are_findings() {
    let good = "H|\\^&\rC|1\rP|1\rC|1\rC|2\rO|1\rC|1\rR|1\rC|1\rM|1\rC|2\rR|2\rC|1\rO|2\rR|1\rP|2\rO|1\rR|1\rL|1\r";
    assert_eq!(read(good).findings(), []);
    let odd = "H|\\^&\rP|2\rO|x\rR|1\rR|3\rR|4\rL|1|Z\r";
    let message = read(odd);
    let found: Vec<_> = message.findings().iter().map(Finding::to_string).collect();
    assert_eq!(
        found,
        [
            "P/1-2: expected sequence number 1, found 2",
            "O/1-2: expected sequence number 1, found none",
            "R/2-2: expected sequence number 2, found 3",
            "L/1-3: expected one of N, T, R, E, Q, I, F",
        ]
    );
    let many = format!("H|\\^&\r{}L|1\r", "P|7\rP|5\r".repeat(300));
    let message = read(&many);
    assert_eq!((message.findings().len(), message.findings_count()), (limits::LIS02_FINDINGS_MAX, 600));
}

#[test]
fn reads_every_termination_code() {
    for (code, expected) in [
        ("", Termination::Normal),
        ("N", Termination::Normal),
        ("T", Termination::SenderAborted),
        ("r", Termination::ReceiverAborted),
        ("E", Termination::SystemError),
        ("Q", Termination::RequestError),
        ("I", Termination::NoInformation),
        ("F", Termination::RequestDone),
        ("7", Termination::Unknown),
        ("NN", Termination::Unknown),
    ] {
        assert_eq!(read(&format!("H|\\^&\rL|1|{code}\r")).termination(), expected, "{code}");
    }
}

/// A field of letters, delimiters and whatever else may stand in one.
fn field() -> impl Strategy<Value = String> {
    "[A-Z0-9 .&^\\\\\"-]{0,12}"
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), lead in any::<bool>()) {
        let raw = if lead { [b"H|\\^&\r".as_slice(), &bytes].concat() } else { bytes };
        if let Ok(message) = Message::parse(&raw) {
            for record in message.records() {
                for number in 0..40 {
                    for repetition in record.field(number).repetitions() {
                        repetition.components().for_each(|part| drop(part.text().into_owned()));
                    }
                }
            }
        }
    }

    /// What was split and joined again is what came: nothing is lost or moved.
    #[test]
    fn splits_into_what_it_was_made_of(records in prop::collection::vec(prop::collection::vec(field(), 0..12), 0..12)) {
        let lines: Vec<String> = records.iter().map(|fields| format!("P|1|{}", fields.join("|"))).collect();
        let raw = format!("H|\\^&\r{}L|1|N\r", lines.iter().map(|line| format!("{line}\r")).collect::<String>());
        let message = Message::parse(raw.as_bytes()).unwrap();
        prop_assert_eq!(message.records().len(), records.len() + 2);
        let joined: Vec<u8> = message.records().iter().flat_map(|record| [record.bytes(), b"\r"].concat()).collect();
        prop_assert_eq!(joined, raw.as_bytes());
        for (fields, record) in records.iter().zip(&message.records()[1..]) {
            for (at, field) in (3..).zip(fields) {
                let read = record.field(at);
                prop_assert_eq!(read.bytes(), field.as_bytes());
                let repetitions: Vec<_> = read.repetitions().map(|part| {
                    part.components().map(|part| part.bytes().to_vec()).collect::<Vec<_>>().join(&b'^')
                }).collect();
                prop_assert_eq!(repetitions.join(&b'\\'), field.as_bytes());
            }
        }
    }

    /// A value that was escaped reads as itself, whatever it holds.
    #[test]
    fn reads_what_was_escaped(value in prop::collection::vec(any::<u8>(), 0..40)) {
        let escaped: String = value.iter().map(|byte| match byte {
            b'|' => "&F&".to_owned(),
            b'^' => "&S&".to_owned(),
            b'\\' => "&R&".to_owned(),
            b'&' => "&E&".to_owned(),
            byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
            byte => format!("&X{byte:02X}&"),
        }).collect();
        let raw = format!("H|\\^&\rC|1|I|{escaped}\rL|1\r");
        let message = Message::parse(raw.as_bytes()).unwrap();
        prop_assert_eq!(message.records()[1].field(4).text().into_owned(), value);
    }
}
