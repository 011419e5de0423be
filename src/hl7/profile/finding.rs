//! What is found about a message: the rule, where, how grave, what was expected; never the value itself (INV-05).

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};

use super::super::{Path, dictionary::Form};
use crate::units::limits;

/// How grave a finding is, and what the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Worth knowing. The message is accepted.
    Note,
    /// Wrong, but the message can be used. It is accepted.
    Warn,
    /// The message is refused for what it says: AE or CE.
    Error,
    /// The message is refused for what it is: AR or CR.
    Reject,
}

impl Level {
    /// Every level, the least first.
    pub const ALL: [Self; 4] = [Self::Note, Self::Warn, Self::Error, Self::Reject];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Reject => "reject",
        }
    }

    /// Whether the sender is told no.
    pub const fn refuses(self) -> bool {
        matches!(self, Self::Error | Self::Reject)
    }
}

macro_rules! rules {
    ($($(#[$meta:meta])* $rule:ident = $word:literal, $class:ident, $advice:literal;)+) => {
        /// The rules that a message can break, as a closed list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule {
            $($(#[$meta])* $rule,)+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$rule => $word,)+
                }
            }

            /// What it belongs to.
            pub const fn class(self) -> Class {
                match self {
                    $(Self::$rule => Class::$class,)+
                }
            }

            /// What a person can do about it.
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Self::$rule => $advice,)+
                }
            }
        }
    };
}

rules! {
    /// MSH-12 names no version that is known.
    VersionUnknown = "version-unknown", Version, "have the sender name its version in MSH-12";
    /// MSH-12 names another version than the profile's.
    VersionOther = "version-other", Version, "have the sender use the profile's version, or make a profile for this one";
    /// MSH-9 names no structure that is known: order and presence of segments cannot be judged.
    StructureUnknown = "structure-unknown", Structure, "nothing, if this message type is meant to pass";
    /// A line that is no segment, most often a broken line of text.
    SegmentName = "segment-name", Structure, "have the sender escape line ends inside values as \\.br\\ or \\X0D\\";
    /// The standard has no such segment, and it is no Z-segment.
    SegmentUnknown = "segment-unknown", Structure, "have the sender use a Z-segment for what is its own";
    /// The message type has no such segment.
    SegmentUnexpected = "segment-unexpected", Structure, "check that nothing downstream needs it there";
    /// The segment stands where the structure does not allow it.
    SegmentOrder = "segment-order", Structure, "have the sender put it in its place, or accept it with a note";
    /// A segment that must be there is not.
    SegmentMissing = "segment-missing", Structure, "have the sender add it";
    /// A segment that the profile does not support.
    SegmentForbidden = "segment-forbidden", Structure, "have the sender leave it out, or allow it in the profile";
    /// A segment comes less or more often than the profile says.
    SegmentCount = "segment-count", Structure, "have the sender keep to the count, or change it in the profile";
    /// A field or component that must be valued is not.
    FieldMissing = "field-missing", Usage, "have the sender fill it, or make it optional in the profile";
    /// A field or component that must not be valued is.
    FieldForbidden = "field-forbidden", Usage, "have the sender leave it empty, or allow it in the profile";
    /// A field that this version has withdrawn.
    FieldWithdrawn = "field-withdrawn", Usage, "have the sender use its successor, or name an earlier version";
    /// A field behind the last one that the segment has in this version.
    FieldBeyond = "field-beyond", Usage, "check that the sender names the version it means";
    /// A component behind the last one that the data type has in this version.
    ComponentBeyond = "component-beyond", Usage, "check for a delimiter that should have been escaped";
    /// A value is longer than allowed.
    TooLong = "too-long", Length, "check that receivers take the length, or raise it in the profile";
    /// A field repeats more often than allowed.
    TooManyRepetitions = "too-many-repetitions", Length, "check that receivers read further than the allowed number";
    /// A value is no number.
    FormNumber = "form-number", Form, "have the sender write digits, with a sign and a decimal point at most";
    /// A value is no sequence number.
    FormSequence = "form-sequence", Form, "have the sender write digits only";
    /// A value is no date.
    FormDate = "form-date", Form, "have the sender write YYYYMMDD";
    /// A value is no time.
    FormTime = "form-time", Form, "have the sender write HHMM or HHMMSS";
    /// A value is no date and time.
    FormTimestamp = "form-timestamp", Form, "have the sender write YYYYMMDDHHMMSS, perhaps with an offset such as +0100";
    /// A code is not in its table.
    TableValue = "table-value", Table, "add the code to the table, or have the sender use one that is there";
    /// A value is another one than the profile fixes.
    FixedValue = "fixed-value", Table, "have the sender write the agreed value";
}

