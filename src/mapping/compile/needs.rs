//! What a job cannot do without: places of which one group must speak, perhaps only where a condition holds.
//!
//! ```toml
//! [[need]]
//! verbs  = ["request", "change"]
//! when   = [{ under_days = 365 }, { from = "PV1-4 via newborn.age", is = "newborn" }]    # one of these holds; always where absent
//! any_of = [["element(car-seat) but not no"], ["element(escort) but not no"]]           # one group of places speaks
//! what   = "car-seat"                                                                    # what reports call it
//! why    = "an infant rides in a seat, or with somebody"
//! ```
//! A condition asks for the age (`under_days`, PID-7 against the time of the event), for a meaning (`is`, `is_not`), or for
//! a rank (`at_least` a code of the table `in`, whose order is its rank). A place that gives its code a meaning may be wanted
//! `but not` with one of them. `element(x)` are the places of the sender's dialect, any of which will do.

use std::sync::Arc;

use super::{
    super::{
        fault::did_you_mean,
        source::Source,
        table::Table,
        text::{ConditionText, NeedText, WhenText, Word},
        verb::Verbs,
    },
    Compiler, When,
};
use crate::{mapping::STANDARD, units::limits};

/// Places of which one group must speak.
pub(in crate::mapping) struct Need {
    /// Where it stands in its file.
    pub(in crate::mapping) line: usize,
    pub(in crate::mapping) verbs: Verbs,
    pub(in crate::mapping) what: Arc<str>,
    pub(in crate::mapping) why: Arc<str>,
    /// One of these must hold, where there are any.
    pub(in crate::mapping) when: Vec<Condition>,
    pub(in crate::mapping) any_of: Vec<Vec<Wanted>>,
}

/// When a need holds.
pub(in crate::mapping) enum Condition {
    /// The patient is younger than so many days.
    UnderDays(u16),
    /// A code means something.
    Means(When),
    /// A code means a code of this table, of at least this rank.
    AtLeast(Vec<Source>, Arc<Table>, usize),
}

/// Something that must be said.
pub(in crate::mapping) struct Wanted {
    /// As it stands in the map.
    pub(in crate::mapping) shown: Arc<str>,
    /// Any of these may say it.
    pub(in crate::mapping) sources: Vec<Source>,
    /// The meaning that is not enough.
    pub(in crate::mapping) but_not: Option<Arc<str>>,
}

impl Wanted {
    /// What a person is told was looked at: the places, or the element where the sender's dialect has none for it.
    pub(in crate::mapping) fn places(&self) -> Vec<Arc<str>> {
        if self.sources.is_empty() {
            return vec![Arc::clone(&self.shown)];
        }
        self.sources.iter().map(|source| Arc::clone(&source.shown)).collect()
    }
}

impl Compiler<'_, '_> {
    pub(super) fn need(&mut self, text: &NeedText) -> Need {
        let span = text.any_of.first().and_then(|group| group.first()).map(Word::span);
        let span = span.unwrap_or_else(|| text.why.span());
        if text.any_of.is_empty() || text.any_of.iter().any(Vec::is_empty) {
            self.faults.add(span.clone(), "a need needs `any_of`, groups of places such as [[\"PID-3\"]]");
        }
        let lists = [text.any_of.len(), text.when.len()].into_iter().chain(text.any_of.iter().map(Vec::len));
        if lists.max() > Some(limits::ROW_SOURCES_MAX) {
            self.faults.add(span.clone(), format!("a need has at most {} of these", limits::ROW_SOURCES_MAX));
        }
        Need {
            line: self.faults.line(&span),
            verbs: Verbs::of(&text.verbs),
            what: text.what.as_str().into(),
            why: text.why.get_ref().as_str().into(),
            when: text.when.iter().filter_map(|when| self.condition(when.get_ref(), when.span())).collect(),
            any_of: text.any_of.iter().map(|group| group.iter().map(|word| self.wanted(word)).collect()).collect(),
        }
    }

    fn wanted(&mut self, word: &Word) -> Wanted {
        let shown: Arc<str> = word.get_ref().as_str().into();
        let Some((place, meaning)) = word.get_ref().rsplit_once(" but not ") else {
            return Wanted { shown, sources: self.sources(std::slice::from_ref(word), None), but_not: None };
        };
        let place = Word::new(word.span(), place.trim().to_owned());
        let meaning = meaning.trim();
        let sources = self.meanings(std::slice::from_ref(&place), &|_| true);
        self.known_meaning(&place, &sources, meaning);
        Wanted { shown: place.into_inner().into(), sources, but_not: Some(meaning.into()) }
    }

    fn condition(&mut self, text: &ConditionText, span: std::ops::Range<usize>) -> Option<Condition> {
        let ConditionText { under_days, from, is, is_not, at_least, table } = text;
        let is_any = is.is_some() || is_not.is_some() || at_least.is_some();
        match (under_days, from, at_least, table) {
            (Some(days), None, None, None) if !is_any => {
                if !(1..=limits::NEED_DAYS_MAX).contains(days) {
                    self.faults.add(span, format!("expected from 1 to {} days", limits::NEED_DAYS_MAX));
                }
                Some(Condition::UnderDays(*days))
            }
            (None, Some(from), Some(least), Some(table)) if is.is_none() && is_not.is_none() => {
                let table = self.table(table)?;
                let rank = table.named(least.get_ref()).map(|(rank, _)| rank);
                let near = || did_you_mean(least.get_ref(), table.codes().iter().map(|code| &*code.name));
                let unknown = || format!("`{}` is not in table `{}`{}", least.get_ref(), table.name, near());
                let rank = self.note(least.span(), rank.ok_or_else(unknown))?;
                let sources = self.meanings(std::slice::from_ref(from), &|meaning| table.named(meaning).is_some());
                Some(Condition::AtLeast(sources, table, rank))
            }
            (None, Some(from), None, None) if is.is_some() || is_not.is_some() => {
                let when =
                    WhenText { from: from.clone(), otherwise: Vec::new(), is: is.clone(), is_not: is_not.clone() };
                let when = self.when(&when);
                for meaning in [is, is_not].into_iter().flatten() {
                    self.known_meaning(from, &when.sources, meaning);
                }
                Some(Condition::Means(when))
            }
            _ => {
                let expected = "expected `under_days`, or `from` with `is`, `is_not`, or `at_least` and `in`";
                self.faults.add(span, expected);
                None
            }
        }
    }

    /// A meaning that no code has would be a condition that never holds. A dialect may well know less than the standard.
    fn known_meaning(&mut self, word: &Word, sources: &[Source], meaning: &str) {
        let vias = || sources.iter().filter_map(|source| source.via.as_ref());
        let meanings = || vias().flat_map(|via| via.table.codes().iter().filter_map(|code| code.meaning(via.column)));
        if self.dialect.is(STANDARD) && vias().next().is_some() && !meanings().any(|known| **known == *meaning) {
            let near = did_you_mean(meaning, meanings().map(|known| &**known));
            self.faults.add(word.span(), format!("no code that stands here means `{meaning}`{near}"));
        }
    }
}

impl Need {
    /// The places that say too little; nothing where one group says all that it should.
    pub(in crate::mapping) fn lacking(&self, is_said: impl Fn(&Wanted) -> bool) -> Option<Vec<Arc<str>>> {
        let mut lacking = Vec::new();
        for group in &self.any_of {
            let missing: Vec<&Wanted> = group.iter().filter(|wanted| !is_said(wanted)).collect();
            if missing.is_empty() {
                return None;
            }
            lacking.extend(missing.into_iter().flat_map(Wanted::places));
        }
        Some(lacking)
    }
}
