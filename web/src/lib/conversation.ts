// Conversations as a list, and one conversation as what is shown from top to bottom.

import type { ConversationRow } from './api'
import type { Envelope, Seq, State } from './frame'
import type { Gap, Outgoing, Stream, Timeline } from './timeline'

export interface ConversationSummary {
  id: string
  lastSeq: Seq
  lastAtMs: number
  /** The newest known message, if any. */
  preview: { text: string; kind: 'agent' | 'relay' | 'user' } | null
}

/** One thing to show; `key` stays the same while a message is sent, and while an answer grows and is finished. */
export type Item =
  | MessageItem
  | { kind: 'outgoing'; key: string; message: Outgoing }
  | { kind: 'stream'; key: string; question: Envelope; quoted: boolean; stream: Stream }
  | { kind: 'gap'; key: string; gap: Gap }

export interface MessageItem {
  kind: 'message'
  key: string
  message: Envelope
  /** Set when the question is not right above its answer. */
  question: Envelope | null
}

export type Platform = 'feishu' | 'other' | 'web'

/** The conversation of this page, and the default of a `send`. */
export const WEB = 'web'

export function platform(conversation: string): Platform {
  if (conversation.startsWith('feishu:')) return 'feishu'
  return conversation.includes(':') ? 'other' : 'web'
}

/** Newest first; `web` is always there, for it is where one begins. */
export function summaries(timeline: Timeline, rows: readonly ConversationRow[]): ConversationSummary[] {
  const all = new Map<string, ConversationSummary>()
  for (const row of rows)
    all.set(row.id, { id: row.id, lastSeq: row.last_seq, lastAtMs: row.last_at_ms, preview: null })
  for (const message of timeline.messages) {
    const known = all.get(message.conversation)
    if (known && known.lastSeq > message.seq) continue
    all.set(message.conversation, {
      id: message.conversation,
      lastSeq: message.seq,
      lastAtMs: message.at_ms,
      preview: { text: message.text.slice(0, 160), kind: message.from.kind },
    })
  }
  if (!all.has(WEB)) all.set(WEB, { id: WEB, lastSeq: 0, lastAtMs: 0, preview: null })
  return [...all.values()].sort((a, b) => b.lastAtMs - a.lastAtMs || a.id.localeCompare(b.id))
}

export function items(timeline: Timeline, conversation: string): Item[] {
  const questions = new Map<Seq, Envelope>()
  const shown: Item[] = []
  const gaps = [...timeline.gaps]
  const placed = new Set<Seq>()
  let above: Seq | null = null
  for (const message of timeline.messages) {
    while (gaps[0] && message.seq > gaps[0].to) shown.push(gapItem(gaps.shift()!))
    if (message.conversation !== conversation) continue
    // Its state may still say otherwise: the answer and the change of state are two frames.
    if (message.from.kind === 'agent' && message.reply_to !== undefined) placed.add(message.reply_to)
    if (message.from.kind === 'user') questions.set(message.seq, message)
    // What an agent said before it failed stands above the notice of the failure.
    const broken = message.from.kind === 'relay' ? questions.get(message.reply_to ?? -1) : undefined
    if (broken && timeline.streams[broken.seq]?.live === false) {
      shown.push(streamItem(timeline, broken, above))
      placed.add(broken.seq)
      above = broken.seq
    }
    // An answer right below its question needs no quotation.
    const question =
      message.reply_to === undefined || message.reply_to === above ? null : (questions.get(message.reply_to) ?? null)
    shown.push(messageItem(message, question))
    above = message.from.kind === 'user' ? message.seq : null
  }
  for (const gap of gaps) shown.push(gapItem(gap))
  for (const message of timeline.outgoing) {
    if (message.conversation !== conversation) continue
    shown.push({ kind: 'outgoing', key: message.id, message })
    above = null
  }
  const open = [...questions.values()].filter((question) => !placed.has(question.seq))
  for (const question of beingAnswered(timeline, open)) {
    shown.push(streamItem(timeline, question, above))
    above = null
  }
  return shown
}

/** The same object for the same message: a screen can tell by identity that nothing changed, however long the list. */
function messageItem(message: Envelope, question: Envelope | null): Item {
  const known = messageItems.get(message)
  if (known?.question === question) return known
  const item: MessageItem = { kind: 'message', key: message.id, message, question }
  messageItems.set(message, item)
  return item
}

function streamItem(timeline: Timeline, question: Envelope, above: Seq | null): Item {
  const stream = timeline.streams[question.seq] ?? { text: '', live: true }
  return { kind: 'stream', key: `reply:${question.seq}`, question, quoted: question.seq !== above, stream }
}

/** Every answer with words, and one empty one, for the oldest question that an agent has in hand. */
function beingAnswered(timeline: Timeline, questions: Envelope[]): Envelope[] {
  const spoken = questions.filter((question) => (timeline.streams[question.seq]?.text ?? '') !== '')
  if (spoken.some((question) => timeline.streams[question.seq]?.live)) return spoken
  const next = questions.find((question) => IN_HAND.includes(question.state) && !spoken.includes(question))
  return next ? [...spoken, next] : spoken
}

function gapItem(gap: Gap): Item {
  return { kind: 'gap', key: `gap:${gap.from}`, gap }
}

const messageItems = new WeakMap<Envelope, MessageItem>()
const IN_HAND: (State | undefined)[] = ['delivered', 'replying']
