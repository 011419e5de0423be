//! Keys of flows, which messages go where and who answers for it: `[flow.NAME]`.

use std::time::Duration;

use super::{LABEL, PROSE};
use crate::{
    settings::{
        Mapping, OnRefusal, Pattern, Priority, TypePattern,
        fields::{Absent, Key, Section},
        form::{Choice, List, Spelled, Time, Word},
        words,
    },
    units::limits,
};

pub(in crate::settings) static USE_CASE: Key<Spelled<String>> = Key {
    name: "use_case",
    form: LABEL,
    absent: Absent::Nothing,
    example: "\"discharge-to-ride\"",
    doc: "Name of the documented use case that it serves; owner, messages and target must agree with it.",
};
pub(in crate::settings) static FROM: Key<Spelled<String>> = Key {
    name: "from",
    form: LABEL,
    absent: Absent::Fault("a flow takes messages from one source"),
    example: "\"ehr\"",
    doc: "Name of the source.",
};
pub(in crate::settings) static ON: Key<List<Spelled<TypePattern>>> = Key {
    name: "on",
    form: List {
        item: Spelled {
            wanted: "a message type",
            parse: words::type_pattern,
            pattern: Some("^(\\*|[A-Z0-9]{3}\\^(\\*|[A-Z0-9]{3})|LIS02(\\^[A-Z*])?|TEXT)$"),
        },
        count: 1..=limits::PATTERNS_MAX,
    },
    absent: Absent::Fault("a flow says which messages it takes; [\"*\"] is all"),
    example: "[\"ADT^A03\", \"ORM^*\"]",
    doc: "Message types it takes: ADT^A03 is one event, ADT^* all of a message, LIS02^R results of an instrument, TEXT lines, * everything.",
};
pub(in crate::settings) static TO: Key<Spelled<String>> = Key {
    name: "to",
    form: LABEL,
    absent: Absent::Fault("a flow sends to one destination"),
    example: "\"platform\"",
    doc: "Name of the destination.",
};
pub(in crate::settings) static MAPPING: Key<Spelled<Mapping>> = Key {
    name: "mapping",
    form: Spelled {
        wanted: "a mapping",
        parse: words::mapping,
        pattern: Some("^(raw|[a-z0-9-]{1,40}@[1-9][0-9]{0,9})$"),
    },
    absent: Absent::Fault("a flow says what is sent; \"raw\" is the message byte by byte"),
    example: "\"transport@1\"",
    doc: "What is sent: raw is the message byte by byte, NAME@VERSION what that map makes of it; oru@1 makes HL7 of LIS02.",
};
pub(in crate::settings) static PATTERN: Key<Choice<Pattern>> = Key {
    name: "pattern",
    form: Choice(&[("event", Word::Means(Pattern::Event)), ("request-response", Word::Later), ("batch", Word::Later)]),
    absent: Absent::Fault(
        "a documented use case says how it works: message by message, in batches, or asking and answering",
    ),
    example: "\"event\"",
    doc: "How it works: event is one message at a time, as it comes.",
};
pub(in crate::settings) static PRIORITY: Key<Choice<Priority>> = Key {
    name: "priority",
    form: Choice(&[
        ("stat", Word::Means(Priority::Stat)),
        ("urgent", Word::Means(Priority::Urgent)),
        ("routine", Word::Means(Priority::Routine)),
    ]),
    absent: Absent::Default("\"routine\""),
    example: "\"urgent\"",
    doc: "Lane in the destination's queue: stat before urgent before routine.",
};
pub(in crate::settings) static ON_REFUSAL: Key<Choice<OnRefusal>> = Key {
    name: "on_refusal",
    form: Choice(&[("skip", Word::Means(OnRefusal::Skip)), ("stop", Word::Means(OnRefusal::Stop))]),
    absent: Absent::Default("\"skip\""),
    example: "\"skip\"",
    doc: "When the destination refuses a message for good: skip makes it a dead letter, stop halts what is behind it.",
};
pub(in crate::settings) static TARGET: Key<Time> = Key {
    name: "target",
    form: Time(Duration::from_millis(1)..=Duration::from_secs(7 * 24 * 3600)),
    absent: Absent::Fault("without an agreed time nobody can say that a delivery is late"),
    example: "\"5 s\"",
    doc: "Agreed time from the last byte received to the destination's confirmation.",
};
pub(in crate::settings) static OWNER: Key<Spelled<String>> = Key {
    name: "owner",
    form: PROSE,
    absent: Absent::Fault("a flow that nobody answers for is not put to work"),
    example: "\"Care coordination\"",
    doc: "Who answers for it.",
};
pub(in crate::settings) static DEPARTMENT: Key<Spelled<String>> = Key {
    name: "department",
    form: PROSE,
    absent: Absent::Nothing,
    example: "\"Nursing\"",
    doc: "The owner's department; where absent, the owner.",
};
pub(in crate::settings) static ESCALATE: Key<List<Spelled<String>>> = Key {
    name: "escalate",
    form: List { item: PROSE, count: 1..=limits::CONTACTS_MAX },
    absent: Absent::Fault("somebody is called when messages stop"),
    example: "[\"integration-desk\"]",
    doc: "Whom to call when it stalls, in this order.",
};
pub(in crate::settings) static FLOW: Section = Section {
    kind: "flow",
    doc: "A documented use case: which messages go where, as what, and who answers for it.",
    keys: &[
        &USE_CASE,
        &FROM,
        &ON,
        &TO,
        &MAPPING,
        &PATTERN,
        &PRIORITY,
        &ON_REFUSAL,
        &TARGET,
        &OWNER,
        &DEPARTMENT,
        &ESCALATE,
    ],
    later: &["every"],
};
