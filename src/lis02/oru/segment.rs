//! A segment in the making.

use std::collections::BTreeMap;

/// A segment: its fields by their numbers, as they are written.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    name: &'static str,
    fields: BTreeMap<usize, Vec<u8>>,
}

impl Segment {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, fields: BTreeMap::new() }
    }

    /// Sets a field to bytes that are escaped already; empty ones leave it absent.
    pub(super) fn set(&mut self, field: usize, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.fields.insert(field, bytes);
        }
    }

    /// Whether no field is set.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Writes it, if any field is set.
    pub(super) fn write_unless_empty(&self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            self.write(out);
        }
    }

    /// Writes it with its end.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
        let mut written = 0;
        for (field, bytes) in &self.fields {
            out.extend(std::iter::repeat_n(b'|', field.saturating_sub(written)));
            out.extend_from_slice(bytes);
            written = *field;
        }
        out.push(b'\r');
    }
}

/// Joins parts, without the empty ones at the end.
pub(super) fn joined(mut parts: Vec<Vec<u8>>, separator: u8) -> Vec<u8> {
    while parts.last().is_some_and(Vec::is_empty) {
        parts.pop();
    }
    parts.join(&separator)
}
