//! Reads the texts of the standard's definitions. Their form is told at the head of each file.
//!
//! A line that cannot be read is left out and reported; the tests see to it that there is none.

use std::collections::HashMap;

use super::{
    DataType, Dictionary, Field, Form, History, Need, Segment, Table, TypeId, Usage, Version,
    structure::{Event, Family, Structure},
};

/// The four texts.
pub(super) struct Texts<'t> {
    pub(super) types: &'t str,
    pub(super) segments: &'t str,
    pub(super) tables: &'t str,
    pub(super) structures: &'t str,
}

/// Reads the texts; with what could not be read, as file and line.
pub(super) fn read(texts: &Texts<'static>) -> (Dictionary, Vec<String>) {
    let mut reader = Reader { into: Dictionary::default(), shared: HashMap::new(), faults: Vec::new() };
    reader.declare_types(texts.types);
    reader.lines("types.txt", texts.types, Reader::type_line);
    reader.shared.clear();
    reader.lines("segments.txt", texts.segments, Reader::segment_line);
    reader.lines("tables.txt", texts.tables, Reader::table_line);
    reader.lines("structures.txt", texts.structures, Reader::structure_line);
    (reader.into, reader.faults)
}

/// What a line belongs to.
#[derive(Clone, Copy)]
enum Open {
    Nothing,
    Type(TypeId),
    Segment([u8; 3]),
    Table(u16),
    Family(usize),
}

struct Reader {
    into: Dictionary,
    /// Histories that many lines share, by their word.
    shared: HashMap<&'static str, &'static str>,
    faults: Vec<String>,
}

impl Reader {
    fn lines(&mut self, file: &str, text: &'static str, read: fn(&mut Self, &'static str, &mut Open) -> Option<()>) {
        let mut open = Open::Nothing;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if read(self, line, &mut open).is_none() {
                self.faults.push(format!("{file}:{number}"));
            }
        }
    }

    /// Types name each other, so all names come first.
    fn declare_types(&mut self, text: &'static str) {
        for line in text.lines().filter_map(|line| line.strip_prefix("TYPE ")) {
            let name = line.split(' ').next().unwrap_or_default();
            self.into.type_names.insert(name, TypeId(self.into.types.len()));
            self.into.types.push(DataType { name, form: Form::Opaque, title: "", components: Vec::new() });
        }
        // What a value is, another field says.
        self.into.type_names.insert("*", TypeId(self.into.types.len()));
        self.into.types.push(DataType { name: "*", form: Form::Opaque, title: "Varies", components: Vec::new() });
    }

    fn type_line(&mut self, line: &'static str, open: &mut Open) -> Option<()> {
        if let Some(rest) = line.strip_prefix('=') {
            return self.share(rest);
        }
        if let Some(rest) = line.strip_prefix("TYPE ") {
            let (name, rest) = rest.split_once(' ')?;
            let (form, title) = rest.split_once(' ')?;
            let id = self.into.type_named(name.as_bytes())?;
            let kind = self.into.types.get_mut(id.0)?;
            kind.form = form_named(form)?;
            kind.title = titled(title)?.0;
            *open = Open::Type(id);
            return Some(());
        }
        let Open::Type(id) = *open else { return None };
        let (number, rest) = next(line)?;
        let (kind, rest) = next(rest)?;
        let (usage, rest) = next(rest)?;
        let (table, name) = next(rest)?;
        let component = self.field(kind, usage, "-", table, name)?;
        push_in_order(&mut self.into.types.get_mut(id.0)?.components, number, component)
    }

    fn segment_line(&mut self, line: &'static str, open: &mut Open) -> Option<()> {
        if let Some(rest) = line.strip_prefix('=') {
            return self.share(rest);
        }
        if let Some(rest) = line.strip_prefix("SEGMENT ") {
            let (name, title) = rest.split_once(' ')?;
            let name = <[u8; 3]>::try_from(name.as_bytes()).ok()?;
            let (title, since) = titled(title)?;
            let segment = Segment { title, since, open: Vec::new(), fields: Vec::new() };
            *open = Open::Segment(name);
            return self.into.segments.insert(name, segment).is_none().then_some(());
        }
        let Open::Segment(name) = *open else { return None };
        if let Some(rest) = line.strip_prefix("OPEN ") {
            let numbers = rest.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
            self.into.segments.get_mut(&name)?.open = numbers;
            return Some(());
        }
        let (number, rest) = next(line)?;
        let (kind, rest) = next(rest)?;
        let (usage, rest) = next(rest)?;
        let (length, rest) = next(rest)?;
        let (table, title) = next(rest)?;
        let field = self.field(kind, usage, length, table, title)?;
        push_in_order(&mut self.into.segments.get_mut(&name)?.fields, number, field)
    }

    fn table_line(&mut self, line: &'static str, open: &mut Open) -> Option<()> {
        if let Some(rest) = line.strip_prefix("TABLE ") {
            let (number, rest) = rest.split_once(' ')?;
            let (kind, title) = rest.split_once(' ')?;
            let number = number.parse().ok()?;
            let is_fixed = match kind {
                "hl7" => true,
                "site" => false,
                _ => return None,
            };
            *open = Open::Table(number);
            let table = Table { title, is_fixed, codes: HashMap::new() };
            return self.into.tables.insert(number, table).is_none().then_some(());
        }
        let Open::Table(number) = *open else { return None };
        let (code, words) = line.split_once(' ')?;
        self.into.tables.get_mut(&number)?.codes.insert(code, words).is_none().then_some(())
    }

    fn structure_line(&mut self, line: &'static str, open: &mut Open) -> Option<()> {
        if let Some(rest) = line.strip_prefix("STRUCTURE ") {
            let (name, events) = rest.split_once(" = ")?;
            let place = self.into.structures.len();
            self.into.structures.push(Family::default());
            self.into.structure_names.insert(name, place);
            *open = Open::Family(place);
            for event in events.split(' ') {
                let (event, versions) = event.split_once('@').unwrap_or((event, "2.1-"));
                let (since, until) = range(versions)?;
                self.into.events.entry(event).or_default().push(Event { family: place, since, until });
            }
            return Some(());
        }
        let Open::Family(place) = *open else { return None };
        let (versions, body) = line.strip_prefix('@')?.split_once(' ')?;
        let (since, until) = range(versions)?;
        let structure = Structure::read(body)?;
        self.into.structures.get_mut(place)?.push(since, until, structure);
        Some(())
    }

    fn share(&mut self, line: &'static str) -> Option<()> {
        let (word, history) = line.split_once(' ')?;
        self.shared.insert(word, history.trim());
        Some(())
    }

    fn field(
        &self,
        kind: &'static str,
        usage: &'static str,
        length: &'static str,
        table: &'static str,
        name: &'static str,
    ) -> Option<Field> {
        let kinds = self.spread(kind)?;
        let kinds = kinds.into_iter().map(|(since, word)| Some((since, self.into.type_named(word.as_bytes())?)));
        Some(Field {
            kind: History::new(kinds.collect::<Option<_>>()?),
            usage: history(usage, usage_named)?,
            length: history(length, number_or_none)?,
            table: history(table, number_or_none)?,
            name,
        })
    }

    /// The steps of a history of words, shared words spread out: what holds from a version on, until the next step.
    fn spread(&self, text: &'static str) -> Option<Vec<(Version, &'static str)>> {
        let steps = steps(text).collect::<Option<Vec<_>>>()?;
        let mut spread = Vec::with_capacity(steps.len());
        for (place, (since, word)) in steps.iter().enumerate() {
            let Some(shared) = self.shared.get(word) else {
                spread.push((*since, *word));
                continue;
            };
            let until = steps.get(place.saturating_add(1)).map(|(next, _)| *next);
            let inner = History::new(self::steps(shared).collect::<Option<Vec<_>>>()?);
            for version in
                Version::ALL.into_iter().filter(|version| version >= since && until.is_none_or(|end| *version < end))
            {
                let Some(word) = inner.at(version) else { continue };
                if spread.last().is_none_or(|(_, last)| *last != word) {
                    spread.push((version, word));
                }
            }
        }
        Some(spread)
    }
}

