//! Places as Locations: a bed with the chain of what it is part of, an address, or a place that is only named.
//!
//! ```text
//! site "GH" <- ward "3W" <- room "12" <- bed "B"          PL 3W^12^B^GH, each partOf the one before
//! ```
//! The identity of a Location is its own words and those of all it is part of, below site and facility, so the same
//! bed is the same Location in every message. R4 Location, code system location-physical-type.

use super::identity::Identity;
use crate::{
    event::{Address, Coded, Place},
    fhir::{Object, Text, clean, coding, concept, identifier, reference},
    ids,
};

/// A place as a message names it.
pub(super) enum Spot {
    /// Inside the hospital.
    Inside(Place),
    /// By a code and its words, with the URI of the coding system.
    Coded(Coded, String),
    /// By a postal address.
    At(Address),
    /// By words only.
    Words(String),
}

/// A Location to be written.
pub(super) struct Location {
    pub(super) identity: Identity,
    pub(super) full_url: String,
    pub(super) resource: Object,
}

/// The Locations of a place, the outermost first; the last is the place itself.
pub(super) fn locations(spot: &Spot, site: &str, facility: &str, meta: &Object) -> Vec<Location> {
    match spot {
        Spot::Inside(place) => chain(place, site, facility, meta),
        Spot::Coded(coded, system) => {
            let parts = [site, "coded", system, &coded.first.code];
            let mut location = location(&parts, clean(coded.words()), meta);
            let own = identifier(Some(system.clone().into()), coded.first.code.clone().into(), None);
            location.resource.push("identifier", own);
            vec![location]
        }
        Spot::At(address) => {
            let lines = [&address.street, &address.other, &address.city, &address.state, &address.postal_code];
            let mut parts = vec![site, "address"];
            parts.extend(lines.iter().map(|line| line.as_str()));
            let mut location = location(&parts, None, meta);
            location.resource.set("address", postal(address));
            vec![location]
        }
        Spot::Words(words) => vec![location(&[site, "words", words], clean(words), meta)],
    }
}

/// A place inside the hospital in one line.
pub(super) fn line(place: &Place) -> Option<String> {
    let parts = [&place.facility, &place.building, &place.floor, &place.point_of_care, &place.room, &place.bed];
    let mut words: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    if !place.description.is_empty() {
        words.push(&place.description);
    }
    clean(&words.join(" "))
}

fn chain(place: &Place, site: &str, facility: &str, meta: &Object) -> Vec<Location> {
    let outermost = if place.facility.is_empty() { facility } else { &place.facility };
    let levels = [
        (outermost, "si", "Site"),
        (&place.building, "bu", "Building"),
        (&place.floor, "lvl", "Level"),
        (&place.point_of_care, "wa", "Ward"),
        (&place.room, "ro", "Room"),
        (&place.bed, "bd", "Bed"),
    ];
    let mut known = vec![site, facility];
    let mut words: Vec<&str> = Vec::new();
    let mut chain: Vec<Location> = Vec::new();
    for (name, code, display) in levels {
        known.push(name);
        if name.is_empty() {
            continue;
        }
        if code != "si" {
            words.push(name);
        }
        let shown = if words.is_empty() { name.to_owned() } else { words.join(" ") };
        let mut location = location(&known, clean(&shown), meta);
        location.resource.set("mode", "instance");
        location.resource.set("physicalType", physical_type(code, display));
        if let Some(outer) = chain.last() {
            location.resource.set("partOf", reference(outer.full_url.clone().into()));
        }
        chain.push(location);
    }
    if let Some(innermost) = chain.last_mut() {
        innermost.resource.set_some("description", clean(&place.description));
    }
    chain
}

fn physical_type(code: &'static str, display: &'static str) -> Object {
    let system = Text::from("http://terminology.hl7.org/CodeSystem/location-physical-type");
    concept(vec![coding(Some(system), Some(code.into()), Some(display.into()))], None)
}

fn location(parts: &[&str], name: Option<String>, meta: &Object) -> Location {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    let identity = Identity::own("location", ids::derive("location", &parts).hyphenated().to_string());
    let mut resource = Object::resource("Location").with("meta", meta.clone());
    let own = identifier(Some(identity.system.clone().into()), identity.value.clone().into(), None);
    resource.push("identifier", own);
    resource.set_some("name", name);
    Location { full_url: identity.full_url("Location"), identity, resource }
}

/// An Address.
pub(super) fn postal(address: &Address) -> Object {
    let mut postal = Object::new();
    for line in [&address.street, &address.other] {
        if let Some(line) = clean(line) {
            postal.push("line", line);
        }
    }
    postal.set_some("city", clean(&address.city));
    postal.set_some("state", clean(&address.state));
    postal.set_some("postalCode", clean(&address.postal_code));
    postal.set_some("country", clean(&address.country));
    postal
}
