//! Typed identifiers.
//!
//! Row ids come from the store and never leave the box except as `X-Gurney-Message`. Names come from the
//! configuration and are cheap to clone. Uuids are derived (RFC 9562 version 5), so the same message gives the
//! same identity over retries, restarts and replays.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

macro_rules! row_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row_id! {
    /// A message as it was taken in: its place in the journal, in arrival order.
    JournalId
}
row_id! {
    /// One delivery of one message to one destination, in the order in which it was decided.
    OutboxId
}

/// The name of a link, flow or destination, from the configuration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// Makes a name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

/// The namespace of every identity that Gurney derives.
pub const NAMESPACE: Uuid =
    Uuid::from_bytes([0x5e, 0x1b, 0x0a, 0x6c, 0x3d, 0x0f, 0x4c, 0x52, 0x9b, 0x7e, 0x21, 0x64, 0xc7, 0x0d, 0x9f, 0x11]);

/// Derives a version 5 UUID from a `kind` and its `parts`. Parts are length-prefixed, so no two different lists
/// of parts meet.
pub fn derive(kind: &str, parts: &[&[u8]]) -> Uuid {
    let mut name = Vec::with_capacity(kind.len() + parts.iter().map(|part| part.len() + 8).sum::<usize>());
    name.extend_from_slice(kind.as_bytes());
    for part in parts {
        name.extend_from_slice(&(part.len() as u64).to_be_bytes());
        name.extend_from_slice(part);
    }
    Uuid::new_v5(&NAMESPACE, &name)
}

/// The identity of one effect at one destination: sent as `Idempotency-Key`, the same over retries, restarts and a
/// repeated send of the same message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryKey(pub Uuid);

impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Uuid::try_parse(&text).map(Self).map_err(|_| de::Error::custom("expected a UUID"))
            }
        }
    };
}

uuid_id! {
    /// The identity of a job: the same for every message about it, and what the platform knows it by.
    JobId
}
uuid_id! {
    /// The identity of the visit (or of the order set without one) whose jobs belong together.
    GroupId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_different_ids_when_parts_are_cut_elsewhere() {
        assert_ne!(derive("job", &[b"ab", b"c"]), derive("job", &[b"a", b"bc"]));
        assert_ne!(derive("job", &[b"a"]), derive("key", &[b"a"]));
        assert_eq!(derive("job", &[b"a"]), derive("job", &[b"a"]));
    }
}
