//! The example configurations and the JSON Schema.

use serde_json::Value as Json;

use super::super::{fields::to_json, keys, words};
use super::*;

const REFERENCE: &str = include_str!("../../../config/gurney.toml");
const DISCHARGE: &str = include_str!("../../../config/sites/discharge/gurney.toml");

#[test]
fn accepts_every_example_without_a_warning() {
    for (name, text) in [("reference", REFERENCE), ("loopback", MINIMAL), ("discharge", DISCHARGE)] {
        let checked = read_one(text).unwrap_or_else(|faults| panic!("{name}:\n{faults}"));
        assert_eq!(checked.warnings, [], "{name}");
    }
}

#[test]
fn reads_the_discharge_site() {
    let settings = read_one(DISCHARGE).unwrap().settings;
    assert_eq!(settings.store.key, SecretRef::Credential("store-key".to_owned()));
    let LinkWire::MllpServer(server) = &settings.links[0].wire else { panic!("an MLLP server") };
    assert_eq!(server.tls.as_ref().unwrap().certificate, SecretRef::Credential("mllp".to_owned()));
    assert_eq!(server.allow, [Network { address: "10.20.8.0".parse().unwrap(), prefix: 28 }]);
    let LinkWire::Serial(port) = &settings.links[1].wire else { panic!("a serial port") };
    assert_eq!((port.baud, port.data_bits, port.parity, port.stop_bits), (9600, 8, Parity::None, 1));
    assert_eq!(port.flow_control, FlowControl::None);
    assert_eq!(settings.links[1].framing, Framing::Mllp(mllp::Options::default()));
    assert_eq!(settings.destinations[0].kind, DestinationKind::Fhir);
    let map = Mapping::Map { name: "transport".to_owned(), version: 1 };
    assert_eq!((settings.flows[2].from, &settings.flows[2].mapping), (1, &map));
}

/// The reference with every key that may be left out written: it reads as well, and means the same.
#[test]
fn shows_true_defaults_in_the_reference() {
    let mut shown = String::new();
    for line in REFERENCE.lines() {
        let key = line.strip_prefix('#').and_then(|rest| rest.split_once('=')).map(|(key, _)| key);
        let is_key = key.is_some_and(|key| {
            !key.starts_with(' ') && key.trim_end().bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        });
        let chosen = [
            "key ",
            "tls",
            "plaintext",
            "zone",
            "charset",
            "maps",
            "profile",
            "dialects",
            "use_cases",
            "department",
            "suffix",
            "gap  ",
            "silence",
            "bearer",
        ]
        .iter()
        .any(|skipped| line[1.min(line.len())..].starts_with(skipped));
        shown.push_str(if is_key && !chosen { &line[1..] } else { line });
        shown.push('\n');
    }
    assert!(shown.contains("\nconnections_per_peer = 64") && shown.contains("\nretry     = {"));
    let [bare, written] = [REFERENCE, &shown].map(|text| format!("{:?}", read_one(text).unwrap().settings));
    assert_eq!(bare, written);
}

#[test]
fn names_every_key_in_the_reference() {
    for section in keys::SINGLE.iter().chain(&keys::NAMED) {
        let header = format!("\n[{}", section.kind);
        let tables = REFERENCE.match_indices(&header).map(|(begin, _)| {
            let rest = &REFERENCE[begin + 1..];
            &rest[..rest.find("\n[").unwrap_or(rest.len())]
        });
        let table = tables.collect::<Vec<_>>().join("\n");
        assert!(!table.is_empty(), "[{}] in the reference", section.kind);
        for key in section.keys {
            let is_there = table.lines().any(|line| {
                let written = line.trim_start_matches('#').split('=').next().unwrap_or_default();
                line.contains('=') && written.trim() == key.name()
            });
            assert!(is_there, "{} of [{}] in the reference", key.name(), section.kind);
        }
    }
}

/// Sources that share their kind with others have a table of their own.
#[test]
fn names_every_key_of_sources_by_use_in_the_reference() {
    let (before, _) = REFERENCE.split_once("---- Where they go").unwrap();
    for (name, section) in keys::SOURCES {
        let header = format!("[{}.", section.kind);
        let mut tables =
            before.split("\n[").map(|table| format!("[{table}")).filter(|table| table.starts_with(&header));
        let has = |table: &String, key: &str| {
            table.lines().any(|line| line.trim_start_matches('#').split('=').next().unwrap_or_default().trim() == key)
        };
        assert!(tables.any(|table| section.keys.iter().all(|key| has(&table, key.name()))), "{name} in the reference");
    }
}

/// Destinations of kinds that sources have too stand behind the sources.
#[test]
fn names_every_key_of_destinations_by_use_in_the_reference() {
    let (_, behind) = REFERENCE.split_once("---- Where they go").unwrap();
    for (name, section) in keys::TARGETS {
        let header = format!("[{}.", section.kind);
        let mut tables =
            behind.split("\n[").map(|table| format!("[{table}")).filter(|table| table.starts_with(&header));
        let has = |table: &String, key: &str| {
            table.lines().any(|line| line.trim_start_matches('#').split('=').next().unwrap_or_default().trim() == key)
        };
        assert!(tables.any(|table| section.keys.iter().all(|key| has(&table, key.name()))), "{name} in the reference");
    }
}

