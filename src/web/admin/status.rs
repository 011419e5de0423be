//! How the box is: links, destinations, store, what waits for a person, and what is wrong.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    State, look,
    protocol::{DestinationStatus, LinkStatus, Problem, Refusal, SetAside, Severity, Status, StoreStatus, Waiting},
};
use crate::{
    delivery::{BreakerState, View},
    settings::{LinkWire, Priority},
    store::{listing, pressure::Pressure, reader},
    units::Timestamp,
};

/// Time a courier has to say how its destination is.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) async fn status(state: &State) -> Result<Status, Refusal> {
    let clock = state.web.clock;
    let now = clock.wall();
    let store = store(state);
    let links: Vec<LinkStatus> = (0..state.web.settings.links.len()).filter_map(|index| link(state, index)).collect();
    let destinations = destinations(state, now).await?;
    let set_aside = set_aside(state).await?;
    let balanced = look::flows(state).await?.balanced;
    let mut status = Status {
        site: state.web.settings.site.clone(),
        node: state.web.settings.node.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: clock.began_at(),
        now,
        uptime_seconds: clock.steady().since(clock.began_at()).as_secs(),
        metrics: state.metrics,
        links,
        destinations,
        store,
        set_aside,
        balanced,
        problems: Vec::new(),
        healthy: true,
    };
    status.problems = problems(&status);
    status.healthy = status.problems.iter().all(|problem| problem.severity != Severity::Error);
    Ok(status)
}

fn store(state: &State) -> StoreStatus {
    let usage = state.web.shared.usage();
    StoreStatus {
        level: match state.web.shared.pressure() {
            Pressure::Normal => "normal",
            Pressure::Warn => "warn",
            Pressure::Shed => "shed",
            Pressure::Refuse => "refuse",
        }
        .to_owned(),
        used_bytes: usage.used.0,
        limit_bytes: usage.limit.0,
        disk_free_bytes: usage.disk_free.0,
        log_bytes: usage.log.0,
        failures: state.web.shared.failures(),
        damaged: state.web.shared.is_damaged(),
    }
}

fn link(state: &State, index: usize) -> Option<LinkStatus> {
    let link = state.web.settings.links.get(index)?;
    let meter = state.web.telemetry.link(index);
    let (kind, at) = match &link.wire {
        LinkWire::MllpServer(server) => {
            let bound = state.links.get(index).copied().flatten();
            ("mllp", bound.unwrap_or(server.listen).to_string())
        }
        LinkWire::MllpClient(client) => ("mllp", client.endpoints.first().cloned().unwrap_or_default()),
        LinkWire::TerminalServer(server) => ("serial", format!("tcp://{}", server.peer)),
        LinkWire::Serial(serial) => ("serial", serial.port.display().to_string()),
        LinkWire::Folder(folder) => ("folder", folder.path.display().to_string()),
        LinkWire::Http(server) => {
            let bound = state.links.get(index).copied().flatten();
            ("http_in", bound.unwrap_or(server.listen).to_string())
        }
    };
    Some(LinkStatus {
        name: link.name.to_string(),
        kind: kind.to_owned(),
        at,
        up: meter.is_up(),
        connections: meter.connections(),
        last_message_at: meter.last_message(),
    })
}

async fn destinations(state: &State, now: Timestamp) -> Result<Vec<DestinationStatus>, Refusal> {
    let rows = state.web.names.destinations.clone();
    let read = state
        .web
        .reader
        .run(move |store| rows.iter().map(|row| reader::oldest(store, *row)).collect::<Result<Vec<_>, _>>());
    let oldest = read.await?;
    let mut found = Vec::new();
    for (index, oldest_at) in oldest.into_iter().enumerate() {
        let view = match state.couriers.get(index) {
            Some(courier) => {
                timeout(LOOK_TIMEOUT, courier.send(crate::actors::courier::Look)).await.ok().and_then(Result::ok)
            }
            None => None,
        };
        found.extend(destination(state, index, view.as_ref(), oldest_at, now));
    }
    Ok(found)
}

fn destination(
    state: &State,
    index: usize,
    view: Option<&View>,
    oldest_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<DestinationStatus> {
    let destination = state.web.settings.destinations.get(index)?;
    let active = view.map_or(0, |view| view.active);
    Some(DestinationStatus {
        name: destination.name.to_string(),
        kind: destination.kind.as_str().to_owned(),
        state: word(view).to_owned(),
        endpoint: destination.endpoints.get(active).cloned().unwrap_or_default(),
        preferred: active == 0,
        breaker: match view.and_then(|view| view.breakers.get(active)) {
            Some(BreakerState::Open) => "open",
            Some(BreakerState::HalfOpen) => "half_open",
            Some(BreakerState::Closed) | None => "closed",
        }
        .to_owned(),
        in_flight: view.map_or(0, |view| view.in_flight as u64),
        waiting: waiting(state, index),
        oldest_at,
        oldest_age_seconds: oldest_at.map_or(0, |at| now.since(at).as_secs()),
    })
}

fn word(view: Option<&View>) -> &'static str {
    let Some(view) = view else { return "stuck" };
    match (view.stopped, view.up) {
        (Some(_), _) => "stopped",
        (None, Some(true)) => "up",
        (None, Some(false)) => "down",
        (None, None) => "unknown",
    }
}

