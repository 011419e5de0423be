//! What answers depend on beside the journal: sequence numbers, and the end of deliveries.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Fixture, first, message, settled, stop, stored};
use crate::{
    flow::{Answer, Fate, Later, Original, Sequenced, Understood},
    hl7::{
        ack::{Condition, Mode},
        sequence::Number,
    },
    ids::{JournalId, OutboxId},
    settings::{AckAfter, Mapping},
    store::{
        Entry, Journal,
        open::{connect, database},
        reader,
        writer::{Latch, Order, OrderOutcome, SettlementKind},
    },
    units::Timestamp,
};

fn numbered(control: i64, number: i64) -> Understood {
    let number = match number {
        -1 => Number::Resync,
        0 => Number::Start,
        number => Number::Of(number),
    };
    let is_message = number.of_message().is_some();
    let content = u8::try_from(control).unwrap();
    let understood = message(control, content, if is_message { &[0] } else { &[] });
    let fingerprint = understood.fingerprint.filter(|_| is_message);
    Understood { sequence: Some(Sequenced { stream: 99, number }), fingerprint, ..understood }
}

/// What a numbered message is told: its MSA-4 and place in the journal, or the number that is expected.
fn told(journal: &Journal, control: i64, number: i64) -> Result<(Option<i64>, i64), i64> {
    match journal.accept(numbered(control, number), vec![1]).blocking_recv().unwrap() {
        Answer::Stored(Original { expected, journal, .. }) => Ok((expected, journal.0)),
        Answer::OutOfSequence { expected } => Err(expected),
        Answer::Refused => panic!("refused"),
    }
}

#[test]
fn follows_the_sequence_number_protocol_also_over_restarts() {
    let fixture = Fixture::new();
    let mut journal = fixture.start().0;
    // Control id, MSH-13, and what comes of it.
    let steps = [
        (1, 0, Ok((Some(-1), 1))),
        (2, 5, Ok((Some(5), 2))),
        (2, 5, Ok((Some(5), 2))),
        (3, 6, Ok((Some(6), 3))),
        (4, 8, Err(7)),
        (4, 7, Ok((Some(7), 4))),
        (5, 6, Err(8)),
        // The number of the last one with another message behind it.
        (5, 7, Err(8)),
        // An older message, as it was sent: it is taken already.
        (3, 6, Ok((Some(6), 3))),
        (6, 0, Ok((Some(8), 5))),
        (6, 0, Ok((Some(8), 6))),
        (7, 8, Ok((Some(8), 7))),
        (8, -1, Ok((Some(-1), 8))),
        (9, 0, Ok((Some(-1), 9))),
        (10, 100, Ok((Some(100), 10))),
        (11, 99, Err(101)),
    ];
    for restarts in [false, true] {
        let fixture = Fixture::new();
        let mut journal = fixture.start().0;
        for (at, (control, number, expected)) in steps.into_iter().enumerate() {
            assert_eq!(told(&journal, control, number), expected, "step {at}, number {number}");
            if restarts {
                stop(&journal);
                journal = fixture.start().0;
            }
        }
        assert_eq!(fixture.tally("waiting"), 5, "messages are delivered, orders are not");
        stop(&journal);
    }
    // Streams are apart from each other.
    assert_eq!(told(&journal, 1, 5), Ok((Some(5), 1)));
    let other = Understood { sequence: Some(Sequenced { stream: 98, number: Number::Of(70) }), ..message(2, 1, &[0]) };
    assert_eq!(stored(journal.accept(other, vec![1]).blocking_recv().unwrap()).expected, Some(70));
    assert_eq!(told(&journal, 3, 6), Ok((Some(6), 3)));
    stop(&journal);
    journal = fixture.start().0;
    assert_eq!(told(&journal, 4, 9), Err(7));
    stop(&journal);
}

fn tamper(fixture: &Fixture) -> Connection {
    connect(&database(fixture.folder.path()), &fixture.plan.key, 100).unwrap()
}

