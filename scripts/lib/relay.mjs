// The relay on this machine: the real Worker on local workerd, with storage in a folder.

import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { capture, environment, ROOT } from './run.mjs'
import { Fix } from './say.mjs'

/** Creates or migrates the local D1 in `folder`. */
export async function migrate(folder) {
  const args = ['d1', 'migrations', 'apply', 'DB', '--local', '--persist-to', folder]
  const { code, stdout, stderr } = await capture('wrangler', args, { env: QUIET })
  if (code !== 0) throw new Fix(`the D1 migrations failed:\n${stdout}${stderr}`)
}

/**
 * Starts the relay and waits until it answers.
 * `vars` stand in for those of wrangler.toml.
 * @param {{ port: number, folder: string, secrets: Record<string, string>, vars?: Record<string, string>,
 *   log?: (line: string) => void }} options
 */
export async function startRelay({ port, folder, secrets, vars = {}, log = () => {} }) {
  if (await isTaken(port)) {
    throw new Fix(`port ${port} is taken: stop the program that uses it, or choose another: PORT=${port + 1} npm start`)
  }
  mkdirSync(folder, { recursive: true })
  const envFile = join(folder, 'secrets.env')
  const lines = Object.entries(secrets).map(([name, value]) => `${name}="${value}"\n`)
  writeFileSync(envFile, lines.join(''), { mode: 0o600 })
  const args = ['dev', '--ip', '127.0.0.1', '--port', String(port), '--inspector-port', '0', '--persist-to', folder]
  for (const [name, value] of Object.entries(vars)) args.push('--var', `${name}:${value}`)
  // In a process group of its own, so that wrangler and workerd can be stopped, or killed, together.
  const child = spawn('wrangler', [...args, '--env-file', envFile, '--show-interactive-dev-session=false'], {
    cwd: ROOT,
    env: environment(QUIET),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (text) => {
      output = (output + text).slice(-20_000)
      for (const line of text.split('\n')) if (line.trim()) log(line)
    })
  }
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const signal = (name) => {
    try {
      process.kill(-child.pid, name)
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
  }
  const url = `http://127.0.0.1:${port}`
  const relay = {
    url,
    exited,
    output: () => output,
    call: (...request) => call(url, ...request),
    async stop() {
      signal('SIGTERM')
      await Promise.race([exited, sleep(3000)])
      await relay.kill()
    },
    /** kill -9 of every process of the relay. */
    async kill() {
      signal('SIGKILL')
      await exited
      const deadline = Date.now() + PORT_FREE_MS_MAX
      while ((await isTaken(port)) && Date.now() < deadline) await sleep(20)
    },
  }
  const deadline = Date.now() + START_MS_MAX
  while (!(await answers(url))) {
    const ended = await Promise.race([exited.then(() => true), sleep(50)])
    if (ended || Date.now() > deadline) {
      await relay.kill()
      throw new Fix(`the relay did not start:\n${output}`)
    }
  }
  return relay
}

/** Calls the API and answers the body; a refusal is a Fix. */
export async function call(url, token, method, path, body) {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  })
  const answer = await response.json()
  if (!response.ok) throw new Fix(`${method} ${path}: ${answer.title}: ${answer.detail}`)
  return answer
}

async function answers(url) {
  try {
    // Also one that says what it lacks: whoever asks it for something hears so.
    await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2000) })
    return true
  } catch {
    return false
  }
}

/** Whether someone listens on a port of this machine. */
export function isTaken(port) {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    socket.once('connect', () => resolve(true) || socket.destroy())
    socket.once('error', () => resolve(false))
  })
}

const START_MS_MAX = 60_000
/** How long workerd may take to let go of its port once it is killed. */
const PORT_FREE_MS_MAX = 3_000
/** For wrangler: no questions, no telemetry, and no building, since scripts/build.mjs has run already. */
export const QUIET = { CI: '1', CLAW_RELAY_BUILT: '1', WRANGLER_SEND_METRICS: 'false', NO_UPDATE_NOTIFIER: '1' }
