// A whole world for one test file: the real Worker on workerd, the real agent, and fakes for what lives outside.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AGENT } from '../../../scripts/lib/build.mjs'
import { migrate, startRelay } from '../../../scripts/lib/relay.mjs'
import { ROOT } from '../../../scripts/lib/run.mjs'
import { newOperatorToken, newSecret } from '../../../scripts/lib/secret.mjs'
import { APP, ENCRYPT_KEY, sign, startFeishu, VERIFICATION_TOKEN } from './feishu.mjs'
import { startModel } from './model.mjs'
import { freePort } from './server.mjs'

/** Waits for `holds` to be truthy, and answers it. */
export async function until(holds, what, ms = 30_000) {
  const deadline = Date.now() + ms
  for (;;) {
    const value = await holds()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms for ${what}`)
    await sleep(15)
  }
}

/** A folder that goes when the test file ends, after everyone who writes into it: also when the test failed. */
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), 'claw-relay-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The relay with an operator signed in. `vars` stand in for those of wrangler.toml. */
export async function startWorld(t, { vars } = {}) {
  const folder = scratch()
  const storage = join(folder, 'relay')
  await migrated(storage)
  const port = await freePort()
  const operatorToken = newOperatorToken()
  const secrets = { SIGNING_KEY: newSecret(), SEALING_KEY: newSecret(), OPERATOR_TOKEN: operatorToken }
  const world = { folder, storage, port, secrets, operatorToken, children: [] }
  const start = () => startRelay({ port, folder: storage, secrets, vars })
  world.process = await start()
  t.after(() => world.process.stop())
  t.after(() => Promise.all(world.children.map((child) => child.kill())))
  world.url = world.process.url
  world.call = (...request) => world.process.call(...request)
  /** kill -9 of wrangler and workerd. */
  world.kill = () => world.process.kill()
  world.restart = async () => (world.process = await start())
  const signedIn = await world.call(operatorToken, 'POST', '/v1/auth/operator')
  world.token = signedIn.access_token
  world.user = signedIn.user
  world.session = signedIn.session
  return world
}

/** A world with a Feishu bot account `main` and a model server. */
export async function startFeishuWorld(t, options) {
  const world = await startWorld(t, options)
  world.feishu = await startFeishu()
  world.model = await startModel(options)
  t.after(() => Promise.all([world.feishu.close(), world.model.close()]))
  await world.call(world.token, 'POST', '/v1/admin/accounts', feishuAccount(world))
  world.webhook = (event) => post(`${world.url}/webhook/feishu/main`, sign(event))
  return world
}

export function feishuAccount(world, changes = {}) {
  return {
    id: 'main',
    platform: 'feishu',
    default_user: 'me',
    ...APP,
    encrypt_key: ENCRYPT_KEY,
    verification_token: VERIFICATION_TOKEN,
    // Answers come whole, unless a test is about how they grow.
    streaming: false,
    api_base: world.feishu.url,
    ...changes,
  }
}

/** Creates an agent and answers how to start it: `start()` runs the real binary with a state of its own. */
export async function createAgent(world, name = '我的 laptop 🚀') {
  const { agent } = await world.call(world.token, 'POST', '/v1/agents', { name })
  const { key } = await world.call(world.token, 'POST', `/v1/agents/${agent.id}/keys`)
  const state = join(world.folder, agent.id)
  return {
    id: agent.id,
    key,
    start(args = ['--backend', 'openai', '--openai-url', `${world.model.url}/v1`]) {
      const child = spawn(AGENT, ['run', ...args], {
        env: { ...process.env, CLAW_AGENT_RELAY: world.url, CLAW_AGENT_KEY: key, CLAW_AGENT_STATE_DIR: state },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const running = { log: '' }
      child.stdout.on('data', (data) => (running.log += data))
      child.stderr.on('data', (data) => (running.log += data))
      const exited = new Promise((resolve) => child.once('exit', resolve))
      /** kill -9. */
      running.kill = () => child.kill('SIGKILL') && exited
      running.connected = () =>
        until(() => running.log.includes('connected as'), `the agent to connect:\n${running.log}`)
      world.children.push(running)
      return running
    },
  }
}

export function post(url, { headers, body }) {
  return fetch(url, { method: 'POST', headers, body })
}

/** Copies a D1 to which the migrations were applied once. */
export async function migrated(storage) {
  const files = readdirSync(join(ROOT, 'migrations')).sort()
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(join(ROOT, 'migrations', file)))
  const template = join(ROOT, 'build', `d1-${hash.digest('hex').slice(0, 16)}`)
  if (!existsSync(template)) {
    // Renamed when it is whole: one that was broken off is not taken for it.
    const fresh = `${template}-${process.pid}`
    await migrate(fresh)
    try {
      renameSync(fresh, template)
    } catch (error) {
      // Another test was faster; its copy is the same.
      if (!['ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error
      rmSync(fresh, { recursive: true })
    }
  }
  cpSync(template, storage, { recursive: true })
}
