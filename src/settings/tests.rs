//! Tests of the whole reader: what is accepted, what is refused and how it is shown.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::{sync::LazyLock, time::Duration};

use super::*;
use crate::units::limits;

mod broken;
mod content;
mod dialed;
mod examples;
mod inbound;
mod refusals;
mod serial;
mod use_cases;

/// Noon of 2026-11-22, UTC.
const NOW: Timestamp = Timestamp(1_795_348_800_000);
static USE_CASES: LazyLock<Vec<UseCase>> = LazyLock::new(|| use_cases(&[]).unwrap_or_else(|faults| panic!("{faults}")));
static KNOWN: LazyLock<Known<'static>> = LazyLock::new(|| Known {
    maps: &[("transport", 1), ("homecare", 3)],
    profiles: &[("adt-feed", 1), ("orders", 2)],
    dialects: &[("standard", 1), ("harbor", 1)],
    use_cases: &USE_CASES,
    overdue: &[("homecare", 3, 12)],
    now: NOW,
});
const MINIMAL: &str = include_str!("../../config/sites/loopback/gurney.toml");

fn read_one(text: &str) -> Result<Checked, Faults> {
    read_all(&[("gurney.toml", text)])
}

fn read_all(files: &[(&str, &str)]) -> Result<Checked, Faults> {
    let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    read(&files, &KNOWN)
}

/// The minimal site with one line put in place of another.
fn minimal_with(line: &str, instead: &str) -> String {
    assert!(MINIMAL.contains(line), "{line} is in the minimal site");
    MINIMAL.replacen(line, instead, 1)
}

#[test]
fn warns_of_a_map_whose_review_is_overdue() {
    let text = MINIMAL.replace("[http.platform]", "[fhir.platform]").replace("\"raw\"", "\"homecare@3\"");
    let files = [("gurney.toml".to_owned(), text.clone())];
    let mut warnings = read(&files, &KNOWN).unwrap().warnings;
    warnings.retain(|warning| !warning.message.contains("names no use case"));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].message, "the review of this map has been due for 12 days");
    let line = text.lines().position(|line| line.contains("homecare@3")).unwrap() + 1;
    assert!(warnings[0].render(Paint::Plain).contains(&format!("gurney.toml:{line}:")), "{warnings:?}");
}

#[test]
fn accepts_the_minimal_site_without_a_warning() {
    let checked = read_one(MINIMAL).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(checked.warnings, []);
    let settings = checked.settings;
    assert_eq!((settings.site.as_str(), settings.node.as_str(), settings.zone.as_str()), ("loopback", "gw-a", "UTC"));
    assert_eq!(settings.store.path, PathBuf::from("/var/lib/gurney/store"));
    assert_eq!(settings.store.key, SecretRef::File("/var/lib/gurney/store.key".into()));
    assert_eq!(settings.store.limit, ByteCount(2_000_000_000));
    assert_eq!(settings.store.keep, Duration::from_secs(30 * 24 * 3600));
    let link = &settings.links[0];
    assert_eq!((link.name.as_str(), link.ack, link.when_refused), ("ehr", AckMode::Auto, WhenRefused::Close));
    let destination = &settings.destinations[0];
    assert_eq!(destination.endpoints, ["http://127.0.0.1:8080/inbound", "http://127.0.0.1:8081/inbound"]);
    assert_eq!(destination.kind, DestinationKind::Http);
    let flow = &settings.flows[0];
    assert_eq!((flow.from, flow.to, &flow.mapping), (0, 0, &Mapping::Raw));
    assert_eq!((flow.owner.as_str(), flow.department.as_str()), ("Integration desk", "Integration desk"));
    assert_eq!((flow.priority, flow.on_refusal, flow.pattern), (Priority::Routine, OnRefusal::Skip, Pattern::Event));
    assert_eq!(settings.metrics, Some("127.0.0.1:9464".parse().unwrap()));
    assert_eq!(settings.console, Some("127.0.0.1:8443".parse().unwrap()));
}

#[test]
fn accepts_what_other_editors_write() {
    for text in [MINIMAL.replace('\n', "\r\n"), format!("\u{feff}{MINIMAL}"), MINIMAL.replace(" = 16", " = 1_6")] {
        assert_eq!(read_one(&text).unwrap().settings.destinations[0].in_flight, 16);
    }
}

