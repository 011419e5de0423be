//! The blocks of HLLP.
//!
//! ```text
//! 0x0B  t   v v  0x0D  data …  c c c c c  x x x  0x1C 0x0D
//! VT    │   │    CR            │          │      FS   CR
//!       │   version            │          checksum of what is before it
//!       D data, N refusal      count of the bytes before it
//! N: the data are one letter, C count, X checksum, B too long, G anything else
//! ```
//!
//! **Where a block begins.** At VT, D or N, two digits, CR, also inside a block, which is then abandoned: a single VT in
//! data costs nothing, and neither noise nor half a block costs the next one.
//!
//! **Where it ends.** At FS CR behind a count that matches, so data may hold FS and CR. Where the count does not match,
//! the block is bad if nothing follows in [`limits::HLLP_DOUBT`]; otherwise that FS CR was data.
//!
//! Work is linear in the bytes pushed, however they are cut: the checksum is looked at only where the count matches,
//! which ends the block.

use std::{collections::VecDeque, fmt, mem, time::Duration};

use memchr::memchr;

use super::{
    Checksum, Options,
    trailer::{self, Sum},
};
use crate::{
    units::limits,
    wire::{Cause, Event, mllp::Skipped},
};

/// Start of a block.
const VT: u8 = 0x0b;
/// End of the checksum.
const FS: u8 = 0x1c;
/// End of the header, and of the block.
const CR: u8 = 0x0d;

/// Bytes of the header.
const HEADER: usize = 5;

/// Why a block is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Count,
    Checksum,
    TooLong,
    Other,
}

impl Reason {
    const fn letter(self) -> u8 {
        match self {
            Self::Count => b'C',
            Self::Checksum => b'X',
            Self::TooLong => b'B',
            Self::Other => b'G',
        }
    }
}

/// What the decoder found.
#[derive(PartialEq, Eq)]
pub(super) enum Found {
    /// The data of a good D block.
    Data(Vec<u8>),
    /// A good N block.
    Refusal,
    /// Something that is not a good block.
    Noise(Event),
    /// The end of a bad D block, which is to be refused.
    Spoilt(Reason),
}

/// Where the decoder stands in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between blocks; these bytes of a header have come.
    Outside(usize),
    /// In a block.
    Inside,
    /// In a block, behind FS CR with a count that does not match.
    Doubt,
    /// In a block that was reported.
    Dropping(Reason),
}

/// Takes blocks out of a byte stream.
pub(super) struct Decoder {
    options: Options,
    /// Largest number of bytes behind a header.
    body_max: usize,
    state: State,
    header: [u8; HEADER],
    /// What came behind the header; of a block that is dropped, the last bytes.
    body: Vec<u8>,
    skipped: Skipped,
    begun: u64,
    found: VecDeque<Found>,
}

