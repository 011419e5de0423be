//! What a simulated device has to say: HL7 messages, records of a laboratory (LIS02-A2), lines of a nurse call, or what it
//! was given. People are invented (`ZZTEST-…`), as everywhere in the simulators.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::{
    hl7::Index,
    sim::{
        ehr::{Clock, Generator},
        random::SplitMix64,
        wall_clock,
    },
};

/// Which messages a device makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speech {
    /// ADT and ORM messages.
    Hl7,
    /// Results of a laboratory instrument, one patient and one sample each, from the record H to the record L.
    Records,
    /// Lines of a nurse call: a number, a ward, a room, a bed, and what is asked for.
    Calls,
    /// These, once each.
    Given(Vec<Vec<u8>>),
}

/// A message of a device.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    /// What a ledger knows it by: MSH-10, or the number of its sample or call.
    pub(super) id: String,
}

/// Where a device has its messages from.
#[derive(Debug)]
pub(super) enum Content {
    Hl7(Box<Generator>),
    Records(Invented),
    Calls(Invented),
    Given(VecDeque<Vec<u8>>),
}

/// What is invented from one message to the next.
#[derive(Debug)]
pub(super) struct Invented {
    random: SplitMix64,
    link: String,
    clock: Clock,
    number: u64,
}

impl Content {
    /// What `speech` says, determined by the seed and the profile of `generator`.
    pub(super) fn new(speech: &Speech, generator: impl FnOnce() -> Generator, (seed, link, clock): Seeded<'_>) -> Self {
        let invented = || Invented { random: SplitMix64::new(seed), link: link.to_owned(), clock, number: 0 };
        match speech {
            Speech::Hl7 => Self::Hl7(Box::new(generator())),
            Speech::Records => Self::Records(invented()),
            Speech::Calls => Self::Calls(invented()),
            Speech::Given(messages) => Self::Given(messages.iter().cloned().collect()),
        }
    }

    /// The next message; none at the end of what was given.
    pub(super) fn next(&mut self) -> Option<Message> {
        match self {
            Self::Hl7(generator) => {
                let made = generator.next();
                Some(Message { bytes: made.bytes, id: made.control_id })
            }
            Self::Records(invented) => Some(invented.record()),
            Self::Calls(invented) => Some(invented.call()),
            Self::Given(messages) => {
                let bytes = messages.pop_front()?;
                let id = control_id(&bytes).map(|id| String::from_utf8_lossy(&id).into_owned());
                Some(Message { bytes, id: id.unwrap_or_default() })
            }
        }
    }
}

/// Seed, name and clock of what is invented.
pub(super) type Seeded<'a> = (u64, &'a str, Clock);

/// MSH-10 of a message; none of what is no HL7 message.
pub(super) fn control_id(message: &[u8]) -> Option<Vec<u8>> {
    let index = Index::of(message).ok()?;
    Some(index.message(message).segment("MSH")?.field(10).bytes().to_vec())
}

const FAMILIES: [&str; 6] =
    ["ZZTEST-QUILL", "ZZTEST-MORROW", "ZZTEST-ABBOT", "ZZTEST-FINCH", "ZZTEST-LARKIN", "ZZTEST-OSWIN"];
const GIVEN: [&str; 6] = ["ORLA", "TAMSIN", "BRAM", "IDRIS", "PIPPA", "EWAN"];
const TESTS: [(&str, &str, &str); 4] = [
    ("GLU", "mmol/L", "3.9 to 6.1"),
    ("NA", "mmol/L", "135 to 145"),
    ("K", "mmol/L", "3.5 to 5.1"),
    ("HB", "g/L", "120 to 160"),
];
const WARDS: [&str; 4] = ["4W", "2E", "ICU", "MAT"];
const REASONS: [&str; 5] = ["NORMAL", "BATHROOM", "STAFF ASSIST", "CORD OUT", "CANCELLED"];

