//! `gurney map explain`: where every element of a result comes from.

use std::path::PathBuf;

use serde::Serialize;

use super::library;
use crate::{
    cli::{
        ConfigArgument, Exit, Failure, data, hl7, note, print_json,
        text::{many, printable},
    },
    fhir::Leaf,
    mapping::{Explained, Looked, Map, Needed, Step},
    web::admin::protocol::maps::ElementRow,
};

/// What is explained.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Arguments {
    /// The map: NAME@VERSION.
    map: String,
    /// File with messages, MLLP frames or not.
    file: PathBuf,
    /// Which message of the file.
    #[arg(long, value_name = "N", default_value_t = 1)]
    message: usize,
    /// Only this order of the message.
    #[arg(long, value_name = "N")]
    order: Option<usize>,
    /// Shows values as they are.
    #[arg(long)]
    reveal: bool,
    /// Folder with maps and tables, in place of the configuration's.
    #[arg(long, value_name = "FOLDER")]
    maps: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    map: String,
    file: String,
    /// Whether patient data is shown.
    revealed: bool,
    orders: Vec<OrderReport>,
}

#[derive(Serialize)]
struct OrderReport {
    order: usize,
    /// Line of the trigger.
    trigger: usize,
    verb: Option<&'static str>,
    /// Whether it only changes jobs that are there already.
    changes_jobs: bool,
    decided: Vec<LookReport>,
    refusal: Option<String>,
    needs: Vec<NeedReport>,
    elements: Vec<StepReport>,
    silent: Vec<StepReport>,
}

#[derive(Serialize)]
struct NeedReport {
    /// Line in the map's file.
    line: usize,
    what: String,
    why: String,
    /// Whether it is there, or why it need not be.
    met: &'static str,
    looked_at: Vec<LookReport>,
}

#[derive(Serialize)]
struct StepReport {
    /// Line in the map's file.
    line: usize,
    resource: String,
    element: String,
    values: Vec<ElementRow>,
    /// What is written where no place of the message is: a constant, the job, the time of the event.
    made_of: Option<&'static str>,
    /// The place that spoke first.
    from: Option<LookReport>,
    /// Places before it that were empty or said nothing.
    passed_over: Vec<LookReport>,
    /// Why nothing was written.
    why_not: Option<&'static str>,
    replaced_by_a_later_row: bool,
}

#[derive(Clone, Serialize)]
struct LookReport {
    place: String,
    via: Option<String>,
    values: usize,
    said: Option<String>,
}

impl LookReport {
    fn of(look: &Looked) -> Self {
        let said = look.said.as_ref().map(crate::mapping::Said::text);
        Self { place: look.place.to_string(), via: look.via.clone(), values: look.found, said }
    }

