//! Transaction Bundles (R4 "RESTful API", transaction; invariants bdl-1 to bdl-8).
//!
//! Every entry has a full URL and a request. A resource that is already in the Bundle is not added twice.

use std::collections::HashSet;

use super::{
    leaves::{Leaf, entry_leaves, weight},
    node::{Node, Object, Text},
};

/// What a transaction does with an entry.
#[derive(Clone, Debug)]
pub enum Request {
    /// POST, unless the search finds a resource.
    Create {
        /// The search of `ifNoneExist`, without `?`.
        unless: Text,
    },
    /// PUT over the one resource the search finds, or a new one.
    Put {
        /// The search, without `?`.
        over: Text,
    },
    /// PUT under an id that the sender chose.
    PutAs {
        /// The id, which the resource carries too.
        id: Text,
    },
}

/// A transaction under construction.
#[derive(Debug, Default)]
pub struct Bundle {
    entries: Vec<Node>,
    full_urls: HashSet<String>,
}

impl Bundle {
    /// Whether a resource with this full URL is in the Bundle.
    pub fn contains(&self, full_url: &str) -> bool {
        self.full_urls.contains(full_url)
    }

    /// Number of entries.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry, unless its full URL is already there.
    pub fn add(&mut self, kind: &Text, full_url: String, resource: Object, request: Request) {
        if self.contains(&full_url) {
            return;
        }
        let request = match request {
            Request::Create { unless } => {
                Object::new().with("method", "POST").with("url", kind.clone()).with("ifNoneExist", unless)
            }
            Request::Put { over } => {
                Object::new().with("method", "PUT").with("url", format!("{}?{}", kind.as_str(), over.as_str()))
            }
            Request::PutAs { id } => {
                Object::new().with("method", "PUT").with("url", format!("{}/{}", kind.as_str(), id.as_str()))
            }
        };
        let entry = Object::new().with("fullUrl", full_url.clone()).with("resource", resource).with("request", request);
        self.full_urls.insert(full_url);
        self.entries.push(Node::from(entry));
    }

    /// Every value, with its place.
    pub fn leaves(&self) -> Vec<Leaf> {
        entry_leaves(&self.entries)
    }

    /// About how many bytes it has.
    pub fn weight(&self) -> usize {
        self.entries.iter().map(weight).sum()
    }

    /// The Bundle as compact JSON.
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.entries.len() * ENTRY_BYTES_USUAL);
        out.extend_from_slice(br#"{"resourceType":"Bundle","type":"transaction","entry":"#);
        out.push(b'[');
        for (place, entry) in self.entries.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            entry.write(&mut out);
        }
        out.extend_from_slice(b"]}");
        out
    }
}

/// First guess of an entry's size, to grow the buffer once.
const ENTRY_BYTES_USUAL: usize = 1 << 10;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn holds_each_resource_once_with_its_request() {
        let mut bundle = Bundle::default();
        let patient = Text::from("Patient");
        for _ in 0..2 {
            let request = Request::Create { unless: Text::from("identifier=urn:x|1") };
            bundle.add(&patient, "urn:uuid:1".to_owned(), Object::resource("Patient"), request);
        }
        let request = Request::Put { over: Text::from("identifier=urn:x|2") };
        bundle.add(&Text::from("Task"), "urn:uuid:2".to_owned(), Object::resource("Task"), request);
        let request = Request::PutAs { id: Text::from("3") };
        bundle.add(&Text::from("Provenance"), "urn:uuid:3".to_owned(), Object::resource("Provenance"), request);
        assert_eq!(bundle.len(), 3);
        assert_eq!(
            String::from_utf8(bundle.render()).unwrap(),
            concat!(
                r#"{"resourceType":"Bundle","type":"transaction","entry":["#,
                r#"{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"},"#,
                r#""request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=urn:x|1"}},"#,
                r#"{"fullUrl":"urn:uuid:2","resource":{"resourceType":"Task"},"#,
                r#""request":{"method":"PUT","url":"Task?identifier=urn:x|2"}},"#,
                r#"{"fullUrl":"urn:uuid:3","resource":{"resourceType":"Provenance"},"#,
                r#""request":{"method":"PUT","url":"Provenance/3"}}]}"#
            )
        );
    }
}
