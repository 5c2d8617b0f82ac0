//! Open-loop arrivals: at fixed intervals, whatever the server does.

use std::time::{Duration, Instant};

/// When each of many messages is meant to be sent. Message `n` goes through object `n % objects`.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    start: Instant,
    interval: Duration,
    objects: u64,
}

impl Schedule {
    /// One message every `interval` in all, from a moment on that leaves time to get going.
    pub fn new(interval: Duration, objects: usize) -> Schedule {
        Schedule { start: Instant::now() + HEAD_START, interval, objects: objects as u64 }
    }

    /// `rate` messages a second in all, above 0.
    pub fn per_second(rate: f64, objects: usize) -> Schedule {
        Schedule::new(Duration::from_secs_f64(1.0 / rate), objects)
    }

    /// When message `n` of all is due.
    pub fn at(&self, n: u64) -> Instant {
        self.start + Duration::from_nanos((self.interval.as_nanos() as u64).saturating_mul(n))
    }

    /// When message `k` of an object is due.
    pub fn at_object(&self, object: usize, k: u64) -> Instant {
        self.at(k * self.objects + object as u64)
    }
}

const HEAD_START: Duration = Duration::from_millis(20);
