//! Listings over messages with every kind of fate.

use super::{Fixture, message, settled, stop};
use crate::{
    flow::{AsideKind, Draft, Fault, RouteVerdict},
    ids::{JournalId, OutboxId},
    settings::Priority,
    store::{
        Entry, Journal,
        listing::{self, FlowRow},
        writer::{Order, OrderOutcome, Scrap, SettlementKind},
    },
    units::Timestamp,
};

fn entry(action: &'static str) -> Entry {
    Entry { actor: "tester".to_owned(), action, subject: "1".to_owned(), detail: "because".to_owned() }
}

fn order(journal: &Journal, order: Order) -> OrderOutcome {
    journal.order(order, Timestamp(9000)).blocking_recv().unwrap().unwrap()
}

/// Commits what waits: orders are carried out after the settlements before them are due.
fn settle_all(journal: &Journal, fixture: &Fixture, outcome: &str, count: i64) {
    while fixture.tally(outcome) != count {
        order(journal, Order::Audit(entry("wait")));
    }
}

fn states(row: &listing::MessageRow) -> Vec<(&str, &str)> {
    row.fates.iter().map(|fate| (fate.flow.as_str(), fate.state.as_str())).collect()
}

fn draft(flow: usize) -> Draft {
    Draft { flow, destination: 0, priority: Priority::Routine, ordering_key: 7 }
}

/// 1 delivered, 2 dead letter, 3 held, 4 waiting in two flows, 5 quarantined, 6 nobody's business.
fn filled(fixture: &Fixture) -> Journal {
    let (journal, _) = fixture.start();
    let mut held = message(3, 1, &[0]);
    held.routes[0].verdict = RouteVerdict::Hold { reason: "incomplete", detail: "PV1-3".to_owned() };
    let mut broken = message(5, 1, &[]);
    broken.fault = Some((Fault::Unparsable, "byte 0".to_owned()));
    for message in [message(1, 1, &[0]), message(2, 1, &[0]), held, message(4, 1, &[0, 1]), broken, message(6, 1, &[])]
    {
        journal.accept(message, vec![7; 100]).blocking_recv().unwrap();
    }
    journal.settle(settled(OutboxId(1), SettlementKind::Delivered)).unwrap();
    let refused = SettlementKind::DeadLetter { reason: "refused", response: b"no".to_vec() };
    journal.settle(settled(OutboxId(2), refused)).unwrap();
    settle_all(&journal, fixture, "dead_letter", 1);
    journal
}

#[test]
fn says_what_became_of_every_message() {
    let fixture = Fixture::new();
    let journal = filled(&fixture);
    let reader = fixture.reader();
    let page = listing::messages(&reader, None, None, 4).unwrap();
    assert_eq!(page.messages.iter().map(|row| row.id).collect::<Vec<_>>(), [6, 5, 4, 3]);
    assert_eq!(page.next, Some(3));
    let rest = listing::messages(&reader, None, page.next, 4).unwrap();
    assert_eq!((rest.messages.len(), rest.next), (2, None));
    let all: Vec<_> = page.messages.iter().chain(&rest.messages).map(states).collect();
    assert_eq!(all[0], []);
    assert_eq!(all[1], [("unrouted", "quarantined")]);
    assert_eq!(all[2], [("everything", "waiting"), ("urgent", "waiting")]);
    assert_eq!(all[3], [("everything", "held")]);
    assert_eq!(all[4], [("everything", "dead_letter")]);
    assert_eq!(all[5], [("everything", "delivered")]);
    assert_eq!((page.messages[1].answer.as_str(), page.messages[2].answer.as_str()), ("unparsable", "accept"));
    let urgent = listing::messages(&reader, Some("urgent"), None, 10).unwrap();
    assert_eq!(urgent.messages.iter().map(|row| row.id).collect::<Vec<_>>(), [4]);
    assert_eq!(listing::message(&reader, 99).unwrap(), None);
    stop(&journal);
}

