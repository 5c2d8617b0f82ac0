// Files both ways on a chat platform: what people send there reaches an agent, and what it answers with reaches them.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { request } from './people.mjs'
import { createAgent, until } from './world.mjs'

/** The smallest picture there is, and others that begin like one. */
export const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
export const picture = (length) => Buffer.concat([PIXEL, randomBytes(length - PIXEL.length)])

/** An agent that is a socket of the test: it sees what agents see, and says what it is told to. */
export async function connectSocket(world, agent) {
  const socket = new WebSocket(`${world.url.replace('http', 'ws')}/v1/ws`, {
    protocols: 'claw-relay.v1',
    headers: { authorization: `Bearer ${agent.key}` },
  })
  const heard = []
  const say = (frame) => socket.send(JSON.stringify(frame))
  socket.addEventListener('message', ({ data }) => {
    for (const frame of [JSON.parse(data)].flat()) {
      heard.push(frame)
      if (frame.type === 'message') say({ type: 'ack', seq: frame.seq })
    }
  })
  await until(() => socket.readyState === WebSocket.OPEN, 'the agent')
  say({ type: 'hello' })
  const asked = async (id) => {
    try {
      return await until(() => heard.find((frame) => frame.id === id), id)
    } catch (error) {
      const frames = heard.map((frame) => JSON.stringify(frame).slice(0, 300)).join('\n')
      throw new Error(
        `${error.message}: the socket is in state ${socket.readyState}, heard\n${frames}\n${world.process.output().slice(-3000)}`,
      )
    }
  }
  return { say, asked, close: () => socket.close() }
}

export async function upload(world, token, bytes, { name = 'a.png', type = 'image/png', headers } = {}) {
  const response = await fetch(`${world.url}/v1/files?name=${encodeURIComponent(name)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': type, ...headers },
    body: bytes,
    duplex: 'half',
  })
  return { status: response.status, body: await response.json() }
}

export async function read(url, headers = {}) {
  const response = await fetch(url, { headers })
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
}

/** In place of the world's agent, one of the test: it is asked from now on. */
export async function startFiles(world) {
  await world.running.kill()
  await request(world, world.token, 'DELETE', `/v1/agents/${world.agent.id}`)
  const agent = await createAgent(world, 'files')
  const socket = await connectSocket(world, agent)
  const { platform } = world.fake.account
  return {
    ...socket,
    /** Sends what the platform would, and answers the question that the agent gets. */
    async receives(sent, id, account = 'main') {
      const response = await world.receive(sent, account)
      assert.equal(response.status, 200, await response.text())
      return socket.asked(`${platform}:${account}:${id}`)
    },
    async upload(bytes, options) {
      const { status, body } = await upload(world, agent.key, bytes, options)
      assert.equal(status, 201, JSON.stringify(body))
      return body
    },
    /** The file holds these bytes, and is shown as this type. */
    async holds(file, bytes, type) {
      const got = await read(file.url)
      assert.equal(got.status, 200, got.bytes.toString().slice(0, 300))
      assert.ok(got.bytes.equals(bytes), `${file.name}: the same bytes`)
      if (type) assert.equal(got.headers.get('content-type'), type)
    },
    reply: (question, text, files) => socket.say({ type: 'reply', reply_to: question.seq, text, files }),
    /** What was sent since this, as soon as there is so much of it. */
    sent: (before, count) =>
      until(() => world.fake.sent.length >= before + count && world.fake.sent.slice(before), `${count} messages`),
  }
}

/** From now on the account's calls leave by an agent: how many it has made. */
export async function carryByAgent(world) {
  const carrier = await createAgent(world, 'carrier')
  const { body } = await request(world, world.token, 'POST', `/v1/agents/${carrier.id}/keys`, { scopes: ['egress'] })
  const carrying = carrier.start(['--key', body.key, '--backend', 'none', '--egress', world.fake.url])
  await carrying.connected()
  const changed = await request(world, world.token, 'PATCH', '/v1/admin/accounts/main', { egress: carrier.id })
  assert.equal(changed.status, 200)
  return () => carrying.log.split('calling 127.0.0.1 for the relay').length - 1
}

/** Where a file goes as a link, these are its bytes. */
export async function linksTo(text, bytes) {
  const url = text.match(/https?:\/\/[^\s"<>)]+/)?.[0]
  assert.ok(url && text.includes('📎'), text)
  const got = await read(url)
  assert.ok(got.bytes.equals(bytes), `${got.status} ${url}`)
}

/** What a fake answers with a file's bytes. */
export function answerFile(response, { bytes, type = 'application/octet-stream', name }) {
  const disposition = name && { 'content-disposition': `attachment; filename="${name}"` }
  response.writeHead(200, { 'content-type': type, 'content-length': bytes.length, ...disposition })
  response.end(bytes)
}
