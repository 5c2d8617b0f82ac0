// A clock that the test moves, an agent that does as it is told, and a relay's end of the wire.

import type { ClientFrame, Envelope, ServerFrame } from '../../web/src/lib/frame'
import type { Clock } from '../src/clock'
import { type Agent, Desk, type Outcome, type Turn } from '../src/desk'
import type { Log } from '../src/log'
import { openStore, type Store } from '../src/store'

export class TestClock implements Clock {
  private time = 1_000_000
  private timers: { at: number; run: () => void }[] = []

  now(): number {
    return this.time
  }

  after(ms: number, run: () => void): object {
    const timer = { at: this.time + ms, run }
    this.timers.push(timer)
    return timer
  }

  cancel(timer: unknown): void {
    this.timers = this.timers.filter((other) => other !== timer)
  }

  /** Lets time pass, and everything that waits for it happen, in order. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms
    for (;;) {
      await settle()
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.cancel(next)
      this.time = Math.max(this.time, next.at)
      next.run()
    }
    this.time = end
  }

  get waiting(): number {
    return this.timers.length
  }
}

/** Lets every promise that can go on do so. */
export async function settle(): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve()
}

export class TestAgent implements Agent {
  /** Turns that were begun and have not ended, by the question's seq. */
  readonly turns = new Map<
    number,
    Turn & { end: (outcome?: Outcome) => Promise<void>; fail: (error: Error) => Promise<void> }
  >()
  readonly asked: number[] = []
  readonly renewed: number[] = []
  /** What the next questions are met with, instead of a turn. */
  readonly next: Outcome[] = []

  lane({ conversation, text }: Envelope): string | null {
    return text.startsWith('/') ? null : conversation
  }

  async renew({ seq }: Envelope): Promise<Outcome> {
    this.renewed.push(seq)
    return 'over'
  }

  answer({ seq }: Envelope, turn: Turn): Promise<Outcome> {
    this.asked.push(seq)
    const next = this.next.shift()
    if (next !== undefined) return Promise.resolve(next)
    return new Promise((resolve, reject) => {
      const end = (outcome: Outcome = 'over') => {
        this.turns.delete(seq)
        resolve(outcome)
        return settle()
      }
      const fail = (error: Error) => {
        reject(error)
        return settle()
      }
      this.turns.set(seq, { ...turn, end, fail })
    })
  }
}

export class World {
  readonly clock = new TestClock()
  agent = new TestAgent()
  readonly lines: string[] = []
  readonly log: Log = {
    info: (line) => void this.lines.push(line),
    warn: (line) => void this.lines.push(line),
    error: (line) => void this.lines.push(line),
  }
  sent: ClientFrame[] = []
  store: Store
  desk: Desk

  constructor(private readonly file = ':memory:') {
    this.store = openStore(file)
    this.desk = new Desk(this.store, this.agent, this.clock, this.log)
    this.desk.open()
  }

  /** The process is gone, and another begins with what is on disk. */
  restart(): void {
    this.store.close()
    this.agent = new TestAgent()
    this.store = openStore(this.file)
    this.desk = new Desk(this.store, this.agent, this.clock, this.log)
    this.desk.open()
    this.sent = []
  }

  /** Another agent than the one that does as it is told. */
  answerWith(agent: Agent): void {
    this.desk = new Desk(this.store, agent, this.clock, this.log)
    this.desk.open()
  }

  connect(
    resumed: (ServerFrame & { type: 'welcome' })['resumed'] = { outcome: 'started', after: 0 },
    cursor = '9.1000',
  ): void {
    this.sent = []
    const welcome = { type: 'welcome' as const, user: 'usr_1', cursor, resumed, window: 256, ping_ms: 30_000 }
    this.desk.connected(welcome, (frame) => this.sent.push(frame))
  }

  hear(...frames: ServerFrame[]): Promise<void> {
    for (const frame of frames) this.desk.hear(frame)
    return settle()
  }

  ask(seq: number, conversation = 'web', more: Partial<Envelope> = {}): Promise<void> {
    return this.hear({ type: 'message', ...question(seq, conversation), ...more })
  }

  /** What was sent of one kind, and forgets it. */
  take<T extends ClientFrame['type']>(type: T): (ClientFrame & { type: T })[] {
    const of = this.sent.filter((frame) => frame.type === type) as (ClientFrame & { type: T })[]
    this.sent = this.sent.filter((frame) => frame.type !== type)
    return of
  }
}

export function question(seq: number, conversation = 'web'): Envelope {
  return { seq, id: `m-${seq}`, conversation, from: { kind: 'user', via: 'web' }, at_ms: 1, text: `q${seq}` }
}
