//! Reading a message for the flows of its link, before anything is known of the store.

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::tz::TimeZone;

use super::{
    By, Fault, Route, RouteVerdict, Understood,
    acknowledge::Manners,
    continuation::{held, part_of},
    jobs::Desk,
    maps::InUse,
    understood::short_hash,
};
use crate::{
    hl7::{
        Encoding, Index, Message, ParseError, Text, ack,
        continuation::{place, unfold},
        profile::{Findings, Level, Profile, Profiles, Rule, validate},
    },
    job::Policy,
    mapping::{self, Missing, Prepared, Refusal, Registry, STANDARD, Told},
    settings::{AckAfter, Content, DialectRef, Flow, Link, Settings, Unrouted},
    units::Timestamp,
};

/// The flows of a site, ready to read messages.
#[derive(Clone, Debug)]
pub struct Flows {
    flows: Vec<Flow>,
    by_link: Vec<Vec<usize>>,
    manners: Vec<Manners>,
    zones: Vec<TimeZone>,
    charsets: Vec<Option<Encoding>>,
    dialects: Vec<DialectRef>,
    pub(super) contents: Vec<Content>,
    frames: Vec<usize>,
    pub(super) in_use: Arc<InUse>,
    profiles: Vec<Option<Arc<Profile>>>,
    site: String,
    utc: TimeZone,
    policy: Policy,
    /// Names.
    pub(super) links: Vec<String>,
}

impl Flows {
    /// Prepares the flows of `settings`.
    pub fn new(settings: &Settings, registry: Arc<Registry>) -> Self {
        let of_link = |link| {
            let is_from = |at: &usize| {
                settings.flows.get(*at).is_some_and(|flow| flow.from == link && !flow.is_acknowledgement())
            };
            (0..settings.flows.len()).filter(is_from).collect()
        };
        let carrier = |link| settings.flows.iter().position(|flow| flow.from == link && flow.is_acknowledgement());
        let manners = |(at, link): (usize, &Link)| Manners {
            ack: link.ack,
            answering: link.answering.clone(),
            flow: carrier(at),
        };
        let zone = |name: &str| jiff::tz::db().get(name).unwrap_or(TimeZone::UTC);
        Self {
            flows: settings.flows.clone(),
            by_link: (0..settings.links.len()).map(of_link).collect(),
            manners: settings.links.iter().enumerate().map(manners).collect(),
            dialects: settings.links.iter().map(|link| link.dialect.clone()).collect(),
            in_use: Arc::new(InUse::new(registry, settings.flows.iter().map(|flow| &flow.mapping))),
            profiles: vec![None; settings.links.len()],
            site: settings.site.clone(),
            utc: TimeZone::UTC,
            policy: Policy::default(),
            links: settings.links.iter().map(|link| link.name.to_string()).collect(),
            contents: settings.links.iter().map(|link| link.content).collect(),
            frames: settings.links.iter().map(|link| usize::try_from(link.frame_max.0).unwrap_or(usize::MAX)).collect(),
            charsets: settings
                .links
                .iter()
                .map(|link| link.charset.and_then(|set| Encoding::named(set.name())))
                .collect(),
            zones: settings.links.iter().map(|link| zone(link.zone.as_ref().unwrap_or(&settings.zone))).collect(),
        }
    }

    /// The same, with the profiles that the links of `settings` name.
    #[must_use]
    pub fn with_profiles(self, settings: &Settings, profiles: &Profiles) -> Self {
        let of_link = |link: &Link| link.profile.as_ref().and_then(|of| profiles.get(&of.name, of.version).cloned());
        Self { profiles: settings.links.iter().map(of_link).collect(), ..self }
    }

    fn findings(&self, link: usize, message: &Message<'_>) -> Option<Findings> {
        let profile = self.profiles.get(link)?.as_ref()?;
        Some(validate(message, profile))
    }

    /// A flow, by its index in the settings.
    pub fn flow(&self, index: usize) -> Option<&Flow> {
        self.flows.get(index)
    }

    /// All flows, as the settings have them.
    pub fn all(&self) -> &[Flow] {
        &self.flows
    }

    /// The zone of a link's times.
    pub fn zone(&self, link: usize) -> TimeZone {
        self.zones.get(link).cloned().unwrap_or(TimeZone::UTC)
    }

    /// The character set that a link was given.
    pub fn charset(&self, link: usize) -> Option<Encoding> {
        self.charsets.get(link).copied().flatten()
    }

    /// The largest frame of a link, in bytes.
    pub(super) fn frame_max(&self, link: usize) -> usize {
        self.frames.get(link).copied().unwrap_or_default()
    }

