// The desk: which question is answered when, and what of it is sent. Lives as long as the account, through every
// connection and every restart of the channel. Storage, clock and the agent are passed in; docs/protocol.md §3 to §6
// say what must happen.

import { parseCursor } from '../../web/src/lib/codec'
import type { Button, ClientFrame, Envelope, File, Seq, ServerFrame } from '../../web/src/lib/frame'
import { TEXT_BYTES_MAX } from '../../web/src/lib/text'
import { BUTTONS_MAX, inWords } from './buttons'
import type { Clock, Timer } from './clock'
import { FILES_MAX } from './files'
import type { Log } from './log'
import { notSent } from './media'
import { Outbox, type Send } from './outbox'
import type { Store } from './store'
import { bounded, Stream } from './stream'

/** Whoever answers: OpenClaw. */
export interface Agent {
  /** Questions of one lane are answered one after another; `null`: at once, whatever goes on. */
  lane(question: Envelope): string | null
  /** The writer began the conversation anew: forget what was said in it. */
  renew(question: Envelope): Promise<Outcome>
  /** Answers through `turn`, and resolves when no more will come. */
  answer(question: Envelope, turn: Turn): Promise<Outcome>
}

/** `later`: the agent takes no questions at present. Or why there is no answer, in words that the writer may read. */
export type Outcome = 'over' | 'later' | { refused: string }

/** One question being answered. */
export interface Turn {
  /** Fires when nobody waits for the answer any more. */
  readonly signal: AbortSignal
  /** OpenClaw had taken it over before, and was ended: it may go on with it by itself. */
  readonly isAgain: boolean
  /** OpenClaw has taken the question over. */
  adopted(): void
  /** The answer is made in another turn of OpenClaw's, and its texts come by conversation (`Desk.say`). */
  deferred(): void
  /** What is being written, whole so far. */
  partial(text: string): void
  /** What is being done meanwhile, such as the name of a tool: gone with the next text. */
  doing(what: string): void
  /** A finished part of the answer: its text, which may be empty beside files, and what may be said to it at a press. */
  say(text: string, files?: File[], buttons?: Button[]): void
}

export class Desk {
  private readonly outbox: Outbox
  /** Received and without an answer, in order. */
  private readonly questions = new Map<Seq, Question>()
  /** Who holds each lane. A stopped question does until its turn is really over, or the next would be taken into it. */
  private readonly lanes = new Map<string, Question>()
  /** The last message received on this timeline; `null` asks for every open question. */
  private received: Seq | null = null
  private acked: Seq = 0
  private send: Send | null = null
  private isOpen = false
  /** Runs while the agent takes no questions. */
  private later: Timer | null = null

  constructor(
    private readonly store: Store,
    private readonly agent: Agent,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.outbox = new Outbox(store, clock, log)
  }

  /** The channel runs: questions are handed to the agent. */
  open(): void {
    this.isOpen = true
    if (this.later !== null) this.clock.cancel(this.later)
    this.later = null
    this.fill()
  }

  /** The channel stops. Turns that run may come to their end; what they leave unanswered waits for the next `open`. */
  pause(): void {
    this.isOpen = false
  }

  /** Another relay or another key from now on: nothing that is held here has a meaning there. */
  close(): void {
    this.pause()
    this.disconnected()
    for (const seq of [...this.questions.keys()]) this.drop(seq, 'left')
    this.store.close()
  }

  /** How many questions wait or are being answered. */
  get size(): number {
    return this.questions.size
  }

  /** What to say first on a new connection. */
  hello(client: string): ClientFrame {
    const epoch = this.store.epoch()
    const held = [...new Set([...this.store.held(), ...this.questions.keys()])].sort((a, b) => a - b)
    return {
      type: 'hello',
      ...(epoch !== null && this.received !== null && { cursor: `${epoch}.${this.received}` }),
      ...(held.length > 0 && { open: held.slice(0, HELD_MAX) }),
      client,
    }
  }

