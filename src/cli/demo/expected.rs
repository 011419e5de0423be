//! What must have arrived, made again from the traffic's seed and the ledgers of acknowledged control ids, without
//! asking the product: which deliveries with which keys, which bytes, which jobs.
//!
//! A job is the ride of a visit: what was planned, ordered, moved or taken back in however many messages. Whatever the
//! simulated senders say is complete, so nothing is held for a person.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    rides::Rides,
    scan::{Needles, field},
    site::{BEDBOARD, EVERYTHING, Route, SITE, TRANSPORT},
};
use crate::{
    delivery::{KeyParts, delivery_key},
    sim::{
        ehr::{EhrOptions, Generated, Generator},
        serial::SerialOptions,
    },
};

/// Everything that must have arrived.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// Deliveries of [`EVERYTHING`]: key to bytes.
    pub(super) raw: HashMap<String, Vec<u8>>,
    /// Keys that deliveries of [`TRANSPORT`] and [`BEDBOARD`] may have: what adds nothing, or was taken back before it left,
    /// has none.
    pub(super) bundles: HashSet<String>,
    /// What must have become of each visit's ride.
    pub(super) rides: Rides,
    /// Messages each flow must have received, repeats aside.
    pub(super) received: HashMap<&'static str, u64>,
    /// Acknowledged control ids that no connection can have sent.
    pub(super) strangers: u64,
    /// Names and numbers of all patients.
    pub(super) patients: Needles,
    /// Those of the EHR's.
    pub(super) ehr_patients: Needles,
}

impl Expected {
    /// Works it out.
    pub(super) fn of(ehr: &EhrOptions, from_ehr: &[String], serial: &SerialOptions, from_serial: &[String]) -> Self {
        let mut expected = Self::default();
        let mut left: HashSet<&str> = from_ehr.iter().map(String::as_str).collect();
        for connection in 0..ehr.connections {
            for message in acknowledged(ehr.generator(connection), &mut left) {
                expected.ehr_patients.add(&message);
                expected.add_ehr(message);
            }
        }
        let mut left_serial: HashSet<&str> = from_serial.iter().map(String::as_str).collect();
        for message in acknowledged(serial.generator(), &mut left_serial) {
            expected.patients.add(&message);
            expected.receive(BEDBOARD, &message);
        }
        expected.strangers = (left.len() + left_serial.len()) as u64;
        expected
    }

    fn add_ehr(&mut self, message: Generated) {
        self.patients.add(&message);
        let adt = matches!(message.kind.event(), "A03" | "A13" | "A16" | "A25");
        if adt || message.kind.is_order() {
            self.receive(TRANSPORT, &message);
        }
        *self.received.entry(EVERYTHING.flow).or_default() += 1;
        self.raw.insert(key(EVERYTHING, &message.bytes), message.bytes);
    }

    /// One message that a map sees.
    fn receive(&mut self, route: Route, message: &Generated) {
        *self.received.entry(route.flow).or_default() += 1;
        self.rides.hear(message);
        self.bundles.insert(key(route, &message.bytes));
    }
}

/// Makes the messages whose control ids are in `left`, and takes those out.
fn acknowledged(mut generator: Generator, left: &mut HashSet<&str>) -> Vec<Generated> {
    let mut found = Vec::new();
    // One message of a connection at a time: what was acknowledged has no gaps.
    loop {
        let message = generator.next();
        if !left.remove(message.control_id.as_str()) {
            return found;
        }
        found.push(message);
    }
}

/// The idempotency key of a message's delivery, as the contract defines it.
fn key(route: Route, message: &[u8]) -> String {
    let end = message.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    let hash = digest(&SHA256, message.get(..end).unwrap_or(message));
    let part = |number| field(message, b"MSH", number).unwrap_or_default();
    let content_hash: [u8; 32] = hash.as_ref().first_chunk().copied().unwrap_or_default();
    delivery_key(&KeyParts {
        site: SITE,
        flow: route.flow,
        destination: route.destination,
        msh3: part(3),
        msh4: part(4),
        msh10: part(10),
        content_hash: &content_hash,
        map_version: route.mapping,
        occasion: 0,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::sim::ehr::{Clock, Dialect};

    fn options() -> (EhrOptions, SerialOptions) {
        let clock = Clock::Steps { from: "2026-11-22T08:00:00Z".parse().unwrap(), step: Duration::from_secs(1) };
        let dialects = Dialect::ALL.to_vec();
        let ehr = EhrOptions { connections: 3, dialects, population: 4, clock, ..EhrOptions::default() };
        (ehr, SerialOptions { clock, ..SerialOptions::default() })
    }

    fn ids(mut generator: Generator, count: usize) -> Vec<String> {
        (0..count).map(|_| generator.next().control_id).collect()
    }

    #[test]
    fn makes_every_acknowledged_message_again() {
        let (ehr, serial) = options();
        let sent: Vec<String> = (0..3).flat_map(|connection| ids(ehr.generator(connection), 100)).collect();
        let expected = Expected::of(&ehr, &sent, &serial, &ids(serial.generator(), 80));
        assert_eq!((expected.raw.len(), expected.strangers), (300, 0));
        assert_eq!(expected.received.get("everything"), Some(&300));
        assert_eq!(expected.received.get("bedboard"), Some(&80));
        assert!(expected.rides.due() > 20, "{expected:?}");
        assert!(expected.bundles.len() > expected.rides.due(), "a job has several messages");
    }

    #[test]
    fn notices_acknowledgements_of_what_nobody_sent() {
        let (ehr, serial) = options();
        let mut sent = ids(ehr.generator(1), 5);
        sent.push("E1-000000099".into());
        assert_eq!(Expected::of(&ehr, &sent, &serial, &["S9-1".into()]).strangers, 2);
    }
}
