// A client of the relay as docs/protocol.md demands, and no more: it dials, says hello with its cursor, stores,
// acknowledges, repeats what was not accepted, and comes back with jitter. What the protocol forbids it writes down.

import { setTimeout as sleep } from 'node:timers/promises'

/** @typedef {{ url: string, token: string, random: object, name: string, backoffMs?: number, backoffMsMax?: number }} Options */

export class Peer {
  /** `epoch.seq` of the last message stored. */
  cursor
  /** What the relay did that the protocol forbids. */
  faults = []
  connects = 0
  welcomes = 0
  isWelcome = false
  /** Told at each welcome, with how the relay understood the cursor. */
  onWelcome = () => {}
  closes = {}
  #socket = null
  #stopped = false
  #heard = 0
  /** The cursor of its last hello. */
  #said
  #pinger
  #acked = 0
  #ackTimer = null
  /** Whether it acknowledges; a test may forbid it. */
  acknowledges = true

  /** @param {Options} options */
  constructor(options) {
    this.options = { backoffMs: 500, backoffMsMax: 30_000, ...options }
    this.name = options.name
  }

  /** Dials, and dials again whenever the connection ends, until `stop`. */
  start() {
    this.#stopped = false
    this.#live()
    return this
  }

  stop() {
    this.#stopped = true
    this.drop()
  }

  /** Closes the connection; it comes back as after any failure. */
  drop() {
    this.#socket?.close()
  }

  /** How many times it came back. */
  get reconnects() {
    return Math.max(0, this.welcomes - 1)
  }

  get seq() {
    return Number(this.cursor?.split('.')[1] ?? 0)
  }

  /** Sends if it can; what must arrive is kept by the caller and repeated at the next welcome. */
  send(...frames) {
    if (!this.isWelcome) return
    for (let at = 0; at < frames.length; at += BATCH_FRAMES_MAX) {
      const batch = frames.slice(at, at + BATCH_FRAMES_MAX)
      this.#socket?.send(JSON.stringify(batch.length === 1 ? batch[0] : batch))
    }
  }

  fault(what) {
    this.faults.push(`${this.name}: ${what}`)
  }

  async #live() {
    let attempt = 0
    while (!this.#stopped) {
      const began = Date.now()
      const wasWelcome = await this.#connection()
      if (wasWelcome && Date.now() - began > LASTED_MS) attempt = 0
      const { random, backoffMs, backoffMsMax } = this.options
      await sleep(random.next() * Math.min(backoffMsMax, backoffMs * 2 ** attempt))
      attempt = Math.min(attempt + 1, 10)
    }
  }

  /** One connection, to its end. Answers whether the relay welcomed it. */
  #connection() {
    this.connects += 1
    const { url, token } = this.options
    const headers = { authorization: `Bearer ${token}` }
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`, { protocols: ['claw-relay.v1'], headers })
    this.#socket = socket
    this.#heard = Date.now()
    const before = this.welcomes
    return new Promise((resolve) => {
      const end = (code) => {
        clearInterval(this.#pinger)
        clearTimeout(this.#ackTimer)
        this.#ackTimer = null
        this.isWelcome = false
        this.closes[code] = (this.closes[code] ?? 0) + 1
        if (code === 4400 || code === 4403 || code === 1003 || code === 1009) this.fault(`closed with ${code}`)
        resolve(this.welcomes > before)
      }
      socket.onclose = ({ code }) => end(code)
      socket.onerror = () => {
        if (socket.readyState === WebSocket.CONNECTING) end('refused')
      }
      socket.onopen = () => {
        this.#pinger = setInterval(() => this.#ping(socket, end), PING_MS)
        const hello = { type: 'hello', client: 'fault', cursor: this.cursor, ...this.hello() }
        this.#said = hello.cursor
        socket.send(JSON.stringify(hello))
      }
      socket.onmessage = ({ data }) => {
        if (socket !== this.#socket) return
        this.#heard = Date.now()
        if (data === 'pong') return
        const parsed = JSON.parse(data)
        for (const frame of Array.isArray(parsed) ? parsed : [parsed]) this.receive(frame)
      }
    })
  }

  #ping(socket, end) {
    if (Date.now() - this.#heard > 2 * PING_MS) {
      // Nothing for two intervals: the connection is dead, whatever the system says.
      socket.close()
      return end('silent')
    }
    if (socket.readyState === WebSocket.OPEN) socket.send('ping')
  }

  /** One frame from the relay. */
  receive(frame) {
    switch (frame.type) {
      case 'welcome': {
        const { outcome, reason } = frame.resumed
        // Nothing was trimmed, deleted or restored from a copy: a gap is a loss.
        if (outcome === 'gap') this.fault(`gap (${reason}) after cursor ${this.cursor}`)
        if (this.#said && outcome === 'started') this.fault('its cursor was ignored')
        // Without a cursor, also one that it has but did not tell, it begins where the relay says.
        if (!this.#said) this.cursor = `${frame.cursor.split('.')[0]}.${frame.resumed.after ?? 0}`
        this.#acked = this.seq
        this.isWelcome = true
        this.welcomes += 1
        this.welcomed(frame)
        this.onWelcome(frame)
        break
      }
      case 'message':
        this.cursor = `${this.cursor.split('.')[0]}.${Math.max(this.seq, frame.seq)}`
        this.message(frame)
        this.#acknowledgeSoon()
        break
      case 'error':
        this.refused(frame)
        break
      default:
        this.other(frame)
    }
  }

  #acknowledgeSoon() {
    if (!this.acknowledges) return
    if (this.seq - this.#acked >= ACK_MESSAGES_MAX) return this.acknowledge()
    this.#ackTimer ??= setTimeout(() => this.acknowledge(), ACK_DELAY_MS)
  }

  acknowledge() {
    clearTimeout(this.#ackTimer)
    this.#ackTimer = null
    if (!this.isWelcome || this.#acked === this.seq) return
    this.#acked = this.seq
    this.send({ type: 'ack', seq: this.seq })
  }
}

const BATCH_FRAMES_MAX = 64
const PING_MS = 30_000
/** At the latest every 32 messages or 200 ms (docs/protocol.md §6). */
const ACK_MESSAGES_MAX = 32
const ACK_DELAY_MS = 100
/** A connection that held this long starts the count of attempts anew. */
const LASTED_MS = 300
