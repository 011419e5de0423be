//! A connection that Gurney opens and keeps open: dialled, served, and dialled again for as long as the box runs.
//!
//! One connection at a time. Each round begins with the preferred endpoint and tries the others behind it, in their order; a
//! pause follows each round, longer with each one that brought nothing, as [`Redial`] bounds it and [`pace`] spreads it. A
//! connection was of use if a byte came over it or it lasted longer than the longest pause. One that was not counts as a
//! failure, since a peer that accepts and closes at once is as far away as one that refuses.

use std::{io, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{intake::Intake, session::End};
use crate::{
    delivery::pace,
    settings::Redial,
    telemetry::LinkSignal,
    uplink::{Dialer, Wire},
};

/// Whom to dial, and how.
pub(super) struct Dialling {
    /// Connects.
    pub(super) dialer: Dialer,
    /// The endpoints as `host:port`, the preferred one first; at least one.
    pub(super) endpoints: Vec<String>,
    /// The pauses.
    pub(super) redial: Redial,
    /// Spreads the pauses of different boxes and links.
    pub(super) seed: u64,
}

/// A peer could not be connected to.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to {peer}")]
struct Unreachable<'a> {
    peer: &'a str,
    #[source]
    source: io::Error,
}

impl Dialling {
    /// Keeps one connection open until the box stops; `serve` serves it to its end.
    pub(super) async fn keep_connected(
        &self,
        intake: &Intake,
        mut stopping: watch::Receiver<bool>,
        mut serve: impl AsyncFnMut(Box<dyn Wire>) -> End,
    ) {
        let meter = intake.telemetry.link(intake.link);
        let mut tries = Tries::new(self.redial, self.endpoints.len(), self.seed);
        while !*stopping.borrow() {
            let peer = self.endpoints.get(tries.endpoint).map_or("", String::as_str);
            let dialled = tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return,
                dialled = self.dialer.dial(peer) => dialled,
            };
            match dialled {
                Err(source) => {
                    if tries.failed() == State::Down {
                        meter.tell(LinkSignal::Down { cause: &Unreachable { peer, source } });
                    }
                }
                Ok(wire) => {
                    meter.tell(match tries.connected() {
                        Connected::First => LinkSignal::Up { at: peer },
                        Connected::AfterDown => LinkSignal::Restored,
                        Connected::Again => LinkSignal::Reopened,
                    });
                    meter.connected();
                    let (bytes, began) = (meter.bytes_received(), Instant::now());
                    let end = serve(wire).await;
                    meter.disconnected();
                    if matches!(end, End::Stopping) {
                        return;
                    }
                    // A peer that closes between messages does no wrong.
                    if !matches!(end, End::Closed) {
                        meter.tell(LinkSignal::Ended { cause: &end });
                    }
                    let has_lasted = began.elapsed() > self.redial.at_most;
                    if meter.bytes_received() != bytes || has_lasted {
                        tries.used();
                    } else if tries.failed() == State::Down {
                        meter.tell(LinkSignal::Down { cause: &end });
                    }
                }
            }
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = sleep(tries.pause()) => {}
            }
        }
    }
}

/// What is known of the tries so far.
#[derive(Debug)]
struct Tries {
    redial: Redial,
    endpoints: usize,
    seed: u64,
    /// Index of the endpoint to try next.
    endpoint: usize,
    /// Failures since a connection was of use.
    failures: u32,
    /// Whether there was a connection since the link was last told to be down; unknown before the first.
    is_up: Option<bool>,
}

/// What a connection follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connected {
    /// Nothing: it is the first.
    First,
    /// A link that was down.
    AfterDown,
    /// Another connection.
    Again,
}

/// What a failure makes of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is down as of now.
    Down,
    /// It is what it was.
    Same,
}

impl Tries {
    const fn new(redial: Redial, endpoints: usize, seed: u64) -> Self {
        Self { redial, endpoints, seed, endpoint: 0, failures: 0, is_up: None }
    }

    fn connected(&mut self) -> Connected {
        match self.is_up.replace(true) {
            None => Connected::First,
            Some(false) => Connected::AfterDown,
            Some(true) => Connected::Again,
        }
    }

    /// A connection was of use and has ended: the next round begins.
    const fn used(&mut self) {
        self.endpoint = 0;
        self.failures = 0;
    }

    /// There was no connection, or one that was of no use.
    fn failed(&mut self) -> State {
        self.endpoint = (self.endpoint + 1) % self.endpoints.max(1);
        self.failures = self.failures.saturating_add(1);
        if self.failures < self.redial.failures || self.is_up == Some(false) {
            return State::Same;
        }
        self.is_up = Some(false);
        State::Down
    }

    /// How long to wait before the next try.
    fn pause(&self) -> Duration {
        if self.endpoint != 0 {
            return Duration::ZERO;
        }
        let rounds = self.failures / u32::try_from(self.endpoints).unwrap_or(u32::MAX).max(1);
        let seed = pace::seed([self.seed, u64::from(rounds), 0]);
        pace::pause(self.redial.first, self.redial.at_most, rounds, seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIAL: Redial = Redial { first: Duration::from_secs(1), at_most: Duration::from_secs(60), failures: 2 };

    fn is_about(pause: Duration, seconds: u64) -> bool {
        let whole = Duration::from_secs(seconds);
        pause <= whole && pause * 2 >= whole
    }

    #[test]
    fn tries_every_endpoint_before_it_waits_and_waits_longer_each_round() {
        let mut tries = Tries::new(REDIAL, 2, 7);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(tries.endpoint, 0);
            tries.failed();
            assert_eq!((tries.endpoint, tries.pause()), (1, Duration::ZERO));
            tries.failed();
            assert!(is_about(tries.pause(), seconds), "{:?} for {seconds} s", tries.pause());
        }
    }

    #[test]
    fn says_once_that_the_link_is_down_after_as_many_failures_as_set() {
        let mut tries = Tries::new(REDIAL, 1, 7);
        let failures: Vec<_> = (0..4).map(|_| tries.failed()).collect();
        assert_eq!(failures, [State::Same, State::Down, State::Same, State::Same]);
        assert_eq!(tries.connected(), Connected::AfterDown);
        tries.used();
        assert_eq!(tries.connected(), Connected::Again);
        assert_eq!([tries.failed(), tries.failed()], [State::Same, State::Down]);
    }

    #[test]
    fn begins_with_the_preferred_endpoint_behind_a_connection_that_was_of_use() {
        let mut tries = Tries::new(REDIAL, 3, 7);
        assert_eq!(tries.connected(), Connected::First);
        tries.failed();
        assert_eq!(tries.endpoint, 1);
        assert_eq!(tries.connected(), Connected::Again);
        tries.used();
        assert_eq!(tries.endpoint, 0);
        assert!(is_about(tries.pause(), 1), "never at once, whatever the peer does: {:?}", tries.pause());
    }
}
