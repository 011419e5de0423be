//! `gurney queue`, `gurney scraps` and `gurney audit`.

use super::{
    Exit, Failure, chain, check,
    daemon::{Access, Reveal},
    data, note, print_json,
    text::{Align, Table, local, local_with_offset, many, printable},
};
use crate::{
    store::{self, AuditCheck, key::StoreKey, verify_audit},
    web::admin::protocol::{Audit, Queues, Request, ScrapShown, Scraps},
};

/// Commands of `gurney queue`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Queue {
    /// Lists what waits, in the order in which it leaves.
    #[command(after_help = "Example: gurney queue list --destination platform --limit 50")]
    List {
        /// Only for this destination.
        #[arg(long, value_name = "NAME")]
        destination: Option<String>,
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        #[command(flatten)]
        access: Access,
    },
}

pub(super) fn queue(command: &Queue) -> Result<Exit, Failure> {
    let Queue::List { destination, limit, access } = command;
    let queues: Queues = access.ask(&Request::Queue { destination: destination.clone(), limit: *limit })?;
    if access.json {
        return Ok(print_json(&queues));
    }
    let mut table = Table::new(&[
        ("message", Align::Right),
        ("destination", Align::Flexible),
        ("lane", Align::Left),
        ("type", Align::Left),
        ("flow", Align::Flexible),
        ("map", Align::Flexible),
        ("queued", Align::Left),
    ]);
    for entry in &queues.entries {
        table.row([
            entry.message.to_string(),
            entry.destination.clone(),
            entry.priority.clone(),
            entry.kind.clone(),
            entry.flow.clone(),
            entry.mapping.clone(),
            local(entry.queued_at),
        ]);
    }
    note(&shown_of(queues.entries.len(), queues.total, "waits", "wait"));
    Ok(data(&table.text()))
}

/// `3 wait`, or `20 of 4711 wait` where not all are shown.
pub(super) fn shown_of(shown: usize, total: u64, one: &str, more: &str) -> String {
    if shown as u64 >= total { many(total, one, more) } else { format!("{shown} of {}", many(total, one, more)) }
}

/// Commands of `gurney scraps`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Scrap {
    /// Lists bytes on links that were no messages, newest first.
    #[command(after_help = "Example: gurney scraps list --limit 50")]
    List {
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        #[command(flatten)]
        access: Access,
    },
    /// Shows one of them; its bytes only with --reveal.
    #[command(after_help = "Example: gurney scraps show 17 --reveal --reason \"ticket 4711\"")]
    Show {
        /// Its number.
        id: i64,
        #[command(flatten)]
        reveal: Reveal,
        #[command(flatten)]
        access: Access,
    },
}

pub(super) fn scraps(command: &Scrap) -> Result<Exit, Failure> {
    match command {
        Scrap::List { limit, access } => {
            let scraps: Scraps = access.ask(&Request::Scraps { limit: *limit })?;
            if access.json {
                return Ok(print_json(&scraps));
            }
            let mut table = Table::new(&[
                ("id", Align::Right),
                ("link", Align::Flexible),
                ("came", Align::Left),
                ("bytes", Align::Right),
                ("cause", Align::Left),
            ]);
            for scrap in scraps.entries {
                let came = local(scrap.at);
                table.row([scrap.id.to_string(), scrap.link, came, scrap.count.to_string(), scrap.cause]);
            }
            Ok(data(&table.text()))
        }
        Scrap::Show { id, reveal, access } => {
            let shown: ScrapShown = access.ask(&Request::Scrap { id: *id, reveal: reveal.purpose() })?;
            if access.json {
                return Ok(print_json(&shown));
            }
            let scrap = &shown.scrap;
            let head = format!(
                "{} over {} at {}: {}\n",
                many(scrap.count, "byte", "bytes"),
                scrap.link,
                local_with_offset(scrap.at),
                scrap.cause
            );
            let bytes = shown.raw.as_deref().map_or_else(
                || format!("the first {} are kept; --reveal --reason TEXT shows them", scrap.kept),
                printable,
            );
            Ok(data(&format!("{head}{bytes}\n")))
        }
    }
}

/// Commands of `gurney audit`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum AuditCommand {
    /// Lists the newest entries: who did what, and why.
    #[command(after_help = "Example: gurney audit list --limit 50 --json")]
    List {
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        #[command(flatten)]
        access: Access,
    },
    /// Verifies that no entry was changed, removed or put in another place.
    #[command(
        after_help = "Asks the daemon; without one, reads the store with its key.\nExample: gurney audit verify --config /etc/gurney/gurney.toml"
    )]
    Verify {
        #[command(flatten)]
        access: Access,
    },
}

pub(super) fn audit(command: &AuditCommand) -> Result<Exit, Failure> {
    match command {
        AuditCommand::List { limit, access } => audit_list(*limit, access),
        AuditCommand::Verify { access } => audit_verify(access),
    }
}

fn audit_list(limit: usize, access: &Access) -> Result<Exit, Failure> {
    let audit: Audit = access.ask(&Request::Audit { limit })?;
    if access.json {
        return Ok(print_json(&audit));
    }
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("at", Align::Left),
        ("who", Align::Flexible),
        ("what", Align::Left),
        ("on", Align::Flexible),
        ("why", Align::Flexible),
    ]);
    for entry in audit.entries {
        table.row([entry.id.to_string(), local(entry.at), entry.actor, entry.action, entry.subject, entry.detail]);
    }
    Ok(data(&table.text()))
}

fn audit_verify(access: &Access) -> Result<Exit, Failure> {
    let check: AuditCheck = match access.ask(&Request::VerifyAudit) {
        Err(failure) if failure.exit == Exit::Unreachable => verify_offline(access)?,
        answered => answered?,
    };
    let printed = if access.json { print_json(&check) } else { data(&verdict(&check)) };
    Ok(printed.unless(check.broken_at.is_some()))
}

fn verdict(check: &AuditCheck) -> String {
    match check.broken_at {
        None => format!(
            "good: {} hold, the last seal is\n{}\n",
            many(check.entries.unsigned_abs(), "entry", "entries"),
            check.seal
        ),
        Some(at) => format!("BROKEN at entry {at}: it, or an entry before it, was changed, removed or moved\n"),
    }
}

fn verify_offline(access: &Access) -> Result<AuditCheck, Failure> {
    let loaded = check::load(access.config()).map_err(|error| {
        check::refuse(&error);
        Failure::new(Exit::Configuration, "without a daemon, the store is found by the configuration")
    })?;
    let store = loaded.checked.settings.store;
    let failed = |error: store::Error| Failure::new(super::run::store_code(&error), chain(&error));
    let key = StoreKey::read(&store.key).map_err(failed)?;
    note("no daemon answers; the store is read as it lies");
    verify_audit(&store::Plan { path: store.path, key, limit: store.limit }).map_err(failed)
}
