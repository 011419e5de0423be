//! The journal thread against a real database in a temporary folder.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use rusqlite::Connection;

use super::{
    Journal, Opened, Plan,
    key::StoreKey,
    open, open_reader, reader,
    rows::Names,
    writer::{Latch, Order, OrderOutcome, Settlement, SettlementKind},
};
use crate::{
    delivery::Want,
    flow::{Answer, Fault, Flows, Route, RouteVerdict, Understood, Verdict},
    ids::{JournalId, Name, OutboxId},
    mapping::Registry,
    settings::{
        AckAfter, AckMode, Answering, ClientTls, Destination, DestinationKind, Flow, FlowControl, Framing, Link,
        LinkWire, Mapping, OnRefusal, Parity, Pattern, Priority, Retry, SecretRef, SerialPort, Settings, Store,
        TypePattern, WhenRefused,
    },
    units::{ByteCount, Timestamp},
};

mod answers;
mod continuation;
mod listing;
mod migration;

fn settings(folder: &Path) -> Settings {
    let link = Link {
        name: Name::new("ehr"),
        ack: AckMode::Auto,
        answering: Answering::default(),
        when_refused: WhenRefused::Close,
        frame_max: ByteCount(1 << 20),
        zone: None,
        charset: None,
        batch_ack: crate::settings::BatchAck::Each,
        profile: None,
        dialect: crate::settings::DialectRef { name: "standard".to_owned(), version: 1 },
        frame_timeout: Duration::from_secs(30),
        framing: Framing::Mllp(crate::wire::mllp::Options::default()),
        content: crate::settings::Content::Hl7,
        wire: LinkWire::Serial(SerialPort {
            port: "/dev/null".into(),
            baud: 9600,
            data_bits: 8,
            parity: Parity::None,
            stop_bits: 1,
            flow_control: FlowControl::None,
            gap: None,
            silence: None,
            carrier: crate::settings::Carrier::Ignore,
            write_timeout: Duration::from_secs(15),
            duplex: crate::settings::Duplex::Full,
        }),
    };
    let destination = Destination {
        name: Name::new("platform"),
        kind: DestinationKind::Http,
        endpoints: vec!["http://127.0.0.1:1/".to_owned()],
        retry: Retry { first: Duration::from_secs(1), at_most: Duration::from_secs(60), give_up: None },
        in_flight: 16,
        timeout: Duration::from_secs(10),
        tls: ClientTls::default(),
    };
    let flow = |name: &str, priority| Flow {
        name: Name::new(name),
        use_case: None,
        from: 0,
        on: vec![TypePattern { code: None, trigger: None }],
        to: 0,
        mapping: Mapping::Raw,
        pattern: Pattern::Event,
        priority,
        on_refusal: OnRefusal::Skip,
        target: Duration::from_secs(5),
        owner: "desk".to_owned(),
        department: "desk".to_owned(),
        escalate: vec!["desk".to_owned()],
    };
    Settings {
        site: "loopback".to_owned(),
        node: "gw-a".to_owned(),
        zone: "UTC".to_owned(),
        maps: None,
        profiles: None,
        dialects: None,
        use_cases: None,
        store: Store {
            path: folder.to_owned(),
            key: SecretRef::File("unused".into()),
            limit: ByteCount(64 << 20),
            keep: Duration::from_secs(3600),
        },
        links: vec![link],
        destinations: vec![destination],
        flows: vec![flow("everything", Priority::Routine), flow("urgent", Priority::Urgent)],
        metrics: None,
        console: None,
    }
}

