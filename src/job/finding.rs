//! What a person or a counter should know about a step, in closed words.

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Counted.
    Note,
    /// A person should look at it today.
    Warn,
    /// A person has to act now.
    Critical,
}

/// What was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// It was said before (rule 4).
    Duplicate,
    /// It is older than what is known; it filled in what was missing at most (rule 1).
    OlderThanKnown,
    /// A unit says less than it said before, and later (rule 1).
    Backwards,
    /// States were skipped (rule 3).
    Gap,
    /// It happened later than now: kept, not applied (rule 7).
    ClockAhead,
    /// A cancel of something nobody knows: remembered.
    CancelOfUnknown,
    /// Wanted after its cancel had come: recorded, not sent.
    Tombstone,
    /// A change of something nobody had asked for: taken as the request.
    ChangeOfUnknown,
    /// Asked for again after its end: a new job has to be opened for that.
    AfterEnd,
    /// Reported after its end.
    ReportAfterEnd,
    /// It ended otherwise, and earlier, than was known.
    EndCorrected,
    /// The patient is on board: the cancel was refused (rule 5).
    CancelTooLate,
    /// A cancel and a wish contradict each other by their times: which of both holds, a person decides.
    CancelInDoubt,
    /// Nobody confirmed the cancel in time (rule 5).
    CancelUnanswered,
    /// A crew moves for a job that was cancelled.
    MovingAlthoughCancelled,
    /// A crew moves for a job that is on hold or only planned.
    MovingAlthoughHeld,
    /// The last unit was taken off the job.
    NobodyComing,
    /// It was rejected, expired or failed: the patient waits.
    JobLost,
    /// Nothing was heard for too long: where the job stands is not known.
    Silent,
    /// What it waits for will not come.
    AwaitedEnded,
    /// Whose job it is must be decided.
    IdentitySplit,
    /// A new job follows one that had ended.
    Reopened,
    /// Too old to be sent by itself.
    Stale,
}

impl Finding {
    /// All findings.
    pub const ALL: [Self; 23] = [
        Self::Duplicate,
        Self::OlderThanKnown,
        Self::Backwards,
        Self::Gap,
        Self::ClockAhead,
        Self::CancelOfUnknown,
        Self::Tombstone,
        Self::ChangeOfUnknown,
        Self::AfterEnd,
        Self::ReportAfterEnd,
        Self::EndCorrected,
        Self::CancelTooLate,
        Self::CancelInDoubt,
        Self::CancelUnanswered,
        Self::MovingAlthoughCancelled,
        Self::MovingAlthoughHeld,
        Self::NobodyComing,
        Self::JobLost,
        Self::Silent,
        Self::AwaitedEnded,
        Self::IdentitySplit,
        Self::Reopened,
        Self::Stale,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::OlderThanKnown => "older-than-known",
            Self::Backwards => "backwards",
            Self::Gap => "gap",
            Self::ClockAhead => "clock-ahead",
            Self::CancelOfUnknown => "cancel-of-unknown",
            Self::Tombstone => "tombstone",
            Self::ChangeOfUnknown => "change-of-unknown",
            Self::AfterEnd => "after-end",
            Self::ReportAfterEnd => "report-after-end",
            Self::EndCorrected => "end-corrected",
            Self::CancelTooLate => "cancel-too-late",
            Self::CancelInDoubt => "cancel-in-doubt",
            Self::CancelUnanswered => "cancel-unanswered",
            Self::MovingAlthoughCancelled => "moving-although-cancelled",
            Self::MovingAlthoughHeld => "moving-although-held",
            Self::NobodyComing => "nobody-coming",
            Self::JobLost => "job-lost",
            Self::Silent => "silent",
            Self::AwaitedEnded => "awaited-ended",
            Self::IdentitySplit => "identity-split",
            Self::Reopened => "reopened",
            Self::Stale => "stale",
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Duplicate
            | Self::OlderThanKnown
            | Self::Backwards
            | Self::Gap
            | Self::CancelOfUnknown
            | Self::ReportAfterEnd
            | Self::Reopened => Severity::Note,
            Self::ClockAhead
            | Self::Tombstone
            | Self::ChangeOfUnknown
            | Self::AfterEnd
            | Self::EndCorrected
            | Self::Silent
            | Self::Stale => Severity::Warn,
            Self::CancelTooLate
            | Self::CancelInDoubt
            | Self::CancelUnanswered
            | Self::MovingAlthoughCancelled
            | Self::MovingAlthoughHeld
            | Self::NobodyComing
            | Self::JobLost
            | Self::AwaitedEnded
            | Self::IdentitySplit => Severity::Critical,
        }
    }
}
