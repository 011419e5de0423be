//! Keys of how a stream marks the ends of a message: `framing`, and what each framing has of its own.

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    settings::{
        Content,
        complaint::Complaints,
        fields::{Absent, Fields, Key, Section},
        form::{Choice, Inline, Spelled, Time, Whole, Word},
        words,
    },
    units::limits,
    wire::{
        hllp, lis01,
        text::{self, Algorithm, Form, Place, Span},
    },
};

/// The framing of a link, before its options are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) enum Kind {
    Mllp,
    Hllp,
    Lis01,
    Line,
}

pub(in crate::settings) static FRAMING: Key<Choice<Kind>> = Key {
    name: "framing",
    form: Choice(&[
        ("mllp", Word::Means(Kind::Mllp)),
        ("hllp", Word::Means(Kind::Hllp)),
        ("lis01", Word::Means(Kind::Lis01)),
        ("line", Word::Means(Kind::Line)),
    ]),
    absent: Absent::Fault("devices mark the ends of a message in different ways"),
    example: "\"mllp\"",
    doc: "How the device marks the ends of a message: mllp, hllp, lis01 (LIS01-A2, ASTM E1381) or line (framed text).",
};
pub(in crate::settings) static CONTENT: Key<Choice<Content>> = Key {
    name: "content",
    form: Choice(&[
        ("hl7", Word::Means(Content::Hl7)),
        ("lis02", Word::Means(Content::Lis02)),
        ("text", Word::Means(Content::Text)),
    ]),
    absent: Absent::Nothing,
    example: "\"lis02\"",
    doc: "What its messages are: hl7, lis02 (LIS02-A2, ASTM E1394) or text; lis02 for lis01, text for line and hl7 for the others unless written.",
};
/// A time that a protocol may wait.
const WAIT: Time = Time(Duration::from_millis(100)..=limits::PROTOCOL_WAIT_MAX);
/// How often something may be sent again.
const AGAIN: Whole = Whole(0..=limits::PROTOCOL_TRIES_MAX);

const fn wait(name: &'static str, default: &'static str, doc: &'static str) -> Key<Time> {
    Key { name, form: WAIT, absent: Absent::Default(default), example: default, doc }
}

const fn whole(
    name: &'static str,
    range: RangeInclusive<usize>,
    default: &'static str,
    doc: &'static str,
) -> Key<Whole> {
    Key { name, form: Whole(range), absent: Absent::Default(default), example: default, doc }
}

pub(in crate::settings) static CHECKSUM: Key<Choice<hllp::Checksum>> = Key {
    name: "checksum",
    form: Choice(&[
        ("xor", Word::Means(hllp::Checksum::Xor)),
        ("sum", Word::Means(hllp::Checksum::Sum)),
        ("wide-sum", Word::Means(hllp::Checksum::WideSum)),
        ("none", Word::Means(hllp::Checksum::None)),
    ]),
    absent: Absent::Default("\"xor\""),
    example: "\"xor\"",
    doc: "Checksum of HLLP blocks: xor, sum (8 bits), wide-sum (all bits) or none.",
};

static VERSION: Key<Spelled<[u8; 2]>> = Key {
    name: "version",
    form: Spelled { wanted: "two digits", parse: words::two_digits, pattern: Some("^[0-9]{2}$") },
    absent: Absent::Default("\"21\""),
    example: "\"23\"",
    doc: "Version in the blocks that are sent; any is taken.",
};
static COUNT_DIGITS: Key<Whole> =
    whole("count_digits", 0..=9, "5", "Digits of the byte count; 0 where blocks have none.");
