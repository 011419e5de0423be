//! Versioned maps: what a message means in FHIR, kept as data.
//!
//! A map (`config/maps/`) lists which messages do what to a job, which resources tell a platform so, and for every
//! element where its value comes from. Tables (`config/terminology/`) give codes their meaning. This module resolves
//! both once ([`Registry`]) and then applies a map to messages ([`Map::prepare`]). A map may also make no job and only
//! tell what a message says, as records (`record@1` and those that include it). It decides nothing by itself: what
//! no row and no table says is not sent, and what a row needs and does not find refuses the message.
//!
//! Everything that can refuse is found by `prepare`; [`Prepared::render`] only writes bytes. Both are functions of
//! the message and the [`Context`], so a courier may do them again from the stored message and get the same bytes.
//!
//! Does not look at what is known already: whether a job is open, done or called off before it was asked for is the
//! business of `job` and `flow`. Conditional requests make the order of arrival harmless where it can be: a cancel
//! that overtakes its request leaves a cancelled Task, which the request then finds and does not touch.

use std::{collections::BTreeMap, sync::Arc};

use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::{
    event::Scope,
    fhir::{Bundle, Object},
    hl7::{Encoding, Message},
    units::Timestamp,
};

mod compile;
mod fault;
mod identity;
mod include;
mod place;
mod refusal;
mod run;
mod shape;
mod source;
mod table;
mod target;
mod text;
mod verb;

pub use fault::MapFault;
pub use identity::BASE;
pub use refusal::{Missing, Reason, Refusal, Unmapped};
pub use table::{Code, Table, Unlisted};
pub use verb::Verb;

use compile::{Compiled, Tables};
use fault::Faults;
use run::{Ran, Run};
use text::{By, MapText};

/// What the gateway knows about a message besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The site: part of every identity.
    pub site: &'a str,
    /// The zone of times without an offset.
    pub zone: &'a TimeZone,
    /// The link's own choice of character set, where it has one.
    pub encoding: Option<Encoding>,
    /// When the message was received.
    pub received_at: Timestamp,
    /// SHA-256 of the message as it came.
    pub source_hash: [u8; 32],
}

/// What a map makes of a message.
#[derive(Debug)]
pub enum Outcome {
    /// A Bundle to send.
    Send(Prepared),
    /// The message is not for this map: another message type, another kind of order, nothing to do.
    NotApplicable,
}

/// A Bundle ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    /// What it does to which jobs; none where the map only tells what is.
    pub jobs: Vec<JobIntent>,
    bundle: Bundle,
    patient: Option<Uuid>,
}

impl Prepared {
    /// The body to send: a FHIR R4 transaction Bundle as JSON.
    pub fn render(&self) -> Vec<u8> {
        self.bundle.render()
    }

    /// Deliveries with the same key keep their order: all that is about one patient.
    pub fn ordering_key(&self) -> Option<Uuid> {
        self.jobs.first().map(|job| job.ordering_key).or(self.patient)
    }
}

/// What a message does to one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobIntent {
    /// The job identity: the same for every message about the job.
    pub job: Uuid,
    /// Deliveries with the same key keep their order.
    pub ordering_key: Uuid,
    /// The service, such as `transport`.
    pub service: String,
    /// What is done.
    pub verb: Verb,
}

/// A map in one version.
pub struct Map {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// What it is for.
    pub title: String,
    /// Who answers for it.
    pub owner: String,
    /// When somebody last went through it.
    pub reviewed_on: jiff::civil::Date,
    /// When somebody has to again.
    pub review_due: jiff::civil::Date,
    compiled: Compiled,
    meta: Object,
}

impl Map {
    /// `name@version`.
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Translates a message, or says all that keeps it from being translated. Of an order message with several
    /// orders all are translated or none: half an order set is not what was ordered.
    pub fn prepare(&self, message: &Message<'_>, context: &Context<'_>) -> Result<Outcome, Refusal> {
        let kind = message.message_type();
        let Some(trigger) = self.compiled.triggers.iter().find(|trigger| trigger.on.iter().any(|on| on.fits(&kind)))
        else {
            return Ok(Outcome::NotApplicable);
        };
        let charset = message.charset(context.encoding);
        let scopes = match trigger.by {
            By::Order | By::EachOrder => Scope::of_orders(*message, &charset),
            By::EachPatient => Scope::of_patients(*message, &charset),
            By::Visit | By::Message => vec![Scope::of_message(*message, &charset)],
        };
        let mut refusal = Refusal::default();
        if scopes.is_empty() {
            let from = vec!["ORC".into(), "OBR".into()];
            refusal.missing.push(Missing { what: "order".into(), from });
        }
        let mut prepared = Prepared { jobs: Vec::new(), bundle: Bundle::default(), patient: None };
        for scope in scopes {
            match Run::new(self, context, kind, scope).apply(trigger, &mut prepared.bundle) {
                Ok(Ran::NotApplicable) => {}
                Ok(Ran::Job(job)) => prepared.add(job, &mut refusal),
                Ok(Ran::Record(patient)) => prepared.patient = prepared.patient.or(patient),
                Err(found) => refusal.merge(found),
            }
        }
        if !refusal.is_empty() {
            return Err(refusal);
        }
        Ok(if prepared.bundle.is_empty() { Outcome::NotApplicable } else { Outcome::Send(prepared) })
    }
}

impl Prepared {
    fn add(&mut self, job: JobIntent, refusal: &mut Refusal) {
        if self.jobs.iter().any(|known| known.job == job.job) && refusal.repeated.is_empty() {
            refusal.repeated.push("ORC-2".into());
        }
        self.jobs.push(job);
    }
}

