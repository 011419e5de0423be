//! Evaluates the rows of a resource and writes what comes of them.

use super::{
    Found, Present, Run,
    codes::Meaning,
    subjects::{ACCOUNT, VISIT, hex, patient_kind},
    values::{note, text},
};
use crate::{
    event::{self, Address, Coded, Part, PersonName, Phone, Place},
    fhir::{self, Bundle, Node, Object, Request, Text, clean, concept},
    mapping::{
        compile::{Resource, Row},
        explain::Silent,
        identity::Identity,
        place,
        shape::{self, Shape},
        source::Source,
        text::Key,
    },
};

impl<'r, 'm> Run<'r, 'm> {
    /// The resources at this place of the map, as often as they are in the Bundle.
    pub(super) fn write_all(&mut self, place: usize, resource: &'r Resource) -> Vec<Object> {
        if resource.each.is_empty() {
            let is_there = self.present.get(place).is_some_and(|present| !present.is_empty());
            return if is_there { vec![self.write(place, 0, resource)] } else { Vec::new() };
        }
        let mut objects = Vec::new();
        for focus in self.groups(&resource.each) {
            let present = self.present.get(place).map(Vec::as_slice).unwrap_or_default();
            let Ok(number) = present.binary_search_by_key(&Some(focus.start), |present| present.at) else {
                continue;
            };
            self.focus = Some(focus);
            objects.push(self.write(place, number, resource));
        }
        self.focus = None;
        objects
    }

    fn write(&mut self, place: usize, number: usize, resource: &'r Resource) -> Object {
        self.space = &resource.space;
        let mut object = Object::resource(&resource.kind);
        if resource.key == Key::Message {
            let id = self.identity_at(place, number).map(|identity| identity.value.clone());
            object.set_some("id", id);
        }
        object.set("meta", self.map.meta.clone());
        if !resource.identifies_itself {
            self.identify(place, number, resource, &mut object);
        }
        for row in &resource.rows {
            let nodes = self.evaluate(row);
            if let Some(inactive) = self.trace.is_some().then(|| self.inactive(row))
                && let Some(trace) = &mut self.trace
            {
                trace.row(resource, row, &row.to.path(&object), &nodes, inactive);
            }
            for node in nodes {
                match (row.with, node) {
                    (Shape::Value, Node::Object(choice)) => object.absorb(choice),
                    (_, node) => row.to.write(&mut object, node),
                }
            }
        }
        if resource.identifies_itself {
            self.identify(place, number, resource, &mut object);
        }
        object
    }

    /// What a resource is looked for by must be in it, whatever its rows write: else every message would make it anew.
    fn identify(&self, place: usize, number: usize, resource: &Resource, object: &mut Object) {
        if resource.key == Key::Message {
            return;
        }
        let Some(identity) = self.identity_at(place, number) else {
            return;
        };
        let is_it = |node: &Node| match node {
            Node::Object(one) => one.has("system", &identity.system) && one.has("value", &identity.value),
            _ => false,
        };
        let is_there = matches!(object.get("identifier"), Some(Node::List(known)) if known.iter().any(is_it));
        if !is_there {
            object.push("identifier", own_identifier(identity));
        }
    }

    fn identity_at(&self, place: usize, number: usize) -> Option<&Identity> {
        match &self.present.get(place)?.get(number)?.found {
            Found::Identity(identity) => Some(identity),
            Found::Locations(_) => None,
        }
    }

    /// Whether a resource is written over what is there.
    fn is_put(&self, resource: &Resource) -> bool {
        resource.put.has(self.verb) || resource.put_on.iter().any(|kind| kind.fits(&self.kind))
    }

