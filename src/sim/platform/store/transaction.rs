//! A transaction: plan, resolve, apply.

use std::collections::HashMap;

use actix_web::web;
use serde_json::{Value, json};

use super::{DEPTH_MAX, ENTRIES_MAX, Parameter, RESOURCES_MAX, Store, tokens};
use crate::sim::platform::book::Subject;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// A code of the FHIR issue type value set.
    pub code: &'static str,
    /// What is wrong, and where; holds nothing of the resources but types and places.
    pub text: String,
}

impl Refusal {
    const fn new(status: u16, code: &'static str, text: String) -> Self {
        Self { status, code, text }
    }
}

/// An OperationOutcome.
pub fn outcome(code: &str, text: &str) -> Value {
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{ "severity": "error", "code": code, "diagnostics": text }],
    })
}

/// What an entry comes to.
struct Planned {
    kind: String,
    id: String,
    full_url: Option<String>,
    /// What is to be written; none where a conditional create found its resource.
    resource: Option<Value>,
}

/// What the plan will have made, for conditions that look into the Bundle itself.
#[derive(Default)]
struct Overlay {
    /// By type and identifier.
    ids: HashMap<(String, String), String>,
    /// `urn:uuid:` to `Type/id`.
    urls: HashMap<String, String>,
}

impl Store {
    /// Applies a transaction Bundle whole and returns the transaction-response, or refuses it whole.
    pub fn transaction(&mut self, bundle: &Value) -> Result<(Value, Subject), Refusal> {
        let text = |name| bundle.get(name).and_then(Value::as_str);
        if text("resourceType") != Some("Bundle") || text("type") != Some("transaction") {
            return Err(Refusal::new(400, "structure", "expected a Bundle of type transaction".into()));
        }
        let entries = bundle.get("entry").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if entries.is_empty() || entries.len() > ENTRIES_MAX {
            return Err(Refusal::new(400, "structure", format!("expected 1 to {ENTRIES_MAX} entries")));
        }
        if self.held + entries.len() > RESOURCES_MAX {
            return Err(Refusal::new(507, "no-store", "the simulated platform is full".into()));
        }
        let mut plan = self.plan(entries)?;
        let overlay = overlay(&plan)?;
        for (place, planned) in plan.iter_mut().enumerate() {
            if let Some(resource) = &mut planned.resource {
                self.resolve(resource, &overlay, place, DEPTH_MAX)?;
            }
        }
        let subject = Subject { control_id: None, ordering_key: ordering_key(&plan, entries) };
        let answers: Vec<Value> = plan.into_iter().map(|planned| self.apply(planned)).collect();
        Ok((json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": answers }), subject))
    }

    fn plan(&mut self, entries: &[Value]) -> Result<Vec<Planned>, Refusal> {
        entries.iter().enumerate().map(|(place, entry)| self.plan_entry(place, entry)).collect()
    }

    fn plan_entry(&mut self, place: usize, entry: &Value) -> Result<Planned, Refusal> {
        let bad = |what: &str| Refusal::new(400, "invalid", format!("entry {place}: {what}"));
        let request = |name: &str| entry.pointer(&format!("/request/{name}")).and_then(Value::as_str);
        let resource = entry.get("resource").ok_or_else(|| bad("no resource"))?;
        let kind = resource.get("resourceType").and_then(Value::as_str).ok_or_else(|| bad("no resourceType"))?;
        let url = request("url").ok_or_else(|| bad("no request.url"))?;
        let (found, id) = match (request("method"), url.split_once('?'), url.split_once('/')) {
            (Some("POST"), None, None) if url == kind => match request("ifNoneExist") {
                Some(condition) => (self.find(place, kind, condition)?, None),
                None => (None, None),
            },
            (Some("PUT"), Some((of, condition)), _) if of == kind => (None, self.find(place, kind, condition)?),
            (Some("PUT"), None, Some((of, id))) if of == kind && is_id(id) => (None, Some(id.to_owned())),
            _ => return Err(Refusal::new(400, "not-supported", format!("entry {place}: method or url not taken"))),
        };
        let full_url = entry.get("fullUrl").and_then(Value::as_str).map(str::to_owned);
        let (id, resource) = match (found, id) {
            (Some(id), _) => (id, None),
            (None, Some(id)) => (id, Some(resource.clone())),
            (None, None) => (self.next_id(), Some(resource.clone())),
        };
        Ok(Planned { kind: kind.to_owned(), id, full_url, resource })
    }

    /// The one resource that meets a condition, if any does.
    fn find(&self, place: usize, kind: &str, condition: &str) -> Result<Option<String>, Refusal> {
        let (parameter, token) = parse(condition).ok_or_else(|| {
            Refusal::new(400, "not-supported", format!("entry {place}: a condition is one identifier or _tag"))
        })?;
        let Some(shelf) = self.by_type.get(kind) else { return Ok(None) };
        let mut ids = shelf.ids(parameter, &token);
        let found = ids.next().cloned();
        if ids.next().is_some() {
            return Err(Refusal::new(412, "multiple-matches", format!("entry {place}: several {kind} match")));
        }
        Ok(found)
    }

    /// Turns every reference into `Type/id`.
    fn resolve(&self, value: &mut Value, overlay: &Overlay, place: usize, depth: usize) -> Result<(), Refusal> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Refusal::new(400, "too-long", format!("entry {place}: nested too deep")));
        };
        match value {
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.resolve(item, overlay, place, depth)),
            Value::Object(fields) => fields.iter_mut().try_for_each(|(name, field)| match field {
                Value::String(reference) if name == "reference" => {
                    if let Some(resolved) = self.resolve_one(reference, overlay, place)? {
                        *reference = resolved;
                    }
                    Ok(())
                }
                field => self.resolve(field, overlay, place, depth),
            }),
            _ => Ok(()),
        }
    }

    fn resolve_one(&self, reference: &str, overlay: &Overlay, place: usize) -> Result<Option<String>, Refusal> {
        let unresolved = |what: &str| Refusal::new(400, "not-found", format!("entry {place}: {what} does not resolve"));
        if let Some(target) = overlay.urls.get(reference) {
            return Ok(Some(target.clone()));
        }
        if let Some((kind, condition)) = reference.split_once('?') {
            let inside = match parse(condition) {
                Some((Parameter::Identifier, token)) => overlay.ids.get(&(kind.to_owned(), token)).cloned(),
                _ => None,
            };
            let id = match inside {
                Some(id) => Some(id),
                None => self.find(place, kind, condition)?,
            };
            let missing = || Refusal::new(412, "not-found", format!("entry {place}: no {kind} matches a reference"));
            return id.map(|id| Some(format!("{kind}/{id}"))).ok_or_else(missing);
        }
        if reference.starts_with('#') || reference.starts_with("http://") || reference.starts_with("https://") {
            return Ok(None);
        }
        match reference.split_once('/') {
            Some((kind, id)) if self.exists(kind, id) => Ok(None),
            Some((kind, _)) if is_type(kind) => Err(unresolved("a reference to a resource")),
            _ => Err(unresolved("a reference inside the Bundle")),
        }
    }

    fn apply(&mut self, planned: Planned) -> Value {
        let Planned { kind, id, resource, .. } = planned;
        let (status, version) = match resource {
            Some(resource) => match self.put(&kind, &id, resource) {
                1 => ("201 Created", 1),
                version => ("200 OK", version),
            },
            None => ("200 OK", self.read(&kind, &id).map_or(1, super::version)),
        };
        json!({ "response": {
            "status": status,
            "location": format!("{kind}/{id}/_history/{version}"),
            "etag": format!("W/\"{version}\""),
        } })
    }
}

