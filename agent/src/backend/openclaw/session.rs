//! Which session of OpenClaw's a conversation of the relay talks to. Pure.

use protocol::ConversationId;
use sha2::{Digest, Sha256};

use super::device::hex;

/// The session's key. The device keeps apart two agents at one gateway whose conversations have the same id; the number
/// begins anew after `/new`. The gateway puts `agent:{agent}:` before it.
///
/// A gateway turns keys into lower case, ids of the relay's differ by case: those that have any end in their hash.
pub fn key(device: &str, conversation: &ConversationId, number: u64) -> String {
    let device = device.get(..DEVICE_CHARS).unwrap_or(device);
    let exact = conversation.as_str();
    let lower = exact.to_ascii_lowercase();
    if lower == exact {
        return format!("claw-relay:{device}:{lower}:{number}");
    }
    let hash = hex(&Sha256::digest(exact));
    // No id holds a tilde, so that none is taken for another's hash.
    format!("claw-relay:{device}:{lower}~{}:{number}", hash.get(..HASH_CHARS).unwrap_or(&hash))
}

const DEVICE_CHARS: usize = 8;
const HASH_CHARS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_apart() {
        let check = |conversation: &str, number, expected: &str| {
            // Whoever changes this form makes OpenClaw forget every conversation.
            assert_eq!(key("0123456789abcdef", &conversation.parse().unwrap(), number), expected);
        };
        check("web", 0, "claw-relay:01234567:web:0");
        check("feishu:main:oc_abc", 7, "claw-relay:01234567:feishu:main:oc_abc:7");
        check("qq:main:ABC", 0, "claw-relay:01234567:qq:main:abc~5ac5e90c736655ec:0");
        check("qq:main:abc", 0, "claw-relay:01234567:qq:main:abc:0");
    }
}
