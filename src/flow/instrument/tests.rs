//! What is understood of messages that are not HL7, and what is decided on them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::{
    flow::{Disposition, Facts, Outcome as Standing, Record, Verdict, decide},
    hl7::Index,
    mapping::Registry,
    settings::{self, Known, Priority},
};

const SITE: &str = include_str!("../../../config/sites/loopback/gurney.toml");
const NOW: Timestamp = Timestamp(1_795_348_800_000);

struct Bench {
    flows: Flows,
    link: usize,
}

impl Bench {
    /// The loopback site with a device of this framing, its raw flow and one of `oru@1` where it can have it.
    fn new(framing: &str) -> Self {
        let rest = "pattern = \"event\"\ntarget = \"1 min\"\nowner = \"L\"\nescalate = [\"l\"]\n";
        let to = "to = \"platform\"\n";
        let oru = match framing {
            "lis01" => format!("[flow.oru]\nfrom = \"device\"\non = [\"LIS02^R\"]\n{to}mapping = \"oru@1\"\n{rest}"),
            _ => String::new(),
        };
        let text = format!(
            "{SITE}\n[serial.device]\nport = \"/dev/ttyS0\"\nline = \"9600 8N1\"\nframing = \"{framing}\"\n\
             [flow.raw]\nfrom = \"device\"\non = [\"*\"]\n{to}mapping = \"raw\"\n{rest}{oru}"
        );
        let known = Known::nothing(NOW);
        let files = [("gurney.toml".to_owned(), text)];
        let settings = settings::read(&files, &known).unwrap_or_else(|faults| panic!("{faults}")).settings;
        let flows = Flows::new(&settings, Arc::new(Registry::builtin().unwrap()));
        let link = settings.links.iter().position(|link| link.name.as_str() == "device").unwrap();
        Self { flows, link }
    }

    fn understand(&self, raw: &str) -> Understood {
        self.flows.understand(self.link, NOW, raw.as_bytes(), &mut Index::default())
    }

    fn record(&self, raw: &str) -> Record {
        let facts = Facts { room_for: Some(Priority::Routine), ..Facts::default() };
        match decide(&self.understand(raw), &facts, &self.flows) {
            Disposition::Record(record) => record,
            other => panic!("{other:?}"),
        }
    }

    /// Where a message stands in each flow, and why where it waits for a person.
    fn standing(&self, raw: &str) -> (Vec<Standing>, Vec<&'static str>) {
        let record = self.record(raw);
        let outcomes = record.outcomes.iter().map(|(_, outcome)| *outcome).collect();
        (outcomes, record.aside.iter().map(|aside| aside.reason).collect())
    }
}

fn result(header: &str, result: &str) -> String {
    format!("{header}\rP|1\rO|1|S-1||^^^GLU\r{result}\rL|1|N\r")
}

const GOOD: &str = "R|1|^^^GLU|5.8|mmol/L||N||F";

#[test]
fn names_messages_by_what_they_are_about() {
    let bench = Bench::new("lis01");
    for (raw, kind) in [
        (result("H|\\^&", GOOD).as_str(), "LIS02^R"),
        ("H|\\^&\rQ|1|^S\rL|1\r", "LIS02^Q"),
        ("H|\\^&\rP|1\rO|1|S\rL|1\r", "LIS02^O"),
        ("H|\\^&\rL|1\r", "LIS02"),
        ("MSH|^~\\&|A\r", ""),
    ] {
        assert_eq!(bench.understand(raw).kind, kind, "{raw}");
    }
    assert_eq!(Bench::new("line").understand("H|\\^&\rL|1\r").kind, "TEXT");
    assert_eq!(Bench::new("hllp").understand("MSH|^~\\&|A|||||| ADT^A03|1").kind, "ADT^A03");
}

