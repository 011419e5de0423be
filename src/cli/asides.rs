//! `gurney dead` and `gurney held`: what was set aside for a person.

use super::{
    Exit, Failure,
    daemon::{Access, Consent, Reveal, Why},
    data,
    listings::shown_of,
    messages::{report, text},
    note, print_json,
    text::{Align, Table, local, many},
};
use crate::{
    units::limits,
    web::admin::protocol::{Asides, Heap, Request, Shown},
};

/// Which entries are listed.
#[derive(Debug, clap::Args)]
pub(super) struct Listed {
    /// Only those of this flow.
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// Only those after this number: the next page.
    #[arg(long, value_name = "ID", default_value_t = 0)]
    after: i64,
    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    access: Access,
}

/// Which entry is shown.
#[derive(Debug, clap::Args)]
pub(super) struct One {
    /// Its number.
    id: i64,
    #[command(flatten)]
    reveal: Reveal,
    #[command(flatten)]
    access: Access,
}

/// Which entries an order is about.
#[derive(Debug, clap::Args)]
pub(super) struct Chosen {
    /// Their numbers.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<i64>,
    /// All of them, at most 1000 at a time, oldest first.
    #[arg(long)]
    all: bool,
    /// With --all: only those of this flow.
    #[arg(long, value_name = "NAME", requires = "all")]
    flow: Option<String>,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    access: Access,
}

/// Commands of `gurney dead`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Dead {
    /// Lists dead letters: what destinations refused for good.
    #[command(after_help = "Example: gurney dead list --flow discharge")]
    List(Listed),
    /// Shows a dead letter; masked, unless --reveal says otherwise.
    #[command(after_help = "Example: gurney dead show 3 --reveal --reason \"ticket 4711\"")]
    Show(One),
    /// Puts dead letters back into their queues, with the same delivery key.
    #[command(after_help = "Example: gurney dead resend --all --reason \"platform was misconfigured\"")]
    Resend(Chosen),
    /// Drops dead letters from the list; they stay counted, and in the journal until retention.
    #[command(after_help = "Example: gurney dead discard 3 --reason \"done by phone\" --yes")]
    Discard(Chosen),
}

/// Commands of `gurney held`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Held {
    /// Lists messages that wait for a person or were not understood.
    #[command(after_help = "Example: gurney held list")]
    List(Listed),
    /// Shows such a message; masked, unless --reveal says otherwise.
    #[command(after_help = "Example: gurney held show 3")]
    Show(One),
    /// Reads such messages again, with the flows and maps of today, and queues those that are now taken.
    #[command(after_help = "Example: gurney held release --all --reason \"map mended\"")]
    Release(Chosen),
    /// Drops such messages from the list; they stay counted, and in the journal until retention.
    #[command(after_help = "Example: gurney held discard 3 --reason \"sender was tested\" --yes")]
    Discard(Chosen),
}

pub(super) fn dead(command: &Dead) -> Result<Exit, Failure> {
    match command {
        Dead::List(listed) => list(Heap::Dead, listed),
        Dead::Show(one) => show(Heap::Dead, one),
        Dead::Resend(chosen) => order(Heap::Dead, "Send", "again", chosen, |ids, chosen| Request::Resend {
            ids,
            purpose: chosen.why.purpose(),
        }),
        Dead::Discard(chosen) => discard(Heap::Dead, chosen),
    }
}

pub(super) fn held(command: &Held) -> Result<Exit, Failure> {
    match command {
        Held::List(listed) => list(Heap::Held, listed),
        Held::Show(one) => show(Heap::Held, one),
        Held::Release(chosen) => order(Heap::Held, "Release", "", chosen, |ids, chosen| Request::Release {
            ids,
            purpose: chosen.why.purpose(),
        }),
        Held::Discard(chosen) => discard(Heap::Held, chosen),
    }
}

fn list(heap: Heap, listed: &Listed) -> Result<Exit, Failure> {
    let request = Request::Asides { heap, flow: listed.flow.clone(), after: listed.after, limit: listed.limit };
    let asides: Asides = listed.access.ask(&request)?;
    if listed.access.json {
        return Ok(print_json(&asides));
    }
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("message", Align::Right),
        ("type", Align::Left),
        ("flow", Align::Flexible),
        ("since", Align::Left),
        ("why", Align::Flexible),
    ]);
    let shown = asides.entries.len();
    for entry in asides.entries {
        let mut why = if heap == Heap::Held { format!("{}: {}", entry.kind, entry.reason) } else { entry.reason };
        if !entry.detail.is_empty() {
            why = format!("{why} ({})", entry.detail);
        }
        let since = local(entry.at);
        table.row([entry.id.to_string(), entry.message.to_string(), entry.message_kind, entry.flow, since, why]);
    }
    let (one, more) = words(heap);
    note(&shown_of(shown, asides.total, one, more));
    Ok(data(&table.text()))
}

const fn words(heap: Heap) -> (&'static str, &'static str) {
    match heap {
        Heap::Dead => ("dead letter", "dead letters"),
        Heap::Held => ("message", "messages"),
    }
}

fn show(heap: Heap, one: &One) -> Result<Exit, Failure> {
    let request = Request::Aside { heap, id: one.id, reveal: one.reveal.purpose() };
    let shown: Shown = one.access.ask(&request)?;
    if one.access.json {
        return Ok(print_json(&shown));
    }
    if let Some(aside) = shown.aside.as_ref().filter(|aside| aside.response_bytes > 0 && !shown.revealed) {
        note(&format!(
            "the destination answered {}; --reveal --reason TEXT shows them",
            many(aside.response_bytes, "byte", "bytes")
        ));
    }
    Ok(data(&text(&shown)))
}

fn discard(heap: Heap, chosen: &Chosen) -> Result<Exit, Failure> {
    order(heap, "Drop", "from the list", chosen, |ids, chosen| Request::Discard {
        heap,
        ids,
        purpose: chosen.why.purpose(),
    })
}

/// Asks with the count, then gives the order.
fn order(
    heap: Heap,
    verb: &str,
    rest: &str,
    chosen: &Chosen,
    request: impl FnOnce(Vec<i64>, &Chosen) -> Request,
) -> Result<Exit, Failure> {
    let ids = if chosen.all { all(heap, chosen)? } else { chosen.ids.clone() };
    let (one, more) = words(heap);
    if ids.is_empty() {
        note(&format!("there are no {more}"));
    } else {
        let question = format!("{verb} {} {rest}", many(ids.len() as u64, one, more));
        chosen.consent.ask(&format!("{}?", question.trim_end()))?;
    }
    Ok(report(&chosen.access.ask(&request(ids, chosen))?, &chosen.access))
}

fn all(heap: Heap, chosen: &Chosen) -> Result<Vec<i64>, Failure> {
    let request = Request::Asides { heap, flow: chosen.flow.clone(), after: 0, limit: limits::LISTED_MAX };
    let asides: Asides = chosen.access.ask(&request)?;
    Ok(asides.entries.iter().map(|entry| entry.id).collect())
}
