//! The form of simple values (HL7 v2.5.1 chapter 2A): numbers, dates, times.
//!
//! Dates and times may be of any precision the standard ever allowed. A value that ends in the truncation character is
//! judged by nobody.

use super::super::dictionary::Form;

/// Whether `bytes`, a value without inner delimiters, has a form.
pub(super) fn fits(form: Form, bytes: &[u8]) -> bool {
    match form {
        Form::Number => is_number(bytes),
        Form::Sequence => !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit),
        Form::Date => digits(bytes) == Some(bytes.len()) && is_date(bytes),
        Form::Clock => is_clock(bytes),
        Form::Stamp => is_stamp(bytes),
        Form::Text | Form::Code | Form::Parts | Form::Opaque => true,
    }
}

/// NM: a sign, digits, a decimal point.
fn is_number(bytes: &[u8]) -> bool {
    let unsigned = bytes.strip_prefix(b"+").or_else(|| bytes.strip_prefix(b"-")).unwrap_or(bytes);
    let mut parts = unsigned.split(|byte| *byte == b'.');
    let (whole, fraction) = (parts.next().unwrap_or_default(), parts.next());
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let is_some = !whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty());
    is_some && digits(whole) && fraction.is_none_or(digits) && parts.next().is_none()
}

/// How many of the first bytes are digits, all of them told.
fn digits(bytes: &[u8]) -> Option<usize> {
    Some(bytes.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// `YYYY`, `YYYYMM` or `YYYYMMDD`, of digits.
fn is_date(bytes: &[u8]) -> bool {
    let two = |at: usize| two_digits(bytes, at);
    match bytes.len() {
        4 => true,
        6 => two(4).is_some_and(|month| (1..=12).contains(&month)),
        8 => two(4).is_some_and(|month| (1..=12).contains(&month)) && two(6).is_some_and(|day| (1..=31).contains(&day)),
        _ => false,
    }
}

/// `HH[MM[SS[.S[S[S[S]]]]]][+/-ZZZZ]`
fn is_clock(bytes: &[u8]) -> bool {
    let Some(clock) = without_zone(bytes) else { return false };
    let (whole, fraction) = match clock.iter().position(|byte| *byte == b'.') {
        Some(at) => (clock.get(..at).unwrap_or_default(), clock.get(at.saturating_add(1)..)),
        None => (clock, None),
    };
    let is_fraction =
        |part: &[u8]| whole.len() == 6 && (1..=4).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let below = |at: usize, bound: u8| at >= whole.len() || two_digits(whole, at).is_some_and(|part| part < bound);
    // 24 as an hour and 60 as a second have been written for the end of a day and of a minute.
    matches!(whole.len(), 2 | 4 | 6) && below(0, 25) && below(2, 60) && below(4, 61) && fraction.is_none_or(is_fraction)
}

/// A date, or a date of eight digits and a time; each with an offset.
fn is_stamp(bytes: &[u8]) -> bool {
    match bytes.split_at_checked(8) {
        Some((date, clock)) if !clock.is_empty() && date.iter().all(u8::is_ascii_digit) => {
            let is_only_offset = matches!(clock.first(), Some(b'+' | b'-'));
            is_date(date) && if is_only_offset { without_zone(clock) == Some(&[]) } else { is_clock(clock) }
        }
        _ => without_zone(bytes).is_some_and(|date| digits(date) == Some(date.len()) && is_date(date)),
    }
}

/// What stands before an offset `+HHMM`; `None` where the offset is none.
fn without_zone(bytes: &[u8]) -> Option<&[u8]> {
    let Some(at) = bytes.iter().position(|byte| matches!(byte, b'+' | b'-')) else { return Some(bytes) };
    let (before, offset) = bytes.split_at_checked(at)?;
    let is_offset = offset.len() == 5
        && two_digits(offset, 1).is_some_and(|hours| hours < 15)
        && two_digits(offset, 3).is_some_and(|minutes| minutes < 60);
    is_offset.then_some(before)
}

fn two_digits(bytes: &[u8], at: usize) -> Option<u8> {
    let [tens, ones] = bytes.get(at..)?.first_chunk::<2>()?;
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| byte.wrapping_sub(b'0'));
    Some(digit(tens)?.saturating_mul(10).saturating_add(digit(ones)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_forms() {
        for (form, good, bad) in [
            (Form::Number, "1 -1 +1.5 .5 5. 0071.50", "- . 1,5 1.2.3 1e5 x 1- +"),
            (Form::Sequence, "1 0001 12345", "1.0 -1 a"),
            (Form::Date, "2026 202603 20260301", "20261301 20260332 202 2026-03-01 2026030 20260301101500"),
            (
                Form::Clock,
                "10 1015 101530 101530.1 101530.1234 1015+0100 2400",
                "1 2561 1060 101530.12345 1015.5 1015+1 10:15",
            ),
            (
                Form::Stamp,
                "2026 202603 20260301 2026030110 202603011015 20260301101530 20260301101530.25 20260301101530+0100 2026-0500 20260301+0100",
                "20261301 2026030 202603011 2026030125 20260301101530+01 20260301101530+01000 2026-03-01 yesterday +0100 20260301T10",
            ),
            (Form::Text, "x", ""),
        ] {
            for (words, expected) in [(good, true), (bad, false)] {
                for word in words.split_whitespace() {
                    assert_eq!(fits(form, word.as_bytes()), expected, "{form:?} {word}");
                }
            }
        }
    }
}
