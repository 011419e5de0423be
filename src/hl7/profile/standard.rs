//! Fields and values by the standard's definitions.

use super::{
    super::{
        Repetition, Segment as Written, Value,
        dictionary::{Field, Form, Need, Segment, TypeId},
    },
    Expected, Found, Judge, Place, Rule, small, value,
};

impl Judge<'_, '_> {
    /// Judges every field of a segment; segments of which only the name is known are not looked into.
    pub(super) fn standard(&mut self, segment: &Written<'_>, place: Place) {
        let known = self.dictionary.segment(&place.segment);
        let Some(known) = known.filter(|known| !known.fields.is_empty() && known.since <= self.version) else { return };
        let last = known.fields.iter().rposition(|field| field.usage.at(self.version).is_some());
        let last = last.map_or(0, |at| at.saturating_add(1));
        if last == 0 {
            return;
        }
        let written = segment.field_count();
        for number in 1..=last {
            let place = Place { field: small(number), ..place };
            self.field(segment, known, number, place);
        }
        let beyond = (last.saturating_add(1)..=written).find(|number| !segment.field(*number).bytes().is_empty());
        if let Some(number) = beyond {
            let place = self.at(segment.field(number).bytes(), Place { field: small(number), ..place });
            self.tell(Rule::FieldBeyond, place, Expected::Field(last), Found::Something);
        }
    }

    fn field(&mut self, segment: &Written<'_>, known: &Segment, number: usize, place: Place) {
        let Some(field) = known.field(number) else { return };
        let Some(usage) = field.usage.at(self.version) else { return };
        let written = segment.field(number);
        if written.bytes().is_empty() {
            if usage.need == Need::Required {
                self.tell(Rule::FieldMissing, place, Expected::Value, Found::Nothing);
            }
            return;
        }
        if self.is_literal(place) {
            return;
        }
        let place = self.at(written.bytes(), place);
        if usage.need == Need::Withdrawn {
            return self.tell(Rule::FieldWithdrawn, place, Expected::NoValue, Found::text(written.bytes()));
        }
        let kind = if place.segment == *b"OBX" && number == 5 {
            self.dictionary.type_named(segment.field(2).bytes())
        } else {
            field.kind.at(self.version)
        };
        let most = field.length(self.version);
        let mut count: usize = 0;
        for repetition in written.repetitions() {
            count = count.saturating_add(1);
            let place = self.at(repetition.bytes(), Place { repetition: small(count), ..place });
            self.length(repetition.bytes(), most, place);
            if let Some(kind) = kind {
                self.repetition(&repetition, kind, field, place);
            }
        }
        if count > usize::from(usage.repeats) && usage.repeats < u16::MAX {
            let found = Found::Count(u32::try_from(count).unwrap_or(u32::MAX));
            self.tell(Rule::TooManyRepetitions, place, Expected::Repetitions(usage.repeats), found);
        }
    }

    /// MSH-1 and MSH-2 are the delimiters themselves.
    pub(super) const fn is_literal(&self, place: Place) -> bool {
        place.field <= 2 && matches!(&place.segment, b"MSH" | b"FHS" | b"BHS")
    }

    fn length(&mut self, bytes: &[u8], most: Option<u32>, place: Place) {
        let Some(most) = most else { return };
        if let Some(found) = longer(bytes, most) {
            self.tell(Rule::TooLong, place, Expected::Characters(most), Found::Characters(found));
        }
    }

    /// Judges one repetition by its data type.
    pub(super) fn repetition(&mut self, repetition: &Repetition<'_>, kind: TypeId, field: &Field, place: Place) {
        let Some(data_type) = self.dictionary.data_type(kind) else { return };
        if !matches!(repetition.value(), Value::Present(_)) || data_type.form == Form::Opaque {
            return;
        }
        let last = data_type.component_count(self.version);
        if last == 0 {
            let mut parts = repetition.components();
            let first = parts.next().map(|component| component.bytes()).unwrap_or_default();
            if data_type.form != Form::Text && parts.next().is_some() {
                return self.tell(Rule::ComponentBeyond, place, Expected::Components(1), Found::Something);
            }
            return self.simple(first, data_type.form, field, place);
        }
        for (number, component) in (1_usize..).zip(repetition.components()) {
            if component.bytes().is_empty() {
                continue;
            }
            let place = self.at(component.bytes(), Place { component: small(number), ..place });
            let Some(known) = data_type.component(number, self.version) else {
                return self.tell(Rule::ComponentBeyond, place, Expected::Components(last), Found::Something);
            };
            self.component(&component, known, place);
        }
    }

