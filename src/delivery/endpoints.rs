//! The endpoints of one destination: a circuit breaker each, and which of them is used now.
//!
//! A breaker opens after [`limits::BREAKER_FAILURES`] failures in a row, stays open for a growing time, then lets one
//! delivery through as a probe. When the active endpoint's breaker opens, the next closed endpoint takes over at
//! once; the preferred one (the first) takes over again only after a quiet time and several probes that succeeded in
//! a row, so a link that flaps does not swing the traffic. All endpoints of a destination are taken to be doors of
//! one system that shares its memory of idempotency keys.
//!
//! Failures that a probe did not cause, from attempts begun before the breaker opened, never lengthen its opening.

use std::time::Duration;

use super::{answer::Fault, pace};
use crate::{
    settings::Retry,
    units::{Timestamp, limits},
};

/// Why an attempt goes where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The endpoint is in use.
    Deliver,
    /// Nothing is in use; this attempt finds out whether the endpoint is well again.
    Probe,
    /// Another endpoint is in use; this attempt finds out whether the preferred one is well again.
    Return,
}

/// What an attempt showed about its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answered.
    Well,
    /// It answered that it wants a pause.
    Throttled(Duration),
    /// It is in trouble, and may have asked for a pause.
    Ill(Option<Duration>),
}

impl Sign {
    /// Reads the sign of a fault; `pause` is what the message itself would wait.
    pub(super) fn of(fault: Fault, after: Option<Duration>, pause: Duration) -> Self {
        match fault {
            Fault::Message => Self::Well,
            Fault::Throttled => Self::Throttled(after.unwrap_or(pause)),
            Fault::Failing | Fault::Timeout | Fault::Unreachable => Self::Ill(after),
        }
    }
}

/// What changed about the endpoints: told to the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Too many failures in a row: no more deliveries to this endpoint before `until`.
    Opened {
        /// Index of the endpoint.
        endpoint: usize,
        /// When the next probe may go.
        until: Timestamp,
    },
    /// The endpoint answers again.
    Closed {
        /// Index of the endpoint.
        endpoint: usize,
    },
    /// Another endpoint is in use now.
    Switched {
        /// Index of the endpoint used until now.
        from: usize,
        /// Index of the endpoint used from now on.
        to: usize,
    },
    /// The endpoint asked for a pause.
    Paused {
        /// Index of the endpoint.
        endpoint: usize,
        /// When the pause ends.
        until: Timestamp,
    },
}

/// State of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Deliveries flow.
    Closed,
    /// Nothing flows.
    Open,
    /// One delivery may try.
    HalfOpen,
}

#[derive(Clone, Copy, Debug)]
enum Breaker {
    Closed { failures: u32 },
    Open { until: Timestamp, times: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Endpoint {
    breaker: Breaker,
    paused_until: Timestamp,
    failed_at: Timestamp,
    returns: u32,
}

impl Endpoint {
    const NEW: Self = Self {
        breaker: Breaker::Closed { failures: 0 },
        paused_until: Timestamp(i64::MIN),
        failed_at: Timestamp(i64::MIN),
        returns: 0,
    };

    fn is_closed(&self) -> bool {
        matches!(self.breaker, Breaker::Closed { .. })
    }

    fn usable_at(&self) -> Timestamp {
        match self.breaker {
            Breaker::Closed { .. } => self.paused_until,
            Breaker::Open { until, .. } => until.max(self.paused_until),
        }
    }

    fn returns_at(&self) -> Timestamp {
        if self.returns > 0 {
            return self.usable_at();
        }
        self.usable_at().max(self.failed_at.plus(limits::RETURN_AFTER))
    }
}

/// The endpoints of one destination.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    endpoints: Vec<Endpoint>,
    active: usize,
    probing: bool,
    open_first: Duration,
    open_at_most: Duration,
    seed: u64,
}

impl Endpoints {
    pub(super) fn new(count: usize, retry: Retry, seed: u64) -> Self {
        Self {
            endpoints: vec![Endpoint::NEW; count.max(1)],
            active: 0,
            probing: false,
            open_first: retry.first.min(limits::BREAKER_OPEN_MAX),
            open_at_most: retry.at_most.min(limits::BREAKER_OPEN_MAX),
            seed,
        }
    }

    pub(super) fn active(&self) -> usize {
        self.active
    }