static CHECKSUM_DIGITS: Key<Whole> = whole("checksum_digits", 1..=9, "3", "Digits of the checksum.");
static RADIX: Key<Choice<hllp::Radix>> = Key {
    name: "radix",
    form: Choice(&[("decimal", Word::Means(hllp::Radix::Decimal)), ("hex", Word::Means(hllp::Radix::Hex))]),
    absent: Absent::Default("\"decimal\""),
    example: "\"hex\"",
    doc: "How count and checksum are written.",
};
const FROM: Choice<hllp::From> = Choice(&[
    ("mark", Word::Means(hllp::From::Mark)),
    ("type", Word::Means(hllp::From::Type)),
    ("data", Word::Means(hllp::From::Data)),
]);
static COUNT_FROM: Key<Choice<hllp::From>> = Key {
    name: "count_from",
    form: FROM,
    absent: Absent::Default("\"mark\""),
    example: "\"data\"",
    doc: "First byte that is counted: mark (VT), type (behind VT) or data.",
};
static CHECKSUM_FROM: Key<Choice<hllp::From>> = Key {
    name: "checksum_from",
    form: FROM,
    absent: Absent::Default("\"mark\""),
    example: "\"type\"",
    doc: "First byte that the checksum covers: mark, type or data.",
};
static LINE_MAX: Key<Whole> = Key {
    name: "line_max",
    form: Whole(20..=limits::HLLP_LINE_MAX),
    absent: Absent::Nothing,
    example: "256",
    doc: "Longest line of the peer's host, where CR stuffing is agreed; absent is no stuffing.",
};
static CONNECT_RETRIES: Key<Whole> = Key {
    name: "connect_retries",
    form: AGAIN,
    absent: Absent::Default("5"),
    example: "5",
    doc: "Failed connections in a row after which the link is reported as down.",
};
static CONNECT_PAUSE: Key<Time> = wait("connect_pause", "\"10 s\"", "Pause between two attempts to connect.");
static RECEIVE_TIMEOUT: Key<Time> =
    wait("receive_timeout", "\"30 s\"", "Time the peer has to answer a block before it is sent again.");
static SEND_RETRIES: Key<Whole> = Key {
    name: "send_retries",
    form: AGAIN,
    absent: Absent::Default("3"),
    example: "3",
    doc: "How often a block is sent again.",
};
static HLLP_SECTION: Section = Section {
    kind: "hllp",
    doc: "What HLLP peers do differently, as their manuals say.",
    keys: &[
        &VERSION,
        &COUNT_DIGITS,
        &CHECKSUM_DIGITS,
        &RADIX,
        &COUNT_FROM,
        &CHECKSUM_FROM,
        &LINE_MAX,
        &CONNECT_RETRIES,
        &CONNECT_PAUSE,
        &RECEIVE_TIMEOUT,
        &SEND_RETRIES,
    ],
    later: &[],
};
pub(in crate::settings) static HLLP: Key<Inline<hllp::Options>> = Key {
    name: "hllp",
    form: Inline { section: &HLLP_SECTION, build: build_hllp },
    absent: Absent::Default("{}"),
    example: "{ version = \"23\", checksum_digits = 3, receive_timeout = \"30 s\", send_retries = 3 }",
    doc: "What HLLP peers do differently: digits, ranges, CR stuffing and the four settings of the NPT.",
};

fn build_hllp(fields: &Fields<'_>, found: &mut Complaints) -> Option<hllp::Options> {
    let version = fields.read(&VERSION, found);
    let count_digits = fields.read(&COUNT_DIGITS, found);
    let checksum_digits = fields.read(&CHECKSUM_DIGITS, found);
    let radix = fields.read(&RADIX, found);
    let count_from = fields.read(&COUNT_FROM, found);
    let checksum_from = fields.read(&CHECKSUM_FROM, found);
    let line_max = fields.read(&LINE_MAX, found);
    let connect_retries = fields.read(&CONNECT_RETRIES, found);
    let connect_pause = fields.read(&CONNECT_PAUSE, found);
    let receive_timeout = fields.read(&RECEIVE_TIMEOUT, found);
    let send_retries = fields.read(&SEND_RETRIES, found);
    Some(hllp::Options {
        version: version?,
        count_digits: u8::try_from(count_digits?).ok()?,
        checksum_digits: u8::try_from(checksum_digits?).ok()?,
        radix: radix?,
        count_from: count_from?,
        checksum_from: checksum_from?,
        line_max,
        npt: hllp::Npt {
            connect_retries: u32::try_from(connect_retries?).ok()?,
            connect_pause: connect_pause?,
            receive_timeout: receive_timeout?,
            send_retries: u32::try_from(send_retries?).ok()?,
        },
        ..hllp::Options::default()
    })
}

