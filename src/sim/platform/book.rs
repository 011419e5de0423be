//! What the platform remembers of the requests it took: keys, effects, order, repeats.
//!
//! An effect is a request that was committed. The order of effects is judged for each ordering key (the patient of the
//! message or Bundle, per sending link): by the number that ends MSH-10 where the body is HL7, else by
//! `X-Gurney-Message`; a first effect whose number is not above the last one is a break. The judgement supposes senders
//! whose control ids rise, as those of [`crate::sim::ehr`] do. Bounds: the constants below.

use std::collections::{BTreeMap, HashMap, VecDeque};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::store::Store;

/// Keys, messages and ordering keys that are known; beyond it requests are answered 507.
pub const KEYS_MAX: usize = 2_000_000;
/// Answers that are kept whole for a repeat; an older key's repeat gets its status and an empty answer.
pub const ANSWERS_KEPT_MAX: usize = 20_000;
/// Effects that are kept one by one.
pub const ARRIVALS_MAX: usize = 2_000_000;
/// Order breaks that are kept as examples.
pub const BREAKS_KEPT_MAX: usize = 20;
/// Content types that are told apart.
const CONTENT_TYPES_MAX: usize = 16;

/// The first 16 bytes of a SHA-256.
type Hash = [u8; 16];

/// Whether idempotency keys count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// A key has its effect once.
    #[default]
    Honoured,
    /// Every request has its effect, as on platforms that do not know keys.
    Ignored,
}

/// A request, as far as the book cares.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    /// `Idempotency-Key`.
    pub key: Option<&'a str>,
    /// `X-Gurney-Message`.
    pub journal: Option<i64>,
    /// `X-Gurney-Flow`.
    pub flow: Option<&'a str>,
    /// `traceparent`.
    pub trace: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// What a committed request was about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// MSH-10, where the body is HL7.
    pub control_id: Option<String>,
    /// Whose order it belongs to.
    pub ordering_key: String,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, JSON.
    pub body: String,
}

/// An effect, in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arrival {
    /// MSH-10, where the body is HL7.
    pub control_id: Option<Box<str>>,
    /// `Idempotency-Key`.
    pub key: Option<Box<str>>,
    /// `X-Gurney-Message`.
    pub journal: Option<i64>,
    /// Whose order it belongs to.
    pub ordering_key: Box<str>,
}

/// The counts, cheap to copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// Requests that came in, whatever became of them.
    pub requests: u64,
    /// Requests that were committed.
    pub effects: u64,
    /// Requests whose key had had its effect; answered from memory.
    pub repeats: u64,
    /// Effects of a message (same MSH-10 and content) that had had one under another key, or with keys ignored.
    pub duplicates: u64,
    /// Effects that came after a later one of the same ordering key.
    pub order_breaks: u64,
    /// Effects without a key.
    pub unkeyed: u64,
    /// Requests with a known key and another body; refused.
    pub key_conflicts: u64,
    /// Answers that were lost or cut after the effect.
    pub lost_answers: u64,
    /// Requests that were dropped without an effect.
    pub dropped: u64,
    /// Requests refused because the platform is full.
    pub full: u64,
}

/// What the platform remembers, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The counts.
    #[serde(flatten)]
    pub counts: Effects,
    /// Different keys seen.
    pub keys: usize,
    /// Keys with more than one effect.
    pub keys_with_more_than_one_effect: u64,
    /// Largest number of requests with one key.
    pub key_seen_at_most: u32,
    /// Answers by status.
    pub answers: BTreeMap<u16, u64>,
    /// Requests by content type.
    pub content_types: BTreeMap<String, u64>,
    /// Requests that lacked a header which every delivery carries.
    pub headers_missing: BTreeMap<&'static str, u64>,
    /// Examples of broken order.
    pub breaks: Vec<OrderBreak>,
    /// Resources by type.
    pub resources: BTreeMap<String, usize>,
    /// Resources created although one with the same identifier existed.
    pub double_creates: u64,
    /// Different jobs (`Task.identifier`).
    pub jobs_total: usize,
    /// Jobs and the states they went through, at most [`super::store::JOBS_REPORTED_MAX`].
    pub jobs: BTreeMap<String, Vec<String>>,
}

/// Two effects in the wrong order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OrderBreak {
    /// Whose order was broken.
    pub ordering_key: String,
    /// The number that had come before.
    pub before: u64,
    /// The number that came after it and is not above it.
    pub after: u64,
}

/// The memory.
#[derive(Debug, Default)]
pub struct Book {
    /// Whether keys count.
    pub keys: Keys,
    counts: Effects,
    by_key: HashMap<Box<str>, KeyEntry>,
    answers_kept: VecDeque<Box<str>>,
    by_message: HashMap<Hash, u32>,
    last_number: HashMap<Box<str>, u64>,
    arrivals: VecDeque<Arrival>,
    answers: BTreeMap<u16, u64>,
    content_types: BTreeMap<String, u64>,
    headers_missing: BTreeMap<&'static str, u64>,
    breaks: Vec<OrderBreak>,
    bodies: VecDeque<Vec<u8>>,
    keep_bodies: usize,
}

