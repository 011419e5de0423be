//! Tests of the machine: each merge rule by its name, what every ask does in every state, and that reports converge.

use super::{unit::Status, *};
use crate::{
    ids::{GroupId, JobId, derive},
    units::Timestamp,
};

mod asks;
mod converge;
mod fresh;
mod nets;
mod record;
mod rules;
mod table;
mod times;
mod units;
mod waits;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// 2026-11-26T10:00:00Z: when the tests' jobs are asked for.
const TEN: i64 = 1_795_687_200_000;

fn job_id(number: u8) -> JobId {
    JobId(derive("test-job", &[&[number]]))
}

fn who(kind: Kind) -> Identity {
    Identity { id: job_id(1), kind, group: Some(GroupId(derive("test-visit", &[b"1"]))) }
}

/// Said and heard at the same time, milliseconds after [`TEN`].
fn at(after: i64) -> Stamp {
    said(after, after)
}

/// Said and heard at these times, milliseconds after [`TEN`].
fn said(occurred: i64, received: i64) -> Stamp {
    Stamp { occurred_at: Timestamp(TEN + occurred), received_at: Timestamp(TEN + received) }
}

fn try_ask(known: Option<&Job>, what: Ask, at: Stamp) -> Option<Step> {
    let step = ask(&who(Kind::Transport), known, &what, at, &Policy::default());
    if let (Some(known), Some(step)) = (known, &step) {
        assert!(!is_regression(known, &step.job), "INV-09: {what:?} on {known:#?}\ngave {step:#?}");
    }
    step
}

#[track_caller]
fn must_ask(known: Option<&Job>, what: Ask, at: Stamp) -> Step {
    try_ask(known, what, at).expect("an ask about a known job, or one that opens it")
}

/// A job that was asked for at [`TEN`].
fn requested() -> Job {
    must_ask(None, Ask::Request(Content::Changed), at(0)).job
}

/// A job that is planned since [`TEN`].
fn planned() -> Job {
    must_ask(None, Ask::Plan(Content::Changed), at(0)).job
}

/// The job as a whole is in a state, at milliseconds after [`TEN`].
fn of_job(state: State, after: i64) -> Report {
    Report {
        source: "platform".to_owned(),
        unit: None,
        news: News::State(state),
        occurred_at: Timestamp(TEN + after),
        received_at: Timestamp(TEN + after),
        source_seq: None,
    }
}

/// A unit has brought the job so far.
fn of_unit(unit: &str, state: State, after: i64) -> Report {
    Report { unit: Some(unit.to_owned()), ..of_job(state, after) }
}

/// A unit says this of itself.
fn says(unit: &str, status: Status, after: i64) -> Report {
    Report { news: News::Unit(status), ..of_unit(unit, State::Planned, after) }
}

fn hear(known: &Job, what: &Report) -> Step {
    hear_at(known, what, what.received_at)
}

fn hear_at(known: &Job, what: &Report, now: Timestamp) -> Step {
    let step = report(known, what, now, &Policy::default());
    assert!(!is_regression(known, &step.job), "INV-09: {what:?} on {known:#?}\ngave {step:#?}");
    step
}

/// The job after these reports, each heard when it happened.
fn after(known: Job, reports: &[Report]) -> Job {
    reports.iter().fold(known, |job, report| hear(&job, report).job)
}

/// A wanted job that the platform has reported in a state.
fn in_state(state: State) -> Job {
    match state {
        State::Planned => planned(),
        State::Requested => requested(),
        State::Cancelled => must_ask(Some(&requested()), Ask::Cancel(Why::Requester), at(MINUTE)).job,
        _ => hear(&requested(), &of_job(state, MINUTE)).job,
    }
}
