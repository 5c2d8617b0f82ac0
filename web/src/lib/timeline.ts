// What a screen knows of a user's timeline, as a pure reducer: the same events give the same picture.
// Rules: docs/protocol.md §3 (deltas), §4 (messages), §5 (resume).

import { parseCursor } from './codec'
import type { AgentPresence, Envelope, File, GapReason, Seq, ServerFrame, State } from './frame'

export interface Timeline {
  readonly agents: readonly AgentPresence[]
  /** Begins with the first `welcome`; null before it. */
  readonly epoch: number | null
  readonly gaps: readonly Gap[]
  /** Per conversation: where older history goes on; null when its beginning is reached. */
  readonly history: Readonly<Record<string, string | null>>
  /** Ascending by `seq`, all conversations together. */
  readonly messages: readonly Envelope[]
  /** Own messages that are not in `messages` yet, oldest first. */
  readonly outgoing: readonly Outgoing[]
  /** Everything after it is in `messages` (but for gaps); what came before must be fetched. */
  readonly start: Seq
  /** Answers being made, by the `seq` of their question. */
  readonly streams: Readonly<Record<Seq, Stream>>
}

export interface Gap {
  readonly from: Seq
  readonly to: Seq
  readonly reason: GapReason
}

export interface Outgoing {
  readonly id: string
  readonly conversation: string
  readonly text: string
  readonly files?: File[]
  readonly at_ms: number
  /** Set once the relay has committed it. */
  readonly seq?: Seq
  /** Set when the relay refused it: an error code. */
  readonly refused?: string
}

export interface Stream {
  readonly text: string
  /** False once the question failed: what was said so far stays readable. */
  readonly live: boolean
}

export type TimelineEvent =
  | { type: 'frame'; frame: ServerFrame }
  | { type: 'history'; conversation: string; messages: readonly Envelope[]; next: string | null }
  | { type: 'sending'; message: Outgoing }
  | { type: 'dropped'; id: string }

export const EMPTY: Timeline = {
  agents: [],
  epoch: null,
  gaps: [],
  history: {},
  messages: [],
  outgoing: [],
  start: 0,
  streams: {},
}

export function reduce(timeline: Timeline, event: TimelineEvent): Timeline {
  switch (event.type) {
    case 'dropped':
      return { ...timeline, outgoing: timeline.outgoing.filter((message) => message.id !== event.id) }
    case 'frame':
      return reduceFrame(timeline, event.frame)
    case 'history':
      return {
        ...timeline,
        history: { ...timeline.history, [event.conversation]: event.next },
        // What is known already is newer than an answer that was under way.
        messages: event.messages.reduce(
          (all, message) => (has(all, message.seq) ? all : insert(all, message)),
          timeline.messages,
        ),
        outgoing: timeline.outgoing.filter(({ id }) => !event.messages.some((message) => message.id === id)),
      }
    case 'sending': {
      // Trying again keeps the id, so a refused copy of it makes way.
      const others = timeline.outgoing.filter((message) => message.id !== event.message.id)
      return { ...timeline, outgoing: [...others, event.message] }
    }
  }
}

function reduceFrame(timeline: Timeline, frame: ServerFrame): Timeline {
  switch (frame.type) {
    case 'accepted': {
      if (!timeline.outgoing.some((message) => message.id === frame.id)) return timeline
      // Another device pressed there long ago: what has this number does not come any more.
      if (frame.seq <= Math.max(timeline.start, timeline.messages.at(-1)?.seq ?? 0))
        return { ...timeline, outgoing: timeline.outgoing.filter((message) => message.id !== frame.id) }
      const outgoing = timeline.outgoing.map((message) =>
        message.id === frame.id ? { ...message, seq: frame.seq } : message,
      )
      return { ...timeline, outgoing }
    }
    case 'delta':
      return reduceDelta(timeline, frame)
    case 'error': {
      if (frame.id === undefined) return timeline
      const outgoing = timeline.outgoing.map((message) =>
        message.id === frame.id ? { ...message, refused: frame.code } : message,
      )
      return { ...timeline, outgoing }
    }
    case 'message': {
      const { type: _, ...message } = frame
      const answered = message.from.kind === 'agent' ? message.reply_to : undefined
      return {
        ...timeline,
        messages: insert(timeline.messages, message),
        outgoing: timeline.outgoing.filter((own) => own.id !== message.id),
        streams: answered === undefined ? timeline.streams : without(timeline.streams, answered),
      }
    }
    case 'presence':
      return { ...timeline, agents: frame.agents }
    case 'state': {
      const streams = ended(timeline.streams, frame)
      const at = find(timeline.messages, frame.seq)
      const message = timeline.messages[at]
      if (message?.seq !== frame.seq) return streams === timeline.streams ? timeline : { ...timeline, streams }
      const { reason: _, ...rest } = message
      const changed = { ...rest, state: frame.state, ...(frame.reason === undefined ? {} : { reason: frame.reason }) }
      return { ...timeline, messages: splice(timeline.messages, at, 1, changed), streams }
    }
    case 'welcome':
      return reduceWelcome(timeline, frame)
    case 'restream':
    case 'stop':
    case 'unknown':
      return timeline
  }
}

