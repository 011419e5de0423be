//! Applies a map to one event: finds out what the event does, then evaluates the rows of each resource.
//!
//! Every fault is noted and evaluation goes on, so that a person sees all of them at once. A cancel keeps only the
//! faults that leave it without an identity: what cannot be read is left out, because a cancel must get through.

use std::{borrow::Cow, sync::Arc};

use uuid::Uuid;

use super::{
    Context, JobAsk, JobIntent, Map, Told,
    compile::{Row, Trigger},
    identity::{BASE, Identity, JobParts},
    place,
    refusal::{Missing, Refusal},
    source::{Answers, Source},
    text::{By, Key},
    verb::Verb,
};
use crate::{
    event::{self, Identifier, Part, Scope, Statement},
    fhir::{Bundle, Object, Text, coding},
    hl7::{MessageType, Path},
    ids,
};

mod codes;
mod rows;
mod subjects;
mod values;

use codes::Meaning;

/// What came of one event.
pub(super) enum Ran {
    /// It is not for this map.
    NotApplicable,
    /// A job, whose resources are in the Bundle.
    Job(JobIntent),
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
    present: Vec<Option<Present>>,
    refusal: Refusal,
}

/// A resource that will be in the Bundle.
struct Present {
    full_url: String,
    found: Found,
}

/// What a resource is known by.
enum Found {
    Identity(Identity),
    Locations(Vec<place::Location>),
}

impl<'r, 'm> Run<'r, 'm> {
    pub(super) fn new(map: &'r Map, context: &'r Context<'r>, kind: MessageType<'m>, scope: Scope<'m>) -> Self {
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
            refusal: Refusal::default(),
        }
    }

    /// Translates the event into `bundle`. The job is given even where the event is refused.
    pub(super) fn apply(mut self, trigger: &Trigger, bundle: &mut Bundle) -> Result<Ran, Refusal> {
        match self.decide(trigger) {
            // Without its jobs it says nothing.
            Some(verb) if verb == Verb::Ignore || verb.needs_a_job() => return Ok(Ran::NotApplicable),
            Some(verb) => self.verb = verb,
            None => return Err(self.refusal),
        }
        let Some(job) = self.job_id(trigger.by) else {
            return Err(self.refusal);
        };
        self.job = job;
        self.write_all(bundle).map(Ran::Job)
    }

    /// Writes what is to be told of a job into `bundle`.
    pub(super) fn tell(mut self, told: &Told, bundle: &mut Bundle) -> Result<JobIntent, Refusal> {
        self.verb = told.verb;
        self.job = told.job;
        self.is_known = told.is_known;
        self.write_all(bundle)
    }

    fn write_all(mut self, bundle: &mut Bundle) -> Result<JobIntent, Refusal> {
        self.check_needs();
        let resources = &self.map.compiled.resources;
        self.present = resources.iter().map(|resource| self.find(resource)).collect();
        let mut written = Vec::new();
        for (place, resource) in resources.iter().enumerate() {
            written.extend(self.write(place, resource).map(|object| (place, object)));
        }
        if self.verb.stands_for() == Verb::Cancel {
            self.refusal = Refusal { missing: self.refusal.missing, ..Refusal::default() };
        }
        if !self.refusal.is_empty() {
            return Err(self.refusal);
        }
        let intent = self.intent();
        for (place, object) in written {
            self.add(place, object, bundle);
        }
        Ok(intent)
    }

    /// What the event asks for; nothing where it is not for this map.
    pub(super) fn ask(mut self, trigger: &Trigger) -> Result<Option<JobAsk>, Refusal> {
        match self.decide(trigger) {
            Some(Verb::Ignore) => return Ok(None),
            Some(verb) => self.verb = verb,
            None => return Err(self.refusal),
        }
        let name = self.job_id(trigger.by);
        if name.is_none() && !self.verb.needs_a_job() {
            return Err(self.refusal);
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
            By::Visit => None,
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
            statement: Statement::of(&self.scope),
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

    fn visit_key(&self, number: &str) -> Uuid {
        ids::derive("visit", &[self.context.site, &self.facility, number].map(str::as_bytes))
    }

    fn visit_job(&self, number: &str) -> Uuid {
        let (site, service) = (self.context.site, self.map.compiled.service.as_str());
        JobParts { site, facility: &self.facility, by: "visit", authority: "", number, service }.id()
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
            By::Visit => event::visit_number(&self.scope).map(|mut number| {
                // A visit number is the facility's own, with or without its authority.
                number.authority = event::Authority::default();
                number
            }),
        };
        let Some(number) = number else {
            let (what, from): (_, &[&str]) = match by {
                By::Order => ("placer-order-number", &["ORC-2", "OBR-2"]),
                By::Visit => ("visit-number", &["PV1-19"]),
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
                By::Visit => "visit",
            },
            authority: number.authority.name(),
            number: &number.value,
            service: &self.map.compiled.service,
        };
        Some(parts.id())
    }

    fn intent(&self) -> JobIntent {
        // Deliveries about one patient keep their order; a message without patient is about its job alone.
        let resources = self.map.compiled.resources.iter().zip(&self.present);
        let patient = resources.filter(|(resource, _)| resource.key == Key::Patient).find_map(|(_, present)| {
            match &present.as_ref()?.found {
                Found::Identity(identity) => Some(ids::derive("order-key", &[identity.search("").as_bytes()])),
                Found::Locations(_) => None,
            }
        });
        JobIntent {
            job: self.job,
            ordering_key: patient.unwrap_or(self.job),
            service: self.map.compiled.service.clone(),
            verb: self.verb,
        }
    }

    fn check_needs(&mut self) {
        for need in self.map.compiled.needs.iter().filter(|need| need.verbs.has(self.verb)) {
            let absent = |path: &Path| !self.scope.value(path).is_present();
            let lacking = need.any_of.iter().map(|group| {
                group.iter().filter(|(path, _)| absent(path)).map(|(_, shown)| Arc::clone(shown)).collect::<Vec<_>>()
            });
            let lacking: Vec<_> = lacking.collect();
            if lacking.iter().any(Vec::is_empty) {
                continue;
            }
            let mut from = lacking.concat();
            from.sort_unstable();
            from.dedup();
            self.refusal.missing.push(Missing { what: "patient-identity".into(), from });
        }
    }

    // ------------------------------------------------------------ places in the message

    /// All values at a source.
    fn parts(&self, source: &Source) -> Vec<Part<'m>> {
        source.parts(&self.scope, &self.answers, Some(&self.map.compiled.question))
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
    let system = Text::from(format!("{BASE}/CodeSystem/map"));
    let mut meta = Object::new();
    meta.push("tag", coding(Some(system), Some(map.to_owned().into()), None));
    meta
}
