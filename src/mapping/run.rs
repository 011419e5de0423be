//! Applies a map to one event: finds out what the event does, then evaluates the rows of each resource.
//!
//! Every fault is noted and evaluation goes on, so that a person sees all of them at once. A cancel keeps only the
//! faults that leave it without an identity: what cannot be read is left out, because a cancel must get through.

use std::{borrow::Cow, cell::RefCell, collections::HashMap, sync::Arc};

use uuid::Uuid;

use super::{
    Context, Height, JobAsk, JobIntent, Map, Told,
    bounds::Work,
    compile::{Row, Trigger},
    explain::{Silent, Trace},
    identity::{BASE, Identity, JobParts},
    place,
    refusal::{Missing, Refusal},
    source::{Answers, Source},
    table::Unlisted,
    text::{By, Key},
    verb::Verb,
};
use crate::{
    event::{self, Identifier, Part, Scope, Statement},
    fhir::{Bundle, Object, Text, coding},
    hl7::{MessageType, Path},
    ids,
    units::limits,
};

mod attachments;
mod codes;
mod focus;
mod needs;
mod observations;
mod rows;
mod subjects;
mod values;

use codes::Meaning;
use focus::Focus;
use values::{is_before, is_later};

/// What came of one event.
pub(super) enum Ran {
    /// It is not for this map.
    NotApplicable,
    /// A job, whose resources are in the Bundle.
    Job(JobIntent),
    /// Resources without a job; what is about the same patient has the same ordering key.
    Record(Option<Uuid>),
}

/// One event under translation.
pub(super) struct Run<'r, 'm> {
    map: &'r Map,
    context: &'r Context<'r>,
    kind: MessageType<'m>,
    scope: Scope<'m>,
    facility: Cow<'r, str>,
    answers: Answers<'r, 'm>,
    verb: Verb,
    job: Uuid,
    is_known: bool,
    present: Vec<Vec<Present>>,
    focus: Option<Focus<'r>>,
    unlisted: Option<Unlisted>,
    space: &'r str,
    /// Where the segments of each name stand, once they were asked for.
    places: RefCell<Vec<(String, Vec<usize>)>>,
    /// How many lines alike there are so far.
    alike: HashMap<Uuid, u32>,
    heights: Vec<Height>,
    refusal: Refusal,
    work: &'r Work,
    /// Notes for who asks why; none while messages pass.
    pub(super) trace: Option<Trace>,
}

/// A resource that will be in the Bundle.
struct Present {
    full_url: String,
    found: Found,
    /// The segments it is made of, where it is one of several.
    at: Option<usize>,
}

/// What a resource is known by.
enum Found {
    Identity(Identity),
    Locations(Vec<place::Location>),
}

impl<'r, 'm> Run<'r, 'm> {
    pub(super) fn new(
        map: &'r Map,
        context: &'r Context<'r>,
        kind: MessageType<'m>,
        scope: Scope<'m>,
        work: &'r Work,
    ) -> Self {
        let facility =
            event::facility(&scope).map_or(Cow::Borrowed(""), |authority| authority.name().to_owned().into());
        let questions = std::iter::once(&map.compiled.question).chain(map.dialect.questions());
        let answers = Answers::of(&scope, questions);
        Self {
            map,
            context,
            kind,
            scope,
            facility,
            answers,
            verb: Verb::Ignore,
            job: Uuid::nil(),
            is_known: false,
            present: Vec::new(),
            focus: None,
            unlisted: None,
            space: "",
            places: RefCell::default(),
            alike: HashMap::new(),
            heights: Vec::new(),
            refusal: Refusal::default(),
            work,
            trace: None,
        }
    }

    /// Translates the event into `bundle`. The job is given even where the event is refused.
    pub(super) fn apply(mut self, trigger: &Trigger, bundle: &mut Bundle) -> Result<Ran, Refusal> {
        self.go(trigger, bundle)
    }

    /// As [`Self::apply`]; what was noted on the way stays.
    pub(super) fn go(&mut self, trigger: &Trigger, bundle: &mut Bundle) -> Result<Ran, Refusal> {
        let decided = self.decide(trigger);
        if let Some(trace) = &mut self.trace {
            trace.decided();
        }
        match decided {
            Some(verb) => self.verb = verb,
            None => return Err(self.refused()),
        }
        // Without its jobs it says nothing.
        if self.verb == Verb::Ignore || self.verb.needs_a_job() {
            return Ok(Ran::NotApplicable);
        }
        let makes_job = trigger.by.makes_job();
        let job = if makes_job { self.job_id(trigger.by) } else { Some(self.record_id()) };
        let Some(job) = job else {
            return Err(self.refused());
        };
        self.job = job;
        self.write_bundle(bundle, makes_job)
    }