fn message(control: i64, content: u8, flows: &[usize]) -> Understood {
    Understood {
        link: 0,
        received_at: Timestamp(1000 + control),
        kind: "ADT^A01".to_owned(),
        fingerprint: Some(control.wrapping_mul(0x1234_5678_9ABC_DEF1)),
        content_hash: [content; 32],
        is_answer: false,
        charset_guessed: None,
        fault: None,
        findings: None,
        routes: flows
            .iter()
            .map(|flow| Route { flow: *flow, verdict: RouteVerdict::Deliver { ordering_key: 7 } })
            .collect(),
        part: None,
        sequence: None,
        ack_after: AckAfter::Stored,
        later: None,
        map_changes: 0,
        unmapped: Vec::new(),
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    plan: Plan,
    settings: Settings,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let plan =
            Plan { path: folder.path().to_owned(), key: StoreKey::random().unwrap(), limit: settings.store.limit };
        Self { folder, plan, settings }
    }

    fn open(&self) -> Opened {
        open(self.plan.clone()).unwrap()
    }

    fn flows(&self) -> Arc<Flows> {
        Arc::new(Flows::new(&self.settings, Arc::new(Registry::builtin().unwrap())))
    }

    fn start(&self) -> (Journal, Names) {
        Journal::start(self.open(), &self.settings, self.flows(), |_| {}).unwrap()
    }

    fn reader(&self) -> Connection {
        open_reader(&self.plan).unwrap()
    }

    fn tally(&self, outcome: &str) -> i64 {
        self.reader()
            .query_row("SELECT coalesce(sum(n), 0) FROM tally WHERE outcome = ?1", [outcome], |row| row.get(0))
            .unwrap()
    }
}

fn settled(id: OutboxId, kind: SettlementKind) -> Settlement {
    Settlement {
        id,
        destination: 0,
        priority: Priority::Routine,
        attempts: 1,
        status: Some(200),
        endpoint: 0,
        at: Timestamp(9000),
        said: Vec::new(),
        kind,
    }
}

fn first(limit: usize) -> Want {
    Want { priority: Priority::Routine, key: None, after: OutboxId(0), limit }
}

fn stop(journal: &Journal) {
    journal.stop(Timestamp(10_000)).blocking_recv().unwrap();
}

fn stored(answer: Answer) -> crate::flow::Original {
    match answer {
        Answer::Stored(original) => original,
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_in_arrival_order_with_what_is_on_disk() {
    let fixture = Fixture::new();
    let (journal, names) = fixture.start();
    let answers: Vec<_> =
        (1..=500).map(|n| journal.accept(message(n, 1, &[0]), format!("MSH|{n}").into_bytes())).collect();
    for (n, answer) in (1..=500).zip(answers) {
        let original = stored(answer.blocking_recv().unwrap());
        assert_eq!(original.journal, JournalId(n));
        let found = reader::message(&fixture.reader(), original.journal).unwrap().unwrap();
        assert_eq!(found.raw, format!("MSH|{n}").into_bytes());
    }
    let waiting = reader::page(&fixture.reader(), names.destinations[0], first(1000)).unwrap();
    assert!(waiting.iter().map(|entry| entry.journal.0).eq(1..=500));
    stop(&journal);
}

#[tokio::test]
async fn tells_of_a_new_delivery_though_more_were_settled_beside_it() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    for n in 1..=3 {
        stored(journal.accept(message(n, 1, &[0]), vec![1]).await.unwrap());
    }
    journal.shared().arrived(0).await;
    // Settlements wait a little for a message to share a transaction with.
    for n in 1..=3 {
        journal.settle(settled(OutboxId(n), SettlementKind::Delivered)).unwrap();
    }
    stored(journal.accept(message(4, 1, &[0]), vec![1]).await.unwrap());
    tokio::time::timeout(Duration::from_secs(10), journal.shared().arrived(0)).await.unwrap();
    journal.stop(Timestamp(10_000)).await.unwrap();
    assert_eq!((fixture.tally("delivered"), fixture.tally("waiting")), (3, 1));
}

#[test]
fn repeats_get_the_stored_answer_also_after_a_restart() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    let first = stored(journal.accept(message(1, 1, &[0, 1]), vec![1]).blocking_recv().unwrap());
    let again = stored(journal.accept(message(1, 1, &[0, 1]), vec![1]).blocking_recv().unwrap());
    assert_eq!(first, again);
    stop(&journal);
    let (journal, _) = fixture.start();
    assert_eq!(stored(journal.accept(message(1, 1, &[0, 1]), vec![1]).blocking_recv().unwrap()), first);
    let other = stored(journal.accept(message(1, 2, &[0, 1]), vec![2]).blocking_recv().unwrap());
    assert_eq!(other.journal, JournalId(2), "a wrapped counter is a new message");
    assert_eq!(fixture.tally("received"), 8);
    assert_eq!(fixture.tally("duplicate"), 4);
    assert_eq!(fixture.tally("waiting"), 4);
    stop(&journal);
}

