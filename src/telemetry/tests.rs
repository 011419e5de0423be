//! The scrape as Prometheus sees it: complete from the start, well named, bounded, and free of free text.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{collections::BTreeSet, path::PathBuf};

use super::{labels::*, *};
use crate::{
    ids::{JournalId, OutboxId},
    settings::*,
    units::{ByteCount, Timestamp},
};

const BUILD: Build<'_> = Build { version: "0.1.0", revision: "abc", schema: 3 };

fn site(links: usize, flows: usize, destinations: usize) -> Settings {
    let seconds = Duration::from_secs;
    let pattern = |text: &str| {
        let (code, trigger) = text.split_once('^').unwrap();
        let part = |text: &str| (text != "*").then(|| text.to_owned());
        TypePattern { code: part(code), trigger: part(trigger) }
    };
    Settings {
        site: "loopback".into(),
        node: "gw-a".into(),
        zone: "UTC".into(),
        maps: None,
        profiles: None,
        dialects: None,
        use_cases: None,
        store: Store {
            path: PathBuf::from("store"),
            key: SecretRef::Credential("store-key".into()),
            limit: ByteCount(2_000_000_000),
            keep: seconds(86_400),
        },
        links: (0..links)
            .map(|n| Link {
                name: Name::new(format!("link{n}")),
                ack: AckMode::Auto,
                answering: Answering::default(),
                when_refused: WhenRefused::Close,
                frame_max: ByteCount(1 << 20),
                zone: None,
                charset: None,
                batch_ack: BatchAck::Each,
                profile: None,
                dialect: DialectRef { name: "standard".to_owned(), version: 1 },
                frame_timeout: seconds(30),
                framing: Framing::Mllp(crate::wire::mllp::Options::default()),
                content: Content::Hl7,
                wire: LinkWire::Serial(SerialPort {
                    port: PathBuf::from("/dev/null"),
                    baud: 9600,
                    data_bits: 8,
                    parity: Parity::None,
                    stop_bits: 1,
                    flow_control: FlowControl::None,
                    gap: None,
                    silence: None,
                    carrier: Carrier::Ignore,
                    write_timeout: Duration::from_secs(15),
                    duplex: Duplex::Full,
                }),
            })
            .collect(),
        destinations: (0..destinations)
            .map(|n| Destination {
                name: Name::new(format!("platform{n}")),
                kind: DestinationKind::Fhir,
                endpoints: vec!["http://127.0.0.1:1/".into()],
                retry: Retry { first: seconds(1), at_most: seconds(300), give_up: None },
                in_flight: 16,
                timeout: seconds(30),
                tls: ClientTls::default(),
            })
            .collect(),
        flows: (0..flows)
            .map(|n| Flow {
                name: Name::new(format!("flow{n}")),
                use_case: None,
                from: n % links,
                on: vec![pattern("ADT^*"), pattern("ADT^A03"), pattern("ORM^O01")],
                to: n % destinations,
                mapping: Mapping::Map { name: "transport".into(), version: 1 },
                pattern: Pattern::Event,
                priority: Priority::Urgent,
                on_refusal: OnRefusal::Skip,
                target: seconds(5),
                owner: "Integration desk".into(),
                department: "IT \"east\"\\\nwing".into(),
                escalate: vec!["integration-desk".into()],
            })
            .collect(),
        metrics: None,
        console: None,
    }
}

fn telemetry() -> Telemetry {
    let telemetry = Telemetry::new(&site(1, 1, 1), BUILD).unwrap();
    telemetry.maps(&[transport(1)], ["service", "units"].into_iter());
    telemetry
}

fn transport(version: u32) -> MapInUse {
    MapInUse { name: "transport".to_owned(), version, review_due: Some(Timestamp(1_811_000_000_000)) }
}

fn value(telemetry: &Telemetry, series: &str) -> f64 {
    let text = telemetry.gather().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no series {series} in\n{text}")).parse().unwrap()
}

