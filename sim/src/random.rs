//! Everything that happens by chance, drawn from one seed.

/// A stream of random numbers that is the same for the same seed.
pub struct Random(fastrand::Rng);

impl Random {
    /// Begins the stream of a seed.
    pub fn new(seed: u64) -> Random {
        Random(fastrand::Rng::with_seed(seed))
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.0.u32(0..1000) < per_mille
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.usize(0..end)
    }

    /// Between two numbers, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0.u64(low..=high)
    }

    /// One of these, unless there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }

    /// Mostly small, sometimes up to `high`.
    pub fn skewed(&mut self, high: u64) -> u64 {
        let top = self.between(0, high);
        self.between(0, top)
    }
}
