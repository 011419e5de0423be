//! Invented people and their stays. Names begin with `ZZTEST-`, streets are called Example, telephone numbers are from
//! the range that is kept free for fiction (555-01xx), and birth dates are made up.

use jiff::{Timestamp, civil::Date};

use crate::sim::random::SplitMix64;

/// An invented person.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// Medical record number.
    pub(super) mrn: String,
    /// Visit number.
    pub(super) visit: String,
    /// Account number.
    pub(super) account: String,
    pub(super) family: &'static str,
    pub(super) given: &'static str,
    pub(super) middle: &'static str,
    pub(super) birth: Date,
    pub(super) sex: &'static str,
    pub(super) house: u64,
    pub(super) street: &'static str,
    pub(super) phone: u64,
}

/// Where a patient lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bed {
    pub(super) ward: &'static str,
    pub(super) room: u64,
    pub(super) bed: &'static str,
}

/// How a patient can travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mobility {
    #[default]
    Walks,
    Wheelchair,
    Stretcher,
}

/// A stay in hospital and what it will need.
#[derive(Clone, Debug)]
pub(super) struct Stay {
    pub(super) bed: Bed,
    pub(super) prior: Bed,
    pub(super) mobility: Mobility,
    /// Litres per minute.
    pub(super) oxygen: Option<u64>,
    pub(super) isolation: bool,
    pub(super) weight_kg: u64,
    /// HL7 table 0112.
    pub(super) disposition: &'static str,
    /// Code and name of the facility the patient goes to; none is home.
    pub(super) facility: Option<(&'static str, &'static str)>,
    pub(super) admitted: Timestamp,
    /// When the patient is expected to leave.
    pub(super) leaves: Timestamp,
}

const FAMILIES: &[&str] = &[
    "ZZTEST-AMBER",
    "ZZTEST-BIRCH",
    "ZZTEST-CEDAR",
    "ZZTEST-DAHLIA",
    "ZZTEST-ELDER",
    "ZZTEST-FERN",
    "ZZTEST-GARNET",
    "ZZTEST-HAZEL",
    "ZZTEST-INDIGO",
    "ZZTEST-JUNIPER",
    "ZZTEST-KESTREL",
    "ZZTEST-LARCH",
    "ZZTEST-MAPLE",
    "ZZTEST-NETTLE",
    "ZZTEST-OPAL",
    "ZZTEST-ZOË",
];
const GIVEN: &[(&str, &str)] = &[
    ("Imaginary", "F"),
    ("Invented", "M"),
    ("Fictitious", "F"),
    ("Pretend", "M"),
    ("Sample", "F"),
    ("Example", "M"),
    ("Practice", "U"),
    ("Rehearsal", "F"),
];
const MIDDLE: &[&str] = &["A", "B", "C", "D", "E", ""];
const STREETS: &[&str] = &["Example Street", "Sample Road", "Specimen Lane", "Placeholder Avenue"];
const WARDS: &[&str] = &["3W", "4E", "5E", "ICU", "SURG"];
const BEDS: &[&str] = &["A", "B", "01", "02"];
const FACILITIES: &[(&str, &str)] = &[
    ("ZZHARBOR", "ZZ Harbor Example Nursing Home"),
    ("ZZMEADOW", "ZZ Meadow Example Rehabilitation"),
    ("ZZCLIFF", "ZZ Cliff Example Skilled Nursing"),
];

impl Person {
    /// Invents the person with number `number` on the link named `link`.
    pub(super) fn invent(random: &mut SplitMix64, link: &str, number: u64, ascii: bool) -> Self {
        let (given, sex) = random.pick(GIVEN);
        let families = FAMILIES.len() - usize::from(ascii);
        let family = random.pick(FAMILIES.get(..families).unwrap_or(FAMILIES));
        let days = i32::try_from(random.below(80 * 365)).unwrap_or(0);
        let birth = Date::constant(1935, 1, 1);
        Self {
            mrn: format!("ZZ{link}{number:07}"),
            visit: format!("V{link}{number:07}"),
            account: format!("AC{link}{number:07}"),
            family,
            given,
            middle: random.pick(MIDDLE),
            birth: birth.checked_add(jiff::Span::new().days(days)).unwrap_or(birth),
            sex,
            house: 1 + random.below(199),
            street: random.pick(STREETS),
            phone: random.below(100),
        }
    }
}

impl Bed {
    /// Chooses a bed.
    pub(super) fn choose(random: &mut SplitMix64) -> Self {
        Self { ward: random.pick(WARDS), room: 100 + random.below(40), bed: random.pick(BEDS) }
    }
}

impl Stay {
    /// Plans a stay that begins at `now`.
    pub(super) fn plan(random: &mut SplitMix64, now: Timestamp) -> Self {
        let bed = Bed::choose(random);
        let facility = random.chance(60).then(|| random.pick(FACILITIES));
        let hours = i64::try_from(2 + random.below(8)).unwrap_or(2);
        Self {
            bed,
            prior: bed,
            mobility: random.pick(&[Mobility::Walks, Mobility::Wheelchair, Mobility::Wheelchair, Mobility::Stretcher]),
            oxygen: random.chance(25).then(|| 1 + random.below(6)),
            isolation: random.chance(10),
            weight_kg: 45 + random.below(90),
            disposition: if facility.is_some() { "03" } else { "01" },
            facility,
            admitted: now,
            leaves: now.checked_add(jiff::SignedDuration::from_hours(hours)).unwrap_or(now),
        }
    }
}
