//! The courier against a simulated outbox and destination: whatever the answers and their delays, order per key
//! holds, nothing is tried twice at once, everything is settled once, and no wake-up is missed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

use std::{collections::BTreeMap, ops::Bound};

use proptest::prelude::*;

use super::*;

const RETRY: Retry = Retry { first: Duration::from_millis(100), at_most: Duration::from_secs(10), give_up: None };

fn plan(window: usize, in_flight: usize, endpoints: usize) -> Plan {
    Plan { in_flight, retry: RETRY, endpoints, window, seed: 7 }
}

fn entry(id: i64, key: u64, priority: Priority) -> Entry {
    Entry {
        id: OutboxId(id),
        key,
        priority,
        on_refusal: OnRefusal::Skip,
        enqueued_at: Timestamp(0),
        attempts: 0,
        not_before: Timestamp(0),
    }
}

fn routine(ids_and_keys: &[(i64, u64)]) -> Vec<Entry> {
    ids_and_keys.iter().map(|&(id, key)| entry(id, key, Priority::Routine)).collect()
}

/// The outbox on disk and the destination, with the invariants checked at every step.
struct World {
    courier: Courier,
    plan: Plan,
    pending: BTreeMap<OutboxId, Entry>,
    in_flight: BTreeMap<OutboxId, (Timestamp, Attempt)>,
    delivered: Vec<Entry>,
    dead: Vec<Entry>,
    reads: usize,
    now: Timestamp,
}

impl World {
    fn new(plan: Plan, entries: Vec<Entry>) -> Self {
        Self {
            courier: Courier::new(plan),
            plan,
            pending: entries.into_iter().map(|entry| (entry.id, entry)).collect(),
            in_flight: BTreeMap::new(),
            delivered: Vec::new(),
            dead: Vec::new(),
            reads: 0,
            now: Timestamp(0),
        }
    }

    fn add(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            self.pending.insert(entry.id, entry);
            self.courier.arrived(entry.priority);
        }
    }

    fn read(&mut self) {
        while let Some(want) = self.courier.wants(self.now) {
            self.reads += 1;
            assert!(want.limit > 0 && want.limit <= limits::PAGE_MAX);
            let page: Vec<Entry> = self
                .pending
                .range((Bound::Excluded(want.after), Bound::Unbounded))
                .map(|(_, entry)| entry)
                .filter(|entry| entry.priority == want.priority)
                .filter(|entry| want.key.is_none_or(|key| key == entry.key))
                .take(want.limit)
                .copied()
                .collect();
            self.courier.offer(self.now, want, page);
            let view = self.courier.view(self.now);
            assert!(view.held <= self.plan.window.max(3), "{} entries held", view.held);
        }
    }

    /// Sends what may be sent; each takes as long as `delay` says.
    fn send(&mut self, mut delay: impl FnMut(Attempt) -> u64) -> Vec<Attempt> {
        let mut sent = Vec::new();
        loop {
            self.read();
            let Some(attempt) = self.courier.next(self.now) else { break };
            let entry = self.pending[&attempt.id];
            assert!(attempt.endpoint < self.plan.endpoints);
            assert_eq!(attempt.number, entry.attempts + 1);
            assert!(
                self.in_flight.keys().all(|id| self.pending[id].key != entry.key),
                "two of key {} in flight",
                entry.key
            );
            let mut before = self.pending.range(..entry.id).map(|(_, other)| other);
            let older = before.find(|other| other.key == entry.key && other.priority == entry.priority);
            assert_eq!(older, None, "{} overtakes", entry.id);
            let ends_at = self.now.plus(Duration::from_millis(delay(attempt)));
            assert_eq!(self.in_flight.insert(attempt.id, (ends_at, attempt)), None);
            assert!(self.in_flight.len() <= self.plan.in_flight);
            sent.push(attempt);
        }
        sent
    }

    fn answer(&mut self, id: OutboxId, outcome: Outcome) -> Settled {
        self.in_flight.remove(&id).unwrap();
        let settled = self.courier.settle(self.now, id, outcome).unwrap();
        assert_eq!(self.courier.settle(self.now, id, outcome), None, "settled twice");
        match settled.verdict {
            Verdict::Delivered => self.delivered.push(self.pending.remove(&id).unwrap()),
            Verdict::DeadLetter(_) => self.dead.push(self.pending.remove(&id).unwrap()),
            Verdict::RetryAt { at, attempts } => {
                assert!(at > self.now, "a retry without a pause");
                let entry = self.pending.get_mut(&id).unwrap();
                entry.not_before = at;
                entry.attempts = attempts;
            }
            Verdict::Stopped { .. } => {}
        }
        settled
    }

    /// Goes to the next thing that happens and settles what ended by then; false if nothing ever will.
    fn step(&mut self, mut outcome: impl FnMut(Timestamp, Attempt) -> Outcome) -> bool {
        let wake = self.courier.wake_at(self.now);
        let ends = self.in_flight.values().map(|(at, _)| *at).min();
        let Some(at) = [wake, ends].into_iter().flatten().min() else { return false };
        assert!(at > self.now || ends == Some(at), "woken at {at:?} for nothing at {:?}", self.now);
        self.now = self.now.max(at);
        let ended: Vec<Attempt> =
            self.in_flight.values().filter(|(at, _)| *at <= self.now).map(|(_, attempt)| *attempt).collect();
        for attempt in ended {
            let outcome = outcome(self.now, attempt);
            self.answer(attempt.id, outcome);
        }
        true
    }

    fn run(&mut self, mut delay: impl FnMut(Attempt) -> u64, mut outcome: impl FnMut(Timestamp, Attempt) -> Outcome) {
        for _ in 0..200_000 {
            self.send(&mut delay);
            if !self.step(&mut outcome) {
                return;
            }
        }
        panic!("no end: {} pending at {:?}", self.pending.len(), self.now);
    }
}

