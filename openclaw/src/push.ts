// A message that answers nothing: by HTTP, so that it goes from processes without a connection too, such as
// `openclaw message send` (docs/protocol.md §9, `POST /v1/messages`).

import { randomUUID } from 'node:crypto'
import type { Button, File } from '../../web/src/lib/frame'
import type { Account } from './account'
import type { Around } from './files'
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
  for (let tries = 1; ; tries++) {
    const trouble = await attempt(account, message, key, around, signal)
    if (trouble === null) return `push:${key}`
    if (tries === TRIES_MAX) throw new Error(`${trouble}, ${TRIES_MAX} times in a row`)
    await new Promise<void>((resolve) => around.after(around.random() * RETRY_MS * 2 ** tries, resolve))
    signal?.throwIfAborted()
  }
}

/** `null`: the relay has it. Or why to try again. */
async function attempt(
  account: Account,
  { conversation, text, files = [], buttons = [] }: Push,
  key: string,
  around: Around,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const limit = AbortSignal.timeout(ANSWER_WITHIN_MS)
  let response: Response
  try {
    response = await around.fetch(`${account.relayUrl}/v1/messages`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${account.token}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({
        text: bounded(text),
        conversation,
        ...(files.length > 0 && { files }),
        ...(buttons.length > 0 && { buttons }),
      }),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    })
    if (response.ok) return null
  } catch (error) {
    signal?.throwIfAborted()
    return `the relay at ${account.relayUrl} did not take the message (${error instanceof Error ? error.message : error})`
  }
  const { detail } = (await response.json().catch(() => ({}))) as { detail?: string }
  const said = `HTTP ${response.status}${detail ? `: ${detail}` : ''}`
  if (response.status === 404 || response.status === 405) {
    throw new Error(
      `the relay at ${account.relayUrl} takes no messages of an agent's own into ${conversation} (${said}): if that conversation exists, update the relay`,
    )
  }
  if (response.status >= 500 || response.status === 429) return `the relay at ${account.relayUrl} answered ${said}`
  throw new Error(`the relay at ${account.relayUrl} refused the message: ${said}`)
}

const ANSWER_WITHIN_MS = 15_000
const RETRY_MS = 250
const TRIES_MAX = 3
