//! The parser: its views cover a message exactly, whichever way they are asked for.

use gurney::hl7::{
    Field, Index, Message, Segment, Value,
    batch::Batch,
    show::{Masking, lay_out},
    split_messages,
};

use super::messages;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    messages()
}

pub(super) fn run(raw: &[u8]) {
    covers_the_frame(raw);
    let mut used = Index::of(b"MSH|^~\\&|BEFORE\rPID|1||2~3\r").expect("a plain message");
    let parsed = used.parse(raw);
    let index = match Index::of(raw) {
        Ok(index) => index,
        Err(error) => {
            assert!(error.at <= raw.len() && parsed == Err(error) && used.segment_count() == 0);
            return;
        }
    };
    assert!(parsed.is_ok() && format!("{used:?}") == format!("{index:?}"), "an index used again reads otherwise");

    let message = index.message(raw);
    assert_eq!(usize::try_from(index.findings().messages).ok(), Some(split_messages(raw).len()));
    covers_the_message(&message);
    for segment in message.segments() {
        covers_the_segment(&segment, message.delimiters().field);
    }
    answers_paths(&message);
    shows_no_control_characters(&message);
}

/// The messages of a frame follow each other, each beginning where a header is. Only an envelope stands between them.
fn covers_the_frame(raw: &[u8]) {
    let batch = Batch::read(raw);
    let mut at = 0;
    for range in &batch.messages {
        assert!(range.start == at || batch.is_enveloped && range.start > at, "a gap or an overlap at {at}");
        let message = &raw[range.clone()];
        assert!(range.start == 0 || message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message).starts_with(b"MSH"));
        at = range.end;
    }
    assert!(at == raw.len() || batch.is_enveloped || batch.messages.is_empty(), "bytes after the last message");
}

/// Between segments there are line ends and nothing else.
fn covers_the_message(message: &Message<'_>) {
    let raw = message.raw();
    let mut at = if raw.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let findings = message.findings();
    for segment in message.segments() {
        assert!(raw[at..segment.start()].iter().all(is_line_end), "bytes between segments");
        let bytes = segment.bytes();
        assert!(!bytes.is_empty() && !bytes.iter().any(is_line_end));
        at = segment.start() + bytes.len();
    }
    assert!(raw[at..].iter().all(is_line_end), "bytes after the last segment");
    let ends = findings.ends_cr + findings.ends_lf + findings.ends_crlf + u32::from(findings.unended);
    assert_eq!(usize::try_from(ends).ok(), Some(message.segments().count()));
}

/// Name, separators and fields, put together, are the segment; likewise below it.
fn covers_the_segment(segment: &Segment<'_>, separator: u8) {
    let first = if segment.is("MSH") { 2 } else { 1 };
    let mut joined = segment.name().to_vec();
    for number in first..=segment.field_count() {
        let field = segment.field(number);
        joined.push(separator);
        joined.extend_from_slice(field.bytes());
        covers_the_field(&field);
    }
    assert!(joined == segment.bytes(), "a segment is not its parts");
    for beyond in [0, segment.field_count() + 1, usize::MAX] {
        assert!(segment.field(beyond).bytes().is_empty());
    }
    let only = segment.field(1).bytes();
    assert!(!segment.is("MSH") || only.is_empty() || only == [separator], "MSH-1 is not the separator");
}

fn covers_the_field(field: &Field<'_>) {
    let mut length = 0;
    for (number, repetition) in (1..).zip(field.repetitions()) {
        assert!(number > 8 || field.repetition(number).bytes() == repetition.bytes());
        let mut inner = 0;
        for (number, component) in (1..).zip(repetition.components()) {
            assert!(number > 8 || repetition.component(number).bytes() == component.bytes());
            let pieces: Vec<&[u8]> = component.subcomponents().collect();
            let below = pieces.iter().map(|piece| piece.len() + 1).sum::<usize>();
            assert_eq!(below, component.bytes().len() + usize::from(!pieces.is_empty()));
            inner += component.bytes().len() + 1;
        }
        assert_eq!(inner, repetition.bytes().len() + usize::from(inner > 0));
        length += repetition.bytes().len() + 1;
    }
    assert_eq!(length, field.bytes().len() + usize::from(length > 0));
}

/// An address leads where walking leads.
fn answers_paths(message: &Message<'_>) {
    for name in ["MSH", "PID", "OBX"] {
        for (occurrence, segment) in (1..4).zip(message.segments_named(name)) {
            for number in 2..segment.field_count().min(12) {
                let path = format!("{name}[{occurrence}]-{number}[2].1.1").parse().expect("a path");
                let field = segment.field(number);
                let expected = Value::of(field.repetition(2).component(1).subcomponent(1));
                assert!(message.value(&path) == expected, "{path:?}");
            }
        }
    }
}

fn shows_no_control_characters(message: &Message<'_>) {
    let layout = lay_out(message, Masking::Masked, None);
    assert_eq!(layout.segments.len(), message.segments().count());
    assert!(!layout.to_string().chars().any(|shown| shown != '\n' && shown.is_control()));
}

const fn is_line_end(byte: &u8) -> bool {
    matches!(*byte, b'\r' | b'\n')
}
