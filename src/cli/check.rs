//! `gurney check`: is this configuration good?

use serde_json::json;

use super::{
    ConfigArgument, Exit, chain, colours, data,
    load::{self, LoadError, Loaded},
    note, pretty,
    text::many,
};
use crate::{
    actors::clock::Clock,
    settings::{Checked, Paint, Settings},
};

/// Arguments of `gurney check`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let checked = load(&arguments.config);
    if arguments.json {
        return print_json(&checked);
    }
    match checked {
        Ok(Loaded { checked, .. }) => {
            warn(&checked);
            let settings = &checked.settings;
            data(&format!("good: site {}, {}\n", settings.site, counts(settings)))
        }
        Err(error) => refuse(&error),
    }
}

/// Loads the configuration and its maps as of now.
pub(super) fn load(config: &ConfigArgument) -> Result<Loaded, LoadError> {
    load::load(&config.config, Clock::start().wall())
}

/// How much a configuration holds.
pub(super) fn counts(settings: &Settings) -> String {
    let of = |list: usize, one, more| many(list as u64, one, more);
    format!(
        "{}, {}, {}",
        of(settings.links.len(), "link", "links"),
        of(settings.destinations.len(), "destination", "destinations"),
        of(settings.flows.len(), "flow", "flows")
    )
}

/// Writes what a person should look at.
pub(super) fn warn(checked: &Checked) {
    for warning in &checked.warnings {
        note(&warning.render(paint()));
    }
}

/// Writes what is wrong, every fault of it.
pub(super) fn refuse(error: &LoadError) -> Exit {
    match error {
        LoadError::Faults(faults) => note(&faults.render(paint())),
        other => note(&format!("error: {}", chain(other))),
    }
    Exit::Configuration
}

fn paint() -> Paint {
    if colours() { Paint::Coloured } else { Paint::Plain }
}

fn print_json(checked: &Result<Loaded, LoadError>) -> Exit {
    match checked {
        Ok(loaded) => data(&pretty(&json!({ "good": true, "faults": [], "warnings": loaded.checked.warnings }))),
        Err(LoadError::Faults(faults)) => {
            data(&pretty(&json!({ "good": false, "faults": faults.faults, "warnings": [] })));
            Exit::Configuration
        }
        Err(other) => {
            data(&pretty(&json!({ "good": false, "faults": [{ "message": chain(other) }], "warnings": [] })));
            Exit::Configuration
        }
    }
}
