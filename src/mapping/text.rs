//! A map as its file says it, before names are resolved. What the keys mean stands in `config/maps/transport@1.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Verb, shape::Shape};

pub(super) type Word = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MapText {
    pub(super) map: Word,
    pub(super) version: u32,
    pub(super) title: String,
    pub(super) service: String,
    pub(super) owner: String,
    pub(super) reviewed_on: Word,
    pub(super) review_due: Word,
    pub(super) tables: TablesUsed,
    pub(super) trigger: Vec<TriggerText>,
    #[serde(default)]
    pub(super) need: Vec<NeedText>,
    pub(super) resource: Vec<ResourceText>,
}

#[derive(Deserialize)]
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
    pub(super) verb: VerbText,
    #[serde(rename = "why")]
    pub(super) _why: String,
}

/// What names the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum By {
    /// Its placer order number; every order of the message is an event of its own.
    Order,
    /// The visit number; the message is one event.
    Visit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnlyText {
    pub(super) from: Vec<Word>,
    pub(super) is: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerbText {
    #[serde(default)]
    pub(super) from: Vec<Word>,
    pub(super) always: Option<Verb>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NeedText {
    pub(super) verbs: Vec<Verb>,
    pub(super) any_of: Vec<Vec<Word>>,
    #[serde(rename = "why")]
    pub(super) _why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceText {
    pub(super) name: Word,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) key: Spanned<Key>,
    #[serde(default)]
    pub(super) from: Vec<Word>,
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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenText {
    pub(super) from: Word,
    pub(super) is: String,
}

#[derive(Deserialize)]
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
    #[serde(default)]
    pub(super) rising: bool,
    pub(super) at_most: Option<Word>,
    #[serde(rename = "why")]
    pub(super) _why: String,
}