    fn text(&self) -> String {
        let mut text = self.place.clone();
        if let Some(via) = &self.via {
            text += &format!(" via {via}");
        }
        match (&self.said, self.values) {
            (Some(said), _) => text += &format!(" ({said})"),
            (None, 0) => text += " (empty)",
            (None, 1) => {}
            (None, more) => text += &format!(" ({more} values)"),
        }
        text
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let library = library(&arguments.config, arguments.maps.as_deref())?;
    let map = library.map(&arguments.map)?;
    let messages = hl7::messages(&hl7::read(&arguments.file)?);
    let count = messages.len();
    let message = arguments.message.checked_sub(1).and_then(|at| messages.into_iter().nth(at)).ok_or_else(|| {
        let text = format!("{} has {}", arguments.file.display(), many(count as u64, "message", "messages"));
        Failure::new(Exit::Usage, text)
    })?;
    let explained = library
        .circumstances()
        .explain(&map, &message)
        .ok_or_else(|| Failure::new(Exit::BadData, format!("{} holds no HL7 message", arguments.file.display())))?;
    if let Some(order) = arguments.order.filter(|order| *order < 1 || *order > explained.len()) {
        let text =
            format!("there is no order {order}: the message has {}", many(explained.len() as u64, "order", "orders"));
        return Err(Failure::new(Exit::Usage, text));
    }
    let orders = (1..).zip(&explained).filter(|(order, _)| arguments.order.is_none_or(|wanted| wanted == *order));
    let orders = orders.map(|(order, explained)| report(order, explained, arguments.reveal)).collect();
    let report = Report { map: map.id(), file: map.file.clone(), revealed: arguments.reveal, orders };
    if arguments.json {
        return Ok(print_json(&report));
    }
    if report.orders.is_empty() {
        note("the message is not for this map: no trigger takes its type");
    } else if !arguments.reveal {
        note("values that came from the message are masked; --reveal shows them");
    }
    Ok(data(&text(&map, &report)))
}

fn report(order: usize, explained: &Explained, reveal: bool) -> OrderReport {
    let (spoke, silent): (Vec<&Step>, Vec<&Step>) = explained.steps.iter().partition(|step| step.silent.is_none());
    OrderReport {
        order,
        trigger: explained.trigger,
        verb: explained.verb.map(crate::mapping::Verb::as_str),
        changes_jobs: explained.verb.is_some_and(crate::mapping::Verb::needs_a_job),
        decided: explained.looked.iter().map(LookReport::of).collect(),
        refusal: explained.refusal.as_ref().map(ToString::to_string),
        needs: explained.needs.iter().map(need_report).collect(),
        elements: spoke.into_iter().map(|step| step_report(step, reveal)).collect(),
        silent: silent.into_iter().map(|step| step_report(step, reveal)).collect(),
    }
}

fn need_report(need: &Needed) -> NeedReport {
    NeedReport {
        line: need.line,
        what: need.what.to_string(),
        why: need.why.to_string(),
        met: need.met.as_str(),
        looked_at: need.looked.iter().map(LookReport::of).collect(),
    }
}

fn step_report(step: &Step, reveal: bool) -> StepReport {
    let row: fn(&Leaf) -> ElementRow = if reveal { ElementRow::clear } else { ElementRow::masked };
    let spoke = |look: &&Looked| {
        look.found > 0
            && !matches!(
                look.said,
                Some(crate::mapping::Said::Nothing | crate::mapping::Said::Ignored | crate::mapping::Said::Unmapped)
            )
    };
    let from = step.looked.iter().find(spoke).filter(|_| step.silent.is_none());
    let passed_over = step.looked.iter().filter(|look| from.is_none_or(|from| from != *look));
    StepReport {
        line: step.line,
        resource: step.resource.to_string(),
        element: step.element.clone(),
        values: step.made.iter().map(row).collect(),
        made_of: step.made_of,
        from: from.map(LookReport::of),
        passed_over: passed_over.map(LookReport::of).collect(),
        why_not: step.silent.map(crate::mapping::Silent::as_str),
        replaced_by_a_later_row: step.is_replaced,
    }
}

fn text(map: &Map, report: &Report) -> String {
    let file = &map.file;
    let mut text = String::new();
    for order in &report.orders {
        let verb = order.verb.unwrap_or("nothing that could be told");
        text += &format!("order {}: {verb}, by the trigger at {file}:{}\n", order.order, order.trigger);
        for look in &order.decided {
            text += &format!("    {}\n", look.text());
        }
        if order.changes_jobs {
            text += "  changes jobs that are there already: what is told comes of all that is known of each, not of this\n  \
                     message alone; `gurney map audit` shows what was told\n";
        }
        if let Some(refusal) = &order.refusal {
            text += &format!("  refused: {refusal}\n  nothing is sent; what its rows found:\n");
        }
        for need in &order.needs {
            text += &needed(need, file);
        }
        for step in &order.elements {
            text += &element(step, file);
        }
        if !order.silent.is_empty() {
            text += "\n  rows that gave nothing\n";
        }
        for step in &order.silent {
            text += &silence(step, file);
        }
        text.push('\n');
    }
    text
}

fn needed(need: &NeedReport, file: &str) -> String {
    let mut text = format!("  {}: {}\n      {file}:{} (need), because {}\n", need.what, need.met, need.line, need.why);
    if !need.looked_at.is_empty() {
        let looks: Vec<String> = need.looked_at.iter().map(LookReport::text).collect();
        text += &format!("      looked at {}\n", looks.join(", "));
    }
    text
}

fn element(step: &StepReport, file: &str) -> String {
    let mut text = String::new();
    for value in &step.values {
        text += &format!("  {} = {}\n", value.element, printable(&value.value));
    }
    if step.values.is_empty() {
        text += &format!("  {}\n", step.element);
    }
    let from = match (&step.from, step.made_of) {
        (Some(from), _) => format!(" from {}", from.text()),
        (None, Some(made_of)) => format!(": {made_of}"),
        (None, None) => String::new(),
    };
    let replaced = if step.replaced_by_a_later_row { ", replaced by a later row" } else { "" };
    text += &format!("      {file}:{} ({}){from}{replaced}\n", step.line, step.resource);
    if !step.passed_over.is_empty() {
        let looks: Vec<String> = step.passed_over.iter().map(LookReport::text).collect();
        text += &format!("      also looked at {}\n", looks.join(", "));
    }
    text
}

fn silence(step: &StepReport, file: &str) -> String {
    let why = step.why_not.unwrap_or_default();
    let mut text = format!("  {}  {file}:{} ({}): {why}", step.element, step.line, step.resource);
    if !step.passed_over.is_empty() {
        let looks: Vec<String> = step.passed_over.iter().map(LookReport::text).collect();
        text += &format!(": {}", looks.join(", "));
    }
    text.push('\n');
    text
}
