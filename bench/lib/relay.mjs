// The relay as built, on raw workerd, with D1 in another process as it is on Cloudflare: what D1 does costs the relay
// no time, and its rows are counted where they are read and written.

import { join } from 'node:path'
import { ROOT } from '../../scripts/lib/run.mjs'
import { compatibility } from './compatibility.mjs'
import { bundleOf } from './peers.mjs'
import { SECRETS } from './secrets.mjs'
import { seed } from './seed.mjs'
import { startWorkerd } from './workerd.mjs'

/**
 * Starts the relay with a seeded D1 and its storage in `folder`. `counted` puts the counting wrapper around it, which
 * costs time: never for a run that measures time. `apiBase` is where Feishu's API is; without it answers go nowhere.
 * `streaming`: they are shown there while they are made.
 * @param {{ folder: string, counted?: boolean, apiBase?: string, streaming?: boolean }} options
 */
export async function startRelay({ folder, counted = false, apiBase = CLOSED, streaming = false }) {
  const d1 = await startD1({ folder: `${folder}-d1` })
  try {
    await seed(d1.url, { ...SECRETS, apiBase, streaming })
    const relay = await startWorkerd({
      folder,
      workers: [workerOf(counted ? COUNTED : BUILT)],
      externals: [{ name: 'd1', url: d1.url }],
      sockets: [{ name: 'http', service: 'relay' }],
    })
    const stop = () => Promise.all([relay.stop(), d1.stop()])
    // What the counting wrapper has counted, and D1 itself.
    const counters = () => read(`${relay.url}/__bench/counters`)
    return { ...relay, stop, counters, d1Counters: () => read(`${d1.url}/counters`) }
  } catch (error) {
    await d1.stop()
    throw error
  }
}

/** The files that `wrangler deploy` uploads. */
export const BUNDLE = ['index.js', 'index_bg.wasm'].map((name) => join(ROOT, 'build', name))

function startD1({ folder }) {
  const worker = {
    name: 'd1',
    modules: [{ name: 'worker.js', path: bundleOf('d1') }],
    date: compatibility().date,
    objects: ['Database'],
    bindings: [{ name: 'OBJECT', object: 'Database' }],
  }
  return startWorkerd({ folder, workers: [worker], sockets: [{ name: 'http', service: 'd1' }] })
}

function workerOf(modules) {
  const { date, flags, vars } = compatibility()
  return {
    name: 'relay',
    modules,
    date,
    flags,
    objects: ['Account', 'Hub'],
    bindings: [
      { name: 'HUB', object: 'Hub' },
      { name: 'ACCOUNT', object: 'Account' },
      { name: 'DB', d1: 'd1' },
      { name: 'SIGNING_KEY', text: SECRETS.signingKey },
      { name: 'SEALING_KEY', text: SECRETS.sealingKey },
      { name: 'OPERATOR_TOKEN', text: SECRETS.operatorToken },
      ...Object.entries({ ...vars, ...UNLIMITED }).map(([name, text]) => ({ name, text: String(text) })),
    ],
  }
}

async function read(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  return response.json()
}

const BUILT = BUNDLE.map((path) => ({ name: path.split('/').at(-1), path }))
const COUNTED = [
  ...['counted.js', 'count.js'].map((name) => ({ name, path: join(ROOT, 'bench', 'peers', name) })),
  ...BUILT,
]
/** The load comes from one address, as fast as it can. */
const UNLIMITED = { FRAMES_PER_S: '1000000', RATE_LIMITS: 'off', SOCKETS_MAX: '1024' }
/** Port 9 (discard): nothing listens there. */
const CLOSED = 'http://127.0.0.1:9'
