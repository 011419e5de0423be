//! Makes HL7 v2 traffic: patients are admitted, moved, planned for discharge, ordered a ride, and leave; each stay in
//! its order, many stays interleaved. The same seed and profile give the same bytes.
//!
//! ADT A01 A02 A03 A04 A08 A11 A13 A16 A25 (HL7 v2.5.1 ch. 3) and ORM^O01 with transport, equipment, home-visit and
//! laboratory orders (ch. 4), in three dialects as they are met in the field. Codes are those of the example site.
//! Makes well-formed messages only; damage is the business of [`crate::sim::serial`] and [`crate::sim::fault`].

mod segments;

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::patient::{Bed, Mobility, Person, Stay};
use crate::sim::{random::SplitMix64, wall_clock};

/// Stays that may run interleaved.
const POPULATION_MAX: usize = 10_000;

/// How a sending system writes HL7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Dialect {
    /// Version 2.3, segments end with LF, hardly any components, no zones, the need in PV1-15 and PV1-37.
    Legacy,
    /// Version 2.5.1, UTF-8, the mode in OBR-30, times in TQ1, original acknowledgement mode.
    #[default]
    Modern,
    /// Version 2.8, the need in order questions (OBX) and a Z segment, enhanced acknowledgement mode.
    Questions,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Modern, Self::Legacy, Self::Questions];
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Kind {
    /// ADT^A01.
    Admit,
    /// ADT^A02.
    Transfer,
    /// ADT^A03.
    Discharge,
    /// ADT^A04.
    Register,
    /// ADT^A08.
    Update,
    /// ADT^A11.
    CancelAdmit,
    /// ADT^A13.
    CancelDischarge,
    /// ADT^A16.
    PlanDischarge,
    /// ADT^A25.
    CancelPlan,
    /// ORM^O01, a new patient transport.
    OrderRide,
    /// ORM^O01, the cancellation of that transport.
    CancelRide,
    /// ORM^O01, durable medical equipment.
    OrderEquipment,
    /// ORM^O01, a home visit.
    OrderVisit,
    /// ORM^O01, a laboratory test.
    OrderLab,
}

impl Kind {
    /// The event of MSH-9.2.
    pub const fn event(self) -> &'static str {
        match self {
            Self::Admit => "A01",
            Self::Transfer => "A02",
            Self::Discharge => "A03",
            Self::Register => "A04",
            Self::Update => "A08",
            Self::CancelAdmit => "A11",
            Self::CancelDischarge => "A13",
            Self::PlanDischarge => "A16",
            Self::CancelPlan => "A25",
            _ => "O01",
        }
    }

    /// Whether it is an order message.
    pub const fn is_order(self) -> bool {
        matches!(self, Self::OrderRide | Self::CancelRide | Self::OrderEquipment | Self::OrderVisit | Self::OrderLab)
    }
}

/// Where the times in the messages come from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// A clock of its own, which goes on by `step` with every message.
    Steps {
        /// The time of the first message.
        from: Timestamp,
        /// From one message to the next.
        step: Duration,
    },
    /// The clock of this machine; bytes are then not the same from run to run.
    Wall,
}

/// What traffic to make.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Names the link in control ids, record and order numbers; up to 8 letters and digits, unique per sender.
    pub link: String,
    /// How it is written.
    pub dialect: Dialect,
    /// Bytes that a message has at least, filled with notes.
    pub size: Option<usize>,
    /// Stays that run interleaved, 1 to 10,000.
    pub population: usize,
    /// The times.
    pub clock: Clock,
}

impl Default for Profile {
    fn default() -> Self {
        Self { link: "EH".into(), dialect: Dialect::Modern, size: None, population: 40, clock: Clock::Wall }
    }
}

/// A message that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The message, unframed.
    pub bytes: Vec<u8>,
    /// Its MSH-10: the link's name, a dash and a number that rises by one.
    pub control_id: String,
    /// The record number of its patient (PID-3.1), to whose messages order matters.
    pub patient_key: String,
    /// What it is about.
    pub kind: Kind,
}

/// Makes messages without end.
#[derive(Debug)]
pub struct Generator {
    random: SplitMix64,
    profile: Profile,
    sequence: u64,
    people: u64,
    orders: u64,
    now: Timestamp,
    episodes: Vec<Episode>,
}

/// One stay, its remaining steps, and what was ordered.
#[derive(Debug)]
struct Episode {
    person: Person,
    stay: Stay,
    steps: VecDeque<Kind>,
    ride: Option<String>,
    order: String,
}

/// The steps of a stay, its share in a hundred, and how it may end against plan.
struct Script {
    share: u64,
    steps: &'static [Kind],
    disposition: Option<&'static str>,
}

