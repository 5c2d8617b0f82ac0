// What one may do with one's own account: every route of it, typed.

import type { Answer, Request } from './api'
import { call, every, Refused } from './api'
import type { Call, Session, SessionSurroundings, User } from './session'

export type ProviderKind = 'feishu' | 'wechat' | 'wecom'
export interface Methods {
  sign_up: 'closed' | 'open' | 'organisation'
  /** Nobody has set this relay up yet. */
  is_new: boolean
  providers: { id: string; kind: ProviderKind }[]
}
export interface Login {
  kind: 'password' | ProviderKind
  subject: string
}
export interface SessionRow {
  id: string
  client: string
  created_ms: number
  used_ms: number
  expires_ms: number
  is_current: boolean
}
export interface Agent {
  id: string
  name: string
  created_ms: number
}
export const SCOPES = ['receive', 'send', 'push', 'egress'] as const
export type Scope = (typeof SCOPES)[number]
export interface AgentKey {
  id: string
  name: string
  scopes: Scope[]
  created_ms: number
  used_ms?: number
}
/** The key itself is answered once. */
export interface NewKey {
  id: string
  key: string
  name: string
  scopes: Scope[]
}
export interface Identity {
  id: string
  account: string
  platform: string
  sender: string
  /** What the platform calls them, if it says so. */
  name: string | null
  avatar_url: string | null
  push: boolean
  created_ms: number
}
export interface Link {
  code: string
  expires_at_ms: number
}

export const PASSWORD_LENGTH_MIN = 12
export const PASSWORD_LENGTH_MAX = 128

/** What somebody may ask who is not signed in. Asking twice has one effect: an answer that was lost is asked for again. */
export function doors({ send, newKey }: Pick<SessionSurroundings, 'newKey' | 'send'>) {
  async function post<T>(path: string, body: unknown, bearer?: string): Promise<T> {
    const call: Call = {
      method: 'POST',
      path,
      body,
      idempotencyKey: newKey(),
      ...(bearer === undefined ? {} : { bearer }),
    }
    return taken(await send(call).catch(() => send(call)))
  }
  return {
    methods: async () => taken<Methods>(await send({ method: 'GET', path: '/v1/auth/methods' })),
    login: (login: string, password: string) => post<Session>('/v1/auth/login', { login, password }),
    register: (asked: { login: string; password: string; name: string; invitation?: string }) =>
      post<Session>('/v1/auth/register', asked),
    link: (code: string) => post<Session>('/v1/auth/link', { code }),
    operator: (token: string) => post<Session>('/v1/auth/operator', undefined, token),
    oauthStart: (provider: string, asked: { challenge: string; redirect_uri: string; invitation?: string }) =>
      post<{ url: string }>(`/v1/auth/oauth/${id(provider)}/start`, asked),
    oauthFinish: (provider: string, back: { code: string; state: string; verifier: string }) =>
      post<Session>(`/v1/auth/oauth/${id(provider)}/finish`, back),
  }
}

export function account(request: Request) {
  return {
    me: () => call<{ user: User; logins: Login[] }>(request, 'GET', '/v1/me'),
    rename: async (name: string) => (await call<{ user: User }>(request, 'PATCH', '/v1/me', { name })).user,
    setPassword: (asked: { login: string; password: string; current?: string }) =>
      call(request, 'PUT', '/v1/me/password', asked),
    remove: (user: string) => call(request, 'DELETE', `/v1/me?confirm=${id(user)}`),
    export: () => call<unknown>(request, 'GET', '/v1/me/export'),

    sessions: () => every<SessionRow>(request, '/v1/me/sessions', 'sessions'),
    endSession: (session: string) => call(request, 'DELETE', `/v1/me/sessions/${id(session)}`),
    endOtherSessions: () => call(request, 'DELETE', '/v1/me/sessions'),
    newLink: () => call<Link>(request, 'POST', '/v1/me/links', {}),

    agents: async () => (await call<{ agents: Agent[] }>(request, 'GET', '/v1/agents')).agents,
    createAgent: async (name: string) => (await call<{ agent: Agent }>(request, 'POST', '/v1/agents', { name })).agent,
    renameAgent: (agent: string, name: string) => call(request, 'PATCH', `/v1/agents/${id(agent)}`, { name }),
    removeAgent: (agent: string) => call(request, 'DELETE', `/v1/agents/${id(agent)}`),
    keys: async (agent: string) => (await call<{ keys: AgentKey[] }>(request, 'GET', keys(agent))).keys,
    createKey: (agent: string, asked: { name: string; scopes: Scope[] }) =>
      call<NewKey>(request, 'POST', keys(agent), asked),
    rotateKey: (agent: string, key: string) => call<NewKey>(request, 'POST', `${keys(agent)}/${id(key)}/rotate`, {}),
    revokeKey: (agent: string, key: string) => call(request, 'DELETE', `${keys(agent)}/${id(key)}`),

    identities: async () => (await call<{ identities: Identity[] }>(request, 'GET', '/v1/identities')).identities,
    setPush: (identity: string, push: boolean) => call(request, 'PATCH', `/v1/identities/${id(identity)}`, { push }),
    unbind: (identity: string) => call(request, 'DELETE', `/v1/identities/${id(identity)}`),
    pair: async (code: string) =>
      (await call<{ identity: Identity }>(request, 'POST', '/v1/pairings', { code })).identity,
  }
}

/** The command that starts an agent with this key. */
export function agentCommand(origin: string, key: string): string {
  return `CLAW_AGENT_KEY=${key} claw-agent run --relay ${origin}`
}

const id = encodeURIComponent
const keys = (agent: string) => `/v1/agents/${id(agent)}/keys`

function taken<T>(answer: Answer): T {
  if (answer.status >= 200 && answer.status < 300) return answer.body as T
  throw new Refused(answer)
}
