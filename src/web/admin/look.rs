//! Listings: what the store holds, without patient data.

use super::{
    State,
    protocol::{Asides, Audit, Flows, Heap, Queues, Refusal, RefusalKind, Scraps},
};
use crate::{
    flow::AsideKind,
    store::{
        AuditCheck,
        listing::{self, MessagePage},
        rows::LANES,
        verify_audit as verify,
    },
};

/// The flow label of messages that no flow takes.
const UNROUTED: &str = "unrouted";

impl Heap {
    /// The kinds of entries in it.
    pub(super) const fn kinds(self) -> &'static [AsideKind] {
        match self {
            Self::Dead => &[AsideKind::DeadLetter],
            Self::Held => &[AsideKind::Held, AsideKind::Quarantined],
        }
    }
}

pub(super) async fn flows(state: &State) -> Result<Flows, Refusal> {
    let mut flows = state.web.reader.run(listing::flows).await?;
    for flow in &state.web.settings.flows {
        if flows.iter().all(|row| row.flow != flow.name.as_str()) {
            flows.push(listing::FlowRow { flow: flow.name.to_string(), ..Default::default() });
        }
    }
    let place = |name: &str| state.web.settings.flows.iter().position(|flow| flow.name.as_str() == name);
    flows.sort_by_key(|row| (row.flow == UNROUTED, place(&row.flow).unwrap_or(usize::MAX), row.flow.clone()));
    let balanced = flows.iter().all(|row| row.lost == 0);
    Ok(Flows { flows, balanced })
}

pub(super) async fn queue(state: &State, destination: Option<&str>, limit: usize) -> Result<Queues, Refusal> {
    let asked: Vec<usize> = match destination {
        Some(name) => vec![destination_index(state, name)?],
        None => (0..state.web.settings.destinations.len()).collect(),
    };
    let depth = |index: &usize| LANES.map(|lane| state.web.shared.depth(*index, lane)).iter().sum::<i64>();
    let total = asked.iter().map(depth).sum::<i64>().max(0).cast_unsigned();
    let rows: Vec<i64> = asked.iter().filter_map(|index| state.web.names.destinations.get(*index).copied()).collect();
    let entries = state
        .web
        .reader
        .run(move |store| {
            let mut entries = Vec::new();
            for row in rows {
                let room = limit.saturating_sub(entries.len());
                entries.extend(listing::queue(store, row, room)?);
            }
            Ok(entries)
        })
        .await?;
    Ok(Queues { total, entries })
}

pub(super) async fn messages(
    state: &State,
    flow: Option<String>,
    before: Option<i64>,
    limit: usize,
) -> Result<MessagePage, Refusal> {
    known_flow(state, flow.as_deref())?;
    Ok(state.web.reader.run(move |store| listing::messages(store, flow.as_deref(), before, limit)).await?)
}

pub(super) async fn asides(
    state: &State,
    heap: Heap,
    flow: Option<String>,
    after: i64,
    limit: usize,
) -> Result<Asides, Refusal> {
    known_flow(state, flow.as_deref())?;
    let read = state.web.reader.run(move |store| {
        let flow = flow.as_deref();
        Ok(Asides {
            total: listing::aside_count(store, heap.kinds(), flow)?,
            entries: listing::asides(store, heap.kinds(), flow, after, limit)?,
        })
    });
    Ok(read.await?)
}

pub(super) async fn scraps(state: &State, limit: usize) -> Result<Scraps, Refusal> {
    let entries = state.web.reader.run(move |store| listing::scraps(store, limit)).await?;
    Ok(Scraps { entries })
}

pub(super) async fn audit(state: &State, limit: usize) -> Result<Audit, Refusal> {
    let entries = state.web.reader.run(move |store| listing::audit(store, limit)).await?;
    Ok(Audit { entries })
}

/// On a thread and a connection of its own: a long chain must not keep others from reading.
pub(super) async fn verify_audit(state: &State) -> Result<AuditCheck, Refusal> {
    let plan = state.store.clone();
    let done = tokio::task::spawn_blocking(move || verify(&plan)).await;
    Ok(done.map_err(|_| Refusal::new(RefusalKind::Failed, "the verification ended early"))??)
}

/// The index of a destination, by its name.
fn destination_index(state: &State, name: &str) -> Result<usize, Refusal> {
    let mut names = state.web.settings.destinations.iter().map(|to| to.name.as_str());
    names.clone().position(|known| known == name).ok_or_else(|| unknown("destination", name, &mut names))
}

/// Refuses a flow that is not configured.
pub(super) fn known_flow(state: &State, name: Option<&str>) -> Result<(), Refusal> {
    let Some(name) = name else { return Ok(()) };
    let mut names = state.web.settings.flows.iter().map(|flow| flow.name.as_str()).chain([UNROUTED]);
    if names.clone().any(|known| known == name) { Ok(()) } else { Err(unknown("flow", name, &mut names)) }
}

pub(super) fn unknown(what: &str, name: &str, known: &mut dyn Iterator<Item = &str>) -> Refusal {
    let known: Vec<&str> = known.collect();
    Refusal::new(RefusalKind::BadRequest, format!("there is no {what} {name:?}; there are: {}", known.join(", ")))
}
