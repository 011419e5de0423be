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
        Charset, EscapeFindings, Findings, Index, Message, Text, Why,
        batch::Batch,
        show::{Layout, Masking, lay_out},
        split_messages,
    },
    units::limits,
    wire::mllp::{Decoder, Event},
};

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
    /// Says what is odd about the messages of a file.
    #[command(
        after_help = "Odd but readable is good (exit 0); unreadable is bad data (exit 65).\nExample: gurney hl7 check adt.hl7"
    )]
    Check {
        /// File with messages, MLLP frames or not.
        file: PathBuf,
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
        Command::Check { file, json } => check(file, *json),
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
fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
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

/// The bytes in which batches are looked for: each frame, or the whole file.
fn payloads_or_all(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.contains(&VT) { payloads(bytes) } else { vec![bytes.to_vec()] }
}

/// What the parser says about one message.
#[derive(Debug, Serialize)]
struct Checked {
    message: usize,
    kind: String,
    readable: bool,
    charset: Option<&'static str>,
    findings: Vec<String>,
}

fn check(file: &Path, json: bool) -> Result<Exit, Failure> {
    let bytes = read(file)?;
    let checked: Vec<Checked> = (1..).zip(messages(&bytes)).map(|(number, raw)| check_one(number, &raw)).collect();
    for finding in payloads_or_all(&bytes).iter().flat_map(|payload| batch_findings(payload)) {
        note(&format!("note: {}: {finding}", file.display()));
    }
    let printed = if json { print_json(&checked) } else { data(&checked_text(&checked)) };
    Ok(if checked.iter().any(|message| !message.readable) { Exit::BadData } else { printed })
}

fn checked_text(checked: &[Checked]) -> String {
    let mut text = String::new();
    for message in checked {
        let word = match (message.readable, message.findings.is_empty()) {
            (false, _) => "UNREADABLE",
            (true, true) => "good",
            (true, false) => "readable, but odd",
        };
        text += &format!("message {} {}: {word}\n", message.message, super::text::printable(&message.kind));
        for finding in &message.findings {
            text += &format!("  {finding}\n");
        }
    }
    text
}

fn check_one(number: usize, raw: &[u8]) -> Checked {
    let text = Text::of(raw, None);
    let index = match Index::of(text.bytes()) {
        Ok(index) => index,
        Err(error) => {
            let findings = vec![error.to_string()];
            return Checked { message: number, kind: String::new(), readable: false, charset: None, findings };
        }
    };
    let message = Message::new(text.bytes(), &index);
    let kind = message.message_type();
    let charset = message.charset(text.configured());
    let mut found = findings(index.findings());
    found.extend(charset.guessed().map(|why| charset_finding(why).to_owned()));
    found.extend(escape_findings(&message, &charset));
    for (what, is_empty) in [
        ("MSH-9 names no message type", kind.code.is_empty()),
        ("MSH-10 is empty: repeats cannot be recognised", message.control_id().is_empty()),
    ] {
        if is_empty {
            found.push(what.to_owned());
        }
    }
    Checked {
        message: number,
        kind: format!("{}^{}", String::from_utf8_lossy(kind.code), String::from_utf8_lossy(kind.trigger)),
        readable: true,
        charset: Some(text.source().unwrap_or_else(|| charset.encoding()).name()),
        findings: found,
    }
}

fn findings(findings: &Findings) -> Vec<String> {
    let counted = [
        (findings.ends_lf, "segments end with LF instead of CR"),
        (findings.ends_crlf, "segments end with CR LF instead of CR"),
        (findings.blank_lines, "blank lines"),
        (findings.odd_names, "segments have names that are not three capitals or digits"),
    ];
    let mut found: Vec<String> =
        counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if findings.byte_order_mark {
        found.push("a byte order mark stands before the header".to_owned());
    }
    found
}

const fn charset_finding(why: Why) -> &'static str {
    match why {
        Why::Undeclared => "MSH-18 names no character set; it was guessed",
        Why::UnknownName => "MSH-18 names a character set that is not known; it was guessed",
        Why::Contradicted => "the bytes contradict the character set of MSH-18; it was guessed",
    }
}

fn escape_findings(message: &Message<'_>, charset: &Charset) -> Vec<String> {
    let mut all = EscapeFindings::default();
    let mut truncated = 0_u32;
    for segment in message.segments().filter(|segment| !segment.is("MSH")) {
        all.add(charset.read(segment.bytes()).1);
        let cut = (1..=segment.field_count()).filter(|number| segment.field(*number).is_truncated()).count();
        truncated = truncated.saturating_add(u32::try_from(cut).unwrap_or(u32::MAX));
    }
    let counted = [
        (all.unknown, "unknown escape sequences"),
        (all.local, "escape sequences of the site's own"),
        (all.switches, "switches to character sets that MSH-18 does not declare"),
        (all.unclosed, "escape characters without an end"),
        (truncated, "values were cut off by the sender"),
    ];
    counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect()
}

/// What the envelopes of a file say that is not so.
fn batch_findings(bytes: &[u8]) -> Vec<String> {
    let batch = Batch::read(bytes);
    let mut found: Vec<String> = batch.findings.iter().map(ToString::to_string).collect();
    if batch.more_findings > 0 {
        found.push(format!("{} more of the batch", batch.more_findings));
    }
    found
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

    #[test]
    fn says_what_is_odd() {
        let odd = check_one(1, b"MSH|^~\\&|A|B|||1||ADT^A01||P|2.5\nPID|1||x\\Q\\\n");
        assert!(odd.readable);
        assert_eq!(
            odd.findings,
            [
                "2 segments end with LF instead of CR",
                "1 unknown escape sequences",
                "MSH-10 is empty: repeats cannot be recognised"
            ]
        );
        assert!(!check_one(1, b"FHS|^~\\&").readable);
        assert!(check_one(1, ONE).findings.is_empty());
    }
}
