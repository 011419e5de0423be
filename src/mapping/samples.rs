//! Samples of maps: messages with invented people, and what a person read and found right to come of them.
//!
//! ```text
//! config/maps/samples/transport@1/order-cancel.hl7       the message
//!                                 order-cancel.json      the Bundle that must come of it, or
//!                                 order-cancel.refused   why none must: a line for each reason
//! ```
//! A site keeps those of its own maps in `samples` of its folder of maps. Every sample is translated under the same
//! circumstances: site `sample`, times without an offset in UTC, received on 2026-11-20 at 12:00 UTC.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Context, Explained, Map, Outcome, Refusal, STANDARD};
use crate::{
    fhir::{Leaf, Node, entry_leaves, in_lines, mask},
    hl7::{Index, Text},
    units::Timestamp,
};

/// A message, and what must come of it.
#[derive(Clone)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// The message.
    pub message: Vec<u8>,
    /// What must come of it; none where nobody has said yet.
    pub golden: Option<Golden>,
}

/// What must come of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Golden {
    /// This Bundle, in lines.
    Bundle(String),
    /// Nothing, for these reasons: one a line.
    Refused(String),
}

impl Golden {
    /// How the file is called that keeps it, behind the point.
    pub const fn extension(&self) -> &'static str {
        match self {
            Self::Bundle(_) => "json",
            Self::Refused(_) => "refused",
        }
    }

    /// What the file holds.
    pub fn text(&self) -> &str {
        match self {
            Self::Bundle(text) | Self::Refused(text) => text,
        }
    }
}

/// A place at which what came of a message differs from what must.
#[derive(Clone, PartialEq, Eq)]
pub struct Difference {
    /// The place as JSON has it; empty for the whole.
    pub path: String,
    /// The place as FHIR people say it.
    pub element: String,
    /// What was there before, or must be; none where nothing must.
    pub before: Option<String>,
    /// What is there; none where nothing is.
    pub after: Option<String>,
    /// Whether both say nothing about a patient by themselves.
    pub is_open: bool,
}

impl Difference {
    /// Both values, masked unless they are open.
    pub fn masked(&self) -> (Option<String>, Option<String>) {
        let hide =
            |value: &Option<String>| value.as_ref().map(|value| if self.is_open { value.clone() } else { mask(value) });
        (hide(&self.before), hide(&self.after))
    }

    /// Both, in one word each.
    fn whole(before: &str, after: &str) -> Self {
        let (path, element) = (String::new(), String::new());
        Self { path, element, before: Some(before.to_owned()), after: Some(after.to_owned()), is_open: true }
    }
}

impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = self.masked();
        write!(f, "{}: {before:?} -> {after:?}", self.path)
    }
}

/// What a map makes of a message, as samples keep it.
pub fn made(outcome: &Result<Outcome, Refusal>) -> Golden {
    match outcome {
        Ok(Outcome::Send(prepared)) => Golden::Bundle(in_lines(&String::from_utf8_lossy(&prepared.render()))),
        Ok(Outcome::NotApplicable) => Golden::Refused(format!("{NOT_APPLICABLE}\n")),
        Err(refusal) => Golden::Refused(refusal.to_string().replace("; ", "\n") + "\n"),
    }
}

/// The line of a sample that the map has nothing to do with.
const NOT_APPLICABLE: &str = "not for this map";

/// Where what the map `after` makes of a message differs from what the map `before` makes of it, their own names apart, which
/// stand in every resource.
pub fn compare(
    (old, before): (&Map, &Result<Outcome, Refusal>),
    (new, after): (&Map, &Result<Outcome, Refusal>),
) -> Vec<Difference> {
    match (before, after) {
        (Ok(Outcome::Send(before)), Ok(Outcome::Send(after))) => {
            let (old, new) = (Some(old.id()), Some(new.id()));
            let mut found = differences(&before.bundle().leaves(), &after.bundle().leaves(), &|_| false);
            found.retain(|difference| difference.before != old || difference.after != new);
            found
        }
        _ => {
            let (before, after) = (word(before), word(after));
            if before == after { Vec::new() } else { vec![Difference::whole(&before, &after)] }
        }
    }
}

