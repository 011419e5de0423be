//! Acknowledgements (HL7 v2.5.1 chapter 2, 2.9; ERR: 2.15.5; table 0357).
//!
//! The header is made anew: own MSH-7 and MSH-10, sender and receiver swapped as raw bytes, MSH-11, MSH-12 and MSH-18
//! copied, MSH-15 and MSH-16 empty. MSA-2 is MSH-10 byte by byte. The sender's delimiters are used throughout.
//!
//! ```text
//! MSH|^~\&|own app|own facility|their app|their facility|now||ACK^A03^ACK|own id|P|2.5.1
//! MSA|AE|their id|text
//! ERR||PID^1^3^1|101^Required field missing^HL70357|E||||text
//! ```
//!
//! Whatever came in, what goes out is one MSH, one MSA and at most one ERR: fields cannot hold their own separators,
//! and control characters, which could end a segment or a frame, become blanks. Does not decide whether a message is
//! good.
//!
//! In enhanced mode there may be two of them: the first when the message is stored or not, the second, which MSH-16
//! asks for, as the first message of a later exchange. It is a message of our own with a control id of its own and may
//! ask for an acknowledgement itself ([`Asks`]); [`Mode::exchanges`] says which of the two are due.

mod header;
mod reply;

pub use reply::{Reply, read};

use std::fmt;

use self::header::Header;
use super::{Delimiters, Expected, Message, ParseError, Path, escape};
use crate::{settings::AckMode, units::Timestamp};

/// Who must be told: how MSH-15 and MSH-16 ask for an acknowledgement (table 0155).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `AL`: always.
    Always,
    /// `NE`: never.
    Never,
    /// `ER`: when it is not accepted.
    Error,
    /// `SU`: when it is accepted.
    Success,
}

impl Condition {
    /// Whether an answer is due.
    pub const fn holds(self, outcome: Outcome) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Error => !matches!(outcome, Outcome::Accept),
            Self::Success => matches!(outcome, Outcome::Accept),
        }
    }

    /// Reads table 0155; an unknown code asks for an answer, since silence would stop the sender.
    fn read(code: &[u8], absent: Self) -> Self {
        match code.trim_ascii() {
            b"" | b"\"\"" => absent,
            b"NE" => Self::Never,
            b"ER" => Self::Error,
            b"SU" => Self::Success,
            _ => Self::Always,
        }
    }
}

/// How a message is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// AA, AE, AR, always.
    Original,
    /// CA, CE, CR now, and AA, AE, AR as a later exchange.
    Enhanced {
        /// MSH-15: when the first is due.
        accept: Condition,
        /// MSH-16: when the second is due.
        application: Condition,
    },
}

impl Mode {
    /// Which acknowledgements are due, and with which codes.
    ///
    /// | outcome | MSH-15 asks | MSH-16 asks | first | later |
    /// |---|---|---|---|---|
    /// | accept | yes | yes | CA | AA |
    /// | content | yes | yes | CA | AE |
    /// | content | yes | no | CE | - |
    /// | error, reject | yes | any | CE, CR | - |
    /// | any | no | yes | - | AA, AE, AR |
    ///
    /// A message that could not be taken never came to the application, so no application acknowledgement follows a
    /// CE or CR; but whoever waits for MSH-16 alone hears of it there. A message that is kept although its content is
    /// wrong is safely stored (CA), and it is for the application to say no; where that is not asked, CE says it.
    pub const fn exchanges(self, outcome: Outcome) -> Exchanges {
        let Self::Enhanced { accept, application } = self else {
            return Exchanges { first: self.answer(outcome), later: None };
        };
        let later = if application.holds(outcome) { Some(outcome.application_code()) } else { None };
        if matches!((outcome, later), (Outcome::Content, Some(_))) {
            return Exchanges { first: self.answer(Outcome::Accept), later };
        }
        let first = self.answer(outcome);
        let is_told = matches!(outcome, Outcome::Accept) || accept.holds(outcome);
        let later = if is_told && !matches!(outcome, Outcome::Accept) { None } else { later };
        Exchanges { first, later }
    }

