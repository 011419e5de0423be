//! Keys of documented use cases, `[use_case.NAME]`, which stand in files of their own.

use std::{path::PathBuf, time::Duration};

use super::{LABEL, PATH, PROSE};
use crate::{
    settings::{
        CatalogueId, Measure, TypePattern,
        complaint::Complaints,
        fields::{Absent, Fields, Key, Section},
        form::{Inline, List, Spelled, Time},
        words,
    },
    units::limits,
};

pub(in crate::settings) static TITLE: Key<Spelled<String>> = Key {
    name: "title",
    form: PROSE,
    absent: Absent::Fault("people find a use case by what it is about"),
    example: "\"From a discharge plan or an order to one ride\"",
    doc: "What it is about, in one line.",
};
pub(in crate::settings) static WITHIN: Key<Spelled<String>> = Key {
    name: "within",
    form: LABEL,
    absent: Absent::Nothing,
    example: "\"discharge-to-ride\"",
    doc: "The use case that it is a part of: the flows of that one serve it too.",
};
pub(in crate::settings) static COVERS: Key<List<Spelled<CatalogueId>>> = Key {
    name: "covers",
    form: List {
        item: Spelled {
            wanted: "an entry of the acceptance catalogue",
            parse: words::catalogue_id,
            pattern: Some("^UC-[0-9]{2}$"),
        },
        count: 1..=limits::USE_CASE_LINES_MAX,
    },
    absent: Absent::Fault("a use case that no entry of the catalogue tries is not accepted"),
    example: "[\"UC-01\", \"UC-04\"]",
    doc: "Entries of the acceptance catalogue that it covers.",
};
pub(in crate::settings) static TRIGGER: Key<List<Spelled<TypePattern>>> = Key {
    name: "trigger",
    form: List {
        item: Spelled { wanted: "a message type", parse: words::type_pattern, pattern: None },
        count: 1..=limits::PATTERNS_MAX,
    },
    absent: Absent::Fault("something starts it; a flow that serves it must take those messages"),
    example: "[\"ADT^A16\", \"ORM^O01\"]",
    doc: "Messages that start it or bear on it.",
};
pub(in crate::settings) static DATA: Key<List<Spelled<String>>> = Key {
    name: "data",
    form: LINES,
    absent: Absent::Fault("what must be known is agreed with the senders before go-live"),
    example: "[\"mobility: OBR-30, PV1-15 or an answer\"]",
    doc: "What its messages must say.",
};
pub(in crate::settings) static OUTCOME: Key<List<Spelled<String>>> = Key {
    name: "outcome",
    form: LINES,
    absent: Absent::Fault("nobody can accept what has no stated outcome"),
    example: "[\"one job with pickup, destination, mobility and window\"]",
    doc: "What must come of it.",
};
pub(in crate::settings) static MEASURE: Key<List<Inline<Measure>>> = Key {
    name: "measure",
    form: List {
        item: Inline { section: &MEASURE_SECTION, build: build_measure },
        count: 1..=limits::USE_CASE_LINES_MAX,
    },
    absent: Absent::Fault("benefit and harm are told apart by figures"),
    example: "[{ what = \"jobs for one ride\", goal = \"exactly 1\" }]",
    doc: "Figures, and what they must be.",
};
pub(in crate::settings) static OWNER: Key<Spelled<String>> = Key {
    name: "owner",
    form: PROSE,
    absent: Absent::Fault("a use case that nobody answers for is not put to work"),
    example: "\"Care coordination\"",
    doc: "Who answers for it; the same as the owner of the flows that name it.",
};
pub(in crate::settings) static TARGET: Key<Time> = Key {
    name: "target",
    form: Time(Duration::from_millis(1)..=Duration::from_secs(7 * 24 * 3600)),
    absent: Absent::Fault("without an agreed time nobody can say that it is late"),
    example: "\"2 min\"",
    doc: "Longest time from the last byte received to the destination's confirmation; no flow that names it may take longer.",
};
pub(in crate::settings) static SAFETY: Key<List<Spelled<String>>> = Key {
    name: "safety",
    form: LINES,
    absent: Absent::Fault("what could harm a patient is written down, with what keeps it from happening"),
    example: "[\"a ride for a patient who left: a discharge alone never requests one\"]",
    doc: "What could harm a patient, and what keeps it from happening.",
};
pub(in crate::settings) static FIXTURES: Key<Spelled<PathBuf>> = Key {
    name: "fixtures",
    form: PATH,
    absent: Absent::Fault("a use case is tried before it is put to work"),
    example: "\"tests/cases\"",
    doc: "Folder with a folder of fixtures for each entry that it covers.",
};
pub(in crate::settings) static USE_CASE: Section = Section {
    kind: "use_case",
    doc: "A documented use case.",
    keys: &[&TITLE, &WITHIN, &COVERS, &TRIGGER, &DATA, &OUTCOME, &MEASURE, &OWNER, &TARGET, &SAFETY, &FIXTURES],
    later: &[],
};

const LINES: List<Spelled<String>> = List { item: PROSE, count: 1..=limits::USE_CASE_LINES_MAX };

static WHAT: Key<Spelled<String>> = Key {
    name: "what",
    form: PROSE,
    absent: Absent::Fault("a figure is a figure of something"),
    example: "\"jobs for one ride\"",
    doc: "What is counted or timed.",
};
static GOAL: Key<Spelled<String>> = Key {
    name: "goal",
    form: PROSE,
    absent: Absent::Fault("a figure without a goal is never missed"),
    example: "\"exactly 1\"",
    doc: "What it must be.",
};
static MEASURE_SECTION: Section =
    Section { kind: "measure", doc: "A figure and what it must be.", keys: &[&WHAT, &GOAL], later: &[] };

fn build_measure(fields: &Fields<'_>, found: &mut Complaints) -> Option<Measure> {
    let (what, goal) = (fields.read(&WHAT, found), fields.read(&GOAL, found));
    Some(Measure { what: what?, goal: goal? })
}
