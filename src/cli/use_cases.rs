//! `gurney use-cases`: the documented use cases, and the flows of a site that serve them.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    ConfigArgument, Exit, Failure, chain, check, data, load, note, print_json,
    text::{Align, Table, many, printable},
};
use crate::settings::{Settings, UseCase};

/// Commands of `gurney use-cases`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Lists the documented use cases.
    #[command(after_help = "Example: gurney use-cases list --config /etc/gurney/gurney.toml")]
    List(Of),
    /// Shows one: what starts it, what must come of it, how that is measured, what could go wrong.
    #[command(after_help = "Example: gurney use-cases show discharge-to-ride")]
    Show {
        /// Its name.
        name: String,
        #[command(flatten)]
        of: Of,
    },
}

/// Whose use cases.
#[derive(Debug, clap::Args)]
pub(super) struct Of {
    /// Those of the site of this configuration, with the flows that serve them; without it those that come with Gurney.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// A use case for people and programs.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    title: String,
    within: Option<String>,
    covers: Vec<String>,
    trigger: Vec<String>,
    data: Vec<String>,
    outcome: Vec<String>,
    measure: Vec<Goal>,
    owner: String,
    target: String,
    target_seconds: f64,
    safety: Vec<String>,
    fixtures: String,
    /// Flows of the site that name it.
    flows: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Goal {
    what: String,
    goal: String,
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List(of) => {
            let shown = read(of)?;
            Ok(if of.json { print_json(&shown) } else { list(&shown) })
        }
        Command::Show { name, of } => {
            let all = read(of)?;
            let Some(shown) = all.iter().find(|shown| shown.name == *name) else {
                let names: Vec<&str> = all.iter().map(|shown| shown.name.as_str()).collect();
                let text = format!("there is no use case `{}`; there are {}", printable(name), names.join(", "));
                return Err(Failure::new(Exit::Usage, text));
            };
            Ok(if of.json { print_json(shown) } else { data(&text(shown)) })
        }
    }
}

fn read(of: &Of) -> Result<Vec<Shown>, Failure> {
    let Some(config) = &of.config else {
        let cases = load::use_cases(None).map_err(|error| Failure::new(Exit::Configuration, chain(&error)))?;
        return Ok(cases.iter().map(|case| shown(case, None)).collect());
    };
    match check::load(&ConfigArgument { config: config.clone() }) {
        Ok(loaded) => Ok(loaded.use_cases.iter().map(|case| shown(case, Some(&loaded.checked.settings))).collect()),
        Err(error) => {
            check::refuse(&error);
            Err(Failure::new(Exit::Configuration, "mend the configuration, or leave --config out"))
        }
    }
}

fn shown(case: &UseCase, settings: Option<&Settings>) -> Shown {
    let flows = settings.map_or(&[][..], |settings| settings.flows.as_slice()).iter();
    Shown {
        name: case.name.clone(),
        title: case.title.clone(),
        within: case.within.clone(),
        covers: case.covers.iter().map(ToString::to_string).collect(),
        trigger: case.trigger.iter().map(ToString::to_string).collect(),
        data: case.data.clone(),
        outcome: case.outcome.clone(),
        measure: case.measure.iter().map(|one| Goal { what: one.what.clone(), goal: one.goal.clone() }).collect(),
        owner: case.owner.clone(),
        target: case.target_text(),
        target_seconds: case.target.as_secs_f64(),
        safety: case.safety.clone(),
        fixtures: case.fixtures.display().to_string(),
        flows: flows
            .filter(|flow| flow.use_case.as_ref() == Some(&case.name))
            .map(|flow| flow.name.to_string())
            .collect(),
    }
}

fn list(all: &[Shown]) -> Exit {
    let mut table = Table::new(&[
        ("use case", Align::Left),
        ("owner", Align::Left),
        ("target", Align::Right),
        ("flows", Align::Flexible),
        ("about", Align::Flexible),
    ]);
    for case in all {
        let (name, owner, target) = (case.name.clone(), case.owner.clone(), case.target.clone());
        table.row([name, owner, target, case.flows.join(", "), case.title.clone()]);
    }
    note(&many(all.len() as u64, "use case", "use cases"));
    data(&table.text())
}

fn text(case: &Shown) -> String {
    let mut text = format!("{}: {}\n", case.name, case.title);
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            text += &format!("  {name:<9} {value}\n");
        }
    };
    line("owner", &case.owner);
    line("target", &case.target);
    line("part of", case.within.as_deref().unwrap_or_default());
    line("covers", &case.covers.join(", "));
    line("trigger", &case.trigger.join(", "));
    line("flows", &case.flows.join(", "));
    line("fixtures", &case.fixtures);
    let goals: Vec<String> = case.measure.iter().map(|one| format!("{}: {}", one.what, one.goal)).collect();
    for (title, lines) in [
        ("needs", &case.data),
        ("must come of it", &case.outcome),
        ("measured by", &goals),
        ("could harm", &case.safety),
    ] {
        text += &format!("{title}\n");
        for line in lines {
            text += &format!("  - {line}\n");
        }
    }
    text
}
