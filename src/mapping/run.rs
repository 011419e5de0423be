//! Applies a map to one event: finds out what the event does, then evaluates the rows of each resource.
//!
//! Every fault is noted and evaluation goes on, so that a person sees all of them at once. A cancel keeps only the
//! faults that leave it without an identity: what cannot be read is left out, because a cancel must get through.

use std::{borrow::Cow, sync::Arc};

use uuid::Uuid;

use super::{
    Context, JobIntent, Map,
    compile::{Resource, Row, Trigger, code_of},
    identity::{BASE, Identity, JobParts, authority_system, local_system},
    place::{self, Spot},
    refusal::{Missing, Refusal, Unmapped},
    shape::{self, Shape},
    source::{Source, SourcePlace, Via},
    table::{Table, Unlisted},
    text::{By, Key},
    verb::Verb,
};
use crate::{
    event::{self, Address, Coded, Coding, Part, PersonName, Phone, Place, Scope, When},
    fhir::{self, Bundle, Node, Object, Request, Text, clean, coding, concept},
    hl7::{MessageType, Path, Segment},
    ids,
    phi::Phi,
};

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
    answers: Vec<(&'r Arc<str>, Segment<'m>)>,
    verb: Verb,
    job: Uuid,
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

/// What a coded value means.
enum Meaning {
    /// This.
    Is(Arc<str>, Coded),
    /// Nothing in this column, though the code is listed.
    Silent(Coded),
    /// It is passed on as it came.
    Kept(Coded),
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
        let Some(job) = self.job_id(trigger.by) else {
            return Err(self.refusal);
        };
        self.job = job;
        self.check_needs();
        let resources = &self.map.compiled.resources;
        self.present = resources.iter().map(|resource| self.find(resource)).collect();
        let mut written = Vec::new();
        for (place, resource) in resources.iter().enumerate() {
            written.extend(self.write(place, resource).map(|object| (place, object)));
        }
        if self.verb == Verb::Cancel {
            self.refusal = Refusal { missing: self.refusal.missing, ..Refusal::default() };
        }
        if !self.refusal.is_empty() {
            return Err(self.refusal);
        }
        let intent = self.intent();
        for (place, object) in written {
            self.add(place, object, bundle);
        }
        Ok(Ran::Job(intent))
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

    // ------------------------------------------------------------ who and what there is

    fn find(&mut self, resource: &Resource) -> Option<Present> {
        let verb = self.verb;
        if !resource.create.has(verb) && !resource.put.has(verb) {
            return None;
        }
        if let Some((source, is)) = &resource.when {
            if self.meaning_of(source).as_deref() != Some(&**is) {
                return None;
            }
        }
        let found = self.known_by(resource);
        if found.is_none() && resource.need.has(verb) {
            self.miss(&resource.name, &resource.from);
        }
        let found = found?;
        let full_url = match &found {
            Found::Identity(identity) => identity.full_url(&resource.kind),
            Found::Locations(locations) => locations.last()?.full_url.clone(),
        };
        Some(Present { full_url, found })
    }

    fn known_by(&mut self, resource: &Resource) -> Option<Found> {
        let site = self.context.site;
        let identity = match resource.key {
            Key::Facility => {
                let name = if self.facility.is_empty() { site } else { &self.facility };
                Identity::own("facility", format!("{site}/{name}"))
            }
            Key::Job => Identity::own("job", self.job.hyphenated().to_string()),
            Key::Message => Identity::own("message-sha256", hex(&self.context.source_hash)),
            Key::Patient => self.patient(resource)?,
            Key::Visit => self.first(&resource.from, |run, part| {
                let number = event::Identifier::read_cx(&part.repetition, run.scope.charset())?;
                Some(run.identity_of(&number, VISIT))
            })?,
            Key::Person => self.first(&resource.from, |run, part| {
                let number = event::Identifier::read_xcn(&part.repetition, run.scope.charset())?;
                Some(run.identity_of(&number, PROVIDER))
            })?,
            Key::Place | Key::Address => return self.places(resource).map(Found::Locations),
        };
        Some(Found::Identity(identity))
    }

