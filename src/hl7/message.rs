//! A message as a view over its bytes: segments, fields, repetitions, components, subcomponents.
//!
//! Numbers begin at 1, as in the standard; MSH-1 is the field separator itself. What is not there is empty, never an
//! error. Views copy nothing and print no content (INV-05).

use std::{borrow::Cow, fmt};

use memchr::memchr;

use super::{
    charset::{Charset, Encoding},
    delimiters::Delimiters,
    index::{Findings, Index, offset},
    path::Path,
};

/// The bytes of a message and their index.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    raw: &'a [u8],
    index: &'a Index,
}

impl<'a> Message<'a> {
    /// Puts `raw` and the `index` that was made of it together.
    pub const fn new(raw: &'a [u8], index: &'a Index) -> Self {
        Self { raw, index }
    }

    /// The bytes, as they came.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The delimiters.
    pub const fn delimiters(&self) -> Delimiters {
        self.index.delimiters()
    }

    /// What was odd about the message.
    pub const fn findings(&self) -> &'a Findings {
        self.index.findings()
    }

    /// All segments, in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + use<'a> {
        let message = *self;
        (0..self.index.segment_count()).filter_map(move |place| message.segment_at(place))
    }

    /// The segments called `name`, in order.
    pub fn segments_named<'n>(&self, name: &'n str) -> impl Iterator<Item = Segment<'a>> + use<'a, 'n> {
        self.segments().filter(move |segment| segment.is(name))
    }

    /// The first segment called `name`.
    pub fn segment(&self, name: &str) -> Option<Segment<'a>> {
        self.segments_named(name).next()
    }

    /// How many segments there are.
    pub const fn segment_count(&self) -> usize {
        self.index.segment_count()
    }

    /// The segment at `place`, counted from 0.
    pub fn segment_at(&self, place: usize) -> Option<Segment<'a>> {
        let marks = self.index.marks(place)?;
        Some(Segment { raw: self.raw, marks, delimiters: self.delimiters() })
    }

    /// The value at `path`. A path without an occurrence means the first segment of that name.
    pub fn value(&self, path: &Path) -> Value<'a> {
        let occurrence = path.occurrence().unwrap_or(1);
        let segment = self.segments_named(path.segment()).nth(usize::from(occurrence).saturating_sub(1));
        segment.map_or(Value::Absent, |found| found.value(path))
    }

    /// How the text of this message is read; `configured` is the link's own choice, where it has one.
    pub fn charset(&self, configured: Option<Encoding>) -> Charset {
        Charset::choose(self, configured)
    }

    /// MSH-9: message code, trigger event, structure; empty where missing.
    pub fn message_type(&self) -> MessageType<'a> {
        let field = self.header(9);
        MessageType {
            code: field.component(1).bytes,
            trigger: field.component(2).bytes,
            structure: field.component(3).bytes,
        }
    }

    /// MSH-3, all of it.
    pub fn sending_application(&self) -> &'a [u8] {
        self.header(3).bytes
    }

    /// MSH-4, all of it.
    pub fn sending_facility(&self) -> &'a [u8] {
        self.header(4).bytes
    }

    /// MSH-5, all of it.
    pub fn receiving_application(&self) -> &'a [u8] {
        self.header(5).bytes
    }

    /// MSH-6, all of it.
    pub fn receiving_facility(&self) -> &'a [u8] {
        self.header(6).bytes
    }

    /// MSH-10, all of it, byte by byte.
    pub fn control_id(&self) -> &'a [u8] {
        self.header(10).bytes
    }

    /// MSH-11, all of it.
    pub fn processing_id(&self) -> &'a [u8] {
        self.header(11).bytes
    }

    /// MSH-11, its first component.
    pub fn processing_component(&self) -> &'a [u8] {
        self.header(11).component(1).bytes
    }

    /// MSH-12, its first component.
    pub fn version(&self) -> &'a [u8] {
        self.header(12).component(1).bytes
    }

    /// MSH-13.
    pub fn sequence_number(&self) -> &'a [u8] {
        self.header(13).bytes
    }

    /// MSH-15.
    pub fn accept_ack_type(&self) -> &'a [u8] {
        self.header(15).bytes
    }

    /// MSH-16.
    pub fn application_ack_type(&self) -> &'a [u8] {
        self.header(16).bytes
    }

    /// A field of the first segment, which is MSH.
    pub(super) fn header(&self, number: usize) -> Field<'a> {
        let nothing = Field { bytes: &[], delimiters: self.delimiters() };
        self.segment_at(0).map_or(nothing, |header| header.field(number))
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bytes, {} segments)", self.raw.len(), self.index.segment_count())
    }
}

