// An agent: stores questions under its cursor, answers each once, and repeats an answer until it is accepted. Its
// memory outlives its connections, as the real agent's disk does.

import { setTimeout as sleep } from 'node:timers/promises'
import { answerTo } from '../../e2e/support/model.mjs'
import { Peer } from './peer.mjs'

export class Agent extends Peer {
  /** seq → { text, conversation, answer, accepted }. */
  questions = new Map()
  restreams = 0
  /** What the relay said to an answer that it did not take. */
  refusals = []
  /** Of these questions the pieces so far: what a `restream` asks for. */
  #streams = new Map()
  /** conversation → the answer that is being made there: one after the other, so that their order is that of the questions. */
  #tails = new Map()

  /**
   * `answer(question)` makes the text; `streamed` is the share of answers sent in pieces, `pieceMs` the pause between.
   * `forgetful`: keeps no cursor, and hears every open question at each hello.
   */
  constructor(options) {
    super(options)
    const defaults = { answer: answerTo, streamed: 0.3, pieceMs: 30, thinkMs: 10, forgetful: false }
    this.how = { ...defaults, ...options.how }
  }

  hello() {
    return this.how.forgetful ? { cursor: undefined } : {}
  }

  welcomed() {
    if (this.options.broken === 'agent-forgets') return
    const open = [...this.questions].filter(([, question]) => question.answer !== null && !question.accepted)
    this.send(...open.map(([seq, { answer }]) => ({ type: 'reply', reply_to: seq, text: answer })))
  }

  message({ seq, text, conversation }) {
    if (this.questions.has(seq)) {
      if (!this.how.forgetful) this.fault(`question ${seq} came again though the cursor was past it`)
      return
    }
    const question = { text, conversation, answer: null, accepted: null }
    question.done = new Promise((resolve) => (question.finish = resolve))
    this.questions.set(seq, question)
    const tail = this.#tails.get(conversation) ?? Promise.resolve()
    this.#tails.set(
      conversation,
      tail.then(() => this.#answer(seq, question)),
    )
  }

  async #answer(seq, question) {
    const { answer, streamed, pieceMs, thinkMs } = this.how
    const { random } = this.options
    const text = answer(question.text)
    await sleep(random.next() * thinkMs)
    if (random.chance(streamed)) {
      for (const piece of text.split(/(?<= )/)) {
        const shown = this.#streams.get(seq) ?? ''
        this.#streams.set(seq, shown + piece)
        this.send({ type: 'delta', reply_to: seq, offset: shown.length, text: piece })
        await sleep(random.next() * 2 * pieceMs)
      }
    }
    question.answer = text
    this.send({ type: 'reply', reply_to: seq, text })
    await question.done
    this.#streams.delete(seq)
  }

  refused({ code, detail, id }) {
    const seq = Number(id?.match(/^reply:(\d+)$/)?.[1])
    const question = this.questions.get(seq)
    if (!question) {
      if (code !== 'replaced') this.fault(`error ${code}: ${detail}`)
      return
    }
    this.refusals.push({ code, seq })
    if (['internal', 'unavailable', 'queue_full'].includes(code)) {
      const repeat = () => this.send({ type: 'reply', reply_to: seq, text: question.answer })
      setTimeout(() => question.accepted || repeat(), 200)
    } else {
      this.#finish(question, code)
    }
  }

  other(frame) {
    if (frame.type === 'accepted') {
      const question = this.questions.get(Number(frame.id.slice('reply:'.length)))
      if (!question?.answer) return this.fault(`accepted what was never said: ${frame.id}`)
      this.#finish(question, 'accepted')
    } else if (frame.type === 'restream') {
      this.restreams += 1
      const text = this.#streams.get(frame.reply_to)
      if (text !== undefined) this.send({ type: 'delta', reply_to: frame.reply_to, offset: 0, text })
    }
  }

  #finish(question, how) {
    question.accepted ??= how
    question.finish()
  }
}
