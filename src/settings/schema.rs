//! The format of the configuration as JSON Schema 2020-12, for editors (`#:schema` of taplo) and `gurney schema`.
//!
//! Made from the declarations in `keys`, so it cannot differ from what is read. Says nothing about what one table
//! demands of another; `gurney check` does.

use serde_json::{Map, Value as Json, json};

use super::{fields::Section, keys};

/// The JSON Schema of the configuration.
pub fn schema() -> Json {
    let named = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    let reference = |section: &&Section| named(section.kind);
    let by_name = |section: &&Section| {
        let also = keys::SOURCES.iter().chain(&keys::TARGETS).filter(|(_, form)| form.kind == section.kind);
        let mut forms: Vec<_> = std::iter::once(reference(section)).chain(also.map(|(name, _)| named(name))).collect();
        let table = if forms.len() > 1 { json!({"anyOf": forms}) } else { forms.remove(0) };
        json!({
            "type": "object",
            "description": section.doc,
            "propertyNames": {"pattern": "^[a-z0-9-]{1,40}$"},
            "additionalProperties": table,
        })
    };
    let mut properties = Map::new();
    properties.insert("version".to_owned(), json!({"const": keys::VERSION, "description": "Version of this format."}));
    properties.extend(keys::SINGLE.iter().map(|section| (section.kind.to_owned(), reference(section))));
    properties.extend(keys::NAMED.iter().map(|section| (section.kind.to_owned(), by_name(section))));
    let all = keys::SINGLE.iter().chain(&keys::NAMED);
    let mut definitions: Map<_, _> = all.map(|section| (section.kind.to_owned(), section.schema())).collect();
    definitions.extend(
        keys::SOURCES.iter().chain(&keys::TARGETS).map(|(name, section)| ((*name).to_owned(), section.schema())),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of Gurney",
        "type": "object",
        "properties": properties,
        "required": ["version", "gurney", "store"],
        "additionalProperties": false,
        "$defs": definitions,
    })
}