#[test]
fn shows_every_promised_metric_before_the_first_message() {
    let text = telemetry().gather().unwrap();
    for series in [
        "gurney_build_info{revision=\"abc\",schema=\"3\",version=\"0.1.0\"} 1",
        "gurney_interface_up{interface=\"link0\"} 0",
        "gurney_messages_received_total{interface=\"link0\",type=\"ADT\"} 0",
        "gurney_messages_received_total{interface=\"link0\",type=\"ADT^A03\"} 0",
        "gurney_messages_received_total{interface=\"link0\",type=\"other\"} 0",
        "gurney_message_acks_total{code=\"AA\",interface=\"link0\"} 0",
        "gurney_message_acks_total{code=\"CR\",interface=\"link0\"} 0",
        "gurney_conformance_messages_total{interface=\"link0\",result=\"clean\"} 0",
        "gurney_conformance_messages_total{interface=\"link0\",result=\"refused\"} 0",
        "gurney_conformance_findings_total{interface=\"link0\",severity=\"note\"} 0",
        "gurney_conformance_findings_total{interface=\"link0\",severity=\"reject\"} 0",
        "gurney_messages_processed_total{flow=\"flow0\",outcome=\"delivered\"} 0",
        "gurney_messages_processed_total{flow=\"none\",outcome=\"filtered\"} 0",
        "gurney_messages_lost_total{flow=\"flow0\",reason=\"store_full\"} 0",
        "gurney_queue_messages{destination=\"platform0\",priority=\"stat\"} 0",
        "gurney_queue_oldest_message_age_seconds{destination=\"platform0\"} 0",
        "gurney_message_ack_duration_seconds_count{interface=\"link0\"} 0",
        "gurney_message_ack_duration_seconds_bucket{interface=\"link0\",le=\"0.0025\"} 0",
        "gurney_message_delivery_duration_seconds_bucket{flow=\"flow0\",le=\"14400\"} 0",
        "gurney_delivery_attempts_total{destination=\"platform0\",result=\"unreachable\"} 0",
        "gurney_store_commit_duration_seconds_count 0",
        "gurney_store_limit_bytes 2000000000",
        "gurney_store_level{level=\"normal\"} 1",
        "gurney_destination_up{destination=\"platform0\"} 0",
        "gurney_flow_info{criticality=\"urgent\",department=\"IT \\\"east\\\"\\\\\\nwing\",flow=\"flow0\",\
         owner=\"Integration desk\",pattern=\"event\"} 1",
        "gurney_flow_latency_target_seconds{flow=\"flow0\"} 5",
        "gurney_mapping_info{mapping=\"transport\",version=\"1\"} 1",
        "gurney_mapping_unmapped_codes_total{mapping=\"transport\"} 0",
        "gurney_job_findings_total{finding=\"cancel-in-doubt\"} 0",
    ] {
        assert!(text.lines().any(|line| line == series), "missing {series} in\n{text}");
    }
    assert!(text.contains("\nprocess_resident_memory_bytes "), "no process metrics");
}