#[test]
fn reads_destinations_by_their_use() {
    let settings = read_one(REFERENCE).unwrap().settings;
    let find = |name: &str| settings.destinations.iter().find(|to| to.name.as_str() == name).unwrap();
    assert!(settings.links.iter().all(|link| !["laboratory", "pharmacy", "exchange"].contains(&link.name.as_str())));
    let laboratory = find("laboratory");
    let DestinationKind::Mllp(target) = &laboratory.kind else { panic!("MLLP") };
    assert_eq!(laboratory.endpoints, ["127.0.0.1:6662"]);
    assert_eq!((laboratory.in_flight, laboratory.timeout), (1, limits::RESPONSE_TIMEOUT));
    assert_eq!((target.idle, target.keepalive), (limits::UNUSED_TIMEOUT, limits::KEEPALIVE.0));
    assert_eq!(target.opening, Opening::Dial { security: Security::Plain });
    assert_eq!(
        (target.release, target.connection, target.gap),
        (MllpRelease::One, ConnectionUse::Keep, Duration::ZERO)
    );
    assert_eq!((target.awaited, target.on_error), (AwaitedAck::Commit, OnError::Retry));
    assert_eq!(find("pharmacy").listens_at(), Some("127.0.0.1:6671".parse().unwrap()));
    let folder = FolderTarget { path: "/srv/exchange/out".into(), suffix: None };
    assert_eq!(find("exchange").kind, DestinationKind::Folder(folder));
}

#[test]
fn declares_values_that_can_be_read() {
    let schema = schema();
    let mut keys_seen = 0;
    let sections = keys::SINGLE.iter().chain(&keys::NAMED).map(|section| (section.kind, *section));
    for (name, section) in sections.chain(keys::SOURCES).chain(keys::TARGETS) {
        for key in section.keys {
            let part = &schema["$defs"][name]["properties"][key.name()];
            assert!(part["description"].as_str().unwrap().ends_with('.'), "{}", key.name());
            for value in part["examples"].as_array().unwrap().iter().chain(part.get("default")) {
                validate(value, part, &schema, key.name());
            }
            keys_seen += 1;
        }
    }
    assert!(keys_seen > 40);
}

#[test]
fn fits_every_example_to_the_schema() {
    let schema = schema();
    for (name, text) in [("reference", REFERENCE), ("loopback", MINIMAL), ("discharge", DISCHARGE)] {
        let table = toml::de::DeTable::parse(text).unwrap();
        let json = to_json(&toml::de::DeValue::Table(table.into_inner()));
        validate(&json, &schema, &schema, name);
    }
}

/// Checks `value` by the words of JSON Schema that [`schema`] uses; panics at an unknown one.
fn validate(value: &Json, schema: &Json, root: &Json, at: &str) {
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$ref" => {
                let kind = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                validate(value, &root["$defs"][kind], root, at);
            }
            "type" => {
                let fits = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "integer" => value.is_i64(),
                    "string" => value.is_string(),
                    other => panic!("{other}"),
                };
                assert!(fits, "{at}: {value} is no {rule}");
            }
            "properties" => {
                for (name, value) in value.as_object().unwrap() {
                    let part = rule.get(name).or_else(|| {
                        schema["additionalProperties"].as_object().map(|_| &schema["additionalProperties"])
                    });
                    validate(
                        value,
                        part.unwrap_or_else(|| panic!("{at}: {name} is not in the schema")),
                        root,
                        &format!("{at}.{name}"),
                    );
                }
            }
            "additionalProperties" if rule.is_object() => {
                for (name, value) in value.as_object().unwrap() {
                    assert!(words::label(name).is_ok());
                    validate(value, rule, root, &format!("{at}.{name}"));
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    assert!(value.get(name.as_str().unwrap()).is_some(), "{at} has {name}");
                }
            }
            "items" => value.as_array().unwrap().iter().for_each(|item| validate(item, rule, root, at)),
            "minItems" => assert!(value.as_array().unwrap().len() as u64 >= rule.as_u64().unwrap(), "{at}"),
            "maxItems" => assert!(value.as_array().unwrap().len() as u64 <= rule.as_u64().unwrap(), "{at}"),
            "minimum" => assert!(value.as_u64() >= rule.as_u64(), "{at}"),
            "maximum" => assert!(value.as_u64() <= rule.as_u64(), "{at}"),
            "enum" => assert!(rule.as_array().unwrap().contains(value), "{at}: {value} in {rule}"),
            "const" => assert_eq!(value, rule, "{at}"),
            "minLength" => assert!(!value.as_str().unwrap().is_empty(), "{at}"),
            "anyOf" => {
                let fits = |form: &Json| std::panic::catch_unwind(|| validate(value, form, root, at)).is_ok();
                assert!(rule.as_array().unwrap().iter().any(fits), "{at}: none of {rule}");
            }
            // Regular expressions are left to the validators of others; `read` checks the values.
            "pattern" | "propertyNames" | "additionalProperties" => {}
            "description" | "default" | "examples" | "title" | "$schema" | "$defs" => {}
            other => panic!("{other} is not checked here"),
        }
    }
}
