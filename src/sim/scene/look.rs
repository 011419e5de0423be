//! Looking at elements of FHIR resources by a short path.
//!
//! ```text
//! Task.status                                   Task.input(pickup).valueReference->name
//! ServiceRequest.orderDetail(mobility).text     ServiceRequest.code.coding.code
//! ```
//! A list is gone through whole; `(code)` keeps the elements whose own coding, or that of their `type`, has the code;
//! `->` follows a reference. A path gives every value that it leads to.

use serde_json::Value;

use crate::sim::platform::Store;

/// Finds resources by type and by reference.
pub trait Resources {
    /// All of a type.
    fn of_type(&self, kind: &str) -> Vec<&Value>;
    /// The one that a reference means.
    fn resolve(&self, reference: &str) -> Option<&Value>;
}

/// A job as the simulated platform has it: its Task, and what that refers to.
#[derive(Clone, Copy, Debug)]
pub struct JobAtPlatform<'s> {
    /// The platform's resources.
    pub store: &'s Store,
    /// The job's Task.
    pub task: &'s Value,
}

impl Resources for JobAtPlatform<'_> {
    fn of_type(&self, kind: &str) -> Vec<&Value> {
        let referred = match kind {
            "Task" => return vec![self.task],
            "ServiceRequest" | "DeviceRequest" => self.task.get("focus"),
            "Patient" => self.task.get("for"),
            "Encounter" => self.task.get("encounter"),
            _ => None,
        };
        let reference = referred.and_then(|referred| referred.get("reference")?.as_str());
        let found = reference.and_then(|reference| self.resolve(reference));
        found.into_iter().filter(|resource| resource.get("resourceType").is_some_and(|found| found == kind)).collect()
    }

    fn resolve(&self, reference: &str) -> Option<&Value> {
        let (kind, id) = reference.split_once('/')?;
        self.store.read(kind, id)
    }
}

/// Every value that a path leads to.
pub fn look<'r>(resources: &'r dyn Resources, path: &str) -> Vec<&'r Value> {
    let (kind, rest) = path.split_once('.').unwrap_or((path, ""));
    let mut found = resources.of_type(kind);
    for part in parts(rest) {
        let (arrow, part) = part.strip_prefix("->").map_or((false, part.as_str()), |part| (true, part));
        if arrow {
            let references = found.iter().filter_map(|value| value.get("reference")?.as_str());
            found = references.filter_map(|reference| resources.resolve(reference)).collect();
        }
        let (name, code) = part.split_once('(').map_or((part, None), |(name, code)| (name, code.strip_suffix(')')));
        found = found.into_iter().filter_map(|value| value.get(name)).flat_map(items).collect();
        if let Some(code) = code {
            found.retain(|value| has_code(value, code) || value.get("type").is_some_and(|kind| has_code(kind, code)));
        }
    }
    found
}

/// Whether one of the values that a path leads to is as expected; an empty expectation is that there is any.
pub fn holds(resources: &dyn Resources, path: &str, expected: &str) -> bool {
    let found = look(resources, path);
    if expected.is_empty() {
        return !found.is_empty();
    }
    found.iter().any(|value| is(&text(value), expected))
}

/// The values that a path leads to, for a person.
pub fn shown(resources: &dyn Resources, path: &str) -> String {
    let found: Vec<String> = look(resources, path).into_iter().map(text).collect();
    if found.is_empty() { "nothing".to_owned() } else { found.join(" | ") }
}

fn is(found: &str, expected: &str) -> bool {
    match expected.strip_prefix('@') {
        // To the second: what was less precise is so too.
        Some(expected) => match (found.parse::<jiff::Timestamp>(), expected.parse::<jiff::Timestamp>()) {
            (Ok(found), Ok(expected)) => found.as_second() == expected.as_second(),
            _ => false,
        },
        None => found == expected,
    }
}

fn parts(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for (at, piece) in path.split("->").enumerate() {
        for (place, part) in piece.split('.').filter(|part| !part.is_empty()).enumerate() {
            let arrow = if at > 0 && place == 0 { "->" } else { "" };
            parts.push(format!("{arrow}{part}"));
        }
    }
    parts
}

fn items(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

fn has_code(value: &Value, code: &str) -> bool {
    let codings = value.get("coding").map(items).unwrap_or_default();
    codings.iter().any(|coding| coding.get("code").is_some_and(|found| found == code))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_path_leads_to() {
        struct One(Value);
        impl Resources for One {
            fn of_type(&self, kind: &str) -> Vec<&Value> {
                if self.0["resourceType"] == kind { vec![&self.0] } else { Vec::new() }
            }
            fn resolve(&self, reference: &str) -> Option<&Value> {
                (reference == "me").then_some(&self.0)
            }
        }
        let task = serde_json::json!({
            "resourceType": "Task", "name": "n", "at": "2026-11-26T08:00:00-06:00",
            "input": [
                {"type": {"coding": [{"code": "pickup"}]}, "valueReference": {"reference": "me"}},
                {"type": {"coding": [{"code": "weight"}]}, "valueQuantity": {"value": 82.5}},
            ],
        });
        let one = One(task);
        assert!(holds(&one, "Task.input(pickup).valueReference->name", "n"));
        assert!(!holds(&one, "Task.input(pickup).valueReference->name", "m"));
        assert!(holds(&one, "Task.input(weight).valueQuantity.value", "82.5"));
        assert!(holds(&one, "Task.input(weight)", "") && !holds(&one, "Task.input(oxygen)", ""));
        assert!(holds(&one, "Task.at", "@2026-11-26T14:00:00Z") && !holds(&one, "Task.at", "@2026-11-26T15:00:00Z"));
        assert_eq!(shown(&one, "Task.none"), "nothing");
    }
}
