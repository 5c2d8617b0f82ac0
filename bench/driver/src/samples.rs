//! Latencies: every sample is kept, so percentiles are exact.

use std::time::Duration;

/// Samples of one run.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds a sample.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// All samples of both.
    pub fn merge(mut self, other: Samples) -> Samples {
        self.0.extend(other.0);
        self
    }

    /// In order of size, for looking up percentiles.
    pub fn sort(mut self) -> Sorted {
        self.0.sort_unstable();
        Sorted(self.0)
    }
}

/// Samples in order of size.
#[derive(Debug)]
pub struct Sorted(Vec<Duration>);

impl Sorted {
    /// The smallest sample that is not smaller than `percent` of all (nearest rank), in µs; 0 without samples.
    pub fn percentile_us(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        let sample = self.0.get(rank.clamp(1, self.0.len().max(1)) - 1);
        sample.map_or(0.0, |sample| sample.as_nanos() as f64 / 1000.0)
    }

    /// The largest one, in µs.
    pub fn max_us(&self) -> f64 {
        self.percentile_us(100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let mut samples = Samples::default();
        assert_eq!(samples.clone().sort().percentile_us(50.0), 0.0);
        (1..=200).rev().for_each(|us| samples.push(Duration::from_micros(us)));
        let sorted = samples.sort();
        assert_eq!(sorted.percentile_us(50.0), 100.0);
        assert_eq!(sorted.percentile_us(99.0), 198.0);
        assert_eq!(sorted.percentile_us(0.0), 1.0);
        assert_eq!(sorted.max_us(), 200.0);
    }
}
