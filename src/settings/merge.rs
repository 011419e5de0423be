//! The files of a configuration as TOML, and their tables merged in the order of files and lines.
//!
//! Every table is defined once: the same kind and name in two files is a fault that names both places. Reads on
//! behind a break in the text, so that all breaks are reported.

use std::{borrow::Cow, collections::HashMap};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    complaint::{Complaint, Complaints, Ground, quoted},
    ends,
    fields::{Fields, Section},
    keys,
    place::{Place, Sources},
    secrets,
    suggest::did_you_mean,
    words,
};
use crate::units::limits;

/// One file as TOML.
pub(super) type Root<'a> = Spanned<DeTable<'a>>;

/// One table of a kind that is known.
pub(super) struct Entry<'a> {
    pub(super) section: &'static Section,
    /// Its name; empty for a table that stands once.
    pub(super) name: &'a str,
    /// Where its name, or its kind, stands.
    pub(super) place: Place,
    pub(super) fields: Fields<'a>,
}

impl Entry<'_> {
    /// Takes the table for one of another section of its kind.
    pub(super) const fn read_as(&mut self, section: &'static Section) {
        self.section = section;
        self.fields.read_as(section);
    }
}

/// Reads a file as TOML as far as it can be read.
pub(super) fn parse<'a>(file: usize, text: &'a str, sources: &Sources, found: &mut Complaints) -> Root<'a> {
    if text.len() as u64 > limits::CONFIGURATION_BYTES_MAX {
        let message = format!("this file is larger than {} KiB", limits::CONFIGURATION_BYTES_MAX >> 10);
        found.push(Complaint::new(Place::top_of(file), message).ground(Ground::Syntax).help("is it the right file?"));
        return Spanned::new(0..0, DeTable::new());
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    found.count_more(errors.len().saturating_sub(limits::FAULTS_MAX));
    for error in errors.iter().take(limits::FAULTS_MAX) {
        let place = Place { file, span: error.span().unwrap_or_default() };
        found.push(complaint_of(error.message(), place, sources));
    }
    root
}

fn complaint_of(message: &str, place: Place, sources: &Sources) -> Complaint {
    if message.starts_with("duplicate key") {
        let twice = format!("{} is defined twice", quoted(sources.text(&place)));
        let first = sources.first_definition(&place);
        let complaint = Complaint::new(place, twice).ground(Ground::Syntax).note("again here");
        let complaint = complaint.help("keep one of the two, or give the second another name");
        return match first {
            Some(first) => complaint.also(first, "first defined here"),
            None => complaint,
        };
    }
    let help = match message {
        _ if message.contains("quote") || message.contains("string") => {
            "text stands in quotes that begin and end on the same line: key = \"text\""
        }
        _ if message.contains("table") => "a table begins with [store], or with a kind and a name: [mllp.ehr]",
        _ => "a line is `key = value`; text stands in quotes, a comment begins with #",
    };
    Complaint::new(place, format!("this is not TOML: {message}")).ground(Ground::Syntax).help(help)
}

