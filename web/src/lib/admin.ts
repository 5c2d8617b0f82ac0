// What operators may do: every route of the console, typed.

import type { ProviderKind } from './account'
import type { Request } from './api'
import { call, every } from './api'
import type { Quota } from './quota'
import type { User } from './session'

export const POLICIES = ['open', 'pairing', 'listed', 'closed'] as const
export type Policy = (typeof POLICIES)[number]
export const GROUP_RULES = ['any', 'listed', 'none'] as const
export type GroupRule = (typeof GROUP_RULES)[number]

export interface BotAccount {
  id: string
  platform: string
  policy: Policy
  groups: GroupRule
  default_user?: string | null
  /** The agent that makes its calls. */
  egress?: string | null
  created_ms: number
}
/** Beside these stand the settings of the platform. */
export interface NewAccount {
  id: string
  platform: string
  policy: Policy
  groups?: GroupRule
  default_user?: string
  egress?: string
  [setting: string]: boolean | number | string | undefined
}
export interface ListedSender {
  sender: string
  created_ms: number
}
export interface ListedGroup {
  chat: string
  user?: string
  created_ms: number
}
export interface UserRow extends User {
  created_ms: number
  is_disabled: boolean
  /** What stands for them in the audit log. */
  audit_id: string
}
export interface Invitation {
  id: string
  role: User['role']
  uses: number
  expires_ms: number
}
/** Without its settings, which hold secrets. */
export interface ProviderRow {
  id: string
  kind: ProviderKind
}
export interface Provider extends ProviderRow {
  app_id: string
  app_secret: string
  agent_id?: string
  organisations?: string[]
  api?: string
}
export interface AuditEntry {
  seq: number
  at_ms: number
  actor: string
  action: string
  subject?: string
  detail?: string
  hash: string
}
export interface DeadLetter {
  seq: number
  conversation: string
  at_ms: number
  outcome: string
  reason?: string
}
export interface AccountCheck {
  /** `egress`, `credentials`, `quota` … */
  name: string
  ok: boolean
  detail: string
}
export interface LoggedEvent {
  n?: number
  at_ms: number
  kind: string
  seq?: number
  detail?: string
}
export interface Page<T> {
  rows: T[]
  /** Absent at the end. */
  next?: string | undefined
}

export function admin(request: Request) {
  return {
    accounts: () => every<BotAccount>(request, '/v1/admin/accounts', 'accounts'),
    createAccount: (asked: NewAccount) => call(request, 'POST', '/v1/admin/accounts', asked),
    /** What is absent stays; an empty `default_user` is nobody. */
    changeAccount: (
      account: string,
      change: { policy?: Policy; groups?: GroupRule; default_user?: string; egress?: string },
    ) => call(request, 'PATCH', at(account), change),
    /** Whether calls leave, and the platform takes them. */
    check: async (account: string) =>
      (await call<{ checks: AccountCheck[] }>(request, 'POST', `${at(account)}/check`)).checks,
    quota: (account: string) => call<Quota>(request, 'GET', `${at(account)}/quota`),
    /** Tried at the platform first. */
    putCredentials: (account: string, asked: Record<string, unknown>) =>
      call(request, 'PUT', `${at(account)}/credentials`, asked),
    removeAccount: (account: string) => call(request, 'DELETE', at(account)),
    senders: (account: string) => every<ListedSender>(request, `${at(account)}/senders`, 'senders'),
    listSender: (account: string, sender: string) => call(request, 'PUT', `${at(account)}/senders/${id(sender)}`, {}),
    unlistSender: (account: string, sender: string) => call(request, 'DELETE', `${at(account)}/senders/${id(sender)}`),
    groups: (account: string) => every<ListedGroup>(request, `${at(account)}/groups`, 'groups'),
    listGroup: (account: string, chat: string, user: string | undefined) =>
      call(request, 'PUT', `${at(account)}/groups/${id(chat)}`, user === undefined ? {} : { user }),
    unlistGroup: (account: string, chat: string) => call(request, 'DELETE', `${at(account)}/groups/${id(chat)}`),

    users: async (cursor?: string): Promise<Page<UserRow>> => {
      const page = await call<{ users: UserRow[]; next?: string }>(request, 'GET', paged('/v1/admin/users', cursor))
      return { rows: page.users, next: page.next }
    },
    user: (user: string) => call<UserRow>(request, 'GET', `/v1/admin/users/${id(user)}`),
    createUser: (asked: { name: string; role: User['role']; login?: string; password?: string }) =>
      call(request, 'POST', '/v1/admin/users', asked),
    changeUser: (
      user: string,
      change: { role?: User['role']; is_disabled?: boolean; login?: string; password?: string },
    ) => call(request, 'PATCH', `/v1/admin/users/${id(user)}`, change),
    removeUser: (user: string) => call(request, 'DELETE', `/v1/admin/users/${id(user)}`),
    deadLetters: (user: string) =>
      every<DeadLetter>(request, `/v1/admin/users/${id(user)}/dead-letters`, 'dead_letters', 'before'),
    replay: (user: string, seq: number) =>
      call(request, 'POST', `/v1/admin/users/${id(user)}/dead-letters/${seq}/replay`),
    events: async (user: string, before?: string): Promise<Page<LoggedEvent>> => {
      const path = `/v1/admin/users/${id(user)}/events?limit=${PAGE}${before === undefined ? '' : `&before=${id(before)}`}`
      const page = await call<{ events: LoggedEvent[]; next?: string | null }>(request, 'GET', path)
      return { rows: page.events, next: page.next ?? undefined }
    },

    invitations: () => every<Invitation>(request, '/v1/admin/invitations', 'invitations'),
    invite: (asked: { role: User['role']; days: number; uses: number }) =>
      call<{ invitation: Invitation; code: string }>(request, 'POST', '/v1/admin/invitations', asked),
    revokeInvitation: (invitation: string) => call(request, 'DELETE', `/v1/admin/invitations/${id(invitation)}`),

    providers: async () => (await call<{ providers: ProviderRow[] }>(request, 'GET', '/v1/admin/providers')).providers,
    createProvider: (asked: Provider) => call(request, 'POST', '/v1/admin/providers', asked),
    removeProvider: (provider: string) => call(request, 'DELETE', `/v1/admin/providers/${id(provider)}`),

    audit: async (cursor?: string): Promise<Page<AuditEntry>> => {
      const page = await call<{ entries: AuditEntry[]; next?: string }>(
        request,
        'GET',
        `${paged('/v1/admin/audit', cursor)}&order=newest`,
      )
      return { rows: page.entries, next: page.next }
    },
    reseal: async () => (await call<{ sealed: number }>(request, 'POST', '/v1/admin/secrets/rotate', {})).sealed,
  }
}

const PAGE = 50
const id = encodeURIComponent
const at = (account: string) => `/v1/admin/accounts/${id(account)}`
const paged = (path: string, cursor?: string) =>
  `${path}?limit=${PAGE}${cursor === undefined ? '' : `&cursor=${id(cursor)}`}`
