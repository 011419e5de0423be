//! Files as frames: which files of a watched folder are complete, in what order they are taken, and how what is written
//! about them is named.
//!
//! ```text
//! in/adt-17.hl7.tmp            being written: left
//! in/adt-17.hl7                renamed, so complete: taken
//! in/done/adt-17.hl7           taken: every message of it is stored
//! in/done/adt-17.hl7.ack       its acknowledgements, as they would have gone over a wire
//! in/error/adt-18.hl7          refused: too large, unreadable, no message, or answered AE, AR, CE, CR
//! in/error/adt-18.hl7.err      why, in words of ours, without a word of the file
//! in/error/adt-18.hl7.ack      its acknowledgements, where there are any
//! ```
//!
//! A writer that does not rename is waited for: a file is complete once its size and time of change have stayed the same
//! for the settle time, by our clock, so that the clock of a file server does not matter. Files behind one that is not
//! complete wait for it, or they would overtake. Left alone are hidden files, `.tmp`, `.part`, `.ack` and `.err`,
//! empty files, names longer than [`NAME_BYTES_MAX`], and what does not match the pattern. Does no I/O.

use std::{collections::HashMap, fmt::Write as _, time::Duration};

use crate::units::Timestamp;

/// Longest name that is taken: with its time and the end of its sidecar it is no longer than file systems allow (255).
pub const NAME_BYTES_MAX: usize = 200;
/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 100;
/// Refused messages of one file that are described; the rest is only counted.
pub const DESCRIBED_MAX: usize = 100;

/// Ends of names that are never messages: being written, or written by us.
const NEVER: [&[u8]; 4] = [b".tmp", b".part", b".ack", b".err"];

/// Which names are messages: `*` is any run of characters, `?` any one, letters match whatever their case, as on the file
/// servers that such folders lie on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Reads a pattern; `None` where it is empty, too long, names another folder or can only match hidden files.
    pub fn new(text: &str) -> Option<Self> {
        let is_good = (1..=PATTERN_BYTES_MAX).contains(&text.len())
            && !text.starts_with('.')
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
        is_good.then(|| Self(text.to_owned()))
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        let (mut at, mut read) = (0, 0);
        // Where to go on when the last `*` has to take one more.
        let mut again = None;
        while let Some(byte) = name.get(read) {
            match pattern.get(at) {
                Some(b'*') => {
                    again = Some((at, read));
                    at += 1;
                }
                Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(byte) => (at, read) = (at + 1, read + 1),
                _ => {
                    let Some((star, taken)) = again else { return false };
                    again = Some((star, taken + 1));
                    (at, read) = (star + 1, taken + 1);
                }
            }
        }
        pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
    }

    /// Whether a file of this name may be a message.
    pub fn takes(&self, name: &[u8]) -> bool {
        let ends = |end: &&[u8]| {
            name.len()
                .checked_sub(end.len())
                .and_then(|at| name.get(at..))
                .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
        };
        !name.starts_with(b".") && name.len() <= NAME_BYTES_MAX && !NEVER.iter().any(ends) && self.matches(name)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// In what order files are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By the time of their last change, then by name.
    Time,
    /// By name, byte by byte.
    Name,
}

/// One file as a scan sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
    /// The time of its last change: seconds and nanoseconds of the file system's clock.
    pub modified: (i64, i64),
}

/// Chooses the files to take out of each scan.
#[derive(Debug)]
pub struct Chooser {
    order: Order,
    settle: Duration,
    /// What the last scan saw, and since when it has been so. Bounded by the entries of one scan.
    seen: HashMap<Vec<u8>, Sight>,
}

#[derive(Debug, PartialEq, Eq)]
struct Sight {
    size: u64,
    modified: (i64, i64),
    since: Timestamp,
}

impl Chooser {
    /// Makes a chooser that has seen nothing.
    pub fn new(order: Order, settle: Duration) -> Self {
        Self { order, settle, seen: HashMap::new() }
    }

