//! The format of the configuration: every table and key, each declared once.
//!
//! Version 1 of the format. Kinds and keys that the format has but this version cannot do are listed too, so that
//! they are not taken for mistakes in spelling.

use std::{net::SocketAddr, path::PathBuf};

use super::{
    ServerTls,
    fields::{Absent, Fields, Key, Section},
    form::{Inline, Spelled},
    words,
};
use crate::settings::{SecretRef, complaint::Complaints};

pub(super) mod answering;
pub(super) mod appliance;
pub(super) mod destination;
pub(super) mod dialed;
pub(super) mod flow;
pub(super) mod framing;
pub(super) mod inbound;
pub(super) mod link;
pub(super) mod serial;
pub(super) mod target;
pub(super) mod use_case;

/// The version of the format.
pub(super) const VERSION: i64 = 1;

/// Tables that stand once: `[store]`.
pub(super) static SINGLE: [&Section; 4] =
    [&appliance::GURNEY, &appliance::STORE, &appliance::METRICS, &appliance::CONSOLE];

/// Tables that stand once per name: `[mllp.ehr]`.
pub(super) static NAMED: [&Section; 7] = [
    &link::MLLP,
    &link::SERIAL,
    &inbound::FOLDER,
    &inbound::HTTP_IN,
    &destination::HTTP,
    &destination::FHIR,
    &flow::FLOW,
];

/// Destinations of kinds that sources have too, with the names of their forms in the schema: a table is read as one
/// of these where a flow sends to it.
pub(super) static TARGETS: [(&str, &Section); 3] = [
    ("mllp-connect", &target::MLLP_CONNECT),
    ("mllp-deliver", &target::MLLP_DELIVER),
    ("folder-deliver", &target::FOLDER),
];

/// Sources that share their kind with another one, with the names of their forms in the schema: a table is read as one of
/// these where a flow takes messages from it.
pub(super) static SOURCES: [(&str, &Section); 1] = [("mllp-fetch", &dialed::MLLP_CLIENT)];

/// Whether a section is one of [`TARGETS`].
pub(super) fn is_target(section: &Section) -> bool {
    TARGETS.iter().any(|(_, target)| std::ptr::eq(*target, section))
}

/// Kinds of the format that this version cannot do.
pub(super) const LATER: [&str; 10] =
    ["cad", "json", "uplink", "contact", "identity", "consent", "cluster", "backup", "pair", "profile"];

const LABEL: Spelled<String> = Spelled { wanted: "a name", parse: words::label, pattern: Some("^[a-z0-9-]{1,40}$") };
const PROSE: Spelled<String> = Spelled { wanted: "text", parse: words::prose, pattern: None };
const PATH: Spelled<PathBuf> = Spelled { wanted: "a path", parse: words::path, pattern: None };
const ZONE: Spelled<String> = Spelled { wanted: "a time zone", parse: words::zone, pattern: None };
const LISTENER: Spelled<SocketAddr> = Spelled {
    wanted: "an IP address and port",
    parse: words::listener,
    pattern: Some("^(\\[[0-9A-Fa-f:.]+\\]|[0-9.]+):[0-9]{1,5}$"),
};
const SECRET: Spelled<SecretRef> =
    Spelled { wanted: "a path or the name of a systemd credential", parse: words::secret_ref, pattern: None };

/// An accepted risk: plain text on the network.
#[derive(Clone, Debug)]
pub(super) struct Plaintext {
    /// Last day on which it is accepted.
    pub(super) until: jiff::civil::Date,
}

static ACCEPTED_BY: Key<Spelled<String>> = Key {
    name: "accepted_by",
    form: PROSE,
    absent: Absent::Fault("a named person answers for patient data on the network in plain text"),
    example: "\"Information security, A. Sample\"",
    doc: "Who accepted that patient data crosses the network unencrypted.",
};
static UNTIL: Key<Spelled<jiff::civil::Date>> = Key {
    name: "until",
    form: Spelled { wanted: "a day", parse: words::day, pattern: Some("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") },
    absent: Absent::Fault("an accepted risk ends on a stated day"),
    example: "\"2027-06-30\"",
    doc: "Last day, in UTC, on which that is accepted; afterwards `check` fails.",
};
static PLAINTEXT_SECTION: Section = Section {
    kind: "plaintext",
    doc: "An accepted risk: patient data crosses the network unencrypted.",
    keys: &[&ACCEPTED_BY, &UNTIL],
    later: &[],
};
const PLAINTEXT_FORM: Inline<Plaintext> = Inline { section: &PLAINTEXT_SECTION, build: build_plaintext };

fn build_plaintext(fields: &Fields<'_>, found: &mut Complaints) -> Option<Plaintext> {
    let (accepted_by, until) = (fields.read(&ACCEPTED_BY, found), fields.read(&UNTIL, found));
    accepted_by?;
    Some(Plaintext { until: until? })
}

pub(super) static PLAINTEXT: Key<Inline<Plaintext>> = Key {
    name: "plaintext",
    form: PLAINTEXT_FORM,
    absent: Absent::Nothing,
    example: "{ accepted_by = \"Information security, A. Sample\", until = \"2027-06-30\" }",
    doc: "Accepts that patient data crosses the network unencrypted; needed for plain MLLP and HTTP beyond loopback.",
};

static CERTIFICATE: Key<Spelled<SecretRef>> = Key {
    name: "certificate",
    form: SECRET,
    absent: Absent::Fault("a TLS listener shows a certificate"),
    example: "\"mllp\"",
    doc: "Certificate chain in PEM: a path when it has a `/`, else the name of a systemd credential.",
};
static PRIVATE_KEY: Key<Spelled<SecretRef>> = Key {
    name: "key",
    form: SECRET,
    absent: Absent::Nothing,
    example: "\"mllp-key\"",
    doc: "Private key in PEM, as path or credential; where absent, it stands in the certificate's file.",
};
static CLIENT_CA: Key<Spelled<SecretRef>> = Key {
    name: "client_ca",
    form: SECRET,
    absent: Absent::Nothing,
    example: "\"hospital-ca\"",
    doc: "Authorities whose clients are let in, in PEM; where absent, clients need no certificate.",
};
static SERVER_TLS_SECTION: Section =
    Section { kind: "tls", doc: "TLS of a listener.", keys: &[&CERTIFICATE, &PRIVATE_KEY, &CLIENT_CA], later: &[] };

fn build_server_tls(fields: &Fields<'_>, found: &mut Complaints) -> Option<ServerTls> {
    let certificate = fields.read(&CERTIFICATE, found);
    let (key, client_ca) = (fields.read(&PRIVATE_KEY, found), fields.read(&CLIENT_CA, found));
    Some(ServerTls { certificate: certificate?, key, client_ca })
}

pub(super) static SERVER_TLS: Key<Inline<ServerTls>> = Key {
    name: "tls",
    form: Inline { section: &SERVER_TLS_SECTION, build: build_server_tls },
    absent: Absent::Nothing,
    example: "{ certificate = \"mllp\", key = \"mllp-key\", client_ca = \"hospital-ca\" }",
    doc: "TLS 1.2 or 1.3 for this listener; where absent, plain text.",
};
