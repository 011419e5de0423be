//! Keys of sources that are no stream of frames: `[folder.NAME]` that a flow takes messages from, `[http_in.NAME]`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    LISTENER, PATH, PLAINTEXT, SECRET, SERVER_TLS,
    answering::{ACK_AFTER, ACK_WAIT, APPLICATION_ACK_APART, PROCESSING, SEQUENCE, UNROUTED, VERSIONS},
    link::{
        ACK, ALLOW, BATCH_ACK, CHARSET, CONNECTIONS_MAX, CONNECTIONS_PER_PEER, DIALECT, FRAME_MAX, FRAME_TIMEOUT,
        LINK_ZONE, PROFILE, WHEN_REFUSED,
    },
};
use crate::{
    settings::{
        AcceptedContent, SecretRef, Taken,
        fields::{Absent, Key, Section},
        form::{Choice, Spelled, Time, Word},
        words,
    },
    units::limits,
    wire::folder::{Order, Pattern},
};

pub(in crate::settings) static WATCH_PATH: Key<Spelled<PathBuf>> = Key {
    name: "path",
    form: PATH,
    absent: Absent::Fault("messages are taken from this folder"),
    example: "\"/srv/exchange/in\"",
    doc: "Folder to watch; its folders done and error are made by Gurney, on the same file system.",
};
pub(in crate::settings) static PATTERN: Key<Spelled<Pattern>> = Key {
    name: "pattern",
    form: Spelled { wanted: "a pattern of file names", parse: words::pattern, pattern: Some("^[!-.0-~]{1,100}$") },
    absent: Absent::Default("\"*.hl7\""),
    example: "\"*.hl7\"",
    doc: "Which files are messages, whatever the case of letters: * is any run of characters, ? any one. Never hidden files, .tmp and .part.",
};
pub(in crate::settings) static ORDER: Key<Choice<Order>> = Key {
    name: "order",
    form: Choice(&[("time", Word::Means(Order::Time)), ("name", Word::Means(Order::Name))]),
    absent: Absent::Default("\"time\""),
    example: "\"name\"",
    doc: "Order in which files are taken: time of the last change and then name, or name alone, byte by byte.",
};
pub(in crate::settings) static EVERY: Key<Time> = Key {
    name: "every",
    form: Time(limits::FOLDER_EVERY_MIN..=limits::FOLDER_EVERY_MAX),
    absent: Absent::Default("\"1 s\""),
    example: "\"1 s\"",
    doc: "Pause between two looks at the folder. File servers (SMB, NFS) tell of nothing, so it is looked at.",
};
pub(in crate::settings) static SETTLE: Key<Time> = Key {
    name: "settle",
    form: Time(Duration::ZERO..=limits::FOLDER_SETTLE_MAX),
    absent: Absent::Default("\"2 s\""),
    example: "\"2 s\"",
    doc: "Time for which a file must have kept its size and time of change; 0 s where writers write NAME.tmp and rename.",
};
pub(in crate::settings) static TAKEN: Key<Choice<Taken>> = Key {
    name: "taken",
    form: Choice(&[("move", Word::Means(Taken::Move)), ("delete", Word::Means(Taken::Delete))]),
    absent: Absent::Default("\"move\""),
    example: "\"move\"",
    doc: "What becomes of a file once it is stored: moved to done, or deleted. Gurney removes nothing from done and error.",
};
pub(in crate::settings) static FOLDER: Section = Section {
    kind: "folder",
    doc: "A source: the files of a folder. Some flow takes messages from it.",
    keys: &[
        &WATCH_PATH,
        &PATTERN,
        &ORDER,
        &EVERY,
        &SETTLE,
        &TAKEN,
        &ACK,
        &FRAME_MAX,
        &VERSIONS,
        &PROCESSING,
        &UNROUTED,
        &APPLICATION_ACK_APART,
        &ACK_AFTER,
        &ACK_WAIT,
        &SEQUENCE,
        &LINK_ZONE,
        &CHARSET,
        &BATCH_ACK,
        &PROFILE,
        &DIALECT,
    ],
    later: &[],
};

pub(in crate::settings) static HTTP_LISTEN: Key<Spelled<SocketAddr>> = Key {
    name: "listen",
    form: LISTENER,
    absent: Absent::Fault("senders connect to this address"),
    example: "\"10.20.4.10:8080\"",
    doc: "Address and port to listen at for HL7 over HTTP.",
};
pub(in crate::settings) static HTTP_PATH: Key<Spelled<String>> = Key {
    name: "path",
    form: Spelled { wanted: "the path of a URL", parse: words::url_path, pattern: Some("^/[A-Za-z0-9._~/-]{0,199}$") },
    absent: Absent::Default("\"/hl7\""),
    example: "\"/hl7\"",
    doc: "Path that messages are posted to; every other one answers 404.",
};
pub(in crate::settings) static CONTENT: Key<Choice<AcceptedContent>> = Key {
    name: "content",
    form: Choice(&[("hl7", Word::Means(AcceptedContent::Hl7)), ("any", Word::Means(AcceptedContent::Any))]),
    absent: Absent::Default("\"hl7\""),
    example: "\"any\"",
    doc: "Content types that are taken: hl7 is application/hl7-v2 and its variants; any takes text/plain and none as well.",
};
pub(in crate::settings) static BEARER: Key<Spelled<SecretRef>> = Key {
    name: "bearer",
    form: SECRET,
    absent: Absent::Nothing,
    example: "\"http-in-bearer\"",
    doc: "The token that requests must bear (Authorization: Bearer), as path or credential; where absent, none is asked for.",
};
pub(in crate::settings) static HTTP_IDLE: Key<Time> = Key {
    name: "idle_timeout",
    form: Time(Duration::from_secs(1)..=limits::IDLE_TIMEOUT_MAX),
    absent: Absent::Default("\"75 s\""),
    example: "\"75 s\"",
    doc: "Silence between two requests after which a connection is closed.",
};
pub(in crate::settings) static HTTP_IN: Section = Section {
    kind: "http_in",
    doc: "A source: HL7 v2 over HTTP, Gurney listening.",
    keys: &[
        &HTTP_LISTEN,
        &HTTP_PATH,
        &ALLOW,
        &CONTENT,
        &BEARER,
        &ACK,
        &FRAME_MAX,
        &FRAME_TIMEOUT,
        &HTTP_IDLE,
        &CONNECTIONS_MAX,
        &CONNECTIONS_PER_PEER,
        &WHEN_REFUSED,
        &VERSIONS,
        &PROCESSING,
        &UNROUTED,
        &APPLICATION_ACK_APART,
        &ACK_AFTER,
        &ACK_WAIT,
        &SEQUENCE,
        &LINK_ZONE,
        &CHARSET,
        &BATCH_ACK,
        &PROFILE,
        &DIALECT,
        &SERVER_TLS,
        &PLAINTEXT,
    ],
    later: &[],
};
