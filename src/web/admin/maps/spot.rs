//! Spot checks: a random sample of what a map passed, to be drawn again by its seed.

use super::map;
use crate::{
    flow::Changes,
    hl7::{
        Index, Message,
        show::{Masking, lay_out},
    },
    ids::{JournalId, OutboxId, derive},
    mapping::{Map, Outcome, samples},
    store::{
        jobs, reader,
        translations::{self, Passed},
    },
    units::{Timestamp, limits},
    web::admin::{
        State,
        peer::Peer,
        protocol::{
            Purpose, Refusal, RefusalKind,
            maps::{ElementRow, MapAudit, Spot},
        },
        show::{shortened, unmask},
    },
};
use std::collections::BTreeMap;

/// Receipts of one page.
const RECEIPTS_PAGE: i64 = 20_000;

/// A random sample of what a map passed in the last month.
pub(in crate::web::admin) async fn audit(
    state: &State,
    peer: &Peer,
    wanted: &str,
    sample: usize,
    seed: Option<&str>,
    reveal: Option<Purpose>,
) -> Result<MapAudit, Refusal> {
    let map = map(state, wanted).await?;
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
    let at = (stored.received_at, stored.content_hash);
    let delivery = OutboxId(passed.delivery);
    let told = state.web.reader.run(move |store| jobs::said(store, delivery)).await?;
    if told.is_empty() && map.makes_jobs() {
        spot.note = Some("what was told of its jobs is not kept".to_owned());
        return Ok(spot);
    }
    let made = match told.as_slice() {
        [] => state.flows.translated(map, link, &stored.raw, at, Changes::Told(&[])),
        // What was known of the jobs when it left, as the courier wrote it.
        told => Some(state.flows.tell(&map.id(), told, at.0, at.1).map(Outcome::Send)),
    };
    match made {
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
}
