// A relay to try out: one user, one agent, everything kept in one folder.

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { migrate, startRelay } from './relay.mjs'
import { capture } from './run.mjs'
import { say } from './say.mjs'
import { newOperatorToken, newSecret } from './secret.mjs'

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
  const operatorToken = newOperatorToken()
  const secrets = {
    SIGNING_KEY: kept(join(folder, 'signing-key'), newSecret),
    SEALING_KEY: kept(join(folder, 'sealing-key'), newSecret),
    OPERATOR_TOKEN: operatorToken,
  }
  const relay = await startRelay({ port, folder: storage, secrets, log })
  try {
    const { access_token: token } = await relay.call(operatorToken, 'POST', '/v1/auth/operator')
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
    const { code } = await relay.call(token, 'POST', '/v1/me/links', { uses: 20, minutes: 24 * 60 })
    return { relay, token, link: `${relay.url}/#link=${code}`, stop, ended: Promise.race([relay.exited, exited]) }
  } catch (error) {
    await relay.stop()
    throw error
  }
}

/** The demo agent's key: made at the first start, kept for the next ones as long as it is good. */
async function agentKey(relay, token, path) {
  if (existsSync(path)) {
    const key = readFileSync(path, 'utf8')
    const verified = await fetch(`${relay.url}/v1/auth/verify`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
    })
    if (verified.ok) return key
    say('the demo agent has a key of an earlier version, or one that was revoked: making another')
  }
  const { agents } = await relay.call(token, 'GET', '/v1/agents')
  const known = agents.find(({ name }) => name === NAME)
  const { id } = known ?? (await relay.call(token, 'POST', '/v1/agents', { name: NAME })).agent
  const { key } = await relay.call(token, 'POST', `/v1/agents/${id}/keys`)
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

/** The demo agent's. */
const NAME = 'demo'
