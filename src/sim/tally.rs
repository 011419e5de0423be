//! Latencies in constant memory: a histogram whose buckets are 1/32 of a power of two wide, so a quantile is at most
//! 3.2 % above the truth. Range 1 µs to 19 hours; longer ones are counted in the last bucket, and the
//! maximum is exact.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Buckets per power of two.
const STEPS: u64 = 32;
/// Powers of two, in microseconds.
const OCTAVES: u64 = 32;

/// Latencies that were measured.
#[derive(Clone, Debug)]
pub struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

/// Latencies in short, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencySummary {
    /// How many were measured.
    pub count: u64,
    /// Half were below.
    pub p50_ms: f64,
    /// 95 of 100 were below.
    pub p95_ms: f64,
    /// 99 of 100 were below.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let buckets = usize::try_from(STEPS * OCTAVES).unwrap_or(0);
        Self { buckets: vec![0; buckets], count: 0, max: Duration::ZERO }
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        self.count += 1;
        self.max = self.max.max(latency);
        let last = self.buckets.len().saturating_sub(1);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(latency).min(last)) {
            *bucket += 1;
        }
    }

    /// Adds those of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The upper edge of the bucket below which `per_mille` of a thousand lie, never above the longest one.
    pub fn quantile(&self, per_mille: u64) -> Duration {
        let wanted = self.count.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (place, bucket) in (0_u64..).zip(&self.buckets) {
            seen += bucket;
            if seen >= wanted {
                return Duration::from_micros(upper_edge(place)).min(self.max);
            }
        }
        self.max
    }

    /// The figures.
    pub fn summary(&self) -> LatencySummary {
        LatencySummary {
            count: self.count,
            p50_ms: milliseconds(self.quantile(500)),
            p95_ms: milliseconds(self.quantile(950)),
            p99_ms: milliseconds(self.quantile(990)),
            max_ms: milliseconds(self.max),
        }
    }
}

fn bucket_of(latency: Duration) -> usize {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let place = match micros.checked_ilog2() {
        Some(octave) if octave >= 5 => {
            // The five bits below the leading one are the step.
            u64::from(octave - 4) * STEPS + ((micros >> (octave - 5)) & (STEPS - 1))
        }
        _ => micros,
    };
    usize::try_from(place).unwrap_or(usize::MAX)
}

const fn upper_edge(place: u64) -> u64 {
    if place < STEPS {
        return place;
    }
    let shift = place / STEPS - 1;
    ((STEPS + place % STEPS + 1) << shift) - 1
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_at_most_a_thirtieth_too_high() {
        let mut latencies = Latencies::default();
        for micros in 1..=100_000 {
            latencies.record(Duration::from_micros(micros));
        }
        for (per_mille, truth) in [(500, 50_000.0), (990, 99_000.0), (1, 100.0)] {
            let found = latencies.quantile(per_mille).as_secs_f64() * 1e6;
            assert!((1.0..1.033).contains(&(found / truth)), "{per_mille}: {found} for {truth}");
        }
        assert_eq!(latencies.summary().count, 100_000);
        assert!((latencies.summary().max_ms - 100.0).abs() < 1e-9);
    }

    #[test]
    fn takes_nothing_and_the_absurd() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(990), Duration::ZERO);
        latencies.record(Duration::from_secs(1_000_000));
        let mut sum = Latencies::default();
        sum.merge(&latencies);
        assert_eq!(sum.summary().count, 1);
        assert_eq!(sum.quantile(500), Duration::from_micros(upper_edge(STEPS * OCTAVES - 1)));
    }
}
