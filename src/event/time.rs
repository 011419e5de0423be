//! HL7 v2 time stamps (DT, TM with date, TS, DTM; HL7 v2.5.1 chapter 2A) as FHIR dates and instants.
//!
//! A value keeps the precision it came with: `195002` stays `1950-02`. From the hour on, FHIR wants minutes, seconds
//! and a zone (R4 dateTime), so missing minutes and seconds become zero and the zone is the value's own offset or,
//! without one, that of the link. Around a change of clocks a local time may not exist (it is then moved forward by
//! the length of the gap) or exist twice (the earlier one is taken); [`When::clock`] says so, as RFC 5545 does it.
//! Unreadable values are refused, never bent. A leap second (`235960`, or at the end of another minute 59 where the
//! zone wants it) is the instant after it, as POSIX has it; `2400` is the first instant of the next day. Versions 2.1
//! and 2.2 tell the precision in a second component (`Y L D H M S`, [`When::read_to`]); zeros behind it are no time.

use std::fmt;

use jiff::{
    civil::DateTime,
    tz::{AmbiguousOffset, Offset, TimeZone},
};

use crate::units::Timestamp;

/// A point in time as precise as the sender gave it. Prints nothing: a birth date is patient data.
#[derive(Clone, PartialEq, Eq)]
pub struct When {
    date: String,
    time: Option<String>,
    instant: Option<Timestamp>,
    clock: Clock,
}

/// Whether a local time names exactly one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// It does, or an offset was given, or there is no time of day.
    Certain,
    /// It fell into the hour that was skipped; moved forward.
    Skipped,
    /// It fell into the hour that came twice; the first was taken.
    Repeated,
}

impl When {
    /// Reads a time stamp whose precision is told beside it (HL7 v2.2 chapter 2, TS); a degree that is not known, or
    /// finer than the value, changes nothing.
    pub fn read_to(text: &str, degree: &str, zone: &TimeZone) -> Option<Self> {
        let text = text.trim();
        let length = match degree.trim() {
            "Y" => 4,
            "L" => 6,
            "D" => 8,
            "H" => 10,
            "M" => 12,
            "S" => 14,
            _ => return Self::read(text, zone),
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits <= length {
            return Self::read(text, zone);
        }
        let offset = text.find(['+', '-']).and_then(|at| text.get(at..)).unwrap_or_default();
        Self::read(&format!("{}{offset}", text.get(..length)?), zone)
    }

    /// Reads a time stamp; `zone` is for values without an offset.
    pub fn read(text: &str, zone: &TimeZone) -> Option<Self> {
        let text = text.trim();
        let (digits, offset) = split_offset(text)?;
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        let fields = Fields::read(whole)?;
        if fraction.is_some_and(|fraction| fields.second.is_none() || !is_fraction(fraction)) {
            return None;
        }
        fields.resolve(fraction, offset, zone)
    }

    /// The date, as precise as it is: `1950`, `1950-02` or `1950-02-01`.
    pub fn date(&self) -> &str {
        &self.date
    }

    /// The FHIR dateTime: the date where there is no time of day.
    pub fn date_time(&self) -> &str {
        self.time.as_deref().unwrap_or(&self.date)
    }

    /// The instant, where there is a time of day.
    pub const fn instant(&self) -> Option<Timestamp> {
        self.instant
    }

    /// Whether the local time was certain.
    pub const fn clock(&self) -> Clock {
        self.clock
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<phi>")
    }
}

/// A FHIR instant in UTC with milliseconds.
pub fn instant_text(instant: Timestamp) -> Option<String> {
    let instant = jiff::Timestamp::from_millisecond(instant.0).ok()?;
    Some(format!("{instant:.3}"))
}

/// The calendar fields of a value, from the year as far as given.
struct Fields {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    hour: Option<i8>,
    minute: Option<i8>,
    second: Option<i8>,
}

impl Fields {
    fn read(digits: &str) -> Option<Self> {
        if !matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let pair = |at: usize| digits.get(at..at + 2).and_then(|pair| pair.parse::<i8>().ok());
        let year = digits.get(..4)?.parse().ok().filter(|&year| year > 0)?;
        Some(Self { year, month: pair(4), day: pair(6), hour: pair(8), minute: pair(10), second: pair(12) })
    }

