//! The command line: one binary, nouns and verbs, data on stdout and notes on stderr.
//!
//! Exit codes: 0 good, 1 unhealthy or a check failed, 2 usage, 65 bad data, 69 daemon not reachable, 75 try again, 77 not allowed,
//! 78 configuration.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};

use crate::telemetry::logging;

mod check;
mod demo;
mod keys;
mod load;
mod run;

/// Gurney, between hospital feeds and patient-logistics platforms.
#[derive(Debug, Parser)]
#[command(name = "gurney", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Form of the log lines; under systemd they go to the journal.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Auto)]
    log_format: LogFormat,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// journald under systemd, text elsewhere.
    Auto,
    /// Text.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs in the foreground until SIGTERM.
    Run(run::Arguments),
    /// Checks a configuration without starting anything.
    Check(check::Arguments),
    /// Shows the product on simulated peers: traffic, an outage, a kill, and the proof that nothing was lost.
    Demo(demo::Arguments),
    /// Makes store keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Prints the JSON Schema of the configuration.
    Schema,
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Good.
    Good,
    /// Unhealthy, or a check failed.
    Unhealthy,
    /// Bad data.
    BadData,
    /// The daemon is not reachable.
    Unreachable,
    /// Try again.
    TryAgain,
    /// Not allowed.
    NotAllowed,
    /// Configuration.
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::Unhealthy => 1,
            Exit::BadData => 65,
            Exit::Unreachable => 69,
            Exit::TryAgain => 75,
            Exit::NotAllowed => 77,
            Exit::Configuration => 78,
        })
    }
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = match cli.log_format {
        LogFormat::Auto => logging::Format::Auto,
        LogFormat::Text => logging::Format::Text,
        LogFormat::Json => logging::Format::Json,
    };
    match cli.command {
        Command::Run(arguments) => run::run(&arguments, format),
        Command::Check(arguments) => check::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Keys(command) => keys::run(&command),
        Command::Schema => data(&pretty(&crate::settings::schema())),
    }
    .into()
}

/// Where the configuration stands.
#[derive(Debug, clap::Args)]
struct ConfigArgument {
    /// Configuration file; `conf.d/*.toml` beside it is merged.
    #[arg(long, value_name = "FILE", default_value = "/etc/gurney/gurney.toml")]
    config: PathBuf,
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// Writes data to stdout. A reader that went away ends the command quietly.
fn data(text: &str) -> Exit {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => Exit::Good,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Good,
        Err(_) => Exit::Unhealthy,
    }
}

/// Writes a note to stderr. Nobody may be reading.
fn note(text: &str) {
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// An error with its sources, one sentence.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Whether stderr shows colours.
fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}
