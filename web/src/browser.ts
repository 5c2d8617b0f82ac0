// The browser, as `lib/` wants it: the only file that touches sockets, fetch, storage and randomness.

import type { Answer, Request } from './lib/api'
import { socketAddress, Unreachable } from './lib/api'
import type { Surroundings } from './lib/client'
import type { Call, SessionSurroundings } from './lib/session'
import type { Storage } from './lib/storage'

/** `localStorage`, or memory where a browser forbids it (private windows, embedded views). */
export const browserStorage: Storage = storage(() => localStorage)

/** The same for this tab alone: it outlives a reload, not the tab. */
export const tabStorage: Storage = storage(() => sessionStorage)

/** One request. Rejects with `Unreachable` only. */
async function send({ method, path, body, bearer, idempotencyKey }: Call): Promise<Answer> {
  const headers: Record<string, string> = {}
  if (bearer !== undefined) headers.authorization = `Bearer ${bearer}`
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey
  let response: Response
  let text: string
  try {
    response = await fetch(path, {
      method,
      headers,
      cache: 'no-store',
      // One that never ends would keep the lock of all tabs.
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    text = await response.text()
  } catch (cause) {
    throw new Unreachable(path, { cause })
  }
  return answer(response.status, text, response.headers.get('retry-after'))
}

function answer(status: number, text: string, retryAfter: string | null): Answer {
  const retryAfterS = Number(retryAfter)
  return { status, body: json(text), ...(retryAfterS > 0 ? { retryAfterS } : {}) }
}

/** Where an upload reports to, and what ends it. */
export interface UploadEvents {
  /** From 0 to 1. */
  progress(share: number): void
  signal: AbortSignal
}

/** Uploads bytes. Not by `fetch`, which does not tell how far it has come. Rejects with `Unreachable` only. */
export function sendBytes(path: string, bytes: Blob, bearer: string, on: UploadEvents): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const upload = new XMLHttpRequest()
    const abort = () => upload.abort()
    let silence: ReturnType<typeof setTimeout>
    // A large file on a slow line takes its minutes: what is limited is how long nothing happens.
    const heard = () => {
      clearTimeout(silence)
      silence = setTimeout(abort, REQUEST_MS_MAX)
    }
    upload.upload.onprogress = ({ loaded }) => {
      heard()
      on.progress(Math.min(1, loaded / bytes.size))
    }
    upload.onload = () => resolve(answer(upload.status, upload.responseText, upload.getResponseHeader('retry-after')))
    upload.onloadend = () => {
      clearTimeout(silence)
      on.signal.removeEventListener('abort', abort)
      // After an answer this has no effect.
      reject(new Unreachable(path))
    }
    upload.open('POST', path)
    upload.setRequestHeader('authorization', `Bearer ${bearer}`)
    upload.setRequestHeader('content-type', bytes.type || 'application/octet-stream')
    on.signal.addEventListener('abort', abort)
    upload.send(bytes)
    heard()
    if (on.signal.aborted) abort()
  })
}

/** Whether a chosen file can be read: it may have gone meanwhile, or be a folder. */
export function isReadable(bytes: Blob): Promise<boolean> {
  return bytes
    .slice(0, 1)
    .arrayBuffer()
    .then(
      () => true,
      () => false,
    )
}

/** What the relay says to whoever reads a file: an HTTP status, 0 without an answer. The bytes stay there. */
export async function fileStatus(address: string): Promise<number> {
  try {
    const { status, body } = await fetch(address, {
      headers: { range: 'bytes=0-0' },
      cache: 'no-store',
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    })
    await body?.cancel()
    return status
  } catch {
    return 0
  }
}

export const sessionSurroundings: SessionSurroundings = {
  storage: browserStorage,
  now: () => Date.now(),
  exclusively,
  send,
  newKey: () => randomHex(16),
}

/**
 * Only secure contexts have locks; a page served over plain HTTP in a LAN goes without. The lock is kept for a moment
 * longer than the answer: what one tab stores reaches the process of another one later than the lock does.
 */
function exclusively<T>(run: () => Promise<T>): Promise<T> {
  if (!navigator.locks) return run()
  return new Promise((resolve, reject) => {
    const work = async () => {
      const running = run()
      resolve(running)
      await running.finally(() => new Promise((settled) => setTimeout(settled, STORED_EVERYWHERE_MS)))
    }
    navigator.locks.request('claw-relay.session', work).catch(reject)
  })
}

/** `ended`: see [`Surroundings`]. */
export function browserSurroundings(request: Request, ended: () => void): Surroundings {
  return {
    now: () => Date.now(),
    random: () => Math.random(),
    after: (ms, run) => setTimeout(run, ms),
    cancel: (timer) => clearTimeout(timer as number | undefined),
    address: () => socketAddress(request, location.origin),
    ended,
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

/** An id for a new message. */
export function newMessageId(): string {
  return `m-${randomHex(12)}`
}

/** Proves at the end of an OAuth sign-in that it was begun here (RFC 7636). */
export function newVerifier(): string {
  return randomHex(32)
}

export async function challenge(verifier: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  return btoa(String.fromCharCode(...new Uint8Array(hash)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/** Hands a text to the person, as a file. */
export function download(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }))
  downloadFrom(address, name)
  URL.revokeObjectURL(address)
}

/** Hands what is at this address to the person, as a file. */
export function downloadFrom(address: string, name: string): void {
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
}

/** Whether it is on the clipboard now: a browser may forbid it, and then the person marks it by hand. */
export async function copyText(text: string): Promise<boolean> {
  try {
    // Exists in secure contexts only.
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copySelected(text)
  }
}

function copySelected(text: string): boolean {
  const focused = document.activeElement
  const area = document.createElement('textarea')
  area.value = text
  area.style.cssText = 'position:fixed;opacity:0'
  // Outside a modal dialog nothing can be selected.
  const parent = [...document.querySelectorAll('dialog:modal')].at(-1) ?? document.body
  parent.append(area)
  area.select()
  const isCopied = document.execCommand('copy')
  area.remove()
  if (focused instanceof HTMLElement) focused.focus()
  return isCopied
}

/** Letters and digits that nobody guesses. */
export function randomWord(length: number): string {
  // 248 is the largest multiple of 62 in a byte: with the rest, some letters would come more often than others.
  const bytes: number[] = []
  while (bytes.length < length)
    bytes.push(...crypto.getRandomValues(new Uint8Array(length)).filter((byte) => byte < 248))
  return bytes
    .slice(0, length)
    .map((byte) => LETTERS[byte % 62])
    .join('')
}

// Not `crypto.randomUUID`: pages served over plain HTTP in a LAN do not have it.
function randomHex(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // An empty answer, or a page of something between here and the relay: the status says enough.
    return undefined
  }
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

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const REQUEST_MS_MAX = 60_000
const STORED_EVERYWHERE_MS = 100
