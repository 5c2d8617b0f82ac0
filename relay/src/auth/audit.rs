//! The audit log's chain: each entry's hash covers the entry and the hash before it, so that none can be changed or taken
//! out without every later one telling.

use protocol::Timestamp;
use sha2::{Digest, Sha256};

use super::encode;

/// What was done.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its place, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// By whom: a user's `audit_id`, or `relay`.
    pub actor: &'a str,
    /// What, `noun.verb`.
    pub action: &'a str,
    /// To what.
    pub subject: Option<&'a str>,
    /// In which way.
    pub detail: Option<&'a str>,
}

/// The hash of an entry that follows one with this hash; the first one follows [`BEGINNING`]. SHA-256 over each part
/// after its length, as `scripts/admin.mjs audit verify` computes it too.
pub fn hash(previous: &str, entry: &Entry<'_>) -> String {
    let (seq, at) = (entry.seq.to_string(), entry.at.0.to_string());
    let optional = |part: Option<&str>| part.unwrap_or_default().to_owned();
    let (subject, detail) = (optional(entry.subject), optional(entry.detail));
    let mut hasher = Sha256::new();
    for part in [previous, &seq, &at, entry.actor, entry.action, &subject, &detail] {
        hasher.update((part.len() as u32).to_be_bytes());
        hasher.update(part);
    }
    encode(&hasher.finalize())
}

/// What the first entry follows.
pub const BEGINNING: &str = "";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let entry = Entry {
            seq: 1,
            at: Timestamp(1_800_000_000_000),
            actor: "who_1",
            action: "user.create",
            subject: Some("who_2"),
            detail: None,
        };
        let first = hash(BEGINNING, &entry);
        let others = [
            hash("x", &entry),
            hash(BEGINNING, &Entry { seq: 2, ..entry.clone() }),
            hash(BEGINNING, &Entry { at: Timestamp(1), ..entry.clone() }),
            hash(BEGINNING, &Entry { actor: "who_1u", action: "ser.create", ..entry.clone() }),
            hash(BEGINNING, &Entry { subject: None, detail: Some("who_2"), ..entry.clone() }),
        ];
        assert!(others.iter().all(|other| *other != first));
        assert_eq!(first, PINNED, "scripts/admin.mjs and exported logs rely on it");
    }

    const PINNED: &str = "NZs8YRkiGrQz0curmT_dquY-SSilBGYoFgn-CjDpXdU";
}
