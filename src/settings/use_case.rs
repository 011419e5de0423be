//! Use cases as files: what starts one, what it needs, what must come of it, how that is measured, and who answers.
//!
//! A file of version 1 has tables `[use_case.NAME]`; those that come with Gurney stand in `config/use-cases/`, and a
//! site's own of the same name takes the place of one of them. A flow names its use case, and [`super::read()`] ties
//! the two. Text goes in, use cases or faults with their places come out. Does not look whether fixtures exist.

use std::{fmt, path::PathBuf, time::Duration};

use super::{Faults, TypePattern, read, words::show_time};

/// A documented use case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseCase {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// The use case that it is a part of.
    pub within: Option<String>,
    /// The entries of the acceptance catalogue that it covers.
    pub covers: Vec<CatalogueId>,
    /// Messages that start it or bear on it.
    pub trigger: Vec<TypePattern>,
    /// What those must say.
    pub data: Vec<String>,
    /// What must come of it.
    pub outcome: Vec<String>,
    /// How that is measured.
    pub measure: Vec<Measure>,
    /// Who answers for it.
    pub owner: String,
    /// Longest time from the last byte received to the destination's confirmation.
    pub target: Duration,
    /// What could harm a patient, and what keeps it from happening.
    pub safety: Vec<String>,
    /// Folder with a folder of fixtures for each entry that it covers, below the sources of Gurney or of the site.
    pub fixtures: PathBuf,
}

/// A figure and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// What is counted or timed.
    pub what: String,
    /// What it must be.
    pub goal: String,
}

/// An entry of the acceptance catalogue, such as UC-07.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CatalogueId(pub u8);

impl fmt::Display for CatalogueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UC-{:02}", self.0)
    }
}

impl UseCase {
    /// The target as people write it.
    pub fn target_text(&self) -> String {
        show_time(self.target)
    }
}

/// The files of use cases that come with Gurney, each with its name.
pub const BUILTIN_USE_CASES: &[(&str, &str)] = &[
    ("use-cases/cancel-while-en-route.toml", include_str!("../../config/use-cases/cancel-while-en-route.toml")),
    ("use-cases/consent-withdrawn.toml", include_str!("../../config/use-cases/consent-withdrawn.toml")),
    ("use-cases/critical-care-transfer.toml", include_str!("../../config/use-cases/critical-care-transfer.toml")),
    (
        "use-cases/discharge-that-never-rides.toml",
        include_str!("../../config/use-cases/discharge-that-never-rides.toml"),
    ),
    ("use-cases/discharge-to-ride.toml", include_str!("../../config/use-cases/discharge-to-ride.toml")),
    ("use-cases/discharge-without-order.toml", include_str!("../../config/use-cases/discharge-without-order.toml")),
    ("use-cases/dme-hand-off.toml", include_str!("../../config/use-cases/dme-hand-off.toml")),
    ("use-cases/home-care-visit.toml", include_str!("../../config/use-cases/home-care-visit.toml")),
    (
        "use-cases/late-and-repeated-messages.toml",
        include_str!("../../config/use-cases/late-and-repeated-messages.toml"),
    ),
    ("use-cases/leave-of-absence.toml", include_str!("../../config/use-cases/leave-of-absence.toml")),
    ("use-cases/merge-during-a-ride.toml", include_str!("../../config/use-cases/merge-during-a-ride.toml")),
    ("use-cases/newborn-goes-home.toml", include_str!("../../config/use-cases/newborn-goes-home.toml")),
    ("use-cases/room-change.toml", include_str!("../../config/use-cases/room-change.toml")),
    ("use-cases/six-hour-downtime.toml", include_str!("../../config/use-cases/six-hour-downtime.toml")),
];

/// The use cases that come with Gurney, and those of `files`, which take the place of built-in ones of their name.
/// Gives them in the order of their names, or everything that is wrong.
pub fn use_cases(files: &[(String, String)]) -> Result<Vec<UseCase>, Faults> {
    let builtin: Vec<_> =
        BUILTIN_USE_CASES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let builtin = read::read_use_cases(&builtin, &[])?;
    let own = read::read_use_cases(files, &builtin)?;
    let replaced = |case: &UseCase| own.iter().any(|other| other.name == case.name);
    let mut all: Vec<_> = builtin.into_iter().filter(|case| !replaced(case)).collect();
    all.extend(own);
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}
