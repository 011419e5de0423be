//! Who and what a message is about: the identity of each resource, and whether it will be in the Bundle.

use std::sync::Arc;

use super::{Found, Present, Run, codes::Meaning};
use crate::{
    event::{self, Address, Coded, Coding, Part},
    fhir::clean,
    ids,
    mapping::{
        compile::Resource,
        identity::{Identity, authority_system},
        place::{self, Spot},
        shape,
        source::{Source, SourcePlace, Via},
        text::Key,
    },
};

impl<'m> Run<'_, 'm> {
    /// What a resource is known by, if it will be in the Bundle.
    pub(super) fn find(&mut self, resource: &Resource) -> Option<Present> {
        let verb = self.verb;
        if !resource.create.has(verb) && !resource.put.has(verb) || !self.is_wanted(resource) {
            return None;
        }
        if let Some(when) = &resource.when {
            let meaning = when.sources.iter().find_map(|source| self.meaning_of(source));
            if !when.holds(meaning.as_deref()) {
                return None;
            }
        }
        let found = self.known_by(resource);
        if found.is_none() && resource.need.has(verb) {
            self.miss(&resource.name, &resource.from);
        }
        let found = found?;
        if let Some(other) = resource.unlike
            && self.is_alike(other, &found)
        {
            let others = self.map.compiled.resources.get(other).and_then(|other| other.from.first());
            if let (Some(one), Some(other)) = (resource.from.first(), others) {
                self.contradict(one, other);
            }
            return None;
        }
        let full_url = match &found {
            Found::Identity(identity) => identity.full_url(&resource.kind),
            Found::Locations(locations) => locations.last()?.full_url.clone(),
        };
        Some(Present { full_url, found, at: None })
    }

    /// Whether the message is one that this resource is made of.
    fn is_wanted(&self, resource: &Resource) -> bool {
        (resource.on.is_empty() || resource.on.iter().any(|kind| kind.fits(&self.kind)))
            && (resource.given.is_empty() || self.is_given(&resource.given))
            && (resource.unless.is_empty() || !self.is_given(&resource.unless))
            && (resource.spoken.is_empty() || self.is_given(&resource.spoken) || self.is_nulled(&resource.spoken))
    }

    fn known_by(&mut self, resource: &Resource) -> Option<Found> {
        let site = self.context.site;
        let identity = match resource.key {
            Key::Facility => {
                let name = if self.facility.is_empty() { site } else { &self.facility };
                Identity::own("facility", format!("{site}/{name}"))
            }
            Key::Job => Identity::own("job", self.job.hyphenated().to_string()),
            Key::Message => {
                let id = ids::derive("provenance", &[&self.context.source_hash[..], self.job.as_bytes()]);
                Identity::own("provenance", id.hyphenated().to_string())
            }
            Key::Patient => self.patient(resource)?,
            Key::Visit => self.first(&resource.from, |run, _, part| {
                let number = event::Identifier::read_cx(&part.repetition, run.scope.charset())?;
                Some(run.identity_of(&number, VISIT))
            })?,
            Key::Person => self.first(&resource.from, |run, _, part| {
                let number = event::Identifier::read_xcn(&part.repetition, run.scope.charset())?;
                Some(run.identity_of(&number, PROVIDER))
            })?,
            Key::Order => self.first(&resource.from, |run, source, part| {
                let number = event::Identifier::read_ei(&part.repetition, run.scope.charset())?;
                Some(run.identity_of(&number, order_space(source)))
            })?,
            Key::Number => self.first(&resource.from, |run, _, part| {
                let number = event::Identifier::read_ei(&part.repetition, run.scope.charset())?;
                Some(run.identity_of(&number, &resource.space))
            })?,
            Key::Account => self.first(&resource.from, |run, _, part| {
                let number = event::Identifier::read_cx(&part.repetition, run.scope.charset())?;
                Some(run.identity_of(&number, ACCOUNT))
            })?,
            Key::Part | Key::Line => self.part_of(resource)?,
            Key::Place | Key::Address => return self.places(resource).map(Found::Locations),
        };
        (!identity.value.is_empty()).then_some(Found::Identity(identity))
    }

    /// The identity of a part: that of the whole, and what the part says of itself.
    fn part_of(&mut self, resource: &Resource) -> Option<Identity> {
        let whole = resource.of.iter().find_map(|place| match &self.in_view(*place).next()?.found {
            Found::Identity(identity) => Some(identity),
            Found::Locations(_) => None,
        })?;
        let leads = resource.from.first().is_some_and(|first| !self.words_at(std::slice::from_ref(first)).is_empty());
        let words = self.words_at(if leads { &resource.from } else { &resource.otherwise });
        if words.is_empty() && !(resource.from.is_empty() && resource.otherwise.is_empty()) {
            return None;
        }
        let mut parts = vec![whole.system.as_bytes(), whole.value.as_bytes(), resource.space.as_bytes()];
        parts.extend(words.iter().map(String::as_bytes));
        let mut id = ids::derive("part", &parts);
        if resource.key == Key::Line {
            let count = self.alike.entry(id).or_default();
            *count += 1;
            if *count > 1 {
                id = ids::derive("line", &[id.as_bytes(), count.to_string().as_bytes()]);
            }
        }
        Some(Identity::own(&resource.kind.to_ascii_lowercase(), id.hyphenated().to_string()))
    }

    /// What stands at these places, each with its name so that a value never slips into another's place.
    fn words_at(&self, sources: &[Source]) -> Vec<String> {
        let mut words = Vec::new();
        for source in sources {
            for part in self.parts(source) {
                let value = match &source.place {
                    SourcePlace::Path(path) => event::plain(part.value(path), self.scope.charset()),
                    SourcePlace::Answer(_) => event::plain(part.repetition.value(), self.scope.charset()),
                };
                words.extend(value.map(|value| format!("{}={value}", source.shown)));
            }
        }
        words
    }

    pub(super) fn first<T>(&self, from: &[Source], read: impl Fn(&Self, &Source, &Part<'m>) -> Option<T>) -> Option<T> {
        from.iter().find_map(|source| self.parts(source).iter().find_map(|part| read(self, source, part)))
    }

    /// The resources at this place of the map that may be spoken of here: of several the one of the same group, and
    /// outside of groups all.
    pub(super) fn in_view(&self, place: usize) -> impl Iterator<Item = &Present> {
        let here = self.focus.as_ref().map(|focus| focus.start);
        let all = self.present.get(place).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(move |present| here.is_none() || present.at.is_none() || present.at == here)
    }

    /// The identifier whose type stands first in `prefer`, else the first that is not withheld.
    pub(super) fn patient(&self, resource: &Resource) -> Option<Identity> {
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

    pub(super) fn places(&mut self, resource: &Resource) -> Option<Vec<place::Location>> {
        let mut found = None;
        for source in &resource.from {
            let parts = self.parts(source);
            found = parts.iter().find_map(|part| self.spot(resource.key, source, part));
            if found.is_some() {
                break;
            }
        }
        let locations = place::locations(&found?, self.context.site, &self.facility, &self.map.meta);
        (!locations.is_empty()).then_some(locations)
    }

    fn spot(&mut self, key: Key, source: &Source, part: &Part<'m>) -> Option<Spot> {
        let charset = self.scope.charset();
        if key == Key::Address {
            return Address::read(&part.repetition, charset).map(Spot::At);
        }
        if let Some(via) = &source.via {
            return match self.look_up(source, via, part)? {
                Meaning::Is(meaning, coded) => Some(self.listed_spot(via, &meaning, &coded)),
                Meaning::Silent(coded) | Meaning::Kept(coded) => clean(coded.words()).map(Spot::Words),
            };
        }
        let Spot::Coded(coded, _) = source.spot(part, charset)? else {
            return source.spot(part, charset);
        };
        let Some(code) = shape::code_text(&coded.first.code) else {
            return clean(coded.words()).map(Spot::Words);
        };
        let system = self.coding_system(&coded.first, None);
        let first = Coding { code, ..coded.first };
        Some(Spot::Coded(Coded { first, ..coded }, system))
    }

    /// A place that a table gives a code of its own, in the table's system or else the site's.
    fn listed_spot(&self, via: &Via, meaning: &Arc<str>, coded: &Coded) -> Spot {
        let display = via.table.find(coded.codings()).and_then(|code| code.display.as_deref());
        let (code, text) = (meaning.to_string(), display.unwrap_or_else(|| coded.words()).to_owned());
        let first = Coding { code, text, system: String::new() };
        let system = self.coding_system(&first, Some(&via.table));
        Spot::Coded(Coded { first, alternative: None, original_text: String::new() }, system)
    }

    pub(super) fn is_withheld(&self, identifier: &event::Identifier) -> bool {
        let kind = Coding { code: identifier.kind.clone(), text: String::new(), system: String::new() };
        let via = &self.map.compiled.identifier_type;
        let listed = via.table.find(std::iter::once(&kind));
        listed.and_then(|code| code.meaning(via.column)).is_some_and(|send| &**send == "withhold")
    }

    pub(super) fn identity_of(&self, identifier: &event::Identifier, kind: &str) -> Identity {
        let known = &self.map.compiled.authority;
        let system = authority_system(&identifier.authority, kind, known, self.context.site);
        Identity { system, value: clean(&identifier.value).unwrap_or_default() }
    }
}

/// The number spaces of visits and of providers.
pub(super) const VISIT: &str = "visit";

const PROVIDER: &str = "provider";

pub(super) const ACCOUNT: &str = "account";

/// The number space of an order number: the placer's stands in a field 2 (ORC-2, OBR-2), the filler's in a field 3.
pub(super) fn order_space(source: &Source) -> &'static str {
    match &source.place {
        SourcePlace::Path(path) if path.field() == 2 => "PLAC",
        _ => "FILL",
    }
}

/// The number space of a patient identifier: its type.
pub(super) fn patient_kind(identifier: &event::Identifier) -> &str {
    if identifier.kind.is_empty() { "patient" } else { &identifier.kind }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        write!(out, "{byte:02x}").ok();
        out
    })
}
