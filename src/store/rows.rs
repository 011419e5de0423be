//! Small numbers for names, verdicts and lanes in rows.

use std::{fmt::Write as _, mem::discriminant};

use rusqlite::Connection;

use super::schema::name_id;
use crate::{
    flow::{Fault, Verdict},
    hl7::{Path, ack::Reason},
    settings::{Mapping, Priority, Settings},
};

/// The row numbers of the configured names, by their index in the settings.
#[derive(Clone, Debug)]
pub struct Names {
    /// Links.
    pub links: Vec<i64>,
    /// Flows.
    pub flows: Vec<i64>,
    /// Destinations.
    pub destinations: Vec<i64>,
    /// Mapping of each flow.
    pub mappings: Vec<i64>,
    /// The flow of messages that no flow takes.
    pub unrouted: i64,
}

impl Names {
    /// Looks the names up, making rows for new ones.
    pub(super) fn load(connection: &Connection, settings: &Settings) -> Result<Self, rusqlite::Error> {
        let many = |kind: &str, names: Vec<String>| -> Result<Vec<i64>, rusqlite::Error> {
            names.iter().map(|name| name_id(connection, kind, name)).collect()
        };
        Ok(Self {
            links: many("link", settings.links.iter().map(|link| link.name.to_string()).collect())?,
            flows: many("flow", settings.flows.iter().map(|flow| flow.name.to_string()).collect())?,
            destinations: many("destination", settings.destinations.iter().map(|to| to.name.to_string()).collect())?,
            mappings: many("mapping", settings.flows.iter().map(|flow| mapping_word(&flow.mapping)).collect())?,
            unrouted: name_id(connection, "flow", "unrouted")?,
        })
    }

    /// The row number of a flow, or of none.
    pub(super) fn flow(&self, flow: Option<usize>) -> i64 {
        flow.and_then(|flow| self.flows.get(flow)).copied().unwrap_or(self.unrouted)
    }

    /// The settings' index of a flow's row number; `None` for messages that no flow took, and for flows that are gone.
    pub fn flow_index(&self, row: i64) -> Option<usize> {
        self.flows.iter().position(|id| *id == row)
    }
}

/// The mapping that changes nothing.
pub const RAW: &str = "raw";

/// How a mapping is written in a row and in a delivery key: `raw` or `name@version`.
pub fn mapping_word(mapping: &Mapping) -> String {
    match mapping {
        Mapping::Raw => RAW.to_owned(),
        Mapping::Map { name, version } => format!("{name}@{version}"),
    }
}

/// Lanes in the order in which they leave.
pub const LANES: [Priority; 3] = [Priority::Stat, Priority::Urgent, Priority::Routine];

/// A lane's number.
pub fn lane(priority: Priority) -> i64 {
    match priority {
        Priority::Stat => 0,
        Priority::Urgent => 1,
        Priority::Routine => 2,
    }
}

/// A number's lane.
pub(super) fn priority(lane: i64) -> Priority {
    match lane {
        0 => Priority::Stat,
        1 => Priority::Urgent,
        _ => Priority::Routine,
    }
}

/// A verdict's number: 0 accept, 1 silent, 16 and up rejected for a fault.
///
/// ```text
/// bits  62       58      53     45      35     27       11     7       0
///       subcomp. | comp. | rep. | occ.  | field | segment | reason | fault + 16      of a rejection for content
/// ```
/// A part of a place that does not fit its bits reads back as none.
pub(super) fn verdict_code(verdict: Verdict) -> i64 {
    match verdict {
        Verdict::Accept => 0,
        Verdict::Silent => 1,
        Verdict::Reject(fault) => {
            let kind = discriminant(&fault);
            let at = Fault::ALL.iter().position(|known| discriminant(known) == kind).unwrap_or(0);
            let content = match fault {
                Fault::Content { reason, place } | Fault::Rejected { reason, place } => content_code(reason, place),
                _ => 0,
            };
            i64::try_from(at).unwrap_or(0) + 16 + (content << 8)
        }
    }
}

/// A number's verdict.
pub(super) fn verdict(code: i64) -> Verdict {
    match code {
        0 => Verdict::Accept,
        1 => Verdict::Silent,
        _ => {
            let at = usize::try_from((code & 0xFF) - 16).ok();
            Verdict::Reject(match at.and_then(|at| Fault::ALL.get(at)).copied().unwrap_or(Fault::Internal) {
                Fault::Content { .. } => {
                    let (reason, place) = content(code >> 8);
                    Fault::Content { reason, place }
                }
                Fault::Rejected { .. } => {
                    let (reason, place) = content(code >> 8);
                    Fault::Rejected { reason, place }
                }
                fault => fault,
            })
        }
    }
}

