//! How much one connection may say: a bucket of frames and one of bytes, which refill. Whoever empties one is closed, and
//! says again what was not accepted when it is back: nothing is lost, and nobody else waits.

use protocol::{Code, Timestamp};

use super::{Hub, PeerId};
use crate::limit::{FLOOD_BURST_S, FLOOD_BYTES_PER_FRAME};
use crate::store::Sql;

/// What a connection may still say. In memory alone: a connection that slept has said nothing meanwhile.
pub(super) struct Allowance {
    frames: u64,
    bytes: u64,
    at: Timestamp,
}

impl<S: Sql> Hub<S> {
    /// Takes what a peer said from its allowance. False when that is more than there is: then it is closed.
    pub(super) fn may_say(
        &mut self,
        now: Timestamp,
        id: PeerId,
        frames: usize,
        bytes: usize,
    ) -> Result<bool, S::Error> {
        let per_s = self.options.frames_per_s;
        let (frames_max, bytes_per_s) = (per_s * FLOOD_BURST_S, per_s * FLOOD_BYTES_PER_FRAME);
        let bytes_max = bytes_per_s * FLOOD_BURST_S;
        if !self.peers.contains_key(&id) {
            return Ok(true);
        }
        if !self.allowances.contains_key(&id) {
            self.allowances.insert(id, Allowance { frames: frames_max, bytes: bytes_max, at: now });
        }
        let Some(allowance) = self.allowances.get_mut(&id) else { return Ok(true) };
        let passed_ms = now.0.saturating_sub(allowance.at.0).min(FLOOD_BURST_S * 1000);
        allowance.frames = (allowance.frames + per_s * passed_ms / 1000).min(frames_max);
        allowance.bytes = (allowance.bytes + bytes_per_s * passed_ms / 1000).min(bytes_max);
        // Not while less than a frame's worth of time has passed: it would never refill.
        if per_s * passed_ms >= 1000 || now < allowance.at {
            allowance.at = now;
        }
        let is_within = allowance.frames >= frames as u64 && allowance.bytes >= bytes as u64;
        allowance.frames = allowance.frames.saturating_sub(frames as u64);
        allowance.bytes = allowance.bytes.saturating_sub(bytes as u64);
        if !is_within {
            let detail = format!("more than {per_s} frames or {bytes_per_s} bytes a second: say less, and come back");
            self.refuse(now, id, 4429, Code::RateLimited, &detail)?;
        }
        Ok(is_within)
    }
}
