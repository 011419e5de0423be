//! Maps for people: which is in use, what another would make of stored messages, spot checks, and codes without a meaning.

use std::{collections::BTreeMap, sync::Arc};

use jiff::tz::TimeZone;

use super::{
    State,
    look::unknown,
    orders::order,
    peer::Peer,
    protocol::{
        Purpose, Refusal, RefusalKind,
        maps::{
            ElementRow, MapAudit, MapChange, MapChanges, MapDiff, MapRow, Maps, Spot, UnmappedCode, UnmappedCodes,
            shown_code,
        },
    },
    show::{shortened, unmask},
};
use crate::{
    flow::{AsideKind, Flows},
    hl7::{
        Index, Message,
        show::{Masking, lay_out},
    },
    ids::{JournalId, derive},
    mapping::{Map, Outcome, samples},
    settings::Mapping,
    store::{
        listing, reader,
        rows::mapping_word,
        translations::{self, Passed},
        writer::{Order, OrderOutcome, Promotion},
    },
    units::{Timestamp, limits},
};

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

fn map(state: &State, name: &str) -> Result<Arc<Map>, Refusal> {
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
    if state.flows.map(wanted).is_none() {
        read_new_maps(state).await?;
    }
    let map = map(state, wanted)?;
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
    let (old, new) = (map(state, before)?, map(state, after)?);
    let mut report = MapDiff { before: old.id(), after: new.id(), ..MapDiff::default() };
    let mut left = last.min(limits::MAP_DIFF_MESSAGES_MAX);
    let mut next = i64::MAX;
    while left > 0 {
        let limit = left.min(PAGE);
        let page = state.web.reader.run(move |store| translations::newest(store, next, limit)).await?;
        let Some(oldest) = page.last().map(|stored| stored.id.0) else { break };
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

fn compare(flows: &Flows, links: &[i64], page: &[reader::Stored], (old, new): (&Map, &Map), report: &mut MapDiff) {
    for stored in page {
        let link = links.iter().position(|row| *row == stored.link);
        let of = |map| flows.translated(map, link, &stored.raw, stored.received_at, stored.content_hash);
        match (of(old), of(new)) {
            (Some(Ok(Outcome::NotApplicable)), Some(Ok(Outcome::NotApplicable))) | (None, _) | (_, None) => {
                report.looked_at += 1;
                report.not_applicable += 1;
            }
            (Some(before), Some(after)) => {
                let differences = samples::compare(&before, &after);
                report.add(format!("message {}", stored.id), stored.kind.clone(), &differences);
            }
        }
    }
}

// ---------------------------------------------------------------- spot check

/// Receipts of one page.
const RECEIPTS_PAGE: i64 = 20_000;

/// A random sample of what a map passed in the last month.
pub(super) async fn audit(
    state: &State,
    peer: &Peer,
    wanted: &str,
    sample: usize,
    seed: Option<&str>,
    reveal: Option<Purpose>,
) -> Result<MapAudit, Refusal> {
    let map = map(state, wanted)?;
    let seed = match seed {
        Some(text) => Seed::read(text).ok_or_else(|| {
            Refusal::new(RefusalKind::BadRequest, "a seed looks like 3f9a-1-2024, as an earlier answer gave it")
        })?,
        None => Seed::new(state).await?,
    };
    let sample = sample.clamp(1, limits::MAP_AUDIT_MESSAGES_MAX);
    let (passed, chosen) = choose(state, &map.id(), &seed, sample).await?;
    let masking = match reveal {
        Some(purpose) => {
            let subject = format!("map {} ({} messages, seed {})", map.id(), chosen.len(), seed.text());
            unmask(state, peer, subject, Some(purpose)).await?
        }
        None => Masking::Masked,
    };
    let mut deliveries = Vec::with_capacity(chosen.len());
    for passed in chosen {
        deliveries.push(spot(state, &map, passed, masking).await?);
    }
    let revealed = masking == Masking::Clear;
    Ok(MapAudit { map: map.id(), seed: seed.text(), passed, revealed, deliveries })
}

/// Which deliveries: of those numbered from `first` to `last`, those that come first in an order that `draw` gives.
struct Seed {
    draw: u32,
    first: i64,
    last: i64,
}

impl Seed {
    async fn new(state: &State) -> Result<Self, Refusal> {
        let now = state.web.clock.wall();
        let window = i64::try_from(limits::MAP_AUDIT_WINDOW.as_millis()).unwrap_or(i64::MAX);
        let since = Timestamp(now.0.saturating_sub(window));
        let (first, last) = state.web.reader.run(move |store| translations::window(store, since)).await?;
        // Nobody gains by guessing it; it only must differ from month to month.
        let (draw, _) =
            derive("map-audit", &[&now.0.to_be_bytes(), &state.web.clock.steady().0.to_be_bytes()]).as_u64_pair();
        Ok(Self { draw: u32::try_from(draw >> 32).unwrap_or_default(), first, last })
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (draw, first, last) = (parts.next()?, parts.next()?, parts.next()?);
        let seed =
            Self { draw: u32::from_str_radix(draw, 16).ok()?, first: first.parse().ok()?, last: last.parse().ok()? };
        (parts.next().is_none() && seed.first >= 1).then_some(seed)
    }

    fn text(&self) -> String {
        format!("{:x}-{}-{}", self.draw, self.first, self.last)
    }

    /// The place of a delivery in the order.
    fn rank(&self, delivery: i64) -> u64 {
        derive("map-audit", &[&self.draw.to_be_bytes(), &delivery.to_be_bytes()]).as_u64_pair().0
    }
}

async fn choose(state: &State, map: &str, seed: &Seed, sample: usize) -> Result<(u64, Vec<Passed>), Refusal> {
    let mut chosen: BTreeMap<(u64, i64), Passed> = BTreeMap::new();
    let (mut count, mut next) = (0_u64, Some(seed.first));
    while let Some(from) = next.filter(|from| *from <= seed.last) {
        let (name, to) = (map.to_owned(), seed.last);
        let page =
            state.web.reader.run(move |store| translations::passed(store, &name, (from, to), RECEIPTS_PAGE)).await?;
        for passed in page.0 {
            count += 1;
            chosen.insert((seed.rank(passed.delivery), passed.delivery), passed);
            if chosen.len() > sample {
                chosen.pop_last();
            }
        }
        next = page.1;
    }
    let mut chosen: Vec<Passed> = chosen.into_values().collect();
    chosen.sort_by_key(|passed| passed.delivery);
    Ok((count, chosen))
}

async fn spot(state: &State, map: &Map, passed: Passed, masking: Masking) -> Result<Spot, Refusal> {
    let id = JournalId(passed.journal);
    let stored = state.web.reader.run(move |store| reader::message(store, id)).await?;
    let mut spot = Spot {
        message: passed.journal,
        kind: String::new(),
        flow: passed.flow,
        delivered_at: passed.at,
        source: None,
        target: Vec::new(),
        note: None,
    };
    let Some(stored) = stored else {
        spot.note = Some("retention has removed the message".to_owned());
        return Ok(spot);
    };
    spot.kind.clone_from(&stored.kind);
    let link = state.web.names.links.iter().position(|row| *row == stored.link);
    let configured = link.and_then(|link| state.flows.charset(link));
    if let Ok(index) = Index::of(&stored.raw) {
        spot.source = Some(shortened(lay_out(&Message::new(&stored.raw, &index), masking, configured)));
    }
    match state.flows.translated(map, link, &stored.raw, stored.received_at, stored.content_hash) {
        Some(Ok(Outcome::Send(prepared))) => {
            let row = if masking == Masking::Clear { ElementRow::clear } else { ElementRow::masked };
            spot.target = prepared.bundle().leaves().iter().map(row).collect();
        }
        other => {
            let why = other.map_or_else(|| "no HL7 message".to_owned(), |outcome| samples::word(&outcome));
            spot.note = Some(format!("the map and tables of now make something else of it: {why}"));
        }
    }
    Ok(spot)
}

// ---------------------------------------------------------------- unmapped codes

/// Entries that one listing of unmapped codes reads again.
const UNMAPPED_MAX: usize = 5000;

/// Entries of one page.
const UNMAPPED_PAGE: usize = 200;

/// The codes for which messages wait, as the maps and tables of now see them.
pub(super) async fn unmapped(state: &State) -> Result<UnmappedCodes, Refusal> {
    let mut found: BTreeMap<(String, String, Option<String>), UnmappedCode> = BTreeMap::new();
    let mut report = UnmappedCodes::default();
    let (mut after, mut looked_at) = (0, 0);
    loop {
        let page = state
            .web
            .reader
            .run(move |store| listing::asides(store, &[AsideKind::Quarantined], None, after, UNMAPPED_PAGE))
            .await?;
        let Some(last) = page.last().map(|entry| entry.id) else { break };
        after = last;
        looked_at += page.len();
        for entry in page.iter().filter(|entry| entry.reason == "unmapped-code") {
            look_again(state, entry, &mut found, &mut report).await?;
        }
        if looked_at >= UNMAPPED_MAX {
            report.is_cut = true;
            break;
        }
    }
    report.codes = found.into_values().collect();
    report.codes.sort_by_key(|code| std::cmp::Reverse(code.waiting));
    Ok(report)
}

async fn look_again(
    state: &State,
    entry: &listing::AsideRow,
    found: &mut BTreeMap<(String, String, Option<String>), UnmappedCode>,
    report: &mut UnmappedCodes,
) -> Result<(), Refusal> {
    let id = JournalId(entry.message);
    let stored = state.web.reader.run(move |store| reader::message(store, id)).await?;
    let flow = state.web.settings.flows.iter().position(|flow| flow.name.as_str() == entry.flow);
    let (Some(stored), Some(map)) = (stored, flow.and_then(|flow| state.flows.map_of(flow))) else { return Ok(()) };
    let link = state.web.names.links.iter().position(|row| *row == stored.link);
    let outcome = state.flows.translated(&map, link, &stored.raw, stored.received_at, stored.content_hash);
    let Some(Err(refusal)) = outcome else {
        report.mended += 1;
        return Ok(());
    };
    report.waiting += 1;
    let names = names_in(&stored.raw);
    for unmapped in refusal.unmapped {
        let code = unmapped.code.into_inner();
        let code = shown_code(&code).filter(|code| !names.contains(&code.to_ascii_lowercase()));
        let (table, place) = (unmapped.table.to_string(), unmapped.path.to_string());
        let row = found.entry((table.clone(), place.clone(), code.clone())).or_insert(UnmappedCode {
            table,
            place,
            code,
            waiting: 0,
            entries: Vec::new(),
        });
        row.waiting += 1;
        if row.entries.len() < ENTRIES_SHOWN {
            row.entries.push(entry.id);
        }
    }
    Ok(())
}

/// Entries that are named with one code.
const ENTRIES_SHOWN: usize = 10;

/// What people are called in a message, in small letters: a sender that put one of these where a code belongs has it hidden.
fn names_in(raw: &[u8]) -> Vec<String> {
    let Ok(index) = Index::of(raw) else { return Vec::new() };
    let message = Message::new(raw, &index);
    let mut names = Vec::new();
    for segment in message.segments() {
        let fields: &[usize] = match segment.name() {
            b"PID" => &[3, 5, 6, 9, 11],
            b"NK1" => &[2],
            b"PV1" => &[7, 8, 9, 17],
            b"GT1" => &[3],
            b"IN1" => &[16],
            b"ORC" => &[10, 11, 12],
            b"OBR" => &[10, 16],
            _ => &[],
        };
        for repetition in fields.iter().flat_map(|field| segment.field(*field).repetitions().collect::<Vec<_>>()) {
            let parts = (1..=7)
                .map(|component| String::from_utf8_lossy(repetition.component(component).bytes()).to_ascii_lowercase());
            names.extend(parts.filter(|part| part.len() > 2));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn gives_the_same_order_for_the_same_seed() {
        let seed = Seed::read("3f9a-1-2024").unwrap();
        assert_eq!(seed.text(), "3f9a-1-2024");
        let ranks = |seed: &Seed| (1..50).map(|delivery| seed.rank(delivery)).collect::<Vec<_>>();
        assert_eq!(ranks(&seed), ranks(&Seed::read("3f9a-1-9").unwrap()));
        assert_ne!(ranks(&seed), ranks(&Seed::read("3f9b-1-2024").unwrap()));
        for bad in ["", "x-1-2", "1-2", "1-2-3-4", "1--2", "1-0-5"] {
            assert!(Seed::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn finds_what_people_are_called() {
        let raw = b"MSH|^~\\&|A\rPID|1||4711^^^GH||QUILL^Ada\rNK1|1|BROOK^Bo\rOBR|1|||WCVAN\r";
        let names = names_in(raw);
        assert!(["quill", "ada", "brook", "4711"].iter().all(|name| names.contains(&(*name).to_owned())), "{names:?}");
        assert!(!names.contains(&"wcvan".to_owned()));
    }
}
