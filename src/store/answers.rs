//! What answers depend on beside the journal: the sequence numbers of senders, and the deliveries for whose end an
//! acknowledgement waits. Written inside the journal's transaction, so that a rolled-back batch leaves no trace.
//!
//! [`Waiters`] is the memory of who waits; it may be lost at any time, since a repeat asks the rows again.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::oneshot;

use super::{
    rows::verdict,
    transaction::{Settlement, SettlementKind},
};
use crate::{
    flow::{Advance, Fate, Original, Understood},
    hl7::ack::{Condition, Outcome},
    ids::JournalId,
    units::{Timestamp, limits},
};

type Done<T> = Result<T, rusqlite::Error>;

/// What a sender's stream expects next, and the message that was taken last if `message` is the same.
pub(super) fn expected(
    connection: &Connection,
    link: i64,
    stream: i64,
    message: &Understood,
) -> Done<(Option<i64>, Option<Original>)> {
    let row = connection
        .prepare_cached("SELECT expected, journal FROM sequence WHERE link = ?1 AND stream = ?2")?
        .query_row([link, stream], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((expected, last)) = row else { return Ok((None, None)) };
    let last = connection
        .prepare_cached(
            "SELECT id, received_at, verdict FROM journal WHERE id = ?1 AND (fingerprint = ?2 OR content_hash = ?3)",
        )?
        .query_row(params![last, message.fingerprint, message.content_hash.as_slice()], |row| {
            Ok(Original {
                journal: JournalId(row.get(0)?),
                received_at: Timestamp(row.get(1)?),
                verdict: verdict(row.get(2)?),
                expected: None,
            })
        })
        .optional()?;
    Ok((Some(expected), last))
}

/// Notes what a stream expects after the message `journal`.
pub(super) fn advance(connection: &Connection, link: i64, advance: Advance, journal: i64) -> Done<()> {
    match advance.expected {
        Some(expected) => connection
            .prepare_cached(
                "INSERT INTO sequence (link, stream, expected, journal) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (link, stream) DO UPDATE SET expected = excluded.expected, journal = excluded.journal",
            )?
            .execute(params![link, advance.stream, expected, journal])?,
        None => connection
            .prepare_cached("DELETE FROM sequence WHERE link = ?1 AND stream = ?2")?
            .execute([link, advance.stream])?,
    };
    Ok(())
}

/// Notes that the acknowledgement of `journal` waits for its deliveries, the last of which is `last`.
pub(super) fn await_deliveries(
    connection: &Connection,
    journal: i64,
    (last, open): (i64, usize),
    later: Option<(i64, Condition)>,
) -> Done<()> {
    connection
        .prepare_cached("INSERT INTO awaited (journal, last_outbox, open, flow, due) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            journal,
            last,
            i64::try_from(open).unwrap_or(i64::MAX),
            later.map(|(flow, _)| flow),
            later.map_or(0, |(_, condition)| code_of(condition)),
        ])?;
    Ok(())
}

/// The end of all deliveries of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) journal: JournalId,
    pub(super) fate: Fate,
    /// Row number of the flow whose application acknowledgement is due now.
    pub(super) later: Option<i64>,
}

/// Notes the end of one delivery of `journal`; says so when it was the last that was awaited. Deliveries that a person ordered
/// later change nothing: the sender had its answer.
pub(super) fn settled(connection: &Connection, journal: i64, settlement: &Settlement) -> Done<Option<Ended>> {
    let refusal = match &settlement.kind {
        SettlementKind::Delivered | SettlementKind::Overtaken | SettlementKind::Stale => None,
        SettlementKind::DeadLetter { reason: "too_old", .. } => Some(TOO_OLD),
        SettlementKind::DeadLetter { .. } => Some(settlement.status.map_or(0, i64::from)),
    };
    let row = connection
        .prepare_cached(
            "UPDATE awaited SET open = open - 1, refusal = coalesce(refusal, ?3)
             WHERE journal = ?1 AND last_outbox >= ?2 AND open > 0 RETURNING open, refusal, flow, due",
        )?
        .query_row(params![journal, settlement.id.0, refusal], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((0, refusal, flow, due)) = row else { return Ok(None) };
    let fate = fate(refusal);
    let outcome = if fate == Fate::Delivered { Outcome::Accept } else { Outcome::Error };
    let later = flow.filter(|_| condition(due).holds(outcome));
    Ok(Some(Ended { journal: JournalId(journal), fate, later }))
}

/// What became of the deliveries of a message; `None` while some have not ended. A message that nothing waited for counts as
/// delivered: its sender was told when it was stored.
pub(super) fn fate_of(connection: &Connection, journal: JournalId) -> Done<Option<Fate>> {
    let row = connection
        .prepare_cached("SELECT open, refusal FROM awaited WHERE journal = ?1")?
        .query_row([journal.0], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))
        .optional()?;
    Ok(match row {
        None => Some(Fate::Delivered),
        Some((0, refusal)) => Some(fate(refusal)),
        Some(_) => None,
    })
}

