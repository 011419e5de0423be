//! What stands at a place of a message: its values, whether they were deleted, and how they are read.

use std::sync::Arc;

use super::{Form, Lines, Narrow, Source, SourcePlace, Unit, Via};
use crate::{
    event::{self, Address, Coded, Coding, Part, Place, Scope},
    fhir::clean,
    hl7::{Charset, Path, Segment, Value},
    mapping::place::Spot,
};

/// The answers of an event, by what the tables of questions call their questions.
pub(in crate::mapping) struct Answers<'r, 'm> {
    read: Vec<(&'r Via, Vec<Answer<'r, 'm>>)>,
}

/// What a question is called, and the segment that answers it.
type Answer<'r, 'm> = (&'r Arc<str>, Segment<'m>);

impl<'r, 'm> Answers<'r, 'm> {
    /// Reads all OBX of an event by each table of `questions`.
    pub(in crate::mapping) fn of(scope: &Scope<'m>, questions: impl IntoIterator<Item = &'r Via>) -> Self {
        let mut read: Vec<(&Via, Vec<_>)> = Vec::new();
        for via in questions {
            if !read.iter().any(|(known, _)| known.is(via)) {
                read.push((via, answers_by(scope, via)));
            }
        }
        Self { read }
    }

    fn to(&self, name: &str, asked: &Via) -> Vec<Segment<'m>> {
        let by = self.read.iter().find(|(via, _)| via.is(asked)).map(|(_, answers)| answers);
        by.into_iter().flatten().filter(|(asks, _)| ***asks == *name).map(|(_, segment)| *segment).collect()
    }
}

fn answers_by<'r, 'm>(scope: &Scope<'m>, via: &'r Via) -> Vec<Answer<'r, 'm>> {
    let mut answers = Vec::new();
    for segment in scope.segments("OBX") {
        let asked = Coded::read(&segment.field(3).repetition(1), scope.charset());
        let listed = asked.and_then(|asked| via.table.find(asked.codings()));
        answers.extend(listed.and_then(|code| code.meaning(via.column)).map(|name| (name, segment)));
    }
    answers
}

impl Source {
    /// All values at it. `at` gives those at a path; `questions` is the table that the map's own `answer(…)` are read
    /// by.
    pub(in crate::mapping) fn parts<'m>(
        &self,
        at: &dyn Fn(&Path) -> Vec<Part<'m>>,
        charset: &Charset,
        answers: &Answers<'_, 'm>,
        questions: Option<&Via>,
    ) -> Vec<Part<'m>> {
        let parts = match &self.place {
            SourcePlace::Path(path) => at(path),
            SourcePlace::Answer(name) => {
                let parts = self.answers_to(name, answers, questions).into_iter().flat_map(|segment| {
                    segment.field(5).repetitions().map(move |repetition| Part { segment, repetition })
                });
                parts.filter(|part| part.repetition.value().is_present()).collect()
            }
        };
        match self.narrow.as_deref() {
            Some(narrow) => narrow.apply(parts, charset),
            None => parts,
        }
    }

    /// Whether the sender deleted a value that stands here.
    pub(in crate::mapping) fn is_deleted(
        &self,
        scope: &Scope<'_>,
        answers: &Answers<'_, '_>,
        questions: Option<&Via>,
    ) -> bool {
        match &self.place {
            SourcePlace::Path(path) => {
                let chosen = |segment: &Segment<'_>| match self.narrow.as_deref() {
                    Some(narrow) => narrow.chooses(segment, scope.charset()),
                    None => true,
                };
                scope.segments(path.segment()).any(|segment| chosen(&segment) && segment.value(path) == Value::Null)
            }
            SourcePlace::Answer(name) => {
                self.answers_to(name, answers, questions).iter().any(|segment| segment.field(5).value() == Value::Null)
            }
        }
    }

    fn answers_to<'m>(&self, name: &str, answers: &Answers<'_, 'm>, questions: Option<&Via>) -> Vec<Segment<'m>> {
        let own = self.home.as_ref().and_then(|home| home.questions.as_ref());
        own.or(questions).map_or_else(Vec::new, |asked| answers.to(name, asked))
    }

    /// Its value as a code.
    pub(in crate::mapping) fn coded(&self, part: &Part<'_>, charset: &Charset) -> Option<Coded> {
        let alone = match &self.place {
            SourcePlace::Path(path) if path.component().is_some() => event::plain(part.value(path), charset)?,
            _ if self.is_text(part) => event::plain(part.repetition.value(), charset)?,
            _ => return Coded::read(&part.repetition, charset),
        };
        Some(plain_code(&alone))
    }

    /// Its value in words: of a code its text, of anything else all of it.
    pub(in crate::mapping) fn words(&self, part: &Part<'_>, charset: &Charset) -> Option<String> {
        match &self.place {
            SourcePlace::Path(path) if path.component().is_some() => event::plain(part.value(path), charset),
            _ if self.is_text(part) || is_free_text(part) => event::plain(part.repetition.value(), charset),
            _ => Coded::read(&part.repetition, charset).map(|coded| coded.words().to_owned()),
        }
    }

    /// Whether it holds words and no code.
    pub(in crate::mapping) fn is_text(&self, part: &Part<'_>) -> bool {
        let form = self.narrow.as_ref().and_then(|narrow| narrow.form);
        form == Some(Form::Text) || form.is_none() && part.segment.is("NTE")
    }

    /// The unit of a number here: where the place says, else OBX-6.
    pub(in crate::mapping) fn unit(&self, part: &Part<'_>, charset: &Charset) -> Option<Coded> {
        match self.narrow.as_ref().and_then(|narrow| narrow.unit.as_ref()) {
            Some(Unit::Agreed(unit)) => Some(plain_code(unit)),
            Some(Unit::At(path)) => match path.component() {
                Some(_) => event::plain(part.segment.value(path), charset).map(|unit| plain_code(&unit)),
                None => Coded::read(&part.segment.field(usize::from(path.field())).repetition(1), charset),
            },
            None if part.segment.is("OBX") => Coded::read(&part.segment.field(6).repetition(1), charset),
            None => None,
        }
    }

    /// The place that it names: by its type where that is known, else a PL, and words where it is but a part of a
    /// field. The system of a coded place is not resolved.
    pub(in crate::mapping) fn spot(&self, part: &Part<'_>, charset: &Charset) -> Option<Spot> {
        let from = &part.repetition;
        let form = self.narrow.as_ref().and_then(|narrow| narrow.form);
        let form = form.or_else(|| answered_form(part)).unwrap_or_else(|| match &self.place {
            SourcePlace::Path(path) if path.component().is_none() && !part.segment.is("NTE") => Form::Place,
            _ => Form::Text,
        });
        match form {
            Form::Place => Place::read(from, charset).map(Spot::Inside),
            Form::Address => Address::read(from, charset).map(Spot::At),
            Form::Coded => Coded::read(from, charset).map(|coded| Spot::Coded(coded, String::new())),
            Form::Text => {
                let value = match &self.place {
                    SourcePlace::Path(path) => part.value(path),
                    SourcePlace::Answer(_) => from.value(),
                };
                event::plain(value, charset).and_then(|words| clean(&words)).map(Spot::Words)
            }
        }
    }
}