    pub(super) fn add_all(&mut self, place: usize, objects: Vec<Object>, bundle: &mut Bundle) {
        let Some(resource) = self.map.compiled.resources.get(place) else {
            return;
        };
        let present = self.present.get_mut(place).map(std::mem::take).unwrap_or_default();
        let kind = Text::from(&resource.kind);
        for (present, object) in present.into_iter().zip(objects) {
            match present.found {
                Found::Identity(identity) => {
                    let search = || Text::from(identity.search("identifier"));
                    let request = if resource.key == Key::Message {
                        Request::PutAs { id: identity.value.clone().into() }
                    } else if self.is_put(resource) || (self.is_known && resource.key == Key::Job) {
                        Request::Put { over: search() }
                    } else {
                        Request::Create { unless: search() }
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
    }

    /// Why a row is not asked.
    fn inactive(&self, row: &Row) -> Option<Silent> {
        if !row.verbs.has(self.verb) {
            return Some(Silent::OtherVerb);
        }
        let fits = row.on.is_empty() || row.on.iter().any(|kind| kind.fits(&self.kind));
        (!fits).then_some(Silent::OtherType)
    }

    /// What a row writes: at most one node unless it appends.
    fn evaluate(&mut self, row: &'r Row) -> Vec<Node> {
        if self.inactive(row).is_some() {
            return Vec::new();
        }
        if row.each.is_empty() {
            return self.evaluate_once(row);
        }
        let before = self.focus.take();
        let mut nodes = Vec::new();
        for focus in self.groups(&row.each) {
            self.focus = Some(focus);
            nodes.extend(self.evaluate_once(row));
        }
        self.focus = before;
        nodes
    }

    fn evaluate_once(&mut self, row: &'r Row) -> Vec<Node> {
        if !self.applies(row) {
            return Vec::new();
        }
        self.unlisted = row.unlisted;
        let mut nodes = self.nodes(row);
        nodes.retain(|node| !node.is_empty());
        self.unlisted = None;
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

    fn nodes(&mut self, row: &'r Row) -> Vec<Node> {
        if let Some(node) = row.constants.of(self.verb) {
            return vec![node.clone()];
        }
        let single = match row.with {
            Shape::Reference if row.to.appends => return self.refer_all(row),
            Shape::Targets => return self.targets(),
            Shape::Attachment => return self.attachments(row),
            Shape::Document => return self.document(row),
            Shape::Parts => self.object_of(row),
            Shape::InstantEnd => self.instant_end(row),
            Shape::Reference => self.refer(row),
            Shape::EventTime => event::message_time(&self.scope, self.context.zone).map(|when| text(when.date_time())),
            Shape::Received => event::instant_text(self.context.received_at).map(Node::from),
            Shape::MessageHash => {
                let identity = Identity::own("message-sha256", hex(&self.context.source_hash));
                Some(logical(identity, None))
            }
            Shape::Gateway => Some(logical(Identity::own("gateway", self.context.site), Some("Gurney".into()))),
            Shape::Job => {
                let identity = Identity::own("job", self.job.hyphenated().to_string());
                Some(own_identifier(&identity).into())
            }
            Shape::FacilityName => {
                clean(if self.facility.is_empty() { self.context.site } else { &self.facility }).map(Node::from)
            }
            Shape::Period => self.period(row),
            Shape::ConceptKept if row.rising => match self.highest(row) {
                Some(node) => Some(node),
                None => return self.first_spoken(row),
            },
            _ if row.rising => self.highest(row),
            _ => return self.first_spoken(row),
        };
        single.into_iter().collect()
    }

    pub(super) fn refer(&self, row: &Row) -> Option<Node> {
        let present = row.refer.iter().find_map(|place| self.in_view(*place).next())?;
        Some(fhir::reference(present.full_url.clone().into()).into())
    }

    /// References to all of the first kind that is there.
    fn refer_all(&self, row: &Row) -> Vec<Node> {
        for place in &row.refer {
            let found = self.in_view(*place).map(|present| fhir::reference(present.full_url.clone().into()).into());
            let found: Vec<Node> = found.collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// References to all that is written over what is there, else to all that is known by an identifier.
    fn targets(&self) -> Vec<Node> {
        let resources = || self.map.compiled.resources.iter().zip(&self.present);
        let known = |(resource, present): (&Resource, &'_ Vec<Present>)| {
            let own = resource.key != Key::Message && !matches!(resource.key, Key::Place | Key::Address);
            present.iter().filter(|_| own).map(|one| one.full_url.clone()).collect::<Vec<_>>()
        };
        let mut urls: Vec<String> = resources().filter(|(resource, _)| self.is_put(resource)).flat_map(known).collect();
        if urls.is_empty() {
            urls = resources().flat_map(known).collect();
        }
        urls.into_iter().map(|url| fhir::reference(url.into()).into()).collect()
    }

    /// An object of several elements; nothing where one that it must have is missing.
    fn object_of(&mut self, row: &'r Row) -> Option<Node> {
        let mut object = Object::new();
        for part in &row.parts {
            let nodes = self.evaluate(part);
            if nodes.is_empty() && part.must {
                return None;
            }
            for node in nodes {
                part.to.write(&mut object, node);
            }
        }
        (!object.is_empty()).then(|| object.into())
    }

    fn first_spoken(&mut self, row: &Row) -> Vec<Node> {
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

    pub(super) fn shape(&mut self, row: &Row, source: &Source, part: &Part<'m>) -> Option<Node> {
        if let Some(via) = &source.via {
            let meaning = self.look_up(source, via, part)?;
            if row.with == Shape::Text {
                return match meaning {
                    Meaning::Is(words, _) => Some(Node::from(&words)),
                    Meaning::Silent(coded) | Meaning::Kept(coded) => clean(coded.words()).map(Node::from),
                };
            }
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
            Shape::Number => {
                let label = row.label.as_ref();
                let kind = label.map(|label| concept(vec![label.coding.clone()], None));
                let space = label.map_or(self.space, |label| &label.name);
                event::Identifier::read_ei(from, charset).map(|number| self.identifier(&number, space, kind))
            }
            Shape::AccountNumber => {
                event::Identifier::read_cx(from, charset).map(|number| self.identifier(&number, ACCOUNT, None))
            }
            Shape::OrderReference => {
                let label = row.label.as_ref()?;
                let number = event::Identifier::read_ei(from, charset)?;
                Some(logical(self.identity_of(&number, &label.name), None))
            }
            Shape::Text => self.text_at(source, part).map(Node::from),
            Shape::Integer => self.integer(source, part),
            Shape::Minutes => fhir::decimal(&self.minutes(source, part)?.to_string()),
            Shape::Address => Address::read(from, charset).map(|address| place::postal(&address).into()),
            Shape::Instant => self.instant(source, part),
            Shape::Value => self.value(row, part),
            Shape::Amount => self.amount(row, source, part),
            Shape::Money => self.money(source, part),
            Shape::Detail => self.detail(row, source, part),
            Shape::PlaceText => place::line(&Place::read(from, charset)?).map(Node::from),
            Shape::Note => note(&event::plain(from.value(), charset)?),
            Shape::CodedNote => note(&source.words(part, charset)?),
            Shape::Concept | Shape::ConceptKept => {
                let coded = Coded::read(from, charset)?;
                Some(self.original(&coded, None).into())
            }
            _ => None,
        }
    }
}

fn input(label: Object, choice: &'static str, value: Node) -> Node {
    Object::new().with("type", concept(vec![label], None)).with(choice, value).into()
}

fn logical(identity: Identity, display: Option<Text>) -> Node {
    fhir::logical_reference(fhir::identifier(Some(identity.system.into()), identity.value.into(), None), display).into()
}

fn own_identifier(identity: &Identity) -> Object {
    fhir::identifier(Some(identity.system.clone().into()), identity.value.clone().into(), None)
}
