//! Records and their kinds.

use super::{
    error::Place,
    part::{Delimiters, Part},
};

/// The kind of a record, by its letter (ASTM E1394-97, 5.1.8 and 7 to 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// H: message header.
    Header,
    /// P: patient information.
    Patient,
    /// O: test order.
    Order,
    /// R: result.
    Result,
    /// C: comment.
    Comment,
    /// Q: request for information.
    Request,
    /// M: manufacturer information.
    Manufacturer,
    /// S: scientific.
    Scientific,
    /// L: message terminator.
    Terminator,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Header,
        Self::Patient,
        Self::Order,
        Self::Result,
        Self::Comment,
        Self::Request,
        Self::Manufacturer,
        Self::Scientific,
        Self::Terminator,
    ];

    /// Its letter.
    pub const fn letter(self) -> char {
        match self {
            Self::Header => 'H',
            Self::Patient => 'P',
            Self::Order => 'O',
            Self::Result => 'R',
            Self::Comment => 'C',
            Self::Request => 'Q',
            Self::Manufacturer => 'M',
            Self::Scientific => 'S',
            Self::Terminator => 'L',
        }
    }

    /// Its level; comments and manufacturer information have none, they belong to what stands before them.
    pub const fn level(self) -> Option<u8> {
        match self {
            Self::Header | Self::Terminator => Some(0),
            Self::Patient | Self::Request | Self::Scientific => Some(1),
            Self::Order => Some(2),
            Self::Result => Some(3),
            Self::Comment | Self::Manufacturer => None,
        }
    }

    /// The kind of a letter in either case.
    pub fn of(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.letter() == char::from(letter.to_ascii_uppercase()))
    }
}

/// How a message ended: L-3 (ASTM E1394-97, 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Termination {
    /// N, or nothing: normally.
    Normal,
    /// T: its sender broke it off.
    SenderAborted,
    /// R: its receiver asked to break it off.
    ReceiverAborted,
    /// E: an error of the sending system.
    SystemError,
    /// Q: an error in the last request for information.
    RequestError,
    /// I: there is nothing on what was last asked for.
    NoInformation,
    /// F: the last request for information is done.
    RequestDone,
    /// Something else.
    Unknown,
}

impl Termination {
    /// Whether the message was broken off, so that something of it may be missing.
    pub const fn is_aborted(self) -> bool {
        matches!(self, Self::SenderAborted | Self::ReceiverAborted | Self::SystemError)
    }
}

/// One record. Borrows its bytes.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    kind: Kind,
    /// Which one of its kind in the message, from 1.
    number: u32,
    line: &'a [u8],
    delimiters: Delimiters,
}

impl<'a> Record<'a> {
    pub(super) const fn new(kind: Kind, number: u32, line: &'a [u8], delimiters: Delimiters) -> Self {
        Self { kind, number, line, delimiters }
    }

    /// Its kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Which one of its kind it is in the message, from 1.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Its bytes, without the CR.
    pub const fn bytes(&self) -> &'a [u8] {
        self.line
    }

    /// A field of it, as the standard numbers them: 1 is the letter. A field that is not there is absent.
    pub fn field(&self, number: usize) -> Part<'a> {
        let bytes = match (self.kind, number) {
            (_, 0) => &[],
            // H-2 is the delimiters; what follows the letter is the field delimiter itself.
            _ => self.line.split(|byte| *byte == self.delimiters.field).nth(number - 1).unwrap_or_default(),
        };
        Part::new(bytes, delimiters_of(self.kind, number, self.delimiters))
    }

    /// Its fields in order, each with its number.
    pub fn fields(&self) -> impl Iterator<Item = (usize, Part<'a>)> + use<'a> {
        let (kind, delimiters) = (self.kind, self.delimiters);
        let fields = self.line.split(move |byte| *byte == delimiters.field);
        (1..)
            .zip(fields)
            .map(move |(number, bytes)| (number, Part::new(bytes, delimiters_of(kind, number, delimiters))))
    }

    /// The place of a field of it.
    pub fn place(&self, field: u16) -> Place {
        Place { record: Some(self.kind), number: self.number, field }
    }

    /// L-3, where this is an L record.
    pub fn termination(&self) -> Termination {
        let code = self.field(3);
        match code.bytes().trim_ascii() {
            [] => Termination::Normal,
            [letter] => match letter.to_ascii_uppercase() {
                b'N' => Termination::Normal,
                b'T' => Termination::SenderAborted,
                b'R' => Termination::ReceiverAborted,
                b'E' => Termination::SystemError,
                b'Q' => Termination::RequestError,
                b'I' => Termination::NoInformation,
                b'F' => Termination::RequestDone,
                _ => Termination::Unknown,
            },
            _ => Termination::Unknown,
        }
    }
}

/// H-2 is the delimiters themselves, so nothing in it is split.
fn delimiters_of(kind: Kind, number: usize, delimiters: Delimiters) -> Delimiters {
    if (kind, number) == (Kind::Header, 2) { delimiters.literal() } else { delimiters }
}

impl std::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} of {} bytes", self.kind.letter(), self.number, self.line.len())
    }
}
