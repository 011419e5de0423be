//! The truth table in bytes: what a sender is told, by mode, version and what became of its message; and that repeats, later
//! exchanges and sequence numbers keep to the standard.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod injection;

use std::sync::Arc;

use super::*;
use crate::{
    flow::{Answer, Disposition, Facts, Flows, Outcome as Standing, Record, Understood, decide},
    hl7::Path,
    ids::JournalId,
    mapping::Registry,
    settings::{self, Known, Priority, Settings},
};

const SITE: &str = include_str!("../../../config/sites/loopback/gurney.toml");

/// The loopback site with one link whose keys are given, and one flow for ADT^A03.
fn site(keys: &str) -> Settings {
    let text = SITE
        .replace("[mllp.ehr] ", &format!("[mllp.ehr]\n{keys}\n#"))
        .replace("on        = [\"*\"]", "on        = [\"ADT^A03\"]");
    assert!(text.contains("= [\"ADT^A03\"]"), "the flow of the site takes one type");
    let known = Known::nothing(Timestamp(1_795_348_800_000));
    settings::read(&[("gurney.toml".to_owned(), text)], &known).unwrap_or_else(|faults| panic!("{faults}")).settings
}

struct Bench {
    settings: Settings,
    flows: Flows,
}

impl Bench {
    fn new(keys: &str) -> Self {
        let settings = site(keys);
        let flows = Flows::new(&settings, Arc::new(Registry::builtin().unwrap()));
        Self { settings, flows }
    }

    fn understand(&self, raw: &str) -> Understood {
        self.flows.understand(0, NOW, raw.as_bytes(), &mut Index::default())
    }

    fn decide(&self, raw: &str, facts: &Facts) -> Disposition {
        decide(&self.understand(raw), facts, &self.flows)
    }

    fn record(&self, raw: &str) -> Record {
        match self.decide(raw, &room()) {
            Disposition::Record(record) => record,
            other => panic!("{other:?}"),
        }
    }

    /// What is written, and what follows, for a message that is stored.
    fn told(&self, raw: &str) -> [Option<String>; 2] {
        self.told_of(raw, &original(&self.record(raw)))
    }

    fn told_of(&self, raw: &str, original: &Original) -> [Option<String>; 2] {
        let setting = self.settings.links[0].ack;
        let mut index = Index::default();
        let utc = jiff::tz::TimeZone::UTC;
        let first = reply(raw.as_bytes(), &mut index, setting, original, &utc);
        let later = match asked(raw.as_bytes(), &mut index, setting) {
            Asked::Once => None,
            Asked::Twice(_) => application(raw.as_bytes(), &mut index, setting, original, Fate::Delivered, &utc),
        };
        [first, later].map(|reply| reply.map(|reply| String::from_utf8(reply.bytes).unwrap()))
    }
}

const NOW: Timestamp = Timestamp(1_795_348_800_000);

fn room() -> Facts {
    Facts { room_for: Some(Priority::Routine), ..Facts::default() }
}

fn original(record: &Record) -> Original {
    Original { journal: JournalId(7), received_at: NOW, verdict: record.verdict, expected: record.expected }
}

fn field(segment: Option<&str>, number: usize) -> &str {
    segment.and_then(|segment| segment.split('|').nth(number)).unwrap_or_default()
}

fn segment<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.split('\r').find(|segment| segment.starts_with(name))
}

