//! Keys of destinations, where messages go: `[http.NAME]`, `[fhir.NAME]`.

use std::time::Duration;

use super::{PLAINTEXT, SECRET};
use crate::{
    settings::{
        ClientTls, Retry, SecretRef,
        complaint::{Complaint, Complaints},
        fields::{Absent, Fields, Key, Section},
        form::{Inline, List, Spelled, Time, TimeOrNever, Whole},
        words::{self, Endpoint, show_time},
    },
    units::limits,
};

const ENDPOINT: Spelled<Endpoint> =
    Spelled { wanted: "a URL", parse: words::endpoint, pattern: Some("^[Hh][Tt][Tt][Pp][Ss]?://[^@?#\\s]+$") };

pub(in crate::settings) static HTTP_URL: Key<Spelled<Endpoint>> = Key {
    name: "url",
    form: ENDPOINT,
    absent: Absent::Fault("messages are sent to this address"),
    example: "\"https://platform.example/inbound\"",
    doc: "Address to POST to.",
};
pub(in crate::settings) static FHIR_URL: Key<Spelled<Endpoint>> = Key {
    name: "url",
    form: ENDPOINT,
    absent: Absent::Fault("bundles are sent to this address"),
    example: "\"https://fhir.platform.example/r4\"",
    doc: "Base of the FHIR R4 server; transaction Bundles are POSTed to it.",
};
pub(in crate::settings) static FAILOVER: Key<List<Spelled<Endpoint>>> = Key {
    name: "failover",
    form: List { item: ENDPOINT, count: 0..=limits::FAILOVER_MAX },
    absent: Absent::Default("[]"),
    example: "[\"https://standby.platform.example/inbound\"]",
    doc: "Addresses to use while `url` does not answer, in this order.",
};

const PAUSE: Time = Time(Duration::from_millis(10)..=Duration::from_secs(24 * 3600));

static FIRST: Key<Time> = Key {
    name: "first",
    form: PAUSE,
    absent: Absent::Default("\"1 s\""),
    example: "\"1 s\"",
    doc: "Pause after the first failure; it grows with each further one.",
};
static AT_MOST: Key<Time> = Key {
    name: "at_most",
    form: PAUSE,
    absent: Absent::Default("\"5 min\""),
    example: "\"5 min\"",
    doc: "Longest pause.",
};
static GIVE_UP: Key<TimeOrNever> = Key {
    name: "give_up",
    form: TimeOrNever(Time(Duration::from_secs(1)..=Duration::from_secs(365 * 24 * 3600))),
    absent: Absent::Default("\"never\""),
    example: "\"never\"",
    doc: "Age at which a message becomes a dead letter, or never.",
};
static RETRY_SECTION: Section = Section {
    kind: "retry",
    doc: "When a failed delivery is tried again.",
    keys: &[&FIRST, &AT_MOST, &GIVE_UP],
    later: &[],
};

fn build_retry(fields: &Fields<'_>, found: &mut Complaints) -> Option<Retry> {
    let (first, at_most) = (fields.read(&FIRST, found), fields.read(&AT_MOST, found));
    let give_up = fields.read(&GIVE_UP, found);
    let retry = Retry { first: first?, at_most: at_most?, give_up: give_up? };
    if retry.first > retry.at_most {
        let message = format!("the first pause is longer than the longest, {}", show_time(retry.at_most));
        found.push(Complaint::new(fields.place(&FIRST), message).help("make `first` shorter or `at_most` longer"));
        return None;
    }
    Some(retry)
}

pub(in crate::settings) static RETRY: Key<Inline<Retry>> = Key {
    name: "retry",
    form: Inline { section: &RETRY_SECTION, build: build_retry },
    absent: Absent::Default("{ first = \"1 s\", at_most = \"5 min\", give_up = \"never\" }"),
    example: "{ first = \"1 s\", at_most = \"5 min\", give_up = \"never\" }",
    doc: "When a failed delivery is tried again.",
};
pub(in crate::settings) static IN_FLIGHT: Key<Whole> = Key {
    name: "in_flight",
    form: Whole(1..=limits::IN_FLIGHT_MAX),
    absent: Absent::Default("16"),
    example: "16",
    doc: "Deliveries under way at once; those of one patient or job always go one after the other.",
};
pub(in crate::settings) static TIMEOUT: Key<Time> = Key {
    name: "timeout",
    form: Time(Duration::from_millis(100)..=limits::RESPONSE_TIMEOUT_MAX),
    absent: Absent::Default("\"30 s\""),
    example: "\"30 s\"",
    doc: "Time the platform has to answer one request.",
};

static CA: Key<Spelled<SecretRef>> = Key {
    name: "ca",
    form: SECRET,
    absent: Absent::Nothing,
    example: "\"platform-ca\"",
    doc: "Authorities to trust in place of the system's, in PEM: a path when it has a `/`, else a systemd credential.",
};
static CLIENT_CERTIFICATE: Key<Spelled<SecretRef>> = Key {
    name: "client_certificate",
    form: SECRET,
    absent: Absent::Nothing,
    example: "\"platform-client\"",
    doc: "Own certificate chain and key in one PEM, as path or credential.",
};
static CLIENT_TLS_SECTION: Section =
    Section { kind: "tls", doc: "TLS of a client.", keys: &[&CA, &CLIENT_CERTIFICATE], later: &[] };

fn build_client_tls(fields: &Fields<'_>, found: &mut Complaints) -> Option<ClientTls> {
    Some(ClientTls { ca: fields.read(&CA, found), client_certificate: fields.read(&CLIENT_CERTIFICATE, found) })
}

pub(in crate::settings) static CLIENT_TLS: Key<Inline<ClientTls>> = Key {
    name: "tls",
    form: Inline { section: &CLIENT_TLS_SECTION, build: build_client_tls },
    absent: Absent::Nothing,
    example: "{ ca = \"platform-ca\", client_certificate = \"platform-client\" }",
    doc: "TLS beyond the system's authorities; https works without it.",
};

pub(in crate::settings) static HTTP: Section = Section {
    kind: "http",
    doc: "A destination: HL7 over HTTP. POST of the message, or of what the map makes of it.",
    keys: &[&HTTP_URL, &FAILOVER, &RETRY, &IN_FLIGHT, &TIMEOUT, &CLIENT_TLS, &PLAINTEXT],
    later: &["login"],
};
pub(in crate::settings) static FHIR: Section = Section {
    kind: "fhir",
    doc: "A destination: a FHIR R4 server.",
    keys: &[&FHIR_URL, &FAILOVER, &RETRY, &IN_FLIGHT, &TIMEOUT, &CLIENT_TLS, &PLAINTEXT],
    later: &["login"],
};
