//! The report of every kind of message, value by value.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::{
    hl7::{
        Index,
        profile::{Level, Profiles, validate},
    },
    lis02::corpus,
};

fn zone() -> TimeZone {
    TimeZone::get("America/Chicago").unwrap()
}

fn context(zone: &TimeZone) -> Context<'_> {
    Context { site: "st-example", zone, encoding: None, received_at: Timestamp(1_772_000_000_000), control_id: "KEY1" }
}

fn made(raw: &[u8]) -> Result<Outcome, Refusal> {
    let zone = zone();
    report(&Message::parse(raw).unwrap(), &context(&zone))
}

fn lines(raw: &str) -> Vec<String> {
    match made(raw.as_bytes()) {
        Ok(Outcome::Report(bytes)) => {
            let text = String::from_utf8(bytes).unwrap();
            text.strip_suffix('\r').unwrap().split('\r').map(str::to_owned).collect()
        }
        other => panic!("{raw:?}: {other:?}"),
    }
}

/// One segment of the message with this result record.
fn segment(name: &str, result: &str) -> String {
    let lines = lines(&corpus::with("H|\\^&", result));
    lines.into_iter().find(|line| line.starts_with(name)).unwrap()
}

fn refused(raw: &str) -> String {
    let refusal = made(raw.as_bytes()).unwrap_err();
    format!("{} {refusal}", refusal.reason.as_str())
}

#[test]
fn writes_a_whole_report() {
    let raw = "H|\\^&|4711||zzanalyzer^2.1^SN-7|||||ZZLIS||P|LIS2-A2|20261126083000\r\
        C|1|I|start of shift|G\r\
        P|1|ZZ-P|ZZ-4711||SAMPLE^ANNA^B||19700101|F||1 TEST ST^TESTVILLE^IL^60000^US||555-0100|ZZ-DOC^DEMO^D|||||||||||I|WARD 3\r\
        C|1|L|fasting|G\r\
        O|1|S-100^2^5|I-7|^^^GLU|S|20261126070000|20261126073000|||ZZ-N||||20261126080000|SER^ARM|ZZ-DOC^DEMO^D|||||||||F\r\
        C|1|L|add-on|G\r\
        R|1|2345-7^Glucose^LN^GLU^1|5.8|mmol/L|3.9 to 5.6|H|N|F||ZZ-OP^ZZ-VER|20261126082800|20261126082900|c1\r\
        C|1|I|near | the limit|I\r\
        L|1|N\r"
        .replace("near | the", "near &F& the");
    assert_eq!(
        lines(&raw),
        [
            "MSH|^~\\&|zzanalyzer|st-example|ZZLIS||20261126083000-0600||ORU^R01^ORU_R01|KEY1|P|2.5.1",
            "PID|1||ZZ-P^^^^PT~ZZ-4711^^^^PI||SAMPLE^ANNA^B||19700101|F|||1 TEST ST^^TESTVILLE^IL^60000^US||555-0100",
            "NTE|1|L|fasting|RE^Remark^HL70364",
            "PV1|1|I|WARD 3||||ZZ-DOC^DEMO^D",
            "OBR|1|S-100|I-7|GLU^^L||20261126070000-0600|20261126073000-0600|||ZZ-N||||20261126080000-0600||ZZ-DOC^DEMO^D|||||||||F||^^^^^S",
            "NTE|1|O|start of shift|RE^Remark^HL70364",
            "NTE|2|L|add-on|RE^Remark^HL70364",
            "OBX|1|NM|2345-7^Glucose^LN^GLU^^L|1|5.8|mmol/L|3.9 to 5.6|H||N|F|||20261126073000-0600||ZZ-OP~ZZ-VER||c1|20261126082900-0600",
            "NTE|1|O|near \\F\\ the limit|I^^99LIS02",
            "SPM|1|S-100^I-7||SER||||ARM|||||||||20261126073000-0600|20261126080000-0600",
        ]
    );
}

