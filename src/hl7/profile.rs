//! Conformance: a message against the standard and against a profile (HL7 v2.5.1 chapter 2B, conformance).
//!
//! A profile (`config/profiles/*.toml`) says what one kind of feed must be like beyond the standard, and what is done
//! about each rule that a message breaks. [`validate`] is a function of the message and the profile: it says what it
//! found, where, how grave it is, and never what a field holds (INV-05). The work is linear in the size of the message; at most
//! [`limits::FINDINGS_MAX`] findings are kept.
//!
//! ```text
//! profile text -> Compiled      once, all faults told
//! message      -> order.rs      segments along their structure
//!              -> standard.rs   fields and values by the standard
//!              -> own.rs        what the profile itself asks
//! ```
//! Does not read batches, and does not decide what a sender is told: that is the flow's.

mod finding;
mod order;
mod own;
mod source;
mod standard;
mod value;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

pub use finding::{Class, Finding, Findings, Level, Place, Rule};
pub use source::ProfileFault;

use self::{
    finding::{Expected, Found},
    source::{Action, Compiled, Faults},
};
use super::{
    Message,
    dictionary::{Dictionary, Version},
};
use crate::units::limits;

/// A profile in one version.
#[derive(Debug)]
pub struct Profile {
    compiled: Compiled,
    /// Rules about the fields of each segment, as places in the list of all.
    by_segment: HashMap<[u8; 3], Vec<usize>>,
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.compiled.name
    }

    /// Its version.
    pub const fn version(&self) -> u32 {
        self.compiled.version
    }

    /// `name@version`.
    pub fn id(&self) -> String {
        format!("{}@{}", self.compiled.name, self.compiled.version)
    }

    /// What it is for.
    pub fn title(&self) -> &str {
        &self.compiled.title
    }

    /// Who answers for it.
    pub fn owner(&self) -> &str {
        &self.compiled.owner
    }
}

/// All profiles of a site.
#[derive(Debug)]
pub struct Profiles(BTreeMap<(String, u32), Arc<Profile>>);

impl Profiles {
    /// What comes with Gurney.
    ///
    /// # Errors
    /// If one of them cannot be read, which the tests rule out.
    pub fn builtin() -> Result<Self, Vec<ProfileFault>> {
        Self::with(&[])
    }

    /// What comes with Gurney and the site's own files, as `(file name, text)`. Profiles and their versions are never
    /// replaced: a change needs a new version.
    ///
    /// # Errors
    /// All faults of all files.
    pub fn with(sources: &[(&str, &str)]) -> Result<Self, Vec<ProfileFault>> {
        let mut faults = Vec::new();
        let mut profiles = BTreeMap::new();
        for (file, text) in BUILTIN.iter().chain(sources) {
            let Some((compiled, span)) = source::read(file, text, &mut faults) else { continue };
            let key = (compiled.name.clone(), compiled.version);
            let mut tell = |text: String| {
                Faults { file, text: text_of(sources, file), found: &mut faults }.add(span.clone(), text)
            };
            if profiles.contains_key(&key) {
                tell(format!("{}@{} is defined twice; a change needs a new version", key.0, key.1));
            } else if profiles.len() >= limits::PROFILES_MAX {
                tell(format!("there are more than {} profiles", limits::PROFILES_MAX));
            } else {
                profiles.insert(key, Arc::new(of(compiled)));
            }
        }
        if faults.is_empty() { Ok(Self(profiles)) } else { Err(faults) }
    }

    /// The profile with this name and version.
    pub fn get(&self, name: &str, version: u32) -> Option<&Arc<Profile>> {
        self.0.get(&(name.to_owned(), version))
    }

    /// The profile called `name@version`.
    pub fn named(&self, id: &str) -> Option<&Arc<Profile>> {
        let (name, version) = id.rsplit_once('@')?;
        self.get(name, version.parse().ok()?)
    }

    /// All profiles, by name and version.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.0.values()
    }
}

