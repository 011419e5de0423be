//! transport@1 against its corpus: `tests/corpus/transport/NN-name/in.hl7` and what must come of it, `out.json` (the
//! Bundle) or `out.txt` (why there is none). `UPDATE_GOLDEN=1` writes what comes of it now, for a person to read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{fs, path::Path, sync::LazyLock};

use gurney::{
    hl7::Index,
    mapping::{CodeSystem, Context, Map, Outcome, Prepared, Reason, Refusal, Registry, STANDARD, Verb},
    sim::{
        ehr::{Dialect, Generator, Kind, Profile},
        platform::Store,
    },
    units::Timestamp,
};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::Value;

#[path = "mapping/dialects.rs"]
mod dialects;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::builtin().unwrap());
static ZONE: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get("America/New_York").unwrap());

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/transport");

fn map() -> &'static Map {
    REGISTRY.get("transport", 1).unwrap()
}

fn prepare(raw: &[u8]) -> Result<Outcome, Refusal> {
    let index = Index::of(raw).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, raw);
    let context = Context {
        site: "loopback",
        zone: &ZONE,
        encoding: None,
        received_at: Timestamp(1_795_184_400_123),
        source_hash: digest.as_ref().try_into().unwrap(),
        dialect: STANDARD,
    };
    map().prepare(&index.message(raw), &context)
}

fn prepared(name: &str) -> Prepared {
    match prepare(&input(name)) {
        Ok(Outcome::Send(prepared)) => prepared,
        other => panic!("{name}: {other:?}"),
    }
}

fn bundle(name: &str) -> Value {
    serde_json::from_slice(&prepared(name).render()).unwrap()
}

fn refusal(name: &str) -> Refusal {
    prepare(&input(name)).unwrap_err()
}

fn input(name: &str) -> Vec<u8> {
    fs::read(Path::new(CORPUS).join(name).join("in.hl7")).unwrap()
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(CORPUS).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort_unstable();
    assert!(names.len() >= 36, "the corpus is not where it should be");
    names
}

/// What comes of a message: the file it is kept in and its content.
fn result(raw: &[u8]) -> (&'static str, String) {
    match prepare(raw) {
        Ok(Outcome::Send(prepared)) => {
            let bundle: Value = serde_json::from_slice(&prepared.render()).unwrap();
            ("out.json", format!("{}\n", serde_json::to_string_pretty(&bundle).unwrap()))
        }
        Ok(Outcome::NotApplicable) => ("out.txt", "not applicable\n".to_owned()),
        Err(refusal) => ("out.txt", format!("refused ({}): {refusal}\n", refusal.reason().as_str())),
    }
}

/// The resources of a type.
fn resources<'b>(bundle: &'b Value, kind: &str) -> Vec<&'b Value> {
    let entries = bundle["entry"].as_array().unwrap().iter();
    entries.map(|entry| &entry["resource"]).filter(|resource| resource["resourceType"] == kind).collect()
}

#[test]
fn makes_of_every_message_of_the_corpus_what_is_kept_beside_it() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differ = Vec::new();
    for name in names() {
        let (file, text) = result(&input(&name));
        let path = Path::new(CORPUS).join(&name).join(file);
        if update {
            fs::write(&path, &text).unwrap();
        } else if fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
            differ.push(name);
        }
    }
    assert!(differ.is_empty(), "differ from their golden files: {differ:?}");
}

#[test]
fn writes_only_what_fhir_allows_in_every_bundle() {
    for name in names() {
        let raw = input(&name);
        if let Ok(Outcome::Send(prepared)) = prepare(&raw) {
            let bytes = prepared.render();
            check(&name, &serde_json::from_slice(&bytes).unwrap());
            let Ok(Outcome::Send(again)) = prepare(&raw) else { panic!("{name}: differs when repeated") };
            assert_eq!(again.render(), bytes, "{name}: other bytes when repeated");
            assert_eq!(again.jobs, prepared.jobs, "{name}: other jobs when repeated");
        }
    }
}

