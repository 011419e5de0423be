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

mod asides;
mod check;
mod daemon;
mod demo;
mod doctor;
mod hl7;
mod keys;
mod listings;
mod load;
mod map;
mod messages;
mod run;
mod send;
mod shell;
mod simulate;
mod status;
mod tap;
mod text;
mod use_cases;

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
    /// Says how the running box is; exit 1 when it is unhealthy.
    #[command(after_help = "Example: gurney status --json")]
    Status(status::Arguments),
    /// Says where the messages of each flow stand; exit 1 when one is unaccounted for.
    #[command(
        after_help = "Columns: received = delivered + filtered + duplicate + withheld + held + dead + quarantined + waiting,\nand lost is what is missing, always 0.\nExample: gurney flows --json"
    )]
    Flows(status::Arguments),
    /// What waits for destinations.
    #[command(subcommand)]
    Queue(listings::Queue),
    /// Messages, and what became of them.
    #[command(subcommand)]
    Messages(messages::Command),
    /// Dead letters: messages that a destination refused for good.
    #[command(subcommand)]
    Dead(asides::Dead),
    /// Messages that wait for a person, or were not understood.
    #[command(subcommand)]
    Held(asides::Held),
    /// Bytes on links that were no messages.
    #[command(subcommand)]
    Scraps(listings::Scrap),
    /// The audit chain: who did what, and why.
    #[command(subcommand)]
    Audit(listings::AuditCommand),
    /// The documented use cases: what starts them, what must come of them, who answers.
    #[command(subcommand)]
    UseCases(use_cases::Command),
    /// Looks at HL7 v2 files.
    #[command(subcommand)]
    Hl7(hl7::Command),
    /// Maps: what messages become. Which are in use, what they make of samples and messages, and other versions.
    #[command(subcommand, after_help = map::HELP)]
    Map(map::Command),
    /// Sends the messages of a file over MLLP and says what was answered.
    Send(send::Arguments),
    /// Watches what passes over a link of the running box; masked, unless --reveal says otherwise.
    #[command(after_help = tap::HELP)]
    Tap(tap::Arguments),
    /// Simulated peers: an electronic health record, a serial device, a platform.
    #[command(subcommand)]
    Simulate(simulate::Command),
    /// Finds what would keep the box from running well; exit 1 when a check failed.
    Doctor(doctor::Arguments),
    /// Prints completions for a shell.
    Completions(shell::Completions),
    /// Prints the manual page, or writes a page for every command.
    Man(shell::Man),
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Good.
    Good,
    /// Unhealthy, or a check failed.
    Unhealthy,
    /// Usage.
    Usage,
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
            Exit::Usage => 2,
            Exit::BadData => 65,
            Exit::Unreachable => 69,
            Exit::TryAgain => 75,
            Exit::NotAllowed => 77,
            Exit::Configuration => 78,
        })
    }
}

impl Exit {
    /// The same, but unhealthy where something is wrong.
    const fn unless(self, wrong: bool) -> Self {
        match (self, wrong) {
            (Self::Good, true) => Self::Unhealthy,
            (other, _) => other,
        }
    }
}

/// Why a command ends early.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
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
    let ended = match &cli.command {
        Command::Run(arguments) => Ok(run::run(arguments, format)),
        Command::Check(arguments) => Ok(check::run(arguments)),
        Command::Demo(arguments) => Ok(demo::run(arguments)),
        Command::Keys(command) => Ok(keys::run(command)),
        Command::Schema => Ok(data(&pretty(&crate::settings::schema()))),
        Command::Status(arguments) => status::status(arguments),
        Command::Flows(arguments) => status::flows(arguments),
        Command::Queue(command) => listings::queue(command),
        Command::Messages(command) => messages::run(command),
        Command::Dead(command) => asides::dead(command),
        Command::Held(command) => asides::held(command),
        Command::Scraps(command) => listings::scraps(command),
        Command::Audit(command) => listings::audit(command),
        Command::UseCases(command) => use_cases::run(command),
        Command::Hl7(command) => hl7::run(command),
        Command::Map(command) => map::run(command),
        Command::Send(arguments) => send::run(arguments),
        Command::Tap(arguments) => tap::run(arguments),
        Command::Simulate(command) => simulate::run(command),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Completions(arguments) => Ok(shell::completions(arguments)),
        Command::Man(arguments) => shell::man(arguments),
    };
    let exit = ended.unwrap_or_else(|failure| {
        note(&format!("error: {}", text::printable(&failure.text)));
        failure.exit
    });
    exit.into()
}

/// Where the configuration stands.
#[derive(Clone, Debug, clap::Args)]
struct ConfigArgument {
    /// Configuration file; `conf.d/*.toml` beside it is merged.
    #[arg(long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    config: PathBuf,
}

/// Where the configuration stands unless a command says otherwise.
const CONFIG_DEFAULT: &str = "/etc/gurney/gurney.toml";

impl ConfigArgument {
    /// Whether a configuration was named, or stands where it usually does: what works without one does so where there is none.
    fn is_there(&self) -> bool {
        self.config != std::path::Path::new(CONFIG_DEFAULT) || self.config.is_file()
    }
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// Writes an answer as JSON.
fn print_json<T: serde::Serialize>(answer: &T) -> Exit {
    match serde_json::to_value(answer) {
        Ok(value) => data(&pretty(&value)),
        Err(error) => {
            note(&format!("error: {error}"));
            Exit::Unhealthy
        }
    }
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
