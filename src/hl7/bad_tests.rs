//! Bad input of classes B, C, D and H: no panic, no hang, an error with a place, nothing smuggled into an answer, and a
//! good message behind it is read as ever.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use super::*;
use crate::{hl7_bad, settings::AckMode};

const GOOD: &[u8] = b"MSH|^~\\&|EHR|GH|GW|IN|20260301||ADT^A03|17|P|2.5\rPID|1||4711\r";
const STAMP: ack::Stamp<'static> = ack::Stamp { at: "20260301101501.250+0100", control_id: "G42" };

/// Generous: a bound against work that grows out of hand, in an unoptimised build on a busy machine.
const HANG: Duration = Duration::from_secs(20);

/// Parses and answers one message; gives the answer.
fn answer(raw: &[u8], index: &mut Index) -> Option<Vec<u8>> {
    let text = Text::of(raw, None);
    match index.parse(text.bytes()) {
        Ok(()) => {
            let message = index.message(text.bytes());
            let charset = message.charset(text.configured());
            for segment in message.segments().take(1000) {
                for number in 0..=segment.field_count().min(60) {
                    let read = segment.field(number).value().text(&charset);
                    assert!(read.len() <= 100 * raw.len().max(1));
                }
            }
            Some(text.encode(ack::build(&message, &STAMP, ack::Code::Ae, None)))
        }
        Err(error) => {
            assert!(error.at <= text.bytes().len(), "{error}");
            ack::for_unparsable(text.bytes(), AckMode::Auto, &STAMP, &error).map(|made| text.encode(made))
        }
    }
}

fn assert_nothing_smuggled(name: &str, answer: &[u8]) {
    let text = Text::of(answer, None);
    let index = Index::of(text.bytes()).unwrap();
    let message = index.message(text.bytes());
    let names: Vec<&[u8]> = message.segments().map(|segment| segment.name()).collect();
    assert!(names == [b"MSH", b"MSA"] || names == [b"MSH", b"MSA", b"ERR"], "{name}: {}", answer.escape_ascii());
    assert_eq!(message.control_id(), b"G42", "{name}");
    assert!(!answer.iter().any(|byte| matches!(byte, 0x0b | 0x1c | b'\n')), "{name}");
}

#[test]
fn survives_every_bad_input() {
    let mut index = Index::new();
    let mut counts = std::collections::BTreeMap::<char, usize>::new();
    for case in hl7_bad::cases() {
        let raw = case.bytes();
        let began = Instant::now();
        let batch = batch::Batch::read(&raw);
        let whole = 0..raw.len();
        let few = batch.messages.iter().take(3).cloned();
        for part in few.chain([whole]) {
            if let Some(answer) = raw.get(part).and_then(|part| answer(part, &mut index)) {
                assert_nothing_smuggled(&case.name, &answer);
            }
        }
        assert!(began.elapsed() < HANG, "{} took {:?}", case.name, began.elapsed());
        index.parse(GOOD).unwrap();
        assert_eq!(index.message(GOOD).value(&"PID-3".parse().unwrap()), Value::Present(b"4711"), "{}", case.name);
        *counts.entry(case.class()).or_default() += 1;
    }
    for (class, least) in [('B', 60), ('C', 200), ('D', 250), ('H', 60)] {
        assert!(counts.get(&class).is_some_and(|count| *count >= least), "{class}: {counts:?}");
    }
}

#[test]
fn loses_no_message_of_a_bad_batch() {
    for case in hl7_bad::cases().iter().filter(|case| case.class() == 'H') {
        let raw = case.bytes();
        let lines = raw.split(|byte| *byte == b'\r').filter(|line| line.starts_with(b"MSH|")).count();
        assert_eq!(batch::Batch::read(&raw).messages.len(), lines, "{}", case.name);
    }
}

#[test]
fn keeps_room_for_ordinary_messages_only() {
    let mut index = Index::new();
    for case in hl7_bad::cases().iter().filter(|case| case.class() == 'B') {
        index.parse(&case.bytes()).ok();
        index.parse(GOOD).unwrap();
        assert!(index.room() <= 2 << 20, "{}: {} bytes", case.name, index.room());
    }
}