fn priorities() -> impl Strategy<Value = Priority> {
    prop_oneof![1 => Just(Priority::Stat), 2 => Just(Priority::Urgent), 6 => Just(Priority::Routine)]
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let after = prop::option::of((0u64..20_000).prop_map(Duration::from_millis));
    prop_oneof![
        8 => Just(Outcome::Delivered),
        1 => Just(Outcome::Refused { status: 422 }),
        1 => Just(Outcome::TIMEOUT),
        2 => Just(Outcome::UNREACHABLE),
        1 => Just(Outcome::Retry { after: None, fault: Fault::Failing }),
        1 => after.clone().prop_map(|after| Outcome::Retry { after, fault: Fault::Message }),
        1 => after.clone().prop_map(|after| Outcome::Retry { after, fault: Fault::Throttled }),
        1 => after.prop_map(|after| Outcome::Retry { after, fault: Fault::Failing }),
    ]
}

proptest! {
    #[test]
    fn settles_everything_once_and_in_order_whatever_happens(
        entries in prop::collection::vec((0u64..12, priorities()), 1..250),
        late in prop::collection::vec((0u64..12, priorities()), 0..60),
        script in prop::collection::vec((outcomes(), 0u64..3_000), 1..120),
        window in 4usize..80,
        in_flight in 1usize..9,
        endpoints in 1usize..4,
    ) {
        let make = |first: i64, list: &[(u64, Priority)]| -> Vec<Entry> {
            list.iter().zip(first..).map(|(&(key, priority), id)| entry(id, key, priority)).collect()
        };
        let mut world = World::new(plan(window, in_flight, endpoints), make(1, &entries));
        let mut outcomes = script.iter().map(|(outcome, _)| *outcome);
        let delays: Vec<u64> = script.iter().map(|(_, delay)| *delay).collect();
        let delay = |id: OutboxId| delays[usize::try_from(id.0).unwrap() % delays.len()];
        let mut late = make(10_000, &late).into_iter();
        for step in 0..script.len() {
            world.send(|attempt| delay(attempt.id));
            world.step(|_, _| outcomes.next().unwrap_or(Outcome::Delivered));
            if step % 2 == 0 {
                world.add(late.next());
            }
        }
        world.add(late);
        let total = world.pending.len() + world.delivered.len() + world.dead.len();
        world.run(|_| 5, |_, _| Outcome::Delivered);
        prop_assert!(world.pending.is_empty(), "left behind: {:?}", world.pending.keys().collect::<Vec<_>>());
        prop_assert_eq!(world.delivered.len() + world.dead.len(), total);
        prop_assert_eq!(world.courier.view(world.now).held, 0);
    }

    #[test]
    fn wakes_exactly_when_something_may_go(
        keys in prop::collection::vec(0u64..6, 1..40),
        script in prop::collection::vec(outcomes(), 1..60),
        endpoints in 1usize..3,
    ) {
        let entries = keys.iter().zip(1..).map(|(&key, id)| entry(id, key, Priority::Routine)).collect();
        let mut world = World::new(plan(64, 3, endpoints), entries);
        for outcome in script {
            world.send(|_| 0);
            let in_flight: Vec<OutboxId> = world.in_flight.keys().copied().collect();
            if let Some(first) = in_flight.first() {
                world.answer(*first, outcome);
                continue;
            }
            let Some(at) = world.courier.wake_at(world.now) else { break };
            prop_assert!(at > world.now);
            world.now = Timestamp(at.0 - 1);
            prop_assert_eq!(world.send(|_| 0), vec![], "something could go before the wake-up");
            world.now = at;
            let reads = world.reads;
            prop_assert!(!world.send(|_| 0).is_empty() || world.reads > reads, "woken for nothing");
        }
    }
}