    /// Whether deliveries flow to the endpoint in use.
    pub(super) fn flowing(&self) -> bool {
        self.endpoints.get(self.active).is_some_and(Endpoint::is_closed)
    }

    pub(super) fn states(&self, now: Timestamp) -> impl Iterator<Item = BreakerState> {
        self.endpoints.iter().map(move |endpoint| match endpoint.breaker {
            Breaker::Closed { .. } => BreakerState::Closed,
            Breaker::Open { until, .. } if until <= now => BreakerState::HalfOpen,
            Breaker::Open { .. } => BreakerState::Open,
        })
    }

    /// Lets a probe through at once, except to an endpoint that asked for a pause.
    pub(super) fn reopen(&mut self, now: Timestamp) {
        for endpoint in &mut self.endpoints {
            if let Breaker::Open { until, .. } = &mut endpoint.breaker {
                *until = now.min(*until);
            }
        }
    }

    /// Where the next attempt may go, if anywhere.
    pub(super) fn route(&self, now: Timestamp) -> Option<(usize, Role)> {
        if !self.flowing() {
            let well = self.endpoints.iter().position(|endpoint| endpoint.usable_at() <= now)?;
            return (!self.probing).then_some((well, Role::Probe));
        }
        if self.returns_at().is_some_and(|at| at <= now) {
            return Some((0, Role::Return));
        }
        let active = self.endpoints.get(self.active)?;
        (active.paused_until <= now).then_some((self.active, Role::Deliver))
    }

    /// When [`Self::route`] leads somewhere without anything else happening.
    pub(super) fn opens_at(&self) -> Option<Timestamp> {
        if !self.flowing() {
            let first = self.endpoints.iter().map(Endpoint::usable_at).min()?;
            return (!self.probing).then_some(first);
        }
        let active = self.endpoints.get(self.active)?.paused_until;
        Some(self.returns_at().map_or(active, |at| at.min(active)))
    }

    /// When the preferred endpoint is worth a probe; `None` while it is in use or being probed.
    fn returns_at(&self) -> Option<Timestamp> {
        let preferred = self.endpoints.first()?;
        (self.active > 0 && !self.probing).then(|| preferred.returns_at())
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, role: Role) {
        self.probing |= role != Role::Deliver;
    }

    /// An attempt ended without showing anything.
    pub(super) fn abandon(&mut self, role: Role) {
        self.probing &= role == Role::Deliver;
    }

    /// An attempt ended with a sign.
    pub(super) fn observe(&mut self, now: Timestamp, index: usize, role: Role, sign: Sign) -> Vec<Change> {
        self.abandon(role);
        let mut changes = Vec::new();
        match sign {
            Sign::Well => self.recover(index, role, &mut changes),
            Sign::Throttled(pause) => {
                self.recover(index, Role::Deliver, &mut changes);
                self.pause(now, index, pause, &mut changes);
            }
            Sign::Ill(pause) => {
                self.fail(now, index, role, pause, &mut changes);
                self.fail_over(now, &mut changes);
            }
        }
        changes
    }

    fn recover(&mut self, index: usize, role: Role, changes: &mut Vec<Change>) {
        let Some(endpoint) = self.endpoints.get_mut(index) else { return };
        if !endpoint.is_closed() {
            changes.push(Change::Closed { endpoint: index });
        }
        endpoint.breaker = Breaker::Closed { failures: 0 };
        match role {
            Role::Deliver => {}
            Role::Probe => self.switch(index, changes),
            Role::Return => {
                endpoint.returns += 1;
                if endpoint.returns >= limits::RETURN_SUCCESSES {
                    self.switch(index, changes);
                }
            }
        }
    }

    fn pause(&mut self, now: Timestamp, index: usize, pause: Duration, changes: &mut Vec<Change>) {
        let Some(endpoint) = self.endpoints.get_mut(index) else { return };
        let until = now.plus(pause.min(limits::RETRY_AFTER_MAX));
        if until > endpoint.paused_until {
            endpoint.paused_until = until;
            changes.push(Change::Paused { endpoint: index, until });
        }
    }

