// An answer that is being made: what should be seen of it, and what of that the relay has been sent.

import { TEXT_BYTES_MAX, utf8Bytes, wellFormed } from '../../web/src/lib/text'

/** Where a piece begins, in UTF-16 code units, and what it says. */
export type Piece = { offset: number; text: string }

export class Stream {
  private seen = ''
  private sent = ''
  private sentAtMs: number | null = null

  /** The answer as it should be seen now, whole: OpenClaw tells texts cumulatively, and takes them back too. */
  show(text: string): void {
    this.seen = bounded(text)
  }

  /** The relay does not have what was sent: the next piece is the whole, at once. */
  resend(): void {
    this.sent = ''
    this.sentAtMs = null
  }

  /** In how many milliseconds the next piece may go: the first at once. `null` while there is nothing to send. */
  dueInMs(now: number): number | null {
    if (this.seen === '' || this.seen === this.sent) return null
    return this.sentAtMs === null ? 0 : Math.max(0, this.sentAtMs + COALESCE_MS - now)
  }

  /** What is to be sent, if it is due: what was appended, or all from offset 0 when something else changed. */
  take(now: number): Piece | null {
    if (this.dueInMs(now) !== 0) return null
    const offset = this.seen.startsWith(this.sent) ? this.sent.length : 0
    this.sent = this.seen
    this.sentAtMs = now
    return { offset, text: this.seen.slice(offset) }
  }
}

/** A text that the relay takes: Unicode, at most 128 KiB. A longer one is cut, and says so. */
export function bounded(text: string): string {
  const whole = wellFormed(text)
  if (utf8Bytes(whole) <= TEXT_BYTES_MAX) return whole
  const room = new Uint8Array(TEXT_BYTES_MAX - utf8Bytes(CUT_NOTICE))
  return whole.slice(0, new TextEncoder().encodeInto(whole, room).read) + CUT_NOTICE
}

/** Pieces that come within this time of the last one sent travel together. */
export const COALESCE_MS = 100
const CUT_NOTICE = '\n… [cut at 128 KiB]'
