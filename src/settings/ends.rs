//! Which end of a link a table stands for, where its kind can be both: `[mllp.NAME]` with `connect`, `[folder.NAME]`.
//!
//! The flows decide: what a flow sends to, or a source sends its later acknowledgements to, is a destination; what a
//! flow takes messages from is a source. A table that is both or neither is a fault: one that Gurney connects by would have to
//! tell a message from an answer to another. An MLLP listener is a source,
//! unless it says `role = "deliver"`.

use super::{
    complaint::{Complaint, Complaints, Ground, quoted},
    fields::Section,
    keys::{dialed, flow, link, target},
    merge::Entry,
    place::Place,
};

/// A table's name where another one uses it.
type Use<'a> = (&'a str, Place);

/// Reads each such table by the keys of the end that it is.
pub(super) fn assign(entries: &mut [Entry<'_>], found: &mut Complaints) {
    let flows = || entries.iter().filter(|entry| entry.section.kind == flow::FLOW.kind);
    let from: Vec<Use<'_>> = flows().filter_map(|flow| flow.fields.word(flow::FROM.name)).collect();
    let mut to: Vec<Use<'_>> = flows().filter_map(|flow| flow.fields.word(flow::TO.name)).collect();
    to.extend(entries.iter().filter_map(|entry| entry.fields.inner_word("application_ack", flow::TO.name)));
    for entry in entries {
        refuse_two_ways(entry, found);
        let Some(section) = as_destination(entry) else { continue };
        let find = |uses: &[Use<'_>]| uses.iter().find(|(name, _)| *name == entry.name).map(|(_, place)| place.clone());
        let is_open = !entry.fields.has(&target::ROLE);
        match (find(&from), find(&to)) {
            (Some(_), None) if is_open => {
                if let Some(section) = as_source(entry) {
                    entry.read_as(section);
                }
                continue;
            }
            (Some(from), Some(to)) if is_open => complain_of_both(entry, from, to, found),
            (None, None) if is_open => complain_of_neither(entry, found),
            _ => {}
        }
        entry.read_as(section);
    }
}

/// The keys of a table as a source, where they are not those of its kind.
fn as_source(entry: &Entry<'_>) -> Option<&'static Section> {
    entry.fields.has(&target::CONNECT).then_some(&dialed::MLLP_CLIENT)
}

/// The keys of a table as a destination, if it may be one.
fn as_destination(entry: &Entry<'_>) -> Option<&'static Section> {
    if entry.section.kind == target::FOLDER.kind {
        return Some(&target::FOLDER);
    }
    if entry.section.kind != link::MLLP.kind {
        return None;
    }
    if entry.fields.has(&target::ROLE) {
        return Some(&target::MLLP_DELIVER);
    }
    entry.fields.has(&target::CONNECT).then_some(&target::MLLP_CONNECT)
}

/// A table listens or connects.
fn refuse_two_ways(entry: &Entry<'_>, found: &mut Complaints) {
    let fields = &entry.fields;
    if entry.section.kind != link::MLLP.kind || !fields.has(&target::CONNECT) || !fields.has(&link::MLLP_LISTEN) {
        return;
    }
    let (connect, listen) = (fields.key_place(&target::CONNECT), fields.key_place(&link::MLLP_LISTEN));
    let message = format!("{} cannot both listen and connect", fields.title);
    let complaint = Complaint::new(connect.clone(), message).also(listen.clone(), "it listens here");
    found.push(complaint.help("keep one of the two keys, or write a table for each"));
    found.settle(&connect);
    found.settle(&listen);
}

fn complain_of_both(entry: &Entry<'_>, from: Place, to: Place, found: &mut Complaints) {
    let message = format!("{} cannot be both a source and a destination", quoted(entry.name));
    let complaint = Complaint::new(from.clone(), message).note("messages are taken from it here");
    let help = "write two tables, one for each direction; they may name the same peer";
    found.push(complaint.also(to, "and sent to it here").help(help));
    found.settle(&from);
}

fn complain_of_neither(entry: &Entry<'_>, found: &mut Complaints) {
    let message = format!("no flow sends to {} or takes messages from it", quoted(entry.name));
    let help =
        "a table of this kind is a destination or a source by the flow that names it; add a flow, or take it away";
    found.push(Complaint::new(entry.place.clone(), message).ground(Ground::Absence).help(help));
    found.settle(&entry.place);
}
