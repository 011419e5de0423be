//! Messages that come in parts: stored part by part, delivered once and whole, and every part accounted for.

use super::*;
use crate::{flow::Original, hl7::Index, units::limits};

const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_000 * HOUR;

fn header(id: &str, pointer: &str) -> String {
    format!("MSH|^~\\&|ZZLAB|ZZGH|GW|IN|20260301||ORU^R01|{id}|T|2.5||{pointer}\r")
}

/// The message `name` in three parts.
fn parts(name: &str) -> [String; 3] {
    [
        header(&format!("{name}1"), "") + &format!("PID|1||ZZ9\rOBX|1|TX|N||{name} be\rADD\rDSC|{name}-p1|F\r"),
        header(&format!("{name}2"), &format!("{name}-p1")) + &format!("ADD|gins\rOBX|2|TX|N||mid\rDSC|{name}-p2|F\r"),
        header(&format!("{name}3"), &format!("{name}-p2")) + "OBX|3|TX|N||the end\r",
    ]
}

fn whole(name: &str) -> String {
    header(&format!("{name}1"), "")
        + &format!("PID|1||ZZ9\rOBX|1|TX|N||{name} begins\rOBX|2|TX|N||mid\rOBX|3|TX|N||the end\r")
}

fn take_at(fixture: &Fixture, journal: &Journal, at: i64, raw: &str) -> Original {
    let understood = fixture.flows().understand(0, Timestamp(at), raw.as_bytes(), &mut Index::default());
    stored(journal.accept(understood, raw.as_bytes().to_vec()).blocking_recv().unwrap())
}

fn take(fixture: &Fixture, journal: &Journal, raw: &str) -> Original {
    take_at(fixture, journal, NOW, raw)
}

fn take_all(fixture: &Fixture, journal: &Journal, parts: &[String]) {
    for part in parts {
        take(fixture, journal, part);
    }
}

impl Fixture {
    /// What waits for the destination, in both lanes: the bytes of each delivery's message.
    fn deliveries(&self) -> Vec<String> {
        let connection = self.reader();
        let mut rows = connection.prepare("SELECT journal FROM outbox ORDER BY id").unwrap();
        let journals = rows.query_map([], |row| row.get(0)).unwrap();
        let raw = |id: i64| reader::message(&connection, JournalId(id)).unwrap().unwrap().raw;
        journals.map(|id| String::from_utf8(raw(id.unwrap())).unwrap()).collect()
    }

    fn held(&self) -> Vec<(i64, String, String)> {
        let connection = self.reader();
        let mut rows =
            connection.prepare("SELECT id, reason, detail FROM aside WHERE kind = 'held' ORDER BY id").unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// Received, waiting, filtered, held, duplicate; and that nothing else is left of what was received (INV-02).
    fn accounts(&self) -> [i64; 5] {
        let accounts = ["received", "waiting", "filtered", "held", "duplicate"].map(|outcome| self.tally(outcome));
        assert_eq!(accounts[0], accounts[1..].iter().sum::<i64>(), "{accounts:?}");
        accounts
    }
}

#[test]
fn delivers_a_message_once_and_whole_whatever_the_order_of_its_parts() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let fixture = Fixture::new();
        let (journal, _) = fixture.start();
        for (count, at) in (1..).zip(order) {
            assert_eq!(take(&fixture, &journal, &parts("A")[at]).verdict, Verdict::Accept);
            // In each of the two flows.
            let expected = if count < 3 { [2 * count, 0, 0, 2 * count, 0] } else { [8, 2, 6, 0, 0] };
            assert_eq!(fixture.accounts(), expected, "{order:?}");
        }
        assert_eq!(fixture.deliveries(), [whole("A"), whole("A")], "{order:?}");
        assert_eq!(fixture.held(), []);
        let rows = |id| reader::message(&fixture.reader(), JournalId(id)).unwrap().unwrap();
        for (id, at) in (1..).zip(order) {
            assert_eq!(rows(id).raw, parts("A")[at].as_bytes(), "each part as it came (INV-12)");
        }
        stop(&journal);
    }
}

#[test]
fn goes_on_after_a_restart_with_two_messages_at_a_time() {
    let fixture = Fixture::new();
    for round in 0..3 {
        let (journal, _) = fixture.start();
        for name in ["A", "B"] {
            take(&fixture, &journal, &parts(name)[round]);
        }
        stop(&journal);
        drop(journal);
    }
    assert_eq!(fixture.deliveries(), [whole("A"), whole("A"), whole("B"), whole("B")]);
    assert_eq!(fixture.accounts(), [16, 4, 12, 0, 0]);
}

#[test]
fn answers_a_repeated_part_as_it_did_and_makes_nothing_of_it() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    let first: Vec<Original> = parts("A").iter().map(|part| take(&fixture, &journal, part)).collect();
    let again: Vec<Original> = parts("A").iter().map(|part| take(&fixture, &journal, part)).collect();
    assert_eq!(first, again);
    assert_eq!(fixture.accounts(), [14, 2, 6, 0, 6]);
    assert_eq!(fixture.deliveries().len(), 2);
    stop(&journal);
}