    /// Writes what is to be told of a job into `bundle`.
    pub(super) fn tell(mut self, told: &Told, bundle: &mut Bundle) -> Result<(Ran, Vec<Height>), Refusal> {
        self.verb = told.verb;
        self.job = told.job;
        self.is_known = told.is_known;
        let ran = self.write_bundle(bundle, true)?;
        Ok((ran, self.heights))
    }

    fn write_bundle(&mut self, bundle: &mut Bundle, makes_job: bool) -> Result<Ran, Refusal> {
        self.check_needs();
        self.check_times();
        let resources = &self.map.compiled.resources;
        for resource in resources {
            let found = self.find_all(resource);
            if let Some(trace) = &mut self.trace {
                let is_for = resource.create.has(self.verb) || resource.put.has(self.verb);
                let silent = if is_for { Silent::NoResource } else { Silent::OtherVerb };
                trace.resource(resource, found.is_empty().then_some(silent));
            }
            self.present.push(found);
        }
        let mut written = Vec::new();
        for (place, resource) in resources.iter().enumerate() {
            written.push((place, self.write_all(place, resource)));
        }
        if self.verb.stands_for() == Verb::Cancel {
            let found = std::mem::take(&mut self.refusal);
            self.refusal = Refusal { missing: found.missing, ..Refusal::default() };
        }
        self.refusal.excessive.extend(self.work.broken());
        if !self.refusal.is_empty() {
            return Err(self.refused());
        }
        let ran = if makes_job { Ran::Job(self.intent()) } else { Ran::Record(self.patient_key()) };
        for (place, objects) in written {
            let first = bundle.len();
            self.add_all(place, objects, bundle);
            if let Some(trace) = &mut self.trace {
                trace.added(place, first..bundle.len());
            }
        }
        Ok(ran)
    }

    /// What the event asks for; nothing where it is not for this map.
    pub(super) fn ask(mut self, trigger: &Trigger) -> Result<Option<JobAsk>, Refusal> {
        match self.decide(trigger) {
            Some(Verb::Ignore) => return Ok(None),
            Some(verb) => self.verb = verb,
            None => return Err(self.refused()),
        }
        let name = self.job_id(trigger.by);
        if name.is_none() && !self.verb.needs_a_job() {
            return Err(self.refused());
        }
        let visit = self
            .scope
            .segment("PV1")
            .and_then(|pv1| Identifier::read_cx(&pv1.field(19).repetition(1), self.scope.charset()));
        let former = self
            .scope
            .segment("MRG")
            .and_then(|mrg| Identifier::read_cx(&mrg.field(5).repetition(1), self.scope.charset()));
        let persons = self.persons("PID", 3);
        let retired = self.persons("MRG", 1);
        let wanted_until = self.map.dialect.wanted_until(&self.scope, self.context.zone);
        let ordered = match trigger.by {
            By::Order => event::order_time(&self.scope, self.context.zone),
            _ => None,
        };
        let occurred = ordered.or_else(|| event::time(&self.scope, self.context.zone));
        Ok(Some(JobAsk {
            verb: self.verb,
            event: String::from_utf8_lossy(self.kind.trigger).into_owned(),
            service: self.map.compiled.service.clone(),
            by_order: trigger.by == By::Order,
            name,
            visit_name: visit.as_ref().map(|number| self.visit_job(&number.value)),
            visit: visit.as_ref().map(|number| self.visit_key(&number.value)),
            former_visit: former.map(|number| self.visit_key(&number.value)),
            ordering_key: persons.first().copied().or(name).unwrap_or_default(),
            persons,
            retired,
            occurred_at: occurred.and_then(|when| when.instant()),
            wanted_until: wanted_until.and_then(|when| when.instant()),
            destination: self.destination_key(),
            statement: Statement::of(&self.scope).without_orders(),
        }))
    }

    /// Keys of everything that a person is known by, the preferred first.
    fn persons(&self, segment: &str, field: usize) -> Vec<Uuid> {
        let Some(segment) = self.scope.segment(segment) else { return Vec::new() };
        let patient = self.map.compiled.resources.iter().find(|resource| resource.key == Key::Patient);
        let prefer = patient.map(|resource| resource.prefer.as_slice()).unwrap_or_default();
        let read = |repetition| Identifier::read_cx(&repetition, self.scope.charset());
        let mut known: Vec<Identifier> = segment.field(field).repetitions().filter_map(read).collect();
        known.retain(|identifier| !self.is_withheld(identifier));
        known.sort_by_key(|identifier| prefer.iter().position(|kind| *kind == identifier.kind).unwrap_or(prefer.len()));
        let key = |identifier: &Identifier| {
            let identity = self.identity_of(identifier, subjects::patient_kind(identifier));
            ids::derive("order-key", &[identity.search("").as_bytes()])
        };
        known.iter().take(PERSON_KEYS_MAX).map(key).collect()
    }