#[test]
fn delivers_holds_and_passes_over_by_flow() {
    use Standing::{Held, Quarantined, Waiting};
    let bench = Bench::new("lis01");
    for (raw, outcomes, reasons) in [
        (result("H|\\^&", GOOD), vec![Waiting, Waiting], vec![]),
        ("H|\\^&\rQ|1|^S\rL|1\r".to_owned(), vec![Waiting], vec![]),
        (result("H|\\^&", "R|1|^^^GLU|5|||||N"), vec![Waiting, Quarantined], vec!["unmapped-code"]),
        (result("H|\\^&", "R|1|^^^GLU|5|||||F||||now"), vec![Waiting, Held], vec!["unreadable-value"]),
        (result("H|\\^&", "R|1||5|||||F"), vec![Waiting, Held], vec!["missing-field"]),
        (result("H|\\^&", GOOD).replace("L|1|N", "L|1|E"), vec![Waiting, Held], vec!["broken-off"]),
        ("H|\\^&\rP|1\r".to_owned(), vec![Quarantined], vec!["unparsable"]),
    ] {
        assert_eq!(bench.standing(&raw), (outcomes, reasons), "{raw}");
    }
    let text = Bench::new("line");
    assert_eq!(text.standing("anything"), (vec![Waiting], vec![]));
    assert_eq!(text.standing("MSH|"), (vec![Waiting], vec![]));
    assert_eq!(Bench::new("hllp").standing("H|\\^&\rL|1\r"), (vec![Quarantined], vec!["unparsable"]));
    let refused = bench.record("H|\\^&\rP|1\r");
    assert_eq!(refused.verdict, Verdict::Reject(Fault::Unparsable));
    assert_eq!(refused.aside[0].detail, "line 3: expected an L record at the end, found none");
}

#[test]
fn knows_a_repeat_by_sender_control_id_and_content() {
    let bench = Bench::new("lis01");
    let print = |header: &str, value: &str| {
        let message = bench.understand(&result(header, &format!("R|1|^^^GLU|{value}|||||F")));
        (message.fingerprint.unwrap(), message.content_hash)
    };
    let first = print("H|\\^&|7||A", "5");
    assert_eq!(first, print("H|\\^&|7||A", "5"));
    assert_eq!(first.0, print("H|\\^&|7||A", "6").0, "a control id used again is told by the content");
    assert_ne!(first.1, print("H|\\^&|7||A", "6").1);
    assert_ne!(first.0, print("H|\\^&|8||A", "5").0);
    assert_ne!(first.0, print("H|\\^&|7||B", "5").0);
    let bare = print("H|\\^&|||A", "5");
    assert_eq!(bare, print("H|\\^&|||A", "5"));
    assert_ne!(bare.0, print("H|\\^&|||A", "6").0, "without one the content is what tells messages apart");
    // Whoever asks again wants to be told again.
    assert_eq!(bench.understand("H|\\^&|||A\rQ|1|^S\rL|1\r").fingerprint, None);
    assert!(bench.understand("H|\\^&|9||A\rQ|1|^S\rL|1\r").fingerprint.is_some());
    assert_eq!(Bench::new("line").understand("room 12").fingerprint, None);
}

#[test]
fn makes_the_same_report_of_the_same_delivery_and_another_control_id_for_another() {
    let bench = Bench::new("lis01");
    let raw = result("H|\\^&|7||A", GOOD);
    let report = |key: u128| {
        bench.flows.observation_report(Some(bench.link), raw.as_bytes(), NOW, DeliveryKey(Uuid::from_u128(key)))
    };
    let [first, again, other] = [1 << 100, 1 << 100, 1 << 90].map(|key| report(key).unwrap());
    assert_eq!(first, again);
    assert_ne!(first, other);
    let id = |bytes: &[u8]| {
        let index = Index::of(bytes).unwrap();
        String::from_utf8(index.message(bytes).control_id().to_vec()).unwrap()
    };
    assert_eq!((id(&first).as_str(), id(&other).as_str()), ("00000010000000000000", "00000000040000000000"));
    assert_eq!(bench.flows.observation_report(None, b"H|\\^&\rL|1\r", NOW, DeliveryKey(Uuid::nil())), None);
    assert_eq!(bench.flows.observation_report(None, b"MSH|", NOW, DeliveryKey(Uuid::nil())), None);
}

#[test]
fn names_the_sender_and_the_control_id_of_a_stored_message() {
    let read = |raw: &[u8]| named(&Text::of(raw, None));
    let expected = Named { sender: b"A^1".to_vec(), control_id: b"7".to_vec() };
    assert_eq!(read(b"H|\\^&|7||A^1\rL|1\r"), expected);
    assert_eq!(read(b"no records"), Named::default());
}
