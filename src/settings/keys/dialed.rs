//! Keys of an MLLP source that Gurney dials: `[mllp.NAME]` with `connect` that a flow takes messages from.

use std::time::Duration;

use super::{
    PLAINTEXT,
    answering::{ACK_AFTER, ACK_WAIT, APPLICATION_ACK, PROCESSING, SEQUENCE, UNROUTED, VERSIONS},
    link::{
        ACK, BATCH_ACK, CHARSET, DIALECT, FRAME_MAX, FRAME_TIMEOUT, IDLE_TIMEOUT, LINK_ZONE, PROFILE, WHEN_REFUSED,
    },
    target::{KEEPALIVE, PEER_FAILOVER, PEER_TLS, RELEASE},
};
use crate::{
    settings::{
        complaint::{Complaint, Complaints},
        fields::{Absent, Fields, Key, Section},
        form::{Inline, Spelled, Time},
        words::{self, PeerAddress, show_time},
    },
    units::limits,
};

pub(in crate::settings) static CONNECT: Key<Spelled<PeerAddress>> = Key {
    name: "connect",
    form: Spelled { wanted: "a host and port", parse: words::peer, pattern: Some("^[^/@?#\\s]+:[0-9]{1,5}$") },
    absent: Absent::Fault("messages are fetched from this peer"),
    example: "\"ehr.hospital.example:6661\"",
    doc: "Host and port of the sender, which listens; a name is looked up anew at each connect, and each of its addresses tried.",
};

const PAUSE: Time = Time(limits::RETRY_FIRST_MIN..=limits::REDIAL_MAX);
static FIRST: Key<Time> = Key {
    name: "first",
    form: PAUSE,
    absent: Absent::Default("\"1 s\""),
    example: "\"1 s\"",
    doc: "Pause after the end of a connection; it grows with each further try that brings nothing.",
};
static AT_MOST: Key<Time> = Key {
    name: "at_most",
    form: PAUSE,
    absent: Absent::Default("\"1 min\""),
    example: "\"1 min\"",
    doc: "Longest pause.",
};
static RECONNECT_SECTION: Section =
    Section { kind: "reconnect", doc: "When a sender is dialled again.", keys: &[&FIRST, &AT_MOST], later: &[] };

/// First and longest pause.
type Pauses = (Duration, Duration);

fn build_pauses(fields: &Fields<'_>, found: &mut Complaints) -> Option<Pauses> {
    let (first, at_most) = (fields.read(&FIRST, found), fields.read(&AT_MOST, found));
    let (first, at_most) = (first?, at_most?);
    if first > at_most {
        let message = format!("the first pause is longer than the longest, {}", show_time(at_most));
        found.push(Complaint::new(fields.place(&FIRST), message).help("make `first` shorter or `at_most` longer"));
        return None;
    }
    Some((first, at_most))
}

pub(in crate::settings) static RECONNECT: Key<Inline<Pauses>> = Key {
    name: "reconnect",
    form: Inline { section: &RECONNECT_SECTION, build: build_pauses },
    absent: Absent::Default("{ first = \"1 s\", at_most = \"1 min\" }"),
    example: "{ first = \"1 s\", at_most = \"1 min\" }",
    doc: "Pauses before the sender is dialled again, for as long as the box runs.",
};

pub(in crate::settings) static MLLP_CLIENT: Section = Section {
    kind: "mllp",
    doc: "A source: HL7 v2 over MLLP from a sender that listens; Gurney connects to it. Some flow takes messages from it.",
    keys: &[
        &CONNECT,
        &PEER_FAILOVER,
        &RECONNECT,
        &RELEASE,
        &ACK,
        &FRAME_MAX,
        &FRAME_TIMEOUT,
        &IDLE_TIMEOUT,
        &KEEPALIVE,
        &WHEN_REFUSED,
        &VERSIONS,
        &PROCESSING,
        &UNROUTED,
        &APPLICATION_ACK,
        &ACK_AFTER,
        &ACK_WAIT,
        &SEQUENCE,
        &LINK_ZONE,
        &CHARSET,
        &BATCH_ACK,
        &PROFILE,
        &DIALECT,
        &PEER_TLS,
        &PLAINTEXT,
    ],
    later: &["quiet_after"],
};
