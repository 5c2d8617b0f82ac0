// A gate between the Worker and D1. Miniflare implements the D1 binding as workerd's own D1 client around a fetcher that
// leads to a SQLite object in the same process; this plugin puts a Worker of ours in between, which asks a switch in
// the suite before each call. The relay's code, the D1 client and the database are the real ones; the way between them
// can fail (D1 answers nothing but errors) or hang (D1 answers nothing at all).

import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'

/** The name under which Miniflare knows the real database. */
export const BEHIND_GATE = 'D1_BEHIND_GATE'

/** Starts the switch. `mode` is `up`, `down` or `hanging`; `calls` counts what came while it was not up. */
export async function startSwitch() {
  const held = new Set()
  const gate = {
    mode: 'up',
    calls: { down: 0, hanging: 0 },
    /** From now on; whoever was left hanging gets an error, as after a broken connection. */
    set(mode) {
      gate.mode = mode
      for (const response of held) response.writeHead(503).end()
      held.clear()
    },
  }
  const server = createServer((_, response) => {
    if (gate.mode === 'up') return response.writeHead(204).end()
    gate.calls[gate.mode] += 1
    if (gate.mode === 'hanging') return held.add(response)
    response.writeHead(503).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  gate.address = `127.0.0.1:${server.address().port}`
  gate.close = () => {
    gate.set('up')
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  return gate
}

/** Options of a Worker whose D1 binding `DB` leads through the gate. */
export function behindGate(options, gate) {
  const { DB, ...others } = options.d1Databases
  return {
    ...options,
    d1Databases: { ...others, [BEHIND_GATE]: DB },
    unsafeBindings: [
      {
        name: 'DB',
        type: TYPE,
        plugin: { package: fileURLToPath(import.meta.url), name: TYPE },
        options: { database: DB.id, address: gate.address },
      },
    ],
  }
}

const TYPE = 'd1-gate'
const bindingsOf = (options) =>
  Object.entries(options.config.env ?? {}).filter(([, { type }]) => type === `unsafe:${TYPE}`)

/** For Miniflare. */
export const plugins = {
  [TYPE]: {
    getBindings: (options) =>
      bindingsOf(options).map(([name]) => ({
        name,
        wrapped: {
          moduleName: 'cloudflare-internal:d1-api',
          innerBindings: [{ name: 'fetcher', service: { name: TYPE } }],
        },
      })),
    getNodeBindings: () => ({}),
    getServices({ options }) {
      const [, binding] = bindingsOf(options)[0] ?? []
      if (!binding) return []
      const { database, address } = binding.dev.options
      const props = { json: JSON.stringify({ MINIFLARE_NAMESPACE: database }) }
      const bindings = [
        { name: 'D1', service: { name: 'd1:db:entry', props } },
        { name: 'SWITCH', service: { name: `${TYPE}:switch` } },
      ]
      const modules = [{ name: 'gate.mjs', esModule: GATE }]
      return [
        { name: TYPE, worker: { compatibilityDate: '2026-04-07', modules, bindings } },
        { name: `${TYPE}:switch`, external: { address, http: {} } },
      ]
    },
  },
}

const GATE = `export default {
  async fetch(request, env) {
    const { ok, status } = await env.SWITCH.fetch('http://switch/')
    if (!ok) throw new Error('no way to D1: ' + status)
    return env.D1.fetch(request)
  },
}`