/// A class of rules, to set a policy for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// MSH-12.
    Version,
    /// Segments and their order.
    Structure,
    /// What must and must not be valued.
    Usage,
    /// Characters and repetitions.
    Length,
    /// The form of a data type.
    Form,
    /// Codes.
    Table,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 6] = [Self::Version, Self::Structure, Self::Usage, Self::Length, Self::Form, Self::Table];

    /// The word for it in a profile.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Structure => "structure",
            Self::Usage => "usage",
            Self::Length => "length",
            Self::Form => "form",
            Self::Table => "table",
        }
    }
}

/// Where in a message something was found; numbers begin at 1, and 0 means no particular one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The segment's name; blanks where a line is no segment.
    pub segment: [u8; 3],
    /// Which segment of that name.
    pub occurrence: u16,
    /// The field.
    pub field: u16,
    /// Which repetition.
    pub repetition: u16,
    /// The component.
    pub component: u16,
    /// The subcomponent.
    pub subcomponent: u16,
    /// Which segment of the message.
    pub line: u32,
    /// Offset of the first byte, in the message as it came.
    pub offset: usize,
}

impl Place {
    /// As an address, where it is one of a field.
    pub fn path(&self) -> Option<Path> {
        self.to_string().parse().ok().filter(|_| self.field > 0)
    }

