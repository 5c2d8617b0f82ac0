// A device or an agent in JavaScript, for runs that count instead of measuring time: says hello, acknowledges as the
// page and claw-agent do, sends heartbeats.

import { setTimeout as sleep } from 'node:timers/promises'
import { mint } from '../../tests/fault/support/tokens.mjs'
import { SECRETS } from './secrets.mjs'

const tokens = mint(SECRETS.signingKey)

/** Connects agent i of user i. It acknowledges each message that comes, as claw-agent does. */
export function connectAgent(url, i) {
  return connect(url, tokens.agent(`usr_bench_${i}`, `agt_bench_${i}`), { ackMs: 0, hello: {} })
}

/** Connects a device of user i. It acknowledges 200 ms after the first message it has not, as the page does. */
export function connectDevice(url, i) {
  return connect(url, tokens.access(`usr_bench_${i}`), { ackMs: 200, hello: { capabilities: ['deltas'] } })
}

async function connect(url, token, { ackMs, hello }) {
  const headers = { authorization: `Bearer ${token}` }
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`, { protocols: ['claw-relay.v1'], headers })
  const peer = new Peer(socket, ackMs)
  const opened = new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = ({ message }) => reject(new Error(`cannot connect to ${url}: ${message}`))
  })
  await Promise.race([opened, sleep(WAIT_MS_MAX).then(() => Promise.reject(new Error(`no connection to ${url}`)))])
  peer.send({ type: 'hello', ...hello })
  await peer.next(({ type }) => type === 'welcome', 'welcome')
  return peer
}

class Peer {
  /** Every frame that came, oldest first, until it is taken by `next`. */
  frames = []
  #ackTimer = null
  #acked = 0
  #seq = 0
  #waiting = []

  constructor(socket, ackMs) {
    this.socket = socket
    this.ackMs = ackMs
    socket.onmessage = ({ data }) => this.#received(data)
    socket.onclose = ({ code }) => this.#closed(code)
    this.pinger = setInterval(() => socket.send('ping'), PING_MS).unref()
  }

  /** Sends frames: one as it is, several as a batch. */
  send(...frames) {
    this.socket.send(JSON.stringify(frames.length === 1 ? frames[0] : frames))
  }

  /** The next frame, of those not taken yet, that `fits`. */
  next(fits, what) {
    const at = this.frames.findIndex(fits)
    if (at >= 0) return Promise.resolve(this.frames.splice(at, 1)[0])
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`no ${what} within ${WAIT_MS_MAX} ms`))
      this.#waiting.push({ fits, resolve, reject, timer: setTimeout(late, WAIT_MS_MAX) })
    })
  }

  close() {
    clearInterval(this.pinger)
    clearTimeout(this.#ackTimer)
    this.socket.onclose = null
    this.socket.close()
  }

  #received(data) {
    if (data === 'pong') return
    for (const frame of [JSON.parse(data)].flat()) {
      if (frame.type === 'message') this.#seq = Math.max(this.#seq, frame.seq)
      const at = this.#waiting.findIndex(({ fits }) => fits(frame))
      if (at < 0) {
        this.frames.push(frame)
        continue
      }
      const [{ resolve, timer }] = this.#waiting.splice(at, 1)
      clearTimeout(timer)
      resolve(frame)
    }
    if (this.#seq === this.#acked) return
    if (this.ackMs === 0) this.#acknowledge()
    else this.#ackTimer ??= setTimeout(() => this.#acknowledge(), this.ackMs)
  }

  #acknowledge() {
    this.#ackTimer = null
    this.#acked = this.#seq
    this.send({ type: 'ack', seq: this.#seq })
  }

  #closed(code) {
    clearInterval(this.pinger)
    clearTimeout(this.#ackTimer)
    this.frames.push({ type: 'closed', code })
    for (const { fits, resolve, reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer)
      if (fits({ type: 'closed', code })) resolve({ type: 'closed', code })
      else reject(new Error(`the relay closed the socket: ${code}`))
    }
  }
}

/** As docs/protocol.md §2. */
const PING_MS = 30_000
const WAIT_MS_MAX = 20_000
