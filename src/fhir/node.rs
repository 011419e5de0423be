//! Values of FHIR JSON: text, decimals, flags, lists and objects.
//!
//! Writes compact JSON. Does not parse JSON.

use std::{fmt, sync::Arc};

/// A string that is constant, shared with a map, or made for one message. Only what is owned is masked where people look at
/// results, so what came from a message is never made static or shared.
#[derive(Clone)]
pub enum Text {
    /// A constant of the program.
    Static(&'static str),
    /// A string of a map or table.
    Shared(Arc<str>),
    /// A string made for this message.
    Owned(String),
}

impl Text {
    /// The string.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
            Self::Owned(text) => text,
        }
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}

impl From<&Arc<str>> for Text {
    fn from(text: &Arc<str>) -> Self {
        Self::Shared(Arc::clone(text))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Owned(text)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<fhir>")
    }
}

/// One value.
#[derive(Clone)]
pub enum Node {
    /// A string, code, uri, date or the like.
    Text(Text),
    /// A decimal, with the digits it came with; made by [`decimal`].
    Number(String),
    /// A boolean.
    Flag(bool),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Object),
}

impl Node {
    /// Whether FHIR JSON forbids this value: an empty string, list or object.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.as_str().is_empty(),
            Self::Number(digits) => digits.is_empty(),
            Self::Flag(_) => false,
            Self::List(items) => items.is_empty(),
            Self::Object(object) => object.is_empty(),
        }
    }

    /// Appends the value as compact JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => write_string(text.as_str(), out),
            Self::Number(digits) => out.extend_from_slice(digits.as_bytes()),
            Self::Flag(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            Self::List(items) => write_list(items, out),
            Self::Object(object) => object.write(out),
        }
    }
}

impl<T: Into<Text>> From<T> for Node {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

impl From<Object> for Node {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<Vec<Self>> for Node {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<fhir>")
    }
}

/// An object whose members keep the order in which they were set.
#[derive(Clone, Default)]
pub struct Object(Vec<(Text, Node)>);

impl Object {
    /// An object without members.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A resource of this type.
    pub fn resource(kind: impl Into<Text>) -> Self {
        let mut object = Self(Vec::with_capacity(16));
        object.set("resourceType", kind.into());
        object
    }

    /// Whether nothing was set.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The member of this name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.0.iter().find(|(key, _)| key.as_str() == name).map(|(_, node)| node)
    }

    /// The members, in order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(key, node)| (key.as_str(), node))
    }

    /// Whether a member is this text.
    pub fn has(&self, name: &str, text: &str) -> bool {
        matches!(self.get(name), Some(Node::Text(found)) if found.as_str() == text)
    }

    /// Sets a member in place of an earlier one; an empty value changes nothing.
    pub fn set(&mut self, name: impl Into<Text>, value: impl Into<Node>) {
        let (name, value) = (name.into(), value.into());
        if value.is_empty() {
            return;
        }
        if let Some((_, node)) = self.0.iter_mut().find(|(key, _)| key.as_str() == name.as_str()) {
            *node = value;
            return;
        }
        self.0.push((name, value));
    }

    /// Sets a member where there is a value.
    pub fn set_some(&mut self, name: &'static str, value: Option<impl Into<Node>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Sets a member and gives the object back.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Node>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets all members of another object.
    pub fn absorb(&mut self, other: Self) {
        for (name, value) in other.0 {
            self.set(name, value);
        }
    }

    /// Appends to a list, which begins with its first item; an empty value changes nothing.
    pub fn push(&mut self, name: impl Into<Text>, value: impl Into<Node>) {
        let value = value.into();
        if value.is_empty() {
            return;
        }
        if let Node::List(items) = self.member(name.into(), || Node::List(Vec::new())) {
            items.push(value);
        }
    }

    /// The object under this name, made where absent. Only for callers that set something in it at once.
    pub fn child(&mut self, name: impl Into<Text>) -> Option<&mut Self> {
        match self.member(name.into(), || Node::Object(Self::new())) {
            Node::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The first object of the list under this name, made where absent. Only for callers that set something in it.
    pub fn first_child(&mut self, name: impl Into<Text>) -> Option<&mut Self> {
        match self.member(name.into(), || Node::List(vec![Node::Object(Self::new())])) {
            Node::List(items) => match items.first_mut() {
                Some(Node::Object(object)) => Some(object),
                _ => None,
            },
            _ => None,
        }
    }

    /// Appends the object as compact JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (place, (name, value)) in self.0.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            write_string(name.as_str(), out);
            out.push(b':');
            value.write(out);
        }
        out.push(b'}');
    }

    fn member(&mut self, name: Text, make: impl FnOnce() -> Node) -> &mut Node {
        let place = self.0.iter().position(|(key, _)| key.as_str() == name.as_str()).unwrap_or_else(|| {
            self.0.push((name, make()));
            self.0.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the place was found or pushed just above")]
        &mut self.0[place].1
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<fhir>")
    }
}

/// A string as FHIR allows it: no control characters except tab, CR and LF, no white space around it, never empty.
pub fn clean(text: &str) -> Option<String> {
    let allowed = |c: &char| !c.is_control() || matches!(c, '\t' | '\r' | '\n');
    let kept = if text.chars().all(|c| allowed(&c)) {
        text.trim().to_owned()
    } else {
        text.chars().filter(allowed).collect::<String>().trim().to_owned()
    };
    (!kept.is_empty()).then_some(kept)
}

/// An HL7 NM as a JSON number with the same digits: sign `+`, leading zeros and a bare point are mended; anything
/// else is not a number.
pub fn decimal(text: &str) -> Option<Node> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let has_digits = !whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty());
    if !has_digits || digits.len() > DECIMAL_DIGITS_MAX || !is_digits(whole) || !fraction.is_none_or(is_digits) {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        rest => rest,
    };
    Some(Node::Number(match fraction {
        Some(fraction) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
        _ => format!("{sign}{whole}"),
    }))
}

