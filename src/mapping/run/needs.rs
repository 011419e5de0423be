//! Whether everything is there that a job cannot do without.

use std::sync::Arc;

use jiff::{Unit, civil::Date};

use super::{Run, codes::Meaning, values::is_later};
use crate::{
    event,
    mapping::{
        compile::{Condition, Need, Wanted},
        explain::Met,
        refusal::Missing,
        source::Source,
    },
    units::Timestamp,
};

impl<'r> Run<'r, '_> {
    pub(super) fn check_needs(&mut self) {
        for need in &self.map.compiled.needs {
            let met = self.is_met(need);
            if let Some(trace) = &mut self.trace {
                trace.need(need, met);
            }
        }
    }

    fn is_met(&mut self, need: &'r Need) -> Met {
        if !need.verbs.has(self.verb) {
            return Met::OtherVerb;
        }
        // What its places say is not what is told: codes that nobody knows are for the rows to refuse.
        let noted = self.refusal.unmapped.len();
        let holds = need.when.is_empty() || need.when.iter().any(|condition| self.holds(condition));
        let said = if holds { self.said(need) } else { Vec::new() };
        self.refusal.unmapped.truncate(noted);
        if !holds {
            return Met::Spared;
        }
        let is_said = |wanted: &Wanted| said.iter().any(|said| std::ptr::eq(*said, wanted));
        let Some(mut from) = need.lacking(is_said) else { return Met::Yes };
        from.sort_unstable();
        from.dedup();
        self.refusal.missing.push(Missing { what: Arc::clone(&need.what), from });
        Met::No
    }

    /// What is said of all that is wanted.
    fn said(&mut self, need: &'r Need) -> Vec<&'r Wanted> {
        need.any_of.iter().flatten().filter(|wanted| self.is_said(wanted)).collect()
    }

    fn is_said(&mut self, wanted: &Wanted) -> bool {
        wanted.sources.iter().any(|source| {
            let parts = self.parts(source);
            let (Some(but_not), Some(via)) = (&wanted.but_not, &source.via) else { return !parts.is_empty() };
            parts.iter().any(|part| match self.look_up(source, via, part) {
                Some(Meaning::Is(meaning, _)) => meaning != *but_not,
                Some(Meaning::Kept(_)) => true,
                Some(Meaning::Silent(_)) | None => false,
            })
        })
    }

    fn holds(&mut self, condition: &Condition) -> bool {
        match condition {
            Condition::UnderDays(days) => self.age_days().is_some_and(|age| age < i32::from(*days)),
            Condition::Means(when) => {
                let meaning = self.first_said(&when.sources);
                when.holds(meaning.as_deref())
            }
            Condition::AtLeast(sources, table, least) => {
                let rank = self.first_said(sources).and_then(|meaning| Some(table.named(&meaning)?.0));
                rank.is_some_and(|rank| rank >= *least)
            }
        }
    }

    fn first_said(&mut self, sources: &[Source]) -> Option<Arc<str>> {
        sources.iter().find_map(|source| self.meaning_of(source))
    }

    /// The least age in days that the patient can have. Who was born in some month may have been on its last day; who is
    /// born after the event has no age, and is a contradiction.
    fn age_days(&self) -> Option<i32> {
        let (born, today) = (self.time_at("PID", 7)?, self.day()?);
        if is_later(born.date(), &today.tomorrow().unwrap_or(today).to_string()) {
            return None;
        }
        let day = match born.date().len() {
            0..=4 => format!("{}-12-31", born.date()).parse::<Date>(),
            5..=7 => format!("{}-01", born.date()).parse::<Date>().map(Date::last_of_month),
            _ => born.date().parse(),
        };
        let age = day.ok()?.until((Unit::Day, today)).ok()?;
        Some(age.get_days())
    }

    /// The day of the event; of the receipt, where the event does not say. What is compared whenever it is told has neither.
    fn day(&self) -> Option<Date> {
        let told = event::time(&self.scope, self.context.zone).and_then(|when| when.date().parse().ok());
        let received = || {
            let at = Some(self.context.received_at).filter(|at| *at != Timestamp(0))?;
            let instant = jiff::Timestamp::from_millisecond(at.0).ok()?;
            Some(instant.to_zoned(self.context.zone.clone()).date())
        };
        told.or_else(received)
    }
}
