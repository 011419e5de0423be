//! `gurney status` and `gurney flows`: how the box is.

use super::{
    Exit, Failure,
    daemon::Access,
    data, note, print_json,
    text::{Align, Table, local_with_offset, many, span},
};
use crate::{
    units::ByteCount,
    web::admin::protocol::{Flows, Request, Severity, Status},
};

/// Arguments of `gurney status` and `gurney flows`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    access: Access,
}

/// Links, destinations, store, and health last.
pub(super) fn status(arguments: &Arguments) -> Result<Exit, Failure> {
    let status: Status = arguments.access.ask(&Request::Status)?;
    let printed = if arguments.access.json { print_json(&status) } else { data(&text(&status)) };
    Ok(printed.unless(!status.healthy))
}

fn text(status: &Status) -> String {
    let mut text = format!(
        "{} at {}, gurney {}, up {} since {}\n\n",
        status.node,
        status.site,
        status.version,
        span(status.uptime_seconds),
        local_with_offset(status.started_at)
    );
    text += &links(status);
    text.push('\n');
    text += &destinations(status);
    text.push('\n');
    let store = &status.store;
    text += &format!(
        "store {}: {} of {}, {} free on its disk\n",
        store.level,
        ByteCount(store.used_bytes),
        ByteCount(store.limit_bytes),
        ByteCount(store.disk_free_bytes)
    );
    let aside = status.set_aside;
    text += &format!(
        "set aside: {}, {} held, {} not understood\n\n",
        many(aside.dead_letter, "dead letter", "dead letters"),
        aside.held,
        aside.quarantined
    );
    text + &health(status)
}

fn links(status: &Status) -> String {
    let mut table = Table::new(&[
        ("link", Align::Left),
        ("state", Align::Left),
        ("peers", Align::Right),
        ("last message", Align::Left),
        ("at", Align::Flexible),
    ]);
    for link in &status.links {
        let last = link
            .last_message_at
            .map_or_else(|| "none yet".to_owned(), |at| format!("{} ago", span(status.now.since(at).as_secs())));
        table.row([
            link.name.clone(),
            if link.up { "up" } else { "DOWN" }.to_owned(),
            link.connections.to_string(),
            last,
            link.at.clone(),
        ]);
    }
    table.text()
}

fn destinations(status: &Status) -> String {
    let mut table = Table::new(&[
        ("destination", Align::Left),
        ("state", Align::Left),
        ("breaker", Align::Left),
        ("waiting", Align::Right),
        ("oldest", Align::Left),
        ("endpoint", Align::Flexible),
    ]);
    for to in &status.destinations {
        let state = if to.state == "up" || to.state == "unknown" { to.state.clone() } else { to.state.to_uppercase() };
        let oldest = if to.waiting.total > 0 { span(to.oldest_age_seconds) } else { "-".to_owned() };
        table.row([
            to.name.clone(),
            state,
            to.breaker.replace('_', " "),
            to.waiting.total.to_string(),
            oldest,
            to.endpoint.clone(),
        ]);
    }
    table.text()
}

fn health(status: &Status) -> String {
    if status.problems.is_empty() {
        return "healthy: nothing needs a person\n".to_owned();
    }
    let mut text = if status.healthy { "healthy, but look at this:\n" } else { "UNHEALTHY:\n" }.to_owned();
    for problem in &status.problems {
        let word = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        text += &format!("  {word}: {}\n    {}\n", problem.what, problem.advice);
    }
    text
}

/// Where the messages of each flow stand, and whether all are accounted for (INV-02).
pub(super) fn flows(arguments: &Arguments) -> Result<Exit, Failure> {
    let flows: Flows = arguments.access.ask(&Request::Flows)?;
    let printed = if arguments.access.json { print_json(&flows) } else { data(&flows_text(&flows)) };
    for flow in flows.flows.iter().filter(|flow| flow.lost != 0) {
        note(&format!(
            "error: flow {}: {} received messages are not accounted for; keep the store's folder and call support",
            flow.flow, flow.lost
        ));
    }
    Ok(printed.unless(!flows.balanced))
}

fn flows_text(flows: &Flows) -> String {
    let mut table = Table::new(&[
        ("flow", Align::Flexible),
        ("recv", Align::Right),
        ("deliv", Align::Right),
        ("filt", Align::Right),
        ("dup", Align::Right),
        ("with", Align::Right),
        ("held", Align::Right),
        ("dead", Align::Right),
        ("quar", Align::Right),
        ("wait", Align::Right),
        ("lost", Align::Right),
    ]);
    for flow in &flows.flows {
        let counts = [
            flow.received,
            flow.delivered,
            flow.filtered,
            flow.duplicate,
            flow.withheld,
            flow.held,
            flow.dead_letter,
            flow.quarantined,
            flow.waiting,
            flow.lost,
        ];
        table.row(std::iter::once(flow.flow.clone()).chain(counts.iter().map(i64::to_string)));
    }
    let word = if flows.balanced { "every received message is accounted for" } else { "MESSAGES ARE UNACCOUNTED FOR" };
    table.text() + "\n" + word + "\n"
}
