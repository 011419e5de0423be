//! The forms a value may have: how each is read from TOML, and how JSON Schema says the same.
//!
//! A form reports what is wrong at the value's own place and gives nothing back; it never gives back a value
//! out of range. What a word means stands in `words`.

use std::{ops::RangeInclusive, time::Duration};

use serde_json::{Value as Json, json};
use toml::{Spanned, de::DeValue};

use super::{
    complaint::{Complaint, Complaints, listed, quoted},
    fields::{Fields, Section},
    place::Place,
    suggest::did_you_mean,
    words::{self, Wrong},
};
use crate::units::ByteCount;

/// A value where it stands.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    pub(super) file: usize,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Cell<'a> {
    pub(super) fn place(self) -> Place {
        Place { file: self.file, span: self.value.span() }
    }

    /// The value as text, or a complaint that says what is wanted.
    fn text(self, wanted: &str, help: &str, found: &mut Complaints) -> Option<&'a str> {
        let text = self.value.get_ref().as_str();
        if text.is_none() {
            found.push(self.unlike(wanted).help(help));
        }
        text
    }

    pub(super) fn unlike(self, wanted: &str) -> Complaint {
        let message = format!("expected {wanted}, found {}", plain_type(self.value.get_ref()));
        Complaint::new(self.place(), message)
    }

    fn wrong(self, wrong: Wrong) -> Complaint {
        Complaint::new(self.place(), wrong.message).help(wrong.help)
    }
}

fn plain_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false without quotes",
        DeValue::Datetime(_) => "a date or time without quotes",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A form of values.
pub(super) trait Form: Sync {
    /// What the value means.
    type Out;

    /// Reads a value, or complains.
    fn read(&self, cell: Cell<'_>, found: &mut Complaints) -> Option<Self::Out>;

    /// The form in JSON Schema.
    fn schema(&self) -> Json;
}

/// Text with a spelling of its own.
pub(super) struct Spelled<T> {
    pub(super) wanted: &'static str,
    pub(super) parse: fn(&str) -> Result<T, Wrong>,
    /// The spelling as a regular expression, where one says it well.
    pub(super) pattern: Option<&'static str>,
}

impl<T> Form for Spelled<T> {
    type Out = T;

    fn read(&self, cell: Cell<'_>, found: &mut Complaints) -> Option<T> {
        let text = cell.text(self.wanted, "write it in quotes", found)?;
        (self.parse)(text).map_err(|wrong| found.push(cell.wrong(wrong))).ok()
    }

    fn schema(&self) -> Json {
        match self.pattern {
            Some(pattern) => json!({"type": "string", "pattern": pattern}),
            None => json!({"type": "string", "minLength": 1}),
        }
    }
}

/// A number without unit.
pub(super) struct Whole(pub(super) RangeInclusive<usize>);

impl Form for Whole {
    type Out = usize;

    fn read(&self, cell: Cell<'_>, found: &mut Complaints) -> Option<usize> {
        let Some(integer) = cell.value.get_ref().as_integer() else {
            found.push(cell.unlike("a whole number").help(format!("write a number such as {}", self.0.end())));
            return None;
        };
        let number = usize::from_str_radix(integer.as_str(), integer.radix()).ok();
        let inside = number.filter(|number| self.0.contains(number));
        if inside.is_none() {
            let help = format!("write a number from {} to {}", self.0.start(), self.0.end());
            found.push(Complaint::new(cell.place(), "this number is out of range").help(help));
        }
        inside
    }

    fn schema(&self) -> Json {
        json!({"type": "integer", "minimum": self.0.start(), "maximum": self.0.end()})
    }
}

/// A number of bytes with its unit.
pub(super) struct Size(pub(super) RangeInclusive<u64>);

impl Form for Size {
    type Out = ByteCount;

    fn read(&self, cell: Cell<'_>, found: &mut Complaints) -> Option<ByteCount> {
        let text = cell.text("a size", words::SIZE_HELP, found)?;
        let size = words::size(text).map_err(|wrong| found.push(cell.wrong(wrong))).ok()?;
        let bounds = [self.0.start(), self.0.end()].map(|bound| words::show_size(ByteCount(*bound)));
        within(cell, self.0.contains(&size.0), &bounds, found).then_some(size)
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": "^[0-9]+ *(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$"})
    }
}

const TIME_PATTERN: &str = "[0-9]+ *(ms|s|min|h|hours?|days?)";

/// A time with its unit.
pub(super) struct Time(pub(super) RangeInclusive<Duration>);

impl Form for Time {
    type Out = Duration;

