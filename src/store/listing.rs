//! What the store holds, as rows for people: messages and what became of them, queues, what was set aside, scraps, tallies
//! and the audit chain.
//!
//! Short reads: a listing has at most [`limits::LISTED_MAX`] entries. Neither the outbox nor the receipts are indexed by
//! message, because that would cost a write with every message; they are read by the range of delivery numbers that a page
//! of messages has. A delivery that was made later (a resend) is found among the newest [`limits::LATE_RECEIPTS_MAX`]
//! receipts. Times become UTC in JSON. No row holds message bytes or a destination's answer, apart from [`raw`] and
//! [`response`].

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::rows::{LANES, lane, priority, verdict};
use uuid::Uuid;

use crate::{
    flow::{AsideKind, Outcome, Verdict},
    settings::Priority,
    units::{Timestamp, limits},
};

type Read<T> = Result<T, rusqlite::Error>;

/// A message in the journal, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRow {
    /// Its place in the journal.
    pub id: i64,
    /// When it came.
    pub received_at: Timestamp,
    /// The link it came over.
    pub link: String,
    /// Message code and trigger; empty where there is none.
    pub kind: String,
    /// Its size.
    pub bytes: u64,
    /// What its sender was told: `accept`, `silent`, or the fault for which it was rejected.
    pub answer: String,
    /// What became of it, one entry per flow and delivery; empty when no flow had business with it.
    pub fates: Vec<Fate>,
}

/// What became of a message in one flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// `waiting`, `delivered`, `dead_letter`, `held` or `quarantined`.
    pub state: String,
    /// The flow; `unrouted` where none took it.
    pub flow: String,
    /// The destination, where there is one.
    pub destination: Option<String>,
    /// Since when it is so.
    pub at: Timestamp,
    /// The number of its delivery.
    pub delivery: Option<i64>,
    /// Its number among what was set aside.
    pub aside: Option<i64>,
    /// Attempts made since the last start of the process.
    pub attempts: Option<i64>,
    /// Status of the answer.
    pub status: Option<i64>,
    /// Index of the endpoint that took it.
    pub endpoint: Option<i64>,
    /// The map and version that it was or will be made with, as `transport@1`, or `raw`; absent where the receipt is older.
    #[serde(default)]
    pub mapping: Option<String>,
    /// Why it was set aside.
    pub reason: Option<String>,
    /// Particulars: field paths and rules.
    pub detail: Option<String>,
}

/// A page of messages, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagePage {
    /// The messages.
    pub messages: Vec<MessageRow>,
    /// Where the next page begins, if there may be one: pass it as `before`.
    pub next: Option<i64>,
}

/// A delivery that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRow {
    /// The number of the delivery.
    pub id: i64,
    /// Where it goes.
    pub destination: String,
    /// Its lane.
    pub priority: String,
    /// The message.
    pub message: i64,
    /// Message code and trigger.
    pub kind: String,
    /// The flow.
    pub flow: String,
    /// `raw` or `name@version`.
    pub mapping: String,
    /// When it was queued.
    pub queued_at: Timestamp,
}

/// Something set aside for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsideRow {
    /// Its number.
    pub id: i64,
    /// `dead_letter`, `held` or `quarantined`.
    pub kind: String,
    /// The message.
    pub message: i64,
    /// Message code and trigger of the message.
    pub message_kind: String,
    /// The flow; `unrouted` where none took it.
    pub flow: String,
    /// The destination that refused it.
    pub destination: Option<String>,
    /// Since when.
    pub at: Timestamp,
    /// A closed word for the reason.
    pub reason: String,
    /// Field paths, rules, the status of the answer.
    pub detail: String,
    /// Bytes of the destination's answer that were kept.
    pub response_bytes: u64,
    /// The job that it is about, where it is not the message itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Uuid>,
}

/// Something set aside, with what deciding about it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsideFound {
    /// The entry.
    pub row: AsideRow,
    /// Row number of its flow.
    pub flow: i64,
    /// Row number of its destination.
    pub destination: Option<i64>,
}

