//! What is automatic at a site, with the defaults of the acceptance catalogue.

use std::time::Duration;

/// What a cancelled plan of a discharge (A25) does to its job before a crew is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPlanCancelled {
    /// Calls it off.
    Cancel,
    /// Puts it on hold until the discharge is planned again.
    Hold,
}

/// Whether the platform hears of plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plans {
    /// As drafts, which nobody is sent for.
    Tell,
    /// Not before the job is wanted.
    Keep,
}

/// How long a platform may say nothing about a job before it is no longer known where it stands. None: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// While it is asked for or offered.
    pub asked: Option<Duration>,
    /// While it is accepted or a unit is named.
    pub scheduled: Option<Duration>,
    /// While a crew is on its way or has the patient.
    pub moving: Option<Duration>,
}

/// What is automatic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What A25 does.
    pub on_plan_cancelled: OnPlanCancelled,
    /// Whether plans are told.
    pub plans: Plans,
    /// Up to this age all is automatic (class F0).
    pub fresh: Duration,
    /// Up to this age it is automatic while the pickup window lies ahead (class F1).
    pub late: Duration,
    /// Up to this age a person may release it (class F2); what is older is only reported (class F3).
    pub old: Duration,
    /// How long a cancel that was asked for may stay unconfirmed before somebody is paged.
    pub cancel_answer: Duration,
    /// How far a source's clock may be ahead.
    pub clock_ahead: Duration,
    /// How long a cancel that came first is remembered.
    pub tombstone: Duration,
    /// How long silence is no news.
    pub silence: Silence,
}

impl Default for Policy {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        Self {
            on_plan_cancelled: OnPlanCancelled::Cancel,
            plans: Plans::Tell,
            fresh: Duration::from_secs(15 * MINUTE),
            late: Duration::from_secs(2 * HOUR),
            old: Duration::from_secs(24 * HOUR),
            cancel_answer: Duration::from_secs(60),
            clock_ahead: Duration::from_secs(120),
            tombstone: Duration::from_secs(72 * HOUR),
            silence: Silence {
                asked: None,
                scheduled: Some(Duration::from_secs(15 * MINUTE)),
                moving: Some(Duration::from_secs(90)),
            },
        }
    }
}