impl Narrow {
    fn chooses(&self, segment: &Segment<'_>, charset: &Charset) -> bool {
        let says = |(path, word): &(Path, Arc<str>)| segment.value(path).text(charset).trim() == &**word;
        self.only.as_ref().is_none_or(says)
    }

    fn apply<'m>(&self, mut parts: Vec<Part<'m>>, charset: &Charset) -> Vec<Part<'m>> {
        parts.retain(|part| self.chooses(&part.segment, charset));
        match &self.lines {
            Lines::All => parts,
            Lines::After(prefix) => {
                let rest = |part: &Part<'m>| {
                    let segment = part.segment;
                    let lines =
                        part.repetition.lines().filter_map(|line| Some(line.beyond(prefixed(line.bytes(), prefix)?)));
                    lines.map(move |repetition| Part { segment, repetition }).collect::<Vec<_>>()
                };
                let parts = parts.iter().flat_map(rest);
                parts.filter(|part| !part.repetition.value().text(charset).trim().is_empty()).collect()
            }
            Lines::Rest(prefixes) => {
                let taken = |line: &[u8]| prefixes.iter().any(|prefix| prefixed(line, prefix).is_some());
                let mut rest = Vec::new();
                for part in parts {
                    let segment = part.segment;
                    if !part.repetition.lines().any(|line| taken(line.bytes())) {
                        rest.push(part);
                        continue;
                    }
                    let lines = part.repetition.lines().filter(|line| !taken(line.bytes()));
                    rest.extend(lines.map(|repetition| Part { segment, repetition }));
                }
                rest
            }
        }
    }
}

/// How many bytes of `line` are blanks and `prefix`, where it begins so.
fn prefixed(line: &[u8], prefix: &str) -> Option<usize> {
    let blanks = line.iter().take_while(|byte| **byte == b' ').count();
    let head = line.get(blanks..blanks.saturating_add(prefix.len()))?;
    head.eq_ignore_ascii_case(prefix.as_bytes()).then_some(blanks.saturating_add(prefix.len()))
}

/// The type of OBX-5, by OBX-2.
fn answered_form(part: &Part<'_>) -> Option<Form> {
    if !part.segment.is("OBX") {
        return None;
    }
    Some(match part.segment.field(2).bytes() {
        b"XAD" | b"AD" => Form::Address,
        b"PL" => Form::Place,
        b"CE" | b"CWE" | b"CNE" | b"CF" => Form::Coded,
        _ => Form::Text,
    })
}

/// Whether OBX-2 says that OBX-5 is no code.
pub(in crate::mapping) fn is_free_text(part: &Part<'_>) -> bool {
    part.segment.is("OBX") && matches!(part.segment.field(2).bytes(), b"TX" | b"FT" | b"ST" | b"NM")
}

pub(in crate::mapping) fn plain_code(code: &str) -> Coded {
    let first = Coding { code: code.to_owned(), text: String::new(), system: String::new() };
    Coded { first, alternative: None, original_text: String::new() }
}
