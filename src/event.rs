//! The canonical event that every source is read into: what happened, when, to whom, where, and what was ordered.
//!
//! An ADT message is one event, an order message one event per order ([`Scope`]). [`Event::read`] takes what ADT and
//! ORM^O01 (HL7 v2.5.1 chapters 3 and 4) say about a patient's way through a hospital. It interprets nothing: codes
//! are the sender's, answers are as given; what they mean is the map's business. Where it matters that a sender
//! deleted a value (`""`) and did not just leave it out, the value is [`Given`]. Reads no segment twice, refuses
//! nothing: what cannot be read is absent, and maps that need it refuse.
//!
//! Patient data are wrapped in [`Phi`]; printing an event shows none (INV-05).

use jiff::tz::TimeZone;

use crate::{
    hl7::{Charset, Field, Message, Repetition, Value},
    phi::Phi,
};

mod scope;
mod time;
mod types;

pub use scope::{Part, Scope};
pub use time::{Clock, When, instant_text};
pub use types::{Address, Authority, Coded, Coding, Identifier, PersonName, Phone, Place, part, plain, read_authority};

/// A value in its three states (HL7 v2.5.1 chapter 2, 2.5.3.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Given<T> {
    /// Nothing was said.
    #[default]
    Absent,
    /// It is to be deleted.
    Null,
    /// It is this.
    Known(T),
}

impl<T> Given<T> {
    /// The value, where there is one.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Message code, such as `ADT`.
    pub code: String,
    /// Trigger event, such as `A03`.
    pub trigger: String,
    /// When it happened, by [`time()`].
    pub time: Option<When>,
    /// Sending application.
    pub application: Option<AuthorityName>,
    /// Sending facility.
    pub facility: Option<AuthorityName>,
    /// Who it happened to.
    pub patient: Patient,
    /// During which visit.
    pub visit: Visit,
    /// What was ordered.
    pub order: Option<Order>,
    /// Answers to questions (OBX).
    pub answers: Vec<Answer>,
    /// Comments of the order (NTE-3).
    pub notes: Vec<Phi<String>>,
}

/// The name of an application or facility, as HD gives it.
pub type AuthorityName = String;

/// A person.
#[derive(Clone, Debug, Default)]
pub struct Patient {
    /// PID-3, all of them.
    pub identifiers: Vec<Phi<Identifier>>,
    /// PID-5, all of them.
    pub names: Vec<Phi<PersonName>>,
    /// PID-7.
    pub birth_date: Given<Phi<When>>,
    /// PID-8.
    pub sex: Given<Phi<String>>,
    /// PID-11, all of them.
    pub addresses: Vec<Phi<Address>>,
    /// PID-13, all of them.
    pub phones: Vec<Phi<Phone>>,
    /// PID-18.
    pub account_number: Option<Phi<Identifier>>,
    /// PID-30.
    pub death_indicator: Given<Phi<String>>,
}

/// A stay or appointment.
#[derive(Clone, Debug, Default)]
pub struct Visit {
    /// PV1-19.
    pub number: Option<Phi<Identifier>>,
    /// PV1-2.
    pub class: Given<String>,
    /// PV1-3.
    pub location: Given<Phi<Place>>,
    /// PV1-6.
    pub prior_location: Given<Phi<Place>>,
    /// PV1-11.
    pub temporary_location: Given<Phi<Place>>,
    /// PV1-15, all of them.
    pub ambulatory_status: Vec<Phi<String>>,
    /// PV1-36.
    pub disposition: Given<Phi<String>>,
    /// PV1-37.
    pub discharged_to: Given<Phi<String>>,
    /// PV1-44.
    pub admitted: Option<Phi<When>>,
    /// PV1-45.
    pub discharged: Option<Phi<When>>,
    /// PV2-9.
    pub expected_discharge: Given<Phi<When>>,
}

/// An order.
#[derive(Clone, Debug)]
pub struct Order {
    /// ORC-1.
    pub control: String,
    /// ORC-2, else OBR-2.
    pub placer_order_number: Option<Phi<Identifier>>,
    /// ORC-3, else OBR-3.
    pub filler_order_number: Option<Phi<Identifier>>,
    /// OBR-4, else RXE-2, RXO-1, RQD-2, RQD-3.
    pub service: Option<Phi<Coded>>,
    /// TQ1-9, else OBR-5, else ORC-7.6.
    pub priority: Given<String>,
    /// TQ1-7, else ORC-7.4, OBR-27.4, OBR-36, OBR-6.
    pub requested_start: Option<When>,
    /// TQ1-8, else ORC-7.5, OBR-27.5.
    pub requested_end: Option<When>,
    /// OBR-30.
    pub transport_mode: Given<String>,
    /// OBR-42.
    pub escort: Given<String>,
    /// OBR-43, in words.
    pub transport_comments: Vec<Phi<String>>,
}

