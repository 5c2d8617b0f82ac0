// Who is signed in here: one person for all pages of this tab.

import { ref, shallowRef } from 'vue'

import { sessionSurroundings, tabStorage } from './browser'
import { Refused, Unreachable } from './lib/api'
import type { SignedOutWhy, User } from './lib/session'
import { SESSION_KEY, SessionKeeper } from './lib/session'
import { saveUnsent } from './lib/unsent'

export const session = new SessionKeeper(sessionSurroundings, (now, because) => {
  user.value = now
  why.value = because
  // Signed out by a person: nothing of theirs stays in this tab.
  if (now === null && (because === 'new' || because === 'deleted')) saveUnsent(tabStorage, '', [])
})
export const user = shallowRef<User | null>(session.user)
/** Why nobody is signed in. */
export const why = ref<SignedOutWhy>('new')
export const { request } = session

export async function signOut(): Promise<void> {
  try {
    await session.leave()
  } catch (error) {
    // Here nobody is signed in any more; the relay lets a session run out that it could not be told to end.
    if (!(error instanceof Refused || error instanceof Unreachable)) throw error
  }
}

addEventListener('storage', (event) => {
  // Without a key, all of it was cleared.
  if (event.key === SESSION_KEY || event.key === null) session.storageChanged()
})
