// Clients that speak other words, and the recorded exchanges of tests/vectors/*.jsonl between them and the relay.
// relay/tests/dialects.rs replays the same on the core alone.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/lib/run.mjs'
import { until } from './world.mjs'

/** Opens a socket, and keeps what it hears. */
export async function openSocket(url, headers) {
  const socket = new WebSocket(url.replace('http', 'ws'), headers && { headers })
  const client = {
    socket,
    /** What was not taken yet. */
    heard: [],
    closed: null,
    say: (frame) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    /** Takes the next frame, once it is there. */
    async hear(what = 'a frame') {
      await until(() => client.heard.length > 0 || client.closed, what)
      return client.heard.shift()
    },
    close() {
      socket.close()
      return until(() => client.closed, 'the socket to close')
    },
  }
  socket.addEventListener('close', (event) => (client.closed = event))
  socket.addEventListener('message', ({ data }) => client.heard.push(JSON.parse(data)))
  await until(() => socket.readyState === WebSocket.OPEN || client.closed, 'the socket to open')
  return client
}

/**
 * Replays an exchange. `open(who, query)` connects someone; `feishu` is asked and answers, if it takes part; `files` goes up and
 * down (`upload(who, name)`, `download(who, path)`), if any do; `known` holds what `$names` stand for.
 */
export async function replay(name, { open, feishu, files, known }) {
  const lines = readFileSync(join(ROOT, 'tests', 'vectors', name), 'utf8')
    .trim()
    .split('\n')
  const clients = {}
  const fill = (text) => text.replace(/\$\w+/g, (word) => known[word] ?? word)
  for (const [index, line] of lines.entries()) {
    const step = JSON.parse(line)
    const { who, says, id } = step
    const at = `${name}:${index + 1}`
    if ('connects' in step) clients[who] = await open(who, fill(step.connects))
    else if ('uploads' in step) assertMatches(await files.upload(who, step.uploads), step.gets, known, at)
    else if ('downloads' in step) assertMatches(await files.download(who, fill(step.downloads)), step.gets, known, at)
    else if ('leaves' in step) await clients[who].close()
    else if ('says' in step && who === 'feishu') await feishu.ask(id, says)
    else if ('says' in step) clients[who].say(typeof says === 'string' ? says : fill(JSON.stringify(says)))
    else if (who === 'feishu') assert.equal(await feishu.answerTo(id), step.hears, at)
    else assertMatches(await clients[who].hear(at), step.hears, known, at)
  }
  for (const [who, { heard }] of Object.entries(clients)) assert.deepEqual(heard, [], `${who} hears no more`)
  return clients
}

function assertMatches(heard, expected, known, at) {
  if (expected === '$*') return
  if (typeof expected === 'string' && expected.startsWith('$')) {
    known[expected] ??= heard
    assert.equal(heard, known[expected], `${at}: ${expected}`)
  } else if (expected !== null && typeof expected === 'object') {
    assert.deepEqual(Object.keys(heard ?? {}).sort(), Object.keys(expected).sort(), `${at}: ${JSON.stringify(heard)}`)
    for (const key of Object.keys(expected)) assertMatches(heard[key], expected[key], known, at)
  } else {
    assert.equal(heard, expected, `${at}: ${JSON.stringify(heard)}`)
  }
}

/** What a WebSocket's address answers when it does not open one. */
export async function refusal(url, headers = {}) {
  const { get } = await import('node:http')
  return new Promise((resolve, reject) => {
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }
    const key = { 'sec-websocket-key': Buffer.alloc(16).toString('base64') }
    const request = get(url, { headers: { ...upgrade, ...key, ...headers } }, (response) => {
      let body = ''
      response.on('data', (data) => (body += data))
      response.on('end', () => resolve({ status: response.statusCode, body }))
    })
    request.on('upgrade', (_, socket) => resolve({ status: 101, body: '' }) || socket.destroy())
    request.on('error', reject)
  })
}