/// The profiles that come with Gurney.
const BUILTIN: &[(&str, &str)] = &[
    ("profiles/lenient@1.toml", include_str!("../../config/profiles/lenient@1.toml")),
    ("profiles/transport-minimum@1.toml", include_str!("../../config/profiles/transport-minimum@1.toml")),
    ("profiles/adt-feed@1.toml", include_str!("../../config/profiles/adt-feed@1.toml")),
    ("profiles/orders@1.toml", include_str!("../../config/profiles/orders@1.toml")),
];

fn text_of<'t>(sources: &[(&str, &'t str)], file: &str) -> &'t str {
    let found = BUILTIN.iter().chain(sources).find(|(name, _)| *name == file);
    found.map_or("", |(_, text)| *text)
}

fn of(compiled: Compiled) -> Profile {
    let mut by_segment: HashMap<[u8; 3], Vec<usize>> = HashMap::new();
    for (place, rule) in compiled.fields.iter().enumerate() {
        by_segment.entry(rule.segment).or_default().push(place);
    }
    Profile { compiled, by_segment }
}

/// Judges `message` by the standard in its own version, or in the profile's, and by `profile`.
pub fn validate(message: &Message<'_>, profile: &Profile) -> Findings {
    let compiled = &profile.compiled;
    let written = message.version();
    let version = compiled.base.unwrap_or_else(|| Version::near(written));
    let mut judge = Judge {
        message: *message,
        profile,
        dictionary: Dictionary::standard(),
        version,
        findings: Findings::default(),
    };
    judge.version(written);
    let segments = judge.order();
    let kind = message.message_type();
    let is_ours = compiled.on.fits(kind.code, kind.trigger);
    for (segment, place) in message.segments().zip(&segments) {
        judge.standard(&segment, *place);
        if is_ours {
            judge.own(&segment, *place);
        }
    }
    if is_ours {
        judge.own_segments(&segments);
    }
    judge.findings
}

/// What is known while one message is judged.
struct Judge<'a, 'p> {
    message: Message<'a>,
    profile: &'p Profile,
    dictionary: &'static Dictionary,
    version: Version,
    findings: Findings,
}

impl Judge<'_, '_> {
    /// What is done about a broken rule of the standard.
    fn action(&self, rule: Rule) -> Action {
        self.profile.compiled.policy.get(rule as usize).copied().unwrap_or(Action::Ignore)
    }

    /// Tells a broken rule of the standard.
    fn tell(&mut self, rule: Rule, place: Place, expected: Expected, found: Found) {
        self.tell_as(self.action(rule), rule, place, expected, found);
    }

    fn tell_as(&mut self, action: Action, rule: Rule, place: Place, expected: Expected, found: Found) {
        if let Action::Tell(level) = action {
            self.findings.add(Finding { level, rule, place, expected, found });
        }
    }

    /// The offset of `bytes`, a part of the message; that of `place` where they are empty.
    fn at(&self, bytes: &[u8], place: Place) -> Place {
        if bytes.is_empty() {
            return place;
        }
        let offset = bytes.as_ptr().addr().saturating_sub(self.message.raw().as_ptr().addr());
        Place { offset: offset.min(self.message.raw().len()), ..place }
    }

    /// MSH-12.
    fn version(&mut self, written: &[u8]) {
        let header = self.message.segment_at(0).map_or(0, |segment| segment.start());
        let place = Place { segment: *b"MSH", occurrence: 1, field: 12, line: 1, offset: header, ..Place::default() };
        let place = self.at(written, place);
        match (self.profile.compiled.base, Version::read(written)) {
            (None, None) => self.tell(Rule::VersionUnknown, place, Expected::Version, Found::text(written)),
            (Some(base), other) if other != Some(base) => {
                let expected = Expected::OwnVersion(base.as_str());
                self.tell(Rule::VersionOther, place, expected, Found::text(written));
            }
            _ => {}
        }
    }
}

/// A number as it is kept in places.
fn small(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