/// Deletes what is known of messages that retention removed.
pub(super) fn forget(connection: &Connection, journals: &[i64]) -> Done<()> {
    let mut delete = connection.prepare_cached("DELETE FROM awaited WHERE journal = ?1")?;
    for journal in journals {
        delete.execute([journal])?;
    }
    Ok(())
}

/// A number's fate: none, [`TOO_OLD`], or the status of a refusal.
pub(super) fn fate(refusal: Option<i64>) -> Fate {
    match refusal {
        None => Fate::Delivered,
        Some(TOO_OLD) => Fate::TooOld,
        Some(status) => Fate::Refused { status: u16::try_from(status).unwrap_or(0) },
    }
}

const TOO_OLD: i64 = -1;

const CONDITIONS: [Condition; 4] = [Condition::Never, Condition::Always, Condition::Error, Condition::Success];

fn code_of(condition: Condition) -> i64 {
    CONDITIONS.iter().position(|known| *known == condition).and_then(|at| i64::try_from(at).ok()).unwrap_or(0)
}

fn condition(code: i64) -> Condition {
    usize::try_from(code).ok().and_then(|at| CONDITIONS.get(at)).copied().unwrap_or(Condition::Never)
}

/// Who waits for the end of which message's deliveries: at most [`limits::ACK_WAITERS_MAX`].
#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_message: BTreeMap<JournalId, Vec<oneshot::Sender<Fate>>>,
    count: usize,
}

impl Waiters {
    /// Lets `waiter` wait. Beyond the bound it is dropped, which its owner reads as no news.
    pub(super) fn add(&mut self, journal: JournalId, waiter: oneshot::Sender<Fate>) {
        if self.count >= limits::ACK_WAITERS_MAX {
            self.forget_those_who_left();
        }
        if self.count < limits::ACK_WAITERS_MAX {
            self.by_message.entry(journal).or_default().push(waiter);
            self.count += 1;
        }
    }

    /// Tells everybody who waits for this message.
    pub(super) fn tell(&mut self, journal: JournalId, fate: Fate) {
        for waiter in self.by_message.remove(&journal).unwrap_or_default() {
            self.count -= 1;
            // A sender that gave up repeats and asks again.
            waiter.send(fate).ok();
        }
    }

    fn forget_those_who_left(&mut self) {
        self.by_message.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.is_closed());
            !waiters.is_empty()
        });
        self.count = self.by_message.values().map(Vec::len).sum();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_back_every_condition_and_fate() {
        for known in CONDITIONS {
            assert_eq!(condition(code_of(known)), known);
        }
        for (code, expected) in [
            (None, Fate::Delivered),
            (Some(-1), Fate::TooOld),
            (Some(0), Fate::Refused { status: 0 }),
            (Some(422), Fate::Refused { status: 422 }),
        ] {
            assert_eq!(fate(code), expected);
        }
    }

    #[test]
    fn makes_room_for_those_who_still_wait() {
        let mut waiters = Waiters::default();
        for n in 0..limits::ACK_WAITERS_MAX {
            waiters.add(JournalId(i64::try_from(n).unwrap()), oneshot::channel().0);
        }
        let (waiter, mut told) = oneshot::channel();
        waiters.add(JournalId(-1), waiter);
        assert_eq!(waiters.count, 1, "those who left make room");
        waiters.tell(JournalId(-1), Fate::TooOld);
        assert_eq!((told.try_recv().unwrap(), waiters.count), (Fate::TooOld, 0));

        let mut kept = Vec::new();
        for n in 0..limits::ACK_WAITERS_MAX {
            let (waiter, told) = oneshot::channel();
            waiters.add(JournalId(i64::try_from(n).unwrap()), waiter);
            kept.push(told);
        }
        let (waiter, mut told) = oneshot::channel();
        waiters.add(JournalId(-1), waiter);
        assert_eq!(waiters.count, limits::ACK_WAITERS_MAX);
        assert!(told.try_recv().is_err(), "beyond the bound there is no news");
    }
}
