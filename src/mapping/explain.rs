//! Why a map wrote what it wrote: for every element the row, the places that were looked at, and what their codes meant.
//!
//! The same evaluation as [`Map::prepare`], with a note at each step. Values are [`Leaf`]s, to be masked by who shows them.

use std::{cell::RefCell, collections::BTreeSet, ops::Range, sync::Arc};

use super::{
    Context, JobIntent, Map, Refusal, Verb,
    bounds::{self, Work},
    compile::{Need, Resource, Row, Trigger},
    run::{Ran, Run},
    scopes,
    shape::Shape,
    source::{Source, Via},
    text::Key,
};
use crate::{
    fhir::{Bundle, Leaf, Node, leaves_of},
    hl7::Message,
};

/// How one event of a message was translated.
pub struct Explained {
    /// The line of the trigger that takes the message.
    pub trigger: usize,
    /// What the message does; none where the map does not say.
    pub verb: Option<Verb>,
    /// The job, where one came of it.
    pub job: Option<JobIntent>,
    /// Why nothing came of it.
    pub refusal: Option<Refusal>,
    /// What was looked at to find out what the message does.
    pub looked: Vec<Looked>,
    /// What it cannot do without, in the order of the map.
    pub needs: Vec<Needed>,
    /// What each resource and row did, in the order of the map.
    pub steps: Vec<Step>,
}

/// Something that a job cannot do without.
pub struct Needed {
    /// What reports call it.
    pub what: Arc<str>,
    /// Its line in the map's file.
    pub line: usize,
    /// Why it is needed, in the map's words.
    pub why: Arc<str>,
    /// Whether it is there.
    pub met: Met,
    /// The places that were looked at, in that order.
    pub looked: Vec<Looked>,
}

/// Whether something needed is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// It is not needed for what the message does.
    OtherVerb,
    /// None of its conditions holds.
    Spared,
    /// It is there.
    Yes,
    /// It is missing.
    No,
}

impl Met {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OtherVerb => "not for what this message does",
            Self::Spared => "not needed: its condition does not hold",
            Self::Yes => "needed, and there",
            Self::No => "needed, and missing",
        }
    }
}

/// What one resource's key or one row did.
pub struct Step {
    /// The resource, as the map calls it.
    pub resource: Arc<str>,
    /// Its line in the map's file.
    pub line: usize,
    /// The element it writes, such as `Task.status`; the resource alone for its key.
    pub element: String,
    /// What is written where no place of the message is.
    pub made_of: Option<&'static str>,
    /// The places that were looked at, in that order.
    pub looked: Vec<Looked>,
    /// What was written.
    pub made: Vec<Leaf>,
    /// Why nothing was written.
    pub silent: Option<Silent>,
    /// Whether a later row wrote the same element.
    pub is_replaced: bool,
}

/// Why a row wrote nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silent {
    /// It is not for what the message does.
    OtherVerb,
    /// It is not for this type of message.
    OtherType,
    /// Its resource is not made.
    NoResource,
    /// Nothing stands at its places.
    Empty,
    /// What stands there is not in the table, or says nothing.
    NoMeaning,
    /// What stands there is withheld or cannot be read.
    NotWritten,
}

impl Silent {
    /// The reason in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OtherVerb => "not for what this message does",
            Self::OtherType => "not for this type of message",
            Self::NoResource => "its resource is not made",
            Self::Empty => "nothing stands at its places",
            Self::NoMeaning => "the code says nothing here",
            Self::NotWritten => "what stands there is withheld or cannot be read",
        }
    }
}

/// A look at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The place, as the map writes it.
    pub place: Arc<str>,
    /// The table and column that give its code a meaning.
    pub via: Option<String>,
    /// Values found.
    pub found: usize,
    /// What the code there means.
    pub said: Option<Said>,
}

/// What a code says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// This, by the table.
    Means(Arc<str>),
    /// Nothing: the table lists the code without a meaning in this column.
    Nothing,
    /// It is not in the table, and travels on as it came.
    Kept,
    /// It is not in the table, which ignores such codes.
    Ignored,
    /// It is not in the table, which refuses such codes.
    Unmapped,
}

impl Said {
    /// The word for it.
    pub fn text(&self) -> String {
        match self {
            Self::Means(meaning) => format!("means {meaning}"),
            Self::Nothing => "listed, makes no statement".to_owned(),
            Self::Kept => "not listed, kept".to_owned(),
            Self::Ignored => "not listed, ignored".to_owned(),
            Self::Unmapped => "not listed: unmapped".to_owned(),
        }
    }
}

