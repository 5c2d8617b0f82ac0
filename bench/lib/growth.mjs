// How cost grows: with people, with the length of a timeline, with the size of a message. The relay beside J1, in
// rounds; a plot per curve.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectAgent, connectDevice } from './client.mjs'
import { runDriver } from './driver.mjs'
import { linePlot } from './plot.mjs'
import { spread } from './ratio.mjs'
import { withSystem } from './system.mjs'

/**
 * Measures every curve. A point is `{ at, rounds: { relay: [figures], j1: [figures] } }`.
 * @param {{ driver: string, folder: string, isQuick: boolean, rounds: number, say: (text: string) => void }} run
 */
export async function measureGrowth(run) {
  const curves = {}
  for (const curve of CURVES) {
    const points = []
    for (const at of run.isQuick ? curve.quick : curve.values) points.push({ at, rounds: { relay: [], j1: [] } })
    for (let round = 0; round < run.rounds; round += 1) {
      for (const point of points) {
        for (const system of ['relay', 'j1']) {
          run.say(`${curve.name} ${point.at}, round ${round + 1}: ${system}`)
          point.rounds[system].push(await measurePoint(curve, point.at, system, run))
        }
      }
    }
    curves[curve.name] = points
  }
  return { curves, refusals: await refusals(run) }
}

/** Writes `performance-<curve>-<what>.svg` into `folder` for each curve; answers their paths. */
export function plotGrowth({ curves, refusals }, folder) {
  return CURVES.flatMap((curve) =>
    curve.plots.map((plot) => {
      const series = ['relay', 'j1'].map((system) => ({
        name: NAMES[system],
        points: curves[curve.name].map(({ at, rounds }) => {
          const { median, min, max } = spread(rounds[system].map((figures) => figures[plot.field] / plot.per))
          return [at, median, min, max]
        }),
      }))
      const path = join(folder, `performance-${curve.name}-${plot.name}.svg`)
      const note = `${curve.note(refusals)} Medians of the rounds, with their spread.`
      writeFileSync(
        path,
        linePlot({ title: plot.title, note, x: curve.x, y: { label: plot.label, log: plot.log }, series }),
      )
      return path
    }),
  )
}

function measurePoint(curve, at, system, { driver, folder, isQuick }) {
  return withSystem(system, { folder: join(folder, `growth-${system}`) }, async (server) => {
    for (const { load, options } of curve.before?.(at) ?? []) await runDriver(driver, load, { ...server, options })
    const { load, options } = curve.load(at, isQuick)
    return runDriver(driver, load, { ...server, options })
  })
}

/** What the relay answers above its limits: a clear word, and nothing is stored. */
function refusals({ folder }) {
  return withSystem('relay', { folder: join(folder, 'growth-refusals') }, async ({ url }) => {
    const agent = await connectAgent(url, 0)
    const answers = []
    for (const bytes of [TEXT_BYTES_MAX, TEXT_BYTES_MAX + 1, 2 * TEXT_BYTES_MAX, FRAME_BYTES_MAX]) {
      const device = await connectDevice(url, 0)
      device.send({ type: 'send', id: `m-${bytes}`, text: 'x'.repeat(bytes) })
      const { type, code, detail } = await device.next(({ type }) => type === 'error' || type === 'accepted', 'answer')
      device.close()
      answers.push({ bytes, type, ...(code && { code, detail }) })
    }
    agent.close()
    return answers
  })
}

/** docs/protocol.md §7. */
const TEXT_BYTES_MAX = 128 * 1024
const FRAME_BYTES_MAX = 1024 * 1024
const SIZES = [100, 1_024, 8_192, 32_768, 131_072]
const NAMES = { relay: 'relay', j1: 'J1 (plain object)' }
const thousands = (value) => (value >= 1000 ? `${value / 1000} k` : String(value))
const bytes = (value) => (value >= 1024 ? `${Math.round(value / 1024)} KB` : `${value} B`)
const P50 = { name: 'p50', field: 'p50_us', per: 1000, label: 'webhook to agent, p50 (ms)', log: false }
const MEMORY = {
  name: 'memory',
  field: 'rss_bytes',
  per: 1024 ** 2,
  label: 'resident memory of workerd (MB)',
  log: false,
}
const CPU = { name: 'cpu', field: 'cpu_us_per_message', per: 1, label: 'CPU per message (µs)', log: false }

const CURVES = [
  {
    name: 'users',
    values: [1, 10, 100, 1_000],
    quick: [1, 10],
    // In each timeline at most 400 open questions: `count` and `warmup` stay below that for one user.
    load: (users, isQuick) => ({
      load: 'webhook',
      options: { objects: users, rate: 150, ...sizes(users, isQuick), bytes: 200 },
    }),
    x: { label: 'people, each with an agent connected', log: true, format: thousands },
    plots: [
      { ...P50, title: 'More people: time from webhook to agent' },
      { ...CPU, title: 'More people: CPU of the server per message' },
      { ...MEMORY, title: 'More people: memory of the server' },
    ],
    note: () => 'The same 150 messages a second in all, spread over everyone.',
  },
  {
    name: 'timeline',
    values: [1_000, 10_000, 99_000],
    quick: [1_000, 2_000],
    // Filled with questions and answers; what is measured comes after.
    before: (rows) => [
      {
        load: 'durable',
        options: { objects: 1, 'per-frame': 16, outstanding: 64, count: rows, warmup: 0, bytes: 200 },
      },
    ],
    load: (_, isQuick) => ({
      load: 'webhook',
      options: { objects: 1, rate: 100, count: isQuick ? 100 : 300, warmup: 50, bytes: 200 },
    }),
    x: { label: 'messages in the timeline', log: true, format: thousands },
    plots: [
      { ...P50, title: 'A longer timeline: time from webhook to agent' },
      { ...CPU, title: 'A longer timeline: CPU of the server per message' },
    ],
    note: () =>
      'It ends at 100,000: the relay keeps no more messages younger than 72 h (then queue_full), and of older ones 20,000. A million rows cannot come about.',
  },
  {
    name: 'size',
    values: SIZES,
    quick: [100, 8_192],
    load: (size, isQuick) => ({
      load: 'webhook',
      options: { objects: 10, rate: 50, count: isQuick ? 100 : 500, warmup: 50, bytes: size },
    }),
    x: { label: 'text of a message', log: true, ticks: SIZES, format: bytes },
    plots: [
      { ...P50, title: 'A longer message: time from webhook to agent', log: true },
      { ...CPU, title: 'A longer message: CPU of the server per message', log: true },
    ],
    note: (refusals) => {
      const refused = refusals
        .filter(({ type }) => type === 'error')
        .map(({ bytes: size, code }) => `${size} B: ${code}`)
      return `It ends at 128 KB, the longest text. Above, a device hears an error (${refused.join(', ')}); a platform's is cut.`
    },
  },
]

function sizes(users, isQuick) {
  if (isQuick) return { count: 100, warmup: 50 }
  return users === 1 ? { count: 300, warmup: 50 } : { count: 1_500, warmup: Math.max(200, users) }
}
