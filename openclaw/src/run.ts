// A run that answers a question and is not ours: after a restart OpenClaw goes on by itself with turns that were
// interrupted, and it puts a question into the run that its session is in. What comes of it is told by its events; its
// answer may also come as a message to the conversation.

import type { Clock } from './clock'
import type { Turn } from './desk'
import type { RunEvent, Runtime } from './openclaw'

/** Hears of the runs in one session, until it is told to leave. */
export class OtherRun {
  private runId: string | null = null
  private text = ''
  private isAwaited = false
  private readonly begun = Promise.withResolvers<void>()
  private readonly over = Promise.withResolvers<void>()
  readonly leave: () => void

  constructor(
    events: Runtime['events'],
    private readonly sessionKey: string,
    private readonly turn: Turn,
    private readonly clock: Clock,
  ) {
    this.leave = events.onAgentEvent((event) => this.hear(event))
    turn.signal.addEventListener('abort', () => {
      this.begun.resolve()
      this.over.resolve()
    })
  }

  /** Waits until the run is over; false if there is none. */
  async end(): Promise<boolean> {
    this.isAwaited = true
    const timer = this.clock.after(BEGUN_WITHIN_MS, () => this.begun.resolve())
    await this.begun.promise
    this.clock.cancel(timer)
    if (this.runId !== null) {
      this.turn.adopted()
      this.turn.deferred()
      this.turn.partial(this.text)
      await this.over.promise
    }
    return this.runId !== null || this.turn.signal.aborted
  }

  private hear({ runId, sessionKey, stream, data }: RunEvent): void {
    if (sessionKey === this.sessionKey) this.runId = runId
    if (runId !== this.runId) return
    this.begun.resolve()
    if (stream === 'assistant') {
      this.text = data.text ?? this.text
      if (this.isAwaited) this.turn.partial(this.text)
    }
    // The answer is delivered before this is told.
    if (stream === 'lifecycle' && (data.phase === 'end' || data.phase === 'error')) this.over.resolve()
  }
}

/** OpenClaw looks for interrupted turns within seconds of its start. */
const BEGUN_WITHIN_MS = 30_000
