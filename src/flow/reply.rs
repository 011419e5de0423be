//! The acknowledgement that a link writes once a message's answer is known.
//!
//! Everything in it follows from the message and from what the journal keeps (its id, its time, its verdict), so a repeat gets
//! the same bytes as the original did, also after a restart. HL7 v2.5.1 chapter 2, 2.9.

use super::{Fault, Original, Verdict};
use crate::{
    hl7::{
        Expected, Found, Index, Message, ParseError,
        ack::{self, Code, Outcome, Reason, Stamp, decide_mode, time_text},
    },
    settings::AckMode,
    units::Timestamp,
};

/// What is written back, and what it is counted as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The acknowledgement.
    pub bytes: Vec<u8>,
    /// MSA-1.
    pub code: Code,
}

/// Answers a stored message; `None` where none is due. `complaint` is what its link's profile refuses it for, with the place.
pub fn reply(
    raw: &[u8],
    index: &mut Index,
    setting: AckMode,
    original: &Original,
    zone: &jiff::tz::TimeZone,
    complaint: Option<&ack::Fault>,
) -> Option<Reply> {
    let control_id = format!("G{}", original.journal);
    let at = local(original.received_at, zone);
    let stamp = Stamp { at: &at, control_id: &control_id };
    match original.verdict {
        Verdict::Silent => None,
        Verdict::Accept => answer(raw, index, setting, &stamp, Outcome::Accept, None),
        Verdict::Reject(fault) => {
            let (outcome, reason) = rejection(fault);
            let plain = ack::Fault { place: None, reason, text: text(fault).to_owned() };
            answer(raw, index, setting, &stamp, outcome, Some(complaint.unwrap_or(&plain)))
        }
    }
}

/// Answers a message that could not be stored, on links that say so rather than close.
pub fn refusal(
    raw: &[u8],
    index: &mut Index,
    setting: AckMode,
    now: Timestamp,
    zone: &jiff::tz::TimeZone,
) -> Option<Reply> {
    let control_id = format!("R{}", now.0);
    let at = local(now, zone);
    let stamp = Stamp { at: &at, control_id: &control_id };
    let fault = ack::Fault {
        place: None,
        reason: Reason::InternalError,
        text: "not stored: the gateway cannot take messages now, keep it and send it again".to_owned(),
    };
    answer(raw, index, setting, &stamp, Outcome::Error, Some(&fault))
}

/// Answers a frame that is too large to be taken; `head` is what is known of it.
pub fn oversize(head: &[u8], setting: AckMode, now: Timestamp, zone: &jiff::tz::TimeZone) -> Option<Reply> {
    let at = local(now, zone);
    let control_id = format!("R{}", now.0);
    let stamp = Stamp { at: &at, control_id: &control_id };
    let error = ParseError { at: head.len(), expected: Expected::FewerBytes, found: Found::Nothing };
    let bytes = ack::for_unparsable(head, setting, &stamp, &error)?;
    Some(Reply { code: code_of(&bytes), bytes })
}

fn answer(
    raw: &[u8],
    index: &mut Index,
    setting: AckMode,
    stamp: &Stamp<'_>,
    outcome: Outcome,
    fault: Option<&ack::Fault>,
) -> Option<Reply> {
    if let Err(error) = index.parse(raw) {
        let bytes = ack::for_unparsable(raw, setting, stamp, &error)?;
        return Some(Reply { code: code_of(&bytes), bytes });
    }
    let message = Message::new(raw, index);
    let code = decide_mode(setting, &message).answer(outcome)?;
    Some(Reply { bytes: ack::build(&message, stamp, code, fault), code })
}

fn rejection(fault: Fault) -> (Outcome, Reason) {
    match fault {
        Fault::Internal => (Outcome::Error, Reason::InternalError),
        Fault::Unparsable => (Outcome::Reject, Reason::SegmentSequence),
        Fault::NoMessageType => (Outcome::Reject, Reason::UnsupportedMessageType),
        Fault::Content => (Outcome::Error, Reason::DataType),
        Fault::Rejected => (Outcome::Reject, Reason::DataType),
    }
}

const fn text(fault: Fault) -> &'static str {
    match fault {
        Fault::Internal => "kept for a person: the gateway failed to decide on this message",
        Fault::Unparsable => "kept for a person: this is not an HL7 version 2 message",
        Fault::Content | Fault::Rejected => "kept for a person: the message breaks the profile of this link",
        Fault::NoMessageType => "kept for a person: MSH-9 names no message type",
    }
}

fn code_of(bytes: &[u8]) -> Code {
    ack::read(bytes).ok().and_then(|reply| reply.code).unwrap_or(Code::Ar)
}

/// MSH-7 of an answer: `now` in the link's zone.
pub fn local(now: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    let instant = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    time_text(now, zone.to_offset(instant).seconds())
}
