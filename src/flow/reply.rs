//! The acknowledgements of a message once its answer is known: the one that a link writes at once, and the one of the
//! application, which enhanced mode sends as the first message of a later exchange.
//!
//! Everything in them follows from the message and from what the store keeps (its id, its time, its verdict, what became of
//! its deliveries), so a repeat gets the same bytes as the original did, also after a restart. HL7 v2.5.1 chapter 2, 2.9.
//!
//! ```text
//! MSH-10   G<journal id>  an answer              R<time>  a message that was not stored
//!          A<journal id>  an application acknowledgement in an exchange of its own
//! ```

use super::{Fate, Fault, Original, Verdict};
use crate::{
    hl7::{
        Expected, Found, Index, Message, ParseError,
        ack::{self, Asks, Body, Code, Condition, Mode, Outcome, Reason, Stamp, decide_mode, time_text},
        sequence::Number,
    },
    settings::AckMode,
    units::Timestamp,
};

/// The mapping of a delivery that is an application acknowledgement.
pub const ACKNOWLEDGEMENT: &str = "ack@1";

/// What is written back, and what it is counted as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The acknowledgement.
    pub bytes: Vec<u8>,
    /// MSA-1.
    pub code: Code,
}

/// How a stored message is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// With one answer, which is the application's too.
    Once,
    /// With an answer, and where this is so with an application acknowledgement in a later exchange.
    Twice(Condition),
}

/// How `raw` asks to be answered on a link with this `setting`.
pub fn asked(raw: &[u8], index: &mut Index, setting: AckMode) -> Asked {
    if index.parse(raw).is_err() {
        return Asked::Once;
    }
    match decide_mode(setting, &Message::new(raw, index)) {
        Mode::Original => Asked::Once,
        Mode::Enhanced { application, .. } => Asked::Twice(application),
    }
}

/// Answers a stored message; `None` where none is due.
pub fn reply(
    raw: &[u8],
    index: &mut Index,
    setting: AckMode,
    original: &Original,
    zone: &jiff::tz::TimeZone,
) -> Option<Reply> {
    let outcome = outcome_of(original.verdict)?;
    let stamp = OwnedStamp::new(format!("G{}", original.journal), original.received_at, zone);
    let silence = Silence::Kept;
    let say = Say { outcome, fault: fault_of(original.verdict), expected: original.expected, silence };
    answer(raw, index, setting, &stamp, &say)
}

/// The acknowledgement of the application, once `fate` is known: the one answer of original mode, or the message of the
/// later exchange of enhanced mode; `None` where it is not due.
pub fn application(
    raw: &[u8],
    index: &mut Index,
    setting: AckMode,
    original: &Original,
    fate: Fate,
    zone: &jiff::tz::TimeZone,
) -> Option<Reply> {
    let (outcome, fault) = applied(original.verdict, fate)?;
    if asked(raw, index, setting) == Asked::Once {
        let stamp = OwnedStamp::new(format!("G{}", original.journal), original.received_at, zone);
        let say = Say { outcome, fault, expected: original.expected, silence: Silence::Kept };
        return answer(raw, index, setting, &stamp, &say);
    }
    let message = Message::new(raw, index);
    if is_order(&message, original.expected) {
        return None;
    }
    let code = decide_mode(setting, &message).exchanges(outcome).later?;
    Some(Reply { bytes: exchange(&message, original, fault.as_ref(), code, Asks::Never, zone), code })
}

/// An application acknowledgement as a delivery. That it is due was decided when it was queued.
pub fn delivery(message: &Message<'_>, original: &Original, fate: Fate, zone: &jiff::tz::TimeZone) -> Option<Vec<u8>> {
    let (outcome, fault) = applied(original.verdict, fate)?;
    Some(exchange(message, original, fault.as_ref(), outcome.application_code(), Asks::Accept, zone))
}

