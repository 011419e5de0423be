//! The record maps against their corpus: `tests/corpus/record/NN-name/in.hl7` and what must come of it, `out.json` (the
//! Bundle) or `out.txt` (why there is none). `UPDATE_GOLDEN=1` writes what comes of it now, for a person to read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/bundle.rs"]
mod bundle;

use std::{fs, path::Path, sync::LazyLock};

use gurney::{
    hl7::Index,
    mapping::{Context, Map, Outcome, Reason, Refusal, Registry, STANDARD},
    sim::platform::Store,
    units::Timestamp,
};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::{Value, json};

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    Registry::builtin().unwrap_or_else(|faults| {
        panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    })
});
static ZONE: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get("America/New_York").unwrap());

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/record");

fn maps() -> impl Iterator<Item = &'static Map> {
    REGISTRY.maps().map(|map| &**map).filter(|map| map.name != "transport")
}

/// What the one record map makes of a message that is for it.
fn prepare(raw: &[u8]) -> (&'static str, Result<Option<Vec<u8>>, Refusal>) {
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
    let mut found = None;
    for map in maps() {
        let result = match map.prepare(&index.message(raw), &context) {
            Ok(Outcome::Send(prepared)) => {
                assert!(prepared.jobs.is_empty(), "{}: a record map makes no job", map.id());
                Ok(Some(prepared.render()))
            }
            Ok(Outcome::NotApplicable) => continue,
            Err(refusal) => Err(refusal),
        };
        assert!(found.is_none(), "{} is not the only map for this message", map.id());
        found = Some((map.name.as_str(), result));
    }
    found.unwrap_or(("", Ok(None)))
}

fn input(name: &str) -> Vec<u8> {
    fs::read(Path::new(CORPUS).join(name).join("in.hl7")).unwrap()
}

fn bundle(name: &str) -> Value {
    bundle_of(&input(name))
}

fn bundle_of(raw: &[u8]) -> Value {
    match prepare(raw) {
        (_, Ok(Some(bytes))) => serde_json::from_slice(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(CORPUS).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort_unstable();
    assert!(names.len() >= 60, "the corpus is not where it should be");
    names
}

fn resources<'b>(bundle: &'b Value, kind: &str) -> Vec<&'b Value> {
    bundle::entries(bundle).map(|entry| &entry["resource"]).filter(|one| one["resourceType"] == kind).collect()
}

#[test]
fn makes_of_every_message_of_the_corpus_what_is_kept_beside_it() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differ = Vec::new();
    for name in names() {
        let (file, text) = match prepare(&input(&name)) {
            (_, Ok(Some(bytes))) => {
                let bundle: Value = serde_json::from_slice(&bytes).unwrap();
                ("out.json", format!("{}\n", serde_json::to_string_pretty(&bundle).unwrap()))
            }
            (_, Ok(None)) => ("out.txt", "not applicable\n".to_owned()),
            (_, Err(refusal)) => ("out.txt", format!("refused ({}): {refusal}\n", refusal.reason().as_str())),
        };
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
        let (map, Ok(Some(bytes))) = prepare(&raw) else {
            assert!(name.contains("refused"), "{name}: no Bundle");
            continue;
        };
        assert!(!name.contains("refused"), "{name}: a Bundle");
        let bundle = serde_json::from_slice(&bytes).unwrap();
        let faults = bundle::faults(&bundle, &format!("{map}@1"));
        assert!(faults.is_empty(), "{name}: {faults:#?}");
        assert_eq!(prepare(&raw).1.unwrap(), Some(bytes), "{name}: other bytes when repeated");
    }
}

/// The platform after these messages, one after the other.
fn platform(names: &[&str]) -> Store {
    let mut store = Store::default();
    for name in names {
        store.transaction(&bundle(name)).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
    }
    store
}

