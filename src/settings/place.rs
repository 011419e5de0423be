//! Where something stands in the configuration's files, as line, column and the line itself.
//!
//! Keeps the texts for this purpose only, with everything that looks like a secret covered by `*` (INV-05,
//! INV-10): whatever is shown around a fault comes from the covered text. A line longer than
//! [`limits::CONFIGURATION_EXCERPT_BYTES_MAX`] is not shown.

use std::ops::Range;

use super::secrets;
use crate::units::limits;

/// A range of bytes in one of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) span: Range<usize>,
}

impl Place {
    /// The beginning of a file, for what is missing from the whole.
    pub(super) const fn top_of(file: usize) -> Self {
        Self { file, span: 0..0 }
    }

    pub(super) const fn holds(&self, other: &Self) -> bool {
        self.file == other.file && self.span.start <= other.span.start && other.span.end <= self.span.end
    }
}

/// A [`Place`] as a person looks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
    /// The line, secrets covered; empty where it is too long to show.
    pub(super) excerpt: String,
    /// Bytes of the excerpt that are meant.
    pub(super) caret: Range<usize>,
}

/// The files that are read.
pub(super) struct Sources {
    files: Vec<Source>,
}

struct Source {
    name: String,
    text: String,
    line_starts: Vec<usize>,
}

impl Sources {
    pub(super) fn new(files: &[(String, String)]) -> Self {
        let source = |(name, text): &(String, String)| Source {
            name: name.clone(),
            text: secrets::cover_lines(text),
            line_starts: std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect(),
        };
        Self { files: files.iter().map(source).collect() }
    }

    /// Covers `places`, so that no excerpt shows them.
    pub(super) fn cover(&mut self, places: &[Place]) {
        for (file, source) in self.files.iter_mut().enumerate() {
            let mut bytes = std::mem::take(&mut source.text).into_bytes();
            for place in places.iter().filter(|place| place.file == file) {
                let secret = bytes.get_mut(place.span.clone()).unwrap_or_default();
                secret.iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b'*');
            }
            source.text = String::from_utf8(bytes).unwrap_or_default();
        }
    }

    pub(super) fn text(&self, place: &Place) -> &str {
        self.files.get(place.file).and_then(|source| source.text.get(place.span.clone())).unwrap_or_default()
    }

    pub(super) fn line(&self, place: &Place) -> usize {
        let Some(source) = self.files.get(place.file) else { return 0 };
        source.line_starts.partition_point(|start| *start <= place.span.start)
    }

    pub(super) fn spot(&self, place: &Place) -> Spot {
        let Some(source) = self.files.get(place.file) else {
            return Spot { file: String::new(), line: 1, column: 1, excerpt: String::new(), caret: 0..0 };
        };
        let start = boundary_before(&source.text, place.span.start);
        let line = source.line_starts.partition_point(|begin| *begin <= start);
        let line_start = source.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let rest = source.text.get(line_start..).unwrap_or_default();
        let excerpt = rest.lines().next().unwrap_or_default();
        let begin = (start - line_start).min(excerpt.len());
        let end = boundary_before(excerpt, (place.span.end.max(start) - line_start).min(excerpt.len()));
        let column = excerpt.get(..begin).map_or(1, |before| before.chars().count() + 1);
        let shown = if excerpt.len() > limits::CONFIGURATION_EXCERPT_BYTES_MAX { "" } else { excerpt };
        Spot {
            file: source.name.clone(),
            line,
            column,
            excerpt: shown.to_owned(),
            caret: begin.min(shown.len())..end.max(begin).min(shown.len()),
        }
    }

    /// The place of an earlier line of the same table that defines what the line of `again` defines.
    pub(super) fn first_definition(&self, again: &Place) -> Option<Place> {
        let source = self.files.get(again.file)?;
        let line_of = |number: usize| {
            let start = *source.line_starts.get(number)?;
            source.text.get(start..)?.lines().next().map(|line| (start, line))
        };
        let index = self.line(again).checked_sub(1)?;
        let wanted = defined_by(line_of(index)?.1)?;
        for number in (0..index).rev() {
            let (start, line) = line_of(number)?;
            let defined = defined_by(line);
            if defined.as_ref() == Some(&wanted) {
                let indent = line.len() - line.trim_start().len();
                return Some(Place { file: again.file, span: start + indent..start + line.trim_end().len() });
            }
            let left_the_table = defined.is_some_and(|what| what.starts_with('['));
            if left_the_table && !wanted.starts_with('[') {
                return None;
            }
        }
        None
    }
}

/// What a line defines: `[kind.name]` or a key; spaces and comments left out.
fn defined_by(line: &str) -> Option<String> {
    let line = line.trim_start();
    let end = if line.starts_with('[') { line.find(']')? + 1 } else { line.find('=')? };
    let name = line.get(..end)?;
    (!name.starts_with('#')).then(|| name.chars().filter(|c| !c.is_whitespace()).collect())
}

fn boundary_before(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Sources {
        Sources::new(&[("a.toml".to_owned(), text.to_owned())])
    }

    fn place(span: Range<usize>) -> Place {
        Place { file: 0, span }
    }

    #[test]
    fn counts_lines_and_characters_from_one() {
        let text = "a = 1\r\nü = \"x\"\n";
        for (span, line, column, excerpt) in [
            (0..1, 1, 1, "a = 1"),
            (4..5, 1, 5, "a = 1"),
            (7..9, 2, 1, "ü = \"x\""),
            (12..15, 2, 5, "ü = \"x\""),
            (8..9, 2, 1, "ü = \"x\""),
            (16..16, 3, 1, ""),
            (900..901, 3, 1, ""),
        ] {
            let spot = sources(text).spot(&place(span.clone()));
            assert_eq!((spot.line, spot.column, spot.excerpt.as_str()), (line, column, excerpt), "{span:?}");
            assert!(spot.excerpt.get(spot.caret.clone()).is_some(), "{span:?}");
        }
    }

    #[test]
    fn shows_no_line_that_is_too_long() {
        let text = format!("a = \"{}\"", "x".repeat(limits::CONFIGURATION_EXCERPT_BYTES_MAX));
        let spot = sources(&text).spot(&place(4..9));
        assert_eq!((spot.column, spot.excerpt.as_str(), spot.caret), (5, "", 0..0));
    }

    #[test]
    fn covers_what_is_secret() {
        let mut sources = sources("a = \"geheim\" # end");
        sources.cover(&[place(4..12)]);
        assert_eq!(sources.spot(&place(0..1)).excerpt, "a = ******** # end");
    }

    #[test]
    fn finds_the_first_of_two_definitions() {
        let text = "[mllp.a]\nack = 1\n[ mllp.a ]\nack = 2\nack = 3\n";
        assert_eq!(sources(text).first_definition(&place(24..25)), Some(place(0..8)));
        assert_eq!(sources(text).first_definition(&place(36..39)), Some(place(28..35)));
        assert_eq!(sources(text).first_definition(&place(28..31)), None);
    }
}