/// The number expected is part of the commit: what is not stored has not been taken.
#[test]
fn a_batch_that_is_rolled_back_takes_no_number() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    assert_eq!(told(&journal, 1, 5), Ok((Some(5), 1)));
    // Tallies are written last, so the message and its number are there when it fails.
    tamper(&fixture)
        .execute_batch("CREATE TRIGGER broken BEFORE INSERT ON tally BEGIN SELECT RAISE(ABORT, 'made to fail'); END;")
        .unwrap();
    let refused = journal.accept(numbered(2, 6), vec![1]).blocking_recv().unwrap();
    assert_eq!(refused, Answer::Refused);
    tamper(&fixture).execute_batch("DROP TRIGGER broken").unwrap();
    assert_eq!(told(&journal, 3, 7), Err(6), "6 was never stored");
    assert_eq!(told(&journal, 2, 6), Ok((Some(6), 2)));
    stop(&journal);
}

fn awaiting(control: i64, flows: &[usize]) -> Understood {
    Understood { ack_after: AckAfter::Delivered, ..message(control, 1, flows) }
}

/// Takes a message in and gives what hears of the end of its deliveries.
fn take(journal: &Journal, understood: Understood) -> (Original, oneshot::Receiver<Fate>) {
    let (teller, heard) = oneshot::channel();
    let answer = journal.accept_and_tell(understood, vec![1], Latch::default(), Some(teller));
    (stored(answer.blocking_recv().unwrap()), heard)
}

fn deliver(journal: &Journal, id: i64) {
    journal.settle(settled(OutboxId(id), SettlementKind::Delivered)).unwrap();
}

fn give_up(journal: &Journal, id: i64, reason: &'static str, status: Option<u16>) {
    let kind = SettlementKind::DeadLetter { reason, response: Vec::new() };
    journal.settle(super::Settlement { status, ..settled(OutboxId(id), kind) }).unwrap();
}

fn entry() -> Entry {
    Entry { actor: "tester".to_owned(), action: "resend", subject: "1".to_owned(), detail: "again".to_owned() }
}

fn order(journal: &Journal, order: Order) -> OrderOutcome {
    journal.order(order, Timestamp(9000)).blocking_recv().unwrap().unwrap()
}

/// Waits until settlements that were handed over are committed.
fn until(journal: &Journal, fixture: &Fixture, outcome: &str, count: i64) {
    while fixture.tally(outcome) != count {
        order(journal, Order::Audit(entry()));
    }
}

#[test]
fn tells_of_the_end_of_the_last_delivery() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    let (_, mut heard) = take(&journal, awaiting(1, &[0, 0, 0]));
    for (id, delivered) in [(2, 1), (1, 2)] {
        deliver(&journal, id);
        until(&journal, &fixture, "delivered", delivered);
        assert!(heard.try_recv().is_err(), "one is still under way");
    }
    // What is settled twice counts once.
    deliver(&journal, 1);
    deliver(&journal, 3);
    assert_eq!(heard.blocking_recv().unwrap(), Fate::Delivered);
    // There is nothing to wait for.
    assert_eq!(take(&journal, awaiting(2, &[])).1.blocking_recv().unwrap(), Fate::Delivered);
    stop(&journal);
}

#[test]
fn tells_of_the_first_delivery_that_was_given_up_once_all_have_ended() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    for (control, ends, expected) in [
        (1, [Some(("refused", Some(422))), None], Fate::Refused { status: 422 }),
        (2, [None, Some(("refused", None))], Fate::Refused { status: 0 }),
        (3, [Some(("too_old", None)), Some(("refused", Some(400)))], Fate::TooOld),
        (4, [None, Some(("too_old", Some(503)))], Fate::TooOld),
    ] {
        let (original, heard) = take(&journal, awaiting(control, &[0, 0]));
        for (id, end) in (2 * control - 1..).zip(ends) {
            match end {
                None => deliver(&journal, id),
                Some((reason, status)) => give_up(&journal, id, reason, status),
            }
        }
        assert_eq!(heard.blocking_recv().unwrap(), expected, "{control}");
        // A repeat is told the same, and at once.
        let (again, heard) = take(&journal, awaiting(control, &[0, 0]));
        assert_eq!((again.journal, heard.blocking_recv().unwrap()), (original.journal, expected), "{control}");
    }
    stop(&journal);
}

