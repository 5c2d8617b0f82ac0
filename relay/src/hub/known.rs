//! Which ids the timeline holds: four bytes of hash for each message, by place. A unique index would cost every message
//! a second row; this costs one for [`KNOWN_PAGE`] messages, and some bytes of memory.

use std::collections::VecDeque;

use protocol::{MessageId, Seq};

use super::Hub;
use crate::limit::KNOWN_PAGE;
use crate::store::Sql;

/// The hashes of ids. Two ids may share one, so a place found is a place to look at.
pub(super) struct Known {
    /// The place of the first hash, which begins a page.
    from: u64,
    /// 0: no message is there.
    hashes: VecDeque<u32>,
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
        let mut known = Known { from: first * KNOWN_PAGE, hashes: VecDeque::new() };
        let mut next = first;
        for (page, hashes) in self.store.known(first)? {
            known.put(page, &hashes);
            next = page + 1;
        }
        let since = self.store.ids_from(Seq(next * KNOWN_PAGE))?;
        // Those of a Hub that had an index before: written down now, so that the next wake need not read them all.
        let (mut full, mut last) = (Vec::new(), None);
        for (seq, id) in since {
            known.insert(seq, &id);
            let page = seq.0 / KNOWN_PAGE;
            full.extend(last.filter(|&last| last < page));
            last = Some(page);
        }
        full.dedup();
        for page in full {
            self.store.put_known(page, known.page(page))?;
        }
        Ok(known)
    }
}

impl Known {
    /// Places of messages that may have this id, the newest first: who repeats, repeats something recent.
    fn places(&self, id: &MessageId) -> Vec<Seq> {
        let hash = hash(id);
        let same = self.hashes.iter().enumerate().rev().filter(|&(_, &known)| known == hash);
        same.map(|(index, _)| Seq(self.from + index as u64)).collect()
    }

    fn insert(&mut self, seq: Seq, id: &MessageId) {
        self.reach(seq.0 + 1);
        if let Some(place) = self.hashes.back_mut() {
            *place = hash(id);
        }
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
        while self.from + KNOWN_PAGE <= trimmed.0 && self.hashes.len() > KNOWN_PAGE as usize {
            self.hashes.drain(..KNOWN_PAGE as usize);
            self.from += KNOWN_PAGE;
        }
    }
}

/// FNV-1a, 32 bits, never 0.
fn hash(id: &MessageId) -> u32 {
    let hash =
        id.as_str().bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> MessageId {
        format!("m-{n}").parse().unwrap()
    }

    #[test]
    fn pages_are_written_and_read() {
        let mut known = Known { from: 256, hashes: VecDeque::new() };
        for seq in 256..700 {
            known.insert(Seq(seq), &id(seq));
        }
        let mut read = Known { from: 256, hashes: VecDeque::new() };
        read.put(1, &known.page(1));
        // A page without messages is not written.
        read.put(3, &[]);
        read.insert(Seq(800), &id(800));
        assert_eq!(read.places(&id(300)), [Seq(300)]);
        assert_eq!(read.places(&id(600)), []);
        assert_eq!(read.places(&id(800)), [Seq(800)]);
        known.forget(Seq(511));
        assert_eq!((known.from, known.places(&id(511))), (256, vec![Seq(511)]));
        known.forget(Seq(512));
        assert_eq!((known.from, known.places(&id(511))), (512, vec![]));
        assert_eq!(known.places(&id(512)), [Seq(512)]);
    }

    #[test]
    fn ids_may_share_a_hash() {
        let known = Known { from: 0, hashes: [hash(&id(1)), 9, hash(&id(1))].into() };
        assert_eq!(known.places(&id(1)), [Seq(2), Seq(0)]);
    }
}
