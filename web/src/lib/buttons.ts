// Buttons under messages: what a press is called, and which messages were answered already (docs/protocol.md §4).

import type { Envelope, Seq } from './frame'
import type { Timeline } from './timeline'

/** What answered a message with buttons: the text of one of them, or `null` for other words. */
export type Answer = string | null

/** The id of the question that a press becomes: the same on every device, so that a message is answered so once. */
export function pressId(seq: Seq): string {
  return PRESS + seq
}

/**
 * The messages of this conversation whose buttons are used, with what answered them. A press of a device names its
 * message; one at a platform does not, nor does whoever writes. So what a button says answers the newest message that
 * has such a button, and any other words answer all that are open.
 */
export function answers(timeline: Timeline, conversation: string): ReadonlyMap<Seq, Answer> {
  const answered = new Map<Seq, Answer>()
  const open = new Map<Seq, Envelope>()
  const settle = (seq: Seq, answer: Answer) => {
    open.delete(seq)
    answered.set(seq, answer)
  }
  const said = ({ id, text }: { id: string; text: string }) => {
    if (id.startsWith(PRESS)) return settle(Number(id.slice(PRESS.length)), text)
    const meant = [...open.values()].reverse().find(({ buttons }) => buttons?.some((button) => button.text === text))
    if (meant) return settle(meant.seq, text)
    for (const seq of open.keys()) settle(seq, null)
  }
  for (const message of timeline.messages) {
    if (message.conversation !== conversation) continue
    if (message.from.kind === 'user') said(message)
    else if (message.buttons) open.set(message.seq, message)
  }
  // What waits is as good as said; what the relay refused is not, and another button may take its place.
  for (const message of timeline.outgoing)
    if (message.conversation === conversation && message.refused === undefined) said(message)
  return answered
}

const PRESS = 'press-'
