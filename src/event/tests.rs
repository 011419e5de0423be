//! What HL7 fixes about an event: time, numbers, three states, and how messages are cut into events.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;
use crate::hl7::Index;

fn read(raw: &str) -> Vec<Event> {
    let index = Index::of(raw.as_bytes()).unwrap();
    let message = index.message(raw.as_bytes());
    let charset = message.charset(None);
    let zone = TimeZone::get("America/New_York").unwrap();
    scopes(message, &charset).iter().map(|scope| Event::of(scope, &zone, Needs::default())).collect()
}

/// The segment with `values` at these fields.
fn segment(name: &str, values: &[(usize, &str)]) -> String {
    let mut fields = vec![""; 1 + values.iter().map(|(field, _)| *field).max().unwrap_or(0)];
    for (field, value) in values {
        fields[*field] = value;
    }
    format!("{name}{}\r", fields.join("|"))
}

fn number(number: &Option<Phi<Identifier>>) -> String {
    number.as_ref().map(|number| number.reveal().value.clone()).unwrap_or_default()
}

#[test]
fn takes_the_time_of_the_event_from_the_first_place_that_can_be_read() {
    let time = |kind: &str, segments: &[(&str, &[(usize, &str)])]| {
        let mut raw = format!("MSH|^~\\&|A|B|||202601010000||{kind}|1|P|2.5\r");
        raw.extend(segments.iter().map(|(name, values)| segment(name, values)));
        read(&raw).remove(0).time.unwrap().date_time().get(..16).unwrap().to_owned()
    };
    let (recorded, both) = (&[(2, "202602020000")][..], &[(2, "202602020000"), (6, "202606060000")][..]);
    let discharged = ("PV1", &[(45, "202604050000")][..]);
    assert_eq!(time("ADT^A03", &[("EVN", both), discharged]), "2026-06-06T00:00");
    assert_eq!(time("ADT^A03", &[("EVN", recorded), discharged]), "2026-04-05T00:00");
    assert_eq!(time("ADT^A01", &[("EVN", recorded), discharged]), "2026-02-02T00:00");
    assert_eq!(time("MDM^T02", &[("EVN", recorded), ("TXA", &[(6, "202609090000")])]), "2026-02-02T00:00");
    assert_eq!(time("ADT^A03", &[("EVN", &[(2, "yesterday")]), ("PV1", &[(45, "\"\"")])]), "2026-01-01T00:00");
    let ordered: (&str, &[(usize, &str)]) = ("ORC", &[(1, "NW"), (9, "202601010930")]);
    for kind in ["ORM^O01", "OMG^O19", "OMS^O05", "OMP^O09", "RDE^O11"] {
        assert_eq!(time(kind, &[ordered]), "2026-01-01T09:30", "{kind}");
        assert_eq!(time(kind, &[("ORC", &[(1, "NW"), (9, "soon")])]), "2026-01-01T00:00", "{kind}");
    }
    let reported: (&str, &[(usize, &str)]) = ("OBR", &[(7, "202512310800"), (22, "202512310930")]);
    assert_eq!(time("ORU^R01", &[reported]), "2025-12-31T09:30");
    assert_eq!(time("SIU^S12", &[("SCH", &[(11, "^^^202605050900")])]), "2026-01-01T00:00");
    assert_eq!(time("REF^I12", &[("RF1", &[(7, "202605050900")])]), "2026-01-01T00:00");
}

#[test]
fn keeps_to_the_zone_of_the_link_and_says_what_a_change_of_clocks_did() {
    let time = |sent: &str, told: &str| {
        let raw = format!("MSH|^~\\&|A|B|||{sent}||ADT^A02|1|P|2.5\rEVN||{told}\r");
        let when = read(&raw).remove(0).time.unwrap();
        (when.date_time().to_owned(), when.clock())
    };
    // The offset of MSH-7 is not lent: EVN-2 is a time of the summer.
    assert_eq!(time("20260101120000-0500", "202607011200"), ("2026-07-01T12:00:00-04:00".into(), Clock::Certain));
    assert_eq!(time("20260101120000", "202607011200+0200"), ("2026-07-01T12:00:00+02:00".into(), Clock::Certain));
    assert_eq!(time("2026", "20260308023000"), ("2026-03-08T07:30:00Z".into(), Clock::Skipped));
    assert_eq!(time("2026", "20261101013000"), ("2026-11-01T01:30:00-04:00".into(), Clock::Repeated));
}