struct Case {
    name: &'static str,
    /// Makes the message of a version.
    change: fn(&str) -> String,
    /// AA, AE or AR, as the application says it.
    code: &'static str,
    /// Of table 0357.
    reason: &'static str,
    /// ERR-1 before 2.5, without its reason; ERR-2 from then on.
    places: [&'static str; 2],
}

const CASES: [Case; 7] = [
    Case { name: "ok", change: str::to_owned, code: "AA", reason: "", places: ["", ""] },
    Case {
        name: "unsupported version",
        change: |text| text.replacen("|P|2", "|P|9.2", 1),
        code: "AR",
        reason: "203",
        places: ["MSH^1^12", "MSH^1^12^1"],
    },
    Case {
        name: "unsupported type",
        change: |text| text.replacen("ADT^A03", "ORU^R01", 1),
        code: "AR",
        reason: "200",
        places: ["MSH^1^9", "MSH^1^9^1^1"],
    },
    Case {
        name: "unsupported event",
        change: |text| text.replacen("ADT^A03", "ADT^A08", 1),
        code: "AR",
        reason: "201",
        places: ["MSH^1^9", "MSH^1^9^1^2"],
    },
    Case {
        name: "processing id",
        change: |text| text.replacen("|P|2", "|D|2", 1),
        code: "AR",
        reason: "202",
        places: ["MSH^1^11", "MSH^1^11^1"],
    },
    Case {
        name: "no message type",
        change: |text| text.replacen("ADT^A03", "", 1),
        code: "AR",
        reason: "200",
        places: ["^^", ""],
    },
    Case {
        name: "content",
        change: |text| format!("{text}ZZC|1\r"),
        code: "AE",
        reason: "101",
        places: ["PID^1^3", "PID^1^3^2^1"],
    },
];

const VERSIONS: [&str; 9] = ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.7", "2.8.2"];
const KEYS: &str = "versions = [\"2.1\", \"2.2\", \"2.3\", \"2.3.1\", \"2.4\", \"2.5\", \"2.5.1\", \"2.7\", \"2.8.2\"]\n\
                    processing = [\"P\", \"T\"]\nunrouted = \"reject\"";

fn version_of(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap()).collect()
}