    /// The code to answer with at once; none where no answer is due.
    pub const fn answer(self, outcome: Outcome) -> Option<Code> {
        match self {
            Self::Original => Some(outcome.application_code()),
            Self::Enhanced { accept, .. } if accept.holds(outcome) => Some(match outcome {
                Outcome::Accept => Code::Ca,
                Outcome::Error | Outcome::Content => Code::Ce,
                Outcome::Reject => Code::Cr,
            }),
            Self::Enhanced { .. } => None,
        }
    }

    fn read(setting: AckMode, accept: &[u8], application: &[u8]) -> Self {
        let silent = accept.is_empty() && application.is_empty();
        match setting {
            AckMode::Original => Self::Original,
            AckMode::Auto if silent => Self::Original,
            AckMode::Auto => Self::enhanced(accept, application, Condition::Never),
            AckMode::Enhanced => Self::enhanced(accept, application, Condition::Always),
        }
    }

    fn enhanced(accept: &[u8], application: &[u8], absent: Condition) -> Self {
        Self::Enhanced {
            accept: Condition::read(accept, absent),
            application: Condition::read(application, Condition::Never),
        }
    }
}

/// What became of a message, as its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Committed.
    Accept,
    /// Not taken, for want of storage or for its place in the sequence.
    Error,
    /// Kept for a person, but what it says is wrong.
    Content,
    /// Not taken: its type, version or processing id, or not a message at all.
    Reject,
}

impl Outcome {
    /// What the application says to it.
    pub const fn application_code(self) -> Code {
        match self {
            Self::Accept => Code::Aa,
            Self::Error | Self::Content => Code::Ae,
            Self::Reject => Code::Ar,
        }
    }
}

/// The acknowledgements of one message that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchanges {
    /// The answer.
    pub first: Option<Code>,
    /// The application acknowledgement, the first message of a later exchange.
    pub later: Option<Code>,
}

/// An acknowledgement code (table 0008).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Application accept.
    Aa,
    /// Application error.
    Ae,
    /// Application reject.
    Ar,
    /// Commit accept.
    Ca,
    /// Commit error.
    Ce,
    /// Commit reject.
    Cr,
}

impl Code {
    /// Every code, for labels that exist from the start.
    pub const ALL: [Self; 6] = [Self::Aa, Self::Ae, Self::Ar, Self::Ca, Self::Ce, Self::Cr];

    /// The code as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aa => "AA",
            Self::Ae => "AE",
            Self::Ar => "AR",
            Self::Ca => "CA",
            Self::Ce => "CE",
            Self::Cr => "CR",
        }
    }

    /// Whether it takes the message off the sender's hands.
    pub const fn is_positive(self) -> bool {
        matches!(self, Self::Aa | Self::Ca)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let code = bytes.trim_ascii();
        Self::ALL.into_iter().find(|known| known.as_str().as_bytes().eq_ignore_ascii_case(code))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a message was not accepted (table 0357).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// 100
    SegmentSequence,
    /// 101
    RequiredFieldMissing,
    /// 102
    DataType,
    /// 103
    TableValueNotFound,
    /// 200
    UnsupportedMessageType,
    /// 201
    UnsupportedEventCode,
    /// 202
    UnsupportedProcessingId,
    /// 203
    UnsupportedVersion,
    /// 204
    UnknownKey,
    /// 205
    DuplicateKey,
    /// 206
    RecordLocked,
    /// 207
    InternalError,
}

impl Reason {
    /// Every reason; positions are stored, so new ones go to the end.
    pub const ALL: [Self; 12] = [
        Self::SegmentSequence,
        Self::RequiredFieldMissing,
        Self::DataType,
        Self::TableValueNotFound,
        Self::UnsupportedMessageType,
        Self::UnsupportedEventCode,
        Self::UnsupportedProcessingId,
        Self::UnsupportedVersion,
        Self::UnknownKey,
        Self::DuplicateKey,
        Self::RecordLocked,
        Self::InternalError,
    ];

    /// The reason that comes nearest to a failure to read.
    const fn of(expected: Expected) -> Self {
        match expected {
            Expected::Header | Expected::Acknowledgement => Self::SegmentSequence,
            Expected::FieldSeparator | Expected::EncodingCharacters | Expected::DistinctDelimiters => Self::DataType,
            Expected::FewerSegments | Expected::FewerFields | Expected::FewerBytes | Expected::FewerMessages => {
                Self::InternalError
            }
        }
    }