impl Decoder {
    pub(super) fn new(options: Options) -> Self {
        let frame_max = options.bounds.frame_max;
        let stuffed = options.line_max.map_or(0, |line| frame_max / line.max(1));
        let tail = trailer::length(&options).saturating_add(2);
        Self {
            options,
            body_max: frame_max.saturating_add(stuffed).saturating_add(tail),
            state: State::Outside(0),
            header: [VT, 0, 0, 0, CR],
            body: Vec::new(),
            skipped: Skipped::new(),
            begun: 0,
            found: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Outside(0) => self.pass_over(bytes),
                State::Outside(matched) => self.match_header(matched, bytes),
                State::Inside | State::Doubt | State::Dropping(_) => self.gather(bytes),
            };
        }
    }

    pub(super) fn next(&mut self) -> Option<Found> {
        self.found.pop_front()
    }

    /// Whether a block has begun and not ended.
    pub(super) const fn in_block(&self) -> bool {
        !matches!(self.state, State::Outside(_))
    }

    /// Blocks that have begun, so that a user can tell whether the one under way is still the same.
    pub(super) const fn begun(&self) -> u64 {
        self.begun
    }

    /// The silence after which [`Self::silence`] changes something.
    pub(super) const fn awaits_silence(&self) -> Option<Duration> {
        match self.state {
            State::Doubt => Some(limits::HLLP_DOUBT),
            State::Outside(_) if self.skipped.count > 0 => Some(limits::LULL),
            State::Outside(_) | State::Inside | State::Dropping(_) => None,
        }
    }

    pub(super) fn silence(&mut self) {
        match self.state {
            State::Doubt => self.spoil(Cause::Length, Reason::Count),
            State::Outside(_) => self.report_skipped(),
            State::Inside | State::Dropping(_) => {}
        }
    }

    /// Says that the block which has begun took too long.
    pub(super) fn expire(&mut self) {
        match self.state {
            State::Inside | State::Doubt => self.spoil(Cause::Timeout, Reason::Other),
            State::Dropping(reason) => self.drop_ends(reason),
            State::Outside(_) => {}
        }
    }

    /// Says that the byte which would come next is damaged.
    pub(super) fn damage(&mut self, cause: Cause) {
        match self.state {
            State::Inside | State::Doubt => {
                self.abandon(cause);
                self.state = State::Dropping(Reason::Other);
            }
            State::Outside(matched) => self.mismatch(matched),
            // A header that is being looked for here is not whole, either.
            State::Dropping(_) => self.body.clear(),
        }
    }

    /// Says that the stream has ended.
    pub(super) fn finish(&mut self) {
        match self.state {
            State::Outside(matched) => self.mismatch(matched),
            State::Inside | State::Doubt => self.abandon(Cause::Partial),
            State::Dropping(_) => {}
        }
        self.report_skipped();
        self.body = Vec::new();
        self.state = State::Outside(0);
    }

    fn pass_over<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let at = memchr(VT, bytes);
        self.skip(bytes.get(..at.unwrap_or(bytes.len())).unwrap_or_default());
        let Some(at) = at else { return &[] };
        self.state = State::Outside(1);
        bytes.get(at.saturating_add(1)..).unwrap_or_default()
    }

    fn match_header<'b>(&mut self, matched: usize, bytes: &'b [u8]) -> &'b [u8] {
        let Some((byte, rest)) = bytes.split_first() else { return &[] };
        if !fits_header(matched, *byte) {
            self.mismatch(matched);
            return bytes;
        }
        if let Some(place) = self.header.get_mut(matched) {
            *place = *byte;
        }
        self.state = State::Outside(matched.saturating_add(1));
        if matched.saturating_add(1) == HEADER {
            self.report_skipped();
            self.begin();
        }
        rest
    }

    /// What looked like a header is none.
    fn mismatch(&mut self, matched: usize) {
        let header = self.header;
        self.skip(header.get(..matched).unwrap_or_default());
        self.state = State::Outside(0);
    }

    fn begin(&mut self) {
        self.body.clear();
        self.state = State::Inside;
        self.begun = self.begun.wrapping_add(1);
    }

    /// In a block: collects bytes up to the next CR, which may end the block or be that of a header.
    fn gather<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.state == State::Doubt {
            self.state = State::Inside;
        }
        let end = memchr(CR, bytes).map(|at| at.saturating_add(1));
        let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.extend(line);
        if end.is_none() {
            return rest;
        }
        if self.body.ends_with(&[FS, CR]) {
            match self.state {
                State::Dropping(reason) => self.drop_ends(reason),
                _ => self.judge(),
            }
        } else if let Some(header) = self.body.last_chunk::<HEADER>().copied().filter(is_header) {
            let length = self.body.len().saturating_sub(HEADER);
            self.body.truncate(length);
            if self.state == State::Inside {
                self.abandon(Cause::Restarted);
            }
            self.header = header;
            self.begin();
        }
        rest
    }

    fn extend(&mut self, bytes: &[u8]) {
        let total = self.body.len().saturating_add(bytes.len());
        if matches!(self.state, State::Inside) && total <= self.body_max {
            return self.body.extend_from_slice(bytes);
        }
        if self.state == State::Inside {
            let counted = self.body_max.saturating_add(1);
            let kept = self.body.iter().chain(bytes).copied().take(limits::SKIPPED_BYTES_KEPT.min(counted));
            self.note(Cause::Oversize, kept.collect(), counted);
            self.state = State::Dropping(Reason::TooLong);
        }
        // Only what may be the beginning of a header, or an end.
        let old = self.body.len().saturating_sub(HEADER);
        let new = bytes.len().saturating_sub(HEADER);
        let mut last = self.body.get(old..).unwrap_or_default().to_vec();
        last.extend_from_slice(bytes.get(new..).unwrap_or_default());
        let excess = last.len().saturating_sub(HEADER);
        self.body = last.split_off(excess);
    }

    /// At FS CR: whether the block ends here, and what it is.
    fn judge(&mut self) {
        let digits = usize::from(self.options.count_digits);
        let Some(data_len) = self.body.len().checked_sub(trailer::length(&self.options).saturating_add(2)) else {
            self.state = State::Doubt;
            return;
        };
        let (data, trailer) = self.body.split_at_checked(data_len).unwrap_or_default();
        let (count, rest) = trailer.split_at_checked(digits).unwrap_or_default();
        let counted = trailer::covered(self.options.count_from, data_len);
        if digits > 0 && trailer::value(self.options.radix, count) != Some(u64_from(counted)) {
            self.state = State::Doubt;
            return;
        }
        let found = rest.strip_suffix(&[FS, CR]).unwrap_or_default();
        let sum = Sum::of(&self.options, &self.header, [data, count]);
        if self.options.checksum != Checksum::None
            && trailer::value(self.options.radix, found) != Some(sum.written(&self.options))
        {
            return self.spoil(Cause::Checksum, Reason::Checksum);
        }
        self.take(data_len);
    }

    /// Takes the block, which is good.
    fn take(&mut self, data_len: usize) {
        let mut data = mem::take(&mut self.body);
        data.truncate(data_len);
        self.state = State::Outside(0);
        if !self.is_data() {
            return self.found.push_back(Found::Refusal);
        }
        if let Some(line) = self.options.line_max {
            data = trailer::unstuffed(&data, line);
        }
        let length = data.len();
        if length == 0 {
            self.note(Cause::Empty, Vec::new(), 0);
            return self.found.push_back(Found::Spoilt(Reason::Other));
        }
        if length > self.options.bounds.frame_max {
            data.truncate(limits::SKIPPED_BYTES_KEPT);
            self.note(Cause::Oversize, data, length);
            return self.found.push_back(Found::Spoilt(Reason::TooLong));
        }
        data.shrink_to(length);
        self.found.push_back(Found::Data(data));
    }

    /// The block has ended and is bad.
    fn spoil(&mut self, cause: Cause, reason: Reason) {
        self.abandon(cause);
        self.drop_ends(reason);
    }

    /// A bad block has ended. A refusal is never refused.
    fn drop_ends(&mut self, reason: Reason) {
        self.body = Vec::new();
        self.state = State::Outside(0);
        if self.is_data() {
            self.found.push_back(Found::Spoilt(reason));
        }
    }

    fn is_data(&self) -> bool {
        self.header.get(1) == Some(&b'D')
    }

    /// Reports a block that will not be taken.
    fn abandon(&mut self, cause: Cause) {
        let body = mem::take(&mut self.body);
        let kept = body.iter().copied().take(limits::SKIPPED_BYTES_KEPT).collect();
        self.note(cause, kept, body.len());
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.skipped.add(bytes);
        if self.skipped.count >= limits::SKIPPED_RUN_BYTES_MAX {
            self.report_skipped();
        }
    }

    fn report_skipped(&mut self) {
        self.found.extend(self.skipped.take().map(Found::Noise));
    }

    fn note(&mut self, cause: Cause, bytes: Vec<u8>, count: usize) {
        self.found.push_back(Found::Noise(Event::Noise { cause, bytes, count: u64_from(count) }));
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {} bytes", self.state, self.body.len())
    }
}

