//! Dialects: where one kind of sender puts each element of the canonical event, kept as data.
//!
//! ```toml
//! dialect     = "harbor"
//! version     = 1
//! title       = "Harbor General: rides in a Z-segment"
//! extends     = "standard@1"               # elements that are not named here stand where they stand there
//! owner       = "Integration desk"
//! reviewed_on = "2026-11-26"
//! review_due  = "2027-05-26"
//!
//! [tables]
//! question = "question.asks"               # what `answer(x)` is read by; inherited where absent
//!
//! [element.mobility]
//! from = ["ZTR-3 via ztr-mode.mobility"]   # instead of what is inherited; [] where this sender never says it
//! why  = "the ride form writes its own segment"
//!
//! [element.oxygen]
//! first = ["ZTR-5 unit L/min"]             # before what is inherited; a place named anew, perhaps with another
//!                                          # table, takes the place of the inherited one
//! why   = "flow in L/min, agreed with the sender"
//! ```
//! The places of an element are asked in their order and the first that speaks is taken. Maps ask for elements
//! (`element(mobility)`) and keep the rules: what must not be lowered, what contradicts, what is needed. So a dialect
//! can move a value, never relax a rule. [`Source`] has the grammar of places; tables give codes their meaning.
//! A link names its dialect; without one it is [`STANDARD`]. All names are resolved when the files are read.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use toml::Spanned;

use super::{
    compile::Tables,
    fault::{Faults, MapFault, did_you_mean},
    source::{Home, Source, SourcePlace, Via, read_via},
    text::Word,
};
use crate::event::Element;

mod event;

/// The dialect of a link that names none.
pub const STANDARD: (&str, u32) = ("standard", 1);

/// Where one kind of sender puts each element.
pub struct Dialect {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// What it is for.
    pub title: String,
    /// Who answers for it.
    pub owner: String,
    /// When somebody last went through it.
    pub reviewed_on: jiff::civil::Date,
    /// When somebody has to again.
    pub review_due: jiff::civil::Date,
    questions: Option<Via>,
    elements: BTreeMap<Element, Vec<Source>>,
}

pub(super) type Dialects = BTreeMap<(String, u32), Arc<Dialect>>;

impl Dialect {
    /// `name@version`.
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// The places of an element, in the order in which they are asked.
    pub(super) fn places(&self, element: Element) -> &[Source] {
        self.elements.get(&element).map(Vec::as_slice).unwrap_or_default()
    }

    /// The table that its answers are read by.
    pub(super) const fn questions(&self) -> Option<&Via> {
        self.questions.as_ref()
    }

    /// Whether it has this name and version.
    pub fn is(&self, dialect: (&str, u32)) -> bool {
        (self.name.as_str(), self.version) == dialect
    }
}

impl std::fmt::Debug for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dialect({})", self.id())
    }
}

/// Whether a text is a dialect and not a map.
pub(super) fn is_dialect(text: &str) -> bool {
    let mut keys = text.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim());
    keys.any(|key| key == "dialect")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DialectText {
    dialect: Word,
    version: u32,
    title: String,
    extends: Option<Word>,
    owner: String,
    reviewed_on: Word,
    review_due: Word,
    #[serde(default)]
    tables: TablesUsed,
    #[serde(default)]
    element: BTreeMap<String, Spanned<ElementText>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TablesUsed {
    question: Option<Word>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ElementText {
    from: Option<Vec<Word>>,
    #[serde(default)]
    first: Vec<Word>,
    #[serde(rename = "why")]
    _why: String,
}

/// Reads the dialects among `sources`, each `(file name, text)`, the ones that others extend first.
pub(super) fn read(sources: &[(&str, &str)], tables: &Tables, found: &mut Vec<MapFault>) -> Dialects {
    let mut waiting = Vec::new();
    for (file, text) in sources {
        match toml::from_str::<DialectText>(text) {
            Ok(dialect) => waiting.push((*file, *text, dialect)),
            Err(error) => Faults { file, text, found }.add(error.span().unwrap_or_default(), error.message()),
        }
    }
    let mut known = Dialects::new();
    while let Some(place) = waiting.iter().position(|(_, _, text)| base(text, &known).is_ok()) {
        let (file, text, dialect) = waiting.remove(place);
        let mut faults = Faults { file, text, found };
        let key = (dialect.dialect.get_ref().clone(), dialect.version);
        if known.contains_key(&key) {
            let fault = format!("{}@{} is defined twice; a change needs a new version", key.0, key.1);
            faults.add(dialect.dialect.span(), fault);
            continue;
        }
        let base = base(&dialect, &known).ok().flatten().cloned();
        known.extend(Builder { tables, faults: &mut faults }.build(dialect, base.as_deref()).map(|built| (key, built)));
    }
    for (file, text, dialect) in waiting {
        let Some(extends) = &dialect.extends else { continue };
        let ids: Vec<String> = known.values().map(|known| known.id()).collect();
        let near = did_you_mean(extends.get_ref(), ids.iter().map(String::as_str));
        let fault = format!("there is no dialect `{}` that does not extend this one{near}", extends.get_ref());
        Faults { file, text, found }.add(extends.span(), fault);
    }
    known
}

/// The dialect that this one extends; an error where it is not known.
fn base<'k>(text: &DialectText, known: &'k Dialects) -> Result<Option<&'k Arc<Dialect>>, ()> {
    let Some(extends) = &text.extends else { return Ok(None) };
    let (name, version) = extends.get_ref().rsplit_once('@').ok_or(())?;
    let version = version.parse().map_err(|_| ())?;
    known.get(&(name.to_owned(), version)).map(Some).ok_or(())
}

