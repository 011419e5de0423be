//! How much a job asks for where a row is `rising`: the rank of what it writes, in the table that the codes are of.
//!
//! Whatever a message says later may raise it; what lowers it is for a person. The order is that of the codes in the table
//! (`level`, `mobility`), so what is more and what is less is data. Nothing is less than any code.

use std::sync::Arc;

use super::source::{Source, SourcePlace};

/// How much one row asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Height {
    what: Arc<str>,
    rank: usize,
    place: Arc<str>,
    /// Segment and field, where it is no answer.
    field: Option<(String, u16)>,
}

/// Something that asks for less than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lowered {
    /// What there is less of: the level of service, or how the patient travels.
    pub what: Arc<str>,
    /// The place that asks for less, or that no longer asks for more.
    pub place: Arc<str>,
    /// The fields that may have said so.
    pub fields: Vec<(String, u16)>,
}

impl Height {
    pub(super) fn of(what: &Arc<str>, rank: usize, source: &Source) -> Self {
        let field = match &source.place {
            SourcePlace::Path(path) => Some((path.segment().to_owned(), path.field())),
            SourcePlace::Answer(_) => None,
        };
        Self { what: Arc::clone(what), rank, place: Arc::clone(&source.shown), field }
    }

    /// What `after` asks less for than `before`.
    pub fn lowered(before: &[Self], after: &[Self]) -> Vec<Lowered> {
        let mut lowered = Vec::new();
        for was in before {
            let is = after.iter().find(|is| is.what == was.what);
            if is.is_some_and(|is| is.rank >= was.rank) {
                continue;
            }
            let fields = is.and_then(|is| is.field.clone()).into_iter().chain(was.field.clone()).collect();
            let place = Arc::clone(&is.unwrap_or(was).place);
            lowered.push(Lowered { what: Arc::clone(&was.what), place, fields });
        }
        lowered
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;
    use crate::mapping::compile::Tables;

    fn heights() -> impl Strategy<Value = Vec<Height>> {
        let height = |what: &'static str| {
            proptest::option::of((0_usize..5, prop::sample::select(vec!["PV1-15", "OBR-4", "answer(mobility)"])))
                .prop_map(move |said| {
                    let (rank, place) = said?;
                    let source = Source::read(place, None, &Tables::new()).unwrap();
                    Some(Height::of(&what.into(), rank, &source))
                })
        };
        (height("level"), height("mobility")).prop_map(|(level, mobility)| level.into_iter().chain(mobility).collect())
    }

    fn rank(of: &[Height], what: &str) -> Option<usize> {
        of.iter().find(|height| *height.what == *what).map(|height| height.rank)
    }

    proptest! {
        #[test]
        fn finds_what_is_less_and_nothing_else(before in heights(), after in heights()) {
            let lowered = Height::lowered(&before, &after);
            for what in ["level", "mobility"] {
                let is_less = rank(&after, what) < rank(&before, what);
                prop_assert_eq!(lowered.iter().any(|less| *less.what == *what), is_less);
            }
            prop_assert!(Height::lowered(&before, &before).is_empty());
        }
    }
}
