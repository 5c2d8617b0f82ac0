// Frames to text and back. The one place where bytes of the wire become typed values: as strict about
// known frames as the Rust decoder, blind to unknown types and unknown fields (docs/protocol.md §3).

import type {
  AgentPresence,
  Author,
  Button,
  ClientFrame,
  Envelope,
  File,
  FileKind,
  GapReason,
  Resumed,
  ServerFrame,
  State,
} from './frame'
import { FILE_KINDS, GAP_REASONS, STATES } from './frame'
import { FRAME_BYTES_MAX, utf8Bytes } from './text'

/** Frames in one batch. */
export const BATCH_FRAMES_MAX = 64
/** An id, in bytes. */
export const ID_BYTES_MAX = 200

/** Why a WebSocket message could not be read. Its text names a field, never a value. */
export class DecodeError extends Error {}

/** Reads what a relay sent: one frame or a batch. Types of a newer relay come out as `unknown`. */
export function decodeServer(text: string): ServerFrame[] {
  return parse(text).map(serverFrame)
}

/** The same, but a frame that cannot be read comes out as `unknown` too, and does not take its batch along. */
export function readServer(text: string): ServerFrame[] {
  return parse(text).map((fields) => {
    try {
      return serverFrame(fields)
    } catch {
      return { type: 'unknown' }
    }
  })
}

/** Reads what a client sent. The page never needs it; tests and fake relays do. */
export function decodeClient(text: string): ClientFrame[] {
  return parse(text).map(clientFrame)
}

/** Writes one frame. Absent fields are left out, so equal frames give equal text. */
export function encode(frame: ClientFrame | ServerFrame): string {
  return JSON.stringify(frame)
}

/** Writes several frames as one batch. */
export function encodeBatch(frames: readonly (ClientFrame | ServerFrame)[]): string {
  return JSON.stringify(frames)
}

/** Reads a message as the history API writes it. */
export function envelope(value: unknown): Envelope {
  const o = object(value, 'message')
  return {
    seq: whole(o, 'seq'),
    id: id(o, 'id'),
    conversation: id(o, 'conversation'),
    ...optional('session', has(o, 'session') ? whole(o, 'session') || undefined : undefined),
    from: author(o.from),
    ...optional('agent', has(o, 'agent') ? id(o, 'agent') : undefined),
    ...optional('reply_to', has(o, 'reply_to') ? whole(o, 'reply_to') : undefined),
    at_ms: whole(o, 'at_ms'),
    text: string(o, 'text'),
    ...files(o),
    ...buttons(o),
    ...optional('state', has(o, 'state') ? state(o) : undefined),
    ...optional('reason', has(o, 'reason') ? string(o, 'reason') : undefined),
  }
}

/** Takes a cursor apart. */
export function parseCursor(cursor: string): { epoch: number; seq: number } {
  const [, epoch, seq] = /^(\d+)\.(\d+)$/.exec(cursor) ?? []
  if (!Number.isSafeInteger(Number(epoch)) || !Number.isSafeInteger(Number(seq)))
    throw new DecodeError('cursor: not epoch.seq')
  return { epoch: Number(epoch), seq: Number(seq) }
}

function parse(text: string): Fields[] {
  if (utf8Bytes(text) > FRAME_BYTES_MAX) throw new DecodeError('frame too large')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new DecodeError('not JSON')
  }
  const frames = Array.isArray(value) ? value : [value]
  if (frames.length > BATCH_FRAMES_MAX) throw new DecodeError('batch too long')
  return frames.map((frame) => object(frame, 'frame'))
}

function serverFrame(o: Fields): ServerFrame {
  const type = string(o, 'type')
  switch (type) {
    case 'accepted':
      return { type, id: id(o, 'id'), seq: whole(o, 'seq') }
    case 'delta':
      return { type, reply_to: whole(o, 'reply_to'), offset: whole(o, 'offset'), text: string(o, 'text') }
    case 'error':
      return {
        type,
        code: string(o, 'code'),
        detail: string(o, 'detail'),
        ...optional('id', has(o, 'id') ? id(o, 'id') : undefined),
      }
    case 'message':
      return { type, ...envelope(o) }
    case 'presence':
      return { type, agents: array(o, 'agents').map(agent) }
    case 'restream':
      return { type, reply_to: whole(o, 'reply_to') }
    case 'state':
      return {
        type,
        seq: whole(o, 'seq'),
        state: state(o),
        ...optional('reason', has(o, 'reason') ? string(o, 'reason') : undefined),
      }
    case 'stop':
      return { type, reply_to: whole(o, 'reply_to') }
    case 'welcome':
      return {
        type,
        user: id(o, 'user'),
        cursor: cursor(o),
        resumed: resumed(o.resumed),
        window: whole(o, 'window'),
        ping_ms: whole(o, 'ping_ms'),
      }
    default:
      return { type: 'unknown' }
  }
}