    fn destination_key(&self) -> Option<Uuid> {
        let destination = self.map.dialect.destination(&self.scope);
        let place = destination.known()?.reveal();
        let words = if place.code.is_empty() { &place.text } else { &place.code };
        (!words.is_empty()).then(|| ids::derive("destination", &[words.to_lowercase().as_bytes()]))
    }

    fn visit_key(&self, number: &str) -> Uuid {
        ids::derive("visit", &[self.context.site, &self.facility, number].map(str::as_bytes))
    }

    fn visit_job(&self, number: &str) -> Uuid {
        let (site, service) = (self.context.site, self.map.compiled.service.as_str());
        JobParts { site, facility: &self.facility, by: "visit", authority: "", number, service }.id()
    }

    fn refused(&mut self) -> Refusal {
        let mut refusal = std::mem::take(&mut self.refusal);
        let broken = self.work.broken().into_iter().filter(|what| !refusal.excessive.contains(what));
        let broken: Vec<_> = broken.collect();
        refusal.excessive.extend(broken);
        refusal
    }

    /// What the event was found to do; nothing where that could not be told.
    pub(super) fn decided(&self) -> Option<Verb> {
        (self.verb != Verb::Ignore || self.refusal.is_empty()).then_some(self.verb)
    }

    // ------------------------------------------------------------ what the event does

    /// The verb of the event; nothing where it cannot be told.
    fn decide(&mut self, trigger: &Trigger) -> Option<Verb> {
        if let Some((from, is)) = &trigger.only {
            // The first source that decides is enough: an order code is unknown only if no other place knows it.
            let decided = self.first_meaning(from)?;
            if *decided != **is {
                return Some(Verb::Ignore);
            }
        }
        let spoken = trigger.verb_from.iter().find_map(|source| self.meaning_of(source));
        if !self.refusal.unmapped.is_empty() {
            return None;
        }
        let spoken = spoken.and_then(|meaning| Verb::named(&meaning)).or(trigger.verb_always);
        if spoken.is_none() {
            self.miss("verb", &trigger.verb_from);
        }
        spoken
    }

    /// The first meaning among `from`; where there is none, what is unmapped or missing is noted.
    fn first_meaning(&mut self, from: &[Source]) -> Option<Arc<str>> {
        for source in from {
            if let Some(meaning) = self.meaning_of(source) {
                self.refusal.unmapped.clear();
                return Some(meaning);
            }
        }
        if self.refusal.unmapped.is_empty() {
            self.miss("service", from);
        }
        None
    }

    fn meaning_of(&mut self, source: &Source) -> Option<Arc<str>> {
        let via = source.via.as_ref()?;
        for part in self.parts(source) {
            if let Some(Meaning::Is(meaning, _)) = self.look_up(source, via, &part) {
                return Some(meaning);
            }
        }
        None
    }

    fn job_id(&mut self, by: By) -> Option<Uuid> {
        let number = match by {
            By::Order => event::placer_order_number(&self.scope),
            _ => event::visit_number(&self.scope).map(|mut number| {
                // A visit number is the facility's own, with or without its authority.
                number.authority = event::Authority::default();
                number
            }),
        };
        let Some(number) = number else {
            let (what, from): (_, &[&str]) = match by {
                By::Order => ("placer-order-number", &["ORC-2", "OBR-2"]),
                _ => ("visit-number", &["PV1-19"]),
            };
            let from = from.iter().map(|path| Arc::from(*path)).collect();
            self.refusal.missing.push(Missing { what: what.into(), from });
            return None;
        };
        let parts = JobParts {
            site: self.context.site,
            facility: &self.facility,
            by: match by {
                By::Order => "order",
                _ => "visit",
            },
            authority: number.authority.name(),
            number: &number.value,
            service: &self.map.compiled.service,
        };
        Some(parts.id())
    }

    /// What tells the events of one message apart, in the same way every time.
    fn record_id(&self) -> Uuid {
        let place = self.scope.first_place().to_string();
        ids::derive("record", &[place.as_bytes()])
    }

