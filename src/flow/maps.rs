//! Which map each flow uses now, and what a map makes of a stored message.
//!
//! The journal thread changes the maps in use ([`Flows::activate`]) while links read messages. Each change gets a number;
//! a message that was read under another number is read again before it is decided, so that what is decided and what is
//! written on its deliveries is always the same version. Versions that were in use stay: deliveries that were decided
//! with them are made of them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Flows, understand::unfolded};
use crate::{
    event::Picture,
    hl7::{Index, Text},
    mapping::{self, JobAsk, Map, Prepared, Refusal, Registry, Told, Verb},
    settings::Mapping,
    units::Timestamp,
};

/// The maps in use.
#[derive(Debug)]
pub(super) struct InUse {
    now: RwLock<Now>,
    changes: AtomicU64,
}

#[derive(Debug)]
struct Now {
    registry: Arc<Registry>,
    /// By the index of the flow.
    maps: Vec<Option<Arc<Map>>>,
    /// Names of maps that are in use or were: deliveries may wait that were decided with them.
    used: BTreeSet<String>,
}

impl InUse {
    /// Those that the flows name.
    pub(super) fn new<'f>(registry: Arc<Registry>, named: impl Iterator<Item = &'f Mapping>) -> Self {
        let map = |mapping: &Mapping| match mapping {
            Mapping::Raw => None,
            Mapping::Map { name, version } => registry.get(name, *version).cloned(),
        };
        let maps: Vec<Option<Arc<Map>>> = named.map(map).collect();
        let used = maps.iter().flatten().map(|map| map.id()).collect();
        Self { now: RwLock::new(Now { registry, maps, used }), changes: AtomicU64::new(0) }
    }

    fn read<T>(&self, look: impl FnOnce(&Now) -> T) -> T {
        look(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Now) -> T) -> T {
        change(&mut self.now.write().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn map(&self, flow: usize) -> Option<Arc<Map>> {
        self.read(|now| now.maps.get(flow).cloned().flatten())
    }
}

/// What stands for jobs that a message only changes, where it is translated again.
#[derive(Clone, Copy, Debug)]
pub enum Changes<'a> {
    /// What was told of them when it came; nothing where it changed none.
    Told(&'a [Told]),
    /// The message alone.
    Alone,
}

/// A name with a version: `transport@1`.
fn split(mapping: &str) -> Option<(&str, u32)> {
    let (name, version) = mapping.rsplit_once('@')?;
    Some((name, version.parse().ok()?))
}

impl Flows {
    /// The maps and tables that are known now.
    pub fn registry(&self) -> Arc<Registry> {
        self.in_use.read(|now| Arc::clone(&now.registry))
    }

    /// The map with this name and version, as `transport@1`.
    pub fn map(&self, mapping: &str) -> Option<Arc<Map>> {
        let (name, version) = split(mapping)?;
        self.in_use.read(|now| now.registry.get(name, version).cloned())
    }

    /// The map that a flow uses now.
    pub fn map_of(&self, flow: usize) -> Option<Arc<Map>> {
        self.in_use.map(flow)
    }

    /// How often the maps in use were changed since the start.
    pub fn map_changes(&self) -> u64 {
        self.in_use.changes.load(Ordering::Acquire)
    }

    /// Whether a map is in use, or was since the start.
    pub fn was_used(&self, mapping: &str) -> bool {
        self.in_use.read(|now| now.used.contains(mapping))
    }

    /// Takes maps and tables as they are on disk by now. None comes into use by that, and those in use stay as they are.
    ///
    /// # Errors
    /// As [`Registry::extended`].
    pub fn add_maps(&self, newer: Registry) -> Result<(), Vec<String>> {
        self.in_use.change(|now| {
            let is_fixed = |map: &Map| now.used.contains(&map.id());
            now.registry = Arc::new(now.registry.extended(newer, &is_fixed)?);
            Ok(())
        })
    }

    /// Makes flows use other maps from now on, each named as `transport@2`. Maps that are not known change nothing. For the
    /// journal thread alone.
    pub fn activate<'m>(&self, changes: impl Iterator<Item = (usize, &'m str)>) {
        self.in_use.change(|now| {
            for (flow, mapping) in changes {
                let map = split(mapping).and_then(|(name, version)| now.registry.get(name, version).cloned());
                if let (Some(place), Some(map)) = (now.maps.get_mut(flow), map) {
                    now.used.insert(map.id());
                    *place = Some(map);
                }
            }
            // Inside the lock: who reads the new number finds the new maps.
            self.in_use.changes.fetch_add(1, Ordering::Release);
        });
    }

    /// What `map` makes of a message by itself; `None` where it is no HL7 message.
    pub(super) fn prepared(
        &self,
        map: &Map,
        link: Option<usize>,
        raw: &[u8],
        received_at: Timestamp,
        content_hash: [u8; 32],
    ) -> Option<Result<mapping::Outcome, Refusal>> {
        let text = Text::of(raw, link.and_then(|link| self.charset(link)));
        let mut index = Index::default();
        let unfolded = unfolded(text.bytes(), &mut index).ok()?;
        let context = self.context(link, text.configured(), received_at, content_hash);
        Some(map.prepare(&index.message(&unfolded), &context))
    }

    /// What `map` would make of a message as it was stored, for who compares maps; `None` where it is no HL7 message.
    ///
    /// Of a map that makes jobs that is what it tells where the message is all that is known of its jobs; `changes` says what
    /// stands for those that it only changes, of which it never says all.
    pub fn translated(
        &self,
        map: &Map,
        link: Option<usize>,
        raw: &[u8],
        (received_at, content_hash): (Timestamp, [u8; 32]),
        changes: Changes<'_>,
    ) -> Option<Result<mapping::Outcome, Refusal>> {
        if !map.makes_jobs() {
            return self.prepared(map, link, raw, received_at, content_hash);
        }
        let text = Text::of(raw, link.and_then(|link| self.charset(link)));
        let mut index = Index::default();
        let unfolded = unfolded(text.bytes(), &mut index).ok()?;
        let context = self.context(link, text.configured(), received_at, content_hash);
        let asks = match map.asks(&index.message(&unfolded), &context) {
            Ok(asks) => asks,
            Err(refusal) => return Some(Err(refusal)),
        };
        let alone = |ask: &JobAsk| !ask.verb.needs_a_job() || matches!(changes, Changes::Alone);
        let mut tellings: Vec<Told> = asks.iter().filter(|ask| alone(ask)).map(|ask| self.alone(ask, link)).collect();
        if let (Changes::Told(told), true) = (changes, asks.iter().any(|ask| ask.verb.needs_a_job())) {
            tellings.extend_from_slice(told);
        }
        Some(self.tell_all(map, &tellings, (received_at, content_hash)))
    }

    /// What an ask tells where nothing else is known of its job.
    fn alone(&self, ask: &JobAsk, link: Option<usize>) -> Told {
        let mut picture = Picture::empty();
        picture.take(&ask.statement, Timestamp(0));
        let is_known = ask.verb.needs_a_job();
        Told {
            job: ask.name.or(ask.visit_name).unwrap_or_default(),
            verb: if is_known { Verb::Change } else { ask.verb },
            is_known,
            link: link.and_then(|link| self.links.get(link)).cloned().unwrap_or_default(),
            message: picture.message(),
        }
    }

    fn tell_all(&self, map: &Map, told: &[Told], at: (Timestamp, [u8; 32])) -> Result<mapping::Outcome, Refusal> {
        let (mut prepared, mut refusal) = (Prepared::default(), Refusal::default());
        for told in told {
            let link = self.links.iter().position(|link| *link == told.link);
            map.tell(told, &self.context(link, None, at.0, at.1), &mut prepared).unwrap_or_else(|found| {
                refusal.merge(found);
            });
        }
        match (told.is_empty(), refusal.is_empty()) {
            (true, _) => Ok(mapping::Outcome::NotApplicable),
            (false, true) => Ok(mapping::Outcome::Send(prepared)),
            (false, false) => Err(refusal),
        }
    }
}
