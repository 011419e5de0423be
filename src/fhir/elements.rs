//! The data types of FHIR R4 that maps build: Coding, CodeableConcept, Identifier, Reference, Period, Quantity.
//!
//! Each returns what it was given and leaves out what it was not; an element without content comes back empty and
//! vanishes when set.

use super::node::{Node, Object, Text};

/// A Coding.
pub fn coding(system: Option<Text>, code: Option<Text>, display: Option<Text>) -> Object {
    let mut coding = Object::new();
    coding.set_some("system", system);
    coding.set_some("code", code);
    coding.set_some("display", display);
    coding
}

/// A CodeableConcept.
pub fn concept(codings: Vec<Object>, text: Option<Text>) -> Object {
    let mut concept = Object::new();
    for coding in codings {
        concept.push("coding", coding);
    }
    concept.set_some("text", text);
    concept
}

/// An Identifier.
pub fn identifier(system: Option<Text>, value: Text, kind: Option<Object>) -> Object {
    let mut identifier = Object::new();
    identifier.set_some("type", kind);
    identifier.set_some("system", system);
    identifier.set("value", value);
    identifier
}

/// A Reference to another entry of the Bundle by its full URL.
pub fn reference(full_url: Text) -> Object {
    Object::new().with("reference", full_url)
}

/// A Reference by business identifier only, for what has no entry in the Bundle.
pub fn logical_reference(identifier: Object, display: Option<Text>) -> Object {
    let mut reference = Object::new().with("identifier", identifier);
    reference.set_some("display", display);
    reference
}

/// A Period.
pub fn period(start: Option<Text>, end: Option<Text>) -> Object {
    let mut period = Object::new();
    period.set_some("start", start);
    period.set_some("end", end);
    period
}

/// A Quantity in UCUM.
pub fn quantity(value: Node, unit: Text, ucum: Text) -> Object {
    Object::new().with("value", value).with("unit", unit).with("system", "http://unitsofmeasure.org").with("code", ucum)
}