fn patient<'s>(store: &'s Store, number: &str) -> &'s Value {
    let found = store.search("Patient", number);
    assert_eq!(found.len(), 1, "{number}");
    found[0]
}

fn code(concept: &Value) -> &str {
    concept["coding"][0]["code"].as_str().unwrap_or_default()
}

#[test]
fn changes_nothing_when_every_message_comes_twice() {
    let sent: Vec<String> = names().into_iter().filter(|name| !name.contains("refused")).collect();
    let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
    let twice: Vec<&str> = sent.iter().flat_map(|name| [*name, *name]).collect();
    let (once, twice) = (platform(&sent), platform(&twice));
    assert_eq!(once.counts(), twice.counts());
    assert_eq!((once.double_creates(), twice.double_creates()), (0, 0));
}

#[test]
fn gives_the_visit_the_status_of_its_event() {
    let cases = [
        ("01-a01-admit", "in-progress"),
        ("02-a02-transfer", "in-progress"),
        ("03-a03-discharge-snf", "finished"),
        ("04-a04-register", "arrived"),
        ("05-a05-preadmit", "planned"),
        ("06-a06-to-inpatient", "in-progress"),
        ("07-a07-to-outpatient", "in-progress"),
        ("08-a08-update-with-deletions", "in-progress"),
        ("11-a11-cancel-admit", "cancelled"),
        ("13-a13-cancel-discharge", "in-progress"),
        ("14-a14-pending-admit", "planned"),
        ("16-a16-pending-discharge", "in-progress"),
        ("19-a21-leave", "onleave"),
        ("20-a22-returns", "in-progress"),
        ("23-a27-cancel-pending-admit", "cancelled"),
    ];
    for (name, status) in cases {
        assert_eq!(resources(&bundle(name), "Encounter")[0]["status"], status, "{name}");
    }
    for name in ["24-a28-person", "25-a31-person-deceased", "36-a60-allergies"] {
        assert!(resources(&bundle(name), "Encounter").is_empty(), "{name}");
    }
}

#[test]
fn takes_away_what_was_deleted_and_keeps_what_nobody_spoke_of() {
    let store = platform(&["01-a01-admit", "02-a02-transfer", "50-orm-two-orders", "70-oru-vitals"]);
    let ada = patient(&store, "4711007");
    assert!(ada.get("address").is_some() && ada.get("maritalStatus").is_some(), "none of these puts the patient");
    let flag = |store: &Store| {
        let bundle = bundle("01-a01-admit");
        let flag = resources(&bundle, "Flag")[0]["identifier"][0]["value"].as_str().unwrap().to_owned();
        store.search("Flag", &flag)[0].clone()
    };
    assert_eq!(flag(&platform(&["01-a01-admit"]))["status"], "active");
    let store = platform(&["01-a01-admit", "08-a08-update-with-deletions"]);
    let ada = patient(&store, "4711007");
    for gone in ["address", "telecom", "maritalStatus"] {
        assert!(ada.get(gone).is_none(), "{gone}");
    }
    assert_eq!(ada["birthDate"], "1950-02-14");
    let ended = flag(&store);
    assert_eq!((&ended["status"], code(&ended["code"])), (&json!("inactive"), "isolation"));
}