fn waiting(state: &State, index: usize) -> Waiting {
    let depth = |lane| state.web.shared.depth(index, lane).max(0).cast_unsigned();
    let (stat, urgent, routine) = (depth(Priority::Stat), depth(Priority::Urgent), depth(Priority::Routine));
    Waiting { total: stat + urgent + routine, stat, urgent, routine }
}

async fn set_aside(state: &State) -> Result<SetAside, Refusal> {
    use crate::flow::AsideKind::{DeadLetter, Held, Quarantined};
    let read = state.web.reader.run(|store| {
        Ok(SetAside {
            dead_letter: listing::aside_count(store, &[DeadLetter], None)?,
            held: listing::aside_count(store, &[Held], None)?,
            quarantined: listing::aside_count(store, &[Quarantined], None)?,
        })
    });
    Ok(read.await?)
}

/// What is wrong, worst first.
fn problems(status: &Status) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !status.balanced {
        problems.push(error(
            "not every received message is accounted for",
            "run `gurney flows`, keep the store's folder and call support",
        ));
    }
    of_store(&status.store, &mut problems);
    for link in status.links.iter().filter(|link| !link.up) {
        problems.push(error(
            format!("link {} is down", link.name),
            if link.kind == "serial" { "check cable, adapter and port name" } else { "see the log for the cause" },
        ));
    }
    for destination in &status.destinations {
        of_destination(destination, &mut problems);
    }
    of_people(status.set_aside, &mut problems);
    problems.sort_by_key(|problem| problem.severity);
    problems
}

fn of_store(store: &StoreStatus, problems: &mut Vec<Problem>) {
    match store.level.as_str() {
        "refuse" => problems.push(error(
            "the store takes no messages: it is full or its disk fails; senders keep theirs",
            "free disk space, bring destinations back so that queues drain, or raise `limit`",
        )),
        "shed" => problems.push(error(
            "the store is nearly full and takes only urgent messages",
            "free disk space, bring destinations back so that queues drain, or raise `limit`",
        )),
        "warn" => problems.push(warning("the store is filling", "see why queues do not drain, or raise `limit`")),
        _ => {}
    }
    if store.damaged {
        problems.push(error(
            "the integrity check found damage in the store",
            "stop the box, keep a copy of the store's folder, restore a backup",
        ));
    }
    if store.failures > 0 {
        problems.push(warning(
            format!("{} operations of the store failed since the start", store.failures),
            "check the disk; nothing that failed was acknowledged",
        ));
    }
}

fn of_destination(destination: &DestinationStatus, problems: &mut Vec<Problem>) {
    let name = &destination.name;
    let waits = match destination.waiting.total {
        0 => "nothing waits".to_owned(),
        n => format!("{n} waiting, the oldest for {} s", destination.oldest_age_seconds),
    };
    match destination.state.as_str() {
        "stopped" => problems.push(error(
            format!("destination {name} refused a message of a flow with `on_refusal = \"stop\"`; {waits}"),
            "see `gurney queue list`; mend the cause, then restart the box to try it again",
        )),
        "down" => problems.push(error(
            format!("destination {name} does not answer as it should; {waits}"),
            "check network and platform; deliveries go on by themselves, nothing is lost",
        )),
        "stuck" => problems.push(error(
            format!("deliveries to {name} do not advance; {waits}"),
            "see the log; the watchdog restarts the box",
        )),
        _ if !destination.preferred => problems.push(warning(
            format!("destination {name} is served by {} instead of its preferred endpoint", destination.endpoint),
            "check the preferred endpoint; the box returns to it by itself",
        )),
        _ => {}
    }
}

fn of_people(waiting: SetAside, problems: &mut Vec<Problem>) {
    if waiting.dead_letter > 0 {
        problems
            .push(warning(format!("{} dead letters wait for a person", waiting.dead_letter), "see `gurney dead list`"));
    }
    if waiting.held + waiting.quarantined > 0 {
        problems.push(warning(
            format!("{} messages held and {} not understood wait for a person", waiting.held, waiting.quarantined),
            "see `gurney held list`",
        ));
    }
}

fn error(what: impl Into<String>, advice: &str) -> Problem {
    Problem { severity: Severity::Error, what: what.into(), advice: advice.to_owned() }
}

fn warning(what: impl Into<String>, advice: &str) -> Problem {
    Problem { severity: Severity::Warning, what: what.into(), advice: advice.to_owned() }
}