/// Digits of a decimal: FHIR asks implementations for at least 18.
const DECIMAL_DIGITS_MAX: usize = 18;

fn write_list(items: &[Node], out: &mut Vec<u8>) {
    out.push(b'[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        item.write(out);
    }
    out.push(b']');
}

/// Writes a JSON string (RFC 8259 section 7).
fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                for nibble in [byte >> 4, byte & 0x0f] {
                    out.push(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
                }
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    fn json(node: &Node) -> String {
        let mut out = Vec::new();
        node.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn leaves_out_what_is_empty() {
        let mut object = Object::resource("Patient");
        object.set("gender", "");
        object.set("name", Vec::<Node>::new());
        object.set("maritalStatus", Object::new());
        object.push("telecom", Object::new());
        object.set_some("birthDate", None::<&'static str>);
        assert_eq!(json(&object.into()), r#"{"resourceType":"Patient"}"#);
    }

    #[test]
    fn keeps_the_order_of_members_and_replaces_in_place() {
        let mut object = Object::new().with("b", "1").with("a", "2");
        object.set("b", "3");
        object.push("list", "x");
        object.push("list", Node::Flag(true));
        object.child("deep").unwrap().set("er", "y");
        object.first_child("rows").unwrap().set("one", "1");
        object.first_child("rows").unwrap().set("two", "2");
        assert_eq!(
            json(&object.into()),
            r#"{"b":"3","a":"2","list":["x",true],"deep":{"er":"y"},"rows":[{"one":"1","two":"2"}]}"#
        );
    }

    #[test]
    fn keeps_the_digits_of_decimals() {
        let cases = [
            ("82.50", Some("82.50")),
            ("+007", Some("7")),
            (" -.5 ", Some("-0.5")),
            ("12.", Some("12")),
            ("0", Some("0")),
            ("1e3", None),
            ("", None),
            (".", None),
            ("-", None),
            ("12,5", None),
            ("NaN", None),
            ("1234567890123456789012", None),
        ];
        for (text, expected) in cases {
            assert_eq!(decimal(text).map(|node| json(&node)).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn cleans_text() {
        assert_eq!(clean("  a\u{0}b\u{7f}\tc\n ").as_deref(), Some("ab\tc"));
        assert_eq!(clean(" \u{1b} "), None);
    }

    #[test]
    fn prints_no_patient_data() {
        let node = Node::from(Object::new().with("family", "Quill"));
        assert!(!format!("{node:?} {:?}", Text::from("Quill")).contains("Quill"));
    }

    proptest! {
        #[test]
        fn writes_json_that_others_read_back(text in any::<String>(), number in -1.0e9f64..1.0e9) {
            let digits = format!("{number:.3}");
            let node = Node::List(vec![Node::from(text.clone()), decimal(&digits).unwrap()]);
            let read: serde_json::Value = serde_json::from_str(&json(&node)).unwrap();
            prop_assert_eq!(read[0].as_str(), Some(text.as_str()));
            prop_assert_eq!(read[1].as_f64(), digits.parse().ok());
        }
    }
}