pub(in crate::settings) static ROLE: Key<Choice<lis01::Role>> = Key {
    name: "role",
    form: Choice(&[("host", Word::Means(lis01::Role::Host)), ("instrument", Word::Means(lis01::Role::Instrument))]),
    absent: Absent::Default("\"host\""),
    example: "\"host\"",
    doc: "Which end of a LIS01-A2 line this is; the instrument wins when both begin at once.",
};

static TRIES: Key<Whole> = Key {
    name: "tries",
    form: Whole(1..=limits::PROTOCOL_TRIES_MAX),
    absent: Absent::Default("6"),
    example: "6",
    doc: "How often a frame is sent before its message is given up.",
};
static FRAME_TEXT: Key<Whole> = whole(
    "frame_text",
    1..=limits::LIS01_FRAME_TEXT_MAX,
    "240",
    "Largest text of a frame that is sent; frames of any size are taken.",
);
static GROUPING: Key<Choice<lis01::Grouping>> = Key {
    name: "message",
    form: Choice(&[
        ("records", Word::Means(lis01::Grouping::Records)),
        ("frames", Word::Means(lis01::Grouping::EndFrame)),
    ]),
    absent: Absent::Default("\"records\""),
    example: "\"records\"",
    doc: "What makes a message: records from H to L, or the frames up to the one that ends in ETX.",
};
static INTERRUPT: Key<Choice<lis01::Interrupt>> = Key {
    name: "interrupt",
    form: Choice(&[
        ("never", Word::Means(lis01::Interrupt::Never)),
        ("between-messages", Word::Means(lis01::Interrupt::BetweenMessages)),
    ]),
    absent: Absent::Default("\"never\""),
    example: "\"never\"",
    doc: "Whether a device is asked to stop (EOT in place of ACK) while something waits to be sent to it.",
};
static ESTABLISH: Key<Time> = wait("establish", "\"15 s\"", "Time for the reply to ENQ.");
static BUSY: Key<Time> = wait("busy", "\"10 s\"", "Pause after ENQ was refused, and after a message was given up.");
static CONTENTION: Key<Time> =
    wait("contention", "\"1 s\"", "Pause of an instrument before it asks again after both asked at once.");
static CONTENTION_HOST: Key<Time> = wait("contention_host", "\"20 s\"", "The same of a host.");
static FRAME_REPLY: Key<Time> = wait("reply", "\"15 s\"", "Time for the reply to a frame.");
static NEXT_FRAME: Key<Time> =
    wait("next_frame", "\"30 s\"", "Time for the next frame or EOT; then the message is dropped.");
static INTERRUPTED: Key<Time> = wait("interrupted", "\"15 s\"", "Pause after the receiver asked us to stop.");
static CHARACTER_GAP: Key<Time> = wait("character_gap", "\"2 s\"", "Silence inside a frame after which it is refused.");
static LIS01_SECTION: Section = Section {
    kind: "lis01",
    doc: "What LIS01-A2 devices do differently, as their manuals say.",
    keys: &[
        &TRIES,
        &FRAME_TEXT,
        &GROUPING,
        &INTERRUPT,
        &ESTABLISH,
        &BUSY,
        &CONTENTION,
        &CONTENTION_HOST,
        &FRAME_REPLY,
        &NEXT_FRAME,
        &INTERRUPTED,
        &CHARACTER_GAP,
    ],
    later: &[],
};
pub(in crate::settings) static LIS01: Key<Inline<lis01::Options>> = Key {
    name: "lis01",
    form: Inline { section: &LIS01_SECTION, build: build_lis01 },
    absent: Absent::Default("{}"),
    example: "{ tries = 1, reply = \"5 s\" }",
    doc: "What LIS01-A2 devices do differently: times, tries, frame size and what makes a message.",
};

