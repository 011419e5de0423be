//! Keys of links, where messages come from: `[mllp.NAME]`, `[serial.NAME]`.

use std::{net::SocketAddr, time::Duration};

use super::{
    LISTENER, PLAINTEXT, SERVER_TLS, ZONE,
    answering::{ACK_AFTER, ACK_WAIT, APPLICATION_ACK, PROCESSING, SEQUENCE, UNROUTED, VERSIONS},
    framing::{CHECK, CHECKSUM, CONTENT, END, FRAMING, HLLP, LINES, LIS01, REPLY, ROLE, START},
    serial::{CARRIER, DUPLEX, FLOW_CONTROL, GAP, SILENCE, WRITE_TIMEOUT},
    target::RELEASE,
};
use crate::{
    settings::{
        AckMode, BatchAck, CharacterSet, DialectRef, Network, ProfileRef, WhenRefused,
        fields::{Absent, Key, Section},
        form::{Choice, List, Size, Spelled, Time, Whole, Word},
        words::{self, LineShape, PortAddress},
    },
    units::limits,
};

const ACK_FORM: Choice<AckMode> = Choice(&[
    ("auto", Word::Means(AckMode::Auto)),
    ("original", Word::Means(AckMode::Original)),
    ("enhanced", Word::Means(AckMode::Enhanced)),
]);

