//! `gurney map audit`: the monthly spot check.

use crate::{
    cli::{
        Exit, Failure,
        daemon::{Access, Reveal},
        data, note, print_json,
        text::{local_with_offset, many, printable},
    },
    web::admin::protocol::{
        Request,
        maps::{MapAudit, Spot},
    },
};

/// Which sample is drawn.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Arguments {
    /// The map: NAME@VERSION.
    map: String,
    /// How many deliveries, at most 100.
    #[arg(long, value_name = "N", default_value_t = 5)]
    sample: usize,
    /// The same sample again: the seed that an earlier check printed.
    #[arg(long, value_name = "SEED")]
    seed: Option<String>,
    #[command(flatten)]
    reveal: Reveal,
    #[command(flatten)]
    access: Access,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let request = Request::MapAudit {
        map: arguments.map.clone(),
        sample: arguments.sample,
        seed: arguments.seed.clone(),
        reveal: arguments.reveal.purpose(),
    };
    let audit: MapAudit = arguments.access.ask(&request)?;
    if arguments.access.json {
        return Ok(print_json(&audit));
    }
    let passed = many(audit.passed, "delivery", "deliveries");
    note(&format!(
        "{} of {passed} by {} in the last month; --seed {} shows the same again",
        audit.deliveries.len(),
        audit.map,
        audit.seed
    ));
    let mut text = format!("seed {}\n", audit.seed);
    for spot in &audit.deliveries {
        text += &shown(spot);
    }
    Ok(data(&text))
}

fn shown(spot: &Spot) -> String {
    let at = local_with_offset(spot.delivered_at);
    let mut text = format!("\nmessage {} ({}), flow {}, delivered {at}\n", spot.message, spot.kind, spot.flow);
    if let Some(note) = &spot.note {
        text += &format!("  {note}\n");
    }
    if let Some(source) = &spot.source {
        text += "source\n";
        for line in source.to_string().lines() {
            text += &format!("  {line}\n");
        }
    }
    if !spot.target.is_empty() {
        text += "result\n";
    }
    for row in &spot.target {
        text += &format!("  {:<40} {}\n", row.element, printable(&row.value));
    }
    text
}