#[test]
fn a_repeat_after_a_restart_hears_what_became_of_the_deliveries() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    let (_, open) = take(&journal, awaiting(1, &[0, 0]));
    take(&journal, awaiting(2, &[0])).1.close();
    take(&journal, awaiting(3, &[0])).1.close();
    deliver(&journal, 1);
    deliver(&journal, 3);
    give_up(&journal, 4, "refused", Some(422));
    until(&journal, &fixture, "dead_letter", 1);
    stop(&journal);
    assert!(open.blocking_recv().is_err(), "a stop is no news");
    let (journal, _) = fixture.start();
    let mut open = take(&journal, awaiting(1, &[0, 0])).1;
    let twice = take(&journal, awaiting(1, &[0, 0])).1;
    assert_eq!(take(&journal, awaiting(2, &[0])).1.blocking_recv().unwrap(), Fate::Delivered);
    assert_eq!(take(&journal, awaiting(3, &[0])).1.blocking_recv().unwrap(), Fate::Refused { status: 422 });
    assert!(open.try_recv().is_err(), "its second delivery is under way");
    deliver(&journal, 2);
    assert_eq!((open.blocking_recv().unwrap(), twice.blocking_recv().unwrap()), (Fate::Delivered, Fate::Delivered));
    stop(&journal);
}

/// A dead letter that a person sends again is no delivery that anybody waits for, also where the restart between the two
/// left no trace of its number.
#[test]
fn what_a_person_sends_again_ends_nobodys_wait() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    take(&journal, awaiting(1, &[0, 0])).1.close();
    give_up(&journal, 2, "refused", Some(422));
    until(&journal, &fixture, "dead_letter", 1);
    stop(&journal);
    let (journal, names) = fixture.start();
    assert_eq!(order(&journal, Order::Resend { aside: 1, entry: entry() }), OrderOutcome::Done);
    let waiting = reader::page(&fixture.reader(), names.destinations[0], first(10)).unwrap();
    assert_eq!(waiting.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [1, 3], "a number is given once");
    let mut heard = take(&journal, awaiting(1, &[0, 0])).1;
    deliver(&journal, 3);
    until(&journal, &fixture, "delivered", 1);
    assert!(heard.try_recv().is_err(), "the first delivery is still under way");
    deliver(&journal, 1);
    assert_eq!(heard.blocking_recv().unwrap(), Fate::Refused { status: 422 });
    stop(&journal);
}

/// Numbers name messages and deliveries in answers, receipts and listings: one is never given twice, though retention
/// removed everything that bore it.
#[test]
fn gives_no_number_twice_after_everything_was_removed() {
    let fixture = Fixture::new();
    let (journal, _) = fixture.start();
    for n in 1..=3 {
        stored(journal.accept(message(n, 1, &[0]), vec![1]).blocking_recv().unwrap());
        deliver(&journal, n);
    }
    until(&journal, &fixture, "delivered", 3);
    while !matches!(
        order(&journal, Order::Purge { before: Timestamp(1_000_000) }),
        OrderOutcome::Purged { messages: 0, .. }
    ) {}
    stop(&journal);
    let (journal, names) = fixture.start();
    let next = stored(journal.accept(message(4, 1, &[0]), vec![1]).blocking_recv().unwrap());
    assert_eq!(next.journal, JournalId(4));
    let waiting = reader::page(&fixture.reader(), names.destinations[0], first(10)).unwrap();
    assert_eq!(waiting.iter().map(|entry| entry.id.0).collect::<Vec<_>>(), [4]);
    stop(&journal);
}

