//! `gurney hl7 check`: what the parser, the standard and a profile have to say about messages, never what a field holds.

use std::{path::Path, sync::Arc};

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::{
    cli::{Exit, Failure, chain, data, load, print_json, text::printable},
    event::{Clock, When},
    hl7::{
        Charset, EscapeFindings, Findings, Index, Message, Text, Why,
        batch::Batch,
        profile::{Finding, Level, Profile, Rule, validate},
    },
};

/// What is said about a file.
#[derive(Debug, Serialize)]
struct Report {
    /// What the envelopes say that is not so.
    batch: Vec<String>,
    messages: Vec<Checked>,
}

/// What the parser says about one message.
#[derive(Debug, Serialize)]
struct Checked {
    message: usize,
    kind: String,
    readable: bool,
    charset: Option<&'static str>,
    version: String,
    profile: String,
    /// `clean`, `noted`, `warned`, `refused`, or `unreadable`.
    result: &'static str,
    /// What the parser found odd.
    findings: Vec<String>,
    /// What breaks the standard or the profile.
    conformance: Vec<Told>,
    /// How many of them are not listed.
    not_listed: u32,
}

/// One finding, with what to do about it.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    finding: Finding,
    /// Which segment of the message.
    segment: u32,
    /// Offset of the first byte, in the message.
    offset: usize,
    advice: &'static str,
}

/// The profile called `name@version`, of the built-in ones and those of a folder.
pub(super) fn named(id: &str, folder: Option<&Path>) -> Result<Arc<Profile>, Failure> {
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(Failure::new(Exit::Configuration, format!("{} is not a folder", folder.display())));
    }
    let profiles = load::profiles(folder).map_err(|error| Failure::new(Exit::Configuration, chain(&error)))?;
    profiles.named(id).cloned().ok_or_else(|| {
        let known: Vec<String> = profiles.all().map(|profile| profile.id()).collect();
        Failure::new(Exit::Usage, format!("there is no profile `{id}`; there are {}", known.join(", ")))
    })
}

/// The time zone called so.
pub(super) fn zone(name: &str) -> Result<TimeZone, Failure> {
    TimeZone::get(name).map_err(|_| {
        let text = format!("there is no time zone `{}`; write one such as America/Chicago", printable(name));
        Failure::new(Exit::Usage, text)
    })
}

pub(super) fn check(file: &Path, profile: &Profile, zone: Option<&TimeZone>, json: bool) -> Result<Exit, Failure> {
    let bytes = super::read(file)?;
    let messages = super::messages(&bytes);
    let messages = (1..).zip(messages).map(|(number, raw)| check_one(number, &raw, profile, zone)).collect();
    let batch = payloads_or_all(&bytes).iter().flat_map(|payload| batch_findings(payload)).collect();
    let report = Report { batch, messages };
    let printed = if json { print_json(&report) } else { data(&report_text(file, &report)) };
    if report.messages.iter().any(|message| !message.readable) {
        return Ok(Exit::BadData);
    }
    Ok(printed.unless(report.messages.iter().any(|message| message.result == "refused")))
}

fn report_text(file: &Path, report: &Report) -> String {
    let batch: String = report.batch.iter().map(|finding| format!("batch {}: {finding}\n", file.display())).collect();
    batch + &checked_text(&report.messages)
}

fn checked_text(checked: &[Checked]) -> String {
    let mut text = String::new();
    let mut rules: Vec<(Rule, u32, &str)> = Vec::new();
    for message in checked {
        let word = match (message.result, message.findings.is_empty()) {
            ("unreadable", _) => "UNREADABLE",
            ("refused", _) => "REFUSED by the profile",
            ("warned", _) => "accepted, with warnings",
            ("noted", _) => "accepted, with notes",
            (_, true) => "good",
            (_, false) => "readable, but odd",
        };
        text += &format!("message {} {}: {word}\n", message.message, printable(&message.kind));
        for finding in &message.findings {
            text += &format!("  - {:<7} {finding}\n", "note");
        }
        for told in &message.conformance {
            let finding = &told.finding;
            let sign = match finding.level {
                Level::Note => '-',
                Level::Warn => '!',
                Level::Error | Level::Reject => 'x',
            };
            let level = finding.level.as_str();
            // A segment out of place is found by its number, a field by its address.
            let line = if finding.place.field == 0 { format!(" (segment {})", told.segment) } else { String::new() };
            let (sentence, rule) = (finding.sentence(), finding.rule.as_str());
            text += &format!("  {sign} {level:<7} {}{line}: {sentence} [{rule}]\n", finding.place);
            match rules.iter_mut().find(|(rule, ..)| *rule == finding.rule) {
                Some((_, count, _)) => *count += 1,
                None => rules.push((finding.rule, 1, told.advice)),
            }
        }
        if message.not_listed > 0 {
            text += &format!("  and {} more\n", message.not_listed);
        }
    }
    if !rules.is_empty() {
        text += "\nwhat to do:\n";
    }
    for (rule, count, advice) in rules {
        text += &format!("  {:<22} {count:>4} x  {advice}\n", rule.as_str());
    }
    text
}

