// Final answers on their way: kept on disk, and sent until the relay has accepted them (docs/protocol.md §3).

import type { ClientFrame, Seq } from '../../web/src/lib/frame'
import type { Clock, Timer } from './clock'
import type { Log } from './log'
import type { Answer, Store } from './store'

export type Send = (frame: ClientFrame) => void

export class Outbox {
  private send: Send | null = null
  private retry: Timer | null = null

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  connected(send: Send): void {
    this.send = send
    this.sendAll()
  }

  disconnected(): void {
    this.send = null
    if (this.retry !== null) this.clock.cancel(this.retry)
    this.retry = null
  }

  put(answer: Answer): void {
    try {
      this.store.keep(answer)
    } catch (error) {
      // It is sent all the same. Should it not arrive, the relay has the question still, and asks again.
      this.log.error(`the answer to ${answer.reply_to} cannot be stored: ${error}`)
    }
    this.send?.(answer)
  }

  accepted(id: string): void {
    const seq = answered(id)
    if (seq !== null) this.store.settle(seq)
  }

  refused(code: string, id: string | undefined): void {
    const seq = id === undefined ? null : answered(id)
    if (seq === null) return this.log.warn(`the relay refused a frame: ${code}`)
    if (USELESS.includes(code)) {
      this.log.warn(`the relay has no use for the answer to ${seq}: ${code}`)
      return this.store.settle(seq)
    }
    if (PASSING.includes(code)) {
      this.log.warn(`the answer to ${seq} could not be taken for now: ${code}`)
      this.retry ??= this.clock.after(RETRY_MS, () => this.sendAll())
      return
    }
    // Refused for good: whoever asked should hear of it. If even that is refused, there is no more to do.
    if (this.store.answer(seq)?.type !== 'reply') return this.store.settle(seq)
    this.put({ type: 'fail', reply_to: seq, reason: `the relay refused the answer: ${code}` })
  }

  private sendAll(): void {
    this.retry = null
    for (const answer of this.store.answers()) this.send?.(answer)
  }
}

/** The question that `reply:{seq}` answers. */
function answered(id: string): Seq | null {
  const [, seq] = /^reply:(\d+)$/.exec(id) ?? []
  return seq === undefined ? null : Number(seq)
}

const PASSING = ['internal', 'queue_full', 'unavailable']
const RETRY_MS = 5_000
/** The relay has an answer, or nobody waits for one. */
const USELESS = ['already_replied', 'not_found']
