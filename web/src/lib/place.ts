// Where a person is in the chat: the open conversation, and what was begun in each. Kept where a reload finds it: a phone
// reloads tabs without asking.

import type { Storage } from './storage'

export interface Place {
  conversation: string
  /** What is being written, by conversation. */
  texts: Record<string, string>
}

/** Where this user was here; null when it was another one, or cannot be read. */
export function loadPlace(storage: Storage, user: string): Place | null {
  try {
    const kept = JSON.parse(storage.getItem(KEY) ?? 'null') as (Partial<Place> & { user?: string }) | null
    if (kept?.user !== user || typeof kept.conversation !== 'string') return null
    const texts = Object.entries(kept.texts ?? {}).filter(([, text]) => typeof text === 'string')
    return { conversation: kept.conversation, texts: Object.fromEntries(texts) }
  } catch {
    return null
  }
}

export function savePlace(storage: Storage, user: string, { conversation, texts }: Place): void {
  const begun = Object.entries(texts).filter(([, text]) => text !== '')
  try {
    storage.setItem(KEY, JSON.stringify({ user, conversation, texts: Object.fromEntries(begun) }))
  } catch {
    // More than a browser stores for a page (some MB): it stays on the screen, and an older copy must not come back.
    storage.removeItem(KEY)
  }
}

export function forgetPlace(storage: Storage): void {
  storage.removeItem(KEY)
}

const KEY = 'claw-relay.place'
