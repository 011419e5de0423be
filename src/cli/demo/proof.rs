//! The closing table: each promise, the figure that was measured for it, and whether it was kept.
//!
//! The figures come from both ends and from the middle: the ledgers of the simulated senders, the memory of the
//! simulated platform, and the daemon's own store and metrics. A figure that is missing breaks its promise.

use std::{fmt::Write as _, process::ExitStatus, time::Duration};

use serde::Serialize;

use super::rides::makes_jobs;
use crate::{sim::platform::Effects, store::listing::FlowRow, units::ByteCount};

/// Longest time from the kill to the next acknowledgement: what a sender that waits 10 s for its answer must not notice.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// Acknowledged, by the ledgers of the EHR and of the serial device.
    pub(super) acknowledged: u64,
    /// Made by the senders and not acknowledged in the end.
    pub(super) unacknowledged: u64,
    /// Acknowledged control ids that nobody sent.
    pub(super) strangers: u64,
    /// Deliveries that must have arrived, and did.
    pub(super) deliveries: Match,
    /// Messages that must have arrived byte by byte, and did.
    pub(super) bytes: Match,
    /// Rides of visits, in the states that were asked for last.
    pub(super) jobs: Match,
    /// Jobs that the platform was made to create twice.
    pub(super) double_creates: u64,
    /// The platform's counts.
    pub(super) effects: Effects,
    /// Different keys the platform saw.
    pub(super) keys: u64,
    /// Keys with more than one effect.
    pub(super) keys_twice: u64,
    /// Where the messages of each flow stand, by the daemon's store.
    pub(super) flows: Vec<FlowFigures>,
    /// Waiting, lost and dead, by the daemon's metrics; `None` where they could not be read.
    pub(super) metrics: Option<MetricFigures>,
    /// The time without uplink.
    pub(super) outage: Outage,
    /// The kill.
    pub(super) kill: Kill,
    /// The store's files.
    pub(super) store: Search,
    /// The daemon's log and metrics.
    pub(super) telling: Search,
    /// How the daemon ended when told to stop; `None` if it did not.
    pub(super) stopped: Option<ExitStatus>,
}

/// What must be there, and what is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Match {
    /// How many there must be.
    pub(super) expected: u64,
    /// How many of them there are.
    pub(super) found: u64,
    /// How many there are beside them.
    pub(super) surplus: u64,
}

impl Match {
    const fn is_exact(self) -> bool {
        self.expected > 0 && self.found == self.expected && self.surplus == 0
    }
}

/// A flow by the daemon's store, and what the senders say of it.
#[derive(Clone, Debug, Default)]
pub(super) struct FlowFigures {
    /// The store's tally.
    pub(super) row: FlowRow,
    /// Different messages that were acknowledged and belong to the flow.
    pub(super) sent: u64,
}

/// The daemon's own figures at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MetricFigures {
    /// `gurney_queue_messages`.
    pub(super) waiting: u64,
    /// `gurney_messages_lost_total`.
    pub(super) lost: u64,
    /// `gurney_dead_letter_messages`.
    pub(super) dead: u64,
}

/// What happened while the uplink was down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outage {
    /// Messages acknowledged.
    pub(super) acknowledged: u64,
    /// Answers that refused.
    pub(super) refused: u64,
    /// Most messages that waited.
    pub(super) waiting_most: u64,
}

/// What the kill did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kill {
    /// How often it came, until messages were on the wire.
    pub(super) times: u64,
    /// Messages on the wire and unanswered when it came last.
    pub(super) in_flight: u64,
    /// Messages the senders sent again in the end.
    pub(super) resent: u64,
    /// From a kill to the first acknowledgement after it; the longest.
    pub(super) first_answer: Option<Duration>,
}

/// A search for names and numbers of patients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    /// Names and numbers that were looked for.
    pub(super) wanted: usize,
    /// How many of them were found.
    pub(super) found: usize,
    /// How many of them the same search did not find in what was sent, where they are.
    pub(super) overlooked: usize,
    /// Files looked at.
    pub(super) files: usize,
    /// Their bytes.
    pub(super) bytes: u64,
}