#[test]
fn goes_by_priority_then_age_and_one_of_a_key_at_a_time() {
    let mut entries = routine(&[(1, 1), (2, 1), (3, 2), (4, 3)]);
    entries.push(entry(5, 4, Priority::Stat));
    entries.push(entry(6, 5, Priority::Urgent));
    let mut world = World::new(plan(64, 4, 1), entries);
    let ids = |sent: Vec<Attempt>| sent.iter().map(|attempt| attempt.id.0).collect::<Vec<_>>();
    assert_eq!(ids(world.send(|_| 0)), [5, 6, 1, 3]);
    world.answer(OutboxId(1), Outcome::Delivered);
    assert_eq!(ids(world.send(|_| 0)), [2]);
}

#[test]
fn keeps_serving_others_while_many_keys_are_blocked() {
    // Ten times as many blocked keys as the window holds, all older than what can be delivered.
    let blocked = |id: OutboxId| id.0 <= 640;
    let entries = (1..=700).map(|id| entry(id, id.unsigned_abs(), Priority::Routine)).collect();
    let mut world = World::new(plan(128, 4, 1), entries);
    let mut open = false;
    for _ in 0..20_000 {
        world.send(|_| 1);
        assert!(world.step(|_, attempt| match blocked(attempt.id) && !open {
            true => Outcome::Retry { after: None, fault: Fault::Message },
            false => Outcome::Delivered,
        }));
        if world.delivered.len() == 60 {
            break;
        }
    }
    assert_eq!(world.delivered.len(), 60, "starved behind blocked keys");
    assert!(world.now < Timestamp(60_000), "served only at {:?}", world.now);
    open = true;
    world.run(|_| 1, |_, attempt| if open || !blocked(attempt.id) { Outcome::Delivered } else { Outcome::TIMEOUT });
    assert_eq!(world.delivered.len(), 700);
}

#[test]
fn keeps_serving_others_while_one_deep_key_is_blocked() {
    let mut entries: Vec<Entry> = (1..=5_000).map(|id| entry(id, 1, Priority::Routine)).collect();
    entries.extend((5_001..=5_010).map(|id| entry(id, 2, Priority::Routine)));
    let mut world = World::new(plan(2048, 4, 1), entries);
    for _ in 0..100 {
        world.send(|_| 1);
        world.step(|_, attempt| match attempt.id.0 <= 5_000 {
            true => Outcome::Retry { after: None, fault: Fault::Message },
            false => Outcome::Delivered,
        });
    }
    assert_eq!(world.delivered.len(), 10);
    let reads = world.reads;
    world.run(|_| 1, |_, _| Outcome::Delivered);
    assert_eq!(world.delivered.len(), 5_010);
    assert!(world.reads - reads < 100, "{} reads for 5000 entries", world.reads - reads);
}

#[test]
fn reads_a_backlog_in_pages_and_never_twice() {
    let entries = (1..=20_000).map(|id| entry(id, id.unsigned_abs() % 4_001, Priority::Routine)).collect();
    let mut world = World::new(plan(2048, 16, 1), entries);
    world.run(|attempt| attempt.id.0.unsigned_abs() % 7, |_, _| Outcome::Delivered);
    assert_eq!(world.delivered.len(), 20_000);
    assert!(world.reads < 20_000 / 256 + 10, "{} reads", world.reads);
}

