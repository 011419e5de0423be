//! The standard's definitions, 2.1 to 2.8.2: segments, fields, data types, tables, message structures.
//!
//! Facts of the standard (HL7 v2.x chapters 2 to 12 and appendix A), in words of our own, kept as text in
//! `config/profiles/standard/` and read once, when first asked for. What is not listed there is not known: it is not
//! judged, and shown without a name. Lengths are known up to version 2.6, where the standard stopped bounding fields.
//!
//! ```text
//! segments.txt    segment -> fields: type, usage, length, table, name, each with its history
//! types.txt       data type -> form, components
//! tables.txt      table -> codes
//! structures.txt  message structure -> tree of segments, per version
//! ```
//!
//! Says nothing about a message; that is [`profile`](super::profile)'s.

mod structure;
mod text;
mod version;

use std::{collections::HashMap, sync::LazyLock};

pub(super) use structure::Structure;
pub(super) use version::{History, Version};

/// Everything that is known of the standard.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    segments: HashMap<[u8; 3], Segment>,
    types: Vec<DataType>,
    type_names: HashMap<&'static str, TypeId>,
    tables: HashMap<u16, Table>,
    structures: Vec<structure::Family>,
    structure_names: HashMap<&'static str, usize>,
    events: HashMap<&'static str, Vec<structure::Event>>,
}

/// One segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) title: &'static str,
    pub(super) since: Version,
    /// Numbers of the fields that hold only codes of the protocol.
    open: Vec<usize>,
    /// In the order of their numbers, the first being 1; none where only the name is known.
    pub(super) fields: Vec<Field>,
}

/// One field of a segment, or one component of a data type.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) kind: History<TypeId>,
    pub(super) usage: History<Usage>,
    length: History<Option<u32>>,
    table: History<Option<u16>>,
    pub(super) name: &'static str,
}

/// A data type, by its place in the dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TypeId(usize);

/// One data type.
#[derive(Debug)]
pub(super) struct DataType {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) title: &'static str,
    pub(super) components: Vec<Field>,
}

/// What a value of a data type looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Any text.
    Text,
    /// NM.
    Number,
    /// SI.
    Sequence,
    /// DT.
    Date,
    /// TM.
    Clock,
    /// TS, DTM.
    Stamp,
    /// ID, IS.
    Code,
    /// It has components.
    Parts,
    /// It differs from place to place.
    Opaque,
}

/// Whether a part must be there, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) need: Need,
    /// How often it may stand; [`u16::MAX`] is without bound.
    pub(super) repeats: u16,
}

/// Whether a part must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// R
    Required,
    /// O
    Optional,
    /// C
    Conditional,
    /// B: for receivers of earlier versions.
    Backward,
    /// W
    Withdrawn,
}

/// One code table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) title: &'static str,
    /// Whether the standard fixes its codes.
    pub(super) is_fixed: bool,
    codes: HashMap<&'static str, &'static str>,
}

impl Table {
    /// What a code means.
    pub(super) fn meaning(&self, code: &str) -> Option<&'static str> {
        self.codes.get(code).copied()
    }

    /// Its codes.
    pub(super) fn codes(&self) -> impl Iterator<Item = &'static str> {
        self.codes.keys().copied()
    }

    /// Whether its codes are listed.
    pub(super) fn is_listed(&self) -> bool {
        !self.codes.is_empty()
    }
}

impl Segment {
    /// The field with this number.
    pub(super) fn field(&self, number: usize) -> Option<&Field> {
        number.checked_sub(1).and_then(|place| self.fields.get(place))
    }

    /// Whether a field holds only codes of the protocol.
    pub(super) fn is_open(&self, number: usize) -> bool {
        self.open.contains(&number)
    }
}

impl Field {
    /// The most characters in `version`, where the standard bounds them.
    pub(super) fn length(&self, version: Version) -> Option<u32> {
        self.length.at(version).flatten().filter(|_| version <= Version::V26)
    }

    /// What its values are in `version`.
    pub(super) fn kind(&self, version: Version) -> Option<TypeId> {
        self.usage.at(version).and_then(|_| self.kind.at(version))
    }

    /// The number of its table in `version`.
    pub(super) fn table(&self, version: Version) -> Option<u16> {
        self.table.at(version).flatten()
    }
}

impl DataType {
    /// The component with this number, in `version`.
    pub(super) fn component(&self, number: usize, version: Version) -> Option<&Field> {
        let component = number.checked_sub(1).and_then(|place| self.components.get(place))?;
        component.usage.at(version).is_some().then_some(component)
    }

    /// How many components it has in `version`; 0 where it has none.
    pub(super) fn component_count(&self, version: Version) -> usize {
        self.components.iter().take_while(|component| component.usage.at(version).is_some()).count()
    }
}

impl Dictionary {
    /// The dictionary that comes with Gurney.
    pub(super) fn standard() -> &'static Self {
        &STANDARD
    }

    /// The segment with this name.
    pub(super) fn segment(&self, name: &[u8]) -> Option<&Segment> {
        self.segments.get(<&[u8; 3]>::try_from(name).ok()?)
    }

    /// The data type with this place.
    pub(super) fn data_type(&self, id: TypeId) -> Option<&DataType> {
        self.types.get(id.0)
    }

    /// The data type with this name.
    pub(super) fn type_named(&self, name: &[u8]) -> Option<TypeId> {
        self.type_names.get(std::str::from_utf8(name).ok()?).copied()
    }

    /// The table with this number.
    pub(super) fn table(&self, number: u16) -> Option<&Table> {
        self.tables.get(&number)
    }

    /// The structure of messages whose MSH-9 says this, in `version`. What MSH-9.3 names counts, where it is known;
    /// else what code and trigger event stand for.
    pub(super) fn structure(
        &self,
        code: &[u8],
        trigger: &[u8],
        structure: &[u8],
        version: Version,
    ) -> Option<&Structure> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        let named = self.structure_names.get(text(structure)).copied();
        let of_event = || {
            let written =
                if trigger.is_empty() { text(code).to_owned() } else { [text(code), text(trigger)].join("^") };
            let found =
                self.events.get(written.as_str()).or_else(|| self.events.get(text(code)).filter(|_| code == b"ACK"));
            found?.iter().find(|event| event.holds_in(version)).map(|event| event.family)
        };
        self.structures.get(named.or_else(of_event)?)?.at(version)
    }

    /// How much it knows: segments with fields, segments in all, fields, data types, components, tables, codes,
    /// structures with their versions told apart.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [usize; 8] {
        let detailed = self.segments.values().filter(|segment| !segment.fields.is_empty()).count();
        [
            detailed,
            self.segments.len(),
            self.segments.values().map(|segment| segment.fields.len()).sum(),
            self.types.len(),
            self.types.iter().map(|kind| kind.components.len()).sum(),
            self.tables.len(),
            self.tables.values().map(|table| table.codes.len()).sum(),
            self.structures.iter().map(structure::Family::len).sum(),
        ]
    }
}

static STANDARD: LazyLock<Dictionary> = LazyLock::new(|| text::read(&TEXTS).0);

/// The texts of the standard's definitions; types come before what uses them.
const TEXTS: text::Texts<'static> = text::Texts {
    types: include_str!("../../config/profiles/standard/types.txt"),
    segments: include_str!("../../config/profiles/standard/segments.txt"),
    tables: include_str!("../../config/profiles/standard/tables.txt"),
    structures: include_str!("../../config/profiles/standard/structures.txt"),
};

#[cfg(test)]
mod tests;
