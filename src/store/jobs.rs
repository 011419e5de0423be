//! Jobs in rows: what is known of each, what it is found by, and what deliveries tell of it.
//!
//! ```text
//! job       (destination, id), visit, is_open, changed_at, record     the machine and its picture, as JSON
//! job_key   (destination, key, id)         names of orders and visits, and identifiers of patients
//! step      (outbox, ordinal), destination, job, journal, flow, verb, is_known, state, occasion, link, message
//! aside_job aside, job, outbox             what an entry for a person is about: a job, or steps that were not delivered
//! ```
//!
//! Written inside the journal's transaction, so a job and what is told of it are never apart. A step's `state`: 0 waits,
//! 1 was overtaken by a later one before anybody was told, 2 has left; then `verb` and `is_known` are what was told in
//! the end. `occasion` numbers what was told because of one message in one flow: 0 came of the message itself, the others
//! of what people decided later. Rows of ended jobs go with retention, but not
//! before a cancel that came first has served (`KEPT_AT_LEAST`).

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

use super::rows::Names;
use crate::{
    flow::{JobRecord, Known, RouteVerdict, Step, Understood},
    ids::{JournalId, OutboxId},
    mapping::{Told, Verb},
    settings::Flow,
    units::{Timestamp, limits},
};

type Done<T> = Result<T, rusqlite::Error>;

/// Rows of ended jobs are kept this long, whatever retention says: a cancel that came first is remembered for 72 hours.
const KEPT_AT_LEAST: Duration = Duration::from_secs(96 * 3600);

/// What a delivery told of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// The job.
    pub job: Uuid,
    /// What was told.
    pub verb: Verb,
    /// Whether the platform could know of it.
    pub is_known: bool,
}

impl Said {
    /// What a delivery tells, without what is known of the jobs.
    pub fn all(told: &[Told]) -> Vec<Self> {
        told.iter().map(|told| Self { job: told.job, verb: told.verb, is_known: told.is_known }).collect()
    }
}

/// What became of a step; 0 is one that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepState {
    /// A later one stands for it; nobody was told.
    Overtaken = 1,
    /// It has left: confirmed, or refused for good.
    Left = 2,
}

/// The jobs that a message may be about, in every destination that its flows have.
pub(super) fn gather(connection: &Connection, names: &Names, message: &Understood, flows: &[Flow]) -> Done<Vec<Known>> {
    let mut known: Vec<Known> = Vec::new();
    for route in &message.routes {
        let (RouteVerdict::Jobs { asks }, Some(flow)) = (&route.verdict, flows.get(route.flow)) else { continue };
        let row = names.destinations.get(flow.to).copied().unwrap_or(0);
        let mut ids: Vec<Uuid> = Vec::new();
        for ask in asks {
            let by_person = ask.verb == Verb::Merge || ask.visit.is_none();
            let persons = if by_person { ask.persons.as_slice() } else { &[] };
            for key in ask.name.iter().chain(&ask.visit_name).chain(&ask.retired).chain(persons) {
                by_key(connection, row, *key, &mut ids)?;
            }
            for visit in ask.visit.iter().chain(&ask.former_visit) {
                by_visit(connection, row, *visit, &mut ids)?;
            }
        }
        for id in ids {
            if known.len() < limits::JOBS_OF_MESSAGE_MAX
                && !known.iter().any(|job| job.destination == flow.to && job.record.id.0 == id)
            {
                known.extend(read(connection, row, flow.to, id)?);
            }
        }
    }
    // The order in which they were opened: a later leg comes after the one before.
    known.sort_by_key(|job| job.record.job.as_ref().map(|job| (job.opened_at, job.id)));
    Ok(known)
}

fn by_key(connection: &Connection, row: i64, key: Uuid, ids: &mut Vec<Uuid>) -> Done<()> {
    let mut select =
        connection.prepare_cached("SELECT id FROM job_key WHERE destination = ?1 AND key = ?2 LIMIT 64")?;
    collect(&mut select.query(params![row, key.as_bytes()])?, ids)
}

fn by_visit(connection: &Connection, row: i64, visit: Uuid, ids: &mut Vec<Uuid>) -> Done<()> {
    let mut select = connection
        .prepare_cached("SELECT id FROM job WHERE destination = ?1 AND visit = ?2 AND is_open = 1 LIMIT 64")?;
    collect(&mut select.query(params![row, visit.as_bytes()])?, ids)
}