    fn fail(&mut self, now: Timestamp, index: usize, role: Role, pause: Option<Duration>, changes: &mut Vec<Change>) {
        if let Some(pause) = pause {
            self.pause(now, index, pause, changes);
        }
        let Some(endpoint) = self.endpoints.get_mut(index) else { return };
        endpoint.failed_at = now;
        endpoint.returns = 0;
        let times = match endpoint.breaker {
            // An endpoint that says how long it is away is away: its breaker opens at once, so another may take over.
            Breaker::Closed { failures } if failures + 1 >= limits::BREAKER_FAILURES || pause.is_some() => 1,
            Breaker::Closed { failures } => {
                endpoint.breaker = Breaker::Closed { failures: failures + 1 };
                return;
            }
            Breaker::Open { .. } if role == Role::Deliver => return,
            Breaker::Open { times, .. } => times.saturating_add(1),
        };
        let seed = pace::seed([self.seed, index as u64, u64::from(times)]);
        let until = now.plus(pace::pause(self.open_first, self.open_at_most, times, seed)).max(endpoint.paused_until);
        endpoint.breaker = Breaker::Open { until, times };
        if times == 1 {
            changes.push(Change::Opened { endpoint: index, until });
        }
    }

    fn fail_over(&mut self, now: Timestamp, changes: &mut Vec<Change>) {
        if self.flowing() {
            return;
        }
        let well = |endpoint: &Endpoint| endpoint.is_closed() && endpoint.paused_until <= now;
        if let Some(to) = self.endpoints.iter().position(well) {
            self.switch(to, changes);
        }
    }

