//! `gurney doctor`: what would keep the box from running well, and what to do about each.
//!
//! Looks from outside, beside a running daemon or before its first start: configuration, key, store, ports, devices, secrets,
//! clock, daemon. Changes nothing. Does not connect to destinations: whether they answer is in `gurney status`.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use rustix::{
    fs::{Access as Rights, access, statvfs},
    process::geteuid,
};
use serde::Serialize;

use super::{Exit, Failure, chain, check, check::counts, daemon, daemon::Access, data, print_json, text::many};
use crate::{
    actors::clock::Clock,
    credentials::{credential_path, is_shared},
    node,
    settings::{LinkWire, SecretRef, Settings},
    store::{self, key::StoreKey, open_offline},
    units::{ByteCount, Timestamp},
    web::admin::protocol::{Request, Severity, Status},
};

/// Arguments of `gurney doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: gurney doctor --config /etc/gurney/gurney.toml")]
pub(super) struct Arguments {
    #[command(flatten)]
    access: Access,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Ending {
    Good,
    Warning,
    Failed,
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    ending: Ending,
    what: String,
    advice: Option<String>,
}

/// The findings, in the order of the checks.
#[derive(Debug, Default, Serialize)]
struct Findings {
    findings: Vec<Finding>,
}

impl Findings {
    fn good(&mut self, check: &'static str, what: impl Into<String>) {
        self.findings.push(Finding { check, ending: Ending::Good, what: what.into(), advice: None });
    }

    fn warn(&mut self, check: &'static str, what: impl Into<String>, advice: impl Into<String>) {
        self.findings.push(Finding { check, ending: Ending::Warning, what: what.into(), advice: Some(advice.into()) });
    }

    fn fail(&mut self, check: &'static str, what: impl Into<String>, advice: impl Into<String>) {
        self.findings.push(Finding { check, ending: Ending::Failed, what: what.into(), advice: Some(advice.into()) });
    }

