// The parts of OpenClaw's runtime that this plugin touches, as they were seen in 2026.9.6.

import type { Log } from './log'

export type Config = {
  gateway?: { port?: number }
  accessGroups?: unknown
  channels?: { defaults?: { groupPolicy?: string } } & Record<string, unknown>
}

export type Runtime = {
  config: { current(): Config }
  events: { onAgentEvent(hear: (event: RunEvent) => void): () => void }
  state: { resolveStateDir(): string }
  channel: {
    routing: { resolveAgentRoute(params: object): Route }
    media: {
      saveMediaBuffer(
        bytes: Buffer,
        contentType: string,
        folder: 'inbound',
        bytesMax: number,
        name: string,
      ): Promise<{ path: string; contentType?: string }>
    }
    text: { hasControlCommand(text: string, config: Config): boolean }
    inbound: {
      ingress: { resolve(params: object): Promise<Access> }
      buildContext(params: object): object
      dispatch(params: object): Promise<Dispatched>
    }
  }
}

export type Route = { agentId: string; sessionKey: string; dmScope?: string }
export type Access = {
  ingress: { admission: string; reasonCode?: string }
  commandAccess: { authorized: boolean }
}
export type Dispatched = { dispatchResult?: { deferredToActiveRun?: 'steer' | 'followup' } }

/** What happens in a run, also in one that OpenClaw began by itself. */
export type RunEvent = {
  runId: string
  sessionKey?: string
  stream: string
  data: { phase?: string; text?: string }
}

/** What OpenClaw wants delivered. */
export type Payload = {
  text?: string
  mediaUrl?: string
  mediaUrls?: string[]
  /** What the media are called, in the same order. */
  attachments?: { name?: string }[]
  presentation?: Presentation
  presentationTextMode?: 'fallback'
  /** What single channels and parts of OpenClaw say beside it, under their names. */
  channelData?: Record<string, unknown>
  isReasoning?: boolean
  isCommentary?: boolean
}

/** What a message shows beside its text. Blocks and actions of other types are OpenClaw's to put into words. */
export type Presentation = { title?: string; blocks: Block[] }
export type Block = { type: string; text?: string; placeholder?: string; buttons?: Control[]; options?: Control[] }
export type Control = {
  label: string
  action?: Action
  disabled?: boolean
  style?: string
  url?: string
  value?: string
  webApp?: { url: string }
  web_app?: { url: string }
}
export type Action = {
  type: string
  approvalId?: string
  command?: string
  decision?: string
  optionValue?: string
  url?: string
  value?: string
}

/** What `startAccount` is given. */
export type ChannelContext<Account> = {
  cfg: Config
  accountId: string
  account: Account
  abortSignal: AbortSignal
  log?: Log
  setStatus(status: Record<string, unknown>): void
}

/** Which local files may be read, and how. */
export type MediaAccess = { mediaAccess?: object; mediaLocalRoots?: readonly string[]; mediaReadFile?: unknown }

/** What a proactive send is given. */
export type SendContext = MediaAccess & {
  mediaUrl?: string
  cfg: Config
  to: string
  text: string
  accountId?: string | null
  signal?: AbortSignal
  deliveryQueueId?: string
  deliveryPartIndex?: number
}
/** A proactive send that is more than a text or a file. */
export type SendPayloadContext = SendContext & { payload: Payload }
