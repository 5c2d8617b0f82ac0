// kill -9 of the whole relay, again and again, under load.

import { setTimeout as sleep } from 'node:timers/promises'
import { startLoad } from './support/load.mjs'
import { inFlight, settle, until } from './support/world.mjs'

export async function run({ start, random, short, say }) {
  const world = await start({ users: 2 })
  const load = await startLoad(world, { agent: { streamed: 0.3, pieceMs: 5 } })
  const kills = short ? 5 : 200
  const caught = []
  for (let n = 0; n < kills; n++) {
    world.relay.warm()
    // Not before the load is back, however fast the machine is: a kill of an idle relay shows little.
    const enough = accepted(world) + 1 + random.below(20)
    const back = () => world.agents.every(({ isWelcome }) => isWelcome) && accepted(world) >= enough
    await until(() => back() && inFlight(world) > 0, 'the load to go on')
    await sleep(random.between(0, 50))
    await world.relay.kill()
    caught.push(inFlight(world))
    await world.relay.start()
    if ((n + 1) % 20 === 0) say(`${n + 1} kills, ${accepted(world)} questions accepted`)
  }
  await sleep(300)
  await load.stop()
  await settle(world)
  const least = Math.min(...world.senders.map(({ sent }) => sent.length))
  if (least < kills / 10) world.violations.push(`a sender wrote only ${least} messages: it was starved`)
  const starts = world.relay.startMs.toSorted((a, b) => a - b)
  const middle = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]
  return {
    note:
      `in flight when killed: median ${middle(caught)}, least ${Math.min(...caught)}; ` +
      `ready again ${Math.round(middle(starts))} ms after the order (median)`,
  }
}

function accepted(world) {
  const webhooks = world.senders.reduce((sum, { sent }) => sum + sent.filter(({ acceptedAt }) => acceptedAt).length, 0)
  return webhooks + world.devices.reduce((sum, { asked, unaccepted }) => sum + asked.size - unaccepted, 0)
}