/// Whether `byte` may stand in a header at this place.
const fn fits_header(at: usize, byte: u8) -> bool {
    match at {
        0 => byte == VT,
        1 => matches!(byte, b'D' | b'N'),
        2 | 3 => byte.is_ascii_digit(),
        _ => byte == CR,
    }
}

fn is_header(bytes: &[u8; HEADER]) -> bool {
    bytes.iter().enumerate().all(|(at, byte)| fits_header(at, *byte))
}

fn u64_from(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The D block of `payload`; none if the protocol cannot carry it such that the peer reads just this.
pub(super) fn encode(options: &Options, payload: &[u8]) -> Option<Vec<u8>> {
    let data = match options.line_max {
        Some(line) => trailer::stuffed(payload, line),
        None => payload.to_vec(),
    };
    let block = whole(options, b'D', &data)?;
    let mut bounds = options.bounds;
    bounds.frame_max = payload.len();
    let mut decoder = Decoder::new(Options { bounds, ..*options });
    decoder.push(&block);
    let is_read_back = matches!(decoder.next(), Some(Found::Data(read)) if read == payload);
    (is_read_back && decoder.next().is_none()).then_some(block)
}

/// Writes an N block.
pub(super) fn encode_refusal(out: &mut Vec<u8>, options: &Options, reason: Reason) {
    out.extend(whole(options, b'N', &[reason.letter()]).unwrap_or_default());
}

/// The block of these data; none if the count has too few digits.
fn whole(options: &Options, kind: u8, data: &[u8]) -> Option<Vec<u8>> {
    let [tens, ones] = options.version;
    let header = [VT, kind, tens, ones, CR];
    let counted = u64_from(trailer::covered(options.count_from, data.len()));
    let count = trailer::digits(options.radix, options.count_digits, counted)?;
    let sum = Sum::of(options, &header, [data, &count]).written(options);
    let checksum = trailer::digits(options.radix, trailer::checksum_digits(options), sum)?;
    Some([&header, data, &count, &checksum, &[FS, CR]].concat())
}