    fn component(&mut self, component: &super::super::Component<'_>, known: &Field, place: Place) {
        let kind = known.kind.at(self.version).and_then(|kind| self.dictionary.data_type(kind));
        let Some(kind) = kind.filter(|kind| kind.form != Form::Opaque) else { return };
        let last = kind.component_count(self.version);
        if last == 0 {
            let is_plain = kind.form == Form::Text || component.subcomponents().nth(1).is_none();
            if !is_plain {
                return self.tell(Rule::ComponentBeyond, place, Expected::Components(1), Found::Something);
            }
            return self.simple(component.bytes(), kind.form, known, place);
        }
        for (number, part) in (1_usize..).zip(component.subcomponents()) {
            if part.is_empty() {
                continue;
            }
            let place = self.at(part, Place { subcomponent: small(number), ..place });
            let Some(known) = kind.component(number, self.version) else {
                return self.tell(Rule::ComponentBeyond, place, Expected::Components(last), Found::Something);
            };
            let kind = known.kind.at(self.version).and_then(|kind| self.dictionary.data_type(kind));
            if let Some(kind) = kind {
                self.simple(part, kind.form, known, place);
            }
        }
    }

    /// Judges a value without parts: its form, and its code where the standard fixes the codes.
    fn simple(&mut self, bytes: &[u8], form: Form, field: &Field, place: Place) {
        if matches!(form, Form::Text | Form::Parts | Form::Opaque) || bytes.is_empty() || bytes == b"\"\"" {
            return;
        }
        if self.message.delimiters().truncation.is_some_and(|mark| bytes.last() == Some(&mark)) {
            return;
        }
        if form == Form::Code {
            return self.code(bytes, field, place);
        }
        self.form(bytes, form, place);
    }

    pub(super) fn form(&mut self, bytes: &[u8], form: Form, place: Place) {
        let rule = rule_of(form);
        if let Some(rule) = rule.filter(|_| !value::fits(form, bytes)) {
            self.tell(rule, place, Expected::Form(form), Found::text(bytes));
        }
    }

    fn code(&mut self, bytes: &[u8], field: &Field, place: Place) {
        let Some(number) = field.table(self.version) else { return };
        let Some(table) = self.dictionary.table(number).filter(|table| table.is_fixed && table.is_listed()) else {
            return;
        };
        let is_there = std::str::from_utf8(bytes).is_ok_and(|code| table.meaning(code).is_some());
        if !is_there {
            self.tell(Rule::TableValue, place, Expected::Table(number, table.title), Found::text(bytes));
        }
    }
}

/// The rule that a value breaks that has not this form.
pub(super) const fn rule_of(form: Form) -> Option<Rule> {
    match form {
        Form::Number => Some(Rule::FormNumber),
        Form::Sequence => Some(Rule::FormSequence),
        Form::Date => Some(Rule::FormDate),
        Form::Clock => Some(Rule::FormTime),
        Form::Stamp => Some(Rule::FormTimestamp),
        Form::Text | Form::Code | Form::Parts | Form::Opaque => None,
    }
}

/// The number of characters, where it is more than `most`. Bytes that go on a character of UTF-8 do not count; in
/// other character sets none looks like one but letters beyond ASCII, which then count too little.
pub(super) fn longer(bytes: &[u8], most: u32) -> Option<u32> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if bytes.len() <= most {
        return None;
    }
    let characters = bytes.iter().filter(|byte| !matches!(byte, 0x80..=0xbf)).count();
    (characters > most).then(|| u32::try_from(characters).unwrap_or(u32::MAX))
}
