//! INV-09 as a predicate.

use super::Job;

/// Whether a job went backwards from one form to the next (INV-09): an end was taken back or became a later one, its
/// progress sank, something proven was forgotten or proven later than before, or a revision was used again.
///
/// A tombstone is the memory of a cancel, not yet a job: what follows it is the first form of one.
pub fn is_regression(before: &Job, after: &Job) -> bool {
    if before.is_tombstone() {
        return false;
    }
    let end = match (before.end(), after.end()) {
        (Some(_), None) => true,
        (Some((was, was_at)), Some((is, is_at))) => (is_at, is) > (was_at, was),
        _ => false,
    };
    let forgotten = before.reached.iter().any(|(state, fact)| after.reached.get(state).is_none_or(|now| now > fact));
    let forgotten_by_units = before.tracks.iter().any(|(unit, track)| {
        let Some(after) = after.tracks.get(unit) else { return true };
        track.reached.iter().any(|(state, fact)| after.reached.get(state).is_none_or(|now| now > fact))
    });
    end || after.progress() < before.progress()
        || forgotten
        || forgotten_by_units
        || after.revision < before.revision
        || after.wish < before.wish
}