#[test]
fn keeps_rejected_messages_for_a_person() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    let mut bad = message(1, 1, &[]);
    bad.fault = Some((Fault::Unparsable, "byte 0: expected MSH".to_owned()));
    let original = stored(journal.accept(bad, b"junk".to_vec()).blocking_recv().unwrap());
    assert_eq!(original.verdict, Verdict::Reject(Fault::Unparsable));
    assert_eq!(reader::message(&fixture.reader(), original.journal).unwrap().unwrap().raw, b"junk");
    assert_eq!(fixture.tally("quarantined"), 1);
    stop(&journal);
}

#[test]
fn settles_once_and_sends_dead_letters_again_on_order() {
    let fixture = Fixture::new();
    let (journal, names) = fixture.start();
    for n in 1..=2 {
        journal.accept(message(n, 1, &[0]), vec![1]).blocking_recv().unwrap();
    }
    for _ in 0..2 {
        journal.settle(settled(OutboxId(1), SettlementKind::Delivered)).unwrap();
    }
    let refused = SettlementKind::DeadLetter { reason: "refused", response: b"no".to_vec() };
    journal.settle(settled(OutboxId(2), refused)).unwrap();
    let entry = || super::Entry {
        actor: "tester".to_owned(),
        action: "resend",
        subject: "1".to_owned(),
        detail: "try again".to_owned(),
    };
    while fixture.tally("dead_letter") == 0 {
        journal.order(Order::Audit(entry()), Timestamp(1)).blocking_recv().unwrap().unwrap();
    }
    assert_eq!(fixture.tally("delivered"), 1);
    assert_eq!(fixture.tally("waiting"), 0);
    assert_eq!(journal.shared().depth(0, Priority::Routine), 0);
    let outcome = journal.order(Order::Resend { aside: 1, entry: entry() }, Timestamp(2)).blocking_recv().unwrap();
    assert_eq!(outcome.unwrap(), OrderOutcome::Done);
    let missing = journal.order(Order::Resend { aside: 1, entry: entry() }, Timestamp(3)).blocking_recv().unwrap();
    assert_eq!(missing.unwrap(), OrderOutcome::NotFound);
    let waiting = reader::page(&fixture.reader(), names.destinations[0], first(10)).unwrap();
    assert_eq!(
        waiting.iter().map(|entry| (entry.id, entry.journal)).collect::<Vec<_>>(),
        [(OutboxId(3), JournalId(2))]
    );
    assert_eq!((fixture.tally("dead_letter"), fixture.tally("waiting")), (0, 1));
    assert_eq!(journal.shared().depth(0, Priority::Routine), 1);
    stop(&journal);
}

#[test]
fn tells_of_new_deliveries_also_when_as_many_are_settled_with_them() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    journal.accept(message(1, 1, &[0]), vec![1]).blocking_recv().unwrap();
    let told = || journal.shared().arrived(0).now_or_never().is_some();
    assert!(told());
    // A settlement waits for a message to ride on, so both are in one transaction, and the depth stays as it is.
    journal.settle(settled(OutboxId(1), SettlementKind::Delivered)).unwrap();
    journal.accept(message(2, 1, &[0]), vec![1]).blocking_recv().unwrap();
    assert!(told(), "a courier that sleeps would never hear of message 2");
    stop(&journal);
}

#[test]
fn reads_a_message_again_that_was_read_under_other_maps() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    let accept = |control, map_changes| {
        let message = Understood { map_changes, ..message(control, 1, &[0]) };
        stored(journal.accept(message, b"no message at all".to_vec()).blocking_recv().unwrap()).verdict
    };
    assert_eq!(accept(1, 0), Verdict::Accept, "taken as its link read it");
    assert_eq!(accept(2, 7), Verdict::Reject(Fault::Unparsable), "taken as the maps in use read it");
    stop(&journal);
}

