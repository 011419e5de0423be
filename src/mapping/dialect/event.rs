//! Reads the canonical event of one scope as its sender's dialect says it.
//!
//! Follows the rules of maps: the first place that speaks is taken, a deleted value is no value, and where a code is
//! in no table the element is absent, whatever later places say. What contradicts is the business of the map that asks (`rising`, `at_most`).

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::Dialect;
use crate::{
    event::{self, Coded, Element, Event, Given, NamedPlace, Needs, Part, Scope, When},
    fhir::clean,
    hl7::{Charset, Message, Path},
    mapping::{
        place::{self, Spot},
        source::{Answers, Source, SourcePlace, Via},
        table::Unlisted,
    },
    phi::Phi,
};

impl Dialect {
    /// The event of one scope. `zone` is for times without an offset.
    pub fn event(&self, scope: &Scope<'_>, zone: &TimeZone) -> Event {
        Event::of(scope, zone, self.needs(scope, zone))
    }

    /// The events of a message, as [`event::scopes`] cuts it.
    pub fn events(&self, message: Message<'_>, charset: &Charset, zone: &TimeZone) -> Vec<Event> {
        event::scopes(message, charset).iter().map(|scope| self.event(scope, zone)).collect()
    }

    /// What stands at the elements alone.
    pub fn needs(&self, scope: &Scope<'_>, zone: &TimeZone) -> Needs {
        let answers = Answers::of(scope, self.questions());
        let mut reader = Reader { dialect: self, scope, answers, zone, unread: Vec::new(), doubts: 0 };
        let mut needs = Needs {
            kind: reader.meaning(Element::Kind),
            level: reader.meaning(Element::Level),
            mobility: reader.meaning(Element::Mobility),
            priority: reader.meaning(Element::Priority),
            oxygen_needed: reader.flag(Element::OxygenNeeded),
            bariatric: reader.flag(Element::Bariatric),
            escort: reader.flag(Element::Escort),
            ventilator: reader.flag(Element::Ventilator),
            car_seat: reader.flag(Element::CarSeat),
            oxygen: reader.words(Element::Oxygen),
            weight: reader.words(Element::Weight),
            height: reader.words(Element::Height),
            isolation: reader.all_words(&[Element::Isolation]),
            pickup: reader.place(Element::Pickup),
            temporary_place: reader.place(Element::TemporaryPlace),
            destination: reader.place(Element::Destination),
            earliest: reader.when(Element::Earliest),
            latest: reader.when(Element::Latest),
            expected: reader.when(Element::Expected),
            payer: reader.words(Element::Payer),
            authorization: reader.words(Element::Authorization),
            accepting_physician: reader.words(Element::AcceptingPhysician),
            accepting_facility: reader.words(Element::AcceptingFacility),
            contact_phone: reader.words(Element::ContactPhone),
            consent: reader.words(Element::Consent),
            certification: reader.words(Element::Certification),
            comments: reader.all_words(&[Element::Comments, Element::TransportComments]),
            unread: Vec::new(),
        };
        if needs.mobility == Given::Absent
            && !reader.is_in_doubt(Element::Mobility)
            && let Given::Known(mobility) = reader.meaning(Element::ServiceMobility)
        {
            needs.mobility = Given::Known(mobility);
        }
        needs.unread = reader.unread;
        needs
    }

    /// The window alone: its begin and its end.
    pub fn window(&self, scope: &Scope<'_>, zone: &TimeZone) -> (Given<When>, Given<When>) {
        let answers = Answers::of(scope, self.questions());
        let mut reader = Reader { dialect: self, scope, answers, zone, unread: Vec::new(), doubts: 0 };
        (reader.when(Element::Earliest), reader.when(Element::Latest))
    }

    /// When what is wanted is too late: the window's end, else its begin, else the expected discharge.
    pub(in crate::mapping) fn wanted_until(&self, scope: &Scope<'_>, zone: &TimeZone) -> Option<When> {
        let answers = Answers::of(scope, self.questions());
        let mut reader = Reader { dialect: self, scope, answers, zone, unread: Vec::new(), doubts: 0 };
        [Element::Latest, Element::Earliest, Element::Expected]
            .into_iter()
            .find_map(|element| reader.when(element).known().cloned())
    }

    /// The destination alone.
    pub fn destination(&self, scope: &Scope<'_>) -> Given<Phi<NamedPlace>> {
        let (answers, zone) = (Answers::of(scope, self.questions()), &TimeZone::UTC);
        Reader { dialect: self, scope, answers, zone, unread: Vec::new(), doubts: 0 }.place(Element::Destination)
    }
}

struct Reader<'d, 'm> {
    dialect: &'d Dialect,
    scope: &'d Scope<'m>,
    answers: Answers<'d, 'm>,
    zone: &'d TimeZone,
    unread: Vec<Arc<str>>,
    /// How often something could not be told.
    doubts: usize,
}

/// What a code means to a table.
enum Meaning {
    Is(Arc<str>, Coded),
    Kept(Coded),
}

