//! Who a scene is about, and the placeholders of its messages.
//!
//! `{name}` is one of the values of [`Persona::invent`], which differ from persona to persona, or one that is set for the
//! message; `{id}` is MSH-10. `{name|text}` is `text` where nothing is set, `{name|$other}` the value of the other name.
//! `{now}` is the persona's time, `{now-5m}` and `{now+2h}` are times around it (`s`, `m`, `h`, `d`), written as HL7 writes
//! them in [`ZONE`]; `:min` and `:day` make them less precise, `:@` writes them for a comparison of instants.
//! In templates the end of a line is the end of a segment.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::sim::random::SplitMix64;

/// The zone of the senders.
pub const ZONE: &str = "America/Chicago";

/// How deep a placeholder may lead to others.
const DEPTH_MAX: usize = 4;

/// Invented people, places and numbers.
#[derive(Clone, Debug)]
pub struct Persona {
    values: BTreeMap<&'static str, String>,
    now: Timestamp,
    offset: Option<TimeZone>,
}

/// A placeholder that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// A brace is not closed.
    #[error("a placeholder has no end")]
    Unclosed,
    /// Nobody knows the name.
    #[error("no placeholder is called `{0}`")]
    Unknown(String),
    /// It is no time.
    #[error("`{0}` is no time such as now, now-5m or now+2h:min")]
    Time(String),
}

const WARDS: [&str; 8] = ["3W", "5E", "ICU", "4NORTH", "MED", "7B", "ORTHO", "STROKE"];
const BEDS: [&str; 6] = ["A", "B", "01", "02", "W", "1"];
const FAMILIES: [&str; 6] = ["AMBER", "BIRCH", "COBALT", "DUNE", "ELDER", "FJORD"];
const GIVEN: [&str; 6] = ["ADA", "BO", "CARA", "DAN", "EVE", "FINN"];
const FACILITIES: [&str; 4] = ["ZZHOSP", "ZZMERCY", "ZZEAST", "ZZ-GENERAL"];
const SENDERS: [&str; 4] = ["ZZEHR", "ZZADT", "ZZORDERS", "ZZHIS"];
const PLACES: [(&str, &str); 2] = [("SUNRISE", "Sunrise Skilled Nursing"), ("RIVERSIDE", "Riverside Rehabilitation")];
const OTHER_PLACES: [(&str, &str); 2] = [("HILL", "Hill House Hospice"), ("LAKE", "Lakeside Care Center")];
/// Names of numbers, and the letter that some forms of them begin with.
const NUMBERS: [(&str, &str); 11] = [
    ("mrn", "M"),
    ("mrn2", "N"),
    ("mrn3", "L"),
    ("account", "A"),
    ("account2", "B"),
    ("visit", "V"),
    ("visit2", "W"),
    ("visit3", "X"),
    ("order", "P"),
    ("order2", "Q"),
    ("order3", "R"),
];
/// Ward, room and bed of three places, the place as PV1-3 has it, and as people say it.
const ROOMS: [[&str; 5]; 3] = [
    ["ward", "room", "bed", "at1", "at1_name"],
    ["ward2", "room2", "bed2", "at2", "at2_name"],
    ["ward3", "room3", "bed3", "at3", "at3_name"],
];

impl Persona {
    /// Invents one, as of `now`. Numbers of two personas differ when their `number` does.
    pub fn invent(random: &mut SplitMix64, number: usize, now: Timestamp) -> Self {
        let mut values = BTreeMap::new();
        let serial = 1 + random.below(8999);
        for (at, (name, letter)) in NUMBERS.into_iter().enumerate() {
            // The place keeps numbers of one persona apart, whatever their form.
            let tail = 10 + random.below(89);
            let text = match random.below(3) {
                0 => format!("{number}{serial:04}{tail}{at:02}"),
                1 => format!("{letter}{number}{serial:04}{tail}{at:02}"),
                _ => format!("{letter}-{number}-{serial:04}-{tail}{at:02}"),
            };
            values.insert(name, text);
        }
        values.insert("family", format!("ZZTEST-{}-{number}{serial}", random.pick(&FAMILIES)));
        values.insert("given", random.pick(&GIVEN).to_owned());
        values.insert("sex", random.pick(&["F", "M"]).to_owned());
        let (year, month, day) = (1931 + random.below(60), 1 + random.below(12), 1 + random.below(28));
        values.insert("dob", format!("{year}{month:02}{day:02}"));
        let facility = random.pick(&FACILITIES);
        values.insert("facility", facility.to_owned());
        values.insert("app", random.pick(&SENDERS).to_owned());
        for (floor, names) in (1..).zip(ROOMS) {
            let [ward, room, bed, at, said] = names;
            // The floor keeps the three rooms apart.
            let place = [
                random.pick(&WARDS).to_owned(),
                (100 * floor + random.below(99)).to_string(),
                random.pick(&BEDS).to_owned(),
            ];
            values.insert(at, format!("{}^{facility}", place.join("^")));
            values.insert(said, place.join(" "));
            for (name, value) in [ward, room, bed].into_iter().zip(place) {
                values.insert(name, value);
            }
        }
        for ([code, name, both], places) in
            [(["place", "place_name", "going_to"], PLACES), (["place2", "place2_name", "going_to2"], OTHER_PLACES)]
        {
            let (id, text) = random.pick(&places);
            values.insert(both, format!("{id}^{text}^L"));
            values.insert(code, id.to_owned());
            values.insert(name, text.to_owned());
        }
        Self { values, now, offset: None }
    }

