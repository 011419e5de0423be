//! `gurney map diff`: two maps over the same messages.

use std::{collections::BTreeMap, path::PathBuf};

use super::{library, samples, test::line};
use crate::{
    cli::{Exit, Failure, daemon::Access, data, hl7, print_json, text::many},
    hl7::{Index, Message},
    mapping::{Outcome, samples::compare},
    web::admin::protocol::{Request, maps::MapDiff},
};

/// What stands below the help.
pub(super) const HELP: &str = "\
Without files and without --last, the samples of both maps are compared. Values are masked unless they stand in a table or map.
Of maps that make jobs it compares what each tells of a job of which the message says all that is known; of messages that only
change jobs (an ADT^A02), with --last, what each tells of the jobs as the box knew them when it told of them. What would have
come of other decisions on the way (a job opened, held or called off by one of the versions only) it does not say.
Exit 0 whether or not there are differences: they are what you asked for.
Examples: gurney map diff transport@1 transport@2 --last 1000
          gurney map diff transport@1 transport@2 orders.hl7 --json";

/// What is compared over what.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Arguments {
    /// One map: NAME@VERSION.
    before: String,
    /// The other.
    after: String,
    /// Files with messages, MLLP frames or not.
    #[arg(conflicts_with = "last")]
    files: Vec<PathBuf>,
    /// The newest messages of the running box, at most this many.
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Folder with maps and tables, in place of the configuration's.
    #[arg(long, value_name = "FOLDER", conflicts_with = "last")]
    maps: Option<PathBuf>,
    #[command(flatten)]
    access: Access,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let report = match arguments.last {
        Some(last) => {
            let (before, after) = (arguments.before.clone(), arguments.after.clone());
            arguments.access.ask(&Request::MapDiff { before, after, last })?
        }
        None => offline(arguments)?,
    };
    if arguments.access.json {
        return Ok(print_json(&report));
    }
    Ok(data(&text(&report)))
}

fn offline(arguments: &Arguments) -> Result<MapDiff, Failure> {
    let library = library(arguments.access.config(), arguments.maps.as_deref())?;
    let (old, new) = (library.map(&arguments.before)?, library.map(&arguments.after)?);
    let mut messages: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for file in &arguments.files {
        for (number, message) in (1..).zip(hl7::messages(&hl7::read(file)?)) {
            messages.insert(format!("{} message {number:>3}", file.display()), message);
        }
    }
    if arguments.files.is_empty() {
        for map in [&old, &new] {
            for kept in samples::of(&map.id(), library.folder.as_deref(), None)? {
                messages.entry(format!("sample {}", kept.sample.name)).or_insert(kept.sample.message);
            }
        }
    }
    let circumstances = library.circumstances();
    let mut report = MapDiff { before: old.id(), after: new.id(), ..MapDiff::default() };
    for (what, message) in messages {
        let of = |map| circumstances.prepare(map, &message);
        let (Some(before), Some(after)) = (of(&old), of(&new)) else {
            return Err(Failure::new(Exit::BadData, format!("{what} is no HL7 message")));
        };
        if matches!((&before, &after), (Ok(Outcome::NotApplicable), Ok(Outcome::NotApplicable))) {
            report.looked_at += 1;
            report.not_applicable += 1;
            continue;
        }
        report.add(what, kind(&message), &compare((&old, &before), (&new, &after)));
    }
    Ok(report)
}

fn kind(message: &[u8]) -> String {
    let Ok(index) = Index::of(message) else { return String::new() };
    let kind = Message::new(message, &index).message_type();
    format!("{}^{}", String::from_utf8_lossy(kind.code), String::from_utf8_lossy(kind.trigger))
}

fn text(report: &MapDiff) -> String {
    let mut text = String::new();
    for message in &report.messages {
        let places = many(message.total as u64, "place", "places");
        text += &format!("{} ({}): {places}\n", message.what, message.kind);
        for difference in &message.differences {
            if difference.path.is_empty() {
                let show = |value: &Option<String>| value.clone().unwrap_or_default();
                text += &format!(
                    "    {}: {}\n    {}: {}\n",
                    report.before,
                    show(&difference.before),
                    report.after,
                    show(&difference.after)
                );
            } else {
                text += &line(difference);
            }
        }
        if message.total > message.differences.len() {
            text += &format!("    and {} more\n", message.total - message.differences.len());
        }
    }
    if report.different > report.messages.len() {
        text += &format!("and {} more messages\n", report.different - report.messages.len());
    }
    text += &format!(
        "{} looked at: {} different, {} alike, {} for neither\n",
        many(report.looked_at as u64, "message", "messages"),
        report.different,
        report.same,
        report.not_applicable
    );
    text
}