impl Invented {
    fn step(&mut self) -> String {
        let now = match self.clock {
            Clock::Wall => wall_clock(),
            Clock::Steps { from, step } => {
                let steps = i32::try_from(self.number).unwrap_or(i32::MAX);
                jiff::SignedDuration::try_from(step)
                    .ok()
                    .and_then(|step| step.checked_mul(steps))
                    .and_then(|passed| from.checked_add(passed).ok())
                    .unwrap_or(from)
            }
        };
        self.number += 1;
        written(now)
    }

    fn record(&mut self) -> Message {
        let now = self.step();
        let id = format!("{}-{:06}", self.link, self.number);
        let (family, given) = (self.random.pick(&FAMILIES), self.random.pick(&GIVEN));
        let mrn = format!("ZZ{:06}", self.random.below(1_000_000));
        let mut text = format!(
            "H|\\^&|||ZZLAB-SIM^1.0|||||ZZHOST||P|LIS2-A2|{now}\r\
             P|1||{mrn}||{family}^{given}||19470311|F\rO|1|{id}||^^^PANEL|R||{now}\r"
        );
        let results = 1 + self.random.below(u64::try_from(TESTS.len()).unwrap_or(1));
        for (number, (test, unit, range)) in TESTS.iter().enumerate() {
            if u64::try_from(number).unwrap_or(0) >= results {
                break;
            }
            let (whole, tenth) = (self.random.below(150), self.random.below(10));
            text += &format!("R|{}|^^^{test}|{whole}.{tenth}|{unit}|{range}|N||F||||{now}\r", number + 1);
        }
        text += "L|1|N\r";
        Message { bytes: text.into_bytes(), id }
    }

    fn call(&mut self) -> Message {
        let now = self.step();
        let id = format!("{}{:06}", self.link, self.number);
        let (ward, reason) = (self.random.pick(&WARDS), self.random.pick(&REASONS));
        let (room, bed) = (100 + self.random.below(400), self.random.pick(&["A", "B"]));
        Message { bytes: format!("{id} {now} WARD {ward} ROOM {room} BED {bed} {reason}").into_bytes(), id }
    }
}

fn written(now: Timestamp) -> String {
    now.strftime("%Y%m%d%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    fn content(speech: &Speech) -> Content {
        let clock = Clock::Steps { from: Timestamp::UNIX_EPOCH, step: Duration::from_secs(1) };
        Content::new(speech, || Generator::new(1, crate::sim::ehr::Profile::default()), (7, "LAB", clock))
    }

    #[test]
    fn invents_records_from_h_to_l_of_a_person_who_does_not_exist() {
        let mut content = content(&Speech::Records);
        let (first, second) = (content.next().unwrap(), content.next().unwrap());
        let text = String::from_utf8(first.bytes).unwrap();
        assert!(text.starts_with("H|\\^&|||ZZLAB-SIM") && text.ends_with("\rL|1|N\r"), "{text}");
        assert!(
            text.contains("\rP|1||ZZ") && text.contains("|ZZTEST-") && text.contains("\rO|1|LAB-000001|"),
            "{text}"
        );
        assert!(text.contains("|19700101000000\r") && text.contains("\rR|1|^^^GLU|"), "{text}");
        assert_eq!((first.id.as_str(), second.id.as_str()), ("LAB-000001", "LAB-000002"));
    }

    #[test]
    fn says_the_same_for_the_same_seed() {
        let through = || (0..20).map(|_| content(&Speech::Calls).next().unwrap().bytes).collect::<Vec<_>>();
        assert_eq!(through(), through());
        let call = String::from_utf8(content(&Speech::Calls).next().unwrap().bytes).unwrap();
        assert!(call.starts_with("LAB000001 19700101000000 WARD "), "{call}");
    }

    #[test]
    fn says_what_it_was_given_once_and_knows_its_control_ids() {
        let given = vec![b"MSH|^~\\&|A|B|||1||ADT^A01|ID7|P|2.5\r".to_vec(), b"no HL7".to_vec()];
        let mut content = content(&Speech::Given(given));
        assert_eq!(content.next().unwrap().id, "ID7");
        assert_eq!(content.next().unwrap().id, "");
        assert!(content.next().is_none());
    }
}