/// The answer to a question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// OBX-3.
    pub question: Phi<Coded>,
    /// OBX-5, its repetitions as they came.
    pub values: Vec<Phi<String>>,
    /// OBX-6.
    pub unit: Option<Phi<Coded>>,
}

impl Event {
    /// Reads the events of a message: one per order of ORM, one otherwise. `zone` is for times without an offset.
    pub fn read(scopes: &[Scope<'_>], zone: &TimeZone) -> Vec<Self> {
        scopes.iter().map(|scope| Self::of(scope, zone)).collect()
    }

    /// Reads the event of one scope.
    pub fn of(scope: &Scope<'_>, zone: &TimeZone) -> Self {
        let reader = Reader { scope, zone };
        let kind = scope.message().message_type();
        Self {
            code: String::from_utf8_lossy(kind.code).into_owned(),
            trigger: String::from_utf8_lossy(kind.trigger).into_owned(),
            time: time(scope, zone),
            application: reader.authority("MSH", 3),
            facility: facility(scope).map(|authority| authority.name().to_owned()),
            patient: reader.patient(),
            visit: reader.visit(),
            order: reader.order(),
            answers: reader.answers(),
            notes: reader.notes(),
        }
    }
}

/// The scopes of a message: its orders where it has any, else the whole.
pub fn scopes<'m>(message: Message<'m>, charset: &'m Charset) -> Vec<Scope<'m>> {
    let orders = Scope::of_orders(message, charset);
    if orders.is_empty() { vec![Scope::of_message(message, charset)] } else { orders }
}

/// When the event happened: EVN-6, else PV1-45 of an A03, else EVN-2, else MSH-7; the first that can be read.
pub fn time(scope: &Scope<'_>, zone: &TimeZone) -> Option<When> {
    let is_discharge = scope.message().message_type().trigger == b"A03";
    let reader = Reader { scope, zone };
    let discharged = || if is_discharge { reader.when("PV1", 45) } else { None };
    reader.when("EVN", 6).or_else(discharged).or_else(|| reader.when("EVN", 2)).or_else(|| reader.when("MSH", 7))
}

/// The sending facility: MSH-4.
pub fn facility(scope: &Scope<'_>) -> Option<Authority> {
    read_authority(&scope.segment("MSH")?.field(4).repetition(1), scope.charset())
}

/// The number of the visit: PV1-19.
pub fn visit_number(scope: &Scope<'_>) -> Option<Identifier> {
    Identifier::read_cx(&scope.segment("PV1")?.field(19).repetition(1), scope.charset())
}

/// The placer's number of the order: ORC-2, else OBR-2.
pub fn placer_order_number(scope: &Scope<'_>) -> Option<Identifier> {
    order_number(scope, 2)
}

/// The filler's number of the order: ORC-3, else OBR-3.
pub fn filler_order_number(scope: &Scope<'_>) -> Option<Identifier> {
    order_number(scope, 3)
}

fn order_number(scope: &Scope<'_>, field: usize) -> Option<Identifier> {
    let read = |name: &str| Identifier::read_ei(&scope.segment(name)?.field(field).repetition(1), scope.charset());
    read("ORC").or_else(|| read("OBR"))
}

struct Reader<'s, 'm> {
    scope: &'s Scope<'m>,
    zone: &'s TimeZone,
}

impl Reader<'_, '_> {
    fn patient(&self) -> Patient {
        Patient {
            identifiers: self.all("PID", 3, Identifier::read_cx),
            names: self.all("PID", 5, PersonName::read_xpn),
            birth_date: self.given("PID", 7, |field| self.when_of(field)),
            sex: self.given_text("PID", 8),
            addresses: self.all("PID", 11, Address::read),
            phones: self.all("PID", 13, Phone::read),
            account_number: self.all("PID", 18, Identifier::read_cx).into_iter().next(),
            death_indicator: self.given_text("PID", 30),
        }
    }

