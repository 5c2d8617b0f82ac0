// The HTTP half: one call and its refusal, tickets, history and replays. `fetch` is passed in, as the mini program has
// another one.

import type { Address } from './client'
import { envelope } from './codec'
import type { Envelope, Seq } from './frame'

export type Method = 'DELETE' | 'GET' | 'PATCH' | 'POST' | 'PUT'
export interface Answer {
  status: number
  /** The body as JSON; undefined when it is none. */
  body: unknown
  /** How long to leave the relay alone, in seconds, when it says so. */
  retryAfterS?: number
}
/** Rejects when there is no answer at all, and when nobody is signed in any more. */
export type Request = (method: Method, path: string, body?: unknown) => Promise<Answer>

export interface ConversationRow {
  id: string
  last_seq: number
  last_at_ms: number
}
export interface HistoryPage {
  messages: Envelope[]
  /** Where to go on; null at the beginning of the conversation. */
  next: string | null
}

/** An answer outside 200..300, with the error code of its problem details. */
export class Refused extends Error {
  readonly status: number
  readonly code: string
  /** What the relay says about it, in English. */
  readonly detail: string
  readonly retryAfterS: number | undefined

  constructor({ status, body, retryAfterS }: Answer) {
    const { type, detail } = (body ?? {}) as { type?: unknown; detail?: unknown }
    const code = typeof type === 'string' ? type.replace('/errors/', '') : 'unknown'
    super(`HTTP ${status} ${code}`)
    this.status = status
    this.code = code
    this.detail = typeof detail === 'string' ? detail : ''
    this.retryAfterS = retryAfterS
  }
}

/** There was no answer: nobody knows whether the relay heard. */
export class Unreachable extends Error {}

/** The body of the answer, or a `Refused`. */
export async function call<T = void>(request: Request, method: Method, path: string, body?: unknown): Promise<T> {
  const answer = await request(method, path, body)
  if (answer.status >= 200 && answer.status < 300) return answer.body as T
  throw new Refused(answer)
}

/** Every row of a list that comes in pages; `by`: the query parameter that names a page. */
export async function every<T>(request: Request, path: string, name: string, by = 'cursor'): Promise<T[]> {
  const rows: T[] = []
  let next: string | null | undefined
  do {
    const from = next ? `&${by}=${encodeURIComponent(next)}` : ''
    const at = `${path}?limit=${PAGE_ROWS_MAX}${from}`
    const page = await call<Record<string, unknown> & { next?: string | null }>(request, 'GET', at)
    rows.push(...(page[name] as T[]))
    next = page.next
  } while (next)
  return rows
}

/** Turns a fresh ticket into the address to dial. */
export async function socketAddress(request: Request, origin: string): Promise<Address> {
  let answer: Answer
  try {
    answer = await request('POST', '/v1/tickets')
  } catch {
    return { unreachable: true }
  }
  const ticket = (answer.body as { ticket?: unknown } | undefined)?.ticket
  if (answer.status >= 300) return { refused: answer.status }
  if (typeof ticket !== 'string') return { unreachable: true }
  return { url: `${origin.replace(/^http/, 'ws')}/v1/ws?ticket=${encodeURIComponent(ticket)}` }
}

export function conversations(request: Request): Promise<ConversationRow[]> {
  return every(request, '/v1/conversations', 'conversations', 'before')
}

export async function history(request: Request, conversation: string, before: string): Promise<HistoryPage> {
  const path = `/v1/conversations/${encodeURIComponent(conversation)}/messages?before=${before}&limit=${HISTORY_LIMIT}`
  const body = await call<{ messages: unknown[]; next?: string | null }>(request, 'GET', path)
  return { messages: body.messages.map(envelope), next: body.next ?? null }
}

/** Asks once more what failed or expired, or hands its answer over once more: the place of that in the timeline. */
export async function replay(request: Request, question: Seq): Promise<Seq> {
  const body = await call<{ seq: Seq }>(request, 'POST', `/v1/dead-letters/${question}/replay`)
  return body.seq
}

const HISTORY_LIMIT = 50
/** Of every list; some give more. */
const PAGE_ROWS_MAX = 100
