//! Facts of the journal thread that other threads may look at without asking it.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use super::{Usage, pressure::Pressure, rows::lane};
use crate::settings::Priority;

/// Shared facts; each is written by the journal thread only.
#[derive(Debug)]
pub struct Shared {
    depths: Vec<[AtomicI64; 3]>,
    arrived: Vec<Notify>,
    courier_turns: Vec<AtomicU64>,
    pressure: AtomicU8,
    progress: AtomicU64,
    failures: AtomicU64,
    turned_away: AtomicU64,
    unsettled: AtomicUsize,
    log_pages: AtomicU32,
    usage: Mutex<Usage>,
    integrity_bad: AtomicBool,
}

impl Shared {
    pub(super) fn new(destinations: usize) -> Self {
        Self {
            depths: (0..destinations).map(|_| Default::default()).collect(),
            arrived: (0..destinations).map(|_| Notify::new()).collect(),
            courier_turns: (0..destinations).map(|_| AtomicU64::new(0)).collect(),
            pressure: AtomicU8::new(0),
            progress: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            unsettled: AtomicUsize::new(0),
            log_pages: AtomicU32::new(0),
            usage: Mutex::new(Usage::default()),
            integrity_bad: AtomicBool::new(false),
        }
    }

    /// Messages waiting for a destination in one lane.
    pub fn depth(&self, destination: usize, priority: Priority) -> i64 {
        self.cell(destination, priority).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    /// Returns when something new was committed for a destination since the last call.
    pub async fn arrived(&self, destination: usize) {
        match self.arrived.get(destination) {
            Some(notify) => notify.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Notes that a courier went round once more.
    pub fn courier_turned(&self, destination: usize) {
        if let Some(turns) = self.courier_turns.get(destination) {
            turns.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often a courier went round: grows while it lives, at least every few seconds.
    pub fn courier_turns(&self, destination: usize) -> u64 {
        self.courier_turns.get(destination).map_or(0, |turns| turns.load(Ordering::Relaxed))
    }

    /// How full the store is, as a level.
    pub fn pressure(&self) -> Pressure {
        match self.pressure.load(Ordering::Relaxed) {
            0 => Pressure::Normal,
            1 => Pressure::Warn,
            2 => Pressure::Shed,
            _ => Pressure::Refuse,
        }
    }

    /// How full the store is, in bytes.
    pub fn usage(&self) -> Usage {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows while the journal thread lives: by each commit, and at least twice a second.
    pub fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Failed operations since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Whether the last integrity check found damage.
    pub fn is_damaged(&self) -> bool {
        self.integrity_bad.load(Ordering::Relaxed)
    }

    pub(super) fn damaged(&self) {
        self.integrity_bad.store(true, Ordering::Relaxed);
    }

    pub(super) fn set_depth(&self, destination: usize, priority: Priority, n: i64) {
        if let Some(cell) = self.cell(destination, priority) {
            cell.store(n, Ordering::Relaxed);
        }
    }

    pub(super) fn add_depth(&self, destination: usize, priority: Priority, by: i64) {
        if let Some(cell) = self.cell(destination, priority) {
            cell.fetch_add(by, Ordering::Relaxed);
        }
    }

    pub(super) fn committed(&self, destinations: impl Iterator<Item = usize>) {
        self.alive();
        for destination in destinations {
            if let Some(notify) = self.arrived.get(destination) {
                notify.notify_one();
            }
        }
    }

    pub(super) fn alive(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Settlements that a failed commit left over.
    pub(super) fn unsettled(&self) -> usize {
        self.unsettled.load(Ordering::Relaxed)
    }

    pub(super) fn set_unsettled(&self, n: usize) {
        self.unsettled.store(n, Ordering::Relaxed);
    }

    pub(super) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_pressure(&self, level: Pressure) {
        let code = match level {
            Pressure::Normal => 0,
            Pressure::Warn => 1,
            Pressure::Shed => 2,
            Pressure::Refuse => 3,
        };
        self.pressure.store(code, Ordering::Relaxed);
    }

    pub(super) fn set_usage(&self, usage: Usage) {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = usage;
    }

    pub(super) fn log_pages(&self) -> u32 {
        self.log_pages.load(Ordering::Relaxed)
    }

    pub(super) fn set_log_pages(&self, pages: i32) {
        self.log_pages.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
    }

    fn cell(&self, destination: usize, priority: Priority) -> Option<&AtomicI64> {
        self.depths.get(destination)?.get(usize::try_from(lane(priority)).ok()?)
    }
}
