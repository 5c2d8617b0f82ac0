// Every random choice of the suite comes from one seed, so that a failure can be run again with the same choices. The
// order in which processes and sockets get their turn is the machine's, and no seed repeats that.

import { createHash } from 'node:crypto'

/** A stream of choices for one purpose: the others' draws do not move its own. */
export function randomFor(seed, purpose) {
  let state = createHash('sha256').update(`${seed}/${purpose}`).digest().readUInt32LE(0)
  // Mulberry32.
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const random = {
    next,
    /** From `low` to just below `high`. */
    between: (low, high) => low + next() * (high - low),
    /** A whole number from 0 to `count - 1`. */
    below: (count) => Math.floor(next() * count),
    chance: (probability) => next() < probability,
    pick: (list) => list[random.below(list.length)],
    /** A stream of its own for a part of this purpose. */
    part: (name) => randomFor(seed, `${purpose}/${name}`),
  }
  return random
}
