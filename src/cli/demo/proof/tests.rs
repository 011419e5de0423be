//! The table must be able to say BROKEN: each figure that breaks a promise breaks its row, and that alone.

#![allow(clippy::indexing_slicing)]

use std::os::unix::process::ExitStatusExt as _;

use super::*;

fn good() -> Evidence {
    let exact = |n| Match { expected: n, found: n, surplus: 0 };
    let flow = |name: &str, received, delivered, duplicate, filtered, sent| FlowFigures {
        row: FlowRow { flow: name.into(), received, delivered, duplicate, filtered, ..FlowRow::default() },
        sent,
    };
    let search = Search { wanted: 30, found: 0, overlooked: 0, files: 9, bytes: 9_000_000 };
    Evidence {
        acknowledged: 120,
        deliveries: exact(160),
        bytes: exact(100),
        jobs: exact(40),
        effects: Effects { effects: 160, repeats: 3, requests: 163, lost_answers: 3, ..Effects::default() },
        keys: 160,
        flows: vec![flow("everything", 103, 100, 3, 0, 100), flow("transport", 62, 60, 0, 2, 62)],
        metrics: Some(MetricFigures::default()),
        outage: Outage { acknowledged: 50, refused: 0, waiting_most: 70 },
        kill: Kill { times: 1, in_flight: 6, resent: 6, first_answer: Some(Duration::from_millis(400)) },
        store: search,
        telling: search,
        stopped: Some(ExitStatus::default()),
        ..Evidence::default()
    }
}

#[test]
fn keeps_every_promise_when_all_is_well() {
    let rows = judge(&good());
    assert!(all_kept(&rows), "{}", render(&rows));
    let text = render(&rows);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("all 13 promises kept") && !text.contains("BROKEN"), "{text}");
    assert!(text.contains("103 received = 100 delivered + 3"), "{text}");
}

#[test]
fn every_figure_can_break_its_promise() {
    type Break = fn(&mut Evidence);
    let breaks: &[(&str, Break)] = &[
        ("What is acknowledged arrives", |e| e.deliveries.found -= 1),
        ("What is acknowledged arrives", |e| e.deliveries.surplus = 1),
        ("What is acknowledged arrives", |e| e.deliveries = Match::default()),
        ("What is acknowledged arrives", |e| e.unacknowledged = 1),
        ("What is acknowledged arrives", |e| e.strangers = 1),
        ("Passed on unchanged", |e| e.bytes.found -= 1),
        ("Each patient's order is kept", |e| e.effects.order_breaks = 1),
        ("One effect per key", |e| e.keys_twice = 1),
        ("One effect per key", |e| e.keys -= 1),
        ("One effect per key", |e| e.effects.duplicates = 1),
        ("One effect per key", |e| e.effects.unkeyed = 1),
        ("One effect per key", |e| e.effects.key_conflicts = 1),
        ("Each job exists exactly once", |e| e.jobs.found -= 1),
        ("Each job exists exactly once", |e| e.jobs.surplus = 1),
        ("Each job exists exactly once", |e| e.double_creates = 1),
        ("Flow everything accounts for all", |e| e.flows[0].row.lost = 1),
        ("Flow everything accounts for all", |e| e.flows[0].sent += 1),
        ("Flow everything accounts for all", |e| e.flows[0].row.waiting = 1),
        ("Flow transport accounts for all", |e| e.flows[1].row.dead_letter = 1),
        ("Flow transport accounts for all", |e| e.flows[1].row.held = 1),
        ("Flow transport accounts for all", |e| e.flows[1].row.received = 0),
        ("The metrics agree", |e| e.metrics = None),
        ("The metrics agree", |e| e.metrics = Some(MetricFigures { lost: 1, ..MetricFigures::default() })),
        ("Senders never wait for the uplink", |e| e.outage.acknowledged = 0),
        ("Senders never wait for the uplink", |e| e.outage.refused = 1),
        ("kill -9 goes by in seconds", |e| e.kill.first_answer = None),
        ("kill -9 goes by in seconds", |e| e.kill.first_answer = Some(Duration::from_secs(11))),
        ("kill -9 goes by in seconds", |e| e.kill.in_flight = 0),
        ("kill -9 goes by in seconds", |e| e.kill.resent = 5),
        ("The store's files are unreadable", |e| e.store.found = 1),
        ("The store's files are unreadable", |e| e.store.overlooked = 1),
        ("The store's files are unreadable", |e| e.store.bytes = 0),
        ("Log and metrics name no patient", |e| e.telling.found = 1),
        ("Stops by draining", |e| e.stopped = None),
        ("Stops by draining", |e| e.stopped = Some(ExitStatus::from_raw(11))),
    ];
    for (promise, change) in breaks {
        let mut evidence = good();
        change(&mut evidence);
        let rows = judge(&evidence);
        let broken: Vec<&str> = rows.iter().filter(|row| !row.kept).map(|row| row.promise.as_str()).collect();
        assert_eq!(broken, [*promise], "{}", render(&rows));
        assert!(!all_kept(&rows));
        assert!(render(&rows).contains("BROKEN") && render(&rows).contains("1 of 13 promises BROKEN"));
    }
}

#[test]
fn no_evidence_is_no_proof() {
    assert!(!all_kept(&[]));
    let rows = judge(&Evidence::default());
    let kept: Vec<&Row> = rows.iter().filter(|row| row.kept).collect();
    assert_eq!(kept, Vec::<&Row>::new());
}

#[test]
fn wraps_at_spaces_and_loses_nothing() {
    let text = "a bb ccc dddd eeeee ffffffffffffffffff g";
    let lines = wrap(text, 10);
    assert_eq!(lines.join(" "), text);
    assert_eq!(lines, ["a bb ccc", "dddd eeeee", "ffffffffffffffffff", "g"]);
}