#[test]
fn lets_stat_pass_a_full_routine_backlog() {
    let entries = (1..=4_000).map(|id| entry(id, id.unsigned_abs(), Priority::Routine)).collect();
    let mut world = World::new(plan(2048, 2, 1), entries);
    world.send(|_| 1);
    world.add([entry(9_000, 9_000, Priority::Stat)]);
    world.answer(OutboxId(1), Outcome::Delivered);
    let next = world.send(|_| 1);
    assert_eq!(next[0].id, OutboxId(9_000));
}

#[test]
fn drains_at_once_when_an_outage_of_days_ends() {
    let entries = (1..=200).map(|id| entry(id, id.unsigned_abs(), Priority::Routine)).collect();
    let mut world = World::new(plan(2048, 16, 1), entries);
    let up_at = Timestamp(72 * 3_600_000);
    let mut attempts = 0_u64;
    let mut first = None;
    world.run(
        |_| 1,
        |now, _| {
            attempts += 1;
            if now < up_at {
                return Outcome::UNREACHABLE;
            }
            first.get_or_insert(now);
            Outcome::Delivered
        },
    );
    assert_eq!(world.delivered.len(), 200);
    assert!(attempts < 72 * 3_600 / 5, "{attempts} attempts at a dead destination");
    let found = first.unwrap();
    assert!(found.since(up_at) <= limits::BREAKER_OPEN_MAX, "found only after {:?}", found.since(up_at));
    assert!(world.now.since(found) < Duration::from_secs(1), "drained only after {:?}", world.now.since(found));
}

#[test]
fn fails_over_within_thirty_seconds_even_with_one_message() {
    let mut world = World::new(
        Plan { retry: Retry { first: Duration::from_secs(1), ..RETRY }, ..plan(64, 16, 2) },
        routine(&[(1, 1)]),
    );
    world.run(
        |attempt| if attempt.endpoint == 0 { 5_000 } else { 10 },
        |_, attempt| if attempt.endpoint == 0 { Outcome::UNREACHABLE } else { Outcome::Delivered },
    );
    assert_eq!(world.delivered.len(), 1);
    assert!(world.now < Timestamp(30_000), "delivered at {:?}", world.now);
}

#[test]
fn lets_one_poisoned_message_keep_no_breaker_open() {
    let mut world = World::new(plan(64, 2, 1), routine(&[(1, 1)]));
    for id in 2..400 {
        world.send(|_| 1);
        world.step(|_, attempt| match attempt.id.0 {
            1 => Outcome::Retry { after: None, fault: Fault::Failing },
            _ => Outcome::Delivered,
        });
        world.add([entry(id, id.unsigned_abs(), Priority::Routine)]);
    }
    assert!(world.delivered.len() > 150, "only {} delivered beside it", world.delivered.len());
}

#[test]
fn goes_on_after_a_refusal_or_stops_as_the_flow_says() {
    let mut entries = routine(&[(1, 1), (2, 1), (3, 2)]);
    let mut world = World::new(plan(64, 1, 1), entries.clone());
    world.send(|_| 0);
    let refused = Outcome::Refused { status: 422 };
    let settled = world.answer(OutboxId(1), refused);
    assert_eq!(settled.verdict, Verdict::DeadLetter(DeadReason::Refused { status: 422 }));
    assert_eq!(world.send(|_| 0)[0].id, OutboxId(2));

    for entry in &mut entries {
        entry.on_refusal = OnRefusal::Stop;
    }
    let mut world = World::new(plan(64, 1, 1), entries);
    world.send(|_| 0);
    assert_eq!(world.answer(OutboxId(1), refused).verdict, Verdict::Stopped { status: 422 });
    assert_eq!(world.send(|_| 0), []);
    assert_eq!(world.courier.wake_at(world.now), None);
    assert_eq!(world.courier.view(world.now).stopped, Some(OutboxId(1)));

    world.courier.resume(world.now, Resume::Retry);
    world.pending.get_mut(&OutboxId(1)).unwrap().attempts += 1;
    assert_eq!(world.send(|_| 0)[0], Attempt { id: OutboxId(1), endpoint: 0, number: 2 });
    world.answer(OutboxId(1), refused);
    world.pending.remove(&OutboxId(1));
    world.courier.resume(world.now, Resume::Skip);
    assert_eq!(world.send(|_| 0)[0].id, OutboxId(2));
}