fn exchange(
    message: &Message<'_>,
    original: &Original,
    fault: Option<&ack::Fault>,
    code: Code,
    asks: Asks,
    zone: &jiff::tz::TimeZone,
) -> Vec<u8> {
    let stamp = OwnedStamp::new(format!("A{}", original.journal), original.received_at, zone);
    ack::compose(message, &stamp.borrow(), &Body { code, fault, expected: None, asks })
}

/// What the application says: the verdict, and where that was good, what became of the deliveries.
fn applied(verdict: Verdict, fate: Fate) -> Option<(Outcome, Option<ack::Fault>)> {
    let outcome = outcome_of(verdict)?;
    let text = match fate {
        _ if outcome != Outcome::Accept => return Some((outcome, fault_of(verdict))),
        Fate::Delivered => return Some((outcome, None)),
        Fate::Refused { status: 0 } => "not delivered: its destination refused it".to_owned(),
        Fate::Refused { status } => format!("not delivered: its destination refused it with status {status}"),
        Fate::TooOld => "not delivered: its destination did not take it in time".to_owned(),
    };
    Some((Outcome::Content, Some(ack::Fault { place: None, reason: Reason::InternalError, text })))
}

/// Answers a message that could not be stored, on links that say so rather than close. A sender that only asks for an
/// application acknowledgement hears it there.
pub fn refusal(
    raw: &[u8],
    index: &mut Index,
    setting: AckMode,
    now: Timestamp,
    zone: &jiff::tz::TimeZone,
) -> Option<Reply> {
    let text = "not stored: the gateway cannot take messages now, keep it and send it again".to_owned();
    let fault = ack::Fault { place: None, reason: Reason::InternalError, text };
    let stamp = OwnedStamp::new(format!("R{}", now.0), now, zone);
    let say = Say { outcome: Outcome::Error, fault: Some(fault), expected: None, silence: Silence::BrokenIfAsked };
    answer(raw, index, setting, &stamp, &say)
}

/// Answers a message that is not the next one of its sender's sequence. Always answers: without the number that is expected
/// the sender could not go on.
pub fn out_of_sequence(
    raw: &[u8],
    index: &mut Index,
    setting: AckMode,
    expected: i64,
    now: Timestamp,
    zone: &jiff::tz::TimeZone,
) -> Option<Reply> {
    let text = format!("not stored: expected sequence number {expected}");
    let fault = ack::Fault { place: "MSH-13".parse().ok(), reason: Reason::InternalError, text };
    let stamp = OwnedStamp::new(format!("R{}", now.0), now, zone);
    let say = Say { outcome: Outcome::Error, fault: Some(fault), expected: Some(expected), silence: Silence::Broken };
    answer(raw, index, setting, &stamp, &say)
}

/// Answers a frame that is too large to be taken; `head` is what is known of it.
pub fn oversize(head: &[u8], setting: AckMode, now: Timestamp, zone: &jiff::tz::TimeZone) -> Option<Reply> {
    let stamp = OwnedStamp::new(format!("R{}", now.0), now, zone);
    let error = ParseError { at: head.len(), expected: Expected::FewerBytes, found: Found::Nothing };
    let bytes = ack::for_unparsable(head, setting, &stamp.borrow(), &error)?;
    Some(Reply { code: code_of(&bytes), bytes })
}

/// What an answer says.
struct Say {
    outcome: Outcome,
    fault: Option<ack::Fault>,
    expected: Option<i64>,
    silence: Silence,
}

/// What is done where MSH-15 asks for no answer.
#[derive(Clone, Copy)]
enum Silence {
    /// None is given.
    Kept,
    /// The application's code is given where MSH-16 asks for it.
    BrokenIfAsked,
    /// The application's code is given.
    Broken,
}

