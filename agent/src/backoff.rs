//! How long to wait before the next attempt: full jitter, so that a crowd of clients does not come back at once.

use std::time::Duration;

/// Counts attempts. Pure: whoever asks brings the random number.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    attempt: u32,
}

impl Backoff {
    /// The n-th delay lies between zero and `min(max, base · 2^n)`.
    pub fn new(base: Duration, max: Duration) -> Backoff {
        Backoff { base, max, attempt: 0 }
    }

    /// The delay before the next attempt; `jitter` lies in `0.0..=1.0`.
    pub fn next(&mut self, jitter: f64) -> Duration {
        let ceiling = 2u32.checked_pow(self.attempt).and_then(|factor| self.base.checked_mul(factor));
        self.attempt = self.attempt.saturating_add(1);
        ceiling.map_or(self.max, |ceiling| ceiling.min(self.max)).mul_f64(jitter.clamp(0.0, 1.0))
    }

    /// The other side answered: begin again with short delays.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit_and_resets() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let full: Vec<u128> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(full, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        (0..1_000).for_each(|_| assert!(backoff.next(1.0) <= Duration::from_secs(30)));
        backoff.reset();
        assert_eq!(backoff.next(0.5), Duration::from_millis(250));
        assert_eq!(backoff.next(0.0), Duration::ZERO);
    }
}
