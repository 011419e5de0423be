//! `gurney map`: looking after maps, for who answers for them.
//!
//! What needs stored messages or changes what the box does asks the daemon; the rest works on the maps and samples that
//! come with Gurney and those of the site's folder, also where there is no configuration at all. Values that came from
//! messages are masked unless asked otherwise.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{civil::Date, tz::TimeZone};

use super::{ConfigArgument, Exit, Failure, chain, check, load};
use crate::{
    actors::clock::Clock,
    mapping::{Map, Registry, samples::Circumstances},
    settings::Settings,
};

mod diff;
mod explain;
mod list;
mod orders;
mod samples;
mod spot;
mod test;

/// What stands below the help of `gurney map`.
pub(super) const HELP: &str = "\
The way of a change: copy the map to a file with the next version in the site's folder of maps ([gurney] maps), change it,
  gurney map test NAME@2                       its samples, in samples/NAME@2/ of that folder
  gurney map diff NAME@1 NAME@2 --last 1000    what it would have made of the newest messages
  gurney map promote NAME@2 --reason TEXT      in use at once, without a restart
  gurney map rollback NAME --reason TEXT       and back";

/// Commands of `gurney map`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Lists the maps: who answers for them, when they must be reviewed, and which flows use which version.
    #[command(after_help = "Example: gurney map list --json")]
    List(list::Arguments),
    /// Lists the code tables: whose codes, in which version, taken from where.
    #[command(after_help = "Example: gurney map tables")]
    Tables(list::Tables),
    /// Translates the samples of maps and says where the result differs from what it must be; exit 1 if it does.
    #[command(after_help = test::HELP)]
    Test(test::Arguments),
    /// Says which messages two maps translate differently, and where.
    #[command(after_help = diff::HELP)]
    Diff(diff::Arguments),
    /// Says for every element of the result which row made it from what, and why other rows gave nothing.
    #[command(
        after_help = "Of a map that makes jobs it explains what is told of a job of which nothing else is known yet.\nExample: gurney map explain transport@1 order.hl7\n         gurney map explain transport@1 orders.hl7 --message 3 --order 2 --reveal"
    )]
    Explain(explain::Arguments),
    /// Shows a random sample of what a map passed in the last month, source and result, for the monthly spot check.
    #[command(
        after_help = "The result is what was delivered: of jobs, all that was known of each when it was told, of which the message\nmay have said a part only (an ADT^A02: another bed).\nExample: gurney map audit transport@1 --sample 10\n         gurney map audit transport@1 --seed 3f9a-1-2024 --reveal --reason \"monthly check\""
    )]
    Audit(spot::Arguments),
    /// Puts a version in use for all flows of the map, at once; it holds until the configuration names another one.
    #[command(after_help = "Example: gurney map promote transport@2 --by \"J. Doe\" --reason \"change 4711\"")]
    Promote(orders::Arguments),
    /// Goes back to the version before the newest promotion, at once.
    #[command(
        after_help = "Example: gurney map rollback transport --by \"J. Doe\" --reason \"wrong level of service\""
    )]
    Rollback(orders::Arguments),
    /// Lists codes that no table lists, and how many messages wait for them; exit 1 if any does.
    #[command(
        after_help = "Add the code to the site's table, restart or promote a new version of the map, then: gurney held release --all\nExample: gurney map unmapped"
    )]
    Unmapped(orders::Unmapped),
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List(arguments) => list::list(arguments),
        Command::Tables(arguments) => list::tables(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Audit(arguments) => spot::run(arguments),
        Command::Promote(arguments) => orders::promote(arguments),
        Command::Rollback(arguments) => orders::roll_back(arguments),
        Command::Unmapped(arguments) => orders::unmapped(arguments),
    }
}

/// The maps at hand.
struct Library {
    registry: Registry,
    /// The site's folder of maps.
    folder: Option<PathBuf>,
    settings: Option<Settings>,
}

/// Loads the maps of `folder`, else those that the configuration names, else those that come with Gurney.
fn library(config: &ConfigArgument, folder: Option<&Path>) -> Result<Library, Failure> {
    let fails = |error: &load::LoadError| Failure::new(Exit::Configuration, chain(error));
    if let Some(folder) = folder {
        if !folder.is_dir() {
            return Err(Failure::new(Exit::Usage, format!("{} is no folder", folder.display())));
        }
        let registry = load::maps(Some(folder)).map_err(|error| fails(&error))?;
        return Ok(Library { registry, folder: Some(folder.to_owned()), settings: None });
    }
    if !config.is_there() {
        let registry = load::maps(None).map_err(|error| fails(&error))?;
        return Ok(Library { registry, folder: None, settings: None });
    }
    match check::load(config) {
        Ok(loaded) => {
            let settings = loaded.checked.settings;
            Ok(Library { registry: loaded.registry, folder: settings.maps.clone(), settings: Some(settings) })
        }
        Err(error) => {
            check::refuse(&error);
            let advice = "name a good configuration with --config FILE, or a folder of maps with --maps FOLDER";
            Err(Failure::new(Exit::Configuration, advice))
        }
    }
}

impl Library {
    /// The map with this name and version.
    fn map(&self, wanted: &str) -> Result<Arc<Map>, Failure> {
        let found = wanted.rsplit_once('@').and_then(|(name, version)| {
            let version = version.parse().ok()?;
            self.registry.get(name, version).cloned()
        });
        found.ok_or_else(|| {
            let known: Vec<String> = self.registry.maps().map(|map| map.id()).collect();
            let text = format!("there is no map {wanted:?}; there are: {}", known.join(", "));
            Failure::new(Exit::Usage, text)
        })
    }

    /// The circumstances of messages in files: those of the site, where it is known.
    fn circumstances(&self) -> Circumstances {
        let mut circumstances = Circumstances::default();
        if let Some(settings) = &self.settings {
            circumstances.site.clone_from(&settings.site);
            circumstances.zone = jiff::tz::db().get(&settings.zone).unwrap_or(TimeZone::UTC);
        }
        circumstances
    }
}

fn today() -> Date {
    let now = jiff::Timestamp::from_millisecond(Clock::start().wall().0).unwrap_or_default();
    now.to_zoned(TimeZone::UTC).date()
}