impl Search {
    const fn is_clean(self) -> bool {
        self.wanted > 0 && self.found == 0 && self.overlooked == 0 && self.bytes > 0
    }
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// What was promised.
    pub(super) promise: String,
    /// What was measured.
    pub(super) figure: String,
    /// Whether it was kept.
    pub(super) kept: bool,
}

/// Judges the evidence.
pub(super) fn judge(evidence: &Evidence) -> Vec<Row> {
    let mut rows =
        vec![arrived(evidence), identical(evidence.bytes), ordered(&evidence.effects), once(evidence), jobs(evidence)];
    rows.extend(evidence.flows.iter().map(accounted));
    rows.extend([
        own_count(evidence.metrics),
        through_outage(evidence.outage),
        through_kill(evidence.kill),
        unreadable("The store's files are unreadable", evidence.store),
        unreadable("Log and metrics name no patient", evidence.telling),
        drained(evidence.stopped),
    ]);
    rows
}

/// Whether every promise was kept; an empty table proves nothing.
pub(super) fn all_kept(rows: &[Row]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.kept)
}

fn row(promise: impl Into<String>, figure: impl Into<String>, kept: bool) -> Row {
    Row { promise: promise.into(), figure: figure.into(), kept }
}

fn arrived(evidence: &Evidence) -> Row {
    let Match { expected, found, surplus } = evidence.deliveries;
    let lost = expected.saturating_sub(found);
    let mut figure = format!(
        "{} acknowledged, {expected} of them passed on: {found} arrived, {lost} lost, {surplus} unasked for",
        evidence.acknowledged
    );
    if evidence.unacknowledged + evidence.strangers > 0 {
        write!(figure, "; {} without answer, {} stray", evidence.unacknowledged, evidence.strangers).ok();
    }
    let settled = evidence.unacknowledged == 0 && evidence.strangers == 0 && evidence.acknowledged > 0;
    row("What is acknowledged arrives", figure, settled && evidence.deliveries.is_exact())
}

fn identical(bytes: Match) -> Row {
    let figure = format!("{} of {} messages byte by byte as they were sent", bytes.found, bytes.expected);
    row("Passed on unchanged", figure, bytes.is_exact())
}

fn ordered(effects: &Effects) -> Row {
    let figure = format!("{} breaks in {} effects", effects.order_breaks, effects.effects);
    row("Each patient's order is kept", figure, effects.order_breaks == 0 && effects.effects > 0)
}

fn once(evidence: &Evidence) -> Row {
    let Effects { effects, repeats, duplicates, unkeyed, key_conflicts, .. } = evidence.effects;
    let mut figure = format!(
        "{effects} effects of {} keys, {} twice; {repeats} repeats of a key suppressed",
        evidence.keys, evidence.keys_twice
    );
    if duplicates + unkeyed + key_conflicts > 0 {
        write!(figure, "; {duplicates} duplicates, {unkeyed} without key, {key_conflicts} conflicts").ok();
    }
    let kept = evidence.keys == effects && effects > 0 && evidence.keys_twice == 0;
    row("One effect per key", figure, kept && duplicates + unkeyed + key_conflicts == 0)
}

fn jobs(evidence: &Evidence) -> Row {
    let Match { expected, found, surplus } = evidence.jobs;
    let twice = evidence.double_creates;
    let figure =
        format!("{expected} rides due: {found} there once, as asked for, {surplus} others, {twice} made twice");
    row("Each job exists exactly once", figure, evidence.jobs.is_exact() && twice == 0)
}

