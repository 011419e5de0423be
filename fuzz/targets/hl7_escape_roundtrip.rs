//! Escapes: what is written is one value, and reads back byte by byte; any escapes read within bounds.

use gurney::hl7::{Delimiters, Index, Value, escape, unescape};

use super::{Input, messages};

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let delimiters: [&[u8]; 4] = [b"\x05|^~\\&", b"\x06|^~\\&#", b"\x02|^", b"\x05*!/$%"];
    let texts: [&[u8]; 3] = [b"\\.sp80\\\\X0D0A\\\\F\\\\Z1\\\\H\\a\\N\\", b"\"\"", b"a\\C2842\\b\\M2442\\c\\.br"];
    let mut seeds = Vec::new();
    for delimiters in delimiters {
        seeds.extend(texts.iter().map(|text| [delimiters, text].concat()));
        seeds.extend(messages().iter().map(|message| [delimiters, message].concat()));
    }
    seeds
}

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let length = usize::from(input.byte() % 8);
    let header = [b"MSH", input.bytes(length), b"\r"].concat();
    let Ok(index) = Index::of(&header) else { return };
    let delimiters = index.delimiters();
    let bytes = input.rest();
    writes_one_value(bytes, &delimiters);
    reads_anything(bytes, &delimiters);
}

fn writes_one_value(bytes: &[u8], delimiters: &Delimiters) {
    let written = escape(bytes, delimiters);
    let inner = delimiters.encoding_characters().filter(|byte| Some(*byte) != escape_character(delimiters));
    for separator in inner.chain([delimiters.field]) {
        assert!(!written.contains(&separator), "a separator is left");
    }
    assert!(!written.iter().any(u8::is_ascii_control), "a control character is left");
    assert_eq!(Value::of(&written) == Value::Null, false, "a value became a null");
    assert_eq!(Value::of(&written) == Value::Absent, bytes.is_empty(), "a value vanished");
    if escape_character(delimiters).is_some() {
        let (read, findings) = unescape(&written, delimiters);
        assert!(read == bytes, "reads back otherwise");
        assert_eq!((findings.unknown, findings.unclosed), (0, 0));
    }
}

fn reads_anything(bytes: &[u8], delimiters: &Delimiters) {
    let (read, findings) = unescape(bytes, delimiters);
    assert!(read.len() <= bytes.len() * 16, "{} bytes out of {}", read.len(), bytes.len());
    let has_escapes = escape_character(delimiters).is_some_and(|escape| bytes.contains(&escape));
    assert!(has_escapes || (read == bytes && findings.unknown == 0 && findings.unclosed == 0));
}

/// The third of MSH-2.
fn escape_character(delimiters: &Delimiters) -> Option<u8> {
    delimiters.encoding_characters().nth(2)
}