/// Bytes on a link that were not a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrapRow {
    /// Its number.
    pub id: i64,
    /// The link.
    pub link: String,
    /// When they came.
    pub at: Timestamp,
    /// Why they were not a message.
    pub cause: String,
    /// How many there were.
    pub count: u64,
    /// How many of them were kept.
    pub kept: u64,
}

/// Where the messages of a flow stand (INV-02).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRow {
    /// The flow; `unrouted` counts the messages that no flow took.
    pub flow: String,
    /// Messages taken in.
    pub received: i64,
    /// Confirmed by the destination.
    pub delivered: i64,
    /// No business of the flow.
    pub filtered: i64,
    /// Repeats of messages already taken in.
    pub duplicate: i64,
    /// Withheld for lack of consent.
    pub withheld: i64,
    /// Waiting for a person.
    pub held: i64,
    /// Refused for good by the destination.
    pub dead_letter: i64,
    /// Not understood; the bytes are kept.
    pub quarantined: i64,
    /// Waiting for the destination.
    pub waiting: i64,
    /// Received and in none of the others: 0, or the box is broken.
    pub lost: i64,
}

/// An entry of the audit chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// On what.
    pub subject: String,
    /// Why, and particulars.
    pub detail: String,
}

/// A lane's word.
pub const fn lane_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Stat => "stat",
        Priority::Urgent => "urgent",
        Priority::Routine => "routine",
    }
}

/// The names behind row numbers.
struct NameOf(BTreeMap<i64, String>);

impl NameOf {
    fn load(connection: &Connection) -> Read<Self> {
        let mut select = connection.prepare_cached("SELECT id, name FROM name")?;
        let names = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        names.collect::<Read<_>>().map(Self)
    }

    fn get(&self, id: i64) -> String {
        self.0.get(&id).cloned().unwrap_or_else(|| format!("#{id}"))
    }
}

/// A journal row before its fates are known.
struct Head {
    row: MessageRow,
    first_delivery: Option<i64>,
}

const HEAD: &str = "SELECT id, received_at, link, kind, length(raw), verdict, first_outbox FROM journal";

fn head(names: &NameOf, row: &Row<'_>) -> Read<Head> {
    Ok(Head {
        row: MessageRow {
            id: row.get(0)?,
            received_at: Timestamp(row.get(1)?),
            link: names.get(row.get(2)?),
            kind: row.get(3)?,
            bytes: row.get::<_, i64>(4)?.cast_unsigned(),
            answer: answer(verdict(row.get(5)?)).to_owned(),
            fates: Vec::new(),
        },
        first_delivery: row.get(6)?,
    })
}

const fn answer(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accept",
        Verdict::Silent => "silent",
        Verdict::Reject(fault) => fault.as_str(),
    }
}

/// Messages before `before`, newest first; only those of `flow`, if given.
///
/// # Errors
/// Those of SQLite.
pub fn messages(connection: &Connection, flow: Option<&str>, before: Option<i64>, limit: usize) -> Read<MessagePage> {
    let names = NameOf::load(connection)?;
    let limit = limit.clamp(1, limits::LISTED_MAX);
    let chunk = if flow.is_some() { limits::LISTED_MAX } else { limit };
    let mut page = MessagePage { messages: Vec::new(), next: before };
    let mut looked_at = 0;
    while page.messages.len() < limit && looked_at < limits::LISTED_ROWS_MAX {
        let heads = heads_before(connection, &names, page.next.unwrap_or(i64::MAX), chunk)?;
        let (found, is_last) = (heads.len(), heads.len() < chunk);
        looked_at += found;
        page.next = heads.last().map(|head| head.row.id);
        for message in with_fates(connection, &names, heads)? {
            if page.messages.len() == limit {
                page.next = page.messages.last().map(|last| last.id);
                return Ok(page);
            }
            if flow.is_none_or(|flow| message.fates.iter().any(|fate| fate.flow == flow)) {
                page.messages.push(message);
            }
        }
        if is_last {
            page.next = None;
            return Ok(page);
        }
    }
    Ok(page)
}

