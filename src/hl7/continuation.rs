//! Messages that come in parts, and segments that are cut (HL7 v2.5.1 chapter 2, 2.10.2; segments ADD and DSC).
//!
//! ```text
//! part 1   MSH|^~\&|..|..         part 2   MSH|^~\&|..|p1       whole   MSH|^~\&|..|..     of the first part
//!          OBX|1|TX|N||a be                ADD|ginning                  OBX|1|TX|N||a beginning
//!          ADD                             NTE|1||the end               NTE|1||the end
//!          DSC|p1|F
//! ```
//!
//! MSH-14 of a part is DSC-1 of the part before it. A last segment DSC whose DSC-2 is not `I` cuts a message; `I` is the
//! paging of a query's answer, which is not put together. An ADD continues the segment before it, character by
//! character; one without a field separator says that the segment goes on in the next part.
//!
//! [`chain`] finds the parts of one message, [`join`] makes it. Where two different parts claim one place nothing is
//! guessed: a value of one patient must not end in another's message. What is kept between two parts, how long and for whom, is
//! the store's matter.

use std::{collections::VecDeque, fmt};

use super::message::{Message, Segment};

/// Where a part stands in its message. Nothing means that there is no part before it, or none behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// MSH-14.
    pub pointer: Option<&'a [u8]>,
    /// DSC-1.
    pub next: Option<&'a [u8]>,
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({}, {})", self.pointer.is_some(), self.next.is_some())
    }
}

impl Place<'_> {
    /// What a part waits for, for a person; names fields only.
    pub const fn waits_for(&self) -> &'static str {
        match (self.pointer.is_some(), self.next.is_some()) {
            (false, _) => "DSC-1: expected the part that continues it, found none yet",
            (true, false) => "MSH-14: expected the parts before it, found not all yet",
            (true, true) => "MSH-14, DSC-1: expected the parts around it, found not all yet",
        }
    }
}

/// Where `message` stands in a longer one; `None` for a message that is whole.
pub fn place<'a>(message: &Message<'a>) -> Option<Place<'a>> {
    let next = closing(message).and_then(|closing| said(closing.field(1).bytes()));
    let pointer = said(message.header(14).bytes());
    (pointer.is_some() || next.is_some()).then_some(Place { pointer, next })
}

/// What all parts of one message have in common: MSH-1 to MSH-4, MSH-9 and MSH-18. Parts written in another way cannot be put
/// together.
pub fn family<'a>(message: &Message<'a>) -> [&'a [u8]; 6] {
    [1, 2, 3, 4, 9, 18].map(|number| message.header(number).bytes())
}

/// What stands in `message` behind its header: the same in a part and in its copy under another MSH-10.
pub fn body<'a>(message: &Message<'a>) -> &'a [u8] {
    let begin = message.segment_at(1).map_or_else(|| message.raw().len(), |segment| segment.start());
    message.raw().get(begin..).unwrap_or_default()
}

/// The last segment, if it cuts the message.
fn closing<'a>(message: &Message<'a>) -> Option<Segment<'a>> {
    let last = message.segment_at(message.segment_count().checked_sub(1)?)?;
    (last.is("DSC") && !last.field(2).bytes().trim_ascii().eq_ignore_ascii_case(b"I")).then_some(last)
}

fn said(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    (!value.is_empty() && value != b"\"\"").then_some(value)
}

/// A part as it is kept: where it stands, by hashes of its pointers, and a hash of its [`body`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// MSH-14; none for the first part.
    pub pointer: Option<i64>,
    /// DSC-1; none for the last part.
    pub next: Option<i64>,
    /// What it says.
    pub body: i64,
    /// How long it is.
    pub bytes: usize,
}

/// How long a message may become.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// In parts.
    pub parts: usize,
    /// In bytes of all parts, headers included.
    pub bytes: usize,
}

/// What the parts of one message come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chain {
    /// All are there.
    Complete {
        /// Positions of the parts, from the first on.
        order: Vec<usize>,
        /// Positions of further copies of them.
        copies: Vec<usize>,
    },
    /// Some are missing.
    Open,
    /// Different parts claim one place, or a part follows itself.
    Ambiguous,
    /// It is longer than it may be.
    TooLong,
}

/// Finds the message that the part at position `of` belongs to among `parts`, oldest first, of one sender.
pub fn chain(parts: &[Part], of: usize, bounds: Bounds) -> Chain {
    walk(parts, of, bounds).unwrap_or_else(|stopped| stopped)
}