/// Bits of the parts of a place: segment, field, occurrence, repetition, component, subcomponent.
const PLACE_BITS: [u32; 6] = [16, 8, 10, 8, 5, 4];

fn content_code(reason: Reason, place: Option<Path>) -> i64 {
    let reason_at = Reason::ALL.iter().position(|known| *known == reason).and_then(|at| i64::try_from(at).ok());
    let Some(place) = place else { return reason_at.unwrap_or(0) };
    let name = place.segment().bytes().fold(0, |sum, byte| sum * 37 + letter(byte));
    let number = |part: Option<u16>| part.map_or(0, i64::from);
    let parts = [
        name,
        number(Some(place.field())),
        number(place.occurrence()),
        number(place.repetition()),
        number(place.component()),
        number(place.subcomponent()),
    ];
    let (mut code, mut shift) = (reason_at.unwrap_or(0), 4);
    for (part, bits) in parts.into_iter().zip(PLACE_BITS) {
        let fits = part < 1 << bits;
        code |= if fits { part << shift } else { 0 };
        shift += bits;
    }
    code
}

fn content(code: i64) -> (Reason, Option<Path>) {
    let reason = usize::try_from(code & 0xF).ok().and_then(|at| Reason::ALL.get(at)).copied();
    let mut rest = code >> 4;
    let [name, field, occurrence, repetition, component, subcomponent] = PLACE_BITS.map(|bits| {
        let part = rest & ((1 << bits) - 1);
        rest >>= bits;
        part
    });
    let name: String = [name / 37 / 37, name / 37 % 37, name % 37].into_iter().filter_map(letter_of).collect();
    let mut text = format!("{name}-{field}");
    if component > 0 {
        write!(text, ".{component}").ok();
    }
    if component > 0 && subcomponent > 0 {
        write!(text, ".{subcomponent}").ok();
    }
    let number = |part: i64| u16::try_from(part).unwrap_or(0);
    let place: Option<Path> = text.parse().ok();
    let place = place.map(|place| place.in_occurrence(number(occurrence)).in_repetition(number(repetition)));
    (reason.unwrap_or(Reason::InternalError), place)
}

/// Letters and digits from 1 on; 0 is anything else.
fn letter(byte: u8) -> i64 {
    match byte {
        b'A'..=b'Z' => i64::from(byte - b'A') + 1,
        b'0'..=b'9' => i64::from(byte - b'0') + 27,
        _ => 0,
    }
}

fn letter_of(code: i64) -> Option<char> {
    let at = u8::try_from(code).ok()?;
    match at {
        1..=26 => Some(char::from(b'A' + at - 1)),
        27..=36 => Some(char::from(b'0' + at - 27)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_back_the_place_of_a_rejection() {
        for place in ["PID-3", "PID-3.1", "PID-5.1.2", "OBX[12]-5[3].1", "ZB1[1023]-255[255].31.15", "MSH-9.2"] {
            for reason in Reason::ALL {
                let fault = Fault::Content { reason, place: Some(place.parse().unwrap()) };
                let code = verdict_code(Verdict::Reject(fault));
                assert!(code > 255, "{place}");
                assert_eq!(verdict(code), Verdict::Reject(fault), "{place}");
            }
        }
        for (place, kept) in [("OBX[1024]-5", "OBX-5"), ("OBX-5[256].1", "OBX-5.1"), ("OBX-5.32.1", "OBX-5")] {
            let fault = |place: &str| Fault::Content { reason: Reason::DataType, place: Some(place.parse().unwrap()) };
            let code = verdict_code(Verdict::Reject(fault(place)));
            assert_eq!(verdict(code), Verdict::Reject(fault(kept)), "{place}");
        }
        let nowhere = Fault::Content { reason: Reason::DuplicateKey, place: None };
        assert_eq!(verdict(verdict_code(Verdict::Reject(nowhere))), Verdict::Reject(nowhere));
        let beyond = Fault::Content { reason: Reason::DataType, place: Some("OBX-300".parse().unwrap()) };
        let none = Fault::Content { reason: Reason::DataType, place: None };
        assert_eq!(verdict(verdict_code(Verdict::Reject(beyond))), Verdict::Reject(none));
    }

    #[test]
    fn reads_back_every_verdict_and_lane() {
        for fault in Fault::ALL {
            assert_eq!(verdict(verdict_code(Verdict::Reject(fault))), Verdict::Reject(fault));
        }
        for known in [Verdict::Accept, Verdict::Silent] {
            assert_eq!(verdict(verdict_code(known)), known);
        }
        for known in LANES {
            assert_eq!(priority(lane(known)), known);
        }
    }
}