/// What came of a message, in a line.
pub fn word(outcome: &Result<Outcome, Refusal>) -> String {
    match outcome {
        Ok(Outcome::Send(_)) => "a Bundle".to_owned(),
        Ok(Outcome::NotApplicable) => NOT_APPLICABLE.to_owned(),
        Err(refusal) => format!("refused: {refusal}"),
    }
}

/// Where and when a message is taken to have come.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The site.
    pub site: String,
    /// The zone of times without an offset.
    pub zone: TimeZone,
    /// The time of receipt.
    pub received_at: Timestamp,
}

impl Default for Circumstances {
    /// Those of samples.
    fn default() -> Self {
        Self { site: "sample".to_owned(), zone: TimeZone::UTC, received_at: RECEIVED_AT }
    }
}

impl Circumstances {
    /// What a map makes of a message; `None` where it is no HL7 message.
    pub fn prepare(&self, map: &Map, message: &[u8]) -> Option<Result<Outcome, Refusal>> {
        self.look(message, |message, context| map.prepare(message, context))
    }

    /// Why a map makes of a message what it makes.
    pub fn explain(&self, map: &Map, message: &[u8]) -> Option<Vec<Explained>> {
        self.look(message, |message, context| map.explain(message, context))
    }

    fn look<T>(&self, message: &[u8], look: impl FnOnce(&crate::hl7::Message<'_>, &Context<'_>) -> T) -> Option<T> {
        let text = Text::of(message, None);
        let index = Index::of(text.bytes()).ok()?;
        let context = Context {
            site: &self.site,
            zone: &self.zone,
            encoding: text.configured(),
            received_at: self.received_at,
            source_hash: hash(message),
            dialect: STANDARD,
        };
        Some(look(&index.message(text.bytes()), &context))
    }
}

impl Sample {
    /// Where what comes of it differs from what must; `is_open` says which texts of the file say nothing about a patient.
    pub fn differences(&self, outcome: &Result<Outcome, Refusal>, is_open: &dyn Fn(&str) -> bool) -> Vec<Difference> {
        let found = made(outcome);
        let Some(golden) = &self.golden else {
            return vec![Difference::whole("nobody has said yet what must come of it", &word(outcome))];
        };
        match (golden, &found, outcome) {
            (Golden::Bundle(before), Golden::Bundle(after), Ok(Outcome::Send(prepared))) => {
                if in_lines(before) == *after {
                    return Vec::new();
                }
                let Some(before) = leaves_in(before) else {
                    return vec![Difference::whole("the file is no Bundle in JSON", "a Bundle")];
                };
                let found = differences(&before, &prepared.bundle().leaves(), is_open);
                if found.is_empty() {
                    return vec![Difference::whole("the same values, written otherwise", "a Bundle")];
                }
                found
            }
            (Golden::Refused(before), Golden::Refused(after), _) => {
                let lines = |text: &str| {
                    let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
                    lines.retain(|line| !line.is_empty());
                    lines.sort_unstable();
                    lines
                };
                if lines(before) == lines(after) {
                    return Vec::new();
                }
                vec![Difference::whole(&lines(before).join("; "), &lines(after).join("; "))]
            }
            (Golden::Bundle(_), ..) => vec![Difference::whole("a Bundle", &word(outcome))],
            (Golden::Refused(before), ..) => {
                vec![Difference::whole(&before.trim().replace('\n', "; "), &word(outcome))]
            }
        }
    }
}

/// 2026-11-20, 12:00 UTC.
const RECEIVED_AT: Timestamp = Timestamp(1_795_176_000_000);

/// SHA-256 of a message.
fn hash(message: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(digest(&SHA256, message).as_ref()) {
        *to = *from;
    }
    hash
}

