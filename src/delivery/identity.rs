//! The identity a delivery carries to its destination.
//!
//! The key is the same over retries, restarts and a repeated send of the same message, and differs for every other
//! message, flow, destination or map version (INV-04). It names one effect, not one job: job identities never
//! contain MSH-10 and are made elsewhere. What a person has told of jobs later on, of the same message, is another
//! effect each time: it is told apart by its occasion.

use uuid::Uuid;

use crate::ids::{DeliveryKey, derive};

/// What a delivery key is made of.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'a> {
    /// The site's name.
    pub site: &'a str,
    /// The flow's name.
    pub flow: &'a str,
    /// The destination's name.
    pub destination: &'a str,
    /// Raw bytes of MSH-3, the sending application.
    pub msh3: &'a [u8],
    /// Raw bytes of MSH-4, the sending facility.
    pub msh4: &'a [u8],
    /// Raw bytes of MSH-10, the message control id.
    pub msh10: &'a [u8],
    /// Hash of the message's content: senders wrap their counters and use a control id again.
    pub content_hash: &'a [u8],
    /// What is sent: `raw`, or the map with its version.
    pub map_version: &'a str,
    /// Which telling of the message's jobs it is: 0 is what came of the message itself.
    pub occasion: u32,
}

/// Derives the key of one effect, sent as `Idempotency-Key`.
pub fn delivery_key(parts: &KeyParts<'_>) -> DeliveryKey {
    let occasion = parts.occasion.to_be_bytes();
    let all = [
        parts.site.as_bytes(),
        parts.flow.as_bytes(),
        parts.destination.as_bytes(),
        parts.msh3,
        parts.msh4,
        parts.msh10,
        parts.content_hash,
        parts.map_version.as_bytes(),
        &occasion,
    ];
    // The first occasion adds nothing, so that most keys depend on the message alone.
    let count = if parts.occasion == 0 { all.len() - 1 } else { all.len() };
    DeliveryKey(derive("delivery", all.get(..count).unwrap_or(&all)))
}

/// Writes the `traceparent` of a delivery (W3C Trace Context level 1): one trace per effect, so every try of it is
/// found under one id. Always sampled.
pub fn traceparent(key: DeliveryKey) -> String {
    let span = derive("span", &[key.0.as_bytes()]).as_u64_pair().0;
    format!("00-{}-{span:016x}-01", trace_id(key).simple())
}

fn trace_id(key: DeliveryKey) -> Uuid {
    derive("trace", &[key.0.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: KeyParts<'_> = KeyParts {
        site: "loopback",
        flow: "everything",
        destination: "platform",
        msh3: b"EHR",
        msh4: b"WEST",
        msh10: b"4711",
        content_hash: &[7; 32],
        map_version: "raw",
        occasion: 0,
    };

    #[test]
    fn keeps_the_key_of_a_message_for_good() {
        // A changed value here would make every waiting message of an upgraded box look new to its destination.
        assert_eq!(delivery_key(&PARTS).to_string(), "45bee91f-92ca-5476-85be-e5de331bc545");
    }

    #[test]
    fn tells_effects_apart_by_every_part() {
        let others = [
            KeyParts { site: "x", ..PARTS },
            KeyParts { flow: "x", ..PARTS },
            KeyParts { destination: "x", ..PARTS },
            KeyParts { msh3: b"x", ..PARTS },
            KeyParts { msh4: b"x", ..PARTS },
            KeyParts { msh10: b"x", ..PARTS },
            KeyParts { content_hash: b"x", ..PARTS },
            KeyParts { map_version: "transport@1", ..PARTS },
            KeyParts { occasion: 1, ..PARTS },
            KeyParts { occasion: 2, ..PARTS },
            KeyParts { msh3: b"EHRWEST", msh4: b"", ..PARTS },
        ];
        let keys: std::collections::HashSet<_> =
            others.iter().chain([&PARTS]).map(|parts| delivery_key(parts).0).collect();
        assert_eq!(keys.len(), others.len() + 1);
    }

    #[test]
    fn writes_a_valid_traceparent() {
        let text = traceparent(delivery_key(&PARTS));
        let fields: Vec<_> = text.split('-').collect();
        assert_eq!(fields.iter().map(|field| field.len()).collect::<Vec<_>>(), [2, 32, 16, 2]);
        assert!(fields.iter().all(|field| field.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))));
        assert_eq!(text, traceparent(delivery_key(&PARTS)));
    }
}
