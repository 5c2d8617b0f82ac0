// The same event again and again, forged ones among them; and more questions than one user may have open.

import { encrypt, sign, signatureOf } from '../e2e/support/feishu.mjs'
import { startLoad } from './support/load.mjs'
import { post } from './support/sender.mjs'
import { settle, until } from './support/world.mjs'

export async function run({ start, random, short }) {
  const world = await start({ users: 3 })
  const forged = await replay(world, random, short)
  const flooded = await flood(world)
  return { note: `${forged} forged refused; ${flooded}` }
}

/** Every event three times and eight at once, with forgeries between, and once more after all were answered. */
async function replay(world, random, short) {
  const load = await startLoad(world, { users: world.users.slice(0, 2), chats: 0 })
  const chats = world.users.slice(0, 2).map((user) => world.sender(user, `oc_replay.${user}`))
  const events = []
  let forged = 0
  for (let n = 0; n < (short ? 15 : 150); n++) {
    const sender = random.pick(chats)
    const { message, event } = sender.event(`question ${n}`)
    const times = random.chance(0.3) ? 8 : 3
    const posts = Array.from({ length: times }, () => sender.post(event))
    const forgeries = Object.entries(forgeriesOf(event))
    const answers = await Promise.all(forgeries.map(async ([how, request]) => [how, await post(world.url, request)]))
    forged += answers.length
    for (const [how, status] of answers) if (status !== 401) world.violations.push(`forged (${how}): heard ${status}`)
    const statuses = await Promise.all(posts)
    if (statuses.some((status) => status !== 200)) world.violations.push(`${message.id}: heard ${statuses}`)
    message.acceptedAt = Date.now()
    events.push({ sender, event })
  }
  await load.stop()
  await settle(world)
  const calls = world.feishu.calls.length
  for (const { sender, event } of events) {
    const status = await sender.post(event)
    if (status !== 200) world.violations.push(`replayed later: heard ${status}`)
  }
  await settle(world)
  if (world.feishu.calls.length !== calls) world.violations.push('an old event that was replayed had an effect')
  return forged
}

/** Requests that Feishu did not make. Each carries a message of its own, so that any effect would be seen. */
function forgeriesOf(event) {
  const message = { ...event.event.message, message_id: `${event.event.message.message_id}_forged` }
  const forged = { ...event, event: { ...event.event, message } }
  const good = sign(forged)
  const otherKey = JSON.stringify({ encrypt: encrypt(forged, 'the key of someone else') })
  return {
    'bad signature': { ...good, headers: { ...good.headers, 'x-lark-signature': '0'.repeat(64) } },
    'no signature': { ...good, headers: { 'content-type': 'application/json' } },
    'another body under a good signature': { ...sign(forged), headers: sign(event).headers },
    'encrypted with another key': { body: otherKey, headers: signatureOf(otherKey) },
    'another token': sign({ ...forged, header: { ...forged.header, token: 'v-wrong' } }),
  }
}

/**
 * With nobody to answer exactly as many are taken as may wait for one agent, all at once; a device hears that there is
 * no room; and all are answered when an agent comes. (What a platform brings beyond that: relay/tests/queue.rs.)
 */
async function flood(world) {
  const user = world.users[2]
  const device = world.device(user, `device.${user}`)
  world.device(user, `other.${user}`)
  await world.ready()
  const chats = Array.from({ length: CHATS }, (_, n) => world.sender(user, `oc_flood_${n}`))
  const writing = chats.map(async (sender) => {
    for (let n = 0; n < AGENT_QUESTIONS_MAX / CHATS; n++) {
      const { message, event } = sender.event(`flood ${n}`)
      const status = await sender.post(event)
      if (status === 200) message.acceptedAt = Date.now()
      else world.violations.push(`flood ${n}: heard ${status}`)
    }
  })
  await Promise.all(writing)
  // A device hears it as an error frame that names its question.
  device.ask('m-over', 'one too many')
  await until(() => device.refusals.some(({ code, id }) => code === 'queue_full' && id === 'm-over'), 'the refusal')
  world.agent(user, `agent.${user}`, { how: { streamed: 0, thinkMs: 2 } })
  await world.ready()
  await settle(world, { idleMs: 30_000 })
  return `${AGENT_QUESTIONS_MAX} accepted with no agent, one refused, all answered`
}

const AGENT_QUESTIONS_MAX = 800
const CHATS = 20