/// Notes of one run.
#[derive(Default)]
pub(super) struct Trace {
    looked: RefCell<Vec<Looked>>,
    decided: Vec<Looked>,
    needs: Vec<Needed>,
    /// One for each resource's key, in the order of the map, then the rows.
    steps: Vec<Step>,
    /// The entries of the Bundle that each resource became.
    entries: Vec<(usize, Range<usize>)>,
}

impl Trace {
    /// Notes a look.
    pub(super) fn look(&self, source: &Source, found: usize) {
        let via = source.via.as_ref().map(via_text);
        let looked = Looked { place: Arc::clone(&source.shown), via, found, said: None };
        self.looked.borrow_mut().push(looked);
    }

    /// Notes what the code that was just looked at says.
    pub(super) fn say(&self, said: Said) {
        if let Some(last) = self.looked.borrow_mut().iter_mut().rev().find(|looked| looked.found > 0) {
            last.said.get_or_insert(said);
        }
    }

    /// The looks so far were at what the message does.
    pub(super) fn decided(&mut self) {
        self.decided.append(&mut self.looked.take());
    }

    /// The looks since then were for a need.
    pub(super) fn need(&mut self, need: &Need, met: Met) {
        let (what, why) = (Arc::clone(&need.what), Arc::clone(&need.why));
        self.needs.push(Needed { what, line: need.line, why, met, looked: once_each(self.looked.take()) });
    }

    /// The looks since then were for a resource's key.
    pub(super) fn resource(&mut self, resource: &Resource, silent: Option<Silent>) {
        let step = Step {
            resource: Arc::clone(&resource.name),
            line: resource.line,
            element: resource.kind.to_string(),
            made_of: Some(key(resource.key)).filter(|_| resource.from.is_empty()),
            looked: once_each(self.looked.take()),
            made: Vec::new(),
            silent,
            is_replaced: false,
        };
        self.steps.push(step);
    }

    /// The resource at this place of the map became these entries.
    pub(super) fn added(&mut self, place: usize, entries: Range<usize>) {
        self.entries.push((place, entries));
    }

    /// What no row wrote comes of what its resource is known by: identifiers, the map's name, the chain of a place.
    fn complete(&mut self, bundle: &Bundle) {
        let leaves = bundle.leaves();
        for (place, entries) in std::mem::take(&mut self.entries) {
            let Some(name) = self.steps.get(place).map(|key| Arc::clone(&key.resource)) else { continue };
            let by_rows: BTreeSet<&str> = self
                .steps
                .iter()
                .filter(|step| step.resource == name)
                .flat_map(|step| step.made.iter().map(|leaf| leaf.element.as_str()))
                .collect();
            let of_entry =
                |leaf: &&Leaf| entries.clone().any(|entry| leaf.path.starts_with(&format!("entry[{entry}].resource.")));
            let own = leaves.iter().filter(of_entry).filter(|leaf| !by_rows.contains(&*without_number(&leaf.element)));
            let own: Vec<Leaf> = own.cloned().collect();
            if let Some(key) = self.steps.get_mut(place) {
                key.made = own;
            }
        }
    }

    /// The looks since then were by a row, which is about to write `nodes` at `path`.
    pub(super) fn row(&mut self, resource: &Resource, row: &Row, path: &str, nodes: &[Node], inactive: Option<Silent>) {
        let looked = once_each(self.looked.take());
        let kind = &resource.kind;
        let element = format!("{kind}.{path}");
        let (stem, first) = match path.strip_suffix(']').and_then(|path| path.rsplit_once('[')) {
            Some((stem, place)) if row.to.appends => (stem, place.parse::<usize>().ok()),
            _ => (path, None),
        };
        let mut made = Vec::new();
        for (count, node) in nodes.iter().enumerate() {
            let at = match first {
                Some(first) => format!("{kind}.{stem}[{}]", first + count),
                None => element.clone(),
            };
            made.extend(leaves_of(node, &at));
        }
        let reason = || if row.refer.is_empty() { why(&looked) } else { Silent::NoResource };
        let silent = nodes.is_empty().then(|| inactive.unwrap_or_else(reason));
        if !made.is_empty() && !row.to.appends {
            let same = |step: &&mut Step| step.resource == resource.name && step.element == element;
            for earlier in self.steps.iter_mut().filter(|step| !step.made.is_empty()).filter(same) {
                earlier.is_replaced = true;
            }
        }
        let (resource, line) = (Arc::clone(&resource.name), row.line);
        let made_of = made_of(row).filter(|_| silent.is_none());
        self.steps.push(Step { resource, line, element, made_of, looked, made, silent, is_replaced: false });
    }
}

