//! The marks that a terminal in PARMRK mode puts between the bytes of a serial line: which byte is damaged, and where the
//! line broke.
//!
//! With `INPCK` and `PARMRK` set, and `IGNPAR`, `IGNBRK`, `BRKINT` and `ISTRIP` clear, a read gives (termios(3)):
//!
//! ```text
//! FF FF      the byte FF
//! FF 00 xx   the byte xx, with a parity or framing error
//! FF 00 00   a break, or a NUL with a parity or framing error
//! xx         any other byte, as it came
//! ```
//! A read may end anywhere, also inside a mark. Which of the two errors a byte has, the mark does not say; the counters of
//! the driver do, where there are any. Bytes that were lost (overrun) leave no mark.

use std::collections::VecDeque;

/// What the marks say, in the order of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes as they were sent.
    Bytes(Vec<u8>),
    /// A byte with a parity or framing error; what it was meant to be is not known.
    Damaged,
    /// The line was held low for longer than a character.
    Break,
}

/// Takes the marks out of what is read. Holds no more than it was given and has not given back.
#[derive(Debug, Default)]
pub struct Marks {
    pieces: VecDeque<Piece>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    /// After FF.
    Escape,
    /// After FF 00.
    Fault,
}

/// The byte that begins a mark.
const ESCAPE: u8 = 0xff;

impl Marks {
    /// Takes the next bytes that were read.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.state {
                State::Between => {
                    let plain = memchr::memchr(ESCAPE, bytes).unwrap_or(bytes.len());
                    let (run, behind) = bytes.split_at(plain);
                    self.bytes(run);
                    if !behind.is_empty() {
                        self.state = State::Escape;
                    }
                    bytes = behind.get(1..).unwrap_or_default();
                    continue;
                }
                State::Escape if byte == 0 => self.state = State::Fault,
                State::Escape => {
                    // Anything but FF is not a mark; a driver that doubles nothing has sent it, and it is passed on.
                    let both = [ESCAPE, byte];
                    self.bytes(if byte == ESCAPE { both.get(..1).unwrap_or_default() } else { &both });
                    self.state = State::Between;
                }
                State::Fault => {
                    self.pieces.push_back(if byte == 0 { Piece::Break } else { Piece::Damaged });
                    self.state = State::Between;
                }
            }
            bytes = rest;
        }
    }

    /// Takes bytes of a line that has no marks.
    pub fn pass(&mut self, bytes: &[u8]) {
        self.bytes(bytes);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match self.pieces.back_mut() {
            _ if bytes.is_empty() => {}
            Some(Piece::Bytes(run)) => run.extend_from_slice(bytes),
            _ => self.pieces.push_back(Piece::Bytes(bytes.to_vec())),
        }
    }

    /// Takes the next piece, bytes at most `most` at a time.
    pub fn next(&mut self, most: usize) -> Option<Piece> {
        if let Some(Piece::Bytes(run)) = self.pieces.front_mut()
            && run.len() > most
        {
            let rest = run.split_off(most);
            return Some(Piece::Bytes(std::mem::replace(run, rest)));
        }
        self.pieces.pop_front()
    }

    /// Forgets a mark that was not read to its end: the line was lost.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode<'a>(reads: impl IntoIterator<Item = &'a [u8]>) -> Vec<Piece> {
        let mut marks = Marks::default();
        let mut pieces: Vec<Piece> = Vec::new();
        for read in reads {
            marks.push(read);
            while let Some(piece) = marks.next(7) {
                match (pieces.last_mut(), piece) {
                    (Some(Piece::Bytes(run)), Piece::Bytes(more)) => run.extend(more),
                    (_, piece) => pieces.push(piece),
                }
            }
        }
        pieces
    }

    /// As a terminal writes it down.
    fn marked(pieces: &[Piece], damaged: u8) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => bytes.iter().for_each(|byte| match byte {
                    0xff => out.extend([0xff, 0xff]),
                    byte => out.push(*byte),
                }),
                Piece::Damaged => out.extend([0xff, 0, damaged]),
                Piece::Break => out.extend([0xff, 0, 0]),
            }
        }
        out
    }

    #[test]
    fn tells_bytes_from_marks() {
        for (read, pieces) in [
            (&b"abc"[..], vec![Piece::Bytes(b"abc".to_vec())]),
            (&[0xff, 0xff], vec![Piece::Bytes(vec![0xff])]),
            (&[0xff, 0xff, 0, 0xff, 0xff], vec![Piece::Bytes(vec![0xff, 0, 0xff])]),
            (
                &[b'a', 0xff, 0, b'b', b'c'],
                vec![Piece::Bytes(b"a".to_vec()), Piece::Damaged, Piece::Bytes(b"c".to_vec())],
            ),
            (&[0xff, 0, 0xff], vec![Piece::Damaged]),
            (&[0xff, 0, 0, 0xff, 0, 0], vec![Piece::Break, Piece::Break]),
            (&[0xff, b'x'], vec![Piece::Bytes(vec![0xff, b'x'])]),
            (&[0xff, 0], vec![]),
        ] {
            assert_eq!(decode([read]), pieces, "{read:02x?}");
        }
    }

    #[test]
    fn forgets_half_a_mark_when_the_line_is_lost() {
        let mut marks = Marks::default();
        marks.push(&[b'a', 0xff, 0]);
        marks.clear();
        marks.push(b"b");
        assert_eq!((marks.next(9), marks.next(9)), (Some(Piece::Bytes(b"b".to_vec())), None));
    }

    fn line() -> impl Strategy<Value = Vec<Piece>> {
        let bytes = proptest::collection::vec(prop_oneof![Just(0_u8), Just(0xff_u8), any::<u8>()], 1..20);
        let piece = prop_oneof![bytes.prop_map(Piece::Bytes), Just(Piece::Damaged), Just(Piece::Break)];
        proptest::collection::vec(piece, 0..12)
    }

    proptest! {
        #[test]
        fn gives_back_what_was_on_the_line_however_it_is_read(
            line in line(), damaged in 1..=255_u8, cuts in proptest::collection::vec(1..9_usize, 1..9),
        ) {
            let read = marked(&line, damaged);
            let whole = decode([read.as_slice()]);
            let mut rest = read.as_slice();
            let mut reads = Vec::new();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (read, behind) = rest.split_at((*cut).min(rest.len()));
                reads.push(read);
                rest = behind;
            }
            prop_assert_eq!(&decode(reads), &whole);
            prop_assert_eq!(marked(&whole, damaged), read);
            let faults = |pieces: &[Piece]| pieces.iter().filter(|piece| !matches!(piece, Piece::Bytes(_))).count();
            prop_assert_eq!(faults(&whole), faults(&line));
        }

        #[test]
        fn never_holds_more_than_it_was_given(reads in proptest::collection::vec(any::<Vec<u8>>(), 0..9)) {
            let bytes: usize = reads.iter().map(Vec::len).sum();
            let pieces = decode(reads.iter().map(Vec::as_slice));
            let out: usize = pieces.iter().map(|piece| if let Piece::Bytes(run) = piece { run.len() } else { 3 }).sum();
            prop_assert!(out <= bytes);
        }
    }
}