    /// The files of a scan that are to be taken, in order: all up to the first one that is not complete.
    pub fn choose(&mut self, now: Timestamp, mut entries: Vec<Entry>) -> Vec<Entry> {
        let mut seen = HashMap::with_capacity(entries.len());
        for entry in &entries {
            let before = self.seen.remove(&entry.name);
            let same = before.filter(|sight| (sight.size, sight.modified) == (entry.size, entry.modified));
            let since = same.map_or(now, |sight| sight.since);
            seen.insert(entry.name.clone(), Sight { size: entry.size, modified: entry.modified, since });
        }
        self.seen = seen;
        entries.retain(|entry| entry.size > 0);
        match self.order {
            Order::Time => entries.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name))),
            Order::Name => entries.sort_by(|a, b| a.name.cmp(&b.name)),
        }
        let is_complete =
            |entry: &Entry| self.seen.get(&entry.name).is_some_and(|sight| now.since(sight.since) >= self.settle);
        entries.into_iter().take_while(is_complete).collect()
    }

    /// Whether files are there that may become complete.
    pub fn is_waiting(&self) -> bool {
        !self.seen.is_empty()
    }
}

/// Where a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// All of it is stored.
    Done,
    /// Something of it was refused.
    Error,
}

impl Shelf {
    /// The name of its folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Error => "error",
        }
    }
}

/// The `attempt`th name for a file on a shelf: its own, then with the time at which it was taken, then with a number too.
pub fn shelved(name: &[u8], taken: Timestamp, attempt: u32) -> Vec<u8> {
    let more = match attempt {
        0 => String::new(),
        1 => format!(".{}", taken.0),
        _ => format!(".{}-{attempt}", taken.0),
    };
    [name, more.as_bytes()].concat()
}

/// The name of the acknowledgements of a file.
pub fn acknowledgements(name: &[u8]) -> Vec<u8> {
    [name, b".ack"].concat()
}

/// The name of what is wrong with a file.
pub fn reasons(name: &[u8]) -> Vec<u8> {
    [name, b".err"].concat()
}

/// The name of a file while it is written.
pub fn unfinished(name: &[u8]) -> Vec<u8> {
    [name, b".tmp"].concat()
}

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is larger than the link accepts.
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The link's bound.
        most: u64,
    },
    /// We may not read it.
    Unreadable,
    /// There is no segment MSH in it.
    NoMessage,
    /// Some of its messages were answered with an error or a reject.
    Answered(Vec<Answer>),
}

/// An acknowledgement that is no acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its place among the acknowledgements of the file, from 1 on.
    pub number: usize,
    /// MSA-1.
    pub code: &'static str,
    /// What our acknowledgement says: words of ours and places of fields.
    pub text: String,
}

impl Refusal {
    /// The content of the sidecar `.err`.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let written = match self {
            Self::TooLarge { size, most } => {
                writeln!(text, "not taken: {size} bytes, and this link takes {most} (frame_max)")
            }
            Self::Unreadable => writeln!(text, "not taken: the file may not be read; look at its owner and mode"),
            Self::NoMessage => writeln!(text, "not taken: there is no HL7 version 2 message in it (no segment MSH)"),
            Self::Answered(answers) => describe_answers(&mut text, answers),
        };
        // Writing to a text cannot fail.
        written.ok();
        text
    }
}

fn describe_answers(text: &mut String, answers: &[Answer]) -> std::fmt::Result {
    writeln!(text, "refused: {} of the acknowledgements beside this file", answers.len())?;
    for Answer { number, code, text: why } in answers.iter().take(DESCRIBED_MAX) {
        writeln!(text, "acknowledgement {number}: {code} {why}")?;
    }
    if answers.len() > DESCRIBED_MAX {
        writeln!(text, "and {} more", answers.len() - DESCRIBED_MAX)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