fn overlay(plan: &[Planned]) -> Result<Overlay, Refusal> {
    let mut overlay = Overlay::default();
    for (place, planned) in plan.iter().enumerate() {
        let target = format!("{}/{}", planned.kind, planned.id);
        if let Some(url) = &planned.full_url
            && overlay.urls.insert(url.clone(), target.clone()).is_some()
        {
            return Err(Refusal::new(400, "duplicate", format!("entry {place}: fullUrl stands twice")));
        }
        overlay.urls.insert(target.clone(), target);
        for token in planned.resource.iter().flat_map(tokens) {
            let known = overlay.ids.insert((planned.kind.clone(), token), planned.id.clone());
            if known.is_some_and(|id| id != planned.id) {
                return Err(Refusal::new(400, "duplicate", format!("entry {place}: an identifier stands twice")));
            }
        }
    }
    Ok(overlay)
}

/// Whose order a Bundle belongs to: its first patient's identifier, else its first task's.
fn ordering_key(plan: &[Planned], entries: &[Value]) -> String {
    let of = |kind: &str| {
        let entry = plan.iter().zip(entries).find(|(planned, _)| planned.kind == kind);
        entry.and_then(|(_, entry)| tokens(entry.get("resource")?).into_iter().next())
    };
    of("Patient").or_else(|| of("Task")).unwrap_or_default()
}

/// The parameter and the token of a condition, unescaped; none where it is of another kind.
fn parse(condition: &str) -> Option<(Parameter, String)> {
    let mut pairs = web::Query::<Vec<(String, String)>>::from_query(condition).ok()?.into_inner();
    let (name, token) = pairs.pop()?;
    let parameter = match name.as_str() {
        "identifier" => Parameter::Identifier,
        "_tag" => Parameter::Tag,
        _ => return None,
    };
    (pairs.is_empty() && !token.is_empty()).then_some((parameter, token))
}

/// R4 datatypes.html#id.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

fn is_type(kind: &str) -> bool {
    kind.starts_with(|letter: char| letter.is_ascii_uppercase()) && kind.bytes().all(|byte| byte.is_ascii_alphabetic())
}
