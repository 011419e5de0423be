//! One priority's entries in memory: a queue per ordering key, and which heads may go.
//!
//! Only the head of a key is ever offered, so entries of one key keep their order whatever happens to them (INV-03).
//! Entries beyond a lane's quota, or beyond one key's share of it, are left on disk ("spilled"): the lane remembers
//! the first one per key and asks for the rest of that key later, so neither a deep key nor many blocked keys keep
//! others from being read (INV-07).
//!
//! Bounds: `quota` entries, an eighth of them per key, [`limits::SPILLED_KEYS_MAX`] spilled keys.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Entry;
use crate::{
    ids::OutboxId,
    units::{Timestamp, limits},
};

/// What the lane wants to be read from disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) key: Option<u64>,
    pub(super) after: OutboxId,
    pub(super) limit: usize,
}

/// Which heads may be picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// Those that are due.
    Due,
    /// Those that are due, or else one that only waits because the endpoint was in trouble.
    DueOrExcused,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    entry: Entry,
    due: Timestamp,
    /// Its last failure was the endpoint's, not its own.
    excused: bool,
}

#[derive(Debug, Default)]
struct Queue {
    slots: VecDeque<Slot>,
    in_flight: bool,
}

/// Entries of one key that were left on disk.
#[derive(Clone, Copy, Debug)]
struct Spill {
    /// The first of them.
    from: OutboxId,
    /// When it is worth reading them: the head's due time if the head itself is among them.
    due: Timestamp,
}

/// One priority's entries.
#[derive(Debug)]
pub(super) struct Lane {
    quota: usize,
    share: usize,
    held: usize,
    queues: BTreeMap<u64, Queue>,
    ready: BTreeSet<(OutboxId, u64)>,
    waiting: BTreeSet<(Timestamp, u64)>,
    spilled: BTreeMap<u64, Spill>,
    /// Spilled keys with room for more, by when to read them.
    refill: BTreeSet<(Timestamp, u64)>,
    /// The last entry seen in order; everything up to it is held, spilled or settled.
    frontier: OutboxId,
    /// Whether disk may hold entries beyond the frontier.
    more: bool,
}

impl Lane {
    pub(super) fn new(quota: usize) -> Self {
        let quota = quota.max(1);
        Self {
            quota,
            share: (quota / 8).max(1),
            held: 0,
            queues: BTreeMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            spilled: BTreeMap::new(),
            refill: BTreeSet::new(),
            frontier: OutboxId(i64::MIN),
            more: true,
        }
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Notes that disk holds entries beyond the frontier.
    pub(super) fn arrived(&mut self) {
        self.more = true;
    }

    /// Makes the heads whose time has come ready.
    pub(super) fn promote(&mut self, now: Timestamp) {
        while let Some(&(due, key)) = self.waiting.first()
            && due <= now
        {
            self.waiting.pop_first();
            if let Some(head) = self.head(key) {
                let id = head.entry.id;
                self.ready.insert((id, key));
            }
        }
    }

    /// The oldest head that may go, leaving out `busy` keys.
    pub(super) fn pick(&self, pick: Pick, busy: &BTreeSet<u64>) -> Option<u64> {
        let free = |key: &u64| !busy.contains(key);
        let due = self.ready.iter().map(|&(_, key)| key).find(free);
        if due.is_some() || pick == Pick::Due {
            return due;
        }
        let excused = |key: &u64| self.head(*key).is_some_and(|head| head.excused);
        self.waiting.iter().map(|&(_, key)| key).filter(free).find(excused)
    }

    /// When the first head that waits is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first().map(|&(due, _)| due)
    }

    /// When the first spilled key after `now` is worth reading.
    pub(super) fn next_refill(&self, now: Timestamp) -> Option<Timestamp> {
        self.refill.iter().map(|&(due, _)| due).find(|due| *due > now)
    }

    /// Puts the head of `key` in flight.
    pub(super) fn start(&mut self, key: u64) -> Option<Entry> {
        self.unlist(key);
        let queue = self.queues.get_mut(&key)?;
        queue.in_flight = true;
        queue.slots.front().map(|slot| slot.entry)
    }

    /// The head of `key`, in flight until now, is settled for good.
    pub(super) fn finish(&mut self, now: Timestamp, key: u64) {
        let Some(queue) = self.queues.get_mut(&key) else { return };
        queue.in_flight = false;
        if queue.slots.pop_front().is_some() {
            self.held -= 1;
        }
        if queue.slots.is_empty() {
            self.queues.remove(&key);
        }
        self.list(now, key);
        self.ask_for_rest(key);
    }

    /// The head of `key`, in flight until now, stays the head and is tried again at `due`.
    pub(super) fn retry(&mut self, now: Timestamp, key: u64, attempts: u32, due: Timestamp, excused: bool) {
        let Some(queue) = self.queues.get_mut(&key) else { return };
        queue.in_flight = false;
        if let Some(slot) = queue.slots.front_mut() {
            slot.entry.attempts = attempts;
            slot.due = due;
            slot.excused = excused;
        }
        self.list(now, key);
    }

