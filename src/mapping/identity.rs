//! Who and what is meant: identifier systems, job identities, full URLs and the searches of conditional requests.
//!
//! Every identity derives from what the hospital calls the thing, never from MSH-10 or a row of the store, so a
//! resend, a replay and a second box name it alike. Identifier systems are the sender's own where it gives them
//! (ISO, URI), a published one from the table of authorities, or a URI below the site's name.

use uuid::Uuid;

use super::source::Via;
use crate::{
    event::{Authority, Coding},
    ids,
};

/// The root of Gurney's own identifier and code systems.
pub const BASE: &str = "https://gurney.example/fhir";

/// A business identity: what a conditional request looks for.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) system: String,
    pub(super) value: String,
}

impl Identity {
    /// One of Gurney's own kinds.
    pub(super) fn own(kind: &str, value: impl Into<String>) -> Self {
        Self { system: format!("{BASE}/id/{kind}"), value: value.into() }
    }

    /// The full URL of a resource of this type.
    pub(super) fn full_url(&self, resource: &str) -> String {
        let parts = [resource.as_bytes(), self.system.as_bytes(), self.value.as_bytes()];
        format!("urn:uuid:{}", ids::derive("entry", &parts).hyphenated())
    }

    /// The search that finds it, by this parameter. The bar between system and value stays as R4's examples write it.
    pub(super) fn search(&self, parameter: &str) -> String {
        format!("{parameter}={}|{}", query(&self.system), query(&self.value))
    }
}

/// What names a job.
pub(super) struct JobParts<'a> {
    pub(super) site: &'a str,
    pub(super) facility: &'a str,
    pub(super) by: &'a str,
    pub(super) authority: &'a str,
    pub(super) number: &'a str,
    pub(super) service: &'a str,
}

impl JobParts<'_> {
    /// The identity of its first leg. A ride back is an order of its own.
    pub(super) fn id(&self) -> Uuid {
        let parts = [self.site, self.facility, self.by, self.authority, self.number, self.service, "1"];
        ids::derive("job", &parts.map(str::as_bytes))
    }
}

/// The identifier system of an assigning authority. Below the site's name `kind` keeps the authority's number spaces
/// apart: its medical record numbers, visits and orders may look alike.
pub(super) fn authority_system(authority: &Authority, kind: &str, known: &Via, site: &str) -> String {
    let coding = Coding { code: authority.namespace.clone(), text: String::new(), system: String::new() };
    let listed = known.table.find(std::iter::once(&coding)).and_then(|code| code.meaning(known.column));
    if let Some(uri) = listed {
        return uri.to_string();
    }
    universal_system(authority).unwrap_or_else(|| {
        let authority = if authority.is_empty() { "-" } else { authority.name() };
        format!("{}/{}", local_system(site, "id", authority), escape(kind))
    })
}

/// A URI below the site's name.
pub(super) fn local_system(site: &str, kind: &str, name: &str) -> String {
    let name = if name.is_empty() { "L" } else { name };
    format!("{BASE}/{}/{kind}/{}", escape(site), escape(name))
}

fn universal_system(authority: &Authority) -> Option<String> {
    let id = authority.universal.as_str();
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
    match authority.universal_kind.as_str() {
        "ISO" if plain && id.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => Some(format!("urn:oid:{id}")),
        "UUID" | "GUID" => Uuid::try_parse(id).ok().map(|uuid| format!("urn:uuid:{}", uuid.hyphenated())),
        "URI" if plain && id.contains(':') => Some(id.to_owned()),
        _ => None,
    }
}

/// A part of a URI path: everything but RFC 3986 unreserved characters is percent-encoded.
fn escape(text: &str) -> String {
    encode(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

/// A value of a FHIR search: `\`, `$`, `,` and `|` are escaped (R4 search 3.1.1.4.9), then all that a query may not
/// hold is percent-encoded.
fn query(text: &str) -> String {
    let escaped = if text.contains(['\\', '$', ',', '|']) {
        let mut escaped = String::with_capacity(text.len() + 8);
        for c in text.chars() {
            if matches!(c, '\\' | '$' | ',' | '|') {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        escaped
    } else {
        text.to_owned()
    };
    encode(&escaped, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'/'))
}

fn encode(text: &str, keep: impl Fn(u8) -> bool) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().map_or('0', char::from);
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if keep(byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 0x0f)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_search_cannot_hold() {
        let identity = Identity { system: "urn:oid:1.2".to_owned(), value: "a|b, c&é".to_owned() };
        assert_eq!(identity.search("identifier"), "identifier=urn:oid:1.2|a%5C%7Cb%5C%2C%20c%26%C3%A9");
        assert_eq!(local_system("st mary", "id", ""), "https://gurney.example/fhir/st%20mary/id/L");
    }

    #[test]
    fn takes_only_universal_ids_that_are_uris() {
        let system = |universal: &str, kind: &str| {
            let (universal, universal_kind) = (universal.to_owned(), kind.to_owned());
            universal_system(&Authority { namespace: String::new(), universal, universal_kind })
        };
        assert_eq!(system("1.2.3", "ISO").as_deref(), Some("urn:oid:1.2.3"));
        assert_eq!(system("1.2.x", "ISO"), None);
        assert_eq!(system("https://mary.example/mrn", "URI").as_deref(), Some("https://mary.example/mrn"));
        assert_eq!(system("has blank:", "URI"), None);
        assert_eq!(system("mary.example", "DNS"), None);
    }
}