#[test]
fn gives_up_by_age_but_never_without_an_attempt() {
    let retry = Retry { give_up: Some(Duration::from_secs(60)), ..RETRY };
    let mut world = World::new(Plan { retry, ..plan(64, 1, 1) }, routine(&[(1, 1)]));
    world.now = Timestamp(3_600_000);
    assert_eq!(world.send(|_| 0).len(), 1);
    assert_eq!(world.answer(OutboxId(1), Outcome::TIMEOUT).verdict, Verdict::DeadLetter(DeadReason::TooOld));
}

#[test]
fn waits_no_longer_than_it_ever_would_after_the_clock_was_wrong() {
    let mut late = entry(1, 1, Priority::Routine);
    late.not_before = Timestamp(10 * 365 * 86_400_000);
    let mut world = World::new(plan(64, 1, 1), vec![late]);
    world.run(|_| 0, |_, _| Outcome::Delivered);
    assert_eq!(world.now, Timestamp(3_600_000));
}

#[test]
fn holds_everything_back_as_long_as_the_destination_asks() {
    let mut world = World::new(plan(64, 2, 1), routine(&[(1, 1), (2, 2), (3, 3)]));
    world.send(|_| 0);
    let after = Some(Duration::from_secs(1_000_000));
    let settled = world.answer(OutboxId(1), Outcome::Retry { after, fault: Fault::Throttled });
    let until = Timestamp(3_600_000);
    assert_eq!(settled.changes, [Change::Paused { endpoint: 0, until }]);
    assert_eq!(settled.verdict, Verdict::RetryAt { at: until, attempts: 1 });
    assert_eq!(world.answer(OutboxId(2), Outcome::Delivered).changes, []);
    assert_eq!(world.send(|_| 0), []);
    assert_eq!(world.courier.wake_at(world.now), Some(until));
}

#[test]
fn asks_again_for_what_could_not_be_read_and_for_what_came_meanwhile() {
    let mut courier = Courier::new(plan(64, 1, 1));
    let now = Timestamp(0);
    let want = courier.wants(now).unwrap();
    assert_eq!(courier.wants(now), None, "one read at a time");
    courier.unread(want);
    assert_eq!(courier.wants(now), Some(want));
    courier.arrived(want.priority);
    courier.offer(now, want, []);
    assert_eq!(courier.wants(now).unwrap().priority, want.priority, "what came during the read");
}

#[test]
fn frees_the_probe_when_its_message_is_withdrawn() {
    let mut world = World::new(plan(64, 1, 1), routine(&[(1, 1), (2, 2)]));
    for _ in 0..3 {
        while world.send(|_| 0).is_empty() {
            world.now = world.courier.wake_at(world.now).unwrap();
        }
        let id = *world.in_flight.keys().next().unwrap();
        world.answer(id, Outcome::UNREACHABLE);
    }
    world.now = world.courier.wake_at(world.now).unwrap();
    let probe = world.send(|_| 0)[0];
    world.in_flight.clear();
    world.pending.remove(&probe.id);
    world.courier.abandon(world.now, probe.id);
    assert_eq!(world.send(|_| 0).len(), 1, "the next one probes");
}

#[test]
fn tries_at_once_when_the_peer_that_was_missing_has_come() {
    let mut world = World::new(plan(64, 1, 1), routine(&[(1, 1), (2, 2), (3, 3)]));
    for _ in 0..8 {
        while world.send(|_| 0).is_empty() {
            world.now = world.courier.wake_at(world.now).unwrap();
        }
        let id = *world.in_flight.keys().next().unwrap();
        world.answer(id, Outcome::UNREACHABLE);
    }
    assert!(world.send(|_| 0).is_empty(), "the breaker is open");
    let came_at = world.now;
    world.courier.knocked(world.now);
    world.run(|_| 0, |_, _| Outcome::Delivered);
    assert_eq!((world.delivered.len(), world.now), (3, came_at));
}
