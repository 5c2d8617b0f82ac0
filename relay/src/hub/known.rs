//! Which ids the timeline holds: four bytes of hash for each message, by place. A unique index would cost every message
//! a second row; this costs one for [`KNOWN_PAGE`] messages, and some bytes of memory.

use std::hash::Hasher;

use protocol::{MessageId, Seq};
use siphasher::sip::SipHasher13;

use super::Hub;
use crate::limit::{KNOWN_LINEAR, KNOWN_PAGE};
use crate::store::Sql;

/// The hashes of ids. Two ids may share one, so a place found is a place to look at.
#[derive(Default)]
pub(super) struct Known {
    salt: u64,
    /// The place of the first hash, which begins a page.
    from: u64,
    /// 0: no message is there.
    hashes: Vec<u32>,
    /// A hash table with open addressing, once there are more than [`KNOWN_LINEAR`]: where in `hashes` each one is, from 1;
    /// 0 is free. At most two thirds of it are used.
    slots: Vec<u32>,
}

impl<S: Sql> Hub<S> {
    /// Where a message with this id stands, and what it says.
    pub(super) fn find(&mut self, id: &MessageId) -> Result<Option<(Seq, String)>, S::Error> {
        for seq in self.known()?.places(id) {
            if let Some(text) = self.store.text_of(seq, id)? {
                return Ok(Some((seq, text)));
            }
        }
        Ok(None)
    }

    /// Remembers where the newest message stands. When its page is full, the page is written down, and those that were
    /// trimmed go.
    pub(super) fn know(&mut self, seq: Seq, id: &MessageId) -> Result<(), S::Error> {
        let trimmed = self.trimmed;
        let known = self.known()?;
        known.insert(seq, id);
        if (seq.0 + 1).is_multiple_of(KNOWN_PAGE) {
            let page = seq.0 / KNOWN_PAGE;
            let hashes = known.page(page);
            known.forget(trimmed);
            let first = known.from / KNOWN_PAGE;
            self.store.put_known(page, hashes)?;
            self.store.delete_known(first)?;
        }
        Ok(())
    }

    fn known(&mut self) -> Result<&mut Known, S::Error> {
        if self.known.is_none() {
            self.known = Some(self.read_known()?);
        }
        Ok(self.known.as_mut().expect("it was just read"))
    }

    /// What is written down, and the messages since.
    fn read_known(&self) -> Result<Known, S::Error> {
        let first = self.trimmed.0 / KNOWN_PAGE;
        let mut known = Known { salt: self.salt, from: first * KNOWN_PAGE, ..Known::default() };
        let mut next = first;
        for (page, hashes) in self.store.known(first)? {
            known.put(page, &hashes);
            next = page + 1;
        }
        for (seq, id) in self.store.ids_from(Seq(next * KNOWN_PAGE))? {
            known.insert(seq, &id);
        }
        // Those of a Hub that had an index before: written down now, so that the next wake need not read them all. A page
        // that is missing has no messages.
        for page in next..(self.head.0 + 1) / KNOWN_PAGE {
            let hashes = known.page(page);
            if hashes.iter().any(|&byte| byte != 0) {
                self.store.put_known(page, hashes)?;
            }
        }
        Ok(known)
    }
}

impl Known {
    /// Places of messages that may have this id.
    fn places(&self, id: &MessageId) -> Vec<Seq> {
        let hash = hash(self.salt, id);
        if self.slots.is_empty() {
            let same = self.hashes.iter().zip(self.from..).filter(|&(&known, _)| known == hash);
            return same.map(|(_, place)| Seq(place)).collect();
        }
        let places = self.probe(hash).map_while(|slot| self.slots.get(slot)?.checked_sub(1));
        let same = places.filter(|&index| self.hashes.get(index as usize) == Some(&hash));
        same.map(|index| Seq(self.from + u64::from(index))).collect()
    }

    fn insert(&mut self, seq: Seq, id: &MessageId) {
        self.reach(seq.0 + 1);
        let hash = hash(self.salt, id);
        if let Some(place) = self.hashes.last_mut() {
            *place = hash;
        }
        self.grown(self.hashes.len() - 1);
    }

    /// Enters the hashes that were added from this index on, where there is a table or should be.
    fn grown(&mut self, from: usize) {
        if self.is_crowded() {
            self.index();
        } else if !self.slots.is_empty() {
            self.enter_all(from);
        }
    }

    /// Whether a table is needed, or a larger one.
    fn is_crowded(&self) -> bool {
        self.hashes.len() > KNOWN_LINEAR && 2 * self.slots.len() < 3 * self.hashes.len()
    }

    /// Makes the table anew, with room for more.
    fn index(&mut self) {
        self.slots.clear();
        self.slots.resize((2 * self.hashes.len()).next_power_of_two(), 0);
        self.enter_all(0);
    }

    /// Enters all from this index on.
    fn enter_all(&mut self, from: usize) {
        for index in from..self.hashes.len() {
            if let Some(&hash) = self.hashes.get(index).filter(|&&hash| hash != 0) {
                self.enter(hash, index as u32 + 1);
            }
        }
    }

