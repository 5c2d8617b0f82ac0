// npm run mutants: cargo-mutants changes relay/ in every place that it knows, and says which changes no test notices. All
// of it takes hours; `-- --shard 0/10` takes every tenth. The settings are in .cargo/mutants.toml.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, run } from './lib/run.mjs'
import { main } from './lib/say.mjs'
import { cargoTool } from './lib/tools.mjs'

const VERSION = '27.1.0'

await main(async () => {
  const tool = await cargoTool('cargo-mutants', VERSION, 'cargo-mutants')
  const output = join(ROOT, 'target')
  mkdirSync(output, { recursive: true })
  const options = ['--package', 'claw-relay-core', '--sharding', 'round-robin', '--jobs', '2', '--output', output]
  await run(tool, ['mutants', ...options, ...process.argv.slice(2)])
})
