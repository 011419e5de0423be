//! `gurney map test`: the samples of maps against what must come of them.

use std::{path::PathBuf, sync::Arc};

use serde::Serialize;

use super::{Library, library, samples};
use crate::{
    cli::{
        ConfigArgument, Exit, Failure, data, note, print_json,
        text::{many, printable},
    },
    mapping::{
        Map,
        samples::{Circumstances, Difference, made},
    },
    web::admin::protocol::maps::DifferenceRow,
};

/// What stands below the help.
pub(super) const HELP: &str = "\
A sample is NAME.hl7 in samples/MAP@VERSION/ of the folder of maps, and beside it NAME.json, the Bundle that must come of it,
or NAME.refused, a line for each reason why none must. Use invented people only. Values that stand in no table and no map
are masked, unless --reveal says otherwise.
Examples: gurney map test
          gurney map test transport@2 --accept
          gurney map test --maps maps/ --json";

/// Which samples are tested.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Arguments {
    /// Maps: NAME@VERSION, or NAME for all its versions; all that have samples unless named.
    #[arg(value_name = "MAP")]
    wanted: Vec<String>,
    /// Takes what comes now as what must come, and writes it beside the samples. Read the changes before you keep them.
    #[arg(long)]
    accept: bool,
    /// Folder with a folder of samples for each map, in place of the built-in and the site's samples.
    #[arg(long, value_name = "FOLDER")]
    samples: Option<PathBuf>,
    /// Shows values as they are.
    #[arg(long)]
    reveal: bool,
    /// Folder with maps and tables, in place of the configuration's.
    #[arg(long, value_name = "FOLDER")]
    maps: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    maps: Vec<MapReport>,
    differ: usize,
}

#[derive(Serialize)]
struct MapReport {
    map: String,
    samples: Vec<SampleReport>,
}

#[derive(Serialize)]
struct SampleReport {
    sample: String,
    /// `good`, `differs` or `accepted`.
    result: &'static str,
    differences: Vec<DifferenceRow>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let library = library(&arguments.config, arguments.maps.as_deref())?;
    let words = library.registry.words();
    let is_open = |text: &str| words.contains(text);
    let mut report = Report { maps: Vec::new(), differ: 0 };
    for map in wanted(&library, &arguments.wanted)? {
        let tested = test(arguments, &library, &map, &is_open)?;
        report.differ += tested.iter().filter(|sample| sample.result == "differs").count();
        if tested.is_empty() {
            note(&format!("{} has no samples: nobody said what must come of anything", map.id()));
            report.differ += usize::from(!arguments.wanted.is_empty());
        }
        if !tested.is_empty() {
            report.maps.push(MapReport { map: map.id(), samples: tested });
        }
    }
    let exit = if arguments.json { print_json(&report) } else { data(&text(&report)) };
    Ok(exit.unless(report.differ > 0))
}

/// What the samples of a map say against putting it in use; nothing where all are as they must be.
pub(super) fn doubts(library: &Library, map: &Map) -> Option<String> {
    let kept = samples::of(&map.id(), library.folder.as_deref(), None).ok()?;
    let count = many(kept.len() as u64, "sample", "samples");
    if kept.is_empty() {
        return Some(format!("{} has no samples: nobody said what must come of anything", map.id()));
    }
    let differs = |sample: &crate::mapping::samples::Sample| {
        let outcome = Circumstances::default().prepare(map, &sample.message);
        outcome.is_none_or(|outcome| !sample.differences(&outcome, &|_| false).is_empty())
    };
    let differ = kept.iter().filter(|kept| differs(&kept.sample)).count();
    (differ > 0)
        .then(|| format!("{differ} of {count} differ from what must come of them: gurney map test {}", map.id()))
}

fn wanted(library: &Library, wanted: &[String]) -> Result<Vec<Arc<Map>>, Failure> {
    if wanted.is_empty() {
        return Ok(library.registry.maps().cloned().collect());
    }
    let mut maps = Vec::new();
    for name in wanted {
        let all: Vec<Arc<Map>> = library.registry.maps().filter(|map| map.name == *name).cloned().collect();
        if all.is_empty() {
            maps.push(library.map(name)?);
        }
        maps.extend(all);
    }
    Ok(maps)
}

fn test(
    arguments: &Arguments,
    library: &Library,
    map: &Map,
    is_open: &dyn Fn(&str) -> bool,
) -> Result<Vec<SampleReport>, Failure> {
    let mut reports = Vec::new();
    let mut kept_by_gurney = 0;
    for kept in samples::of(&map.id(), library.folder.as_deref(), arguments.samples.as_deref())? {
        let Some(outcome) = Circumstances::default().prepare(map, &kept.sample.message) else {
            return Err(Failure::new(Exit::BadData, format!("the sample {} is no HL7 message", kept.sample.name)));
        };
        let found = kept.sample.differences(&outcome, is_open);
        let row: fn(&Difference) -> DifferenceRow =
            if arguments.reveal { DifferenceRow::clear } else { DifferenceRow::masked };
        let differences: Vec<DifferenceRow> = found.iter().map(row).collect();
        let mut result = if differences.is_empty() { "good" } else { "differs" };
        if arguments.accept && result == "differs" {
            match &kept.folder {
                Some(folder) => {
                    samples::accept(folder, &kept.sample.name, &made(&outcome))?;
                    result = "accepted";
                }
                None => kept_by_gurney += 1,
            }
        }
        reports.push(SampleReport { sample: kept.sample.name, result, differences });
    }
    if kept_by_gurney > 0 {
        note(&format!(
            "{} come with Gurney and are not changed; a site's own are in `samples` of its folder of maps",
            many(kept_by_gurney, "sample", "samples")
        ));
    }
    Ok(reports)
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for map in &report.maps {
        let good = map.samples.iter().filter(|sample| sample.result == "good").count();
        text += &format!(
            "{}: {good} of {} as they must be\n",
            map.map,
            many(map.samples.len() as u64, "sample", "samples")
        );
        for sample in map.samples.iter().filter(|sample| sample.result != "good") {
            text += &format!("  {}: {}\n", sample.sample, sample.result);
            for difference in &sample.differences {
                text += &line(difference);
            }
        }
    }
    if report.maps.is_empty() {
        text += "no samples\n";
    }
    text
}

/// A difference in a line or three.
pub(super) fn line(difference: &DifferenceRow) -> String {
    let show = |value: &Option<String>| value.as_ref().map_or_else(|| "nothing".to_owned(), |value| printable(value));
    let (before, after) = (show(&difference.before), show(&difference.after));
    if difference.path.is_empty() {
        return format!("    must be: {before}\n    is:      {after}\n");
    }
    format!("    {}  ({})\n      {before} -> {after}\n", difference.element, difference.path)
}