    fn first<T>(&self, from: &[Source], read: impl Fn(&Self, &Part<'m>) -> Option<T>) -> Option<T> {
        from.iter().find_map(|source| self.parts(source).iter().find_map(|part| read(self, part)))
    }

    /// The identifier whose type stands first in `prefer`, else the first that is not withheld.
    fn patient(&self, resource: &Resource) -> Option<Identity> {
        let mut best: Option<(usize, event::Identifier)> = None;
        for source in &resource.from {
            for part in self.parts(source) {
                let Some(identifier) = event::Identifier::read_cx(&part.repetition, self.scope.charset()) else {
                    continue;
                };
                let rank = resource.prefer.iter().position(|kind| *kind == identifier.kind);
                let rank = rank.unwrap_or(resource.prefer.len());
                if !self.is_withheld(&identifier) && best.as_ref().is_none_or(|(known, _)| rank < *known) {
                    best = Some((rank, identifier));
                }
            }
        }
        best.map(|(_, identifier)| self.identity_of(&identifier, patient_kind(&identifier)))
    }

    fn places(&self, resource: &Resource) -> Option<Vec<place::Location>> {
        let spot = resource
            .from
            .iter()
            .find_map(|source| self.parts(source).iter().find_map(|part| self.spot(resource.key, source, part)))?;
        let locations = place::locations(&spot, self.context.site, &self.facility, &self.map.meta);
        (!locations.is_empty()).then_some(locations)
    }

    fn spot(&self, key: Key, source: &Source, part: &Part<'m>) -> Option<Spot> {
        let charset = self.scope.charset();
        let from = &part.repetition;
        if key == Key::Address {
            return Address::read(from, charset).map(Spot::At);
        }
        let SourcePlace::Path(path) = &source.place else {
            return self.answered_spot(part);
        };
        if path.component().is_none() {
            return Place::read(from, charset).map(Spot::Inside);
        }
        event::plain(part.value(path), charset).and_then(|words| clean(&words)).map(Spot::Words)
    }

    /// A place in OBX-5, by the type in OBX-2.
    fn answered_spot(&self, part: &Part<'m>) -> Option<Spot> {
        let charset = self.scope.charset();
        let from = &part.repetition;
        match part.segment.field(2).bytes() {
            b"XAD" | b"AD" => Address::read(from, charset).map(Spot::At),
            b"PL" => Place::read(from, charset).map(Spot::Inside),
            b"CE" | b"CWE" | b"CNE" | b"CF" => {
                let coded = Coded::read(from, charset)?;
                let Some(code) = shape::code_text(&coded.first.code) else {
                    return clean(coded.words()).map(Spot::Words);
                };
                let system = self.coding_system(&coded.first, None);
                let first = Coding { code, ..coded.first };
                Some(Spot::Coded(Coded { first, ..coded }, system))
            }
            _ => event::plain(from.value(), charset).and_then(|words| clean(&words)).map(Spot::Words),
        }
    }

    fn is_withheld(&self, identifier: &event::Identifier) -> bool {
        let kind = Coding { code: identifier.kind.clone(), text: String::new(), system: String::new() };
        let via = &self.map.compiled.identifier_type;
        let listed = via.table.find(std::iter::once(&kind));
        listed.and_then(|code| code.meaning(via.column)).is_some_and(|send| &**send == "withhold")
    }

    fn identity_of(&self, identifier: &event::Identifier, kind: &str) -> Identity {
        let known = &self.map.compiled.authority;
        let system = authority_system(&identifier.authority, kind, known, self.context.site);
        Identity { system, value: clean(&identifier.value).unwrap_or_default() }
    }

    // ------------------------------------------------------------ writing

    fn write(&mut self, place: usize, resource: &'r Resource) -> Option<Object> {
        self.present.get(place)?.as_ref()?;
        let mut object = Object::resource(&resource.kind);
        object.set("meta", self.map.meta.clone());
        if resource.key == Key::Message {
            let identity = Identity::own("message-sha256", hex(&self.context.source_hash));
            let tag = coding(Some(identity.system.into()), Some(identity.value.into()), None);
            if let Some(meta) = object.child("meta") {
                meta.push("tag", tag);
            }
        }
        if matches!(resource.key, Key::Facility | Key::Person) {
            self.write_own_identifier(place, &mut object);
        }
        for row in &resource.rows {
            for node in self.evaluate(row) {
                row.to.write(&mut object, node);
            }
        }
        Some(object)
    }

    fn write_own_identifier(&self, place: usize, object: &mut Object) {
        if let Some(Some(Present { found: Found::Identity(identity), .. })) = self.present.get(place) {
            let system = Some(identity.system.clone().into());
            object.push("identifier", fhir::identifier(system, identity.value.clone().into(), None));
        }
    }

    fn add(&mut self, place: usize, object: Object, bundle: &mut Bundle) {
        let Some(resource) = self.map.compiled.resources.get(place) else {
            return;
        };
        let Some(present) = self.present.get_mut(place).and_then(Option::take) else {
            return;
        };
        let kind = Text::from(&resource.kind);
        match present.found {
            Found::Identity(identity) => {
                let parameter = if resource.key == Key::Message { "_tag" } else { "identifier" };
                let search = identity.search(parameter).into();
                let request = if resource.put.has(self.verb) {
                    Request::Put { over: search }
                } else {
                    Request::Create { unless: search }
                };
                bundle.add(&kind, present.full_url, object, request);
            }
            Found::Locations(locations) => {
                for location in locations {
                    let request = Request::Create { unless: location.identity.search("identifier").into() };
                    bundle.add(&kind, location.full_url, location.resource, request);
                }
            }
        }
    }

    /// What a row writes: at most one node unless it appends.
    fn evaluate(&mut self, row: &Row) -> Vec<Node> {
        if !row.verbs.has(self.verb) || !(row.on.is_empty() || row.on.iter().any(|kind| kind.fits(&self.kind))) {
            return Vec::new();
        }
        let nodes = self.nodes(row);
        if nodes.is_empty() && row.need.has(self.verb) {
            self.miss_row(row);
        }
        match (&row.label, row.with.choice()) {
            (Some(label), Some(choice)) => {
                nodes.into_iter().map(|node| input(label.coding.clone(), choice, node)).collect()
            }
            _ => nodes,
        }
    }

    fn nodes(&mut self, row: &Row) -> Vec<Node> {
        if let Some(node) = row.constants.of(self.verb) {
            return vec![node.clone()];
        }
        let single = match row.with {
            Shape::Reference => self.refer(row),
            Shape::EventTime => event::time(&self.scope, self.context.zone).map(|when| text(when.date_time())),
            Shape::Received => event::instant_text(self.context.received_at).map(Node::from),
            Shape::MessageHash => {
                let identity = Identity::own("message-sha256", hex(&self.context.source_hash));
                Some(logical(identity, None))
            }
            Shape::Gateway => Some(logical(Identity::own("gateway", self.context.site), Some("Gurney".into()))),
            Shape::Job => {
                let identity = Identity::own("job", self.job.hyphenated().to_string());
                Some(fhir::identifier(Some(identity.system.into()), identity.value.into(), None).into())
            }
            Shape::FacilityName => {
                clean(if self.facility.is_empty() { self.context.site } else { &self.facility }).map(Node::from)
            }
            Shape::Period => self.period(row),
            _ if row.rising => self.highest(row),
            _ => return self.from_sources(row),
        };
        single.into_iter().collect()
    }

    fn refer(&self, row: &Row) -> Option<Node> {
        let present = row.refer.iter().find_map(|place| self.present.get(*place)?.as_ref())?;
        Some(fhir::reference(present.full_url.clone().into()).into())
    }

    fn from_sources(&mut self, row: &Row) -> Vec<Node> {
        let mut nodes = Vec::new();
        for source in row.from.iter().chain(&row.otherwise) {
            for part in self.parts(source) {
                nodes.extend(self.shape(row, source, &part));
                if !nodes.is_empty() && !row.to.appends {
                    return nodes;
                }
            }
            if !nodes.is_empty() && !row.all {
                return nodes;
            }
        }
        nodes
    }

    fn shape(&mut self, row: &Row, source: &Source, part: &Part<'m>) -> Option<Node> {
        if let Some(via) = &source.via {
            let meaning = self.look_up(source, via, part)?;
            return self.coded_shape(row, via, meaning);
        }
        let charset = self.scope.charset();
        let from = &part.repetition;
        match row.with {
            Shape::Date | Shape::Time => {
                let when = self.when(source, part)?;
                Some(text(if row.with == Shape::Date { when.date() } else { when.date_time() }))
            }
            Shape::Name => {
                PersonName::read_xpn(from, charset).map(|name| shape::human_name(&name, self.name_use(&name)))
            }
            Shape::ProviderName => PersonName::read_xcn(from, charset).map(|name| shape::human_name(&name, None)),
            Shape::Phone => Phone::read(from, charset).as_ref().and_then(shape::contact_point),
            Shape::Identifier => {
                let identifier = event::Identifier::read_cx(from, charset)?;
                (!self.is_withheld(&identifier)).then(|| self.identifier(&identifier, patient_kind(&identifier), None))
            }
            Shape::VisitNumber => {
                event::Identifier::read_cx(from, charset).map(|number| self.identifier(&number, VISIT, None))
            }
            Shape::OrderNumber => {
                let label = row.label.as_ref()?;
                let kind = Some(concept(vec![label.coding.clone()], None));
                event::Identifier::read_ei(from, charset).map(|number| self.identifier(&number, &label.name, kind))
            }
            Shape::Quantity => self.quantity(source, part),
            Shape::Detail => self.detail(row, part),
            Shape::PlaceText => place::line(&Place::read(from, charset)?).map(Node::from),
            Shape::Note => note(&event::plain(from.value(), charset)?),
            Shape::CodedNote => note(&self.words(part)?),
            Shape::Concept | Shape::ConceptKept => {
                let coded = Coded::read(from, charset)?;
                Some(self.original(&coded, None).into())
            }
            _ => None,
        }
    }

    // ------------------------------------------------------------ codes

    fn coded_shape(&self, row: &Row, via: &Via, meaning: Meaning) -> Option<Node> {
        let (meaning, coded) = match meaning {
            Meaning::Is(meaning, coded) => (Some(meaning), coded),
            Meaning::Kept(coded) => (None, coded),
            Meaning::Silent(coded) if row.with == Shape::ConceptKept => (None, coded),
            Meaning::Silent(_) => return None,
        };
        let written = match (&row.table, &meaning) {
            (Some(table), Some(meaning)) => code_of(table, meaning),
            _ => None,
        };
        match row.with {
            Shape::Code => meaning.as_ref().map(Node::from),
            Shape::Coding => {
                written.or_else(|| self.codings(&coded, Some(&via.table)).into_iter().next()).map(Node::from)
            }
            Shape::Concept | Shape::ConceptKept => {
                let mut codings: Vec<Object> = written.into_iter().collect();
                codings.extend(self.codings(&coded, Some(&via.table)));
                Some(concept(codings, clean(coded.words()).map(Text::from)).into())
            }
            Shape::IfYes => {
                let label = row.label.as_ref()?;
                match meaning.as_deref() {
                    Some("yes") => Some(concept(vec![label.coding.clone()], Some(Text::from(&label.display))).into()),
                    Some(_) => None,
                    None => worded(row, coded.words()),
                }
            }
            _ => None,
        }
    }

    /// What the first of `from` says, none of which may ask for more; then what the others would say.
    fn highest(&mut self, row: &Row) -> Option<Node> {
        let mut said: Vec<(usize, &Source, Node)> = Vec::new();
        for source in &row.from {
            said.extend(self.ranked(row, source).into_iter().map(|(rank, node)| (rank, source, node)));
        }
        if said.is_empty() {
            for source in &row.otherwise {
                said.extend(self.ranked(row, source).into_iter().map(|(rank, node)| (rank, source, node)));
            }
        }
        let mut said = said.into_iter();
        let (rank, first, node) = said.next()?;
        for (_, other, _) in said.filter(|(higher, _, _)| *higher > rank) {
            self.contradict(first, other);
        }
        if let Some(limit) = row.at_most.as_ref() {
            let most = self.meaning_of(limit).and_then(|meaning| Some(row.table.as_ref()?.named(&meaning)?.0));
            if most.is_some_and(|most| rank > most) {
                self.contradict(first, limit);
            }
        }
        Some(node)
    }

    /// All statements of one source with their ranks in the row's table.
    fn ranked(&mut self, row: &Row, source: &Source) -> Vec<(usize, Node)> {
        let (Some(via), Some(table)) = (&source.via, &row.table) else {
            return Vec::new();
        };
        let mut ranked = Vec::new();
        for part in self.parts(source) {
            let Some(Meaning::Is(meaning, coded)) = self.look_up(source, via, &part) else {
                continue;
            };
            let Some((rank, _)) = table.named(&meaning) else {
                continue;
            };
            ranked.extend(self.coded_shape(row, via, Meaning::Is(meaning, coded)).map(|node| (rank, node)));
        }
        ranked
    }

    /// What a coded value means; a code that must be listed and is not is noted.
    fn look_up(&mut self, source: &Source, via: &Via, part: &Part<'m>) -> Option<Meaning> {
        let coded = self.coded(source, part)?;
        if let Some(code) = via.table.find(coded.codings()) {
            return Some(match code.meaning(via.column) {
                Some(meaning) => Meaning::Is(Arc::clone(meaning), coded),
                None => Meaning::Silent(coded),
            });
        }
        match via.table.unlisted {
            Unlisted::Keep => Some(Meaning::Kept(coded)),
            Unlisted::Ignore => None,
            Unlisted::Refuse => {
                let (table, path) = (Arc::clone(&via.table.name), Arc::clone(&source.shown));
                let unmapped = Unmapped { table, path, code: Phi::new(coded.first.code) };
                if !self.refusal.unmapped.contains(&unmapped) {
                    self.refusal.unmapped.push(unmapped);
                }
                None
            }
        }
    }

    fn coded(&self, source: &Source, part: &Part<'m>) -> Option<Coded> {
        let charset = self.scope.charset();
        match &source.place {
            SourcePlace::Path(path) if path.component().is_some() => {
                let code = event::plain(part.value(path), charset)?;
                let first = Coding { code, text: String::new(), system: String::new() };
                Some(Coded { first, alternative: None, original_text: String::new() })
            }
            _ => Coded::read(&part.repetition, charset),
        }
    }

    fn original(&self, coded: &Coded, table: Option<&Table>) -> Object {
        concept(self.codings(coded, table), clean(coded.words()).map(Text::from))
    }

    /// The codings as they came, each under the URI of its system.
    fn codings(&self, coded: &Coded, table: Option<&Table>) -> Vec<Object> {
        let mut codings = Vec::new();
        for one in coded.codings() {
            let Some(code) = shape::code_text(&one.code) else {
                continue;
            };
            let listed =
                table.and_then(|table| table.find(std::iter::once(one))).and_then(|code| code.display.as_ref());
            let display = clean(&one.text).map(Text::from).or_else(|| listed.map(Text::from));
            codings.push(coding(Some(self.coding_system(one, table).into()), Some(code.into()), display));
        }
        codings
    }

    fn coding_system(&self, coding: &Coding, table: Option<&Table>) -> String {
        let known = &self.map.compiled.coding_system;
        let name = Coding { code: coding.system.clone(), text: String::new(), system: String::new() };
        let listed = known.table.find(std::iter::once(&name)).and_then(|code| code.meaning(known.column));
        if let Some(uri) = listed {
            return uri.to_string();
        }
        let is_table = coding.system.is_empty() || coding.system.starts_with("HL7");
        match table.and_then(|table| table.system.as_ref()).filter(|_| is_table) {
            Some(uri) => uri.to_string(),
            None => local_system(self.context.site, "coding", &coding.system),
        }
    }

    // ------------------------------------------------------------ other data types

    fn identifier(&self, identifier: &event::Identifier, kind: &str, label: Option<Object>) -> Node {
        let identity = self.identity_of(identifier, kind);
        let label = label.or_else(|| {
            let code = shape::code_text(&identifier.kind)?;
            let table = &self.map.compiled.identifier_type.table;
            let display = table.named(&code).and_then(|(_, code)| code.display.as_ref()).map(Text::from);
            Some(concept(vec![coding(table.system.as_ref().map(Text::from), Some(code.into()), display)], None))
        });
        fhir::identifier(Some(identity.system.into()), identity.value.into(), label).into()
    }

    fn name_use(&self, name: &PersonName) -> Option<Text> {
        let via = &self.map.compiled.name_use;
        let kind = Coding { code: name.kind.clone(), text: String::new(), system: String::new() };
        via.table.find(std::iter::once(&kind)).and_then(|code| code.meaning(via.column)).map(Text::from)
    }

    fn when(&mut self, source: &Source, part: &Part<'m>) -> Option<When> {
        let component = match &source.place {
            SourcePlace::Path(path) if path.component().is_some() => {
                event::plain(part.value(path), self.scope.charset())
            }
            _ => event::part(&part.repetition, 1, self.scope.charset()),
        };
        let component = component?;
        let when = When::read(&component, self.context.zone);
        if when.is_none() {
            self.cannot_read(source);
        }
        when
    }

    fn period(&mut self, row: &Row) -> Option<Node> {
        let start = self.first_when(&row.from);
        let end = self.first_when(&row.until);
        if let (Some((from, start)), Some((until, end))) = (&start, &end) {
            if start.instant().zip(end.instant()).is_some_and(|(start, end)| end < start) {
                self.contradict(from, until);
            }
        }
        let as_text = |found: Option<(&Source, When)>| found.map(|(_, when)| Text::from(when.date_time().to_owned()));
        let period = fhir::period(as_text(start), as_text(end));
        (!period.is_empty()).then(|| period.into())
    }

    fn first_when<'s>(&mut self, from: &'s [Source]) -> Option<(&'s Source, When)> {
        for source in from {
            for part in self.parts(source) {
                if let Some(when) = self.when(source, &part) {
                    return Some((source, when));
                }
            }
        }
        None
    }

