//! Messages that are not HL7: records of laboratory instruments (LIS02), and lines of text.
//!
//! They have no acknowledgement of their own; the link's protocol says on the wire that a message is stored. What is no
//! message of records is kept for a person like an HL7 message that cannot be read.
//!
//! | | `on` | sent again when |
//! |---|---|---|
//! | LIS02 | `LIS02^R` and so on, by its most telling record; `LIS02` where it has none | sender (H-5), control id (H-3) and content are the same; a request (Q) without H-3 asks anew |
//! | text | `TEXT` | never: the same line twice says something twice |

use super::{Fault, Flows, Route, RouteVerdict, Understood, understand::content_hash, understood::short_hash};
use crate::{
    hl7::Text,
    ids::DeliveryKey,
    lis02::{self, Kind, Message, Outcome, Reason, Refusal},
    settings::{Content, Mapping},
    units::Timestamp,
};

/// What names a message to its destination, as MSH-3, MSH-4 and MSH-10 do in HL7.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The sender.
    pub sender: Vec<u8>,
    /// Its control id.
    pub control_id: Vec<u8>,
}

impl Flows {
    /// What the messages of a link are; HL7 where the link is not known.
    pub fn content(&self, link: usize) -> Content {
        self.contents.get(link).copied().unwrap_or(Content::Hl7)
    }

    /// Reads a message of records.
    pub(super) fn understand_records(&self, link: usize, raw: &[u8], understood: &mut Understood) {
        let text = Text::of(raw, self.charset(link));
        let message = match Message::parse(text.bytes()) {
            Ok(message) => message,
            Err(error) => {
                understood.fault = Some((Fault::Unparsable, error.to_string()));
                return;
            }
        };
        let about = message.about();
        let trigger = about.map(|kind| kind.letter().to_string()).unwrap_or_default();
        understood.kind = if trigger.is_empty() { LIS02.to_owned() } else { format!("{LIS02}^{trigger}") };
        understood.fingerprint = fingerprint(&message);
        let mut routes = Vec::new();
        for flow in self.takers_of(link, LIS02, &trigger) {
            let verdict = match self.flow(flow).map(|flow| &flow.mapping) {
                Some(mapping) if *mapping == Mapping::observation_report() => {
                    let made = lis02::report(&message, &self.report_context(link, &text, understood.received_at, ""));
                    verdict(link, made)
                }
                _ => in_order(link),
            };
            routes.push(Route { flow, verdict });
        }
        understood.routes = routes;
    }

    /// Takes a line of text.
    pub(super) fn understand_text(&self, link: usize, understood: &mut Understood) {
        understood.kind = TEXT.to_owned();
        let taken = self.takers_of(link, TEXT, "");
        understood.routes = taken.into_iter().map(|flow| Route { flow, verdict: in_order(link) }).collect();
    }

    /// The HL7 message of a stored message of records, under the key of its delivery; `None` where it has none any more.
    pub fn observation_report(
        &self,
        link: Option<usize>,
        raw: &[u8],
        received_at: Timestamp,
        key: DeliveryKey,
    ) -> Option<Vec<u8>> {
        let text = Text::of(raw, link.and_then(|link| self.charset(link)));
        let message = Message::parse(text.bytes()).ok()?;
        let control_id = control_id(key);
        let context = self.report_context(link.unwrap_or(usize::MAX), &text, received_at, &control_id);
        match lis02::report(&message, &context) {
            Ok(Outcome::Report(bytes)) => Some(bytes),
            Ok(Outcome::NotApplicable) | Err(_) => None,
        }
    }

    fn report_context<'a>(
        &'a self,
        link: usize,
        text: &Text<'_>,
        received_at: Timestamp,
        control_id: &'a str,
    ) -> lis02::Context<'a> {
        let (site, zone) = self.place_of(link);
        lis02::Context { site, zone, encoding: text.configured(), received_at, control_id }
    }
}

/// The sender and control id of a stored message of records.
pub fn named(raw: &Text<'_>) -> Named {
    let message = Message::parse(raw.bytes());
    message.map_or_else(
        |_| Named::default(),
        |message| Named { sender: message.sender().to_vec(), control_id: message.control_id().to_vec() },
    )
}

/// MSH-10 of a report: 80 bits of its delivery's key, since HL7 v2.5.1 has room for 20 characters. The same delivery has the
/// same one, whenever it is made.
fn control_id(key: DeliveryKey) -> String {
    let digits = key.0.simple().to_string().to_uppercase();
    digits.chars().take(20).collect()
}

/// Messages of one instrument keep their order: one may correct another.
fn in_order(link: usize) -> RouteVerdict {
    RouteVerdict::Deliver { ordering_key: short_hash(&[b"link", &link.to_be_bytes()]) }
}

fn verdict(link: usize, made: Result<Outcome, Refusal>) -> RouteVerdict {
    let refusal = match made {
        Ok(Outcome::Report(_)) => return in_order(link),
        Ok(Outcome::NotApplicable) => return RouteVerdict::NotApplicable,
        Err(refusal) => refusal,
    };
    let (reason, detail) = (refusal.reason.as_str(), refusal.to_string());
    match refusal.reason {
        Reason::UnmappedCode => RouteVerdict::Quarantine { reason, detail },
        Reason::MissingField | Reason::UnreadableValue | Reason::BrokenOff | Reason::TooLarge => {
            RouteVerdict::Hold { reason, detail }
        }
    }
}

fn fingerprint(message: &Message<'_>) -> Option<i64> {
    let control_id = message.control_id();
    if control_id.is_empty() && message.about() == Some(Kind::Request) {
        return None;
    }
    let bytes = message.records().iter().flat_map(|record| [record.bytes(), b"\r"].concat());
    // Without a control id the content alone tells messages apart.
    let content = if control_id.is_empty() { content_hash(&bytes.collect::<Vec<_>>()).to_vec() } else { Vec::new() };
    Some(short_hash(&[b"lis02", message.sender(), control_id, &content]).cast_signed())
}

/// The code of messages of records, in place of MSH-9.1.
const LIS02: &str = "LIS02";
/// The code of lines of text.
const TEXT: &str = "TEXT";

#[cfg(test)]
mod tests;