    /// The Bundle that tells of jobs, as `mapping` (`name@version`) makes it, or what keeps it from being made. Each job is
    /// read in the dialect and the zone of the link that it was wanted over.
    pub fn tell(
        &self,
        mapping: &str,
        told: &[Told],
        received_at: Timestamp,
        content_hash: [u8; 32],
    ) -> Result<Prepared, Refusal> {
        let mut refusal = Refusal::default();
        let mut prepared = Prepared::default();
        for told in told {
            let link = self.links.iter().position(|link| *link == told.link);
            let context = self.context(link, None, received_at, content_hash);
            match self.map(mapping).map(|map| map.tell(told, &context, &mut prepared)) {
                Some(Ok(())) => {}
                Some(Err(found)) => refusal.merge(found),
                None => refusal.missing.push(Missing { what: "map".into(), from: vec![mapping.into()] }),
            }
        }
        if refusal.is_empty() { Ok(prepared) } else { Err(refusal) }
    }

    /// What decides about the jobs of a flow; nothing for flows without.
    pub(super) fn desk(&self, flow: usize, message: &Understood, by: By, now: Timestamp) -> Option<Desk<'_>> {
        let map = self.map_of(flow)?;
        Some(Desk {
            flows: self,
            mapping: map.id(),
            link: self.links.get(message.link).cloned().unwrap_or_default(),
            received_at: message.received_at,
            content_hash: message.content_hash,
            by,
            now,
        })
    }

    /// Whether a flow makes jobs of its messages.
    pub fn makes_jobs(&self, flow: usize) -> bool {
        self.map_of(flow).is_some_and(|map| map.makes_jobs())
    }

    /// What is automatic about jobs.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What `mapping` (`name@version`) makes of a stored message by itself; `None` if the map is gone or refuses it. Of jobs
    /// only deliveries are made so that were queued before jobs were kept.
    pub fn render(
        &self,
        mapping: &str,
        link: Option<usize>,
        raw: &[u8],
        received_at: Timestamp,
        content_hash: [u8; 32],
    ) -> Option<Vec<u8>> {
        match self.prepared(&*self.map(mapping)?, link, raw, received_at, content_hash)? {
            Ok(mapping::Outcome::Send(prepared)) => Some(prepared.render()),
            Ok(mapping::Outcome::NotApplicable) | Err(_) => None,
        }
    }

    pub(super) fn context(
        &self,
        link: Option<usize>,
        encoding: Option<Encoding>,
        received_at: Timestamp,
        source_hash: [u8; 32],
    ) -> mapping::Context<'_> {
        let zone = link.and_then(|link| self.zones.get(link)).unwrap_or(&self.utc);
        let dialect = link.and_then(|link| self.dialects.get(link));
        let dialect = dialect.map_or(STANDARD, |dialect| (dialect.name.as_str(), dialect.version));
        mapping::Context { site: &self.site, zone, encoding, received_at, source_hash, dialect }
    }

    /// Reads one message that came over `link`.
    pub fn understand(&self, link: usize, received_at: Timestamp, raw: &[u8], index: &mut Index) -> Understood {
        let mut understood = Understood {
            link,
            received_at,
            kind: String::new(),
            fingerprint: None,
            content_hash: content_hash(raw),
            is_answer: false,
            charset_guessed: None,
            fault: None,
            findings: None,
            routes: Vec::new(),
            part: None,
            sequence: None,
            ack_after: AckAfter::Stored,
            later: None,
            map_changes: self.map_changes(),
            unmapped: Vec::new(),
        };
        match self.content(link) {
            Content::Hl7 => self.understand_hl7(link, raw, index, &mut understood),
            Content::Lis02 => self.understand_records(link, raw, &mut understood),
            Content::Text => self.understand_text(link, &mut understood),
        }
        understood
    }

    fn understand_hl7(&self, link: usize, raw: &[u8], index: &mut Index, understood: &mut Understood) {
        let text = Text::of(raw, self.charset(link));
        let unfolded = match unfolded(text.bytes(), index) {
            Ok(unfolded) => unfolded,
            Err(error) => {
                understood.fault = Some((Fault::Unparsable, error.to_string()));
                return;
            }
        };
        let message = Message::new(&unfolded, index);
        understood.charset_guessed = message.charset(text.configured()).guessed();
        understood.fingerprint = fingerprint(&message);
        let kind = message.message_type();
        understood.kind = word(kind.code, kind.trigger);
        understood.is_answer = ack::is_acknowledgement(&message);
        if understood.is_answer {
            return;
        }
        if let Err(fault) = self.judge(&message, text.configured(), understood) {
            understood.fault = Some(fault);
            understood.routes = Vec::new();
            understood.part = None;
        }
    }

    /// Everything about a message that calls for an answer.
    fn judge(
        &self,
        message: &Message<'_>,
        encoding: Option<Encoding>,
        understood: &mut Understood,
    ) -> Result<(), (Fault, String)> {
        let link = understood.link;
        let manners = self.manners.get(link);
        understood.ack_after = manners.map_or(AckAfter::Stored, Manners::after);
        understood.sequence = manners.map_or(Ok(None), |manners| manners.sequenced(message))?;
        if understood.sequence.is_some_and(|place| place.number.of_message().is_none()) {
            // Starting and resynchronising are between the two ends of the line: there is no message to take, and each
            // is answered by what holds when it comes.
            understood.fingerprint = None;
            return Ok(());
        }
        understood.later = manners.and_then(|manners| manners.later(message));
        if message.message_type().code.is_empty() {
            return Err((Fault::NoMessageType, "MSH-9: expected a message type, found nothing".to_owned()));
        }
        manners.map_or(Ok(()), |manners| manners.admit(message))?;
        if let Some((part, waits_for)) = part_of(message) {
            understood.routes = self.takers(link, message).map(|flow| held(flow, waits_for)).collect();
            understood.part = (!understood.routes.is_empty()).then_some(part);
        } else {
            understood.findings = self.findings(link, message);
            understood.findings.as_ref().and_then(unfit).map_or(Ok(()), Err)?;
            let mut unmapped = Vec::new();
            let verdict =
                |flow| Route { flow, verdict: self.verdict(flow, message, encoding, understood, &mut unmapped) };
            understood.routes = self.takers(link, message).map(verdict).collect();
            understood.unmapped = unmapped;
        }
        match manners {
            Some(manners) if understood.routes.is_empty() && manners.answering.unrouted == Unrouted::Reject => {
                Err(self.unsupported(link, message))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is the message or only its event that no flow of the link takes.
    fn unsupported(&self, link: usize, message: &Message<'_>) -> (Fault, String) {
        let code = String::from_utf8_lossy(message.message_type().code).into_owned();
        let candidates = self.by_link.get(link).map(Vec::as_slice).unwrap_or_default();
        let patterns = candidates.iter().filter_map(|at| self.flows.get(*at)).flat_map(|flow| &flow.on);
        if patterns.into_iter().any(|pattern| pattern.code.as_deref() == Some(code.as_str())) {
            return (Fault::UnsupportedEvent, "MSH-9.2: no flow of this link takes this event".to_owned());
        }
        (Fault::UnsupportedType, "MSH-9.1: no flow of this link takes this message".to_owned())
    }

    /// The flows that take messages of this type from this link.
    fn takers(&self, link: usize, message: &Message<'_>) -> impl Iterator<Item = usize> + use<> {
        let kind = message.message_type();
        let (code, trigger) = (String::from_utf8_lossy(kind.code), String::from_utf8_lossy(kind.trigger));
        self.takers_of(link, &code, &trigger).into_iter()
    }

    pub(super) fn takers_of(&self, link: usize, code: &str, trigger: &str) -> Vec<usize> {
        let candidates = self.by_link.get(link).map(Vec::as_slice).unwrap_or_default();
        candidates
            .iter()
            .filter_map(|at| Some((*at, self.flows.get(*at)?)))
            .filter(|(_, flow)| flow.on.iter().any(|pattern| pattern.matches(code, trigger)))
            .map(|(at, _)| at)
            .collect()
    }

    /// The site's name and the zone of a link.
    pub(super) fn place_of(&self, link: usize) -> (&str, &TimeZone) {
        (&self.site, self.zones.get(link).unwrap_or(&self.utc))
    }

    fn verdict(
        &self,
        flow: usize,
        message: &Message<'_>,
        encoding: Option<Encoding>,
        understood: &Understood,
        unmapped: &mut Vec<(usize, Arc<str>)>,
    ) -> RouteVerdict {
        let deliver = RouteVerdict::Deliver { ordering_key: ordering_key(message, understood.link) };
        let Some(map) = self.map_of(flow) else { return deliver };
        let context = self.context(Some(understood.link), encoding, understood.received_at, understood.content_hash);
        let mut refuse = |refusal: &Refusal| {
            unmapped.extend(refusal.unmapped.iter().map(|code| (flow, Arc::clone(&code.table))));
            refused(refusal)
        };
        if map.makes_jobs() {
            return match map.asks(message, &context) {
                Ok(asks) if asks.is_empty() => RouteVerdict::NotApplicable,
                Ok(asks) => RouteVerdict::Jobs { asks },
                Err(refusal) => refuse(&refusal),
            };
        }
        match map.prepare(message, &context) {
            Ok(mapping::Outcome::Send(_)) => deliver,
            Ok(mapping::Outcome::NotApplicable) => RouteVerdict::NotApplicable,
            Err(refusal) => refuse(&refusal),
        }
    }
}

/// A message as it is read, and its index: cut segments (ADD) in one piece.
pub(super) fn unfolded<'a>(bytes: &'a [u8], index: &mut Index) -> Result<Cow<'a, [u8]>, ParseError> {
    index.parse(bytes)?;
    let message = index.message(bytes);
    if index.findings().addenda == 0 || place(&message).is_some() {
        return Ok(Cow::Borrowed(bytes));
    }
    let whole = unfold(&message);
    index.parse(&whole)?;
    Ok(Cow::Owned(whole))
}

