//! What a patient's numbers mean to a job: which of them is the patient's now, and which went in a merge (UC-14).
//!
//! A merge (A40 and its kin) names the number that stays and those that go. Systems that missed it go on sending the old
//! one; it still means the patient, and must not become the job's patient again. Of several merges about a number the
//! newest by event time holds, in whatever order they arrive: going round in a circle ends with the number named last.
//!
//! Limits: [`limits::JOB_KEYS_MAX`] numbers. Decides nothing about jobs.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::units::{Timestamp, limits};

/// A number that a merge spoke of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Number {
    key: Uuid,
    /// Whether it went.
    is_gone: bool,
    /// When that was so.
    at: Timestamp,
}

/// The numbers that merges spoke of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Numbers(Vec<Number>);

impl Numbers {
    /// None.
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Takes in a merge: `stays` is the preferred number of the record that stays.
    pub(super) fn merge(&mut self, stays: Option<Uuid>, gone: &[Uuid], at: Timestamp) {
        for key in gone.iter().filter(|key| Some(**key) != stays) {
            self.note(Number { key: *key, is_gone: true, at });
        }
        if let Some(key) = stays {
            self.note(Number { key, is_gone: false, at });
        }
    }

    fn note(&mut self, number: Number) {
        if let Some(known) = self.0.iter_mut().find(|known| known.key == number.key) {
            // Of two at the same time the one that goes: what went must not come back by chance.
            if (known.at, known.is_gone) < (number.at, number.is_gone) {
                *known = number;
            }
        } else if self.0.len() < limits::JOB_KEYS_MAX {
            self.0.push(number);
        }
    }

    /// Whether a message that knows its patient by these speaks of the record that went, and of that alone.
    pub(super) fn are_gone(&self, persons: &[Uuid]) -> bool {
        let any = |is_gone: bool| self.0.iter().any(|known| known.is_gone == is_gone && persons.contains(&known.key));
        any(true) && !any(false)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn key(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn knows_the_number_that_went_and_the_one_that_stays() {
        let mut numbers = Numbers::default();
        assert!(!numbers.are_gone(&[key(1)]));
        numbers.merge(Some(key(2)), &[key(1)], Timestamp(10));
        assert!(numbers.are_gone(&[key(1)]) && numbers.are_gone(&[key(9), key(1)]));
        assert!(!numbers.are_gone(&[key(2)]) && !numbers.are_gone(&[key(2), key(1)]) && !numbers.are_gone(&[key(9)]));
        // Round in a circle: the last word holds.
        numbers.merge(Some(key(1)), &[key(2)], Timestamp(20));
        assert!(numbers.are_gone(&[key(2)]) && !numbers.are_gone(&[key(1)]));
        numbers.merge(Some(key(2)), &[key(1)], Timestamp(15));
        assert!(numbers.are_gone(&[key(2)]) && !numbers.are_gone(&[key(1)]), "an older merge comes late");
        numbers.merge(Some(key(3)), &[key(3)], Timestamp(30));
        assert!(!numbers.are_gone(&[key(3)]), "nothing merges into itself");
    }

    proptest! {
        #[test]
        fn converges_in_whatever_order_merges_arrive(
            merges in proptest::collection::vec((0_u128..6, 0_u128..6, 0_i64..50), 1..20).prop_map(|merges| {
                // One thing is said at one time.
                let mut merges = merges;
                merges.sort_by_key(|merge| merge.2);
                merges.dedup_by_key(|merge| merge.2);
                merges
            }).prop_flat_map(|merges| (Just(merges.clone()), Just(merges).prop_shuffle()))
        ) {
            let told = |merges: &[(u128, u128, i64)]| {
                let mut numbers = Numbers::default();
                for (stays, gone, at) in merges {
                    numbers.merge(Some(key(*stays)), &[key(*gone)], Timestamp(*at));
                }
                (0..6).map(|number| numbers.are_gone(&[key(number)])).collect::<Vec<_>>()
            };
            prop_assert_eq!(told(&merges.0), told(&merges.1));
            let (last, _, _) = merges.0.last().unwrap();
            prop_assert!(!told(&merges.0)[usize::try_from(*last).unwrap()], "the number named last as staying is the patient's");
        }
    }
}