#[test]
fn takes_copies_under_another_control_id_for_one_part() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    let [first, second, third] = parts("A");
    for part in [&first, &first.replace("|A1|", "|A9|"), &second, &second.replace("|A2|", "|A8|"), &third] {
        take(&fixture, &journal, part);
    }
    assert_eq!(fixture.deliveries(), [whole("A"), whole("A")], "the oldest counts");
    assert_eq!(fixture.accounts(), [12, 2, 6, 0, 4]);
    assert_eq!(fixture.held(), []);
    stop(&journal);
}

#[test]
fn keeps_what_is_not_complete_for_a_person() {
    let [first, second, third] = parts("A");
    let rival = second.replace("gins", "lieves").replace("|A2|", "|A7|");
    let elsewhere = third.replace("ZZLAB", "ZZOTHER");
    let other_kind = third.replace("ORU^R01", "ORU^R02");
    for (what, taken) in [
        ("one is missing", vec![&first, &third]),
        ("two claim one place", vec![&first, &second, &rival, &third]),
        ("another sender's", vec![&first, &second, &elsewhere]),
        ("another type's", vec![&first, &second, &other_kind]),
    ] {
        let fixture = Fixture::new();
        let (journal, _) = fixture.start();
        for part in &taken {
            take(&fixture, &journal, part);
        }
        let count = i64::try_from(taken.len()).unwrap();
        assert_eq!(fixture.accounts(), [2 * count, 0, 0, 2 * count, 0], "{what}");
        assert_eq!(fixture.deliveries(), [""; 0], "{what}");
        for (_, reason, detail) in fixture.held() {
            assert_eq!(reason, "continuation");
            assert!(detail.contains("expected the part") && !detail.contains("A-p"), "{detail}");
        }
        stop(&journal);
    }
}

#[test]
fn lets_a_part_wait_no_longer_than_its_time() {
    let age = i64::try_from(limits::CONTINUATION_AGE_MAX.as_millis()).unwrap();
    for (late, deliveries) in [(0, 2), (1, 0)] {
        let fixture = Fixture::new();
        let (journal, _) = fixture.start();
        let [first, second, third] = parts("A");
        take_at(&fixture, &journal, NOW, &first);
        take_at(&fixture, &journal, NOW + HOUR, &second);
        take_at(&fixture, &journal, NOW + age + late, &third);
        assert_eq!(fixture.deliveries().len(), deliveries);
        assert_eq!(fixture.held().len(), 3 * (2 - deliveries));
        stop(&journal);
    }
}

#[test]
fn takes_no_message_longer_than_a_frame() {
    let mut fixture = Fixture::new();
    let all = parts("A").concat().len();
    for (most, deliveries) in [(all, 2), (all - 1, 0)] {
        let folder = tempfile::tempdir().unwrap();
        fixture.plan.path = folder.path().to_owned();
        fixture.settings.links[0].frame_max = ByteCount(most as u64);
        let (journal, _) = fixture.start();
        take_all(&fixture, &journal, &parts("A"));
        assert_eq!(fixture.deliveries().len(), deliveries);
        stop(&journal);
    }
}

#[test]
fn waits_no_longer_for_a_part_that_a_person_discarded() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    let [first, second, third] = parts("A");
    take(&fixture, &journal, &first);
    take(&fixture, &journal, &second);
    let entry = crate::store::Entry {
        actor: "zz".to_owned(),
        action: "discard",
        subject: String::new(),
        detail: String::new(),
    };
    let aside = fixture.held()[0].0;
    let order = journal.order(Order::Discard { aside, entry }, Timestamp(NOW)).blocking_recv().unwrap();
    assert_eq!(order.unwrap(), OrderOutcome::Done);
    take(&fixture, &journal, &third);
    assert_eq!(fixture.deliveries(), [""; 0]);
    assert_eq!(fixture.held().len(), 5);
    assert_eq!(fixture.accounts(), [6, 0, 0, 6, 0], "it stays counted");
    stop(&journal);
}

#[test]
fn keeps_parts_that_wait_from_retention_and_forgets_the_others() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    take_all(&fixture, &journal, &parts("A"));
    take(&fixture, &journal, &parts("B")[0]);
    let count = |what: &str| -> i64 {
        fixture.reader().query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("journal"), count("part")), (5, 4));
    let purge = || {
        let before = Timestamp(NOW + HOUR);
        journal.order(Order::Purge { before }, before).blocking_recv().unwrap().unwrap();
    };
    purge();
    assert_eq!((count("journal"), count("part")), (2, 1), "the whole waits, and so does the part of another message");
    take_all(&fixture, &journal, &parts("B")[1..]);
    assert_eq!(fixture.deliveries(), [whole("A"), whole("A"), whole("B"), whole("B")]);
    stop(&journal);
}
