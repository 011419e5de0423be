//! Batches as they come: whole, without parts, and with envelopes that lie.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)]

use proptest::prelude::*;

use super::*;
use crate::hl7::{
    Index,
    ack::{self, Code, Stamp},
};

fn message(id: usize) -> String {
    format!("MSH|^~\\&|LAB|GH|GW|IN|20260301||ADT^A03|{id}|P|2.5\rPID|1||{id}\r")
}

fn read(text: &str) -> (Vec<String>, Vec<String>) {
    let batch = Batch::read(text.as_bytes());
    let messages = batch.messages.iter().map(|range| text[range.clone()].to_owned()).collect();
    (messages, batch.findings.iter().map(Finding::to_string).collect())
}

#[test]
fn takes_a_file_apart() {
    let (one, two, three) = (message(1), message(2), message(3));
    let text = format!(
        "FHS|^~\\&|LAB|GH|||20260301||f||file-7\rBHS|^~\\&|LAB|GH|||20260301||b||batch-1\r{one}{two}BTS|2\r\
         BHS#*!%@#LAB#GH###20260301##b##batch-2\r{three}BTS#1#a comment\rFTS|2\r"
    );
    let batch = Batch::read(text.as_bytes());
    assert_eq!(read(&text), (vec![one, two, three], vec![]));
    let ids: Vec<_> = batch.envelopes.iter().map(|envelope| envelope.control_id(text.as_bytes())).collect();
    assert_eq!(ids, [b"batch-1", b"batch-2"]);
    assert_eq!(batch.envelopes[1].file_control_id(text.as_bytes()), b"file-7");
    assert_eq!(batch.envelopes[1].messages, 2..3);
}

#[test]
fn says_what_is_odd_and_loses_nothing() {
    let (one, two) = (message(1), message(2));
    let both = || vec![one.clone(), two.clone()];
    for (text, messages, findings) in [
        (format!("{one}{two}"), both(), vec![]),
        (format!("BHS|^~\\&\r{one}{two}BTS|3\r"), both(), vec!["BTS-1 at byte 123 says 3, there are 2"]),
        (format!("BHS|^~\\&\r{one}{two}BTS|two\r"), both(), vec!["BTS-1 at byte 123 is no number"]),
        (format!("BHS|^~\\&\r{one}{two}BTS\r"), both(), vec![]),
        (format!("BHS|^~\\&\r{one}{two}BTS|\"\"\r"), both(), vec!["BTS-1 at byte 123 is no number"]),
        (format!("{one}{two}BTS|2\r"), both(), vec!["BTS at byte 114 has no header before it"]),
        (format!("BHS|^~\\&\r{one}{two}"), both(), vec!["BHS at byte 0 has no trailer"]),
        (
            format!("BTS|1\r{one}BHS|^~\\&\r{two}"),
            both(),
            vec![
                "BTS at byte 0 has no header before it",
                "BTS-1 at byte 0 says 1, there are 0",
                "BHS at byte 63 has no trailer",
            ],
        ),
        (
            format!("FHS|^~\\&\rBHS|^~\\&\r{one}BHS|^~\\&\r{two}BTS|1\rFTS|1\r"),
            both(),
            vec!["BHS at byte 9 has no trailer", "FTS-1 at byte 147 says 1, there are 2"],
        ),
        (format!("FHS|^~\\&\r{one}{two}FTS|1\r"), both(), vec![]),
        (
            format!("FHS|^~\\&\rFHS|^~\\&\r{one}{two}"),
            both(),
            vec!["FHS at byte 0 has no trailer", "FHS at byte 9 has no trailer"],
        ),
        (format!("{one}{two}FTS|1\r"), both(), vec!["FTS at byte 114 has no header before it"]),
        (
            format!("BHS|^~\\&\rhello\r{one}{two}BTS|2\rNTE|1|x\r"),
            both(),
            vec!["6 bytes at byte 9 belong to no message", "8 bytes at byte 135 belong to no message"],
        ),
        (format!("hello\rBHS|^~\\&\r{one}{two}BTS|2"), both(), vec!["6 bytes at byte 0 belong to no message"]),
        (format!("hello\r{one}{two}"), vec![format!("hello\r{one}"), two.clone()], vec![]),
        (String::from("BHS|^~\\&\rBTS|0\r"), vec![], vec![]),
        (String::from("hello"), vec![], vec![]),
        (String::new(), vec![], vec![]),
        (
            format!("\u{feff}FHS|^~\\&\r\u{feff}{one}\u{feff}{two}FTS|1"),
            vec![format!("\u{feff}{one}"), format!("\u{feff}{two}")],
            vec![],
        ),
    ] {
        assert_eq!(read(&text), (messages, findings.into_iter().map(str::to_owned).collect()), "{text:?}");
    }
}

