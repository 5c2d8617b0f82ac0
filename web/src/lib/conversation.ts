// Conversations as a list, and one conversation as what is shown from top to bottom.

import type { ConversationRow } from './api'
import type { Envelope, File, Seq, State } from './frame'
import type { Gap, Outgoing, Stream, Timeline } from './timeline'

export interface ConversationSummary {
  id: string
  lastSeq: Seq
  lastAtMs: number
  /** The newest known message, if any. */
  preview: { text: string; files: readonly File[]; kind: 'agent' | 'relay' | 'user' } | null
}

/** One thing to show; `key` stays the same while a message is sent, and while an answer grows and is finished. */
export type Item =
  | MessageItem
  | { kind: 'outgoing'; key: string; message: Outgoing }
  | { kind: 'stream'; key: string; question: Envelope; quoted: boolean; stream: Stream }
  | { kind: 'gap'; key: string; gap: Gap }
  | { kind: 'session'; key: string; message: Envelope }

/** Something that was said; the others stand between. */
export type Bubble = Exclude<Item, { kind: 'gap' | 'session' }>

export interface MessageItem {
  kind: 'message'
  key: string
  message: Envelope
  /** What it answers, if that is known. */
  question: Envelope | null
  /** Whether the question is anywhere but right above. */
  quoted: boolean
}

/** The conversation of this page, and the default of a `send`. */
export const WEB = 'web'

/** Where a conversation is held: `feishu` of `feishu:main:oc_1`; what has no colon was begun on a device of the user's. */
export function platform(conversation: string): string {
  return conversation.includes(':') ? conversation.slice(0, conversation.indexOf(':')) : WEB
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
      preview: { text: message.text.slice(0, 160), files: message.files ?? [], kind: message.from.kind },
    })
  }
  if (!all.has(WEB)) all.set(WEB, { id: WEB, lastSeq: 0, lastAtMs: 0, preview: null })
  return [...all.values()].sort((a, b) => b.lastAtMs - a.lastAtMs || a.id.localeCompare(b.id))
}

export function items(timeline: Timeline, conversation: string): Item[] {
  const questions = new Map<Seq, Envelope>()
  const shown: Item[] = []
  const gaps = [...timeline.gaps]
  let above: Seq | null = null
  let session: number | null = null
  for (const message of timeline.messages) {
    while (gaps[0] && message.seq > gaps[0].to) shown.push(gapItem(gaps.shift()!))
    if (message.conversation !== conversation) continue
    // A late answer to a question of an earlier session does not end the present one.
    if (session !== null && (message.session ?? 0) > session)
      shown.push({ kind: 'session', key: `session:${message.seq}`, message })
    session = Math.max(session ?? 0, message.session ?? 0)
    // An answer right below its question needs no quotation.
    const question = questions.get(message.reply_to ?? -1) ?? null
    shown.push(messageItem(message, question, question !== null && question.seq !== above))
    above = null
    if (message.from.kind !== 'user') continue
    questions.set(message.seq, message)
    above = message.seq
    // What an agent said before it failed or was stopped goes where its answer would have gone.
    const stream = timeline.streams[message.seq]
    if (stream?.live === false && stream.text !== '') shown.push(streamItem(timeline, message, above))
  }
  for (const gap of gaps) shown.push(gapItem(gap))
  for (const message of timeline.outgoing) {
    if (message.conversation !== conversation) continue
    shown.push({ kind: 'outgoing', key: message.id, message })
    above = null
  }
  const answered = answeredIn(timeline)
  const open = [...questions.values()].filter(({ seq }) => !answered.has(seq))
  for (const question of beingAnswered(timeline, open)) {
    shown.push(streamItem(timeline, question, above))
    above = null
  }
  return shown
}

/** The questions of this conversation that may still be answered: those that can be stopped. */
export function openQuestions(timeline: Timeline, conversation: string): Seq[] {
  const answered = answeredIn(timeline)
  return timeline.messages
    .filter((message) => message.conversation === conversation && OPEN.includes(message.state))
    .map(({ seq }) => seq)
    .filter((seq) => !answered.has(seq))
}

/** Questions with their answer; their state may still say otherwise, for the two are two frames. */
function answeredIn(timeline: Timeline): Set<Seq | undefined> {
  return new Set(timeline.messages.filter(({ from }) => from.kind === 'agent').map(({ reply_to }) => reply_to))
}

/** The same object for the same message: a screen can tell by identity that nothing changed, however long the list. */
function messageItem(message: Envelope, question: Envelope | null, quoted: boolean): Item {
  const known = messageItems.get(message)
  if (known?.question === question && known.quoted === quoted) return known
  // A notice has the id that the answer would have had, and may stand below a piece of it.
  const key = message.from.kind === 'relay' ? `notice:${message.seq}` : message.id
  const item: MessageItem = { kind: 'message', key, message, question, quoted }
  messageItems.set(message, item)
  return item
}

/** What nobody asked for: an agent, or a script of the user's own, says it of itself. */
export function isUnasked({ from, reply_to }: Envelope): boolean {
  return from.kind !== 'user' && reply_to === undefined
}

/** The name of whoever wrote a message in a group, where several do. */
export function speaker({ from }: Envelope): string | undefined {
  return from.kind === 'user' && from.group ? from.name : undefined
}

function streamItem(timeline: Timeline, question: Envelope, above: Seq | null): Item {
  const stream = timeline.streams[question.seq] ?? { text: '', live: true }
  return { kind: 'stream', key: `reply:${question.seq}`, question, quoted: question.seq !== above, stream }
}

/** Every answer with words, or an empty one, for the oldest question that an agent has in hand. */
function beingAnswered(timeline: Timeline, questions: Envelope[]): Envelope[] {
  const spoken = questions.filter(({ seq }) => timeline.streams[seq]?.live && timeline.streams[seq].text !== '')
  return spoken.length > 0 ? spoken : questions.filter(({ state }) => IN_HAND.includes(state)).slice(0, 1)
}

function gapItem(gap: Gap): Item {
  return { kind: 'gap', key: `gap:${gap.from}`, gap }
}

const messageItems = new WeakMap<Envelope, MessageItem>()
const IN_HAND: (State | undefined)[] = ['delivered', 'replying']
const OPEN: (State | undefined)[] = ['queued', ...IN_HAND]
