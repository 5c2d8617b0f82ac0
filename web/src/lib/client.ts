// Keeps one device connected: dial, resume, acknowledge, repeat what was not accepted, notice silence.
// Socket, clock, timers and randomness are passed in; docs/protocol.md §2, §5, §6 say what must happen.

import { encode, parseCursor, readServer } from './codec'
import type { ClientFrame, File, Seq, ServerFrame } from './frame'
import { PING, PONG, SUBPROTOCOL } from './frame'
import { FRAME_BYTES_MAX, utf8Bytes } from './text'

export interface Surroundings {
  now(): number
  /** At least 0, below 1. */
  random(): number
  after(ms: number, run: () => void): Timer
  cancel(timer: Timer): void
  /** A fresh address for every connection: tickets are spent by one use. */
  address(): Promise<Address>
  /** The relay closed the connection because the session ended: the next address needs a fresh access token. */
  ended(): void
  open(url: string, subprotocol: string, on: SocketEvents): Socket
}
export type Timer = unknown
export type Address = { url: string } | { refused: number } | { unreachable: true }
export interface Socket {
  send(text: string): void
  close(): void
}
export interface SocketEvents {
  opened(): void
  received(text: string): void
  closed(code: number): void
}

export interface ClientOptions {
  /** Name and version, for the operator's eyes. */
  client: string
  /** How many of the newest messages to begin with. */
  last: number
  onFrame(frame: ServerFrame): void
  onStatus(status: Status): void
}

export type Status =
  | { state: 'connecting' }
  | { state: 'online' }
  | { state: 'waiting'; retryAtMs: number }
  | { state: 'stopped'; why: 'forbidden' | 'left' | 'replaced' | 'unauthorized' }

export type Question = { id: string; conversation: string; text: string; files?: File[] }

export class Client {
  private attempt = 0
  private connection: Connection | null = null
  private epoch: number | null = null
  private received: Seq = 0
  private readonly unaccepted = new Map<string, string>()
  private retry: Timer | null = null
  private stopped = true

  constructor(
    private readonly around: Surroundings,
    private readonly options: ClientOptions,
  ) {}

  start(): void {
    if (!this.stopped) return
    this.stopped = false
    this.dial()
  }

  /** For good: signed out, or the page goes away. */
  leave(): void {
    this.end('left')
  }

  /** Sends now, or as soon as there is a connection; again and again with the same id until it is accepted. */
  send(question: Question): boolean {
    const text = encode({ type: 'send', ...question })
    // Control characters grow sixfold as JSON: a text within its limit can still make a frame that closes the socket.
    if (utf8Bytes(text) > FRAME_BYTES_MAX) return false
    this.unaccepted.set(question.id, text)
    if (this.connection?.welcomed) this.connection.socket.send(text)
    return true
  }

  /**
   * Ends this question without an answer; false without a connection. Nothing is kept for the next one: by then the
   * number may be another question's (§5, `epoch` and `ahead`), and whoever asked sees that it goes on.
   */
  stop(question: Seq): boolean {
    if (!this.connection?.welcomed) return false
    this.connection.write({ type: 'stop', reply_to: question })
    // Somebody waits for this: a dead connection must not take its time to be noticed.
    this.probe(this.connection)
    return true
  }

  /** The network came back, or somebody asks: do not wait out the delay, do not trust a connection that slept. */
  wake(): void {
    if (this.retry !== null) this.dial()
    else if (this.connection?.welcomed) this.probe(this.connection)
  }

  private dial(): void {
    if (this.retry !== null) this.around.cancel(this.retry)
    this.retry = null
    this.options.onStatus({ state: 'connecting' })
    const connection = new Connection()
    this.connection = connection
    connection.guard = this.around.after(WELCOME_WITHIN_MS, () => this.lost(connection, 0))
    this.around.address().then(
      (address) => this.connect(connection, address),
      () => this.lost(connection, 0),
    )
  }

  private connect(connection: Connection, address: Address): void {
    if (connection !== this.connection) return
    if ('unreachable' in address) return this.lost(connection, 0)
    if ('refused' in address) {
      if (address.refused === 401) return this.end('unauthorized')
      if (address.refused === 403) return this.end('forbidden')
      return this.lost(connection, 0)
    }
    connection.socket = this.around.open(address.url, SUBPROTOCOL, {
      opened: () => {
        if (connection === this.connection) this.hello(connection)
      },
      received: (text) => {
        if (connection === this.connection) this.hear(connection, text)
      },
      closed: (code) => this.lost(connection, code),
    })
  }

  private hello(connection: Connection): void {
    const known = this.epoch === null ? { last: this.options.last } : { cursor: `${this.epoch}.${this.received}` }
    connection.write({ type: 'hello', ...known, capabilities: ['deltas'], client: this.options.client })
  }

  private hear(connection: Connection, text: string): void {
    connection.silentTicks = 0
    if (connection.probe !== null) this.around.cancel(connection.probe)
    connection.probe = null
    if (text === PONG) return
    let frames: ServerFrame[]
    try {
      frames = readServer(text)
    } catch {
      // Never fatal: closing would fetch the same frame again, for ever.
      return
    }
    for (const frame of frames) {
      if (connection !== this.connection) return
      this.take(connection, frame)
    }
  }