  /** `welcome` came: frames flow. */
  connected(welcome: ServerFrame & { type: 'welcome' }, send: Send): void {
    const { resumed } = welcome
    const end = parseCursor(welcome.cursor)
    const known = this.store.epoch()
    if (known !== end.epoch || (resumed.outcome === 'gap' && resumed.reason === 'epoch')) {
      if (known !== null) this.log.warn('this is another timeline: what was kept of the one before is dropped')
      this.dropFrom(0)
      this.store.begin(end.epoch)
    } else if (resumed.outcome === 'gap' && resumed.reason === 'ahead') {
      this.log.warn(`the relay was restored from an older copy: questions from ${resumed.from} on are dropped`)
      this.dropFrom(resumed.from)
    } else this.store.dropFrom(end.seq + 1)
    if (resumed.outcome !== 'gap') this.received = resumed.after
    else this.received = resumed.reason === 'ahead' ? Math.max(0, resumed.from - 1) : resumed.to
    this.acked = this.received
    this.send = send
    this.outbox.connected(send)
    for (const [seq, question] of this.questions) {
      question.stream.resend()
      this.flow(seq)
    }
  }

  disconnected(): void {
    this.send = null
    this.outbox.disconnected()
  }

  /** The relay does not know the cursor: every open question is to come again. */
  forgetCursor(): void {
    this.received = null
  }

  hear(frame: ServerFrame): void {
    switch (frame.type) {
      case 'accepted':
        return this.outbox.accepted(frame.id)
      case 'error':
        return this.outbox.refused(frame.code, frame.id)
      case 'message':
        return this.receive(frame)
      case 'restream':
        this.questions.get(frame.reply_to)?.stream.resend()
        return this.flow(frame.reply_to)
      case 'stop':
        return this.drop(frame.reply_to, 'stopped')
      default:
        return
    }
  }

  /** A text that comes by conversation, with no turn. False unless a question there waits for just that. */
  say(conversation: string, text: string, files: File[] = [], buttons: Button[] = []): boolean {
    for (const [seq, question] of this.questions) {
      if (question.envelope.conversation !== conversation || !question.isDeferred) continue
      this.turn(seq, question).say(text, files, buttons)
      return true
    }
    return false
  }

  /** A text for this conversation went to the relay another way, as a message of its own. */
  pushed(conversation: string): void {
    for (const question of this.questions.values())
      if (question.envelope.conversation === conversation && question.isRunning) question.wasPushed = true
  }

  private receive(received: Envelope): void {
    const { seq } = received
    if (this.received === null || seq <= this.received) return
    // After a `hello` without cursor every open question comes again, also those held here.
    const isHeld = this.questions.has(seq) || this.store.answer(seq) !== null
    const envelope = this.placed(received)
    if (!isHeld && envelope.from.kind === 'user') {
      this.log.info(`question ${seq} received`)
      this.questions.set(seq, new Question(envelope, this.agent.lane(envelope)))
    }
    this.received = seq
    this.acknowledge()
    this.fill()
  }

  /** What was once written in a group makes its conversation one, also for what comes from the page, which cannot say so. */
  private placed(envelope: Envelope): Envelope {
    const { conversation, from } = envelope
    if (from.kind !== 'user') return envelope
    const isKnown = this.store.isGroup(conversation)
    if (from.group && !isKnown) this.store.putGroup(conversation)
    return isKnown && !from.group ? { ...envelope, from: { ...from, group: true } } : envelope
  }

  /** Hands over every question whose lane is free. */
  private fill(): void {
    if (!this.isOpen || this.later !== null) return
    for (const [seq, question] of [...this.questions]) {
      const { lane } = question
      if (question.isRunning || (lane !== null && this.lanes.has(lane))) continue
      question.isRunning = true
      if (lane !== null) this.lanes.set(lane, question)
      void this.run(seq, question)
    }
  }