#[test]
fn reads_patient_visit_and_three_states() {
    let pid = [
        (3, "7^^^GH^MR~8^^^GH^PI"),
        (5, "Quill^Ada"),
        (7, "195002"),
        (8, "\"\""),
        (11, "1 Elm^^Mill"),
        (13, "555"),
        (18, "A1"),
    ];
    let pv1 = [(2, "I"), (6, "\"\""), (19, "V1^^^GH"), (36, "03"), (45, "20260102")];
    let raw = "MSH|^~\\&|ADT&1.2&ISO|GH^3.4^ISO|||2026||ADT^A03|1|P|2.5\r".to_owned();
    let event = read(&(raw + &segment("PID", &pid) + &segment("PV1", &pv1))).remove(0);
    assert_eq!((event.code.as_str(), event.trigger.as_str(), event.class), ("ADT", "A03", Class::Visit));
    assert_eq!((event.application.as_deref(), event.facility.as_deref()), (Some("ADT"), Some("GH")));
    let patient = &event.patient;
    assert_eq!(patient.identifiers[1].reveal().value, "8");
    assert_eq!(patient.names[0].reveal().given, "Ada");
    assert_eq!(patient.birth_date.known().unwrap().reveal().date(), "1950-02");
    assert_eq!((&patient.sex, &patient.death_indicator), (&Given::Null, &Given::Absent));
    assert_eq!((number(&patient.account_number), number(&event.visit.number)), ("A1".into(), "V1".into()));
    assert!(event.visit.prior_location == Given::Null && event.visit.admitted.is_none());
    assert!(event.order.is_none() && event.patient.merged == Merged::default());
}

#[test]
fn reads_one_event_for_each_order() {
    for kind in ["ORM^O01", "OMG^O19", "OMS^O05", "OMP^O09", "RDE^O11", "ORU^R01"] {
        let raw = format!("MSH|^~\\&|A|B|||2026||{kind}|1|P|2.5\rPID|1||7\r")
            + &segment("ORC", &[(1, "NW"), (2, "P1^EHR")])
            + &segment("OBR", &[(3, "F1")])
            + &segment("ORC", &[(1, "CA")])
            + &segment("OBR", &[(2, "P2")]);
        let events = read(&raw);
        let orders: Vec<&Order> = events.iter().map(|event| event.order.as_ref().unwrap()).collect();
        assert_eq!(orders.len(), 2, "{kind}");
        assert_eq!(
            (number(&orders[0].placer_order_number), number(&orders[0].filler_order_number)),
            ("P1".into(), "F1".into())
        );
        assert_eq!((orders[1].control.as_str(), number(&orders[1].placer_order_number)), ("CA", "P2".into()));
    }
}

#[test]
fn keeps_what_is_no_order_message_in_one_event() {
    for (kind, class) in [
        ("SIU^S12", Class::Appointment),
        ("REF^I12", Class::Referral),
        ("MDM^T02", Class::Document),
        ("DFT^P03", Class::Billing),
        ("BAR^P01", Class::Billing),
        ("ADT^A31", Class::Person),
        ("VXU^V04", Class::Other),
    ] {
        let raw = format!("MSH|^~\\&|A|B|||2026||{kind}|1|P|2.5\rPID|1||7\rOBR|1|P1\rOBR|2|P2\r");
        let events = read(&raw);
        assert_eq!((events.len(), events[0].class), (1, class), "{kind}");
    }
}

#[test]
fn tells_the_patients_of_a_merge_apart() {
    let raw = "MSH|^~\\&|A|B|||2026||ADT^A40|1|P|2.5\rEVN||2026\r\
               PID|1||7^^^GH^MR\rMRG|8^^^GH^MR~9^^^GH^PI||A8||V8\rPID|2||17\rMRG|18\r";
    let events = read(raw);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].class, Class::Identity);
    let merged = &events[0].patient.merged;
    assert_eq!(merged.identifiers.iter().map(|number| number.reveal().value.as_str()).collect::<Vec<_>>(), ["8", "9"]);
    assert_eq!((number(&merged.account_number), number(&merged.visit_number)), ("A8".into(), "V8".into()));
    assert_eq!(events[1].patient.merged.identifiers[0].reveal().value, "18");
    for (trigger, class) in [("A18", Class::Identity), ("A45", Class::Identity), ("A17", Class::Visit)] {
        assert_eq!(read(&raw.replace("A40", trigger))[0].class, class);
    }
}

proptest! {
    #[test]
    fn never_panics_and_prints_nothing(
        fields in "[A-Za-z0-9^&~|\\\\\"-]{0,200}",
        name in "PID|PV1|PV2|ORC|OBR|OBX|TQ1|EVN|MRG",
        kind in "ADT\\^A03|ADT\\^A40|ORM\\^O01|ORU\\^R01|SIU\\^S12",
    ) {
        let events = read(&format!("MSH|^~\\&|A|B|||2026||{kind}|1|P|2.5\rPID|1||7||Zyxwv\r{name}|{fields}\r"));
        let debug = format!("{events:?}");
        prop_assert!(!debug.contains("Zyxwv"));
    }
}
