//! Where a row takes its value from: `PID-3[2].4.1`, `answer(mobility)`, each perhaps narrowed, each perhaps
//! `via table.column`.
//!
//! ```text
//! PLACE [if PATH is WORD] [after PREFIX | rest] [as TYPE] [unit PATH-or-CODE] [via table.column]
//!
//! ZTR-3 via ztr-mode.mobility            a field of a Z-segment and the table that gives its code a meaning
//! AIL-3 if AIL-4 is DEST                 a segment among several of its name: the other place stands in the same one
//! NTE-3 after 'O2:'                      the rest of a line that begins so, in either case, blanks before it aside
//! NTE-3 rest                             the lines that no `after` of the dialect takes
//! PRD-3 as XAD                           a place by its data type: PL, XAD, CE or ST
//! RXE-23 unit RXE-24, ZTR-5 unit kg      a number whose unit stands elsewhere, or is agreed
//! ```
//! A word with blanks stands between single quotes. `answer(x)` is OBX-5 of the question that a table of questions
//! calls x: the map's own table in a map, the dialect's in a dialect. `element(x)` is resolved by
//! [`compile`](super::compile): it stands for the places of a dialect.

use std::{fmt, sync::Arc};

use super::{
    compile::Tables,
    fault::did_you_mean,
    table::{Column, Table},
};
use crate::hl7::Path;

mod parts;

pub(super) use parts::{Answers, is_free_text, plain_code};

/// One place, with the table that gives its code a meaning.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) place: SourcePlace,
    pub(super) via: Option<Via>,
    /// The place as it stands in the map: what reports and refusals name.
    pub(super) shown: Arc<str>,
    narrow: Option<Arc<Narrow>>,
    /// The dialect's table of questions and where in the dialect's text the place stands.
    pub(super) home: Option<Arc<Home>>,
}

/// A place in a message.
#[derive(Clone)]
pub(super) enum SourcePlace {
    /// A field, component or subcomponent.
    Path(Path),
    /// OBX-5 of the question that the table of questions calls by this name.
    Answer(Arc<str>),
}

/// What a dialect knows about a place of its own.
pub(super) struct Home {
    pub(super) questions: Option<Via>,
    pub(super) file: Arc<str>,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What narrows a place down, or says how to read it.
#[derive(Clone, Default)]
struct Narrow {
    only: Option<(Path, Arc<str>)>,
    lines: Lines,
    form: Option<Form>,
    unit: Option<Unit>,
}

/// Which lines of a text are meant.
#[derive(Clone, Default)]
enum Lines {
    #[default]
    All,
    /// Those that begin so, without it.
    After(Arc<str>),
    /// Those that begin with none of these.
    Rest(Arc<[Arc<str>]>),
}

/// A data type that a field does not tell by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Place,
    Address,
    Coded,
    Text,
}

/// Where the unit of a number is.
#[derive(Clone)]
enum Unit {
    At(Path),
    Agreed(Arc<str>),
}

/// A column of a table.
#[derive(Clone)]
pub(super) struct Via {
    pub(super) table: Arc<Table>,
    pub(super) column: Column,
}

impl Via {
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table) && self.column == other.column
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Source {
    /// Reads a source; `tables` finds a table by name. The error says what was expected.
    pub(super) fn read(text: &str, via: Option<&str>, tables: &Tables) -> Result<Self, String> {
        let (place, via) = match text.split_once(" via ") {
            Some((place, via)) => (place.trim(), Some(via.trim())),
            None => (text.trim(), via),
        };
        let shown = place.into();
        let mut words = words(place)?.into_iter();
        let first = words.next().unwrap_or_default();
        let place = match first.strip_prefix("answer(").and_then(|rest| rest.strip_suffix(')')) {
            Some(name) => SourcePlace::Answer(name.into()),
            None => SourcePlace::Path(first.parse().map_err(|error| format!("`{first}`: {error}"))?),
        };
        let narrow = Narrow::read(&place, words)?.map(Arc::new);
        let via = via.map(|via| read_via(via, tables)).transpose()?;
        Ok(Self { place, via, shown, narrow, home: None })
    }

    /// The same place, read by this table where it has none.
    pub(super) fn or_via(&self, via: Option<&Via>) -> Self {
        Self { via: self.via.clone().or_else(|| via.cloned()), ..self.clone() }
    }

    /// The same place in a dialect.
    pub(super) fn at_home(self, home: Option<Arc<Home>>) -> Self {
        Self { home, ..self }
    }

    /// The prefix whose lines it takes, and the field of the text.
    pub(super) fn prefix(&self) -> Option<(Path, &Arc<str>)> {
        match (&self.place, &self.narrow.as_ref()?.lines) {
            (SourcePlace::Path(path), Lines::After(prefix)) => Some((*path, prefix)),
            _ => None,
        }
    }

    /// Tells a place that takes the rest of a text which lines are taken.
    pub(super) fn leave_to(&mut self, taken: &[(Path, Arc<str>)]) {
        let SourcePlace::Path(path) = &self.place else {
            return;
        };
        if let Some(narrow) = self.narrow.as_mut().filter(|narrow| matches!(narrow.lines, Lines::Rest(_))) {
            let same = |of: &Path| of.segment() == path.segment() && of.field() == path.field();
            let prefixes = taken.iter().filter(|(of, _)| same(of)).map(|(_, prefix)| Arc::clone(prefix));
            Arc::make_mut(narrow).lines = Lines::Rest(prefixes.collect());
        }
    }
}

