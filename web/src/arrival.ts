// What the address brought along is taken out of it at once, and kept in this tab until it is used.

import { ref } from 'vue'

import { session, signOut, user } from './account'
import { challenge, newVerifier, sessionSurroundings, tabStorage } from './browser'
import { doors } from './lib/account'
import { Refused, Unreachable } from './lib/api'
import { entrance } from './lib/entrance'
import type { Session } from './lib/session'

const INVITATION_KEY = 'claw-relay.invitation'
const OAUTH_KEY = 'claw-relay.oauth'
const PAIRING_KEY = 'claw-relay.pairing'

/** Signing in by what the address brought: under way, or why not. */
export const arriving = ref(false)
export const arrivalError = ref<{ by: 'link' | 'oauth'; error: unknown } | null>(null)
/** A link signed in somebody else than was here before. */
export const switched = ref(false)
/** The other sign-in page said no, or was begun in another tab. */
export const oauthProblem = ref<'lost' | 'refused' | null>(null)

/** A pairing code and an invitation wait until somebody is signed in, even across the way to another sign-in page. */
export const pairing = ref(tabStorage.getItem(PAIRING_KEY))
export const invitation = ref(tabStorage.getItem(INVITATION_KEY))

export function keepPairing(code: string | null): void {
  pairing.value = code
  keep(PAIRING_KEY, code)
}

export function keepInvitation(code: string | null): void {
  invitation.value = code
  keep(INVITATION_KEY, code)
}

export function arrive(): void {
  const { link, oauth, oauthRefused, pair, invitation: invited } = entrance(location.search, location.hash)
  if (pair !== undefined) keepPairing(pair)
  if (invited !== undefined) keepInvitation(invited)
  const begun = takeBegun()
  // Codes are for one use, and histories are read by others.
  if (location.search !== '' || link !== undefined) {
    history.replaceState(null, '', location.pathname + (link === undefined ? location.hash : ''))
  }
  if (link !== undefined) void signIn('link', () => doors(sessionSurroundings).link(link))
  else if (oauth && begun) {
    void signIn('oauth', () =>
      doors(sessionSurroundings).oauthFinish(begun.provider, { ...oauth, verifier: begun.verifier }),
    )
  } else if (oauth) oauthProblem.value = 'lost'
  else if (oauthRefused !== undefined) oauthProblem.value = 'refused'
}

/** Leaves for the sign-in page of this provider, which sends the browser back here. */
export async function leaveFor(provider: string): Promise<void> {
  const verifier = newVerifier()
  const { url } = await doors(sessionSurroundings).oauthStart(provider, {
    challenge: await challenge(verifier),
    redirect_uri: `${location.origin}/`,
    ...(invitation.value ? { invitation: invitation.value } : {}),
  })
  tabStorage.setItem(OAUTH_KEY, JSON.stringify({ provider, verifier }))
  location.assign(url)
}

async function signIn(by: 'link' | 'oauth', ask: () => Promise<Session>): Promise<void> {
  arriving.value = true
  arrivalError.value = null
  oauthProblem.value = null
  try {
    await welcome(await ask())
  } catch (error) {
    arrivalError.value = { by, error }
    if (!(error instanceof Refused || error instanceof Unreachable)) throw error
  } finally {
    arriving.value = false
  }
}

export async function welcome(now: Session): Promise<void> {
  const before = user.value
  // Whoever was signed in here goes: nobody could reach that session any more.
  if (before !== null) await signOut()
  keepInvitation(null)
  arrivalError.value = null
  session.begin(now)
  // A link may be anybody's: nobody should write to their agent in another one's account unawares.
  switched.value = before !== null && before.id !== now.user.id
}

// A link pasted into the address bar of this very page changes the fragment only, without a reload.
addEventListener('hashchange', () => {
  if (entrance('', location.hash).link !== undefined) arrive()
})

function takeBegun(): { provider: string; verifier: string } | null {
  const begun = tabStorage.getItem(OAUTH_KEY)
  if (location.search.includes('state=')) tabStorage.removeItem(OAUTH_KEY)
  return begun === null ? null : (JSON.parse(begun) as { provider: string; verifier: string })
}

function keep(key: string, value: string | null): void {
  if (value === null) tabStorage.removeItem(key)
  else tabStorage.setItem(key, value)
}