    fn visit(&self) -> Visit {
        let place = |field: &Field<'_>| Place::read(&field.repetition(1), self.scope.charset());
        Visit {
            number: visit_number(self.scope).map(Phi::new),
            class: open(self.given_text("PV1", 2)),
            location: self.given("PV1", 3, place),
            prior_location: self.given("PV1", 6, place),
            temporary_location: self.given("PV1", 11, place),
            ambulatory_status: self.all("PV1", 15, |from, charset| part(from, 1, charset)),
            disposition: self.given_text("PV1", 36),
            discharged_to: self.given_text("PV1", 37),
            admitted: self.when("PV1", 44).map(Phi::new),
            discharged: self.when("PV1", 45).map(Phi::new),
            expected_discharge: self.given("PV2", 9, |field| self.when_of(field)),
        }
    }

    fn order(&self) -> Option<Order> {
        let control = self.scope.segment("ORC");
        let services = [("OBR", 4), ("RXE", 2), ("RXO", 1), ("RQD", 2), ("RQD", 3)];
        let details = services.map(|(name, field)| self.scope.segment(name).map(|detail| detail.field(field)));
        let mut details = details.into_iter().flatten().peekable();
        if control.is_none() && details.peek().is_none() {
            return None;
        }
        let service = details.find_map(|field| Coded::read(&field.repetition(1), self.scope.charset()));
        Some(Order {
            control: control
                .and_then(|orc| part(&orc.field(1).repetition(1), 1, self.scope.charset()))
                .unwrap_or_default(),
            placer_order_number: placer_order_number(self.scope).map(Phi::new),
            filler_order_number: filler_order_number(self.scope).map(Phi::new),
            service: service.map(Phi::new),
            priority: self.first_given(&[("TQ1", 9, 1), ("OBR", 5, 1), ("ORC", 7, 6)]),
            requested_start: self.first_when(&[
                ("TQ1", 7, 1),
                ("ORC", 7, 4),
                ("OBR", 27, 4),
                ("OBR", 36, 1),
                ("OBR", 6, 1),
            ]),
            requested_end: self.first_when(&[("TQ1", 8, 1), ("ORC", 7, 5), ("OBR", 27, 5)]),
            transport_mode: open(self.given_text("OBR", 30)),
            escort: open(self.given_text("OBR", 42)),
            transport_comments: self
                .all("OBR", 43, |from, charset| Coded::read(from, charset).map(|coded| coded.words().to_owned())),
        })
    }

    fn answers(&self) -> Vec<Answer> {
        let charset = self.scope.charset();
        let mut answers = Vec::new();
        for segment in self.scope.segments("OBX") {
            let Some(question) = Coded::read(&segment.field(3).repetition(1), charset) else {
                continue;
            };
            let values = segment.field(5).repetitions().filter_map(|from| plain(from.value(), charset));
            let values = values.map(Phi::new).collect();
            let unit = Coded::read(&segment.field(6).repetition(1), charset).map(Phi::new);
            answers.push(Answer { question: Phi::new(question), values, unit });
        }
        answers
    }

    fn notes(&self) -> Vec<Phi<String>> {
        let notes = self.scope.segments("NTE").flat_map(|segment| segment.field(3).repetitions());
        notes.filter_map(|from| plain(from.value(), self.scope.charset())).map(Phi::new).collect()
    }

    fn authority(&self, name: &str, field: usize) -> Option<AuthorityName> {
        let authority = read_authority(&self.scope.segment(name)?.field(field).repetition(1), self.scope.charset());
        authority.map(|authority| authority.name().to_owned())
    }

