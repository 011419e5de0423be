//! What one event of a message may see: the common segments, and for an order message the segments of one order.
//!
//! ```text
//! MSH PID PV1 | ORC TQ1 OBR NTE OBX OBX | ORC OBR | OBR        one ORM^O01
//!  common     |  order 1                | order 2 | order 3, under the ORC of order 2
//!
//! MSH EVN | PID MRG PV1 | PID MRG | ...                        one ADT^A40
//!  common |  patient 1  | patient 2
//! ```
//!
//! An order begins at ORC, or at a detail (OBR, RQD, RXO, ...) when the order before it already has one of that name
//! (HL7 v2.5.1 chapter 4, 4.4.1): RDE^O11 tells one order by RXO and RXE. A PID that follows orders begins another
//! patient (ORU^R01): the orders behind it have this one and its segments in place of those before. Inside an order the
//! segments that belong to orders are looked up in the order alone, so a patient's NTE never becomes the order's.
//! Everything else comes from the order first and from the common segments otherwise.

use std::ops::Range;

use crate::hl7::{Charset, Message, Path, Repetition, Segment, Value};

/// One event's view of a message.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'m> {
    message: Message<'m>,
    charset: &'m Charset,
    common: Common,
    order: Option<Order>,
}

/// The segments that several events of a message share, as places: its head, and what belongs to one patient.
#[derive(Clone, Copy, Debug)]
struct Common {
    head: usize,
    start: usize,
    end: usize,
}

impl Common {
    const fn up_to(end: usize) -> Self {
        Self { head: 0, start: 0, end }
    }
}

/// Where an order stands, as places of segments.
#[derive(Clone, Copy, Debug)]
struct Order {
    control: Option<usize>,
    start: usize,
    end: usize,
    common: Common,
}

/// One value together with the segment it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Part<'m> {
    /// The segment.
    pub segment: Segment<'m>,
    /// The repetition of the field.
    pub repetition: Repetition<'m>,
}

impl<'m> Part<'m> {
    /// The value at the path's component, or the whole repetition.
    pub fn value(&self, path: &Path) -> Value<'m> {
        let Some(component) = path.component() else {
            return self.repetition.value();
        };
        let component = self.repetition.component(usize::from(component));
        match path.subcomponent() {
            Some(subcomponent) => Value::of(component.subcomponent(usize::from(subcomponent))),
            None => component.value(),
        }
    }
}

impl<'m> Scope<'m> {
    /// The whole message as one event.
    pub fn of_message(message: Message<'m>, charset: &'m Charset) -> Self {
        Self { message, charset, common: Common::up_to(message.segments().count()), order: None }
    }

    /// The orders of a message, one event each.
    pub fn of_orders(message: Message<'m>, charset: &'m Charset) -> Vec<Self> {
        let orders = find_orders(&message);
        orders.into_iter().map(|order| Self { message, charset, common: order.common, order: Some(order) }).collect()
    }

    /// The patients of a message, one event each: a PID and all up to the next one. A message without PID is one.
    pub fn of_patients(message: Message<'m>, charset: &'m Charset) -> Vec<Self> {
        let count = message.segments().count();
        let starts: Vec<usize> =
            message.segments().enumerate().filter(|(_, segment)| segment.is("PID")).map(|(place, _)| place).collect();
        let Some(&head) = starts.first() else {
            return vec![Self::of_message(message, charset)];
        };
        let ends = starts.iter().skip(1).copied().chain([count]);
        let patients = starts.iter().zip(ends).map(|(&start, end)| Common { head, start, end });
        patients.map(|common| Self { message, charset, common, order: None }).collect()
    }

