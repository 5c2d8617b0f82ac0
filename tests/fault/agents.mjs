// Agents die in the middle of answers: their sockets, their processes, and two of one name that throw each other out.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AGENT } from '../../scripts/lib/build.mjs'
import { answerTo, startModel } from '../e2e/support/model.mjs'
import { startLoad } from './support/load.mjs'
import { startPipe } from './support/pipe.mjs'
import { settle, until } from './support/world.mjs'

export async function run({ start, random, short, say }) {
  const world = await start({ users: 4 })
  const [cut, forgetful, fought, real] = world.users
  const pipe = await startPipe(world.url)
  const how = { streamed: 0.6, pieceMs: 30 }
  world.agent(cut, 'cut', { url: pipe.url, how })
  const amnesiac = world.agent(forgetful, 'forgetful', { url: pipe.url, how: { ...how, forgetful: true } })
  const fighters = [fighter(world, fought, 'A', how)]
  const binary = await realAgent(world, real)
  const load = await startLoad(world, { agent: null, chats: 2, pauseMs: 300 })
  // Not before: of the two, one is always out, and nobody would wait for both.
  fighters.push(fighter(world, fought, 'B', how))
  const end = Date.now() + (short ? 5_000 : 120_000)
  const counts = { cuts: 0 }
  const breaking = [
    (async () => {
      const cuts = random.part('cuts')
      while (Date.now() < end) {
        await sleep(cuts.between(50, 500))
        pipe.cut()
        counts.cuts += 1
      }
    })(),
    (async () => {
      const kills = random.part('kills')
      while (Date.now() < end) {
        await sleep(kills.between(300, 1500))
        await binary.kill()
        binary.start()
      }
    })(),
  ]
  await sleep(end - Date.now())
  await Promise.all([...breaking, load.stop()])
  // One of the two gives in: then the other finishes what was open.
  fighters[1].stop()
  if (!short) say('settling')
  try {
    await settle(world, { idleMs: 30_000 })
  } finally {
    await binary.kill()
    await Promise.all([pipe.close(), binary.model.close()])
  }
  const replaced = fighters.reduce((sum, { closes }) => sum + (closes[4409] ?? 0), 0)
  const late = fighters.reduce((sum, { refusals }) => sum + refusals.length, 0)
  const others = world.agents.filter((agent) => !fighters.includes(agent)).flatMap(({ refusals }) => refusals)
  if (others.length > 0) world.violations.push(`answers were refused: ${JSON.stringify(others.slice(0, 3))}`)
  if (fighters.some(({ refusals }) => refusals.some(({ code }) => code !== 'already_replied'))) {
    world.violations.push(`a fighter was refused: ${JSON.stringify(fighters[0].refusals)}`)
  }
  if (replaced < 3 || binary.kills < 2) world.violations.push(`${replaced} replaced, ${binary.kills} killed: too few`)
  return {
    // The two that fight answer in words of their own, so that a second answer would be seen.
    answers: (text) => [answerTo(text), `${answerTo(text)} A`, `${answerTo(text)} B`],
    note:
      `${counts.cuts} times cut off, claw-agent killed ${binary.kills} times, connections replaced ${replaced} times; ` +
      `${late} second answers refused; the forgetful one heard ${amnesiac.questions.size} questions`,
  }
}

/** One of two with one key. Both come back after 4409, which the protocol forbids: that is the fault. */
function fighter(world, user, name, how) {
  return world.agent(user, `fighter-${name}`, {
    id: 'fought-over',
    backoffMs: 300,
    how: { ...how, answer: (text) => `${answerTo(text)} ${name}`, forgetful: true },
  })
}

/** The real claw-agent, with a model that takes its time. */
async function realAgent(world, user) {
  const model = await startModel({ delayMs: 20 })
  const agent = { model, kills: 0, log: '' }
  let child
  agent.start = () => {
    child = spawn(AGENT, ['run', '--backend', 'openai', '--openai-url', `${model.url}/v1`], {
      env: {
        ...process.env,
        CLAW_AGENT_RELAY: world.url,
        CLAW_AGENT_KEY: world.tokens.agent(user, 'claw-agent'),
        CLAW_AGENT_STATE_DIR: join(world.folder, 'claw-agent'),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (agent.log += text))
  }
  agent.kill = async () => {
    const exited = new Promise((resolve) => child.once('exit', resolve))
    if (child.exitCode !== null) {
      world.violations.push(`claw-agent ended by itself: ${agent.log.slice(-500)}`)
      return
    }
    child.kill('SIGKILL')
    agent.kills += 1
    await exited
  }
  process.once('exit', () => child.kill('SIGKILL'))
  await world.enrol(user, 'claw-agent')
  agent.start()
  await until(() => agent.log.includes('connected as'), 'claw-agent to connect')
  return agent
}
