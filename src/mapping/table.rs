//! Terminology: tables of codes and what they mean.
//!
//! ```toml
//! [table.v2-0124]
//! title    = "Transportation mode (OBR-30)"
//! code_system = "HL7"                                          # whose codes: SNOMED CT, LOINC, ICD-10, UCUM, HL7, HCPCS, EIDO, NEMSIS, local
//! system   = "http://terminology.hl7.org/CodeSystem/v2-0124"   # URI of its codes; a code may have its own
//! version  = "2.5.1"
//! source   = "HL7 v2.5.1 chapter 4, table 0124"
//! unlisted = "refuse"                                          # or ignore, keep
//! codes    = [{ code = "WHLC", display = "Wheelchair", mobility = "wheelchair" }]
//! ```
//! In a code, `code`, `display`, `system` and `name` are fixed; every other key is a column, a meaning that maps ask
//! for. `system` is a URI in tables that are written, and the name in CE-3 (such as `L`) in tables that are read,
//! where a code without coding system still fits. `name` is what maps call a code that is written; by default its
//! code. The order of the codes is their rank.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    fault::{Faults, MapFault},
    system::CodeSystem,
};
use crate::{event::Coding, units::limits};

/// What a code that is not in a table does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unlisted {
    /// The message is refused.
    #[default]
    Refuse,
    /// The code makes no statement.
    Ignore,
    /// The code is passed on as it came.
    Keep,
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: Arc<str>,
    /// What it is about.
    pub title: String,
    /// Whose codes it lists.
    pub code_system: CodeSystem,
    /// The URI of its codes, where there is one.
    pub system: Option<Arc<str>>,
    /// Version of the source.
    pub version: String,
    /// Where the codes come from.
    pub source: String,
    /// What an unlisted code does.
    pub unlisted: Unlisted,
    columns: Vec<String>,
    codes: Vec<Code>,
    by_code: HashMap<Arc<str>, Vec<usize>>,
    by_name: HashMap<Arc<str>, usize>,
}

/// A code of a table.
#[derive(Debug)]
pub struct Code {
    /// What maps call it.
    pub name: Arc<str>,
    /// The code.
    pub code: Arc<str>,
    /// Its own system, where the table's does not hold.
    pub system: Option<Arc<str>>,
    /// Its words.
    pub display: Option<Arc<str>>,
    columns: Vec<Option<Arc<str>>>,
}

/// A meaning of a table's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// The code itself.
    Code,
    /// The column at this place.
    At(usize),
}

impl Code {
    /// What the code means in this column; nothing where it makes no statement.
    pub(super) fn meaning(&self, column: Column) -> Option<&Arc<str>> {
        match column {
            Column::Code => Some(&self.code),
            Column::At(place) => self.columns.get(place).and_then(Option::as_ref),
        }
    }
}