    /// OBX-5 in the unit of OBX-6, or `2 L/min` where a sender writes both in OBX-5.
    fn quantity(&mut self, source: &Source, part: &Part<'m>) -> Option<Node> {
        let charset = self.scope.charset();
        let value = event::part(&part.repetition, 1, charset)?;
        let unit = Coded::read(&part.segment.field(6).repetition(1), charset);
        let (value, unit) = match (unit, value.split_once(char::is_whitespace)) {
            (Some(unit), _) => (value, unit),
            (None, Some((value, unit))) => (value.to_owned(), plain_code(unit.trim())),
            (None, None) => {
                let from = vec![format!("{} unit (OBX-6)", source.shown).into()];
                self.refusal.missing.push(Missing { what: "unit".into(), from });
                return None;
            }
        };
        let Some(number) = fhir::decimal(&value) else {
            self.cannot_read(source);
            return None;
        };
        let via = self.map.compiled.unit.clone();
        let Some((code, ucum)) =
            via.table.find(unit.codings()).and_then(|code| Some((code, code.meaning(via.column)?)))
        else {
            let unmapped = Unmapped {
                table: Arc::clone(&via.table.name),
                path: format!("{} unit (OBX-6)", source.shown).into(),
                code: Phi::new(unit.first.code),
            };
            self.refusal.unmapped.push(unmapped);
            return None;
        };
        let shown = code.display.as_ref().unwrap_or(&code.code);
        Some(fhir::quantity(number, Text::from(shown), Text::from(ucum)).into())
    }