/// Places whose values differ, those of `before` first.
fn differences(before: &[Leaf], after: &[Leaf], is_open: &dyn Fn(&str) -> bool) -> Vec<Difference> {
    let by_path = |leaves: &[Leaf]| -> BTreeMap<String, Leaf> {
        leaves.iter().map(|leaf| (leaf.path.clone(), leaf.clone())).collect()
    };
    let (old, new) = (by_path(before), by_path(after));
    let may_show = |leaf: Option<&Leaf>| leaf.is_none_or(|leaf| leaf.is_open || is_open(&leaf.value));
    let mut found = Vec::new();
    let removed = before.iter().map(|leaf| &leaf.path);
    let added = after.iter().map(|leaf| &leaf.path).filter(|path| !old.contains_key(*path));
    for path in removed.chain(added) {
        let (was, is) = (old.get(path), new.get(path));
        let same = was.zip(is).is_some_and(|(was, is)| same(&was.value, &is.value));
        let Some(either) = is.or(was).filter(|_| !same) else { continue };
        found.push(Difference {
            path: path.clone(),
            element: either.element.clone(),
            before: was.map(|leaf| leaf.value.clone()),
            after: is.map(|leaf| leaf.value.clone()),
            is_open: may_show(was) && may_show(is),
        });
    }
    found
}

/// Numbers lose trailing zeros where JSON is read by others.
fn same(one: &str, other: &str) -> bool {
    one == other
        || matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(one), Ok(other)) if (one - other).abs() < f64::EPSILON)
}

/// The values of a Bundle in a file.
fn leaves_in(text: &str) -> Option<Vec<Leaf>> {
    let bundle: Value = serde_json::from_str(text).ok()?;
    let entries: Vec<Node> = bundle.get("entry")?.as_array()?.iter().map(node).collect();
    Some(entry_leaves(&entries))
}

fn node(value: &Value) -> Node {
    match value {
        Value::Null => Node::List(Vec::new()),
        Value::Bool(flag) => Node::Flag(*flag),
        Value::Number(number) => Node::Number(number.to_string()),
        Value::String(text) => Node::from(text.clone()),
        Value::Array(items) => Node::List(items.iter().map(node).collect()),
        Value::Object(members) => {
            let mut object = crate::fhir::Object::new();
            for (key, value) in members {
                object.set(key.clone(), node(value));
            }
            Node::Object(object)
        }
    }
}

/// The samples that come with Gurney, by map.
pub fn builtin() -> impl Iterator<Item = (&'static str, Sample)> {
    BUILTIN.iter().map(|(map, name, message, extension, golden)| {
        let golden = match *extension {
            "json" => Golden::Bundle((*golden).to_owned()),
            _ => Golden::Refused((*golden).to_owned()),
        };
        let name = (*name).to_owned();
        (*map, Sample { name, message: message.as_bytes().to_vec(), golden: Some(golden) })
    })
}

macro_rules! samples {
    ($($map:literal: $($name:literal $kind:literal),+;)+) => {
        &[$($((
            $map,
            $name,
            include_str!(concat!("../../config/maps/samples/", $map, "/", $name, ".hl7")),
            $kind,
            include_str!(concat!("../../config/maps/samples/", $map, "/", $name, ".", $kind)),
        ),)+)+]
    };
}

type Builtin = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// Map, name, message, kind of file, what must come of it. A test compares the list with the folder.
const BUILTIN: &[Builtin] = samples! {
    "transport@1":
        "cancel-pending-discharge" "json",
        "critical-care-nobody-accepts" "refused",
        "discharge-deceased" "json",
        "discharge-to-nursing-facility" "json",
        "infant-in-a-seat" "json",
        "infant-without-seat" "refused",
        "laboratory" "refused",
        "no-destination" "refused",
        "no-pickup" "refused",
        "order-ambulance-to-address" "json",
        "order-cancel" "json",
        "order-change" "json",
        "order-wheelchair-van" "json",
        "pending-discharge" "json",
        "places-contradict" "refused",
        "two-rides-among-other-orders" "json",
        "unknown-mobility" "refused";
};
