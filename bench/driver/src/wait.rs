//! No wait is without end.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::failure::{Result, fail};

/// Does it, but not for longer than this.
pub async fn within<T>(
    limit: Duration,
    what: impl FnOnce() -> String,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    match timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => fail(format!("waited {} s for {}", limit.as_secs(), what())),
    }
}

/// Sleeps until then; for a `select!` in which nothing else may ever happen.
pub async fn stalled(since: Instant) {
    tokio::time::sleep_until((since + STALL).into()).await;
}

/// For one answer, also of a server that is starting or busy.
pub const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// A run in which nothing at all arrives for this long, though something must, has lost it.
pub const STALL: Duration = Duration::from_secs(30);
