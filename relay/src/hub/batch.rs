//! Frames into WebSocket messages: as few as the limits of a batch allow.

use protocol::limit::{BATCH_FRAMES_MAX, FRAME_BYTES_MAX};

use super::{Output, PeerId};
use crate::map::Map;

/// What each peer is sent, in order. Peers that are sent the same share it.
pub(super) fn batches(sends: Vec<(Vec<PeerId>, String)>) -> Vec<Output> {
    if sends.len() < 2 {
        return sends.into_iter().map(|(peers, frame)| Output::Send(peers, frame)).collect();
    }
    let mut by_peer: Map<PeerId, Vec<usize>> = Map::new();
    for (index, (peers, _)) in sends.iter().enumerate() {
        for &peer in peers {
            by_peer.or_default(peer).push(index);
        }
    }
    let mut by_frames: Map<Vec<usize>, Vec<PeerId>> = Map::new();
    for (peer, frames) in by_peer {
        by_frames.or_default(frames).push(peer);
    }
    let mut outputs = Vec::new();
    for (indices, peers) in by_frames {
        let frames: Vec<&str> =
            indices.iter().filter_map(|&index| sends.get(index)).map(|send| send.1.as_str()).collect();
        let mut rest = frames.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(fitting(rest));
            rest = later;
            outputs.push(Output::Send(peers.clone(), join(now)));
        }
    }
    outputs
}

/// How many of these frames go together: at most [`BATCH_FRAMES_MAX`] and, unless a single one is longer, half of
/// [`FRAME_BYTES_MAX`].
fn fitting(frames: &[&str]) -> usize {
    let mut bytes = 0;
    let fit = frames.iter().take(BATCH_FRAMES_MAX).take_while(|frame| {
        bytes += frame.len() + 1;
        bytes <= FRAME_BYTES_MAX / 2
    });
    fit.count().max(1)
}

fn join(frames: &[&str]) -> String {
    match frames {
        [frame] => (*frame).to_owned(),
        _ => format!("[{}]", frames.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sends: &[(&[u64], &str)], expected: &[(&[u64], &str)]) {
        let peers = |ids: &[u64]| ids.iter().map(|&id| PeerId(id)).collect::<Vec<_>>();
        let sends = sends.iter().map(|&(ids, frame)| (peers(ids), frame.to_owned())).collect();
        let expected: Vec<Output> = expected.iter().map(|&(ids, text)| Output::Send(peers(ids), text.into())).collect();
        assert_eq!(batches(sends), expected);
    }

    #[test]
    fn each_peer_has_its_own_in_order() {
        check(&[], &[]);
        check(&[(&[1, 2], "a")], &[(&[1, 2], "a")]);
        check(&[(&[1, 2], "a"), (&[1], "b")], &[(&[2], "a"), (&[1], "[a,b]")]);
        check(&[(&[1, 2], "a"), (&[3], "b"), (&[1, 2], "c")], &[(&[1, 2], "[a,c]"), (&[3], "b")]);
    }

    #[test]
    fn a_batch_is_bounded() {
        let long = "x".repeat(FRAME_BYTES_MAX / 2);
        check(&[(&[1], "a"), (&[1], &long), (&[1], "b")], &[(&[1], "a"), (&[1], &long), (&[1], "b")]);
        // With the signs between them.
        let (fits, long) = (long.get(3..).unwrap_or_default(), long.get(2..).unwrap_or_default());
        check(&[(&[1], "a"), (&[1], fits)], &[(&[1], &format!("[a,{fits}]"))]);
        check(&[(&[1], "a"), (&[1], long)], &[(&[1], "a"), (&[1], long)]);
        let many = vec![(vec![PeerId(1)], "a".to_owned()); BATCH_FRAMES_MAX + 2];
        let lengths: Vec<usize> =
            batches(many).iter().map(|output| format!("{output:?}").matches('a').count()).collect();
        assert_eq!(lengths.len(), 2, "{lengths:?}");
    }
}
