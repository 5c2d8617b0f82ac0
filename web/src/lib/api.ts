// The HTTP half: tickets, history and replays. `fetch` is passed in, as the mini program has another one.

import type { Address } from './client'
import { envelope } from './codec'
import type { Envelope, Seq } from './frame'

export interface Answer {
  status: number
  /** The body as JSON; undefined when it is none. */
  body: unknown
}
/** Rejects only when there is no answer at all. */
export type Request = (method: 'GET' | 'POST', path: string) => Promise<Answer>

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

/** An answer other than 200, with the error code of its problem details. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
  ) {
    super(`HTTP ${status} ${code}`)
  }
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

export async function conversations(request: Request): Promise<ConversationRow[]> {
  const body = await read(request, '/v1/conversations')
  return (body as { conversations: ConversationRow[] }).conversations
}

export async function history(request: Request, conversation: string, before: string): Promise<HistoryPage> {
  const path = `/v1/conversations/${encodeURIComponent(conversation)}/messages?before=${before}&limit=${HISTORY_LIMIT}`
  const body = (await read(request, path)) as { messages: unknown[]; next?: string | null }
  return { messages: body.messages.map(envelope), next: body.next ?? null }
}

/** Asks once more what failed or expired, or hands its answer over once more: the place of that in the timeline. */
export async function replay(request: Request, question: Seq): Promise<Seq> {
  const body = await read(request, `/v1/dead-letters/${question}/replay`, 'POST')
  return (body as { seq: Seq }).seq
}

async function read(request: Request, path: string, method: 'GET' | 'POST' = 'GET'): Promise<unknown> {
  const answer = await request(method, path)
  if (answer.status === 200) return answer.body
  const { type } = (answer.body ?? {}) as { type?: unknown }
  throw new Refused(answer.status, typeof type === 'string' ? type.replace('/errors/', '') : 'unknown')
}

const HISTORY_LIMIT = 50
