//! `gurney map list` and `gurney map tables`.

use std::path::PathBuf;

use serde::Serialize;

use super::{Library, library, today};
use crate::{
    cli::{
        ConfigArgument, Exit, Failure,
        daemon::Access,
        data, note, print_json,
        text::{Align, Table, many},
    },
    settings::Settings,
    store::rows::mapping_word,
    web::admin::protocol::{
        Request,
        maps::{MapRow, Maps},
    },
};

/// Which maps are listed.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Arguments {
    /// Folder with maps and tables, in place of the configuration's; the daemon is not asked then.
    #[arg(long, value_name = "FOLDER")]
    maps: Option<PathBuf>,
    #[command(flatten)]
    access: Access,
}

/// Which tables are listed.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Tables {
    /// Folder with maps and tables, in place of the configuration's.
    #[arg(long, value_name = "FOLDER")]
    maps: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn list(arguments: &Arguments) -> Result<Exit, Failure> {
    let maps = rows(arguments)?;
    if arguments.access.json {
        return Ok(print_json(&maps));
    }
    let mut table = Table::new(&[
        ("map", Align::Left),
        ("title", Align::Flexible),
        ("owner", Align::Flexible),
        ("review", Align::Left),
        ("in use by", Align::Flexible),
    ]);
    for row in &maps.maps {
        let in_use_by = row.in_use_by.join(", ");
        table.row([row.map.clone(), row.title.clone(), row.owner.clone(), review(row), in_use_by]);
    }
    for row in &maps.maps {
        if let Some(days) = row.overdue_days.filter(|_| !row.in_use_by.is_empty()) {
            let days = many(days.unsigned_abs(), "day", "days");
            note(&format!("the review of {} has been due for {days}; {} answers for it", row.map, row.owner));
        }
        for flow in row.configured_by.iter().filter(|flow| !row.in_use_by.contains(flow)) {
            let other = maps.maps.iter().find(|other| other.in_use_by.contains(flow)).map_or("another", |map| &map.map);
            note(&format!("flow {flow}: the configuration names {}, {other} is in use by promotion", row.map));
        }
    }
    Ok(data(&table.text()))
}

/// Until when a map must be reviewed, in words where that has passed.
fn review(row: &MapRow) -> String {
    match row.overdue_days {
        Some(days) => format!("overdue {}", many(days.unsigned_abs(), "day", "days")),
        None => format!("due {}", row.review_due),
    }
}

/// As the daemon has them; where none answers, as the configuration has them.
fn rows(arguments: &Arguments) -> Result<Maps, Failure> {
    if arguments.maps.is_none() && arguments.access.names_a_box() {
        match arguments.access.ask::<Maps>(&Request::Maps) {
            Ok(maps) => return Ok(maps),
            Err(failure) if failure.exit == Exit::Unreachable => {
                note("no daemon answers: what is in use is taken from the configuration");
            }
            Err(failure) => return Err(failure),
        }
    }
    let library = library(arguments.access.config(), arguments.maps.as_deref())?;
    let today = today();
    let mut maps: Vec<MapRow> = library.registry.maps().map(|map| MapRow::of(map, today)).collect();
    if let Some(settings) = &library.settings {
        configured(settings, &mut maps);
    }
    Ok(Maps { maps })
}

fn configured(settings: &Settings, maps: &mut [MapRow]) {
    for flow in &settings.flows {
        let named = mapping_word(&flow.mapping);
        for row in maps.iter_mut().filter(|row| row.map == named) {
            row.in_use_by.push(flow.name.to_string());
            row.configured_by.push(flow.name.to_string());
        }
    }
}

#[derive(Serialize)]
struct TableRow {
    table: String,
    title: String,
    code_system: &'static str,
    version: String,
    source: String,
    codes: usize,
}

pub(super) fn tables(arguments: &Tables) -> Result<Exit, Failure> {
    let Library { registry, .. } = library(&arguments.config, arguments.maps.as_deref())?;
    let rows: Vec<TableRow> = registry
        .tables()
        .map(|table| TableRow {
            table: table.name.to_string(),
            title: table.title.clone(),
            code_system: table.code_system.as_str(),
            version: table.version.clone(),
            source: table.source.clone(),
            codes: table.len(),
        })
        .collect();
    if arguments.json {
        return Ok(print_json(&serde_json::json!({ "tables": rows })));
    }
    let mut table = Table::new(&[
        ("table", Align::Left),
        ("codes", Align::Right),
        ("of", Align::Left),
        ("version", Align::Left),
        ("from", Align::Flexible),
    ]);
    for row in rows {
        let (codes, of) = (row.codes.to_string(), row.code_system.to_owned());
        table.row([row.table, codes, of, row.version, row.source]);
    }
    Ok(data(&table.text()))
}