fn build_lis01(fields: &Fields<'_>, found: &mut Complaints) -> Option<lis01::Options> {
    let tries = fields.read(&TRIES, found);
    let frame_text = fields.read(&FRAME_TEXT, found);
    let grouping = fields.read(&GROUPING, found);
    let interrupt = fields.read(&INTERRUPT, found);
    let times =
        [&ESTABLISH, &BUSY, &CONTENTION, &CONTENTION_HOST, &FRAME_REPLY, &NEXT_FRAME, &INTERRUPTED, &CHARACTER_GAP]
            .map(|key| fields.read(key, found));
    let [establishment, busy, contention_instrument, contention_host, reply, receiver, interrupted, gap] = times;
    Some(lis01::Options {
        tries: u32::try_from(tries?).ok()?,
        frame_text_max: frame_text?,
        grouping: grouping?,
        interrupt: interrupt?,
        timers: lis01::Timers {
            establishment: establishment?,
            busy: busy?,
            contention_instrument: contention_instrument?,
            contention_host: contention_host?,
            reply: reply?,
            receiver: receiver?,
            interrupted: interrupted?,
            gap: gap?,
        },
        ..lis01::Options::new(lis01::Role::Host, 0)
    })
}

const MARK: Spelled<Vec<u8>> = Spelled { wanted: "the bytes of a mark", parse: words::mark, pattern: None };

pub(in crate::settings) static START: Key<Spelled<Vec<u8>>> = Key {
    name: "start",
    form: MARK,
    absent: Absent::Default("\"STX\""),
    example: "\"STX\"",
    doc: "Byte before a line: a name such as STX or SOH, 0x02, or none.",
};
pub(in crate::settings) static END: Key<Spelled<Vec<u8>>> = Key {
    name: "end",
    form: MARK,
    absent: Absent::Default("\"ETX\""),
    example: "\"CR LF\"",
    doc: "Bytes behind a line: names such as ETX, CR LF, or 0x03.",
};
pub(in crate::settings) static CHECK: Key<Choice<Option<Algorithm>>> = Key {
    name: "check",
    form: Choice(&[
        ("none", Word::Means(None)),
        ("sum8", Word::Means(Some(Algorithm::Sum8))),
        ("xor", Word::Means(Some(Algorithm::Xor))),
        ("twos", Word::Means(Some(Algorithm::Twos))),
    ]),
    absent: Absent::Default("\"none\""),
    example: "\"sum8\"",
    doc: "Check of a line: none, sum8, xor, or twos (two's complement of the sum).",
};

/// How lines are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) enum LineReply {
    None,
    AckNak,
}

pub(in crate::settings) static REPLY: Key<Choice<LineReply>> = Key {
    name: "reply",
    form: Choice(&[("none", Word::Means(LineReply::None)), ("ack-nak", Word::Means(LineReply::AckNak))]),
    absent: Absent::Default("\"none\""),
    example: "\"ack-nak\"",
    doc: "How lines are acknowledged: none where the wire goes one way, or ack-nak once a line is stored.",
};

