// Two who hold everyone up, if anything can: a device whose socket is not read, and one that reads and never
// acknowledges. The others must not notice, and the two must find everything when they are back.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPipe } from './support/pipe.mjs'
import { settle, until } from './support/world.mjs'

export async function run({ start, short }) {
  // Texts of 64 KiB as fast as they are answered are more than a connection may say by default.
  const world = await start({ users: 1, vars: { FRAMES_PER_S: '20000' } })
  const [user] = world.users
  // Answers in pieces, too: those are sent beside the window.
  world.agent(user, 'agent', { how: { streamed: 0.5, pieceMs: 0, thinkMs: 0 } })
  const asking = world.device(user, 'asking')
  const watching = world.device(user, 'watching')
  const pipe = await startPipe(world.url)
  const stalled = world.device(user, 'stalled', { url: pipe.url })
  const silent = world.device(user, 'silent')
  await world.ready()
  const measure = latencies(asking, watching)
  const rounds = short ? 80 : 600
  // The first ones warm the relay up, and do not count.
  await measure(rounds / 3)
  const before = await measure(rounds)
  pipe.stall()
  silent.acknowledge()
  silent.acknowledges = false
  const [stalledAt, silentAt] = [stalled.seq, silent.seq]
  // Until both have all that the window allows them, and more: each question has an answer.
  await measure(0.7 * WINDOW_MESSAGES)
  let after = await measure(rounds)
  const ratio = () => after.p95 / Math.max(before.p95, FLOOR_MS)
  // Others use this machine too, and can only make it slower: what holds up for good is there at each look.
  for (let look = 0; look < 2 && ratio() > RATIO_MAX; look++) after = await measure(rounds)
  if (silent.seq - silentAt > WINDOW_MESSAGES) {
    world.violations.push(
      `${silent.seq - silentAt} messages were sent without an ack, the window is ${WINDOW_MESSAGES}`,
    )
  }
  if (stalled.seq > stalledAt + 8)
    world.violations.push(`the stalled device read on: ${stalled.seq - stalledAt} messages`)
  if (ratio() > RATIO_MAX) world.violations.push(`the others wait ${ratio().toFixed(1)} times as long`)
  pipe.flow()
  silent.acknowledges = true
  silent.acknowledge()
  await until(() => stalled.seq >= asking.seq && silent.seq >= asking.seq, 'both to catch up', 60_000)
  if (!stalled.closes[CLOSE_STALLED]) world.violations.push('the stalled device was not dropped')
  if (silent.closes[CLOSE_STALLED]) world.violations.push('the silent device was dropped, although it reads')
  // And once more by resuming from a cursor in the past, with a socket that broke.
  pipe.stall()
  await measure(rounds / 3)
  pipe.cut()
  pipe.flow()
  await settle(world)
  await pipe.close()
  const ms = ({ p50, p95 }) => `${p50.toFixed(1)}/${p95.toFixed(1)} ms`
  return {
    note:
      `others' question to screen, median/95 %: ${ms(before)} before, ${ms(after)} beside the two ` +
      `(ratio ${ratio().toFixed(2)}, at most ${RATIO_MAX})`,
  }
}

/** Measures from the moment a question is sent until another device has it, one question after the other. */
function latencies(asking, watching) {
  const seen = new Map()
  watching.onMessage = ({ id }) => seen.get(id)?.()
  // Long enough that a window of them is more than the relay's limit and the system's socket buffers hold.
  // Of chance, since sockets compress.
  const text = randomBytes(TEXT_BYTES).toString('base64')
  return async (count) => {
    const took = []
    for (let n = 0; n < Math.floor(count); n++) {
      const id = `m-${asking.asked.size}`
      const arrived = new Promise((resolve) => seen.set(id, resolve))
      const began = performance.now()
      asking.ask(id, `${id} ${text}`, `chat-${n % 8}`)
      await Promise.race([arrived, sleep(10_000)])
      took.push(performance.now() - began)
    }
    took.sort((a, b) => a - b)
    return { p50: took[Math.floor(count / 2)], p95: took[Math.floor(count * 0.95)] }
  }
}

const WINDOW_MESSAGES = 256
const TEXT_BYTES = 64 * 1024
const CLOSE_STALLED = 4410
/** The 95th percentile may be this many times what it was; below the floor a ratio says nothing. */
const RATIO_MAX = 3
const FLOOR_MS = 10
