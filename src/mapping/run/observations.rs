//! The value of an observation: OBX-5 by the type in OBX-2 (HL7 v2.5.1 chapter 7, 7.4.2) as `value[x]`.
//!
//! | OBX-2 | element |
//! |---|---|
//! | NM | valueQuantity; with `<`, `>` before the number a comparator; what is no number stays valueString |
//! | SN | valueQuantity with comparator, valueRange (`^1^-^2`) or valueRatio (`^1^:^128`) |
//! | CE, CWE, CNE, CF, IS, ID | valueCodeableConcept |
//! | TS, DTM, DT | valueDateTime |
//! | TM | valueTime |
//! | ED, RP | none: the document is an attachment of the report |
//! | all others | valueString, repetitions on lines of their own |
//!
//! Nothing is lost: what cannot be read as its type says is passed on in words.

use super::{Run, values::is_component};
use crate::{
    event::{self, Coded, Part, When},
    fhir::{self, Node, Object, Text, clean},
    hl7::Segment,
    mapping::{
        compile::Row,
        shape,
        source::{Source, plain_code},
    },
};

impl<'m> Run<'_, 'm> {
    pub(super) fn value(&self, row: &Row, part: &Part<'m>) -> Option<Node> {
        let segment = part.segment;
        let charset = self.scope.charset();
        let choice = match segment.field(2).bytes() {
            b"NM" => self.number(part),
            b"SN" => self.structured(part),
            b"CE" | b"CWE" | b"CNE" | b"CF" | b"IS" | b"ID" => {
                let coded = Coded::read(&part.repetition, charset)?;
                Some(Object::new().with("valueCodeableConcept", self.original(&coded, row.table.as_deref())))
            }
            b"TS" | b"DTM" | b"DT" => {
                let text = event::part(&part.repetition, 1, charset)?;
                let when = When::read(&text, self.context.zone);
                when.map(|when| Object::new().with("valueDateTime", when.date_time().to_owned()))
            }
            b"TM" => event::part(&part.repetition, 1, charset)
                .and_then(|text| time_of_day(&text))
                .map(|time| Object::new().with("valueTime", time)),
            b"ED" | b"RP" => return None,
            _ => None,
        };
        let choice = choice.or_else(|| Some(Object::new().with("valueString", self.lines(segment)?)));
        choice.filter(|choice| !choice.is_empty()).map(Node::from)
    }

    /// All repetitions of OBX-5 in words.
    pub(super) fn lines(&self, segment: Segment<'m>) -> Option<String> {
        let charset = self.scope.charset();
        let lines = segment.field(5).repetitions().map(|line| event::plain(line.value(), charset).unwrap_or_default());
        clean(&lines.collect::<Vec<_>>().join("\n"))
    }

    fn number(&self, part: &Part<'m>) -> Option<Object> {
        let text = event::part(&part.repetition, 1, self.scope.charset())?;
        let digits = text.trim_start_matches(['<', '>', '=']).trim();
        let comparator = comparator(text.get(..text.len() - text.trim_start_matches(['<', '>', '=']).len())?)?;
        let number = fhir::decimal(digits)?;
        Some(Object::new().with("valueQuantity", self.in_unit(part, comparator, number)))
    }

    fn structured(&self, part: &Part<'m>) -> Option<Object> {
        let at = |number: usize| event::part(&part.repetition, number, self.scope.charset());
        let (sign, separator) = (at(1).unwrap_or_default(), at(3).unwrap_or_default());
        let first = fhir::decimal(&at(2)?)?;
        let second = at(4).and_then(|text| fhir::decimal(&text));
        let quantity = |comparator: Option<&'static str>, number: Node| self.in_unit(part, comparator, number);
        match (separator.as_str(), second) {
            ("", None) => Some(Object::new().with("valueQuantity", quantity(comparator(&sign)?, first))),
            ("-", Some(second)) if sign.is_empty() => {
                let range = Object::new().with("low", quantity(None, first)).with("high", quantity(None, second));
                Some(Object::new().with("valueRange", range))
            }
            (":" | "/", Some(second)) if sign.is_empty() => {
                let plain = |number: Node| Object::new().with("value", number);
                let ratio = Object::new().with("numerator", plain(first)).with("denominator", plain(second));
                Some(Object::new().with("valueRatio", ratio))
            }
            _ => None,
        }
    }

    /// A Quantity in the unit of OBX-6: in UCUM where the table of units knows it, else as it came.
    fn in_unit(&self, part: &Part<'m>, comparator: Option<&'static str>, number: Node) -> Object {
        let unit = Coded::read(&part.segment.field(6).repetition(1), self.scope.charset());
        self.quantity_of(comparator, number, unit.as_ref())
    }

    pub(super) fn quantity_of(&self, comparator: Option<&'static str>, number: Node, unit: Option<&Coded>) -> Object {
        let mut quantity = Object::new().with("value", number);
        quantity.set_some("comparator", comparator);
        let Some(unit) = unit else {
            return quantity;
        };
        let via = &self.map.compiled.unit;
        if let Some(listed) = via.table.find(unit.codings())
            && let Some(ucum) = listed.meaning(via.column)
        {
            quantity.set("unit", Text::from(listed.display.as_ref().unwrap_or(&listed.code)));
            quantity.set("system", UCUM);
            quantity.set("code", Text::from(ucum));
            return quantity;
        }
        quantity.set_some("unit", clean(unit.words()));
        let told = unit.codings().find(|coding| coding.system == "UCUM");
        if let Some(code) = told.and_then(|coding| shape::code_text(&coding.code)) {
            quantity.set("system", UCUM);
            quantity.set("code", code);
        }
        quantity
    }

    /// A number and the unit beside it.
    pub(super) fn amount(&mut self, row: &Row, source: &Source, part: &Part<'m>) -> Option<Node> {
        let text = self.text_at(source, part)?;
        let Some(number) = fhir::decimal(&text) else {
            self.cannot_read(source);
            return None;
        };
        let charset = self.scope.charset();
        let unit = row.unit.iter().find_map(|unit| {
            self.parts(unit).iter().find_map(|part| {
                if is_component(unit) {
                    return self.text_at(unit, part).map(|code| plain_code(&code));
                }
                Coded::read(&part.repetition, charset)
            })
        });
        Some(self.quantity_of(None, number, unit.as_ref()).into())
    }
}

