// Objects thrown out of memory in the middle of everything: what they held there must not matter. In three ways:
// Miniflare's `unsafeEvictDurableObject`, which waits for running handlers and then lets the sockets hibernate (workerd by
// itself does so after 10 s of idleness) or closes them, and workerd's `abortAllDurableObjects`, which breaks every
// object off in the middle of a call, as a deploy or a fault of the machine does.

import { setTimeout as sleep } from 'node:timers/promises'
import { startLoad } from './support/load.mjs'
import { settle } from './support/world.mjs'

export async function run({ start, random, short, say }) {
  const world = await start({ users: 2 })
  // Answers that take their time, so that most evictions meet some half-made.
  const load = await startLoad(world, { agent: { streamed: 0.7, pieceMs: 20 }, chats: 3, pauseMs: 500 })
  const done = { hibernate: 0, close: 0, abort: 0 }
  const evict = async (how) => {
    await sleep(random.between(20, 300))
    // Not the Account: it is busy all the time, the call would wait for ever, and a second one stops workerd as a whole.
    if (how === 'abort') await world.relay.abort()
    else if (!(await evictHub(world, random.pick(world.users), how))) return
    done[how] += 1
  }
  const lazy = world.device(world.users[0], 'lazy')
  await world.ready()
  const cycles = short ? 1 : 10
  for (let n = 0; n < cycles; n++) {
    await fullWindow(world, lazy, n, () => evict('hibernate'))
    for (let m = 0; m < (short ? 10 : 40); m++) await evict(WAYS[m % WAYS.length])
    if (!short) say(`${n + 1} of ${cycles}: ${JSON.stringify(done)}`)
  }
  await load.stop()
  await settle(world)
  const restreams = world.agents.reduce((sum, agent) => sum + agent.restreams, 0)
  const evictions = done.hibernate + done.close + done.abort
  if (restreams === 0) world.violations.push('no restream: no eviction met an answer in the making')
  if (world.relay.restored < evictions / 2)
    world.violations.push(`${world.relay.restored} wakes, ${evictions} evictions`)
  return {
    note:
      `evicted: ${done.hibernate} hibernating, ${done.close} with sockets closed, ${done.abort} aborted; ` +
      `${world.relay.restored} wakes, ${restreams} restreams, ${cycles} full windows`,
  }
}

/** Answers whether it was in memory. */
async function evictHub(world, user, how) {
  try {
    await world.relay.evict('Hub', user, how)
    return true
  } catch (error) {
    if (error.message.includes('not currently running')) return false
    throw error
  }
}

/** A device that does not acknowledge sits through evictions with its window full, then acknowledges and hears the rest. */
async function fullWindow(world, device, cycle, evict) {
  device.acknowledge()
  device.acknowledges = false
  let base = device.seq
  // After a reconnect its cursor stands for an acknowledgement.
  device.onWelcome = () => (base = device.seq)
  const asking = world.devices.find((other) => other.user === device.user)
  for (let n = 0; n < WINDOW_MESSAGES; n++) asking.ask(`burst-${cycle}-${n}`, `burst ${n}`, `burst-${n % 26}`)
  const deadline = Date.now() + 60_000
  while (device.seq - base < WINDOW_MESSAGES) {
    if (Date.now() > deadline) throw new Error(`the window is not full: ${device.seq - base} messages`)
    await evict()
  }
  for (let n = 0; n < 3; n++) await evict()
  if (device.seq - base > WINDOW_MESSAGES) {
    world.violations.push(`${device.seq - base} messages beyond the last ack, the window is ${WINDOW_MESSAGES}`)
  }
  device.acknowledges = true
  device.onWelcome = () => {}
  device.acknowledge()
}

const WINDOW_MESSAGES = 256
const WAYS = ['abort', 'hibernate', 'close', 'hibernate']
