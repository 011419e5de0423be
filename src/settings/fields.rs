//! Keys and tables as they are declared, and how declared keys are read from a table that was written.
//!
//! Each key is declared once, with its form, what its absence means, an example and its purpose. Reader, JSON
//! Schema and suggestions are all made from that declaration.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    complaint::{Complaint, Complaints, Ground, quoted},
    form::{Cell, Form},
    place::Place,
    suggest::{did_you_mean, nearest},
};
use crate::units::limits;

/// What it means that a key is not written.
pub(super) enum Absent {
    /// A fault; the text says why the key is needed.
    Fault(&'static str),
    /// This TOML value.
    Default(&'static str),
    /// Nothing; the key's purpose says what then holds.
    Nothing,
}

/// One key.
pub(super) struct Key<F> {
    pub(super) name: &'static str,
    pub(super) form: F,
    pub(super) absent: Absent,
    /// A TOML value.
    pub(super) example: &'static str,
    /// Its purpose in one sentence.
    pub(super) doc: &'static str,
}

/// A key of whatever form.
pub(super) trait Declared: Sync {
    fn name(&self) -> &'static str;
    fn example(&self) -> &'static str;
    fn is_required(&self) -> bool;
    fn schema(&self) -> Json;
}

impl<F: Form> Declared for Key<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn example(&self) -> &'static str {
        self.example
    }

    fn is_required(&self) -> bool {
        matches!(self.absent, Absent::Fault(_))
    }

    fn schema(&self) -> Json {
        let mut schema = self.form.schema();
        if let Json::Object(parts) = &mut schema {
            parts.insert("description".to_owned(), json!(self.doc));
            if let Absent::Default(value) = self.absent {
                parts.insert("default".to_owned(), json_of(value));
            }
            parts.insert("examples".to_owned(), json!([json_of(self.example)]));
        }
        schema
    }
}

/// One kind of table.
pub(super) struct Section {
    pub(super) kind: &'static str,
    /// Its purpose in one sentence.
    pub(super) doc: &'static str,
    pub(super) keys: &'static [&'static dyn Declared],
    /// Keys of the format that this version cannot do.
    pub(super) later: &'static [&'static str],
}