/// What a resource is known by that no place of the message names.
const fn key(key: Key) -> &'static str {
    match key {
        Key::Facility => "known by the sending facility",
        Key::Job => "known by the job",
        Key::Message => "known by the message",
        Key::Part | Key::Line => "known by what it is a part of",
        _ => "known by its places",
    }
}

/// What a row writes that no place of the message says.
const fn made_of(row: &Row) -> Option<&'static str> {
    if !row.constants.is_empty() {
        return Some("a constant");
    }
    match row.with {
        Shape::Reference => Some("the first of its resources that is made"),
        Shape::EventTime => Some("the time of the event"),
        Shape::Received => Some("the time of receipt"),
        Shape::MessageHash => Some("the hash of the message"),
        Shape::Gateway => Some("this gateway"),
        Shape::Job => Some("the job"),
        Shape::FacilityName => Some("the sending facility"),
        _ => None,
    }
}

fn via_text(via: &Via) -> String {
    format!("{}.{}", via.table.name, via.table.column_name(via.column))
}

/// `Location.name` of `Location[2].name`.
fn without_number(element: &str) -> String {
    let (kind, rest) = element.split_once('.').unwrap_or((element, ""));
    format!("{}.{rest}", kind.split('[').next().unwrap_or(kind))
}

/// A place that was looked at twice for one row is told once, with what was found out last.
fn once_each(looked: Vec<Looked>) -> Vec<Looked> {
    let mut kept: Vec<Looked> = Vec::with_capacity(looked.len());
    for look in looked {
        match kept.iter_mut().find(|known| known.place == look.place && known.via == look.via) {
            Some(known) => {
                if look.said.is_some() {
                    *known = look;
                }
            }
            None => kept.push(look),
        }
    }
    kept
}

fn why(looked: &[Looked]) -> Silent {
    if looked.iter().all(|look| look.found == 0) {
        return Silent::Empty;
    }
    let has_meaning = looked.iter().any(|look| matches!(look.said, Some(Said::Means(_) | Said::Kept)));
    let is_coded = looked.iter().any(|look| look.said.is_some());
    if is_coded && !has_meaning { Silent::NoMeaning } else { Silent::NotWritten }
}

impl Map {
    /// How a message is translated, one entry for each event of it; none where the message is not for this map.
    pub fn explain(&self, message: &Message<'_>, context: &Context<'_>) -> Vec<Explained> {
        if !self.dialect.is(context.dialect) {
            return self.spoken_in(context.dialect).map_or_else(Vec::new, |map| map.explain(message, context));
        }
        let kind = message.message_type();
        let Some(trigger) = self.trigger_of(&kind) else { return Vec::new() };
        let charset = message.charset(context.encoding);
        let scopes = scopes(trigger.by, message, &charset, &mut Refusal::default());
        let work = Work::default();
        let events = scopes.into_iter().map(|scope| {
            let run = Run::new(self, context, kind, scope, &work);
            self.explained(run, trigger, bounds::who(message, &kind))
        });
        events.collect()
    }

    fn explained(&self, mut run: Run<'_, '_>, trigger: &Trigger, who: Refusal) -> Explained {
        run.trace = Some(Trace::default());
        let mut bundle = Bundle::default();
        let outcome = run.go(trigger, &mut bundle);
        let verb = run.decided();
        let mut trace = run.trace.take().unwrap_or_default();
        trace.complete(&bundle);
        let (job, mut refusal) = match outcome {
            Ok(Ran::Job(job)) => (Some(job), Refusal::default()),
            Ok(Ran::NotApplicable | Ran::Record(_)) => (None, Refusal::default()),
            Err(refusal) => (None, refusal),
        };
        if job.is_some() || !refusal.is_empty() {
            refusal.merge(who);
        }
        Explained {
            trigger: trigger.line,
            verb,
            job: job.filter(|_| refusal.is_empty()),
            refusal: (!refusal.is_empty()).then_some(refusal),
            looked: once_each(trace.decided),
            needs: trace.needs,
            steps: trace.steps,
        }
    }
}