/// MSH-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageType<'a> {
    /// Message code, such as `ADT`.
    pub code: &'a [u8],
    /// Trigger event, such as `A03`.
    pub trigger: &'a [u8],
    /// Structure, such as `ADT_A03`; most senders before 2.4 leave it out.
    pub structure: &'a [u8],
}

/// One segment.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    raw: &'a [u8],
    marks: &'a [u32],
    delimiters: Delimiters,
}

impl<'a> Segment<'a> {
    /// Its name, such as `PID`.
    pub fn name(&self) -> &'a [u8] {
        self.between(self.start(), self.mark(1).unwrap_or_default())
    }

    /// Whether it is called `name`.
    pub fn is(&self, name: &str) -> bool {
        self.name() == name.as_bytes()
    }

    /// Offset of its first byte in the message.
    pub fn start(&self) -> usize {
        self.mark(0).unwrap_or_default()
    }

    /// All its bytes, without its end.
    pub fn bytes(&self) -> &'a [u8] {
        self.between(self.start(), self.marks.last().map_or(0, |mark| offset(*mark)))
    }

    /// The number of its last field.
    pub fn field_count(&self) -> usize {
        let separators = self.marks.len().saturating_sub(2);
        if self.is_header() { separators.saturating_add(1) } else { separators }
    }

    /// The field with this number; empty where there is none.
    pub fn field(&self, number: usize) -> Field<'a> {
        if self.is_header() {
            return self.header_field(number);
        }
        Field { bytes: self.after_separator(number), delimiters: self.delimiters }
    }

    /// The value at the part of `path` below the segment; its segment and occurrence are not looked at.
    pub fn value(&self, path: &Path) -> Value<'a> {
        let field = self.field(usize::from(path.field()));
        let repetition = field.repetition(usize::from(path.repetition().unwrap_or(1)));
        let Some(component) = path.component() else { return repetition.value() };
        let component = repetition.component(usize::from(component));
        let Some(subcomponent) = path.subcomponent() else { return component.value() };
        Value::of(component.subcomponent(usize::from(subcomponent)))
    }

    /// MSH-1 is the separator that the other fields are counted by; a line `MSH` alone has none.
    fn header_field(&self, number: usize) -> Field<'a> {
        let bytes = match number {
            0 => &[],
            1 if self.field_count() > 1 => self.mark(1).map_or(&[][..], |at| self.between(at, at.saturating_add(1))),
            1 => &[],
            _ => self.after_separator(number.saturating_sub(1)),
        };
        let delimiters = if number <= 2 { self.delimiters.literal() } else { self.delimiters };
        Field { bytes, delimiters }
    }

    /// What stands between the separator with this number and the next one.
    fn after_separator(&self, number: usize) -> &'a [u8] {
        let Some(separator) = self.mark(number) else { return &[] };
        let Some(end) = self.mark(number.saturating_add(1)) else { return &[] };
        if number == 0 { &[] } else { self.between(separator.saturating_add(1), end) }
    }

    fn is_header(&self) -> bool {
        self.name() == b"MSH"
    }

    fn mark(&self, place: usize) -> Option<usize> {
        self.marks.get(place).map(|mark| offset(*mark))
    }

    fn between(&self, start: usize, end: usize) -> &'a [u8] {
        self.raw.get(start..end).unwrap_or_default()
    }
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment(byte {}, {} fields)", self.start(), self.field_count())
    }
}

macro_rules! part {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy)]
        pub struct $name<'a> {
            bytes: &'a [u8],
            delimiters: Delimiters,
        }

        impl<'a> $name<'a> {
            /// All its bytes, as they came.
            pub const fn bytes(&self) -> &'a [u8] {
                self.bytes
            }

            /// The delimiters of what is in it.
            pub const fn delimiters(&self) -> Delimiters {
                self.delimiters
            }

            /// Whether its sender cut it off: the truncation character stands at its end (HL7 v2.7 chapter 2, 2.5.5.2).
            pub fn is_truncated(&self) -> bool {
                self.delimiters.truncation.is_some_and(|mark| self.bytes.last() == Some(&mark))
            }

            /// What it says, taken as a whole.
            pub fn value(&self) -> Value<'a> {
                Value::of(self.bytes)
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} bytes)"), self.bytes.len())
            }
        }
    };
}

part! {
    /// One field, with all its repetitions.
    Field
}
part! {
    /// One repetition of a field.
    Repetition
}
part! {
    /// One component of a repetition.
    Component
}

impl<'a> Field<'a> {
    /// Its repetitions; none where the field is empty.
    pub fn repetitions(&self) -> impl Iterator<Item = Repetition<'a>> + use<'a> {
        let delimiters = self.delimiters;
        split(self.bytes, delimiters.repetition).map(move |bytes| Repetition { bytes, delimiters })
    }