use Kind::{
    Admit, CancelAdmit, CancelDischarge, CancelPlan, CancelRide, Discharge, OrderEquipment, OrderLab, OrderRide,
    OrderVisit, PlanDischarge, Register, Transfer, Update,
};

const SCRIPTS: &[Script] = &[
    Script { share: 30, steps: &[Admit, OrderLab, Update, PlanDischarge, OrderRide, Discharge], disposition: None },
    Script { share: 16, steps: &[Admit, Transfer, PlanDischarge, OrderRide, Transfer, Discharge], disposition: None },
    Script { share: 8, steps: &[Admit, PlanDischarge, OrderRide, CancelPlan, CancelRide, Update], disposition: None },
    Script {
        share: 8,
        steps: &[Admit, PlanDischarge, OrderRide, Discharge, CancelDischarge, Update, Discharge],
        disposition: None,
    },
    Script { share: 14, steps: &[Register, OrderLab, Update, Discharge], disposition: Some("01") },
    Script {
        share: 10,
        steps: &[Admit, OrderEquipment, OrderVisit, PlanDischarge, OrderRide, Discharge],
        disposition: Some("01"),
    },
    Script { share: 6, steps: &[Admit, CancelAdmit], disposition: None },
    Script { share: 5, steps: &[Register, Update, Discharge], disposition: Some("07") },
    Script { share: 3, steps: &[Admit, Update, Discharge], disposition: Some("20") },
];

impl Generator {
    /// Starts traffic that `seed` and `profile` determine, unless its clock is the wall's.
    pub fn new(seed: u64, mut profile: Profile) -> Self {
        profile.population = profile.population.clamp(1, POPULATION_MAX);
        let now = match profile.clock {
            Clock::Steps { from, .. } => from,
            Clock::Wall => wall_clock(),
        };
        let random = SplitMix64::new(seed);
        Self { random, profile, sequence: 0, people: 0, orders: 0, now, episodes: Vec::new() }
    }

    /// Makes the next message.
    #[expect(clippy::should_implement_trait, reason = "the traffic has no end, so it is not an iterator")]
    pub fn next(&mut self) -> Generated {
        self.tick();
        self.sequence += 1;
        let mut episode = self.take_episode();
        let kind = episode.steps.pop_front().unwrap_or(Update);
        self.advance(&mut episode, kind);
        let control_id = format!("{}-{:09}", self.profile.link, self.sequence);
        let frame = segments::Frame {
            dialect: self.profile.dialect,
            size: self.profile.size.unwrap_or(0),
            now: self.now,
            control_id: &control_id,
            kind,
        };
        let bytes = segments::write(&frame, &episode);
        let patient_key = episode.person.mrn.clone();
        if !episode.steps.is_empty() {
            self.episodes.push(episode);
        }
        Generated { bytes, control_id, patient_key, kind }
    }

    fn tick(&mut self) {
        self.now = match self.profile.clock {
            Clock::Steps { step, .. } if self.sequence > 0 => self.now.checked_add(step).unwrap_or(self.now),
            Clock::Steps { .. } => self.now,
            Clock::Wall => wall_clock(),
        };
    }

    /// Takes a running stay at random, or begins one while there are too few.
    fn take_episode(&mut self) -> Episode {
        let running = self.episodes.len();
        if running >= self.profile.population {
            let place = self.random.below(u64::try_from(running).unwrap_or(u64::MAX));
            return self.episodes.swap_remove(usize::try_from(place).unwrap_or(0));
        }
        self.people += 1;
        let ascii = self.profile.dialect == Dialect::Legacy;
        let person = Person::invent(&mut self.random, &self.profile.link, self.people, ascii);
        let mut stay = Stay::plan(&mut self.random, self.now);
        let script = self.choose_script();
        let steps = script.map_or_else(VecDeque::new, |script| script.steps.iter().copied().collect());
        if let Some(disposition) = script.and_then(|script| script.disposition) {
            stay.disposition = disposition;
            stay.facility = None;
        }
        if steps.contains(&OrderRide) && stay.mobility == Mobility::Walks {
            stay.mobility = Mobility::Wheelchair;
        }
        Episode { person, stay, steps, ride: None, order: String::new() }
    }

