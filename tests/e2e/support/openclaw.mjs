// A real OpenClaw gateway with the packed plugin in it, and a model server as OpenClaw talks to one.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT, run } from '../../../scripts/lib/run.mjs'
import { connectDevice } from './device.mjs'
import { messageEvent } from './feishu.mjs'
import { freePort, json, serve } from './server.mjs'
import { until } from './world.mjs'

/** Why these tests are skipped, or false. */
export const skip = process.env.CLAW_RELAY_OPENCLAW
  ? false
  : 'heavy: set CLAW_RELAY_OPENCLAW=1 to run a real OpenClaw gateway'

/** How long anything may take that OpenClaw does: on two busy cores some of it takes half a minute. */
export const PATIENCE_MS = 120_000

/** Someone in Feishu whom OpenClaw answers, and what their devices see of that. */
export function personIn(world) {
  let count = 0
  return {
    /** They write; answers the message's id. */
    async writes(text, options) {
      const id = `om_${++count}`
      assert.equal((await world.webhook(messageEvent(id, text, options))).status, 200)
      return id
    },
    /** Puts a file where the message that they write next has it. */
    resource: (type, key, bytes, of) =>
      world.feishu.resources.set(`om_${count + 1}/${key}/${type}`, { bytes, type: of }),
    /** One of this kind sends no heartbeat: each part of a test has one of its own. */
    device: () => connectDevice(world, world.token),
    seqOf: (device, id) =>
      until(
        () => [...device.messages.values()].find((message) => message.id === `feishu:main:${id}`)?.seq,
        id,
        PATIENCE_MS,
      ),
    begun: (device, seq) =>
      until(() => (device.streams.get(seq) ?? '').length > 20, 'the answer to begin', PATIENCE_MS),
  }
}

/** A question whose answer takes a while. */
export const long = (name) => Array.from({ length: 40 }, (_, n) => `${name}${n}`).join(' ')

/** Packs the plugin as `npm publish` would, and answers the file. */
export async function packPlugin(folder) {
  await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: join(ROOT, 'openclaw') })
  const { name, version } = JSON.parse(readFileSync(join(ROOT, 'openclaw', 'package.json'), 'utf8'))
  return join(folder, `${name}-${version}.tgz`)
}

/** A gateway's home: its config, its state, and how to run OpenClaw on them. `env` is added to its environment. */
export async function createOpenClaw(t, { bin, program }, folder, model, env = {}) {
  const port = await freePort()
  const file = join(folder, 'state', 'openclaw.json')
  for (const name of ['home', 'state', 'ws']) mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(file, JSON.stringify(config(folder, port, model), null, 2))
  const environment = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    HOME: join(folder, 'home'),
    OPENCLAW_STATE_DIR: join(folder, 'state'),
    OPENCLAW_CONFIG_PATH: file,
    OPENCLAW_GATEWAY_TOKEN: 'dev-gateway-token',
    OPENCLAW_DISABLE_BONJOUR: '1',
    OPENCLAW_OFFLINE: '1',
    OPENCLAW_NO_AUTO_UPDATE: '1',
    CI: '1',
    ...env,
  }
  const children = new Set()
  const start = (args) => {
    const child = spawn(join(bin, 'node'), [program, ...args], { env: environment, cwd: folder, detached: true })
    const running = { child, output: '', signal: (name) => signal(child, name) }
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (running.output += data))
    running.exited = new Promise((resolve) => child.once('exit', (code, by) => resolve(code ?? by)))
    children.add(running)
    return running
  }
  t.after(async () => {
    for (const running of children) running.signal('SIGKILL')
    await Promise.all([...children].map((running) => running.exited))
  })
  const claw = {
    port,
    folder,
    /** Runs `openclaw …` to its end; answers { code, output }. */
    async cli(...args) {
      const running = start(args)
      return { code: await running.exited, output: running.output }
    },
    /** The config file, changed in place. */
    configure(change) {
      const now = JSON.parse(readFileSync(file, 'utf8'))
      change(now)
      writeFileSync(file, JSON.stringify(now, null, 2))
    },
    config: () => JSON.parse(readFileSync(file, 'utf8')),
    /** Starts the gateway and waits until it is ready. */
    async start() {
      const gateway = start(['gateway', 'run'])
      await until(
        () => {
          if (gateway.child.exitCode !== null) throw new Error(`the gateway ended:\n${gateway.output}`)
          return fetch(`http://127.0.0.1:${port}/readyz`).then(
            ({ ok }) => ok,
            () => false,
          )
        },
        'the gateway to be ready',
        180_000,
      )
      claw.gateway = gateway
      return gateway
    },
    /** kill -9. */
    async kill() {
      claw.gateway.signal('SIGKILL')
      await claw.gateway.exited
    },
  }
  return claw
}

