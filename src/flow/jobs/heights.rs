//! The level of service and how the patient travels are never lowered by a message: that waits for a person.
//!
//! | what comes | what it does |
//! |---|---|
//! | more than before | raises |
//! | less, by an order | the order waits for a person, and the job stays as it is |
//! | less, by a message of the visit | what asks for less waits; the rest of the message is learned |
//! | more, by an order that is older than what is known | waits for a person: what is known has asked for less |
//! | any of it, released by a person | holds |
//!
//! What is more and what is less is the order of the codes in the tables of the map ([`Height`]).

use super::{Held, JobRecord, Work};
use crate::{
    event::Statement,
    job::{Content, Stamp},
    mapping::{Height, JobAsk, Lowered, Refusal},
    units::Timestamp,
};

impl Work<'_> {
    /// What is asked less for than what was wanted before: by what is known now, or by an order that was said earlier than
    /// what is known and comes only now.
    pub(super) fn lowered(
        &self,
        before: &JobRecord,
        after: &JobRecord,
        ask: &JobAsk,
        statement: &Statement,
        heights: &[Height],
    ) -> Vec<Lowered> {
        if !before.is_wanted() {
            return Vec::new();
        }
        let mut lowered = Vec::new();
        if before.picture != after.picture
            && let Ok((_, was)) = self.digest(before, true)
        {
            lowered = Height::lowered(&was, heights);
        }
        let is_settled = ask.occurred_at.is_some_and(|at| before.lowered_at.is_some_and(|settled| at <= settled));
        if lowered.is_empty() && ask.by_order && !is_settled {
            let mut picture = before.picture.clone();
            picture.take(statement, Timestamp(i64::MAX));
            if picture.message() != after.picture.message()
                && let Ok((_, asked)) = self.digest(&JobRecord { picture, ..before.clone() }, true)
            {
                lowered = Height::lowered(&asked, heights);
            }
        }
        lowered
    }

    /// What asks for less waits for a person. An order waits whole; of what the visit says the rest is learned, because a
    /// room change is not to wait for it.
    pub(super) fn keep_height(
        &mut self,
        target: usize,
        ask: &JobAsk,
        mut statement: Statement,
        at: Stamp,
        lowered: Vec<Lowered>,
    ) -> Option<Content> {
        let before = statement.clone();
        for (segment, field) in lowered.iter().flat_map(|lowered| &lowered.fields).filter(|_| !ask.by_order) {
            statement.forget(segment, *field);
        }
        let refusal = Refusal {
            lowered: lowered.into_iter().map(|lowered| (lowered.what, lowered.place)).collect(),
            ..Refusal::default()
        };
        if statement == before {
            self.refuse(refusal);
            return None;
        }
        let (reason, detail) = (refusal.reason().as_str(), refusal.to_string());
        self.decided.held.push(Held { job: None, reason, detail });
        self.learn(target, ask, statement, at)
    }
}
