//! `gurney messages`: what came, what became of it, and sending it again.

use super::{
    Exit, Failure,
    daemon::{Access, Consent, Reveal, Why},
    data, note, print_json,
    text::{Align, Table, local, local_with_offset, many, printable},
};
use crate::{
    store::listing::{Fate, MessagePage, MessageRow},
    units::ByteCount,
    web::admin::protocol::{Report, Request, Shown},
};

/// Commands of `gurney messages`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Lists messages, newest first.
    #[command(after_help = "Example: gurney messages list --flow discharge --limit 50")]
    List {
        /// Only those that this flow took.
        #[arg(long, value_name = "NAME")]
        flow: Option<String>,
        /// Only those before this one: the next page.
        #[arg(long, value_name = "ID")]
        before: Option<i64>,
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        #[command(flatten)]
        access: Access,
    },
    /// Shows a message and what became of it; masked, unless --reveal says otherwise.
    #[command(after_help = "Example: gurney messages show 4711 --reveal --reason \"ticket 4711\"")]
    Show {
        /// Its number.
        id: i64,
        #[command(flatten)]
        reveal: Reveal,
        #[command(flatten)]
        access: Access,
    },
    /// Sends delivered messages again, with the same delivery key. Of a message about jobs those jobs are told as they are now.
    #[command(after_help = "\
A message goes out as it did, and a platform that honours delivery keys does nothing twice. In a flow whose map makes jobs the\nplatform is told how the jobs of the message are now, as something new: what was told then may be long past. Jobs that the\nplatform has ended itself, or was never told of, are not told of.\nExample: gurney messages resend 4711 --reason \"platform restored a backup\" --yes")]
    Resend {
        /// Their numbers.
        #[arg(required = true)]
        ids: Vec<i64>,
        /// Only for this flow.
        #[arg(long, value_name = "NAME")]
        flow: Option<String>,
        #[command(flatten)]
        why: Why,
        #[command(flatten)]
        consent: Consent,
        #[command(flatten)]
        access: Access,
    },
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List { flow, before, limit, access } => {
            let request = Request::Messages { flow: flow.clone(), before: *before, limit: *limit };
            let page: MessagePage = access.ask(&request)?;
            Ok(if access.json { print_json(&page) } else { list(&page) })
        }
        Command::Show { id, reveal, access } => {
            let shown: Shown = access.ask(&Request::Message { id: *id, reveal: reveal.purpose() })?;
            Ok(if access.json { print_json(&shown) } else { data(&text(&shown)) })
        }
        Command::Resend { ids, flow, why, consent, access } => {
            consent.ask(&format!("Send {} again?", many(ids.len() as u64, "message", "messages")))?;
            let request = Request::Repeat { ids: ids.clone(), flow: flow.clone(), purpose: why.purpose() };
            Ok(report(&access.ask(&request)?, access))
        }
    }
}

fn list(page: &MessagePage) -> Exit {
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("received", Align::Left),
        ("link", Align::Flexible),
        ("type", Align::Left),
        ("bytes", Align::Right),
        ("what became of it", Align::Flexible),
    ]);
    for message in &page.messages {
        table.row([
            message.id.to_string(),
            local(message.received_at),
            message.link.clone(),
            message.kind.clone(),
            message.bytes.to_string(),
            summary(message),
        ]);
    }
    if let Some(next) = page.next {
        note(&format!("there may be more: --before {next}"));
    }
    data(&table.text())
}

fn summary(message: &MessageRow) -> String {
    if message.fates.is_empty() {
        return "no flow's business".to_owned();
    }
    let words = message.fates.iter().map(|fate| match &fate.destination {
        Some(destination) => format!("{} {destination}", fate.state.replace('_', " ")),
        None => fate.state.replace('_', " "),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// A message for people: its facts, what became of it, its segments.
pub(super) fn text(shown: &Shown) -> String {
    let message = &shown.message;
    let mut text = format!(
        "message {}: {} over {} at {}, {}; answered: {}\n",
        message.id,
        if message.kind.is_empty() { "no type" } else { &message.kind },
        message.link,
        local_with_offset(message.received_at),
        ByteCount(message.bytes),
        message.answer
    );
    if message.fates.is_empty() {
        text += "  no flow had business with it\n";
    }
    for fate in &message.fates {
        text += &format!("  {}\n", fate_text(fate));
    }
    text.push('\n');
    match (&shown.layout, &shown.fault) {
        (Some(layout), _) => text += &layout.to_string(),
        (None, fault) => text += &format!("not an HL7 message: {}\n", fault.as_deref().unwrap_or("unknown")),
    }
    for (what, bytes) in [("its bytes", &shown.raw), ("the destination's answer", &shown.response)] {
        if let Some(bytes) = bytes {
            text += &format!("\n{what}:\n{}\n", printable(bytes));
        }
    }
    text
}

fn fate_text(fate: &Fate) -> String {
    let mut text = format!("{}: {}", fate.flow, fate.state.replace('_', " "));
    if let Some(destination) = &fate.destination {
        text += &format!(" {} {destination}", if fate.state == "delivered" { "to" } else { "for" });
    }
    text += &format!(" since {}", local_with_offset(fate.at));
    if let Some(mapping) = fate.mapping.as_ref().filter(|mapping| *mapping != "raw") {
        text += &format!(", by {mapping}");
    }
    if let Some(status) = fate.status {
        text += &format!(", HTTP {status}");
    }
    if let Some(attempts) = fate.attempts {
        text += &format!(", {}", many(attempts.unsigned_abs(), "attempt", "attempts"));
    }
    let why = [&fate.reason, &fate.detail].into_iter().flatten().filter(|word| !word.is_empty());
    let why: Vec<&str> = why.map(String::as_str).collect();
    if !why.is_empty() {
        text += &format!(", {}", why.join(": "));
    }
    if let Some(aside) = fate.aside {
        text += &format!(" (entry {aside})");
    }
    text
}

/// What came of an order; failures make the command fail.
pub(super) fn report(report: &Report, access: &Access) -> Exit {
    let printed = if access.json {
        print_json(report)
    } else {
        let line = |done: &crate::web::admin::protocol::Done| {
            format!("{}  {}{}\n", done.id, if done.done { "" } else { "NOT DONE: " }, printable(&done.note))
        };
        data(&report.results.iter().map(line).collect::<String>())
    };
    printed.unless(report.failed > 0)
}
