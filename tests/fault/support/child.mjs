// One life of the relay: the built Worker on workerd, through Miniflare, in a process group that is killed with -9.
// `wrangler dev` does the same and takes 3 s longer to be ready. The parent starts this program ahead of time: loading
// Miniflare is half of the wait, and needs neither the port nor the storage.

import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { BEHIND_GATE } from './d1-gate.mjs'

/** What the parent may ask for once the relay runs. */
const COMMANDS = {
  async abort(miniflare) {
    const aborter = await miniflare.getWorker('aborter')
    const { ok, status } = await aborter.fetch('http://aborter/')
    if (!ok) throw new Error(`the aborter answered ${status}`)
  },
  evict: (miniflare, { script, className, name, webSockets }) =>
    miniflare.unsafeEvictDurableObject(script, className, { name, webSockets }),
  async sql(miniflare, { statement, values }) {
    const database = await miniflare.getD1Database(BEHIND_GATE)
    return (
      await database
        .prepare(statement)
        .bind(...values)
        .all()
    ).results
  },
}

process.once('message', async ({ options }) => {
  const miniflare = new Miniflare(convertV4MiniflareOptions({ ...options, log: new Log(LogLevel.WARN) }))
  try {
    await miniflare.ready
  } catch (error) {
    console.error(error)
    process.exit(1)
  }
  process.on('message', async ({ id, command, ...asked }) => {
    try {
      process.send({ id, result: (await COMMANDS[command](miniflare, asked)) ?? null })
    } catch (error) {
      process.send({ id, error: String(error) })
    }
  })
  process.send({ ready: true })
})
// The suite is gone: so is this, and workerd with it, whatever state it is in.
process.once('disconnect', () => process.kill(-process.pid, 'SIGKILL'))
process.send({ loaded: true })