#[test]
fn merges_by_links_and_takes_a_merge_back() {
    let merged = platform(&["24-a28-person", "30-a40-two-merges"]);
    let (survivor, retired) = (patient(&merged, "4711007"), patient(&merged, "4711099"));
    assert_eq!((&survivor["active"], &retired["active"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&survivor["link"][0]["type"], &retired["link"][0]["type"]),
        (&json!("replaces"), &json!("replaced-by"))
    );
    let id = |patient: &Value| format!("Patient/{}", patient["id"].as_str().unwrap());
    assert_eq!(survivor["link"][0]["other"]["reference"], json!(id(retired)));
    assert_eq!(retired["link"][0]["other"]["reference"], json!(id(survivor)));
    assert_eq!(patient(&merged, "4711088")["link"][0]["other"]["reference"], json!(id(patient(&merged, "4711008"))));
    assert_eq!(patient(&merged, "X99")["id"], retired["id"], "every number of the retired one finds it");

    let unlinked = platform(&["30-a40-two-merges", "29-a37-unlink"]);
    for number in ["4711007", "4711099"] {
        let patient = patient(&unlinked, number);
        assert!(patient.get("link").is_none() && patient["active"] == true, "{number}");
    }
}

#[test]
fn finds_a_patient_by_the_old_number_and_the_new_one() {
    let old = String::from_utf8(input("24-a28-person")).unwrap().replace("4711007", "4710001");
    let mut store = Store::default();
    store.transaction(&bundle_of(old.as_bytes())).unwrap();
    store.transaction(&bundle("35-a47-change-id")).unwrap();
    let (new, old) = (patient(&store, "4711007"), patient(&store, "4710001"));
    assert_eq!((&new["active"], &old["active"]), (&json!(true), &json!(false)));
    assert_eq!(old["link"][0]["other"]["reference"], json!(format!("Patient/{}", new["id"].as_str().unwrap())));
}

#[test]
fn moves_accounts_and_visits() {
    let store = platform(&["24-a28-person", "31-a41-merge-account"]);
    let (kept, retired) = (store.search("Account", "ACC-881")[0], store.search("Account", "ACC-702")[0]);
    assert_eq!((&kept["status"], &retired["status"]), (&json!("active"), &json!("inactive")));
    assert_eq!(retired["partOf"]["reference"], json!(format!("Account/{}", kept["id"].as_str().unwrap())));
    let moved = bundle("33-a44-move-account");
    assert_eq!(resources(&moved, "Account")[0]["identifier"][0]["value"], "ACC-881");
    let visit = bundle("34-a45-move-visit");
    let encounter = resources(&visit, "Encounter")[0];
    assert_eq!(encounter["identifier"][0]["value"], "V-5001");
    assert!(encounter["account"][0]["reference"].is_string() && encounter["subject"]["reference"].is_string());
    let merged = bundle("32-a42-merge-visit");
    let encounters = resources(&merged, "Encounter");
    assert_eq!(encounters[1]["status"], "entered-in-error");
    assert!(encounters[1]["partOf"]["reference"].is_string());
}

#[test]
fn swaps_two_beds() {
    let swapped = bundle("17-a17-swap");
    let beds = |patient: usize| {
        let places = resources(&swapped, "Encounter")[patient]["location"].as_array().unwrap().clone();
        places.iter().map(|place| place["location"]["reference"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (one, other) = (beds(0), beds(1));
    assert_eq!((one.len(), &one[0], &one[1]), (2, &other[1], &other[0]));
}

#[test]
fn makes_one_request_for_each_order() {
    let orders = bundle("50-orm-two-orders");
    let requests = resources(&orders, "ServiceRequest");
    assert_eq!(requests.len(), 2, "ORC and OBR are one order");
    assert_eq!((&requests[0]["status"], &requests[1]["status"]), (&json!("active"), &json!("revoked")));
    assert_eq!((&requests[0]["priority"], &requests[1]["priority"]), (&json!("stat"), &json!("routine")));
    assert_eq!(requests[0]["note"], json!([{ "text": "Ring twice" }]), "not the patient's note");
    assert_eq!(requests[0]["supportingInfo"].as_array().unwrap().len(), 2);
    assert!(requests[1].get("supportingInfo").is_none());
    assert_eq!(resources(&orders, "Provenance").len(), 2, "each order says where it came from");
    for (name, status) in [("51-omg-order", "active"), ("52-oml-order-23", "completed")] {
        assert_eq!(resources(&bundle(name), "ServiceRequest")[0]["status"], status, "{name}");
    }
    assert_eq!(resources(&bundle("53-orm-oldmill-23"), "ServiceRequest")[0]["identifier"][0]["value"], "9001");
}

#[test]
fn tells_equipment_from_drugs() {
    let kinds = |name: &str| {
        let bundle = bundle(name);
        ["DeviceRequest", "MedicationRequest", "ServiceRequest"].map(|kind| resources(&bundle, kind).len())
    };
    assert_eq!(kinds("60-oms-bed"), [1, 0, 0]);
    assert_eq!(kinds("61-omp-oxygen"), [1, 0, 0]);
    assert_eq!(kinds("62-rde-drug-and-device"), [1, 1, 0]);
    let oxygen = bundle("61-omp-oxygen");
    let flow = &resources(&oxygen, "DeviceRequest")[0]["parameter"][1]["valueQuantity"];
    assert_eq!(
        (&flow["value"], &flow["code"], &flow["system"]),
        (&json!(2), &json!("L/min"), &json!("http://unitsofmeasure.org"))
    );
    let both = bundle("62-rde-drug-and-device");
    assert_eq!(resources(&both, "MedicationRequest")[0]["status"], "active");
    assert_eq!(resources(&both, "DeviceRequest")[0]["status"], "revoked");
}

#[test]
fn writes_every_kind_of_value() {
    let vitals = bundle("70-oru-vitals");
    let found = |name: &str| {
        let all = resources(&vitals, "Observation");
        let mut same = all.into_iter().filter(|one| code(&one["code"]) == name);
        let first = same.next().unwrap_or_else(|| panic!("no {name}")).clone();
        (first, same.count())
    };
    let value = |name: &str, element: &str| found(name).0[element].clone();
    let weight = value("29463-7", "valueQuantity");
    assert_eq!((weight["value"].to_string().as_str(), &weight["code"]), ("82.5", &json!("kg")));
    assert_eq!(found("29463-7").0["effectiveDateTime"], "2026-11-20T09:01:00-05:00");
    let rate = value("8867-4", "valueQuantity");
    assert_eq!((&rate["comparator"], &rate["code"]), (&json!("<"), &json!("/min")));
    assert_eq!(value("3151-8", "valueQuantity")["comparator"], ">=");
    assert_eq!(value("RNG", "valueRange")["high"]["value"], 95);
    assert_eq!(value("TITER", "valueRatio")["denominator"]["value"], 128);
    assert_eq!(code(&value("ISO", "valueCodeableConcept")), "DROPLET");
    assert_eq!(value("LASTMEAL", "valueDateTime"), "2026-11-20T07:00:00-05:00");
    assert_eq!(value("LMP", "valueDateTime"), "2026-11");
    assert_eq!(value("TOD", "valueTime"), "07:30:00");
    assert_eq!(value("REP", "valueString"), "First line\nsecond\nthird");
    assert_eq!(found("REP").1, 1, "two lines of one code are two observations");
    assert_eq!(value("BAD", "valueString"), "about 5");
    assert_eq!(code(&value("GONE", "dataAbsentReason")), "unknown");
    let odd = value("ODD", "valueQuantity");
    assert!(odd["unit"] == "furlongs" && odd.get("system").is_none(), "the unit stays in words");
    assert_eq!(value("UC", "valueQuantity")["code"], "ug/h");
    let report = resources(&vitals, "DiagnosticReport")[0];
    assert_eq!(report["result"].as_array().unwrap().len(), 15);
    assert_eq!(resources(&vitals, "Flag").len(), 1);
}

#[test]
fn gives_every_patient_of_a_message_its_own_results() {
    let two = bundle("72-oru-two-patients");
    let patients: Vec<&Value> =
        bundle::entries(&two).filter(|entry| entry["resource"]["resourceType"] == "Patient").collect();
    let subject = |place: usize| resources(&two, "Observation")[place]["subject"]["reference"].clone();
    assert_eq!((patients.len(), resources(&two, "DiagnosticReport").len()), (2, 2));
    assert_eq!((subject(0), subject(1)), (patients[0]["fullUrl"].clone(), patients[1]["fullUrl"].clone()));
}

#[test]
fn passes_documents_on() {
    let document = bundle("95-mdm-t02-certification");
    let document = resources(&document, "DocumentReference")[0];
    assert_eq!((&document["status"], &document["docStatus"]), (&json!("current"), &json!("final")));
    let contents = document["content"].as_array().unwrap();
    assert_eq!(contents[0]["attachment"]["data"], "QmVkLWNvbmZpbmVkLgpTdHJldGNoZXIgbmVlZGVkLgpTaWduZWQu");
    assert_eq!(contents[1]["attachment"]["contentType"], "application/pdf");
    let store = platform(&["95-mdm-t02-certification", "96-mdm-t10-replacement", "97-mdm-t11-cancel"]);
    assert_eq!(store.counts()["DocumentReference"], 2);
    let replacement = store.search("DocumentReference", "D-2")[0];
    assert_eq!(replacement["relatesTo"][0]["code"], "replaces");
    assert_eq!(store.search("DocumentReference", "D-1")[0]["status"], "entered-in-error");
    let report = bundle("71-oru-documents");
    let forms = resources(&report, "DiagnosticReport")[0]["presentedForm"].as_array().unwrap().clone();
    assert_eq!(forms[1]["url"], "https://pacs.harbor.example/1");
}

#[test]
fn keeps_one_appointment_through_its_changes() {
    let cases = [
        ("80-siu-s12-book", "booked", "2026-11-25T10:30:00-05:00"),
        ("81-siu-s13-reschedule", "booked", "2026-11-26T15:30:00.000Z"),
        ("82-siu-s14-modify", "booked", "2026-11-26T11:45:00-05:00"),
        ("83-siu-s15-cancel", "cancelled", "2026-11-25T10:30:00-05:00"),
        ("84-siu-s17-delete", "entered-in-error", "2026-11-25T10:30:00-05:00"),
        ("85-siu-s26-no-show", "noshow", "2026-11-25T10:30:00-05:00"),
    ];
    let mut store = Store::default();
    for (name, status, end) in cases {
        let bundle = bundle(name);
        store.transaction(&bundle).unwrap();
        let appointment = resources(&bundle, "Appointment")[0];
        assert_eq!((&appointment["status"], &appointment["end"]), (&json!(status), &json!(end)), "{name}");
    }
    assert_eq!(store.counts()["Appointment"], 1);
    let booked = bundle("80-siu-s12-book");
    assert_eq!(resources(&booked, "Appointment")[0]["participant"].as_array().unwrap().len(), 3);
}

#[test]
fn bills_to_the_account() {
    let charges = bundle("98-dft-p03");
    let items = resources(&charges, "ChargeItem");
    assert_eq!((items.len(), &items[0]["status"], &items[1]["status"]), (2, &json!("billable"), &json!("aborted")));
    assert_eq!(items[0]["priceOverride"], json!({ "value": 41.50, "currency": "USD" }));
    assert_eq!(code(&items[0]["code"]), "A0130");
    let account = bundle("100-bar-p01");
    let account = resources(&account, "Account")[0];
    assert_eq!(account["coverage"].as_array().unwrap().len(), 2);
}

#[test]
fn refuses_what_would_be_a_lie() {
    let cases = [
        ("120-refused-merge-with-itself", Reason::Contradiction),
        ("122-refused-impossible-birth-date", Reason::UnreadableValue),
        ("125-refused-discharge-before-admission", Reason::Contradiction),
        ("126-refused-unknown-allergy-action", Reason::UnmappedCode),
        ("129-refused-appointment-without-time", Reason::MissingField),
    ];
    for (name, reason) in cases {
        assert_eq!(prepare(&input(name)).1.unwrap_err().reason(), reason, "{name}");
    }
}

/// A map that includes record@1 and has this besides.
fn faults_of(rest: &str) -> Vec<String> {
    let head = "map = \"site\"\nversion = 1\ntitle = \"A\"\nowner = \"B\"\nreviewed_on = \"2026-11-20\"\nreview_due = \"2027-05-20\"\n";
    let text = format!("{head}{rest}");
    Registry::with(&[("site.toml", &text)])
        .map(|_| Vec::new())
        .unwrap_or_else(|faults| faults.into_iter().map(|fault| fault.text).collect())
}

#[test]
fn says_what_is_wrong_with_a_map_that_includes_another() {
    let trigger = "[[trigger]]\non = [\"ADT^A01\"]\nby = \"message\"\nwhy = \"w\"\n";
    let include = |rest: &str| faults_of(&format!("include = [\"record@1\"]\n{trigger}{rest}"));
    assert_eq!(include(""), [""; 0]);
    let cases = [
        (
            "[[resource]]\nname = \"New\"\nwhy = \"w\"\n",
            "a resource needs `type` and `key`, unless an included map has it",
        ),
        (
            "[[resource]]\nname = \"Patient\"\nwhy = \"w\"\n[[resource.row]]\nto = \"gender\"\nvalue = \"other\"\n",
            "a row needs `why`",
        ),
        (
            "[[resource]]\nname = \"N\"\ntype = \"Flag\"\nkey = \"part\"\nwhy = \"w\"\n",
            "this key needs `of`, the resource whose part it is",
        ),
        (
            "[[resource]]\nname = \"N\"\ntype = \"Flag\"\nkey = \"part\"\nof = [\"N\"]\nwhy = \"w\"\n",
            "what `of` and `unlike` name must stand before it",
        ),
        (
            "[[resource]]\nname = \"N\"\nlike = \"M\"\nkey = \"job\"\nwhy = \"w\"\n",
            "there is no resource `M` in this map",
        ),
    ];
    for (rest, expected) in cases {
        assert!(include(rest).iter().any(|fault| fault == expected), "{rest}: {:?}", include(rest));
    }
    assert_eq!(faults_of(&format!("include = [\"none@1\"]\n{trigger}"))[0], "there is no map `none@1` to include");
    assert_eq!(faults_of(&format!("include = [\"adt@1\"]\n{trigger}"))[0], "`adt@1` includes another map itself");
    assert_eq!(faults_of(trigger)[0], "a map needs `tables`, or to include one that has them");
}

#[test]
fn makes_one_observation_of_each_of_very_many_lines() {
    let mut raw =
        "MSH|^~\\&|A|GH|||2026||ORU^R01|1|P|2.5\rPID|||7^^^GH^MR\rOBR|1||F1|REP^Report^L|||2026|||||||||||||||||F\r"
            .to_owned();
    for line in 0..3000 {
        raw.push_str(&format!("OBX|{line}|TX|REP^Report^L||line {line}||||||F\r"));
    }
    let bundle = bundle_of(raw.as_bytes());
    assert_eq!(resources(&bundle, "Observation").len(), 3000);
    assert_eq!(resources(&bundle, "DiagnosticReport")[0]["result"].as_array().unwrap().len(), 3000);
}

/// What a field may hold, sane or not.
fn field() -> impl Strategy<Value = String> {
    let odd = [
        "",
        "",
        "",
        "\"\"",
        "^",
        "~",
        "^^^",
        "~~7",
        "&&",
        "A",
        "7^^^GH^MR",
        "7^^^GH&1.2.3&ISO^MR~8^^^X^PI",
        "Quill^Ada^B",
        "19500214",
        "1950",
        "00000000",
        "19501332",
        "202611200930",
        "20261120093000.123+0100",
        "yesterday",
        "F",
        "Q",
        "I",
        "P",
        "Y",
        "29463-7^Weight^LN",
        "^Words only",
        "CODE",
        "  padded  ",
        "a|b",
        "x\ty",
        "\\T\\ \\.br\\ \\X0D\\ \\Zq\\",
        "\u{1}\u{7f}",
        "Ä ö 日本",
        "41.50&USD",
        "-3",
        "0",
        "12",
        "1.2.3",
        "NW",
        "CA",
        "ZZ",
        "CONTACT^Contact^L",
        "^PRN^PH^^1^555^0102000",
        "1 Elm^^Mill^ZZ^0",
        "3W^12^B^GH",
        "^^^^N",
        "1042^Reed^Tom^^^DR^^^NPI",
        "^Nameless",
        "J44.1^COPD^I10C",
        "^^^202611251000^202611250900",
        "^Application^PDF^Base64^JVBERi0xLjQK",
        "^Application^PDF^Base64^!",
        "NM",
        "ST",
        "CE",
        "SN",
        "TS",
        "ED",
        "TM",
        "RP",
    ];
    prop_oneof![
        8 => proptest::sample::select(odd.to_vec()).prop_map(str::to_owned),
        1 => "[ -~]{0,12}".prop_map(|text| text.replace('\r', "")),
    ]
}

/// A segment with random fields: of those that are listed, each with the fields a message of this kind would have.
fn segment(name: &'static str, known: &'static [(usize, &'static str)]) -> impl Strategy<Value = String> {
    (proptest::collection::vec(field(), 46), 0..12_u8, 0..4_u8).prop_map(move |(mut fields, noise, dropped)| {
        for (place, value) in fields.iter_mut().enumerate() {
            let sane = known.iter().find(|(known, _)| *known == place + 1).map(|(_, value)| *value);
            let is_odd = (place + usize::from(noise)).is_multiple_of(12) && noise > 0;
            match sane {
                Some(sane) if !is_odd => *value = sane.to_owned(),
                None if dropped > 0 && !(place + usize::from(noise)).is_multiple_of(usize::from(dropped) * 5) => {
                    value.clear()
                }
                _ => {}
            }
        }
        format!("{name}|{}", fields.join("|"))
    })
}

fn message() -> impl Strategy<Value = (String, Vec<u8>)> {
    let kinds = [
        "ADT^A01", "ADT^A02", "ADT^A03", "ADT^A08", "ADT^A17", "ADT^A28", "ADT^A40", "ADT^A44", "ADT^A45", "ADT^A60",
        "ORM^O01", "OMG^O19", "OML^O21", "OMS^O05", "OMP^O09", "RDE^O11", "ORU^R01", "SIU^S12", "SIU^S15", "SIU^S26",
        "REF^I12", "PPR^PC1", "MDM^T02", "MDM^T10", "DFT^P03", "BAR^P01",
    ];
    let segments = (
        (
            segment(
                "PID",
                &[(3, "7^^^GH^MR"), (5, "Quill^Ada"), (7, "19500214"), (8, "F"), (18, "ACC-1"), (29, ""), (25, "")],
            ),
            segment("PV1", &[(2, "I"), (19, "V1^^^GH"), (44, "20261118"), (45, ""), (50, "")]),
            segment("PV2", &[(41, "CONTACT")]),
            segment("NK1", &[(2, "Quill^Bela"), (3, "SPO")]),
            segment("AL1", &[(3, "X^Penicillin^L")]),
            segment("DG1", &[(3, "J44.1^COPD^I10C")]),
            segment("IN1", &[(1, "1"), (3, "INS"), (4, "Lantern"), (12, "2026"), (13, "")]),
            segment("MRG", &[(1, "8^^^GH^MR"), (3, "ACC-2"), (5, "V2")]),
        ),
        (
            segment("ORC", &[(1, "NW"), (2, "P1^OE"), (5, "IP"), (7, "")]),
            segment("OBR", &[(2, "P1^OE"), (3, "F1^LIS"), (4, "CBC^Count^L"), (5, ""), (25, "F"), (27, "")]),
            segment("OBX", &[(3, "W^Weight^L"), (5, "80"), (6, "kg"), (11, "F")]),
            segment("OBX", &[(2, "ED"), (3, "W^Weight^L"), (5, "^Application^PDF^Base64^JVBERi0xLjQK"), (11, "F")]),
            segment("RXO", &[(1, "E1390^Oxygen^HCPCS"), (2, "2"), (11, "1")]),
            segment("RQD", &[(2, "BED"), (5, "1")]),
            segment("NTE", &[]),
            segment("FT1", &[(2, "T1"), (7, "BED^Bed^L"), (10, "1"), (11, "12"), (12, "")]),
        ),
        (
            segment("SCH", &[(2, "A1^S"), (9, "30"), (11, "^^^202611251000"), (25, "Booked")]),
            segment("AIL", &[(3, "CL2")]),
            segment("AIP", &[(3, "1042^Reed")]),
            segment("RF1", &[(2, "R"), (6, "R1"), (7, "20261120"), (8, "")]),
            segment("PRD", &[(1, "RP"), (2, "Reed^Tom")]),
            segment("PRB", &[(1, "AD"), (3, "J44^COPD^L"), (4, "B1")]),
            segment("TXA", &[(2, "TS"), (12, "D1^DOC"), (13, "D0^DOC"), (17, "AU"), (19, "AV")]),
            segment("IAM", &[(3, "X^Penicillin^L"), (6, "A")]),
        ),
    );
    (proptest::sample::select(kinds.to_vec()), segments, proptest::collection::vec(any::<bool>(), 26)).prop_map(
        |(kind, ((pid, pv1, pv2, nk1, al1, dg1, in1, mrg), (orc, obr, obx, ed, rxo, rqd, nte, ft1), rest), kept)| {
            let (sch, ail, aip, rf1, prd, prb, txa, iam) = rest;
            let family = kind.get(..3).unwrap();
            let common = [pid.clone(), nk1, pv1.clone(), pv2, al1, dg1, in1];
            let own: Vec<String> = match family {
                "ADT" if matches!(kind, "ADT^A40" | "ADT^A44" | "ADT^A45" | "ADT^A17") => vec![mrg, pid, pv1],
                "ADT" => vec![iam, obx],
                "SIU" => vec![sch, nte, ail, aip],
                "REF" => vec![rf1, prd, obr],
                "PPR" => vec![prb, orc, obr],
                "MDM" => vec![txa, obx, ed],
                "DFT" | "BAR" => vec![ft1.clone(), nte, ft1],
                "OMS" => vec![orc, rqd, nte],
                "OMP" | "RDE" => vec![orc, rxo, nte],
                _ => vec![orc.clone(), obr.clone(), nte, obx.clone(), obx, ed, orc, obr],
            };
            let all =
                common.into_iter().chain(own).zip(kept).filter(|(segment, kept)| *kept || !segment.starts_with("NK1"));
            let mut raw = format!("MSH|^~\\&|A|GH|||20261120093000||{kind}|1|P|2.5.1|||||||UNICODE UTF-8\r");
            for (segment, _) in all {
                raw.push_str(&segment);
                raw.push('\r');
            }
            (kind.to_owned(), raw.into_bytes())
        },
    )
}

proptest! {
    #[test]
    fn never_makes_a_bundle_that_fhir_forbids((kind, raw) in message()) {
        let (map, result) = prepare(&raw);
        if let Ok(Some(bytes)) = result {
            let bundle = serde_json::from_slice(&bytes).unwrap();
            let faults = bundle::faults(&bundle, &format!("{map}@1"));
            prop_assert!(faults.is_empty(), "{kind}: {faults:#?}\n{}", String::from_utf8_lossy(&raw).replace('\r', "\n"));
        }
    }
}
