//! A noisy line: what comes out at the other end when bytes go in, the same for the same seed.
//!
//! ```text
//!  transmission ──► dropped whole? ──► a burst before it? ──► byte by byte: lost, flipped ──► the other end's UART
//!                                                        └──► cut here: the plug is pulled
//! ```
//! A transmission is what an end writes at once: a frame, an answer. One [`Channel`] is one direction. What it does depends
//! on the seed and on the transmissions before, not on time. MLLP has no checksum, so a flip inside a payload passes as
//! another message there. A check finds one flip in a frame, and most others: of two flips in the same place of two bytes a
//! sum or an exclusive or may know nothing.

mod uart;

use serde::Serialize;

pub use uart::{Heard, Shape, hear};

use super::random::SplitMix64;

/// How noisy a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Noise {
    /// Bytes in a million that have one bit flipped.
    pub flips_per_million: u32,
    /// Bytes in a million that are lost.
    pub drops_per_million: u32,
    /// Transmissions in a thousand before which a burst of 1 to 64 random bytes comes.
    pub bursts_per_thousand: u32,
    /// Transmissions in a thousand that do not arrive at all.
    pub mutes_per_thousand: u32,
    /// The plug is pulled inside a transmission each time about so many bytes have passed; never if absent.
    pub unplug_every: Option<u32>,
    /// Speed and shape of the bytes as they are sent and as the other end takes them, where these differ.
    pub misheard: Option<Misheard>,
}

/// Two ends that are set differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Misheard {
    /// How it is sent.
    pub sent: Shape,
    /// How it is taken.
    pub heard: Shape,
}

impl Noise {
    /// The noise of the other direction of the same line. Each end hears as it sends; and what is read there comes in
    /// pieces that are no transmissions, so only what happens to single bytes happens to them.
    pub fn back(self) -> Self {
        let misheard = self.misheard.map(|ends| Misheard { sent: ends.heard, heard: ends.sent });
        let Self { flips_per_million, drops_per_million, .. } = self;
        Self { flips_per_million, drops_per_million, misheard, ..Self::default() }
    }
}

/// What came of a transmission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// What arrives.
    pub bytes: Vec<u8>,
    /// Bytes that were damaged, lost or added.
    pub damaged: u64,
    /// Whether the plug is pulled behind these bytes.
    pub is_cut: bool,
}

/// One direction of a line.
#[derive(Clone, Debug)]
pub struct Channel {
    noise: Noise,
    /// What happens to bytes.
    bytes: SplitMix64,
    /// What happens to transmissions; apart, so that how bytes are cut into pieces changes nothing for them.
    turns: SplitMix64,
    /// Bytes until the plug is pulled.
    unplug_in: Option<u64>,
    cut_next_at: Option<usize>,
}

impl Channel {
    /// Makes a direction whose noise is determined by `seed`.
    pub fn new(noise: Noise, seed: u64) -> Self {
        let (bytes, turns) = (SplitMix64::new(seed ^ BYTES), SplitMix64::new(seed ^ TURNS));
        let mut channel = Self { noise, bytes, turns, unplug_in: None, cut_next_at: None };
        channel.plan_unplug();
        channel
    }

    /// Pulls the plug when the next transmission has sent so many bytes.
    pub fn cut_next_at(&mut self, bytes: usize) {
        self.cut_next_at = Some(bytes);
    }

    /// Passes one transmission.
    pub fn pass(&mut self, sent: &[u8]) -> Passed {
        let mut passed = Passed::default();
        if self.turns.below(1000) < self.noise.mutes_per_thousand.into() {
            passed.damaged = length(sent);
            return passed;
        }
        if self.turns.below(1000) < self.noise.bursts_per_thousand.into() {
            let count = 1 + self.turns.below(BURST_BYTES_MAX);
            passed.bytes.extend((0..count).map(|_| byte(&mut self.turns)));
            passed.damaged += count;
        }
        for &one in sent {
            self.pass_byte(one, &mut passed);
        }
        if let Some(ends) = self.noise.misheard {
            let heard: Vec<u8> = hear(&passed.bytes, ends.sent, ends.heard).iter().map(|heard| heard.byte).collect();
            if heard != passed.bytes {
                passed.damaged += length(&passed.bytes).max(length(&heard));
            }
            passed.bytes = heard;
        }
        if let Some(at) = self.cut_at(sent.len()) {
            passed.bytes.truncate(at);
            passed.is_cut = true;
        }
        passed
    }

    fn pass_byte(&mut self, sent: u8, passed: &mut Passed) {
        let chance = self.bytes.below(1_000_000);
        if chance < self.noise.drops_per_million.into() {
            passed.damaged += 1;
            return;
        }
        let flips = chance - u64::from(self.noise.drops_per_million) < self.noise.flips_per_million.into();
        passed.damaged += u64::from(flips);
        passed.bytes.push(if flips { sent ^ (1 << self.bytes.below(8)) } else { sent });
    }

