// target/bench/results.json: every raw round, with the machine, the versions and the command that made it. Sections that
// are not run again stay as they were, each with its own date and command.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { capture, ROOT } from '../../scripts/lib/run.mjs'
import { peerVersions } from './peers.mjs'
import { WORKERD_VERSION } from './workerd.mjs'

/** Where the results are. */
export const RESULTS = join(ROOT, 'target', 'bench', 'results.json')

/** Begins to write results: `add(name, section)` keeps a section at once, `all()` answers every one. */
export async function openResults(command) {
  const results = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : { sections: {} }
  const run = {
    command,
    commit: (await capture('git', ['describe', '--always', '--dirty'])).stdout.trim(),
    machine: machine(),
    versions: { workerd: WORKERD_VERSION, node: process.versions.node, ...peerVersions() },
  }
  const add = (name, section) => {
    results.sections[name] = { date: new Date().toISOString(), ...run, ...section }
    mkdirSync(dirname(RESULTS), { recursive: true })
    // Renamed, so that a run that is broken off leaves a whole file.
    writeFileSync(`${RESULTS}.part`, `${JSON.stringify(results, null, 1)}\n`)
    renameSync(`${RESULTS}.part`, RESULTS)
  }
  return { run, add, all: () => results.sections }
}

function machine() {
  const memory_gb = Math.round(totalmem() / 2 ** 30)
  return { cpu: cpus()[0]?.model, cores: cpus().length, memory_gb, kernel: `${process.platform} ${release()}` }
}
