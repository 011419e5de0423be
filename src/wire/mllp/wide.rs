//! MLLP in UTF-16: every mark is one unit of two bytes, and the payload is handed over as the bytes between them.
//!
//! ```text
//! little-endian   0B 00  payload  1C 00  0D 00
//! big-endian      00 0B  payload  00 1C  00 0D
//! ```
//!
//! Between frames, VT is looked for at every byte; a frame's units then stand where its VT put them, so that a code
//! point with the byte of a mark in it is data. A frame that lost an odd number of bytes has its end, or the start of the
//! next frame, across its units: FS CR there, or VT and the name of a first segment, would be text that nobody writes.
//! At such an end the frame is abandoned as malformed, at such a start the next frame begins. Else the text is not looked at.

use super::{CR, Cause, Decoder, FS, State, VT};

/// How many bytes a mark has, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Wide {
    /// One byte: every encoding but UTF-16.
    #[default]
    No,
    /// UTF-16, the low byte first.
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
}

impl Wide {
    /// Writes `payload`, which is in this encoding, as one frame.
    pub(super) fn encode(self, out: &mut Vec<u8>, payload: &[u8]) {
        if self == Self::No {
            return super::encode(out, payload);
        }
        out.reserve(payload.len().saturating_add(6));
        out.extend_from_slice(&self.unit(VT));
        out.extend_from_slice(payload);
        out.extend_from_slice(&self.unit(FS));
        out.extend_from_slice(&self.unit(CR));
    }

    /// Writes a frame of the one character `says`.
    pub(super) fn encode_one(self, out: &mut Vec<u8>, says: u8) {
        match self {
            Self::No => super::encode(out, &[says]),
            Self::Utf16Le | Self::Utf16Be => self.encode(out, &self.unit(says)),
        }
    }

    /// The character, if `payload` is a single one below 0x100.
    pub(super) fn single(self, payload: &[u8]) -> Option<u8> {
        match (self, payload) {
            (Self::No, [says]) | (Self::Utf16Le, [says, 0]) | (Self::Utf16Be, [0, says]) => Some(*says),
            _ => None,
        }
    }

    /// Whether MLLP can carry `payload`: not if it is empty, holds its marks, or ends in half a unit.
    pub(super) fn fits(self, payload: &[u8]) -> bool {
        if self == Self::No {
            return !payload.is_empty() && memchr::memchr2(VT, FS, payload).is_none();
        }
        let (units, half) = payload.as_chunks::<2>();
        !units.is_empty() && half.is_empty() && !units.iter().any(|unit| [self.unit(VT), self.unit(FS)].contains(unit))
    }

    const fn unit(self, character: u8) -> [u8; 2] {
        match self {
            Self::Utf16Be => [0, character],
            Self::No | Self::Utf16Le => [character, 0],
        }
    }
}

/// Finds the units of a stream and gives them to a decoder.
#[derive(Debug)]
pub(super) struct Aligner {
    order: Wide,
    /// The byte that waits for the second one of its unit; between frames, the one that may begin VT.
    half: Option<u8>,
    /// The last eight bytes of the frame, the newest lowest.
    recent: u64,
}

/// What no frame has at its beginning: not the bytes of a mark.
const NOTHING: u64 = u64::MAX;
/// First segments of a message, a batch, a file.
const FIRST: [[u8; 3]; 3] = [*b"MSH", *b"BHS", *b"FHS"];

impl Aligner {
    /// For streams in UTF-16; none for others.
    pub(super) fn new(order: Wide) -> Option<Self> {
        (order != Wide::No).then_some(Self { order, half: None, recent: NOTHING })
    }

    pub(super) fn push(&mut self, decoder: &mut Decoder, bytes: &[u8]) {
        for byte in bytes {
            match (decoder.state, self.half.take()) {
                (State::Outside, half) => self.pass_over(decoder, half, *byte),
                (_, half) => self.gather(decoder, half, *byte),
            }
        }
    }

    /// Says that a byte was lost.
    pub(super) fn damage(&mut self, decoder: &Decoder) {
        self.half = match (decoder.state, self.half) {
            (State::Outside, half) => half,
            (_, Some(_)) => None,
            (_, None) => Some(0),
        };
    }

    /// Gives the last half of a unit to the decoder, and is ready for a new stream.
    pub(super) fn finish(&mut self, decoder: &mut Decoder) {
        let half = self.half.take();
        match decoder.state {
            State::Outside => decoder.skipped.add(half.as_slice()),
            State::Inside => decoder.extend(half.as_slice()),
            State::Ending | State::Dropping | State::DropEnding => {}
        }
        self.recent = NOTHING;
    }

    fn pass_over(&mut self, decoder: &mut Decoder, half: Option<u8>, byte: u8) {
        if half.is_some_and(|half| [half, byte] == self.order.unit(VT)) {
            self.recent = NOTHING;
            return decoder.push(&[VT]);
        }
        if let Some(half) = half {
            decoder.skip(&[half]);
        }
        self.half = Some(byte);
    }

    fn gather(&mut self, decoder: &mut Decoder, half: Option<u8>, byte: u8) {
        self.recent = (self.recent << 8) | u64::from(byte);
        if let Some(half) = half {
            return self.take(decoder, [half, byte]);
        }
        if self.recent & 0xffff_ffff == self.wide(&[FS, CR]) {
            decoder.abandon(Cause::Malformed);
            decoder.state = State::Outside;
            return;
        }
        if let Some([a, b, c]) = FIRST.into_iter().find(|[a, b, c]| self.recent == self.wide(&[VT, *a, *b, *c])) {
            self.recent = NOTHING;
            decoder.push(&[VT]);
            return [a, b, c].into_iter().for_each(|letter| decoder.extend(&self.order.unit(letter)));
        }
        self.half = Some(byte);
    }

    /// These characters as the bytes that [`Self::recent`] would hold.
    fn wide(&self, characters: &[u8]) -> u64 {
        let units = characters.iter().flat_map(|character| self.order.unit(*character));
        units.fold(0, |bytes, byte| (bytes << 8) | u64::from(byte))
    }

    /// Takes a unit of a frame.
    fn take(&mut self, decoder: &mut Decoder, unit: [u8; 2]) {
        let [vt, fs, cr] = [VT, FS, CR].map(|mark| self.order.unit(mark));
        let is_ending = matches!(decoder.state, State::Ending | State::DropEnding);
        if unit == vt {
            self.recent = NOTHING;
            return decoder.push(&[VT]);
        }
        if is_ending && unit == cr {
            return decoder.push(&[CR]);
        }
        match decoder.state {
            State::Ending => {
                decoder.separators = decoder.separators.saturating_add(1);
                decoder.state = State::Inside;
                decoder.extend(&fs);
            }
            State::DropEnding => decoder.state = State::Dropping,
            State::Outside | State::Inside | State::Dropping => {}
        }
        match decoder.state {
            State::Inside if unit == fs => decoder.state = State::Ending,
            State::Inside => decoder.extend(&unit),
            State::Dropping if unit == fs => decoder.state = State::DropEnding,
            State::Dropping | State::Outside | State::Ending | State::DropEnding => {}
        }
    }
}

#[cfg(test)]
mod tests;
