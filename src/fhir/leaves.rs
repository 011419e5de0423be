//! The values of a tree with the places where they stand: for people who compare and question what a map writes.
//!
//! A place is written as JSON has it (`entry[3].resource.status`) and as FHIR people say it (`Task.status`; where there
//! are several resources of a type, `Location[2].name`; what is not of the resource, `Task!request.url`).
//! A value that stands in a program, a map or a table is open; one that was made of a message is not, and is masked
//! unless asked otherwise: letters become `x`, digits `9` (INV-05).

use std::collections::BTreeMap;

use super::node::{Node, Text};

/// One value of a tree.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its place as JSON has it.
    pub path: String,
    /// Its place as FHIR people say it.
    pub element: String,
    /// The value.
    pub value: String,
    /// Whether it says nothing about a patient by itself.
    pub is_open: bool,
}

impl Leaf {
    /// The value, masked unless it is open.
    pub fn masked(&self) -> String {
        if self.is_open { self.value.clone() } else { mask(&self.value) }
    }
}

/// Replaces every letter by `x` and every digit by `9`.
pub fn mask(text: &str) -> String {
    let masked = |character: char| match character {
        _ if character.is_numeric() => '9',
        _ if character.is_alphabetic() || !character.is_ascii() => 'x',
        _ => character,
    };
    text.chars().map(masked).collect()
}

/// The values of a node at `element` of a resource.
pub fn leaves_of(node: &Node, element: &str) -> Vec<Leaf> {
    let mut found = Vec::new();
    collect(node, element, element, &mut found);
    found
}

/// The values of a Bundle's entries.
pub fn entry_leaves(entries: &[Node]) -> Vec<Leaf> {
    let kinds: Vec<&str> = entries.iter().map(kind).collect();
    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    for kind in &kinds {
        *totals.entry(kind).or_default() += 1;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for ((place, entry), kind) in entries.iter().enumerate().zip(&kinds) {
        let count = counts.entry(kind).or_default();
        *count += 1;
        let is_only = totals.get(kind).is_none_or(|total| *total == 1);
        let name = if is_only { (*kind).to_owned() } else { format!("{kind}[{count}]") };
        let Node::Object(entry) = entry else { continue };
        for (key, node) in entry.members() {
            let element = if key == "resource" { name.clone() } else { format!("{name}!{key}") };
            collect(node, &format!("entry[{place}].{key}"), &element, &mut found);
        }
    }
    found
}

/// The resource type of an entry.
fn kind(entry: &Node) -> &str {
    let Node::Object(entry) = entry else { return "entry" };
    let Some(Node::Object(resource)) = entry.get("resource") else { return "entry" };
    let Some(Node::Text(kind)) = resource.get("resourceType") else { return "entry" };
    kind.as_str()
}

fn collect(node: &Node, path: &str, element: &str, found: &mut Vec<Leaf>) {
    let mut leaf = |value: String, is_open: bool| {
        found.push(Leaf { path: path.to_owned(), element: element.to_owned(), value, is_open });
    };
    match node {
        Node::Text(text) => leaf(text.as_str().to_owned(), !matches!(text, Text::Owned(_))),
        Node::Number(digits) => leaf(digits.clone(), false),
        Node::Flag(flag) => leaf(flag.to_string(), true),
        Node::List(items) => {
            for (place, item) in items.iter().enumerate() {
                collect(item, &format!("{path}[{place}]"), &format!("{element}[{place}]"), found);
            }
        }
        Node::Object(object) => {
            for (key, value) in object.members() {
                collect(value, &format!("{path}.{key}"), &format!("{element}.{key}"), found);
            }
        }
    }
}

/// How many bytes a node has about: its texts and names, without delimiters.
pub(super) fn weight(node: &Node) -> usize {
    match node {
        Node::Text(text) => text.as_str().len(),
        Node::Number(digits) => digits.len(),
        Node::Flag(_) => 5,
        Node::List(items) => items.iter().map(weight).sum(),
        Node::Object(object) => object.members().map(|(key, value)| key.len() + weight(value)).sum(),
    }
}

/// Compact JSON in lines, as samples keep it: members keep their order and decimals their digits.
pub fn in_lines(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    for character in json.chars() {
        if in_string {
            out.push(character);
            in_string = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
            continue;
        }
        match character {
            '"' => {
                in_string = true;
                out.push(character);
            }
            '{' | '[' => {
                depth += 1;
                out.push(character);
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(character);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::{Bundle, Object, Request, decimal};

    fn bundle() -> Bundle {
        let mut bundle = Bundle::default();
        let patient = Object::resource("Patient").with("birthDate", "1948-02-11".to_owned()).with("gender", "female");
        let create = || Request::Create { unless: Text::from("identifier=a|1") };
        bundle.add(&Text::from("Patient"), "urn:uuid:1".to_owned(), patient, create());
        for (url, name) in [("urn:uuid:2", "Ward 3"), ("urn:uuid:3", "Bed \\\"B\"")] {
            let mut place = Object::resource("Location");
            place.push("alias", name.to_owned());
            place.set("weight", decimal("2.50").unwrap_or_else(|| Node::from("none")));
            bundle.add(&Text::from("Location"), url.to_owned(), place, create());
        }
        bundle
    }

    #[test]
    fn names_every_value_by_its_place_and_masks_what_came_from_the_message() {
        let leaves = bundle().leaves();
        let shown: Vec<String> =
            leaves.iter().map(|leaf| format!("{} {} {}", leaf.path, leaf.element, leaf.masked())).collect();
        for expected in [
            "entry[0].resource.birthDate Patient.birthDate 9999-99-99",
            "entry[0].resource.gender Patient.gender female",
            "entry[0].request.method Patient!request.method POST",
            "entry[1].resource.alias[0] Location[1].alias[0] xxxx 9",
            "entry[2].resource.alias[0] Location[2].alias[0] xxx \\\"x\"",
            "entry[2].resource.weight Location[2].weight 9.99",
        ] {
            assert!(shown.iter().any(|line| line == expected), "{expected} is not in {shown:#?}");
        }
    }

    #[test]
    fn writes_lines_that_say_the_same() {
        let compact = String::from_utf8(bundle().render()).unwrap_or_default();
        let lines = in_lines(&compact);
        assert!(lines.contains("\n        \"weight\": 2.50\n"), "{lines}");
        assert_eq!(in_lines(&lines), lines, "not stable");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        assert!(read(&lines).is_some() && read(&lines) == read(&compact));
    }
}