struct Builder<'b, 't> {
    tables: &'b Tables,
    faults: &'b mut Faults<'t>,
}

impl Builder<'_, '_> {
    fn build(&mut self, text: DialectText, base: Option<&Dialect>) -> Option<Arc<Dialect>> {
        let (reviewed_on, review_due) = (self.date(&text.reviewed_on), self.date(&text.review_due));
        let own = text.tables.question.as_ref().and_then(|word| match read_via(word.get_ref(), self.tables) {
            Ok(via) => Some(via),
            Err(fault) => {
                self.faults.add(word.span(), fault);
                None
            }
        });
        let questions = own.or_else(|| base.and_then(Dialect::questions).cloned());
        let mut elements: BTreeMap<Element, Vec<Source>> = BTreeMap::new();
        for (element, sources) in base.into_iter().flat_map(|base| &base.elements) {
            elements.insert(*element, sources.iter().map(|source| asked_by(source, questions.as_ref())).collect());
        }
        let is_builtin = text.extends.is_none() && text.dialect.get_ref() == STANDARD.0;
        for (name, element_text) in &text.element {
            let Some(element) = Element::named(name) else {
                let near = did_you_mean(name, Element::ALL.map(Element::as_str));
                self.faults.add(element_text.span(), format!("there is no element `{name}`{near}"));
                continue;
            };
            let inherited = elements.remove(&element).unwrap_or_default();
            let asked = Asked { questions: questions.as_ref(), is_checked: !is_builtin };
            elements.insert(element, self.element(element_text, inherited, &asked));
        }
        let taken: Vec<_> = elements.values().flatten().filter_map(Source::prefix).collect();
        let taken: Vec<_> = taken.into_iter().map(|(path, prefix)| (path, Arc::clone(prefix))).collect();
        elements.values_mut().flatten().for_each(|source| source.leave_to(&taken));
        Some(Arc::new(Dialect {
            name: text.dialect.into_inner(),
            version: text.version,
            title: text.title,
            owner: text.owner,
            reviewed_on: reviewed_on?,
            review_due: review_due?,
            questions,
            elements,
        }))
    }

    fn date(&mut self, word: &Word) -> Option<jiff::civil::Date> {
        let date = word.get_ref().parse().ok();
        if date.is_none() {
            self.faults.add(word.span(), "expected a date such as 2026-11-20");
        }
        date
    }

    fn element(&mut self, text: &Spanned<ElementText>, inherited: Vec<Source>, asked: &Asked<'_>) -> Vec<Source> {
        let ElementText { from, first, .. } = text.get_ref();
        match from {
            Some(_) if !first.is_empty() => {
                self.faults
                    .add(text.span(), "`from` stands instead of what is inherited, `first` before it: one of them");
                Vec::new()
            }
            Some(from) => self.sources(from, asked),
            None if first.is_empty() => {
                self.faults.add(text.span(), "expected `from` or `first`; from = [] says that it never comes");
                Vec::new()
            }
            None => {
                let mut sources = self.sources(first, asked);
                let mut inherited = inherited;
                inherited.retain(|source| !sources.iter().any(|own| own.shown == source.shown));
                sources.extend(inherited);
                sources
            }
        }
    }

    fn sources(&mut self, words: &[Word], asked: &Asked<'_>) -> Vec<Source> {
        words.iter().filter_map(|word| self.source(word, asked)).collect()
    }

    fn source(&mut self, word: &Word, asked: &Asked<'_>) -> Option<Source> {
        let read = Source::read(word.get_ref(), None, self.tables).and_then(|source| asked.check(source));
        match read {
            Ok(source) => {
                let (line, column) = self.faults.place(&word.span());
                let home = Home { questions: asked.questions.cloned(), file: self.faults.file.into(), line, column };
                Some(source.at_home(Some(Arc::new(home))))
            }
            Err(fault) => {
                self.faults.add(word.span(), fault);
                None
            }
        }
    }
}

/// The table of questions, and whether it must have those that are asked: a site's own table need not have all that
/// the built-in dialect asks for.
struct Asked<'a> {
    questions: Option<&'a Via>,
    is_checked: bool,
}

impl Asked<'_> {
    fn check(&self, source: Source) -> Result<Source, String> {
        let SourcePlace::Answer(name) = &source.place else {
            return Ok(source);
        };
        let Some(via) = self.questions else {
            return Err("`answer(…)` needs `question` in [tables]".to_owned());
        };
        let asks = || via.table.codes().iter().filter_map(|code| code.meaning(via.column)).map(|asks| &**asks);
        if self.is_checked && !asks().any(|asks| *asks == **name) {
            let near = did_you_mean(name, asks());
            return Err(format!("no question of table `{}` is called `{name}`{near}", via.table.name));
        }
        Ok(source)
    }
}

/// An inherited place, whose answers are read by the table of the dialect that inherits it.
fn asked_by(source: &Source, questions: Option<&Via>) -> Source {
    let home = source.home.as_ref().map(|home| {
        let (file, line, column) = (Arc::clone(&home.file), home.line, home.column);
        Arc::new(Home { questions: questions.cloned(), file, line, column })
    });
    source.clone().at_home(home)
}
