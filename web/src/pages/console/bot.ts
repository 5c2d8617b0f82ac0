// What an operator enters for a new bot, and how the relay hears and answers it.

import { randomWord } from '../../browser'
import type { Policy } from '../../lib/admin'
import { Refused } from '../../lib/api'
import type { Language } from '../../strings'
import type { Field, Platform } from './platforms'

/** By the name of the field; switches are `true` or `false`. */
export type Values = Record<string, string>

/** A bot that was just made, with what its operator entered. */
export interface Made {
  id: string
  policy: Policy
  values: Values
}

export function initialValues(platform: Platform): Values {
  return Object.fromEntries(platform.fields.map((field) => [field.name, initial(field)]))
}

function initial({ initial, options }: Field): string {
  return initial?.() ?? options?.[0]?.value ?? ''
}

/** Whether secrets are made here: their operator must take them to the platform, and nobody shows them again. */
export function makesSecrets({ fields }: Platform): boolean {
  return fields.some(({ initial, kind }) => kind === 'secret' && initial !== undefined)
}

/** A name for the account that is still free. */
export function freeId({ id, hasSecretAddress }: Platform, taken: readonly string[]): string {
  if (hasSecretAddress) return `${id}-${randomWord(16).toLowerCase()}`
  let free = id
  for (let n = 2; taken.includes(free); n++) free = `${id}-${n}`
  return free
}

/** What is wrong, by the name of the field: what the relay would refuse, before it is asked. */
export function wrongFields(platform: Platform, values: Values, language: Language): Record<string, string> {
  const wrong: Record<string, string> = {}
  const { fields, oneOf = [] } = platform
  for (const { name, isOptional, check } of fields) {
    const value = values[name]!.trim()
    if (value === '' && !isOptional && !oneOf.includes(name)) wrong[name] = REQUIRED[language]
    if (value !== '' && check && !check.pattern.test(value)) wrong[name] = check.say[language]
  }
  if (oneOf.length > 0 && oneOf.every((name) => values[name]!.trim() === '')) wrong[oneOf[0]!] = ONE_OF[language]
  return wrong
}

/** What is wrong with the name of an account. */
export function wrongId(id: string, taken: readonly string[], language: Language): string {
  if (!/^[A-Za-z0-9._@-]{1,64}$/.test(id)) return BAD_ID[language]
  return taken.includes(id) ? TAKEN[language] : ''
}

/** As the relay takes them; what is empty is left to it. */
export function settings(platform: Platform, values: Values): Record<string, boolean | number | string> {
  const filled = platform.fields.filter(({ name }) => values[name]!.trim() !== '')
  return Object.fromEntries(filled.map((field) => [field.name, typed(field, values[field.name]!.trim())]))
}

function typed({ kind }: Field, value: string): boolean | number | string {
  if (kind === 'switch') return value === 'true'
  return kind === 'number' ? Number(value) : value
}

/**
 * Where to show a refusal, and its words: the relay begins them with the names of the fields that it is about
 * (`app_id, app_secret: …`), and the last of those stands below all of them.
 */
export function refusedField(error: unknown, names: readonly string[]): { name: string; why: string } | null {
  if (!(error instanceof Refused)) return null
  const [, listed, why] = /^([a-z_]+(?:(?:, | or )[a-z_]+)*): (.+)$/s.exec(error.detail) ?? []
  const named = (listed ?? '').split(/, | or /)
  const name = names.filter((known) => named.includes(known)).at(-1)
  return name === undefined ? null : { name, why: why! }
}

const REQUIRED = { en: 'Needed', zh: '请填写' }
const ONE_OF = {
  en: 'At least one of the two, or anyone could send messages',
  zh: '两项至少填一项，否则谁都能冒充平台',
}
const BAD_ID = { en: '1 to 64 letters, digits and . _ @ -', zh: '1 到 64 个字母、数字或 . _ @ -' }
const TAKEN = { en: 'There is a bot of this name already', zh: '已经有这个标识的机器人了' }