const UCUM: &str = "http://unitsofmeasure.org";

/// A comparator of R4; nothing for what R4 has none for.
fn comparator(sign: &str) -> Option<Option<&'static str>> {
    match sign {
        "" | "=" => Some(None),
        "<" => Some(Some("<")),
        "<=" => Some(Some("<=")),
        ">" => Some(Some(">")),
        ">=" => Some(Some(">=")),
        _ => None,
    }
}

/// A TM as FHIR time, which has seconds.
fn time_of_day(text: &str) -> Option<String> {
    let digits = text.split(['.', '+', '-']).next().unwrap_or_default();
    if !matches!(digits.len(), 4 | 6) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hour, minute) = (digits.get(..2)?, digits.get(2..4)?);
    let second = digits.get(4..6).unwrap_or("00");
    let valid = hour < "24" && minute < "60" && second < "60";
    valid.then(|| format!("{hour}:{minute}:{second}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_comparators_and_times_of_day() {
        assert_eq!(comparator(">="), Some(Some(">=")));
        assert_eq!(comparator("="), Some(None));
        assert_eq!(comparator("<>"), None);
        assert_eq!(time_of_day("0930").as_deref(), Some("09:30:00"));
        assert_eq!(time_of_day("093015.5+0100").as_deref(), Some("09:30:15"));
        assert_eq!(time_of_day("2460"), None);
        assert_eq!(time_of_day("9"), None);
    }
}