impl std::fmt::Debug for Map {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Map({})", self.id())
    }
}

/// All maps and tables of a site.
#[derive(Debug)]
pub struct Registry {
    maps: BTreeMap<(String, u32), Arc<Map>>,
    tables: Tables,
}

impl Registry {
    /// What comes with Gurney.
    pub fn builtin() -> Result<Self, Vec<MapFault>> {
        Self::with(&[])
    }

    /// What comes with Gurney and the site's own files, as `(file name, text)`. A file whose text has `[table.…]`
    /// holds tables, any other one map. A site's table takes the place of a built-in one of its name; maps and
    /// versions are never replaced. All faults are reported at once.
    pub fn with(sources: &[(&str, &str)]) -> Result<Self, Vec<MapFault>> {
        let mut faults = Vec::new();
        let is_table = |text: &str| text.lines().any(|line| line.trim_start().starts_with("[table."));
        let mut tables = Tables::new();
        for group in [BUILTIN, sources] {
            let mut added = Tables::new();
            for (file, text) in group.iter().filter(|(_, text)| is_table(text)) {
                add_tables(file, text, &mut added, &mut faults);
            }
            tables.extend(added);
        }
        let mut maps = BTreeMap::new();
        let is_map = |(_, text): &&(&str, &str)| !is_table(text);
        let bases = include::bases(BUILTIN.iter().chain(sources).filter(is_map).map(|(_, text)| *text));
        for (file, text) in BUILTIN.iter().chain(sources).filter(|(_, text)| !is_table(text)) {
            let mut noted = Faults { file, text, found: &mut faults };
            add_map(text, &tables, &bases, &mut maps, &mut noted);
        }
        if faults.is_empty() { Ok(Self { maps, tables }) } else { Err(faults) }
    }

    /// The map with this name and version.
    pub fn get(&self, name: &str, version: u32) -> Option<&Arc<Map>> {
        self.maps.get(&(name.to_owned(), version))
    }

    /// All maps, by name and version.
    pub fn maps(&self) -> impl Iterator<Item = &Arc<Map>> {
        self.maps.values()
    }

    /// The table with this name.
    pub fn table(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.get(name)
    }
}

/// Names of what is no map in this sense, though flows name it like one: reports of instruments, and acknowledgements.
const RESERVED: [&str; 2] = ["oru", "ack"];

/// The maps and tables that come with Gurney.
const BUILTIN: &[(&str, &str)] = &[
    ("terminology/fhir.toml", include_str!("../config/terminology/fhir.toml")),
    ("terminology/hl7-v2.toml", include_str!("../config/terminology/hl7-v2.toml")),
    ("terminology/record.toml", include_str!("../config/terminology/record.toml")),
    ("terminology/example-site.toml", include_str!("../config/terminology/example-site.toml")),
    ("maps/transport@1.toml", include_str!("../config/maps/transport@1.toml")),
    ("maps/record@1.toml", include_str!("../config/maps/record@1.toml")),
    ("maps/adt@1.toml", include_str!("../config/maps/adt@1.toml")),
    ("maps/orders@1.toml", include_str!("../config/maps/orders@1.toml")),
    ("maps/results@1.toml", include_str!("../config/maps/results@1.toml")),
    ("maps/scheduling@1.toml", include_str!("../config/maps/scheduling@1.toml")),
    ("maps/referrals@1.toml", include_str!("../config/maps/referrals@1.toml")),
    ("maps/documents@1.toml", include_str!("../config/maps/documents@1.toml")),
    ("maps/billing@1.toml", include_str!("../config/maps/billing@1.toml")),
    ("maps/supplies@1.toml", include_str!("../config/maps/supplies@1.toml")),
];

fn add_tables(file: &str, text: &str, tables: &mut Tables, faults: &mut Vec<MapFault>) {
    for (table, at) in table::read(file, text, faults) {
        let name = Arc::clone(&table.name);
        if tables.insert(Arc::clone(&name), Arc::new(table)).is_some() {
            Faults { file, text, found: faults }.add(at..at, format!("the table `{name}` is defined twice"));
        }
    }
}

fn add_map(
    text: &str,
    tables: &Tables,
    bases: &include::Bases,
    maps: &mut BTreeMap<(String, u32), Arc<Map>>,
    faults: &mut Faults<'_>,
) {
    let mut map = match toml::from_str::<MapText>(text) {
        Ok(map) => map,
        Err(error) => return faults.add(error.span().unwrap_or_default(), error.message()),
    };
    let mut date = |word: &text::Word| match word.get_ref().parse() {
        Ok(date) => Some(date),
        Err(_) => {
            faults.add(word.span(), "expected a date such as 2026-11-20");
            None
        }
    };
    let (reviewed_on, review_due) = (date(&map.reviewed_on), date(&map.review_due));
    let (name, version, title, owner) = (map.map.get_ref().clone(), map.version, map.title.clone(), map.owner.clone());
    if maps.contains_key(&(name.clone(), version)) {
        faults.add(map.map.span(), format!("{name}@{version} is defined twice; a change needs a new version"));
        return;
    }
    if RESERVED.contains(&name.as_str()) {
        faults.add(map.map.span(), format!("`{name}` is the name of a map that makes no FHIR and is built in"));
        return;
    }
    include::merge(&mut map, bases, faults);
    let compiled = compile::compile(map, tables, faults);
    if let (Some(compiled), Some(reviewed_on), Some(review_due)) = (compiled, reviewed_on, review_due) {
        let meta = run::map_tag(&format!("{name}@{version}"));
        let key = (name.clone(), version);
        maps.insert(key, Arc::new(Map { name, version, title, owner, reviewed_on, review_due, compiled, meta }));
    }
}
