//! `gurney map promote`, `rollback` and `unmapped`: what the running box does with its maps.

use super::{library, test::doubts};
use crate::{
    cli::{
        Exit, Failure,
        daemon::{Access, Why},
        data, note, print_json,
        text::{Align, Table, many},
    },
    web::admin::protocol::{
        Request,
        maps::{MapChanges, UnmappedCodes},
    },
};

/// What is put in use.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Arguments {
    /// The map: NAME@VERSION to promote, NAME to roll back.
    map: String,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    access: Access,
}

/// How the codes are listed.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Unmapped {
    #[command(flatten)]
    access: Access,
}

pub(super) fn promote(arguments: &Arguments) -> Result<Exit, Failure> {
    let (map, purpose) = (arguments.map.clone(), arguments.why.purpose());
    // The daemon decides; what the samples say is for who decides about it, where the maps are at hand.
    if arguments.access.config().is_there()
        && let Ok(library) = library(arguments.access.config(), None)
        && let Ok(map) = library.map(&map)
        && let Some(doubts) = doubts(&library, &map)
    {
        note(&format!("warning: {doubts}"));
    }
    changed(&arguments.access, &Request::MapPromote { map, purpose })
}

pub(super) fn roll_back(arguments: &Arguments) -> Result<Exit, Failure> {
    let (map, purpose) = (arguments.map.clone(), arguments.why.purpose());
    changed(&arguments.access, &Request::MapRollback { map, purpose })
}

fn changed(access: &Access, request: &Request) -> Result<Exit, Failure> {
    let changes: MapChanges = access.ask(request)?;
    if access.json {
        return Ok(print_json(&changes));
    }
    let line = |change: &crate::web::admin::protocol::maps::MapChange| {
        format!("flow {}: {} -> {}\n", change.flow, change.before, change.after)
    };
    note("from the next message on; deliveries that wait keep the version they were decided with");
    Ok(data(&changes.changes.iter().map(line).collect::<String>()))
}

pub(super) fn unmapped(arguments: &Unmapped) -> Result<Exit, Failure> {
    let codes: UnmappedCodes = arguments.access.ask(&Request::MapUnmapped)?;
    let exit = if arguments.access.json { print_json(&codes) } else { data(&text(&codes)) };
    if codes.is_cut {
        note("there are more entries than were looked at; deal with these first");
    }
    if codes.mended > 0 {
        let mended = many(codes.mended, "message is", "messages are");
        note(&format!("{mended} taken by the maps of now: gurney held release --all --reason TEXT"));
    }
    Ok(exit.unless(codes.waiting > 0))
}

fn text(codes: &UnmappedCodes) -> String {
    if codes.codes.is_empty() {
        return "no message waits for a code\n".to_owned();
    }
    let mut table = Table::new(&[
        ("waiting", Align::Right),
        ("table", Align::Left),
        ("place", Align::Left),
        ("code", Align::Flexible),
        ("entries", Align::Flexible),
    ]);
    for row in &codes.codes {
        let code = row.code.clone().unwrap_or_else(|| "(not shown: may be no code)".to_owned());
        let entries: Vec<String> = row.entries.iter().map(ToString::to_string).collect();
        table.row([row.waiting.to_string(), row.table.clone(), row.place.clone(), code, entries.join(", ")]);
    }
    table.text()
}