    fn all<T>(&self, name: &str, field: usize, read: impl Fn(&Repetition<'_>, &Charset) -> Option<T>) -> Vec<Phi<T>> {
        let repetitions = self.scope.segment(name).into_iter().flat_map(|segment| segment.field(field).repetitions());
        repetitions.filter_map(|from| read(&from, self.scope.charset())).map(Phi::new).collect()
    }

    fn given<T>(&self, name: &str, field: usize, read: impl Fn(&Field<'_>) -> Option<T>) -> Given<Phi<T>> {
        let Some(field) = self.scope.segment(name).map(|segment| segment.field(field)) else {
            return Given::Absent;
        };
        if field.value() == Value::Null {
            return Given::Null;
        }
        read(&field).map_or(Given::Absent, |value| Given::Known(Phi::new(value)))
    }

    fn given_text(&self, name: &str, field: usize) -> Given<Phi<String>> {
        self.given(name, field, |field| part(&field.repetition(1), 1, self.scope.charset()))
    }

    fn first_given(&self, places: &[(&str, usize, usize)]) -> Given<String> {
        for (name, field, component) in places {
            let field = self.scope.segment(name).map(|segment| segment.field(*field));
            let text = field.and_then(|field| part(&field.repetition(1), *component, self.scope.charset()));
            if let Some(text) = text {
                return Given::Known(text);
            }
            if field.is_some_and(|field| field.value() == Value::Null) {
                return Given::Null;
            }
        }
        Given::Absent
    }

    fn first_when(&self, places: &[(&str, usize, usize)]) -> Option<When> {
        places.iter().find_map(|(name, field, component)| {
            let field = self.scope.segment(name)?.field(*field);
            self.read_when(&field, *component)
        })
    }

    fn when(&self, name: &str, field: usize) -> Option<When> {
        self.first_when(&[(name, field, 1)])
    }

    fn when_of(&self, field: &Field<'_>) -> Option<When> {
        self.read_when(field, 1)
    }

    /// Versions 2.1 and 2.2 tell the precision of a time stamp in its second component.
    fn read_when(&self, field: &Field<'_>, component: usize) -> Option<When> {
        let charset = self.scope.charset();
        let text = part(&field.repetition(1), component, charset)?;
        let degree = if component == 1 { part(&field.repetition(1), 2, charset) } else { None };
        When::read_to(&text, &degree.unwrap_or_default(), self.zone)
    }
}

/// A code that says nothing about who the patient is.
fn open<T>(given: Given<Phi<T>>) -> Given<T> {
    match given {
        Given::Absent => Given::Absent,
        Given::Null => Given::Null,
        Given::Known(value) => Given::Known(value.into_inner()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;
    use crate::hl7::Index;

    fn read(raw: &str) -> Vec<Event> {
        let index = Index::of(raw.as_bytes()).unwrap();
        let message = index.message(raw.as_bytes());
        let charset = message.charset(None);
        Event::read(&scopes(message, &charset), &TimeZone::get("America/New_York").unwrap())
    }

    /// The segment with `values` at these fields.
    fn segment(name: &str, values: &[(usize, &str)]) -> String {
        let mut fields = vec![""; 1 + values.iter().map(|(field, _)| *field).max().unwrap_or(0)];
        for (field, value) in values {
            fields[*field] = value;
        }
        format!("{name}{}\r", fields.join("|"))
    }

    #[test]
    fn takes_the_time_of_the_event_from_the_first_place_that_can_be_read() {
        let time = |kind: &str, evn: &[(usize, &str)], pv1: &[(usize, &str)]| {
            let raw = format!("MSH|^~\\&|A|B|||202601010000||{kind}|1|P|2.5\r");
            let event = read(&(raw + &segment("EVN", evn) + &segment("PV1", pv1))).remove(0);
            event.time.unwrap().date_time().get(..16).unwrap().to_owned()
        };
        let all = [(2, "202602020000"), (6, "202606060000")];
        assert_eq!(time("ADT^A03", &all, &[(45, "202604050000")]), "2026-06-06T00:00");
        assert_eq!(time("ADT^A03", &all[..1], &[(45, "202604050000")]), "2026-04-05T00:00");
        assert_eq!(time("ADT^A01", &all[..1], &[(45, "202604050000")]), "2026-02-02T00:00");
        assert_eq!(time("ADT^A03", &[(2, "yesterday")], &[(45, "\"\"")]), "2026-01-01T00:00");
    }

    #[test]
    fn reads_patient_visit_and_three_states() {
        let pid = [
            (3, "7^^^GH^MR~8^^^GH^PI"),
            (5, "Quill^Ada"),
            (7, "195002"),
            (8, "\"\""),
            (11, "1 Elm^^Mill"),
            (13, "555"),
            (18, "A1"),
        ];
        let pv1 = [
            (2, "I"),
            (3, "3W^12^B"),
            (6, "\"\""),
            (15, "A2~B1"),
            (19, "V1^^^GH"),
            (36, "03"),
            (37, "SNF^20260101"),
            (45, "20260102"),
        ];
        let raw = "MSH|^~\\&|ADT&1.2&ISO|GH^3.4^ISO|||2026||ADT^A03|1|P|2.5\r".to_owned();
        let raw = raw + &segment("PID", &pid) + &segment("PV1", &pv1) + &segment("PV2", &[(9, "20260103")]);
        let event = read(&raw).remove(0);
        assert_eq!((event.code.as_str(), event.trigger.as_str()), ("ADT", "A03"));
        assert_eq!((event.application.as_deref(), event.facility.as_deref()), (Some("ADT"), Some("GH")));
        let patient = &event.patient;
        assert_eq!(patient.identifiers[1].reveal().value, "8");
        assert_eq!(patient.names[0].reveal().given, "Ada");
        assert_eq!(patient.birth_date.known().unwrap().reveal().date(), "1950-02");
        assert_eq!((&patient.sex, &patient.death_indicator), (&Given::Null, &Given::Absent));
        assert_eq!(patient.account_number.as_ref().unwrap().reveal().value, "A1");
        let visit = &event.visit;
        assert_eq!(visit.number.as_ref().unwrap().reveal().value, "V1");
        assert_eq!(visit.location.known().unwrap().reveal().bed, "B");
        assert!(visit.prior_location == Given::Null && visit.temporary_location == Given::Absent);
        assert_eq!(visit.ambulatory_status.iter().map(Phi::reveal).collect::<Vec<_>>(), ["A2", "B1"]);
        assert_eq!(visit.discharged_to.known().unwrap().reveal(), "SNF");
        assert_eq!(visit.expected_discharge.known().unwrap().reveal().date(), "2026-01-03");
        assert!(event.order.is_none());
    }

    #[test]
    fn reads_one_event_for_each_order() {
        let raw = "MSH|^~\\&|A|B|||2026||ORM^O01|1|P|2.5\r".to_owned()
            + &segment("ORC", &[(1, "NW"), (2, "P1^EHR"), (7, "^^^202601020300^202601020400^S")])
            + &segment("OBR", &[(3, "F1"), (4, "VAN^Van^L"), (30, "WHLC"), (42, "\"\""), (43, "ARR^Arranged")])
            + &segment("OBX", &[(2, "NM"), (3, "29463-7^Weight^LN"), (5, "80"), (6, "kg")])
            + &segment("NTE", &[(3, "ring twice")])
            + &segment("ORC", &[(1, "CA")])
            + &segment("OBR", &[(2, "P2"), (36, "20260103"), (5, "R")]);
        let events = read(&raw);
        let orders: Vec<&Order> = events.iter().map(|event| event.order.as_ref().unwrap()).collect();
        assert_eq!(orders.len(), 2);
        let number = |number: &Option<Phi<Identifier>>| number.as_ref().unwrap().reveal().value.clone();
        assert_eq!(
            (number(&orders[0].placer_order_number), number(&orders[0].filler_order_number)),
            ("P1".into(), "F1".into())
        );
        assert_eq!(orders[0].service.as_ref().unwrap().reveal().first.code, "VAN");
        assert_eq!(orders[0].requested_end.as_ref().unwrap().date_time(), "2026-01-02T04:00:00-05:00");
        assert_eq!((&orders[0].priority, &orders[0].escort), (&Given::Known("S".to_owned()), &Given::Null));
        assert_eq!(orders[0].transport_comments[0].reveal(), "Arranged");
        assert_eq!(events[0].answers[0].values[0].reveal(), "80");
        assert_eq!(events[0].notes[0].reveal(), "ring twice");
        assert_eq!((orders[1].control.as_str(), number(&orders[1].placer_order_number)), ("CA", "P2".into()));
        assert_eq!(orders[1].requested_start.as_ref().unwrap().date_time(), "2026-01-03");
        assert!(events[1].notes.is_empty() && events[1].answers.is_empty());
    }

    #[test]
    fn reads_what_was_ordered_in_every_kind_of_detail() {
        let raw =
            "MSH|^~\\&|A|B|||2026||OMP^O09|1|P|2.5\rORC|NW|P1\rRXO|E1390^Oxygen^HCPCS\rORC|NW|P2\rRQD|1||BED^Bed^L\r";
        let services =
            read(raw).into_iter().map(|event| event.order.unwrap().service.unwrap().reveal().first.code.clone());
        assert_eq!(services.collect::<Vec<_>>(), ["E1390", "BED"]);
    }

    proptest! {
        #[test]
        fn never_panics_and_prints_nothing(fields in "[A-Za-z0-9^&~|\\\\\"-]{0,200}", name in "PID|PV1|PV2|ORC|OBR|OBX|TQ1|EVN") {
            let events = read(&format!("MSH|^~\\&|A|B|||2026||ADT^A03|1|P|2.5\rPID|1||7||Zyxwv\r{name}|{fields}\r"));
            let debug = format!("{events:?}");
            prop_assert!(!debug.contains("Zyxwv"));
        }
    }
}