    fn has_failed(&self) -> bool {
        self.findings.iter().any(|finding| finding.ending == Ending::Failed)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let word = match finding.ending {
                Ending::Good => "good",
                Ending::Warning => "warning",
                Ending::Failed => "FAILED",
            };
            text += &format!("{word:<8} {:<14} {}\n", finding.check, finding.what);
            if let Some(advice) = &finding.advice {
                text += &format!("{:24}do: {advice}\n", "");
            }
        }
        text
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut findings = Findings::default();
    clock(&mut findings);
    if let Some(settings) = configuration(arguments, &mut findings) {
        let running = running(&settings, &mut findings);
        let key = key(&settings, &mut findings);
        folder(&settings, &mut findings);
        opening(&settings, key, running.as_ref(), &mut findings);
        ports(&settings, running.as_ref(), &mut findings);
        devices(&settings, &mut findings);
        folders(&settings, &mut findings);
        secrets(&settings, &mut findings);
    }
    let printed = if arguments.access.json { print_json(&findings) } else { data(&findings.text()) };
    Ok(printed.unless(findings.has_failed()))
}

/// Older than this program: a clock before it was never set. 2026-01-01T00:00:00Z.
const CLOCK_MIN: Timestamp = Timestamp(1_767_225_600_000);

fn clock(findings: &mut Findings) {
    let now = Clock::start().wall();
    if now < CLOCK_MIN {
        findings.fail(
            "clock",
            format!("the clock says {now}"),
            "set the clock or let NTP set it; check the RTC battery",
        );
        return;
    }
    let folder = Path::new("/run/systemd/timesync");
    let synchronized = folder.join("synchronized").try_exists().unwrap_or(false);
    if folder.try_exists().unwrap_or(false) && !synchronized {
        findings.warn(
            "clock",
            format!("the clock says {now} and was not synchronized since the start"),
            "check the time server and the way to it",
        );
        return;
    }
    findings.good("clock", format!("the clock says {now}"));
}

fn configuration(arguments: &Arguments, findings: &mut Findings) -> Option<Settings> {
    const CHECK: &str = "configuration";
    match check::load(arguments.access.config()) {
        Ok(loaded) => {
            let settings = loaded.checked.settings;
            let counts = counts(&settings);
            match loaded.checked.warnings.len() {
                0 => findings.good(CHECK, format!("site {}: {counts}", settings.site)),
                n => findings.warn(
                    CHECK,
                    format!("{}; {counts}", many(n as u64, "warning", "warnings")),
                    "see `gurney check`",
                ),
            }
            Some(settings)
        }
        Err(error) => {
            check::refuse(&error);
            findings.fail(CHECK, "it cannot be used", "mend what is shown above; `gurney check` shows it again");
            None
        }
    }
}

/// What the running daemon says, if one answers.
fn running(settings: &Settings, findings: &mut Findings) -> Option<Status> {
    const CHECK: &str = "daemon";
    match daemon::ask::<Status>(&node::admin_socket(settings), &Request::Status) {
        Ok(status) => {
            let errors = status.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
            if errors > 0 {
                let reports = many(errors as u64, "error", "errors");
                findings.fail(CHECK, format!("it runs and reports {reports}"), "see `gurney status`");
            } else {
                findings.good(CHECK, format!("version {} runs and answers", status.version));
            }
            Some(status)
        }
        Err(failure) if failure.exit == Exit::Unreachable && !is_held(&settings.store.path) => {
            findings.warn(CHECK, "it does not run", "start it with `gurney run` or `systemctl start gurney`");
            None
        }
        Err(failure) => {
            findings.fail(CHECK, "a process holds the store but does not answer", failure.text);
            None
        }
    }
}

/// Whether a process holds the store's lock.
fn is_held(folder: &Path) -> bool {
    let lock = fs::OpenOptions::new().write(true).open(folder.join("store.lock"));
    lock.is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

fn key(settings: &Settings, findings: &mut Findings) -> Option<StoreKey> {
    const CHECK: &str = "store key";
    let key = match StoreKey::read(&settings.store.key) {
        Ok(key) => key,
        Err(error) => {
            let advice = "make one with `gurney keys new PATH` for a new store, or put the store's own key back";
            findings.fail(CHECK, chain(&error), advice);
            return None;
        }
    };
    match &settings.store.key {
        SecretRef::File(path) if is_shared(path) => {
            let path = path.display();
            findings.fail(CHECK, format!("others may read {path}"), format!("chmod 600 {path}"));
        }
        _ => findings.good(CHECK, "readable, and by nobody else"),
    }
    Some(key)
}

/// Free bytes below which nothing works.
const DISK_FREE_MIN: u64 = 256 << 20;

fn folder(settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "store folder";
    let path = &settings.store.path;
    let shown = path.display();
    let there = match fs::metadata(path) {
        Ok(meta) if !meta.is_dir() => {
            findings.fail(CHECK, format!("{shown} is not a folder"), "name a folder in [store] path");
            return;
        }
        Ok(meta) => Some(meta),
        Err(_) => None,
    };
    let Some(asked) = path.ancestors().find(|folder| folder.is_dir()) else { return };
    if access(asked, Rights::WRITE_OK | Rights::EXEC_OK).is_err() {
        let advice = "run this as the daemon's user, or give it the folder";
        findings.fail(CHECK, format!("user {} may not write to {}", geteuid().as_raw(), asked.display()), advice);
        return;
    }
    if there.as_ref().is_some_and(|meta| meta.permissions().mode() & 0o077 != 0) {
        findings.warn(CHECK, format!("others may look into {shown}"), format!("chmod 700 {shown}"));
    }
    let Ok(disk) = statvfs(asked) else { return };
    let free = disk.f_bavail * disk.f_frsize;
    let used = fs::metadata(path.join("store.db")).map_or(0, |meta| meta.len());
    let limit = settings.store.limit;
    let room = format!("{} free for a store of up to {limit}", ByteCount(free));
    if free < DISK_FREE_MIN {
        findings.fail(CHECK, room, "free space on this disk, or move the store");
    } else if free + used < limit.0 {
        findings.warn(CHECK, room, "lower `limit`, or give the store a larger disk");
    } else {
        findings.good(CHECK, room);
    }
}

/// Whether the store can be opened. A running daemon has it open, and nobody but its owner should touch its files.
fn opening(settings: &Settings, key: Option<StoreKey>, running: Option<&Status>, findings: &mut Findings) {
    const CHECK: &str = "store";
    let path = &settings.store.path;
    if let Some(status) = running {
        let level = &status.store.level;
        findings.good(
            CHECK,
            format!("open, {} of {}, level {level}", ByteCount(status.store.used_bytes), settings.store.limit),
        );
        return;
    }
    let Ok(meta) = fs::metadata(path.join("store.db")) else {
        findings.good(CHECK, "there is none yet; the first start makes it");
        return;
    };
    if meta.uid() != geteuid().as_raw() {
        findings.warn(CHECK, "not looked into: it belongs to another user", "run this as the daemon's user");
        return;
    }
    let (Some(key), false) = (key, is_held(path)) else { return };
    match open_offline(&store::Plan { path: path.clone(), key, limit: settings.store.limit }) {
        Ok(_) => findings.good(CHECK, "it opens with its key"),
        Err(error) => {
            findings.fail(CHECK, chain(&error), "the message says what to do; change nothing in the folder before")
        }
    }
}

fn ports(settings: &Settings, running: Option<&Status>, findings: &mut Findings) {
    let of_links = settings.links.iter().filter_map(|link| match &link.wire {
        LinkWire::MllpServer(server) => Some((format!("link {}", link.name), server.listen)),
        LinkWire::Http(server) => Some((format!("link {}", link.name), server.listen)),
        LinkWire::Serial(_) | LinkWire::Folder(_) | LinkWire::MllpClient(_) | LinkWire::TerminalServer(_) => None,
    });
    let metrics = settings.metrics.map(|address| ("metrics".to_owned(), address));
    for (name, address) in of_links.chain(metrics) {
        port(&name, address, running, findings);
    }
}

fn port(name: &str, address: SocketAddr, running: Option<&Status>, findings: &mut Findings) {
    const CHECK: &str = "port";
    let ours = |status: &Status| {
        let at_link = status.links.iter().any(|link| link.at == address.to_string());
        at_link || status.metrics == Some(address) || address.port() == 0
    };
    if running.is_some_and(ours) {
        findings.good(CHECK, format!("{name}: {address} is served by the daemon"));
        return;
    }
    match TcpListener::bind(address) {
        Ok(_) => findings.good(CHECK, format!("{name}: {address} is free")),
        Err(error) => {
            let advice = match error.kind() {
                io::ErrorKind::AddrInUse => "another program listens there; `ss -ltnp` names it",
                io::ErrorKind::AddrNotAvailable => "this machine has no such address; `ip address` lists them",
                io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE or a socket unit",
                _ => "choose another address in the configuration",
            };
            findings.fail(CHECK, format!("{name}: {address} cannot be listened at: {error}"), advice);
        }
    }
}

fn devices(settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "serial port";
    for link in &settings.links {
        let LinkWire::Serial(serial) = &link.wire else { continue };
        let shown = format!("link {}: {}", link.name, serial.port.display());
        match fs::metadata(&serial.port) {
            Err(error) => findings.fail(
                CHECK,
                format!("{shown}: {error}"),
                "check cable and adapter; `ls -l /dev/serial/by-id` lists what is plugged in",
            ),
            Ok(meta) if !meta.file_type().is_char_device() => {
                findings.fail(CHECK, format!("{shown} is no device"), "name the port, such as /dev/serial/by-id/...");
            }
            Ok(_) if access(&serial.port, Rights::READ_OK | Rights::WRITE_OK).is_err() => findings.fail(
                CHECK,
                format!("user {} may not use {shown}", geteuid().as_raw()),
                "add the daemon's user to the device's group, usually `dialout`",
            ),
            Ok(_) => findings.good(CHECK, shown),
        }
    }
}

/// Watched folders: there, and the daemon may rename in them.
fn folders(settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "folder";
    for link in &settings.links {
        let LinkWire::Folder(folder) = &link.wire else { continue };
        let shown = format!("link {}: {}", link.name, folder.path.display());
        match fs::metadata(&folder.path) {
            Err(error) => findings.fail(CHECK, format!("{shown}: {error}"), "make the folder, or mount its share"),
            Ok(meta) if !meta.is_dir() => findings.fail(CHECK, format!("{shown} is no folder"), "name a folder"),
            Ok(_) if access(&folder.path, Rights::READ_OK | Rights::WRITE_OK | Rights::EXEC_OK).is_err() => findings
                .fail(
                    CHECK,
                    format!("user {} may not read and rename files in {shown}", geteuid().as_raw()),
                    "give the daemon's user rights on the folder; files that are taken are moved within it",
                ),
            Ok(_) => findings.good(CHECK, shown),
        }
    }
}

/// Certificates and keys: there, and readable.
fn secrets(settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "certificate";
    let mut named: Vec<(String, &SecretRef)> = Vec::new();
    for link in &settings.links {
        let (tls, bearer) = match &link.wire {
            LinkWire::MllpServer(server) => (server.tls.as_ref(), None),
            LinkWire::Http(server) => (server.tls.as_ref(), server.bearer.as_ref()),
            LinkWire::Serial(_) | LinkWire::Folder(_) | LinkWire::MllpClient(_) | LinkWire::TerminalServer(_) => {
                continue;
            }
        };
        let of_tls = tls.map(|tls| [Some(&tls.certificate), tls.key.as_ref(), tls.client_ca.as_ref()]);
        let secrets = of_tls.into_iter().flatten().chain([bearer]);
        named.extend(secrets.flatten().map(|secret| (format!("link {}", link.name), secret)));
    }
    for link in &settings.links {
        let LinkWire::MllpClient(client) = &link.wire else { continue };
        let secrets = [client.tls.ca.as_ref(), client.tls.client_certificate.as_ref()];
        named.extend(secrets.into_iter().flatten().map(|secret| (format!("link {}", link.name), secret)));
    }
    for to in &settings.destinations {
        let secrets = [to.tls.ca.as_ref(), to.tls.client_certificate.as_ref()];
        named.extend(secrets.into_iter().flatten().map(|secret| (format!("destination {}", to.name), secret)));
    }
    for (name, secret) in named {
        let opened = credential_path(secret)
            .and_then(|path| fs::File::open(&path).map_err(|error| format!("{}: {error}", path.display())));
        match opened {
            Ok(_) => findings.good(CHECK, format!("{name}: readable")),
            Err(text) => {
                findings.fail(CHECK, format!("{name}: {text}"), "put the file there, readable by the daemon's user")
            }
        }
    }
}