impl Section {
    pub(super) fn schema(&self) -> Json {
        let properties: Map<_, _> = self.keys.iter().map(|key| (key.name().to_owned(), key.schema())).collect();
        let required: Vec<_> = self.keys.iter().filter(|key| key.is_required()).map(|key| key.name()).collect();
        json!({
            "type": "object",
            "description": self.doc,
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }

    /// An inline table made of the keys' examples.
    pub(super) fn example(&self) -> String {
        let pairs: Vec<_> = self.keys.iter().map(|key| format!("{} = {}", key.name(), key.example())).collect();
        format!("{{ {} }}", pairs.join(", "))
    }
}

/// A table that was written, read by declared keys.
pub(super) struct Fields<'a> {
    section: &'static Section,
    /// How messages name it, such as `[mllp.ehr]`.
    pub(super) title: String,
    table: &'a DeTable<'a>,
    /// Its header.
    pub(super) header: Place,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(section: &'static Section, title: String, table: &'a DeTable<'a>, header: Place) -> Self {
        Self { section, title, table, header }
    }

    /// Takes the table for one of another section of its kind.
    pub(super) const fn read_as(&mut self, section: &'static Section) {
        self.section = section;
    }

    /// The text of a key and its place, before it is read, where it is text.
    pub(super) fn word(&self, key: &str) -> Option<(&'a str, Place)> {
        word_of(self.table, key, self.header.file)
    }

    /// The text of a key of a table within this one, and its place.
    pub(super) fn inner_word(&self, table: &str, key: &str) -> Option<(&'a str, Place)> {
        word_of(self.table.get(table)?.get_ref().as_table()?, key, self.header.file)
    }

    /// Reads a key. `None` is a fault that was complained of, or an absent key that has no default.
    pub(super) fn read<F: Form>(&self, key: &Key<F>, found: &mut Complaints) -> Option<F::Out> {
        debug_assert!(self.section.keys.iter().any(|known| known.name() == key.name), "{} is declared", key.name);
        if let Some(value) = self.table.get(key.name) {
            return key.form.read(Cell { file: self.header.file, value }, found);
        }
        match key.absent {
            Absent::Nothing => None,
            Absent::Default(text) => key.form.read(Cell { file: self.header.file, value: &toml_of(text) }, found),
            Absent::Fault(why) => {
                self.complain_of_absence(key, why, found);
                None
            }
        }
    }

    /// Complains that a key is absent which is needed here.
    pub(super) fn complain_of_absence<F>(&self, key: &Key<F>, why: &str, found: &mut Complaints) {
        if self.is_misspelt(key.name) {
            return;
        }
        let help = format!("{why}; add a line such as: {} = {}", key.name, key.example);
        let message = format!("{} has no `{}`", self.title, key.name);
        found.push(Complaint::new(self.header.clone(), message).ground(Ground::Absence).help(help));
    }

    /// Whether the key seems to be written under a wrong name, which is complained of there.
    fn is_misspelt(&self, key: &str) -> bool {
        let known = || self.section.keys.iter().map(|key| key.name());
        let mut unknown = self
            .table
            .keys()
            .take(limits::FAULTS_MAX)
            .map(|name| name.get_ref().as_ref())
            .filter(|word| known().all(|key| key != *word));
        unknown.any(|word| nearest(word, known()) == Some(key))
    }

    pub(super) fn has<F>(&self, key: &Key<F>) -> bool {
        self.table.contains_key(key.name)
    }

    /// Where the key's value stands; the table's header where it is absent.
    pub(super) fn place<F>(&self, key: &Key<F>) -> Place {
        let span = self.table.get(key.name).map(Spanned::span);
        span.map_or_else(|| self.header.clone(), |span| Place { file: self.header.file, span })
    }

    /// Where the key itself stands; the table's header where it is absent.
    pub(super) fn key_place<F>(&self, key: &Key<F>) -> Place {
        let written = self.table.get_key_value(key.name);
        written.map_or_else(|| self.header.clone(), |(name, _)| Place { file: self.header.file, span: name.span() })
    }

    /// Complains of every key that is not declared.
    pub(super) fn complain_of_unknown(&self, found: &mut Complaints) {
        let known = || self.section.keys.iter().map(|key| key.name());
        let is_unknown = |name: &&Spanned<Cow<'_, str>>| known().all(|key| key != name.get_ref());
        let unknown: Vec<_> = self.table.keys().filter(is_unknown).collect();
        found.count_more(unknown.len().saturating_sub(limits::FAULTS_MAX));
        for name in unknown.into_iter().take(limits::FAULTS_MAX) {
            let word = name.get_ref().as_ref();
            let place = Place { file: self.header.file, span: name.span() };
            let complaint = if self.section.later.contains(&word) {
                Complaint::new(place, format!("{} of {} is not supported by this version", quoted(word), self.title))
                    .help("take it away until a version that can do it is installed")
            } else {
                let otherwise = format!("the keys are {}", known().collect::<Vec<_>>().join(", "));
                Complaint::new(place, format!("unknown key {} in {}", quoted(word), self.title)).help(did_you_mean(
                    word,
                    known(),
                    otherwise,
                ))
            };
            found.push(complaint);
        }
    }
}

fn word_of<'a>(table: &'a DeTable<'a>, key: &str, file: usize) -> Option<(&'a str, Place)> {
    let value = table.get(key)?;
    Some((value.get_ref().as_str()?, Place { file, span: value.span() }))
}

/// Reads a TOML value that stands in a declaration.
#[expect(clippy::expect_used, reason = "declarations are constants; a test reads every one of them")]
fn toml_of(text: &'static str) -> Spanned<DeValue<'static>> {
    DeValue::parse(text).expect("declared values are TOML")
}

/// A declared TOML value in JSON.
pub(super) fn json_of(text: &'static str) -> Json {
    to_json(toml_of(text).get_ref())
}

/// A TOML value in JSON; numbers out of range as text.
pub(super) fn to_json(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| json!(integer.as_str()), |number| json!(number)),
        DeValue::Float(float) => {
            float.as_str().parse::<f64>().map_or_else(|_| json!(float.as_str()), |number| json!(number))
        }
        DeValue::Boolean(boolean) => json!(boolean),
        DeValue::Datetime(datetime) => json!(datetime.to_string()),
        DeValue::Array(items) => items.iter().map(|item| to_json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| (key.get_ref().to_string(), to_json(value.get_ref()))).collect()
        }
    }
}