    /// Code and text of table 0357.
    pub const fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::SegmentSequence => ("100", "Segment sequence error"),
            Self::RequiredFieldMissing => ("101", "Required field missing"),
            Self::DataType => ("102", "Data type error"),
            Self::TableValueNotFound => ("103", "Table value not found"),
            Self::UnsupportedMessageType => ("200", "Unsupported message type"),
            Self::UnsupportedEventCode => ("201", "Unsupported event code"),
            Self::UnsupportedProcessingId => ("202", "Unsupported processing id"),
            Self::UnsupportedVersion => ("203", "Unsupported version id"),
            Self::UnknownKey => ("204", "Unknown key identifier"),
            Self::DuplicateKey => ("205", "Duplicate key identifier"),
            Self::RecordLocked => ("206", "Application record locked"),
            Self::InternalError => ("207", "Application internal error"),
        }
    }
}

/// What the sender is told of a message that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The place, where there is one.
    pub place: Option<Path>,
    /// The code.
    pub reason: Reason,
    /// One sentence for a person at the other end; holds no patient data.
    pub text: String,
}

/// What an acknowledgement has of its own.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// MSH-7, as [`time_text`] gives it.
    pub at: &'a str,
    /// MSH-10: unique among what this box sends.
    pub control_id: &'a str,
}

/// What an acknowledgement says.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// MSA-1.
    pub code: Code,
    /// Why not; written only with a code that is not positive.
    pub fault: Option<&'a Fault>,
    /// MSA-4, under the sequence number protocol.
    pub expected: Option<i64>,
    /// MSH-15 and MSH-16.
    pub asks: Asks,
}

/// What an acknowledgement itself asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// It is an answer: MSH-15 and MSH-16 are empty.
    Nothing,
    /// It begins an exchange on a connection that is the peer's: it wants none (NE, NE).
    Never,
    /// It begins an exchange on a connection of our own: that it arrived is to be acknowledged (AL, NE).
    Accept,
}

impl Asks {
    const fn conditions(self) -> [&'static str; 2] {
        match self {
            Self::Nothing => ["", ""],
            Self::Never => ["NE", "NE"],
            Self::Accept => ["AL", "NE"],
        }
    }
}

/// MSH-7: `now` at an offset of `zone_seconds` from UTC, with milliseconds and offset.
pub fn time_text(now: Timestamp, zone_seconds: i32) -> String {
    let offset = jiff::tz::Offset::from_seconds(zone_seconds).unwrap_or(jiff::tz::Offset::UTC);
    let instant = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    offset.to_datetime(instant).strftime("%Y%m%d%H%M%S%.3f").to_string() + &offset_text(offset)
}