#[derive(Debug)]
struct KeyEntry {
    times: u32,
    effects: u32,
    body: Hash,
    status: u16,
    answer: Option<String>,
}

/// What the book knows about a key before the request is committed.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: commit it.
    New,
    /// It had its effect and this answer.
    Repeat(Answer),
    /// It had its effect with another body.
    Conflict,
    /// There is no room for it.
    Full,
}

impl Book {
    /// An empty book that keeps so many bodies.
    pub fn new(keep_bodies: usize) -> Self {
        Self { keep_bodies, ..Self::default() }
    }

    /// Counts a request.
    pub fn request(&mut self, call: &Call<'_>) {
        self.counts.requests += 1;
        let content_type = call.content_type.unwrap_or("");
        if self.content_types.len() < CONTENT_TYPES_MAX || self.content_types.contains_key(content_type) {
            *self.content_types.entry(content_type.to_owned()).or_default() += 1;
        }
        for (name, present) in [
            ("idempotency-key", call.key.is_some()),
            ("x-gurney-message", call.journal.is_some()),
            ("x-gurney-flow", call.flow.is_some()),
            ("traceparent", call.trace.is_some()),
        ] {
            *self.headers_missing.entry(name).or_default() += u64::from(!present);
        }
    }

    /// Says what is known about the request's key, and counts a repeat.
    pub fn look_up(&mut self, call: &Call<'_>) -> Known {
        let full = self.by_key.len().max(self.by_message.len()).max(self.last_number.len()) >= KEYS_MAX;
        let Some(entry) = call.key.and_then(|key| self.by_key.get_mut(key)) else {
            self.counts.full += u64::from(full);
            return if full { Known::Full } else { Known::New };
        };
        entry.times = entry.times.saturating_add(1);
        if self.keys == Keys::Ignored {
            return Known::New;
        }
        if entry.body != hash(&[call.body]) {
            self.counts.key_conflicts += 1;
            return Known::Conflict;
        }
        self.counts.repeats += 1;
        Known::Repeat(Answer { status: entry.status, body: entry.answer.clone().unwrap_or_default() })
    }

    /// Enters an effect and the answer it got.
    pub fn enter(&mut self, call: &Call<'_>, subject: Subject, answer: &Answer) {
        self.counts.effects += 1;
        let body = hash(&[call.body]);
        match call.key {
            Some(key) => self.enter_key(key, body, answer),
            None => self.counts.unkeyed += 1,
        }
        let control_id = subject.control_id.as_deref().unwrap_or("");
        let times = self.by_message.entry(hash(&[control_id.as_bytes(), b"\0", call.body])).or_default();
        *times += 1;
        if *times > 1 {
            self.counts.duplicates += 1;
        } else {
            self.judge_order(call, &subject);
        }
        self.keep(call, subject);
    }

    fn enter_key(&mut self, key: &str, body: Hash, answer: &Answer) {
        let entry = self.by_key.entry(key.into()).or_insert_with(|| KeyEntry {
            times: 1,
            effects: 0,
            body,
            status: answer.status,
            answer: Some(answer.body.clone()),
        });
        entry.effects += 1;
        if entry.effects > 1 {
            return;
        }
        self.answers_kept.push_back(key.into());
        if self.answers_kept.len() > ANSWERS_KEPT_MAX {
            let oldest = self.answers_kept.pop_front();
            if let Some(entry) = oldest.and_then(|key| self.by_key.get_mut(&key)) {
                entry.answer = None;
            }
        }
    }

    fn judge_order(&mut self, call: &Call<'_>, subject: &Subject) {
        let (key, number) = match subject.control_id.as_deref().map(split_number) {
            Some((link, Some(number))) => (format!("{}|{link}", subject.ordering_key), Some(number)),
            _ => (subject.ordering_key.clone(), call.journal.and_then(|journal| u64::try_from(journal).ok())),
        };
        let Some(number) = number else { return };
        let last = self.last_number.entry(key.as_str().into()).or_default();
        if number > *last {
            *last = number;
            return;
        }
        let before = *last;
        self.counts.order_breaks += 1;
        if self.breaks.len() < BREAKS_KEPT_MAX {
            self.breaks.push(OrderBreak { ordering_key: key, before, after: number });
        }
    }

    fn keep(&mut self, call: &Call<'_>, subject: Subject) {
        if self.keep_bodies > 0 {
            self.bodies.push_back(call.body.to_vec());
            if self.bodies.len() > self.keep_bodies {
                self.bodies.pop_front();
            }
        }
        self.arrivals.push_back(Arrival {
            control_id: subject.control_id.map(Into::into),
            key: call.key.map(Into::into),
            journal: call.journal,
            ordering_key: subject.ordering_key.into(),
        });
        if self.arrivals.len() > ARRIVALS_MAX {
            self.arrivals.pop_front();
        }
    }

    /// Counts an answer that was given.
    pub fn answered(&mut self, status: u16) {
        *self.answers.entry(status).or_default() += 1;
    }

