//! Maps for people: which is in use, what another would make of stored messages, spot checks, and codes without a meaning.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::{
    State,
    look::unknown,
    orders::order,
    peer::Peer,
    protocol::{
        Purpose, Refusal, RefusalKind,
        maps::{MapChange, MapChanges, MapDiff, MapRow, Maps},
    },
};
use crate::{
    flow::{Changes, Flows},
    mapping::{Map, Outcome, Told, samples},
    settings::Mapping,
    store::{
        jobs, reader,
        rows::mapping_word,
        translations,
        writer::{Order, OrderOutcome, Promotion},
    },
    units::limits,
};

mod spot;
mod unmapped;

pub(super) use spot::audit;
pub(super) use unmapped::unmapped;

/// All maps, and which flows use them.
pub(super) fn list(state: &State) -> Maps {
    let registry = state.flows.registry();
    let today = today(state);
    let mut maps: Vec<MapRow> = registry.maps().map(|map| MapRow::of(map, today)).collect();
    for (index, flow) in state.web.settings.flows.iter().enumerate() {
        let used = state.flows.map_of(index).map(|map| map.id());
        let named = mapping_word(&flow.mapping);
        for row in &mut maps {
            if used.as_ref() == Some(&row.map) {
                row.in_use_by.push(flow.name.to_string());
            }
            if named == row.map {
                row.configured_by.push(flow.name.to_string());
            }
        }
    }
    Maps { maps }
}

fn today(state: &State) -> jiff::civil::Date {
    let now = jiff::Timestamp::from_millisecond(state.web.clock.wall().0).unwrap_or_default();
    now.to_zoned(TimeZone::UTC).date()
}

/// The map with this name and version: as it runs where it is or was in use, else as it is on disk now.
async fn map(state: &State, name: &str) -> Result<Arc<Map>, Refusal> {
    if !state.flows.was_used(name) {
        read_new_maps(state).await?;
    }
    state.flows.map(name).ok_or_else(|| {
        let maps: Vec<String> = state.flows.registry().maps().map(|map| map.id()).collect();
        unknown("map", name, &mut maps.iter().map(String::as_str))
    })
}

// ---------------------------------------------------------------- in use

/// Makes the flows of a map use another version of it.
pub(super) async fn promote(
    state: &State,
    peer: &Peer,
    wanted: &str,
    purpose: &Purpose,
) -> Result<MapChanges, Refusal> {
    refuse_empty(purpose)?;
    let map = map(state, wanted).await?;
    let before = in_use(state);
    let promotions: Vec<Promotion> = flows_of(state, &map.name)
        .map(|(flow, configured)| Promotion { flow, configured, mapping: map.id() })
        .collect();
    if promotions.is_empty() {
        let text =
            format!("no flow uses a map called {:?}; name it as the mapping of a flow in the configuration", map.name);
        return Err(Refusal::new(RefusalKind::BadRequest, text));
    }
    let entry = peer.entry("promote", format!("map {}", map.name), purpose, "");
    match order(state, Order::Promote { promotions, entry }).await? {
        OrderOutcome::NotFound => Err(failed(format!("{wanted} is in use already"))),
        _ => Ok(changes(state, &before)),
    }
}

/// Goes back to the version before the newest promotion.
pub(super) async fn roll_back(
    state: &State,
    peer: &Peer,
    name: &str,
    purpose: &Purpose,
) -> Result<MapChanges, Refusal> {
    refuse_empty(purpose)?;
    let name = name.split('@').next().unwrap_or(name);
    let before = in_use(state);
    let flows: Vec<usize> = flows_of(state, name).map(|(flow, _)| flow).collect();
    if flows.is_empty() {
        let registry = state.flows.registry();
        let mut names: Vec<&str> = registry.maps().map(|map| map.name.as_str()).collect();
        names.dedup();
        return Err(unknown("map in use", name, &mut names.into_iter()));
    }
    let entry = peer.entry("rollback", format!("map {name}"), purpose, "");
    match order(state, Order::TakeBack { flows, entry }).await? {
        OrderOutcome::NotFound => Err(failed(format!(
            "there is no promotion of {name} to take back, or the version before is not installed; \
             `gurney map promote {name}@VERSION` puts another one in use"
        ))),
        _ => Ok(changes(state, &before)),
    }
}

