//! Messages out of the texts of frames: where one begins and where it is whole.
//!
//! A message of records (LIS02-A2, ASTM E1394) goes from its H record to its L record, over as many frames as it
//! likes; an H record that comes before the L record of the message under way begins another one. Work is linear
//! in the bytes added.

use std::{fmt, mem};

use super::frame::{CR, End, Frame};
use super::{Grouping, frame::LF};

/// What a frame made of the message under way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// More of it is to come.
    Part,
    /// It completed these messages; how it goes on is told by [`Assembly::keep`] or [`Assembly::undo`].
    Whole(Vec<Message>),
    /// The message would be larger than the link takes; nothing was added.
    TooLarge,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) text: Vec<u8>,
    pub(super) close: Close,
}

/// Whether a message is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    Terminated,
    Unterminated,
}

/// What is left of a message when its sender stops.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing but line ends.
    Nothing,
    /// Whole records, without a terminator.
    Unterminated(Vec<u8>),
    /// The last record goes on in a frame that never came.
    Cut(Vec<u8>),
}

/// The message under way.
pub(super) struct Assembly {
    grouping: Grouping,
    message_max: usize,
    text: Vec<u8>,
    now: Place,
    /// Where things stood before the last frame.
    before: (usize, Place),
}

#[derive(Clone, Copy)]
struct Place {
    /// Where the record begins that is not known to be whole.
    record: usize,
    /// How the last frame ended.
    end: End,
}

const START: Place = Place { record: 0, end: End::Whole };

impl Assembly {
    pub(super) const fn new(grouping: Grouping, message_max: usize) -> Self {
        Self { grouping, message_max, text: Vec::new(), now: START, before: (0, START) }
    }

    /// Adds a frame that was not refused.
    pub(super) fn add(&mut self, frame: &Frame) -> Added {
        if self.text.len().saturating_add(frame.text.len()) > self.message_max {
            return Added::TooLarge;
        }
        self.before = (self.text.len(), self.now);
        self.text.extend_from_slice(&frame.text);
        self.now.end = frame.end;
        let messages = match self.grouping {
            Grouping::Records => self.whole_records(frame),
            Grouping::EndFrame => self.whole_text(),
        };
        if messages.is_empty() { Added::Part } else { Added::Whole(messages) }
    }

    /// The whole messages of the last frame are taken: forgets them.
    pub(super) fn keep(&mut self) {
        let begun = self.begun();
        self.text.drain(..begun);
        self.now.record = self.now.record.saturating_sub(begun);
        if self.text.is_empty() {
            self.text = Vec::new();
        }
    }

    /// The last frame is refused: stands as before it.
    pub(super) fn undo(&mut self) {
        let (length, place) = self.before;
        self.text.truncate(length);
        self.now = place;
    }

    /// Ends the message under way.
    pub(super) fn close(&mut self) -> Left {
        let text = mem::take(&mut self.text);
        let end = mem::replace(&mut self.now, START).end;
        self.before = (0, START);
        match end {
            _ if text.iter().all(|byte| is_blank(*byte)) => Left::Nothing,
            End::Whole => Left::Unterminated(text),
            End::Continued => Left::Cut(text),
        }
    }

    /// Whether a message is under way and its last record may be whole.
    pub(super) fn is_between_records(&self) -> bool {
        self.now.end == End::Whole && self.text.iter().any(|byte| !is_blank(*byte))
    }

    /// Where the message begins that is not whole: after the last one that is.
    fn begun(&self) -> usize {
        match self.grouping {
            Grouping::Records => self.cuts(self.before.1.record).last().map_or(0, |(at, _)| *at),
            Grouping::EndFrame => self.text.len(),
        }
    }

    fn whole_text(&mut self) -> Vec<Message> {
        if self.now.end == End::Continued || self.text.is_empty() {
            return Vec::new();
        }
        self.now.record = self.text.len();
        vec![Message { text: self.text.clone(), close: Close::Terminated }]
    }

    fn whole_records(&mut self, frame: &Frame) -> Vec<Message> {
        let last = memchr::memrchr(CR, &frame.text).map_or(0, |at| at.saturating_add(1));
        let open = match last {
            0 => self.text.get(self.now.record..),
            _ => frame.text.get(last..),
        };
        if frame.end == End::Whole && open.unwrap_or_default().iter().any(|byte| !is_blank(*byte)) {
            self.text.push(CR);
        } else if last == 0 {
            return Vec::new();
        }
        let cuts = self.cuts(self.now.record);
        let unfinished = self.text.iter().rposition(|byte| *byte == CR).map_or(0, |at| at.saturating_add(1));
        self.now.record = unfinished.max(self.now.record);
        let mut messages = Vec::new();
        let mut begin = 0;
        for (end, close) in cuts {
            let text = self.text.get(begin..end).unwrap_or_default().to_vec();
            messages.push(Message { text, close });
            begin = end;
        }
        messages
    }

    /// Where messages end in the records from `from` on.
    fn cuts(&self, from: usize) -> Vec<(usize, Close)> {
        let mut cuts = Vec::new();
        let (mut record, mut message) = (from, 0);
        while let Some(length) = memchr::memchr(CR, self.text.get(record..).unwrap_or_default()) {
            let next = record.saturating_add(length).saturating_add(1);
            let text = self.text.get(record..next).unwrap_or_default();
            let has_begun = self.text.get(message..record).unwrap_or_default().iter().any(|byte| !is_blank(*byte));
            match kind(text) {
                Some(b'H') if has_begun => {
                    cuts.push((record, Close::Unterminated));
                    message = record;
                    record = next;
                }
                Some(b'L') => {
                    let rest = self.text.get(next..).unwrap_or_default();
                    let blank = rest.iter().take_while(|byte| matches!(**byte, CR | LF)).count();
                    record = next.saturating_add(blank);
                    cuts.push((record, Close::Terminated));
                    message = record;
                }
                _ => record = next,
            }
        }
        cuts
    }
}

/// The type of a record, where it looks like one: a letter, and no further letter or digit.
fn kind(record: &[u8]) -> Option<u8> {
    let start = record.iter().position(|byte| !is_blank(*byte))?;
    match record.get(start..)? {
        [kind, next, ..] if !next.is_ascii_alphanumeric() => Some(*kind),
        [kind] => Some(*kind),
        _ => None,
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, 0 | b' ' | CR | LF)
}

impl fmt::Debug for Assembly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {:?}", self.text.len(), self.now.end)
    }
}