fn answer(raw: &[u8], index: &mut Index, setting: AckMode, stamp: &OwnedStamp, say: &Say) -> Option<Reply> {
    if let Err(error) = index.parse(raw) {
        let bytes = ack::for_unparsable(raw, setting, &stamp.borrow(), &error)?;
        return Some(Reply { code: code_of(&bytes), bytes });
    }
    let message = Message::new(raw, index);
    let due = decide_mode(setting, &message).exchanges(say.outcome);
    let otherwise = match say.silence {
        // A sender that starts a sequence waits for its number.
        Silence::Kept if is_order(&message, say.expected) => Some(say.outcome.application_code()),
        Silence::Kept => None,
        Silence::BrokenIfAsked => due.later,
        Silence::Broken => Some(say.outcome.application_code()),
    };
    let code = due.first.or(otherwise)?;
    let body = Body { code, fault: say.fault.as_ref(), expected: say.expected, asks: Asks::Nothing };
    Some(Reply { bytes: ack::compose(&message, &stamp.borrow(), &body), code })
}

/// Whether the message is no message but starts or resynchronises a sequence.
fn is_order(message: &Message<'_>, expected: Option<i64>) -> bool {
    expected.is_some() && Number::read(message.sequence_number()).is_some_and(|number| number.of_message().is_none())
}

/// What the sender of a stored message is told; `None` where it is told nothing.
pub(super) const fn outcome_of(verdict: Verdict) -> Option<Outcome> {
    match verdict {
        Verdict::Silent => None,
        Verdict::Accept => Some(Outcome::Accept),
        Verdict::Reject(Fault::Internal) => Some(Outcome::Error),
        Verdict::Reject(Fault::Content { .. }) => Some(Outcome::Content),
        Verdict::Reject(_) => Some(Outcome::Reject),
    }
}

fn fault_of(verdict: Verdict) -> Option<ack::Fault> {
    let Verdict::Reject(fault) = verdict else { return None };
    let (place, reason, text) = match fault {
        Fault::Internal => ("", Reason::InternalError, "the gateway failed to decide on this message"),
        Fault::Unparsable => ("", Reason::SegmentSequence, "this is not an HL7 version 2 message"),
        Fault::NoMessageType => ("", Reason::UnsupportedMessageType, "MSH-9 names no message type"),
        Fault::UnsupportedVersion => ("MSH-12", Reason::UnsupportedVersion, "this link does not take this version"),
        Fault::UnsupportedType => ("MSH-9.1", Reason::UnsupportedMessageType, "this link does not take this message"),
        Fault::UnsupportedEvent => ("MSH-9.2", Reason::UnsupportedEventCode, "this link does not take this event"),
        Fault::ProcessingId => {
            ("MSH-11", Reason::UnsupportedProcessingId, "this link does not take this processing id")
        }
        Fault::SequenceNumber => ("MSH-13", Reason::DataType, "a sequence number is an integer from -1 on"),
        Fault::Content { reason, place } | Fault::Rejected { reason, place } => return Some(content(reason, place)),
    };
    Some(ack::Fault { place: place.parse().ok(), reason, text: format!("kept for a person: {text}") })
}

fn content(reason: Reason, place: Option<crate::hl7::Path>) -> ack::Fault {
    let (_, rule) = reason.entry();
    let at = place.map(|place| format!(" at {place}")).unwrap_or_default();
    ack::Fault { place, reason, text: format!("kept for a person: {}{at}", rule.to_lowercase()) }
}

fn code_of(bytes: &[u8]) -> Code {
    ack::read(bytes).ok().and_then(|reply| reply.code).unwrap_or(Code::Ar)
}

/// MSH-7 of an answer: `now` in the link's zone.
pub fn local(now: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    let instant = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    time_text(now, zone.to_offset(instant).seconds())
}

/// MSH-7 and MSH-10 of an acknowledgement.
struct OwnedStamp {
    at: String,
    control_id: String,
}

impl OwnedStamp {
    fn new(control_id: String, now: Timestamp, zone: &jiff::tz::TimeZone) -> Self {
        Self { at: local(now, zone), control_id }
    }

    fn borrow(&self) -> Stamp<'_> {
        Stamp { at: &self.at, control_id: &self.control_id }
    }
}

#[cfg(test)]
mod tests;
