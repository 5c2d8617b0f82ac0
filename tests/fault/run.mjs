// Runs the scenarios and prints what they found. Started by scripts/fault.mjs.

import { parseArgs } from 'node:util'
import { Fix, keepGoing, main, say } from '../../scripts/lib/say.mjs'
import { evidenceOf, examine } from './support/checks.mjs'
import { randomFor } from './support/random.mjs'
import { SABOTAGE, selfCheck } from './support/sabotage.mjs'
import { unnoticed } from './support/self-check.mjs'
import { printTable } from './support/table.mjs'
import { STORAGE, startWorld } from './support/world.mjs'

/** `--break`: peers that do not do as the protocol says, which shows that the faults hit what they must. */
const BROKEN_PEERS = ['agent-forgets', 'device-forgets']
const SCENARIOS = ['kill', 'evict', 'd1-down', 'platform', 'agents', 'storm', 'slow', 'flood']
const SHORT_LANES = [
  ['kill', 'evict', 'flood'],
  ['platform', 'd1-down', 'agents', 'storm'],
]

/** Violations of one kind that are printed. */
const SHOWN_MAX = 8

keepGoing()

await main(async () => {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean', default: false },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
      only: { type: 'string' },
      break: { type: 'string' },
    },
  })
  const { short, seed, only } = values
  if (only && !SCENARIOS.includes(only)) throw new Fix(`--only ${only}: one of ${SCENARIOS.join(', ')}`)
  const breaks = [...Object.keys(SABOTAGE), ...BROKEN_PEERS]
  if (values.break && !breaks.includes(values.break))
    throw new Fix(`--break ${values.break}: one of ${breaks.join(', ')}`)
  const missed = unnoticed()
  if (missed.length > 0) throw new Fix(missed.join('\n'))
  say(`faults, ${short ? 'short' : 'full'}, --seed ${seed}; storage in ${STORAGE}`)
  const rows = []
  const runLane = async (lane) => {
    for (const name of lane.filter((name) => !only || only === name)) {
      rows.push(await scenario(name, { short, seed, broken: values.break }))
      report(rows.at(-1))
    }
  }
  // What measures has the machine to itself. The rest mostly waits, and in the short version does so two by two.
  if (short) await Promise.all(SHORT_LANES.map(runLane))
  await runLane(SCENARIOS.filter((name) => !short || !SHORT_LANES.flat().includes(name)))
  rows.sort((a, b) => SCENARIOS.indexOf(a.name) - SCENARIOS.indexOf(b.name))
  console.log()
  printTable(rows)
  const failed = rows.filter(({ violations }) => violations.length > 0).map(({ name }) => name)
  if (failed.length > 0) {
    throw new Fix(
      `violations in ${failed.join(', ')}; again with: npm run fault -- ${short ? '--short ' : ''}--seed ${seed}`,
    )
  }
})
// Not left to the event loop: a scenario that broke off leaves writers behind.
process.exit()

function report(row) {
  printTable([row])
  for (const kind of Object.values(Object.groupBy(row.violations, kindOf))) {
    for (const violation of kind.slice(0, SHOWN_MAX)) console.log(`  \x1b[31m✗\x1b[0m ${violation}`)
    if (kind.length > SHOWN_MAX) console.log(`  … and ${kind.length - SHOWN_MAX} more like these`)
  }
  if (row.violations.length > 0) console.log(`  the relay's last words:\n${row.output}`)
}

/** A violation without what it is about: ids and numbers. */
function kindOf(violation) {
  return violation.replace(/\S*\d\S*/g, '#')
}

/** Runs one scenario in a world of its own, and examines what it left behind. */
async function scenario(name, { short, seed, broken }) {
  say(name)
  const { run } = await import(`./${name}.mjs`)
  const random = randomFor(seed, name)
  const began = Date.now()
  let world
  try {
    const start = async (options) => (world = await startWorld({ random: random.part('world'), broken, ...options }))
    const { note = '', answers } = await run({ start, random, short, say })
    return verdict({ name, world, answers, note, random, broken, seconds: (Date.now() - began) / 1000 })
  } catch (error) {
    const violations = [`it broke off: ${error.stack ?? error}`, ...(world?.violations ?? [])]
    return { name, violations, output: world?.relay.output.slice(-3000), seconds: (Date.now() - began) / 1000 }
  } finally {
    await world?.close()
  }
}

function verdict({ name, world, answers, note, random, broken, seconds }) {
  let evidence = evidenceOf(world, answers)
  const checks = selfCheck(evidence, random)
  if (SABOTAGE[broken]) evidence = SABOTAGE[broken].spoil(evidence, random) ?? evidence
  const { lost, doubled, disordered, wrong } = examine(evidence)
  const peers = [...world.devices, ...world.agents]
  const others = [
    ...world.violations,
    ...peers.flatMap(({ faults }) => faults),
    ...[...world.feishu.faults, ...world.road.faults].map((error) => `Feishu: ${error}`),
    ...checks.unnoticed.map((name) => `no check noticed ${name}`),
    ...world.relay.panics.map((line) => `the Worker panicked: ${line}`),
  ]
  const row = {
    name,
    accepted: evidence.questions.length,
    delivered: evidence.timelines.reduce((sum, { messages }) => sum + messages.length, 0),
    answers: evidence.replies.length,
    kills: world.relay.kills,
    reconnects: peers.reduce((sum, peer) => sum + peer.reconnects, 0),
    lost: lost.length,
    doubled: doubled.length,
    disordered: disordered.length,
    seconds,
    note: `${note}; ${checks.tried - checks.unnoticed.length} of ${checks.tried} sabotages noticed`,
    output: world.relay.output.slice(-3000),
    violations: [...lost, ...doubled, ...disordered, ...wrong, ...others],
  }
  if (row.accepted === 0) row.violations.push('nothing was accepted: nothing was tested')
  return row
}