    /// The label, the codes as they came, and the value in words with its unit.
    fn detail(&self, row: &Row, part: &Part<'m>) -> Option<Node> {
        let label = row.label.as_ref()?;
        let charset = self.scope.charset();
        let words = self.words(part)?;
        let unit = part.segment.is("OBX").then(|| Coded::read(&part.segment.field(6).repetition(1), charset)).flatten();
        let words = unit.map_or_else(|| words.clone(), |unit| format!("{words} {}", unit.first.code));
        let mut codings = vec![label.coding.clone()];
        if !is_free_text(part) {
            codings.extend(Coded::read(&part.repetition, charset).map(|coded| self.codings(&coded, None)).into_iter().flatten());
        }
        Some(concept(codings, Some(format!("{}: {}", label.display, clean(&words)?).into())).into())
    }

    /// A value in words: of a code its text, of anything else all of it.
    fn words(&self, part: &Part<'m>) -> Option<String> {
        let charset = self.scope.charset();
        if is_free_text(part) {
            return event::plain(part.repetition.value(), charset);
        }
        Coded::read(&part.repetition, charset).map(|coded| coded.words().to_owned())
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
            SourcePlace::Path(path) => self.scope.parts(path).collect(),
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

/// The number spaces of visits and of providers.
const VISIT: &str = "visit";
const PROVIDER: &str = "provider";

/// The number space of a patient identifier: its type.
fn patient_kind(identifier: &event::Identifier) -> &str {
    if identifier.kind.is_empty() { "patient" } else { &identifier.kind }
}

fn plain_code(code: &str) -> Coded {
    let first = Coding { code: code.to_owned(), text: String::new(), system: String::new() };
    Coded { first, alternative: None, original_text: String::new() }
}

fn text(text: &str) -> Node {
    Node::from(text.to_owned())
}

fn note(words: &str) -> Option<Node> {
    Some(Object::new().with("text", clean(words)?).into())
}

/// Whether OBX-2 says that OBX-5 is no code.
fn is_free_text(part: &Part<'_>) -> bool {
    part.segment.is("OBX") && matches!(part.segment.field(2).bytes(), b"TX" | b"FT" | b"ST" | b"NM")
}

fn worded(row: &Row, words: &str) -> Option<Node> {
    let label = row.label.as_ref()?;
    let words = clean(words)?;
    Some(concept(vec![label.coding.clone()], Some(format!("{}: {words}", label.display).into())).into())
}

fn input(label: Object, choice: &'static str, value: Node) -> Node {
    Object::new().with("type", concept(vec![label], None)).with(choice, value).into()
}

fn logical(identity: Identity, display: Option<Text>) -> Node {
    fhir::logical_reference(fhir::identifier(Some(identity.system.into()), identity.value.into(), None), display).into()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        write!(out, "{byte:02x}").ok();
        out
    })
}