/// Rules that no validator tried knows: references resolve, nothing is empty, entries have requests, references stand
/// on entries that come in the Bundle.
fn check(name: &str, bundle: &Value) {
    assert_eq!(bundle["resourceType"], "Bundle", "{name}");
    assert_eq!(bundle["type"], "transaction", "{name}");
    let mut urls = Vec::new();
    for entry in bundle["entry"].as_array().unwrap() {
        let url = entry["fullUrl"].as_str().unwrap();
        assert!(url.starts_with("urn:uuid:") && url.len() == 45, "{name}: {url}");
        assert!(!urls.contains(&url), "{name}: {url} twice");
        urls.push(url);
        let kind = entry["resource"]["resourceType"].as_str().unwrap();
        let request = &entry["request"];
        match request["method"].as_str().unwrap() {
            "POST" => {
                assert_eq!(request["url"], kind, "{name}");
                assert!(request["ifNoneExist"].as_str().unwrap().contains('|'), "{name}");
            }
            "PUT" if kind == "Provenance" => {
                let id = entry["resource"]["id"].as_str().unwrap();
                assert_eq!(request["url"], format!("Provenance/{id}"), "{name}");
            }
            "PUT" => assert!(request["url"].as_str().unwrap().starts_with(&format!("{kind}?identifier=")), "{name}"),
            other => panic!("{name}: {other}"),
        }
        assert_eq!(entry["resource"]["meta"]["tag"][0]["code"], "transport@1", "{name}");
    }
    walk(name, bundle, &urls);
}