fn heads_before(connection: &Connection, names: &NameOf, before: i64, limit: usize) -> Read<Vec<Head>> {
    connection
        .prepare_cached(&format!("{HEAD} WHERE id < ?1 ORDER BY id DESC LIMIT ?2"))?
        .query_map(params![before, bound(limit)], |row| head(names, row))?
        .collect()
}

/// One message and what became of it; `None` once retention has removed it.
///
/// # Errors
/// Those of SQLite.
pub fn message(connection: &Connection, id: i64) -> Read<Option<MessageRow>> {
    let names = NameOf::load(connection)?;
    let found = connection
        .prepare_cached(&format!("{HEAD} WHERE id = ?1"))?
        .query_row([id], |row| head(&names, row))
        .optional()?;
    Ok(with_fates(connection, &names, found.into_iter().collect())?.into_iter().next())
}

/// The bytes of a message.
///
/// # Errors
/// Those of SQLite.
pub fn raw(connection: &Connection, id: i64) -> Read<Option<Vec<u8>>> {
    connection.prepare_cached("SELECT raw FROM journal WHERE id = ?1")?.query_row([id], |row| row.get(0)).optional()
}

/// The numbers that a page of messages spans.
struct Span {
    messages: (i64, i64),
    deliveries: (i64, i64),
}

impl Span {
    fn of(heads: &[Head]) -> Option<Self> {
        let ids = || heads.iter().map(|head| head.row.id);
        let firsts = || heads.iter().filter_map(|head| head.first_delivery);
        let per_message = bound(limits::NAMES_MAX);
        Some(Self {
            messages: (ids().min()?, ids().max()?),
            deliveries: (
                firsts().min().unwrap_or(0),
                firsts().max().map_or(0, |last| last.saturating_add(per_message)),
            ),
        })
    }
}

fn with_fates(connection: &Connection, names: &NameOf, heads: Vec<Head>) -> Read<Vec<MessageRow>> {
    let Some(span) = Span::of(&heads) else { return Ok(Vec::new()) };
    let mut fates: BTreeMap<i64, Vec<Fate>> = BTreeMap::new();
    let mut add = |(message, fate): (i64, Fate)| fates.entry(message).or_default().push(fate);
    receipts(connection, names, &span)?.into_iter().for_each(&mut add);
    waiting(connection, names, &span)?.into_iter().for_each(&mut add);
    set_aside(connection, names, &span)?.into_iter().for_each(&mut add);
    let mut messages = Vec::with_capacity(heads.len());
    for head in heads {
        let mut row = head.row;
        row.fates = fates.remove(&row.id).unwrap_or_default();
        row.fates.sort_by_key(|fate| (fate.at, fate.delivery));
        messages.push(row);
    }
    Ok(messages)
}