fn check_one(number: usize, raw: &[u8], profile: &Profile, zone: Option<&TimeZone>) -> Checked {
    let text = Text::of(raw, None);
    let index = match Index::of(text.bytes()) {
        Ok(index) => index,
        Err(error) => {
            let findings = vec![error.to_string()];
            return Checked {
                message: number,
                kind: String::new(),
                readable: false,
                charset: None,
                version: String::new(),
                profile: profile.id(),
                result: "unreadable",
                findings,
                conformance: Vec::new(),
                not_listed: 0,
            };
        }
    };
    let message = Message::new(text.bytes(), &index);
    let judged = validate(&message, profile);
    let kind = message.message_type();
    let charset = message.charset(text.configured());
    let mut found = findings(index.findings());
    found.extend(charset.guessed().map(|why| charset_finding(why).to_owned()));
    found.extend(escape_findings(&message, &charset));
    found.extend(zone.into_iter().flat_map(|zone| clock_findings(&message, zone)));
    for (what, is_empty) in [
        ("MSH-9 names no message type", kind.code.is_empty()),
        ("MSH-10 is empty: repeats cannot be recognised", message.control_id().is_empty()),
    ] {
        if is_empty {
            found.push(what.to_owned());
        }
    }
    Checked {
        message: number,
        kind: format!("{}^{}", String::from_utf8_lossy(kind.code), String::from_utf8_lossy(kind.trigger)),
        readable: true,
        charset: Some(text.source().unwrap_or_else(|| charset.encoding()).name()),
        version: String::from_utf8_lossy(message.version()).into_owned(),
        profile: profile.id(),
        result: match judged.level() {
            None => "clean",
            Some(Level::Note) => "noted",
            Some(Level::Warn) => "warned",
            Some(Level::Error | Level::Reject) => "refused",
        },
        findings: found,
        not_listed: judged.not_kept(),
        conformance: judged.list().iter().map(told).collect(),
    }
}

fn told(finding: &Finding) -> Told {
    let place = finding.place;
    Told { finding: finding.clone(), segment: place.line, offset: place.offset, advice: finding.rule.advice() }
}

fn findings(findings: &Findings) -> Vec<String> {
    let counted = [
        (findings.ends_lf, "segments end with LF instead of CR"),
        (findings.ends_crlf, "segments end with CR LF instead of CR"),
        (findings.blank_lines, "blank lines"),
        (findings.odd_names, "segments have names that are not three capitals or digits"),
    ];
    let mut found: Vec<String> =
        counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if findings.byte_order_mark {
        found.push("a byte order mark stands before the header".to_owned());
    }
    found
}

const fn charset_finding(why: Why) -> &'static str {
    match why {
        Why::Undeclared => "MSH-18 names no character set; it was guessed",
        Why::UnknownName => "MSH-18 names a character set that is not known; it was guessed",
        Why::Contradicted => "the bytes contradict the character set of MSH-18; it was guessed",
    }
}

fn escape_findings(message: &Message<'_>, charset: &Charset) -> Vec<String> {
    let mut all = EscapeFindings::default();
    let mut truncated = 0_u32;
    for segment in message.segments().filter(|segment| !segment.is("MSH")) {
        all.add(charset.read(segment.bytes()).1);
        let cut = (1..=segment.field_count()).filter(|number| segment.field(*number).is_truncated()).count();
        truncated = truncated.saturating_add(u32::try_from(cut).unwrap_or(u32::MAX));
    }
    let counted = [
        (all.unknown, "unknown escape sequences"),
        (all.local, "escape sequences of the site's own"),
        (all.switches, "switches to character sets that MSH-18 does not declare"),
        (all.unclosed, "escape characters without an end"),
        (truncated, "values were cut off by the sender"),
    ];
    counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect()
}

/// Fields that say when something happens or happened.
const TIMES: [(&str, &[usize]); 12] = [
    ("MSH", &[7]),
    ("EVN", &[2, 3, 6]),
    ("PV1", &[44, 45]),
    ("PV2", &[8, 9]),
    ("ORC", &[9, 15, 27]),
    ("OBR", &[6, 7, 8, 14, 22, 36]),
    ("OBX", &[14, 19]),
    ("TQ1", &[7, 8]),
    ("AIS", &[4]),
    ("AIL", &[6]),
    ("DG1", &[5]),
    ("TXA", &[4, 6, 7]),
];

