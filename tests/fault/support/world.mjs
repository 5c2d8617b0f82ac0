// Everything that one scenario needs: the relay, Feishu behind a road that can fail, users, and whoever writes.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { call } from '../../../scripts/lib/relay.mjs'
import { newOperatorToken, newSecret } from '../../../scripts/lib/secret.mjs'
import { startFeishu } from '../../e2e/support/feishu.mjs'
import { answerTo } from '../../e2e/support/model.mjs'
import { feishuAccount, migrated, until } from '../../e2e/support/world.mjs'
import { Agent } from './agent.mjs'
import { startSwitch } from './d1-gate.mjs'
import { Device } from './device.mjs'
import { quietPort, Relay, workerOptions } from './relay.mjs'
import { startRoad } from './road.mjs'
import { Sender } from './sender.mjs'
import { mint } from './tokens.mjs'

/** Memory when there is some: a process that is killed, unlike a power cut, leaves its files as they were. */
export const STORAGE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/**
 * Starts a world with `users` users, each with a sender id `ou_{n}` that is bound to them. `vars` are set beside those of
 * wrangler.toml.
 */
export async function startWorld({ random, users = 1, vars = {}, broken }) {
  const folder = mkdtempSync(join(STORAGE, 'claw-relay-fault-'))
  // Memory is not given back by itself.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  await migrated(folder)
  const gate = await startSwitch()
  const feishu = await startFeishu()
  const road = await startRoad(feishu)
  const operatorToken = newOperatorToken()
  const secrets = {
    SIGNING_KEY: newSecret(),
    SEALING_KEY: newSecret(),
    OPERATOR_TOKEN: operatorToken,
    RATE_LIMITS: 'off',
    LOG_WAKES: 'on',
  }
  const relay = new Relay(workerOptions({ bindings: { ...vars, ...secrets }, gate, folder, port: await quietPort() }))
  const tokens = mint(secrets.SIGNING_KEY)
  const { url } = relay
  const world = {
    ...{ folder, gate, feishu, road, relay, tokens, url, random },
    users: Array.from({ length: users }, (_, n) => `usr_fault_${n}`),
    devices: [],
    agents: [],
    senders: [],
    /** Violations that a scenario found by itself. */
    violations: [],
    call: (...request) => call(url, ...request),
    /** A sender in a chat of a user. */
    sender(user, chat) {
      const made = new Sender({ url, random: random.part(chat), chat, sender: senderOf(user), user })
      world.senders.push(made)
      return made
    },
    device(user, name, { url: through = url, ...options } = {}) {
      const device = new Device({
        ...{ name, url: through, token: tokens.access(user), random: random.part(name), broken, ...QUICK },
        ...options,
      })
      device.user = user
      world.devices.push(device)
      return device.start()
    },
    agent(user, name, options = {}) {
      // Several connections of one agent have names of their own.
      const id = options.id ?? name
      const token = tokens.agent(user, id)
      const agent = new Agent({ name, url, token, random: random.part(name), broken, ...QUICK, ...options })
      agent.user = user
      world.agents.push(agent)
      // A key that D1 does not know is thrown out.
      enrol(relay, user, id).then(() => agent.start())
      return agent
    },
    /** Lets D1 know the key of an agent that is no peer of this suite. */
    enrol: (user, agent) => enrol(relay, user, agent),
    /** Everyone is connected. */
    ready: () =>
      until(() => [...world.devices, ...world.agents].every((peer) => peer.isWelcome), 'everyone to connect'),
    async close() {
      for (const peer of [...world.devices, ...world.agents]) peer.stop()
      await relay.stop()
      await Promise.all([road.close(), feishu.close(), gate.close()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    await relay.start()
    const { access_token: token, user } = await world.call(operatorToken, 'POST', '/v1/auth/operator')
    Object.assign(world, { token, operator: user.id })
    await world.call(token, 'POST', '/v1/admin/accounts', feishuAccount({ feishu: { url: road.url } }))
    for (const user of world.users) {
      const insert = "insert into users (id, name, role, audit_id, created_ms) values (?, ?, 'user', ?, 0)"
      await relay.sql(insert, user, user, `who-${user}`)
      await world.call(token, 'POST', '/v1/admin/identities', { account: 'main', sender: senderOf(user), user })
    }
  } catch (error) {
    await world.close()
    throw error
  }
  return world
}

async function enrol(relay, user, agent) {
  await relay.sql('insert or ignore into agents values (?, ?, ?, 0)', agent, user, agent)
  const insert = 'insert or ignore into agent_keys (id, agent_id, created_ms) values (?, ?, 0)'
  await relay.sql(insert, `key-${agent}`, agent)
}

/** The id on the platform of a user's sender. */
export function senderOf(user) {
  return `ou_${user}`
}

/** Accepted questions that have no answer yet: at the platform, or in the timeline of a device that asked. */
export function inFlight(world) {
  const replied = new Set(world.feishu.replies.map(({ messageId }) => messageId))
  const webhooks = world.senders
    .flatMap(({ sent }) => sent)
    .filter(({ id, acceptedAt }) => acceptedAt && !replied.has(id))
  return webhooks.length + world.devices.reduce((sum, device) => sum + unanswered(device), 0)
}

function unanswered(device) {
  const answered = new Set(device.timeline.map(({ reply_to }) => reply_to))
  return [...device.asked.values()].filter(({ seq }) => seq !== null && !answered.has(seq)).length
}

/**
 * Waits until all is answered and every device has seen everything, as long as there is progress: `idleMs` without any
 * is the end, and whatever is missing then is lost.
 */
export async function settle(world, { idleMs = 15_000 } = {}) {
  let [before, since] = ['', Date.now()]
  for (;;) {
    const heads = new Map()
    for (const { user, seq } of world.devices) heads.set(user, Math.max(heads.get(user) ?? 0, seq))
    const behind = world.devices.filter((device) => device.seq < heads.get(device.user)).length
    const unaccepted = world.devices.reduce((sum, device) => sum + device.unaccepted, 0)
    const stale = world.devices.reduce((sum, device) => sum + unfinished(device), 0)
    const open = inFlight(world)
    if (open + behind + unaccepted + stale === 0) break
    const now = [open, behind, unaccepted, stale, world.feishu.calls.length, ...heads.values()].join()
    if (now !== before) [before, since] = [now, Date.now()]
    if (Date.now() - since > idleMs) {
      world.violations.push(
        `after ${idleMs} ms without progress: ${open} unanswered, ${behind} devices behind, ` +
          `${unaccepted} questions unaccepted, ${stale} states not final`,
      )
      break
    }
    await sleep(50)
  }
  // What comes twice comes a little later.
  await sleep(300)
}

/**
 * Questions that a device does not show as replied. One that was answered long after it was asked may keep its old state:
 * a device that resumes hears the states of the last 500 messages only (docs/protocol.md §7), and has the answer itself.
 */
function unfinished(device) {
  const open = [...device.states].filter(([, state]) => state !== 'replied')
  if (open.length === 0) return 0
  const answers = new Map(device.timeline.map(({ seq, reply_to }) => [reply_to, seq]))
  return open.filter(([seq]) => !answers.has(seq) || answers.get(seq) - seq < STATES_REPEATED).length
}

export { answerTo, until }

/** Peers come back sooner than docs/protocol.md says, except where that time itself is measured. */
const QUICK = { backoffMs: 50, backoffMsMax: 400 }
/** Of the 500, less what may be between an answer and the state that follows it. */
const STATES_REPEATED = 400