    /// Counts a request that was dropped without an effect.
    pub const fn dropped(&mut self) {
        self.counts.dropped += 1;
    }

    /// Counts an answer that was lost after the effect.
    pub const fn lost_answer(&mut self) {
        self.counts.lost_answers += 1;
    }

    /// The counts.
    pub const fn effects(&self) -> Effects {
        self.counts
    }

    /// The effects, oldest first.
    pub fn arrivals(&self) -> impl Iterator<Item = &Arrival> {
        self.arrivals.iter()
    }

    /// The bodies that were kept, oldest first.
    pub fn bodies(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.bodies.iter()
    }

    /// Sums up, with what the store knows.
    pub fn report(&self, store: &Store) -> Report {
        let several = self.by_key.values().filter(|entry| entry.effects > 1).count();
        Report {
            counts: self.counts,
            keys: self.by_key.len(),
            keys_with_more_than_one_effect: u64::try_from(several).unwrap_or(u64::MAX),
            key_seen_at_most: self.by_key.values().map(|entry| entry.times).max().unwrap_or(0),
            answers: self.answers.clone(),
            content_types: self.content_types.clone(),
            headers_missing: self.headers_missing.clone(),
            breaks: self.breaks.clone(),
            resources: store.counts(),
            double_creates: store.double_creates(),
            jobs_total: store.jobs_total(),
            jobs: store.jobs(),
        }
    }
}

/// Splits a control id into what names the link and the number that ends it.
fn split_number(control_id: &str) -> (&str, Option<u64>) {
    let link = control_id.trim_end_matches(|letter: char| letter.is_ascii_digit());
    (link, control_id.strip_prefix(link).and_then(|digits| digits.parse().ok()))
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(control_id: &str) -> Subject {
        Subject { control_id: Some(control_id.into()), ordering_key: "P1".into() }
    }

    fn ok() -> Answer {
        Answer { status: 200, body: "{}".into() }
    }

    #[test]
    fn a_key_has_its_effect_once_and_its_body_for_good() {
        let mut book = Book::new(0);
        let call = Call { key: Some("K"), body: b"one", ..Call::default() };
        assert_eq!(book.look_up(&call), Known::New);
        book.enter(&call, subject("E0-1"), &ok());
        assert_eq!(book.look_up(&call), Known::Repeat(ok()));
        assert_eq!(book.look_up(&Call { body: b"two", ..call }), Known::Conflict);
        let report = book.report(&Store::default());
        assert_eq!((report.counts.effects, report.counts.repeats, report.counts.key_conflicts), (1, 1, 1));
        assert_eq!((report.keys, report.key_seen_at_most, report.keys_with_more_than_one_effect), (1, 3, 0));
    }

    #[test]
    fn a_platform_without_keys_shows_every_blind_repeat() {
        let mut book = Book { keys: Keys::Ignored, ..Book::new(0) };
        let call = Call { key: Some("K"), body: b"one", ..Call::default() };
        for _ in 0..2 {
            assert_eq!(book.look_up(&call), Known::New);
            book.enter(&call, subject("E0-1"), &ok());
        }
        let report = book.report(&Store::default());
        assert_eq!((report.keys_with_more_than_one_effect, report.counts.duplicates), (1, 1));
    }

    #[test]
    fn sees_a_message_that_comes_under_another_key() {
        let mut book = Book::new(0);
        for key in ["K1", "K2"] {
            book.enter(&Call { key: Some(key), body: b"one", ..Call::default() }, subject("E0-1"), &ok());
        }
        assert_eq!((book.effects().duplicates, book.effects().order_breaks), (1, 0));
    }

    #[test]
    fn judges_order_by_patient_and_link() {
        let mut book = Book::new(0);
        for (id, patient) in [("E0-2", "P1"), ("E0-1", "P2"), ("E1-1", "P1"), ("E0-10", "P1")] {
            let subject = Subject { control_id: Some(id.into()), ordering_key: patient.into() };
            book.enter(&Call { body: id.as_bytes(), ..Call::default() }, subject, &ok());
        }
        assert_eq!(book.effects().order_breaks, 0);
        book.enter(&Call { body: b"late", ..Call::default() }, subject("E0-9"), &ok());
        assert_eq!(book.effects().order_breaks, 1);
        let expected = OrderBreak { ordering_key: "P1|E0-".into(), before: 10, after: 9 };
        assert_eq!(book.report(&Store::default()).breaks, [expected]);
    }

    #[test]
    fn judges_order_by_the_journal_where_there_is_no_control_id() {
        let mut book = Book::new(2);
        for (journal, body) in [(5, "a"), (7, "b"), (6, "c")] {
            let subject = Subject { control_id: None, ordering_key: "P".into() };
            book.enter(&Call { journal: Some(journal), body: body.as_bytes(), ..Call::default() }, subject, &ok());
        }
        assert_eq!(book.effects().order_breaks, 1);
        assert_eq!(book.bodies().collect::<Vec<_>>(), [b"b", b"c"]);
    }
}
