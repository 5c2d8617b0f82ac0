// From `channels.claw-relay` of OpenClaw's config to an account: one agent key at one relay.

import type { Config } from './openclaw'

export const CHANNEL = 'claw-relay'

export interface Account {
  accountId: string
  name?: string
  enabled: boolean
  /** The relay's address without a path, `https://relay.example.com`. Empty when it cannot be used. */
  relayUrl: string
  token: string
  dmPolicy: string
  allowFrom: string[]
  /** Who may ask in groups. */
  groupPolicy: string
  /** Empty: whoever may write in private. */
  groupAllowFrom: string[]
  /** Why this account cannot run: the field, what is wrong with it, and what to write instead. */
  mistake: string | null
}

/** What a user may write, at the root and for each account; an account's own fields win. */
type Fields = {
  enabled?: boolean
  name?: string
  relayUrl?: string
  token?: string
  dmPolicy?: string
  allowFrom?: string[]
  groupPolicy?: string
  groupAllowFrom?: string[]
}
type Section = Fields & { accounts?: Record<string, Fields>; defaultAccount?: string }

export function accountIds(config: Config): string[] {
  const { accounts = {}, token } = section(config)
  const ids = Object.keys(accounts)
  // `channels add` moves the first account's key into `accounts.default`; until then it stands at the root.
  return ids.length === 0 || (token !== undefined && !ids.includes(DEFAULT_ID)) ? [DEFAULT_ID, ...ids] : ids
}

export function defaultAccountId(config: Config): string {
  const { defaultAccount } = section(config)
  const ids = accountIds(config)
  if (defaultAccount !== undefined && ids.includes(defaultAccount)) return defaultAccount
  return ids.includes(DEFAULT_ID) ? DEFAULT_ID : ids[0]!
}

export function resolveAccount(config: Config, accountId?: string | null): Account {
  const id = accountId || defaultAccountId(config)
  const { accounts = {}, defaultAccount: _, ...root } = section(config)
  const fields: Fields = { ...root, ...accounts[id] }
  const place = accounts[id] ? `channels.${CHANNEL}.accounts.${id}` : `channels.${CHANNEL}`
  const relayUrl = addressOf(fields.relayUrl)
  return {
    accountId: id,
    ...(fields.name !== undefined && { name: fields.name }),
    enabled: root.enabled !== false && fields.enabled !== false,
    relayUrl: relayUrl ?? '',
    token: fields.token?.trim() ?? '',
    dmPolicy: fields.dmPolicy ?? 'pairing',
    allowFrom: (fields.allowFrom ?? []).map(String),
    groupPolicy: fields.groupPolicy ?? config.channels?.defaults?.groupPolicy ?? 'allowlist',
    groupAllowFrom: (fields.groupAllowFrom ?? []).map(String),
    mistake: addressMistake(place, fields.relayUrl) ?? tokenMistake(place, fields.token) ?? twin(config, id, fields),
  }
}

export function isConfigured(account: Account): boolean {
  return account.relayUrl !== '' && account.token !== ''
}

/** Writes what `openclaw channels add` was given. */
export function applyInput(config: Config, accountId: string, input: { relayUrl?: string; token?: string }): Config {
  const before = section(config)
  const given = {
    enabled: true,
    ...(input.relayUrl !== undefined && { relayUrl: input.relayUrl }),
    ...(input.token !== undefined && { token: input.token }),
  }
  const isNamed = accountId !== DEFAULT_ID || before.accounts !== undefined
  const after: Section = isNamed
    ? {
        ...before,
        enabled: true,
        accounts: { ...before.accounts, [accountId]: { ...before.accounts?.[accountId], ...given } },
      }
    : { ...before, ...given }
  return { ...config, channels: { ...config.channels, [CHANNEL]: after } }
}

/** What is wrong with what `openclaw channels add` was given, or `null`. */
export function inputMistake(
  config: Config,
  accountId: string,
  input: { relayUrl?: string; token?: string },
): string | null {
  const { mistake } = resolveAccount(applyInput(config, accountId, input), accountId)
  return mistake?.replace(/^\S+\.relayUrl/, '--relay-url').replace(/^\S+\.token/, '--token') ?? null
}

function addressOf(text: string | undefined): string | null {
  if (!text || !URL.canParse(text.trim())) return null
  const url = new URL(text.trim())
  const scheme = SCHEMES[url.protocol]
  return scheme === undefined ? null : `${scheme}//${url.host}`
}

function addressMistake(place: string, text: string | undefined): string | null {
  const fix = 'write the address of the relay, such as https://relay.example.com'
  if (!text?.trim()) return `${place}.relayUrl is missing: ${fix}`
  return addressOf(text) === null ? `${place}.relayUrl is no address (${text}): ${fix}` : null
}

function tokenMistake(place: string, token: string | undefined): string | null {
  const fix = `write an agent key that was made at the relay, or \${NAME} of a variable that holds one`
  if (!token?.trim()) return `${place}.token is missing: ${fix}`
  // Visible ASCII, as a header takes it. Its value is never said.
  return /^[\x21-\x7e]+$/.test(token.trim()) && !token.includes('${') ? null : `${place}.token is no agent key: ${fix}`
}

/** Two accounts with one key would throw each other out for ever. */
function twin(config: Config, id: string, fields: Fields): string | null {
  const { accounts = {}, defaultAccount: _, ...root } = section(config)
  const other = accountIds(config).find((accountId) => {
    const its: Fields = { ...root, ...accounts[accountId] }
    return accountId < id && its.enabled !== false && its.token === fields.token && its.relayUrl === fields.relayUrl
  })
  if (other === undefined) return null
  return `channels.${CHANNEL}.accounts.${id}.token is the key of the account ${other}: give each account an agent key of its own`
}

function section(config: Config): Section {
  return (config.channels?.[CHANNEL] ?? {}) as Section
}

const DEFAULT_ID = 'default'
const SCHEMES: Record<string, string> = { 'http:': 'http:', 'https:': 'https:', 'ws:': 'http:', 'wss:': 'https:' }