    /// The repetition with this number; empty where there is none.
    pub fn repetition(&self, number: usize) -> Repetition<'a> {
        Repetition { bytes: piece(self.bytes, self.delimiters.repetition, number), delimiters: self.delimiters }
    }

    /// A component of the first repetition.
    pub fn component(&self, number: usize) -> Component<'a> {
        self.repetition(1).component(number)
    }
}

impl<'a> Repetition<'a> {
    /// Its components; none where it is empty.
    pub fn components(&self) -> impl Iterator<Item = Component<'a>> + use<'a> {
        let delimiters = self.delimiters;
        split(self.bytes, delimiters.component).map(move |bytes| Component { bytes, delimiters })
    }

    /// The component with this number; empty where there is none.
    pub fn component(&self, number: usize) -> Component<'a> {
        Component { bytes: piece(self.bytes, self.delimiters.component, number), delimiters: self.delimiters }
    }

    /// Its lines: a text is broken by `\.br\` (HL7 v2.5.1 chapter 2, 2.7.6).
    pub fn lines(&self) -> impl Iterator<Item = Self> + use<'a> {
        let (delimiters, mut rest) = (self.delimiters, Some(self.bytes));
        std::iter::from_fn(move || {
            let all = rest.take()?;
            let at = delimiters.escape.and_then(|escape| line_end(all, escape));
            let line = at.map_or(Some(all), |at| all.get(..at))?;
            rest = at.and_then(|at| all.get(at.saturating_add(LINE_END_BYTES)..));
            Some(Self { bytes: line, delimiters })
        })
    }

    /// What follows its first `count` bytes.
    #[must_use]
    pub fn beyond(&self, count: usize) -> Self {
        Self { bytes: self.bytes.get(count..).unwrap_or_default(), delimiters: self.delimiters }
    }
}

/// The length of `\.br\`.
const LINE_END_BYTES: usize = 5;

/// Where the first `\.br\` begins.
fn line_end(bytes: &[u8], escape: u8) -> Option<usize> {
    let is_end = |five: &[u8]| matches!(five, [first, b'.', b'b' | b'B', b'r' | b'R', last] if *first == escape && *last == escape);
    bytes.windows(LINE_END_BYTES).position(is_end)
}

impl<'a> Component<'a> {
    /// Its subcomponents; none where it is empty.
    pub fn subcomponents(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        split(self.bytes, self.delimiters.subcomponent)
    }

    /// The subcomponent with this number; empty where there is none.
    pub fn subcomponent(&self, number: usize) -> &'a [u8] {
        piece(self.bytes, self.delimiters.subcomponent, number)
    }
}

/// What a sender says at one place (HL7 v2.5.1 chapter 2, 2.5.3.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing: leaves what is known as it is.
    Absent,
    /// `""`: what is known is to be deleted.
    Null,
    /// These bytes, escapes and inner delimiters included.
    Present(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Reads the bytes of one place.
    pub const fn of(bytes: &'a [u8]) -> Self {
        match bytes {
            b"" => Self::Absent,
            b"\"\"" => Self::Null,
            _ => Self::Present(bytes),
        }
    }

    /// The bytes, where there are any.
    pub const fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Present(bytes) => Some(bytes),
            Self::Absent | Self::Null => None,
        }
    }

    /// The text, unescaped and decoded; empty where absent or null. Inner delimiters stay: for free text, read the
    /// smallest part.
    pub fn text(self, charset: &Charset) -> Cow<'a, str> {
        charset.text(self.bytes().unwrap_or_default())
    }

    /// Whether there is something.
    pub const fn is_present(self) -> bool {
        matches!(self, Self::Present(_))
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Null => f.write_str("Null"),
            Self::Present(bytes) => write!(f, "Present({} bytes)", bytes.len()),
        }
    }
}

/// The pieces of `bytes`; none where it is empty.
fn split(bytes: &[u8], delimiter: Option<u8>) -> impl Iterator<Item = &[u8]> {
    let mut rest = if bytes.is_empty() { None } else { Some(bytes) };
    std::iter::from_fn(move || {
        let all = rest.take()?;
        let Some(at) = delimiter.and_then(|byte| memchr(byte, all)) else { return Some(all) };
        rest = all.get(at.saturating_add(1)..);
        all.get(..at)
    })
}

/// The piece with this number; empty where there is none.
pub(super) fn piece(bytes: &[u8], delimiter: Option<u8>, number: usize) -> &[u8] {
    number.checked_sub(1).and_then(|place| split(bytes, delimiter).nth(place)).unwrap_or_default()
}
