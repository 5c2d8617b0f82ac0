// Who is signed in here: one person for all pages of this tab.

import { ref, shallowRef } from 'vue'

import type { UploadEvents } from './browser'
import { isReadable, sendBytes, sessionSurroundings, tabStorage } from './browser'
import { call, Refused, Unreachable } from './lib/api'
import { file } from './lib/codec'
import { uploadPath } from './lib/files'
import type { File } from './lib/frame'
import { forgetPlace } from './lib/place'
import type { SignedOutWhy, User } from './lib/session'
import { SESSION_KEY, SessionKeeper } from './lib/session'
import { saveUnsent } from './lib/unsent'

export const session = new SessionKeeper(sessionSurroundings, (now, because) => {
  user.value = now
  why.value = because
  // Signed out by a person: nothing of theirs stays in this tab.
  if (now === null && (because === 'new' || because === 'deleted')) {
    saveUnsent(tabStorage, '', [])
    forgetPlace(tabStorage)
  }
})
export const user = shallowRef<User | null>(session.user)
/** Why nobody is signed in. */
export const why = ref<SignedOutWhy>('new')
export const { request } = session

/** Nothing can be read there: it was moved or deleted since it was chosen, or is a folder. */
export class Unreadable extends Error {}

/** Uploads a file. Rejects with `Refused`, `Unreachable` or `Unreadable`. */
export async function upload(name: string, bytes: Blob, on: UploadEvents): Promise<File> {
  const path = uploadPath(name)
  try {
    const ask = () => session.authorised((bearer) => sendBytes(path, bytes, bearer, on))
    return file(await call<unknown>(ask, 'POST', path))
  } catch (error) {
    if (error instanceof Unreachable && !(await isReadable(bytes))) throw new Unreadable(name)
    throw error
  }
}

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
