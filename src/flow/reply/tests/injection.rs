//! Class E: nothing that stands in a field gets out of its place in an acknowledgement, and nothing of it into words that are
//! logged, listed or turned into names.

use super::*;
use crate::{
    flow::RouteVerdict,
    hl7::{Text, ack::Code},
    hl7_injection::{CANARY, Case, cases},
};

/// One MSH, one MSA and at most one ERR, all of it our own but for what is echoed in its place.
fn assert_whole(case: &Case, what: &str, answer: &[u8]) {
    let name = format!("{}: {what}: {}", case.name, answer.escape_ascii());
    let text = Text::of(answer, None);
    let index = Index::of(text.bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let message = index.message(text.bytes());
    let segments: Vec<&[u8]> = message.segments().map(|segment| segment.name()).collect();
    assert!(segments == [b"MSH", b"MSA"] || segments == [b"MSH", b"MSA", b"ERR"], "{name}");
    assert_eq!(answer.iter().filter(|byte| byte.is_ascii_control()).count(), segments.len(), "only line ends: {name}");
    assert!(answer.iter().filter(|byte| byte.is_ascii_control()).all(|byte| *byte == b'\r'), "{name}");
    assert_eq!(message.message_type().code, b"ACK", "{name}");
    assert!(matches!(message.control_id(), [b'G' | b'R' | b'A', number @ ..] if number.iter().all(u8::is_ascii_digit)));
    let read = ack::read(text.bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(read.code.is_some(), "{name}");
    assert_eq!(read.control_id, echoed(&case.bytes), "MSA-2: {name}");
    // Fields beside MSA-2 are our own words.
    for (segment, own) in [("MSA", &[1, 3, 4, 5, 6][..]), ("ERR", &[1, 2, 3, 4, 5, 6, 7, 8, 9])] {
        let Some(segment) = message.segment(segment) else { continue };
        for number in own {
            let value = String::from_utf8_lossy(segment.field(*number).bytes()).into_owned();
            assert!(!value.contains(CANARY), "{name}");
        }
    }
}

/// MSH-10 as it may be echoed: control characters as blanks.
fn echoed(raw: &[u8]) -> Vec<u8> {
    let line = raw.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let field = line.split(|byte| *byte == b'|').nth(9).unwrap_or_default();
    field.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }).collect()
}

fn assert_clean(case: &Case, what: &str, text: &str) {
    assert!(!text.contains(CANARY) && !text.chars().any(char::is_control), "{}: {what}: {text}", case.name);
}

#[test]
fn keeps_everything_in_its_place() {
    let all = cases();
    assert!(all.len() >= 300, "{}", all.len());
    let strict = "versions = [\"2.5.1\"]\nprocessing = [\"P\"]\nunrouted = \"reject\"\nsequence = \"on\"";
    let mut answers = 0;
    let plain = || Bench::new("");
    let benches = [(plain(), AckMode::Auto), (Bench::new(strict), AckMode::Auto), (plain(), AckMode::Enhanced)];
    for (bench, setting) in benches {
        for case in &all {
            let mut index = Index::default();
            let raw = &case.bytes;
            let understood = bench.flows.understand(0, NOW, raw, &mut index);
            assert!(understood.kind.len() <= 17, "{}: {}", case.name, understood.kind);
            assert!(
                understood.kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'^')),
                "{}: {}",
                case.name,
                understood.kind
            );
            assert_clean(case, "kind", &understood.kind);
            if let Some((_, detail)) = &understood.fault {
                assert_clean(case, "detail", detail);
            }
            for route in &understood.routes {
                if let RouteVerdict::Hold { detail, .. } | RouteVerdict::Quarantine { detail, .. } = &route.verdict {
                    assert_clean(case, "route", detail);
                }
            }
            let utc = jiff::tz::TimeZone::UTC;
            let mut check = |what: &str, reply: Option<Reply>| {
                if let Some(reply) = reply {
                    assert_whole(case, what, &reply.bytes);
                    assert!(Code::ALL.contains(&reply.code));
                    answers += 1;
                }
            };
            let Disposition::Record(record) = decide(&understood, &room(), &bench.flows) else {
                panic!("{}: nothing is known of it", case.name)
            };
            let stored = original(&record);
            let refused = Fate::Refused { status: 422 };
            let text = Text::of(raw, None);
            let raw = text.bytes();
            check("reply", reply(raw, &mut index, setting, &stored, &utc));
            check("application", application(raw, &mut index, setting, &stored, refused, &utc));
            check("refusal", refusal(raw, &mut index, setting, NOW, &utc));
            check("out of sequence", out_of_sequence(raw, &mut index, setting, 7, NOW, &utc));
            check("oversize", oversize(raw, setting, NOW, &utc));
            if index.parse(raw).is_ok() {
                let message = Message::new(raw, &index);
                let bytes = delivery(&message, &stored, refused, &utc);
                check("delivery", bytes.map(|bytes| Reply { bytes, code: Code::Ae }));
            }
        }
    }
    assert!(answers > 3 * 3 * all.len(), "{answers}");
}
