//! What a sender means by a list: all there is, or changes to what is known (HL7 v2.5.1 chapter 2, 2.10.4).
//!
//! A repeating segment or field is a snapshot: it takes the place of the list that was sent before. Segments that have
//! an action code and an identifier of their own say what happens to each instead; where one of a group lacks either,
//! the group is a snapshot. A list that is not there says nothing, and one `""` in the first field, or as the only
//! repetition, says that there is none any more.
//!
//! | segment | action code | identifier |
//! |---|---|---|
//! | IAM | IAM-6 (0323) | IAM-7 |
//! | PRB, GOL | 1 (0287) | 4 |
//! | PTH | 1 (0287) | 3 |
//! | ROL, PRT | 2 (0287) | 1 |

use super::message::{Field, Message, Repetition, Segment, Value};

/// What a message says of one list of segments.
#[derive(Debug)]
pub enum Segments<'a> {
    /// Nothing: what is known stays.
    Absent,
    /// There is none any more.
    Deleted,
    /// These are all there are.
    Snapshot(Vec<Segment<'a>>),
    /// This happens to each; the others stay.
    Actions(Vec<Acted<'a>>),
}

/// A segment with an action code.
#[derive(Debug)]
pub struct Acted<'a> {
    /// What happens.
    pub action: Action,
    /// Whom it happens to: the whole identifier field, byte by byte.
    pub id: &'a [u8],
    /// What is said of it.
    pub segment: Segment<'a>,
}

/// An action code (tables 0206, 0287, 0323).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `A`, `AD`: add.
    Add,
    /// `D`, `DE`: delete.
    Delete,
    /// `U`, `UP`, `CO`: update or correct.
    Update,
    /// `X`, `UC`: no change.
    Unchanged,
    /// `LI`, `UN`: linked to, or unlinked from, something else.
    Linked,
}

impl Action {
    fn read(code: &[u8]) -> Option<Self> {
        Some(match code.trim_ascii() {
            b"A" | b"AD" => Self::Add,
            b"D" | b"DE" => Self::Delete,
            b"U" | b"UP" | b"CO" => Self::Update,
            b"X" | b"UC" => Self::Unchanged,
            b"LI" | b"UN" => Self::Linked,
            _ => return None,
        })
    }
}

/// Where a segment has its action code and its identifier.
fn places(name: &str) -> Option<(usize, usize)> {
    Some(match name {
        "IAM" => (6, 7),
        "PRB" | "GOL" => (1, 4),
        "PTH" => (1, 3),
        "ROL" | "PRT" => (2, 1),
        _ => return None,
    })
}

/// What `message` says of its segments called `name`.
pub fn segments<'a>(message: &Message<'a>, name: &str) -> Segments<'a> {
    let all: Vec<Segment<'a>> = message.segments_named(name).collect();
    match all.as_slice() {
        [] => return Segments::Absent,
        [only] if only.field(1).value() == Value::Null => return Segments::Deleted,
        _ => {}
    }
    let acted = places(name).and_then(|places| all.iter().map(|segment| acted(*segment, places)).collect());
    acted.map_or(Segments::Snapshot(all), Segments::Actions)
}

fn acted(segment: Segment<'_>, (action, id): (usize, usize)) -> Option<Acted<'_>> {
    let id = segment.field(id).value().bytes()?;
    Some(Acted { action: Action::read(segment.field(action).component(1).bytes())?, id, segment })
}

/// What a message says of the repetitions of one field: always a snapshot.
#[derive(Debug)]
pub enum Repetitions<'a> {
    /// Nothing: what is known stays.
    Absent,
    /// There is none any more.
    Deleted,
    /// These are all there are; an empty or null one among them keeps its place.
    Snapshot(Vec<Repetition<'a>>),
}

/// What `field` says of its list.
pub fn repetitions<'a>(field: &Field<'a>) -> Repetitions<'a> {
    match field.value() {
        Value::Absent => Repetitions::Absent,
        Value::Null => Repetitions::Deleted,
        Value::Present(_) => Repetitions::Snapshot(field.repetitions().collect()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::hl7::Index;

    fn said(body: &str, name: &str) -> String {
        let raw = format!("MSH|^~\\&|A|B|C|D|||ADT^A08|1|P|2.5\r{body}");
        let index = Index::of(raw.as_bytes()).unwrap();
        match segments(&index.message(raw.as_bytes()), name) {
            Segments::Absent => "absent".into(),
            Segments::Deleted => "deleted".into(),
            Segments::Snapshot(all) => format!("snapshot of {}", all.len()),
            Segments::Actions(all) => all
                .iter()
                .map(|acted| format!("{:?} {} at {};", acted.action, acted.id.escape_ascii(), acted.segment.start()))
                .collect(),
        }
    }

    #[test]
    fn tells_snapshots_from_actions() {
        for (body, name, expected) in [
            ("PID|1\r", "AL1", "absent"),
            ("AL1|\"\"\r", "AL1", "deleted"),
            ("AL1|1|DA|X\rAL1|2|DA|Y\r", "AL1", "snapshot of 2"),
            ("AL1|1\rAL1|\"\"\r", "AL1", "snapshot of 2"),
            ("IAM|1|DA|X|SV||A|77^GH\rIAM|2|DA|Y|||D^^|78\r", "IAM", "Add 77^GH at 35;Delete 78 at 58;"),
            ("IAM|1|DA|X|SV||A|77\rIAM|2|DA|Y|||D|\r", "IAM", "snapshot of 2"),
            ("IAM|1|DA|X|SV||Q|77\r", "IAM", "snapshot of 1"),
            ("IAM|1|DA|X|SV||A|\"\"\r", "IAM", "snapshot of 1"),
            ("PRB|UP|20260301|I10|p-1\rPRB|UC|20260301|E11|p-2\r", "PRB", "Update p-1 at 35;Unchanged p-2 at 59;"),
            ("PTH|LI|x|t-1\r", "PTH", "Linked t-1 at 35;"),
            ("ROL|r-1|CO|AD\r", "ROL", "Update r-1 at 35;"),
        ] {
            assert_eq!(said(body, name), expected, "{body}");
        }
    }

    #[test]
    fn keeps_null_and_absent_of_fields_apart() {
        let raw = b"MSH|^~\\&|A\rPID|1||a~\"\"~~b|\"\"||x\r";
        let index = Index::of(raw).unwrap();
        let pid = index.message(raw).segment("PID").unwrap();
        let Repetitions::Snapshot(list) = repetitions(&pid.field(3)) else { unreachable!() };
        let values: Vec<Value<'_>> = list.iter().map(Repetition::value).collect();
        assert_eq!(values, [Value::Present(b"a"), Value::Null, Value::Absent, Value::Present(b"b")]);
        assert!(matches!(repetitions(&pid.field(4)), Repetitions::Deleted));
        assert!(matches!(repetitions(&pid.field(5)), Repetitions::Absent));
        assert!(matches!(repetitions(&pid.field(40)), Repetitions::Absent));
    }
}