#[test]
fn takes_no_name_inside_a_message_for_an_envelope() {
    let text = format!("{}NTE|1|L|BTS\rZBT|FTS|BHS|x\rBTSX|1\rMSHA|1\rFHS\r", message(1));
    assert_eq!(read(&text), (vec![text.clone()], vec![]));
}

#[test]
fn takes_a_hundred_thousand_messages() {
    let mut text = String::from("BHS|^~\\&\r");
    (0..100_000).for_each(|id| text += &message(id));
    text += "BTS|100000\r";
    let batch = Batch::read(text.as_bytes());
    assert_eq!((batch.messages.len(), batch.findings.len()), (100_000, 0));
}

#[test]
fn bounds_what_it_remembers() {
    let batch = Batch::read(&b"BHS|\rx\r".repeat(100_000));
    assert_eq!(batch.findings.len(), limits::BATCH_FINDINGS_MAX);
    assert!(batch.more_findings > 100_000);
    assert_eq!(batch.envelopes.len(), limits::BATCH_ENVELOPES_MAX);
    let many = b"MSH|^\r".repeat(usize::try_from(limits::BATCH_MESSAGES_MAX).unwrap() + 2);
    assert!(Index::of(&many).unwrap_err().to_string().contains("fewer messages"));
}

#[test]
fn answers_a_batch_as_a_batch() {
    let text = format!("BHS|^~\\&|LAB^1|GH|GW|IN|20260301||b||batch-1\r{}{}BTS|2\r", message(1), message(2));
    let raw = text.as_bytes();
    let batch = Batch::read(raw);
    let stamp = Stamp { at: "20260301101501.250+0100", control_id: "G1" };
    let acknowledgements: Vec<Vec<u8>> = batch
        .messages
        .iter()
        .map(|range| {
            ack::build(&Index::of(&raw[range.clone()]).unwrap().message(&raw[range.clone()]), &stamp, Code::Aa, None)
        })
        .collect();
    let answer = acknowledge(raw, &batch, &stamp, &acknowledgements);
    let shown = String::from_utf8(answer.clone()).unwrap();
    assert!(shown.starts_with("BHS|^~\\&|GW|IN|LAB^1|GH|20260301101501.250+0100||||G1|batch-1\rMSH|"), "{shown}");
    assert!(shown.ends_with("MSA|AA|2\rBTS|2\r"), "{shown}");
    let again = Batch::read(&answer);
    assert_eq!((again.messages.len(), again.findings.len()), (2, 0));
    assert_eq!(again.envelopes[0].control_id(&answer), b"G1");
}

proptest! {
    #[test]
    fn covers_every_message_of_any_mixture(lines in prop::collection::vec(0..8_usize, 0..60)) {
        let words = ["MSH|^~\\&|A", "PID|1", "FHS|^~\\&", "BHS|^~\\&", "BTS|1", "FTS|2", "", "x"];
        let text = lines.iter().map(|line| format!("{}\r", words[*line])).collect::<String>();
        let batch = Batch::read(text.as_bytes());
        prop_assert_eq!(batch.messages.len(), lines.iter().filter(|line| **line == 0).count());
        let mut reached = 0;
        for range in &batch.messages {
            prop_assert!(reached <= range.start && range.start < range.end);
            reached = range.end;
            prop_assert_eq!(text[range.clone()].matches("MSH|").count(), 1);
        }
        let covered: usize = batch.envelopes.iter().map(|envelope| envelope.messages.len()).sum();
        prop_assert_eq!(covered, batch.messages.len());
    }

    #[test]
    fn survives_any_bytes(raw in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'|'), Just(b'B'), Just(b'S'), Just(b'H'), Just(b'T'), Just(b'F'), Just(b'M'), any::<u8>()], 0..200)) {
        for range in Batch::read(&raw).messages {
            prop_assert!(raw.get(range).is_some());
        }
    }
}
