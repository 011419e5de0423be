//! The machine of one job: a ride, a home visit or a delivery of equipment, from the plan to its end.
//!
//! Pure: what happened goes in with its times, what is to be kept, told and looked at comes out.
//!
//! ```text
//!  the hospital says --- ask ----+
//!  the platform says --- report -+--> Step { job: to keep, tell: to the platform, findings: for people and counters }
//!  time passes ---------- due ---+
//! ```
//!
//! * **Asks** come from a hospital that may change its mind: they are decided one after the other, by the state of the
//!   job at that moment. What cannot be undone any more (patient on board) is refused aloud.
//! * **Reports** come late, twice, reversed or never. They are kept as facts and the state is derived from all facts,
//!   so every order of arrival ends in the same state.
//! * A **unit** (a vehicle and its crew) is another machine, [`unit`]; a job keeps one [`Track`] for each of its units.
//!
//! The merge rules 1 to 7 of the product (rank, sticky ends, gaps, duplicates, cancel by state, several units, clocks
//! ahead) stand at the functions that keep them, and each has a test of its name. INV-09: an end is final, and nothing
//! that comes later moves a job backwards ([`is_regression`]).
//!
//! Not here: what a job is about. Content is the business of maps; an ask only says whether it changed ([`Content`]).

mod ask;
mod due;
mod finding;
pub mod freshness;
pub mod net;
mod policy;
mod record;
mod regression;
mod report;
mod state;
pub mod unit;
pub mod wait;
mod words;

#[cfg(test)]
mod tests;

pub use self::{
    ask::{ask, may_reopen, reopen},
    due::{due, due_at},
    finding::{Finding, Severity},
    policy::{OnPlanCancelled, Plans, Policy, Silence},
    record::{Cancel, Fact, Heard, Hold, Identity, Job, PendingCancel, Shown, Stamp, Step, Tell, Told, Track, Wish},
    regression::is_regression,
    report::{News, Report, report},
    state::{Failure, Kind, State, TaskStatus},
    words::{Ask, Content, Reason, Why},
};
