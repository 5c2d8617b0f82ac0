// A thousand clients lose the relay at once, and all come back: with the jitter that docs/protocol.md §2 asks for, and
// with their cursors, while questions go on coming.

import { startLoad } from './support/load.mjs'
import { settle, until } from './support/world.mjs'

export async function run({ start, short, say }) {
  const world = await start({ users: short ? 16 : 20 })
  const clients = short ? 96 : 1_000
  const perUser = clients / world.users.length
  const began = performance.now()
  for (const user of world.users) {
    const asTold = { backoffMs: 500, backoffMsMax: 30_000 }
    world.agent(user, `agent.${user}`, { ...asTold, how: { streamed: 0 } })
    for (let n = 1; n < perUser; n++) world.device(user, `device-${n}.${user}`, asTold)
  }
  const peers = [...world.devices, ...world.agents]
  await until(() => peers.every(({ isWelcome }) => isWelcome), 'everyone to connect', 120_000)
  say(`${peers.length} clients connected in ${((performance.now() - began) / 1000).toFixed(1)} s`)
  const load = await startLoad(world, { agent: null, devices: 0, chats: 1, pauseMs: short ? 1_000 : 1_500 })
  const notes = []
  for (let storm = 0; storm < (short ? 1 : 3); storm++) {
    await until(() => world.devices.every(({ timeline }) => timeline.length > 2 * storm + 1), 'the load', 120_000)
    world.relay.warm()
    const before = peers.map(({ welcomes }) => welcomes)
    await world.relay.kill()
    await until(() => peers.every(({ isWelcome }) => !isWelcome), 'everyone to notice')
    await world.relay.start()
    notes.push(await comeBack(peers, before))
    say(notes.at(-1))
  }
  await load.stop()
  await settle(world, { idleMs: 30_000 })
  return { note: `${peers.length} clients of ${world.users.length} users; ${notes.join('; ')}` }
}

/** Waits until all are welcome again, and says how long it took from the moment the relay listened. */
async function comeBack(peers, before) {
  const up = performance.now()
  const took = new Array(peers.length).fill(null)
  const look = () => {
    peers.forEach(({ welcomes }, n) => {
      if (took[n] === null && welcomes > before[n]) took[n] = performance.now() - up
    })
    return took.every((ms) => ms !== null)
  }
  await until(look, 'everyone to be welcome again', 120_000)
  const sorted = took.toSorted((a, b) => a - b)
  const at = (share) => `${(sorted[Math.ceil(share * sorted.length) - 1] / 1000).toFixed(1)} s`
  return `welcome again: half ${at(0.5)}, 95 % ${at(0.95)}, all ${at(1)} after the relay was up`
}
