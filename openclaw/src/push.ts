// A message that answers nothing: by HTTP, so that it goes from processes without a connection too, such as
// `openclaw message send` (docs/protocol.md §9, `POST /v1/messages`).

import { randomUUID } from 'node:crypto'
import type { Button, File } from '../../web/src/lib/frame'
import type { Account } from './account'
import { type Around, mayPass, patiently, Refused, saidBy, TRIES_MAX } from './patience'
import { bounded } from './stream'

export interface Push {
  conversation: string
  /** May be empty beside files. */
  text: string
  files?: File[]
  buttons?: Button[]
  /** The same for every try of the same message. */
  key?: string
}

/** Sends until the relay has it, and answers the message's id; or throws what a person can act upon. */
export async function push(account: Account, message: Push, around: Around, signal?: AbortSignal): Promise<string> {
  if (account.mistake !== null) throw new Error(account.mistake)
  const key = message.key ?? randomUUID()
  try {
    await patiently(around, signal, ANSWER_WITHIN_MS, (signal) => attempt(account, message, key, around, signal))
  } catch (error) {
    throw error instanceof Passing ? new Error(`${error.message}, ${TRIES_MAX} times in a row`) : error
  }
  return `push:${key}`
}

/** Another try may end otherwise. */
class Passing extends Error {}

async function attempt(
  account: Account,
  { conversation, text, files = [], buttons = [] }: Push,
  key: string,
  around: Around,
  signal: AbortSignal,
): Promise<void> {
  const message = {
    text: bounded(text),
    conversation,
    ...(files.length > 0 && { files }),
    ...(buttons.length > 0 && { buttons }),
  }
  const headers = {
    authorization: `Bearer ${account.token}`,
    'content-type': 'application/json',
    'idempotency-key': key,
  }
  const url = `${account.relayUrl}/v1/messages`
  const response = await around
    .fetch(url, { method: 'POST', headers, body: JSON.stringify(message), signal })
    .catch((error: unknown) => {
      const why = error instanceof Error ? error.message : error
      throw new Passing(`the relay at ${account.relayUrl} did not take the message (${why})`)
    })
  if (response.ok) return
  const said = await saidBy(response)
  if (mayPass(response)) throw new Passing(`the relay at ${account.relayUrl} answered ${said}`)
  if (response.status === 404 || response.status === 405) {
    throw new Refused(
      `the relay at ${account.relayUrl} takes no messages of an agent's own into ${conversation} (${said}): if that conversation exists, update the relay`,
    )
  }
  throw new Refused(`the relay at ${account.relayUrl} refused the message: ${said}`)
}

const ANSWER_WITHIN_MS = 15_000