impl Table {
    /// Finds the first of `codings` that is listed.
    pub(super) fn find<'c>(&self, codings: impl Iterator<Item = &'c Coding>) -> Option<&Code> {
        codings.into_iter().find_map(|coding| self.find_one(coding))
    }

    /// The code that maps call `name`, with its rank.
    pub(super) fn named(&self, name: &str) -> Option<(usize, &Code)> {
        let place = *self.by_name.get(name)?;
        Some((place, self.codes.get(place)?))
    }

    /// The column called `name`.
    pub(super) fn column(&self, name: &str) -> Option<Column> {
        if name == "code" {
            return Some(Column::Code);
        }
        self.columns.iter().position(|column| column == name).map(Column::At)
    }

    /// The names of its columns.
    pub(super) fn column_names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    /// How many codes it lists.
    pub const fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether it lists none.
    pub const fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// The name of a column.
    pub(super) fn column_name(&self, column: Column) -> &str {
        match column {
            Column::Code => "code",
            Column::At(place) => self.columns.get(place).map_or("", String::as_str),
        }
    }

    /// All codes, in order.
    pub(super) fn codes(&self) -> &[Code] {
        &self.codes
    }

    /// Everything that stands in it.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        let codes = self.codes.iter().flat_map(|code| {
            let own = [Some(&code.name), Some(&code.code), code.system.as_ref(), code.display.as_ref()];
            own.into_iter().flatten().chain(code.columns.iter().flatten())
        });
        self.system.iter().chain(codes).map(|word| &**word)
    }

    fn find_one(&self, coding: &Coding) -> Option<&Code> {
        let places = self.by_code.get(coding.code.as_str())?;
        let mut codes = places.iter().filter_map(|place| self.codes.get(*place));
        codes.find(|code| {
            let system = code.system.as_deref().unwrap_or_default();
            system.is_empty() || coding.system.is_empty() || system == coding.system
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TablesText {
    table: BTreeMap<String, Spanned<TableText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableText {
    title: Spanned<String>,
    code_system: Option<Spanned<String>>,
    system: Option<Spanned<String>>,
    version: Spanned<String>,
    source: Spanned<String>,
    #[serde(default)]
    unlisted: Unlisted,
    codes: Vec<Spanned<BTreeMap<String, String>>>,
}

/// Reads the tables of one file.
pub(super) fn read(file: &str, text: &str, found: &mut Vec<MapFault>) -> Vec<(Table, usize)> {
    let mut faults = Faults { file, text, found };
    match toml::from_str::<TablesText>(text) {
        Ok(tables) => tables.table.into_iter().map(|(name, table)| build(name, table, &mut faults)).collect(),
        Err(error) => {
            faults.add(error.span().unwrap_or_default(), error.message());
            Vec::new()
        }
    }
}

fn build(name: String, text: Spanned<TableText>, faults: &mut Faults<'_>) -> (Table, usize) {
    let span = text.span();
    let at = span.start;
    let text = text.into_inner();
    for (key, word) in [("title", &text.title), ("version", &text.version), ("source", &text.source)] {
        if word.get_ref().trim().is_empty() {
            faults.add(word.span(), format!("`{key}` is empty; say it, or nobody can review the table"));
        }
    }
    let code_system = code_system(&text, span, faults);
    if let Some(uri) = &text.system
        && let Err(fault) = code_system.accepts(uri.get_ref())
    {
        faults.add(uri.span(), fault);
    }
    if let Some(beyond) = text.codes.get(limits::TABLE_CODES_MAX) {
        faults.add(beyond.span(), format!("a table has at most {} codes", limits::TABLE_CODES_MAX));
    }
    let mut table = Table {
        name: name.into(),
        title: text.title.into_inner(),
        code_system,
        system: text.system.map(|system| system.into_inner().into()),
        version: text.version.into_inner(),
        source: text.source.into_inner(),
        unlisted: text.unlisted,
        columns: columns_of(&text.codes),
        codes: Vec::with_capacity(text.codes.len()),
        by_code: HashMap::new(),
        by_name: HashMap::new(),
    };
    for entry in text.codes {
        let span = entry.span();
        if let Err(fault) = table.add(entry.into_inner()) {
            faults.add(span, fault);
        }
    }
    (table, at)
}

/// The system that a table names; `local` where it names none, which is a fault.
fn code_system(text: &TableText, table: std::ops::Range<usize>, faults: &mut Faults<'_>) -> CodeSystem {
    let listed = CodeSystem::ALL.map(CodeSystem::as_str).join(", ");
    let Some(word) = &text.code_system else {
        faults.add(table, format!("expected `code_system`, whose codes these are: one of {listed}"));
        return CodeSystem::Local;
    };
    CodeSystem::named(word.get_ref()).unwrap_or_else(|| {
        faults.add(word.span(), format!("`{}` is no code system; expected one of {listed}", word.get_ref()));
        CodeSystem::Local
    })
}

fn columns_of(codes: &[Spanned<BTreeMap<String, String>>]) -> Vec<String> {
    let mut columns: Vec<String> = codes.iter().flat_map(|code| code.get_ref().keys().cloned()).collect();
    columns.sort_unstable();
    columns.dedup();
    columns.retain(|column| !FIXED.contains(&column.as_str()));
    columns
}

const FIXED: [&str; 4] = ["code", "display", "name", "system"];

impl Table {
    fn add(&mut self, mut entry: BTreeMap<String, String>) -> Result<(), String> {
        let mut take = |key: &str| entry.remove(key).filter(|value| !value.is_empty()).map(Arc::<str>::from);
        let code = take("code").ok_or("a code needs a `code`")?;
        let name = take("name").unwrap_or_else(|| Arc::clone(&code));
        let (system, display) = (take("system"), take("display"));
        let place = self.codes.len();
        let others = self.by_code.entry(Arc::clone(&code)).or_default();
        let twice = others.iter().any(|other| self.codes.get(*other).is_some_and(|other| other.system == system));
        if twice || self.by_name.insert(Arc::clone(&name), place).is_some() && system.is_none() {
            return Err(format!("the code `{code}` is listed twice"));
        }
        others.push(place);
        let columns = self.columns.iter().map(|column| entry.get(column).map(|value| value.as_str().into())).collect();
        self.codes.push(Code { name, code, system, display, columns });
        Ok(())
    }
}