/// Local times that a change of clocks skips, or has twice.
fn clock_findings(message: &Message<'_>, zone: &TimeZone) -> Vec<String> {
    let mut found = Vec::new();
    for segment in message.segments() {
        let fields = TIMES.iter().find(|(name, _)| segment.is(name)).map_or(&[] as &[usize], |(_, fields)| fields);
        for number in fields {
            let value = segment.field(*number).component(1);
            let what = match std::str::from_utf8(value.bytes()).ok().and_then(|text| When::read(text, zone)) {
                Some(when) if when.clock() == Clock::Skipped => "is skipped by a change of clocks; read as later",
                Some(when) if when.clock() == Clock::Repeated => "comes twice at a change of clocks; read as the first",
                _ => continue,
            };
            let name = String::from_utf8_lossy(segment.name()).into_owned();
            found.push(format!("{name}-{number}: the local time {what}"));
        }
    }
    found
}

/// What the envelopes of a file say that is not so.
fn batch_findings(bytes: &[u8]) -> Vec<String> {
    let batch = Batch::read(bytes);
    let mut found: Vec<String> = batch.findings.iter().map(ToString::to_string).collect();
    if batch.more_findings > 0 {
        found.push(format!("{} more of the batch", batch.more_findings));
    }
    found
}

/// The bytes in which batches are looked for: each frame, or the whole file.
fn payloads_or_all(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.contains(&super::VT) { super::payloads(bytes) } else { vec![bytes.to_vec()] }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ONE: &[u8] = b"MSH|^~\\&|A|B|||20260301||ADT^A01|1|P|2.5\rEVN||20260301\rPID|1||7||X\rPV1||I\r";

    fn check(raw: &[u8]) -> Checked {
        check_one(1, raw, &named("lenient@1", None).unwrap(), None)
    }

    #[test]
    fn says_what_is_odd() {
        let odd = check(b"MSH|^~\\&|A|B|||1||ADT^A01||P|2.5\nPID|1||x\\Q\\\n");
        assert!(odd.readable);
        assert_eq!(
            odd.findings,
            [
                "2 segments end with LF instead of CR",
                "1 unknown escape sequences",
                "MSH-10 is empty: repeats cannot be recognised"
            ]
        );
        assert!(!check(b"FHS|^~\\&").readable);
        assert!(check(ONE).findings.is_empty());
    }

    #[test]
    fn names_times_that_a_change_of_clocks_makes_doubtful() {
        let raw = b"MSH|^~\\&|A|B|||20261101013000||ADT^A01|1|P|2.5\rEVN||20260308023000\rPV1||I\r";
        let lenient = named("lenient@1", None).unwrap();
        let found = check_one(1, raw, &lenient, Some(&zone("America/Chicago").unwrap())).findings;
        assert_eq!(
            found,
            [
                "MSH-7: the local time comes twice at a change of clocks; read as the first",
                "EVN-2: the local time is skipped by a change of clocks; read as later"
            ]
        );
        assert!(check_one(1, raw, &lenient, Some(&TimeZone::UTC)).findings.is_empty());
        assert!(zone("Nowhere/Else").is_err());
    }

    #[test]
    fn tells_people_what_is_wrong_where_and_what_to_do() {
        let raw = b"MSH|^~\\&|A|B|||20260301||ADT^A03|1|P|2.5\rEVN||20260301\rPID|1||7||X||1950-01-02\rPV1||I\rTQ1|1\r";
        let adt = named("adt-feed@1", None).unwrap();
        let text = checked_text(&[check_one(1, raw, &adt, None), check_one(2, &raw[..48], &adt, None)]);
        assert_eq!(text, TOLD);
    }

    const TOLD: &str = "\
message 1 ADT^A03: accepted, with warnings
  - note    TQ1 (segment 5): expected a segment that this message type has [segment-unexpected]
  ! warn    PID-7.1: expected a date and time, YYYY[MM[DD[HH[MM[SS]]]]][+/-ZZZZ], found 10 characters [form-timestamp]
  - note    PID-3.4: expected a value, found nothing [field-missing]
  ! warn    PV1-3.1: expected a value, found nothing [field-missing]
  - note    PV1-36: expected a value, found nothing [field-missing]
message 2 ADT^A03: REFUSED by the profile
  x error   PID (segment 2): expected segment PID, found nothing [segment-missing]
  ! warn    PV1 (segment 2): expected segment PV1, found nothing [segment-missing]
  ! warn    EVN-2.1: expected a date and time, YYYY[MM[DD[HH[MM[SS]]]]][+/-ZZZZ], found 2 characters [form-timestamp]

what to do:
  segment-unexpected        1 x  check that nothing downstream needs it there
  form-timestamp            2 x  have the sender write YYYYMMDDHHMMSS, perhaps with an offset such as +0100
  field-missing             3 x  have the sender fill it, or make it optional in the profile
  segment-missing           2 x  have the sender add it
";
}
