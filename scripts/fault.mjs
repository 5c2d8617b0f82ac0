// npm run fault: breaks everything that can break, and counts what is lost, doubled or out of order. `--short` takes a
// minute, `--only <scenario>` runs one, `--seed <n>` repeats a run's choices, `--break <what>` shows that it can fail.

import { join } from 'node:path'
import { buildAgent, buildWorker } from './lib/build.mjs'
import { ROOT, run } from './lib/run.mjs'
import { main } from './lib/say.mjs'
import { install } from './lib/tools.mjs'

await main(async () => {
  const tools = await install()
  await buildWorker(tools)
  await buildAgent()
  // With the Node in node_modules, which wrangler needs.
  await run('node', [join(ROOT, 'tests', 'fault', 'run.mjs'), ...process.argv.slice(2)])
})
