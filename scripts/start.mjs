// npm start: sets everything up, runs the relay with a demo agent on this machine, prints a link to chat.

import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { AGENT, buildAgent, buildWeb, buildWorker } from './lib/build.mjs'
import { startDemo } from './lib/demo.mjs'
import { ROOT } from './lib/run.mjs'
import { Fix, main, say } from './lib/say.mjs'
import { install } from './lib/tools.mjs'

await main(async () => {
  const port = Number(process.env.PORT || 8787)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Fix(`PORT=${process.env.PORT}: not a port`)
  const tools = await install()
  await buildWorker(tools)
  await buildWeb()
  await buildAgent()
  const folder = join(ROOT, '.data')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const log = (line) => appendFileSync(join(folder, 'relay.log'), `${line}\n`)
  // Heard from here on: whoever interrupts while it starts has it stopped when it is there, and nothing is left behind.
  const interrupted = new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => resolve('signal'))
  })
  const demo = await startDemo({ port, folder, agent: AGENT, log })
  say('ready. Open this link to chat; Ctrl-C stops everything, and the next start keeps the history:')
  console.log(`\n  ${demo.link}\n`)
  const why = await Promise.race([interrupted, demo.ended])
  say('stopping')
  await demo.stop()
  if (why !== 'signal') throw new Fix(`a part stopped by itself: see ${join(folder, 'relay.log')} and the lines above`)
})