fn receipts(connection: &Connection, names: &NameOf, span: &Span) -> Read<Vec<(i64, Fate)>> {
    let newest: Option<i64> = connection.query_row("SELECT max(id) FROM receipt", [], |row| row.get(0))?;
    let newest = newest.unwrap_or(0);
    let (first, last) = span.deliveries;
    let late = last.max(newest.saturating_sub(limits::LATE_RECEIPTS_MAX)).saturating_add(1);
    let mut found = Vec::new();
    for (from, to) in [(first, last), (late, newest)] {
        let mut select = connection.prepare_cached(
            "SELECT journal, id, flow, destination, finished_at, attempts, status, endpoint, mapping FROM receipt
             WHERE id BETWEEN ?1 AND ?2 AND journal BETWEEN ?3 AND ?4",
        )?;
        let rows = select.query_map(params![from, to, span.messages.0, span.messages.1], |row| {
            let fate = Fate {
                state: Outcome::Delivered.as_str().to_owned(),
                flow: names.get(row.get(2)?),
                destination: Some(names.get(row.get(3)?)),
                at: Timestamp(row.get(4)?),
                delivery: Some(row.get(1)?),
                aside: None,
                attempts: Some(row.get(5)?),
                status: row.get(6)?,
                endpoint: Some(row.get(7)?),
                mapping: row.get::<_, Option<i64>>(8)?.map(|id| names.get(id)),
                reason: None,
                detail: None,
            };
            Ok((row.get(0)?, fate))
        })?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
}

const WAITING: &str = "SELECT o.journal, o.id, o.flow, o.destination, o.enqueued_at, o.mapping FROM";

fn waiting(connection: &Connection, names: &NameOf, span: &Span) -> Read<Vec<(i64, Fate)>> {
    let (first, last) = span.deliveries;
    let (from, to) = span.messages;
    let by_lane = format!(
        "{WAITING} depth d CROSS JOIN outbox o ON o.destination = d.destination AND o.priority = d.priority
         WHERE o.id BETWEEN ?1 AND ?2 AND o.journal BETWEEN ?3 AND ?4"
    );
    let resent = format!(
        "{WAITING} pin p CROSS JOIN outbox o ON o.destination = p.destination AND o.priority = p.priority AND o.id = p.outbox
         WHERE p.outbox NOT BETWEEN ?1 AND ?2 AND p.journal BETWEEN ?3 AND ?4"
    );
    let mut found = Vec::new();
    for sql in [by_lane, resent] {
        let mut select = connection.prepare_cached(&sql)?;
        let rows = select.query_map(params![first, last, from, to], |row| {
            let fate = Fate {
                state: Outcome::Waiting.as_str().to_owned(),
                flow: names.get(row.get(2)?),
                destination: Some(names.get(row.get(3)?)),
                at: Timestamp(row.get(4)?),
                delivery: Some(row.get(1)?),
                aside: None,
                attempts: None,
                status: None,
                endpoint: None,
                mapping: Some(names.get(row.get(5)?)),
                reason: None,
                detail: None,
            };
            Ok((row.get(0)?, fate))
        })?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
}

fn set_aside(connection: &Connection, names: &NameOf, span: &Span) -> Read<Vec<(i64, Fate)>> {
    connection
        .prepare_cached(
            "SELECT journal, id, kind, flow, destination, at, reason, detail, mapping FROM aside
             WHERE journal BETWEEN ?1 AND ?2",
        )?
        .query_map(params![span.messages.0, span.messages.1], |row| {
            let fate = Fate {
                state: row.get(2)?,
                flow: names.get(row.get(3)?),
                destination: row.get::<_, Option<i64>>(4)?.map(|id| names.get(id)),
                at: Timestamp(row.get(5)?),
                delivery: None,
                aside: Some(row.get(1)?),
                attempts: None,
                status: None,
                endpoint: None,
                mapping: row.get::<_, Option<i64>>(8)?.map(|id| names.get(id)),
                reason: Some(row.get(6)?),
                detail: Some(row.get(7)?),
            };
            Ok((row.get(0)?, fate))
        })?
        .collect()
}

/// What waits for a destination, by its row number, in the order in which it leaves.
///
/// # Errors
/// Those of SQLite.
pub fn queue(connection: &Connection, destination: i64, limit: usize) -> Read<Vec<QueueRow>> {
    let names = NameOf::load(connection)?;
    let mut found = Vec::new();
    for in_lane in LANES {
        let room = limit.min(limits::LISTED_MAX).saturating_sub(found.len());
        let mut select = connection.prepare_cached(
            "SELECT o.id, o.priority, o.journal, o.flow, o.mapping, o.enqueued_at,
                    (SELECT kind FROM journal WHERE journal.id = o.journal)
             FROM outbox o WHERE o.destination = ?1 AND o.priority = ?2 ORDER BY o.id LIMIT ?3",
        )?;
        let rows = select.query_map(params![destination, lane(in_lane), bound(room)], |row| {
            Ok(QueueRow {
                id: row.get(0)?,
                destination: names.get(destination),
                priority: lane_word(priority(row.get(1)?)).to_owned(),
                message: row.get(2)?,
                flow: names.get(row.get(3)?),
                mapping: names.get(row.get(4)?),
                queued_at: Timestamp(row.get(5)?),
                kind: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
            })
        })?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
}

const ASIDE: &str = "SELECT a.id, a.kind, a.journal, a.flow, a.destination, a.at, a.reason, a.detail,
    coalesce(length(a.response), 0), (SELECT kind FROM journal WHERE journal.id = a.journal),
    (SELECT job FROM aside_job WHERE aside_job.aside = a.id) FROM aside a";

fn aside_row(names: &NameOf, row: &Row<'_>) -> Read<AsideFound> {
    let (flow, destination): (i64, Option<i64>) = (row.get(3)?, row.get(4)?);
    Ok(AsideFound {
        row: AsideRow {
            id: row.get(0)?,
            kind: row.get(1)?,
            message: row.get(2)?,
            message_kind: row.get::<_, Option<String>>(9)?.unwrap_or_default(),
            flow: names.get(flow),
            destination: destination.map(|id| names.get(id)),
            at: Timestamp(row.get(5)?),
            reason: row.get(6)?,
            detail: row.get(7)?,
            response_bytes: row.get::<_, i64>(8)?.cast_unsigned(),
            job: row.get::<_, Option<[u8; 16]>>(10)?.map(Uuid::from_bytes),
        },
        flow,
        destination,
    })
}

/// What was set aside of these `kinds` after number `after`, oldest first; only of the flow with this name, if given.
///
/// # Errors
/// Those of SQLite.
pub fn asides(
    connection: &Connection,
    kinds: &[AsideKind],
    flow: Option<&str>,
    after: i64,
    limit: usize,
) -> Read<Vec<AsideRow>> {
    let names = NameOf::load(connection)?;
    let [first, last] = two_words(kinds);
    connection
        .prepare_cached(&format!(
            "{ASIDE} WHERE a.id > ?1 AND a.kind IN (?2, ?3)
             AND (?4 IS NULL OR a.flow IN (SELECT id FROM name WHERE kind = 'flow' AND name = ?4))
             ORDER BY a.id LIMIT ?5"
        ))?
        .query_map(params![after, first, last, flow, bound(limit.min(limits::LISTED_MAX))], |row| {
            aside_row(&names, row).map(|found| found.row)
        })?
        .collect()
}

/// How many were set aside of these `kinds`.
///
/// # Errors
/// Those of SQLite.
pub fn aside_count(connection: &Connection, kinds: &[AsideKind], flow: Option<&str>) -> Read<u64> {
    let [first, last] = two_words(kinds);
    connection
        .prepare_cached(
            "SELECT count(*) FROM aside a WHERE a.kind IN (?1, ?2)
             AND (?3 IS NULL OR a.flow IN (SELECT id FROM name WHERE kind = 'flow' AND name = ?3))",
        )?
        .query_row(params![first, last, flow], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))
}

/// One or two kinds as two parameters.
fn two_words(kinds: &[AsideKind]) -> [Option<&'static str>; 2] {
    let word = |at: usize| kinds.get(at).map(|kind| kind.as_str());
    [word(0), word(1)]
}

/// One entry of what was set aside.
///
/// # Errors
/// Those of SQLite.
pub fn aside(connection: &Connection, id: i64) -> Read<Option<AsideFound>> {
    let names = NameOf::load(connection)?;
    connection
        .prepare_cached(&format!("{ASIDE} WHERE a.id = ?1"))?
        .query_row([id], |row| aside_row(&names, row))
        .optional()
}

/// The beginning of the answer with which a destination refused a message; may hold patient data.
///
/// # Errors
/// Those of SQLite.
pub fn response(connection: &Connection, aside: i64) -> Read<Vec<u8>> {
    let found = connection
        .prepare_cached("SELECT response FROM aside WHERE id = ?1")?
        .query_row([aside], |row| row.get::<_, Option<Vec<u8>>>(0))
        .optional()?;
    Ok(found.flatten().unwrap_or_default())
}

const SCRAP: &str = "SELECT id, link, at, cause, count, length(bytes), bytes FROM scrap";

fn scrap_row(names: &NameOf, row: &Row<'_>) -> Read<ScrapRow> {
    Ok(ScrapRow {
        id: row.get(0)?,
        link: names.get(row.get(1)?),
        at: Timestamp(row.get(2)?),
        cause: row.get(3)?,
        count: row.get::<_, i64>(4)?.cast_unsigned(),
        kept: row.get::<_, i64>(5)?.cast_unsigned(),
    })
}

/// The newest scraps, newest first.
///
/// # Errors
/// Those of SQLite.
pub fn scraps(connection: &Connection, limit: usize) -> Read<Vec<ScrapRow>> {
    let names = NameOf::load(connection)?;
    connection
        .prepare_cached(&format!("{SCRAP} ORDER BY id DESC LIMIT ?1"))?
        .query_map([bound(limit.min(limits::LISTED_MAX))], |row| scrap_row(&names, row))?
        .collect()
}

/// One scrap, with the bytes that were kept of it; they may hold patient data.
///
/// # Errors
/// Those of SQLite.
pub fn scrap(connection: &Connection, id: i64) -> Read<Option<(ScrapRow, Vec<u8>)>> {
    let names = NameOf::load(connection)?;
    connection
        .prepare_cached(&format!("{SCRAP} WHERE id = ?1"))?
        .query_row([id], |row| Ok((scrap_row(&names, row)?, row.get(6)?)))
        .optional()
}

/// Where the messages of every flow stand, those of flows that are no longer configured too.
///
/// # Errors
/// Those of SQLite.
pub fn flows(connection: &Connection) -> Read<Vec<FlowRow>> {
    let names = NameOf::load(connection)?;
    let mut by_flow: BTreeMap<i64, FlowRow> = BTreeMap::new();
    let mut select = connection.prepare_cached("SELECT flow, outcome, n FROM tally")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))?;
    for row in rows {
        let (flow, outcome, n) = row?;
        let row = by_flow.entry(flow).or_insert_with(|| FlowRow { flow: names.get(flow), ..FlowRow::default() });
        row.add(&outcome, n);
    }
    Ok(by_flow.into_values().map(FlowRow::closed).collect())
}

