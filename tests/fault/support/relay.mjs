// The relay under test: started, killed with -9, started again on the same port and storage.

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { unstable_getMiniflareWorkerOptions } from 'wrangler'
import { ROOT } from '../../../scripts/lib/run.mjs'
import { behindGate } from './d1-gate.mjs'

/** Options of the Worker as wrangler.toml declares it; without the page, which is not under test here. */
export function workerOptions({ bindings, gate, folder, port }) {
  const { workerOptions, main } = unstable_getMiniflareWorkerOptions(join(ROOT, 'wrangler.toml'))
  const { assets, modulesRules, ...declared } = workerOptions
  const relay = {
    ...behindGate(declared, gate),
    name: SCRIPT,
    bindings: { ...declared.bindings, ...bindings },
    modulesRoot: join(ROOT, 'build'),
    modules: [
      { type: 'ESModule', path: main },
      { type: 'CompiledWasm', path: join(ROOT, 'build', 'index_bg.wasm') },
    ],
  }
  return {
    workers: [relay, aborter],
    host: '127.0.0.1',
    port,
    cf: false,
    resourcePersistencePath: join(folder, 'v3'),
  }
}

export class Relay {
  /** How often it was killed, and what it printed (the end of it). */
  kills = 0
  output = ''
  /** How long each start took, from the order to start until it listens. */
  startMs = []
  panics = []
  /** How often a Hub came into memory. */
  restored = 0
  #child = null
  #spare = null
  #asked = new Map()
  #nextId = 0

  constructor(options) {
    this.options = options
    this.url = `http://127.0.0.1:${options.port}`
  }

  /** Has a process ready that only waits for the order to start. */
  warm() {
    this.#spare ??= this.#spawn()
  }

  async start() {
    const child = this.#spare ?? this.#spawn()
    this.#spare = null
    await child.loaded
    const began = performance.now()
    child.send({ options: this.options })
    await child.ready
    this.startMs.push(performance.now() - began)
    this.#child = child
  }

  /** kill -9 of Miniflare and workerd; comes back when both are gone. */
  async kill() {
    this.kills += 1
    await this.#end(this.#child)
    this.#child = null
    for (const { reject } of this.#asked.values()) reject(new Error('the relay was killed'))
    this.#asked.clear()
    while (await answers(this.options.port)) await sleep(5)
  }

  async stop() {
    for (const child of [this.#child, this.#spare]) if (child) await this.#end(child)
    this.#child = this.#spare = null
  }

  /** Takes an object out of memory once no handler of it runs; its sockets hibernate or are closed. */
  evict(className, name, webSockets) {
    return this.#ask({ command: 'evict', script: SCRIPT, className, name, webSockets })
  }

  /** Breaks every object off, whatever it is doing: its memory, its calls and its sockets are gone at once. */
  abort() {
    return this.#ask({ command: 'abort' })
  }

  /** Runs a statement in D1, around the gate. */
  sql(statement, ...values) {
    return this.#ask({ command: 'sql', statement, values })
  }

  #ask(command) {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      this.#child.send({ id, ...command })
    })
  }

  #spawn() {
    // In a process group of its own, so that nothing of it outlives the kill.
    const child = spawn(process.execPath, [CHILD], { detached: true, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    const loaded = Promise.withResolvers()
    const ready = Promise.withResolvers()
    child.exited = new Promise((resolve) => child.once('exit', resolve))
    child.exited.then(() => {
      for (const { reject } of [loaded, ready]) reject(new Error(`the relay did not start:\n${this.output}`))
    })
    for (const promise of [loaded.promise, ready.promise]) promise.catch(() => {})
    child.loaded = loaded.promise
    child.ready = ready.promise
    child.on('message', (message) => {
      if (message.loaded) return loaded.resolve()
      if (message.ready) return ready.resolve()
      const { resolve, reject } = this.#asked.get(message.id) ?? {}
      this.#asked.delete(message.id)
      if (message.error) reject?.(new Error(message.error))
      else resolve?.(message.result)
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        this.restored += text.match(/hub restored/g)?.length ?? 0
        this.panics.push(...(text.match(/.*(?:panicked|RuntimeError: unreachable).*/g) ?? []))
        this.output = (this.output + text).slice(-200_000)
      })
    }
    child.on('error', () => {})
    return child
  }

  async #end(child) {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
    await child.exited
  }
}

/** A free port below those that the system gives to outgoing connections: a client that dials while the relay is down could be given the relay's port, and would talk to itself. */
export async function quietPort() {
  for (;;) {
    const port = randomInt(10_000, 30_000)
    if (!(await answers(port))) return port
  }
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true) || socket.destroy())
    socket.once('error', () => resolve(false))
  })
}

/** A Worker beside the relay that can do what workerd lets tests do. */
const aborter = {
  name: 'aborter',
  compatibilityDate: '2026-04-07',
  compatibilityFlags: ['unsafe_module'],
  modules: [
    {
      type: 'ESModule',
      path: 'aborter.mjs',
      contents: `import unsafe from 'workerd:unsafe'
        export default {
          async fetch() {
            await unsafe.abortAllDurableObjects()
            return new Response()
          },
        }`,
    },
  ],
}
const SCRIPT = 'claw-relay'
const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url))
