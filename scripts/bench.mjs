// npm run bench: the relay beside what people would pick instead, on one workerd, as ratios. `-- --quick` takes less than
// 3 minutes, `--only <scenario>` runs one, `--growth` draws how cost grows; bench/run.mjs names every flag.

import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildWorker } from './lib/build.mjs'
import { ROOT, run } from './lib/run.mjs'
import { main, say } from './lib/say.mjs'
import { install } from './lib/tools.mjs'

await main(async () => {
  const tools = await install()
  await buildWorker(tools)
  await installPeers()
  say('building the load driver (about 2 min the first time)')
  await run('cargo', ['build', '--profile', 'load', '--quiet', '--package', 'claw-relay-bench'])
  // With the Node in node_modules, which wrangler needs.
  await run('node', [join(ROOT, 'bench', 'run.mjs'), ...process.argv.slice(2)])
})

/** The packages that peers are made of, which nothing else needs: once per lock file. */
async function installPeers() {
  const bench = join(ROOT, 'bench')
  const stamp = join(bench, 'node_modules', '.claw-relay')
  const wanted = createHash('sha256')
    .update(readFileSync(join(bench, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  say("installing the peers' packages")
  // As in lib/tools.mjs: what is locked, whatever the registry offers for other systems.
  await run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: bench })
  writeFileSync(stamp, wanted)
}
