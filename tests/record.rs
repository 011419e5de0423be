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
