// The words of the protocol, field for field in the order of protocol/src/frame.rs and envelope.rs:
// the order is what makes `encode` give the very bytes that tests/vectors/frames.json pins.

export type Seq = number
/** `epoch.seq`, e.g. `1732233600000.42`. */
export type Cursor = string

export type ClientFrame =
  | { type: 'ack'; seq: Seq }
  | { type: 'delta'; reply_to: Seq; offset: number; text: string }
  | { type: 'done'; reply_to: Seq }
  | { type: 'fail'; reply_to: Seq; reason: string }
  | { type: 'hello'; cursor?: Cursor; last?: number; capabilities?: string[]; open?: Seq[]; client?: string }
  | { type: 'reply'; reply_to: Seq; text: string; files?: File[]; buttons?: Button[] }
  | { type: 'send'; id: string; conversation?: string; text: string; files?: File[] }
  | { type: 'stop'; reply_to: Seq }
  | { type: 'unknown' }

export type ServerFrame =
  | { type: 'accepted'; id: string; seq: Seq }
  | { type: 'delta'; reply_to: Seq; offset: number; text: string }
  | { type: 'error'; code: string; detail: string; id?: string }
  | ({ type: 'message' } & Envelope)
  | { type: 'presence'; agents: AgentPresence[] }
  | { type: 'restream'; reply_to: Seq }
  | { type: 'state'; seq: Seq; state: State; reason?: string }
  | { type: 'stop'; reply_to: Seq }
  | { type: 'welcome'; user: string; cursor: Cursor; resumed: Resumed; window: number; ping_ms: number }
  | { type: 'unknown' }

/** A message at its place in the timeline. */
export interface Envelope {
  seq: Seq
  id: string
  conversation: string
  /** How often the conversation was begun anew before this message; absent means never. */
  session?: number
  from: Author
  /** The id of the agent that a question is meant for. */
  agent?: string
  reply_to?: Seq
  at_ms: number
  /** May be empty beside files. */
  text: string
  files?: File[]
  buttons?: Button[]
  state?: State
  reason?: string
}

/** What one may answer to a message at a press: it says `text`, as if that had been written. */
export interface Button {
  label: string
  text: string
  style?: 'danger' | 'primary'
}

/** A file beside a message. Whoever names it gives the whole object back: its URL proves the rest. */
export interface File {
  id: string
  name: string
  kind: FileKind
  /** Absent, like `bytes`, until it was fetched from its platform. */
  media_type?: string
  bytes?: number
  /** Signed, and good until the file is deleted. */
  url: string
}

/** What a file is, roughly; `file` stands for anything else, and for a kind of a newer relay. */
export type FileKind = (typeof FILE_KINDS)[number]
export const FILE_KINDS = ['audio', 'image', 'video', 'file'] as const

export type Author =
  | { kind: 'agent'; id: string }
  | { kind: 'relay' }
  /** `name`: as its bearer chose it; it proves nothing. `group`: others read it, too. */
  | { kind: 'user'; via: string; sender?: string; name?: string; group?: true }

/** How far a question has come. `unknown` stands for a state of a newer relay. */
export type State = (typeof STATES)[number]
export const STATES = ['queued', 'delivered', 'replying', 'replied', 'failed', 'expired', 'unknown'] as const

export type Resumed =
  | { outcome: 'continued'; after: Seq }
  | { outcome: 'gap'; from: Seq; to: Seq; reason: GapReason }
  | { outcome: 'started'; after: Seq }

export type GapReason = (typeof GAP_REASONS)[number]
export const GAP_REASONS = ['ahead', 'epoch', 'trimmed', 'unknown'] as const

export interface AgentPresence {
  id: string
  name: string
  online: boolean
}

export const SUBPROTOCOL = 'claw-relay.v1'
/** Not JSON, so that the relay answers it without waking the user's object. */
export const PING = 'ping'
export const PONG = 'pong'