#[test]
fn writes_what_its_own_profile_takes_for_every_good_message() {
    let profiles = Profiles::builtin().unwrap();
    let lenient = profiles.get("lenient", 1).unwrap();
    let mut reports = 0;
    for (about, text) in corpus::good() {
        let Ok(Outcome::Report(bytes)) = made(text.as_bytes()) else { continue };
        assert_eq!(about, "R");
        let index = Index::of(&bytes).unwrap();
        let message = index.message(&bytes);
        assert!(index.findings().is_clean(), "{text:?}: {:?}", index.findings());
        let findings = validate(&message, lenient);
        assert!(
            findings.worst().is_none_or(|worst| worst.level < Level::Error),
            "{text:?}: {:?}",
            findings.list().iter().map(|finding| finding.line()).collect::<Vec<_>>()
        );
        reports += 1;
    }
    assert!(reports > 30, "{reports}");
}

#[test]
fn translates_the_letters_of_the_status_by_their_meaning() {
    for (status, expected) in [
        ("C", "C"),
        ("P", "P"),
        ("F", "F"),
        ("X", "X"),
        ("I", "I"),
        ("S", "S"),
        ("V", "F"),
        ("M", "F"),
        ("R", "F"),
        ("Q", "F"),
        ("W", "R"),
        ("", "R"),
        ("f", "F"),
        ("F\\W", "R"),
        ("W\\F", "R"),
        ("F\\V", "F"),
        ("\"\"", "R"),
    ] {
        let obx = segment("OBX", &format!("R|1|^^^GLU|5.8|||||{status}"));
        assert_eq!(obx.split('|').nth(11).unwrap(), expected, "{status}");
    }
    for status in ["N", "Z", "FF", "F\\N", "9"] {
        let raw = corpus::with("H|\\^&", &format!("R|1|^^^GLU|5.8|||||{status}"));
        assert_eq!(refused(&raw), "unmapped-code R/1-9: HL7 has no such result status", "{status}");
    }
}

#[test]
fn carries_flags_over_and_keeps_those_of_the_device() {
    for (flags, expected) in
        [("H", "H"), ("<", "<"), ("LL\\A", "LL~A"), ("ZZ^1", "ZZ\\S\\1"), ("", ""), ("\"\"", "\"\"")]
    {
        let obx = segment("OBX", &format!("R|1|^^^GLU|5.8|||{flags}||F"));
        assert_eq!(obx.split('|').nth(8).unwrap(), expected, "{flags}");
    }
}

#[test]
fn types_values_by_what_they_are_and_escapes_all_of_them() {
    let long = "x".repeat(300);
    for (value, expected) in [
        ("5.8", "NM||5.8".to_owned()),
        ("-0.5", "NM||-0.5".to_owned()),
        ("5.", "ST||5.".to_owned()),
        ("1.2.3", "ST||1.2.3".to_owned()),
        ("<0.5", "ST||<0.5".to_owned()),
        (" 5.8", "ST|| 5.8".to_owned()),
        ("1e5", "ST||1e5".to_owned()),
        ("", "||".to_owned()),
        ("\"\"", "ST||\"\"".to_owned()),
        ("Nonreactive^0.12", "ST||Nonreactive\\S\\0.12".to_owned()),
        ("a\\b", "ST||a\\R\\b".to_owned()),
        ("a&F&MSH~&E&", "ST||a\\F\\MSH\\R\\\\T\\".to_owned()),
        ("&X0D&PID", "ST||\\X0D\\PID".to_owned()),
        (&long, format!("TX||{long}")),
    ] {
        let obx = segment("OBX", &format!("R|1|^^^GLU|{value}|||||F"));
        let fields: Vec<_> = obx.split('|').collect();
        assert_eq!([fields[2], fields[4], fields[5]].join("|"), expected, "{value}");
    }
}

#[test]
fn names_tests_by_their_universal_and_their_local_code() {
    for (id, expected) in [
        ("^^^GLU", "GLU^^L|"),
        ("2345-7^Glucose^LN", "2345-7^Glucose^LN|"),
        ("2345-7^Glucose^LN^GLU", "2345-7^Glucose^LN^GLU^^L|"),
        ("^Glucose^^GLU", "GLU^Glucose^L|"),
        ("^^^^WBC^1", "WBC^^L|1"),
        ("^^^GLU^1^2", "GLU^^L|1.2"),
    ] {
        let obx = segment("OBX", &format!("R|1|{id}|5.8|||||F"));
        assert_eq!(obx.split('|').skip(3).take(2).collect::<Vec<_>>().join("|"), expected, "{id}");
    }
    for id in ["", "^^^", "^Glucose"] {
        let raw = corpus::with("H|\\^&", &format!("R|1|{id}|5.8|||||F"));
        assert_eq!(refused(&raw), "missing-field R/1-3: a result names its test", "{id}");
    }
}

