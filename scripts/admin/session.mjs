// Who is signed in where: kept in one file that its owner alone may read, and refreshed in time.

import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fix } from '../lib/say.mjs'
import { Refused, request } from './api.mjs'
import { SIGN_IN, USAGE } from './exit.mjs'

const STATE = join(process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'claw-relay', 'admin.json')
const LOCK = `${STATE}.lock`

/** Keeps a session: from now on commands go to that relay. */
export function keep(url, session) {
  return locked(() => {
    const state = load()
    state.current = url
    state.relays[url] = session
    save(state)
  })
}

/** Forgets the session at a relay, and answers what it was. */
export function forget(url) {
  return locked(() => {
    const state = load()
    const session = state.relays[url]
    delete state.relays[url]
    if (state.current === url) state.current = Object.keys(state.relays)[0]
    save(state)
    return session
  })
}

/** The session at a relay, if there is one. */
export function kept(url) {
  return load().relays[url]
}

/**
 * The relay that commands go to: `ask(method, path, body)` answers what it says.
 * @param {string | undefined} relay its address, when it is not the one that was signed in to last
 */
export function connect(relay) {
  const url = relay === undefined ? load().current : address(relay)
  if (url === undefined) throw new Fix('nobody is signed in: npm run admin -- sign-in <url>', SIGN_IN)
  if (!kept(url)) throw new Fix(`nobody is signed in at ${url}: npm run admin -- sign-in ${url}`, SIGN_IN)
  const ask = async (method, path, body) => {
    const asked = { url, method, path, body, key: method === 'POST' ? randomUUID() : undefined }
    const token = await accessToken(url)
    try {
      return await request({ ...asked, token })
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error
      // The clock here may be wrong: another token, once. Whoever was signed out hears so there.
      return request({ ...asked, token: await accessToken(url, token) })
    }
  }
  return { url, ask }
}

/** The address of a relay as it is kept: without a path, and encrypted unless it is this machine. */
export function address(text) {
  let url
  try {
    url = new URL(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`)
  } catch {
    throw new Fix(`${text}: not an address; like https://claw-relay.example.workers.dev`, USAGE)
  }
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isHere)) {
    throw new Fix(`${url.origin}: use https://, or what signs you in can be read on the way`, USAGE)
  }
  return url.origin
}

/** An access token that lasts a while, and is not `not`. */
async function accessToken(url, not) {
  const isGood = (session) => session.access_token !== not && session.expires_at_ms > Date.now() + EARLY_MS
  const session = kept(url)
  if (session && isGood(session)) return session.access_token
  // One at a time: a refresh token that is used twice ends the session.
  return locked(async () => {
    const state = load()
    const ended = () => new Fix(`the session at ${url} has ended: npm run admin -- sign-in ${url}`, SIGN_IN)
    const before = state.relays[url]
    if (!before) throw ended()
    if (isGood(before)) return before.access_token
    let session
    try {
      const body = { refresh_token: before.refresh_token }
      session = await request({ url, method: 'POST', path: '/v1/auth/refresh', body })
    } catch (error) {
      throw error.status === 401 ? ended() : error
    }
    state.relays[url] = session
    save(state)
    return session.access_token
  })
}

function load() {
  let text
  try {
    if ((statSync(STATE).mode & 0o077) !== 0) {
      throw new Fix(`${STATE} can be read by others: chmod 600 it, or delete it and sign in again`, SIGN_IN)
    }
    text = readFileSync(STATE, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return { current: undefined, relays: {} }
    throw error
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new Fix(`${STATE} is broken: delete it and sign in again`, SIGN_IN)
  }
}

/** Whole or not at all, whatever happens meanwhile. */
function save(state) {
  const fresh = `${STATE}.${process.pid}`
  writeFileSync(fresh, JSON.stringify(state), { mode: 0o600 })
  chmodSync(fresh, 0o600)
  renameSync(fresh, STATE)
}

/** Does something while no other command does. */
async function locked(act) {
  mkdirSync(dirname(STATE), { recursive: true, mode: 0o700 })
  const deadline = Date.now() + LOCK_MS_MAX
  for (;;) {
    try {
      closeSync(openSync(LOCK, 'wx', 0o600))
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    // Whoever held it longer than a request may take was killed.
    if (Date.now() > deadline) rmSync(LOCK, { force: true })
    await sleep(20)
  }
  try {
    return await act()
  } finally {
    rmSync(LOCK, { force: true })
  }
}

const EARLY_MS = 30_000
const LOCK_MS_MAX = 90_000
