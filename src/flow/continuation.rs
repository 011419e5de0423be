//! Messages that come in parts: each part is a message of its own to the link and the journal, and what the flows take is
//! the whole.
//!
//! A part has its own control id, is stored as it came and acknowledged by itself. In each flow that takes messages of its
//! type it is *held* until all parts are there; then the parts are *filtered*, and the whole is one message more that was
//! received, with an outcome of its own (INV-02). The part that completes the whole is told what the whole is told.

use super::{
    Flows, Outcome, Record, Route, RouteVerdict, Understood,
    understood::{PartOf, short_hash},
};
use crate::{
    hl7::{
        Index, Message, Text,
        continuation::{Bounds, Part, body, family, join, place},
    },
    units::{Timestamp, limits},
};

/// Why a part is held.
pub const CONTINUATION: &str = "continuation";

/// A message made of its parts.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Its bytes, in the character set of its parts.
    pub raw: Vec<u8>,
    /// What it is.
    pub message: Understood,
}

impl Flows {
    /// How long a message of `link` may become.
    pub fn bounds(&self, link: usize) -> Bounds {
        Bounds { parts: limits::CONTINUATION_PARTS_MAX, bytes: self.frame_max(link) }
    }

    /// Puts a message together from its parts, from the first on, and reads it as if it had come whole when the last part
    /// did. Its number in the sender's sequence, its control id and its application acknowledgement are its parts' matter.
    /// `None` if a part cannot be read, which is not so for one that was known as a part.
    pub fn whole(&self, link: usize, received_at: Timestamp, parts: &[Vec<u8>]) -> Option<Whole> {
        let texts: Vec<Text<'_>> = parts.iter().map(|raw| Text::of(raw, self.charset(link))).collect();
        let indices: Vec<Index> = texts.iter().map(|text| Index::of(text.bytes())).collect::<Result<_, _>>().ok()?;
        let messages: Vec<Message<'_>> =
            texts.iter().zip(&indices).map(|(text, index)| index.message(text.bytes())).collect();
        let raw = texts.first()?.encode(join(&messages));
        let message = self.understand(link, received_at, &raw, &mut Index::default());
        Some(Whole {
            raw,
            message: Understood { fingerprint: None, sequence: None, later: None, part: None, ..message },
        })
    }
}

/// Whether `message` is a part, and of what.
pub(super) fn part_of(message: &Message<'_>) -> Option<(PartOf, &'static str)> {
    let place = place(message)?;
    let hash = |bytes: &[u8]| short_hash(&[bytes]).cast_signed();
    let part = Part {
        pointer: place.pointer.map(hash),
        next: place.next.map(hash),
        body: hash(body(message)),
        bytes: message.raw().len(),
    };
    Some((PartOf { family: short_hash(&family(message)).cast_signed(), part }, place.waits_for()))
}

/// What a flow makes of a part.
pub(super) fn held(flow: usize, waits_for: &str) -> Route {
    Route { flow, verdict: RouteVerdict::Hold { reason: CONTINUATION, detail: waits_for.to_owned() } }
}

/// The record of a part that completes its message: nothing is left to wait for, and its sender is told what became of the
/// whole.
pub fn joined(part: Record, whole: &Record) -> Record {
    let filtered = |(flow, outcome)| (flow, if outcome == Outcome::Held { Outcome::Filtered } else { outcome });
    Record {
        verdict: whole.verdict,
        aside: Vec::new(),
        outcomes: part.outcomes.into_iter().map(filtered).collect(),
        ..part
    }
}
