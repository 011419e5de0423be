//! Keys of what a link takes and how it answers, the same in `[mllp.NAME]` and `[serial.NAME]`.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::LABEL;
use crate::{
    settings::{
        AckAfter, Sequence, Unrouted,
        complaint::Complaints,
        fields::{Absent, Fields, Key, Section},
        form::{Cell, Choice, Form, Inline, List, Spelled, Time, Word},
        words,
    },
    units::limits,
};

pub(in crate::settings) static VERSIONS: Key<List<Spelled<String>>> = Key {
    name: "versions",
    form: List {
        item: Spelled {
            wanted: "a version of HL7",
            parse: words::hl7_version,
            pattern: Some("^2(\\.[0-9]{1,3}){1,2}$"),
        },
        count: 0..=limits::ADMITTED_MAX,
    },
    absent: Absent::Default("[]"),
    example: "[\"2.3\", \"2.5.1\"]",
    doc: "Versions (MSH-12) that are taken, others are rejected with 203; empty means all.",
};
pub(in crate::settings) static PROCESSING: Key<List<Spelled<String>>> = Key {
    name: "processing",
    form: List {
        item: Spelled { wanted: "a processing id", parse: words::processing_id, pattern: Some("^[A-Z]$") },
        count: 0..=limits::ADMITTED_MAX,
    },
    absent: Absent::Default("[]"),
    example: "[\"P\"]",
    doc: "Processing ids (MSH-11: P production, T training, D debugging) that are taken, others are rejected with 202; empty means all.",
};
pub(in crate::settings) static UNROUTED: Key<Choice<Unrouted>> = Key {
    name: "unrouted",
    form: Choice(&[("accept", Word::Means(Unrouted::Accept)), ("reject", Word::Means(Unrouted::Reject))]),
    absent: Absent::Default("\"accept\""),
    example: "\"reject\"",
    doc: "Messages that no flow takes: accept stores and counts them, reject answers AR (CR) with 200 or 201.",
};

/// What `application_ack` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::settings) enum Target {
    SameConnection,
    Never,
    To(String),
}

/// A word, or a table that names a destination.
pub(in crate::settings) struct TargetForm(Choice<Whither>);

const TARGET_WORDS: Choice<Whither> =
    Choice(&[("same-connection", Word::Means(Whither::SameConnection)), ("never", Word::Means(Whither::Never))]);

#[derive(Clone, Copy)]
pub(in crate::settings) enum Whither {
    SameConnection,
    Never,
}

static TO: Key<Spelled<String>> = Key {
    name: "to",
    form: LABEL,
    absent: Absent::Fault("the acknowledgement goes to a destination"),
    example: "\"platform\"",
    doc: "Name of the destination.",
};
static TARGET_SECTION: Section = Section {
    kind: "application_ack",
    doc: "A destination for application acknowledgements.",
    keys: &[&TO],
    later: &[],
};

fn build_target(fields: &Fields<'_>, found: &mut Complaints) -> Option<Target> {
    fields.read(&TO, found).map(Target::To)
}

const TARGET_TABLE: Inline<Target> = Inline { section: &TARGET_SECTION, build: build_target };

impl Form for TargetForm {
    type Out = Target;

    fn read(&self, cell: Cell<'_>, found: &mut Complaints) -> Option<Target> {
        if cell.value.get_ref().as_table().is_some() {
            return TARGET_TABLE.read(cell, found);
        }
        self.0.read(cell, found).map(|word| match word {
            Whither::SameConnection => Target::SameConnection,
            Whither::Never => Target::Never,
        })
    }

    fn schema(&self) -> Json {
        json!({"anyOf": [self.0.schema(), TARGET_TABLE.schema()]})
    }
}

pub(in crate::settings) static APPLICATION_ACK: Key<TargetForm> = Key {
    name: "application_ack",
    form: TargetForm(TARGET_WORDS),
    absent: Absent::Default("\"same-connection\""),
    example: "{ to = \"platform\" }",
    doc: "Where AA, AE, AR go when MSH-16 asks: same-connection, never, or { to = DESTINATION } as a stored delivery.",
};
/// As [`APPLICATION_ACK`], for sources without a connection on which a later exchange could begin.
pub(in crate::settings) static APPLICATION_ACK_APART: Key<TargetForm> = Key {
    name: "application_ack",
    form: TargetForm(Choice(&[("never", Word::Means(Whither::Never))])),
    absent: Absent::Default("\"never\""),
    example: "{ to = \"platform\" }",
    doc: "Where AA, AE, AR go when MSH-16 asks: never, or { to = DESTINATION } as a stored delivery.",
};
pub(in crate::settings) static ACK_AFTER: Key<Choice<AckAfter>> = Key {
    name: "ack_after",
    form: Choice(&[("stored", Word::Means(AckAfter::Stored)), ("delivered", Word::Means(AckAfter::Delivered))]),
    absent: Absent::Default("\"stored\""),
    example: "\"stored\"",
    doc: "AA waits for the durable commit, or for the end of every delivery (AE if one was refused); CA never waits for deliveries.",
};
pub(in crate::settings) static ACK_WAIT: Key<Time> = Key {
    name: "ack_wait",
    form: Time(Duration::from_millis(100)..=limits::ACK_WAIT_MAX),
    absent: Absent::Default("\"30 s\""),
    example: "\"30 s\"",
    doc: "Longest wait of `ack_after = \"delivered\"`; then no acknowledgement is sent and the sender repeats.",
};
pub(in crate::settings) static SEQUENCE: Key<Choice<Sequence>> = Key {
    name: "sequence",
    form: Choice(&[("off", Word::Means(Sequence::Off)), ("on", Word::Means(Sequence::On))]),
    absent: Absent::Default("\"off\""),
    example: "\"off\"",
    doc: "The sequence number protocol: MSH-13 is checked against the number expected, and answered in MSA-4.",
};