/// What a message is refused for that breaks its profile, with all that was found of that gravity.
fn unfit(findings: &Findings) -> Option<(Fault, String)> {
    let worst = findings.worst()?;
    let (reason, place) = (reason(worst.rule), worst.place.path());
    let fault = match worst.level {
        Level::Note | Level::Warn => return None,
        Level::Error => Fault::Content { reason, place },
        Level::Reject => Fault::Rejected { reason, place },
    };
    let refusing = findings.list().iter().filter(|finding| finding.level.refuses());
    let mut lines: Vec<String> = refusing.take(SHOWN_FINDINGS_MAX).map(|finding| finding.line()).collect();
    if lines.is_empty() {
        lines.push(worst.line());
    }
    let all = findings.count(Level::Error).saturating_add(findings.count(Level::Reject));
    let more = usize::try_from(all).unwrap_or(usize::MAX).saturating_sub(lines.len());
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Some((fault, lines.join("; ")))
}

/// Findings that are kept with a refused message.
const SHOWN_FINDINGS_MAX: usize = 10;

/// The entry of table 0357 that comes nearest to a broken rule.
const fn reason(rule: Rule) -> ack::Reason {
    match rule {
        Rule::VersionUnknown | Rule::VersionOther => ack::Reason::UnsupportedVersion,
        Rule::StructureUnknown => ack::Reason::UnsupportedMessageType,
        Rule::SegmentName
        | Rule::SegmentUnknown
        | Rule::SegmentUnexpected
        | Rule::SegmentOrder
        | Rule::SegmentMissing
        | Rule::SegmentForbidden
        | Rule::SegmentCount => ack::Reason::SegmentSequence,
        Rule::FieldMissing => ack::Reason::RequiredFieldMissing,
        Rule::TableValue | Rule::FixedValue => ack::Reason::TableValueNotFound,
        Rule::FieldForbidden
        | Rule::FieldWithdrawn
        | Rule::FieldBeyond
        | Rule::ComponentBeyond
        | Rule::TooLong
        | Rule::TooManyRepetitions
        | Rule::FormNumber
        | Rule::FormSequence
        | Rule::FormDate
        | Rule::FormTime
        | Rule::FormTimestamp => ack::Reason::DataType,
    }
}

