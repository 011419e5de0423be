//! The machine of a unit (a vehicle and its crew), which is not the machine of a job.
//!
//! A unit is available, conditionally available or not available, and says by any number of further words what it is
//! doing; the words are a set and mean something together: `Arrived` with `Hospital` is not `Arrived`. What a set of
//! words says about the job that the unit is on is [`Status::means`]. Words that are not in the table are kept as they
//! came and mean nothing: nothing is guessed.
//!
//! The words are those of NENA-STA-021.1 (EIDO) `primaryUnitStatusRegistryText` and `secondaryUnitStatusRegistryText`.
//! [`Status::zetron`] reads the numbers of Zetron Model 26 station alerting.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Stamp, State};
use crate::ids::JobId;

/// Whether a unit can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Primary {
    /// It can.
    Available,
    /// It can for some calls.
    ConditionallyAvailable,
    /// It cannot.
    NotAvailable,
}

/// What a unit is doing, or where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// `AcknowledgedTransmission`
    AcknowledgedTransmission,
    /// `Arrived`
    Arrived,
    /// `Assigned`
    Assigned,
    /// `AssignmentCancelled`
    AssignmentCancelled,
    /// `Cleared`
    Cleared,
    /// `Delayed`
    Delayed,
    /// `Departed`
    Departed,
    /// `Dispatched`
    Dispatched,
    /// `EnRoute`
    EnRoute,
    /// `EquipmentIssues`
    EquipmentIssues,
    /// `Hospital`
    Hospital,
    /// `InService`
    InService,
    /// `OnScene`
    OnScene,
    /// `OutofService`
    OutOfService,
    /// `PatientContact`
    PatientContact,
    /// `Post`
    Post,
    /// `Staging`
    Staging,
    /// `Station`
    Station,
    /// `Transporting`
    Transporting,
    /// `Unmanned`
    Unmanned,
    /// A word that has no meaning here.
    Other(String),
}

const WORDS: [(&str, Word); 20] = [
    ("AcknowledgedTransmission", Word::AcknowledgedTransmission),
    ("Arrived", Word::Arrived),
    ("Assigned", Word::Assigned),
    ("AssignmentCancelled", Word::AssignmentCancelled),
    ("Cleared", Word::Cleared),
    ("Delayed", Word::Delayed),
    ("Departed", Word::Departed),
    ("Dispatched", Word::Dispatched),
    ("EnRoute", Word::EnRoute),
    ("EquipmentIssues", Word::EquipmentIssues),
    ("Hospital", Word::Hospital),
    ("InService", Word::InService),
    ("OnScene", Word::OnScene),
    ("OutofService", Word::OutOfService),
    ("PatientContact", Word::PatientContact),
    ("Post", Word::Post),
    ("Staging", Word::Staging),
    ("Station", Word::Station),
    ("Transporting", Word::Transporting),
    ("Unmanned", Word::Unmanned),
];

impl Word {
    /// The word as EIDO writes it.
    pub fn as_str(&self) -> &str {
        if let Self::Other(text) = self {
            return text;
        }
        WORDS.iter().find(|(_, word)| word == self).map_or("", |(name, _)| name)
    }

    /// The word that EIDO writes so.
    pub fn named(name: &str) -> Self {
        let known = WORDS.iter().find(|(text, _)| *text == name);
        known.map_or_else(|| Self::Other(name.to_owned()), |(_, word)| word.clone())
    }
}

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self::named(&name)).map_err(de::Error::custom)
    }
}

/// What a unit says of itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Status {
    /// Whether it can be sent.
    pub primary: Primary,
    /// What it is doing and where, all words together.
    pub secondary: BTreeSet<Word>,
}

/// What a unit's status means for the job that the unit is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Means {
    /// The unit has brought the job so far.
    Reached(State),
    /// The unit is off the job.
    Released,
    /// Nothing that changes the job.
    Nothing,
}

