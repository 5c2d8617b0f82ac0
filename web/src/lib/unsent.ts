// Messages that the relay has not accepted yet, kept where a reload finds them: a phone reloads tabs without asking.

import type { Outgoing } from './timeline'
import type { Storage } from './token'

/** What was kept under this sign-in; nothing when it was another's, or cannot be read. */
export function loadUnsent(storage: Storage, token: string): Outgoing[] {
  try {
    const kept = JSON.parse(storage.getItem(KEY) ?? 'null') as Kept | null
    return kept?.token === token ? kept.messages : []
  } catch {
    return []
  }
}

/** Keeps those that were neither accepted nor refused. */
export function saveUnsent(storage: Storage, token: string, outgoing: readonly Outgoing[]): void {
  const messages = outgoing.filter((message) => message.seq === undefined && message.refused === undefined)
  if (messages.length === 0) storage.removeItem(KEY)
  else storage.setItem(KEY, JSON.stringify({ token, messages } satisfies Kept))
}

interface Kept {
  token: string
  messages: Outgoing[]
}

const KEY = 'claw-relay.unsent'
