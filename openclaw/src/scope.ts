// OpenClaw 2026.9.6 starts a channel inside the request that asked for it (`plugins install`, `plugins reload`), and every
// turn of the channel inherits that caller: once the command line has ended, approvals and the message tool fail with
// "Gateway client authority closed". This finds a way out of it.

import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { getPluginRuntimeGatewayRequestScope } from 'openclaw/plugin-sdk/plugin-runtime'

type Run = <T>(what: () => T) => T

/**
 * A context that no request owns: the gateway's own HTTP server handles a request of ours in one. `null` if there is no
 * way there.
 */
export async function outsideRequest(port: number): Promise<Run | null> {
  if (getPluginRuntimeGatewayRequestScope()?.client === undefined) return (what) => what()
  return new Promise((resolve) => {
    const done = (run: Run | null) => {
      clearTimeout(timer)
      unsubscribe(EVENT, inServer)
      resolve(run)
    }
    const inServer = () => {
      const run = AsyncLocalStorage.snapshot() as Run
      if (run(() => getPluginRuntimeGatewayRequestScope()?.client) === undefined) done(run)
    }
    const timer = setTimeout(() => done(null), FOUND_WITHIN_MS)
    subscribe(EVENT, inServer)
    // Whatever is answered: the request as such is what counts, and the timer ends the search.
    fetch(`http://127.0.0.1:${port}/healthz`).catch(() => {})
  })
}

const EVENT = 'http.server.request.start'
const FOUND_WITHIN_MS = 3_000