impl Status {
    /// A status of these words.
    pub fn new(primary: Primary, words: impl IntoIterator<Item = Word>) -> Self {
        Self { primary, secondary: words.into_iter().collect() }
    }

    /// What the words mean together. Where they can be read in two ways, the reading that claims less holds:
    /// `EnRoute` with `Hospital` may be the way to a pickup at a hospital, so nobody is on board yet.
    pub fn means(&self) -> Means {
        use Word as W;
        let says = |word: W| self.secondary.contains(&word);
        if says(W::AssignmentCancelled) {
            return Means::Released;
        }
        if says(W::Cleared) && says(W::Hospital) && self.primary != Primary::Available {
            return Means::Reached(State::HandedOver);
        }
        if says(W::Cleared) || (says(W::InService) && self.primary == Primary::Available) {
            return Means::Reached(State::Completed);
        }
        let reached = [
            (says(W::Transporting), State::OnBoard),
            (says(W::Arrived) && says(W::Hospital), State::AtDestination),
            (says(W::PatientContact), State::PatientContact),
            (says(W::Arrived) || says(W::OnScene), State::OnScene),
            (says(W::EnRoute), State::EnRoute),
            (says(W::Assigned) || says(W::Dispatched) || says(W::AcknowledgedTransmission), State::Assigned),
        ];
        let first = reached.into_iter().find(|(said, _)| *said);
        first.map_or(Means::Nothing, |(_, state)| Means::Reached(state))
    }

    /// The words that have no meaning here: to be counted and shown.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.secondary.iter().filter(|word| matches!(word, Word::Other(_))).map(Word::as_str)
    }

    /// What the number of a Zetron Model 26 means: 0 available in quarters, 1 available, 2 responding, 3 on scene,
    /// 4 transporting, 5 at a facility, 6 conditionally out of service, 7 out of service.
    pub fn zetron(number: u8) -> Option<Self> {
        use Word as W;
        Some(match number {
            0 => Self::new(Primary::Available, [W::InService, W::Station]),
            1 => Self::new(Primary::Available, [W::InService]),
            2 => Self::new(Primary::NotAvailable, [W::EnRoute]),
            3 => Self::new(Primary::NotAvailable, [W::OnScene]),
            4 => Self::new(Primary::NotAvailable, [W::Transporting]),
            5 => Self::new(Primary::NotAvailable, [W::Arrived, W::Hospital]),
            6 => Self::new(Primary::ConditionallyAvailable, [W::OutOfService]),
            7 => Self::new(Primary::NotAvailable, [W::OutOfService]),
            _ => return None,
        })
    }
}

/// A status with its times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Said {
    /// When it was said and heard.
    pub at: Stamp,
    /// What was said.
    pub status: Status,
}

/// What is known of a unit, whatever jobs it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its name at its source.
    pub name: String,
    /// What it said last, by the time it happened.
    pub said: Option<Said>,
    /// The job that it is on.
    pub job: Option<JobId>,
}

/// Whether something said changes what is known of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It does.
    News,
    /// It was said before.
    Duplicate,
    /// Something newer is known.
    Older,
}

impl Unit {
    /// A unit of which nothing is known.
    pub const fn new(name: String) -> Self {
        Self { name, said: None, job: None }
    }

    /// Whether it can be sent; None if it never said so.
    pub fn primary(&self) -> Option<Primary> {
        self.said.as_ref().map(|said| said.status.primary)
    }

    /// Hears what the unit says: what happened last holds, whatever came last. A unit that is available again has no
    /// job any more.
    pub fn hear(&mut self, said: Said, job: Option<JobId>) -> Heard {
        let key = |said: &Said| (said.at.occurred_at, said.status.clone());
        match &self.said {
            Some(known) if key(known) == key(&said) => return Heard::Duplicate,
            Some(known) if key(known) > key(&said) => return Heard::Older,
            _ => {}
        }
        let is_off = said.status.primary == Primary::Available || said.status.means() == Means::Released;
        self.job = if is_off { None } else { job.or(self.job) };
        self.said = Some(said);
        Heard::News
    }
}
