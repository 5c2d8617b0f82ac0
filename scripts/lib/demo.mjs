// A relay to try out: one user, one agent, everything kept in one folder.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { migrate, startRelay } from './relay.mjs'
import { capture } from './run.mjs'
import { Fix, say } from './say.mjs'

/**
 * Starts the relay on `port` with its state in `folder`, signs the operator in, and connects the demo agent.
 * Answers the link to chat, and `stop`.
 */
export async function startDemo({ port, folder, agent, log }) {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const storage = join(folder, 'relay')
  say('applying the D1 migrations')
  await migrate(storage)
  say(`starting the relay on port ${port}`)
  const operatorToken = `opr_${randomBytes(32).toString('base64url')}`
  const secrets = { SIGNING_KEY: kept(join(folder, 'signing-key'), newKey), OPERATOR_TOKEN: operatorToken }
  const relay = await startRelay({ port, folder: storage, secrets, log })
  try {
    const { access_token: token } = await call(relay, operatorToken, 'POST', '/v1/auth/operator')
    say(`operator token ${operatorToken} (good once; just used to sign in the first account)`)
    const key = await agentKey(relay, token, join(folder, 'agent-key'))
    const backend = await chooseBackend(agent)
    const child = spawn(agent, ['run', ...backend], {
      env: {
        ...process.env,
        CLAW_AGENT_RELAY: relay.url,
        CLAW_AGENT_KEY: key,
        CLAW_AGENT_STATE_DIR: join(folder, 'agent'),
      },
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    })
    const exited = new Promise((resolve) => child.once('exit', resolve))
    const stop = async () => {
      child.kill('SIGTERM')
      await exited
      await relay.stop()
    }
    return { relay, token, link: `${relay.url}/#token=${token}`, stop, ended: Promise.race([relay.exited, exited]) }
  } catch (error) {
    await relay.stop()
    throw error
  }
}

/** Calls the relay's API; a refusal is a Fix. */
async function call(relay, token, method, path, body) {
  const response = await fetch(relay.url + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  })
  const answer = await response.json()
  if (!response.ok) throw new Fix(`${method} ${path}: ${answer.title}: ${answer.detail}`)
  return answer
}

/** The demo agent's key: made at the first start, kept for the next ones. */
async function agentKey(relay, token, path) {
  if (existsSync(path)) return readFileSync(path, 'utf8')
  const { agent } = await call(relay, token, 'POST', '/v1/agents', { name: 'demo' })
  const { key } = await call(relay, token, 'POST', `/v1/agents/${agent.id}/keys`)
  writeFileSync(path, key, { mode: 0o600 })
  return key
}

async function chooseBackend(agent) {
  const { code, stdout } = await capture(agent, ['detect'])
  if (code !== 0) {
    say('no model server on 127.0.0.1:1234 (LM Studio) or :11434 (Ollama): the demo agent echoes what you write')
    return ['--backend', 'echo']
  }
  const [url, model] = stdout.trim().split(' ')
  say(`the demo agent answers with ${model} at ${url}`)
  return ['--backend', 'openai', '--openai-url', url, '--openai-model', model]
}

function kept(path, make) {
  if (!existsSync(path)) writeFileSync(path, make(), { mode: 0o600 })
  return readFileSync(path, 'utf8')
}

function newKey() {
  return randomBytes(32).toString('base64url')
}
