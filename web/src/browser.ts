// The browser, as `lib/` wants it: the only file that touches sockets, fetch, storage and randomness.

import type { Request } from './lib/api'
import { socketAddress } from './lib/api'
import type { Surroundings } from './lib/client'
import type { Storage } from './lib/token'

/** `localStorage`, or memory where a browser forbids it (private windows, embedded views). */
export const browserStorage: Storage = storage(() => localStorage)

/** The same for this tab alone: it outlives a reload, not the tab. */
export const tabStorage: Storage = storage(() => sessionStorage)

export function browserRequest(token: string, onUnauthorized: () => void): Request {
  return async (method, path) => {
    const response = await fetch(path, { method, headers: { authorization: `Bearer ${token}` }, cache: 'no-store' })
    if (response.status === 401) onUnauthorized()
    return { status: response.status, body: await response.json().catch(() => undefined) }
  }
}

export function browserSurroundings(request: Request): Surroundings {
  return {
    now: () => Date.now(),
    random: () => Math.random(),
    after: (ms, run) => setTimeout(run, ms),
    cancel: (timer) => clearTimeout(timer as number | undefined),
    address: () => socketAddress(request, location.origin),
    open(url, subprotocol, on) {
      const socket = new WebSocket(url, subprotocol)
      socket.onopen = () => on.opened()
      socket.onmessage = (event: MessageEvent<unknown>) => {
        if (typeof event.data === 'string') on.received(event.data)
      }
      socket.onclose = (event) => on.closed(event.code)
      return {
        send: (text) => {
          if (socket.readyState === WebSocket.OPEN) socket.send(text)
        },
        close: () => socket.close(),
      }
    },
  }
}

/** An id for a new message. Not `crypto.randomUUID`: pages served over plain HTTP in a LAN do not have it. */
export function newMessageId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12))
  return `m-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

export async function copyText(text: string): Promise<void> {
  // The clipboard API exists in secure contexts only.
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  const area = document.createElement('textarea')
  area.value = text
  area.style.cssText = 'position:fixed;opacity:0'
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}

function storage(choose: () => Storage): Storage {
  try {
    choose().getItem('claw-relay')
    return choose()
  } catch {
    const memory = new Map<string, string>()
    return {
      getItem: (key) => memory.get(key) ?? null,
      setItem: (key, value) => void memory.set(key, value),
      removeItem: (key) => void memory.delete(key),
    }
  }
}
