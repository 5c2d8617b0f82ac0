// A clock, a network and a relay that obey the test.

import type { Address, SocketEvents, Status } from '../src/lib/client'
import { Client } from '../src/lib/client'
import { encode } from '../src/lib/codec'
import type { ServerFrame } from '../src/lib/frame'

export class World {
  address: Address = { url: 'wss://relay/v1/ws?ticket=1' }
  dials = 0
  ended = 0
  frames: ServerFrame[] = []
  nowMs = 0
  random = 1
  socket!: FakeSocket
  statuses: Status[] = []
  private timers: { at: number; run: () => void }[] = []

  readonly client = new Client(
    {
      now: () => this.nowMs,
      random: () => this.random,
      after: (ms, run) => {
        const timer = { at: this.nowMs + ms, run }
        this.timers.push(timer)
        return timer
      },
      cancel: (timer) => {
        this.timers = this.timers.filter((other) => other !== timer)
      },
      address: () => {
        this.dials++
        return Promise.resolve(this.address)
      },
      ended: () => this.ended++,
      open: (_url, _subprotocol, on) => (this.socket = new FakeSocket(on)),
    },
    {
      client: 'test/1',
      last: 100,
      onFrame: (frame) => this.frames.push(frame),
      onStatus: (status) => this.statuses.push(status),
    },
  )

  get status(): Status {
    return this.statuses.at(-1)!
  }

  /** Runs what is due, in order. */
  advance(ms: number): void {
    const end = this.nowMs + ms
    for (;;) {
      const due = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      this.timers = this.timers.filter((timer) => timer !== due)
      this.nowMs = due.at
      due.run()
    }
    this.nowMs = end
  }

  /** The promise of the ticket resolves. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  }

  async online(cursor = '7.40', after = 40): Promise<void> {
    this.client.start()
    await this.settle()
    this.socket.on.opened()
    this.welcome(cursor, { outcome: 'started', after })
  }

  /** Loses the connection, waits, and is welcomed back. */
  async reconnect(cursor: string, resumed: (ServerFrame & { type: 'welcome' })['resumed']): Promise<void> {
    this.socket.on.closed(1006)
    await this.redial()
    this.socket.on.opened()
    this.welcome(cursor, resumed)
  }

  /** Waits out the delay, but no longer. */
  async redial(): Promise<void> {
    if (this.status.state !== 'waiting') throw new Error(`not waiting: ${this.status.state}`)
    this.advance(this.status.retryAtMs - this.nowMs)
    await this.settle()
  }

  welcome(cursor: string, resumed: (ServerFrame & { type: 'welcome' })['resumed']): void {
    this.hear({ type: 'welcome', user: 'usr_1', cursor, resumed, window: 256, ping_ms: 30_000 })
  }

  hear(...frames: ServerFrame[]): void {
    for (const frame of frames) this.socket.on.received(encode(frame))
  }

  message(seq: number): ServerFrame {
    return {
      type: 'message',
      seq,
      id: `m-${seq}`,
      conversation: 'web',
      from: { kind: 'user', via: 'web' },
      at_ms: 1,
      text: 'hi',
    }
  }
}

export class FakeSocket {
  closed = false
  sent: string[] = []
  constructor(readonly on: SocketEvents) {}
  send(text: string): void {
    this.sent.push(text)
  }
  close(): void {
    this.closed = true
  }
  of(type: string): unknown[] {
    return this.sent
      .filter((text) => text.startsWith('{'))
      .map((text) => JSON.parse(text))
      .filter((frame) => frame.type === type)
  }
}
