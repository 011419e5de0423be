//! What a receiver takes in when the sender's line is set differently: speed, data bits, parity, stop bits.
//!
//! ```text
//!        idle  start  d0   d1   d2   d3   d4   d5   d6   d7  parity stop  idle
//! line   ‾‾‾‾‾╲____╱ least significant bit first …          ╱    ╲‾‾‾‾‾‾‾‾‾‾‾
//!              ↑     ↑    ↑
//!              edge  samples in the middle of each bit, 16 looks per bit of the receiver's own clock
//! ```
//! As a common UART does it: the falling edge begins a byte if the line is still low half a bit later, each bit is the level
//! in its middle, and behind a byte whose stop bit is low the line must be high again before another can begin. The bytes of
//! one call follow one another without a pause; before and after them the line is idle. Times are whole numbers of
//! 1 / (16 · sent · heard) s, so nothing is rounded.

use serde::Serialize;

use crate::{settings::Parity, wire::LineFault};

/// Speed and shape of the bytes on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Shape {
    baud: u32,
    data_bits: u8,
    #[serde(skip)]
    parity: Parity,
    stop_bits: u8,
}

impl Shape {
    /// Makes a shape such as 9600 8N1: `data_bits` 5 to 8, `stop_bits` 1 or 2, `baud` at least 1; nearer values are taken for others.
    pub fn new(baud: u32, data_bits: u8, parity: Parity, stop_bits: u8) -> Self {
        Self { baud: baud.max(1), data_bits: data_bits.clamp(5, 8), parity, stop_bits: stop_bits.clamp(1, 2) }
    }

    /// Bits that one byte takes on the line.
    pub fn bits(self) -> u32 {
        1 + u32::from(self.data_bits) + u32::from(self.parity != Parity::None) + u32::from(self.stop_bits)
    }

    /// The levels of one byte, high as true.
    fn levels(self, byte: u8) -> impl Iterator<Item = bool> {
        let data = (0..self.data_bits).map(move |bit| byte >> bit & 1 == 1);
        let parity = self.parity_of(byte);
        let stop = std::iter::repeat_n(true, usize::from(self.stop_bits));
        std::iter::once(false).chain(data).chain(parity).chain(stop)
    }

    fn parity_of(self, byte: u8) -> Option<bool> {
        let data = byte & (0xff >> (8 - self.data_bits));
        let is_odd = data.count_ones() % 2 == 1;
        match self.parity {
            Parity::None => None,
            Parity::Even => Some(is_odd),
            Parity::Odd => Some(!is_odd),
        }
    }
}

/// A byte as it was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The byte; a receiver that does not check passes it on even if it is damaged.
    pub byte: u8,
    /// What the receiver found wrong with it.
    pub fault: Option<LineFault>,
}

/// What a receiver set to `heard` takes in when `bytes` are sent as `sent` says.
pub fn hear(bytes: &[u8], sent: Shape, heard: Shape) -> Vec<Heard> {
    let levels: Vec<bool> = bytes.iter().flat_map(|byte| sent.levels(*byte)).collect();
    let line = Line { levels, bit: LOOKS * u64::from(heard.baud), look: u64::from(sent.baud) };
    let mut all = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(edge) = line.falling_edge(at) {
        let Some((byte, end)) = line.byte(edge, heard) else {
            at = edge + 1;
            continue;
        };
        all.push(byte);
        at = end;
    }
    all
}

/// Looks of the receiver per bit.
const LOOKS: u64 = 16;

/// A line in the looks of its receiver.
struct Line {
    levels: Vec<bool>,
    /// Ticks of a bit of the sender.
    bit: u64,
    /// Ticks of a look.
    look: u64,
}

impl Line {
    /// The level at a look; idle behind the last bit.
    fn level(&self, look: u64) -> bool {
        let bit = usize::try_from(look * self.look / self.bit).unwrap_or(usize::MAX);
        self.levels.get(bit).copied().unwrap_or(true)
    }

    fn is_over(&self, look: u64) -> bool {
        let bit = usize::try_from(look * self.look / self.bit).unwrap_or(usize::MAX);
        bit >= self.levels.len()
    }

    /// The first look from `at` on that is low behind a high one. The line is high before it begins.
    fn falling_edge(&self, at: u64) -> Option<u64> {
        let mut was_high = at == 0 || self.level(at - 1);
        let mut look = at;
        while !self.is_over(look) {
            let is_high = self.level(look);
            if was_high && !is_high {
                return Some(look);
            }
            was_high = is_high;
            look += 1;
        }
        None
    }