fn collect(rows: &mut rusqlite::Rows<'_>, ids: &mut Vec<Uuid>) -> Done<()> {
    while let Some(row) = rows.next()? {
        let id = uuid(row, 0)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(())
}

fn uuid(row: &Row<'_>, column: usize) -> Done<Uuid> {
    Ok(Uuid::from_bytes(row.get::<_, [u8; 16]>(column)?))
}

/// One job as it is known.
pub(super) fn read(connection: &Connection, row: i64, destination: usize, id: Uuid) -> Done<Option<Known>> {
    let found = connection
        .prepare_cached(
            "SELECT record, EXISTS (SELECT 1 FROM step WHERE step.destination = ?1 AND step.job = ?2 AND step.state = 0)
             FROM job WHERE destination = ?1 AND id = ?2",
        )?
        .query_row(params![row, id.as_bytes()], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, bool>(1)?)))
        .optional()?;
    let Some((record, is_waiting)) = found else { return Ok(None) };
    let record = serde_json::from_slice(&record).map_err(|error| unreadable(error.into()))?;
    Ok(Some(Known { destination, record, is_waiting }))
}

fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, error)
}

/// Writes a job and what it is found by.
pub(super) fn put(connection: &Connection, row: i64, record: &JobRecord, now: Timestamp) -> Done<()> {
    let bytes = serde_json::to_vec(record).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO job (destination, id, visit, is_open, changed_at, record)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            row,
            record.id.0.as_bytes(),
            record.visit().map(|visit| visit.0.into_bytes()),
            record.is_open(),
            now.0,
            bytes
        ])?;
    let mut insert = connection
        .prepare_cached("INSERT INTO job_key (destination, key, id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?;
    for key in record.names.iter().chain(&record.persons) {
        insert.execute(params![row, key.as_bytes(), record.id.0.as_bytes()])?;
    }
    Ok(())
}

/// Writes what a delivery tells of jobs.
pub(super) fn tell(
    connection: &Connection,
    outbox: OutboxId,
    (destination, journal, flow): (i64, i64, i64),
    told: &[Told],
) -> Done<()> {
    let occasion: i64 = connection
        .prepare_cached("SELECT coalesce(max(occasion) + 1, 0) FROM step WHERE journal = ?1 AND flow = ?2")?
        .query_row([journal, flow], |row| row.get(0))?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO step
         (outbox, ordinal, destination, job, journal, flow, verb, is_known, state, occasion, link, message)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?11)",
    )?;
    for (ordinal, told) in (0_i64..).zip(told) {
        insert.execute(params![
            outbox.0,
            ordinal,
            destination,
            told.job.as_bytes(),
            journal,
            flow,
            told.verb.as_str(),
            told.is_known,
            occasion,
            told.link,
            told.message
        ])?;
    }
    Ok(())
}

/// The jobs that a delivery tells of.
pub(super) fn told_of(connection: &Connection, outbox: OutboxId) -> Done<Vec<Uuid>> {
    let mut ids = Vec::new();
    let mut select = connection.prepare_cached("SELECT job FROM step WHERE outbox = ?1 ORDER BY ordinal")?;
    collect(&mut select.query([outbox.0])?, &mut ids)?;
    Ok(ids)
}

/// The jobs that were told of because of a message, in one flow.
pub(super) fn told_because_of(connection: &Connection, journal: i64, flow: i64) -> Done<Vec<Uuid>> {
    let mut ids = Vec::new();
    let mut select =
        connection.prepare_cached("SELECT job FROM step WHERE journal = ?1 AND flow = ?2 ORDER BY outbox, ordinal")?;
    collect(&mut select.query([journal, flow])?, &mut ids)?;
    Ok(ids)
}

