//! A timer that is exact to some 10 µs. Tokio's own has steps of 1 ms, more than what is measured here.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::failure::{Result, during};

/// One file descriptor of the kernel's timers.
pub struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// A timer. Must be made inside the runtime.
    pub fn new() -> Result<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(during("making a timer"))?;
        // SAFETY: the descriptor was just made, is moved in here, and nobody closes or replaces it before the timer's end.
        #[allow(unsafe_code)]
        let timer = unsafe { AsyncFd::register(timer) };
        Ok(Timer(timer.map_err(during("making a timer"))?))
    }

    /// Waits until then; not at all if that is past. May be dropped and called again with another time.
    pub async fn until(&mut self, at: Instant) -> Result<()> {
        loop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            // Setting it also takes back what an earlier wait left.
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once(left)).map_err(during("a timer"))?;
            let mut ready = self.0.readable().await.map_err(during("a timer"))?;
            // Not read: the next setting clears its count.
            ready.clear_ready();
        }
    }
}

fn once(after: Duration) -> Itimerspec {
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let value = Timespec { tv_sec: after.as_secs() as i64, tv_nsec: after.subsec_nanos().into() };
    Itimerspec { it_interval: zero, it_value: value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_never_early_and_can_be_set_anew() {
        let mut timer = Timer::new().unwrap();
        for us in [0, 50, 700, 3_000] {
            let at = Instant::now() + Duration::from_micros(us);
            timer.until(at).await.unwrap();
            assert!(Instant::now() >= at);
        }
        let far = Instant::now() + Duration::from_secs(60);
        let waited = tokio::time::timeout(Duration::from_millis(5), timer.until(far)).await;
        assert!(waited.is_err());
        let near = Instant::now() + Duration::from_millis(2);
        timer.until(near).await.unwrap();
        assert!(near.elapsed() < Duration::from_secs(10));
    }
}