    /// Makes every head ready that only waits because the endpoint was in trouble.
    pub(super) fn pardon(&mut self, now: Timestamp) {
        let excused: Vec<u64> = self
            .waiting
            .iter()
            .map(|&(_, key)| key)
            .filter(|key| self.head(*key).is_some_and(|head| head.excused))
            .collect();
        for key in excused {
            self.unlist(key);
            if let Some(slot) = self.queues.get_mut(&key).and_then(|queue| queue.slots.front_mut()) {
                slot.due = now;
            }
            self.list(now, key);
        }
    }

    /// What to read next, if anything. `blocked` says that waiting heads may make room: deliveries flow, so who
    /// waits now is itself the reason.
    pub(super) fn need(&mut self, now: Timestamp, blocked: bool) -> Option<Need> {
        if blocked && self.ready.is_empty() && !self.has_room() && (self.more || self.refill_due(now)) {
            self.park();
        }
        let room = self.quota.saturating_sub(self.held);
        if room == 0 {
            return None;
        }
        if self.refill_due(now) {
            let (_, key) = self.refill.pop_first()?;
            let after = OutboxId(self.spilled.get(&key)?.from.0 - 1);
            return Some(Need { key: Some(key), after, limit: self.share.min(room).min(limits::PAGE_MAX) });
        }
        if !self.more || !self.has_room() || self.spilled.len() >= limits::SPILLED_KEYS_MAX {
            return None;
        }
        self.more = false;
        Some(Need { key: None, after: self.frontier, limit: room.min(limits::PAGE_MAX) })
    }

    /// Takes what was read; `entries` are in order and hold `need.limit` of them if there are more.
    pub(super) fn offer(&mut self, now: Timestamp, need: Need, entries: &[Entry]) {
        let full_page = entries.len() >= need.limit;
        let Some(key) = need.key else {
            self.more |= full_page;
            for entry in entries.iter().filter(|entry| entry.id > need.after) {
                self.frontier = self.frontier.max(entry.id);
                self.admit(now, *entry);
            }
            return;
        };
        if self.spilled.remove(&key).is_none() {
            return;
        }
        let mut last = need.after;
        for entry in entries.iter().filter(|entry| entry.key == key && entry.id > need.after) {
            if entry.id > self.frontier {
                return; // The lane itself will come to this one and those behind it.
            }
            last = entry.id;
            self.admit(now, *entry);
        }
        if full_page && !self.spilled.contains_key(&key) {
            self.spilled.insert(key, Spill { from: OutboxId(last.0.saturating_add(1)), due: now });
        }
        self.ask_for_rest(key);
    }

    /// The read asked for failed; it will be asked for again.
    pub(super) fn unread(&mut self, need: Need) {
        match need.key {
            None => self.more = true,
            Some(key) => self.ask_for_rest(key),
        }
    }

    fn admit(&mut self, now: Timestamp, entry: Entry) {
        if self.spilled.contains_key(&entry.key) {
            return;
        }
        let full = self.held >= self.quota;
        let queue = self.queues.entry(entry.key).or_default();
        if queue.slots.back().is_some_and(|last| last.entry.id >= entry.id) {
            return;
        }
        if full || queue.slots.len() >= self.share {
            self.spilled.insert(entry.key, Spill { from: entry.id, due: now });
            if queue.slots.is_empty() {
                self.queues.remove(&entry.key);
            }
            self.ask_for_rest(entry.key);
            return;
        }
        queue.slots.push_back(Slot { entry, due: entry.not_before, excused: false });
        self.held += 1;
        if queue.slots.len() == 1 {
            self.list(now, entry.key);
        }
    }

    /// Leaves the keys that wait longest to the disk until half of the quota is free.
    fn park(&mut self) {
        while self.held > self.quota / 2 && self.spilled.len() < limits::SPILLED_KEYS_MAX {
            let Some((due, key)) = self.waiting.pop_last() else { return };
            let Some(queue) = self.queues.remove(&key) else { continue };
            self.held -= queue.slots.len();
            let Some(head) = queue.slots.front() else { continue };
            if let Some(old) = self.spilled.insert(key, Spill { from: head.entry.id, due }) {
                self.refill.remove(&(old.due, key));
            }
            self.refill.insert((due, key));
        }
    }

    /// Whether there is room for a read that is worth its cost.
    fn has_room(&self) -> bool {
        self.quota.saturating_sub(self.held) >= limits::PAGE_MAX.min(self.quota.div_ceil(2))
    }

    fn refill_due(&self, now: Timestamp) -> bool {
        self.refill.first().is_some_and(|&(due, _)| due <= now)
    }

    /// Asks for the rest of a spilled key once half of its share is free.
    fn ask_for_rest(&mut self, key: u64) {
        let Some(spill) = self.spilled.get(&key) else { return };
        let held = self.queues.get(&key).map_or(0, |queue| queue.slots.len());
        if held <= self.share / 2 {
            self.refill.insert((spill.due, key));
        }
    }

    fn head(&self, key: u64) -> Option<&Slot> {
        self.queues.get(&key)?.slots.front()
    }

    fn list(&mut self, now: Timestamp, key: u64) {
        let Some(head) = self.head(key) else { return };
        let (id, due) = (head.entry.id, head.due);
        if due <= now {
            self.ready.insert((id, key));
        } else {
            self.waiting.insert((due, key));
        }
    }

    fn unlist(&mut self, key: u64) {
        let Some(head) = self.head(key) else { return };
        let (id, due) = (head.entry.id, head.due);
        self.ready.remove(&(id, key));
        self.waiting.remove(&(due, key));
    }
}
