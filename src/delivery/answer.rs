//! What a destination's answer means.
//!
//! HTTP: RFC 9110 status codes and `Retry-After` (10.2.3), with the reading of 409 that an `Idempotency-Key` brings:
//! the same key is still being worked on, most likely by our own earlier attempt whose answer was lost. HL7: MSA-1
//! and MSA-2 (HL7 v2.5.1 chapter 2, 2.9.2 and 2.9.3). Sends and reads nothing itself.

use std::time::Duration;

use jiff::{civil::DateTime, fmt::strtime::BrokenDownTime, tz::TimeZone};

use crate::{
    settings::OnError,
    units::{Timestamp, limits},
};

/// What one attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The destination took it.
    Delivered,
    /// It may succeed later.
    Retry {
        /// How long the destination asked us to wait, already clamped.
        after: Option<Duration>,
        /// What is in trouble.
        fault: Fault,
    },
    /// The destination will never take it.
    Refused {
        /// The HTTP status, or 0 where an HL7 acknowledgement refused it.
        status: u16,
    },
}

/// What is in trouble when an attempt failed for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Only this message; others may go on.
    Message,
    /// The endpoint wants fewer requests: all of them pause, no other endpoint is tried instead.
    Throttled,
    /// The endpoint answers with errors.
    Failing,
    /// The endpoint gave no answer in time: what became of the message is in doubt.
    Timeout,
    /// The endpoint was not reached, or the connection broke.
    Unreachable,
}

impl Outcome {
    /// The endpoint answered with something that is no answer to this message, or could not take it.
    pub const FAILING: Self = Self::Retry { after: None, fault: Fault::Failing };
    /// The attempt got no answer in time.
    pub const TIMEOUT: Self = Self::Retry { after: None, fault: Fault::Timeout };
    /// The endpoint was not reached, or the connection broke before the answer was complete, even after a 2xx had
    /// begun: the same key makes the repeat harmless.
    pub const UNREACHABLE: Self = Self::Retry { after: None, fault: Fault::Unreachable };

    /// The `result` label of `gurney_delivery_attempts_total`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Delivered => "ok",
            Self::Retry { fault: Fault::Timeout, .. } => "timeout",
            Self::Retry { fault: Fault::Unreachable, .. } => "unreachable",
            Self::Retry { .. } => "retry",
            Self::Refused { .. } => "refused",
        }
    }
}

/// Classes an HTTP answer to attempt number `attempt` (the first is 1). `now` is wall-clock time, against which a
/// date in `Retry-After` counts.
pub fn classify(status: u16, retry_after: Option<&str>, attempt: u32, now: Timestamp) -> Outcome {
    let retry = |fault| Outcome::Retry { after: retry_after.and_then(|text| pause_asked(text, now)), fault };
    match status {
        200..=299 => Outcome::Delivered,
        408 | 425 => retry(Fault::Message),
        409 if attempt < limits::CONFLICT_ATTEMPTS => retry(Fault::Message),
        429 => retry(Fault::Throttled),
        300..=499 => Outcome::Refused { status },
        // 5xx, and what is no final status at all: a broken server or something else in between.
        _ => retry(Fault::Failing),
    }
}

/// Classes an HL7 acknowledgement: `code` is MSA-1, `echoed` is MSA-2, `sent` is the MSH-10 that was sent; `on_error`
/// is what the site says about AE and CE.
///
/// An acknowledgement of another message says nothing about this one, so it is never taken for a delivery (F42). Peers that
/// write codes in small letters, or pad fields to a width, are understood; an MSA-2 that is cut short or empty is not.
pub fn classify_ack(code: &[u8], echoed: &[u8], sent: &[u8], on_error: OnError) -> Outcome {
    let is_ours = echoed == sent || (!sent.trim_ascii().is_empty() && echoed.trim_ascii() == sent.trim_ascii());
    if !is_ours {
        return Outcome::FAILING;
    }
    match (code.trim_ascii().to_ascii_uppercase().as_slice(), on_error) {
        (b"AA" | b"CA", _) => Outcome::Delivered,
        (b"AR" | b"CR", _) | (b"AE" | b"CE", OnError::DeadLetter) => Outcome::Refused { status: 0 },
        (b"AE" | b"CE", OnError::Retry) => Outcome::Retry { after: None, fault: Fault::Message },
        _ => Outcome::FAILING,
    }
}

/// Reads `Retry-After`: seconds, or a date. What is negative, past or unreadable counts as not said; what is absurdly
/// long is clamped (F26).
fn pause_asked(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let pause = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        http_date(text)?.since(now)
    };
    (!pause.is_zero()).then_some(pause.min(limits::RETRY_AFTER_MAX))
}

