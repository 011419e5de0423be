//! `gurney hl7`: looking at HL7 v2 files, without a daemon.
//!
//! A file holds messages one after the other, or MLLP frames as they were captured off a wire. `show` masks values unless told
//! otherwise; `check` says what the parser finds, never what a field holds.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Exit, Failure, data, note, print_json};
use crate::{
    hl7::{
        Index, Message, Text,
        show::{Layout, Masking, lay_out},
        split_messages,
    },
    units::limits,
    wire::mllp::{Decoder, Event},
};

mod check;

/// Commands of `gurney hl7`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Shows the messages of a file, segment by segment; masked, unless --reveal says otherwise.
    #[command(after_help = "Example: gurney hl7 show adt.hl7 --reveal")]
    Show {
        /// File with messages, MLLP frames or not.
        file: PathBuf,
        /// Shows values as they are.
        #[arg(long)]
        reveal: bool,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says what is odd about the messages of a file, by the standard and by a conformance profile.
    #[command(
        after_help = "Notes and warnings are good (exit 0); what the profile refuses is not (exit 1); unreadable is bad data (exit 65).\nWithout --profile, lenient@1 is used: everything is accepted, and what breaks the standard is told.\nExamples: gurney hl7 check adt.hl7\n          gurney hl7 check adt.hl7 --profile adt-feed@1 --json"
    )]
    Check {
        /// File with messages, MLLP frames or not.
        file: PathBuf,
        /// Conformance profile to judge by.
        #[arg(long, value_name = "NAME@VERSION", default_value = "lenient@1")]
        profile: String,
        /// Folder with further profiles, beside the built-in ones.
        #[arg(long, value_name = "FOLDER")]
        profiles: Option<PathBuf>,
        /// Zone of the sender, such as America/Chicago: names local times that a change of clocks skips or repeats.
        #[arg(long, value_name = "ZONE")]
        zone: Option<String>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Show { file, reveal, json } => {
            show(file, if *reveal { Masking::Clear } else { Masking::Masked }, *json)
        }
        Command::Check { file, profile, profiles, zone, json } => {
            let profile = check::named(profile, profiles.as_deref())?;
            let zone = zone.as_deref().map(check::zone).transpose()?;
            check::check(file, &profile, zone.as_ref(), *json)
        }
    }
}

/// The bytes of a file of messages.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(Exit::BadData, format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(limits::FRAME_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limits::FRAME_BYTES_MAX {
        let most = limits::FRAME_BYTES_MAX >> 20;
        return Err(Failure::new(Exit::BadData, format!("{} is larger than {most} MiB", path.display())));
    }
    Ok(bytes)
}

const VT: u8 = 0x0b;

/// What goes over the wire as one message: the payload of each frame, or each message of a plain file.
pub(super) fn payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    let first = bytes.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0));
    if first == Some(&VT) {
        return frames(bytes);
    }
    split_messages(bytes).into_iter().filter_map(|range| bytes.get(range)).map(<[u8]>::to_vec).collect()
}

fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(bytes.len());
    decoder.push(bytes);
    decoder.finish();
    let mut frames = Vec::new();
    for event in decoder {
        match event {
            Event::Frame(payload) => frames.push(payload),
            Event::Noise { cause, count, .. } => note(&format!("note: {count} bytes between or in frames: {cause}")),
            Event::Count(_) | Event::Sent | Event::Unsent(_) => {}
        }
    }
    frames
}

/// Every single message of a file; the whole file, if there is none in it.
pub(super) fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for payload in payloads(bytes) {
        let ranges = split_messages(&payload);
        if ranges.is_empty() {
            messages.push(payload);
            continue;
        }
        messages.extend(ranges.into_iter().filter_map(|range| payload.get(range)).map(<[u8]>::to_vec));
    }
    if messages.is_empty() {
        messages.push(bytes.to_vec());
    }
    messages
}

#[derive(Serialize)]
struct ShownMessage {
    #[serde(flatten)]
    layout: Option<Layout>,
    fault: Option<String>,
}

fn show(file: &Path, masking: Masking, json: bool) -> Result<Exit, Failure> {
    let bytes = read(file)?;
    let shown: Vec<ShownMessage> = messages(&bytes)
        .iter()
        .map(|raw| {
            let text = Text::of(raw, None);
            match Index::of(text.bytes()) {
                Ok(index) => {
                    let message = Message::new(text.bytes(), &index);
                    ShownMessage { layout: Some(lay_out(&message, masking, text.configured())), fault: None }
                }
                Err(error) => ShownMessage { layout: None, fault: Some(error.to_string()) },
            }
        })
        .collect();
    let faults = shown.iter().filter(|message| message.fault.is_some()).count();
    let printed = if json { print_json(&shown) } else { data(&shown_text(&shown)) };
    for fault in shown.iter().filter_map(|message| message.fault.as_ref()) {
        note(&format!("error: {}: {fault}", file.display()));
    }
    Ok(if faults > 0 { Exit::BadData } else { printed })
}

fn shown_text(shown: &[ShownMessage]) -> String {
    let texts = shown.iter().filter_map(|message| message.layout.as_ref()).map(Layout::to_string);
    texts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const ONE: &[u8] = b"MSH|^~\\&|A|B|||1||ADT^A01|1|P|2.5\rPID|1\r";
    const TWO: &[u8] = b"MSH|^~\\&|A|B|||1||ADT^A03|2|P|2.5\rPID|1\r";

    #[test]
    fn takes_plain_and_framed_files_apart() {
        let plain = [ONE, TWO].concat();
        let framed = [b"\x0b", ONE, b"\x1c\r\x0b", TWO, b"\x1c\r"].concat();
        let both_in_one_frame = [b"\x0b", ONE, TWO, b"\x1c\r"].concat();
        assert_eq!(messages(&plain), [ONE, TWO]);
        assert_eq!(messages(&framed), [ONE, TWO]);
        assert_eq!(messages(&both_in_one_frame), [ONE, TWO]);
        assert_eq!(payloads(&both_in_one_frame).len(), 1);
        assert_eq!(payloads(b"no message at all"), Vec::<Vec<u8>>::new());
    }
}
