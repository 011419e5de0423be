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
    event::{Picture, Scope},
    fhir::{Bundle, Object},
    hl7::{Charset, Encoding, Index, Message, MessageType},
    ids,
    units::{Timestamp, limits},
};

mod ask;
mod bounds;
mod compile;
mod dialect;
mod explain;
mod fault;
mod height;
mod identity;
mod include;
mod place;
mod refusal;
mod run;
pub mod samples;
mod shape;
mod source;
mod system;
mod table;
mod target;
mod text;
mod verb;

pub use ask::{JobAsk, Told};
pub use dialect::{Dialect, STANDARD};
pub use explain::{Explained, Looked, Met, Needed, Said, Silent, Step};
pub use fault::MapFault;
pub use height::{Height, Lowered};
pub use identity::BASE;
pub use refusal::{Missing, Reason, Refusal, Unmapped};
pub use system::CodeSystem;
pub use table::{Code, Table, Unlisted};
pub use verb::Verb;

use bounds::Work;
use compile::{Compiled, Tables, Trigger};
use dialect::Dialects;
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
    /// The dialect of its sender, by name and version; [`STANDARD`] where its link names none.
    pub dialect: (&'a str, u32),
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
#[derive(Debug, Default)]
pub struct Prepared {
    /// What it does to which jobs; none where the map only tells what is.
    pub jobs: Vec<JobIntent>,
    bundle: Bundle,
    patient: Option<Uuid>,
    heights: Vec<Height>,
}

impl Prepared {
    /// The body to send: a FHIR R4 transaction Bundle as JSON.
    pub fn render(&self) -> Vec<u8> {
        self.bundle.render()
    }

    /// The Bundle, for who compares and questions it.
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// How much what is told asks for, where it must not become less.
    pub fn heights(&self) -> &[Height] {
        &self.heights
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
    /// The file it stands in.
    pub file: String,
    /// Who answers for it.
    pub owner: String,
    /// When somebody last went through it.
    pub reviewed_on: jiff::civil::Date,
    /// When somebody has to again.
    pub review_due: jiff::civil::Date,
    dialect: Arc<Dialect>,
    /// The same map for the senders of every other dialect.
    spoken: Vec<Self>,
    compiled: Compiled,
    meta: Object,
    fingerprint: Uuid,
}

impl Map {
    /// `name@version`.
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// This map for the senders of a dialect, by name and version.
    pub fn spoken_in(&self, dialect: (&str, u32)) -> Option<&Self> {
        if self.dialect.is(dialect) { Some(self) } else { self.spoken.iter().find(|map| map.dialect.is(dialect)) }
    }

    /// Whether somebody should have gone through it again by `today`.
    pub fn is_overdue(&self, today: jiff::civil::Date) -> bool {
        self.review_due < today
    }

    /// The same for the same text, and no other.
    pub const fn fingerprint(&self) -> Uuid {
        self.fingerprint
    }

    fn trigger_of(&self, kind: &MessageType<'_>) -> Option<&Trigger> {
        self.compiled.triggers.iter().find(|trigger| trigger.on.iter().any(|on| on.fits(kind)))
    }

    /// Translates a message, or says all that keeps it from being translated. Of an order message with several
    /// orders all are translated or none: half an order set is not what was ordered.
    pub fn prepare(&self, message: &Message<'_>, context: &Context<'_>) -> Result<Outcome, Refusal> {
        if !self.dialect.is(context.dialect) {
            return self.of_dialect(context)?.prepare(message, context);
        }
        let kind = message.message_type();
        let Some(trigger) = self.trigger_of(&kind) else {
            return Ok(Outcome::NotApplicable);
        };
        if let Some(refusal) = bounds::too_large(message) {
            return Err(refusal);
        }
        let charset = message.charset(context.encoding);
        let mut refusal = Refusal::default();
        let mut prepared = Prepared::default();
        let work = Work::default();
        for scope in scopes(trigger.by, message, &charset, &mut refusal) {
            if prepared.jobs.len() >= limits::JOBS_OF_MESSAGE_MAX {
                refusal.excessive.push(format!("orders (at most {})", limits::JOBS_OF_MESSAGE_MAX).into());
                break;
            }
            match Run::new(self, context, kind, scope, &work).apply(trigger, &mut prepared.bundle) {
                Ok(Ran::NotApplicable) => {}
                Ok(Ran::Job(job)) => prepared.add(job, &mut refusal),
                Ok(Ran::Record(patient)) => prepared.patient = prepared.patient.or(patient),
                Err(found) => refusal.merge(found),
            }
        }
        if trigger.by.makes_job() && (!prepared.jobs.is_empty() || !refusal.is_empty()) {
            refusal.merge(bounds::who(message, &kind));
        }
        refusal.merge(bounds::output(&prepared.bundle));
        if !refusal.is_empty() {
            return Err(refusal);
        }
        Ok(if prepared.bundle.is_empty() { Outcome::NotApplicable } else { Outcome::Send(prepared) })
    }
}

impl Map {
    /// What a message asks for about jobs, or all that keeps it from being understood. Empty where the message is not
    /// for this map. Of an order message with several orders all are understood or none.
    pub fn asks(&self, message: &Message<'_>, context: &Context<'_>) -> Result<Vec<JobAsk>, Refusal> {
        if !self.dialect.is(context.dialect) {
            return self.of_dialect(context)?.asks(message, context);
        }
        let kind = message.message_type();
        let Some(trigger) = self.trigger_of(&kind).filter(|trigger| trigger.by.makes_job()) else {
            return Ok(Vec::new());
        };
        if let Some(refusal) = bounds::too_large(message) {
            return Err(refusal);
        }
        let charset = message.charset(context.encoding);
        let mut refusal = Refusal::default();
        let mut asks: Vec<JobAsk> = Vec::new();
        let work = Work::default();
        for scope in scopes(trigger.by, message, &charset, &mut refusal) {
            if asks.len() >= limits::JOBS_OF_MESSAGE_MAX {
                refusal.excessive.push(format!("orders (at most {})", limits::JOBS_OF_MESSAGE_MAX).into());
                break;
            }
            match Run::new(self, context, kind, scope, &work).ask(trigger) {
                Ok(Some(ask)) => {
                    let repeated = ask.name.is_some() && asks.iter().any(|known| known.name == ask.name);
                    if repeated && refusal.repeated.is_empty() {
                        refusal.repeated.push("ORC-2".into());
                    }
                    // What cannot be kept of a cancel is no reason to refuse it.
                    if ask.verb != Verb::Cancel {
                        refusal.excessive.extend(ask.statement.beyond().iter().map(|place| place.as_str().into()));
                    }
                    asks.push(ask);
                }
                Ok(None) => {}
                Err(found) => refusal.merge(found),
            }
        }
        if !asks.is_empty() || !refusal.is_empty() {
            refusal.merge(bounds::who(message, &kind));
        }
        if refusal.is_empty() { Ok(asks) } else { Err(refusal) }
    }

    /// Adds to `prepared` what is to be told of a job, from its picture, or says all that keeps it from being told.
    pub fn tell(&self, told: &Told, context: &Context<'_>, prepared: &mut Prepared) -> Result<(), Refusal> {
        if !self.dialect.is(context.dialect) {
            return self.of_dialect(context)?.tell(told, context, prepared);
        }
        let unreadable = || Refusal { unreadable: vec!["MSH".into()], ..Refusal::default() };
        let index = Index::of(&told.message).map_err(|_| unreadable())?;
        let message = index.message(&told.message);
        let kind = message.message_type();
        let charset = message.charset(Some(Picture::ENCODING));
        // A job whose picture holds an order is that order's, whatever message came last.
        let scope = Scope::of_orders(message, &charset).into_iter().next();
        let scope = scope.unwrap_or_else(|| Scope::of_message(message, &charset));
        let work = Work::default();
        let (ran, heights) = Run::new(self, context, kind, scope, &work).tell(told, &mut prepared.bundle)?;
        prepared.heights.extend(heights);
        if let Ran::Job(intent) = ran {
            prepared.jobs.push(intent);
        }
        Some(bounds::output(&prepared.bundle)).filter(|found| !found.is_empty()).map_or(Ok(()), Err)
    }

    /// Whether messages become jobs by this map.
    pub fn makes_jobs(&self) -> bool {
        self.compiled.triggers.iter().any(|trigger| trigger.by.makes_job())
    }

    /// The service that its jobs are.
    pub fn service(&self) -> &str {
        &self.compiled.service
    }

    fn of_dialect(&self, context: &Context<'_>) -> Result<&Self, Refusal> {
        let (name, version) = context.dialect;
        let unknown = || Refusal { unreadable: vec![format!("dialect {name}@{version}").into()], ..Refusal::default() };
        self.spoken_in(context.dialect).ok_or_else(unknown)
    }
}

impl Map {
    /// The same map, resolved for the senders of a dialect.
    fn in_dialect(&self, dialect: &Arc<Dialect>, compiled: Compiled) -> Self {
        Self {
            name: self.name.clone(),
            version: self.version,
            title: self.title.clone(),
            file: self.file.clone(),
            owner: self.owner.clone(),
            reviewed_on: self.reviewed_on,
            review_due: self.review_due,
            dialect: Arc::clone(dialect),
            spoken: Vec::new(),
            compiled,
            meta: self.meta.clone(),
            fingerprint: self.fingerprint,
        }
    }
}

/// The events of a message, each of which the map is applied to.
fn scopes<'m>(by: By, message: &Message<'m>, charset: &'m Charset, refusal: &mut Refusal) -> Vec<Scope<'m>> {
    let scopes = match by {
        By::Order | By::EachOrder => Scope::of_orders(*message, charset),
        By::EachPatient => Scope::of_patients(*message, charset),
        By::Visit | By::Message => vec![Scope::of_message(*message, charset)],
    };
    if scopes.is_empty() {
        let from = vec!["ORC".into(), "OBR".into()];
        refusal.missing.push(Missing { what: "order".into(), from });
    }
    scopes
}

impl Prepared {
    /// What it says, whenever it is said: the same as long as nothing of it is different.
    pub fn digest(&self) -> Uuid {
        ids::derive("told", &[&self.bundle.render()])
    }

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
    dialects: Dialects,
    tables: Tables,
}

/// The maps that are read, before they are shared.
type Maps = BTreeMap<(String, u32), Map>;

impl Registry {
    /// What comes with Gurney.
    pub fn builtin() -> Result<Self, Vec<MapFault>> {
        Self::with(&[])
    }

    /// What comes with Gurney and the site's own files, as `(file name, text)`. A file whose text has `[table.…]`
    /// holds tables, one that names a `dialect` that, any other one map. A site's table takes the place of a built-in one of its name; maps and
    /// versions, and dialects, are never replaced. All faults are reported at once.
    pub fn with(sources: &[(&str, &str)]) -> Result<Self, Vec<MapFault>> {
        let mut faults = Vec::new();
        let is_table = |text: &str| text.lines().any(|line| line.trim_start().starts_with("[table."));
        let mut tables = Tables::new();
        for (file, text) in BUILTIN.iter().chain(sources).filter(|(_, text)| text.len() > limits::MAP_BYTES_MAX) {
            Faults { file, text, found: &mut faults }.add(
                limits::MAP_BYTES_MAX..text.len(),
                format!("the file has more than {} KiB; is it a map?", limits::MAP_BYTES_MAX >> 10),
            );
        }
        for group in [BUILTIN, sources] {
            let mut added = Tables::new();
            for (file, text) in group.iter().filter(|(_, text)| is_table(text)) {
                add_tables(file, text, &mut added, &mut faults);
            }
            tables.extend(added);
        }
        let texts = || BUILTIN.iter().chain(sources).filter(|(_, text)| !is_table(text)).copied();
        let spoken: Vec<_> = texts().filter(|(_, text)| dialect::is_dialect(text)).collect();
        let dialects = dialect::read(&spoken, &tables, &mut faults);
        let mut maps = Maps::new();
        let Some(standard) = dialects.get(&(STANDARD.0.to_owned(), STANDARD.1)) else { return Err(faults) };
        let is_map = |(_, text): &(&str, &str)| !dialect::is_dialect(text);
        let bases = include::bases(texts().filter(is_map).map(|(_, text)| text));
        let mut read = Vec::new();
        for (file, text) in texts().filter(is_map) {
            let mut noted = Faults { file, text, found: &mut faults };
            let added = add_map(text, &tables, &bases, standard, &mut maps, &mut noted);
            read.extend(added.map(|map| (file, text, map)));
        }
        if faults.is_empty() {
            translate(&read, &tables, &dialects, &mut maps, &mut faults);
        }
        for (what, count, limit) in
            [("maps", maps.len(), limits::MAPS_MAX), ("tables", tables.len(), limits::TABLES_MAX)]
        {
            if count > limit {
                let fault = format!("a site has at most {limit} {what}; there are {count}");
                Faults { file: "the folder of maps", text: "", found: &mut faults }.add(0..0, fault);
            }
        }
        let maps = maps.into_iter().map(|(key, map)| (key, Arc::new(map))).collect();
        if faults.is_empty() { Ok(Self { maps, dialects, tables }) } else { Err(faults) }
    }

    /// What `newer` holds, but the maps that `is_fixed` names as they are here: what was decided with them is made of them. A
    /// map of `newer` that has the name and version of such a one and says something else is a fault.
    ///
    /// # Errors
    /// The maps that were changed without a new version.
    pub fn extended(&self, newer: Self, is_fixed: &dyn Fn(&Map) -> bool) -> Result<Self, Vec<String>> {
        let fixed = || self.maps().filter(|map| is_fixed(map));
        let differs = |map: &&Arc<Map>| {
            let other = newer.get(&map.name, map.version);
            other.is_some_and(|other| other.fingerprint != map.fingerprint)
        };
        let changed: Vec<String> = fixed().filter(differs).map(|map| map.id()).collect();
        if !changed.is_empty() {
            return Err(changed);
        }
        let mut maps = newer.maps;
        maps.extend(fixed().map(|map| ((map.name.clone(), map.version), Arc::clone(map))));
        Ok(Self { maps, dialects: newer.dialects, tables: newer.tables })
    }

    /// All words of tables and maps: what a message has in common with them says nothing about a patient.
    pub fn words(&self) -> std::collections::BTreeSet<String> {
        let mut words = std::collections::BTreeSet::new();
        for table in self.tables.values() {
            words.extend(table.words().map(str::to_owned));
        }
        for map in self.maps.values() {
            words.insert(map.id());
            words.extend(map.compiled.words());
        }
        words
    }

    /// All tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// The map with this name and version.
    pub fn get(&self, name: &str, version: u32) -> Option<&Arc<Map>> {
        self.maps.get(&(name.to_owned(), version))
    }

    /// The dialect with this name and version.
    pub fn dialect(&self, name: &str, version: u32) -> Option<&Arc<Dialect>> {
        self.dialects.get(&(name.to_owned(), version))
    }

    /// All dialects, by name and version.
    pub fn dialects(&self) -> impl Iterator<Item = &Arc<Dialect>> {
        self.dialects.values()
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
    ("dialects/standard@1.toml", include_str!("../config/dialects/standard@1.toml")),
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

/// Adds a map as the standard dialect has it, and gives back its text for the others.
fn add_map(
    text: &str,
    tables: &Tables,
    bases: &include::Bases,
    dialect: &Arc<Dialect>,
    maps: &mut Maps,
    faults: &mut Faults<'_>,
) -> Option<MapText> {
    let mut map = match toml::from_str::<MapText>(text) {
        Ok(map) => map,
        Err(error) => {
            faults.add(error.span().unwrap_or_default(), error.message());
            return None;
        }
    };
    let mut date = |word: &text::Word| match word.get_ref().parse() {
        Ok(date) => Some(date),
        Err(_) => {
            faults.add(word.span(), "expected a date such as 2026-11-20");
            None
        }
    };
    let (reviewed_on, review_due) = (date(&map.reviewed_on), date(&map.review_due));
    for (key, value) in [("title", &map.title), ("owner", &map.owner)] {
        if value.trim().is_empty() {
            faults.add(map.map.span(), format!("`{key}` is empty; say it, or nobody answers for the map"));
        }
    }
    if let (Some(reviewed_on), Some(review_due)) = (&reviewed_on, &review_due)
        && review_due <= reviewed_on
    {
        faults.add(map.review_due.span(), "the next review is due after the last one");
    }
    let (name, version, title, owner) = (map.map.get_ref().clone(), map.version, map.title.clone(), map.owner.clone());
    if maps.contains_key(&(name.clone(), version)) {
        faults.add(map.map.span(), format!("{name}@{version} is defined twice; a change needs a new version"));
        return None;
    }
    if RESERVED.contains(&name.as_str()) {
        faults.add(map.map.span(), format!("`{name}` is the name of a map that makes no FHIR and is built in"));
        return None;
    }
    include::merge(&mut map, bases, faults);
    let compiled = compile::compile(&map, tables, dialect, faults)?;
    let (reviewed_on, review_due, dialect) = (reviewed_on?, review_due?, Arc::clone(dialect));
    let meta = run::map_tag(&format!("{name}@{version}"));
    let key = (name.clone(), version);
    let (file, fingerprint) = (faults.file.to_owned(), ids::derive("map-text", &[faults.text.as_bytes()]));
    maps.insert(
        key,
        Map {
            name,
            version,
            title,
            file,
            owner,
            reviewed_on,
            review_due,
            dialect,
            spoken: Vec::new(),
            compiled,
            meta,
            fingerprint,
        },
    );
    Some(map)
}

/// Resolves every map for every further dialect, so that what does not fit is found now.
fn translate(
    read: &[(&str, &str, MapText)],
    tables: &Tables,
    dialects: &Dialects,
    maps: &mut Maps,
    found: &mut Vec<MapFault>,
) {
    for (file, text, map) in read {
        for dialect in dialects.values().filter(|dialect| !dialect.is(STANDARD)) {
            let mut faults = Faults { file, text, found };
            let compiled = compile::compile(map, tables, dialect, &mut faults);
            if let (Some(compiled), Some(map)) = (compiled, maps.get_mut(&(map.map.get_ref().clone(), map.version))) {
                let spoken = map.in_dialect(dialect, compiled);
                map.spoken.push(spoken);
            }
        }
    }
}