/// Complains of every value that looks like a secret, and gives their places to be covered. Nothing else is said
/// about them.
pub(super) fn refuse_secrets(roots: &[Root<'_>], found: &mut Complaints) -> Vec<Place> {
    let mut secrets = Vec::new();
    for (file, root) in roots.iter().enumerate() {
        for (key, value) in root.get_ref() {
            refuse_secret(file, key, value, &mut secrets, found);
        }
    }
    secrets
}

fn refuse_secret(
    file: usize,
    key: &Spanned<Cow<'_, str>>,
    value: &Spanned<DeValue<'_>>,
    secrets: &mut Vec<Place>,
    found: &mut Complaints,
) {
    match value.get_ref() {
        DeValue::String(text) => {
            let Some(kind) = secrets::kind_of(key.get_ref(), text) else { return };
            let place = Place { file, span: value.span() };
            let message = format!("this looks like {kind}; secrets never stand in the configuration");
            let help = "write the name of a systemd credential or the path of a file that holds it, and change the \
                secret, as it may have been seen";
            found.push(Complaint::new(place.clone(), message).help(help));
            found.settle(&place);
            if secrets::names_a_secret(key.get_ref()) {
                found.settle(&Place { file, span: key.span() });
            }
            secrets.push(place);
        }
        DeValue::Array(items) => items.iter().for_each(|item| refuse_secret(file, key, item, secrets, found)),
        DeValue::Table(table) => {
            table.iter().for_each(|(key, value)| refuse_secret(file, key, value, secrets, found));
        }
        _ => {}
    }
}

/// Checks `version`, which must stand in the main file. False where the rest is in another format.
pub(super) fn is_our_version(roots: &[Root<'_>], found: &mut Complaints) -> bool {
    let mut is_ours = true;
    for (file, root) in roots.iter().enumerate() {
        let Some(value) = root.get_ref().get("version") else {
            if file == 0 {
                let complaint = Complaint::new(Place::top_of(file), "the version of the format is missing");
                found.push(
                    complaint.ground(Ground::Absence).help(format!("begin the file with: version = {}", keys::VERSION)),
                );
            }
            continue;
        };
        let written = value.get_ref().as_integer();
        let number = written.and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        if number == Some(keys::VERSION) {
            continue;
        }
        is_ours = false;
        let message = format!("this is not version {} of the format", keys::VERSION);
        let help = "nothing further was checked; write `version = 1`, or install the Gurney this file was written for";
        found.push(Complaint::new(Place { file, span: value.span() }, message).help(help));
    }
    is_ours
}

/// All tables of all files, in order.
pub(super) fn entries<'a>(roots: &'a [Root<'a>], found: &mut Complaints) -> Vec<Entry<'a>> {
    let mut all = Vec::new();
    for (file, root) in roots.iter().enumerate() {
        let mut of_file = Vec::new();
        for (key, value) in root.get_ref() {
            let place = Place { file, span: key.span() };
            collect(key.get_ref(), value, place, &mut of_file, found);
        }
        of_file.sort_by_key(|entry| entry.place.span.start);
        all.extend(of_file);
    }
    refuse_second_definitions(&mut all, found);
    ends::assign(&mut all, found);
    for entry in &all {
        entry.fields.complain_of_unknown(found);
    }
    all
}

fn collect<'a>(
    kind: &'a str,
    value: &'a Spanned<DeValue<'a>>,
    place: Place,
    entries: &mut Vec<Entry<'a>>,
    found: &mut Complaints,
) {
    if kind == "version" {
        return;
    }
    if let Some(section) = keys::SINGLE.iter().find(|section| section.kind == kind) {
        match value.get_ref().as_table() {
            Some(table) => entries.push(entry(section, "", table, value, place)),
            None => found.push(
                Complaint::new(place, format!("`{kind}` is a table"))
                    .help(format!("write [{kind}] on a line of its own")),
            ),
        }
        return;
    }
    if let Some(section) = keys::NAMED.iter().find(|section| section.kind == kind) {
        let Some(tables) = value.get_ref().as_table() else {
            let help = format!("write [{kind}.NAME] on a line of its own, with a name of your choice");
            found.push(Complaint::new(place, format!("`{kind}` is a kind of table")).help(help));
            return;
        };
        for (name, value) in tables {
            collect_named(section, name, value, Place { file: place.file, span: name.span() }, entries, found);
        }
        return;
    }
    found.push(unknown_kind(kind, value.get_ref().is_table(), place));
}

fn collect_named<'a>(
    section: &'static Section,
    name: &'a Spanned<Cow<'a, str>>,
    value: &'a Spanned<DeValue<'a>>,
    place: Place,
    entries: &mut Vec<Entry<'a>>,
    found: &mut Complaints,
) {
    let kind = section.kind;
    let word = name.get_ref().as_ref();
    if let Some(table) = value.get_ref().as_table() {
        if let Err(wrong) = words::label(word) {
            found.push(Complaint::new(place.clone(), wrong.message).help(wrong.help));
        }
        entries.push(entry(section, word, table, value, place));
        return;
    }
    let complaint = if section.keys.iter().any(|key| key.name() == word) {
        Complaint::new(place, format!("[{kind}] has no name"))
            .help(format!("write [{kind}.NAME], with a name of your choice"))
    } else {
        Complaint::new(place, format!("{} is not a table", quoted(word)))
            .help(format!("write [{kind}.NAME] once for each name"))
    };
    found.push(complaint);
}

fn entry<'a>(
    section: &'static Section,
    name: &'a str,
    table: &'a DeTable<'a>,
    value: &Spanned<DeValue<'_>>,
    place: Place,
) -> Entry<'a> {
    let header = Place { file: place.file, span: value.span() };
    let title = if name.is_empty() { format!("[{}]", section.kind) } else { format!("[{}.{name}]", section.kind) };
    Entry { section, name, place, fields: Fields::new(section, title, table, header) }
}

fn unknown_kind(kind: &str, is_table: bool, place: Place) -> Complaint {
    if keys::LATER.contains(&kind) {
        let message = format!("[{kind}] is not supported by this version");
        return Complaint::new(place, message).help("take it away until a version that can do it is installed");
    }
    if !is_table {
        let message = format!("{} stands outside of every table", quoted(kind));
        return Complaint::new(place, message).help(did_you_mean(
            kind,
            ["version"],
            "move it below the table it belongs to".to_owned(),
        ));
    }
    let known = || keys::SINGLE.iter().chain(&keys::NAMED).map(|section| section.kind);
    let meant = || known().chain(keys::LATER);
    let otherwise = format!("the kinds are {}", known().collect::<Vec<_>>().join(", "));
    Complaint::new(place, format!("unknown kind of table: {}", quoted(kind))).help(did_you_mean(
        kind,
        meant(),
        otherwise,
    ))
}

fn refuse_second_definitions(entries: &mut Vec<Entry<'_>>, found: &mut Complaints) {
    let mut first = HashMap::new();
    entries.retain(|entry| {
        let Some(earlier) = first.insert((entry.section.kind, entry.name), entry.place.clone()) else { return true };
        let complaint = Complaint::new(entry.place.clone(), format!("{} is defined twice", entry.fields.title));
        found.push(
            complaint
                .note("again here")
                .also(earlier, "first defined here")
                .help("keep one of the two, or give the second another name"),
        );
        false
    });
}