    /// The message.
    pub const fn message(&self) -> &Message<'m> {
        &self.message
    }

    /// How its text is read.
    pub const fn charset(&self) -> &'m Charset {
        self.charset
    }

    /// Where the event's own segments begin: what tells the events of a message apart.
    pub fn first_place(&self) -> usize {
        self.order.map_or(self.common.start, |order| order.start)
    }

    /// The segments with this name that belong to the event, in order.
    pub fn segments<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Segment<'m>> + use<'s, 'm> {
        self.numbered(name).map(|(_, segment)| segment)
    }

    /// As [`Scope::segments`], each with its place in the message.
    pub fn numbered<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (usize, Segment<'m>)> + use<'s, 'm> {
        let places = self.places(name);
        let places = places.control.into_iter().chain(places.head).chain(places.rest);
        let found = places.filter_map(|place| Some((place, self.message.segment_at(place)?)));
        found.filter(move |(_, segment)| segment.is(name))
    }

    /// Every value at `path` in one segment, or nothing where the path means another.
    pub fn parts_in<'s>(segment: Segment<'m>, path: &'s Path) -> impl Iterator<Item = Part<'m>> + use<'s, 'm> {
        let wanted = segment.is(path.segment()).then_some(segment);
        let parts = wanted.into_iter().flat_map(|segment| parts_of(segment, path));
        parts.filter(|part| part.value(path).is_present())
    }

    /// Whether it is one order of a message.
    pub const fn is_order(&self) -> bool {
        self.order.is_some()
    }

    /// Every segment that belongs to the event, in order, and whether it is the order's own.
    pub fn own_segments(&self) -> impl Iterator<Item = (bool, Segment<'m>)> + use<'_, 'm> {
        let common = (0..self.common.head).chain(self.common.start..self.common.end);
        let common = common.filter_map(|place| self.message.segment_at(place));
        let common = common.filter(|segment| {
            // What belongs to orders and stands before all of them is no order's.
            self.order.is_none() || !ORDER_SEGMENTS.iter().any(|name| segment.is(name))
        });
        let control = self
            .order
            .and_then(|order| order.control)
            .filter(|control| self.order.is_some_and(|order| !(order.start..order.end).contains(control)));
        let (start, end) = self.order.map_or((0, 0), |order| (order.start, order.end));
        let own = control.into_iter().chain(start..end).filter_map(|place| self.message.segment_at(place));
        common.map(|segment| (false, segment)).chain(own.map(|segment| (true, segment)))
    }

    /// The first segment with this name.
    pub fn segment(&self, name: &str) -> Option<Segment<'m>> {
        self.segments(name).next()
    }

    /// Every value at `path`: without an occurrence of all segments of that name, without a repetition of all
    /// repetitions. Absent and null values are left out.
    pub fn parts<'s>(&'s self, path: &'s Path) -> impl Iterator<Item = Part<'m>> + use<'s, 'm> {
        let occurrence = path.occurrence().map(usize::from);
        let chosen = self.segments(path.segment()).enumerate();
        let chosen = chosen.filter(move |(place, _)| occurrence.is_none_or(|wanted| place + 1 == wanted));
        chosen.flat_map(|(_, segment)| parts_of(segment, path)).filter(|part| part.value(path).is_present())
    }

    /// The first value at `path`, with its three states.
    pub fn value(&self, path: &Path) -> Value<'m> {
        let occurrence = usize::from(path.occurrence().unwrap_or(1));
        self.segments(path.segment())
            .nth(occurrence.saturating_sub(1))
            .map_or(Value::Absent, |segment| segment.value(path))
    }

    /// Where segments of this name are looked for.
    fn places(&self, name: &str) -> Places {
        let common = Places { control: None, head: 0..self.common.head, rest: self.common.start..self.common.end };
        let Some(order) = self.order else {
            return common;
        };
        if name == "ORC" {
            return Places { control: order.control, head: 0..0, rest: 0..0 };
        }
        let within = order.start..order.end;
        if ORDER_SEGMENTS.contains(&name) || self.has(name, within.clone()) {
            return Places { control: None, head: 0..0, rest: within };
        }
        common
    }

    fn has(&self, name: &str, mut places: Range<usize>) -> bool {
        places.any(|place| self.message.segment_at(place).is_some_and(|segment| segment.is(name)))
    }
}

struct Places {
    control: Option<usize>,
    head: Range<usize>,
    rest: Range<usize>,
}

/// The repetitions of a field that a path means.
fn parts_of<'m>(segment: Segment<'m>, path: &Path) -> impl Iterator<Item = Part<'m>> + use<'m> {
    let wanted = path.repetition().map(usize::from);
    let repetitions = segment.field(usize::from(path.field())).repetitions().enumerate();
    let chosen = repetitions.filter(move |(place, _)| wanted.is_none_or(|wanted| place + 1 == wanted));
    chosen.map(move |(_, repetition)| Part { segment, repetition })
}

/// Segments that, inside an order, are never taken from elsewhere.
const ORDER_SEGMENTS: [&str; 16] =
    ["OBR", "OBX", "NTE", "TQ1", "TQ2", "RQD", "RQ1", "RXO", "RXE", "RXR", "RXC", "RXD", "RXG", "RXA", "ODS", "ODT"];

/// Segments that say what is ordered.
const DETAILS: [&str; 9] = ["OBR", "RQD", "RXO", "RXE", "RXD", "RXG", "RXA", "ODS", "ODT"];

fn find_orders(message: &Message<'_>) -> Vec<Order> {
    let mut orders: Vec<Order> = Vec::new();
    let mut details: Vec<&str> = Vec::new();
    let (mut head, mut common, mut is_open, mut count) = (None, Common::up_to(0), false, 0);
    for (place, segment) in message.segments().enumerate() {
        count = place + 1;
        if segment.is("PID") {
            let head = *head.get_or_insert(place);
            if !orders.is_empty() {
                close(&mut orders, &mut is_open, place);
                common = Common { head, start: place, end: place };
            }
            continue;
        }
        let is_control = segment.is("ORC");
        let detail = DETAILS.into_iter().find(|name| segment.is(name));
        if is_control || detail.is_some_and(|name| !is_open || details.contains(&name)) {
            // What was ordered before by one control goes on, unless another patient began.
            let inherited = orders.last().filter(|_| is_open).and_then(|order| order.control);
            if !is_open {
                common.end = place;
                head.get_or_insert(place);
            }
            close(&mut orders, &mut is_open, place);
            let control = if is_control { Some(place) } else { inherited };
            orders.push(Order { control, start: place, end: place, common });
            details.clear();
            is_open = true;
        }
        details.extend(detail);
    }
    close(&mut orders, &mut is_open, count);
    orders
}

