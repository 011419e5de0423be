//! Conformance: any message is judged by any profile, the same each time, within bounds, and nothing of it is told.

use std::sync::LazyLock;

use gurney::{
    hl7::{
        Index,
        profile::{Level, Profiles, validate},
    },
    units::limits,
};

use super::{Input, messages};

static PROFILES: LazyLock<Profiles> = LazyLock::new(|| Profiles::builtin().expect("profiles that can be read"));

pub(super) fn seeds() -> Vec<Vec<u8>> {
    (0..).zip(messages()).map(|(number, message)| [&[number], &*message].concat()).collect()
}

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let number = usize::from(input.byte());
    let raw = input.rest();
    let count = PROFILES.all().count();
    let profile = PROFILES.all().nth(number % count).expect("a place among them");
    let Ok(index) = Index::of(raw) else { return };
    let findings = validate(&index.message(raw), profile);
    assert!(findings == validate(&index.message(raw), profile), "judged otherwise the second time");
    assert!(findings.list().len() <= limits::FINDINGS_MAX);
    assert_eq!(findings.level().is_none(), findings.list().is_empty());
    let graver = |level: Level| findings.level().is_some_and(|worst| level <= worst);
    for finding in findings.list() {
        assert!(graver(finding.level) && findings.count(finding.level) > 0);
        assert!(finding.place.offset <= raw.len(), "a place outside the message");
        let line = finding.line();
        assert!(line.len() < 300 && line.chars().all(|one| !one.is_control()), "{line:?}");
        serde_json::to_string(finding).expect("a finding as JSON");
    }
}
