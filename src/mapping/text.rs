//! A map as its file says it, before names are resolved. What the keys mean stands in `config/maps/transport@1.toml`
//! and, for maps without jobs, in `config/maps/record@1.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Verb, shape::Shape, table::Unlisted};

pub(super) type Word = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MapText {
    pub(super) map: Word,
    pub(super) version: u32,
    pub(super) title: String,
    #[serde(default)]
    pub(super) service: String,
    pub(super) owner: String,
    pub(super) reviewed_on: Word,
    pub(super) review_due: Word,
    /// Maps whose tables and resources are those of this map too.
    #[serde(default)]
    pub(super) include: Vec<Word>,
    pub(super) tables: Option<TablesUsed>,
    #[serde(default)]
    pub(super) trigger: Vec<TriggerText>,
    #[serde(default)]
    pub(super) need: Vec<NeedText>,
    #[serde(default)]
    pub(super) resource: Vec<ResourceText>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TablesUsed {
    pub(super) question: Word,
    pub(super) coding_system: Word,
    pub(super) authority: Word,
    pub(super) identifier_type: Word,
    pub(super) name_use: Word,
    pub(super) unit: Word,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TriggerText {
    pub(super) on: Vec<Word>,
    pub(super) by: By,
    pub(super) only: Option<OnlyText>,
    #[serde(default)]
    pub(super) verb: VerbText,
    #[serde(rename = "why")]
    pub(super) _why: String,
}

/// What names the job, or how often a map without jobs is applied to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum By {
    /// Its placer order number; every order of the message is an event of its own.
    Order,
    /// The visit number; the message is one event.
    Visit,
    /// No job; the message is one event.
    Message,
    /// No job; every PID of the message begins an event of its own.
    EachPatient,
    /// No job; every order of the message is an event of its own.
    EachOrder,
}

impl By {
    /// Whether the trigger makes jobs.
    pub(super) const fn makes_job(self) -> bool {
        matches!(self, Self::Order | Self::Visit)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnlyText {
    pub(super) from: Vec<Word>,
    pub(super) is: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerbText {
    #[serde(default)]
    pub(super) from: Vec<Word>,
    pub(super) always: Option<Verb>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NeedText {
    pub(super) verbs: Vec<Verb>,
    /// Only where one of these holds; always where there is none.
    #[serde(default)]
    pub(super) when: Vec<Spanned<ConditionText>>,
    /// Groups of places, each perhaps `but not` with a meaning: all of one group must speak.
    pub(super) any_of: Vec<Vec<Word>>,
    /// What reports call it.
    #[serde(default = "patient_identity")]
    pub(super) what: String,
    pub(super) why: Word,
}

/// When a need holds.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionText {
    /// The patient is younger than so many days: PID-7 against the time of the event.
    pub(super) under_days: Option<u16>,
    pub(super) from: Option<Word>,
    pub(super) is: Option<String>,
    pub(super) is_not: Option<String>,
    /// A code of the table `in`, whose order is its rank.
    pub(super) at_least: Option<Word>,
    #[serde(rename = "in")]
    pub(super) table: Option<Word>,
}

fn patient_identity() -> String {
    "patient-identity".to_owned()
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceText {
    pub(super) name: Word,
    /// Left out where the resource adds to one of an included map.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) key: Option<Spanned<Key>>,
    #[serde(default)]
    pub(super) from: Vec<Word>,
    /// Asked where the first place of `from` says nothing (`part` and `line`).
    #[serde(default)]
    pub(super) otherwise: Vec<Word>,
    /// The resource whose part it is: the first that is there (`part` and `line`).
    #[serde(default)]
    pub(super) of: Vec<Word>,
    /// What keeps its numbers apart from others (`number`), or what else names it (`part` and `line`).
    #[serde(default)]
    pub(super) space: String,
    /// One resource for every segment of the first name, with the segments of the other names that follow it.
    #[serde(default)]
    pub(super) each: Vec<Word>,
    /// Only in these messages.
    #[serde(default)]
    pub(super) on: Vec<Word>,
    /// In these messages it is written over what is there.
    #[serde(default)]
    pub(super) put_on: Vec<Word>,
    /// Only where one of these places has a value.
    #[serde(default)]
    pub(super) given: Vec<Word>,
    /// Only where none of these places has a value.
    #[serde(default)]
    pub(super) unless: Vec<Word>,
    /// Only where one of these places has a value or is deleted.
    #[serde(default)]
    pub(super) spoken: Vec<Word>,
    /// A resource that it must not be.
    pub(super) unlike: Option<Word>,
    /// A resource whose rows it has too.
    pub(super) like: Option<Word>,
    #[serde(default)]
    pub(super) prefer: Vec<String>,
    #[serde(default)]
    pub(super) need: Vec<Verb>,
    #[serde(default)]
    pub(super) create: Vec<Verb>,
    #[serde(default)]
    pub(super) put: Vec<Verb>,
    pub(super) when: Option<WhenText>,
    #[serde(default)]
    pub(super) row: Vec<Spanned<RowText>>,
    #[serde(rename = "why")]
    pub(super) _why: String,
}

/// What a resource is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Key {
    /// MSH-4.
    Facility,
    /// The preferred identifier of `from`, a CX.
    Patient,
    /// The identifier of `from`, a CX.
    Visit,
    /// The identifier of `from`, an XCN.
    Person,
    /// The place that `from` names: a PL, a code, an address or words.
    Place,
    /// The postal address at `from`.
    Address,
    /// The job identity.
    Job,
    /// An id made of the message's SHA-256 and the job; such a resource can only be `put`.
    Message,
    /// The order number at `from`, an EI: in a field 2 the placer's, in any other the filler's.
    Order,
    /// The number at `from`, an EI, below `space`.
    Number,
    /// The account number at `from`, a CX.
    Account,
    /// What it is `of`, and all that stands at `from`.
    Part,
    /// As `part`, and which one it is among those that would be alike.
    Line,
}

impl Key {
    /// Whether `from` says what the resource is known by.
    pub(super) const fn wants_source(self) -> bool {
        !matches!(self, Self::Facility | Self::Job | Self::Message | Self::Part | Self::Line)
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenText {
    pub(super) from: Word,
    /// Asked where `from` says nothing.
    #[serde(default)]
    pub(super) otherwise: Vec<Word>,
    pub(super) is: Option<String>,
    pub(super) is_not: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowText {
    pub(super) to: Word,
    #[serde(default)]
    pub(super) from: Vec<Word>,
    #[serde(default)]
    pub(super) otherwise: Vec<Word>,
    #[serde(default)]
    pub(super) until: Vec<Word>,
    pub(super) via: Option<Word>,
    #[serde(default)]
    pub(super) with: Shape,
    pub(super) value: Option<Word>,
    #[serde(default)]
    pub(super) values: BTreeMap<Verb, Word>,
    #[serde(rename = "in")]
    pub(super) table: Option<Word>,
    pub(super) label: Option<Word>,
    #[serde(default)]
    pub(super) refer: Vec<Word>,
    pub(super) verbs: Option<Vec<Verb>>,
    #[serde(default)]
    pub(super) need: Vec<Verb>,
    #[serde(default)]
    pub(super) on: Vec<Word>,
    #[serde(default)]
    pub(super) all: bool,
    /// No place may ask for more than the one that is taken, by the order of the codes `in` its table; and what is known of
    /// a job may not ask for less later, unless a person lets it (`docs/needs.md`).
    #[serde(default)]
    pub(super) rising: bool,
    pub(super) at_most: Option<Word>,
    /// What an unlisted code does in this row, whatever its table says.
    pub(super) unlisted: Option<Unlisted>,
    /// The row is evaluated for every segment of the first name (see [`ResourceText::each`]).
    #[serde(default)]
    pub(super) each: Vec<Word>,
    /// Only where one of these places has a value.
    #[serde(default)]
    pub(super) given: Vec<Word>,
    /// Only where none of these places has a value.
    #[serde(default)]
    pub(super) unless: Vec<Word>,
    /// Only where one of these places is deleted.
    #[serde(default)]
    pub(super) nulled: Vec<Word>,
    /// The unit, currency or length of `from`.
    #[serde(default)]
    pub(super) unit: Vec<Word>,
    /// The elements of an object (`parts`).
    #[serde(default)]
    pub(super) part: Vec<Spanned<Self>>,
    /// In a part: without this element there is no object.
    #[serde(default)]
    pub(super) must: bool,
    /// Needed in every row; parts share the reason of theirs.
    pub(super) why: Option<String>,
}
