//! Names, times, quantities, identifiers and words as FHIR elements.

use std::sync::Arc;

use super::Run;
use crate::{
    event::{self, Coded, Coding, Part, PersonName, When},
    fhir::{self, Node, Object, Text, clean, coding, concept},
    hl7::Value,
    mapping::{
        compile::Row,
        refusal::{Missing, Unmapped},
        shape,
        source::{Source, SourcePlace, is_free_text, plain_code},
    },
    phi::Phi,
    units::Timestamp,
};

impl<'m> Run<'_, 'm> {
    pub(super) fn identifier(&self, identifier: &event::Identifier, kind: &str, label: Option<Object>) -> Node {
        let identity = self.identity_of(identifier, kind);
        let label = label.or_else(|| {
            let code = shape::code_text(&identifier.kind)?;
            let table = &self.map.compiled.identifier_type.table;
            let display = table.named(&code).and_then(|(_, code)| code.display.as_ref()).map(Text::from);
            Some(concept(vec![coding(table.system.as_ref().map(Text::from), Some(code.into()), display)], None))
        });
        fhir::identifier(Some(identity.system.into()), identity.value.into(), label).into()
    }

    pub(super) fn name_use(&self, name: &PersonName) -> Option<Text> {
        let via = &self.map.compiled.name_use;
        let kind = Coding { code: name.kind.clone(), text: String::new(), system: String::new() };
        via.table.find(std::iter::once(&kind)).and_then(|code| code.meaning(via.column)).map(Text::from)
    }

    pub(super) fn when(&mut self, source: &Source, part: &Part<'m>) -> Option<When> {
        let charset = self.scope.charset();
        let (component, degree) = match &source.place {
            SourcePlace::Path(path) if path.component().is_some() => (event::plain(part.value(path), charset), None),
            _ => (event::part(&part.repetition, 1, charset), event::part(&part.repetition, 2, charset)),
        };
        let when = When::read_to(&component?, &degree.unwrap_or_default(), self.context.zone);
        if when.is_none() {
            self.cannot_read(source);
        }
        when
    }

    pub(super) fn period(&mut self, row: &Row) -> Option<Node> {
        let start = self.first_when(&row.from);
        let end = self.first_when(&row.until);
        if let (Some((from, start)), Some((until, end))) = (&start, &end)
            && is_before(end, start)
        {
            self.contradict(from, until);
        }
        let as_text = |found: Option<(&Source, When)>| found.map(|(_, when)| Text::from(when.date_time().to_owned()));
        let period = fhir::period(as_text(start), as_text(end));
        (!period.is_empty()).then(|| period.into())
    }

    /// The component that is named, else the first, as one line of text.
    pub(super) fn text_at(&self, source: &Source, part: &Part<'m>) -> Option<String> {
        let charset = self.scope.charset();
        let text = match &source.place {
            SourcePlace::Path(path) if path.component().is_some() => event::plain(part.value(path), charset),
            _ => event::part(&part.repetition, 1, charset),
        };
        clean(&text?)
    }

    pub(super) fn integer(&mut self, source: &Source, part: &Part<'m>) -> Option<Node> {
        let text = self.text_at(source, part)?;
        match text.parse::<i32>() {
            Ok(number) if number > 0 => fhir::decimal(&number.to_string()),
            _ => {
                self.cannot_read(source);
                None
            }
        }
    }

    pub(super) fn instant(&mut self, source: &Source, part: &Part<'m>) -> Option<Node> {
        let when = self.when(source, part)?;
        when.instant().map(|_| text(when.date_time()))
    }

    pub(super) fn instant_end(&mut self, row: &Row) -> Option<Node> {
        let start = self.first_instant(&row.from);
        let end = self.first_instant(&row.until);
        if let (Some((from, start)), Some((until, end))) = (&start, &end)
            && end.instant() < start.instant()
        {
            self.contradict(from, until);
        }
        let (_, start) = start?;
        if let Some((_, end)) = end {
            return Some(text(end.date_time()));
        }
        let minutes =
            row.unit.iter().find_map(|unit| self.parts(unit).iter().find_map(|part| self.minutes(unit, part)));
        let start_at = start.instant()?;
        match minutes {
            Some(minutes) => {
                event::instant_text(Timestamp(start_at.0.checked_add(minutes.checked_mul(60_000)?)?)).map(Node::from)
            }
            None => Some(text(start.date_time())),
        }
    }

    fn first_instant<'s>(&mut self, from: &'s [Source]) -> Option<(&'s Source, When)> {
        for source in from {
            for part in self.parts(source) {
                if let Some(when) = self.when(source, &part).filter(|when| when.instant().is_some()) {
                    return Some((source, when));
                }
            }
        }
        None
    }

    /// A length of time in the field, its unit in the field after it (`min`, `h`, `s`; minutes by default).
    pub(super) fn minutes(&self, source: &Source, part: &Part<'m>) -> Option<i64> {
        let length: i64 =
            self.text_at(source, part)?.parse().ok().filter(|length| (1..=MINUTES_MAX).contains(length))?;
        let SourcePlace::Path(path) = &source.place else {
            return Some(length);
        };
        let unit = part.segment.field(usize::from(path.field()) + 1).repetition(1);
        let unit = event::part(&unit, 1, self.scope.charset()).unwrap_or_default().to_ascii_lowercase();
        match unit.as_str() {
            "" | "m" | "min" | "mins" | "minute" | "minutes" => Some(length),
            "h" | "hr" | "hrs" | "hour" | "hours" => Some(length * 60),
            "s" | "sec" | "second" | "seconds" => Some(length.div_euclid(60).max(1)),
            _ => None,
        }
    }

    /// An amount of money: its number, and the currency where one is given (ISO 4217).
    pub(super) fn money(&mut self, source: &Source, part: &Part<'m>) -> Option<Node> {
        let from = part.repetition.component(1);
        let charset = self.scope.charset();
        let at = |number: usize| event::plain(Value::of(from.subcomponent(number)), charset);
        let Some(value) = at(1).as_deref().and_then(fhir::decimal) else {
            self.cannot_read(source);
            return None;
        };
        let mut money = Object::new().with("value", value);
        let currency = at(2).or_else(|| event::part(&part.repetition, 2, charset));
        let fits = |code: &String| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        money.set_some("currency", currency.filter(fits));
        Some(money.into())
    }

    fn first_when<'s>(&mut self, from: &'s [Source]) -> Option<(&'s Source, When)> {
        for source in from {
            for part in self.parts(source) {
                if let Some(when) = self.when(source, &part) {
                    return Some((source, when));
                }
            }
        }
        None
    }

    /// OBX-5 in the unit of OBX-6, or `2 L/min` where a sender writes both in OBX-5.
    pub(super) fn quantity(&mut self, source: &Source, part: &Part<'m>) -> Option<Node> {
        let charset = self.scope.charset();
        let value = event::part(&part.repetition, 1, charset)?;
        let unit = source.unit(part, charset);
        let (value, unit) = match (unit, value.split_once(char::is_whitespace)) {
            (Some(unit), _) => (value, unit),
            (None, Some((value, unit))) => (value.to_owned(), plain_code(unit.trim())),
            (None, None) => {
                let from = vec![format!("{} unit (OBX-6)", source.shown).into()];
                self.refusal.missing.push(Missing { what: "unit".into(), from });
                return None;
            }
        };
        let Some(number) = fhir::decimal(&value) else {
            self.cannot_read(source);
            return None;
        };
        let via = self.map.compiled.unit.clone();
        let Some((code, ucum)) =
            via.table.find(unit.codings()).and_then(|code| Some((code, code.meaning(via.column)?)))
        else {
            let unmapped = Unmapped {
                table: Arc::clone(&via.table.name),
                path: format!("{} unit (OBX-6)", source.shown).into(),
                code: Phi::new(unit.first.code),
            };
            self.refusal.unmapped.push(unmapped);
            return None;
        };
        let shown = code.display.as_ref().unwrap_or(&code.code);
        Some(fhir::quantity(number, Text::from(shown), Text::from(ucum)).into())
    }

    /// The label, the codes as they came, and the value in words with its unit.
    pub(super) fn detail(&self, row: &Row, source: &Source, part: &Part<'m>) -> Option<Node> {
        let label = row.label.as_ref()?;
        let charset = self.scope.charset();
        let words = source.words(part, charset)?;
        let unit = source.unit(part, charset);
        let words = unit.map_or_else(|| words.clone(), |unit| format!("{words} {}", unit.first.code));
        let mut codings = vec![label.coding.clone()];
        if !source.is_text(part) && !is_free_text(part) {
            codings.extend(
                Coded::read(&part.repetition, charset).map(|coded| self.codings(&coded, None)).into_iter().flatten(),
            );
        }
        Some(concept(codings, Some(format!("{}: {}", label.display, clean(&words)?).into())).into())
    }
}

/// Whether one time is before another; by their dates where a time of day is missing (R4 invariant per-1).
pub(super) fn is_before(one: &When, other: &When) -> bool {
    match one.instant().zip(other.instant()) {
        Some((one, other)) => one < other,
        None => is_later(other.date(), one.date()),
    }
}

/// Whether one date is later than another; a year or month alone is compared as far as it goes.
pub(super) fn is_later(date: &str, than: &str) -> bool {
    let length = date.len().min(than.len());
    date.get(..length) > than.get(..length)
}

/// The longest appointment in its unit: 10 weeks of minutes.
const MINUTES_MAX: i64 = 100_800;

/// Whether a source names a component.
pub(super) fn is_component(source: &Source) -> bool {
    matches!(&source.place, SourcePlace::Path(path) if path.component().is_some())
}

pub(super) fn text(text: &str) -> Node {
    Node::from(text.to_owned())
}

pub(super) fn note(words: &str) -> Option<Node> {
    Some(Object::new().with("text", clean(words)?).into())
}
