//! What a link's settings and MSH say about acknowledging a message, before anything is known of the store: whether it
//! is admitted at all, its place in the sender's sequence, and what is to be told later.

use crate::{
    hl7::{
        Message,
        ack::{Mode, decide_mode},
        sequence::Number,
    },
    settings::{AckAfter, AckMode, Answering, Sequence},
};

use super::understood::{Fault, Later, Sequenced, short_hash};

/// What a link's acknowledgements follow from.
#[derive(Clone, Debug)]
pub(super) struct Manners {
    pub(super) ack: AckMode,
    pub(super) answering: Answering,
    /// Index into the settings' flows: the flow that carries this link's application acknowledgements.
    pub(super) flow: Option<usize>,
}

impl Manners {
    /// Whether `message` may come in, by MSH-11 and MSH-12 (standard order: type, version, processing id; the type is the
    /// flows' matter).
    pub(super) fn admit(&self, message: &Message<'_>) -> Result<(), (Fault, String)> {
        let version = message.version().trim_ascii();
        let versions = &self.answering.versions;
        if !versions.is_empty() && !versions.iter().any(|known| known.as_bytes() == version) {
            let detail = format!("MSH-12: expected {}, found {}", versions.join(" or "), another(version));
            return Err((Fault::UnsupportedVersion, detail));
        }
        let processing = message.processing_component().trim_ascii();
        let known = &self.answering.processing;
        if !known.is_empty() && !known.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(processing)) {
            let detail = format!("MSH-11: expected {}, found {}", known.join(" or "), another(processing));
            return Err((Fault::ProcessingId, detail));
        }
        Ok(())
    }

    /// The place of `message` in its sender's sequence; `None` on links that do not follow one.
    pub(super) fn sequenced(&self, message: &Message<'_>) -> Result<Option<Sequenced>, (Fault, String)> {
        if self.answering.sequence == Sequence::Off {
            return Ok(None);
        }
        let Some(number) = Number::read(message.sequence_number()) else {
            let detail =
                format!("MSH-13: expected an integer from -1 on, found {}", another(message.sequence_number()));
            return Err((Fault::SequenceNumber, detail));
        };
        let parts = [
            message.sending_application(),
            message.sending_facility(),
            message.receiving_application(),
            message.receiving_facility(),
        ];
        Ok(Some(Sequenced { stream: short_hash(&parts).cast_signed(), number }))
    }

    pub(super) const fn after(&self) -> AckAfter {
        self.answering.ack_after
    }

    /// The application acknowledgement that becomes a delivery, where there may be one.
    pub(super) fn later(&self, message: &Message<'_>) -> Option<Later> {
        let flow = self.flow?;
        let mode = decide_mode(self.ack, message);
        matches!(mode, Mode::Enhanced { .. }).then_some(Later { flow, mode })
    }
}

/// What was found, without saying what it was (INV-05).
const fn another(value: &[u8]) -> &'static str {
    if value.is_empty() { "nothing" } else { "something else" }
}