/// `ST,ID@2.5` as steps; the first without a version holds from the beginning.
fn steps(text: &'static str) -> impl Iterator<Item = Option<(Version, &'static str)>> {
    text.split(',').enumerate().map(|(place, step)| match step.split_once('@') {
        Some((word, version)) => Some((Version::read(version.as_bytes())?, word)),
        None if place == 0 => Some((Version::V21, step)),
        None => None,
    })
}

fn history<T: Copy>(text: &'static str, read: impl Fn(&str) -> Option<T>) -> Option<History<T>> {
    let steps = steps(text).map(|step| step.and_then(|(since, word)| Some((since, read(word)?))));
    steps.collect::<Option<Vec<_>>>().map(History::new)
}

/// A number; a dash says that there is none.
fn number_or_none<T: std::str::FromStr>(word: &str) -> Option<Option<T>> {
    if word == "-" { Some(None) } else { word.parse().ok().map(Some) }
}

fn usage_named(word: &str) -> Option<Usage> {
    let (letter, repeats) = word.split_at_checked(1)?;
    let need = match letter {
        "R" => Need::Required,
        "O" => Need::Optional,
        "C" => Need::Conditional,
        "B" => Need::Backward,
        "W" => Need::Withdrawn,
        _ => return None,
    };
    let repeats = match repeats {
        "" => 1,
        "*" => u16::MAX,
        number => number.strip_prefix('*')?.parse().ok()?,
    };
    Some(Usage { need, repeats })
}

fn form_named(word: &str) -> Option<Form> {
    Some(match word {
        "text" => Form::Text,
        "number" => Form::Number,
        "sequence" => Form::Sequence,
        "date" => Form::Date,
        "clock" => Form::Clock,
        "stamp" => Form::Stamp,
        "code" => Form::Code,
        "parts" => Form::Parts,
        "opaque" => Form::Opaque,
        _ => return None,
    })
}

/// `Title @2.3`: the title, and the first version.
fn titled(text: &'static str) -> Option<(&'static str, Version)> {
    match text.rsplit_once(" @") {
        Some((title, version)) => Some((title, Version::read(version.as_bytes())?)),
        None => Some((text, Version::V21)),
    }
}

/// `2.3-2.4`, `2.5-` or `2.6`.
fn range(text: &str) -> Option<(Version, Version)> {
    let (since, until) = text.split_once('-').unwrap_or((text, text));
    let since = Version::read(since.as_bytes())?;
    let until = if until.is_empty() { Version::V282 } else { Version::read(until.as_bytes())? };
    (since <= until).then_some((since, until))
}

/// The first word of a line, and the rest.
fn next(line: &'static str) -> Option<(&'static str, &'static str)> {
    line.split_once(' ').map(|(word, rest)| (word, rest.trim_start()))
}

/// Fields stand in the order of their numbers, without a gap.
fn push_in_order(fields: &mut Vec<Field>, number: &str, field: Field) -> Option<()> {
    fields.push(field);
    (number.parse::<usize>().ok()? == fields.len()).then_some(())
}