    fn choose_script(&mut self) -> Option<&'static Script> {
        let mut left = self.random.below(SCRIPTS.iter().map(|script| script.share).sum());
        SCRIPTS.iter().find(|script| {
            let found = left < script.share;
            left = left.saturating_sub(script.share);
            found
        })
    }

    /// Lets the step happen to the stay.
    fn advance(&mut self, episode: &mut Episode, kind: Kind) {
        match kind {
            Transfer | CancelDischarge => {
                episode.stay.prior = episode.stay.bed;
                episode.stay.bed = Bed::choose(&mut self.random);
            }
            CancelRide => episode.order = episode.ride.take().unwrap_or_default(),
            _ if kind.is_order() => {
                self.orders += 1;
                episode.order = format!("PO{}{:07}", self.profile.link, self.orders);
                if kind == OrderRide {
                    episode.ride = Some(episode.order.clone());
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::collections::{HashMap, HashSet};

    use super::*;

    fn profile(dialect: Dialect, size: Option<usize>) -> Profile {
        let clock = Clock::Steps { from: "2026-11-22T08:00:00Z".parse().unwrap(), step: Duration::from_secs(7) };
        Profile { link: "T1".into(), dialect, size, population: 12, clock }
    }

    fn take(seed: u64, profile: Profile, count: usize) -> Vec<Generated> {
        let mut generator = Generator::new(seed, profile);
        (0..count).map(|_| generator.next()).collect()
    }

    #[test]
    fn gives_the_same_bytes_for_the_same_seed_and_others_for_another() {
        for dialect in Dialect::ALL {
            assert_eq!(take(3, profile(dialect, None), 300), take(3, profile(dialect, None), 300));
            assert_ne!(take(3, profile(dialect, None), 300), take(4, profile(dialect, None), 300));
        }
    }

    #[test]
    fn keeps_each_stay_in_its_order() {
        let mut lives: HashMap<String, Vec<Kind>> = HashMap::new();
        for message in take(1, profile(Dialect::Modern, None), 5000) {
            lives.entry(message.patient_key).or_default().push(message.kind);
        }
        for life in lives.values() {
            assert!(
                SCRIPTS.iter().any(|script| script.steps.starts_with(life)),
                "a stay that no script allows: {life:?}"
            );
        }
        let kinds: HashSet<Kind> = lives.into_values().flatten().collect();
        assert_eq!(kinds.len(), 14, "every kind is made: {kinds:?}");
    }

    #[test]
    fn control_ids_rise_and_are_in_the_message() {
        for (number, message) in (1..).zip(take(9, profile(Dialect::Legacy, None), 50)) {
            assert_eq!(message.control_id, format!("T1-{number:09}"));
            assert!(message.control_id.len() <= 20, "MSH-10 has 20 characters before version 2.7");
            let text = String::from_utf8(message.bytes).unwrap();
            let header: Vec<&str> = text.split('\n').next().unwrap().split('|').collect();
            assert_eq!(header[9], message.control_id);
            let pid: Vec<&str> = text.split('\n').find(|line| line.starts_with("PID")).unwrap().split('|').collect();
            assert_eq!(pid[3], message.patient_key);
        }
    }

    #[test]
    fn fills_to_the_size_asked_for() {
        for dialect in Dialect::ALL {
            for message in take(5, profile(dialect, Some(1500)), 200) {
                assert!((1500..1700).contains(&message.bytes.len()), "{} bytes", message.bytes.len());
            }
        }
    }

    #[test]
    fn people_are_obviously_invented() {
        for dialect in Dialect::ALL {
            for message in take(6, profile(dialect, None), 500) {
                let text = String::from_utf8(message.bytes).unwrap();
                assert!(text.contains("|ZZTEST-"));
                if dialect == Dialect::Legacy {
                    assert!(text.is_ascii(), "MSH-18 is empty, so the text is ASCII");
                }
            }
        }
    }

    #[test]
    fn rides_say_how_and_where_to_in_every_dialect() {
        for dialect in Dialect::ALL {
            let rides: Vec<String> = take(8, profile(dialect, None), 2000)
                .into_iter()
                .filter(|message| message.kind == OrderRide)
                .map(|message| String::from_utf8(message.bytes).unwrap())
                .collect();
            assert!(rides.len() > 100);
            for ride in rides {
                let mode = match dialect {
                    Dialect::Legacy => {
                        let sits = ride.contains("|A2|") || ride.contains("|A2~B1|");
                        sits == ride.contains("|WCVAN^") && sits != (ride.contains("|BLS^") || ride.contains("|ALS^"))
                    }
                    Dialect::Modern => ride.contains("|WHLC|") || ride.contains("|CART|"),
                    Dialect::Questions => ride.contains("|TRMODE^Mode of transport^L|"),
                };
                assert!(mode, "{ride}");
                let end = if dialect == Dialect::Legacy { '\n' } else { '\r' };
                assert!(ride.ends_with(end) && ride.contains("ORC|NW|POT1"));
            }
        }
    }
}
