//! The versions of HL7 v2 whose definitions are known, and values that changed between them.

use std::fmt;

/// A version of the standard, 2.1 to 2.8.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Version {
    /// 2.1
    V21,
    /// 2.2
    V22,
    /// 2.3
    V23,
    /// 2.3.1
    V231,
    /// 2.4
    V24,
    /// 2.5
    V25,
    /// 2.5.1
    V251,
    /// 2.6
    V26,
    /// 2.7
    V27,
    /// 2.7.1
    V271,
    /// 2.8
    V28,
    /// 2.8.1
    V281,
    /// 2.8.2
    V282,
}

impl Version {
    /// Every known version, the oldest first.
    pub(crate) const ALL: [Self; 13] = [
        Self::V21,
        Self::V22,
        Self::V23,
        Self::V231,
        Self::V24,
        Self::V25,
        Self::V251,
        Self::V26,
        Self::V27,
        Self::V271,
        Self::V28,
        Self::V281,
        Self::V282,
    ];

    /// As MSH-12 writes it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V21 => "2.1",
            Self::V22 => "2.2",
            Self::V23 => "2.3",
            Self::V231 => "2.3.1",
            Self::V24 => "2.4",
            Self::V25 => "2.5",
            Self::V251 => "2.5.1",
            Self::V26 => "2.6",
            Self::V27 => "2.7",
            Self::V271 => "2.7.1",
            Self::V28 => "2.8",
            Self::V281 => "2.8.1",
            Self::V282 => "2.8.2",
        }
    }

    /// The version that MSH-12 names, if it is a known one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str().as_bytes() == bytes)
    }

    /// The known version to judge a message by whose MSH-12 says `bytes`: the last one that is not later, as far as
    /// numbers can be made out, else 2.5.1, which most senders mean.
    pub(crate) fn near(bytes: &[u8]) -> Self {
        let mut parts =
            bytes.split(|byte| *byte == b'.').map(|part| std::str::from_utf8(part).ok()?.parse::<u8>().ok());
        let wanted = (parts.next().flatten(), parts.next().flatten(), parts.next().flatten().unwrap_or(0));
        let (Some(2), Some(minor), patch) = wanted else { return Self::V251 };
        let not_later = |version: &Self| {
            let mut own = version.as_str().split('.').skip(1).map(|part| part.parse::<u8>().unwrap_or(0));
            (own.next().unwrap_or(0), own.next().unwrap_or(0)) <= (minor, patch)
        };
        Self::ALL.into_iter().rev().find(not_later).unwrap_or(Self::V21)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A value of the standard that changed from version to version.
#[derive(Clone, Debug)]
pub(crate) struct History<T>(Box<[(Version, T)]>);

impl<T: Copy> History<T> {
    /// `steps` in the order of their versions.
    pub(super) fn new(steps: Vec<(Version, T)>) -> Self {
        Self(steps.into_boxed_slice())
    }

    /// What holds in `version`; nothing before the first step.
    pub(crate) fn at(&self, version: Version) -> Option<T> {
        self.0.iter().rev().find(|(since, _)| *since <= version).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_and_finds_the_nearest() {
        for version in Version::ALL {
            assert_eq!(Version::read(version.as_str().as_bytes()), Some(version));
            assert_eq!(Version::near(version.as_str().as_bytes()), version);
        }
        for (text, near) in [
            ("2.9", Version::V282),
            ("2.999", Version::V251),
            ("2.3.2", Version::V231),
            ("2.0", Version::V21),
            ("2.x", Version::V251),
            ("99.9", Version::V251),
            ("", Version::V251),
        ] {
            assert_eq!(Version::read(text.as_bytes()), None);
            assert_eq!(Version::near(text.as_bytes()), near, "{text}");
        }
    }

    #[test]
    fn keeps_what_holds_until_it_changes() {
        let history = History::new(vec![(Version::V22, 'a'), (Version::V25, 'b')]);
        let at = |version| history.at(version);
        assert_eq!((at(Version::V21), at(Version::V24), at(Version::V282)), (None, Some('a'), Some('b')));
    }
}
