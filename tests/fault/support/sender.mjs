// Someone who writes to the bot in one chat. Feishu repeats an event until it hears 200; so does this, only sooner.

import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageEvent, sign } from '../../e2e/support/feishu.mjs'

export class Sender {
  /** Every message in the order sent: { id, conversation, text, acceptedAt, tries }. */
  sent = []
  /** status (or `none`) → how often it was heard. */
  heard = {}

  /** `sender` is the writer's id on the platform, which decides whose relay it reaches. */
  constructor({ url, random, chat, sender, user }) {
    Object.assign(this, { url, random, chat, sender, user })
  }

  event(text) {
    const message = {
      id: `om_${this.chat.replace('.', '_')}_${this.sent.length}`,
      conversation: `feishu:main:${this.chat}`,
      text,
      acceptedAt: null,
      tries: 0,
    }
    const event = messageEvent(message.id, text, { chat: this.chat })
    event.event.sender.sender_id.open_id = this.sender
    this.sent.push(message)
    return { message, event }
  }

  /** Sends one message, until it is accepted or `until` says to give up. */
  async send(text, until = () => false) {
    const { message, event } = this.event(text)
    while (!message.acceptedAt && !until()) {
      const status = await this.post(event)
      message.tries += 1
      if (status === 200) message.acceptedAt = Date.now()
      else await sleep(this.random.between(20, REPEAT_MS))
    }
    return message
  }

  /** One request, as Feishu makes it: it waits 3 s for an answer. */
  async post(event) {
    const status = await post(this.url, sign(event))
    this.heard[status] = (this.heard[status] ?? 0) + 1
    return status
  }

  /** Writes one message after the other until told to stop, with pauses of up to `pauseMs`, and as long as there is `room`. */
  async write(isOver, pauseMs, { room = async () => {}, length = (random) => 3 + random.below(8) } = {}) {
    while (!isOver()) {
      const words = Array.from({ length: length(this.random) }, (_, n) => `w${n}`).join(' ')
      await this.send(`${this.chat} #${this.sent.length} ${words}`)
      await sleep(this.random.next() * pauseMs)
      await room()
    }
  }
}

/**
 * Posts a webhook and answers the status, or `none`. Not with `fetch`: when the relay is killed in the middle of a call,
 * now and then its promise is neither kept nor broken, and the signal that should end it is gone too (Node 22.23).
 */
export function post(url, { headers, body }) {
  return new Promise((resolve) => {
    const call = request(`${url}/webhook/feishu/main`, { method: 'POST', headers, agent: CONNECTIONS })
    const deadline = setTimeout(() => call.destroy(), ANSWER_MS_MAX)
    const done = (status) => {
      clearTimeout(deadline)
      resolve(status)
    }
    call.once('response', (response) => {
      response.once('end', () => done(response.statusCode))
      response.once('close', () => done('none'))
      response.once('error', () => done('none'))
      response.resume()
    })
    call.once('error', () => done('none'))
    call.once('close', () => done('none'))
    call.end(body)
  })
}

const CONNECTIONS = new Agent({ keepAlive: true })
const ANSWER_MS_MAX = 3_000
const REPEAT_MS = 150
