//! From the text of a map to a map whose names are resolved: every table, column, code, resource and path it speaks
//! of exists, so that nothing of that kind can fail while a message waits. All faults are reported at once.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{
    dialect::{Dialect, STANDARD},
    fault::{Faults, MapFault, did_you_mean},
    shape::Shape,
    source::{Source, Via, read_via},
    table::{Column, Table, Unlisted},
    target::Target,
    text::{By, Key, MapText, ResourceText, RowText, TriggerText, WhenText, Word},
    verb::{Verb, Verbs},
};
use crate::{
    event::Element,
    fhir::{Leaf, Node, Object, Text, coding, concept, leaves_of},
    hl7::MessageType,
    units::limits,
};

mod needs;

pub(super) use needs::{Condition, Need, Wanted};

pub(super) type Tables = BTreeMap<Arc<str>, Arc<Table>>;

/// A map with its names resolved.
pub(super) struct Compiled {
    pub(super) service: String,
    pub(super) question: Via,
    pub(super) coding_system: Via,
    pub(super) authority: Via,
    pub(super) identifier_type: Via,
    pub(super) name_use: Via,
    pub(super) unit: Via,
    pub(super) triggers: Vec<Trigger>,
    pub(super) needs: Vec<Need>,
    pub(super) resources: Vec<Resource>,
}

impl Compiled {
    /// What its rows write whatever a message says, and what its resources are called.
    pub(super) fn words(&self) -> Vec<String> {
        let constants = |row: &Row| -> Vec<Leaf> {
            row.constants.0.iter().flat_map(|(_, node)| leaves_of(node, "")).filter(|leaf| leaf.is_open).collect()
        };
        let rows = self.resources.iter().flat_map(|resource| &resource.rows);
        let written = rows.flat_map(constants).map(|leaf| leaf.value);
        self.resources.iter().map(|resource| resource.kind.to_string()).chain(written).collect()
    }
}

/// Which messages do what.
pub(super) struct Trigger {
    /// Where it stands in its file.
    pub(super) line: usize,
    pub(super) on: Vec<Kind>,
    pub(super) by: By,
    pub(super) only: Option<(Vec<Source>, Arc<str>)>,
    pub(super) verb_from: Vec<Source>,
    pub(super) verb_always: Option<Verb>,
}

/// A message type of a map: `ADT^A03`, or `ORM` for one without a trigger event.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Kind {
    code: String,
    trigger: String,
}

impl Kind {
    fn read(text: &str) -> Self {
        let (code, trigger) = text.split_once('^').unwrap_or((text, ""));
        Self { code: code.to_owned(), trigger: trigger.to_owned() }
    }

    pub(super) fn fits(&self, of: &MessageType<'_>) -> bool {
        self.code.as_bytes() == of.code && self.trigger.as_bytes() == of.trigger
    }
}

/// A resource of the Bundle.
pub(super) struct Resource {
    /// Where it stands in its file.
    pub(super) line: usize,
    pub(super) name: Arc<str>,
    pub(super) kind: Arc<str>,
    pub(super) key: Key,
    pub(super) from: Vec<Source>,
    pub(super) prefer: Vec<String>,
    pub(super) need: Verbs,
    pub(super) create: Verbs,
    pub(super) put: Verbs,
    pub(super) when: Option<When>,
    pub(super) otherwise: Vec<Source>,
    pub(super) of: Vec<usize>,
    pub(super) space: Arc<str>,
    pub(super) each: Names,
    pub(super) on: Vec<Kind>,
    pub(super) put_on: Vec<Kind>,
    pub(super) given: Vec<Source>,
    pub(super) unless: Vec<Source>,
    pub(super) spoken: Vec<Source>,
    pub(super) unlike: Option<usize>,
    /// Whether its rows write its identifiers.
    pub(super) identifies_itself: bool,
    pub(super) rows: Vec<Row>,
}

/// Names of segments: the one that begins a group, and those that may follow it.
pub(super) type Names = Vec<Arc<str>>;

/// A meaning that must be, or must not be.
pub(super) struct When {
    pub(super) sources: Vec<Source>,
    is: Option<Arc<str>>,
    is_not: Option<Arc<str>>,
}