fn walk(name: &str, node: &Value, urls: &[&str]) {
    match node {
        Value::Null => panic!("{name}: null"),
        Value::String(text) => assert!(!text.trim().is_empty() && text != "\"\"", "{name}: empty string"),
        Value::Array(items) => {
            assert!(!items.is_empty(), "{name}: empty list");
            items.iter().for_each(|item| walk(name, item, urls));
        }
        Value::Object(members) => {
            assert!(!members.is_empty(), "{name}: empty object");
            for (key, value) in members {
                walk(name, value, urls);
                if key == "reference" {
                    assert!(urls.contains(&value.as_str().unwrap()), "{name}: dangling {value}");
                }
                let is_time = key.ends_with("DateTime") || matches!(key.as_str(), "start" | "end" | "authoredOn");
                if let Some((_, time)) = value.as_str().filter(|_| is_time).and_then(|text| text.split_once('T')) {
                    assert!(time.ends_with('Z') || time.contains(['+', '-']), "{name}: {key} without zone");
                }
            }
        }
        Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn names_a_job_alike_in_every_message_about_it() {
    let job = |name: &str| prepared(name).jobs[0].job;
    let order = job("01-order-wheelchair-van");
    assert_eq!(job("07-order-change"), order);
    assert_eq!(job("08-order-cancel"), order);
    let visit = job("09-pending-discharge");
    for name in [
        "10-discharge-to-nursing-facility",
        "11-discharge-home",
        "12-discharge-deceased",
        "14-cancel-discharge",
        "15-cancel-pending-discharge",
    ] {
        assert_eq!(job(name), visit, "{name}");
    }
    assert_ne!(order, visit);
    let keys = ["01-order-wheelchair-van", "08-order-cancel", "09-pending-discharge"];
    let keys = keys.map(|name| prepared(name).ordering_key().unwrap());
    assert!(keys.iter().all(|key| *key == keys[0]), "all about one patient keeps its order");
}

#[test]
fn does_not_name_a_job_after_the_control_id_or_the_time_of_sending() {
    let raw = String::from_utf8(input("01-order-wheelchair-van")).unwrap();
    let resent = raw.replace("M00001", "X99999").replace("20261120093000", "20261120101010");
    assert_ne!(raw, resent);
    let Ok(Outcome::Send(resent)) = prepare(resent.as_bytes()) else { panic!("not sent") };
    let first = prepared("01-order-wheelchair-van");
    assert_eq!(resent.jobs, first.jobs);
}

#[test]
fn requests_only_what_was_ordered() {
    let cases = [
        ("01-order-wheelchair-van", Verb::Request, "requested", "active", "POST"),
        ("07-order-change", Verb::Change, "requested", "active", "PUT"),
        ("08-order-cancel", Verb::Cancel, "cancelled", "revoked", "PUT"),
        ("09-pending-discharge", Verb::Plan, "draft", "draft", "POST"),
        ("10-discharge-to-nursing-facility", Verb::Hold, "on-hold", "on-hold", "POST"),
        ("11-discharge-home", Verb::Hold, "on-hold", "on-hold", "POST"),
        ("12-discharge-deceased", Verb::Cancel, "cancelled", "revoked", "PUT"),
        ("13-discharge-against-advice", Verb::Cancel, "cancelled", "revoked", "PUT"),
        ("14-cancel-discharge", Verb::Cancel, "cancelled", "revoked", "PUT"),
        ("15-cancel-pending-discharge", Verb::Cancel, "cancelled", "revoked", "PUT"),
    ];
    for (name, verb, task, request, method) in cases {
        assert_eq!(prepared(name).jobs[0].verb, verb, "{name}");
        let bundle = bundle(name);
        assert_eq!(resources(&bundle, "Task")[0]["status"], task, "{name}");
        assert_eq!(resources(&bundle, "ServiceRequest")[0]["status"], request, "{name}");
        let entries = bundle["entry"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["resource"]["resourceType"] == "Task").unwrap();
        assert_eq!(entry["request"]["method"], method, "{name}");
    }
}

#[test]
fn finds_mobility_wherever_a_sender_puts_it() {
    let cases = [
        ("01-order-wheelchair-van", "wheelchair"),
        ("02-order-mode-in-obr-30", "wheelchair"),
        ("03-order-mode-in-pv1-15", "wheelchair"),
        ("04-order-ambulance-to-address", "stretcher"),
        ("05-order-critical-care", "stretcher"),
        ("16-order-other-delimiters", "stretcher"),
    ];
    for (name, expected) in cases {
        let bundle = bundle(name);
        let detail = &resources(&bundle, "ServiceRequest")[0]["orderDetail"][0]["coding"][0];
        assert_eq!(detail["code"], expected, "{name}");
    }
}

#[test]
fn tells_a_cancel_nothing_that_the_family_should_tell() {
    let text = String::from_utf8(prepared("12-discharge-deceased").render()).unwrap();
    for word in ["xpired", "\"20\"", "deceased", "hospitalization"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn tells_for_every_job_which_message_made_it() {
    let bundle = bundle("06-two-rides-among-other-orders");
    assert_eq!((resources(&bundle, "Task").len(), resources(&bundle, "Patient").len()), (2, 1));
    let provenances = resources(&bundle, "Provenance");
    assert_eq!(provenances.len(), 2);
    for (task, provenance) in resources(&bundle, "Task").iter().zip(provenances) {
        let entries = bundle["entry"].as_array().unwrap();
        let entry = entries.iter().find(|entry| entry["resource"] == **task).unwrap();
        assert_eq!(provenance["target"][0]["reference"], entry["fullUrl"]);
        assert_eq!(provenance["entity"][0]["what"]["identifier"]["value"].as_str().unwrap().len(), 64);
    }
}

#[test]
fn keeps_the_digits_of_a_measurement() {
    let text = String::from_utf8(prepared("01-order-wheelchair-van").render()).unwrap();
    assert!(text.contains(r#""value":82.50,"#), "{text}");
}

#[test]
fn withholds_what_a_ride_does_not_need() {
    let text = String::from_utf8(prepared("01-order-wheelchair-van").render()).unwrap();
    for word in ["900-11-22", "Elm Row", "Addie", "8302-2"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn removes_what_a_sender_deleted() {
    let bundle = bundle("07-order-change");
    let request = resources(&bundle, "ServiceRequest")[0];
    assert!(request.get("priority").is_none() && request.get("note").is_none());
    assert!(request["occurrencePeriod"].get("end").is_none());
    assert_eq!(request["orderDetail"].as_array().unwrap().len(), 1);
}

#[test]
fn lists_all_that_is_missing() {
    let refusal = refusal("33-refused-everything-missing");
    let missing: Vec<&str> = refusal.missing.iter().map(|missing| &*missing.what).collect();
    assert_eq!(missing, ["patient-identity", "pickup", "Patient", "mobility", "destination"]);
    assert_eq!(refusal.reason(), Reason::MissingField);
}

#[test]
fn says_why_without_patient_data() {
    let refusal = refusal("34-refused-unknown-mobility");
    assert_eq!(refusal.reason(), Reason::UnmappedCode);
    assert_eq!(refusal.unmapped[0].code.reveal(), "SEDAN-CHAIR");
    for text in [refusal.to_string(), format!("{refusal:?}")] {
        assert!(!text.contains("SEDAN"), "{text}");
        assert!(text.contains("answer-mobility"), "{text}");
    }
    let debug = format!("{:?}", prepared("01-order-wheelchair-van"));
    assert!(!debug.contains("Quill") && !debug.contains("4711007"), "{debug}");
}

#[test]
fn holds_every_order_that_lacks_a_needed_field() {
    let raw = String::from_utf8(input("01-order-wheelchair-van"))
        .unwrap()
        .replace("WCVAN^Wheelchair van", "TRANSPORT^Patient");
    assert!(matches!(prepare(raw.as_bytes()), Ok(Outcome::Send(_))));
    let without = |from: &str, to: &str| {
        assert!(raw.contains(from), "{from}");
        prepare(raw.replace(from, to).as_bytes()).unwrap_err().reason()
    };
    let cases = [
        ("4711007^^^GH^MR~900-11-22^^^USSSA^SS", ""),
        ("4711007^^^GH^MR~900-11-22^^^USSSA^SS", "\"\""),
        ("4711007^^^GH^MR~900-11-22^^^USSSA^SS", "900-11-22^^^USSSA^SS"),
        ("WHEELCHAIR^Wheelchair^L", ""),
        ("WHEELCHAIR^Wheelchair^L", "\"\""),
        ("TRMODE^Mode of transport^L", "OTHER^Another question^L"),
        ("SUNRISE^Sunrise Skilled Nursing^L", ""),
        ("SUNRISE^Sunrise Skilled Nursing^L", "\"\""),
        ("SUNRISE^Sunrise Skilled Nursing^L", "^"),
        ("TRDEST^Transport destination^L", "OTHER^Another question^L"),
        ("P1001^ORDERS", ""),
        ("TRANSPORT^Patient transport^L", ""),
        ("3W^12^B^GH", ""),
        ("3W^12^B^GH", "\"\""),
    ];
    for (from, to) in cases {
        assert_eq!(without(from, to), Reason::MissingField, "{from} -> {to}");
    }
}

/// What a sample becomes with another birth date.
fn born(name: &str, born: &str) -> Result<Outcome, Refusal> {
    let raw = String::from_utf8(input(name)).unwrap();
    assert!(raw.contains("|20261118|"), "{name}");
    prepare(raw.replace("|20261118|", &format!("|{born}|")).as_bytes())
}

proptest! {
    #[test]
    fn an_infant_rides_in_a_seat_or_with_somebody(days in 0_i32..2_000, form in 0_usize..3) {
        // The sample was ordered on 2026-11-20; a birth date may be as good as a day, a month or a year.
        let day = jiff::civil::date(2026, 11, 20).checked_sub(jiff::Span::new().days(days)).unwrap();
        let (said, latest) = match form {
            0 => (day.strftime("%Y%m%d").to_string(), day),
            1 => (day.strftime("%Y%m").to_string(), day.last_of_month()),
            _ => (day.strftime("%Y").to_string(), day.last_of_year()),
        };
        let least = latest.until((jiff::Unit::Day, jiff::civil::date(2026, 11, 20))).unwrap().get_days();
        let came = born("45-refused-infant-without-seat", &said);
        let is_infant = least < 365;
        match came {
            Ok(Outcome::Send(_)) => prop_assert!(!is_infant, "{said}"),
            Ok(other) => prop_assert!(false, "{other:?}"),
            Err(refusal) => {
                let missing: Vec<_> = refusal.missing.iter().map(|missing| &*missing.what).collect();
                prop_assert!(is_infant && missing == ["car-seat"], "{said} {refusal}");
            }
        }
        prop_assert!(matches!(born("17-order-infant", &said), Ok(Outcome::Send(_))), "{said}");
    }
}

#[test]
fn explains_what_is_needed_and_why() {
    use gurney::mapping::Met;
    let met = |name: &str| -> Vec<(String, Met)> {
        let raw = input(name);
        let index = Index::of(&raw).unwrap();
        let context = Context {
            site: "s",
            zone: &ZONE,
            encoding: None,
            received_at: Timestamp(0),
            source_hash: [0; 32],
            dialect: STANDARD,
        };
        let explained = map().explain(&index.message(&raw), &context);
        assert!(explained[0].needs.iter().all(|need| need.line > 0 && !need.why.is_empty()));
        explained[0].needs.iter().map(|need| (need.what.to_string(), need.met)).collect()
    };
    let all = |identity, pickup, physician, seat| {
        [("patient-identity", identity), ("pickup", pickup), ("accepting-physician", physician), ("car-seat", seat)]
            .map(|(what, met)| (what.to_owned(), met))
    };
    assert_eq!(met("01-order-wheelchair-van"), all(Met::Yes, Met::Yes, Met::Spared, Met::Spared));
    assert_eq!(met("05-order-critical-care"), all(Met::Yes, Met::Yes, Met::Yes, Met::Spared));
    assert_eq!(met("17-order-infant"), all(Met::Yes, Met::Yes, Met::Spared, Met::Yes));
    assert_eq!(met("47-refused-critical-care-nobody-accepts"), all(Met::Yes, Met::Yes, Met::No, Met::Spared));
    assert_eq!(met("48-refused-no-pickup"), all(Met::Yes, Met::No, Met::Spared, Met::Spared));
    assert_eq!(met("09-pending-discharge"), all(Met::Yes, Met::OtherVerb, Met::OtherVerb, Met::OtherVerb));
}

#[test]
fn reports_faults_of_maps_and_tables_with_their_place() {
    let builtin = include_str!("../config/maps/transport@1.toml");
    let broken = builtin
        .replacen("version     = 1", "version     = 2", 1)
        .replacen("PID-8 via v2-0001.gender", "PID-8 via v2-0001.gendre", 1)
        .replacen("\"PID-5[1]\"", "\"PID5\"", 1)
        .replacen("element(priority)", "element(priorty)", 1)
        .replacen("refer = [\"Pickup\"]", "refer = [\"Pikcup\"]", 1);
    let faults = Registry::with(&[("mine.toml", &broken)]).unwrap_err();
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 4, "{texts:?}");
    for (line, expected) in [
        ("PID5", "expected"),
        ("Pikcup", "did you mean `Pickup`"),
        ("priorty", "did you mean `priority`"),
        ("gendre", "did you mean `gender`"),
    ] {
        let line = broken.lines().position(|text| text.contains(line)).unwrap() + 1;
        let fault = faults.iter().find(|fault| fault.line == line).unwrap();
        assert!(fault.text.contains(expected) && fault.column > 5, "{fault}");
    }
    let twice = Registry::with(&[("again.toml", builtin)]).unwrap_err();
    assert!(twice[0].text.contains("defined twice"), "{twice:?}");
    let reserved = builtin.replacen("= \"transport\"\nversion", "= \"oru\"\nversion", 1);
    let reserved = Registry::with(&[("oru.toml", &reserved)]).unwrap_err();
    assert!(reserved[0].text.contains("is built in"), "{reserved:?}");
    let old = broken.replace("2027-05-20", "2026-05-20");
    let old = Registry::with(&[("mine.toml", &old)]).unwrap_err();
    assert!(old.iter().any(|fault| fault.text == "the next review is due after the last one"), "{old:?}");
    let unknown = Registry::with(&[("t.toml", "[table.x]\ntitle = \"a\"\nverzion = \"1\"\n")]).unwrap_err();
    assert_eq!((unknown[0].line, unknown[0].file.as_str()), (3, "t.toml"));
}

#[test]
fn lets_a_site_bring_its_own_tables() {
    let table = "[table.service]\ntitle = \"Orders\"\ncode_system = \"local\"\nversion = \"7\"\nsource = \"a site\"\n\
                 codes = [{ code = \"RIDE1\", kind = \"transport\", level = \"bls\", mobility = \"stretcher\", carries = \"stretcher\" }]\n";
    let registry = Registry::with(&[("site.toml", table)]).unwrap();
    let raw = String::from_utf8(input("02-order-mode-in-obr-30")).unwrap().replace("TRANSPORT^", "RIDE1^");
    let index = Index::of(raw.as_bytes()).unwrap();
    let context = Context {
        site: "s",
        zone: &ZONE,
        encoding: None,
        received_at: Timestamp(0),
        source_hash: [0; 32],
        dialect: STANDARD,
    };
    let outcome = registry.get("transport", 1).unwrap().prepare(&index.message(raw.as_bytes()), &context);
    assert!(matches!(outcome, Ok(Outcome::Send(_))), "{outcome:?}");
}

#[test]
fn wants_to_know_whose_codes_a_table_lists() {
    let table = |lines: &str| format!("\n[table.x]\ntitle = \"X\"\n{lines}\ncodes = [{{ code = \"a\" }}]\n");
    let good = "code_system = \"LOINC\"\nsystem = \"http://loinc.org\"\nversion = \"2.78\"\nsource = \"LOINC\"";
    let registry = Registry::with(&[("t.toml", &table(good))]).unwrap();
    assert_eq!(registry.table("x").unwrap().code_system, CodeSystem::Loinc);
    let fault = |lines: &str| Registry::with(&[("t.toml", &table(lines))]).unwrap_err()[0].to_string();
    for (lines, expected) in [
        (good.replace("LOINC\"\nsys", "LOINK\"\nsys"), "t.toml:4:15: `LOINK` is no code system"),
        (good.replace("code_system = \"LOINC\"", ""), "t.toml:2:1: expected `code_system`"),
        (good.replace("http://loinc.org", "http://snomed.info/sct"), "t.toml:5:10: codes of LOINC have a URI"),
        (good.replace("\"LOINC\"\nsys", "\"NEMSIS\"\nsys"), "t.toml:5:10: this is the URI of LOINC"),
        (good.replace("2.78", " "), "t.toml:6:11: `version` is empty"),
        (good.replace("version = \"2.78\"", ""), "t.toml:2:1: missing field `version`"),
        (good.replace("source = \"LOINC\"", ""), "t.toml:2:1: missing field `source`"),
    ] {
        let found = fault(&lines);
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

#[test]
fn adds_new_versions_to_what_runs_and_changes_none() {
    let builtin = include_str!("../config/maps/transport@1.toml");
    let second = builtin.replacen("version     = 1", "version     = 2", 1);
    let running = Registry::with(&[("m/transport@2.toml", &second)]).unwrap();
    let third = second.replacen("version     = 2", "version     = 3", 1);
    let newer =
        |second: &str| Registry::with(&[("m/transport@2.toml", second), ("m/transport@3.toml", &third)]).unwrap();
    let extended = running.extended(newer(&second), &|_| true).unwrap();
    assert!(extended.get("transport", 3).is_some() && extended.maps().count() == REGISTRY.maps().count() + 2);
    let edited = second.replacen("the hospital that asks", "the hospital", 1);
    let is_second = |map: &Map| map.version == 2;
    assert_eq!(running.extended(newer(&edited), &is_second).unwrap_err(), ["transport@2"]);
    // What nobody uses is a draft, and may be changed and taken away.
    let draft = running.extended(newer(&edited), &|map| map.version == 1).unwrap();
    assert_ne!(draft.get("transport", 2).unwrap().fingerprint(), running.get("transport", 2).unwrap().fingerprint());
    let gone = running.extended(Registry::builtin().unwrap(), &|map| map.version == 1).unwrap();
    assert!(gone.get("transport", 2).is_none() && gone.get("transport", 1).is_some());
    let kept = running.extended(Registry::builtin().unwrap(), &is_second).unwrap();
    assert!(kept.get("transport", 2).is_some());
}

#[test]
fn reads_every_message_of_the_corpus_as_events() {
    for name in names() {
        let raw = input(&name);
        let index = Index::of(&raw).unwrap();
        let message = index.message(&raw);
        let charset = message.charset(None);
        let events = REGISTRY.dialect(STANDARD.0, STANDARD.1).unwrap().events(message, &charset, &ZONE);
        assert!(!events.is_empty() && events.iter().all(|event| event.time.is_some()), "{name}");
        let debug = format!("{events:?}");
        assert!(!debug.contains("Quill") && !debug.contains("4711"), "{name}");
    }
}

/// What a platform holds after these messages: the job's states, and how many Tasks there are.
fn on_platform(names: &[&str]) -> (Vec<String>, usize) {
    let mut platform = Store::default();
    for name in names {
        platform.transaction(&bundle(name)).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
    }
    let jobs = platform.jobs();
    (jobs.into_values().flatten().collect(), platform.counts()["Task"])
}

#[test]
fn makes_one_job_of_any_number_of_messages_about_it() {
    let (new, change, cancel) = ("01-order-wheelchair-van", "07-order-change", "08-order-cancel");
    assert_eq!(on_platform(&[new; 5]), (vec!["requested".to_owned()], 1));
    let (states, tasks) = on_platform(&[new, change, cancel, cancel]);
    assert_eq!((states.last().map(String::as_str), tasks), (Some("cancelled"), 1), "{states:?}");
    // A cancel that overtakes its order leaves a job that the order does not bring to life.
    assert_eq!(on_platform(&[cancel, new, new]), (vec!["cancelled".to_owned()], 1));
    let (plan, discharge) = ("09-pending-discharge", "10-discharge-to-nursing-facility");
    assert_eq!(on_platform(&[plan, discharge, discharge]), (vec!["draft".to_owned()], 1));
    let (states, tasks) = on_platform(&[plan, "15-cancel-pending-discharge"]);
    assert_eq!((states.last().map(String::as_str), tasks), (Some("cancelled"), 1));
}

#[test]
fn understands_what_the_simulated_hospital_sends_in_every_dialect() {
    for dialect in Dialect::ALL {
        let mut hospital = Generator::new(7, Profile { dialect, ..Profile::default() });
        let mut sent = 0;
        for _ in 0..300 {
            let message = hospital.next();
            match prepare(&message.bytes) {
                Ok(Outcome::Send(prepared)) => {
                    sent += 1;
                    check("simulated", &serde_json::from_slice(&prepared.render()).unwrap());
                }
                Ok(Outcome::NotApplicable) => assert!(message.kind != Kind::OrderRide, "{dialect:?}"),
                Err(refusal) => panic!("{dialect:?} {:?}: {refusal}", message.kind),
            }
        }
        assert!(sent > 50, "{dialect:?}: {sent}");
    }
}

/// Puts `text` in place of one field of one segment.
fn with_field(raw: &str, segment: usize, field: usize, text: &str) -> String {
    let mut lines: Vec<String> = raw.lines().map(str::to_owned).collect();
    let place = 1 + segment % (lines.len() - 1);
    let mut fields: Vec<&str> = lines[place].split('|').collect();
    let field = 1 + field % 45;
    fields.resize(fields.len().max(field + 1), "");
    fields[field] = text;
    lines[place] = fields.join("|");
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_panics_and_never_writes_a_bad_bundle(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<usize>(), any::<usize>(), "[A-Za-z0-9^&~\\\\\"+.\u{e9} -]{0,16}|.{0,12}"), 1..6),
    ) {
        let names = names();
        let mut raw = String::from_utf8_lossy(&input(which.get(names.as_slice()).as_str())).into_owned();
        for (segment, field, text) in &changes {
            raw = with_field(&raw, *segment, *field, &text.replace(['|', '\r', '\n'], ""));
        }
        if Index::of(raw.as_bytes()).is_ok()
            && let Ok(Outcome::Send(prepared)) = prepare(raw.as_bytes())
        {
            check("changed", &serde_json::from_slice(&prepared.render()).unwrap());
        }
    }
}
