//! How long to wait before the next try: exponential, bounded, with jitter.
//!
//! The jitter comes from what is being tried, not from a random source: the same try always waits the same time,
//! so a replay behaves alike, and different boxes (different seeds) never knock at the same instant (F14).

use std::time::Duration;

/// Doubles `first` with each of `tries` (the first try waits `first`), never beyond `at_most`, and takes off up to
/// half, as `seed` decides.
pub fn pause(first: Duration, at_most: Duration, tries: u32, seed: u64) -> Duration {
    let doublings = tries.saturating_sub(1).min(31);
    let whole = first.saturating_mul(1 << doublings).min(at_most);
    let half_ms = u64::try_from(whole.as_millis() / 2).unwrap_or(u64::MAX);
    whole.saturating_sub(Duration::from_millis(mixed(seed) % half_ms.saturating_add(1)))
}

/// Joins numbers that identify a try into one seed.
pub fn seed(parts: [u64; 3]) -> u64 {
    parts.into_iter().fold(0, |seed, part| mixed(seed ^ part))
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of the input moves every bit of the output.
fn mixed(value: u64) -> u64 {
    let a = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const AT_MOST: Duration = Duration::from_secs(300);

    #[test]
    fn doubles_up_to_the_bound_and_keeps_at_least_half() {
        for (tries, whole) in [(0, 1), (1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (u32::MAX, 300)] {
            for id in 0..200 {
                let pause = pause(FIRST, AT_MOST, tries, seed([7, id, u64::from(tries)]));
                assert!(pause <= Duration::from_secs(whole), "try {tries} waits {pause:?}");
                assert!(pause >= Duration::from_millis(whole * 500), "try {tries} waits {pause:?}");
            }
        }
    }

    #[test]
    fn spreads_boxes_and_repeats_itself() {
        let of_box = |site: u64| pause(FIRST, AT_MOST, 6, seed([site, 41, 6]));
        assert_eq!(of_box(1), of_box(1));
        let different: std::collections::BTreeSet<_> = (0..1000).map(of_box).collect();
        assert!(different.len() > 900, "only {} different pauses", different.len());
    }

    #[test]
    fn survives_absurd_settings() {
        assert_eq!(pause(Duration::ZERO, AT_MOST, 40, 1), Duration::ZERO);
        assert!(pause(Duration::MAX, Duration::MAX, 40, 1) > Duration::from_secs(1 << 40));
    }
}
