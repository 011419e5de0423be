//! What is known of one job: the newest value of everything that messages have said about it.
//!
//! A ride is ordered in one message, its patient moves beds in a second and gets another telephone number in a third.
//! A [`Statement`] is what one message says, field by field; a [`Picture`] takes statements in any order of arrival and
//! keeps for every field the value with the newest event time. It is written as an HL7 message again
//! ([`Picture::message`]), so that maps read a job like a message.
//!
//! ```text
//! about a person and a visit: MSH EVN PID PD1 PV1 PV2 NK1 ...       from any message of the visit
//! about the order:            ORC TQ1 OBR OBX NTE ...               from messages of that order alone
//! ```
//!
//! * Absent is no news; `""` deletes and is kept as that (HL7 v2.5.1 chapter 2, 2.5.3.4).
//! * An older event never overwrites a newer value, however late it comes; of two at the same time the later to arrive holds.
//! * Segments that make sense only as a list (NK1, IN1, DG1, NTE, Z…) are taken as a whole from the newest message that
//!   has any; OBX by the question that each answers.
//! * The header is that of the order once there is one: whose numbers they are does not change because a bed board
//!   moves the patient.
//! * Text is UTF-8 and delimiters are the recommended ones, whatever the senders' were.
//!
//! Limits: [`limits::PICTURE_VALUE_BYTES_MAX`] for a value and [`limits::PICTURE_SLOTS_MAX`] values. What is beyond is named
//! ([`Statement::beyond`], [`Taken::Full`]), so that its message can be refused; only documents (OBX of type ED and RP) are
//! left out, because they are no matter of a job. Decides nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use lists::Lists;

use super::Scope;
use crate::{
    hl7::{Charset, Delimiters, Encoding, Field, Segment, escape},
    units::{Timestamp, limits},
};

mod lists;

/// What one message says about one job.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Statement {
    said: Vec<(Key, String)>,
    orders: bool,
    beyond: Vec<String>,
}

/// What is known of one job.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    slots: Vec<Slot>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    key: Key,
    /// Milliseconds since 1970, as a number: there are many of them.
    at: i64,
    value: String,
}

