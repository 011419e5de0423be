//! The client's side of `admin.sock`: finds the daemon, asks it one thing, and turns its refusals into exit codes.

use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::{ConfigArgument, Exit, Failure, check, note};
use crate::{
    node,
    units::limits,
    web::admin::protocol::{Purpose, Refusal, RefusalKind, Request, Response},
};

/// How the daemon is reached, and the form of what it says.
#[derive(Debug, clap::Args)]
pub(super) struct Access {
    /// The daemon's socket; the configuration names it otherwise.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
    /// Prints JSON, with times in UTC.
    #[arg(long)]
    pub(super) json: bool,
}

/// Why an order is given: it stands in the audit chain.
#[derive(Debug, clap::Args)]
pub(super) struct Why {
    /// Why: a few words for the audit chain, without patient data.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who asked for it, where that is not you.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Why {
    pub(super) fn purpose(&self) -> Purpose {
        Purpose { reason: self.reason.clone(), by: self.by.clone() }
    }
}

/// Whether patient data is shown, and why: it stands in the audit chain.
#[derive(Debug, clap::Args)]
pub(super) struct Reveal {
    /// Shows patient data; noted in the audit chain.
    #[arg(long, requires = "reason")]
    reveal: bool,
    /// Why: a few words for the audit chain, without patient data.
    #[arg(long, value_name = "TEXT", requires = "reveal")]
    reason: Option<String>,
    /// Who asked for it, where that is not you.
    #[arg(long, value_name = "NAME", requires = "reveal")]
    by: Option<String>,
}

impl Reveal {
    pub(super) fn purpose(&self) -> Option<Purpose> {
        let reason = self.reason.clone().filter(|_| self.reveal)?;
        Some(Purpose { reason, by: self.by.clone() })
    }
}

impl Access {
    /// The configuration they name.
    pub(super) const fn config(&self) -> &ConfigArgument {
        &self.config
    }

    /// Whether a socket or a configuration was named, or the usual one is there: whether there may be a daemon at all.
    pub(super) fn names_a_box(&self) -> bool {
        self.socket.is_some() || self.config.is_there()
    }

    /// Asks the daemon.
    pub(super) fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Failure> {
        ask(&self.path()?, request)
    }

    fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.socket {
            return Ok(path.clone());
        }
        match check::load(&self.config) {
            Ok(loaded) => Ok(node::admin_socket(&loaded.checked.settings)),
            Err(error) => {
                check::refuse(&error);
                let advice = "name the configuration with --config FILE, or the daemon's socket with --socket PATH";
                Err(Failure::new(Exit::Configuration, advice))
            }
        }
    }
}

/// Asks the daemon at `path`.
pub(super) fn ask<T: DeserializeOwned>(path: &Path, request: &Request) -> Result<T, Failure> {
    let stream = UnixStream::connect(path).map_err(|error| unreachable(path, &error))?;
    match exchange(stream, request).map_err(|error| broken(path, &error))? {
        Response::Ok(value) => serde_json::from_value(value).map_err(|error| {
            Failure::new(
                Exit::Unhealthy,
                format!("the daemon answered something else ({error}); is it of another version?"),
            )
        }),
        Response::Error(refusal) => Err(refusal.into()),
    }
}

/// Asks the daemon for what it then goes on to tell, line by line; a silence longer than `patience` ends it.
pub(super) fn watch(access: &Access, request: &Request, patience: Duration) -> Result<UnixStream, Failure> {
    let path = access.path()?;
    let mut stream = UnixStream::connect(&path).map_err(|error| unreachable(&path, &error))?;
    let answer = begin(&mut stream, request, patience).map_err(|error| broken(&path, &error))?;
    match answer {
        Response::Ok(_) => Ok(stream),
        Response::Error(refusal) => Err(refusal.into()),
    }
}

fn begin(stream: &mut UnixStream, request: &Request, patience: Duration) -> io::Result<Response> {
    stream.set_write_timeout(Some(limits::ADMIN_PEER_TIMEOUT))?;
    stream.set_read_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    // Byte by byte: what stands behind the first line is for who reads on.
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\n") && answer.len() < limits::ADMIN_REQUEST_BYTES_MAX {
        stream.read_exact(&mut byte)?;
        answer.extend_from_slice(&byte);
    }
    Ok(serde_json::from_slice(&answer)?)
}

fn exchange(mut stream: UnixStream, request: &Request) -> io::Result<Response> {
    stream.set_write_timeout(Some(limits::ADMIN_PEER_TIMEOUT))?;
    stream.set_read_timeout(Some(limits::ADMIN_ANSWER_TIMEOUT + limits::ADMIN_PEER_TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    // A daemon that refuses before it has read everything has still answered.
    let written = stream.write_all(&line);
    let mut answer = Vec::new();
    stream.take(limits::ADMIN_ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut answer)?;
    if answer.is_empty() {
        written?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&answer)?)
}

fn unreachable(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::PermissionDenied {
        let text = format!("you may not open {}; run the command as the daemon's user or as root", path.display());
        return Failure::new(Exit::NotAllowed, text);
    }
    Failure::new(
        Exit::Unreachable,
        format!(
            "no daemon answers at {} ({error}); start it with `gurney run` or `systemctl start gurney`, or name its socket with --socket",
            path.display()
        ),
    )
}

fn broken(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Unreachable, format!("the daemon at {} did not answer: {error}; try again", path.display()))
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = match refusal.kind {
            RefusalKind::BadRequest => Exit::Usage,
            RefusalKind::NotFound | RefusalKind::Failed => Exit::Unhealthy,
            RefusalKind::NotAllowed => Exit::NotAllowed,
            RefusalKind::Busy => Exit::TryAgain,
        };
        Self::new(exit, refusal.message)
    }
}

/// Whether a person is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Consent {
    /// Does it without asking.
    #[arg(long)]
    yes: bool,
}

impl Consent {
    /// Asks before anything is sent or dropped; `question` says how much.
    pub(super) fn ask(&self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            let text = format!("{question} There is no terminal to ask at; add --yes if that is meant");
            return Err(Failure::new(Exit::Usage, text));
        }
        note(&format!("{question} [y/N]"));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
        Err(Failure::new(Exit::Unhealthy, "nothing was done"))
    }
}