#[test]
fn groups_results_by_test_where_the_order_names_several_or_none() {
    for ordered in ["^^^K\\^^^NA", ""] {
        let raw = format!(
            "H|\\^&\rP|1\rO|1|S-1||{ordered}\rR|1|^^^K|4.1|||||F\rR|2|^^^NA|140|||||P\rR|3|^^^K|4.2|||||F\rL|1\r"
        );
        let lines = lines(&raw);
        let found: Vec<String> =
            lines[1..].iter().map(|line| line.split('|').take(6).collect::<Vec<_>>().join("|")).collect();
        assert_eq!(
            found,
            [
                "OBR|1|S-1|S-1|K^^L|",
                "OBX|1|NM|K^^L||4.1",
                "OBX|2|NM|K^^L||4.2",
                "SPM|1|S-1||U^Unknown^HL70353",
                "OBR|2|S-1|S-1|NA^^L|",
                "OBX|1|NM|NA^^L||140",
                "SPM|1|S-1||U^Unknown^HL70353",
            ]
        );
    }
}

#[test]
fn keeps_patients_apart_and_leaves_nameless_ones_out() {
    let raw = "H|\\^&\rP|1||ZZ-1\rO|1|S-1||^^^K\rR|1|^^^K|4|||||F\rP|2\rC|1|L|no name|G\rO|1|S-2||^^^K\rR|1|^^^K|5|||||F\rP|3||ZZ-3\rL|1\r";
    let names: Vec<String> = lines(raw).iter().map(|line| line.chars().take(3).collect()).collect();
    assert_eq!(names, ["MSH", "PID", "OBR", "OBX", "SPM", "OBR", "NTE", "OBX", "SPM"]);
}

#[test]
fn gives_times_the_zone_of_the_link_and_refuses_what_is_none() {
    for (at, expected) in [
        ("20260701083000", "20260701083000-0500"),
        ("202607010830", "202607010830-0500"),
        ("20260701", "20260701"),
        ("20260701083000+0200", "20260701083000+0200"),
        ("20260308023000", "20260308083000+0000"),
        ("20261101013000", "20261101013000-0500"),
        ("", ""),
    ] {
        let obx = segment("OBX", &format!("R|1|^^^GLU|5.8|||||F||||{at}"));
        assert_eq!(obx.split('|').nth(19).unwrap_or_default(), expected, "{at}");
    }
    for at in ["today", "20261340", "2026112608300", "26.11.2026"] {
        let raw = corpus::with("H|\\^&", &format!("R|1|^^^GLU|5.8|||||F||||{at}"));
        assert_eq!(refused(&raw), "unreadable-value R/1-13: expected a date or a time", "{at}");
    }
}

#[test]
fn says_of_controls_and_of_trial_messages_what_they_are() {
    let qc = lines("H|\\^&\rP|1\rO|1|QC-1||^^^GLU|||||||Q\rR|1|^^^GLU|5|||||F\rL|1\r");
    assert!(qc.iter().any(|line| line == "SPM|1|QC-1||U^Unknown^HL70353|||||||Q^^HL70369"), "{qc:?}");
    for (id, expected) in [("", "P"), ("P", "P"), ("Q", "P"), ("T", "T"), ("D", "D")] {
        let lines = lines(&corpus::with(&format!("H|\\^&||||||||||{id}"), "R|1|^^^GLU|5|||||F"));
        assert_eq!(lines[0].split('|').nth(10).unwrap(), expected, "{id}");
    }
    assert!(refused(&corpus::with("H|\\^&||||||||||X", "R|1|^^^GLU|5|||||F")).starts_with("unmapped-code H/1-12"));
}

#[test]
fn refuses_what_was_broken_off_and_passes_over_what_has_no_results() {
    for code in ["T", "R", "E"] {
        let raw = format!("H|\\^&\rP|1\rO|1|S||^^^A\rR|1|^^^A|1|||||F\rL|1|{code}\r");
        assert!(refused(&raw).starts_with("broken-off L/1-3"), "{code}");
    }
    for raw in ["H|\\^&\rL|1\r", "H|\\^&\rQ|1|^S\rL|1\r", "H|\\^&\rP|1\rO|1|S||^^^A\rL|1\r", "H|\\^&\rM|1|x\rL|1|T\r"] {
        assert_eq!(made(raw.as_bytes()), Ok(Outcome::NotApplicable), "{raw}");
    }
}