impl When {
    /// Whether it holds of what was found.
    pub(super) fn holds(&self, meaning: Option<&str>) -> bool {
        let wanted = self.is.as_deref().is_none_or(|is| meaning == Some(is));
        wanted && self.is_not.as_deref().is_none_or(|is_not| meaning != Some(is_not))
    }
}

/// One translation.
pub(super) struct Row {
    /// Where it stands in its file.
    pub(super) line: usize,
    pub(super) to: Target,
    /// What reports call the value: its label, its table, or its element.
    pub(super) what: Arc<str>,
    pub(super) with: Shape,
    pub(super) from: Vec<Source>,
    pub(super) otherwise: Vec<Source>,
    pub(super) until: Vec<Source>,
    pub(super) constants: Constants,
    pub(super) table: Option<Arc<Table>>,
    pub(super) label: Option<Label>,
    pub(super) refer: Vec<usize>,
    pub(super) verbs: Verbs,
    pub(super) need: Verbs,
    pub(super) on: Vec<Kind>,
    pub(super) all: bool,
    pub(super) rising: bool,
    pub(super) at_most: Vec<Source>,
    pub(super) unlisted: Option<Unlisted>,
    pub(super) each: Names,
    pub(super) given: Vec<Source>,
    pub(super) unless: Vec<Source>,
    pub(super) nulled: Vec<Source>,
    pub(super) unit: Vec<Source>,
    pub(super) parts: Vec<Self>,
    pub(super) must: bool,
}

/// What a row writes whatever the message says.
#[derive(Default)]
pub(super) struct Constants(Vec<(Verbs, Node)>);

impl Constants {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn of(&self, verb: Verb) -> Option<&Node> {
        let own = self.0.iter().find(|(verbs, _)| verbs.names(verb));
        own.or_else(|| self.0.iter().find(|(verbs, _)| verbs.has(verb))).map(|(_, node)| node)
    }
}

/// A code that says what a value is about.
pub(super) struct Label {
    pub(super) name: Arc<str>,
    pub(super) coding: Object,
    pub(super) display: Arc<str>,
}

/// Resolves a map for the senders of a dialect. Faults are noted; a map with faults is not to be used.
pub(super) fn compile(text: &MapText, tables: &Tables, dialect: &Dialect, faults: &mut Faults<'_>) -> Option<Compiled> {
    if !check_size(text, faults) {
        return None;
    }
    check_triggers(text, faults);
    let mut compiler = Compiler { tables, dialect, faults, names: names(&text.resource) };
    let Some(used) = &text.tables else {
        compiler.faults.add(text.map.span(), "a map needs `tables`, or to include one that has them");
        return None;
    };
    let via = [&used.question, &used.coding_system, &used.authority, &used.identifier_type, &used.name_use, &used.unit];
    let via = via.map(|word| compiler.via(word));
    let triggers = text.trigger.iter().filter_map(|trigger| compiler.trigger(trigger)).collect();
    let needs = text.need.iter().map(|need| compiler.need(need)).collect();
    let resources: Vec<Resource> = text.resource.iter().filter_map(|resource| compiler.resource(resource)).collect();
    for (place, (resource, text)) in resources.iter().zip(&text.resource).enumerate() {
        if resource.of.iter().chain(&resource.unlike).any(|other| *other >= place) {
            compiler.faults.add(text.name.span(), "what `of` and `unlike` name must stand before it");
        }
    }
    let [question, coding_system, authority, identifier_type, name_use, unit] = via;
    Some(Compiled {
        service: text.service.clone(),
        question: question?,
        coding_system: coding_system?,
        authority: authority?,
        identifier_type: identifier_type?,
        name_use: name_use?,
        unit: unit?,
        triggers,
        needs,
        resources,
    })
}

