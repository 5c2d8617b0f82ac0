// npm run sim: simulates thousands of worlds (see sim/src/main.rs); arguments go to the simulator.
// npm run sim:mutants: plants each fault of sim/mutants.json into a copy of the relay, and demands that it is found.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { capture, ROOT, run } from './lib/run.mjs'
import { Fix, main, say } from './lib/say.mjs'

const BUILD = ['build', '--quiet', '--profile', 'sim', '--package', 'claw-relay-sim']
const SCRATCH = join(ROOT, 'target', 'mutants')
/** Worlds in which a planted fault must show. */
const SEEDS = '400'
const BUILD_FAILED = -1

await main(async () => {
  const args = process.argv.slice(2)
  if (args[0] === '--mutants') return mutants(args[1])
  await run('cargo', BUILD)
  await run(join(ROOT, 'target', 'sim', 'sim'), args)
})

/** Every mutant, or those whose name matches `only`. */
async function mutants(only = '') {
  const list = JSON.parse(readFileSync(join(ROOT, 'sim', 'mutants.json'), 'utf8'))
  copyWorkspace()
  // All places first: a mutant that has lost its place is to be mended before an hour is spent on the others.
  for (const mutant of list) plant(mutant)
  say('building the relay as it is')
  const sound = await simulate()
  if (sound.code !== 0) throw new Fix(`the relay fails without a mutant:\n${sound.stdout}${sound.stderr}`)
  const rows = []
  for (const mutant of list.filter(({ name }) => new RegExp(only).test(name))) {
    const path = join(SCRATCH, mutant.file)
    const original = readFileSync(path, 'utf8')
    writeFileSync(path, plant(mutant))
    const { code, stdout, stderr } = await simulate()
    writeFileSync(path, original)
    if (code === BUILD_FAILED) throw new Fix(`${mutant.name} does not compile:\n${stderr}`)
    const rule = stdout.match(/^BROKEN: (.*)$/m)?.[1]
    const seeds = stdout.match(/^ *(\d+) {2}seeds$/m)?.[1]
    rows.push({ mutant: mutant.name, found: rule ?? 'NOT FOUND', seeds })
    say(`${mutant.name}: ${rule ? `found after ${seeds} seeds: ${rule}` : 'NOT FOUND'}`)
  }
  console.table(rows)
  const missed = rows.filter((row) => row.found === 'NOT FOUND')
  if (missed.length > 0) throw new Fix(`${missed.length} of ${rows.length} mutants were not found`)
  say(`all ${rows.length} mutants were found`)
}

/** The three crates that the simulation needs, as a workspace of their own. */
function copyWorkspace() {
  rmSync(join(SCRATCH, 'relay'), { recursive: true, force: true })
  for (const name of ['protocol', 'relay', 'sim', 'Cargo.lock', 'clippy.toml']) {
    mkdirSync(SCRATCH, { recursive: true })
    cpSync(join(ROOT, name), join(SCRATCH, name), { recursive: true, force: true })
  }
  const sections = readFileSync(join(ROOT, 'Cargo.toml'), 'utf8').split(/^(?=\[)/m)
  const kept = sections.filter((section) => /^\[(workspace|profile)/.test(section)).join('')
  const members = kept.replace(/^members = .*$/m, 'members = ["protocol", "relay", "sim"]')
  writeFileSync(join(SCRATCH, 'Cargo.toml'), members.replace(/^default-members = .*\n/m, ''))
}

/** The mutant's file with the fault in it. */
function plant({ name, file, find, replace }) {
  const text = readFileSync(join(SCRATCH, file), 'utf8')
  const parts = text.split(find)
  if (parts.length !== 2) throw new Fix(`${name}: ${file} has ${parts.length - 1} places like\n${find}`)
  return parts.join(replace)
}

async function simulate() {
  const built = await capture('cargo', BUILD, { cwd: SCRATCH })
  if (built.code !== 0) return { ...built, code: BUILD_FAILED }
  return capture('timeout', ['600', join(SCRATCH, 'target', 'sim', 'sim'), '--seeds', SEEDS])
}