/// Flow 2 carries the application acknowledgements.
fn with_acknowledgements() -> Fixture {
    let mut fixture = Fixture::new();
    let mut flow = fixture.settings.flows[0].clone();
    flow.name = crate::ids::Name::new("acks");
    flow.mapping = Mapping::acknowledgement();
    fixture.settings.flows.push(flow);
    fixture
}

fn enhanced(control: i64, application: Condition) -> Understood {
    let mode = Mode::Enhanced { accept: Condition::Always, application };
    Understood { later: Some(Later { flow: 2, mode }), ..awaiting(control, &[0]) }
}

#[test]
fn queues_the_application_acknowledgement_at_the_end_of_the_deliveries() {
    let fixture = with_acknowledgements();
    let (journal, names) = fixture.start();
    for (control, application) in
        (1..).zip([Condition::Always, Condition::Success, Condition::Error, Condition::Never, Condition::Error])
    {
        take(&journal, enhanced(control, application)).1.close();
    }
    let queued = |id: i64| {
        let waiting = reader::page(&fixture.reader(), names.destinations[0], first(100)).unwrap();
        waiting.into_iter().filter(|entry| entry.flow == names.flows[2] && entry.id.0 >= id).count()
    };
    for (id, expected) in [(1, 1), (2, 2), (3, 2), (4, 2)] {
        deliver(&journal, id);
        until(&journal, &fixture, "delivered", id);
        assert_eq!(queued(1), expected, "{id}");
    }
    give_up(&journal, 5, "refused", Some(422));
    until(&journal, &fixture, "dead_letter", 1);
    assert_eq!(queued(1), 3);
    let last = reader::page(&fixture.reader(), names.destinations[0], first(100)).unwrap().pop().unwrap();
    let due = reader::due(&fixture.reader(), names.destinations[0], last.id).unwrap().unwrap();
    assert_eq!((due.mapping.as_str(), due.message.fate), ("ack@1", Fate::Refused { status: 422 }));
    // It is nobody's wait and no reason for another acknowledgement.
    deliver(&journal, last.id.0);
    until(&journal, &fixture, "delivered", 5);
    assert_eq!(queued(1), 2);
    let (received, rest): (i64, i64) = fixture
        .reader()
        .query_row(
            "SELECT sum(CASE outcome WHEN 'received' THEN n ELSE 0 END),
                    sum(CASE outcome WHEN 'received' THEN 0 ELSE n END) FROM tally",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!((received, rest), (8, 8), "INV-02");
    stop(&journal);
}

/// An acknowledgement is queued behind younger messages: what it is made of must not be taken from under it.
#[test]
fn retention_leaves_the_message_of_a_waiting_acknowledgement() {
    let fixture = with_acknowledgements();
    let (journal, names) = fixture.start();
    for control in [1, 2] {
        take(&journal, enhanced(control, Condition::Always)).1.close();
    }
    // The younger message's deliveries end first.
    for (id, delivered) in [(2, 1), (1, 2)] {
        deliver(&journal, id);
        until(&journal, &fixture, "delivered", delivered);
    }
    let purge = Order::Purge { before: Timestamp(1_000_000) };
    assert_eq!(order(&journal, purge.clone()), OrderOutcome::Purged { messages: 0, run: None });
    for id in [3, 4] {
        assert!(reader::due(&fixture.reader(), names.destinations[0], OutboxId(id)).unwrap().is_some(), "{id}");
        deliver(&journal, id);
    }
    until(&journal, &fixture, "delivered", 4);
    assert_eq!(order(&journal, purge), OrderOutcome::Purged { messages: 2, run: None });
    let left: i64 = fixture.reader().query_row("SELECT count(*) FROM awaited", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
    stop(&journal);
}
