// D1 is away, in two ways: every call fails, or no call is ever answered. Who is known goes on; who is not is told to
// come again, and is accepted when D1 is back. How it is done: support/d1-gate.mjs.

import { setTimeout as sleep } from 'node:timers/promises'
import { startLoad } from './support/load.mjs'
import { settle, until } from './support/world.mjs'

export async function run({ start, random, short, say }) {
  const world = await start({ users: 8 })
  const [known, strangers] = [world.users.slice(0, 2), world.users.slice(2)]
  for (const user of strangers) {
    world.agent(user, `agent.${user}`)
    world.device(user, `device.${user}`)
  }
  // Slow enough that the queue of open questions does not fill up over minutes.
  const load = await startLoad(world, { users: known, chats: 3, agent: { streamed: 0.1 }, pauseMs: 300 })
  const regulars = [...world.senders]
  const isKnown = () => regulars.every(({ sent }) => sent.length > 2)
  await until(isKnown, 'everyone to be known')
  const notes = []

  /** An outage; `stranger` is someone whom the relay would have to look up, and refuses meanwhile. */
  async function outage(mode, ms) {
    const stranger = world.sender(strangers.shift(), `oc_${mode}_${world.senders.length}`)
    const before = heard(regulars)
    const accepted = acceptedBy(regulars)
    world.gate.set(mode)
    const end = Date.now() + ms
    const waiting = stranger.send('who am I?')
    await until(() => Date.now() > end && stranger.heard[503], `a refusal while D1 is ${mode}`, ms + 10_000)
    const during = difference(heard(regulars), before)
    const refused = Object.keys(during).filter((status) => status !== '200')
    if (refused.length > 0) world.violations.push(`D1 ${mode}: known senders heard ${JSON.stringify(during)}`)
    if (acceptedBy(regulars) === accepted) world.violations.push(`D1 ${mode}: nothing was accepted`)
    if (stranger.heard[200]) world.violations.push(`D1 ${mode}: a stranger was accepted`)
    if (world.gate.calls[mode] === 0) world.violations.push(`D1 ${mode}: nobody asked it`)
    world.gate.set('up')
    await waiting
    if (Object.keys(stranger.heard).some((status) => !['503', '200'].includes(status))) {
      world.violations.push(`D1 ${mode}: a stranger heard ${JSON.stringify(stranger.heard)}`)
    }
    notes.push(
      `${mode} ${ms / 1000} s: known heard ${JSON.stringify(during)}, strangers ${JSON.stringify(stranger.heard)}`,
    )
    await sleep(random.between(100, 400))
  }

  await outage('down', short ? 1_500 : 20_000)
  await outage('hanging', short ? 3_500 : 20_000)
  if (!short) {
    // Longer than the directory's cache is fresh: from then on it is asked for everyone.
    say('75 s without D1')
    await outage('down', 75_000)
    await outage('hanging', 75_000)
    await killDuringOutage(world, regulars, strangers.shift())
    notes.push('killed during an outage: all refused, all accepted afterwards')
  }
  await load.stop()
  await settle(world)
  return { note: notes.join('; ') }
}

/** A relay that starts without D1 knows nobody: it refuses, and loses nothing. */
async function killDuringOutage(world, regulars, user) {
  world.gate.set('down')
  await world.relay.kill()
  await world.relay.start()
  const before = acceptedBy(regulars)
  const refused = regulars.map(({ heard }) => heard[503] ?? 0)
  const waiting = world.sender(user, 'oc_restart').send('anyone?')
  await until(() => regulars.every(({ heard }, n) => (heard[503] ?? 0) > refused[n]), 'everyone to be refused')
  if (acceptedBy(regulars) !== before) world.violations.push('someone was accepted by a relay that knows nobody')
  world.gate.set('up')
  await waiting
  await until(() => acceptedBy(regulars) > before + regulars.length, 'the load to go on')
}

function heard(senders) {
  const sum = {}
  for (const sender of senders) {
    for (const [status, times] of Object.entries(sender.heard)) sum[status] = (sum[status] ?? 0) + times
  }
  return sum
}

function difference(after, before) {
  const changed = Object.entries(after).map(([status, times]) => [status, times - (before[status] ?? 0)])
  return Object.fromEntries(changed.filter(([, times]) => times > 0))
}

function acceptedBy(senders) {
  return senders.reduce((sum, { sent }) => sum + sent.filter(({ acceptedAt }) => acceptedAt).length, 0)
}
