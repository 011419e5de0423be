//! Who a play is about, and the placeholders of its messages.
//!
//! `{name}` is one of the values below, which differ from play to play, or one that the step sets; `{id}` is MSH-10.
//! `{name|text}` is `text` where the step sets nothing, `{name|$other}` the value of the other name. `{now}` is the time of the play,
//! `{now-5m}` and `{now+2h}` are times around it (`s`, `m`, `h`, `d`), written as HL7 writes them in the site's zone;
//! `:min` and `:day` make them less precise, `:@` writes them for a comparison of instants, whatever the zone.

use std::collections::BTreeMap;

use gurney::sim::random::SplitMix64;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// The zone of the site's senders.
pub(crate) const ZONE: &str = "America/Chicago";

/// The invented people, places and numbers of one play.
#[derive(Clone, Debug)]
pub(crate) struct Persona {
    values: BTreeMap<&'static str, String>,
    now: Timestamp,
    /// The offset that is written behind times, where one is.
    pub(crate) zone: Option<TimeZone>,
}

const WARDS: [&str; 8] = ["3W", "5E", "ICU", "4NORTH", "MED", "7B", "ORTHO", "STROKE"];
const BEDS: [&str; 6] = ["A", "B", "01", "02", "W", "1"];
const FAMILIES: [&str; 6] = ["AMBER", "BIRCH", "COBALT", "DUNE", "ELDER", "FJORD"];
const GIVEN: [&str; 6] = ["ADA", "BO", "CARA", "DAN", "EVE", "FINN"];
const FACILITIES: [&str; 4] = ["ZZHOSP", "ZZMERCY", "ZZEAST", "ZZ-GENERAL"];
const SENDERS: [&str; 4] = ["ZZEHR", "ZZADT", "ZZORDERS", "ZZHIS"];
const PLACES: [(&str, &str); 4] = [
    ("SUNRISE", "Sunrise Skilled Nursing"),
    ("RIVERSIDE", "Riverside Rehabilitation"),
    ("HILL", "Hill House Hospice"),
    ("LAKE", "Lakeside Care Center"),
];

impl Persona {
    /// Invents one. Numbers of different plays differ: `play` is part of them.
    pub(crate) fn invent(random: &mut SplitMix64, play: usize, now: Timestamp) -> Self {
        let mut values = BTreeMap::new();
        let serial = 1 + random.below(8999);
        for (at, (name, form)) in [
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
        ]
        .into_iter()
        .enumerate()
        {
            // The place keeps numbers of one play apart, whatever their form.
            let tail = 10 + random.below(89);
            let text = match random.below(3) {
                0 => format!("{play}{serial:04}{tail}{at:02}"),
                1 => format!("{form}{play}{serial:04}{tail}{at:02}"),
                _ => format!("{form}-{play}-{serial:04}-{tail}{at:02}"),
            };
            values.insert(name, text);
        }
        let pick = |choices: &[&str], random: &mut SplitMix64| {
            let length = u64::try_from(choices.len()).expect("few choices");
            choices[usize::try_from(random.below(length)).expect("a place")].to_owned()
        };
        let family = format!("ZZTEST-{}-{play}{serial}", pick(&FAMILIES, random));
        values.insert("family", family);
        values.insert("given", pick(&GIVEN, random));
        values.insert("sex", pick(&["F", "M"], random));
        values.insert(
            "dob",
            format!("{}{:02}{:02}", 1931 + random.below(60), 1 + random.below(12), 1 + random.below(28)),
        );
        values.insert("facility", pick(&FACILITIES, random));
        values.insert("app", pick(&SENDERS, random));
        // Three beds that differ.
        for (at, [ward, room, bed]) in
            [["ward", "room", "bed"], ["ward2", "room2", "bed2"], ["ward3", "room3", "bed3"]].into_iter().enumerate()
        {
            values.insert(ward, pick(&WARDS, random));
            let floor = 100 * (1 + u64::try_from(at).expect("three"));
            values.insert(room, (floor + random.below(99)).to_string());
            values.insert(bed, pick(&BEDS, random));
        }
        for (code, name) in [("place", "place_name"), ("place2", "place2_name")] {
            let half = if code == "place" { &PLACES[..2] } else { &PLACES[2..] };
            let (id, text) = half[usize::try_from(random.below(2)).expect("two")];
            values.insert(code, id.to_owned());
            values.insert(name, text.to_owned());
        }
        for (at, name, [ward, room, bed]) in [
            ("at1", "at1_name", ["ward", "room", "bed"]),
            ("at2", "at2_name", ["ward2", "room2", "bed2"]),
            ("at3", "at3_name", ["ward3", "room3", "bed3"]),
        ] {
            let [ward, room, bed] = [ward, room, bed].map(|part| values[part].clone());
            values.insert(at, format!("{ward}^{room}^{bed}^{}", values["facility"]));
            values.insert(name, format!("{ward} {room} {bed}"));
        }
        values.insert("going_to", format!("{}^{}^L", values["place"], values["place_name"]));
        values.insert("going_to2", format!("{}^{}^L", values["place2"], values["place2_name"]));
        Self { values, now, zone: None }
    }

    /// Values that no log line may hold.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        ["family", "mrn", "visit", "order"]
            .iter()
            .map(|name| self.values[name].as_str())
            .filter(|v| v.len() > 5)
            .collect()
    }

    /// Fills the placeholders of a text; `own` come before the persona's.
    pub(crate) fn fill(&self, text: &str, own: &BTreeMap<String, String>) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').unwrap_or_else(|| panic!("no end of {{{after}"));
            out += before;
            out += &self.value(name, own);
            rest = behind;
        }
        out + rest
    }

    fn value(&self, name: &str, own: &BTreeMap<String, String>) -> String {
        if let Some((name, otherwise)) = name.split_once('|') {
            return match (own.contains_key(name), otherwise.strip_prefix('$')) {
                (true, _) => self.value(name, own),
                (false, Some(other)) => self.value(other, own),
                (false, None) => otherwise.to_owned(),
            };
        }
        if let Some(value) = own.get(name) {
            return if value.contains('{') && !value.contains(&format!("{{{name}}}")) {
                self.fill(value, own)
            } else {
                value.clone()
            };
        }
        if let Some(value) = self.values.get(name) {
            return value.clone();
        }
        let shift = name.strip_prefix("now").unwrap_or_else(|| panic!("no placeholder {{{name}}}"));
        let (shift, form) = shift.split_once(':').unwrap_or((shift, ""));
        let at = self.now.checked_add(duration(shift)).expect("a time near now");
        if form == "@" {
            return format!("@{at}");
        }
        let zone = self.zone.clone().unwrap_or_else(|| TimeZone::get(ZONE).expect("a zone"));
        let local = at.to_zoned(zone);
        let text = match form {
            "day" => return local.strftime("%Y%m%d").to_string(),
            "min" => local.strftime("%Y%m%d%H%M"),
            "" => local.strftime("%Y%m%d%H%M%S"),
            other => panic!("no form of times `{other}`"),
        };
        if self.zone.is_some() { format!("{text}{}", local.strftime("%z")) } else { text.to_string() }
    }
}

/// `+2h`, `-90m`; nothing is no time at all.
fn duration(text: &str) -> SignedDuration {
    if text.is_empty() {
        return SignedDuration::ZERO;
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or_else(|| panic!("expected + or - in `now{text}`"))),
    };
    let (number, unit) = rest.split_at(rest.len() - 1);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        other => panic!("no unit of times `{other}`"),
    };
    SignedDuration::from_secs(sign * unit * number.parse::<i64>().expect("a number before the unit"))
}
