//! The watchdog actor: tells systemd that the box advances, and only while it does.
//!
//! Messages: none. It looks at what every vital part counts: the journal thread's progress and each courier's turns. A part that
//! does not advance within its time is named in the log; the notification is then withheld, and systemd restarts the box.

use std::{sync::Arc, time::Duration};

use actix::{Actor, AsyncContext as _, Context};
use sd_notify::NotifyState;

use super::clock::Clock;
use crate::{
    store::shared::Shared,
    telemetry::{Signal, Telemetry},
    units::Timestamp,
};

/// The actor.
pub struct Watchdog {
    shared: Arc<Shared>,
    telemetry: Arc<Telemetry>,
    clock: Clock,
    every: Duration,
    parts: Vec<Part>,
    is_under_systemd: bool,
}

/// A vital part.
struct Part {
    name: String,
    what: What,
    seen: u64,
    since: Timestamp,
    is_told: bool,
}

#[derive(Clone, Copy)]
enum What {
    Journal,
    Courier(usize),
}

/// Time within which a part must advance. A commit on a bad disk takes seconds; half a minute means it is stuck.
const PROGRESS: Duration = Duration::from_secs(30);

impl Watchdog {
    /// Makes the watchdog over the journal and the couriers of `destinations`.
    pub fn new(shared: Arc<Shared>, telemetry: Arc<Telemetry>, clock: Clock, destinations: &[String]) -> Self {
        let now = clock.steady();
        let part = |name: String, what| Part { name, what, seen: 0, since: now, is_told: false };
        let couriers =
            destinations.iter().enumerate().map(|(at, name)| part(format!("courier {name}"), What::Courier(at)));
        let asked = sd_notify::watchdog_enabled();
        Self {
            parts: std::iter::once(part("journal".to_owned(), What::Journal)).chain(couriers).collect(),
            shared,
            telemetry,
            clock,
            every: asked.map_or(Duration::from_secs(5), |every| every / 3),
            is_under_systemd: asked.is_some(),
        }
    }

    fn look(&mut self) {
        let now = self.clock.steady();
        let mut all_advance = true;
        for part in &mut self.parts {
            let count = match part.what {
                What::Journal => self.shared.progress(),
                What::Courier(at) => self.shared.courier_turns(at),
            };
            if count != part.seen {
                part.seen = count;
                part.since = now;
                part.is_told = false;
            }
            let silent = now.since(part.since);
            if silent >= PROGRESS {
                all_advance = false;
                if !part.is_told {
                    part.is_told = true;
                    self.telemetry.tell(Signal::ActorStalled { actor: &part.name, silent });
                }
            }
        }
        if all_advance && self.is_under_systemd {
            // Without a notification systemd restarts the box, which is what a lost socket deserves.
            sd_notify::notify(&[NotifyState::Watchdog]).ok();
        }
    }
}

impl Actor for Watchdog {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(self.every, |this, _| this.look());
    }
}
