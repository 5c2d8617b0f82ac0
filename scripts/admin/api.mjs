// One request to the relay's API.

import { setTimeout as sleep } from 'node:timers/promises'
import { Fix } from '../lib/say.mjs'
import { REFUSED, SIGN_IN, TRY_LATER } from './exit.mjs'

/** What the relay answered that is not what was asked for. */
export class Refused extends Fix {
  constructor(status, { type = '', title = `HTTP ${status}`, detail = '' }) {
    const later = status === 429 || status >= 500
    super([title, detail].filter(Boolean).join(': '), status === 401 ? SIGN_IN : later ? TRY_LATER : REFUSED)
    this.status = status
    this.code = type.replace('/errors/', '')
    this.detail = detail
  }
}

/**
 * Asks the relay at `url`, and answers the body (JSON, or nothing). A refusal is a Refused; of one that comes too often
 * the next try is waited for.
 * @param {{ url: string, token?: string, method: string, path: string, body?: unknown, key?: string }} asked
 *   `key`: the Idempotency-Key, with which a POST whose answer was lost may be sent again.
 */
export async function request({ url, token, method, path, body, key }) {
  const init = {
    method,
    // A relay redirects nothing: whatever does is not to see a token.
    redirect: 'error',
    headers: {
      'user-agent': 'claw-relay admin',
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key && { 'idempotency-key': key }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  }
  const isSafe = method !== 'POST' || key !== undefined
  for (let tries = 1; ; tries += 1) {
    let response
    try {
      response = await fetch(url + path, { ...init, signal: AbortSignal.timeout(ANSWER_MS_MAX) })
      const text = await response.text()
      if (response.ok) return text ? read(text, url) : undefined
      const refused = new Refused(response.status, problem(text))
      if (refused.code !== 'rate_limited' || tries > TRIES_MAX) throw refused
      const seconds = Math.min(Number(response.headers.get('retry-after')) || 1, WAIT_S_MAX)
      console.error(`${refused.message}; waiting ${seconds} s`)
      await sleep(seconds * 1000)
    } catch (error) {
      if (error instanceof Fix) throw error
      const cause = error.cause?.code ?? error.cause?.message ?? error.message
      // Nobody was there, so nothing was done; otherwise it may have been done.
      const isGone = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'].includes(cause)
      if (isGone || !isSafe || tries > 1) {
        const hint = isGone ? 'is the address right, and the relay running?' : 'try again'
        throw new Fix(`${url} does not answer (${cause}): ${hint}`, TRY_LATER)
      }
      await sleep(500)
    }
  }
}

function read(text, url) {
  try {
    return JSON.parse(text)
  } catch {
    throw new Fix(`${url} answers something else than a relay would: is the address right?`, REFUSED)
  }
}

function problem(text) {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

const ANSWER_MS_MAX = 60_000
const TRIES_MAX = 5
const WAIT_S_MAX = 60
