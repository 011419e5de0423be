//! The values that labels may take, as closed lists: no patient, message or free text ever becomes a label.

use crate::settings::Priority;

/// A closed list of label values.
pub trait Label: Copy + 'static {
    /// Every value, in the order of the declaration.
    const ALL: &'static [Self];

    /// The value as text.
    fn text(self) -> &'static str;

    /// Its place in [`Self::ALL`].
    fn place(self) -> usize;
}

macro_rules! labels {
    ($($(#[$meta:meta])* $name:ident { $($(#[$value_meta:meta])* $value:ident = $text:literal,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_meta])* $value,)+
        }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$value,)+];

            fn text(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }

            fn place(self) -> usize {
                self as usize
            }
        }
    )+};
}

labels! {
    /// The code of an acknowledgement (MSA-1).
    AckCode {
        /// Application accept.
        Aa = "AA",
        /// Application error.
        Ae = "AE",
        /// Application reject.
        Ar = "AR",
        /// Commit accept.
        Ca = "CA",
        /// Commit error.
        Ce = "CE",
        /// Commit reject.
        Cr = "CR",
    }

    /// What went wrong in an exchange with an HL7 receiver.
    ExchangeFault {
        /// It acknowledged another message than the one that was sent.
        OtherMessage = "other_message",
        /// Its answer is no acknowledgement.
        MalformedAnswer = "malformed_answer",
        /// A kept connection was dead; the message was sent again on another one.
        DeadConnection = "dead_connection",
    }

    /// What a message is to its link's profile.
    Conformance {
        /// Nothing was found.
        Clean = "clean",
        /// Only notes.
        Noted = "noted",
        /// Wrong, but accepted.
        Warned = "warned",
        /// Refused.
        Refused = "refused",
    }

    /// How grave a finding is.
    FindingLevel {
        /// Worth knowing.
        Note = "note",
        /// Wrong, but accepted.
        Warn = "warn",
        /// Refused for what it says.
        Error = "error",
        /// Refused for what it is.
        Reject = "reject",
    }

    /// Why bytes of a link did not become a frame.
    FrameFault {
        /// Start, end or order of the frame's marks.
        Framing = "framing",
        /// Parity, on a serial line.
        Parity = "parity",
        /// The receiver was too slow, on a serial line.
        Overrun = "overrun",
        /// The checksum does not match.
        Checksum = "checksum",
        /// The frame was not completed in time.
        Timeout = "timeout",
        /// The frame is larger than the link accepts.
        Oversize = "oversize",
    }

    /// Something of the link layer below frames.
    LinkEvent {
        /// We refused a frame.
        NakSent = "nak_sent",
        /// The peer refused a frame of ours.
        NakReceived = "nak_received",
        /// We sent a frame again.
        Retransmitted = "retransmitted",
        /// The peer repeated a frame that was taken.
        DuplicateFrame = "duplicate_frame",
        /// Both ends asked for the line at once.
        Contention = "contention",
        /// The receiver asked the sender to stop.
        Interrupted = "interrupted",
        /// The line was found again after bytes that made no sense.
        Resynchronised = "resynchronised",
        /// Several messages were given up half-way soon after each other.
        AbortedOften = "aborted_often",
        /// The peer said that it is there, and nothing else.
        Heartbeat = "heartbeat",
    }

    /// What a serial line reports beside bytes.
    LineError {
        /// A byte with wrong parity.
        Parity = "parity",
        /// A byte without its stop bit.
        Framing = "framing",
        /// Bytes that were not fetched in time.
        Overrun = "overrun",
        /// The line was held low for longer than a character.
        Break = "break",
    }

    /// Why the character set of a message was guessed.
    Guess {
        /// Neither the link nor the message names one.
        Undeclared = "undeclared",
        /// MSH-18 names none that is known.
        UnknownName = "unknown_name",
        /// The bytes contradict what was named.
        Contradicted = "contradicted",
    }

    /// What is odd about a batch.
    BatchFault {
        /// A trailer's count is not what is there.
        Count = "count",
        /// A trailer without a header.
        WithoutHeader = "without_header",
        /// A header without a trailer.
        WithoutTrailer = "without_trailer",
        /// Lines that belong to no message.
        Stray = "stray",
    }

    /// Why a peer was not let in.
    Refusal {
        /// Its address is not on the list.
        Address = "address",
        /// The link serves as many connections as it may.
        Full = "full",
        /// The peer has as many connections as it may.
        PeerFull = "peer_full",
        /// The TLS handshake failed.
        Tls = "tls",
        /// A request bore no token of the link.
        Bearer = "bearer",
        /// The connection could not be accepted: out of descriptors, most likely.
        Accept = "accept",
    }

    /// The final state of a message in a flow.
    Ending {
        /// The destination confirmed it.
        Delivered = "delivered",
        /// No rule wanted it.
        Filtered = "filtered",
        /// It had been taken before.
        Duplicate = "duplicate",
        /// Consent forbids it.
        Withheld = "withheld",
        /// A person must decide.
        Held = "held",
        /// It was set aside for a person.
        DeadLetter = "dead_letter",
        /// It could not be processed; its bytes are kept.
        Quarantined = "quarantined",
    }

    /// A stage of processing.
    Stage {
        /// Bytes to message.
        Parse = "parse",
        /// Message against its profile.
        Validate = "validate",
        /// Who it is about.
        Identity = "identity",
        /// Whether it may go.
        Consent = "consent",
        /// Message to outgoing body.
        Map = "map",
        /// Body to destination.
        Deliver = "deliver",
    }

    /// Why a message was lost.
    Loss {
        /// The store was full.
        StoreFull = "store_full",
        /// Its row is unreadable.
        Corrupt = "corrupt",
        /// It expired before it was delivered.
        Expired = "expired",
    }

    /// An operation of the store.
    StoreOperation {
        /// Read.
        Read = "read",
        /// Write or commit.
        Write = "write",
        /// Making data durable.
        Sync = "sync",
        /// Integrity check.
        Integrity = "integrity",
    }

    /// How full the store is.
    StoreLevel {
        /// All is taken.
        Normal = "normal",
        /// All is taken; a person should look.
        Warn = "warn",
        /// Only what must be taken is taken.
        Shed = "shed",
        /// Nothing is taken.
        Refuse = "refuse",
    }

    /// The result of a delivery attempt.
    AttemptResult {
        /// Confirmed.
        Ok = "ok",
        /// The destination asked to try again.
        Retry = "retry",
        /// The destination will never take it.
        Refused = "refused",
        /// No answer in time.
        Timeout = "timeout",
        /// Not reached.
        Unreachable = "unreachable",
    }

    /// What was noticed about a job.
    JobFinding {
        /// It was said before.
        Duplicate = "duplicate",
        /// It is older than what is known.
        OlderThanKnown = "older-than-known",
        /// A unit says less than it said before.
        Backwards = "backwards",
        /// States were skipped.
        Gap = "gap",
        /// It happened later than now.
        ClockAhead = "clock-ahead",
        /// A cancel of something nobody knows.
        CancelOfUnknown = "cancel-of-unknown",
        /// Wanted after its cancel had come.
        Tombstone = "tombstone",
        /// A change of something nobody had asked for.
        ChangeOfUnknown = "change-of-unknown",
        /// Asked for again after its end.
        AfterEnd = "after-end",
        /// Reported after its end.
        ReportAfterEnd = "report-after-end",
        /// It ended otherwise than was known.
        EndCorrected = "end-corrected",
        /// The patient is on board.
        CancelTooLate = "cancel-too-late",
        /// A cancel and a wish contradict each other.
        CancelInDoubt = "cancel-in-doubt",
        /// Nobody confirmed the cancel in time.
        CancelUnanswered = "cancel-unanswered",
        /// A crew moves for a job that was cancelled.
        MovingAlthoughCancelled = "moving-although-cancelled",
        /// A crew moves for a job that is on hold or only planned.
        MovingAlthoughHeld = "moving-although-held",
        /// The last unit was taken off.
        NobodyComing = "nobody-coming",
        /// It was rejected, expired or failed.
        JobLost = "job-lost",
        /// Nothing was heard for too long.
        Silent = "silent",
        /// What it waits for will not come.
        AwaitedEnded = "awaited-ended",
        /// Whose job it is must be decided.
        IdentitySplit = "identity-split",
        /// A new job follows one that had ended.
        Reopened = "reopened",
        /// Too old to be sent by itself.
        Stale = "stale",
    }

    /// How much a finding about a job matters.
    Gravity {
        /// It is counted.
        Note = "note",
        /// A person should look at it today.
        Warn = "warn",
        /// A person has to act now.
        Critical = "critical",
    }
}

impl JobFinding {
    /// The value whose text is `text`, as `job::Finding::as_str` gives it.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|finding| finding.text() == text)
    }
}

impl AttemptResult {
    /// The value whose text is `text`, as `delivery::Outcome::label` gives it.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|result| result.text() == text)
    }
}

impl Label for Priority {
    const ALL: &'static [Self] = &[Self::Stat, Self::Urgent, Self::Routine];

    fn text(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Urgent => "urgent",
            Self::Routine => "routine",
        }
    }

    fn place(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<L: Label>() {
        for (place, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.place(), place, "{}", label.text());
            assert!(label.text().bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-')));
        }
    }

    #[test]
    fn knows_the_place_of_every_label() {
        check::<AckCode>();
        check::<FrameFault>();
        check::<LinkEvent>();
        check::<LineError>();
        check::<Conformance>();
        check::<FindingLevel>();
        check::<Refusal>();
        check::<Ending>();
        check::<Stage>();
        check::<Loss>();
        check::<StoreOperation>();
        check::<StoreLevel>();
        check::<AttemptResult>();
        check::<ExchangeFault>();
        check::<JobFinding>();
        check::<Gravity>();
        check::<Priority>();
    }
}