    fn read(&self, cell: Cell<'_>, found: &mut Complaints) -> Option<Duration> {
        let text = cell.text("a time", words::TIME_HELP, found)?;
        let time = words::time(text).map_err(|wrong| found.push(cell.wrong(wrong))).ok()?;
        let bounds = [self.0.start(), self.0.end()].map(|bound| words::show_time(*bound));
        within(cell, self.0.contains(&time), &bounds, found).then_some(time)
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": format!("^{TIME_PATTERN}$")})
    }
}

/// A time, or the word `never`.
pub(super) struct TimeOrNever(pub(super) Time);

impl Form for TimeOrNever {
    type Out = Option<Duration>;

    fn read(&self, cell: Cell<'_>, found: &mut Complaints) -> Option<Option<Duration>> {
        if cell.value.get_ref().as_str() == Some("never") {
            return Some(None);
        }
        self.0.read(cell, found).map(Some)
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": format!("^(never|{TIME_PATTERN})$")})
    }
}

fn within(cell: Cell<'_>, is_inside: bool, bounds: &[String; 2], found: &mut Complaints) -> bool {
    if !is_inside {
        let [least, most] = bounds;
        let help = format!("write \"{least}\" to \"{most}\"");
        found.push(Complaint::new(cell.place(), "this value is out of range").help(help));
    }
    is_inside
}

/// What one word of a choice leads to.
#[derive(Clone, Copy)]
pub(super) enum Word<T> {
    /// The word's meaning.
    Means(T),
    /// Part of the format, but this version cannot do it.
    Later,
}

/// One of a few words.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, Word<T>)]);

impl<T: Copy> Choice<T> {
    fn offered(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|(_, word)| matches!(word, Word::Means(_))).map(|(text, _)| *text)
    }
}

impl<T: Copy + Sync> Form for Choice<T> {
    type Out = T;

    fn read(&self, cell: Cell<'_>, found: &mut Complaints) -> Option<T> {
        let text = cell.text(&format!("one of {}", listed(self.offered(), "or")), "write it in quotes", found)?;
        let write = || format!("write {}", listed(self.offered(), "or"));
        let complaint =
            match self.0.iter().find(|(word, _)| *word == text) {
                Some((_, Word::Means(meaning))) => return Some(*meaning),
                Some((_, Word::Later)) => {
                    Complaint::new(cell.place(), format!("{} is not supported by this version", quoted(text)))
                        .help(write())
                }
                None => Complaint::new(cell.place(), format!("{} is not a choice here", quoted(text)))
                    .help(did_you_mean(text, self.offered(), write())),
            };
        found.push(complaint);
        None
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "enum": self.offered().collect::<Vec<_>>()})
    }
}

/// A list of values of one form.
pub(super) struct List<F> {
    pub(super) item: F,
    pub(super) count: RangeInclusive<usize>,
}

impl<F: Form> Form for List<F> {
    type Out = Vec<F::Out>;

    fn read(&self, cell: Cell<'_>, found: &mut Complaints) -> Option<Vec<F::Out>> {
        let Some(items) = cell.value.get_ref().as_array() else {
            found.push(cell.unlike("a list").help("write it in brackets, each part in quotes: [\"...\", \"...\"]"));
            return None;
        };
        if !self.count.contains(&items.len()) {
            let message = if items.is_empty() { "this list is empty" } else { "this list is too long" };
            let help = format!("{} to {} parts are allowed", self.count.start(), self.count.end());
            found.push(Complaint::new(cell.place(), message).help(help));
            return None;
        }
        let read: Vec<_> = items.iter().map(|value| self.item.read(Cell { file: cell.file, value }, found)).collect();
        read.into_iter().collect()
    }

    fn schema(&self) -> Json {
        json!({"type": "array", "items": self.item.schema(), "minItems": self.count.start(), "maxItems": self.count.end()})
    }
}

/// A table within a table.
pub(super) struct Inline<T> {
    pub(super) section: &'static Section,
    pub(super) build: fn(&Fields<'_>, &mut Complaints) -> Option<T>,
}

impl<T> Form for Inline<T> {
    type Out = T;

    fn read(&self, cell: Cell<'_>, found: &mut Complaints) -> Option<T> {
        let Some(table) = cell.value.get_ref().as_table() else {
            let example = format!("write {} = {}", self.section.kind, self.section.example());
            found.push(cell.unlike("a table").help(example));
            return None;
        };
        let fields = Fields::new(self.section, format!("`{}`", self.section.kind), table, cell.place());
        fields.complain_of_unknown(found);
        (self.build)(&fields, found)
    }

    fn schema(&self) -> Json {
        self.section.schema()
    }
}