#[test]
fn never_makes_a_series_while_it_runs() {
    let telemetry = telemetry();
    let before = telemetry.series();
    let text = telemetry.gather().unwrap();
    for series in [
        "gurney_terminology_unmapped_codes_total{table=\"units\"} 0",
        "gurney_mapping_review_due_timestamp_seconds{mapping=\"transport\"} 1811000000",
    ] {
        assert!(text.lines().any(|line| line == series), "missing {series} in\n{text}");
    }
    let link = telemetry.link(0);
    for (code, trigger) in [("ADT", "A03"), ("ADT", "A99"), ("ORM", "O01"), ("ZZZ", "DOE^JANE")] {
        link.received(Timestamp(1_000), code, trigger);
    }
    link.acked(AckCode::Aa, Duration::from_millis(3));
    link.tell(LinkSignal::PeerRefused { peer: ([127, 0, 0, 1], 9).into(), why: Refusal::Full });
    link.tell(LinkSignal::FrameError { fault: FrameFault::Oversize, dropped: 7 });
    telemetry.flow(0).delivered(Duration::from_secs(1));
    telemetry.flow(0).tell(FlowSignal::DeadLettered { entry: OutboxId(1), reason: "refused" });
    telemetry.unrouted().tell(FlowSignal::Quarantined { message: JournalId(4) });
    telemetry.destination(0).attempted(AttemptResult::Timeout, false);
    telemetry.destination(0).tell(DestinationSignal::Switched { from: 0, to: 1 });
    telemetry.store().tell(StoreSignal::Broken);
    telemetry.tell(Signal::CodeUnmapped { mapping: "transport", table: "service" });
    let (finding, gravity) = (JobFinding::Tombstone, Gravity::Warn);
    telemetry.tell(Signal::JobNoticed { flow: "flow0", finding, gravity, by: 3 });
    telemetry.tell(Signal::MapInUse { flow: "flow0", mapping: "transport@2" });
    telemetry.maps(&[transport(2)], ["service", "units"].into_iter());
    telemetry.tell(Signal::ConfigurationLoaded { now: Timestamp(1_500) });
    assert_eq!(telemetry.series(), before);
    let text = telemetry.gather().unwrap();
    for (series, is_there) in [
        ("gurney_mapping_info{mapping=\"transport\",version=\"2\"} 1", true),
        ("gurney_mapping_info{mapping=\"transport\",version=\"1\"} 1", false),
        ("gurney_terminology_unmapped_codes_total{table=\"service\"} 1", true),
        ("gurney_job_findings_total{finding=\"tombstone\"} 3", true),
    ] {
        assert_eq!(text.lines().any(|line| line == series), is_there, "{series} in\n{text}");
    }
}

#[test]
fn counts_a_message_under_the_most_precise_known_type() {
    let telemetry = telemetry();
    for (code, trigger) in [("ADT", "A03"), ("ADT", "A03"), ("ADT", "A08"), ("ORM", "O02"), ("", "")] {
        telemetry.link(0).received(Timestamp(2_500), code, trigger);
    }
    let received =
        |kind| value(&telemetry, &format!("gurney_messages_received_total{{interface=\"link0\",type=\"{kind}\"}}"));
    assert_eq!([received("ADT^A03"), received("ADT"), received("ORM^O01"), received("other")], [2.0, 1.0, 0.0, 2.0]);
    assert_eq!(value(&telemetry, "gurney_interface_last_message_timestamp_seconds{interface=\"link0\"}"), 2.5);
}

#[test]
fn counts_what_each_signal_stands_for() {
    let telemetry = telemetry();
    let broken = std::io::Error::other("gone");
    for (signal, up) in [
        (LinkSignal::Up { at: "127.0.0.1:6661" }, 1.0),
        (LinkSignal::Down { cause: &broken }, 0.0),
        (LinkSignal::Restored, 1.0),
    ] {
        telemetry.link(0).tell(signal);
        assert_eq!(value(&telemetry, "gurney_interface_up{interface=\"link0\"}"), up);
    }
    assert_eq!(value(&telemetry, "gurney_interface_reconnects_total{interface=\"link0\"}"), 1.0);

    for (to, preferred) in [(1, 0.0), (0, 1.0)] {
        telemetry.destination(0).tell(DestinationSignal::Switched { from: 1 - to, to });
        assert_eq!(value(&telemetry, "gurney_destination_preferred{destination=\"platform0\"}"), preferred);
    }
    telemetry.destination(0).tell(DestinationSignal::Stopped { entry: OutboxId(1), status: 422 });
    assert_eq!(value(&telemetry, "gurney_destination_stopped{destination=\"platform0\"}"), 1.0);
    telemetry.destination(0).tell(DestinationSignal::Resumed);
    assert_eq!(value(&telemetry, "gurney_destination_stopped{destination=\"platform0\"}"), 0.0);

    let (size, free) = (ByteCount(70), ByteCount(30));
    telemetry.store().tell(StoreSignal::LevelChanged { level: StoreLevel::Shed, size, free });
    assert_eq!(value(&telemetry, "gurney_store_level{level=\"shed\"}"), 1.0);
    assert_eq!(value(&telemetry, "gurney_store_level{level=\"normal\"}"), 0.0);
    assert_eq!(value(&telemetry, "gurney_store_size_bytes"), 70.0);
    telemetry.store().tell(StoreSignal::Failed { operation: StoreOperation::Sync, cause: &broken });
    assert_eq!(value(&telemetry, "gurney_store_errors_total{operation=\"sync\"}"), 1.0);
    telemetry.flow(0).tell(FlowSignal::Lost { reason: Loss::Corrupt, count: 3 });
    assert_eq!(value(&telemetry, "gurney_messages_lost_total{flow=\"flow0\",reason=\"corrupt\"}"), 3.0);
}

