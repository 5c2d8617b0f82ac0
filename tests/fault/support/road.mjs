// The way from the relay to Feishu: a proxy in front of the fake that spoils calls. What matters is on which side of the
// effect it happens: a call that never reached Feishu, or one whose answer was lost after the message was there.

import { setTimeout as sleep } from 'node:timers/promises'
import { json, serve } from '../../e2e/support/server.mjs'

/** Starts the road. `decide({ kind, messageId, tries })` names what happens to a call, or nothing. */
export async function startRoad(feishu) {
  const tries = new Map()
  const road = {
    decide: () => null,
    /** Every call: { at, kind, messageId, fault, resetMs }. */
    log: [],
    count: () => count(road.log.map(({ fault }) => fault).filter(Boolean)),
  }
  const server = await serve(async (request, body, response) => {
    const [, messageId] = request.url.match(/messages\/([^/]+)\/reply$/) ?? []
    const kind = messageId ? 'reply' : request.url.includes('/auth/') ? 'token' : 'other'
    const key = messageId ?? kind
    tries.set(key, (tries.get(key) ?? 0) + 1)
    const call = { at: Date.now(), kind, messageId, tries: tries.get(key), fault: null }
    call.fault = road.decide(call)
    road.log.push(call)
    const pass = () => forward(feishu, request, body)
    if (!call.fault) return answer(response, await pass())
    await FAULTS[call.fault]({ feishu, call, request, response, pass })
  })
  return Object.assign(road, server)
}

/** Everything that can go wrong with a call. `…_after`: Feishu took it, and the relay does not hear so. */
export const FAULTS = {
  error_500: ({ response }) => json(response, 500, { code: 2200, msg: 'Internal Error' }),
  async error_500_after({ response, pass }) {
    await pass()
    json(response, 500, { code: 2200, msg: 'Internal Error' })
  },
  /** Not a word of JSON, as from a gateway. */
  gateway_502({ response }) {
    response.writeHead(502, { 'content-type': 'text/html' }).end('<html>Bad Gateway</html>')
  },
  busy_429({ response, call }) {
    const seconds = 1 + (call.tries % 2)
    call.resetMs = seconds * 1000
    const headers = { 'x-ogw-ratelimit-limit': '5', 'x-ogw-ratelimit-reset': String(seconds) }
    json(response, 429, { code: 99991400, msg: 'request trigger frequency limit' }, headers)
  },
  /** No answer, ever: the relay gives up after 10 s. */
  hang: ({ response }) => closed(response),
  async hang_after({ response, pass }) {
    await pass()
    await closed(response)
  },
  reset: ({ request }) => request.socket.resetAndDestroy(),
  async reset_after({ request, pass }) {
    await pass()
    request.socket.resetAndDestroy()
  },
  /** A byte per 200 ms: more than 10 s for the whole answer. */
  async slow_after({ response, pass }) {
    await trickle(response, await pass(), 200)
  },
  /** Slow, but whole in time: the relay must wait for it, and not send again. */
  async slow_in_time({ response, pass }) {
    const whole = await pass()
    await trickle(response, whole, 3000 / whole.body.length)
  },
  token_expired({ feishu, response }) {
    feishu.expireToken()
    json(response, 200, { code: 99991663, msg: 'Invalid access token for authorization' })
  },
  malformed: ({ response }) => answer(response, { status: 200, body: '{"code":0,"msg":"succ' }),
  async malformed_after({ response, pass }) {
    await pass()
    answer(response, { status: 200, body: '{"code":"zero"' })
  },
  /** Fewer bytes than the header promises, then the end. */
  async cut_after({ request, response, pass }) {
    const { body } = await pass()
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    response.write(body.slice(0, body.length / 2), () => request.socket.destroy())
  },
}

async function forward(feishu, request, body) {
  const { authorization, 'content-type': type } = request.headers
  const headers = { ...(authorization && { authorization }), ...(type && { 'content-type': type }) }
  const init = { method: request.method, headers, ...(body && { body }) }
  const response = await fetch(feishu.url + request.url, init)
  return { status: response.status, body: await response.text() }
}

function answer(response, { status, body }) {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(body)
}

async function trickle(response, { status, body }, everyMs) {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  for (const byte of Buffer.from(body)) {
    if (response.destroyed) return
    response.write(Buffer.from([byte]))
    await sleep(everyMs)
  }
  response.end()
}

function closed(response) {
  return new Promise((resolve) => response.once('close', resolve))
}

export function count(names) {
  const counts = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