fn offset_text(offset: jiff::tz::Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// How `message` is acknowledged on a link with this `setting`. In automatic mode, MSH-15 and MSH-16 both empty mean
/// original mode; where only one is valued, the other means never.
pub fn decide_mode(setting: AckMode, message: &Message<'_>) -> Mode {
    Mode::read(setting, message.accept_ack_type(), message.application_ack_type())
}

/// Whether `message` is itself an acknowledgement, which is never acknowledged: it has a segment MSA and is called
/// ACK or MCF.
pub fn is_acknowledgement(message: &Message<'_>) -> bool {
    matches!(message.message_type().code, b"ACK" | b"MCF") && message.segment("MSA").is_some()
}

/// The acknowledgement of `message`. A `fault` is written only with a code that is not positive.
pub fn build(message: &Message<'_>, stamp: &Stamp<'_>, code: Code, fault: Option<&Fault>) -> Vec<u8> {
    compose(message, stamp, &Body { code, fault, expected: None, asks: Asks::Nothing })
}

/// The acknowledgement of `message` that says what `body` holds.
pub fn compose(message: &Message<'_>, stamp: &Stamp<'_>, body: &Body<'_>) -> Vec<u8> {
    let header = message.segment_at(0).map(|segment| segment.bytes()).unwrap_or_default();
    write(&Header::read(header), stamp, body)
}

/// The rejection of bytes that cannot be read as a message: as much of the header as can be made out is used, and
/// nothing else of them. None where the header asks for silence; one that waits for MSH-16 alone is told at once.
pub fn for_unparsable(raw: &[u8], setting: AckMode, stamp: &Stamp<'_>, error: &ParseError) -> Option<Vec<u8>> {
    let header = Header::read(raw);
    let due = Mode::read(setting, header.accept, header.application).exchanges(Outcome::Reject);
    let code = due.first.or(due.later)?;
    let fault = Fault { place: None, reason: Reason::of(error.expected), text: error.to_string() };
    Some(write(&header, stamp, &Body { code, fault: Some(&fault), expected: None, asks: Asks::Nothing }))
}

fn write(header: &Header<'_>, stamp: &Stamp<'_>, body: &Body<'_>) -> Vec<u8> {
    let fault = body.fault.filter(|_| !body.code.is_positive());
    let mut writer = Writer::new(header.delimiters);
    header.write_answer(&mut writer, stamp, body.asks.conditions());
    writer.segment("MSA");
    writer.text(body.code.as_str());
    writer.raw(header.control_id);
    // MSA-3 is withdrawn from 2.7 on.
    let text = fault.filter(|_| header.version_below(&[2, 7])).map_or("", |fault| fault.text.as_str());
    writer.text(text);
    writer.text(&body.expected.map(|number| number.to_string()).unwrap_or_default());
    if let Some(fault) = fault {
        writer.segment("ERR");
        write_error(&mut writer, header, fault);
    }
    writer.finish()
}

/// ERR as of 2.5, or as of before.
fn write_error(writer: &mut Writer, header: &Header<'_>, fault: &Fault) {
    let (code, text) = fault.reason.entry();
    if header.version_below(&[2, 5]) {
        let place = fault.place.map(|path| old_place(&path)).unwrap_or_default();
        let [segment, sequence, field] = &place;
        let inner = writer.delimiters.subcomponent.unwrap_or(b' ');
        let reason = [code.as_bytes(), text.as_bytes(), b"HL70357"].join(&inner);
        return writer.components(&[segment.as_bytes(), sequence.as_bytes(), field.as_bytes(), &reason]);
    }
    writer.text("");
    let place = fault.place.map(|path| new_place(&path)).unwrap_or_default();
    writer.components(&place.iter().map(String::as_bytes).collect::<Vec<_>>());
    writer.components(&[code.as_bytes(), text.as_bytes(), b"HL70357"]);
    writer.text("E");
    for _ in 5..8 {
        writer.text("");
    }
    writer.text(&fault.text);
}

/// ELD: segment, its occurrence, field.
fn old_place(path: &Path) -> [String; 3] {
    [path.segment().into(), path.occurrence().unwrap_or(1).to_string(), path.field().to_string()]
}

/// ERL: segment, its occurrence, field, repetition, component, subcomponent.
fn new_place(path: &Path) -> Vec<String> {
    let mut place = old_place(path).to_vec();
    place.push(path.repetition().unwrap_or(1).to_string());
    place.extend([path.component(), path.subcomponent()].into_iter().flatten().map(|number| number.to_string()));
    place
}

/// Writes segments field by field.
struct Writer {
    delimiters: Delimiters,
    out: Vec<u8>,
}

impl Writer {
    fn new(delimiters: Delimiters) -> Self {
        Self { delimiters, out: Vec::with_capacity(256) }
    }

    /// Begins a segment.
    fn segment(&mut self, name: &str) {
        self.end_segment();
        self.out.extend_from_slice(name.as_bytes());
    }

    /// Writes a field of own text.
    fn text(&mut self, text: &str) {
        self.out.push(self.delimiters.field);
        self.out.extend_from_slice(&escape(text.as_bytes(), &self.delimiters));
    }

    /// Writes a field as it came in; it holds no field separator. Control characters become blanks.
    fn raw(&mut self, bytes: &[u8]) {
        self.out.push(self.delimiters.field);
        self.out.extend(bytes.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }));
    }

    /// Writes a field of own components, which hold no delimiters.
    fn components(&mut self, components: &[&[u8]]) {
        let between = self.delimiters.component.unwrap_or(b' ');
        self.raw(&components.join(&between));
    }

    fn end_segment(&mut self) {
        while self.out.last() == Some(&self.delimiters.field) {
            self.out.pop();
        }
        if !self.out.is_empty() {
            self.out.push(b'\r');
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.end_segment();
        self.out
    }
}

#[cfg(test)]
mod tests;
