//! Keys of destinations whose kind is also a kind of source: `[mllp.NAME]` and `[folder.NAME]` that a flow sends to.
//!
//! An MLLP table is a destination that Gurney dials where it has `connect` and some flow sends to it, and one that
//! dials in where it has `role = "deliver"`. The two have sections of their own: what is needed differs.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    LISTENER, PATH, PLAINTEXT, SECRET, SERVER_TLS,
    destination::{RETRY, TIMEOUT},
    link::ALLOW,
};
use crate::{
    settings::{
        AwaitedAck, ClientTls, ConnectionUse, OnError, SecretRef, Security,
        complaint::Complaints,
        fields::{Absent, Fields, Key, Section},
        form::{Choice, Inline, List, Spelled, Time, Whole, Word},
        words::{self, PeerAddress},
    },
    units::limits,
};

const PEER: Spelled<PeerAddress> =
    Spelled { wanted: "a host and port", parse: words::peer, pattern: Some("^[^/@?#\\s]+:[0-9]{1,5}$") };

pub(in crate::settings) static CONNECT: Key<Spelled<PeerAddress>> = Key {
    name: "connect",
    form: PEER,
    absent: Absent::Fault("messages are sent to this peer"),
    example: "\"lab.hospital.example:6661\"",
    doc: "Host and port of the receiver; a name is looked up anew at each connect, and each of its addresses tried.",
};
pub(in crate::settings) static PEER_FAILOVER: Key<List<Spelled<PeerAddress>>> = Key {
    name: "failover",
    form: List { item: PEER, count: 0..=limits::FAILOVER_MAX },
    absent: Absent::Default("[]"),
    example: "[\"lab-standby.hospital.example:6661\"]",
    doc: "Peers to use while `connect` does not answer, in this order.",
};
pub(in crate::settings) static ROLE: Key<Choice<()>> = Key {
    name: "role",
    form: Choice(&[("deliver", Word::Means(()))]),
    absent: Absent::Fault("a listener that delivers says so, since others take messages in"),
    example: "\"deliver\"",
    doc: "Makes the listener a destination: the peer that connects here is sent messages and acknowledges them.",
};
pub(in crate::settings) static DELIVER_LISTEN: Key<Spelled<SocketAddr>> = Key {
    name: "listen",
    form: LISTENER,
    absent: Absent::Fault("the receiver connects to this address"),
    example: "\"10.20.4.10:6671\"",
    doc: "Address and port where the receiver fetches its messages; one peer at a time, the newest one.",
};
pub(in crate::settings) static RELEASE: Key<Whole> = Key {
    name: "release",
    form: Whole(1..=2),
    absent: Absent::Default("1"),
    example: "1",
    doc: "Release of MLLP: 2 where both ends confirm each block by a commit block; it is no acknowledgement by itself.",
};
pub(in crate::settings) static CONNECTION: Key<Choice<ConnectionUse>> = Key {
    name: "connection",
    form: Choice(&[
        ("keep", Word::Means(ConnectionUse::Keep)),
        ("per-message", Word::Means(ConnectionUse::PerMessage)),
    ]),
    absent: Absent::Default("\"keep\""),
    example: "\"per-message\"",
    doc: "Whether a connection is kept for the next message, or closed after each acknowledgement.",
};
pub(in crate::settings) static GAP: Key<Time> = Key {
    name: "gap",
    form: Time(Duration::ZERO..=limits::GAP_MAX),
    absent: Absent::Default("\"0 ms\""),
    example: "\"2 s\"",
    doc: "Shortest pause between the acknowledgement of a message and the next one, for receivers that need it.",
};
pub(in crate::settings) static AWAIT: Key<Choice<AwaitedAck>> = Key {
    name: "await",
    form: Choice(&[("commit", Word::Means(AwaitedAck::Commit)), ("application", Word::Means(AwaitedAck::Application))]),
    absent: Absent::Default("\"commit\""),
    example: "\"application\"",
    doc: "What counts as delivered: commit is CA or AA; application waits for AA after a CA, where MSH-16 asks for it.",
};
pub(in crate::settings) static ON_ERROR: Key<Choice<OnError>> = Key {
    name: "on_error",
    form: Choice(&[("retry", Word::Means(OnError::Retry)), ("dead-letter", Word::Means(OnError::DeadLetter))]),
    absent: Absent::Default("\"retry\""),
    example: "\"dead-letter\"",
    doc: "What AE and CE do to a message: it is sent again after a pause, or becomes a dead letter as AR and CR make it.",
};
pub(in crate::settings) static CONNECTIONS: Key<Whole> = Key {
    name: "in_flight",
    form: Whole(1..=limits::IN_FLIGHT_MAX),
    absent: Absent::Default("1"),
    example: "1",
    doc: "Messages under way at once, each on a connection of its own: MLLP allows one on each.",
};
pub(in crate::settings) static IDLE: Key<Time> = Key {
    name: "idle",
    form: Time(Duration::from_secs(1)..=limits::IDLE_TIMEOUT_MAX),
    absent: Absent::Default("\"5 min\""),
    example: "\"5 min\"",
    doc: "Time after which a connection that is not used is closed.",
};
pub(in crate::settings) static KEEPALIVE: Key<Time> = Key {
    name: "keepalive",
    form: Time(Duration::from_secs(1)..=limits::KEEPALIVE_IDLE_MAX),
    absent: Absent::Default("\"20 s\""),
    example: "\"20 s\"",
    doc: "Silence after which TCP asks whether the peer is still there.",
};

