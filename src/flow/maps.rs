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
    hl7::{Index, Text},
    mapping::{self, Map, Refusal, Registry},
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

    /// What `map` makes of a message as it was stored; `None` where it is no HL7 message.
    pub fn translated(
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
}
