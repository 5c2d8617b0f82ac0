// Runs accounts inside the gateway: a desk for each, which outlives restarts of the channel, and a link while it runs.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { WebSocket } from 'openclaw/plugin-sdk/websocket-runtime'
import { SUBPROTOCOL } from '../../web/src/lib/frame'
import { FRAME_BYTES_MAX } from '../../web/src/lib/text'
import { type Account, CHANNEL } from './account'
import { Desk } from './desk'
import { Link, type Socket, type SocketEvents, type Status } from './link'
import type { Log } from './log'
import type { ChannelContext, Runtime } from './openclaw'
import { outsideRequest } from './scope'
import { openStore } from './store'
import { OpenClaw } from './turn'

declare const VERSION: string

/** What one account holds beyond a restart of its channel: turns go on while the channel is restarted. */
type Held = { desk: Desk; agent: OpenClaw; relayUrl: string; token: string }
const held = new Map<string, Held>()

/** The desk of an account that runs in this process. */
export function deskOf(accountId: string): Desk | undefined {
  return held.get(accountId)?.desk
}

/** Ends only when told to: OpenClaw gives a channel up whose start has ended ten times. */
export async function startAccount(context: ChannelContext<Account>, runtime: Runtime): Promise<void> {
  const { account, abortSignal, accountId } = context
  const log = context.log ?? console
  const setStatus = (status: Record<string, unknown>) => context.setStatus({ accountId, ...status })
  const blocked = (why: string) => {
    log.error(why)
    setStatus({ running: true, connected: false, lifecycle: 'blocked', terminalDisconnect: true, lastError: why })
    return aborted(abortSignal)
  }
  if (account.mistake !== null) return blocked(account.mistake)
  let desk: Desk
  try {
    desk = take(account, runtime, log)
  } catch (error) {
    return blocked(`${accountId} cannot keep its answers in OpenClaw's state directory: ${error}`)
  }
  const run = await outsideRequest(Number(process.env.OPENCLAW_GATEWAY_PORT ?? context.cfg.gateway?.port ?? 18789))
  if (run === null) {
    log.warn(
      'this channel was started by a command: for exec approvals and the message tool run `openclaw gateway restart`',
    )
  }
  await (run ?? ((what) => what()))(() => serve(account, desk, abortSignal, log, setStatus))
}

async function serve(
  account: Account,
  desk: Desk,
  abortSignal: AbortSignal,
  log: Log,
  setStatus: (status: Record<string, unknown>) => void,
): Promise<void> {
  setStatus({
    running: true,
    connected: false,
    lifecycle: 'starting',
    baseUrl: account.relayUrl,
    lastStartAt: Date.now(),
  })
  const link = new Link(
    { ...clock, random: Math.random, open: (on) => open(account, on) },
    desk,
    `openclaw-claw-relay/${VERSION}`,
    (status) => {
      logStatus(account, status, log)
      setStatus(statusFields(status))
    },
    soundTeller(setStatus),
  )
  desk.open()
  link.dial()
  await aborted(abortSignal)
  desk.pause()
  link.leave()
  if (desk.size > 0) log.info(`${desk.size} questions stay open`)
  setStatus({ running: false, connected: false, lifecycle: 'stopped', lastStopAt: Date.now() })
}

function take(account: Account, runtime: Runtime, log: Log): Desk {
  const { accountId, relayUrl, token } = account
  const before = held.get(accountId)
  if (before?.relayUrl === relayUrl && before.token === token) {
    before.agent.account = account
    return before.desk
  }
  before?.desk.close()
  const agent = new OpenClaw(runtime, account, clock, log)
  // Another relay has other numbers: what is kept for it is kept apart.
  const name = `${encodeURIComponent(accountId)}-${createHash('sha256').update(relayUrl).digest('hex').slice(0, 8)}.sqlite`
  const store = openStore(join(runtime.state.resolveStateDir(), CHANNEL, name))
  const desk = new Desk(store, agent, clock, log)
  held.set(accountId, { desk, agent, relayUrl, token })
  return desk
}

function open({ relayUrl, token }: Account, on: SocketEvents): Socket {
  const ws = new WebSocket(`${relayUrl.replace(/^http/, 'ws')}/v1/ws`, SUBPROTOCOL, {
    headers: { authorization: `Bearer ${token}` },
    handshakeTimeout: DIAL_WITHIN_MS,
    maxPayload: FRAME_BYTES_MAX,
  })
  let trouble = ''
  ws.on('open', on.opened)
  ws.on('message', (data, isBinary) => {
    if (!isBinary) on.received(data.toString())
  })
  ws.on('unexpected-response', (_, { statusCode }) => {
    on.refused(statusCode)
    ws.terminate()
  })
  ws.on('error', (error) => {
    trouble = error.message
  })
  // `close` follows `error`, and says less.
  ws.on('close', (code, reason) => on.closed(code, trouble || reason.toString()))
  return {
    send: (text) => {
      if (ws.readyState === WebSocket.OPEN) ws.send(text)
    },
    close: () => ws.close(1000),
  }
}

/** What `openclaw channels status` shows, and what its health monitor goes by. */
function statusFields(status: Status): Record<string, unknown> {
  switch (status.state) {
    case 'connecting':
      return {}
    case 'online':
      return {
        running: true,
        connected: true,
        lifecycle: 'ready',
        lastConnectedAt: Date.now(),
        lastError: null,
        reconnectAttempts: 0,
        terminalDisconnect: undefined,
      }
    case 'waiting':
      return {
        connected: false,
        lifecycle: 'recovering',
        lastError: status.why,
        lastDisconnect: { at: Date.now(), status: status.code, error: status.why },
      }
    case 'ended':
      return {
        connected: false,
        lifecycle: 'blocked',
        terminalDisconnect: true,
        lastError: status.why,
        lastDisconnect: { at: Date.now(), error: status.why },
      }
  }
}

/** Tells that the connection lives, now and then: the health monitor restarts a channel that is silent for half an hour. */
function soundTeller(setStatus: (status: Record<string, unknown>) => void): () => void {
  let toldAtMs = 0
  return () => {
    if (Date.now() - toldAtMs < SOUND_EVERY_MS) return
    toldAtMs = Date.now()
    setStatus({ lastTransportActivityAt: toldAtMs })
  }
}

function logStatus({ accountId, relayUrl }: Account, status: Status, log: Log): void {
  switch (status.state) {
    case 'connecting':
      return
    case 'online':
      return log.info(`${accountId} is connected to ${relayUrl} as ${status.user}`)
    case 'waiting':
      return log.warn(
        `${accountId} is not connected to ${relayUrl}: ${status.why}; next attempt in ${status.delayMs} ms`,
      )
    case 'ended':
      return log.error(`${accountId} does not connect to ${relayUrl} any more: ${status.why}`)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

export const clock = {
  now: () => Date.now(),
  after: (ms: number, run: () => void) => setTimeout(run, ms),
  cancel: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout),
}
const DIAL_WITHIN_MS = 15_000
const SOUND_EVERY_MS = 20_000
