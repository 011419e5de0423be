//! The canonical event that every message is read into: what happened, when, to whom, where, and what was ordered.
//!
//! A message is cut into events by [`scopes`]: one for each order (ORM, OMG, OMS, OMP, RDE, ORU), one for each patient
//! where it moves several (ADT A17, A40), one otherwise; of an appointment (SIU), a referral (REF), a document (MDM) and
//! charges (DFT, BAR) all segments are in reach of it. What HL7 fixes (HL7 v2.5.1 chapters 2, 3 and 4) is read here;
//! what every sender puts somewhere else are [`Needs`], and `mapping::Dialect` fills them. Nothing is interpreted:
//! what an event does to a job is said by a map's triggers. Where it matters that a sender deleted a value (`""`) and
//! did not just leave it out, the value is [`Given`]. What cannot be read is absent, and maps that need it refuse.
//!
//! # Time of the event
//! | message | the first of these that can be read |
//! |---|---|
//! | ADT A03 | EVN-6 (occurred), PV1-45 (discharged), EVN-2 (recorded), MSH-7 (sent) |
//! | other ADT, MDM, BAR, DFT | EVN-6, EVN-2, MSH-7 |
//! | orders | ORC-9 (transaction), MSH-7 |
//! | ORU | OBR-22 (results reported or changed), MSH-7 |
//! | SIU, REF, others | MSH-7: SCH-11 and RF1-7 say when something is to be, not when this was said |
//!
//! A value's own offset holds; without one the zone of the link, else of the site. The offset of MSH-7 is never lent to
//! other values although chapter 2 allows it: an offset is no zone, and a message of November speaks of days in July.
//! What a change of clocks makes of a local time tells [`When::clock`].
//!
//! Patient data are wrapped in [`Phi`]; printing an event shows none (INV-05).

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::{
    hl7::{Charset, Field, Message, Repetition, Value},
    phi::Phi,
};

mod class;
mod element;
mod picture;
mod scope;
mod time;
mod types;

pub use class::Class;
pub use element::Element;
pub use picture::{Picture, Statement, Taken};
pub use scope::{Part, Scope};
pub use time::{Clock, When, instant_text};
pub use types::{
    Address, Authority, Coded, Coding, Identifier, NamedPlace, PersonName, Phone, Place, part, plain, read_authority,
};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Message code, such as `ADT`.
    pub code: String,
    /// Trigger event, such as `A03`.
    pub trigger: String,
    /// The kind of the message.
    pub class: Class,
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
    /// What a ride, a visit or a delivery must know.
    pub needs: Needs,
}

/// The name of an application or facility, as HD gives it.
pub type AuthorityName = String;

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// What was known under other numbers.
    pub merged: Merged,
}

/// The numbers that a merge or move takes away (MRG; HL7 v2.5.1 chapter 3, 3.4.9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// MRG-1, all of them.
    pub identifiers: Vec<Phi<Identifier>>,
    /// MRG-3.
    pub account_number: Option<Phi<Identifier>>,
    /// MRG-5.
    pub visit_number: Option<Phi<Identifier>>,
}

/// A stay or appointment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visit {
    /// PV1-19.
    pub number: Option<Phi<Identifier>>,
    /// PV1-2.
    pub class: Given<String>,
    /// PV1-6.
    pub prior_location: Given<Phi<Place>>,
    /// PV1-36.
    pub disposition: Given<Phi<String>>,
    /// PV1-44.
    pub admitted: Option<Phi<When>>,
    /// PV1-45.
    pub discharged: Option<Phi<When>>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// ORC-1.
    pub control: String,
    /// ORC-2, else OBR-2.
    pub placer_order_number: Option<Phi<Identifier>>,
    /// ORC-3, else OBR-3.
    pub filler_order_number: Option<Phi<Identifier>>,
}

