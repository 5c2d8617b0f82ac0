// Keeps one account connected: dial, hello, heartbeat, redial with full jitter (docs/protocol.md §2). What is said on
// the connection is the desk's business. Socket, clock and chance are passed in.

import { decodeServer, encode } from '../../web/src/lib/codec'
import type { ClientFrame, ServerFrame } from '../../web/src/lib/frame'
import { PING, PONG } from '../../web/src/lib/frame'
import type { Clock, Timer } from './clock'

export interface Surroundings extends Clock {
  /** At least 0, below 1. */
  random(): number
  open(on: SocketEvents): Socket
}
export interface Socket {
  send(text: string): void
  close(): void
}
export interface SocketEvents {
  opened(): void
  received(text: string): void
  /** The upgrade was answered with this HTTP status. */
  refused(status: number): void
  closed(code: number, reason: string): void
}

/** Whoever talks on the connection. */
export interface Talker {
  hello(client: string): ClientFrame
  connected(welcome: ServerFrame & { type: 'welcome' }, send: (frame: ClientFrame) => void): void
  disconnected(): void
  forgetCursor(): void
  hear(frame: ServerFrame): void
}

export type Status =
  | { state: 'connecting' }
  | { state: 'online'; user: string }
  | { state: 'waiting'; why: string; code: number; delayMs: number }
  /** For good, until the channel is started again. */
  | { state: 'ended'; why: string }

export class Link {
  private attempt = 0
  private connection: Connection | null = null
  private retry: Timer | null = null

  constructor(
    private readonly around: Surroundings,
    private readonly talker: Talker,
    private readonly client: string,
    private readonly onStatus: (status: Status) => void,
    /** Something was heard: the connection lives. */
    private readonly onSound: () => void,
  ) {}

  dial(): void {
    this.retry = null
    this.onStatus({ state: 'connecting' })
    const connection = new Connection()
    this.connection = connection
    connection.beat = this.around.after(WELCOME_WITHIN_MS, () => this.lost(connection, 'no welcome came in time'))
    connection.socket = this.around.open({
      opened: () => {
        if (connection === this.connection) connection.write(this.talker.hello(this.client))
      },
      received: (text) => {
        if (connection === this.connection) this.hear(connection, text)
      },
      refused: (status) => {
        if (connection !== this.connection) return
        const why = REFUSALS[status]
        if (why === undefined) this.lost(connection, `the relay answered HTTP ${status}`, status)
        else this.end(`${why} (HTTP ${status})`)
      },
      closed: (code, reason) => this.closed(connection, code, reason),
    })
  }

  /** Says goodbye. */
  leave(): void {
    if (this.retry !== null) this.around.cancel(this.retry)
    this.retry = null
    if (this.connection !== null) this.drop(this.connection)
  }

  private hear(connection: Connection, text: string): void {
    connection.silentTicks = 0
    this.onSound()
    if (text === PONG) return
    try {
      for (const frame of decodeServer(text)) {
        if (connection !== this.connection) return
        if (frame.type === 'welcome') this.welcome(connection, frame)
        else this.talker.hear(frame)
      }
    } catch (error) {
      // A message that is passed over would never be answered: the next connection brings it again.
      this.lost(connection, `a frame could not be taken: ${error instanceof Error ? error.message : error}`)
    }
  }

  private welcome(connection: Connection, frame: ServerFrame & { type: 'welcome' }): void {
    connection.welcomedAtMs = this.around.now()
    connection.pingMs = Math.min(Math.max(frame.ping_ms, PING_MS_MIN), PING_MS_MAX)
    this.around.cancel(connection.beat)
    connection.beat = this.around.after(connection.pingMs, () => this.tick(connection))
    this.onStatus({ state: 'online', user: frame.user })
    this.talker.connected(frame, (answer) => connection.write(answer))
  }

  private tick(connection: Connection): void {
    connection.silentTicks++
    if (connection.silentTicks > SILENT_INTERVALS_MAX) return this.lost(connection, 'the relay fell silent')
    connection.socket.send(PING)
    connection.beat = this.around.after(connection.pingMs, () => this.tick(connection))
  }

  private closed(connection: Connection, code: number, reason: string): void {
    if (connection !== this.connection) return
    if (code === CLOSE_FORBIDDEN) return this.end('this user has too many agents: the relay takes no more of them')
    if (code === CLOSE_REPLACED) return this.end('another gateway connected with this key: give each a key of its own')
    if (code === CLOSE_BAD_HELLO) this.talker.forgetCursor()
    this.lost(connection, `the connection was closed (${code} ${reason})`.replace(' )', ')'), code)
  }

  private lost(connection: Connection, why: string, code = 0): void {
    if (connection !== this.connection) return
    this.drop(connection)
    const { welcomedAtMs } = connection
    if (welcomedAtMs >= 0 && this.around.now() - welcomedAtMs >= SETTLED_AFTER_MS) this.attempt = 0
    const delayMs = Math.floor(this.around.random() * Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** this.attempt))
    this.attempt++
    this.retry = this.around.after(delayMs, () => this.dial())
    this.onStatus({ state: 'waiting', why, code, delayMs })
  }

  private end(why: string): void {
    this.leave()
    this.onStatus({ state: 'ended', why })
  }

  private drop(connection: Connection): void {
    this.connection = null
    this.around.cancel(connection.beat)
    if (connection.welcomedAtMs >= 0) this.talker.disconnected()
    connection.socket.close()
  }
}

/** One dial and what came of it. Late events of an older one are told apart by identity. */
class Connection {
  beat: Timer = null
  pingMs = 0
  silentTicks = 0
  socket: Socket = { send() {}, close() {} }
  welcomedAtMs = -1

  write(frame: ClientFrame): void {
    this.socket.send(encode(frame))
  }
}

const CLOSE_BAD_HELLO = 4400
const CLOSE_FORBIDDEN = 4403
const CLOSE_REPLACED = 4409
const PING_MS_MAX = 300_000
const PING_MS_MIN = 50
const REFUSALS: Record<number, string> = {
  401: 'the relay does not take the key in `token`: make a new one at the relay',
  403: 'the relay does not let this key in: make a new one at the relay',
}
const RETRY_MS = 500
const RETRY_MS_MAX = 30_000
/** A connection that lasted so long starts the delays from the beginning; a shorter one may be part of the trouble. */
const SETTLED_AFTER_MS = 10_000
const SILENT_INTERVALS_MAX = 2
/** From dialling to `welcome`. */
const WELCOME_WITHIN_MS = 20_000
