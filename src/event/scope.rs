//! What one event of a message may see: the common segments, and for an order message the segments of one order.
//!
//! ```text
//! MSH PID PV1 | ORC TQ1 OBR NTE OBX OBX | ORC OBR | OBR        one ORM^O01
//!  common     |  order 1                | order 2 | order 3, under the ORC of order 2
//! ```
//!
//! An order begins at ORC, or at an OBR when the order before it already has one (HL7 v2.5.1 chapter 4, 4.4.1). Inside
//! an order the segments that belong to orders are looked up in the order alone, so a patient's NTE never becomes the
//! order's. Everything else comes from the order first and from the common segments otherwise.

use std::ops::Range;

use crate::hl7::{Charset, Message, Path, Repetition, Segment, Value};

/// One event's view of a message.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'m> {
    message: Message<'m>,
    charset: &'m Charset,
    common: usize,
    order: Option<Order>,
}

/// Where an order stands, as places of segments.
#[derive(Clone, Copy, Debug)]
struct Order {
    control: Option<usize>,
    start: usize,
    end: usize,
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
        Self { message, charset, common: message.segments().count(), order: None }
    }

    /// The orders of a message, one event each.
    pub fn of_orders(message: Message<'m>, charset: &'m Charset) -> Vec<Self> {
        let orders = find_orders(&message);
        let common = orders.first().map_or(0, |order| order.start);
        orders.into_iter().map(|order| Self { message, charset, common, order: Some(order) }).collect()
    }

    /// The message.
    pub const fn message(&self) -> &Message<'m> {
        &self.message
    }

    /// How its text is read.
    pub const fn charset(&self) -> &'m Charset {
        self.charset
    }

    /// The segments with this name that belong to the event, in order.
    pub fn segments<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Segment<'m>> + use<'s, 'm> {
        let (control, places) = self.places(name);
        let control = control.into_iter().filter_map(|place| self.message.segment_at(place));
        let others = places.filter_map(|place| self.message.segment_at(place));
        control.chain(others).filter(move |segment| segment.is(name))
    }

    /// Whether it is one order of a message.
    pub const fn is_order(&self) -> bool {
        self.order.is_some()
    }

    /// Every segment that belongs to the event, in order, and whether it is the order's own.
    pub fn own_segments(&self) -> impl Iterator<Item = (bool, Segment<'m>)> + use<'_, 'm> {
        let common = (0..self.common).filter_map(|place| self.message.segment_at(place));
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
    fn places(&self, name: &str) -> (Option<usize>, Range<usize>) {
        let Some(order) = self.order else {
            return (None, 0..self.common);
        };
        if name == "ORC" {
            return (order.control, 0..0);
        }
        let within = order.start..order.end;
        if ORDER_SEGMENTS.contains(&name) || self.has(name, within.clone()) {
            return (None, within);
        }
        (None, 0..self.common)
    }

    fn has(&self, name: &str, mut places: Range<usize>) -> bool {
        places.any(|place| self.message.segment_at(place).is_some_and(|segment| segment.is(name)))
    }
}

/// The repetitions of a field that a path means.
fn parts_of<'m>(segment: Segment<'m>, path: &Path) -> impl Iterator<Item = Part<'m>> + use<'m> {
    let wanted = path.repetition().map(usize::from);
    let repetitions = segment.field(usize::from(path.field())).repetitions().enumerate();
    let chosen = repetitions.filter(move |(place, _)| wanted.is_none_or(|wanted| place + 1 == wanted));
    chosen.map(move |(_, repetition)| Part { segment, repetition })
}

/// Segments that, inside an order, are never taken from elsewhere.
const ORDER_SEGMENTS: [&str; 5] = ["OBR", "OBX", "NTE", "TQ1", "TQ2"];

fn find_orders(message: &Message<'_>) -> Vec<Order> {
    let mut orders: Vec<Order> = Vec::new();
    let mut has_detail = true;
    let mut count = 0;
    for (place, segment) in message.segments().enumerate() {
        count = place + 1;
        let (is_control, is_detail) = (segment.is("ORC"), segment.is("OBR"));
        if is_control || (is_detail && has_detail) {
            let inherited = orders.last().and_then(|order| order.control);
            if let Some(before) = orders.last_mut() {
                before.end = place;
            }
            let control = if is_control { Some(place) } else { inherited };
            orders.push(Order { control, start: place, end: place });
            has_detail = false;
        }
        has_detail = has_detail || is_detail;
    }
    if let Some(last) = orders.last_mut() {
        last.end = count;
    }
    orders
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
}
