//! Codes that no table lists, of messages that wait for one that does.

use std::collections::BTreeMap;

use crate::{
    flow::{AsideKind, Changes},
    hl7::{Index, Message},
    ids::JournalId,
    store::{listing, reader},
    web::admin::{
        State,
        protocol::{
            Refusal,
            maps::{UnmappedCode, UnmappedCodes, shown_code},
        },
    },
};

/// Entries that one listing of unmapped codes reads again.
const UNMAPPED_MAX: usize = 5000;

/// Entries of one page.
const UNMAPPED_PAGE: usize = 200;

/// The codes for which messages wait, as the maps and tables of now see them.
pub(in crate::web::admin) async fn unmapped(state: &State) -> Result<UnmappedCodes, Refusal> {
    let mut found: BTreeMap<(String, String, Option<String>), UnmappedCode> = BTreeMap::new();
    let mut report = UnmappedCodes::default();
    let (mut after, mut looked_at) = (0, 0);
    loop {
        let page = state
            .web
            .reader
            .run(move |store| listing::asides(store, &[AsideKind::Quarantined], None, after, UNMAPPED_PAGE))
            .await?;
        let Some(last) = page.last().map(|entry| entry.id) else { break };
        after = last;
        looked_at += page.len();
        for entry in page.iter().filter(|entry| entry.reason == "unmapped-code") {
            look_again(state, entry, &mut found, &mut report).await?;
        }
        if looked_at >= UNMAPPED_MAX {
            report.is_cut = true;
            break;
        }
    }
    report.codes = found.into_values().collect();
    report.codes.sort_by_key(|code| std::cmp::Reverse(code.waiting));
    Ok(report)
}

async fn look_again(
    state: &State,
    entry: &listing::AsideRow,
    found: &mut BTreeMap<(String, String, Option<String>), UnmappedCode>,
    report: &mut UnmappedCodes,
) -> Result<(), Refusal> {
    let id = JournalId(entry.message);
    let stored = state.web.reader.run(move |store| reader::message(store, id)).await?;
    let flow = state.web.settings.flows.iter().position(|flow| flow.name.as_str() == entry.flow);
    let (Some(stored), Some(map)) = (stored, flow.and_then(|flow| state.flows.map_of(flow))) else { return Ok(()) };
    let link = state.web.names.links.iter().position(|row| *row == stored.link);
    let at = (stored.received_at, stored.content_hash);
    let outcome = state.flows.translated(&map, link, &stored.raw, at, Changes::Alone);
    // What is missing beside is another matter: of a change the message alone does not say what its job is.
    let Some(Err(refusal)) = outcome.filter(|outcome| outcome.as_ref().is_err_and(|found| !found.unmapped.is_empty()))
    else {
        report.mended += 1;
        return Ok(());
    };
    report.waiting += 1;
    let names = names_in(&stored.raw);
    for unmapped in refusal.unmapped {
        let code = unmapped.code.into_inner();
        let code = shown_code(&code).filter(|code| !names.contains(&code.to_ascii_lowercase()));
        let (table, place) = (unmapped.table.to_string(), unmapped.path.to_string());
        let row = found.entry((table.clone(), place.clone(), code.clone())).or_insert(UnmappedCode {
            table,
            place,
            code,
            waiting: 0,
            entries: Vec::new(),
        });
        row.waiting += 1;
        if row.entries.len() < ENTRIES_SHOWN {
            row.entries.push(entry.id);
        }
    }
    Ok(())
}

/// Entries that are named with one code.
const ENTRIES_SHOWN: usize = 10;

/// What people are called in a message, in small letters: a sender that put one of these where a code belongs has it hidden.
fn names_in(raw: &[u8]) -> Vec<String> {
    let Ok(index) = Index::of(raw) else { return Vec::new() };
    let message = Message::new(raw, &index);
    let mut names = Vec::new();
    for segment in message.segments() {
        let fields: &[usize] = match segment.name() {
            b"PID" => &[3, 5, 6, 9, 11],
            b"NK1" => &[2],
            b"PV1" => &[7, 8, 9, 17],
            b"GT1" => &[3],
            b"IN1" => &[16],
            b"ORC" => &[10, 11, 12],
            b"OBR" => &[10, 16],
            _ => &[],
        };
        for repetition in fields.iter().flat_map(|field| segment.field(*field).repetitions().collect::<Vec<_>>()) {
            let parts = (1..=7)
                .map(|component| String::from_utf8_lossy(repetition.component(component).bytes()).to_ascii_lowercase());
            names.extend(parts.filter(|part| part.len() > 2));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_people_are_called() {
        let raw = b"MSH|^~\\&|A\rPID|1||4711^^^GH||QUILL^Ada\rNK1|1|BROOK^Bo\rOBR|1|||WCVAN\r";
        let names = names_in(raw);
        assert!(["quill", "ada", "brook", "4711"].iter().all(|name| names.contains(&(*name).to_owned())), "{names:?}");
        assert!(!names.contains(&"wcvan".to_owned()));
    }
}