/// Which telling of its message's jobs a delivery is.
pub(super) fn occasion(connection: &Connection, outbox: OutboxId) -> Done<u32> {
    let found = connection
        .prepare_cached("SELECT occasion FROM step WHERE outbox = ?1 LIMIT 1")?
        .query_row([outbox.0], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// The last delivery to a destination that may have been attempted, as far as was noted before. Of those that wait now;
/// numbers do not come back, so that whatever is queued from now on has a higher one.
///
/// # Errors
/// Those of SQLite.
pub fn attempted(connection: &Connection, destination: i64) -> Done<OutboxId> {
    let noted = connection
        .prepare_cached("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1")?
        .query_row([attempted_key(destination)], |row| row.get(0))
        .optional()?
        .unwrap_or(0_i64);
    // Lanes are asked one by one: each answer is one step down a tree.
    let last: Option<i64> = connection
        .prepare_cached(
            "SELECT max((SELECT max(id) FROM outbox o WHERE o.destination = d.destination AND o.priority = d.priority))
             FROM depth d WHERE destination = ?1",
        )?
        .query_row([destination], |row| row.get(0))?;
    Ok(OutboxId(noted.min(last.unwrap_or(0))))
}

/// Notes, before it happens, that deliveries up to this one may be attempted.
pub(super) fn attempt(connection: &Connection, destination: i64, up_to: OutboxId) -> Done<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value
             WHERE CAST(value AS INTEGER) < CAST(excluded.value AS INTEGER)",
        )?
        .execute(params![attempted_key(destination), up_to.0.to_string()])?;
    Ok(())
}

fn attempted_key(destination: i64) -> String {
    format!("attempted {destination}")
}

/// Whether a delivery tells of jobs.
pub(super) fn has_steps(connection: &Connection, outbox: OutboxId) -> Done<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM step WHERE outbox = ?1)")?
        .query_row([outbox.0], |row| row.get(0))
}

/// Notes what became of a delivery's steps.
pub(super) fn ended(connection: &Connection, outbox: OutboxId, state: StepState) -> Done<()> {
    connection
        .prepare_cached("UPDATE step SET state = ?2 WHERE outbox = ?1 AND state = 0")?
        .execute(params![outbox.0, state as i64])?;
    Ok(())
}

/// Notes that a delivery has left, and what it told in the end: of the others nobody was told.
pub(super) fn left(connection: &Connection, outbox: OutboxId, said: &[Said]) -> Done<()> {
    let mut update = connection
        .prepare_cached("UPDATE step SET verb = ?3, is_known = ?4, state = ?5 WHERE outbox = ?1 AND job = ?2")?;
    for said in said {
        let (job, verb) = (said.job.as_bytes(), said.verb.as_str());
        update.execute(params![outbox.0, job, verb, said.is_known, StepState::Left as i64])?;
    }
    ended(connection, outbox, if said.is_empty() { StepState::Left } else { StepState::Overtaken })
}

/// Notes what an entry for a person is about.
pub(super) fn set_aside(connection: &Connection, aside: i64, job: Option<Uuid>, outbox: Option<OutboxId>) -> Done<()> {
    connection.prepare_cached("INSERT INTO aside_job (aside, job, outbox) VALUES (?1, ?2, ?3)")?.execute(params![
        aside,
        job.map(Uuid::into_bytes),
        outbox.map(|outbox| outbox.0)
    ])?;
    Ok(())
}

/// What an entry for a person is about; it is forgotten.
pub(super) fn taken_up(connection: &Connection, aside: i64) -> Done<(Option<Uuid>, Option<OutboxId>)> {
    let found = connection
        .prepare_cached("DELETE FROM aside_job WHERE aside = ?1 RETURNING job, outbox")?
        .query_row([aside], |row| Ok((row.get::<_, Option<[u8; 16]>>(0)?, row.get::<_, Option<i64>>(1)?)))
        .optional()?;
    let (job, outbox) = found.unwrap_or((None, None));
    Ok((job.map(Uuid::from_bytes), outbox.map(OutboxId)))
}

/// The job that an entry for a person is about.
pub(super) fn job_of(connection: &Connection, aside: i64) -> Done<Option<Uuid>> {
    let found = connection
        .prepare_cached("SELECT job FROM aside_job WHERE aside = ?1")?
        .query_row([aside], |row| row.get::<_, Option<[u8; 16]>>(0))
        .optional()?;
    Ok(found.flatten().map(Uuid::from_bytes))
}

