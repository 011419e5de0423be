//! What keeps a map from exploding, and a message from being two at once.
//!
//! A map is a list of rows without loops and without expressions (`docs/decisions/0006-maps-are-tables.md`), so its work
//! is bounded by its rows times the values of the message. This module bounds the second factor: segments, values per
//! place, values per message, jobs, and the size of what is written. What is beyond refuses the message, with the bound
//! that it broke; nothing is cut off silently.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::refusal::Refusal;
use crate::{
    event::part,
    fhir::Bundle,
    hl7::{Message, MessageType, Segment},
    units::limits,
};

/// Values looked at so far for one message.
#[derive(Debug, Default)]
pub(super) struct Work {
    looked_at: Cell<usize>,
    beyond: RefCell<Vec<Arc<str>>>,
}

impl Work {
    /// Counts values looked at; once there were too many, no further one is to be looked at.
    pub(super) fn spend(&self, values: usize) {
        let before = self.looked_at.get();
        self.looked_at.set(before.saturating_add(values));
        if before <= limits::MAP_WORK_MAX && self.is_over() {
            self.exceed(format!("values to look at (at most {})", limits::MAP_WORK_MAX));
        }
    }

    /// Whether the message has had its share.
    pub(super) const fn is_over(&self) -> bool {
        self.looked_at.get() > limits::MAP_WORK_MAX
    }

    /// Notes a bound that the message broke.
    pub(super) fn exceed(&self, what: String) {
        let mut beyond = self.beyond.borrow_mut();
        if beyond.len() < SHOWN_MAX && beyond.iter().all(|known| **known != *what) {
            beyond.push(what.into());
        }
    }

    /// The bounds that were broken.
    pub(super) fn broken(&self) -> Vec<Arc<str>> {
        self.beyond.borrow().clone()
    }
}

/// Broken bounds of one message that are named.
const SHOWN_MAX: usize = 10;

/// What no map may be applied to, whatever it says: too many segments.
pub(super) fn too_large(message: &Message<'_>) -> Option<Refusal> {
    let segments = message.segments().take(limits::MAP_SEGMENTS_MAX + 1).count();
    if segments <= limits::MAP_SEGMENTS_MAX {
        return None;
    }
    let mut refusal = Refusal::default();
    refusal.excessive.push(format!("segments (at most {})", limits::MAP_SEGMENTS_MAX).into());
    Some(refusal)
}

/// What is too much to be sent.
pub(super) fn output(bundle: &Bundle) -> Refusal {
    let mut refusal = Refusal::default();
    if bundle.weight() > limits::BUNDLE_BYTES_MAX {
        refusal.excessive.push(format!("bytes of the Bundle (at most {})", limits::BUNDLE_BYTES_MAX).into());
    }
    refusal
}

/// What makes a message be about no one in particular: two patients, or identifiers that are none.
pub(super) fn who(message: &Message<'_>, kind: &MessageType<'_>) -> Refusal {
    let mut refusal = Refusal::default();
    let patients = || message.segments().filter(|segment| segment.is("PID"));
    if is_about_one(kind) && patients().nth(1).is_some() {
        let charset = message.charset(None);
        let identifier = |segment: &Segment<'_>| {
            let first = segment.field(3).repetition(1);
            (part(&first, 1, &charset), part(&first, 4, &charset))
        };
        let first = patients().next().map(|segment| identifier(&segment));
        let other = (1_usize..).zip(patients()).find(|(_, segment)| Some(identifier(segment)) != first);
        if let Some((place, _)) = other {
            refusal.contradictory.push(("PID-3".into(), format!("PID[{place}]-3").into()));
        }
    }
    for (segment, fields) in IDENTIFIERS {
        for found in message.segments().filter(|found| found.is(segment)).take(limits::JOBS_OF_MESSAGE_MAX) {
            for field in *fields {
                let too_long = found
                    .field(*field)
                    .repetitions()
                    .any(|repetition| repetition.component(1).bytes().len() > limits::MAP_IDENTIFIER_BYTES_MAX);
                let place: Arc<str> = format!("{segment}-{field}").into();
                if too_long && !refusal.unreadable.contains(&place) {
                    refusal.unreadable.push(place);
                }
            }
        }
    }
    refusal
}

/// Where identifiers stand.
const IDENTIFIERS: &[(&str, &[usize])] =
    &[("PID", &[2, 3, 18]), ("PV1", &[19]), ("ORC", &[2, 3, 12]), ("OBR", &[2, 3, 16]), ("MRG", &[1])];

/// Whether messages of this type are about one patient (HL7 v2.5.1 chapter 3: swaps, merges, links and moves are about two).
fn is_about_one(kind: &MessageType<'_>) -> bool {
    match kind.code {
        b"ADT" => !OF_SEVERAL.contains(&kind.trigger),
        b"ORM" | b"OMG" | b"OMS" | b"OMP" | b"RDE" | b"SIU" | b"REF" => true,
        _ => false,
    }
}

/// Trigger events of ADT messages that may have several patients.
const OF_SEVERAL: &[&[u8]] = &[
    b"A17", b"A18", b"A24", b"A30", b"A34", b"A35", b"A36", b"A37", b"A39", b"A40", b"A41", b"A42", b"A43", b"A44",
    b"A45", b"A46", b"A47", b"A48", b"A49", b"A50", b"A51",
];