#[test]
fn tells_late_deliveries_from_those_on_time() {
    let telemetry = telemetry();
    for millis in [4_999, 5_000, 5_001] {
        telemetry.flow(0).delivered(Duration::from_millis(millis));
    }
    assert_eq!(value(&telemetry, "gurney_messages_on_time_total{flow=\"flow0\"}"), 2.0);
    assert_eq!(value(&telemetry, "gurney_messages_processed_total{flow=\"flow0\",outcome=\"delivered\"}"), 3.0);
}

#[test]
fn counts_a_judged_message_once_and_every_finding() {
    let telemetry = telemetry();
    for counts in [[0, 0, 0, 0], [2, 0, 0, 0], [1, 3, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]] {
        telemetry.link(0).judged(counts);
    }
    for (series, count) in [
        ("messages_total{interface=\"link0\",result=\"clean\"}", 1.0),
        ("messages_total{interface=\"link0\",result=\"noted\"}", 1.0),
        ("messages_total{interface=\"link0\",result=\"warned\"}", 1.0),
        ("messages_total{interface=\"link0\",result=\"refused\"}", 2.0),
        ("findings_total{interface=\"link0\",severity=\"note\"}", 3.0),
        ("findings_total{interface=\"link0\",severity=\"warn\"}", 3.0),
        ("findings_total{interface=\"link0\",severity=\"reject\"}", 1.0),
    ] {
        assert_eq!(value(&telemetry, &format!("gurney_conformance_{series}")), count, "{series}");
    }
}

#[test]
fn stays_within_the_series_budget_of_a_large_site() {
    let hospital = Telemetry::new(&site(5, 6, 4), BUILD).unwrap().series();
    let large = Telemetry::new(&site(25, 30, 10), BUILD).unwrap().series();
    assert!(hospital < 900, "{hospital} series for 5 serial links and 6 flows");
    assert!(large < limits::SERIES_MAX, "{large} series for 25 links and 30 flows");
}

/// The rules of `promtool check metrics`, so that they hold without promtool.
#[test]
fn names_and_explains_every_metric_as_prometheus_asks() {
    let text = telemetry().gather().unwrap();
    let helped: BTreeSet<&str> = text.lines().filter_map(|l| l.strip_prefix("# HELP ")?.split(' ').next()).collect();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    for (name, kind) in types {
        assert!(helped.contains(name), "{name} has no help");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
        for suffix in ["_count", "_sum", "_bucket", "_milliseconds", "_ms", "_kilobytes", "_gauge", "_counter"] {
            assert!(!name.ends_with(suffix), "{name} ends with {suffix}");
        }
        assert!(name.starts_with("gurney_") || name.starts_with("process_"), "{name} has no prefix");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
    }
    assert!(helped.len() > 45, "only {} families", helped.len());
}

#[test]
fn gives_every_metric_that_the_alert_rules_ask_for() {
    let text = telemetry().gather().unwrap();
    let rules = include_str!("../../observability/rules/gurney.yml");
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let asked: BTreeSet<&str> = words.filter(|word| word.starts_with("gurney_")).collect();
    assert!(asked.len() > 15, "only {} metrics asked for", asked.len());
    for name in asked {
        assert!(
            text.lines().any(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} "))),
            "{name}"
        );
    }
}
