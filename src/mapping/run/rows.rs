//! Evaluates the rows of a resource and writes what comes of them.

use super::{
    Found, Run,
    subjects::{VISIT, hex, patient_kind},
    values::{note, text},
};
use crate::{
    event::{self, Coded, Part, PersonName, Phone, Place},
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
    pub(super) fn write(&mut self, place: usize, resource: &'r Resource) -> Option<Object> {
        self.present.get(place)?.as_ref()?;
        let mut object = Object::resource(&resource.kind);
        if resource.key == Key::Message {
            object.set_some("id", self.identity_at(place).map(|identity| identity.value.clone()));
        }
        object.set("meta", self.map.meta.clone());
        if matches!(resource.key, Key::Facility | Key::Person) {
            object.push("identifier", self.identity_at(place).map_or_else(Object::new, own_identifier));
        }
        for row in &resource.rows {
            let nodes = self.evaluate(row);
            if let Some(inactive) = self.trace.is_some().then(|| self.inactive(row))
                && let Some(trace) = &mut self.trace
            {
                trace.row(resource, row, &row.to.path(&object), &nodes, inactive);
            }
            for node in nodes {
                row.to.write(&mut object, node);
            }
        }
        Some(object)
    }

    fn identity_at(&self, place: usize) -> Option<&Identity> {
        match &self.present.get(place)?.as_ref()?.found {
            Found::Identity(identity) => Some(identity),
            Found::Locations(_) => None,
        }
    }

    pub(super) fn add(&mut self, place: usize, object: Object, bundle: &mut Bundle) {
        let Some(resource) = self.map.compiled.resources.get(place) else {
            return;
        };
        let Some(present) = self.present.get_mut(place).and_then(Option::take) else {
            return;
        };
        let kind = Text::from(&resource.kind);
        match present.found {
            Found::Identity(identity) => {
                let search = || Text::from(identity.search("identifier"));
                let request = if resource.key == Key::Message {
                    Request::PutAs { id: identity.value.clone().into() }
                } else if resource.put.has(self.verb) {
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

    /// Why a row is not asked.
    fn inactive(&self, row: &Row) -> Option<Silent> {
        if !row.verbs.has(self.verb) {
            return Some(Silent::OtherVerb);
        }
        let fits = row.on.is_empty() || row.on.iter().any(|kind| kind.fits(&self.kind));
        (!fits).then_some(Silent::OtherType)
    }

    /// What a row writes: at most one node unless it appends.
    fn evaluate(&mut self, row: &Row) -> Vec<Node> {
        if self.inactive(row).is_some() {
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
                Some(own_identifier(&identity).into())
            }
            Shape::FacilityName => {
                clean(if self.facility.is_empty() { self.context.site } else { &self.facility }).map(Node::from)
            }
            Shape::Period => self.period(row),
            _ if row.rising => self.highest(row),
            _ => return self.first_spoken(row),
        };
        single.into_iter().collect()
    }

    pub(super) fn refer(&self, row: &Row) -> Option<Node> {
        let present = row.refer.iter().find_map(|place| self.present.get(*place)?.as_ref())?;
        Some(fhir::reference(present.full_url.clone().into()).into())
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
