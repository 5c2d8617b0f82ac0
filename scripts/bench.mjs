// npm run bench: the relay beside what people would pick instead, on one workerd, as ratios. `-- --quick` takes less than
// 3 minutes, `--only <scenario>` runs one, `--growth` draws how cost grows; bench/run.mjs names every flag.

import { join } from 'node:path'
import { buildWorker } from './lib/build.mjs'
import { ROOT, run } from './lib/run.mjs'
import { main, say } from './lib/say.mjs'
import { install, installPackages } from './lib/tools.mjs'

await main(async () => {
  const tools = await install()
  await buildWorker(tools)
  // Nothing else needs them.
  await installPackages(join(ROOT, 'bench'), "installing the peers' packages")
  say('building the load driver (about 2 min the first time)')
  await run('cargo', ['build', '--profile', 'load', '--quiet', '--package', 'claw-relay-bench'])
  // With the Node in node_modules, which wrangler needs.
  await run('node', [join(ROOT, 'bench', 'run.mjs'), ...process.argv.slice(2)])
})
