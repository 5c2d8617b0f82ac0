// Measures the relay beside its peers and prints ratios. Started by scripts/bench.mjs (`npm run bench`).
//
//   --quick            fewer and smaller rounds, in less than 3 minutes
//   --only <section>   one scenario, or `cold-start`, `bundle`, `cost`, `mosquitto`
//   --rounds <n>       rounds of each scenario, 5 unless said otherwise
//   --disk             storage on a disk for everything; else in memory, and on a disk for what waits for commits
//   --growth           the curves instead, as target/bench/results.json and SVG
//   --plots <folder>   where the SVG go: docs unless said otherwise
//   --driver <path>    another load driver

import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from '../scripts/lib/run.mjs'
import { Fix, keepGoing, main, say } from '../scripts/lib/say.mjs'
import { bundleSize } from './lib/bundle.mjs'
import { coldStart } from './lib/cold-start.mjs'
import { costLines, costs, costText } from './lib/cost.mjs'
import { count } from './lib/counting.mjs'
import { measureGrowth, plotGrowth } from './lib/growth.mjs'
import { measureMosquitto } from './lib/mosquitto.mjs'
import { buildPeers } from './lib/peers.mjs'
import { median } from './lib/ratio.mjs'
import { openResults, RESULTS } from './lib/results.mjs'
import { runScenario } from './lib/rounds.mjs'
import { SCENARIOS } from './lib/scenarios.mjs'
import { storageFolder } from './lib/storage.mjs'
import { number, tableText } from './lib/table.mjs'

const DRIVER = join(process.env.CARGO_TARGET_DIR || join(ROOT, 'target'), 'load', 'claw-bench')
const NAMES = ['bundle', 'cold-start', ...SCENARIOS.map(({ name }) => name), 'cost', 'mosquitto']
const ROUNDS = 5
const ROUNDS_QUICK = 2
const ROUNDS_GROWTH = 3

keepGoing()

await main(async () => {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rounds: { type: 'string' },
      disk: { type: 'boolean', default: false },
      growth: { type: 'boolean', default: false },
      plots: { type: 'string', default: join(ROOT, 'docs') },
      driver: { type: 'string', default: DRIVER },
    },
  })
  const run = options(values)
  await buildPeers()
  const results = await openResults(`npm run bench -- ${process.argv.slice(2).join(' ')}`.replace(/[ -]+$/, ''))
  const { cpu, cores, memory_gb } = results.run.machine
  say(`${cores} × ${cpu}, ${memory_gb} GB; workerd ${results.run.versions.workerd}; ${run.isQuick ? 'quick' : 'full'}`)
  const failed = values.growth ? await growth(run, results, resolve(values.plots)) : await sections(run, results)
  say(`every round is in ${RESULTS}`)
  if (failed.length > 0) throw new Fix(`not measured: ${failed.join(', ')}; the reasons are above`)
})
// Not left to the event loop: a section that broke off leaves sockets behind.
process.exit()

/** What the flags mean. */
function options({ quick, only, rounds, disk, driver }) {
  const count = rounds === undefined ? (quick ? ROUNDS_QUICK : ROUNDS) : Number(rounds)
  if (!Number.isInteger(count) || count < 1) throw new Fix(`--rounds ${rounds}: a whole number above 0`)
  if (only && !NAMES.includes(only)) throw new Fix(`--only ${only}: one of ${NAMES.join(', ')}`)
  if (!existsSync(driver)) throw new Fix(`no load driver at ${driver}: npm run bench builds it`)
  const wanted = (name) => !only || only === name
  return { driver: resolve(driver), isQuick: quick, rounds: count, only, wanted, disk, say }
}

async function growth(run, results, plots) {
  // Each point is a round of its own, and the curve matters more than its digits.
  const rounds = run.rounds === ROUNDS ? ROUNDS_GROWTH : run.rounds
  const measured = await measureGrowth({ ...run, rounds, folder: storageFolder('tmpfs') })
  results.add('growth', { storage: 'tmpfs', ...measured })
  mkdirSync(plots, { recursive: true })
  for (const path of plotGrowth(measured, plots)) say(path)
  return []
}

/** Every section that is wanted; answers the names of those that failed. */
async function sections(run, results) {
  const failed = []
  const show = (name, section, more = '') => {
    results.add(name, section)
    console.log(tableText(name, section) + more)
    if (section.failure) failed.push(name)
  }
  const attempt = async (name, measure) => {
    if (!run.wanted(name)) return
    const began = Date.now()
    try {
      const section = await measure()
      if (section) show(name, { ...section, seconds: (Date.now() - began) / 1000 }, section.text)
    } catch (error) {
      if (!(error instanceof Fix)) console.error(error)
      show(name, { lines: [], failure: error.message })
    }
  }

  const memory = run.disk ? 'disk' : 'tmpfs'
  await attempt('bundle', bundleSize)
  await attempt('cold-start', () => coldStart({ folder: storageFolder(memory), times: run.isQuick ? 3 : 10 }))
  for (const scenario of SCENARIOS) {
    if (!run.wanted(scenario.name) || (run.isQuick && !run.only && scenario.skipQuick)) continue
    for (const storage of storages(scenario, run)) {
      const name = storage === 'disk' ? `${scenario.name} on disk` : scenario.name
      say(name)
      const began = Date.now()
      const measured = await runScenario(scenario, { ...run, storage, folder: storageFolder(storage) })
      const load = { load: scenario.load, options: { ...scenario.options, ...(run.isQuick && scenario.quick) } }
      show(name, { storage, quick: run.isQuick, ...load, seconds: (Date.now() - began) / 1000, ...measured })
    }
  }
  await attempt('cost', async () => {
    const counted = await count({ folder: storageFolder(memory), isQuick: run.isQuick, say })
    const sums = costs(counted, cpuMs(results.all(), counted))
    return { counted, ...sums, lines: costLines(sums), text: `\n${costText(sums)}` }
  })
  await attempt('mosquitto', async () => {
    const measured = await measureMosquitto({ ...run, folder: storageFolder(memory) })
    if (!measured) return say('mosquitto is not installed: left out')
    const text = (field) =>
      `    ${field.padEnd(34)}${number(median(measured.rounds.map(({ mosquitto }) => mosquitto[field])))}`
    const fields = Object.entries(measured.rounds[0].mosquitto).filter(([, value]) => typeof value === 'number')
    return { ...measured, text: `\n${fields.map(([field]) => text(field)).join('\n')}` }
  })
  return failed
}

/** In memory, where CPU shows; what waits for commits on a disk too, in a full run. */
function storages({ onDisk }, { disk, isQuick, only }) {
  if (disk) return ['disk']
  return onDisk && (!isQuick || only) ? ['tmpfs', 'disk'] : ['tmpfs']
}

/** The CPU of one webhook: as measured in time, or, until that was run, as counted, which is more. */
function cpuMs({ webhook }, { webhook: counted }) {
  const measured = median((webhook?.rounds ?? []).map(({ relay }) => relay?.cpu_us_per_message).filter(Number.isFinite))
  return measured === null ? counted.cpu_ms / counted.times : measured / 1000
}