/// Ends the order that is open before `place`.
fn close(orders: &mut [Order], is_open: &mut bool, place: usize) {
    if std::mem::take(is_open)
        && let Some(last) = orders.last_mut()
    {
        last.end = place;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::hl7::Index;

    fn values(scope: &Scope<'_>, path: &str) -> Vec<String> {
        let path: Path = path.parse().unwrap();
        scope.parts(&path).map(|part| part.value(&path).text(scope.charset()).into_owned()).collect()
    }

    #[test]
    fn gives_every_order_its_own_segments() {
        let raw = b"MSH|^~\\&|A|B\rPID|1||7~8\rNTE|1||patient's\rPV1|1|I\r\
                    ORC|NW|1\rTQ1|1\rOBR|1||\rNTE|1||first\rOBX|1|TX|Q||a\rOBX|2|TX|Q||b\r\
                    ORC|CA|2\rOBR|1||\rDG1|1\rOBR|2|3\r";
        let index = Index::of(raw).unwrap();
        let message = index.message(raw);
        let charset = message.charset(None);
        let orders = Scope::of_orders(message, &charset);
        assert_eq!(orders.len(), 3);
        assert_eq!(values(&orders[0], "NTE-3"), ["first"]);
        assert_eq!(values(&orders[0], "OBX-5"), ["a", "b"]);
        assert_eq!(values(&orders[0], "OBX[2]-5"), ["b"]);
        assert_eq!(values(&orders[0], "PID-3"), ["7", "8"]);
        assert_eq!(values(&orders[0], "PID-3[2]"), ["8"]);
        assert_eq!(values(&orders[0], "PV1-2"), ["I"]);
        assert_eq!(values(&orders[1], "ORC-1"), ["CA"]);
        assert!(values(&orders[1], "NTE-3").is_empty());
        assert_eq!(
            (values(&orders[2], "ORC-2"), values(&orders[2], "OBR-2")),
            (vec!["2".to_owned()], vec!["3".to_owned()])
        );
        assert!(orders[1].segment("DG1").is_some());
        assert!(orders[2].segment("DG1").is_none());
    }

    #[test]
    fn takes_a_message_without_orders_as_one_event() {
        let raw = b"MSH|^~\\&|A|B\rPID|1||7\rOBX|1|TX|Q||a\r";
        let index = Index::of(raw).unwrap();
        let message = index.message(raw);
        let charset = message.charset(None);
        assert!(Scope::of_orders(message, &charset).is_empty());
        assert_eq!(values(&Scope::of_message(message, &charset), "OBX-5"), ["a"]);
    }

    #[test]
    fn takes_every_kind_of_detail_and_tells_the_patients_apart() {
        let raw = b"MSH|^~\\&|A|B\rPID|1||7\rPV1|1|I\rORC|NW|1\rRXO|OXY\rRXR|IH\rRXE|1|OXY\rNTE|1||slow\rORC|NW|2\rRQD|1|BED\r\
                    RQD|2|PAN\rPID|2||8\rORC|RE|3\rOBR|1||\rOBX|1|NM|W||80\r";
        let index = Index::of(raw).unwrap();
        let message = index.message(raw);
        let charset = message.charset(None);
        let orders = Scope::of_orders(message, &charset);
        let told = |path: &str| orders.iter().map(|order| values(order, path).concat()).collect::<Vec<_>>();
        assert_eq!(told("ORC-2"), ["1", "2", "2", "3"]);
        assert_eq!(told("RXO-1"), ["OXY", "", "", ""]);
        assert_eq!(told("RXE-2"), ["OXY", "", "", ""]);
        assert_eq!(told("RQD-2"), ["", "BED", "PAN", ""]);
        assert_eq!(told("NTE-3"), ["slow", "", "", ""]);
        assert_eq!(told("PID-3"), ["7", "7", "7", "8"]);
        assert_eq!(told("PV1-2"), ["I", "I", "I", ""]);
        assert_eq!(told("MSH-3"), ["A", "A", "A", "A"]);
    }

    #[test]
    fn gives_every_patient_the_segments_that_follow_its_pid() {
        let raw = b"MSH|^~\\&|A|B\rEVN|A40\rPID|1||7\rMRG|8\rPID|2||9\rMRG|10\r";
        let index = Index::of(raw).unwrap();
        let message = index.message(raw);
        let charset = message.charset(None);
        let patients = Scope::of_patients(message, &charset);
        let told = |path: &str| patients.iter().map(|one| values(one, path).concat()).collect::<Vec<_>>();
        assert_eq!(told("PID-3"), ["7", "9"]);
        assert_eq!(told("MRG-1"), ["8", "10"]);
        assert_eq!(told("EVN-1"), ["A40", "A40"]);
        let (place, _) = patients.last().unwrap().numbered("MRG").next().unwrap();
        assert_eq!(place, 5);
    }
}