    /// The byte that begins at an edge, and the look in the middle of its stop bit; none where the line is high again at
    /// once.
    fn byte(&self, edge: u64, shape: Shape) -> Option<(Heard, u64)> {
        let middle = |bit: u32| edge + LOOKS / 2 + LOOKS * u64::from(bit);
        if self.level(middle(0)) {
            return None;
        }
        let bits = u32::from(shape.data_bits);
        let byte = (0..bits).fold(0, |byte, bit| byte | u8::from(self.level(middle(1 + bit))) << bit);
        let expected = shape.parity_of(byte);
        let parity = expected.map(|_| self.level(middle(1 + bits)));
        let stop = middle(1 + bits + u32::from(expected.is_some()));
        let fault = match (self.level(stop), parity == expected) {
            (false, _) => Some(LineFault::Framing),
            (true, false) => Some(LineFault::Parity),
            (true, true) => None,
        };
        Some((Heard { byte, fault }, stop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Parity = Parity::None;

    fn shape(baud: u32) -> Shape {
        Shape::new(baud, 8, PLAIN, 1)
    }

    fn bytes(heard: &[Heard]) -> Vec<u8> {
        heard.iter().map(|heard| heard.byte).collect()
    }

    #[test]
    fn two_ends_set_alike_hear_every_byte() {
        let all: Vec<u8> = (0..=255).collect();
        let seven: Vec<u8> = (0..128).collect();
        for (sent, data) in [
            (shape(9600), &all),
            (Shape::new(1200, 8, Parity::Odd, 1), &all),
            (Shape::new(115_200, 8, Parity::Even, 2), &all),
            (Shape::new(19_200, 7, Parity::Even, 1), &seven),
        ] {
            let heard = hear(data, sent, sent);
            assert_eq!(&bytes(&heard), data, "{sent:?}");
            assert!(heard.iter().all(|heard| heard.fault.is_none()));
        }
    }

    /// Worked out by hand: at twice the speed every bit is seen twice.
    #[test]
    fn twice_the_speed_sees_every_bit_twice() {
        let heard = hear(b"U", shape(9600), shape(19_200));
        let framing = Some(LineFault::Framing);
        assert_eq!(heard, [Heard { byte: 0x66, fault: framing }, Heard { byte: 0xe6, fault: None }]);
    }

    #[test]
    fn clocks_may_differ_by_some_percent_and_no_more() {
        let text = b"MSH|^~\\&|BEDBOARD|ZZHOSP";
        for percent in [96, 98, 102, 104] {
            let heard = hear(text, shape(10_000), shape(100 * percent));
            assert_eq!(bytes(&heard), text, "{percent} %");
        }
        for percent in [92, 108] {
            assert_ne!(bytes(&hear(text, shape(10_000), shape(100 * percent))), text, "{percent} %");
        }
    }

    #[test]
    fn parity_that_nobody_expects_is_the_eighth_bit() {
        let (sent, heard) = (Shape::new(9600, 7, Parity::Even, 1), shape(9600));
        let heard = hear(b"ABC", sent, heard);
        assert_eq!(bytes(&heard), [b'A', b'B', b'C' | 0x80]);
        assert!(heard.iter().all(|heard| heard.fault.is_none()));
    }

    #[test]
    fn the_other_parity_is_told_of_every_byte() {
        let (odd, even) = (Shape::new(9600, 8, Parity::Odd, 1), Shape::new(9600, 8, Parity::Even, 1));
        let heard = hear(b"any text", odd, even);
        assert_eq!(bytes(&heard), b"any text");
        assert!(heard.iter().all(|heard| heard.fault == Some(LineFault::Parity)));
    }

    #[test]
    fn a_slow_sender_is_taken_for_breaks_and_a_fast_one_for_few_bytes() {
        let slow = hear(b"\0\0", shape(1200), shape(115_200));
        assert_eq!(slow.len(), 2, "one byte for each long low level");
        assert!(slow.iter().all(|heard| *heard == Heard { byte: 0, fault: Some(LineFault::Framing) }));
        let fast = hear(&[b'x'; 96], shape(115_200), shape(1200));
        assert!(fast.len() <= 2, "{}", fast.len());
    }
}
