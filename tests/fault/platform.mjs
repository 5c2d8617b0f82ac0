// Feishu fails in every way that support/road.mjs knows, before and after it took an answer. In the end each answer is
// there once.

import { checkCalls } from './support/checks.mjs'
import { startLoad } from './support/load.mjs'
import { FAULTS } from './support/road.mjs'
import { settle } from './support/world.mjs'

export async function run({ start, random, short }) {
  const world = await start({ users: short ? 4 : 6 })
  const plans = new Map()
  // The first faults are dealt out so that each occurs; these cost the relay its 10 s of patience.
  const deck = Object.keys(FAULTS)
  const isLong = (fault) => ['hang', 'hang_after', 'slow_after'].includes(fault)
  const quick = deck.filter((fault) => !isLong(fault))
  let dealt = 0
  const plan = () => {
    if (dealt < deck.length) return [deck[dealt++]]
    if (short) return Array.from({ length: random.below(3) }, () => random.pick(quick))
    return Array.from({ length: random.below(5) }, () => (random.chance(0.05) ? random.pick(deck) : random.pick(quick)))
  }
  world.road.decide = ({ kind, messageId, tries }) => {
    if (kind === 'token') return !short && random.chance(0.3) ? random.pick(TOKEN_FAULTS) : null
    if (kind !== 'reply') return null
    if (!plans.has(messageId)) plans.set(messageId, plan())
    return plans.get(messageId)[tries - 1] ?? null
  }
  const chats = short ? 4 : 6
  const load = await startLoad(world, { chats: 0, agent: { streamed: 0 } })
  const writers = world.users.flatMap((user) =>
    Array.from({ length: chats }, (_, n) => world.sender(user, `oc_${n}.${user}`)),
  )
  for (let n = 0; n < (short ? 2 : 8); n++) await Promise.all(writers.map((sender) => sender.send(`question ${n}`)))
  await load.stop()
  await settle(world, { idleMs: 60_000 })
  const missing = deck.filter((fault) => !world.road.count()[fault])
  if (missing.length > 0) world.violations.push(`never happened: ${missing}`)
  world.violations.push(...checkCalls(world.road.log, world.feishu.calls))
  const repeats = world.feishu.calls.length - world.feishu.replies.length
  return {
    note: `${JSON.stringify(world.road.count())}; Feishu got ${repeats} answers again and knew them by their uuid`,
  }
}

const TOKEN_FAULTS = ['error_500', 'gateway_502', 'reset', 'malformed', 'slow_in_time', 'cut_after']
