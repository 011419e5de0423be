//! How full is too full: thresholds with hysteresis.
//!
//! Pure. The share of the limit (or of the disk, whichever is worse) rises through *warn*, *shed* and *refuse*; each is
//! left only some way below where it was entered, so the box does not flutter at a mark. Numbers: field experience says 70,
//! 85 and 92 percent, and that a full SQLite store cannot even delete, so refusal comes well before the end.

use super::Usage;

/// What the store can still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Pressure {
    /// Everything.
    #[default]
    Normal,
    /// Everything, but a person should know.
    Warn,
    /// Only stat and urgent messages.
    Shed,
    /// Nothing: senders keep their messages.
    Refuse,
}

impl Pressure {
    /// The word for it in logs and status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Warn => "warn",
            Self::Shed => "shed",
            Self::Refuse => "refuse",
        }
    }
}

/// Percent of the limit at which a level is entered, and below which it is left.
const LEVELS: [(Pressure, u64, u64); 3] =
    [(Pressure::Refuse, 92, 88), (Pressure::Shed, 85, 80), (Pressure::Warn, 70, 65)];

/// Free bytes of the disk at which a level is entered; left at half as much again.
const DISK: [(Pressure, u64); 3] =
    [(Pressure::Refuse, 16 << 20), (Pressure::Shed, 32 << 20), (Pressure::Warn, 64 << 20)];

/// Judges `usage` after it was `before`.
pub fn judge(before: Pressure, usage: Usage) -> Pressure {
    let percent = usage.used.0.saturating_mul(100) / usage.limit.0.max(1);
    let by_limit = LEVELS
        .iter()
        .find(|(level, enter, leave)| percent >= if before >= *level { *leave } else { *enter })
        .map_or(Pressure::Normal, |(level, ..)| *level);
    let by_disk = DISK
        .iter()
        .find(|(level, enter)| usage.disk_free.0 < if before >= *level { enter * 3 / 2 } else { *enter })
        .map_or(Pressure::Normal, |(level, _)| *level);
    by_limit.max(by_disk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::ByteCount;

    fn usage(used: u64) -> Usage {
        Usage { used: ByteCount(used), limit: ByteCount(100), disk_free: ByteCount(1 << 40), log: ByteCount(0) }
    }

    #[test]
    fn rises_at_the_mark_and_falls_below_it() {
        let mut level = Normal;
        let mut seen = Vec::new();
        for used in [69, 70, 66, 64, 85, 81, 79, 92, 89, 88, 87, 64] {
            level = judge(level, usage(used));
            seen.push(level);
        }
        use Pressure::{Normal, Refuse, Shed, Warn};
        assert_eq!(seen, [Normal, Warn, Warn, Normal, Shed, Shed, Warn, Refuse, Refuse, Refuse, Shed, Normal]);
    }

    #[test]
    fn refuses_before_the_disk_is_full() {
        let full = Usage { disk_free: ByteCount(15 << 20), ..usage(1) };
        assert_eq!(judge(Pressure::Normal, full), Pressure::Refuse);
        let little = Usage { disk_free: ByteCount(20 << 20), ..usage(1) };
        assert_eq!(judge(Pressure::Refuse, little), Pressure::Refuse);
        assert_eq!(judge(Pressure::Normal, little), Pressure::Shed);
    }
}