/// Reads an HTTP-date in any of its three forms (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    const FORMS: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date: DateTime = FORMS.iter().find_map(|form| BrokenDownTime::parse(form, text).ok()?.to_datetime().ok())?;
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
    const NOW: Timestamp = Timestamp(784_111_777_000);

    #[test]
    fn classes_every_status_that_contract_and_faults_name() {
        let retry = |fault| Outcome::Retry { after: None, fault };
        let refused = |status| Outcome::Refused { status };
        for (status, expected) in [
            (200, Outcome::Delivered),
            (201, Outcome::Delivered),
            (202, Outcome::Delivered),
            (204, Outcome::Delivered),
            (301, refused(301)),
            (304, refused(304)),
            (307, refused(307)),
            (400, refused(400)),
            (401, refused(401)),
            (403, refused(403)),
            (404, refused(404)),
            (408, retry(Fault::Message)),
            (409, retry(Fault::Message)),
            (410, refused(410)),
            (412, refused(412)),
            (413, refused(413)),
            (422, refused(422)),
            (425, retry(Fault::Message)),
            (429, retry(Fault::Throttled)),
            (500, retry(Fault::Failing)),
            (501, retry(Fault::Failing)),
            (502, retry(Fault::Failing)),
            (503, retry(Fault::Failing)),
            (504, retry(Fault::Failing)),
            (599, retry(Fault::Failing)),
            (100, retry(Fault::Failing)),
            (0, retry(Fault::Failing)),
            (999, retry(Fault::Failing)),
        ] {
            assert_eq!(classify(status, None, 1, NOW), expected, "status {status}");
        }
    }

    #[test]
    fn takes_a_conflict_for_our_own_attempt_only_a_few_times() {
        for attempt in 1..limits::CONFLICT_ATTEMPTS {
            assert_eq!(classify(409, None, attempt, NOW).label(), "retry", "attempt {attempt}");
        }
        assert_eq!(classify(409, None, limits::CONFLICT_ATTEMPTS, NOW), Outcome::Refused { status: 409 });
        assert_eq!(classify(409, None, u32::MAX, NOW), Outcome::Refused { status: 409 });
    }

    #[test]
    fn reads_every_form_of_retry_after_and_clamps_the_absurd() {
        let hour = Some(Duration::from_secs(3600));
        for (text, expected) in [
            ("120", Some(Duration::from_secs(120))),
            (" 7 ", Some(Duration::from_secs(7))),
            ("0", None),
            ("-5", None),
            ("+5", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("315360000", hour),
            ("99999999999999999999999999", hour),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(Duration::from_secs(60))),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(Duration::from_secs(60))),
            ("Sun Nov  6 08:50:37 1994", Some(Duration::from_secs(60))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("Sat, 05 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 2094 08:49:37 GMT", None),
            ("Sat, 06 Nov 2094 08:49:37 GMT", hour),
            ("Sun, 31 Feb 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:50:37 EST", None),
        ] {
            assert_eq!(pause_asked(text, NOW), expected, "Retry-After: {text}");
        }
    }

    #[test]
    fn hands_the_pause_on_with_what_is_retried_only() {
        let after = Some(Duration::from_secs(9));
        assert_eq!(classify(503, Some("9"), 1, NOW), Outcome::Retry { after, fault: Fault::Failing });
        assert_eq!(classify(429, Some("9"), 1, NOW), Outcome::Retry { after, fault: Fault::Throttled });
        assert_eq!(classify(413, Some("9"), 1, NOW), Outcome::Refused { status: 413 });
    }

    #[test]
    fn takes_only_an_accept_of_this_very_message_for_a_delivery() {
        for (code, echoed, label) in [
            ("AA", "17", "ok"),
            ("CA", "17", "ok"),
            ("AA", "16", "retry"),
            ("AA", "", "retry"),
            ("CA", "17 ", "ok"),
            (" AA", "  17", "ok"),
            ("aa", "17", "ok"),
            ("Ca ", "17", "ok"),
            ("ae", "17", "retry"),
            ("cr", "17", "refused"),
            ("aa", "16", "retry"),
            ("AA", "1", "retry"),
            ("AA", "171", "retry"),
            ("AA", "1 7", "retry"),
            ("AA", "017", "retry"),
            ("AA", "\"\"", "retry"),
            ("AAA", "17", "retry"),
            ("A", "17", "retry"),
            ("A A", "17", "retry"),
            ("AA^x", "17", "retry"),
            ("OK", "17", "retry"),
            ("\"\"", "17", "retry"),
            ("AE", "17", "retry"),
            ("CE", "17", "retry"),
            ("AR", "17", "refused"),
            ("CR", "17", "refused"),
            ("AR", "16", "retry"),
            ("", "17", "retry"),
        ] {
            let outcome = classify_ack(code.as_bytes(), echoed.as_bytes(), b"17", OnError::Retry);
            assert_eq!(outcome.label(), label, "{code} {echoed}");
        }
    }

    #[test]
    fn sets_an_error_aside_where_the_site_says_so() {
        for (code, echoed, label) in
            [("AE", "17", "refused"), ("CE", "17", "refused"), ("AE", "16", "retry"), ("AA", "17", "ok")]
        {
            let outcome = classify_ack(code.as_bytes(), echoed.as_bytes(), b"17", OnError::DeadLetter);
            assert_eq!(outcome.label(), label, "{code} {echoed}");
        }
    }

    #[test]
    fn matches_a_message_without_a_control_id_with_an_empty_msa_2_only() {
        for (echoed, label) in [("", "ok"), (" ", "retry"), ("17", "retry")] {
            assert_eq!(classify_ack(b"AA", echoed.as_bytes(), b"", OnError::Retry).label(), label, "{echoed}");
        }
    }
}
