// The audit log's chain, as relay/src/auth/audit.rs makes it.

import { createHash } from 'node:crypto'

/** The hash of an entry that follows one with the hash `previous`: SHA-256 over each part after its length. */
export function hashOf(previous, { seq, at_ms, actor, action, subject = '', detail = '' }) {
  const digest = createHash('sha256')
  for (const part of [previous, String(seq), String(at_ms), actor, action, subject ?? '', detail ?? '']) {
    const bytes = Buffer.from(part)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    digest.update(length).update(bytes)
  }
  return digest.digest('base64url')
}

/**
 * What is wrong with a whole log, oldest entry first: nothing, or a line for each break.
 * `head` is `{ seq, hash }` of an entry that was seen before: without it nobody can tell that the end was cut off, or
 * that all was written anew.
 */
export function breaks(entries, head) {
  const found = []
  let [place, previous] = [0, '']
  for (const entry of entries) {
    const { seq, hash } = entry
    if (seq !== place + 1) {
      found.push(seq > place + 1 ? missing(place + 1, seq - 1) : `entry ${seq} stands after entry ${place}`)
    } else if (hashOf(previous, entry) !== hash) {
      const before = place === 0 ? '' : `, or entry ${place} was together with its hash`
      found.push(`entry ${seq} does not have the hash of what it says: it was changed${before}`)
    }
    ;[place, previous] = [seq, hash]
  }
  if (head && head.seq > place) found.push(missing(place + 1, head.seq))
  const then = head && entries.find(({ seq }) => seq === head.seq)
  if (then && then.hash !== head.hash) found.push(`entry ${head.seq} is another one than when its hash was noted`)
  return found
}

function missing(from, to) {
  return from === to ? `entry ${from} is missing` : `entries ${from} to ${to} are missing`
}