    /// Writes times in another zone, with its offset.
    pub fn with_offset_of(self, zone: &str) -> Self {
        Self { offset: TimeZone::get(zone).ok(), ..self }
    }

    /// One of the invented values.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A message: the placeholders of `template` filled, `set` before the persona's own values.
    pub fn message(
        &self,
        template: &str,
        set: &BTreeMap<String, String>,
        control_id: &str,
    ) -> Result<Vec<u8>, FillError> {
        let mut set = set.clone();
        set.insert("id".to_owned(), control_id.to_owned());
        let text = self.fill(template, &set)?;
        Ok((text.trim_end().replace('\n', "\r") + "\r").into_bytes())
    }

    /// Fills the placeholders of a text.
    pub fn fill(&self, text: &str, set: &BTreeMap<String, String>) -> Result<String, FillError> {
        self.filled(text, set, DEPTH_MAX)
    }

    fn filled(&self, text: &str, set: &BTreeMap<String, String>, depth: usize) -> Result<String, FillError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').ok_or(FillError::Unclosed)?;
            out += before;
            out += &self.of(name, set, depth)?;
            rest = behind;
        }
        Ok(out + rest)
    }

    fn of(&self, name: &str, set: &BTreeMap<String, String>, depth: usize) -> Result<String, FillError> {
        let depth = depth.checked_sub(1).ok_or_else(|| FillError::Unknown(name.to_owned()))?;
        if let Some((name, otherwise)) = name.split_once('|') {
            return match (set.contains_key(name), otherwise.strip_prefix('$')) {
                (true, _) => self.of(name, set, depth),
                (false, Some(other)) => self.of(other, set, depth),
                (false, None) => Ok(otherwise.to_owned()),
            };
        }
        if let Some(value) = set.get(name) {
            return self.filled(value, set, depth);
        }
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        match name.strip_prefix("now") {
            Some(rest) => self.time(rest).ok_or_else(|| FillError::Time(name.to_owned())),
            None => Err(FillError::Unknown(name.to_owned())),
        }
    }

    fn time(&self, text: &str) -> Option<String> {
        let (shift, form) = text.split_once(':').unwrap_or((text, ""));
        let at = self.now.checked_add(duration(shift)?).ok()?;
        if form == "@" {
            return Some(format!("@{at}"));
        }
        let local = at.to_zoned(self.offset.clone().or_else(|| TimeZone::get(ZONE).ok())?);
        let text = match form {
            "day" => return Some(local.strftime("%Y%m%d").to_string()),
            "min" => local.strftime("%Y%m%d%H%M"),
            "" => local.strftime("%Y%m%d%H%M%S"),
            _ => return None,
        };
        Some(if self.offset.is_some() { format!("{text}{}", local.strftime("%z")) } else { text.to_string() })
    }
}

/// `+2h`, `-90m`; nothing is no time at all.
fn duration(text: &str) -> Option<SignedDuration> {
    if text.is_empty() {
        return Some(SignedDuration::ZERO);
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let unit = rest.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number: i64 = rest.strip_suffix(unit)?.parse().ok()?;
    Some(SignedDuration::from_secs(number.checked_mul(sign * seconds)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn persona(number: usize) -> Persona {
        Persona::invent(&mut SplitMix64::new(7), number, "2026-11-26T14:05:09Z".parse().unwrap())
    }

    #[test]
    fn fills_names_defaults_and_times() {
        let none = BTreeMap::new();
        let set =
            BTreeMap::from([("to".to_owned(), "[{mrn}]".to_owned()), ("sent".to_owned(), "{now-5m:min}".to_owned())]);
        let (one, mrn) = (persona(1), persona(1).value("mrn").unwrap().to_owned());
        for (text, filled) in [
            ("{mrn}", mrn.clone()),
            ("{to|nowhere}", "nowhere".to_owned()),
            ("a{to|}b", "ab".to_owned()),
            ("{to|$mrn}", mrn.clone()),
            ("{now}", "20261126080509".to_owned()),
            ("{now-5m:min}", "202611260800".to_owned()),
            ("{now+1d:day}", "20261127".to_owned()),
            ("{now-1h:@}", "@2026-11-26T13:05:09Z".to_owned()),
        ] {
            assert_eq!(one.fill(text, &none).unwrap(), filled, "{text}");
        }
        assert_eq!(one.fill("{to|nowhere} {sent|$now}", &set).unwrap(), format!("[{mrn}] 202611260800"));
        let east = one.with_offset_of("Asia/Kolkata");
        assert_eq!(east.fill("{now}", &none).unwrap(), "20261126193509+0530");
        let circle = BTreeMap::from([("a".to_owned(), "{a}".to_owned())]);
        assert!(east.fill("{a}", &circle).is_err());
    }

    #[test]
    fn invents_numbers_and_places_that_differ() {
        let (one, other) = (persona(1), persona(2));
        let numbers: std::collections::BTreeSet<&str> =
            NUMBERS.iter().flat_map(|(name, _)| [one.value(name).unwrap(), other.value(name).unwrap()]).collect();
        assert_eq!(numbers.len(), 2 * NUMBERS.len());
        assert_ne!(one.value("at1_name"), one.value("at2_name"));
        assert_eq!(one.value("at3").unwrap().split('^').count(), 4);
    }
}