function clientFrame(o: Fields): ClientFrame {
  const type = string(o, 'type')
  switch (type) {
    case 'ack':
      return { type, seq: whole(o, 'seq') }
    case 'delta':
      return { type, reply_to: whole(o, 'reply_to'), offset: whole(o, 'offset'), text: string(o, 'text') }
    case 'done':
      return { type, reply_to: whole(o, 'reply_to') }
    case 'fail':
      return { type, reply_to: whole(o, 'reply_to'), reason: string(o, 'reason') }
    case 'hello': {
      const capabilities =
        o.capabilities === undefined
          ? []
          : array(o, 'capabilities').map((value) => string({ capabilities: value }, 'capabilities'))
      const open = o.open === undefined ? [] : array(o, 'open').map((value) => whole({ open: value }, 'open'))
      return {
        type,
        ...optional('cursor', has(o, 'cursor') ? cursor(o) : undefined),
        ...optional('last', has(o, 'last') ? whole(o, 'last') : undefined),
        ...optional('capabilities', capabilities.length > 0 ? capabilities : undefined),
        ...optional('open', open.length > 0 ? open : undefined),
        ...optional('client', has(o, 'client') ? string(o, 'client') : undefined),
      }
    }
    case 'reply':
      return { type, reply_to: whole(o, 'reply_to'), text: string(o, 'text'), ...files(o), ...buttons(o) }
    case 'send':
      return {
        type,
        id: id(o, 'id'),
        ...optional('conversation', has(o, 'conversation') ? id(o, 'conversation') : undefined),
        text: string(o, 'text'),
        ...files(o),
      }
    case 'stop':
      return { type, reply_to: whole(o, 'reply_to') }
    default:
      return { type: 'unknown' }
  }
}

/** Reads a file as `POST /v1/files` answers it. */
export function file(value: unknown): File {
  const o = object(value, 'files')
  const kind = string(o, 'kind') as FileKind
  return {
    id: id(o, 'id'),
    name: string(o, 'name'),
    kind: FILE_KINDS.includes(kind) ? kind : 'file',
    ...optional('media_type', has(o, 'media_type') ? string(o, 'media_type') : undefined),
    ...optional('bytes', has(o, 'bytes') ? whole(o, 'bytes') : undefined),
    url: string(o, 'url'),
  }
}

function files(o: Fields): { files?: File[] } {
  const files = o.files === undefined ? [] : array(o, 'files').map(file)
  return optional('files', files.length > 0 ? files : undefined)
}

function buttons(o: Fields): { buttons?: Button[] } {
  const buttons = o.buttons === undefined ? [] : array(o, 'buttons').map(button)
  return optional('buttons', buttons.length > 0 ? buttons : undefined)
}

function button(value: unknown): Button {
  const o = object(value, 'buttons')
  const words = { label: string(o, 'label'), text: string(o, 'text') }
  return o.style === 'danger' || o.style === 'primary' ? { ...words, style: o.style } : words
}

function author(value: unknown): Author {
  const o = object(value, 'from')
  switch (o.kind) {
    case 'agent':
      return { kind: 'agent', id: id(o, 'id') }
    case 'relay':
      return { kind: 'relay' }
    case 'user':
      return {
        kind: 'user',
        via: string(o, 'via'),
        ...optional('sender', has(o, 'sender') ? string(o, 'sender') : undefined),
        ...optional('name', has(o, 'name') ? string(o, 'name') : undefined),
        ...optional('group', o.group === true ? true : undefined),
      }
    default:
      throw new DecodeError('from.kind')
  }
}

function resumed(value: unknown): Resumed {
  const o = object(value, 'resumed')
  switch (o.outcome) {
    case 'continued':
      return { outcome: 'continued', after: whole(o, 'after') }
    case 'gap': {
      const reason = string(o, 'reason') as GapReason
      return {
        outcome: 'gap',
        from: whole(o, 'from'),
        to: whole(o, 'to'),
        reason: GAP_REASONS.includes(reason) ? reason : 'unknown',
      }
    }
    case 'started':
      return { outcome: 'started', after: whole(o, 'after') }
    default:
      throw new DecodeError('resumed.outcome')
  }
}

function agent(value: unknown): AgentPresence {
  const o = object(value, 'agents')
  if (typeof o.online !== 'boolean') throw new DecodeError('online')
  return { id: id(o, 'id'), name: string(o, 'name'), online: o.online }
}

function state(o: Fields): State {
  const value = string(o, 'state') as State
  return STATES.includes(value) ? value : 'unknown'
}

function cursor(o: Fields): string {
  const value = string(o, 'cursor')
  parseCursor(value)
  return value
}

function id(o: Fields, key: string): string {
  const value = string(o, key)
  if (value.length > ID_BYTES_MAX || !/^[A-Za-z0-9._:@-]+$/.test(value)) throw new DecodeError(key)
  return value
}

function whole(o: Fields, key: string): number {
  const value = o[key]
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new DecodeError(key)
  return value
}

function string(o: Fields, key: string): string {
  const value = o[key]
  if (typeof value !== 'string') throw new DecodeError(key)
  return value
}

function array(o: Fields, key: string): unknown[] {
  const value = o[key]
  if (!Array.isArray(value)) throw new DecodeError(key)
  return value
}

function object(value: unknown, key: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new DecodeError(key)
  return value as Fields
}

/** Like serde's `Option`: absent and `null` are the same. */
function has(o: Fields, key: string): boolean {
  return o[key] !== undefined && o[key] !== null
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V })
}

type Fields = Record<string, unknown>
