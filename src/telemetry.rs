//! The one list of metrics, labels and signals, and their emission.
//!
//! [`Telemetry`] owns a registry of its own and makes every series when it starts, from the names in the settings, so
//! that a scrape shows zeros rather than holes. What happens with every message goes through meters (a few atomic
//! additions); what an operator should read about goes through `tell`, which logs and counts in one call. Labels come
//! from the configuration and from closed lists, never from messages (INV-05); the number of series is bounded by
//! [`limits::SERIES_MAX`] for a site of ordinary size, and told where a site exceeds it.
//!
//! Serves no HTTP and reads no clock.

use std::{collections::BTreeMap, time::Duration};

use prometheus::TextEncoder;
use tracing::warn;

use self::{
    catalogue::{Catalogue, PerLabel},
    labels::Label as _,
    meters::unix_seconds,
};
use crate::{
    ids::Name,
    settings::{Mapping, Settings},
    units::{Timestamp, limits},
};

mod catalogue;
pub mod labels;
pub mod logging;
mod meters;
mod serial;
mod signal;
#[cfg(test)]
mod tests;

pub use self::{
    meters::{DestinationMeter, FlowMeter, LinkMeter, StoreMeter},
    signal::{DestinationSignal, FlowSignal, LinkSignal, Signal, StoreSignal},
};

/// What was built.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// Version of the program.
    pub version: &'a str,
    /// Revision it was built from.
    pub revision: &'a str,
    /// Version of the store's schema.
    pub schema: u32,
}

/// A map that a flow uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapInUse {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// When somebody has to go through it again, where that is known.
    pub review_due: Option<Timestamp>,
}

/// Metrics and signals of one box.
#[derive(Debug)]
pub struct Telemetry {
    families: Catalogue,
    links: Vec<LinkMeter>,
    flows: Vec<FlowMeter>,
    unrouted: FlowMeter,
    destinations: Vec<DestinationMeter>,
    store: StoreMeter,
    stages: PerLabel<prometheus::Histogram>,
}

/// The metrics could not be made: a fault in the catalogue.
#[derive(Debug, thiserror::Error)]
#[error("cannot register the metrics")]
pub struct Error(#[from] prometheus::Error);

impl Telemetry {
    /// Makes every series of the box that `settings` describe.
    pub fn new(settings: &Settings, build: Build<'_>) -> Result<Self, Error> {
        let families = Catalogue::new()?;
        let schema = build.schema.to_string();
        families.build_info.with_label_values(&[build.version, build.revision, &schema]).set(1);
        for flow in &settings.flows {
            if let Mapping::Map { name, version } = &flow.mapping {
                families.mapping_info.with_label_values(&[name.as_str(), &version.to_string()]).set(1);
                families.mapping_unmapped_codes_total.with_label_values(&[name.as_str()]);
            }
        }
        let links = settings.links.iter().enumerate().map(|(index, link)| {
            let flows = settings.flows.iter().filter(|flow| flow.from == index);
            LinkMeter::new(&families, link, &flows.flat_map(|flow| &flow.on).collect::<Vec<_>>())
        });
        for finding in labels::JobFinding::ALL {
            families.job_findings_total.with_label_values(&[finding.text()]);
        }
        let telemetry = Self {
            links: links.collect(),
            flows: settings.flows.iter().map(|flow| FlowMeter::of(&families, flow)).collect(),
            unrouted: FlowMeter::new(&families, Name::new(FlowMeter::UNROUTED), Duration::ZERO),
            destinations: settings.destinations.iter().map(|to| DestinationMeter::new(&families, to)).collect(),
            store: StoreMeter::new(&families, &settings.store),
            stages: PerLabel::new::<labels::Stage>(|stage| {
                families.message_stage_duration_seconds.with_label_values(&[stage])
            }),
            families,
        };
        let series = telemetry.series();
        if series > limits::SERIES_MAX {
            warn!(series, limit = limits::SERIES_MAX, "more metric series than a site should have");
        }
        Ok(telemetry)
    }

    /// Says which maps are in use and until when somebody must go through them, and makes a series for every code table.
    pub fn maps<'t>(&self, in_use: &[MapInUse], tables: impl Iterator<Item = &'t str>) {
        self.families.mapping_info.reset();
        self.families.mapping_review_due_timestamp_seconds.reset();
        let mut first_due: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for map in in_use {
            self.families.mapping_info.with_label_values(&[map.name.as_str(), &map.version.to_string()]).set(1);
            self.families.mapping_unmapped_codes_total.with_label_values(&[map.name.as_str()]);
            if let Some(due) = map.review_due {
                first_due.entry(&map.name).and_modify(|known| *known = due.min(*known)).or_insert(due);
            }
        }
        for (map, due) in first_due {
            self.families.mapping_review_due_timestamp_seconds.with_label_values(&[map]).set(unix_seconds(due));
        }
        for table in tables {
            self.families.terminology_unmapped_codes_total.with_label_values(&[table]);
        }
    }

    /// The meter of a link, by its index in the settings.
    pub fn link(&self, index: usize) -> &LinkMeter {
        of_settings(&self.links, index)
    }

    /// The meter of a flow, by its index in the settings.
    pub fn flow(&self, index: usize) -> &FlowMeter {
        of_settings(&self.flows, index)
    }

    /// The meter of messages that no flow takes: the pseudo flow `none`.
    pub fn unrouted(&self) -> &FlowMeter {
        &self.unrouted
    }

    /// The meter of a destination, by its index in the settings.
    pub fn destination(&self, index: usize) -> &DestinationMeter {
        of_settings(&self.destinations, index)
    }

    /// The meter of the store.
    pub fn store(&self) -> &StoreMeter {
        &self.store
    }

    /// Counts the time that one stage took.
    pub fn stage(&self, stage: labels::Stage, took: Duration) {
        self.stages.at(stage).observe(took.as_secs_f64());
    }

    /// Writes every series in the Prometheus text format (version 0.0.4).
    pub fn gather(&self) -> Result<String, Error> {
        Ok(TextEncoder::new().encode_to_string(&self.families.registry().gather())?)
    }

    /// How many series a scrape returns, histogram buckets included.
    pub fn series(&self) -> usize {
        catalogue::series(self.families.registry())
    }
}

#[expect(clippy::expect_used, reason = "indices come from the settings the meters were made from")]
fn of_settings<M>(meters: &[M], index: usize) -> &M {
    meters.get(index).expect("an index into the same settings")
}
