//! What every ask does in every state, as a table that a person has read line by line.
//!
//! A block is a situation, or several in which every ask does the same; a line is an ask, and what comes of it: what the
//! platform is told, what the job is shown as after it (`=`: as before), and what was noticed.

use super::*;

const ASKS: [(&str, Ask); 18] = [
    ("plan", Ask::Plan(Content::Same)),
    ("plan changed", Ask::Plan(Content::Changed)),
    ("request", Ask::Request(Content::Same)),
    ("request changed", Ask::Request(Content::Changed)),
    ("change", Ask::Change(Content::Same)),
    ("change changed", Ask::Change(Content::Changed)),
    ("discharged", Ask::Discharged(Content::Same)),
    ("update", Ask::Update),
    ("cancel by requester", Ask::Cancel(Why::Requester)),
    ("cancel of the plan", Ask::Cancel(Why::PlanCancelled)),
    ("cancel of the discharge", Ask::Cancel(Why::DischargeCancelled)),
    ("cancel for death", Ask::Cancel(Why::Deceased)),
    ("hold by site", Ask::Hold(Reason::Site)),
    ("hold as stale", Ask::Hold(Reason::Stale)),
    ("leave", Ask::Hold(Reason::Leave)),
    ("resume of none", Ask::Resume(Reason::Site)),
    ("merge", Ask::Merge),
    ("split", Ask::Split),
];

fn shown(job: &Job) -> String {
    match job.shown() {
        Shown::State(state) => state.to_string(),
        Shown::OnHold(reason) => format!("on-hold:{}", reason.as_str()),
        Shown::CancelPending(_) => "cancel pending".to_owned(),
    }
}

fn cell(known: Option<&Job>, what: Ask) -> String {
    let Some(step) = try_ask(known, what, at(5 * MINUTE)) else { return "nothing".to_owned() };
    let tell = step.tell.map_or("tells nothing", |tell| match tell {
        Tell::Create => "CREATE",
        Tell::Update => "UPDATE",
        Tell::Cancel => "CANCEL",
        Tell::AskToCancel => "ASK-TO-CANCEL",
    });
    let is = shown(&step.job);
    let is = if known.is_some_and(|known| shown(known) == is) { "=".to_owned() } else { is };
    let findings: Vec<&str> = step.findings.iter().map(|finding| finding.as_str()).collect();
    format!("{tell} | {is} | {}", if findings.is_empty() { "-".to_owned() } else { findings.join(" ") })
}

fn situations() -> Vec<(String, Option<Job>)> {
    let tombstone = must_ask(None, Ask::Cancel(Why::Requester), at(MINUTE)).job;
    let kept_back =
        must_ask(Some(&must_ask(None, Ask::Hold(Reason::Stale), at(0)).job), Ask::Request(Content::Changed), at(0));
    let on_hold = must_ask(Some(&requested()), Ask::Hold(Reason::Leave), at(MINUTE)).job;
    let gone = must_ask(None, Ask::Discharged(Content::Changed), at(0)).job;
    let pending = must_ask(Some(&in_state(State::EnRoute)), Ask::Cancel(Why::Requester), at(2 * MINUTE)).job;
    let mut situations = vec![
        ("nothing is known".to_owned(), None),
        ("a cancel came first".to_owned(), Some(tombstone)),
        ("wanted, too old to be sent".to_owned(), Some(kept_back.job)),
        ("only discharged".to_owned(), Some(gone)),
        ("wanted, on leave".to_owned(), Some(on_hold)),
    ];
    situations.extend(State::ALL.map(|state| (state.to_string(), Some(in_state(state)))));
    situations.push(("en-route, cancel pending".to_owned(), Some(pending)));
    situations
}

#[test]
fn every_ask_in_every_state_does_what_the_table_says() {
    let mut blocks: Vec<(Vec<String>, String)> = Vec::new();
    for (name, job) in situations() {
        let lines = ASKS.map(|(ask_name, what)| format!("{ask_name:<24}| {}\n", cell(job.as_ref(), what))).concat();
        match blocks.iter_mut().find(|(_, block)| *block == lines) {
            Some((names, _)) => names.push(name),
            None => blocks.push((vec![name], lines)),
        }
    }
    let table =
        blocks.iter().map(|(names, lines)| format!("# {}\n{lines}", names.join(", "))).collect::<Vec<_>>().join("\n");
    let golden = include_str!("table.txt");
    if table != golden {
        let written = std::env::temp_dir().join("gurney-job-table.txt");
        std::fs::write(&written, &table).unwrap();
        let first = table.lines().zip(golden.lines()).find(|(is, should)| is != should);
        panic!("the table differs, first in {first:?}; it is now {}", written.display());
    }
}