pub(in crate::settings) static MLLP_LISTEN: Key<Spelled<SocketAddr>> = Key {
    name: "listen",
    form: LISTENER,
    absent: Absent::Fault("senders connect to this address"),
    example: "\"10.20.4.10:6661\"",
    doc: "Address and port to listen at for MLLP.",
};
pub(in crate::settings) static ALLOW: Key<List<Spelled<Network>>> = Key {
    name: "allow",
    form: List {
        item: Spelled {
            wanted: "an IP network",
            parse: words::network,
            pattern: Some("^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"),
        },
        count: 0..=limits::NETWORKS_MAX,
    },
    absent: Absent::Default("[]"),
    example: "[\"10.20.8.0/28\"]",
    doc: "Networks and addresses that may connect; empty means all.",
};
pub(in crate::settings) static ACK: Key<Choice<AckMode>> = Key {
    name: "ack",
    form: ACK_FORM,
    absent: Absent::Default("\"auto\""),
    example: "\"auto\"",
    doc: "Acknowledgement mode: auto (MSH-15 and MSH-16 decide), original (AA, AE, AR at once, whatever those ask) or enhanced (CA, CE, CR).",
};
pub(in crate::settings) static FRAME_MAX: Key<Size> = Key {
    name: "frame_max",
    form: Size(limits::FRAME_BYTES_MIN..=limits::FRAME_BYTES_MAX),
    absent: Absent::Default("\"16 MiB\""),
    example: "\"16 MiB\"",
    doc: "Largest message that is accepted.",
};
pub(in crate::settings) static FRAME_TIMEOUT: Key<Time> = Key {
    name: "frame_timeout",
    form: Time(Duration::from_secs(1)..=limits::FRAME_TIMEOUT_MAX),
    absent: Absent::Default("\"30 s\""),
    example: "\"30 s\"",
    doc: "Time a sender has to complete a message it began.",
};
pub(in crate::settings) static IDLE_TIMEOUT: Key<Time> = Key {
    name: "idle_timeout",
    form: Time(Duration::from_secs(1)..=limits::IDLE_TIMEOUT_MAX),
    absent: Absent::Default("\"24 h\""),
    example: "\"24 h\"",
    doc: "Silence after which a connection is closed; dead peers are found earlier by TCP keepalive.",
};
pub(in crate::settings) static CONNECTIONS_MAX: Key<Whole> = Key {
    name: "connections_max",
    form: Whole(1..=limits::CONNECTIONS_MAX),
    absent: Absent::Default("256"),
    example: "256",
    doc: "Connections served at once.",
};
pub(in crate::settings) static CONNECTIONS_PER_PEER: Key<Whole> = Key {
    name: "connections_per_peer",
    form: Whole(1..=limits::CONNECTIONS_MAX),
    absent: Absent::Default("64"),
    example: "64",
    doc: "Connections served at once of one address; never more than `connections_max`.",
};
pub(in crate::settings) static WHEN_REFUSED: Key<Choice<WhenRefused>> = Key {
    name: "when_refused",
    form: Choice(&[("close", Word::Means(WhenRefused::Close)), ("error", Word::Means(WhenRefused::Error))]),
    absent: Absent::Default("\"close\""),
    example: "\"close\"",
    doc: "While messages cannot be stored: close the connection, or answer AE (CE). Many senders skip a message on AE.",
};
/// Every set of [`CHARSET`].
pub(in crate::settings) const CHARACTER_SETS: &[CharacterSet] = &[
    CharacterSet::new("us-ascii"),
    CharacterSet::new("utf-8"),
    CharacterSet::new("utf-16le"),
    CharacterSet::new("utf-16be"),
    CharacterSet::new("iso-8859-1"),
    CharacterSet::new("iso-8859-2"),
    CharacterSet::new("iso-8859-3"),
    CharacterSet::new("iso-8859-4"),
    CharacterSet::new("iso-8859-5"),
    CharacterSet::new("iso-8859-6"),
    CharacterSet::new("iso-8859-7"),
    CharacterSet::new("iso-8859-8"),
    CharacterSet::new("iso-8859-9"),
    CharacterSet::new("iso-8859-10"),
    CharacterSet::new("iso-8859-11"),
    CharacterSet::new("iso-8859-13"),
    CharacterSet::new("iso-8859-14"),
    CharacterSet::new("iso-8859-15"),
    CharacterSet::new("iso-8859-16"),
    CharacterSet::new("windows-874"),
    CharacterSet::new("windows-1250"),
    CharacterSet::new("windows-1251"),
    CharacterSet::new("windows-1252"),
    CharacterSet::new("windows-1253"),
    CharacterSet::new("windows-1254"),
    CharacterSet::new("windows-1255"),
    CharacterSet::new("windows-1256"),
    CharacterSet::new("windows-1257"),
    CharacterSet::new("windows-1258"),
    CharacterSet::new("koi8-r"),
    CharacterSet::new("iso-2022-jp"),
    CharacterSet::new("shift_jis"),
    CharacterSet::new("euc-jp"),
    CharacterSet::new("gb18030"),
    CharacterSet::new("big5"),
    CharacterSet::new("euc-kr"),
];
const CHARSET_FORM: Choice<CharacterSet> = Choice(&[
    ("us-ascii", Word::Means(CharacterSet::new("us-ascii"))),
    ("utf-8", Word::Means(CharacterSet::new("utf-8"))),
    ("utf-16le", Word::Means(CharacterSet::new("utf-16le"))),
    ("utf-16be", Word::Means(CharacterSet::new("utf-16be"))),
    ("iso-8859-1", Word::Means(CharacterSet::new("iso-8859-1"))),
    ("iso-8859-2", Word::Means(CharacterSet::new("iso-8859-2"))),
    ("iso-8859-3", Word::Means(CharacterSet::new("iso-8859-3"))),
    ("iso-8859-4", Word::Means(CharacterSet::new("iso-8859-4"))),
    ("iso-8859-5", Word::Means(CharacterSet::new("iso-8859-5"))),
    ("iso-8859-6", Word::Means(CharacterSet::new("iso-8859-6"))),
    ("iso-8859-7", Word::Means(CharacterSet::new("iso-8859-7"))),
    ("iso-8859-8", Word::Means(CharacterSet::new("iso-8859-8"))),
    ("iso-8859-9", Word::Means(CharacterSet::new("iso-8859-9"))),
    ("iso-8859-10", Word::Means(CharacterSet::new("iso-8859-10"))),
    ("iso-8859-11", Word::Means(CharacterSet::new("iso-8859-11"))),
    ("iso-8859-13", Word::Means(CharacterSet::new("iso-8859-13"))),
    ("iso-8859-14", Word::Means(CharacterSet::new("iso-8859-14"))),
    ("iso-8859-15", Word::Means(CharacterSet::new("iso-8859-15"))),
    ("iso-8859-16", Word::Means(CharacterSet::new("iso-8859-16"))),
    ("windows-874", Word::Means(CharacterSet::new("windows-874"))),
    ("windows-1250", Word::Means(CharacterSet::new("windows-1250"))),
    ("windows-1251", Word::Means(CharacterSet::new("windows-1251"))),
    ("windows-1252", Word::Means(CharacterSet::new("windows-1252"))),
    ("windows-1253", Word::Means(CharacterSet::new("windows-1253"))),
    ("windows-1254", Word::Means(CharacterSet::new("windows-1254"))),
    ("windows-1255", Word::Means(CharacterSet::new("windows-1255"))),
    ("windows-1256", Word::Means(CharacterSet::new("windows-1256"))),
    ("windows-1257", Word::Means(CharacterSet::new("windows-1257"))),
    ("windows-1258", Word::Means(CharacterSet::new("windows-1258"))),
    ("koi8-r", Word::Means(CharacterSet::new("koi8-r"))),
    ("iso-2022-jp", Word::Means(CharacterSet::new("iso-2022-jp"))),
    ("shift_jis", Word::Means(CharacterSet::new("shift_jis"))),
    ("euc-jp", Word::Means(CharacterSet::new("euc-jp"))),
    ("gb18030", Word::Means(CharacterSet::new("gb18030"))),
    ("big5", Word::Means(CharacterSet::new("big5"))),
    ("euc-kr", Word::Means(CharacterSet::new("euc-kr"))),
]);
pub(in crate::settings) static CHARSET: Key<Choice<CharacterSet>> = Key {
    name: "charset",
    form: CHARSET_FORM,
    absent: Absent::Nothing,
    example: "\"iso-8859-1\"",
    doc: "Character set of this sender, where MSH-18 says nothing or the wrong thing.",
};
pub(in crate::settings) static BATCH_ACK: Key<Choice<BatchAck>> = Key {
    name: "batch_ack",
    form: Choice(&[("each", Word::Means(BatchAck::Each)), ("batch", Word::Means(BatchAck::Batch))]),
    absent: Absent::Default("\"each\""),
    example: "\"each\"",
    doc: "Answers to a batch (FHS, BHS): one for each message, or all together as one batch.",
};
pub(in crate::settings) static LINK_ZONE: Key<Spelled<String>> = Key {
    name: "zone",
    form: ZONE,
    absent: Absent::Nothing,
    example: "\"America/Chicago\"",
    doc: "IANA time zone of this sender, where it differs from the site's.",
};
pub(in crate::settings) static PROFILE: Key<Spelled<ProfileRef>> = Key {
    name: "profile",
    form: Spelled { wanted: "a profile", parse: words::profile, pattern: Some("^[a-z0-9-]{1,40}@[1-9][0-9]{0,9}$") },
    absent: Absent::Nothing,
    example: "\"adt-feed@1\"",
    doc: "Conformance profile, NAME@VERSION: what its messages must be like, and what is counted, answered AE or AR.",
};
pub(in crate::settings) static DIALECT: Key<Spelled<DialectRef>> = Key {
    name: "dialect",
    form: Spelled { wanted: "a dialect", parse: words::dialect, pattern: Some("^[a-z0-9-]{1,40}@[1-9][0-9]{0,9}$") },
    absent: Absent::Default("\"standard@1\""),
    example: "\"standard@1\"",
    doc: "Dialect, NAME@VERSION: where this sender puts what maps ask for.",
};
pub(in crate::settings) static MLLP: Section = Section {
    kind: "mllp",
    doc: "A source: HL7 v2 over MLLP, Gurney listening.",
    keys: &[
        &MLLP_LISTEN,
        &ALLOW,
        &RELEASE,
        &ACK,
        &FRAME_MAX,
        &FRAME_TIMEOUT,
        &IDLE_TIMEOUT,
        &CONNECTIONS_MAX,
        &CONNECTIONS_PER_PEER,
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
        &SERVER_TLS,
        &PLAINTEXT,
    ],
    later: &["quiet_after"],
};