  private async run(seq: Seq, question: Question): Promise<void> {
    const began = this.clock.now()
    let outcome: Outcome
    try {
      outcome = await this.ask(seq, question)
    } catch (error) {
      this.log.error(`question ${seq}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      // A gateway that has just started may be busy with its own state. A turn that was begun is not begun again.
      const mayPass = !question.isAdopted && ++question.troubles < TROUBLES_MAX
      outcome = mayPass ? 'later' : { refused: 'OpenClaw could not take this: the log of its gateway says why' }
    }
    const isHeld = () => this.questions.get(seq) === question
    // A gateway that is being ended takes its turns along, and stops its channels next: that is no answer.
    const isEmpty = () => outcome === 'over' && question.isSilent && !question.wasPushed
    if (isHeld() && isEmpty()) await new Promise<void>((resolve) => this.clock.after(EMPTY_MS, resolve))
    if (isHeld()) {
      this.log.info(`question ${seq} took ${this.clock.now() - began} ms`)
      if (outcome === 'later' || (isEmpty() && !this.isOpen)) this.putBack(seq, question)
      else this.finish(seq, question, outcome)
    }
    this.release(question)
  }

  private async ask(seq: Seq, question: Question): Promise<Outcome> {
    const { conversation, session = 0 } = question.envelope
    if (this.store.tries(seq) >= TRIES_MAX)
      return { refused: `OpenClaw was ended ${TRIES_MAX} times while it worked on this` }
    if (session > this.store.session(conversation)) {
      const outcome = await this.agent.renew(question.envelope)
      if (outcome === 'later') return outcome
      if (outcome !== 'over') this.log.warn(`${conversation} was not begun anew: ${outcome.refused}`)
      this.store.putSession(conversation, session)
    }
    return this.agent.answer(question.envelope, this.turn(seq, question))
  }

  /** It was not begun, or not by its own fault ended: it keeps its place. */
  private putBack(seq: Seq, { envelope, lane, troubles }: Question): void {
    this.log.warn(`question ${seq} waits until OpenClaw takes it`)
    this.questions.set(seq, new Question(envelope, lane, troubles))
    this.later ??= this.clock.after(LATER_MS, () => {
      this.later = null
      this.fill()
    })
  }

  private turn(seq: Seq, question: Question): Turn {
    const change = (how: () => void) => {
      if (this.questions.get(seq) !== question) return
      how()
      question.stream.show(question.text)
      this.flow(seq)
    }
    return {
      signal: question.abort.signal,
      isAgain: this.store.tries(seq) > 0,
      adopted: () => {
        if (this.questions.get(seq) !== question || question.isAdopted) return
        this.store.try(seq)
        question.isAdopted = true
        this.acknowledge()
      },
      deferred: () => {
        question.isDeferred = true
      },
      partial: (text) => change(() => Object.assign(question, { partial: text, doing: '' })),
      doing: (what) => change(() => Object.assign(question, { doing: what })),
      say: (text, files = [], buttons = []) => change(() => question.say(text, files, buttons)),
    }
  }

  /** Sends what is due of an answer, and comes back for the rest. */
  private flow(seq: Seq): void {
    const question = this.questions.get(seq)
    if (question === undefined || question.flow !== null || this.send === null) return
    const piece = question.stream.take(this.clock.now())
    if (piece !== null) this.send({ type: 'delta', reply_to: seq, ...piece })
    const dueInMs = question.stream.dueInMs(this.clock.now())
    if (dueInMs === null) return
    question.flow = this.clock.after(dueInMs, () => {
      question.flow = null
      this.flow(seq)
    })
  }

  /** One final answer for everything that was said: the relay takes no second one. */
  private finish(seq: Seq, question: Question, outcome: Outcome): void {
    this.questions.delete(seq)
    // What a turn wrote and did not deliver is better than nothing.
    const text = question.said.join('\n\n') || question.partial
    const { files, buttons } = question
    if (text.trim() !== '' || files.length > 0) {
      this.outbox.put({
        type: 'reply',
        reply_to: seq,
        text: bounded(text),
        ...(files.length > 0 && { files }),
        ...(buttons.length > 0 && { buttons }),
      })
    } else if (typeof outcome === 'object' && !question.wasPushed) {
      this.log.warn(`question ${seq} failed: ${outcome.refused}`)
      this.outbox.put({ type: 'fail', reply_to: seq, reason: outcome.refused })
    } else {
      // The agent chose to say nothing, or said it by another way.
      this.outbox.put({ type: 'done', reply_to: seq })
    }
    this.acknowledge()
  }

  /** Nobody waits for this any more, whatever became of it. */
  private drop(seq: Seq, why: string): void {
    this.store.settle(seq)
    const question = this.questions.get(seq)
    if (question === undefined) return
    this.log.info(`question ${seq} was ${why}`)
    this.questions.delete(seq)
    question.abort.abort()
    if (question.isRunning) this.clock.after(STOP_WITHIN_MS, () => this.release(question))
    this.acknowledge()
  }

  private dropFrom(first: Seq): void {
    this.store.dropFrom(first)
    for (const seq of [...this.questions.keys()]) if (seq >= first) this.drop(seq, 'dropped')
  }

  private release(question: Question): void {
    if (question.flow !== null) this.clock.cancel(question.flow)
    question.flow = null
    if (question.lane !== null && this.lanes.get(question.lane) === question) this.lanes.delete(question.lane)
    this.fill()
  }

  /** Acknowledges what OpenClaw has taken over. Many that wait do not hold up those of other conversations. */
  private acknowledge(): void {
    if (this.send === null || this.received === null) return
    const waiting = [...this.questions].filter(([, { isAdopted }]) => !isAdopted)
    const first = waiting[0]
    const upTo = first === undefined || waiting.length >= UNADOPTED_MAX ? this.received : first[0] - 1
    if (upTo <= this.acked) return
    this.acked = upTo
    this.send({ type: 'ack', seq: upTo })
  }
}

/** What is known of a question until its answer is kept. */
class Question {
  isAdopted = false
  isDeferred = false
  isRunning = false
  wasPushed = false
  readonly said: string[] = []
  readonly files: File[] = []
  readonly buttons: Button[] = []
  partial = ''
  doing = ''
  readonly abort = new AbortController()
  readonly stream = new Stream()
  flow: Timer | null = null

  constructor(
    readonly envelope: Envelope,
    readonly lane: string | null,
    /** How often OpenClaw failed to take it. */
    public troubles = 0,
  ) {}

  say(text: string, files: File[], buttons: Button[]): void {
    const room = FILES_MAX - this.files.length
    this.files.push(...files.slice(0, room))
    const space = BUTTONS_MAX - this.buttons.length
    this.buttons.push(...buttons.slice(0, space))
    const choices = buttons.slice(space).map(inWords).join('\n')
    const unsent = files.slice(room).map(({ name }) => notSent(name, `more than ${FILES_MAX} files in one answer`))
    const left = [choices, ...unsent]
    // What is over the limit is cut anyway.
    if (this.said.join('').length <= TEXT_BYTES_MAX) this.said.push(...[text, ...left].filter((part) => part !== ''))
    this.partial = ''
    this.doing = ''
  }

  get isSilent(): boolean {
    return this.said.length === 0 && this.files.length === 0
  }

  get text(): string {
    return [...this.said, this.partial, this.doing].filter((part) => part !== '').join('\n\n')
  }
}

/** A turn that ends without a word may be the gateway's own end: so long it is given to stop its channels. */
const EMPTY_MS = 2_000
/** As docs/protocol.md §3 has it. */
const HELD_MAX = 1_000
/** How long to leave an agent alone that takes no questions at present. */
const LATER_MS = 5_000
/** How long a stopped turn may take to end before the next one begins. */
const STOP_WITHIN_MS = 10_000
/** A question that ends the gateway each time must not do so for ever. */
const TRIES_MAX = 3
/** How often OpenClaw may fail to take a question, at intervals of `LATER_MS`. */
const TROUBLES_MAX = 6
/** Questions that wait for OpenClaw, from which on they are acknowledged: the relay sends 256 beyond its last ack. */
const UNADOPTED_MAX = 128
