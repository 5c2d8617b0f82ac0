// What a platform allows a bot, and what is left of it: as the API has it, and sorted for showing.

export const METERED = ['calls', 'messages', 'proactive', 'uploads'] as const
export const PERIODS = ['second', 'minute', 'hour', 'day', 'month'] as const

export interface Allowance {
  name: (typeof METERED)[number]
  scope: 'account' | 'chat' | 'organisation'
  period: (typeof PERIODS)[number]
  /** Null: the platform does not say. */
  limit: number | null
  /** Null: not counted. */
  used: number | null
  is_used_up: boolean
  resets_ms: number | null
  source: string
}
export interface Window {
  chats: 'all' | 'private' | 'shared'
  open_ms: number
  messages: number
  source: string
}
export interface Quota {
  allowances: Allowance[]
  windows: Window[]
}
/** One that is counted. */
export type Counted = Allowance & { used: number; resets_ms: number }

export const counted = ({ allowances }: Quota): Counted[] => allowances.filter(isCounted)

/** The relay keeps these by waiting, or does not know how far each chat is. */
export const rates = ({ allowances }: Quota): Allowance[] => allowances.filter((allowance) => !isCounted(allowance))

function isCounted(allowance: Allowance): allowance is Counted {
  return allowance.used !== null
}

/** How much of it is gone, from 0 to 1; null: nobody knows. */
export function share({ used, limit, is_used_up }: Counted): number | null {
  if (is_used_up) return 1
  return limit === null || limit === 0 ? null : Math.min(1, used / limit)
}

/** From when on it is worth a look. */
export const isLow = (allowance: Counted): boolean => (share(allowance) ?? 0) >= 0.8

/** `48 hours`, `5 minutes`. */
export function duration(ms: number, locale: string): string {
  const minutes = Math.round(ms / 60_000)
  const [count, unit] = minutes < 60 ? [minutes, 'minute'] : [Math.round(minutes / 60), 'hour']
  return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' }).format(count)
}
