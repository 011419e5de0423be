//! Applies a map to one event: finds out what the event does, then evaluates the rows of each resource.
//!
//! Every fault is noted and evaluation goes on, so that a person sees all of them at once. A cancel keeps only the
//! faults that leave it without an identity: what cannot be read is left out, because a cancel must get through.

use std::{borrow::Cow, cell::RefCell, collections::HashMap, sync::Arc};

use uuid::Uuid;

use super::{
    Context, JobIntent, Map,
    compile::{Row, Trigger},
    identity::{BASE, Identity, JobParts},
    place,
    refusal::{Missing, Refusal},
    source::{Source, SourcePlace},
    table::Unlisted,
    text::{By, Key},
    verb::Verb,
};
use crate::{
    event::{self, Coded, Part, Scope},
    fhir::{Bundle, Object, Text, coding},
    hl7::{MessageType, Path, Segment},
    ids,
};

mod attachments;
mod codes;
mod focus;
mod observations;
mod rows;
mod subjects;
mod values;

use codes::Meaning;
use focus::Focus;

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
    answers: Vec<(&'r Arc<str>, Segment<'m>)>,
    verb: Verb,
    job: Uuid,
    present: Vec<Vec<Present>>,
    focus: Option<Focus<'r>>,
    unlisted: Option<Unlisted>,
    space: &'r str,
    /// Where the segments of each name stand, once they were asked for.
    places: RefCell<Vec<(String, Vec<usize>)>>,
    /// How many lines alike there are so far.
    alike: HashMap<Uuid, u32>,
    refusal: Refusal,
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
    pub(super) fn new(map: &'r Map, context: &'r Context<'r>, kind: MessageType<'m>, scope: Scope<'m>) -> Self {
        let facility =
            event::facility(&scope).map_or(Cow::Borrowed(""), |authority| authority.name().to_owned().into());
        let mut run = Self {
            map,
            context,
            kind,
            scope,
            facility,
            answers: Vec::new(),
            verb: Verb::Ignore,
            job: Uuid::nil(),
            present: Vec::new(),
            focus: None,
            unlisted: None,
            space: "",
            places: RefCell::default(),
            alike: HashMap::new(),
            refusal: Refusal::default(),
        };
        run.answers = run.read_answers();
        run
    }

    /// Translates the event into `bundle`. The job is given even where the event is refused.
    pub(super) fn apply(mut self, trigger: &Trigger, bundle: &mut Bundle) -> Result<Ran, Refusal> {
        match self.decide(trigger) {
            Some(Verb::Ignore) => return Ok(Ran::NotApplicable),
            Some(verb) => self.verb = verb,
            None => return Err(self.refusal),
        }
        let job = match trigger.by {
            By::Order | By::Visit => self.job_id(trigger.by),
            By::Message | By::EachPatient | By::EachOrder => Some(self.record_id()),
        };
        let Some(job) = job else {
            return Err(self.refusal);
        };
        self.job = job;
        self.check_needs();
        let resources = &self.map.compiled.resources;
        for resource in resources {
            let found = self.find_all(resource);
            self.present.push(found);
        }
        let mut written = Vec::new();
        for (place, resource) in resources.iter().enumerate() {
            written.push((place, self.write_all(place, resource)));
        }
        if self.verb == Verb::Cancel {
            self.refusal = Refusal { missing: self.refusal.missing, ..Refusal::default() };
        }
        if !self.refusal.is_empty() {
            return Err(self.refusal);
        }
        let ran = match trigger.by {
            By::Order | By::Visit => Ran::Job(self.intent()),
            By::Message | By::EachPatient | By::EachOrder => Ran::Record(self.patient_key()),
        };
        for (place, objects) in written {
            self.add_all(place, objects, bundle);
        }
        Ok(ran)
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
            self.refusal.missing.push(Missing { what: Arc::clone(&need.what), from });
        }
    }

    // ------------------------------------------------------------ places in the message

    fn read_answers(&self) -> Vec<(&'r Arc<str>, Segment<'m>)> {
        let via = &self.map.compiled.question;
        let charset = self.scope.charset();
        let mut answers = Vec::new();
        for segment in self.scope.segments("OBX") {
            let asked = Coded::read(&segment.field(3).repetition(1), charset);
            let listed = asked.and_then(|asked| via.table.find(asked.codings()));
            answers.extend(listed.and_then(|code| code.meaning(via.column)).map(|name| (name, segment)));
        }
        answers
    }

    /// All values at a source.
    fn parts(&self, source: &Source) -> Vec<Part<'m>> {
        match &source.place {
            SourcePlace::Path(path) => self.parts_at(path),
            SourcePlace::Answer(name) => {
                let answers = self.answers.iter().filter(|(asked, _)| *asked == name);
                let parts = answers.flat_map(|(_, segment)| {
                    segment.field(5).repetitions().map(|repetition| Part { segment: *segment, repetition })
                });
                parts.filter(|part| part.repetition.value().is_present()).collect()
            }
        }
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

/// The tag that names the map in every resource it writes.
pub(super) fn map_tag(map: &str) -> Object {
    let system = Text::from(format!("{BASE}/CodeSystem/map"));
    let mut meta = Object::new();
    meta.push("tag", coding(Some(system), Some(map.to_owned().into()), None));
    meta
}
