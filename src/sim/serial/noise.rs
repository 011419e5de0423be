//! Noise on a wire: flipped bits, lost bytes, bursts of garbage, the same for the same seed.
//!
//! MLLP has no checksum, so a flip inside a payload passes as another message; only what breaks the frame is seen.

use serde::Serialize;

use crate::sim::random::SplitMix64;

/// How noisy a wire is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Noise {
    /// Bytes in a million that have one bit flipped.
    pub flips_per_million: u32,
    /// Bytes in a million that are lost.
    pub drops_per_million: u32,
    /// Frames in a thousand before which a burst of 1 to 64 random bytes comes.
    pub bursts_per_thousand: u32,
}

impl Noise {
    /// What comes out of the wire when `frame` goes in, and how many bytes were damaged.
    pub fn pass(self, random: &mut SplitMix64, frame: &[u8]) -> (Vec<u8>, u64) {
        let mut out = Vec::with_capacity(frame.len() + 64);
        let mut damaged = 0;
        if random.below(1000) < self.bursts_per_thousand.into() {
            let length = 1 + random.below(64);
            out.extend((0..length).map(|_| byte(random)));
            damaged += length;
        }
        for &sent in frame {
            let chance = random.below(1_000_000);
            if chance < self.drops_per_million.into() {
                damaged += 1;
                continue;
            }
            let flips = chance - u64::from(self.drops_per_million) < self.flips_per_million.into();
            damaged += u64::from(flips);
            out.push(if flips { sent ^ (1 << random.below(8)) } else { sent });
        }
        (out, damaged)
    }
}

fn byte(random: &mut SplitMix64) -> u8 {
    let [byte, ..] = random.next_u64().to_le_bytes();
    byte
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damages_as_much_as_it_says_and_nothing_when_quiet() {
        let frame = vec![0x55; 100_000];
        let mut random = SplitMix64::new(1);
        assert_eq!(Noise::default().pass(&mut random, &frame), (frame.clone(), 0));
        let noise = Noise { flips_per_million: 10_000, drops_per_million: 10_000, bursts_per_thousand: 0 };
        let (out, damaged) = noise.pass(&mut random, &frame);
        let lost = frame.len() - out.len();
        let flipped = out.iter().filter(|byte| **byte != 0x55).count();
        assert_eq!(damaged, u64::try_from(lost + flipped).unwrap());
        assert!((800..1200).contains(&lost) && (800..1200).contains(&flipped), "{lost} {flipped}");
        assert!(out.iter().all(|byte| (byte ^ 0x55).count_ones() <= 1));
        let burst = Noise { bursts_per_thousand: 1000, ..Noise::default() };
        let (out, damaged) = burst.pass(&mut random, b"x");
        assert!(damaged >= 1 && out.ends_with(b"x") && out.len() > 1);
    }
}
