//! The clocks of the box, read in one place.
//!
//! [`Clock::wall`] stamps what people and other systems see. [`Clock::steady`] drives retries and time-outs: wall-clock time at
//! the start plus monotonic time since, so it never goes backwards when the wall clock is set (F13).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::units::Timestamp;

/// Both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
    began_at: Timestamp,
}

impl Clock {
    /// Starts the steady clock at the wall clock's time.
    #[expect(clippy::disallowed_methods, reason = "this is where clocks are read")]
    pub fn start() -> Self {
        Self { began: Instant::now(), began_at: wall() }
    }

    /// The time of day.
    pub fn wall(&self) -> Timestamp {
        wall()
    }

    /// Time that never goes backwards.
    pub fn steady(&self) -> Timestamp {
        self.began_at.plus(self.began.elapsed())
    }

    /// Time since the start, for measuring.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// When the process started.
    pub const fn began_at(&self) -> Timestamp {
        self.began_at
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where clocks are read")]
fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