static CHECK_FORM: Key<Choice<Form>> = Key {
    name: "check_form",
    form: Choice(&[("hex", Word::Means(Form::Hex)), ("byte", Word::Means(Form::Byte))]),
    absent: Absent::Default("\"hex\""),
    example: "\"byte\"",
    doc: "How the check is written: hex (two digits) or byte.",
};
static CHECK_PLACE: Key<Choice<Place>> = Key {
    name: "check_place",
    form: Choice(&[("after-end", Word::Means(Place::AfterEnd)), ("before-end", Word::Means(Place::BeforeEnd))]),
    absent: Absent::Default("\"after-end\""),
    example: "\"before-end\"",
    doc: "Where the check stands.",
};
static CHECK_COVERS: Key<Choice<(Span, Span)>> = Key {
    name: "check_covers",
    form: Choice(&[
        ("data", Word::Means((Span::Excluded, Span::Excluded))),
        ("data-end", Word::Means((Span::Excluded, Span::Included))),
        ("start-data", Word::Means((Span::Included, Span::Excluded))),
        ("start-data-end", Word::Means((Span::Included, Span::Included))),
    ]),
    absent: Absent::Default("\"data\""),
    example: "\"data-end\"",
    doc: "What the check is made of: data, and the marks that are named.",
};
static ACK_BYTE: Key<Spelled<Vec<u8>>> = Key {
    name: "ack",
    form: MARK,
    absent: Absent::Default("\"ACK\""),
    example: "\"ACK\"",
    doc: "Byte that says: taken.",
};
static NAK_BYTE: Key<Spelled<Vec<u8>>> = Key {
    name: "nak",
    form: MARK,
    absent: Absent::Default("\"NAK\""),
    example: "\"NAK\"",
    doc: "Byte that says: send it again.",
};
static HEARTBEAT: Key<Spelled<Vec<u8>>> = Key {
    name: "heartbeat",
    form: MARK,
    absent: Absent::Default("\"none\""),
    example: "\"0x00\"",
    doc: "Byte that the peer sends between lines to show that it is there.",
};
static RETRIES: Key<Whole> = Key {
    name: "retries",
    form: AGAIN,
    absent: Absent::Default("3"),
    example: "3",
    doc: "How often a line of ours is sent again.",
};
static REPLY_TIMEOUT: Key<Time> = wait("reply_timeout", "\"5 s\"", "Time the peer has to acknowledge a line of ours.");
static LINES_SECTION: Section = Section {
    kind: "lines",
    doc: "What framed text has of its own, as the peer's manual says.",
    keys: &[&CHECK_FORM, &CHECK_PLACE, &CHECK_COVERS, &ACK_BYTE, &NAK_BYTE, &HEARTBEAT, &RETRIES, &REPLY_TIMEOUT],
    later: &[],
};

/// What `lines` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::settings) struct Lines {
    pub(in crate::settings) form: Form,
    pub(in crate::settings) place: Place,
    pub(in crate::settings) covers: (Span, Span),
    pub(in crate::settings) ack: u8,
    pub(in crate::settings) nak: u8,
    pub(in crate::settings) heartbeat: Option<text::Heartbeat>,
    pub(in crate::settings) retries: u32,
    pub(in crate::settings) reply_timeout: Duration,
}

pub(in crate::settings) static LINES: Key<Inline<Lines>> = Key {
    name: "lines",
    form: Inline { section: &LINES_SECTION, build: build_lines },
    absent: Absent::Default("{}"),
    example: "{ check_form = \"hex\", check_place = \"after-end\", check_covers = \"data-end\" }",
    doc: "What framed text has of its own: form, place and range of the check, ACK and NAK bytes, heartbeat.",
};

fn build_lines(fields: &Fields<'_>, found: &mut Complaints) -> Option<Lines> {
    let form = fields.read(&CHECK_FORM, found);
    let place = fields.read(&CHECK_PLACE, found);
    let covers = fields.read(&CHECK_COVERS, found);
    let ack = fields.read(&ACK_BYTE, found);
    let nak = fields.read(&NAK_BYTE, found);
    let heartbeat = fields.read(&HEARTBEAT, found);
    let retries = fields.read(&RETRIES, found);
    let reply_timeout = fields.read(&REPLY_TIMEOUT, found);
    Some(Lines {
        form: form?,
        place: place?,
        covers: covers?,
        ack: ack?.first().copied().unwrap_or(0x06),
        nak: nak?.first().copied().unwrap_or(0x15),
        heartbeat: heartbeat?.first().copied().map(text::Heartbeat::Byte),
        retries: u32::try_from(retries?).ok()?,
        reply_timeout: reply_timeout?,
    })
}
