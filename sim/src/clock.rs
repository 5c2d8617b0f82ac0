//! Virtual time. The relay's clock is off by up to [`SKEW_MS_MAX`], and jumps.

use protocol::Timestamp;

use crate::random::Random;

/// The time that passes, and what the relay believes.
pub struct Clock {
    /// True milliseconds.
    pub true_ms: u64,
    skew_ms: i64,
}

impl Clock {
    /// Begins long after 1970.
    pub fn new() -> Clock {
        Clock { true_ms: 1_800_000_000_000, skew_ms: 0 }
    }

    /// What the relay's clock shows.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.true_ms.saturating_add_signed(self.skew_ms))
    }

    /// How far the relay's clock is ahead.
    pub fn skew_ms(&self) -> i64 {
        self.skew_ms
    }

    /// The relay's clock is set forward or back.
    pub fn jump(&mut self, random: &mut Random) {
        self.skew_ms = random.between(0, 2 * SKEW_MS_MAX) as i64 - SKEW_MS_MAX as i64;
    }

    /// When the relay's clock will show this time.
    pub fn true_at(&self, shown: Timestamp) -> u64 {
        shown.0.saturating_add_signed(-self.skew_ms)
    }
}

/// An answer is tried for 50 min, and a platform forgets its idempotency key after 60: a clock that is set back by less
/// than the difference doubles nothing.
pub const SKEW_MS_MAX: u64 = 4 * 60 * 1000;