/// INV-02, and that the store and the senders count the same.
fn accounted(flow: &FlowFigures) -> Row {
    let FlowFigures { row: FlowRow { received, lost, .. }, sent } = flow;
    let stands = [
        ("delivered", flow.row.delivered),
        ("filtered", flow.row.filtered),
        ("duplicate", flow.row.duplicate),
        ("held for a person", flow.row.held),
        ("withheld", flow.row.withheld),
        ("dead letter", flow.row.dead_letter),
        ("quarantined", flow.row.quarantined),
        ("waiting", flow.row.waiting),
    ];
    let parts: Vec<String> = stands.iter().filter(|(_, n)| *n != 0).map(|(word, n)| format!("{n} {word}")).collect();
    let mut figure = format!("{received} received = {}", parts.join(" + "));
    if *lost != 0 {
        write!(figure, " + {lost} LOST").ok();
    }
    // What adds nothing to a job counts as a duplicate as well as what was sent again.
    let least = u64::try_from(received - flow.row.duplicate).ok();
    let agrees = match makes_jobs(&flow.row.flow) {
        true => u64::try_from(*received).is_ok_and(|most| *sent <= most) && least.is_some_and(|least| least <= *sent),
        false => least == Some(*sent),
    };
    if !agrees {
        write!(figure, "; the senders say {sent}").ok();
    }
    let open = flow.row.held + flow.row.withheld + flow.row.dead_letter + flow.row.quarantined + flow.row.waiting;
    let name = &flow.row.flow;
    row(format!("Flow {name} accounts for all"), figure, *lost == 0 && open == 0 && agrees && *received > 0)
}

fn own_count(metrics: Option<MetricFigures>) -> Row {
    let promise = "The metrics agree";
    let Some(MetricFigures { waiting, lost, dead }) = metrics else {
        return row(promise, "they could not be read", false);
    };
    let figure = format!("{waiting} waiting, {lost} lost, {dead} dead letters");
    row(promise, figure, waiting + lost + dead == 0)
}

fn through_outage(outage: Outage) -> Row {
    let Outage { acknowledged, refused, waiting_most } = outage;
    let figure = format!(
        "{acknowledged} acknowledged while the uplink was down, {refused} refused; up to {waiting_most} waited"
    );
    row("Senders never wait for the uplink", figure, acknowledged > 0 && refused == 0 && waiting_most > 0)
}

fn through_kill(kill: Kill) -> Row {
    let promise = "kill -9 goes by in seconds";
    let Some(after) = kill.first_answer else {
        return row(promise, "no answer after it", false);
    };
    let figure = format!(
        "killed {}x with {} in flight, {} sent again; first acknowledgement {:.2} s after the kill",
        kill.times,
        kill.in_flight,
        kill.resent,
        after.as_secs_f64()
    );
    row(promise, figure, after <= FIRST_ANSWER_MAX && kill.in_flight > 0 && kill.resent >= kill.in_flight)
}

fn unreadable(promise: &str, search: Search) -> Row {
    let Search { wanted, found, overlooked, files, bytes } = search;
    let mut figure = format!("{found} of {wanted} names and numbers in {} of {files} files", ByteCount(bytes));
    if overlooked > 0 {
        write!(figure, "; but the search overlooked {overlooked} where they are").ok();
    }
    row(promise, figure, search.is_clean())
}

fn drained(stopped: Option<ExitStatus>) -> Row {
    let figure = stopped.map_or_else(|| "had to be killed".to_owned(), |status| status.to_string());
    row("Stops by draining", figure, stopped.is_some_and(|status| status.success()))
}

/// Columns of the table, without the gaps.
const PROMISE_COLUMNS: usize = 33;
const FIGURE_COLUMNS: usize = 36;

/// The table as text, at most 80 columns wide.
pub(super) fn render(rows: &[Row]) -> String {
    let mut text = String::new();
    let rule = "-".repeat(PROMISE_COLUMNS + FIGURE_COLUMNS + 10);
    writeln!(text, "{rule}\n{:<7} {:<PROMISE_COLUMNS$} measured\n{rule}", "", "promise").ok();
    for row in rows {
        let mut verdict = if row.kept { "kept" } else { "BROKEN" };
        let mut promise = row.promise.as_str();
        for line in wrap(&row.figure, FIGURE_COLUMNS) {
            writeln!(text, "{verdict:<7} {promise:<PROMISE_COLUMNS$} {line}").ok();
            (verdict, promise) = ("", "");
        }
    }
    let broken = rows.iter().filter(|row| !row.kept).count();
    let end = if all_kept(rows) {
        format!("all {} promises kept", rows.len())
    } else {
        format!("{broken} of {} promises BROKEN", rows.len())
    };
    writeln!(text, "{rule}\n{end}").ok();
    text
}

/// Breaks a text at its spaces.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests;