fn refuse_empty(purpose: &Purpose) -> Result<(), Refusal> {
    purpose.fault().map_or(Ok(()), |fault| Err(Refusal::new(RefusalKind::BadRequest, fault)))
}

fn failed(text: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::Failed, text)
}

/// Maps that came to the site's folder since the start. Those that run are not replaced.
async fn read_new_maps(state: &State) -> Result<(), Refusal> {
    let read = Arc::clone(&state.read_maps);
    let read = tokio::task::spawn_blocking(move || read()).await;
    let registry = read.map_err(|_| failed("reading the maps ended early"))?.map_err(failed)?;
    state.flows.add_maps(registry).map_err(|changed| {
        failed(format!(
            "{} changed on disk under the version that runs; give the change a version of its own",
            changed.join(", ")
        ))
    })
}

/// The flows whose configuration names a map, each with what it names.
fn flows_of<'s>(state: &'s State, name: &'s str) -> impl Iterator<Item = (usize, String)> + 's {
    let flows = state.web.settings.flows.iter().enumerate();
    flows.filter_map(move |(index, flow)| match &flow.mapping {
        Mapping::Map { name: of, .. } if of == name => Some((index, mapping_word(&flow.mapping))),
        _ => None,
    })
}

fn in_use(state: &State) -> Vec<Option<String>> {
    (0..state.web.settings.flows.len()).map(|flow| state.flows.map_of(flow).map(|map| map.id())).collect()
}

fn changes(state: &State, before: &[Option<String>]) -> MapChanges {
    let flows = state.web.settings.flows.iter().zip(before.iter().zip(in_use(state)));
    let changed = flows.filter_map(|(flow, (before, after))| {
        let (before, after) = (before.clone()?, after?);
        (before != after).then(|| MapChange { flow: flow.name.to_string(), before, after })
    });
    MapChanges { changes: changed.collect() }
}

// ---------------------------------------------------------------- comparison

/// Messages of one page.
const PAGE: usize = 100;

/// Which of the newest messages come out differently.
pub(super) async fn diff(state: &State, before: &str, after: &str, last: usize) -> Result<MapDiff, Refusal> {
    let (old, new) = (map(state, before).await?, map(state, after).await?);
    let mut report = MapDiff { before: old.id(), after: new.id(), ..MapDiff::default() };
    let mut left = last.min(limits::MAP_DIFF_MESSAGES_MAX);
    let mut next = i64::MAX;
    while left > 0 {
        let limit = left.min(PAGE);
        let page = state.web.reader.run(move |store| {
            let page = translations::newest(store, next, limit)?.into_iter();
            page.map(|stored| Ok((jobs::told_by(store, stored.id)?, stored))).collect::<Result<Vec<_>, _>>()
        });
        let page = page.await?;
        let Some(oldest) = page.last().map(|(_, stored)| stored.id.0) else { break };
        next = oldest;
        left = left.saturating_sub(page.len());
        let (flows, links) = (Arc::clone(&state.flows), state.web.names.links.clone());
        let (old, new) = (Arc::clone(&old), Arc::clone(&new));
        // Off the thread of links: a map takes its time, and there are many messages.
        let compared = tokio::task::spawn_blocking(move || {
            compare(&flows, &links, &page, (&old, &new), &mut report);
            report
        });
        report = compared.await.map_err(|_| failed("the comparison ended early"))?;
    }
    Ok(report)
}

fn compare(
    flows: &Flows,
    links: &[i64],
    page: &[(Vec<Told>, reader::Stored)],
    (old, new): (&Map, &Map),
    report: &mut MapDiff,
) {
    for (told, stored) in page {
        let link = links.iter().position(|row| *row == stored.link);
        let of = |map| {
            flows.translated(map, link, &stored.raw, (stored.received_at, stored.content_hash), Changes::Told(told))
        };
        match (of(old), of(new)) {
            (Some(Ok(Outcome::NotApplicable)), Some(Ok(Outcome::NotApplicable))) | (None, _) | (_, None) => {
                report.looked_at += 1;
                report.not_applicable += 1;
            }
            (Some(before), Some(after)) => {
                let differences = samples::compare((old, &before), (new, &after));
                report.add(format!("message {}", stored.id), stored.kind.clone(), &differences);
            }
        }
    }
}