/// A map has no loops: what bounds its work is how much of it there is.
fn check_size(text: &MapText, faults: &mut Faults<'_>) -> bool {
    let noted = faults.found.len();
    let parts = [
        (
            "triggers",
            text.trigger.len(),
            text.trigger.get(limits::MAP_PARTS_MAX).and_then(|trigger| trigger.on.first()),
        ),
        (
            "needs",
            text.need.len(),
            text.need.get(limits::MAP_PARTS_MAX).and_then(|need| need.any_of.first()).and_then(|group| group.first()),
        ),
        ("resources", text.resource.len(), text.resource.get(limits::MAP_PARTS_MAX).map(|resource| &resource.name)),
    ];
    for (what, count, beyond) in parts {
        if count > limits::MAP_PARTS_MAX {
            let span = beyond.unwrap_or(&text.map).span();
            faults.add(span, format!("a map has at most {} {what}; this one has {count}", limits::MAP_PARTS_MAX));
        }
    }
    let mut rows = text.resource.iter().flat_map(|resource| &resource.row);
    if let Some(beyond) = rows.nth(limits::MAP_ROWS_MAX) {
        let count = limits::MAP_ROWS_MAX + 1 + rows.count();
        faults.add(beyond.span(), format!("a map has at most {} rows; this one has {count}", limits::MAP_ROWS_MAX));
    }
    faults.found.len() == noted
}

/// Jobs are decided by what is known of them and records are what a message says: a flow does the one or the other.
fn check_triggers(text: &MapText, faults: &mut Faults<'_>) {
    let Some(first) = text.trigger.first() else { return };
    let other = text.trigger.iter().find(|trigger| trigger.by.makes_job() != first.by.makes_job());
    if let Some(trigger) = other {
        let span = trigger.on.first().map_or_else(|| text.map.span(), Word::span);
        let fault = "a map either makes jobs (`by` is \"order\" or \"visit\") or makes none (\"message\", \"each-patient\", \
                     \"each-order\"); this trigger does otherwise than the first one: put it in a map of its own";
        faults.add(span, fault);
    }
}

fn names(resources: &[ResourceText]) -> Vec<Arc<str>> {
    resources.iter().map(|resource| resource.name.get_ref().as_str().into()).collect()
}

struct Compiler<'c, 't> {
    tables: &'c Tables,
    dialect: &'c Dialect,
    faults: &'c mut Faults<'t>,
    names: Vec<Arc<str>>,
}

impl Compiler<'_, '_> {
    fn note<T>(&mut self, span: Range<usize>, result: Result<T, String>) -> Option<T> {
        result.map_err(|text| self.faults.add(span, text)).ok()
    }

    fn via(&mut self, word: &Word) -> Option<Via> {
        let result = read_via(word.get_ref(), self.tables);
        self.note(word.span(), result)
    }

    fn sources(&mut self, words: &[Word], via: Option<&str>) -> Vec<Source> {
        self.placed(words, via).into_iter().map(|(_, source)| source).collect()
    }

