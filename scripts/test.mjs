// npm test: sets up and passes every test. `--only check`, `unit`, `sim`, `fuzz`, `e2e`, `openclaw`
// or `fault` runs a part.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildAgent, buildWeb, buildWorker } from './lib/build.mjs'
import { ROOT, run } from './lib/run.mjs'
import { Fix, main, say } from './lib/say.mjs'
import { chromium, install, openClaw } from './lib/tools.mjs'

const PARTS = {
  async check() {
    await run('cargo', ['fmt', '--check'])
    await run('cargo', ['clippy', '--quiet', '--workspace', '--all-targets', '--', '-D', 'warnings'])
    await run('biome', ['check', '--error-on-warnings', '.'])
  },
  async unit() {
    await run('cargo', ['test', '--quiet', '--workspace'])
    await run('npm', ['test', '--silent', '--workspace', 'web'])
    await run('npm', ['test', '--silent', '--workspace', 'openclaw'])
  },
  async sim() {
    await script('sim', '--seeds', '2000', '--messages', '200000')
  },
  async fuzz() {
    await script('fuzz', '--short')
  },
  async e2e(tools) {
    const browser = await chromium()
    await buildWorker(tools)
    await buildWeb()
    await buildAgent()
    const folder = join(ROOT, 'tests', 'e2e')
    const files = readdirSync(folder).filter((name) => name.endsWith('.test.mjs') && !name.startsWith('openclaw'))
    // Two files at a time: each runs a relay, an agent and sometimes a browser of its own, and mostly waits.
    const options = ['--test', '--test-reporter=spec', '--test-concurrency=2', '--test-timeout=900000']
    await run('node', [...options, ...files.map((name) => join(folder, name))], { env: { CHROMIUM: browser } })
  },
  async openclaw(tools) {
    // A gateway takes 1.2 GB of memory, its installation 850 MB of disk, the tests some eight minutes.
    if (!process.env.CLAW_RELAY_OPENCLAW) {
      return 'skipped: set CLAW_RELAY_OPENCLAW=1 to run the plugin and claw-agent on a real OpenClaw gateway'
    }
    await openClaw()
    await buildWorker(tools)
    await buildWeb()
    await buildAgent()
    const tests = ['openclaw', 'openclaw-approvals', 'openclaw-gateway'].map((name) =>
      join(ROOT, 'tests', 'e2e', `${name}.test.mjs`),
    )
    await run('node', ['--test', '--test-reporter=spec', '--test-concurrency=1', '--test-timeout=1200000', ...tests])
  },
  async fault(tools) {
    await buildWorker(tools)
    await buildAgent()
    await run('node', [join(ROOT, 'tests', 'fault', 'run.mjs'), '--short'])
  },
}

/** One of the scripts beside this one, as `npm run` would run it. */
function script(name, ...args) {
  return run(process.execPath, [join(ROOT, 'scripts', `${name}.mjs`), ...args])
}

await main(async () => {
  const { values } = parseArgs({ options: { only: { type: 'string' } } })
  if (values.only && !PARTS[values.only])
    throw new Fix(`--only ${values.only}: one of ${Object.keys(PARTS).join(', ')}`)
  const tools = await install()
  for (const [name, part] of Object.entries(PARTS)) {
    if (values.only && values.only !== name) continue
    const began = Date.now()
    say(name)
    const skipped = await part(tools)
    say(skipped ? `${name} ${skipped}` : `${name} passed in ${((Date.now() - began) / 1000).toFixed(0)} s`)
  }
})