/** What was said before a failure stays; an answer takes the place of its pieces, also one without words. */
function ended(streams: Timeline['streams'], { seq, state }: { seq: Seq; state: State }): Timeline['streams'] {
  const stream = streams[seq]
  if (stream === undefined) return streams
  if (state === 'replied') return without(streams, seq)
  return isOver(state) ? { ...streams, [seq]: { ...stream, live: false } } : streams
}

/** Whether a question in this state will not be answered, or its answer did not get to where it was asked. */
export function isOver(state: State | undefined): boolean {
  return state === 'failed' || state === 'expired'
}

/** Offset 0 replaces what is shown; a later one cuts to `offset` and appends; beyond the end it is dropped. */
function reduceDelta(timeline: Timeline, delta: { reply_to: Seq; offset: number; text: string }): Timeline {
  // A piece that was under way when the final answer arrived must not open the stream again.
  if (timeline.messages.some((message) => message.reply_to === delta.reply_to && message.from.kind === 'agent'))
    return timeline
  // Nor one that comes after its question was stopped, or answered without words.
  const question = timeline.messages[find(timeline.messages, delta.reply_to)]
  if (question?.seq === delta.reply_to && (isOver(question.state) || question.state === 'replied')) return timeline
  const shown = timeline.streams[delta.reply_to]?.text ?? ''
  if (delta.offset > shown.length) return timeline
  const text = shown.slice(0, delta.offset) + delta.text
  return { ...timeline, streams: { ...timeline.streams, [delta.reply_to]: { text, live: true } } }
}

function reduceWelcome(timeline: Timeline, frame: ServerFrame & { type: 'welcome' }): Timeline {
  const { epoch } = parseCursor(frame.cursor)
  const { resumed } = frame
  switch (resumed.outcome) {
    case 'continued':
      return { ...timeline, epoch }
    case 'gap':
      if (resumed.reason === 'epoch') return begin(timeline, epoch, resumed.to)
      // Restored from an older copy: what the relay no longer has, nobody may be shown.
      if (resumed.reason === 'ahead') {
        const kept = timeline.messages.filter((message) => message.seq < resumed.from || message.seq > resumed.to)
        const streams = Object.fromEntries(
          Object.entries(timeline.streams).filter(([seq]) => Number(seq) < resumed.from),
        )
        return { ...timeline, epoch, messages: kept, streams }
      }
      return {
        ...timeline,
        epoch,
        gaps: [...timeline.gaps, { from: resumed.from, to: resumed.to, reason: resumed.reason }],
      }
    case 'started':
      return begin(timeline, epoch, resumed.after)
  }
}

/** A new timeline, or one whose connection to what is shown is not known: only what was never sent survives. */
function begin(timeline: Timeline, epoch: number, start: Seq): Timeline {
  return {
    ...EMPTY,
    agents: timeline.agents,
    epoch,
    outgoing: timeline.outgoing.filter((message) => message.seq === undefined),
    start,
  }
}

/** Puts a message at its place; one that is there already is replaced, for the relay knows its state better. */
function insert(messages: readonly Envelope[], message: Envelope): readonly Envelope[] {
  const at = find(messages, message.seq)
  return splice(messages, at, messages[at]?.seq === message.seq ? 1 : 0, message)
}

function has(messages: readonly Envelope[], seq: Seq): boolean {
  return messages[find(messages, seq)]?.seq === seq
}

/** `Array.toSpliced`, which the mini program's engine lacks. */
function splice(messages: readonly Envelope[], at: number, removed: number, message: Envelope): readonly Envelope[] {
  return [...messages.slice(0, at), message, ...messages.slice(at + removed)]
}

/** The place of `seq`, or where it would be. */
function find(messages: readonly Envelope[], seq: Seq): number {
  let low = 0
  let high = messages.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (messages[middle]!.seq < seq) low = middle + 1
    else high = middle
  }
  return low
}

function without(streams: Timeline['streams'], seq: Seq): Timeline['streams'] {
  if (!(seq in streams)) return streams
  const { [seq]: _, ...rest } = streams
  return rest
}