#[test]
fn takes_defaults_from_the_list_of_limits() {
    let text = minimal_with("frame_max = \"16 MiB\"\n", "").replace("in_flight = 16\n", "");
    let text = text.replace("retry     = { first = \"1 s\", at_most = \"5 min\", give_up = \"never\" }\n", "");
    let settings = read_one(&text).unwrap().settings;
    let link = &settings.links[0];
    assert_eq!(link.frame_max, ByteCount(limits::FRAME_BYTES_DEFAULT));
    assert_eq!(link.frame_timeout, limits::FRAME_TIMEOUT);
    let LinkWire::MllpServer(server) = &link.wire else { panic!("an MLLP server") };
    assert_eq!(server.idle_timeout, limits::IDLE_TIMEOUT);
    assert_eq!(server.connections_max, limits::CONNECTIONS_MAX);
    assert_eq!(server.connections_per_peer_max, limits::CONNECTIONS_PER_PEER_MAX);
    let destination = &settings.destinations[0];
    assert_eq!(destination.in_flight, limits::IN_FLIGHT_DEFAULT);
    assert_eq!(destination.timeout, limits::RESPONSE_TIMEOUT);
    let pauses = (Duration::from_secs(1), Duration::from_secs(300), None);
    assert_eq!((destination.retry.first, destination.retry.at_most, destination.retry.give_up), pauses);
}

#[test]
fn merges_conf_d_in_order_and_refuses_a_table_in_two_files() {
    let further = "[mllp.lab]\nlisten = \"127.0.0.1:6662\"\n\
        [flow.lab]\nfrom = \"lab\"\non = [\"ORU^R01\"]\nto = \"platform\"\nmapping = \"raw\"\npattern = \"event\"\n\
        target = \"1 min\"\nowner = \"Laboratory\"\nescalate = [\"lab-desk\"]\n";
    let settings = read_all(&[("gurney.toml", MINIMAL), ("conf.d/lab.toml", further)]).unwrap().settings;
    assert_eq!(settings.links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>(), ["ehr", "lab"]);
    assert_eq!((settings.flows[1].from, settings.flows[1].to), (1, 0));

    for (again, title, line) in [
        ("[mllp.ehr]\nlisten = \"127.0.0.1:6669\"", "[mllp.ehr] is defined twice", 16),
        ("[store]\nlimit = \"3 GB\"", "[store] is defined twice", 10),
    ] {
        let faults = read_all(&[("gurney.toml", MINIMAL), ("conf.d/again.toml", again)]).unwrap_err();
        let fault = &faults.faults[0];
        assert_eq!((faults.faults.len(), fault.message.as_str()), (1, title), "{faults}");
        assert_eq!((fault.at.file.as_str(), fault.at.line), ("conf.d/again.toml", 1));
        assert_eq!((fault.also[0].file.as_str(), fault.also[0].line), ("gurney.toml", line));
    }
}

#[test]
fn keeps_flows_in_the_order_of_the_file() {
    let table = MINIMAL.find("[flow.everything]").unwrap()..MINIMAL.find("[metrics]").unwrap();
    let second = MINIMAL[table.clone()].replace("everything", "a-later-one");
    let text = MINIMAL.replace("[metrics]", &format!("{second}[metrics]"));
    let settings = read_one(&text).unwrap().settings;
    assert_eq!(settings.flows.iter().map(|flow| flow.name.as_str()).collect::<Vec<_>>(), ["everything", "a-later-one"]);
}

#[test]
fn matches_networks_and_message_types() {
    for (network, address, expected) in [
        ("10.20.8.0/28", "10.20.8.15", true),
        ("10.20.8.0/28", "10.20.8.16", false),
        ("10.20.8.0/28", "::ffff:10.20.8.1", true),
        ("10.20.8.7", "10.20.8.7", true),
        ("0.0.0.0/0", "192.0.2.1", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "2001:db8::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
    ] {
        let network = words::network(network).unwrap();
        assert_eq!(network.contains(address.parse().unwrap()), expected, "{network:?} {address}");
    }
    for (pattern, code, trigger, expected) in [
        ("*", "ADT", "A01", true),
        ("ADT^*", "ADT", "A01", true),
        ("ADT^*", "ORM", "O01", false),
        ("ADT^A03", "ADT", "A03", true),
        ("ADT^A03", "ADT", "A01", false),
    ] {
        assert_eq!(words::type_pattern(pattern).unwrap().matches(code, trigger), expected, "{pattern}");
    }
}
