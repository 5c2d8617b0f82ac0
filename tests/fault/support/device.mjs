// A device: records the timeline as it comes, asks questions, and puts answers together from their pieces.

import { answerTo } from '../../e2e/support/model.mjs'
import { Peer } from './peer.mjs'

export class Device extends Peer {
  /** Every message, in the order of its arrival: { seq, id, conversation, reply_to, text }. */
  timeline = []
  /** seq of a question → its state. */
  states = new Map()
  /** seq of a question → the answer as shown while it is made. */
  streams = new Map()
  deltas = 0
  /** seqs of the questions in the timeline that have no answer there. */
  open = new Set()
  /** Questions by id, in the order asked: { conversation, text, seq }. */
  asked = new Map()
  refusals = []
  /** Told of every message. */
  onMessage = () => {}
  #texts = new Map()

  /** Asks; repeated until accepted. */
  ask(id, text, conversation) {
    const question = { id, text, conversation, seq: null, sentAt: performance.now() }
    this.asked.set(id, question)
    this.send({ type: 'send', id, text, conversation })
    return question
  }

  /** How many were asked and not accepted. */
  get unaccepted() {
    return [...this.asked.values()].filter((question) => question.seq === null).length
  }

  hello() {
    const forgets = this.options.broken === 'device-forgets'
    return { capabilities: ['deltas'], last: 500, ...(forgets && { cursor: undefined }) }
  }

  welcomed() {
    const open = [...this.asked.values()].filter((question) => question.seq === null)
    this.send(...open.map(({ id, text, conversation }) => ({ type: 'send', id, text, conversation })))
  }

  message({ seq, id, conversation, reply_to, text, state }) {
    this.timeline.push({ seq, id, conversation, reply_to, text })
    this.#texts.set(seq, text)
    if (state) this.states.set(seq, state)
    if (reply_to) {
      this.streams.delete(reply_to)
      this.open.delete(reply_to)
    } else {
      this.open.add(seq)
    }
    this.onMessage(this.timeline.at(-1))
  }

  refused({ code, detail, id }) {
    if (code === 'stalled') return
    if (!id || code !== 'queue_full') return this.fault(`error ${code}: ${detail}`)
    this.refusals.push({ code, id })
    // Later there may be room.
    const { text, conversation } = this.asked.get(id)
    setTimeout(() => this.send({ type: 'send', id, text, conversation }), QUEUE_FULL_MS)
  }

  other(frame) {
    if (frame.type === 'accepted') {
      const question = this.asked.get(frame.id)
      if (!question) return this.fault(`accepted what was never asked: ${frame.id}`)
      if (question.seq !== null && question.seq !== frame.seq) this.fault(`accepted twice with other seqs: ${frame.id}`)
      question.seq = frame.seq
    } else if (frame.type === 'state') {
      this.states.set(frame.seq, frame.state)
    } else if (frame.type === 'delta') {
      this.#delta(frame)
    }
  }

  #delta({ reply_to, offset, text }) {
    this.deltas += 1
    const shown = this.streams.get(reply_to) ?? ''
    if (offset > shown.length) return
    const next = shown.slice(0, offset) + text
    this.streams.set(reply_to, next)
    const question = this.#texts.get(reply_to)
    const expected = question === undefined ? next : answerTo(question)
    if (!expected.startsWith(next) && !next.startsWith(expected)) {
      this.fault(`shows what is not the answer to ${reply_to}: ${next.slice(0, 80)}`)
    }
  }
}

const QUEUE_FULL_MS = 500
