//! The platform's FHIR R4 resources, in memory, found by identifier.
//!
//! A transaction is planned against the store, its references are resolved, and only then is it applied: all or
//! nothing. Taken: POST, POST with `ifNoneExist`, PUT by id, PUT by condition. A condition is one `identifier` or `_tag`.
//! A condition that meets several resources is refused with 412. A reference must resolve inside the Bundle
//! (`urn:uuid:`), by a condition that meets exactly one resource, or to a resource that exists.
//! R4 http.html §3.1.0.8 (conditional create), §3.1.0.4.3 (conditional update), §3.1.0.11 (transaction).
//! Does not validate resources, keep old versions, PATCH or DELETE.

mod transaction;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

pub use transaction::{Refusal, outcome};

/// Resources that fit.
pub const RESOURCES_MAX: usize = 2_000_000;
/// Resources one Bundle may have.
pub const ENTRIES_MAX: usize = 1000;
/// Depth to which a resource is searched for references.
const DEPTH_MAX: usize = 64;
/// States remembered of one job; the newest are kept.
pub const STATES_MAX: usize = 64;
/// Jobs told in a report.
pub const JOBS_REPORTED_MAX: usize = 1000;

/// The resources.
#[derive(Debug, Default)]
pub struct Store {
    by_type: BTreeMap<String, Shelf>,
    jobs: BTreeMap<String, Vec<String>>,
    created: u64,
    held: usize,
    double_creates: u64,
}

/// The resources of one type.
#[derive(Debug, Default)]
struct Shelf {
    by_id: HashMap<String, Value>,
    by_identifier: HashMap<String, BTreeSet<String>>,
    by_tag: HashMap<String, BTreeSet<String>>,
}

impl Store {
    /// The resource with this id.
    pub fn read(&self, kind: &str, id: &str) -> Option<&Value> {
        self.by_type.get(kind)?.by_id.get(id)
    }

    /// The resources that have this identifier, given as `system|value`, or as a value in whatever system.
    pub fn search(&self, kind: &str, token: &str) -> Vec<&Value> {
        let Some(shelf) = self.by_type.get(kind) else { return Vec::new() };
        shelf.ids(Parameter::Identifier, token).filter_map(|id| shelf.by_id.get(id)).collect()
    }

    /// All resources of a type, in no particular order.
    pub fn all(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.by_type.get(kind).into_iter().flat_map(|shelf| shelf.by_id.values())
    }

    /// Resources by type.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.by_type.iter().map(|(kind, shelf)| (kind.clone(), shelf.by_id.len())).collect()
    }

    /// Resources created although one with the same identifier existed.
    pub const fn double_creates(&self) -> u64 {
        self.double_creates
    }

    /// Different jobs.
    pub fn jobs_total(&self) -> usize {
        self.jobs.len()
    }

    /// Jobs by `Task.identifier` and the states they went through.
    pub fn jobs(&self) -> BTreeMap<String, Vec<String>> {
        self.jobs.iter().take(JOBS_REPORTED_MAX).map(|(job, states)| (job.clone(), states.clone())).collect()
    }

    /// The states a job went through.
    pub fn job(&self, identifier: &str) -> Option<&[String]> {
        self.jobs.get(identifier).map(Vec::as_slice)
    }

    fn exists(&self, kind: &str, id: &str) -> bool {
        self.by_type.get(kind).is_some_and(|shelf| shelf.by_id.contains_key(id))
    }

    fn next_id(&mut self) -> String {
        self.created += 1;
        self.created.to_string()
    }

    /// Puts a resource in place and returns its version.
    fn put(&mut self, kind: &str, id: &str, mut resource: Value) -> u64 {
        let shelf = self.by_type.entry(kind.to_owned()).or_default();
        let old = shelf.by_id.remove(id);
        self.held += usize::from(old.is_none());
        if let Some(old) = &old {
            remove(&mut shelf.by_identifier, tokens(old), id);
            remove(&mut shelf.by_tag, tags(old), id);
        }
        let version = old.as_ref().map_or(1, |old| version(old) + 1);
        if let Some(fields) = resource.as_object_mut() {
            fields.insert("id".into(), id.into());
            let meta = fields.entry("meta").or_insert_with(|| json!({}));
            if let Some(meta) = meta.as_object_mut() {
                meta.insert("versionId".into(), version.to_string().into());
            }
        }
        for token in tokens(&resource) {
            let ids = shelf.by_identifier.entry(token.clone()).or_default();
            self.double_creates += u64::from(version == 1 && !ids.is_empty());
            ids.insert(id.to_owned());
            if kind == "Task" {
                remember_state(self.jobs.entry(token).or_default(), &resource);
            }
        }
        for token in tags(&resource) {
            shelf.by_tag.entry(token).or_default().insert(id.to_owned());
        }
        shelf.by_id.insert(id.to_owned(), resource);
        version
    }
}

/// What a condition may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parameter {
    Identifier,
    Tag,
}

impl Shelf {
    /// The ids of the resources that have a token; one without a system is met in whatever system.
    fn ids(&self, parameter: Parameter, token: &str) -> impl Iterator<Item = &String> {
        let index = match parameter {
            Parameter::Identifier => &self.by_identifier,
            Parameter::Tag => &self.by_tag,
        };
        let exact = index.get(token);
        let ends = (!token.contains('|')).then(|| format!("|{token}"));
        let loose = index.iter().filter(move |(known, _)| ends.as_ref().is_some_and(|ends| known.ends_with(ends)));
        exact.into_iter().chain(loose.map(|(_, ids)| ids)).flatten()
    }
}

fn remove(index: &mut HashMap<String, BTreeSet<String>>, tokens: Vec<String>, id: &str) {
    for token in tokens {
        if let Some(ids) = index.get_mut(&token) {
            ids.remove(id);
        }
    }
}

fn remember_state(states: &mut Vec<String>, task: &Value) {
    states.push(task.get("status").and_then(Value::as_str).unwrap_or("").to_owned());
    if states.len() > STATES_MAX {
        states.remove(0);
    }
}

fn version(resource: &Value) -> u64 {
    resource.pointer("/meta/versionId").and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// The identifiers of a resource as `system|value`.
fn tokens(resource: &Value) -> Vec<String> {
    pairs(resource.get("identifier"), "value")
}

/// The tags of a resource as `system|code`.
fn tags(resource: &Value) -> Vec<String> {
    pairs(resource.pointer("/meta/tag"), "code")
}

fn pairs(elements: Option<&Value>, name: &str) -> Vec<String> {
    let elements = match elements {
        Some(Value::Array(several)) => several.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let text = |element: &Value, name| element.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let filled = elements.iter().filter(|element| !text(element, name).is_empty());
    filled.map(|element| format!("{}|{}", text(element, "system"), text(element, name))).collect()
}

#[cfg(test)]
mod tests;