    /// Where this transmission is cut, if it is.
    fn cut_at(&mut self, sent: usize) -> Option<usize> {
        if let Some(at) = self.cut_next_at.take() {
            return Some(at);
        }
        let left = self.unplug_in?;
        let sent = u64::try_from(sent).unwrap_or(u64::MAX);
        if left >= sent {
            self.unplug_in = Some(left - sent);
            return None;
        }
        self.plan_unplug();
        usize::try_from(left).ok()
    }

    /// From half to one and a half of the stated number of bytes.
    fn plan_unplug(&mut self) {
        self.unplug_in = self.noise.unplug_every.map(|every| {
            let every = u64::from(every);
            every / 2 + self.turns.below(every.max(1))
        });
    }
}

/// Keep the noise apart from traffic made from the same seed.
const BYTES: u64 = 0x5e11;
const TURNS: u64 = 0xb127_0000_5e11;
/// Longest burst.
const BURST_BYTES_MAX: u64 = 64;

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn byte(random: &mut SplitMix64) -> u8 {
    let [byte, ..] = random.next_u64().to_le_bytes();
    byte
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Parity;

    #[test]
    fn damages_as_much_as_it_says_and_nothing_when_quiet() {
        let frame = vec![0x55; 100_000];
        let quiet = Channel::new(Noise::default(), 1).pass(&frame);
        assert_eq!(quiet, Passed { bytes: frame.clone(), damaged: 0, is_cut: false });
        let noise = Noise { flips_per_million: 10_000, drops_per_million: 10_000, ..Noise::default() };
        let Passed { bytes, damaged, .. } = Channel::new(noise, 1).pass(&frame);
        let lost = frame.len() - bytes.len();
        let flipped = bytes.iter().filter(|byte| **byte != 0x55).count();
        assert_eq!(damaged, u64::try_from(lost + flipped).unwrap());
        assert!((800..1200).contains(&lost) && (800..1200).contains(&flipped), "{lost} {flipped}");
        assert!(bytes.iter().all(|byte| (byte ^ 0x55).count_ones() <= 1));
        let burst = Noise { bursts_per_thousand: 1000, ..Noise::default() };
        let Passed { bytes, damaged, .. } = Channel::new(burst, 1).pass(b"x");
        assert!(damaged >= 1 && bytes.ends_with(b"x") && bytes.len() > 1);
        let mute = Noise { mutes_per_thousand: 1000, ..Noise::default() };
        assert_eq!(Channel::new(mute, 1).pass(b"abc"), Passed { bytes: Vec::new(), damaged: 3, is_cut: false });
    }

    #[test]
    fn does_the_same_for_the_same_seed_and_something_else_for_another() {
        let noise = Noise { flips_per_million: 20_000, bursts_per_thousand: 300, ..Noise::default() };
        let through = |seed| {
            let mut channel = Channel::new(noise, seed);
            (0..50).map(|_| channel.pass(b"the same line again and again").bytes).collect::<Vec<_>>()
        };
        assert_eq!(through(7), through(7));
        assert_ne!(through(7), through(8));
    }

    #[test]
    fn pulls_the_plug_inside_transmissions_about_as_often_as_it_says() {
        let noise = Noise { unplug_every: Some(1000), ..Noise::default() };
        let mut channel = Channel::new(noise, 3);
        let all: Vec<Passed> = (0..1000).map(|_| channel.pass(&[b'x'; 100])).collect();
        let cuts: Vec<&Passed> = all.iter().filter(|passed| passed.is_cut).collect();
        assert!((70..130).contains(&cuts.len()), "{}", cuts.len());
        assert!(cuts.iter().all(|passed| passed.bytes.len() < 100));
        assert!(all.iter().all(|passed| passed.is_cut || passed.bytes.len() == 100));
        channel.cut_next_at(40);
        let cut = channel.pass(&[b'y'; 100]);
        assert!(cut.is_cut && cut.bytes.len() == 40);
    }

    #[test]
    fn hears_at_the_wrong_speed_what_a_receiver_would_in_both_directions() {
        let (slow, fast) = (Shape::new(9600, 8, Parity::None, 1), Shape::new(19_200, 8, Parity::None, 1));
        let noise = Noise { misheard: Some(Misheard { sent: slow, heard: fast }), ..Noise::default() };
        assert_eq!(Channel::new(noise, 1).pass(b"U").bytes, [0x66, 0xe6]);
        let back = noise.back().misheard.unwrap();
        assert_eq!((back.sent, back.heard), (fast, slow));
        let same = Noise { misheard: Some(Misheard { sent: slow, heard: slow }), ..Noise::default() };
        assert_eq!(
            Channel::new(same, 1).pass(b"as it is"),
            Passed { bytes: b"as it is".to_vec(), ..Passed::default() }
        );
    }
}