    fn intent(&self) -> JobIntent {
        // Deliveries about one patient keep their order; a message without patient is about its job alone.
        JobIntent {
            job: self.job,
            ordering_key: self.patient_key().unwrap_or(self.job),
            service: self.map.compiled.service.clone(),
            verb: self.verb,
        }
    }

    fn patient_key(&self) -> Option<Uuid> {
        let resources = self.map.compiled.resources.iter().zip(&self.present);
        let mut patients = resources.filter(|(resource, _)| resource.key == Key::Patient);
        patients.find_map(|(_, present)| match &present.first()?.found {
            Found::Identity(identity) => Some(ids::derive("order-key", &[identity.search("").as_bytes()])),
            Found::Locations(_) => None,
        })
    }

    /// Nobody is born after what the message tells, a day for zones and slow clerks apart, and nobody leaves before coming. By
    /// the message's own times: a box whose clock is wrong must not hold everything.
    fn check_times(&mut self) {
        let born = self.time_at("PID", 7);
        let told = event::time(&self.scope, self.context.zone).and_then(|when| when.date().parse().ok());
        if let (Some(born), Some(told)) = (born, told) {
            let told: jiff::civil::Date = told;
            let latest = told.tomorrow().unwrap_or(told).to_string();
            if is_later(born.date(), &latest) {
                self.refusal.contradictory.push(("PID-7".into(), "the time of the event".into()));
            }
        }
        if let (Some(came), Some(left)) = (self.time_at("PV1", 44), self.time_at("PV1", 45))
            && is_before(&left, &came)
        {
            self.refusal.contradictory.push(("PV1-44".into(), "PV1-45".into()));
        }
    }

    fn time_at(&self, segment: &str, field: usize) -> Option<event::When> {
        let repetition = self.scope.segment(segment)?.field(field).repetition(1);
        event::When::read_to(&event::part(&repetition, 1, self.scope.charset())?, "", self.context.zone)
    }

    // ------------------------------------------------------------ places in the message

    /// All values at a source.
    fn parts(&self, source: &Source) -> Vec<Part<'m>> {
        if self.work.is_over() {
            return Vec::new();
        }
        let most = if self.map.makes_jobs() { limits::MAP_REPETITIONS_MAX } else { limits::MAP_LINES_MAX };
        let questions = Some(&self.map.compiled.question);
        let at = |path: &Path| self.parts_at(path, most + 1);
        let mut parts = source.parts(&at, self.scope.charset(), &self.answers, questions);
        if parts.len() > most {
            self.work.exceed(format!("values at {} (at most {most})", source.shown));
            parts.truncate(most);
        }
        self.work.spend(1 + parts.len());
        if let Some(trace) = &self.trace {
            trace.look(source, parts.len());
        }
        parts
    }

    // ------------------------------------------------------------ faults

    fn miss(&mut self, what: &str, from: &[Source]) {
        let from = from.iter().map(|source| Arc::clone(&source.shown)).collect();
        let missing = Missing { what: what.into(), from };
        if !self.refusal.missing.contains(&missing) {
            self.refusal.missing.push(missing);
        }
    }

    fn miss_row(&mut self, row: &Row) {
        let referred = row.refer.iter().filter_map(|place| self.map.compiled.resources.get(*place));
        let referred = referred.filter(|resource| resource.create.has(self.verb) || resource.put.has(self.verb));
        let sources = referred.flat_map(|resource| &resource.from).chain(&row.from).chain(&row.otherwise);
        let sources: Vec<Source> = sources.cloned().collect();
        self.miss(&row.what, &sources);
    }

    fn contradict(&mut self, one: &Source, other: &Source) {
        let pair = (Arc::clone(&one.shown), Arc::clone(&other.shown));
        if !self.refusal.contradictory.contains(&pair) {
            self.refusal.contradictory.push(pair);
        }
    }

    fn cannot_read(&mut self, source: &Source) {
        if !self.refusal.unreadable.contains(&source.shown) {
            self.refusal.unreadable.push(Arc::clone(&source.shown));
        }
    }
}

/// Identifiers of one person that jobs are found by.
const PERSON_KEYS_MAX: usize = 16;

/// The tag that names the map in every resource it writes.
pub(super) fn map_tag(map: &str) -> Object {
    // Shared, not owned: the name of a map says nothing about a patient.
    let shared = |text: &str| Text::from(&Arc::<str>::from(text));
    let mut meta = Object::new();
    meta.push("tag", coding(Some(shared(&format!("{BASE}/CodeSystem/map"))), Some(shared(map)), None));
    meta
}
