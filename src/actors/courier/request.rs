//! What a delivery looks like on the wire: name, headers and body, made from the stored message alone.

use super::Plan;
use crate::{
    delivery::{KeyParts, delivery_key, traceparent},
    flow::{ACKNOWLEDGEMENT, Named, Original, delivery, named},
    hl7::{Encoding, Index, Message, Text},
    mapping::Told,
    settings::{Content as Source, Mapping},
    store::{
        reader::Due,
        rows::{RAW, mapping_word},
    },
    uplink::{Content, Delivery},
};

/// Why a delivery cannot be made. What can refuse a message was asked before its acknowledgement, so each of these is a fault of
/// the configuration since then.
pub(super) enum Error {
    /// The flow is no longer configured.
    NoFlow,
    /// The map is no longer there, or no longer takes the message.
    NoMap,
}

impl Error {
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::NoFlow => "its flow is no longer configured",
            Self::NoMap => "its map is gone or no longer takes it",
        }
    }
}

/// `told` is what it tells of jobs; nothing for a delivery that is the message itself.
pub(super) fn build(plan: &Plan, due: &Due, told: &[Told]) -> Result<Delivery, Error> {
    let flow = plan.names.flow_index(due.waiting.flow).and_then(|flow| plan.flows.flow(flow)).ok_or(Error::NoFlow)?;
    let link = plan.names.links.iter().position(|row| *row == due.message.link);
    let text = Text::of(&due.message.raw, link.and_then(|link| plan.flows.charset(link)));
    let source = source(plan, due, link);
    let mut index = Index::default();
    let is_message = source == Source::Hl7 && index.parse(text.bytes()).is_ok();
    let message = is_message.then(|| Message::new(text.bytes(), &index));
    let part = |read: fn(&Message<'_>) -> Vec<u8>| message.as_ref().map(read).unwrap_or_default();
    let named = if source == Source::Lis02 { named(&text) } else { Named::default() };
    let key = delivery_key(&KeyParts {
        site: &plan.site,
        flow: flow.name.as_str(),
        destination: plan.settings.name.as_str(),
        msh3: &[named.sender, part(|message| message.sending_application().to_vec())].concat(),
        msh4: &part(|message| message.sending_facility().to_vec()),
        msh10: &[named.control_id, part(|message| message.control_id().to_vec())].concat(),
        content_hash: &due.message.content_hash,
        map_version: &due.mapping,
        occasion: due.occasion,
    });
    let (content, content_type, body) = if due.mapping == RAW {
        let content = match source {
            Source::Hl7 => Content::Hl7,
            Source::Lis02 => Content::Lis02,
            Source::Text => Content::Text,
        };
        let content_type = match source {
            Source::Hl7 => raw_type(&text, message.as_ref()),
            Source::Lis02 | Source::Text => plain_type(&text, &due.message.raw),
        };
        (content, content_type, due.message.raw.clone())
    } else if due.mapping == mapping_word(&Mapping::observation_report()) {
        let stored = &due.message;
        let body = plan.flows.observation_report(link, &stored.raw, stored.received_at, key).ok_or(Error::NoMap)?;
        (Content::Hl7, "application/hl7-v2; charset=utf-8".to_owned(), body)
    } else if due.mapping == ACKNOWLEDGEMENT {
        let body = message.as_ref().and_then(|message| acknowledgement(plan, due, message)).ok_or(Error::NoMap)?;
        (Content::Hl7, raw_type(&text, message.as_ref()), text.encode(body))
    } else if !told.is_empty() {
        let stored = &due.message;
        let body =
            plan.flows.tell(&due.mapping, told, stored.received_at, stored.content_hash).map_err(|_| Error::NoMap)?;
        let body = body.render();
        (Content::Fhir, "application/fhir+json; charset=utf-8".to_owned(), body)
    } else {
        let stored = &due.message;
        let body = plan
            .flows
            .render(&due.mapping, link, &stored.raw, stored.received_at, stored.content_hash)
            .ok_or(Error::NoMap)?;
        (Content::Fhir, "application/fhir+json; charset=utf-8".to_owned(), body)
    };
    let headers = vec![
        ("content-type", content_type),
        ("idempotency-key", key.to_string()),
        ("x-gurney-message", due.message.id.to_string()),
        ("x-gurney-flow", flow.name.to_string()),
        ("traceparent", traceparent(key)),
    ];
    let name = match due.occasion {
        0 => format!("{}-{}", flow.name, due.message.id),
        occasion => format!("{}-{}-{occasion}", flow.name, due.message.id),
    };
    Ok(Delivery { name, key: key.to_string(), content, headers, body })
}

/// What the message is by its link. Where that is no longer configured, by what is to be made of it or by itself.
fn source(plan: &Plan, due: &Due, link: Option<usize>) -> Source {
    match link {
        Some(link) => plan.flows.content(link),
        None if due.mapping == mapping_word(&Mapping::observation_report()) => Source::Lis02,
        None => Source::Hl7,
    }
}

/// The application acknowledgement of a stored message, from what its journal row keeps.
fn acknowledgement(plan: &Plan, due: &Due, message: &Message<'_>) -> Option<Vec<u8>> {
    let stored = &due.message;
    let link = plan.names.links.iter().position(|row| *row == stored.link);
    let zone = link.map_or(jiff::tz::TimeZone::UTC, |link| plan.flows.zone(link));
    let (journal, received_at, verdict) = (stored.id, stored.received_at, stored.verdict);
    delivery(message, &Original { journal, received_at, verdict, expected: None }, stored.fate, &zone)
}

/// Text that names no character set: the link's own, else what the bytes are.
fn plain_type(text: &Text<'_>, raw: &[u8]) -> String {
    let own = text.source().or_else(|| text.configured());
    let by_bytes = if Encoding::UTF_8.fits(raw) { "utf-8" } else { "iso-8859-1" };
    format!("text/plain; charset={}", own.map_or(by_bytes, Encoding::name))
}

fn raw_type(text: &Text<'_>, message: Option<&Message<'_>>) -> String {
    let read = || message.map_or("utf-8", |message| message.charset(text.configured()).encoding().name());
    let charset = text.source().map_or_else(read, Encoding::name);
    format!("application/hl7-v2; charset={charset}")
}