    fn resolve(&self, fraction: Option<&str>, offset: Option<Offset>, zone: &TimeZone) -> Option<When> {
        let day = jiff::civil::Date::new(self.year, self.month.unwrap_or(1), self.day.unwrap_or(1)).ok()?;
        let civil = self.time_of(day, fraction)?;
        let date = match (self.month, self.day) {
            (None, _) => format!("{:04}", self.year),
            (Some(month), None) => format!("{:04}-{month:02}", self.year),
            (Some(month), Some(day)) => format!("{:04}-{month:02}-{day:02}", self.year),
        };
        if self.hour.is_none() {
            return Some(When { date, time: None, instant: None, clock: Clock::Certain });
        }
        let (offset, clock) = match offset {
            Some(offset) => (offset, Clock::Certain),
            None => local_offset(civil, zone),
        };
        timed(civil, date, fraction, offset, clock)
    }
}

impl Fields {
    /// The local time on `day`. The end of the day is the beginning of the next; a leap second is the second after it.
    fn time_of(&self, day: jiff::civil::Date, fraction: Option<&str>) -> Option<DateTime> {
        let (hour, minute, second) = (self.hour.unwrap_or(0), self.minute.unwrap_or(0), self.second.unwrap_or(0));
        let is_whole = fraction.is_none_or(|fraction| fraction.bytes().all(|digit| digit == b'0'));
        if (hour, minute, second) == (24, 0, 0) && is_whole {
            return Some(day.tomorrow().ok()?.at(0, 0, 0, 0));
        }
        if (minute, second) == (59, 60) {
            let before = DateTime::new(day.year(), day.month(), day.day(), hour, 59, 59, 0).ok()?;
            return before.checked_add(jiff::Span::new().seconds(1)).ok();
        }
        DateTime::new(day.year(), day.month(), day.day(), hour, minute, second, 0).ok()
    }
}

fn timed(civil: DateTime, date: String, fraction: Option<&str>, offset: Offset, clock: Clock) -> Option<When> {
    let instant = offset.to_timestamp(civil).ok()?;
    let milliseconds = fraction.map_or(0, milliseconds);
    let (shown, suffix) = match (clock, offset.seconds() % 60) {
        // A skipped time is written as the instant it was moved to.
        (Clock::Skipped, _) | (_, 1..) | (_, ..=-1) => (Offset::UTC.to_datetime(instant), "Z".to_owned()),
        _ => (civil, suffix(offset)),
    };
    let (hour, minute, second) = (shown.hour(), shown.minute(), shown.second());
    let point = if fraction.is_some() { "." } else { "" };
    let fraction = fraction.unwrap_or_default();
    let time = format!("{}T{hour:02}:{minute:02}:{second:02}{point}{fraction}{suffix}", shown.date());
    let instant = Timestamp(instant.as_millisecond().saturating_add(milliseconds));
    Some(When { date, time: Some(time), instant: Some(instant), clock })
}

fn local_offset(civil: DateTime, zone: &TimeZone) -> (Offset, Clock) {
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => (offset, Clock::Certain),
        AmbiguousOffset::Gap { before, .. } => (before, Clock::Skipped),
        AmbiguousOffset::Fold { before, .. } => (before, Clock::Repeated),
    }
}