    /// The same, with the first of what it does not say.
    fn first(mut self) -> Self {
        for part in [&mut self.repetition, &mut self.component, &mut self.subcomponent] {
            *part = (*part).max(1);
        }
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segment == *b"   " || self.segment == [0; 3] {
            return write!(f, "line {}", self.line);
        }
        f.write_str(std::str::from_utf8(&self.segment).unwrap_or("???"))?;
        if self.occurrence > 1 {
            write!(f, "[{}]", self.occurrence)?;
        }
        if self.field > 0 {
            write!(f, "-{}", self.field)?;
        }
        if self.repetition > 1 {
            write!(f, "[{}]", self.repetition)?;
        }
        for part in [self.component, self.subcomponent] {
            if part > 0 {
                write!(f, ".{part}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Value,
    NoValue,
    Field(usize),
    Components(usize),
    Characters(u32),
    Repetitions(u16),
    Form(Form),
    Table(u16, &'static str),
    OwnTable(Arc<str>),
    Fixed,
    Segment([u8; 3]),
    SegmentName,
    StandardSegment,
    SegmentOfType,
    OtherOrder,
    NoSegment,
    Between(u32, u32),
    Version,
    OwnVersion(&'static str),
    Structure,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Value => "a value",
            Self::NoValue => "no value",
            Self::Field(last) => return write!(f, "at most {last} fields in this version"),
            Self::Components(1) => "a single value without components",
            Self::Components(last) => return write!(f, "at most {last} components"),
            Self::Characters(most) => return write!(f, "at most {most} characters"),
            Self::Repetitions(1) => "no repetition",
            Self::Repetitions(most) => return write!(f, "at most {most} repetitions"),
            Self::Form(form) => match form {
                Form::Number => "a number",
                Form::Sequence => "a whole number",
                Form::Date => "a date, YYYY[MM[DD]]",
                Form::Clock => "a time, HH[MM[SS]]",
                Form::Stamp => "a date and time, YYYY[MM[DD[HH[MM[SS]]]]][+/-ZZZZ]",
                Form::Text | Form::Code | Form::Parts | Form::Opaque => "another form",
            },
            Self::Table(number, title) => return write!(f, "a code of table {number:04} ({title})"),
            Self::OwnTable(name) => return write!(f, "a code of the profile's table `{name}`"),
            Self::Fixed => "the value that the profile fixes",
            Self::Segment(name) => {
                return write!(f, "segment {}", std::str::from_utf8(name).unwrap_or("???"));
            }
            Self::SegmentName => "a segment, which begins with three capitals or digits",
            Self::StandardSegment => "a segment of the standard, or a Z-segment",
            Self::SegmentOfType => "a segment that this message type has",
            Self::OtherOrder => "this segment elsewhere in the message",
            Self::NoSegment => "no such segment",
            Self::Between(least, u32::MAX) => return write!(f, "at least {least} such segments"),
            Self::Between(least, most) if least == most => return write!(f, "{least} such segments"),
            Self::Between(least, most) => return write!(f, "{least} to {most} such segments"),
            Self::Version => "a version from 2.1 to 2.8.2",
            Self::OwnVersion(version) => return write!(f, "version {version}"),
            Self::Structure => "a message type whose structure is known",
        };
        f.write_str(word)
    }
}

/// What kind of thing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Characters(u32),
    Count(u32),
    Something,
}

impl Found {
    pub(super) fn text(bytes: &[u8]) -> Self {
        match bytes.len() {
            0 => Self::Nothing,
            length => Self::Characters(u32::try_from(length).unwrap_or(u32::MAX)),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Characters(1) => f.write_str("1 character"),
            Self::Characters(count) => write!(f, "{count} characters"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Something => f.write_str("another"),
        }
    }
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How grave it is.
    pub level: Level,
    /// The rule that was broken.
    #[serde(serialize_with = "word")]
    pub rule: Rule,
    /// Where.
    pub place: Place,
    #[serde(serialize_with = "shown")]
    pub(super) expected: Expected,
    #[serde(serialize_with = "shown")]
    pub(super) found: Found,
}

impl Finding {
    /// Place, rule and what was expected, in one line for an acknowledgement or a list; no patient data.
    pub fn line(&self) -> String {
        format!("{}: {}: {}", self.place, self.rule.as_str(), self.sentence())
    }

    /// What was expected and what was found.
    pub fn sentence(&self) -> String {
        match self.found {
            Found::Something => format!("expected {}", self.expected),
            _ => format!("expected {}, found {}", self.expected, self.found),
        }
    }
}

fn word<S: Serializer>(rule: &Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rule.as_str())
}

fn shown<S: Serializer>(shown: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(shown)
}

/// Everything that was found about a message, in the order of the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    list: Vec<Finding>,
    counts: [u32; Level::ALL.len()],
    /// The first of the gravest, although it may be beyond the bound of the list.
    worst: Option<Finding>,
}

impl Findings {
    /// The findings that were kept: the first [`limits::FINDINGS_MAX`].
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// The first of the gravest.
    pub const fn worst(&self) -> Option<&Finding> {
        self.worst.as_ref()
    }

    /// The gravest level.
    pub fn level(&self) -> Option<Level> {
        self.worst.as_ref().map(|finding| finding.level)
    }

    /// How many of a level there are, kept or not.
    pub fn count(&self, level: Level) -> u32 {
        self.counts.get(level as usize).copied().unwrap_or(0)
    }

    /// How many were not kept.
    pub fn not_kept(&self) -> u32 {
        let all = self.counts.iter().fold(0, |sum: u32, count| sum.saturating_add(*count));
        all.saturating_sub(u32::try_from(self.list.len()).unwrap_or(u32::MAX))
    }

    /// Adds a finding; the same rule at the same place is one finding, with the graver level. A field and its first
    /// component are one place where they begin together.
    pub(super) fn add(&mut self, finding: Finding) {
        let is_same = |known: &Finding| known.rule == finding.rule && known.place.first() == finding.place.first();
        let known = self.list.iter_mut().rev().find(|known| is_same(known));
        if let Some(known) = known {
            if known.level >= finding.level {
                return;
            }
            if let Some(count) = self.counts.get_mut(known.level as usize) {
                *count = count.saturating_sub(1);
            }
            *known = finding.clone();
        } else if self.list.len() < limits::FINDINGS_MAX {
            self.list.push(finding.clone());
        }
        if let Some(count) = self.counts.get_mut(finding.level as usize) {
            *count = count.saturating_add(1);
        }
        if self.worst.as_ref().is_none_or(|worst| worst.level < finding.level) {
            self.worst = Some(finding);
        }
    }
}
