//! The part that completes a message: what came in parts is decided whole, in the transaction of that part.

use std::sync::Arc;

use super::{
    super::{jobs, parts, transaction::Deltas},
    Accept, Writer,
};
use crate::{
    flow::{Answer, Disposition, Facts, Outcome, PartOf, Record, RouteVerdict, Whole, decide, joined, poisoned},
    hl7::continuation::{Chain, Part, chain},
};

/// A message that is complete.
struct Complete {
    whole: Whole,
    /// Journal rows of the other parts, and what each is counted as from now on.
    others: Vec<(i64, Outcome)>,
}

impl Writer {
    /// Writes a part, and the message itself if this is the part that was missing.
    pub(super) fn take_in_part(
        &mut self,
        accept: &Accept,
        of: PartOf,
        record: Record,
        facts: &Facts,
        deltas: &mut Deltas,
    ) -> Result<Answer, rusqlite::Error> {
        let (message, raw, id) = (&accept.message, &accept.raw, self.next_journal);
        let link = self.names.links.get(message.link).copied().unwrap_or(0);
        let Some(Complete { whole, others }) = self.complete(accept, of, link)? else {
            let original = self.record(message, raw, &record, deltas)?;
            parts::keep(&self.opened.connection, link, of, message.received_at, id, None)?;
            return Ok(Answer::Stored(original));
        };
        let jobs = jobs::gather(&self.opened.connection, &self.names, &whole.message, &self.flows)?;
        let room = Facts { room_for: facts.room_for, jobs, ..Facts::default() };
        let decided = self.decide(|flows| decide(&whole.message, &room, flows));
        let Disposition::Record(of_whole) =
            decided.unwrap_or_else(|| Disposition::Record(poisoned(&whole.message, &room)))
        else {
            // There is no room for a message that no flow takes in the end: the sender keeps the part that is missing.
            accept.latch.close();
            return Ok(Answer::Refused);
        };
        let original = self.record(message, raw, &joined(record, &of_whole), deltas)?;
        // The link's thread saw the parts only, so what a map refuses of the whole is told from here.
        for route in &whole.message.routes {
            if matches!(route.verdict, RouteVerdict::Hold { .. } | RouteVerdict::Quarantine { .. }) {
                let of_flow = whole.message.unmapped.iter().filter(|(flow, _)| *flow == route.flow);
                deltas.refused.push((route.flow, of_flow.map(|(_, table)| Arc::clone(table)).collect()));
            }
        }
        let in_journal = self.record(&whole.message, &whole.raw, &of_whole, deltas)?.journal.0;
        parts::keep(&self.opened.connection, link, of, message.received_at, id, Some(in_journal))?;
        for (journal, outcome) in others {
            deltas.resolve(&self.opened.connection, &self.names, journal, in_journal, outcome)?;
        }
        Ok(Answer::Stored(original))
    }

    /// The message that a part completes.
    fn complete(&mut self, accept: &Accept, of: PartOf, link: i64) -> Result<Option<Complete>, rusqlite::Error> {
        let message = &accept.message;
        let waiting = parts::waiting(&self.opened.connection, link, of, message.received_at)?;
        let mut all: Vec<Part> = waiting.iter().map(|waiting| waiting.part).collect();
        all.push(of.part);
        let Chain::Complete { order, copies } = chain(&all, waiting.len(), self.reading.bounds(message.link)) else {
            return Ok(None);
        };
        let mut raws = Vec::with_capacity(order.len());
        for at in &order {
            raws.push(match waiting.get(*at) {
                Some(part) => parts::raw(&self.opened.connection, part.journal)?,
                None => accept.raw.clone(),
            });
        }
        let reading = Arc::clone(&self.reading);
        // What cannot be read stays with a person, part by part.
        let whole = self.decide(|_| reading.whole(message.link, message.received_at, &raws)).flatten();
        let rows = |places: Vec<usize>, outcome: Outcome| {
            let rows: Vec<_> =
                places.iter().filter_map(|at| waiting.get(*at)).map(|part| (part.journal, outcome)).collect();
            rows
        };
        let others = [rows(order, Outcome::Filtered), rows(copies, Outcome::Duplicate)].concat();
        Ok(whole.map(|whole| Complete { whole, others }))
    }
}