#[test]
fn bounds_a_report_whose_order_is_repeated_with_each_test() {
    let order = format!("O|1|S-1||{}{}", "|".repeat(9), "x".repeat(1 << 20));
    let results: String = (1..=200).map(|test| format!("R|{test}|^^^T{test}|1|||||F\r")).collect();
    let raw = format!("H|\\^&\rP|1\r{order}\r{results}L|1\r");
    assert!(refused(&raw).starts_with("too-large O/1-1"));
    let fewer = raw.split_inclusive('\r').filter(|line| !line.starts_with("R|") || line.len() < 22).take(20);
    let fewer: String = fewer.chain(["L|1\r"]).collect();
    assert_eq!(lines(&fewer).iter().filter(|line| line.starts_with("OBR")).count(), 17);
}

/// Comments on an order stand behind its first test only.
#[test]
fn says_a_comment_once() {
    let raw = "H|\\^&\rP|1\rO|1|S-1||\rC|1|L|add-on|G\rR|1|^^^K|4|||||F\rR|2|^^^NA|140|||||F\rL|1\r";
    let names: Vec<String> = lines(raw).iter().map(|line| line.chars().take(3).collect()).collect();
    assert_eq!(names, ["MSH", "OBR", "NTE", "OBX", "SPM", "OBR", "OBX", "SPM"]);
}

#[test]
fn writes_letters_of_every_set_as_utf_8_and_says_so() {
    let utf_8 = corpus::with("H|\\^&", "R|1|^^^GLU|positiv für Ä|||||F").into_bytes();
    let latin: Vec<u8> =
        String::from_utf8(utf_8.clone()).unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let [a, b] = [&utf_8, &latin].map(|raw| made(raw).unwrap());
    assert_eq!(a, b);
    let Outcome::Report(bytes) = a else { panic!("a report") };
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("|positiv für Ä|") && text.contains("|2.5.1||||||UNICODE UTF-8\r"), "{text}");
    let zone = zone();
    let cyrillic = Context { encoding: Encoding::named("windows-1251"), ..context(&zone) };
    let raw = [b"H|\\^&\rP|1\rO|1|S\rR|1|^^^A|".as_slice(), b"\xcf\xee\xeb", b"|||||F\rL|1\r"].concat();
    let Ok(Outcome::Report(bytes)) = report(&Message::parse(&raw).unwrap(), &cyrillic) else { panic!("a report") };
    assert!(String::from_utf8(bytes).unwrap().contains("|Пол|"));
}

proptest! {
    /// Whatever stands in the fields, what comes out is one message of known segments, made the same way each time.
    #[test]
    fn never_lets_a_value_out_of_its_field(fields in prop::collection::vec("[ -~]{0,20}|[\\PC\r]{0,8}", 40)) {
        let at = |place: usize| fields[place].replace(['\r', '\n'], "&X0D&");
        let raw = format!(
            "H|\\^&|{}||{}\rP|1|{}|{}||{}\rC|1|I|{}|G\rO|1|{}||{}\rR|1|^^^GLU{}|{}|{}|{}|{}||F||{}\rC|1|{}|{}|{}\rL|1|N\r",
            at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8), at(9), at(10), at(11), at(12), at(13), at(14), at(15), at(16)
        );
        if let Ok(message) = Message::parse(raw.as_bytes()) {
            let zone = zone();
            let made = report(&message, &context(&zone));
            prop_assert_eq!(&made, &report(&message, &context(&zone)));
            if let Ok(Outcome::Report(bytes)) = made {
                let index = Index::of(&bytes).unwrap();
                let known = ["MSH", "PID", "PV1", "OBR", "OBX", "NTE", "SPM"];
                for segment in index.message(&bytes).segments() {
                    prop_assert!(known.iter().any(|name| name.as_bytes() == segment.name()));
                }
                prop_assert_eq!(bytes.iter().filter(|byte| **byte == b'\r').count(), index.message(&bytes).segments().count());
            }
        }
    }
}
