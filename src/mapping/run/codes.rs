//! What codes mean, which of several statements holds, and how a code travels on.

use std::sync::Arc;

use super::Run;
use crate::{
    event::{Coded, Coding, Part},
    fhir::{Node, Object, Text, clean, coding, concept},
    mapping::{
        compile::{Row, code_of},
        explain::Said,
        height::Height,
        identity::local_system,
        refusal::Unmapped,
        shape::{self, Shape},
        source::{Source, Via},
        table::{Table, Unlisted},
    },
    phi::Phi,
};

/// What a coded value means.
pub(super) enum Meaning {
    /// This.
    Is(Arc<str>, Coded),
    /// Nothing in this column, though the code is listed.
    Silent(Coded),
    /// It is passed on as it came.
    Kept(Coded),
}

impl<'m> Run<'_, 'm> {
    pub(super) fn coded_shape(&self, row: &Row, via: &Via, meaning: Meaning) -> Option<Node> {
        let (meaning, coded) = match meaning {
            Meaning::Is(meaning, coded) => (Some(meaning), coded),
            Meaning::Kept(coded) => (None, coded),
            Meaning::Silent(coded) if row.with == Shape::ConceptKept => (None, coded),
            Meaning::Silent(_) => return None,
        };
        let written = match (&row.table, &meaning) {
            (Some(table), Some(meaning)) => code_of(table, meaning),
            _ => None,
        };
        match row.with {
            Shape::Code => meaning.as_ref().map(Node::from),
            Shape::Boolean => match meaning.as_deref() {
                Some("yes") => Some(Node::Flag(true)),
                Some("no") => Some(Node::Flag(false)),
                _ => None,
            },
            Shape::Coding => {
                written.or_else(|| self.codings(&coded, Some(&via.table)).into_iter().next()).map(Node::from)
            }
            Shape::ConceptOnly => Some(concept(vec![written?], None).into()),
            Shape::Concept | Shape::ConceptKept => {
                let mut codings: Vec<Object> = written.into_iter().collect();
                codings.extend(self.codings(&coded, Some(&via.table)));
                Some(concept(codings, words_of(&coded, Some(&via.table))).into())
            }
            Shape::IfYes => {
                let label = row.label.as_ref()?;
                match meaning.as_deref() {
                    Some("yes") => Some(concept(vec![label.coding.clone()], Some(Text::from(&label.display))).into()),
                    Some(_) => None,
                    None => worded(row, coded.words()),
                }
            }
            _ => None,
        }
    }

    /// What the first of `from` says, none of which may ask for more; then what the others would say.
    pub(super) fn highest(&mut self, row: &Row) -> Option<Node> {
        let mut said: Vec<(usize, &Source, Node)> = Vec::new();
        for source in &row.from {
            said.extend(self.ranked(row, source).into_iter().map(|(rank, node)| (rank, source, node)));
        }
        if said.is_empty() {
            for source in &row.otherwise {
                said.extend(self.ranked(row, source).into_iter().map(|(rank, node)| (rank, source, node)));
            }
        }
        let mut said = said.into_iter();
        let (rank, first, node) = said.next()?;
        self.heights.push(Height::of(&row.what, rank, first));
        for (_, other, _) in said.filter(|(higher, _, _)| *higher > rank) {
            self.contradict(first, other);
        }
        for limit in &row.at_most {
            let most = self.meaning_of(limit).and_then(|meaning| Some(row.table.as_ref()?.named(&meaning)?.0));
            if most.is_some_and(|most| rank > most) {
                self.contradict(first, limit);
            }
        }
        Some(node)
    }

    /// All statements of one source with their ranks in the row's table.
    fn ranked(&mut self, row: &Row, source: &Source) -> Vec<(usize, Node)> {
        let (Some(via), Some(table)) = (&source.via, &row.table) else {
            return Vec::new();
        };
        let mut ranked = Vec::new();
        for part in self.parts(source) {
            let Some(Meaning::Is(meaning, coded)) = self.look_up(source, via, &part) else {
                continue;
            };
            let Some((rank, _)) = table.named(&meaning) else {
                continue;
            };
            ranked.extend(self.coded_shape(row, via, Meaning::Is(meaning, coded)).map(|node| (rank, node)));
        }
        ranked
    }

    /// What a coded value means; a code that must be listed and is not is noted.
    pub(super) fn look_up(&mut self, source: &Source, via: &Via, part: &Part<'m>) -> Option<Meaning> {
        let coded = source.coded(part, self.scope.charset())?;
        if let Some(code) = via.table.find(coded.codings()) {
            return Some(match code.meaning(via.column) {
                Some(meaning) => {
                    self.say(|| Said::Means(Arc::clone(meaning)));
                    Meaning::Is(Arc::clone(meaning), coded)
                }
                None => {
                    self.say(|| Said::Nothing);
                    Meaning::Silent(coded)
                }
            });
        }
        match self.unlisted.unwrap_or(via.table.unlisted) {
            Unlisted::Keep => {
                self.say(|| Said::Kept);
                Some(Meaning::Kept(coded))
            }
            Unlisted::Ignore => {
                self.say(|| Said::Ignored);
                None
            }
            Unlisted::Refuse => {
                self.say(|| Said::Unmapped);
                let (table, path) = (Arc::clone(&via.table.name), Arc::clone(&source.shown));
                let unmapped = Unmapped { table, path, code: Phi::new(coded.first.code) };
                if !self.refusal.unmapped.contains(&unmapped) {
                    self.refusal.unmapped.push(unmapped);
                }
                None
            }
        }
    }

    fn say(&self, said: impl FnOnce() -> Said) {
        if let Some(trace) = &self.trace {
            trace.say(said());
        }
    }

    pub(super) fn original(&self, coded: &Coded, table: Option<&Table>) -> Object {
        concept(self.codings(coded, table), words_of(coded, table))
    }

    /// The codings as they came, each under the URI of its system.
    pub(super) fn codings(&self, coded: &Coded, table: Option<&Table>) -> Vec<Object> {
        let mut codings = Vec::new();
        for one in coded.codings() {
            let Some(code) = shape::code_text(&one.code) else {
                continue;
            };
            let listed =
                table.and_then(|table| table.find(std::iter::once(one))).and_then(|code| code.display.as_ref());
            let display = clean(&one.text).map(Text::from).or_else(|| listed.map(Text::from));
            codings.push(coding(Some(self.coding_system(one, table).into()), Some(code.into()), display));
        }
        codings
    }

    pub(super) fn coding_system(&self, coding: &Coding, table: Option<&Table>) -> String {
        let known = &self.map.compiled.coding_system;
        let name = Coding { code: coding.system.clone(), text: String::new(), system: String::new() };
        let listed = known.table.find(std::iter::once(&name)).and_then(|code| code.meaning(known.column));
        if let Some(uri) = listed {
            return uri.to_string();
        }
        let is_table = coding.system.is_empty() || coding.system.starts_with("HL7");
        match table.and_then(|table| table.system.as_ref()).filter(|_| is_table) {
            Some(uri) => uri.to_string(),
            None => local_system(self.context.site, "coding", &coding.system),
        }
    }
}

/// The sender's words for a code, else those of the table, else the code.
fn words_of(coded: &Coded, table: Option<&Table>) -> Option<Text> {
    let is_bare = coded.words() == coded.first.code;
    let listed = table.filter(|_| is_bare).and_then(|table| table.find(coded.codings()));
    let display = listed.and_then(|code| code.display.as_ref()).map(Text::from);
    display.or_else(|| clean(coded.words()).map(Text::from))
}

fn worded(row: &Row, words: &str) -> Option<Node> {
    let label = row.label.as_ref()?;
    let words = clean(words)?;
    Some(concept(vec![label.coding.clone()], Some(format!("{}: {words}", label.display).into())).into())
}