/// Forward first: the last part is the one that is missing most often.
fn walk(parts: &[Part], of: usize, bounds: Bounds) -> Result<Chain, Chain> {
    let mut found = Found { bounds, order: VecDeque::new(), copies: Vec::new(), bytes: 0 };
    let start = *parts.get(of).ok_or(Chain::Open)?;
    let own = found.take(parts, VecDeque::push_back, |part| part.is_copy_of(&start))?;
    let mut behind = own.next;
    while let Some(next) = behind {
        behind = found.take(parts, VecDeque::push_back, |part| part.pointer == Some(next))?.next;
    }
    let mut before = own.pointer;
    while let Some(pointer) = before {
        before = found.take(parts, VecDeque::push_front, |part| part.next == Some(pointer))?.pointer;
    }
    found.copies.sort_unstable();
    Ok(Chain::Complete { order: found.order.into(), copies: found.copies })
}

struct Found {
    bounds: Bounds,
    order: VecDeque<usize>,
    copies: Vec<usize>,
    bytes: usize,
}

impl Found {
    /// Takes the oldest part that stands at a place, if no other part claims its place.
    fn take(
        &mut self,
        parts: &[Part],
        put: fn(&mut VecDeque<usize>, usize),
        stands_there: impl Fn(&Part) -> bool,
    ) -> Result<Part, Chain> {
        let position = parts.iter().position(stands_there).ok_or(Chain::Open)?;
        let part = *parts.get(position).ok_or(Chain::Open)?;
        if self.order.contains(&position) {
            return Err(Chain::Ambiguous);
        }
        for (other, rival) in parts.iter().enumerate().filter(|(other, rival)| *other != position && rival.meets(&part))
        {
            if !rival.is_copy_of(&part) {
                return Err(Chain::Ambiguous);
            }
            self.copies.push(other);
        }
        self.bytes = self.bytes.saturating_add(part.bytes);
        put(&mut self.order, position);
        if self.order.len() > self.bounds.parts || self.bytes > self.bounds.bytes {
            return Err(Chain::TooLong);
        }
        Ok(part)
    }
}

impl Part {
    fn is_copy_of(&self, other: &Self) -> bool {
        (self.pointer, self.next, self.body) == (other.pointer, other.next, other.body)
    }

    /// Whether it claims the place of `other` on one side.
    fn meets(&self, other: &Self) -> bool {
        let same = |own: Option<i64>, others: Option<i64>| own.is_some() && own == others;
        same(self.pointer, other.pointer) || same(self.next, other.next)
    }
}

/// Puts the parts of one message together, from the first on: its header, the segments of all without their headers and their
/// DSC, and every cut segment in one piece. Segments keep their line ends; a part that has none at its end gets a CR.
pub fn join(parts: &[Message<'_>]) -> Vec<u8> {
    let mut writer = Writer::default();
    for (part, message) in parts.iter().enumerate() {
        let count = message.segment_count();
        let count = if closing(message).is_some() { count.saturating_sub(1) } else { count };
        let from = usize::from(part > 0);
        (from..count).for_each(|place| writer.segment(message, place));
    }
    writer.joined
}

/// A message whose cut segments are in one piece; for reading only.
pub fn unfold(message: &Message<'_>) -> Vec<u8> {
    let mut writer = Writer::default();
    (0..message.segment_count()).for_each(|place| writer.segment(message, place));
    writer.joined
}

#[derive(Default)]
struct Writer {
    joined: Vec<u8>,
    /// End of the last segment, without its line end.
    end: usize,
}

impl Writer {
    fn segment(&mut self, message: &Message<'_>, place: usize) {
        let Some(segment) = message.segment_at(place) else { return };
        let bytes = segment.bytes();
        let after =
            message.segment_at(place.saturating_add(1)).map_or_else(|| message.raw().len(), |next| next.start());
        let line_end = message.raw().get(segment.start().saturating_add(bytes.len())..after).unwrap_or_default();
        if !segment.is("ADD") {
            if self.end > 0 && self.joined.len() == self.end {
                self.joined.push(b'\r');
            }
            self.joined.extend_from_slice(bytes);
        } else if let Some(rest) = bytes.get(4..) {
            self.joined.truncate(self.end);
            self.joined.extend_from_slice(rest);
        } else {
            return;
        }
        self.end = self.joined.len();
        self.joined.extend_from_slice(line_end);
    }
}

#[cfg(test)]
mod tests;