function signal(child, name) {
  try {
    process.kill(-child.pid, name)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

function config(folder, port, model) {
  const free = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 }
  return {
    gateway: {
      mode: 'local',
      port,
      bind: 'loopback',
      auth: { mode: 'token', token: 'dev-gateway-token' },
      controlUi: { enabled: false },
    },
    update: { checkOnStart: false },
    discovery: { mdns: { mode: 'off' } },
    cron: { enabled: false },
    models: {
      mode: 'replace',
      catalogRefresh: { enabled: false },
      providers: {
        fake: {
          baseUrl: `${model.url}/v1`,
          apiKey: 'sk-local',
          api: 'openai-completions',
          models: [
            {
              id: 'fake-1',
              name: 'Fake',
              reasoning: false,
              input: ['text', 'image'],
              cost: free,
              contextWindow: 128000,
              maxTokens: 4096,
            },
          ],
        },
      },
    },
    agents: {
      defaults: {
        workspace: join(folder, 'ws'),
        model: { primary: 'fake/fake-1' },
        skipBootstrap: true,
        heartbeat: { every: '0m' },
      },
    },
    session: { dmScope: 'per-account-channel-peer' },
    approvals: { exec: { enabled: true, mode: 'session' } },
    tools: { exec: { host: 'gateway', security: 'allowlist', ask: 'always' } },
    logging: { file: join(folder, 'openclaw.log') },
    plugins: { slots: { memory: 'none' } },
  }
}

/**
 * An OpenAI-compatible server: streams `answer to: {question}` word by word, with `delayMs` between words. A question
 * `run: {command}` makes it call OpenClaw's `exec` first, and answer with what that printed; `call: {tool} {arguments}` likewise
 * with any tool; `send: {path}` is answered with that file. `questions` are those that were asked, `onQuestion` sees the messages of each, `streaming` counts the answers being made.
 */
export async function startClawModel() {
  const model = { delayMs: 0, questions: [], streaming: 0 }
  const server = await serve(async (request, body, response) => {
    if (request.url === '/v1/models') return json(response, 200, { object: 'list', data: [{ id: 'fake-1' }] })
    if (request.url !== '/v1/chat/completions') return json(response, 404, { error: { message: 'no such route' } })
    const { messages } = JSON.parse(body)
    const { role, text } = asked(messages)
    const call = role === 'user' ? callOf(text) : null
    if (role === 'user') model.questions.push(text)
    model.onQuestion?.(messages)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const id = `chatcmpl-${Date.now()}`
    const write = (value) =>
      response.write(`data: ${JSON.stringify({ id, object: 'chat.completion.chunk', ...value })}\n\n`)
    const send = (delta, finish_reason = null) => write({ choices: [{ index: 0, delta, finish_reason }] })
    send({ role: 'assistant', content: '' })
    if (call !== null) {
      send({ content: 'Let me see.' })
      send({ tool_calls: [{ index: 0, id: `call_${Date.now()}`, type: 'function', function: call }] })
      send({}, 'tool_calls')
    } else {
      model.streaming += 1
      const path = role === 'user' ? /^send: (.*)$/.exec(text)?.[1] : undefined
      const answer = path === undefined ? answerTo(text) : `Here it is.\n\nMEDIA:${path}`
      for (const word of (role === 'tool' ? `it printed: ${text.trim()}` : answer).split(/(?<= )/)) {
        if (response.destroyed) break
        send({ content: word })
        if (model.delayMs) await sleep(model.delayMs)
      }
      model.streaming -= 1
      send({}, 'stop')
    }
    write({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } })
    response.end('data: [DONE]\n\n')
  })
  return Object.assign(model, server)
}

/** A red picture of 64 by 64. */
export const PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAT0lEQVR42u3PQQkAAAgEsEty/aMYywi+hcEKLNO+FgEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQGBywLKp0DxvxLbjwAAAABJRU5ErkJggg==',
  'base64',
)

/** The pictures that a model is shown. */
export function picturesIn(messages) {
  const parts = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []))
  return parts.flatMap(({ image_url }) => (image_url ? [image_url.url] : []))
}

/** The tool that a question wants called. */
function callOf(question) {
  const command = /^run: (.*)$/.exec(question)?.[1]
  if (command !== undefined) return { name: 'exec', arguments: JSON.stringify({ command }) }
  const [, name, args] = /^call: (\S+) (.*)$/.exec(question) ?? []
  return name === undefined ? null : { name, arguments: args }
}

/** What the model answers. */
export function answerTo(question) {
  return `answer to: ${question} 🚀 好的`
}

/** The last thing that a person or a tool said, without what OpenClaw wraps around it. */
function asked(messages) {
  for (const { role, content } of messages.toReversed()) {
    if (role !== 'user' && role !== 'tool') continue
    const raw = typeof content === 'string' ? content : content.map((part) => part.text ?? '').join('\n')
    const text = raw
      .replace(/<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>[\s\S]*?<<<END_OPENCLAW_INTERNAL_CONTEXT>>>/g, '')
      .trim()
    if (text === '') continue
    if (role === 'tool') return { role, text }
    // After a restart OpenClaw asks to go on with what it was interrupted in: that is the question before.
    const lines = text
      .split('\n\nRuntime: ')[0]
      .split('\n')
      .map((line) => line.replace(/^\[[^\]]*\] /, '').trim())
      .filter((line) => line !== '' && !line.startsWith('Your previous turn was interrupted'))
    if (lines.length > 0) return { role, text: lines.at(-1) }
  }
  return { role: 'user', text: '' }
}