    /// Sources with the word each stands for: an element is the places of the dialect.
    fn placed<'w>(&mut self, words: &'w [Word], via: Option<&str>) -> Vec<(&'w Word, Source)> {
        let mut placed = Vec::new();
        for word in words {
            let result = match element_of(word.get_ref()) {
                Some(name) => self.element(name, via),
                None => Source::read(word.get_ref(), via, self.tables).map(|source| vec![source]),
            };
            placed.extend(self.note(word.span(), result).into_iter().flatten().map(|source| (word, source)));
        }
        placed
    }

    fn element(&self, name: &str, via: Option<&str>) -> Result<Vec<Source>, String> {
        let unknown =
            || format!("there is no element `{name}`{}", did_you_mean(name, Element::ALL.map(Element::as_str)));
        let element = Element::named(name).ok_or_else(unknown)?;
        let via = via.map(|via| read_via(via, self.tables)).transpose()?;
        Ok(self.dialect.places(element).iter().map(|source| source.or_via(via.as_ref())).collect())
    }

    /// Notes what is wrong with a source: where the map stands for the standard dialect, and where the dialect does
    /// for any other, because the map was good without it.
    fn blame(&mut self, word: &Word, source: &Source, text: String) {
        let home = source.home.as_ref().filter(|_| !self.dialect.is(STANDARD));
        let Some(home) = home else {
            return self.faults.add(word.span(), text);
        };
        let text = format!("{text}, and a map reads it by `{}`", word.get_ref());
        let fault = MapFault { file: home.file.to_string(), line: home.line, column: home.column, text };
        if !self.faults.found.contains(&fault) {
            self.faults.found.push(fault);
        }
    }

    /// Sources whose table must be given, and whose meanings must all fit.
    fn meanings(&mut self, words: &[Word], fits: &dyn Fn(&str) -> bool) -> Vec<Source> {
        let placed = self.placed(words, None);
        for (word, source) in &placed {
            let Some(via) = &source.via else {
                self.blame(word, source, "expected `via table.column`".to_owned());
                continue;
            };
            for code in via.table.codes() {
                if let Some(meaning) = code.meaning(via.column).filter(|meaning| !fits(meaning)) {
                    let table = &via.table.name;
                    self.blame(word, source, format!("the meaning `{meaning}` in table `{table}` is not known here"));
                }
            }
        }
        placed.into_iter().map(|(_, source)| source).collect()
    }

    fn trigger(&mut self, text: &TriggerText) -> Option<Trigger> {
        let only = text.only.as_ref().map(|only| (self.meanings(&only.from, &|_| true), only.is.as_str().into()));
        let verb_from = self.meanings(&text.verb.from, &|meaning| Verb::named(meaning).is_some());
        let records = (!text.by.makes_job()).then_some(Verb::Record);
        let verb_always = text.verb.always.or(records);
        if verb_always.is_none() && text.verb.from.is_empty() {
            let span = text.on.first().map(Word::span).unwrap_or_default();
            self.faults.add(span, "a trigger needs a verb: `from` or `always`");
            return None;
        }
        let on = kinds(&text.on);
        let line = text.on.first().map_or(0, |word| self.faults.line(&word.span()));
        Some(Trigger { line, on, by: text.by, only, verb_from, verb_always })
    }

    fn resource(&mut self, text: &ResourceText) -> Option<Resource> {
        let from = self.sources(&text.from, None);
        let (Some(key), Some(kind)) = (&text.key, &text.kind) else {
            self.faults.add(text.name.span(), "a resource needs `type` and `key`, unless an included map has it");
            return None;
        };
        if key.get_ref().wants_source() && text.from.is_empty() {
            self.faults.add(key.span(), "this key needs `from`");
        }
        if matches!(key.get_ref(), Key::Part | Key::Line) && text.of.is_empty() {
            self.faults.add(key.span(), "this key needs `of`, the resource whose part it is");
        }
        if *key.get_ref() == Key::Message && !text.create.is_empty() {
            self.faults.add(key.span(), "a resource with this key has an id of its own: `put` it");
        }
        let (mut create, put) = (Verbs::of(&text.create), Verbs::of(&text.put));
        if text.create.is_empty() && text.put.is_empty() {
            create = Verbs::of(&[Verb::Record]);
        }
        for row in text.row.iter().filter(|row| row.get_ref().why.is_none()) {
            self.faults.add(row.span(), "a row needs `why`");
        }
        let rows: Vec<Row> =
            text.row.iter().filter_map(|row| self.row(row.get_ref(), create.or(put), row.span())).collect();
        Some(Resource {
            line: self.faults.line(&text.name.span()),
            name: text.name.get_ref().as_str().into(),
            kind: kind.as_str().into(),
            key: *key.get_ref(),
            from,
            prefer: text.prefer.clone(),
            need: Verbs::of(&text.need),
            create,
            put,
            when: text.when.as_ref().map(|when| self.when(when)),
            otherwise: self.sources(&text.otherwise, None),
            of: text.of.iter().filter_map(|name| self.refer(name)).collect(),
            space: text.space.as_str().into(),
            each: segment_names(&text.each),
            on: kinds(&text.on),
            put_on: kinds(&text.put_on),
            given: self.sources(&text.given, None),
            unless: self.sources(&text.unless, None),
            spoken: self.sources(&text.spoken, None),
            unlike: text.unlike.as_ref().and_then(|name| self.refer(name)),
            identifies_itself: rows.iter().any(|row| row.to.element() == "identifier"),
            rows,
        })
    }

    fn when(&mut self, text: &WhenText) -> When {
        if text.is.is_none() && text.is_not.is_none() {
            self.faults.add(text.from.span(), "expected `is` or `is_not` beside it");
        }
        let mut sources = self.meanings(std::slice::from_ref(&text.from), &|_| true);
        sources.extend(self.meanings(&text.otherwise, &|_| true));
        let shared = |word: &Option<String>| word.as_deref().map(Arc::from);
        When { sources, is: shared(&text.is), is_not: shared(&text.is_not) }
    }

    fn row(&mut self, text: &RowText, verbs: Verbs, span: Range<usize>) -> Option<Row> {
        let noted = self.faults.found.len();
        let to = self.note(text.to.span(), Target::read(text.to.get_ref()))?;
        let table = match &text.table {
            Some(word) => Some(self.table(word)?),
            None => None,
        };
        let via = text.via.as_ref().map(|via| via.get_ref().as_str());
        for list in [&text.from, &text.otherwise, &text.until, &text.refer] {
            if let Some(beyond) = list.get(limits::ROW_SOURCES_MAX) {
                self.faults.add(beyond.span(), format!("a row has at most {} of these", limits::ROW_SOURCES_MAX));
            }
        }
        let at_most = self.row_sources(text.at_most.as_slice(), None, table.as_deref());
        let row = Row {
            line: self.faults.line(&text.to.span()),
            what: what(text, &to),
            with: text.with,
            from: self.row_sources(&text.from, via, table.as_deref()),
            otherwise: self.row_sources(&text.otherwise, via, table.as_deref()),
            until: self.sources(&text.until, None),
            constants: self.constants(text, table.as_deref()),
            label: text.label.as_ref().and_then(|label| self.label(label, table.as_deref())),
            table,
            refer: text.refer.iter().filter_map(|name| self.refer(name)).collect(),
            verbs: text.verbs.as_deref().map_or(verbs, Verbs::of),
            need: Verbs::of(&text.need),
            on: kinds(&text.on),
            all: text.all,
            rising: text.rising,
            at_most,
            unlisted: text.unlisted,
            each: segment_names(&text.each),
            given: self.sources(&text.given, None),
            unless: self.sources(&text.unless, None),
            nulled: self.sources(&text.nulled, None),
            unit: self.sources(&text.unit, None),
            parts: text.part.iter().filter_map(|part| self.row(part.get_ref(), verbs, part.span())).collect(),
            must: text.must,
            to,
        };
        // A row whose names are wrong already looks incomplete because of it, and so does one whose elements this
        // dialect never says.
        if self.faults.found.len() == noted && row.from.is_empty() == text.from.is_empty() {
            let unmeant = self.unmeant(text, via);
            match (row.with.accepts(&row), unmeant) {
                (Err(fault), Some((word, source))) if !self.dialect.is(STANDARD) => self.blame(word, &source, fault),
                (Err(fault), _) => self.faults.add(span, fault),
                (Ok(()), Some((word, source))) if row.rising => {
                    self.blame(word, &source, "expected `via table.column`".to_owned());
                }
                (Ok(()), _) => {}
            }
        }
        Some(row)
    }

    /// The first place of a row whose code no table gives a meaning.
    fn unmeant<'w>(&mut self, text: &'w RowText, via: Option<&str>) -> Option<(&'w Word, Source)> {
        let mut placed = self.placed(&text.from, via);
        placed.extend(self.placed(&text.otherwise, via));
        placed.extend(self.placed(text.at_most.as_slice(), None));
        placed.into_iter().find(|(_, source)| source.via.is_none())
    }

    /// Sources whose meanings, where the row writes codes of a table, must all be codes of it.
    fn row_sources(&mut self, words: &[Word], via: Option<&str>, table: Option<&Table>) -> Vec<Source> {
        let placed = self.placed(words, via);
        for (word, source) in &placed {
            let (Some(via), Some(table)) = (&source.via, table) else {
                continue;
            };
            if via.column == Column::Code {
                continue;
            }
            for meaning in via.table.codes().iter().filter_map(|code| code.meaning(via.column)) {
                let is_flag = matches!(&**meaning, "yes" | "no");
                if !is_flag && table.named(meaning).is_none() {
                    let (from, into) = (&via.table.name, &table.name);
                    self.blame(word, source, format!("`{meaning}` of table `{from}` is not in table `{into}`"));
                }
            }
        }
        placed.into_iter().map(|(_, source)| source).collect()
    }

    fn table(&mut self, word: &Word) -> Option<Arc<Table>> {
        let name = word.get_ref().as_str();
        let found = self.tables.get(name).cloned();
        let near = || did_you_mean(name, self.tables.keys().map(|known| &**known));
        self.note(word.span(), found.ok_or_else(|| format!("there is no table `{name}`{}", near())))
    }

    fn refer(&mut self, word: &Word) -> Option<usize> {
        let place = self.names.iter().position(|name| **name == **word.get_ref());
        let near = || did_you_mean(word.get_ref(), self.names.iter().map(|known| &**known));
        let result = place.ok_or_else(|| format!("there is no resource `{}` in this map{}", word.get_ref(), near()));
        self.note(word.span(), result)
    }

    fn label(&mut self, word: &Word, table: Option<&Table>) -> Option<Label> {
        let coding = self.code(word, table)?;
        let code = table.and_then(|table| table.named(word.get_ref()))?.1;
        let display = code.display.as_ref().unwrap_or(&code.code);
        Some(Label { name: Arc::clone(&code.name), coding, display: Arc::clone(display) })
    }

    fn code(&mut self, word: &Word, table: Option<&Table>) -> Option<Object> {
        let name = word.get_ref().as_str();
        let result = match table {
            None => Err("a code needs `in`, the table it is in".to_owned()),
            Some(table) => code_of(table, name).ok_or_else(|| format!("`{name}` is not in table `{}`", table.name)),
        };
        self.note(word.span(), result)
    }

    fn constants(&mut self, text: &RowText, table: Option<&Table>) -> Constants {
        let mut constants = Constants::default();
        let single = text.value.iter().map(|word| (Verbs::ALL, word));
        let several = text.values.iter().map(|(verb, word)| (Verbs::of(&[*verb]), word));
        for (verbs, word) in single.chain(several) {
            constants.0.extend(self.constant(text.with, word, table).map(|node| (verbs, node)));
        }
        constants
    }

    fn constant(&mut self, with: Shape, word: &Word, table: Option<&Table>) -> Option<Node> {
        match with {
            Shape::Code | Shape::Text => Some(Node::from(&Arc::<str>::from(word.get_ref().as_str()))),
            Shape::Boolean => {
                let flag = word.get_ref().parse().map_err(|_| "expected `true` or `false`".to_owned());
                self.note(word.span(), flag).map(Node::Flag)
            }
            Shape::Coding => self.code(word, table).map(Node::from),
            Shape::Concept | Shape::ConceptOnly => Some(concept(vec![self.code(word, table)?], None).into()),
            _ => self.note(word.span(), Err("`value` goes with code, boolean, coding or concept".to_owned())),
        }
    }
}

fn kinds(words: &[Word]) -> Vec<Kind> {
    words.iter().map(|word| Kind::read(word.get_ref())).collect()
}

fn segment_names(words: &[Word]) -> Names {
    words.iter().map(|word| word.get_ref().as_str().into()).collect()
}

/// A code of a table as a Coding.
pub(super) fn code_of(table: &Table, name: &str) -> Option<Object> {
    let (_, code) = table.named(name)?;
    let system = code.system.as_ref().or(table.system.as_ref());
    Some(coding(system.map(Text::from), Some(Text::from(&code.code)), code.display.as_ref().map(Text::from)))
}

/// The element in `element(…)`.
fn element_of(text: &str) -> Option<&str> {
    text.trim().strip_prefix("element(")?.strip_suffix(')')
}

fn what(text: &RowText, to: &Target) -> Arc<str> {
    let named = text.label.as_ref().or(text.table.as_ref());
    named.map_or_else(|| to.element().into(), |word| word.get_ref().as_str().into())
}