impl Narrow {
    fn read<'t>(place: &SourcePlace, mut words: impl Iterator<Item = &'t str>) -> Result<Option<Self>, String> {
        let mut narrow = Self::default();
        let mut is_any = false;
        while let Some(word) = words.next() {
            is_any = true;
            match word {
                "if" => narrow.only = Some(read_only(place, &mut words)?),
                "after" => {
                    let prefix = words.next().filter(|prefix| is_prefix(prefix));
                    let prefix = prefix.ok_or("`after` is followed by printable ASCII, such as after 'O2:'")?;
                    narrow.lines = Lines::After(prefix.into());
                }
                "rest" => narrow.lines = Lines::Rest(Arc::from([])),
                "as" => narrow.form = Some(read_form(words.next().unwrap_or_default())?),
                "unit" => {
                    let unit = words.next().ok_or("`unit` is followed by a path or a unit, such as unit kg")?;
                    narrow.unit = Some(read_unit(place, unit)?);
                }
                other => return Err(format!("`{other}`: expected if, after, rest, as, unit or via")),
            }
        }
        if !matches!(narrow.lines, Lines::All) && !is_whole(place) {
            return Err("`after` and `rest` go with a whole field, such as NTE-3".to_owned());
        }
        Ok(is_any.then_some(narrow))
    }
}

fn read_only<'t>(place: &SourcePlace, words: &mut impl Iterator<Item = &'t str>) -> Result<(Path, Arc<str>), String> {
    let expected = || "expected `if PATH is WORD`, such as if AIL-4 is DEST".to_owned();
    let (path, is, word) = (words.next(), words.next(), words.next());
    let path = same_segment(place, path.ok_or_else(expected)?)?;
    if is != Some("is") {
        return Err(expected());
    }
    Ok((path, word.ok_or_else(expected)?.into()))
}

fn read_form(word: &str) -> Result<Form, String> {
    match word {
        "PL" => Ok(Form::Place),
        "XAD" => Ok(Form::Address),
        "CE" => Ok(Form::Coded),
        "ST" => Ok(Form::Text),
        other => Err(format!("`{other}`: expected PL, XAD, CE or ST")),
    }
}

fn read_unit(place: &SourcePlace, word: &str) -> Result<Unit, String> {
    if word.parse::<Path>().is_ok() { same_segment(place, word).map(Unit::At) } else { Ok(Unit::Agreed(word.into())) }
}

/// A path in the segment of `place`.
fn same_segment(place: &SourcePlace, text: &str) -> Result<Path, String> {
    let path: Path = text.parse().map_err(|error| format!("`{text}`: {error}"))?;
    let segment = match place {
        SourcePlace::Path(of) => of.segment().to_owned(),
        SourcePlace::Answer(_) => "OBX".to_owned(),
    };
    if path.segment() == segment {
        return Ok(path);
    }
    Err(format!("`{text}` is not in the same segment, {segment}"))
}

fn is_whole(place: &SourcePlace) -> bool {
    matches!(place, SourcePlace::Path(path) if path.component().is_none())
}

fn is_prefix(text: &str) -> bool {
    !text.trim().is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"|^~\\&".contains(&byte))
}

/// The words of a text; what stands between single quotes is one.
fn words(text: &str) -> Result<Vec<&str>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').ok_or_else(|| format!("`{rest}`: expected a second quote"))?,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word);
        rest = behind.trim_start();
    }
    Ok(words)
}

/// Reads `table.column`.
pub(super) fn read_via(text: &str, tables: &Tables) -> Result<Via, String> {
    let (name, column) = text.split_once('.').ok_or_else(|| format!("`{text}`: expected `table.column`"))?;
    let table = tables.get(name).ok_or_else(|| {
        format!("there is no table `{name}`{}", did_you_mean(name, tables.keys().map(|known| &**known)))
    })?;
    let column = table.column(column).ok_or_else(|| {
        format!("the table `{name}` has no column `{column}`{}", did_you_mean(column, table.column_names()))
    })?;
    Ok(Via { table: Arc::clone(table), column })
}
