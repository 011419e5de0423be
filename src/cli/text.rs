//! Text for people: tables within 80 columns, local times, ages, sizes.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use crate::units::Timestamp;

/// Columns of a terminal that every list fits into.
const WIDTH: usize = 80;
/// Columns that the flexible column keeps at least.
const FLEXIBLE_MIN: usize = 8;

/// On which side a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
    /// Text that is cut when the table is too wide.
    Flexible,
}

/// A list with a heading.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    pub(super) fn text(&self) -> String {
        let widths = self.widths();
        let headings = self.columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            text += self.line(row, &widths).trim_end();
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let cell = |row: &Vec<String>, at: usize| row.get(at).map_or(0, |cell| cell.chars().count());
        let widest = |at: usize, heading: &str| {
            self.rows.iter().map(|row| cell(row, at)).chain([heading.chars().count()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> =
            self.columns.iter().enumerate().map(|(at, (heading, _))| widest(at, heading)).collect();
        let gaps = widths.len().saturating_sub(1) * 2;
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(WIDTH);
        for (width, (_, align)) in widths.iter_mut().zip(&self.columns) {
            if *align == Align::Flexible {
                let cut = excess.min(width.saturating_sub(FLEXIBLE_MIN));
                *width -= cut;
                excess -= cut;
            }
        }
        widths
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, align)) in row.iter().zip(widths).zip(&self.columns) {
            let width = *width;
            // Writing to a string cannot fail.
            match align {
                Align::Right => write!(line, "{cell:>width$}  ").ok(),
                Align::Left => write!(line, "{cell:<width$}  ").ok(),
                Align::Flexible => write!(line, "{:<width$}  ", cut(cell, width)).ok(),
            };
        }
        line
    }
}

/// The beginning of a text that is too wide.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Text that cannot change the terminal: control and direction characters are shown as boxes.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
            _ if character.is_control() => '\u{fffd}',
            _ => character,
        })
        .collect()
}

/// A time as the clock on the wall shows it.
pub(super) fn local(time: Timestamp) -> String {
    at_zone(time, &TimeZone::system(), "%Y-%m-%d %H:%M:%S")
}

/// A time with its offset, where it stands alone.
pub(super) fn local_with_offset(time: Timestamp) -> String {
    at_zone(time, &TimeZone::system(), "%Y-%m-%d %H:%M:%S %:z")
}

fn at_zone(time: Timestamp, zone: &TimeZone, form: &str) -> String {
    match jiff::Timestamp::from_millisecond(time.0) {
        Ok(instant) => instant.to_zoned(zone.clone()).strftime(form).to_string(),
        Err(_) => time.to_string(),
    }
}

/// A time span in its two largest units.
pub(super) fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let mut parts = Vec::new();
    let mut rest = seconds;
    for (size, unit) in units {
        if rest >= size {
            parts.push(format!("{} {unit}", rest / size));
            rest %= size;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// `1 message`, `2 messages`.
pub(super) fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_tables_within_the_terminal_and_cuts_only_what_may_be_cut() {
        let mut table = Table::new(&[("id", Align::Right), ("name", Align::Left), ("what", Align::Flexible)]);
        table.row(["7".to_owned(), "ehr".to_owned(), "x".repeat(200)]);
        table.row(["1234567".to_owned(), "a\x1b[2Jb".to_owned(), "short".to_owned()]);
        let text = table.text();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("      7  ehr"), "{text}");
        assert!(text.contains("…"), "{text}");
        assert!(text.contains("1234567  a\u{fffd}[2Jb"), "{text}");
    }

    #[test]
    fn writes_spans_in_two_units() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h"), (86_405, "1 d 5 s")]
        {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn writes_times_in_the_zone_of_the_reader() {
        let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
        let time = Timestamp(1_793_372_645_007);
        assert_eq!(at_zone(time, &zone, "%Y-%m-%d %H:%M:%S %:z"), "2026-10-30 16:04:05 +01:00");
    }
}