/// Where a value belongs. The order of keys is the order in the message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    section: Section,
    place: u8,
    segment: String,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Section {
    Common,
    Order,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Part {
    /// A field of a segment that there is one of.
    Field(u16),
    /// The segments that answer one question.
    Answers(String),
    /// All segments of this name.
    All,
}

/// Segments there is one of, in the order of a message. What is not here comes after PV2, or at the order's end, as a list.
const SINGLE: [&str; 10] = ["MSH", "EVN", "PID", "PD1", "PV1", "PV2", "ORC", "TQ1", "OBR", "SCH"];
/// Its place is behind all of [`SINGLE`].
const LISTED: u8 = 100;
/// What orders may say, and nobody else's word replaces.
const HEADER: [&str; 2] = ["MSH", "EVN"];

impl Statement {
    /// Takes from one event what it says.
    pub fn of(scope: &Scope<'_>) -> Self {
        let mut statement = Self { orders: scope.is_order(), ..Self::default() };
        let charset = scope.charset();
        let mut lists = Lists::default();
        for (in_order, segment) in scope.own_segments() {
            let section = if in_order { Section::Order } else { Section::Common };
            let name = String::from_utf8_lossy(segment.name()).into_owned();
            match SINGLE.iter().position(|single| *single == name) {
                Some(place) => statement.single(&segment, (section, place, name), charset),
                None => lists.add(&segment, (section, name), charset),
            }
        }
        statement.said.extend(lists.said());
        statement.bound();
        statement
    }

    /// Leaves out what is too much, and keeps its place.
    fn bound(&mut self) {
        let mut beyond = Vec::new();
        self.said.retain(|(key, value)| {
            let fits = value.len() <= limits::PICTURE_VALUE_BYTES_MAX;
            if !fits {
                beyond.push(format!("bytes at {} (at most {})", key.place(), limits::PICTURE_VALUE_BYTES_MAX));
            }
            fits
        });
        if let Some((key, _)) = self.said.get(limits::PICTURE_SLOTS_MAX) {
            beyond.push(format!("values up to {} (at most {})", key.place(), limits::PICTURE_SLOTS_MAX));
            self.said.truncate(limits::PICTURE_SLOTS_MAX);
        }
        beyond.truncate(BEYOND_SHOWN_MAX);
        self.beyond = beyond;
    }

    /// What the message says beyond the bounds, each with its place: it is no part of the statement.
    pub fn beyond(&self) -> &[String] {
        &self.beyond
    }

    /// Of a segment that there is one of, the first holds.
    fn single(&mut self, segment: &Segment<'_>, (section, place, name): (Section, usize, String), charset: &Charset) {
        let place = u8::try_from(place).unwrap_or(LISTED);
        if self.said.iter().any(|(key, _)| key.section == section && key.place == place) {
            return;
        }
        let from = if name == "MSH" { 3 } else { 1 };
        for number in from..=segment.field_count() {
            let value = normal(&segment.field(number), charset);
            if let (false, Ok(number)) = (value.is_empty(), u16::try_from(number)) {
                let key = Key { section, place, segment: name.clone(), part: Part::Field(number) };
                self.said.push((key, value));
            }
        }
    }

    /// Says that a field is to be deleted, unless the message gives it a value.
    #[must_use]
    pub fn or_delete(mut self, segment: &str, field: u16) -> Self {
        if let Some(key) = common(segment, field)
            && !self.said.iter().any(|(said, _)| *said == key)
        {
            self.said.push((key, NULL.to_owned()));
        }
        self
    }

    /// What is said of a field of a common segment.
    pub fn value(&self, segment: &str, field: u16) -> Option<&str> {
        let key = common(segment, field)?;
        self.said.iter().find(|(said, _)| *said == key).map(|(_, value)| value.as_str())
    }

    /// Leaves out what is said of a field of a common segment.
    pub fn forget(&mut self, segment: &str, field: u16) {
        if let Some(key) = common(segment, field) {
            self.said.retain(|(said, _)| *said != key);
        }
    }

    /// Leaves out everything but these common segments.
    pub fn only(&mut self, segments: &[&str]) {
        self.said.retain(|(key, _)| key.section == Section::Common && segments.contains(&key.segment.as_str()));
        self.orders = false;
    }

    /// Leaves out orders that are none of the event's: beside its own order a job would seem to have two.
    #[must_use]
    pub fn without_orders(mut self) -> Self {
        self.said.retain(|(key, _)| key.section == Section::Order || !ORDERS.contains(&key.segment.as_str()));
        self
    }

    /// Says this of a field of a common segment, in the recommended delimiters.
    pub fn say(&mut self, segment: &str, field: u16, value: &str) {
        self.forget(segment, field);
        if let Some(key) = common(segment, field) {
            self.said.push((key, value.to_owned()));
        }
    }
}

/// Places beyond a bound that are named.
const BEYOND_SHOWN_MAX: usize = 10;

/// What names an order and says what it is.
const ORDERS: [&str; 3] = ["ORC", "TQ1", "OBR"];

/// A value that deletes.
const NULL: &str = "\"\"";

fn common(segment: &str, field: u16) -> Option<Key> {
    let place = SINGLE.iter().position(|single| *single == segment)?;
    Some(Key {
        section: Section::Common,
        place: u8::try_from(place).ok()?,
        segment: segment.to_owned(),
        part: Part::Field(field),
    })
}

/// A field in UTF-8 and the recommended delimiters.
fn normal(field: &Field<'_>, charset: &Charset) -> String {
    let delimiters = field.delimiters();
    let plain = Delimiters { truncation: None, ..delimiters } == Delimiters::STANDARD;
    if plain && !charset.switches() {
        return charset.encoding().decode(field.bytes()).into_owned();
    }
    let leaf = |bytes: &[u8]| {
        // A deletion is no text: escaped, it would be two quotes that somebody wrote.
        if bytes == NULL.as_bytes() {
            return NULL.to_owned();
        }
        let text = charset.text(bytes);
        String::from_utf8_lossy(&escape(text.as_bytes(), &Delimiters::STANDARD)).into_owned()
    };
    let component = |bytes: crate::hl7::Component<'_>| bytes.subcomponents().map(leaf).collect::<Vec<_>>().join("&");
    let repetition = |from: crate::hl7::Repetition<'_>| from.components().map(component).collect::<Vec<_>>().join("^");
    field.repetitions().map(repetition).collect::<Vec<_>>().join("~")
}

impl Key {
    fn is_header(&self) -> bool {
        HEADER.contains(&self.segment.as_str())
    }

    /// Whose numbers they are: that of who spoke first.
    fn is_sender(&self) -> bool {
        self.segment == "MSH" && matches!(self.part, Part::Field(3..=6))
    }

    /// The place as people name it.
    fn place(&self) -> String {
        match self.part {
            Part::Field(number) => format!("{}-{number}", self.segment),
            Part::Answers(_) | Part::All => self.segment.clone(),
        }
    }
}

impl Picture {
    /// Nothing is known.
    pub const fn empty() -> Self {
        Self { slots: Vec::new() }
    }

    /// Takes in what a message says that speaks of `at`; whether anything is different now. Once there are too many values
    /// the rest is not taken in.
    pub fn take(&mut self, statement: &Statement, Timestamp(at): Timestamp) -> Taken {
        let mut taken = Taken::Nothing;
        let is_ordered = self.is_ordered();
        if statement.orders && !is_ordered {
            // However late it comes: what is known now is read as an order.
            self.slots.retain(|slot| !slot.key.is_header() || slot.key.is_sender());
        }
        for (key, value) in &statement.said {
            if key.is_header() && is_ordered && !statement.orders {
                continue;
            }
            match self.slots.binary_search_by(|slot| slot.key.cmp(key)) {
                Ok(place) => {
                    let Some(slot) = self.slots.get_mut(place) else { continue };
                    if (key.is_sender() && slot.at != at) || slot.at > at {
                        taken = taken.max(if slot.value == *value { Taken::Nothing } else { Taken::Older });
                        continue;
                    }
                    if slot.value != *value {
                        slot.value.clone_from(value);
                        taken = Taken::Changed;
                    }
                    slot.at = at;
                }
                Err(place) if self.slots.len() < limits::PICTURE_SLOTS_MAX => {
                    self.slots.insert(place, Slot { key: key.clone(), at, value: value.clone() });
                    taken = Taken::Changed;
                }
                Err(_) => return Taken::Full,
            }
        }
        taken
    }

    /// Whether an order is among what it was made of.
    pub fn is_ordered(&self) -> bool {
        self.slots.iter().any(|slot| slot.key.section == Section::Order)
    }

    /// A field of a common segment as it stands; nothing where it is absent or deleted.
    pub fn value(&self, segment: &str, field: u16) -> Option<&str> {
        let key = common(segment, field)?;
        let place = self.slots.binary_search_by(|slot| slot.key.cmp(&key)).ok()?;
        self.slots.get(place).map(|slot| slot.value.as_str()).filter(|value| *value != NULL)
    }

    /// All of it as one HL7 message in UTF-8.
    pub fn message(&self) -> Vec<u8> {
        self.written(|_| true)
    }

    /// The same without when it was said: EVN, MSH-7 and MSH-10.
    pub fn timeless(&self) -> Vec<u8> {
        self.written(|key| key.segment != "EVN" && !(key.segment == "MSH" && matches!(key.part, Part::Field(7 | 10))))
    }

    fn written(&self, keep: impl Fn(&Key) -> bool) -> Vec<u8> {
        let mut out = String::with_capacity(1024);
        let mut open: Option<(&Key, u16)> = None;
        for Slot { key, value, .. } in self.slots.iter().filter(|slot| keep(&slot.key)) {
            let Part::Field(number) = key.part else {
                close(&mut out, open.take());
                out.push_str(value);
                out.push('\r');
                continue;
            };
            let same = open.is_some_and(|(of, _)| of.section == key.section && of.segment == key.segment);
            if !same {
                close(&mut out, open.take());
                out.push_str(&key.segment);
                let after = if key.segment == "MSH" {
                    out.push_str("|^~\\&");
                    2
                } else {
                    0
                };
                open = Some((key, after));
            }
            let Some((_, at)) = &mut open else { continue };
            if key.segment == "MSH" && *at < 18 && number >= 18 {
                to(&mut out, at, 18);
                out.push_str("UNICODE UTF-8");
                if number == 18 {
                    continue;
                }
            }
            to(&mut out, at, number);
            out.push_str(value);
        }
        close(&mut out, open);
        out.into_bytes()
    }
}

/// Goes on to a field.
fn to(out: &mut String, at: &mut u16, number: u16) {
    for _ in *at..number {
        out.push('|');
    }
    *at = number;
}

fn close(out: &mut String, open: Option<(&Key, u16)>) {
    let Some((key, mut at)) = open else { return };
    if key.segment == "MSH" && at < 18 {
        to(out, &mut at, 18);
        out.push_str("UNICODE UTF-8");
    }
    out.push('\r');
}

/// What came of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    /// All of it was known.
    Nothing,
    /// What was different was older than what is known.
    Older,
    /// Something is different now.
    Changed,
    /// There are too many values, and some were not taken in.
    Full,
}

impl Picture {
    /// The encoding of [`message`](Self::message).
    pub const ENCODING: Encoding = Encoding::UTF_8;
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statement({} values)", self.said.len())
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} values)", self.slots.len())
    }
}

#[cfg(test)]
mod tests;
