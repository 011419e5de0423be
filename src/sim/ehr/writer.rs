//! Writes HL7 segments into one string, field by number, without a tree: the generator's pen.
//!
//! Fields are given in rising order; skipped ones come out empty. Escapes nothing: the generator's words hold no
//! delimiter. HL7 v2.5.1 ch. 2 §2.6.

use std::fmt::{Display, Write};

/// A message in the making.
#[derive(Debug)]
pub(super) struct Writer {
    out: String,
    end: &'static str,
    field: usize,
}

impl Writer {
    /// Begins a message whose segments end with `end`.
    pub(super) fn new(end: &'static str, capacity: usize) -> Self {
        Self { out: String::with_capacity(capacity), end, field: 0 }
    }

    /// Begins a segment.
    pub(super) fn segment(&mut self, name: &str) -> &mut Self {
        if !self.out.is_empty() {
            self.out.push_str(self.end);
        }
        self.out.push_str(name);
        self.field = 0;
        self
    }

    /// Begins the header: MSH-1 and MSH-2.
    pub(super) fn header(&mut self, encoding: &str) -> &mut Self {
        self.segment("MSH");
        self.out.push('|');
        self.out.push_str(encoding);
        self.field = 2;
        self
    }

    /// Writes field `number`.
    pub(super) fn field(&mut self, number: usize, value: impl Display) -> &mut Self {
        debug_assert!(number > self.field, "fields rise");
        while self.field < number {
            self.out.push('|');
            self.field += 1;
        }
        write!(self.out, "{value}").ok(); // writing to a string cannot fail
        self
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// Ends the last segment and hands over the message.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.push_str(self.end);
        self.out.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_fields_by_their_number() {
        let mut writer = Writer::new("\r", 64);
        writer.header("^~\\&").field(3, "A").field(9, "ADT^A01");
        writer.segment("PV1").field(2, "I").field(19, 7);
        assert_eq!(writer.finish(), b"MSH|^~\\&|A||||||ADT^A01\rPV1||I|||||||||||||||||7\r");
    }
}
