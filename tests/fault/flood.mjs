// The same event again and again, forged ones among them; and more questions than one user may have open.

import { encrypt, sign, signatureOf } from '../e2e/support/feishu.mjs'
import { startLoad } from './support/load.mjs'
import { post } from './support/sender.mjs'
import { settle, until } from './support/world.mjs'

export async function run({ start, random, short }) {
  const world = await start({ users: 3 })
  const forged = await replay(world, random, short)
  const flooded = await flood(world, random)
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

/** With nobody to answer exactly 1,000 are taken; the rest is refused in so many words, until an agent makes room. */
async function flood(world, random) {
  const user = world.users[2]
  const device = world.device(user, `device.${user}`)
  world.device(user, `other.${user}`)
  await world.ready()
  const chats = Array.from({ length: 20 }, (_, n) => world.sender(user, `oc_flood_${n}`))
  let agentCame = false
  const writing = chats.map(async (sender) => {
    for (let n = 0; n < 55; n++) {
      // One that is refused is repeated, but not before there is someone to answer: then it stays within its order.
      const { message, event } = sender.event(`flood ${n}`)
      while (!message.acceptedAt) {
        const status = await sender.post(event)
        if (status === 200) message.acceptedAt = Date.now()
        else await until(() => agentCame, 'the agent', 120_000).then(() => sleepSome(random))
      }
    }
  })
  const heard = (status) => chats.reduce((sum, sender) => sum + (sender.heard[status] ?? 0), 0)
  await until(() => heard(429) === chats.length, 'every chat to be refused', 60_000)
  const accepted = heard(200)
  if (accepted !== QUEUE_MESSAGES_MAX) world.violations.push(`${accepted} were accepted, not ${QUEUE_MESSAGES_MAX}`)
  const others = chats
    .flatMap((sender) => Object.keys(sender.heard))
    .filter((status) => !['200', '429'].includes(status))
  if (others.length > 0) world.violations.push(`the flood heard ${others}`)
  await checkProblem(world, chats[0])
  // A device hears it as an error frame that names its question.
  device.ask('m-over', 'one too many')
  await until(() => device.refusals.some(({ code, id }) => code === 'queue_full' && id === 'm-over'), 'the refusal')
  world.agent(user, `agent.${user}`, { how: { streamed: 0, thinkMs: 2 } })
  await world.ready()
  agentCame = true
  await Promise.all(writing)
  await settle(world, { idleMs: 30_000 })
  return `${accepted} accepted with no agent, then ${heard(429)} refusals with 429, all ${chats.length * 55} answered`
}

async function checkProblem(world, sender) {
  const { event } = sender.event('one more')
  sender.sent.pop()
  const { headers, body } = sign(event)
  const response = await fetch(`${world.url}/webhook/feishu/main`, { method: 'POST', headers, body })
  const type = response.headers.get('content-type')
  const problem = await response.json()
  if (response.status !== 429 || type !== 'application/problem+json' || problem.type !== '/errors/queue_full') {
    world.violations.push(`a full queue says ${response.status} ${type} ${JSON.stringify(problem)}`)
  }
}

function sleepSome(random) {
  return new Promise((resolve) => setTimeout(resolve, random.between(20, 200)))
}

const QUEUE_MESSAGES_MAX = 1_000
