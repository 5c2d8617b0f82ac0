// Runs a scenario in interleaved rounds, A-B-A-B: every system in every round, each on a workerd of its own that was
// started for it, with storage that nothing has touched.

import { join } from 'node:path'
import { runDriver } from './driver.mjs'
import { judge } from './ratio.mjs'
import { withSystem } from './system.mjs'

/**
 * @param {import('./scenarios.mjs').Scenario} scenario
 * @param {{ driver: string, folder: string, storage: string, isQuick: boolean, rounds: number,
 *   say: (text: string) => void }} run
 * @returns the rounds as they came, and a line for each metric. What a system loses or refuses ends the scenario.
 */
export async function runScenario(scenario, { driver, folder, storage, isQuick, rounds: asked, say }) {
  const rounds = []
  const systems = (isQuick && scenario.quickSystems) || scenario.systems
  const count = (isQuick ? scenario.quickRounds : scenario.rounds) ?? asked
  let failure
  while (rounds.length < count && !failure) {
    const round = {}
    rounds.push(round)
    for (const system of systems) {
      try {
        round[system] = await measure(scenario, system, { driver, folder, storage, isQuick })
      } catch (error) {
        failure = `${system}, round ${rounds.length}: ${error.message}`
        say(`${scenario.name}: ${failure}`)
        break
      }
    }
  }
  const lines = scenario.metrics
    .filter((metric) => !metric.storage || metric.storage === storage)
    .filter((metric) => !metric.against || systems.includes(metric.against))
    .map((metric) => judge(metric, rounds, { storage, isQuick }))
  return { rounds, lines, ...(failure && { failure }) }
}

async function measure(scenario, system, { driver, folder, storage, isQuick }) {
  const options = {
    ...scenario.options,
    ...(storage === 'disk' && scenario.disk),
    ...(isQuick && scenario.quick),
    ...scenario.own?.[system],
  }
  return withSystem(
    system,
    { folder: join(folder, `${scenario.name}-${system}`), counted: scenario.counted },
    async (server) => {
      const figures = await runDriver(driver, scenario.load, { ...server, options })
      const { wasm_bytes } = scenario.counted ? await server.counters() : {}
      return { ...figures, start_ms: server.startMs, ...(wasm_bytes && { wasm_bytes }) }
    },
  )
}
