// One user's relay, as the chat page sees it: the client's frames run through the reducer into Vue.

import { computed, onScopeDispose, ref, shallowRef } from 'vue'

import { request, session } from '../../account'
import { browserSurroundings, newMessageId, tabStorage } from '../../browser'
import type { ConversationRow } from '../../lib/api'
import { conversations, history } from '../../lib/api'
import { answers as answersIn, pressId } from '../../lib/buttons'
import type { Status } from '../../lib/client'
import { Client } from '../../lib/client'
import { parseCursor } from '../../lib/codec'
import { items, openQuestions, summaries, WEB } from '../../lib/conversation'
import type { Button, Envelope, File, Seq, ServerFrame } from '../../lib/frame'
import type { SignedOutWhy } from '../../lib/session'
import { wellFormed } from '../../lib/text'
import type { Outgoing, TimelineEvent } from '../../lib/timeline'
import { EMPTY, isOver, reduce } from '../../lib/timeline'
import { loadUnsent, saveUnsent } from '../../lib/unsent'
import { useReplays } from './replays'

export type Earlier = 'failed' | 'loading' | 'more' | 'none'
/** Whether there is something to stop in the open conversation, and whether that is possible now. */
export type Stoppable = 'asked' | 'no' | 'offline' | 'yes'

export function useRelay(user: string, onSignedOut: (why: SignedOutWhy) => void, conversation = WEB) {
  const timeline = shallowRef(EMPTY)
  const status = ref<Status>({ state: 'connecting' })
  const rows = shallowRef<ConversationRow[]>([])
  const active = ref(conversation)
  /** Conversations whose older messages are on the way (or failed to come). */
  const fetching = ref<Record<string, 'failed' | 'loading'>>({})
  /** Per conversation: the newest message that was on the screen. */
  const seen = ref<Record<string, number>>({})
  /** What was there when the page came is history, not news. */
  const backlog = ref(0)
  /** Questions that the relay was asked to stop, over this connection. */
  const stopping = ref<Seq[]>([])

  const client = new Client(
    browserSurroundings(request, () => session.doubt()),
    { client: CLIENT, last: 100, onFrame: take, onStatus },
  )

  const { askAgain, replays } = useReplays(request)

  const summary = computed(() => summaries(timeline.value, rows.value))
  const shown = computed(() => items(timeline.value, active.value))
  const answers = computed(() => answersIn(timeline.value, active.value))
  const earlier = computed<Earlier>(() => {
    const state = fetching.value[active.value]
    if (state !== undefined) return state
    const next = timeline.value.history[active.value]
    return next === null || (next === undefined && timeline.value.start === 0) ? 'none' : 'more'
  })
  /** What was there when the page came is here; before, an empty list means nothing. */
  const ready = computed(
    () =>
      timeline.value.epoch !== null && (timeline.value.messages.at(-1)?.seq ?? timeline.value.start) >= backlog.value,
  )
  const unread = computed(() =>
    summary.value
      .filter((row) => row.id !== active.value && row.lastSeq > (seen.value[row.id] ?? Infinity))
      .map((row) => row.id),
  )

  const unanswered = computed(() => openQuestions(timeline.value, active.value))
  const stoppable = computed<Stoppable>(() => {
    if (unanswered.value.length === 0) return 'no'
    if (status.value.state !== 'online') return 'offline'
    return unanswered.value.every((seq) => stopping.value.includes(seq)) ? 'asked' : 'yes'
  })

  function apply(event: TimelineEvent): void {
    const before = timeline.value.outgoing
    timeline.value = reduce(timeline.value, event)
    if (timeline.value.outgoing !== before) saveUnsent(tabStorage, user, timeline.value.outgoing)
  }

  function take(frame: ServerFrame): void {
    apply({ type: 'frame', frame })
    if (frame.type === 'message') {
      const read = frame.conversation === active.value || frame.seq <= backlog.value
      seen.value[frame.conversation] = read ? frame.seq : (seen.value[frame.conversation] ?? frame.seq - 1)
    }
    // It goes on: should it fail once more, it can be asked once more.
    if (frame.type === 'state' && !isOver(frame.state)) delete replays.value[frame.seq]
    if (frame.type === 'welcome') {
      const continued = frame.resumed.outcome === 'continued'
      if (!continued) backlog.value = parseCursor(frame.cursor).seq
      void welcomed(continued)
    }
  }

  /** The list of conversations reaches further back than the messages that come by themselves. */
  async function welcomed(continued: boolean): Promise<void> {
    if (!continued) {
      fetching.value = {}
      replays.value = {}
      seen.value = {}
    }
    try {
      rows.value = await conversations(request)
      for (const row of rows.value) seen.value[row.id] ??= row.last_seq
    } catch {
      // Without it, the list holds the conversations of the messages at hand; the next connection tries again.
    }
    fill()
  }

  function onStatus(now: Status): void {
    status.value = now
    // What was asked over a connection that is gone may never have arrived: it can be asked again.
    stopping.value = []
    if (now.state !== 'stopped') return
    if (now.why === 'unauthorized') onSignedOut('revoked')
    if (now.why === 'forbidden') onSignedOut('forbidden')
  }

  function open(conversation: string): void {
    active.value = conversation
    seen.value[conversation] = summary.value.find((row) => row.id === conversation)?.lastSeq ?? 0
    fill()
  }

  /** A conversation that was quiet lately may have nothing among the newest messages: fetch its own. */
  function fill(): void {
    if (shown.value.length < FEW && earlier.value === 'more' && timeline.value.history[active.value] === undefined)
      void loadEarlier()
  }

  async function loadEarlier(): Promise<void> {
    const conversation = active.value
    const { epoch, start } = timeline.value
    if (epoch === null || fetching.value[conversation] === 'loading') return
    const before = timeline.value.history[conversation] ?? `${epoch}.${start + 1}`
    fetching.value[conversation] = 'loading'
    try {
      const page = await history(request, conversation, before)
      // Meanwhile the timeline may have been replaced by another one.
      if (timeline.value.epoch !== epoch) return
      apply({ type: 'history', conversation, ...page })
      delete fetching.value[conversation]
    } catch {
      fetching.value[conversation] = 'failed'
    }
  }

  function send(conversation: string, text: string, files: File[]): void {
    const beside = files.length > 0 ? { files } : {}
    transmit({ id: newMessageId(), conversation, text: wellFormed(text), ...beside, at_ms: Date.now() })
  }

  /** Answers a message by what a button under it says; once, however fast one presses. */
  function press({ conversation, seq }: Envelope, { text }: Button): void {
    if (answers.value.has(seq)) return
    transmit({ id: pressId(seq), conversation, text: wellFormed(text), at_ms: Date.now() })
  }

  function sendAgain({ refused: _, ...message }: Outgoing): void {
    transmit({ ...message, at_ms: Date.now() })
  }

  function transmit(message: Outgoing): void {
    const { id, conversation, text, files } = message
    const sent = client.send({ id, conversation, text, ...(files ? { files } : {}) })
    apply({ type: 'sending', message: sent ? message : { ...message, refused: 'text_too_long' } })
  }

  function stop(): void {
    stopping.value = unanswered.value.filter((seq) => client.stop(seq))
  }

  function discard(id: string): void {
    apply({ type: 'dropped', id })
  }

  /** A person asks: that also revives a connection which another one replaced. */
  function retry(): void {
    if (status.value.state === 'stopped') client.start()
    else client.wake()
  }

  const wake = () => client.wake()
  const wakeIfVisible = () => {
    if (!document.hidden) client.wake()
  }
  // Unsent messages outlive a reload, but not the tab: the browser asks before it closes.
  const warn = (event: BeforeUnloadEvent) => {
    if (timeline.value.outgoing.some((message) => message.seq === undefined && message.refused === undefined))
      event.preventDefault()
  }
  addEventListener('beforeunload', warn)
  addEventListener('offline', wake)
  addEventListener('online', wake)
  document.addEventListener('visibilitychange', wakeIfVisible)
  onScopeDispose(() => {
    removeEventListener('beforeunload', warn)
    removeEventListener('offline', wake)
    removeEventListener('online', wake)
    document.removeEventListener('visibilitychange', wakeIfVisible)
    client.leave()
  })
  for (const message of loadUnsent(tabStorage, user)) transmit(message)
  client.start()

  return {
    active,
    agents: computed(() => timeline.value.agents),
    answers,
    askAgain,
    discard,
    earlier,
    loadEarlier,
    open,
    press,
    ready,
    replays,
    retry,
    send,
    sendAgain,
    shown,
    status,
    stop,
    stoppable,
    summary,
    unread,
  }
}

const CLIENT = 'web/0.1.0'
const FEW = 12