impl<'d, 'm> Reader<'d, 'm> {
    fn parts(&self, source: &Source) -> Vec<Part<'m>> {
        let at = |path: &Path| self.scope.parts(path).collect();
        source.parts(&at, self.scope.charset(), &self.answers, self.dialect.questions())
    }

    /// The first value that `read` makes of the places of an element.
    fn first<T>(
        &mut self,
        element: Element,
        mut read: impl FnMut(&mut Self, &'d Source, &Part<'m>) -> Option<T>,
    ) -> Given<T> {
        let sources = self.dialect.places(element);
        let before = self.doubts;
        for source in sources {
            for part in self.parts(source) {
                if let Some(value) = read(self, source, &part) {
                    return Given::Known(value);
                }
                // What cannot be told is not taken from the next place. Only the kind is, as maps do it: an order code
                // is unknown only if no other place knows it.
                if self.doubts > before && element != Element::Kind {
                    return Given::Absent;
                }
            }
        }
        let is_deleted =
            sources.iter().any(|source| source.is_deleted(self.scope, &self.answers, self.dialect.questions()));
        if is_deleted { Given::Null } else { Given::Absent }
    }

    fn meaning(&mut self, element: Element) -> Given<String> {
        self.first(element, |reader, source, part| match reader.look_up(source, source.via.as_ref()?, part)? {
            Meaning::Is(meaning, _) => Some(meaning.to_string()),
            Meaning::Kept(_) => None,
        })
    }

    fn flag(&mut self, element: Element) -> Given<bool> {
        self.first(element, |reader, source, part| match reader.look_up(source, source.via.as_ref()?, part)? {
            Meaning::Is(meaning, _) => Some(*meaning == *"yes"),
            Meaning::Kept(_) => Some(true),
        })
    }

    fn words(&mut self, element: Element) -> Given<Phi<String>> {
        self.first(element, |reader, source, part| reader.said(source, part).map(Phi::new))
    }

    fn all_words(&self, elements: &[Element]) -> Vec<Phi<String>> {
        let sources = elements.iter().flat_map(|element| self.dialect.places(*element));
        let said = sources.flat_map(|source| {
            self.parts(source).iter().filter_map(|part| self.said(source, part)).collect::<Vec<_>>()
        });
        said.map(Phi::new).collect()
    }

    /// A value in words, with its unit.
    fn said(&self, source: &Source, part: &Part<'m>) -> Option<String> {
        let charset = self.scope.charset();
        let words = clean(&source.words(part, charset)?)?;
        Some(match source.unit(part, charset) {
            Some(unit) => format!("{words} {}", unit.first.code),
            None => words,
        })
    }

    fn when(&mut self, element: Element) -> Given<When> {
        self.first(element, |reader, source, part| {
            let charset = reader.scope.charset();
            let (text, degree) = match &source.place {
                SourcePlace::Path(path) if path.component().is_some() => {
                    (event::plain(part.value(path), charset), None)
                }
                _ => (event::part(&part.repetition, 1, charset), event::part(&part.repetition, 2, charset)),
            };
            let when = When::read_to(&text?, &degree.unwrap_or_default(), reader.zone);
            if when.is_none() {
                reader.note(source);
            }
            when
        })
    }

    fn place(&mut self, element: Element) -> Given<Phi<NamedPlace>> {
        self.first(element, |reader, source, part| {
            let named = match &source.via {
                Some(via) => match reader.look_up(source, via, part)? {
                    Meaning::Is(code, coded) => listed(&code, &coded, via),
                    Meaning::Kept(coded) => words(coded.words()),
                },
                None => named(source.spot(part, reader.scope.charset())?),
            };
            (named != NamedPlace::default()).then(|| Phi::new(named))
        })
    }

    /// What a code means; nothing where it makes no statement. A code that must be listed and is not is noted.
    fn look_up(&mut self, source: &Source, via: &Via, part: &Part<'m>) -> Option<Meaning> {
        let coded = source.coded(part, self.scope.charset())?;
        if let Some(code) = via.table.find(coded.codings()) {
            return code.meaning(via.column).map(|meaning| Meaning::Is(Arc::clone(meaning), coded));
        }
        match via.table.unlisted {
            Unlisted::Keep => Some(Meaning::Kept(coded)),
            Unlisted::Ignore => None,
            Unlisted::Refuse => {
                self.note(source);
                None
            }
        }
    }

    /// Whether a place of an element says what cannot be told.
    fn is_in_doubt(&self, element: Element) -> bool {
        self.dialect.places(element).iter().any(|source| self.unread.contains(&source.shown))
    }

    fn note(&mut self, source: &Source) {
        self.doubts = self.doubts.saturating_add(1);
        if !self.unread.contains(&source.shown) {
            self.unread.push(Arc::clone(&source.shown));
        }
    }
}

fn named(spot: Spot) -> NamedPlace {
    match spot {
        Spot::Inside(inside) => {
            NamedPlace { text: place::line(&inside).unwrap_or_default(), place: Some(inside), ..NamedPlace::default() }
        }
        Spot::Coded(coded, _) => {
            let text = coded.words().to_owned();
            NamedPlace { code: coded.first.code, text, ..NamedPlace::default() }
        }
        Spot::At(address) => {
            let parts = [&address.street, &address.other, &address.city, &address.state, &address.postal_code];
            let parts: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
            NamedPlace { text: parts.join(", "), address: Some(address), ..NamedPlace::default() }
        }
        Spot::Words(text) => words(&text),
    }
}

fn words(text: &str) -> NamedPlace {
    NamedPlace { text: text.to_owned(), ..NamedPlace::default() }
}

/// A place that a table gives a code of its own.
fn listed(code: &str, coded: &Coded, via: &Via) -> NamedPlace {
    let display = via.table.find(coded.codings()).and_then(|code| code.display.as_deref());
    NamedPlace { code: code.to_owned(), ..words(display.unwrap_or_else(|| coded.words())) }
}