/// What every sender puts somewhere else, as its dialect finds it. Meanings are those of the tables that the dialect
/// names; the value of several places is that of the first that speaks, as in maps. Deleted is what no place says and
/// some place deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// [`Element::Kind`], by its meaning.
    pub kind: Given<String>,
    /// [`Element::Level`], by its meaning.
    pub level: Given<String>,
    /// [`Element::Mobility`], else [`Element::ServiceMobility`], by its meaning.
    pub mobility: Given<String>,
    /// [`Element::Priority`], by its meaning.
    pub priority: Given<String>,
    /// [`Element::OxygenNeeded`].
    pub oxygen_needed: Given<bool>,
    /// [`Element::Bariatric`].
    pub bariatric: Given<bool>,
    /// [`Element::Escort`]; who escorts, by name, is a yes.
    pub escort: Given<bool>,
    /// [`Element::Ventilator`].
    pub ventilator: Given<bool>,
    /// [`Element::CarSeat`].
    pub car_seat: Given<bool>,
    /// [`Element::Oxygen`], with its unit.
    pub oxygen: Given<Phi<String>>,
    /// [`Element::Weight`], with its unit.
    pub weight: Given<Phi<String>>,
    /// [`Element::Height`], with its unit.
    pub height: Given<Phi<String>>,
    /// [`Element::Isolation`], of all places.
    pub isolation: Vec<Phi<String>>,
    /// [`Element::Pickup`].
    pub pickup: Given<Phi<NamedPlace>>,
    /// [`Element::TemporaryPlace`].
    pub temporary_place: Given<Phi<NamedPlace>>,
    /// [`Element::Destination`].
    pub destination: Given<Phi<NamedPlace>>,
    /// [`Element::Earliest`].
    pub earliest: Given<When>,
    /// [`Element::Latest`].
    pub latest: Given<When>,
    /// [`Element::Expected`].
    pub expected: Given<When>,
    /// [`Element::Payer`].
    pub payer: Given<Phi<String>>,
    /// [`Element::Authorization`].
    pub authorization: Given<Phi<String>>,
    /// [`Element::AcceptingPhysician`].
    pub accepting_physician: Given<Phi<String>>,
    /// [`Element::AcceptingFacility`].
    pub accepting_facility: Given<Phi<String>>,
    /// [`Element::ContactPhone`].
    pub contact_phone: Given<Phi<String>>,
    /// [`Element::Consent`].
    pub consent: Given<Phi<String>>,
    /// [`Element::Certification`].
    pub certification: Given<Phi<String>>,
    /// [`Element::Comments`] and [`Element::TransportComments`], all of them.
    pub comments: Vec<Phi<String>>,
    /// Places that say what no table lists or nobody can read; their values are left out above.
    pub unread: Vec<Arc<str>>,
}

impl Event {
    /// The event of one scope, with what its sender's dialect found. `zone` is for times without an offset.
    pub fn of(scope: &Scope<'_>, zone: &TimeZone, needs: Needs) -> Self {
        let reader = Reader { scope, zone };
        let kind = scope.message().message_type();
        Self {
            code: String::from_utf8_lossy(kind.code).into_owned(),
            trigger: String::from_utf8_lossy(kind.trigger).into_owned(),
            class: Class::of(&kind),
            time: time(scope, zone),
            application: reader.authority("MSH", 3),
            facility: facility(scope).map(|authority| authority.name().to_owned()),
            patient: reader.patient(),
            visit: reader.visit(),
            order: reader.order(),
            needs,
        }
    }
}

/// The events of a message: its orders or results, its patients where it is about several, else the whole.
pub fn scopes<'m>(message: Message<'m>, charset: &'m Charset) -> Vec<Scope<'m>> {
    let scopes = match Class::of(&message.message_type()) {
        Class::Order | Class::Observation => Scope::of_orders(message, charset),
        Class::Visit | Class::Identity => Scope::of_patients(message, charset),
        _ => Vec::new(),
    };
    if scopes.is_empty() { vec![Scope::of_message(message, charset)] } else { scopes }
}

/// When the event happened: see the table in the header of this module.
pub fn time(scope: &Scope<'_>, zone: &TimeZone) -> Option<When> {
    let reader = Reader { scope, zone };
    let own = match Class::of(&scope.message().message_type()) {
        Class::Order => reader.when("ORC", 9),
        Class::Observation => reader.when("OBR", 22),
        _ => None,
    };
    own.or_else(|| message_time(scope, zone))
}

