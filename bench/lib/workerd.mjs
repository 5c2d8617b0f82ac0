// Raw `workerd serve`: no wrangler, no Miniflare and no proxy between the load and the Worker.

import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import workerd, { version } from 'workerd'
import { Fix } from '../../scripts/lib/say.mjs'

/** The version of the binary, as npm names it. */
export const WORKERD_VERSION = version

/**
 * Starts workerd on free ports of 127.0.0.1 and waits until `GET /healthz` of its first socket answers 200.
 *
 * `folder` is made anew and belongs to this process alone: the config, copies of the modules, and the storage below
 * `storage/`.
 * @param {{ folder: string, workers: WorkerConfig[], externals?: { name: string, url: string }[],
 *   sockets: { name: string, service: string }[] }} options
 * @returns {Promise<Workerd>}
 */
export async function startWorkerd({ folder, workers, externals = [], sockets }) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'storage'), { recursive: true })
  for (const { modules } of workers) {
    for (const { name, path, source } of modules) {
      if (path) copyFileSync(path, join(folder, name))
      else writeFileSync(join(folder, name), source)
    }
  }
  writeFileSync(join(folder, 'config.capnp'), configText({ folder, workers, externals, sockets }))
  const spawnedAt = performance.now()
  // The binary itself, so that its process id is the one whose time and memory are measured.
  const args = ['serve', '--control-fd=3', join(folder, 'config.capnp'), 'config']
  const child = spawn(workerd.default ?? workerd, args, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
  running.add(child)
  const exited = new Promise((resolve) => child.once('exit', resolve))
  exited.then(() => running.delete(child))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (text) => (output = (output + text).slice(-OUTPUT_CHARACTERS_MAX)))
  }
  const stop = async () => {
    // Nothing of a round is kept, and a graceful end would wait for open sockets.
    child.kill('SIGKILL')
    const ended = await Promise.race([exited.then(() => true), sleep(STOP_MS_MAX, false, { ref: false })])
    if (!ended) throw new Fix(`workerd (process ${child.pid}) does not end: kill -9 ${child.pid}`)
  }
  try {
    const ports = await within(START_MS_MAX, listening(child, sockets), exited, () => output)
    const urls = Object.fromEntries([...ports].map(([name, port]) => [name, `http://127.0.0.1:${port}`]))
    await answersHealth(`${urls[sockets[0].name]}/healthz`, exited, () => output)
    const startMs = performance.now() - spawnedAt
    return { url: urls[sockets[0].name], urls, pid: child.pid, startMs, output: () => output, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/**
 * @typedef {{ url: string, urls: Record<string, string>, pid: number, startMs: number, output: () => string,
 *   stop: () => Promise<void> }} Workerd `startMs` is the time from spawning to the first 200.
 * @typedef {{ name: string, modules: { name: string, path?: string, source?: string }[], date: string,
 *   flags?: string[], objects?: string[], bindings?: Binding[] }} WorkerConfig `objects` are the names of Durable
 *   Object classes with SQLite, stored in the folder. The first module is the main one.
 * @typedef {{ name: string, text?: string, object?: string, d1?: string }} Binding `object` is a class of this Worker,
 *   `d1` a service that speaks D1's protocol.
 */

function configText({ folder, workers, externals, sockets }) {
  const services = [
    // Nothing leaves this machine, whatever a Worker calls.
    `(name = "internet", network = (allow = ["local"]))`,
    `(name = "storage", disk = (path = ${text(join(folder, 'storage'))}, writable = true))`,
    ...externals.map(
      ({ name, url }) => `(name = ${text(name)}, external = (address = ${text(hostOf(url))}, http = ()))`,
    ),
    ...workers.map((worker) => `(name = ${text(worker.name)}, worker = ${workerText(worker)})`),
  ]
  const listeners = sockets.map(
    ({ name, service }) => `(name = ${text(name)}, address = "127.0.0.1:0", http = (), service = ${text(service)})`,
  )
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = ${list(services)},
  sockets = ${list(listeners)},
);
`
}

function workerText({ name, modules, date, flags = [], objects = [], bindings = [] }) {
  const module = ({ name }) =>
    `(name = ${text(name)}, ${name.endsWith('.wasm') ? 'wasm' : 'esModule'} = embed ${text(name)})`
  const namespace = (className) =>
    `(className = ${text(className)}, uniqueKey = ${text(`${name}-${className}`)}, enableSql = true)`
  return `(
    modules = ${list(modules.map(module))},
    compatibilityDate = ${text(date)},
    compatibilityFlags = [${flags.map(text).join(', ')}],
    bindings = ${list(bindings.map(bindingText))},
    durableObjectNamespaces = ${list(objects.map(namespace))},
    ${objects.length > 0 ? 'durableObjectStorage = (localDisk = "storage"),' : ''}
  )`
}

function bindingText({ name, text: value, object, d1 }) {
  if (object) return `(name = ${text(name)}, durableObjectNamespace = ${text(object)})`
  if (d1) {
    const inner = `(name = "fetcher", service = ${text(d1)})`
    return `(name = ${text(name)}, wrapped = (moduleName = "cloudflare-internal:d1-api", innerBindings = [${inner}]))`
  }
  return `(name = ${text(name)}, text = ${text(value)})`
}

/** Cap'n Proto's text has JSON's escapes for all that stands here. */
const text = (value) => JSON.stringify(value)
const list = (items) => `[${items.map((item) => `\n    ${item},`).join('')}\n  ]`
const hostOf = (url) => new URL(url).host

/** The ports, by name, as workerd tells them on its control descriptor: one JSON object per line. */
function listening(child, sockets) {
  const ports = new Map()
  let line = ''
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Fix(`cannot run workerd: ${error.message}; run npm install`)))
    child.stdio[3].on('data', (data) => {
      line += data
      for (let end = line.indexOf('\n'); end >= 0; end = line.indexOf('\n')) {
        const { event, socket, port } = JSON.parse(line.slice(0, end))
        line = line.slice(end + 1)
        if (event === 'listen') ports.set(socket, port)
        if (sockets.every(({ name }) => ports.has(name))) resolve(ports)
      }
    })
  })
}

async function answersHealth(url, exited, output) {
  const deadline = performance.now() + START_MS_MAX
  for (;;) {
    const status = await within(START_MS_MAX, statusOf(url), exited, output)
    if (status === 200) return
    if (performance.now() > deadline) throw new Fix(`workerd answers ${url} with ${status}:\n${output()}`)
    await sleep(20)
  }
}

/** The status of a GET on a connection of its own; 0 when none came. */
function statusOf(url) {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 5_000 }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode))
    })
    request.once('timeout', () => request.destroy(new Error('timeout')))
    request.once('error', () => resolve(0))
  })
}

async function within(ms, promise, exited, output) {
  const timer = new AbortController()
  const late = sleep(ms, 'late', { signal: timer.signal }).catch(() => {})
  const outcome = await Promise.race([promise.then((value) => ({ value })), exited.then(() => 'ended'), late])
  timer.abort()
  if (outcome === 'ended') throw new Fix(`workerd ended at once:\n${output()}`)
  if (outcome === 'late') throw new Fix(`workerd did not start within ${ms} ms:\n${output()}`)
  return outcome.value
}

/** What must not outlive this process, however it ends. */
const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** 30 s. */
const START_MS_MAX = 30_000
/** 5 s for a killed process to be gone. */
const STOP_MS_MAX = 5_000
/** The end of what workerd printed, for error messages. */
const OUTPUT_CHARACTERS_MAX = 20_000