#[test]
fn finds_what_was_sent_again_later() {
    let fixture = Fixture::new();
    let journal = filled(&fixture);
    let dead = listing::asides(&fixture.reader(), &[AsideKind::DeadLetter], None, 0, 10).unwrap();
    assert_eq!((dead.len(), dead[0].response_bytes), (1, 2));
    order(&journal, Order::Resend { aside: dead[0].id, entry: entry("resend") });
    let repeat = Order::Repeat { journal: JournalId(1), draft: draft(0), entry: entry("repeat") };
    assert_eq!(order(&journal, repeat), OrderOutcome::Done);
    let row = |id| listing::message(&fixture.reader(), id).unwrap().unwrap();
    assert_eq!(states(&row(1)), [("everything", "delivered"), ("everything", "waiting")]);
    assert_eq!(states(&row(2)), [("everything", "waiting")]);
    for id in [5, 6] {
        journal.settle(settled(OutboxId(id), SettlementKind::Delivered)).unwrap();
    }
    settle_all(&journal, &fixture, "delivered", 2);
    assert_eq!(states(&row(1)), [("everything", "delivered"), ("everything", "delivered")]);
    assert_eq!(states(&row(2)), [("everything", "delivered")]);
    stop(&journal);
}

#[test]
fn accounts_for_every_message_whatever_is_ordered() {
    let fixture = Fixture::new();
    let journal = filled(&fixture);
    let flows = || listing::flows(&fixture.reader()).unwrap();
    let of = |name: &str| flows().into_iter().find(|row| row.flow == name).unwrap();
    let lost = |rows: Vec<FlowRow>| rows.iter().map(|row| row.lost).sum::<i64>();
    assert_eq!(lost(flows()), 0);
    let asides = listing::asides(&fixture.reader(), &[AsideKind::Held, AsideKind::Quarantined], None, 0, 10).unwrap();
    let [held, broken] = asides.as_slice() else { panic!("{asides:?}") };

    // Neither has a destination to go back to: nothing may change, least of all the entry.
    for aside in [held.id, broken.id] {
        assert_eq!(order(&journal, Order::Resend { aside, entry: entry("resend") }), OrderOutcome::NotFound);
        let empty = Order::Release { aside, drafts: Vec::new(), entry: entry("release") };
        assert_eq!(order(&journal, empty), OrderOutcome::NotFound);
        assert!(listing::aside(&fixture.reader(), aside).unwrap().is_some());
    }
    assert_eq!((of("everything").held, of("unrouted").quarantined), (1, 1));

    let release = Order::Release { aside: held.id, drafts: vec![draft(0)], entry: entry("release") };
    assert_eq!(order(&journal, release), OrderOutcome::Done);
    assert_eq!((of("everything").held, of("everything").received), (0, 4));
    let release = Order::Release { aside: broken.id, drafts: vec![draft(0), draft(1)], entry: entry("release") };
    assert_eq!(order(&journal, release), OrderOutcome::Done);
    assert_eq!((of("unrouted").received, of("everything").received, of("urgent").received), (1, 5, 2));
    let dead = listing::asides(&fixture.reader(), &[AsideKind::DeadLetter], None, 0, 10).unwrap();
    order(&journal, Order::Discard { aside: dead[0].id, entry: entry("discard") });
    assert_eq!(of("everything").dead_letter, 1, "what was discarded stays counted");
    assert_eq!(lost(flows()), 0);
    assert_eq!(listing::aside_count(&fixture.reader(), &[AsideKind::DeadLetter], None).unwrap(), 0);
    stop(&journal);
}

#[test]
fn lists_queues_scraps_and_the_audit_chain() {
    let fixture = Fixture::new();
    let journal = filled(&fixture);
    let destination: i64 =
        fixture.reader().query_row("SELECT id FROM name WHERE kind = 'destination'", [], |row| row.get(0)).unwrap();
    let queue = listing::queue(&fixture.reader(), destination, 10).unwrap();
    let lanes: Vec<_> = queue.iter().map(|row| (row.priority.as_str(), row.message, row.mapping.as_str())).collect();
    assert_eq!(lanes, [("urgent", 4, "raw"), ("routine", 4, "raw")]);
    journal.keep(Scrap { link: 0, at: Timestamp(5), cause: "garbage", count: 9000, bytes: vec![1; 10] });
    let scraps = || listing::scraps(&fixture.reader(), 10).unwrap();
    while scraps().is_empty() {
        order(&journal, Order::Audit(entry("wait")));
    }
    assert_eq!((scraps()[0].count, scraps()[0].kept, scraps()[0].link.as_str()), (9000, 10, "ehr"));
    let (_, bytes) = listing::scrap(&fixture.reader(), scraps()[0].id).unwrap().unwrap();
    assert_eq!(bytes, [1; 10]);
    let audit = listing::audit(&fixture.reader(), 1).unwrap();
    assert_eq!((audit.len(), audit[0].action.as_str(), audit[0].detail.as_str()), (1, "wait", "because"));
    stop(&journal);
}
