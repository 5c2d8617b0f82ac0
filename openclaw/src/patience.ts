// Calls to the relay that are made again while what went wrong may pass.

import type { Clock } from './clock'

export interface Around extends Pick<Clock, 'after'> {
  fetch: typeof fetch
  random(): number
}

/** Another try would end the same. */
export class Refused extends Error {}

/** Tries until it is done, or refused, or has failed `TRIES_MAX` times; each try takes at most `withinMs`. */
export async function patiently<T>(
  around: Around,
  signal: AbortSignal | undefined,
  withinMs: number,
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    const limit = AbortSignal.timeout(withinMs)
    try {
      return await attempt(signal ? AbortSignal.any([signal, limit]) : limit)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof Refused || tries === TRIES_MAX) throw error
    }
    await new Promise<void>((resolve) => around.after(around.random() * RETRY_MS * 2 ** tries, resolve))
    signal?.throwIfAborted()
  }
}

/** What the relay says that did not do it. */
export async function saidBy(response: Response): Promise<string> {
  const { detail } = (await response.json().catch(() => ({}))) as { detail?: string }
  return `HTTP ${response.status}${detail ? `: ${detail}` : ''}`
}

export function mayPass({ status }: Response): boolean {
  return status >= 500 || status === 429
}

const RETRY_MS = 250
export const TRIES_MAX = 3