/// MSH-15, MSH-16, and which of the two exchanges there are for AA, AE of content, AR.
type Row = (&'static str, &'static str, [&'static str; 3]);

const ROWS: [Row; 8] = [
    ("", "", ["AA", "AE", "AR"]),
    ("AL", "NE", ["CA", "CE", "CR"]),
    ("AL", "AL", ["CA AA", "CA AE", "CR"]),
    ("NE", "AL", ["AA", "AE", "AR"]),
    ("ER", "NE", ["", "CE", "CR"]),
    ("SU", "ER", ["CA", "CA AE", "AR"]),
    ("AL", "SU", ["CA AA", "CE", "CR"]),
    ("NE", "NE", ["", "", ""]),
];

#[test]
fn tells_senders_by_mode_and_version_what_became_of_their_message() {
    let bench = Bench::new(KEYS);
    let mut answers = 0;
    for version in VERSIONS {
        for (accept, application, codes) in ROWS {
            for case in &CASES {
                let message =
                    format!("MSH|^~\\&|A^1|B|C|D|||ADT^A03|17^x~ |P|{version}|||{accept}|{application}\rPID|1\r");
                let raw = (case.change)(&message);
                let name = format!("{} of {version}, {accept} {application}", case.name);
                let told = if case.name == "content" {
                    let place: Path = "PID-3[2].1".parse().unwrap();
                    let fault = Fault::Content { reason: Reason::RequiredFieldMissing, place: Some(place) };
                    let mut record = bench.record(&raw);
                    record.verdict = Verdict::Reject(fault);
                    bench.told_of(&raw, &original(&record))
                } else {
                    bench.told(&raw)
                };
                let at = ["AA", "AE", "AR"].iter().position(|code| *code == case.code).unwrap();
                let given: Vec<&str> = told.iter().flatten().map(|answer| field(segment(answer, "MSA"), 1)).collect();
                assert_eq!(given.join(" "), codes[at], "{name}");
                for answer in told.iter().flatten() {
                    assert_explained(answer, version, case, &name);
                    answers += 1;
                }
                if let [Some(first), Some(later)] = &told {
                    let [first, later] = [first, later].map(|answer| field(segment(answer, "MSH"), 9).to_owned());
                    assert_eq!((first.as_str(), later.as_str()), ("G7", "A7"), "{name}: control ids of their own");
                }
            }
        }
    }
    assert_eq!(
        answers,
        VERSIONS.len() * 52,
        "answers looked at: one of each case in a row, two where the table has two"
    );
}

/// MSA-2, MSA-3 and ERR as the version of the message has them.
fn assert_explained(answer: &str, version: &str, case: &Case, name: &str) {
    let msa = segment(answer, "MSA");
    let version = if case.name == "unsupported version" { "9.2" } else { version };
    let is_below = |other: [u32; 2]| version_of(version).as_slice() < other.as_slice();
    assert_eq!(field(msa, 2), "17^x~ ", "{name}: MSA-2 is MSH-10");
    assert_eq!(field(segment(answer, "MSH"), 2), "C", "{name}: MSH-3 and MSH-5 change places");
    assert_eq!(field(segment(answer, "MSH"), 4), "A^1", "{name}");
    let error = segment(answer, "ERR");
    if matches!(field(msa, 1), "AA" | "CA") {
        assert_eq!((field(msa, 3), error), ("", None), "{name}");
        return;
    }
    assert_eq!(field(msa, 3).is_empty(), !is_below([2, 7]), "{name}: MSA-3");
    assert_eq!(answer.matches("\rERR|").count(), 1, "{name}");
    let [old, new] = case.places;
    if is_below([2, 5]) {
        let whole = field(error, 1);
        assert!(
            whole.starts_with(&format!("{old}^{}&", case.reason)) && whole.ends_with("&HL70357"),
            "{name}: {whole}"
        );
        assert_eq!(field(error, 2), "", "{name}");
    } else {
        assert_eq!((field(error, 1), field(error, 2)), ("", new), "{name}: ERR-2");
        let code = field(error, 3);
        assert!(code.starts_with(&format!("{}^", case.reason)) && code.ends_with("^HL70357"), "{name}: {code}");
        assert_eq!(field(error, 4), "E", "{name}: ERR-4");
        assert!(!field(error, 8).is_empty(), "{name}: ERR-8");
    }
}

#[test]
fn says_that_nothing_was_stored_where_the_sender_listens() {
    for (accept, application, expected) in [
        ("", "", Some("AE")),
        ("AL", "NE", Some("CE")),
        ("AL", "AL", Some("CE")),
        ("ER", "NE", Some("CE")),
        ("NE", "AL", Some("AE")),
        ("SU", "ER", Some("AE")),
        ("NE", "NE", None),
        ("SU", "SU", None),
    ] {
        let raw = format!("MSH|^~\\&|A|B|C|D|||ADT^A03|17|P|2.5|||{accept}|{application}\r");
        let utc = jiff::tz::TimeZone::UTC;
        let told = refusal(raw.as_bytes(), &mut Index::default(), AckMode::Auto, NOW, &utc);
        assert_eq!(told.as_ref().map(|reply| reply.code.as_str()), expected, "{accept} {application}");
        if let Some(reply) = told {
            let text = String::from_utf8(reply.bytes).unwrap();
            assert!(field(segment(&text, "ERR"), 3).starts_with("207^"), "{text}");
        }
    }
}

#[test]
fn takes_everything_where_a_link_names_nothing() {
    let bench = Bench::new("");
    for raw in [
        "MSH|^~\\&|A|B|C|D|||ADT^A03|1|P|2.5\r",
        "MSH|^~\\&|A|B|C|D|||ADT^A03|1|X|99.9\r",
        "MSH|^~\\&|A|B|C|D|||QRY^Z99|1\r",
        "MSH|^~\\&|A|B|C|D|||adt|1\r",
    ] {
        assert_eq!(bench.record(raw).verdict, Verdict::Accept, "{raw}");
    }
}

/// An acknowledgement is stored and never answered, whatever it asks for and whatever is wrong with it.
#[test]
fn never_answers_an_acknowledgement() {
    let strict = Bench::new(&format!("{KEYS}\nsequence = \"on\""));
    let to = Bench::new("application_ack = { to = \"platform\" }\nack_after = \"delivered\"");
    for bench in [&strict, &to] {
        for ask in ["", "AL|AL", "ER|ER", "SU|SU", "AL|NE", "NE|AL"] {
            for kind in ["ACK", "ACK^A03", "ACK^A03^ACK", "MCF^A03"] {
                for (id, version) in [("1", "2.5"), ("9", "2.9"), ("", "junk")] {
                    let raw = format!("MSH|^~\\&|A|B|C|D|||{kind}|{id}|Q|{version}|nine||{ask}\rMSA|AA|G7\r");
                    let record = bench.record(&raw);
                    assert_eq!(record.verdict, Verdict::Silent, "{raw}");
                    assert_eq!(record.outcomes, [(None, Standing::Filtered)]);
                    assert!(record.outbox.is_empty() && record.aside.is_empty() && record.awaited.is_none());
                    assert_eq!(bench.told_of(&raw, &original(&record)), [None, None], "{raw}");
                }
            }
        }
    }
}

#[test]
fn queues_the_application_acknowledgement_as_a_delivery_of_its_own() {
    let bench = Bench::new(&format!("{KEYS}\napplication_ack = {{ to = \"platform\" }}"));
    let carrier = bench.settings.flows.len() - 1;
    assert_eq!(bench.settings.flows[carrier].name.as_str(), "ehr/ack");
    for (accept, application, change, queued) in [
        ("AL", "AL", "ADT^A03", true),
        ("NE", "AL", "ADT^A03", true),
        ("AL", "SU", "ADT^A03", true),
        ("AL", "ER", "ADT^A03", false),
        ("AL", "NE", "ADT^A03", false),
        ("", "", "ADT^A03", false),
        ("NE", "AL", "ORU^R01", true),
        ("AL", "AL", "ORU^R01", false),
    ] {
        let raw = format!("MSH|^~\\&|A|B|C|D|||{change}|17|P|2.5|||{accept}|{application}\r");
        let record = bench.record(&raw);
        let drafts: Vec<usize> = record.outbox.iter().map(|draft| draft.flow).filter(|flow| *flow == carrier).collect();
        assert_eq!(drafts.len(), usize::from(queued), "{accept} {application} {change}");
        let counted = record.outcomes.iter().filter(|(flow, _)| *flow == Some(carrier)).count();
        assert_eq!(counted, usize::from(queued), "each delivery is accounted for once (INV-02)");
        assert!(record.outcomes.iter().any(|(flow, _)| *flow != Some(carrier)), "and the message in its own flow");
    }
    let held = Bench::new("application_ack = { to = \"platform\" }\nack_after = \"delivered\"");
    let record = held.record("MSH|^~\\&|A|B|C|D|||ADT^A03|17|P|2.5|||AL|AL\r");
    assert_eq!(record.outbox.len(), 1, "only the message; its acknowledgement follows its delivery");
    assert_eq!(record.awaited.unwrap().later, Some((carrier, Condition::Always)));
}

#[test]
fn makes_the_same_delivery_of_the_same_journal_row() {
    let raw = b"MSH|^~\\&|A|B|C|D|||ADT^A03|17|P|2.5|||AL|AL\r";
    let index = Index::of(raw).unwrap();
    let utc = jiff::tz::TimeZone::UTC;
    let of = |verdict, fate| {
        let original = Original { journal: JournalId(7), received_at: NOW, verdict, expected: None };
        delivery(&index.message(raw), &original, fate, &utc).map(|bytes| String::from_utf8(bytes).unwrap())
    };
    let taken = of(Verdict::Accept, Fate::Delivered).unwrap();
    assert_eq!(taken, "MSH|^~\\&|C|D|A|B|20261122120000.000+0000||ACK^A03^ACK|A7|P|2.5|||AL|NE\rMSA|AA|17\r");
    let refused = of(Verdict::Accept, Fate::Refused { status: 422 }).unwrap();
    assert!(refused.contains("\rMSA|AE|17|not delivered: its destination refused it with status 422\rERR||"));
    assert!(of(Verdict::Accept, Fate::TooOld).unwrap().contains("MSA|AE|17|not delivered"));
    assert!(of(Verdict::Reject(Fault::UnsupportedVersion), Fate::Delivered).unwrap().contains("MSA|AR|17|"));
    assert_eq!(of(Verdict::Silent, Fate::Delivered), None);
}

#[test]
fn tells_the_end_of_deliveries_in_the_one_answer_of_original_mode() {
    let raw = b"MSH|^~\\&|A|B|C|D|||ADT^A03|17|P|2.5\r";
    let original = Original { journal: JournalId(7), received_at: NOW, verdict: Verdict::Accept, expected: Some(3) };
    let utc = jiff::tz::TimeZone::UTC;
    for (fate, expected) in [
        (Fate::Delivered, "|G7|P|2.5\rMSA|AA|17||3\r"),
        (
            Fate::Refused { status: 0 },
            "|G7|P|2.5\rMSA|AE|17|not delivered: its destination refused it|3\r\
             ERR|||207^Application internal error^HL70357|E||||not delivered: its destination refused it\r",
        ),
    ] {
        let reply = application(raw, &mut Index::default(), AckMode::Auto, &original, fate, &utc).unwrap();
        assert!(reply.bytes.ends_with(expected.as_bytes()), "{}", reply.bytes.escape_ascii());
    }
}

fn sequenced(number: &str, id: &str) -> String {
    format!("MSH|^~\\&|A|B|C|D|||ADT^A03|{id}|P|2.5|{number}\rPID|1\r")
}

#[test]
fn keeps_a_sequence_to_the_letter() {
    let bench = Bench::new("sequence = \"on\"");
    let facts = |expected| Facts { expected_sequence: expected, ..room() };
    let stream = bench.understand(&sequenced("5", "1")).sequence.unwrap().stream;
    for (expected, number, msa_4, next) in [
        (None, "5", Some("5"), Some(Some(6))),
        (Some(5), "5", Some("5"), Some(Some(6))),
        (None, "0", Some("-1"), None),
        (Some(5), "0", Some("5"), None),
        (Some(5), "-1", Some("-1"), Some(None)),
        (Some(5), "4", None, None),
        (Some(5), "6", None, None),
        (Some(5), "1", None, None),
    ] {
        let raw = sequenced(number, "1");
        match (bench.decide(&raw, &facts(expected)), msa_4) {
            (Disposition::Record(record), Some(msa_4)) => {
                let told = bench.told_of(&raw, &original(&record))[0].clone().unwrap();
                assert!(told.ends_with(&format!("\rMSA|AA|1||{msa_4}\r")), "{number}: {told}");
                let advance = record.sequence.map(|advance| (advance.stream, advance.expected));
                assert_eq!(advance, next.map(|next| (stream, next)), "{number}");
                let is_message = number.parse::<i64>().unwrap() > 0;
                assert_eq!(!record.outbox.is_empty(), is_message, "{number}: orders are not delivered");
            }
            (Disposition::OutOfSequence { expected: told }, None) => assert_eq!(Some(told), expected, "{number}"),
            (other, _) => panic!("{number}: {other:?}"),
        }
    }
    let last = Original { journal: JournalId(3), received_at: NOW, verdict: Verdict::Accept, expected: None };
    let repeated = Facts { last_in_sequence: Some(last), ..facts(Some(5)) };
    let Disposition::Repeat { original, .. } = bench.decide(&sequenced("4", "1"), &repeated) else { panic!() };
    assert_eq!((original.journal, original.expected), (JournalId(3), Some(4)), "as before: the number is echoed");
}

#[test]
fn answers_orders_of_a_sequence_whatever_is_asked() {
    let bench = Bench::new("sequence = \"on\"\nunrouted = \"reject\"\nversions = [\"2.5\"]");
    for (ask, code) in [("|", "AA"), ("NE|NE", "AA"), ("AL|AL", "CA"), ("ER|NE", "AA")] {
        for (raw, msa_4) in [
            (format!("MSH|^~\\&|A|B|C|D||||1|P|2.5|0||{ask}\r"), "-1"),
            (format!("MSH|^~\\&|A|B|C|D|||ADT^A03||P|2.3|-1||{ask}\r"), "-1"),
        ] {
            let [first, later] = bench.told(&raw);
            let first = first.unwrap();
            assert_eq!((field(segment(&first, "MSA"), 1), field(segment(&first, "MSA"), 4)), (code, msa_4), "{raw}");
            assert_eq!(later, None, "{raw}");
        }
    }
    for (ask, code) in [("|", "AE"), ("AL|NE", "CE"), ("NE|NE", "AE"), ("SU|NE", "AE")] {
        let raw = format!("MSH|^~\\&|A|B|C|D|||ADT^A03|1|P|2.5|9||{ask}\r");
        let utc = jiff::tz::TimeZone::UTC;
        let told = out_of_sequence(raw.as_bytes(), &mut Index::default(), AckMode::Auto, 5, NOW, &utc).unwrap();
        let text = String::from_utf8(told.bytes).unwrap();
        assert!(text.contains(&format!("\rMSA|{code}|1|not stored: expected sequence number 5|5\r")), "{text}");
    }
}

#[test]
fn rejects_what_is_no_sequence_number_and_keeps_it_for_a_person() {
    let bench = Bench::new("sequence = \"on\"");
    for number in ["", "-2", "1.5", "one", "\"\"", "1000000000000000"] {
        for (ask, code) in [("", "AR"), ("||AL|NE", "CR")] {
            let raw = sequenced(&format!("{number}|{ask}").replace("|||", "||"), "1");
            let record = bench.record(&raw);
            assert_eq!((record.verdict, record.sequence), (Verdict::Reject(Fault::SequenceNumber), None), "{number}");
            let told = bench.told_of(&raw, &original(&record))[0].clone().unwrap();
            assert_eq!(field(segment(&told, "MSA"), 1), code, "{told}");
            assert!(told.contains("\rERR||MSH^1^13^1|102^"), "{told}");
        }
    }
}

#[test]
fn tells_streams_apart_by_both_their_ends() {
    let bench = Bench::new("sequence = \"on\"");
    let stream = |raw: &str| bench.understand(raw).sequence.unwrap().stream;
    let own = stream(&sequenced("1", "1"));
    assert_eq!(own, stream(&sequenced("2", "9").replace("ADT^A03", "ORU^R01")), "not by message or type");
    for (from, to) in [("|A|", "|X|"), ("|B|", "|X|"), ("|C|", "|X|"), ("|D|", "|X|"), ("|A|B|", "|AB||")] {
        assert_ne!(own, stream(&sequenced("1", "1").replacen(from, to, 1)), "{to}");
    }
}

/// A message whose decision failed has its number taken, so that the sender can go on.
#[test]
fn lets_a_sequence_go_on_behind_a_message_that_broke_the_decision() {
    let bench = Bench::new("sequence = \"on\"");
    let facts = Facts { expected_sequence: Some(5), ..room() };
    let record = crate::flow::poisoned(&bench.understand(&sequenced("5", "1")), &facts);
    assert_eq!((record.expected, record.sequence.unwrap().expected), (Some(5), Some(6)));
    assert!(matches!(Answer::Stored(original(&record)), Answer::Stored(_)));
}
