// J2: the relay's work for a webhook and for a round trip, as a good Worker in JavaScript would do it. Checks Feishu's
// signature and decrypts (node:crypto), checks the token of each socket, finds the sender, keeps each id once by a unique
// index, stores, sends the agent the message in the relay's own frames, and keeps its cursor. What it leaves out:
// queues with limits, time to live, several agents, resuming, states after a restart, answers to platforms, a log.

import { DurableObject } from 'cloudflare:workers'
import { Buffer } from 'node:buffer'
import { createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto'

export class J2 extends DurableObject {
  constructor(state, env) {
    super(state, env)
    state.storage.sql.exec(
      'create table if not exists messages (seq integer primary key, id text not null unique, at_ms integer not null, body text not null)',
    )
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  }

  async fetch(request) {
    if (request.headers.get('upgrade') === 'websocket') return this.#open(JSON.parse(request.headers.get('x-peer')))
    this.#store(await request.json(), 'queued')
    return new Response(null)
  }

  webSocketMessage(socket, text) {
    for (const frame of [JSON.parse(text)].flat()) this.#received(socket, frame)
  }

  #received(socket, frame) {
    const { role, user, agent } = socket.deserializeAttachment()
    if (frame.type === 'hello') {
      const resumed = { outcome: 'started', after: 0 }
      socket.send(JSON.stringify({ type: 'welcome', user, cursor: '1.0', resumed, window: 256, ping_ms: 30_000 }))
      if (role === 'device') socket.send(JSON.stringify({ type: 'presence', agents: [] }))
    } else if (frame.type === 'ack') {
      socket.serializeAttachment({ role, user, agent, acked: frame.seq })
    } else if (frame.type === 'send') {
      const from = { kind: 'user', via: 'web' }
      const seq = this.#store(
        { id: frame.id, conversation: frame.conversation ?? 'web', from, text: frame.text },
        'queued',
      )
      socket.send(JSON.stringify({ type: 'accepted', id: frame.id, seq }))
    } else if (frame.type === 'reply') {
      const [id, from] = [`reply:${frame.reply_to}`, { kind: 'agent', id: agent }]
      const seq = this.#store({ id, conversation: 'web', from, reply_to: frame.reply_to, text: frame.text })
      socket.send(JSON.stringify({ type: 'accepted', id, seq }))
      const state = { type: 'state', seq: frame.reply_to, state: 'replied' }
      for (const device of this.ctx.getWebSockets('device')) device.send(JSON.stringify(state))
    }
  }

  /** Stores a message once, and sends it to whom it concerns. */
  #store(message, state) {
    const { sql } = this.ctx.storage
    const at_ms = Date.now()
    const [stored] = sql.exec(INSERT, message.id, at_ms, JSON.stringify(message))
    if (!stored) return sql.exec('select seq from messages where id = ?', message.id).one().seq
    const text = JSON.stringify({ type: 'message', seq: stored.seq, ...message, at_ms, state })
    for (const device of this.ctx.getWebSockets('device')) device.send(text)
    if (state) for (const agent of this.ctx.getWebSockets('agent')) agent.send(text)
    return stored.seq
  }

  #open(peer) {
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server, [peer.role])
    server.serializeAttachment(peer)
    return new Response(null, { status: 101, webSocket: client, headers: { 'sec-websocket-protocol': PROTOCOL } })
  }
}

export default {
  async fetch(request, env) {
    const [, first, name] = new URL(request.url).pathname.split('/')
    if (first === 'healthz') return new Response('ok')
    if (name === 'ws') {
      const peer = peerOf(request.headers.get('authorization') ?? '', env)
      if (!peer) return new Response('who are you?', { status: 401 })
      const headers = { upgrade: 'websocket', 'x-peer': JSON.stringify(peer) }
      return env.OBJECT.getByName(peer.user).fetch('https://object/', { headers })
    }
    const body = await request.text()
    const event = verified(request.headers, body, env)
    if (!event) return new Response('not signed', { status: 401 })
    const { message, sender } = event
    const user = sender.sender_id.open_id.replace('ou_', 'usr_')
    const answer = await env.OBJECT.getByName(user).fetch('https://object/', {
      method: 'POST',
      body: JSON.stringify({
        id: `feishu:bench:${message.message_id}`,
        conversation: `feishu:bench:${message.chat_id}`,
        from: { kind: 'user', via: 'feishu', sender: sender.sender_id.open_id },
        text: JSON.parse(message.content).text,
      }),
    })
    return answer.ok ? Response.json({}) : answer
  },
}

/** The event of a webhook that Feishu signed. */
function verified(headers, body, env) {
  const [time, nonce] = ['timestamp', 'nonce'].map((name) => headers.get(`x-lark-request-${name}`))
  const digest = createHash('sha256')
    .update(time + nonce + env.ENCRYPT_KEY + body)
    .digest()
  const signature = Buffer.from(headers.get('x-lark-signature') ?? '', 'hex')
  if (signature.length !== digest.length || !timingSafeEqual(signature, digest)) return null
  const sealed = Buffer.from(JSON.parse(body).encrypt, 'base64')
  const key = createHash('sha256').update(env.ENCRYPT_KEY).digest()
  const cipher = createDecipheriv('aes-256-cbc', key, sealed.subarray(0, 16))
  const { header, event } = JSON.parse(cipher.update(sealed.subarray(16), undefined, 'utf8') + cipher.final('utf8'))
  return header.token === env.VERIFICATION_TOKEN ? event : null
}

/** Whose socket it is, as the relay's own tokens say: an agent's key, or an access token. */
function peerOf(authorization, env) {
  const [head, claims, signature] = authorization.replace(/^Bearer /, '').split('.')
  for (const role of ['agent', 'access']) {
    const key = createHmac('sha256', env.SIGNING_KEY).update(`claw-relay ${role}\u0001`).digest()
    if (createHmac('sha256', key).update(`${head}.${claims}`).digest('base64url') !== signature) continue
    const { sub, user } = JSON.parse(Buffer.from(claims, 'base64url'))
    return role === 'agent' ? { role, user, agent: sub } : { role: 'device', user: sub }
  }
  return null
}

const PROTOCOL = 'claw-relay.v1'
const INSERT = 'insert into messages (id, at_ms, body) values (?, ?, ?) on conflict do nothing returning seq'