/// Splits `+0100` or `-0330` off the end.
fn split_offset(text: &str) -> Option<(&str, Option<Offset>)> {
    let Some(at) = text.find(['+', '-']) else {
        return Some((text, None));
    };
    let (digits, zone) = text.split_at_checked(at)?;
    let (sign, zone) = zone.split_at_checked(1)?;
    if zone.len() != 4 || !zone.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = zone.get(..2)?.parse().ok()?;
    let minutes: i32 = zone.get(2..)?.parse().ok()?;
    // FHIR allows offsets up to 14:00.
    if hours > 14 || minutes > 59 || (hours == 14 && minutes > 0) {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    let offset = Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()?;
    Some((digits, Some(offset)))
}

fn suffix(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// One to four digits (HL7 v2.5.1 2A.3.22).
fn is_fraction(text: &str) -> bool {
    matches!(text.len(), 1..=4) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn milliseconds(fraction: &str) -> i64 {
    format!("{fraction:0<3}").get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn zone() -> TimeZone {
        TimeZone::get("America/New_York").unwrap()
    }

    #[test]
    fn keeps_the_precision_of_the_sender_and_adds_the_zone() {
        let cases = [
            ("1950", "1950"),
            ("195002", "1950-02"),
            ("19500201", "1950-02-01"),
            ("2026030114", "2026-03-01T14:00:00-05:00"),
            ("202603011430", "2026-03-01T14:30:00-05:00"),
            ("20260701143015", "2026-07-01T14:30:15-04:00"),
            ("20260701143015.25", "2026-07-01T14:30:15.25-04:00"),
            ("20260701143015+0530", "2026-07-01T14:30:15+05:30"),
            ("20260701143015.1234-0000", "2026-07-01T14:30:15.1234+00:00"),
            // Local mean time, 4:56:02 behind: written in UTC because FHIR offsets have no seconds.
            ("18500101120000", "1850-01-01T16:56:02Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(When::read(text, &zone()).unwrap().date_time(), expected, "{text}");
        }
    }

    #[test]
    fn states_what_it_does_around_a_change_of_clocks() {
        let skipped = When::read("20260308023000", &zone()).unwrap();
        assert_eq!((skipped.date_time(), skipped.clock()), ("2026-03-08T07:30:00Z", Clock::Skipped));
        let repeated = When::read("20261101013000", &zone()).unwrap();
        assert_eq!((repeated.date_time(), repeated.clock()), ("2026-11-01T01:30:00-04:00", Clock::Repeated));
        let told = When::read("20261101013000-0500", &zone()).unwrap();
        assert_eq!((told.date_time(), told.clock()), ("2026-11-01T01:30:00-05:00", Clock::Certain));
    }

    #[test]
    fn refuses_what_is_not_a_time() {
        for text in [
            "",
            "0000",
            "195",
            "19501340",
            "20260230",
            "2026030125",
            "202603012401",
            "20260301240001",
            "20260301240000.5",
            "202603011460",
            "20260301143060",
            "2026-03-01",
            "20260301.5",
            "20260301143015.",
            "20260301143015+25",
            "20260301143015+9900",
            "20260301143015+1401",
            "20260301143015-1500",
            "20260301143015+0060",
            "20260301143015Z",
            "20260229",
            "99990229",
            "00000000",
            "2026030114301",
            "20260301143015.12345",
            "20260301143015+1430",
            "tomorrow",
            "２０２６",
        ] {
            assert_eq!(When::read(text, &zone()), None, "{text}");
        }
    }

    #[test]
    fn reads_every_form_of_every_version() {
        for (text, degree, expected) in [
            ("19880704", "D", "1988-07-04"),
            ("19880000", "Y", "1988"),
            ("19880700", "L", "1988-07"),
            ("198807040000", "D", "1988-07-04"),
            ("19880704140000", "H", "1988-07-04T14:00:00-04:00"),
            ("19880704143000+0100", "M", "1988-07-04T14:30:00+01:00"),
            ("19880704143015.5", "S", "1988-07-04T14:30:15.5-04:00"),
            ("198807", "D", "1988-07"),
            ("1988", "?", "1988"),
            ("19880704", "", "1988-07-04"),
            ("20240229", "", "2024-02-29"),
            ("20260301143015.1+1400", "", "2026-03-01T14:30:15.1+14:00"),
            ("202603011430-1400", "", "2026-03-01T14:30:00-14:00"),
            ("20161231235960+0000", "", "2017-01-01T00:00:00+00:00"),
            ("20161231185960", "", "2016-12-31T19:00:00-05:00"),
            ("202603012400+0000", "", "2026-03-02T00:00:00+00:00"),
            ("2026123124", "", "2027-01-01T00:00:00-05:00"),
            ("20261231240000.00", "", "2027-01-01T00:00:00.00-05:00"),
        ] {
            let when = When::read_to(text, degree, &zone());
            assert_eq!(when.unwrap().date_time(), expected, "{text}^{degree}");
        }
        assert_eq!(When::read("202603012400", &zone()).unwrap().date(), "2026-03-01");
    }

    #[test]
    fn knows_the_instant_of_a_time_but_not_of_a_date() {
        assert_eq!(When::read("19700101000001.5+0000", &zone()).unwrap().instant(), Some(Timestamp(1500)));
        assert_eq!(When::read("19700101", &zone()).unwrap().instant(), None);
        assert_eq!(instant_text(Timestamp(1500)).unwrap(), "1970-01-01T00:00:01.500Z");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-9+.\\-]{0,24}|.{0,24}") {
            if let Some(when) = When::read(&text, &zone()) {
                prop_assert!(when.date_time().len() >= 4);
            }
        }
    }
}
