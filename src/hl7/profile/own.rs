//! What a profile asks beyond the standard.

use std::collections::HashMap;

use super::{
    super::{Field, Path, Repetition, Segment, Value},
    Action, Expected, Found, Judge, Level, Place, Rule, small,
    source::{FieldRule, Need, Test, When},
    standard::{longer, rule_of},
    value,
};

impl Judge<'_, '_> {
    /// Judges how often each segment comes.
    pub(super) fn own_segments(&mut self, places: &[Place]) {
        let profile = self.profile;
        if profile.compiled.segments.is_empty() {
            return;
        }
        let mut counts: HashMap<[u8; 3], (u32, Place)> = HashMap::new();
        for place in places {
            let (count, last) = counts.entry(place.segment).or_default();
            *count = count.saturating_add(1);
            *last = *place;
        }
        let kind = self.message.message_type();
        for rule in profile.compiled.segments.iter().filter(|rule| rule.on.fits(kind.code, kind.trigger)) {
            let (count, place) = counts.get(&rule.name).copied().unwrap_or_default();
            let line = places.last().map_or(0, |last| last.line);
            let end =
                Place { segment: rule.name, occurrence: 1, line, offset: self.message.raw().len(), ..Place::default() };
            let (least, most) = rule.between;
            let found = Found::Count(count);
            match rule.need {
                Need::Required if count == 0 => {
                    self.tell_as(rule.action, Rule::SegmentMissing, end, Expected::Segment(rule.name), Found::Nothing);
                }
                Need::Forbidden if count > 0 => {
                    self.tell_as(rule.action, Rule::SegmentForbidden, place, Expected::NoSegment, found);
                }
                _ if count < least && (count > 0 || rule.need == Need::Required) || count > most => {
                    self.tell_as(rule.action, Rule::SegmentCount, place, Expected::Between(least, most), found);
                }
                _ => {}
            }
        }
    }

    /// Judges the fields of one segment.
    pub(super) fn own(&mut self, segment: &Segment<'_>, place: Place) {
        let profile = self.profile;
        let Some(rules) = profile.by_segment.get(&place.segment) else { return };
        let kind = self.message.message_type();
        for rule in rules.iter().filter_map(|at| profile.compiled.fields.get(*at)) {
            let holds = rule.on.fits(kind.code, kind.trigger)
                && rule.when.as_ref().is_none_or(|when| self.holds(when, segment, place));
            if holds {
                self.own_field(rule, &segment.field(usize::from(rule.path.field())), place);
            }
        }
    }

    /// Whether a condition holds: in the same segment if it speaks of one of this name, else in the first of its own.
    fn holds(&self, when: &When, segment: &Segment<'_>, place: Place) -> bool {
        let value = if when.at.segment().as_bytes() == place.segment {
            segment.value(&when.at)
        } else {
            self.message.value(&when.at)
        };
        match &when.test {
            Test::Valued(wanted) => value.is_present() == *wanted,
            Test::Is(values) => value.bytes().is_some_and(|bytes| values.iter().any(|wanted| **wanted == *bytes)),
        }
    }

    fn own_field(&mut self, rule: &FieldRule, field: &Field<'_>, place: Place) {
        let place = self.at(
            field.bytes(),
            Place {
                field: rule.path.field(),
                component: rule.path.component().unwrap_or(0),
                subcomponent: rule.path.subcomponent().unwrap_or(0),
                ..place
            },
        );
        if self.is_literal(place) {
            return;
        }
        let mut count: usize = 0;
        let mut is_valued = false;
        for repetition in field.repetitions() {
            count = count.saturating_add(1);
            let bytes = part(&repetition, &rule.path);
            is_valued |= !bytes.is_empty();
            if let Value::Present(bytes) = Value::of(bytes) {
                let place = self.at(bytes, Place { repetition: small(count), ..place });
                self.own_value(rule, bytes, place);
            }
        }
        if rule.need == Need::Required && !is_valued {
            self.tell_as(rule.action, Rule::FieldMissing, place, Expected::Value, Found::Nothing);
        }
        if let Some(most) = rule.max_repeats.filter(|most| count > usize::from(*most)) {
            let found = Found::Count(u32::try_from(count).unwrap_or(u32::MAX));
            self.tell_as(rule.action, Rule::TooManyRepetitions, place, Expected::Repetitions(most), found);
        }
    }

    fn own_value(&mut self, rule: &FieldRule, bytes: &[u8], place: Place) {
        if rule.need == Need::Forbidden {
            return self.tell_as(rule.action, Rule::FieldForbidden, place, Expected::NoValue, Found::text(bytes));
        }
        if let Some((most, found)) = rule.max_length.and_then(|most| Some((most, longer(bytes, most)?))) {
            let expected = Expected::Characters(most);
            self.tell_as(rule.action, Rule::TooLong, place, expected, Found::Characters(found));
        }
        if rule.value.as_ref().is_some_and(|fixed| **fixed != *bytes) {
            self.tell_as(rule.action, Rule::FixedValue, place, Expected::Fixed, Found::text(bytes));
        }
        if let Some(table) = rule.table.as_ref().filter(|table| !table.codes.contains(bytes)) {
            let action = match rule.action {
                Action::Tell(_) if table.is_open => Action::Tell(Level::Note),
                other => other,
            };
            let expected = Expected::OwnTable(std::sync::Arc::clone(&table.name));
            self.tell_as(action, Rule::TableValue, place, expected, Found::text(bytes));
        }
        let form = rule.kind.and_then(|kind| self.dictionary.data_type(kind)).map(|kind| kind.form);
        if let Some((form, broken)) = form.and_then(|form| Some((form, rule_of(form)?)))
            && !value::fits(form, bytes)
        {
            self.tell_as(rule.action, broken, place, Expected::Form(form), Found::text(bytes));
        }
    }
}

/// The part of a repetition that a path speaks of.
fn part<'a>(repetition: &Repetition<'a>, path: &Path) -> &'a [u8] {
    let Some(component) = path.component() else { return repetition.bytes() };
    let component = repetition.component(usize::from(component));
    path.subcomponent().map_or_else(|| component.bytes(), |part| component.subcomponent(usize::from(part)))
}
