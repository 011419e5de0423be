//! The sequence number protocol (HL7 v2.5.1 chapter 2, 2.10.1): MSH-13 of the sender, MSA-4 of the answer.
//!
//! ```text
//! sender         receiver, which expects 5
//! MSH-13 = 5     takes it, MSA-4 = 5, expects 6
//! MSH-13 = 4     the answer to 4 was lost: the same answer again, nothing is processed
//! MSH-13 = 7     not taken, MSA-4 = 5: the sender goes back to 5, or the link stands until a person acts
//! MSH-13 = 0     start: MSA-4 = 5, or -1 where nothing was ever taken
//! MSH-13 = -1    resynchronise: MSA-4 = -1, and the next number is taken whatever it is
//! ```
//!
//! The stream of numbers is one between two applications, whatever the trigger events. What is expected is kept by the
//! caller, durably and before the answer leaves. Numbers go up to [`NUMBER_MAX`], the largest NM of 15 digits.

/// Largest number: an NM field has at most 16 characters, one of them may be a sign.
pub const NUMBER_MAX: i64 = 999_999_999_999_999;

/// What MSH-13 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// 0: the sender starts the link.
    Start,
    /// -1: the sender wants to begin with a number of its own.
    Resync,
    /// The number of a message.
    Of(i64),
}

impl Number {
    /// Reads MSH-13; `None` where it is not an integer from -1 to [`NUMBER_MAX`].
    pub fn read(field: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(field.trim_ascii()).ok()?;
        match text.parse::<i64>().ok()? {
            -1 => Some(Self::Resync),
            0 => Some(Self::Start),
            number @ 1..=NUMBER_MAX => Some(Self::Of(number)),
            _ => None,
        }
    }

    /// The number of a message; `None` for the two orders.
    pub const fn of_message(self) -> Option<i64> {
        match self {
            Self::Of(number) => Some(number),
            Self::Start | Self::Resync => None,
        }
    }
}

/// What is to be done with a message by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Only answered, with this in MSA-4: nothing changes.
    Answer(i64),
    /// Only answered, with -1 in MSA-4: what was expected is forgotten.
    Forget,
    /// It is the one expected; from now on `next` is.
    Take {
        /// The number expected after it.
        next: i64,
    },
    /// It is the one taken last, sent again.
    Repeated,
    /// It is another than the one expected: not to be taken.
    Unexpected {
        /// The number expected.
        expected: i64,
    },
}

/// The next step of a stream that expects `expected`; `None` where any number will do.
pub const fn step(expected: Option<i64>, number: Number) -> Step {
    match (number, expected) {
        (Number::Start, Some(expected)) => Step::Answer(expected),
        (Number::Start, None) => Step::Answer(-1),
        (Number::Resync, _) => Step::Forget,
        (Number::Of(number), Some(expected)) if number.saturating_add(1) == expected => Step::Repeated,
        (Number::Of(number), Some(expected)) if number != expected => Step::Unexpected { expected },
        (Number::Of(number), _) => Step::Take { next: number.saturating_add(1) },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_integers_from_minus_one_on() {
        for (field, expected) in [
            ("1", Some(Number::Of(1))),
            ("0", Some(Number::Start)),
            ("-1", Some(Number::Resync)),
            ("+7", Some(Number::Of(7))),
            ("007", Some(Number::Of(7))),
            (" 7 ", Some(Number::Of(7))),
            ("2000000000", Some(Number::Of(2_000_000_000))),
            ("999999999999999", Some(Number::Of(NUMBER_MAX))),
            ("1000000000000000", None),
            ("99999999999999999999999", None),
            ("-2", None),
            ("1.0", None),
            ("1.5", None),
            ("", None),
            ("\"\"", None),
            ("one", None),
            ("1^2", None),
            ("0x1", None),
            ("\u{0661}", None),
        ] {
            assert_eq!(Number::read(field.as_bytes()), expected, "{field}");
        }
        assert_eq!(Number::read(b"\xff"), None);
    }

    #[test]
    fn follows_the_standard_step_by_step() {
        use Step::{Answer, Forget, Repeated, Take, Unexpected};
        for (expected, number, step_wanted) in [
            (None, Number::Start, Answer(-1)),
            (Some(5), Number::Start, Answer(5)),
            (None, Number::Resync, Forget),
            (Some(5), Number::Resync, Forget),
            (None, Number::Of(1), Take { next: 2 }),
            (None, Number::Of(4711), Take { next: 4712 }),
            (Some(5), Number::Of(5), Take { next: 6 }),
            (Some(5), Number::Of(4), Repeated),
            (Some(5), Number::Of(6), Unexpected { expected: 5 }),
            (Some(5), Number::Of(3), Unexpected { expected: 5 }),
            (Some(5), Number::Of(NUMBER_MAX), Unexpected { expected: 5 }),
            (Some(NUMBER_MAX), Number::Of(NUMBER_MAX), Take { next: NUMBER_MAX + 1 }),
        ] {
            assert_eq!(step(expected, number), step_wanted, "{expected:?} {number:?}");
        }
    }

    proptest! {
        /// A sender that does as the standard says, over a line that loses messages and answers and a receiver that starts
        /// again from what it kept, has each message taken once and in order.
        #[test]
        fn takes_each_message_once_whatever_is_lost(
            first in 1_i64..1_000_000,
            losses in prop::collection::vec(0_u8..4, 1..200),
        ) {
            let (mut kept, mut taken, mut current) = (None, Vec::new(), first);
            for loss in losses {
                // 0: the message is lost; 1: its answer is lost; 2: the sender starts anew; 3: all is well.
                if loss == 0 {
                    continue;
                }
                if loss == 2 {
                    let Step::Answer(expected) = step(kept, Number::Start) else { panic!("start is answered") };
                    if expected != -1 {
                        prop_assert!(expected == current || expected == current + 1);
                        current = expected;
                    }
                    continue;
                }
                match step(kept, Number::Of(current)) {
                    Step::Take { next } => {
                        taken.push(current);
                        kept = Some(next);
                    }
                    Step::Repeated => prop_assert_eq!(taken.last(), Some(&current)),
                    other => prop_assert!(false, "{:?}", other),
                }
                if loss == 3 {
                    current += 1;
                }
            }
            prop_assert!(taken.iter().copied().eq(first..first + i64::try_from(taken.len()).unwrap()));
        }
    }
}