#[test]
fn purges_only_what_nothing_needs() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    for n in 1..=10 {
        journal.accept(message(n, 1, &[0]), vec![1]).blocking_recv().unwrap();
    }
    for n in [1, 2, 3, 5] {
        journal.settle(settled(OutboxId(n), SettlementKind::Delivered)).unwrap();
    }
    let order = Order::Purge { before: Timestamp(1_000_000) };
    let mut purged = 0;
    while purged < 3 {
        match journal.order(order.clone(), Timestamp(1)).blocking_recv().unwrap().unwrap() {
            OrderOutcome::Purged { messages, .. } => purged += messages,
            other => panic!("{other:?}"),
        }
    }
    let left: Vec<i64> = {
        let reader = fixture.reader();
        let mut select = reader.prepare("SELECT id FROM journal ORDER BY id").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(left, [4, 5, 6, 7, 8, 9, 10]);
    stop(&journal);
}

#[test]
fn a_crash_keeps_what_was_answered_and_is_noticed() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    for n in 1..=50 {
        journal.accept(message(n, 1, &[0]), vec![7; 1500]).blocking_recv().unwrap();
    }
    let crashed = tempfile::tempdir().unwrap();
    for file in ["store.db", "store.db-wal", "store.json"] {
        std::fs::copy(fixture.folder.path().join(file), crashed.path().join(file)).unwrap();
    }
    let plan = Plan { path: crashed.path().to_owned(), ..fixture.plan.clone() };
    let opened = open(plan.clone()).unwrap();
    assert!(!opened.was_clean);
    drop(opened);
    let count: i64 =
        open_reader(&plan).unwrap().query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 50);
    stop(&journal);
    drop(journal);
    assert!(fixture.open().was_clean);
}

#[test]
fn holds_no_readable_patient_data_on_disk() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    let raw = b"PID|1||4711^^^ZZ||ZZCANARY^PERSON".to_vec();
    for n in 1..=20 {
        journal.accept(message(n, 1, &[0]), raw.clone()).blocking_recv().unwrap();
    }
    for file in std::fs::read_dir(fixture.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"ZZCANARY" || window == b"SQLite f"));
    }
    stop(&journal);
}

#[test]
fn refuses_messages_when_the_limit_is_reached_and_takes_them_again_below_it() {
    let mut fixture = Fixture::new();
    fixture.settings.store.limit = ByteCount(4 << 20);
    fixture.plan.limit = fixture.settings.store.limit;
    let (journal, _) = fixture.start();
    let mut taken = 0;
    let mut refused = false;
    for n in 1..=20_000 {
        match journal.accept(message(n, 1, &[0]), vec![7; 16_000]).blocking_recv().unwrap() {
            Answer::Stored(_) if !refused => taken = n,
            Answer::Stored(_) => break,
            Answer::Refused | Answer::OutOfSequence { .. } => {
                if !refused {
                    for id in 1..=taken {
                        journal.settle(settled(OutboxId(id), SettlementKind::Delivered)).unwrap();
                    }
                }
                refused = true;
                let purge = Order::Purge { before: Timestamp(i64::MAX) };
                journal.order(purge, Timestamp(1)).blocking_recv().unwrap().unwrap();
            }
        }
        assert!(n < 19_999, "never refused, or never recovered: refused = {refused}");
    }
    assert!(refused);
    stop(&journal);
}

#[test]
fn refuses_what_came_behind_a_refused_message_of_the_same_connection() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    let latch = Latch::default();
    let taken = |n| journal.accept_behind(message(n, 1, &[0]), vec![1], latch.clone()).blocking_recv().unwrap();
    stored(taken(1));
    latch.close();
    assert_eq!(taken(2), Answer::Refused);
    stored(journal.accept(message(3, 1, &[0]), vec![1]).blocking_recv().unwrap());
    assert_eq!(fixture.tally("received"), 2);
    stop(&journal);
}