    fn switch(&mut self, to: usize, changes: &mut Vec<Change>) {
        if to == self.active {
            return;
        }
        changes.push(Change::Switched { from: self.active, to });
        self.active = to;
        for endpoint in &mut self.endpoints {
            endpoint.returns = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    const RETRY: Retry = Retry { first: Duration::from_secs(1), at_most: Duration::from_secs(300), give_up: None };

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    /// Lets one attempt begin and end; returns where it went, or `None` where nothing may go.
    fn attempt(endpoints: &mut Endpoints, now: Timestamp, sign: Sign) -> Option<(usize, Role, Vec<Change>)> {
        let (index, role) = endpoints.route(now)?;
        endpoints.begin(role);
        Some((index, role, endpoints.observe(now, index, role, sign)))
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let mut endpoints = Endpoints::new(1, RETRY, 1);
        for sign in [Sign::Ill(None), Sign::Ill(None), Sign::Well, Sign::Ill(None), Sign::Ill(None)] {
            assert_eq!(attempt(&mut endpoints, seconds(0), sign).unwrap().2, []);
        }
        let (.., changes) = attempt(&mut endpoints, seconds(0), Sign::Ill(None)).unwrap();
        assert!(matches!(changes[..], [Change::Opened { endpoint: 0, .. }]), "{changes:?}");
        assert_eq!(endpoints.route(seconds(0)), None);
        assert_eq!(endpoints.states(seconds(0)).collect::<Vec<_>>(), [BreakerState::Open]);
    }

    #[test]
    fn lets_one_probe_through_and_opens_longer_each_time() {
        let mut endpoints = Endpoints::new(1, RETRY, 1);
        for _ in 0..3 {
            attempt(&mut endpoints, seconds(0), Sign::Ill(None));
        }
        let mut now = seconds(0);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let at = endpoints.opens_at().unwrap();
            assert_eq!(endpoints.route(Timestamp(at.0 - 1)), None);
            assert_eq!(endpoints.route(at), Some((0, Role::Probe)));
            assert_eq!(endpoints.states(at).collect::<Vec<_>>(), [BreakerState::HalfOpen]);
            endpoints.begin(Role::Probe);
            assert_eq!(endpoints.route(at), None, "a second probe");
            assert_eq!(endpoints.opens_at(), None);
            pauses.push(at.since(now));
            now = at;
            assert_eq!(endpoints.observe(now, 0, Role::Probe, Sign::Ill(None)), []);
        }
        assert!(pauses[0] <= Duration::from_secs(1) && pauses[8] > pauses[0] * 8, "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= limits::BREAKER_OPEN_MAX), "{pauses:?}");
        let at = endpoints.opens_at().unwrap();
        let (.., changes) = attempt(&mut endpoints, at, Sign::Well).unwrap();
        assert_eq!(changes, [Change::Closed { endpoint: 0 }]);
        assert_eq!(endpoints.route(at), Some((0, Role::Deliver)));
    }

    #[test]
    fn ignores_late_failures_of_attempts_begun_before_it_opened() {
        let mut endpoints = Endpoints::new(1, RETRY, 1);
        for _ in 0..3 {
            attempt(&mut endpoints, seconds(0), Sign::Ill(None));
        }
        let at = endpoints.opens_at();
        for _ in 0..10 {
            assert_eq!(endpoints.observe(seconds(0), 0, Role::Deliver, Sign::Ill(None)), []);
        }
        assert_eq!(endpoints.opens_at(), at);
    }

    #[test]
    fn fails_over_at_once_and_returns_after_a_quiet_time_and_three_good_probes() {
        let mut endpoints = Endpoints::new(2, RETRY, 1);
        for _ in 0..2 {
            attempt(&mut endpoints, seconds(10), Sign::Ill(None));
        }
        let (.., changes) = attempt(&mut endpoints, seconds(10), Sign::Ill(None)).unwrap();
        assert_eq!(changes[1..], [Change::Switched { from: 0, to: 1 }]);
        assert_eq!(endpoints.route(seconds(69)), Some((1, Role::Deliver)));

        assert_eq!(endpoints.route(seconds(70)), Some((0, Role::Return)));
        endpoints.begin(Role::Return);
        assert_eq!(endpoints.route(seconds(70)), Some((1, Role::Deliver)), "others go on while a probe is out");
        assert_eq!(endpoints.observe(seconds(70), 0, Role::Return, Sign::Well), [Change::Closed { endpoint: 0 }]);
        attempt(&mut endpoints, seconds(71), Sign::Well);
        let (_, role, _) = attempt(&mut endpoints, seconds(72), Sign::Ill(None)).unwrap();
        assert_eq!(role, Role::Return);
        assert_eq!(
            endpoints.route(seconds(131)),
            Some((1, Role::Deliver)),
            "a failed probe starts the quiet time anew"
        );

        for second in [132, 133] {
            assert_eq!(attempt(&mut endpoints, seconds(second), Sign::Well), Some((0, Role::Return, vec![])));
        }
        let (.., changes) = attempt(&mut endpoints, seconds(134), Sign::Well).unwrap();
        assert_eq!(changes, [Change::Switched { from: 1, to: 0 }]);
        assert_eq!(endpoints.route(seconds(135)), Some((0, Role::Deliver)));
    }

    #[test]
    fn finds_the_first_endpoint_that_recovers_when_all_are_down() {
        let mut endpoints = Endpoints::new(3, RETRY, 1);
        for _ in 0..9 {
            attempt(&mut endpoints, seconds(0), Sign::Ill(None));
        }
        assert_eq!(endpoints.route(seconds(0)), None);
        assert_eq!(endpoints.active(), 2);
        let (index, role) = endpoints.route(seconds(1)).unwrap();
        assert_eq!((index, role), (0, Role::Probe));
        endpoints.begin(role);
        let changes = endpoints.observe(seconds(1), 0, role, Sign::Well);
        assert_eq!(changes, [Change::Closed { endpoint: 0 }, Change::Switched { from: 2, to: 0 }]);
    }

    #[test]
    fn pauses_the_whole_endpoint_when_asked_and_stays_with_it_when_throttled() {
        let mut endpoints = Endpoints::new(2, RETRY, 1);
        let (.., changes) = attempt(&mut endpoints, seconds(0), Sign::Throttled(Duration::from_secs(40))).unwrap();
        assert_eq!(changes, [Change::Paused { endpoint: 0, until: seconds(40) }]);
        assert_eq!(endpoints.route(seconds(39)), None);
        assert_eq!(endpoints.observe(seconds(5), 0, Role::Deliver, Sign::Well), [], "a late success ends no pause");
        assert_eq!(endpoints.opens_at(), Some(seconds(40)));
        assert_eq!(endpoints.route(seconds(40)), Some((0, Role::Deliver)));
    }

    #[test]
    fn clamps_a_pause_and_fails_over_when_the_endpoint_says_it_is_away() {
        let mut endpoints = Endpoints::new(1, RETRY, 1);
        attempt(&mut endpoints, seconds(0), Sign::Ill(Some(Duration::MAX)));
        assert_eq!(endpoints.opens_at(), Some(seconds(3600)));

        let mut endpoints = Endpoints::new(2, RETRY, 1);
        attempt(&mut endpoints, seconds(0), Sign::Ill(Some(Duration::from_secs(600))));
        assert_eq!(endpoints.route(seconds(0)), Some((1, Role::Deliver)));
        assert_eq!(endpoints.route(seconds(599)), Some((1, Role::Deliver)), "no probe within the pause");
        assert_eq!(endpoints.route(seconds(600)), Some((0, Role::Return)));
    }
}