/// When the message's event happened, whatever its orders say: EVN-6, else PV1-45 of an A03, else EVN-2, else MSH-7.
pub fn message_time(scope: &Scope<'_>, zone: &TimeZone) -> Option<When> {
    let is_discharge = scope.message().message_type().trigger == b"A03";
    let reader = Reader { scope, zone };
    let discharged = || if is_discharge { reader.when("PV1", 45) } else { None };
    reader.when("EVN", 6).or_else(discharged).or_else(|| reader.when("EVN", 2)).or_else(|| reader.when("MSH", 7))
}

/// When an order was asked for or changed: ORC-9.
pub fn order_time(scope: &Scope<'_>, zone: &TimeZone) -> Option<When> {
    Reader { scope, zone }.when("ORC", 9)
}

/// The sending facility: MSH-4.
pub fn facility(scope: &Scope<'_>) -> Option<Authority> {
    read_authority(&scope.segment("MSH")?.field(4).repetition(1), scope.charset())
}

/// The numbers of the patient: PID-3, all of them.
pub fn identifiers(scope: &Scope<'_>) -> Vec<Identifier> {
    numbers(scope, "PID", 3).collect()
}

/// The number of the account: PID-18.
pub fn account_number(scope: &Scope<'_>) -> Option<Identifier> {
    numbers(scope, "PID", 18).next()
}

/// What a merge or move takes away: MRG-1, MRG-3, MRG-5.
pub fn merged(scope: &Scope<'_>) -> Merged {
    Merged {
        identifiers: numbers(scope, "MRG", 1).map(Phi::new).collect(),
        account_number: numbers(scope, "MRG", 3).next().map(Phi::new),
        visit_number: numbers(scope, "MRG", 5).next().map(Phi::new),
    }
}

/// The number of the visit: PV1-19.
pub fn visit_number(scope: &Scope<'_>) -> Option<Identifier> {
    numbers(scope, "PV1", 19).next()
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

fn numbers(scope: &Scope<'_>, name: &str, field: usize) -> impl Iterator<Item = Identifier> {
    let repetitions = scope.segment(name).into_iter().flat_map(move |segment| segment.field(field).repetitions());
    let charset = scope.charset();
    repetitions.filter_map(move |from| Identifier::read_cx(&from, charset))
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
            account_number: account_number(self.scope).map(Phi::new),
            death_indicator: self.given_text("PID", 30),
            merged: merged(self.scope),
        }
    }

    fn visit(&self) -> Visit {
        Visit {
            number: visit_number(self.scope).map(Phi::new),
            class: open(self.given_text("PV1", 2)),
            prior_location: self.given("PV1", 6, |field| Place::read(&field.repetition(1), self.scope.charset())),
            disposition: self.given_text("PV1", 36),
            admitted: self.when("PV1", 44).map(Phi::new),
            discharged: self.when("PV1", 45).map(Phi::new),
        }
    }

    fn order(&self) -> Option<Order> {
        let control = self.scope.segment("ORC");
        let has_detail = || ["OBR", "RXE", "RXO", "RQD"].iter().any(|name| self.scope.segment(name).is_some());
        if control.is_none() && !has_detail() {
            return None;
        }
        Some(Order {
            control: control
                .and_then(|orc| part(&orc.field(1).repetition(1), 1, self.scope.charset()))
                .unwrap_or_default(),
            placer_order_number: placer_order_number(self.scope).map(Phi::new),
            filler_order_number: filler_order_number(self.scope).map(Phi::new),
        })
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

    fn when(&self, name: &str, field: usize) -> Option<When> {
        self.when_of(&self.scope.segment(name)?.field(field))
    }

    /// Versions 2.1 and 2.2 tell the precision of a time stamp in its second component.
    fn when_of(&self, field: &Field<'_>) -> Option<When> {
        let charset = self.scope.charset();
        let text = part(&field.repetition(1), 1, charset)?;
        let degree = part(&field.repetition(1), 2, charset);
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
mod tests;