/// A delivery that is made again tells the same, under the same key, as the one that was not delivered.
pub(super) fn again(connection: &Connection, from: OutboxId, to: OutboxId) -> Done<()> {
    connection
        .prepare_cached(
            "INSERT INTO step
             (outbox, ordinal, destination, job, journal, flow, verb, is_known, state, occasion, link, message)
             SELECT ?2, ordinal, destination, job, journal, flow, verb, is_known, 0, occasion, link, message FROM step
             WHERE outbox = ?1",
        )?
        .execute([from.0, to.0])?;
    Ok(())
}

/// The steps of a delivery; none for one that is not about jobs.
///
/// # Errors
/// Those of SQLite.
pub fn steps(connection: &Connection, outbox: OutboxId) -> Done<Vec<Step>> {
    let mut select = connection.prepare_cached(
        "SELECT job, verb, is_known, link, message,
                EXISTS (SELECT 1 FROM step l WHERE l.destination = s.destination AND l.job = s.job AND l.outbox > s.outbox
                        AND l.state = 0),
                EXISTS (SELECT 1 FROM step e WHERE e.destination = s.destination AND e.job = s.job AND e.outbox < s.outbox
                        AND e.state <> 1),
                EXISTS (SELECT 1 FROM step e WHERE e.destination = s.destination AND e.job = s.job AND e.outbox < s.outbox
                        AND e.state = 1)
         FROM step s WHERE outbox = ?1 ORDER BY ordinal",
    )?;
    let step = |row: &Row<'_>| {
        let told = told(row)?;
        Ok(Step { told, is_overtaken: row.get(5)?, may_be_known: row.get(6)?, follows_untold: row.get(7)? })
    };
    select.query_map([outbox.0], step)?.collect()
}

/// What a delivery that has left told of jobs; none for one that was not about jobs.
///
/// # Errors
/// Those of SQLite.
pub fn said(connection: &Connection, outbox: OutboxId) -> Done<Vec<Told>> {
    connection
        .prepare_cached(
            "SELECT job, verb, is_known, link, message FROM step WHERE outbox = ?1 AND state = 2 ORDER BY ordinal",
        )?
        .query_map([outbox.0], told)?
        .collect()
}

/// What a message told of jobs when it came, in the first of its flows that did.
///
/// # Errors
/// Those of SQLite.
pub fn told_by(connection: &Connection, journal: JournalId) -> Done<Vec<Told>> {
    connection
        .prepare_cached(
            "SELECT job, verb, is_known, link, message FROM step
             WHERE outbox = (SELECT min(outbox) FROM step WHERE journal = ?1 AND occasion = 0) ORDER BY ordinal",
        )?
        .query_map([journal.0], told)?
        .collect()
}

fn told(row: &Row<'_>) -> Done<Told> {
    let verb: String = row.get(1)?;
    Ok(Told {
        job: uuid(row, 0)?,
        verb: Verb::named(&verb).unwrap_or(Verb::Change),
        is_known: row.get(2)?,
        link: row.get(3)?,
        message: row.get(4)?,
    })
}

/// Forgets what told of these messages.
pub(super) fn forget(connection: &Connection, journal: &[i64]) -> Done<()> {
    let mut delete = connection.prepare_cached("DELETE FROM step WHERE journal = ?1 AND state <> 0")?;
    for id in journal {
        delete.execute([id])?;
    }
    Ok(())
}

/// Removes at most `count` jobs that ended before `before`.
pub(super) fn purge(connection: &Connection, before: Timestamp, now: Timestamp, count: i64) -> Done<()> {
    let latest = i64::try_from(KEPT_AT_LEAST.as_millis()).map_or(i64::MIN, |kept| now.0.saturating_sub(kept));
    let mut delete = connection.prepare_cached(
        "DELETE FROM job WHERE (destination, id) IN
            (SELECT destination, id FROM job WHERE is_open = 0 AND changed_at < ?1 ORDER BY changed_at LIMIT ?2)
         RETURNING destination, id",
    )?;
    let gone = delete
        .query_map([before.0.min(latest), count], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 16]>(1)?)))?;
    let gone = gone.collect::<Done<Vec<_>>>()?;
    let mut keys = connection.prepare_cached("DELETE FROM job_key WHERE destination = ?1 AND id = ?2")?;
    for (destination, id) in gone {
        keys.execute(params![destination, id])?;
    }
    Ok(())
}
