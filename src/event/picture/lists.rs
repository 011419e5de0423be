//! Segments that there may be several of, as one value each: all notes, all insurances, all answers to one question.
//!
//! A list is replaced as a whole. Segments of which none says anything replace nothing: a sender whose form is empty this
//! time has not taken back what it said before. To take something back there are two quotes, and OBX-11.

use super::{Key, LISTED, Part, Section, normal};
use crate::{
    hl7::{Charset, Segment},
    units::limits,
};

/// The segments that there may be several of, by what they are kept by.
#[derive(Default)]
pub(super) struct Lists(Vec<List>);

struct List {
    key: Key,
    lines: Vec<Line>,
}

struct Line {
    text: String,
    /// Whether it says anything.
    is_news: bool,
    /// Whether it is a document, or points to one.
    is_document: bool,
}

impl Lists {
    pub(super) fn add(&mut self, segment: &Segment<'_>, (section, name): (Section, String), charset: &Charset) {
        let part = if name == "OBX" {
            let question = normal(&segment.field(3), charset);
            let code = question.split('^').next().unwrap_or_default();
            Part::Answers(format!("{code}^{}", normal(&segment.field(4), charset)))
        } else {
            Part::All
        };
        let number =
            1 + self.0.iter().filter(|list| list.key.segment == name).map(|list| list.lines.len()).sum::<usize>();
        let line = Line {
            text: line(segment, charset),
            is_news: is_news(segment, number),
            is_document: segment.is("OBX") && matches!(segment.field(2).bytes(), b"ED" | b"RP"),
        };
        let key = Key { section, place: LISTED, segment: name, part };
        match self.0.iter_mut().find(|list| list.key == key) {
            Some(list) => list.lines.push(line),
            None => self.0.push(List { key, lines: vec![line] }),
        }
    }

    /// What they say. Segments of which none says anything are no news; documents that are too large are left out.
    pub(super) fn said(self) -> impl Iterator<Item = (Key, String)> {
        let spoken = self.0.into_iter().filter(|list| list.lines.iter().any(|line| line.is_news));
        spoken.filter_map(|List { key, mut lines }| {
            let bytes: usize = lines.iter().map(|line| line.text.len() + 1).sum();
            if bytes > limits::PICTURE_VALUE_BYTES_MAX {
                lines.retain(|line| !line.is_document);
            }
            let texts: Vec<String> = lines.into_iter().map(|line| line.text).collect();
            (!texts.is_empty()).then(|| (key, texts.join("\r")))
        })
    }
}

/// Whether a segment says anything beside which one of several it is: an answer without a value, an empty comment and a
/// bare set id do not. An answer that is taken back (OBX-11 `D`, `W`; HL7 v2.5.1 table 0085) does.
fn is_news(segment: &Segment<'_>, number: usize) -> bool {
    let has = |field: usize| !segment.field(field).bytes().is_empty();
    if segment.is("OBX") {
        return has(5) || matches!(segment.field(11).bytes(), b"D" | b"W");
    }
    if segment.is("NTE") {
        return has(3);
    }
    let is_bare = segment.field(1).bytes() == number.to_string().as_bytes();
    (if is_bare { 2 } else { 1 }..=segment.field_count()).any(has)
}

fn line(segment: &Segment<'_>, charset: &Charset) -> String {
    let mut line: String = String::from_utf8_lossy(segment.name()).into_owned();
    for number in 1..=segment.field_count() {
        line.push('|');
        line.push_str(&normal(&segment.field(number), charset));
    }
    line
}
