// The JavaScript peers: bundled as `wrangler deploy` would, one Worker with one Durable Object each.

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { ROOT } from '../../scripts/lib/run.mjs'
import { compatibility } from './compatibility.mjs'
import { SECRETS } from './secrets.mjs'
import { startWorkerd } from './workerd.mjs'

/** Each peer and the class of its object. */
export const PEERS = { j0: 'J0', j1: 'J1', j2: 'J2', partyserver: 'Party', agents: 'Claw', hono: 'J1' }
/** Those that ask for Node's modules; the others are spared what these cost. */
const NEEDS_NODE = ['agents', 'j2']
const BENCH = join(ROOT, 'bench')
const BUILT = join(ROOT, 'target', 'bench', 'peers')

/** Those that the driver talks to as it does to the relay; the others speak the plain dialect. */
export const SPEAKS_RELAY = ['relay', 'j2']

/** Bundles every peer into target/bench/peers/. */
export async function buildPeers() {
  mkdirSync(BUILT, { recursive: true })
  const names = [...Object.keys(PEERS), 'd1']
  await bundle(names.filter((name) => !NEEDS_NODE.includes(name)))
  await bundle(NEEDS_NODE, {
    alias: { path: 'node:path', 'cloudflare:email': join(BENCH, 'peers', 'email.js') },
    // CommonJS inside asks for Node's modules, which workerd has.
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire('/')` },
  })
}

function bundle(names, options) {
  return build({
    entryPoints: names.map((name) => join(BENCH, 'peers', `${name}.js`)),
    outdir: BUILT,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2024',
    // As wrangler resolves packages.
    conditions: ['workerd', 'worker', 'browser'],
    mainFields: ['browser', 'module', 'main'],
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'error',
    ...options,
  })
}

/** The bundle of a peer. */
export const bundleOf = (name) => join(BUILT, `${name}.js`)

/** The version of each package that peers are made of, as installed. */
export function peerVersions() {
  const version = (name) => JSON.parse(readFileSync(join(BENCH, 'node_modules', name, 'package.json'))).version
  return Object.fromEntries(['partyserver', 'agents', 'hono'].map((name) => [name, version(name)]))
}

/** Starts a peer with its storage in `folder`. */
export function startPeer(name, { folder }) {
  const { date } = compatibility()
  const worker = {
    name: 'peer',
    modules: [{ name: 'worker.js', path: bundleOf(name) }],
    date,
    flags: NEEDS_NODE.includes(name) ? ['nodejs_compat'] : [],
    objects: [PEERS[name]],
    bindings: [
      { name: 'OBJECT', object: PEERS[name] },
      { name: 'SIGNING_KEY', text: SECRETS.signingKey },
      { name: 'ENCRYPT_KEY', text: SECRETS.encryptKey },
      { name: 'VERIFICATION_TOKEN', text: SECRETS.verificationToken },
    ],
  }
  return startWorkerd({ folder, workers: [worker], sockets: [{ name: 'http', service: 'peer' }] })
}
