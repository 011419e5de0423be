//! What a platform, a dispatch centre or a unit says about a job.
//!
//! Reports are facts. A fact is joined to the others (per unit and state the earliest proof is kept), and the state is
//! derived from all of them, so that reports in every order, with repeats, end in the same job. What a report makes
//! noticed depends on when it comes; what it makes of the job does not.

use std::collections::BTreeMap;

use super::{Fact, Finding, Heard, Job, Policy, Stamp, State, Step, Wish, unit};
use crate::units::{Timestamp, limits};

/// What a source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The state of the job or of what the unit does for it.
    State(State),
    /// The status of the unit.
    Unit(unit::Status),
}

/// One report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who says so.
    pub source: String,
    /// The unit it is about; None is the job as a whole.
    pub unit: Option<String>,
    /// What it says.
    pub news: News,
    /// When it happened, by the source's clock.
    pub occurred_at: Timestamp,
    /// When it came in.
    pub received_at: Timestamp,
    /// Its number at that source.
    pub source_seq: Option<u64>,
}

/// What a report makes of a job.
pub fn report(known: &Job, report: &Report, now: Timestamp, policy: &Policy) -> Step {
    let mut step = Step { job: known.clone(), tell: None, findings: Vec::new() };
    // Rule 7: a clock that is ahead proves nothing. The raw message stays in the journal.
    if report.occurred_at > now.plus(policy.clock_ahead) {
        step.findings.push(Finding::ClockAhead);
        return step;
    }
    step.job.heard_at = step.job.heard_at.max(Some(report.received_at));
    step.job.unknown_since = None;
    join(&mut step.job, report);
    // Rule 4: the same source, unit, status and time is the same report; it proves nothing new.
    if !remember(&mut step.job, report) {
        step.findings.push(Finding::Duplicate);
        return step;
    }
    step.job.changed_at = step.job.changed_at.max(now);
    settle_cancel(&mut step);
    notice(known, report, &mut step);
    step
}

/// Remembers a report; false if it is known. Only the newest are remembered: a repeat of one that is forgotten changes
/// nothing either, it is only not counted as a repeat.
fn remember(job: &mut Job, report: &Report) -> bool {
    let status = match &report.news {
        News::State(state) => state.as_str().to_owned(),
        News::Unit(status) => unit_status(status),
    };
    let heard =
        Heard { occurred_at: report.occurred_at, source: report.source.clone(), unit: report.unit.clone(), status };
    let is_new = job.heard.insert(heard);
    while job.heard.len() > limits::JOB_REPORTS_REMEMBERED_MAX {
        job.heard.pop_first();
    }
    is_new
}

fn unit_status(status: &unit::Status) -> String {
    let words: Vec<&str> = status.secondary.iter().map(unit::Word::as_str).collect();
    format!("{:?} {}", status.primary, words.join(" "))
}

/// What a report means for the job.
fn meaning(report: &Report) -> unit::Means {
    match &report.news {
        News::State(state) if report.unit.is_some() && *state > State::Completed => unit::Means::Released,
        News::State(state) => unit::Means::Reached(*state),
        News::Unit(status) => status.means(),
    }
}

/// Joins a report to the facts. Rules 1, 3 and 6: the earliest proof of each state is kept for each unit, and any state
/// may be missing.
fn join(job: &mut Job, report: &Report) {
    let fact = Fact {
        occurred_at: report.occurred_at,
        received_at: report.received_at,
        source: report.source.clone(),
        source_seq: report.source_seq,
    };
    let means = meaning(report);
    let Some(name) = report.unit.as_ref() else {
        if let unit::Means::Reached(state) = means {
            earliest(&mut job.reached, state, fact);
        }
        return;
    };
    // A unit beyond the bound still moves the job, but has no track; that it is done says nothing then.
    if !job.tracks.contains_key(name) && job.tracks.len() >= limits::JOB_UNITS_MAX {
        if let unit::Means::Reached(state) = means
            && !state.is_terminal()
        {
            earliest(&mut job.reached, state, fact);
        }
        return;
    }
    let track = job.tracks.entry(name.clone()).or_default();
    match means {
        unit::Means::Reached(state) => earliest(&mut track.reached, state, fact),
        unit::Means::Released => {
            track.released = Some(match track.released.take() {
                Some(known) => known.min(fact),
                None => fact,
            });
        }
        unit::Means::Nothing => {}
    }
    if let News::Unit(status) = &report.news {
        let at = Stamp { occurred_at: report.occurred_at, received_at: report.received_at };
        track.said = track.said.take().max(Some(unit::Said { at, status: status.clone() }));
    }
}

fn earliest(reached: &mut BTreeMap<State, Fact>, state: State, fact: Fact) {
    let known = reached.entry(state).or_insert_with(|| fact.clone());
    if fact < *known {
        *known = fact;
    }
}

/// A cancel that was asked for is settled by any end, and by the patient being on board.
fn settle_cancel(step: &mut Step) {
    if step.job.pending.is_none() {
        return;
    }
    let state = step.job.state();
    if state.is_terminal() {
        step.job.pending = None;
    } else if state >= State::OnBoard {
        step.job.pending = None;
        step.findings.push(Finding::CancelTooLate);
    }
}

/// What should be noticed about a report that was joined.
fn notice(before: &Job, report: &Report, step: &mut Step) {
    let said = match meaning(report) {
        unit::Means::Reached(state) => Some(state),
        unit::Means::Released | unit::Means::Nothing => None,
    };
    match before.end() {
        Some(end) => notice_after_end(before, end, report, said, step),
        None => notice_living(before, report, said, step),
    }
}

/// The job had ended. That a crew moves for a job that was called off is a matter of minutes: unless the platform has
/// confirmed the cancel and the report is of the time before.
fn notice_after_end(before: &Job, end: (State, Timestamp), report: &Report, said: Option<State>, step: &mut Step) {
    let is = step.job.state();
    step.findings.push(if is == end.0 { Finding::ReportAfterEnd } else { Finding::EndCorrected });
    let is_confirmed = before.reached.contains_key(&State::Cancelled);
    let moves = said.is_some_and(State::has_begun);
    if is == State::Cancelled && moves && (!is_confirmed || report.occurred_at > end.1) {
        step.findings.push(Finding::MovingAlthoughCancelled);
    }
}

fn notice_living(before: &Job, report: &Report, said: Option<State>, step: &mut Step) {
    let (was, is) = (before.state(), step.job.state());
    let mut find = |finding| step.findings.push(finding);
    if is > State::Completed && before.pending.is_none() {
        find(Finding::JobLost);
    }
    if step.job.gaps().iter().any(|gap| !before.gaps().contains(gap)) {
        find(Finding::Gap);
    }
    if let Some(said) = said
        && said < was
    {
        let is_later = before.reached_at(was).is_some_and(|newest| report.occurred_at > newest);
        find(if is_later { Finding::Backwards } else { Finding::OlderThanKnown });
    }
    let is_unwanted = before.hold().is_some() || before.wish == Wish::Plan;
    if is_unwanted && !was.has_begun() && is.has_begun() {
        find(Finding::MovingAlthoughHeld);
    }
    if step.job.is_left_alone() && !before.is_left_alone() {
        find(Finding::NobodyComing);
    }
}
