// Messages that the relay has not accepted yet, kept where a reload finds them: a phone reloads tabs without asking.

import type { Storage } from './storage'
import type { Outgoing } from './timeline'

/** What this user left here; nothing when it was another's, or cannot be read. */
export function loadUnsent(storage: Storage, user: string): Outgoing[] {
  try {
    const kept = JSON.parse(storage.getItem(KEY) ?? 'null') as Kept | null
    return kept?.user === user ? kept.messages : []
  } catch {
    return []
  }
}

/** Keeps those that were neither accepted nor refused. */
export function saveUnsent(storage: Storage, user: string, outgoing: readonly Outgoing[]): void {
  const messages = outgoing.filter((message) => message.seq === undefined && message.refused === undefined)
  if (messages.length === 0) storage.removeItem(KEY)
  else storage.setItem(KEY, JSON.stringify({ user, messages } satisfies Kept))
}

interface Kept {
  user: string
  messages: Outgoing[]
}

const KEY = 'claw-relay.unsent'