impl FlowRow {
    fn add(&mut self, outcome: &str, n: i64) {
        match outcome {
            "received" => self.received += n,
            "delivered" => self.delivered += n,
            "filtered" => self.filtered += n,
            "duplicate" => self.duplicate += n,
            "withheld" => self.withheld += n,
            "held" => self.held += n,
            "dead_letter" => self.dead_letter += n,
            "quarantined" => self.quarantined += n,
            // An outcome this version does not know is not lost, but it is not accounted for either.
            "waiting" => self.waiting += n,
            _ => {}
        }
    }

    /// INV-02: what was received is in exactly one of the others.
    fn closed(mut self) -> Self {
        let accounted = self.delivered
            + self.filtered
            + self.duplicate
            + self.withheld
            + self.held
            + self.dead_letter
            + self.quarantined
            + self.waiting;
        self.lost = self.received - accounted;
        self
    }
}

/// The newest entries of the audit chain, newest first.
///
/// # Errors
/// Those of SQLite.
pub fn audit(connection: &Connection, limit: usize) -> Read<Vec<AuditRow>> {
    connection
        .prepare_cached("SELECT seq, at, actor, action, subject, detail FROM audit ORDER BY seq DESC LIMIT ?1")?
        .query_map([bound(limit.min(limits::LISTED_MAX))], |row| {
            Ok(AuditRow {
                id: row.get(0)?,
                at: Timestamp(row.get(1)?),
                actor: row.get(2)?,
                action: row.get(3)?,
                subject: row.get(4)?,
                detail: row.get(5)?,
            })
        })?
        .collect()
}

/// A count as SQLite takes it.
fn bound(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