/// A missing field is for a person to complete; a code that no table knows waits for the map to be mended.
pub(super) fn refused(refusal: &Refusal) -> RouteVerdict {
    let (reason, detail) = (refusal.reason().as_str(), refusal.to_string());
    if refusal.unmapped.is_empty() {
        RouteVerdict::Hold { reason, detail }
    } else {
        RouteVerdict::Quarantine { reason, detail }
    }
}

/// Messages about one patient keep their order; without a patient, those of one visit; without either, those of the link.
fn ordering_key(message: &Message<'_>, link: usize) -> u64 {
    for (segment, field) in [("PID", 3), ("PID", 2), ("PV1", 19)] {
        let Some(segment) = message.segment(segment) else { continue };
        let id = segment.field(field).repetition(1);
        let number = id.component(1).bytes();
        if !number.is_empty() {
            return short_hash(&[number, id.component(4).bytes()]);
        }
    }
    short_hash(&[b"link", &link.to_be_bytes()])
}

/// `ADT^A03`, from bytes that may be anything: what is not a letter, digit or underscore is left out, and the length is bounded, because this
/// word goes into listings.
fn word(code: &[u8], trigger: &[u8]) -> String {
    let clean = |part: &[u8]| -> String {
        part.iter()
            .filter(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .take(8)
            .map(|byte| char::from(*byte))
            .collect()
    };
    let mut word = clean(code);
    if !trigger.is_empty() {
        write!(word, "^{}", clean(trigger)).ok();
    }
    word
}

pub(super) fn content_hash(raw: &[u8]) -> [u8; 32] {
    let end = raw.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    let mut hash = [0; 32];
    let content = raw.get(..end).unwrap_or(raw);
    for (to, from) in hash.iter_mut().zip(digest(&SHA256, content).as_ref()) {
        *to = *from;
    }
    hash
}

fn fingerprint(message: &Message<'_>) -> Option<i64> {
    let control_id = message.control_id();
    if control_id.is_empty() {
        return None;
    }
    Some(short_hash(&[message.sending_application(), message.sending_facility(), control_id]).cast_signed())
}

#[cfg(test)]
mod tests;
