//! Documents inside OBX-5: encapsulated data (ED, HL7 v2.5.1 2A.24), pointers (RP, 2A.63) and text as R4 Attachments.
//!
//! ```text
//! OBX|1|ED|11488-4^Consult note^LN||^Application^PDF^Base64^JVBERi0...      data: base64 as it came, white space apart
//! OBX|2|TX|...||line 1~line 2                                               data: UTF-8 text in base64
//! ```
//! Base64 that is none refuses the message: a document that nobody can open must not look delivered.

use super::Run;
use crate::{
    event::{self, Part},
    fhir::{Node, Object, Text},
    mapping::{compile::Row, source::Source},
};

impl<'m> Run<'_, 'm> {
    /// What OBX-5 encapsulates or points to.
    pub(super) fn attachments(&mut self, row: &Row) -> Vec<Node> {
        let mut nodes = Vec::new();
        for source in &row.from {
            for part in self.parts(source) {
                nodes.extend(self.attachment(source, &part));
            }
        }
        nodes
    }

    /// All of OBX-5: what it encapsulates, and all text in one piece.
    pub(super) fn document(&mut self, row: &Row) -> Vec<Node> {
        let mut lines: Vec<String> = Vec::new();
        let mut nodes = Vec::new();
        for source in &row.from {
            for part in self.parts(source) {
                if is_document(&part) {
                    nodes.extend(self.attachment(source, &part));
                } else {
                    lines.extend(source.words(&part, self.scope.charset()));
                }
            }
        }
        if !lines.is_empty() {
            let text = Object::new().with("contentType", "text/plain;charset=utf-8");
            nodes.insert(0, text.with("data", base64(lines.join("\n").as_bytes())).into());
        }
        nodes.into_iter().map(|node| Object::new().with("attachment", node).into()).collect()
    }

    fn attachment(&mut self, source: &Source, part: &Part<'m>) -> Option<Node> {
        let charset = self.scope.charset();
        let at = |number: usize| event::part(&part.repetition, number, charset);
        match part.segment.field(2).bytes() {
            b"ED" => {
                let kind = content_type(at(2), at(3));
                let data = at(5)?;
                let data = match at(4).unwrap_or_default().to_ascii_lowercase().as_str() {
                    "base64" => tidy_base64(&data),
                    "hex" => unhex(&data).map(|bytes| base64(&bytes)),
                    _ => Some(base64(data.as_bytes())),
                };
                if data.is_none() {
                    self.cannot_read(source);
                }
                Some(Object::new().with("contentType", kind).with("data", data?).into())
            }
            b"RP" => {
                let url = at(1)?;
                let is_url = url.contains(':') && url.bytes().all(|byte| byte.is_ascii_graphic());
                let mut pointer = Object::new().with("contentType", content_type(at(3), at(4)));
                if is_url {
                    pointer.set("url", url);
                } else {
                    pointer.set("title", url);
                }
                Some(pointer.into())
            }
            _ => None,
        }
    }
}

fn is_document(part: &Part<'_>) -> bool {
    matches!(part.segment.field(2).bytes(), b"ED" | b"RP")
}

/// The MIME type of table 0191's type and table 0291's subtype.
fn content_type(kind: Option<String>, subtype: Option<String>) -> Text {
    let plain = |word: String| {
        let word = word.to_ascii_lowercase();
        let fits = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/+-.".contains(&byte));
        fits.then_some(word)
    };
    let kind = kind.and_then(plain).unwrap_or_default();
    let subtype = subtype.and_then(plain).unwrap_or_default();
    match (kind.as_str(), subtype.as_str()) {
        (kind, "") if kind.contains('/') => Text::from(kind.to_owned()),
        (_, subtype) if subtype.contains('/') => Text::from(subtype.to_owned()),
        ("text" | "ft" | "tx", "" | "plain") => Text::from("text/plain"),
        ("text", subtype) => Text::from(format!("text/{subtype}")),
        ("image" | "audio" | "video" | "multipart", subtype) if !subtype.is_empty() => {
            Text::from(format!("{kind}/{subtype}"))
        }
        (_, "") => Text::from("application/octet-stream"),
        (_, subtype) => Text::from(format!("application/{subtype}")),
    }
}

/// Base64 without white space; nothing where it is not base64 (RFC 4648 section 4).
fn tidy_base64(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let body = kept.trim_end_matches('=');
    let fits = body.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    let padding = kept.len() - body.len();
    (fits && !body.is_empty() && kept.len().is_multiple_of(4) && padding <= 2).then_some(kept)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    if digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit) { pairs.collect() } else { None }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit =
        |bits: u32| ALPHABET.get(usize::try_from(bits & 63).unwrap_or_default()).copied().map_or('A', char::from);
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or_default());
        let bits = (at(0) << 16) | (at(1) << 8) | at(2);
        out.push(digit(bits >> 18));
        out.push(digit(bits >> 12));
        out.push(if chunk.len() > 1 { digit(bits >> 6) } else { '=' });
        out.push(if chunk.len() > 2 { digit(bits) } else { '=' });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_checks_base64() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(tidy_base64("Zm9v\r\n Yg==").as_deref(), Some("Zm9vYg=="));
        for bad in ["", "Zm9", "Zm9v!A==", "Z===", "===="] {
            assert_eq!(tidy_base64(bad), None, "{bad}");
        }
        assert_eq!(unhex("66 6f").as_deref(), Some(&b"fo"[..]));
        assert_eq!(unhex("6x"), None);
    }

    #[test]
    fn names_the_content() {
        let kind = |kind: &str, subtype: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            content_type(some(kind), some(subtype)).as_str().to_owned()
        };
        assert_eq!(kind("Application", "PDF"), "application/pdf");
        assert_eq!(kind("AP", "PDF"), "application/pdf");
        assert_eq!(kind("IMAGE", "JPEG"), "image/jpeg");
        assert_eq!(kind("TEXT", ""), "text/plain");
        assert_eq!(kind("application/pdf", ""), "application/pdf");
        assert_eq!(kind("", "a b"), "application/octet-stream");
    }
}