    fn enter(&mut self, hash: u32, entry: u32) {
        let free = self.probe(hash).find(|&slot| self.slots.get(slot) == Some(&0));
        if let Some(slot) = free.and_then(|slot| self.slots.get_mut(slot)) {
            *slot = entry;
        }
    }

    /// The slots in which a hash may be, in order, as many as there are.
    fn probe(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let (mask, count) = (self.slots.len().wrapping_sub(1), self.slots.len());
        (0..count).map(move |step| (hash as usize).wrapping_add(step) & mask)
    }

    /// A page's hashes as they are written down.
    fn page(&self, page: u64) -> Vec<u8> {
        let from = (page * KNOWN_PAGE).saturating_sub(self.from) as usize;
        let hashes = self.hashes.iter().skip(from).take(KNOWN_PAGE as usize);
        hashes.flat_map(|hash| hash.to_le_bytes()).collect()
    }

    fn put(&mut self, page: u64, hashes: &[u8]) {
        self.reach(page * KNOWN_PAGE);
        let (hashes, _) = hashes.as_chunks::<4>();
        self.hashes.extend(hashes.iter().map(|&bytes| u32::from_le_bytes(bytes)));
        self.grown(self.hashes.len() - hashes.len());
    }

    /// Makes room for places before `end`.
    fn reach(&mut self, end: u64) {
        let length = end.saturating_sub(self.from) as usize;
        if self.hashes.len() < length {
            self.hashes.resize(length, 0);
        }
    }

    /// Drops the pages that were trimmed whole.
    fn forget(&mut self, trimmed: Seq) {
        let pages = (trimmed.0.saturating_sub(self.from) / KNOWN_PAGE) as usize;
        let gone = (pages * KNOWN_PAGE as usize).min(self.hashes.len());
        if gone > 0 {
            self.hashes.drain(..gone);
            self.from += gone as u64;
            if !self.slots.is_empty() {
                self.index();
            }
        }
    }
}

/// 32 bits of SipHash, never 0. With a key that nobody knows: whoever makes ids cannot make them collide.
fn hash(salt: u64, id: &MessageId) -> u32 {
    let mut hasher = SipHasher13::new_with_keys(salt, 0);
    hasher.write(id.as_str().as_bytes());
    (hasher.finish() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> MessageId {
        format!("m-{n}").parse().unwrap()
    }

    #[test]
    fn pages_are_written_and_read() {
        let mut known = Known { from: 256, ..Known::default() };
        for seq in 256..700 {
            known.insert(Seq(seq), &id(seq));
        }
        let mut read = Known { from: 256, ..Known::default() };
        read.put(1, &known.page(1));
        // A page without messages is not written.
        read.put(3, &hash(0, &id(768)).to_le_bytes());
        read.insert(Seq(800), &id(800));
        assert_eq!(read.places(&id(300)), [Seq(300)]);
        assert_eq!(read.places(&id(600)), []);
        assert_eq!(read.places(&id(768)), [Seq(768)]);
        assert_eq!(read.places(&id(800)), [Seq(800)]);
        known.forget(Seq(511));
        assert_eq!((known.from, known.places(&id(511))), (256, vec![Seq(511)]));
        known.forget(Seq(512));
        assert_eq!((known.from, known.places(&id(511))), (512, vec![]));
        assert_eq!(known.places(&id(512)), [Seq(512)]);
    }

    #[test]
    fn ids_may_share_a_hash() {
        let same = hash(0, &id(1));
        let mut known = Known { from: 0, hashes: vec![same, 9, same, 0], ..Known::default() };
        known.index();
        assert_eq!(known.places(&id(1)), [Seq(0), Seq(2)]);
        assert_eq!(known.places(&id(2)), []);
        assert_eq!(Known::default().places(&id(1)), []);
    }

    /// The simulation has messages of these names (sim/src/webhook.rs).
    #[test]
    fn two_ids_that_share_a_hash() {
        let hashes = [4_604, 79_121].map(|n| hash(0, &format!("feishu:main:om_{n}").parse().unwrap()));
        assert_eq!(hashes[0], hashes[1]);
    }

    #[test]
    fn many_are_found() {
        let mut known = Known::default();
        let count = 6 * KNOWN_LINEAR as u64;
        (0..count).for_each(|n| known.insert(Seq(n), &id(n)));
        assert!((0..count).step_by(7).all(|n| known.places(&id(n)).contains(&Seq(n))));
        assert!(2 * known.slots.len() >= 3 * known.hashes.len());
        // Read from its pages it is the same.
        let mut read = Known::default();
        (0..count / KNOWN_PAGE).for_each(|page| read.put(page, &known.page(page)));
        assert!((0..count).step_by(7).all(|n| read.places(&id(n)) == known.places(&id(n))));
        // So are those that are left when the old ones are gone.
        known.forget(Seq(count / 2));
        assert!((0..count / 2).step_by(7).all(|n| known.places(&id(n)).is_empty()));
        assert!((count / 2..count).step_by(7).all(|n| known.places(&id(n)) == [Seq(n)]));
    }
}