/// TLS towards a peer that is connected to.
#[derive(Clone, Debug)]
pub(in crate::settings) struct PeerTls {
    pub(in crate::settings) ca: Option<SecretRef>,
    pub(in crate::settings) client_certificate: Option<SecretRef>,
    pub(in crate::settings) name: Option<String>,
}

impl PeerTls {
    /// How a connection is secured, and the TLS of it.
    pub(in crate::settings) fn security(tls: Option<Self>) -> (Security, ClientTls) {
        match tls {
            Some(Self { ca, client_certificate, name }) => {
                (Security::Tls { name }, ClientTls { ca, client_certificate })
            }
            None => (Security::Plain, ClientTls::default()),
        }
    }
}

static CA: Key<Spelled<SecretRef>> = Key {
    name: "ca",
    form: SECRET,
    absent: Absent::Nothing,
    example: "\"hospital-ca\"",
    doc: "Authorities to trust in place of the system's, in PEM: a path when it has a `/`, else a systemd credential.",
};
static CLIENT_CERTIFICATE: Key<Spelled<SecretRef>> = Key {
    name: "client_certificate",
    form: SECRET,
    absent: Absent::Nothing,
    example: "\"mllp-client\"",
    doc: "Own certificate chain and key in one PEM, as path or credential.",
};
static TLS_NAME: Key<Spelled<String>> = Key {
    name: "name",
    form: Spelled { wanted: "a host name", parse: words::host, pattern: None },
    absent: Absent::Nothing,
    example: "\"lab.hospital.example\"",
    doc: "Name that the peer's certificate must bear, where it is not the host of `connect`.",
};
static PEER_TLS_SECTION: Section = Section {
    kind: "tls",
    doc: "TLS towards a peer; {} is TLS with the system's authorities.",
    keys: &[&CA, &CLIENT_CERTIFICATE, &TLS_NAME],
    later: &[],
};

fn build_peer_tls(fields: &Fields<'_>, found: &mut Complaints) -> Option<PeerTls> {
    let (ca, client_certificate) = (fields.read(&CA, found), fields.read(&CLIENT_CERTIFICATE, found));
    Some(PeerTls { ca, client_certificate, name: fields.read(&TLS_NAME, found) })
}

pub(in crate::settings) static PEER_TLS: Key<Inline<PeerTls>> = Key {
    name: "tls",
    form: Inline { section: &PEER_TLS_SECTION, build: build_peer_tls },
    absent: Absent::Nothing,
    example: "{ ca = \"hospital-ca\", client_certificate = \"mllp-client\" }",
    doc: "TLS 1.2 or 1.3 towards the peer; where absent, plain text.",
};

pub(in crate::settings) static MLLP_CONNECT: Section = Section {
    kind: "mllp",
    doc: "A destination: an HL7 receiver that Gurney connects to over MLLP. Some flow sends to it.",
    keys: &[
        &CONNECT,
        &PEER_FAILOVER,
        &RELEASE,
        &CONNECTION,
        &GAP,
        &AWAIT,
        &ON_ERROR,
        &RETRY,
        &CONNECTIONS,
        &TIMEOUT,
        &IDLE,
        &KEEPALIVE,
        &PEER_TLS,
        &PLAINTEXT,
    ],
    later: &[],
};
pub(in crate::settings) static MLLP_DELIVER: Section = Section {
    kind: "mllp",
    doc: "A destination: an HL7 receiver that connects to Gurney and is sent messages over MLLP.",
    keys: &[
        &ROLE,
        &DELIVER_LISTEN,
        &ALLOW,
        &RELEASE,
        &CONNECTION,
        &GAP,
        &AWAIT,
        &ON_ERROR,
        &RETRY,
        &TIMEOUT,
        &IDLE,
        &KEEPALIVE,
        &SERVER_TLS,
        &PLAINTEXT,
    ],
    later: &[],
};

pub(in crate::settings) static FOLDER_PATH: Key<Spelled<PathBuf>> = Key {
    name: "path",
    form: PATH,
    absent: Absent::Fault("messages are put into this folder"),
    example: "\"/srv/exchange/out\"",
    doc: "Folder for the files; it must be there, and lie on one file system.",
};
pub(in crate::settings) static SUFFIX: Key<Spelled<String>> = Key {
    name: "suffix",
    form: Spelled { wanted: "a suffix", parse: words::suffix, pattern: Some("^[A-Za-z0-9]{1,16}$") },
    absent: Absent::Nothing,
    example: "\"txt\"",
    doc: "End of the files' names behind the dot; where absent, hl7 for messages and json for FHIR.",
};
pub(in crate::settings) static FOLDER: Section = Section {
    kind: "folder",
    doc: "A destination: each message becomes a file, complete when its name no longer ends in .tmp.",
    keys: &[&FOLDER_PATH, &SUFFIX, &RETRY],
    later: &[],
};