  private take(connection: Connection, frame: ServerFrame): void {
    if (frame.type === 'welcome') this.welcome(connection, frame)
    if (frame.type === 'accepted' || frame.type === 'message') this.unaccepted.delete(frame.id)
    if (frame.type === 'error' && frame.id !== undefined) this.unaccepted.delete(frame.id)
    if (frame.type === 'error' && frame.code === 'bad_cursor') this.epoch = null
    this.options.onFrame(frame)
    if (frame.type === 'message') this.stored(connection, frame.seq)
    if (frame.type === 'welcome') this.options.onStatus({ state: 'online' })
  }

  private welcome(connection: Connection, frame: ServerFrame & { type: 'welcome' }): void {
    const { resumed } = frame
    this.epoch = parseCursor(frame.cursor).epoch
    if (resumed.outcome !== 'gap') this.received = resumed.after
    else this.received = resumed.reason === 'ahead' ? resumed.from - 1 : resumed.to
    connection.acked = this.received
    connection.welcomedAtMs = this.around.now()
    this.around.cancel(connection.guard)
    connection.pingMs = Math.max(frame.ping_ms, PING_MS_MIN)
    connection.beat = this.around.after(connection.pingMs, () => this.tick(connection))
    for (const text of this.unaccepted.values()) connection.socket.send(text)
  }

  /** The message is in the timeline: say so, soon, and at once when many wait (the relay's window is finite). */
  private stored(connection: Connection, seq: Seq): void {
    if (seq <= this.received) return
    this.received = seq
    connection.unacked++
    if (connection.unacked >= ACK_MESSAGES) this.acknowledge(connection)
    else connection.ack ??= this.around.after(ACK_AFTER_MS, () => this.acknowledge(connection))
  }

  private acknowledge(connection: Connection): void {
    if (connection.ack !== null) this.around.cancel(connection.ack)
    connection.ack = null
    connection.unacked = 0
    if (connection !== this.connection || this.received === connection.acked) return
    connection.acked = this.received
    connection.write({ type: 'ack', seq: this.received })
  }

  /**
   * Counts intervals without a sound instead of comparing times: a browser slows the timers of a hidden page,
   * and a slow timer is no proof of a dead connection.
   */
  private tick(connection: Connection): void {
    connection.silentTicks++
    if (connection.silentTicks >= SILENT_INTERVALS_MAX) return this.lost(connection, 0)
    connection.socket.send(PING)
    // An acceptance that got lost costs one repetition; the id makes it harmless.
    for (const text of this.unaccepted.values()) connection.socket.send(text)
    connection.beat = this.around.after(connection.pingMs, () => this.tick(connection))
  }

  private probe(connection: Connection): void {
    if (connection.probe !== null) return
    connection.socket.send(PING)
    connection.probe = this.around.after(PROBE_WITHIN_MS, () => this.lost(connection, 0))
  }

  private lost(connection: Connection, code: number): void {
    if (connection !== this.connection) return
    if (code === CLOSE_REPLACED) return this.end('replaced')
    // A ticket would still be had for the old token, and be refused where a page cannot see why.
    if (code === CLOSE_ENDED) this.around.ended()
    // The relay did not understand the cursor: begin anew.
    if (code === CLOSE_BAD_HELLO) this.epoch = null
    this.drop(connection)
    const settled = connection.welcomed && this.around.now() - connection.welcomedAtMs >= SETTLED_AFTER_MS
    if (settled) this.attempt = 0
    const delay = Math.floor(this.around.random() * Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** this.attempt))
    this.attempt++
    this.retry = this.around.after(delay, () => this.dial())
    this.options.onStatus({ state: 'waiting', retryAtMs: this.around.now() + delay })
  }

  private end(why: (Status & { state: 'stopped' })['why']): void {
    if (this.stopped) return
    this.stopped = true
    if (this.retry !== null) this.around.cancel(this.retry)
    this.retry = null
    if (this.connection !== null) this.drop(this.connection)
    this.options.onStatus({ state: 'stopped', why })
  }

  private drop(connection: Connection): void {
    this.connection = null
    for (const timer of [connection.ack, connection.beat, connection.guard, connection.probe]) {
      if (timer !== null) this.around.cancel(timer)
    }
    connection.socket.close()
  }
}

/** One dial and what came of it. Late events of an older one are told apart by identity. */
class Connection {
  ack: Timer | null = null
  acked: Seq = 0
  beat: Timer | null = null
  guard: Timer | null = null
  pingMs = 0
  probe: Timer | null = null
  silentTicks = 0
  socket: Socket = { send() {}, close() {} }
  unacked = 0
  welcomedAtMs = -1

  get welcomed(): boolean {
    return this.welcomedAtMs >= 0
  }

  write(frame: ClientFrame): void {
    this.socket.send(encode(frame))
  }
}

/** Acknowledge at the latest after so many messages … */
const ACK_MESSAGES = 32
/** … or after so long. */
const ACK_AFTER_MS = 200
const CLOSE_BAD_HELLO = 4400
const CLOSE_ENDED = 4401
const CLOSE_REPLACED = 4409
/** A relay that asks for more pings than this would only be paying for them. */
const PING_MS_MIN = 1_000
const PROBE_WITHIN_MS = 5_000
const RETRY_MS = 500
const RETRY_MS_MAX = 30_000
/** A connection that lasted so long starts the delays from the beginning; a shorter one may be part of the trouble. */
const SETTLED_AFTER_MS = 10_000
const SILENT_INTERVALS_MAX = 2
/** From dialling to `welcome`, ticket included. */
const WELCOME_WITHIN_MS = 20_000