pub(in crate::settings) static PORT: Key<Spelled<PortAddress>> = Key {
    name: "port",
    form: Spelled { wanted: "a device, or tcp:// with host and port", parse: words::serial_port, pattern: None },
    absent: Absent::Fault("the device is told by its path"),
    example: "\"/dev/serial/by-id/usb-FTDI_FT232R_A50285BI-if00-port0\"",
    doc: "Device; names under /dev/serial/by-id stay the same when plugs are moved. Or \"tcp://HOST:PORT\": the line behind a terminal server set to raw TCP (not RFC 2217).",
};
pub(in crate::settings) static LINE: Key<Spelled<LineShape>> = Key {
    name: "line",
    form: Spelled {
        wanted: "speed and shape of the line",
        parse: words::line_shape,
        pattern: Some("^[0-9]+ +[78][NEOneo][12]$"),
    },
    absent: Absent::Nothing,
    example: "\"9600 8N1\"",
    doc: "Bits per second, then data bits, parity (N, E, O) and stop bits, as on the device; needed unless `port` is tcp://.",
};
pub(in crate::settings) static SERIAL: Section = Section {
    kind: "serial",
    doc: "A source: a serial line at this box or behind a terminal server, with HL7 v2, LIS02 records or lines of text.",
    keys: &[
        &PORT,
        &LINE,
        &FRAMING,
        &CONTENT,
        &RELEASE,
        &CHECKSUM,
        &HLLP,
        &ROLE,
        &LIS01,
        &START,
        &END,
        &CHECK,
        &REPLY,
        &LINES,
        &FLOW_CONTROL,
        &GAP,
        &SILENCE,
        &CARRIER,
        &WRITE_TIMEOUT,
        &DUPLEX,
        &ACK,
        &FRAME_MAX,
        &FRAME_TIMEOUT,
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
        &PLAINTEXT,
    ],
    later: &["quiet_after"],
};
