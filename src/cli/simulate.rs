//! `gurney simulate`: peers that are not there, for trying a site out, for training and for rehearsals.
//!
//! Every person in their messages is invented. They listen on loopback unless told otherwise, because they neither
//! authenticate nor encrypt. SIGINT and SIGTERM end them; the summary comes at the end.

use std::{
    fs,
    future::Future,
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use clap::ValueEnum;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigArgument, Exit, Failure, chain, check, data, hl7, note, print_json};
use crate::sim::{
    self, Reach, Stop,
    ehr::{Clock, Dialect, EhrOptions},
    platform::{Control, PlatformOptions},
    stop_pair,
};

pub(super) mod scene;
mod serial;

/// Commands of `gurney simulate`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// An electronic health record that sends ADT and ORM messages over MLLP, and repeats what was not acknowledged.
    #[command(after_help = "Example: gurney simulate ehr --to 127.0.0.1:6661 --messages 100")]
    Ehr(Ehr),
    /// A serial device on a pseudo terminal, which a link names as its port; either end of any protocol, over a noisy line.
    #[command(after_help = serial::HELP)]
    Serial(serial::Arguments),
    /// A logistics platform that takes HL7 over HTTP and FHIR transactions, and remembers what it did.
    #[command(after_help = "Example: gurney simulate platform --listen 127.0.0.1:8080")]
    Platform(Platform),
    /// A documented use case, message by message.
    #[command(after_help = scene::HELP)]
    Scene(scene::Arguments),
}

/// What the traffic is like.
#[derive(Debug, clap::Args)]
struct Traffic {
    /// Messages to make; without it, it goes on until it is stopped.
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// Seconds after which no new message is made.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Determines who and what the messages are about.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Bytes that a message has at least.
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// Prints the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// How a simulated sender writes HL7.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DialectName {
    /// Version 2.3, bare.
    Legacy,
    /// Version 2.5.1.
    Modern,
    /// Version 2.8, enhanced acknowledgements.
    Questions,
}

impl From<DialectName> for Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::Legacy => Self::Legacy,
            DialectName::Modern => Self::Modern,
            DialectName::Questions => Self::Questions,
        }
    }
}

/// Arguments of `gurney simulate ehr`.
#[derive(Debug, clap::Args)]
pub(super) struct Ehr {
    /// Host and port of the MLLP listener.
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// Connections, each with patients of its own.
    #[arg(long, value_name = "N", default_value_t = 1)]
    connections: usize,
    /// Messages in flight on each connection.
    #[arg(long, value_name = "N", default_value_t = 1)]
    window: usize,
    /// Messages per second over all connections; 0 sends as fast as they are answered.
    #[arg(long, value_name = "N", default_value_t = 5.0)]
    rate: f64,
    /// Dialects, taken in turn by the connections.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "modern")]
    dialect: Vec<DialectName>,
    /// File that every acknowledged control id is appended to.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    #[command(flatten)]
    traffic: Traffic,
}

/// Arguments of `gurney simulate platform`.
#[derive(Debug, clap::Args)]
pub(super) struct Platform {
    /// Address; port 0 chooses a free one, which is then told.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Lets it be reached from beyond this machine, without any protection.
    #[arg(long)]
    anywhere: bool,
    /// File with a script of faults, in JSON; POST /_control changes it later.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Prints the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Ehr(arguments) => ehr(arguments),
        Command::Serial(arguments) => serial::run(arguments),
        Command::Platform(arguments) => platform(arguments),
        Command::Scene(arguments) => scene::run(arguments),
    }
}

fn ehr(arguments: &Ehr) -> Result<Exit, Failure> {
    let traffic = &arguments.traffic;
    let options = EhrOptions {
        to: arguments.to.clone(),
        connections: arguments.connections,
        window: arguments.window,
        rate: (arguments.rate > 0.0).then_some(arguments.rate),
        messages: traffic.messages,
        duration: traffic.seconds.map(Duration::from_secs),
        seed: traffic.seed,
        dialects: arguments.dialect.iter().map(|name| Dialect::from(*name)).collect(),
        size: traffic.size,
        clock: Clock::Wall,
        ledger: arguments.ledger.clone(),
        ..EhrOptions::default()
    };
    let summary = until_stopped(|stop| {
        sim::run_ehr(options, stop, |tally| progress(&[("made", tally.made), ("acknowledged", tally.acknowledged)]))
    })?;
    let text = format!(
        "{} made, {} acknowledged, {} sent again, {} refused, {} never acknowledged; {:.1}/s\n",
        summary.tally.made,
        summary.tally.acknowledged,
        summary.tally.repeated,
        summary.tally.refused,
        summary.unacknowledged,
        summary.per_second
    );
    Ok(print(&summary, &text, traffic.json).unless(summary.unacknowledged > 0))
}

fn platform(arguments: &Platform) -> Result<Exit, Failure> {
    let options = PlatformOptions {
        listen: arguments.listen,
        reach: if arguments.anywhere { Reach::Anywhere } else { Reach::Loopback },
        control: arguments.script.as_ref().map(control).transpose()?.unwrap_or_default(),
        ..PlatformOptions::default()
    };
    let report = until_stopped(|stop| {
        sim::run_platform(
            options,
            stop,
            |address| note(&format!("listens at http://{address}/inbound and http://{address}/fhir")),
            |counts| progress(&[("requests", counts.requests), ("effects", counts.effects)]),
        )
    })?;
    let counts = &report.counts;
    let text = format!(
        "{} requests, {} effects, {} repeats answered from memory, {} duplicates, {} out of order\n",
        counts.requests, counts.effects, counts.repeats, counts.duplicates, counts.order_breaks
    );
    let wrong = counts.duplicates + counts.order_breaks + report.keys_with_more_than_one_effect > 0;
    Ok(print(&report, &text, arguments.json).unless(wrong))
}

fn control(path: &PathBuf) -> Result<Control, Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new(Exit::BadData, format!("cannot use the script {}: {}", path.display(), chain(error)))
    };
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    serde_json::from_str(&text).map_err(|error| failed(&error))
}

fn print<T: Serialize>(summary: &T, text: &str, json: bool) -> Exit {
    if json { print_json(summary) } else { data(text) }
}

/// Runs a simulator until its work is done or a signal comes.
fn until_stopped<T, F>(simulator: impl FnOnce(Stop) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, sim::Error>>,
{
    let ended = actix_rt::System::new().block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (stopper, stop) = stop_pair();
        actix_rt::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stopper.stop();
        });
        Ok::<_, io::Error>(simulator(stop).await)
    });
    if io::stderr().is_terminal() {
        note("");
    }
    ended.map_err(|error| Failure::new(Exit::Unhealthy, format!("cannot listen for signals: {error}")))?.map_err(
        |error| {
            let exit = if matches!(error, sim::Error::Reach(_)) { Exit::Usage } else { Exit::Unhealthy };
            Failure::new(exit, chain(&error))
        },
    )
}

/// One line that counts up, on a terminal only.
fn progress(counts: &[(&str, u64)]) {
    let mut stderr = io::stderr().lock();
    if !stderr.is_terminal() {
        return;
    }
    let words: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    // Nobody may be looking.
    write!(stderr, "\r{}   ", words.join(", ")).and_then(|()| stderr.flush()).ok();
}
