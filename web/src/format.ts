// Names and times as a person reads them, in the chosen language.

import { platform, WEB } from './lib/conversation'
import type { Strings } from './strings'

export function conversationName(id: string, t: Strings): string {
  const app = platform(id)
  if (id === WEB) return t.webChat
  return app === WEB ? id : t.chatOn(platformName(app, t), id.slice(-4))
}

export function platformName(platform: string, t: Strings): string {
  return t.platforms[platform] ?? platform
}

/** Why the relay refused something, by its error code. */
export function refusal(code: string, t: Strings): string {
  const { other, ...known } = t.refused
  return Object.hasOwn(known, code) ? known[code as keyof typeof known] : other(code)
}

export function clockTime(ms: number, t: Strings): string {
  // Making a formatter is slow, and a long list needs hundreds of times.
  clock =
    clock?.locale === t.locale
      ? clock
      : {
          locale: t.locale,
          format: new Intl.DateTimeFormat(t.locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
        }
  return clock.format.format(ms)
}

/** The day as a heading between messages. */
export function dayName(ms: number, nowMs: number, t: Strings): string {
  const days = daysBetween(ms, nowMs)
  if (days === 0) return t.today
  if (days === 1) return t.yesterday
  const sameYear = new Date(ms).getFullYear() === new Date(nowMs).getFullYear()
  return new Date(ms).toLocaleDateString(t.locale, {
    ...(sameYear ? {} : { year: 'numeric' }),
    month: 'long',
    day: 'numeric',
  })
}

/** When something happened, as near as one wants to know it: minutes, hours, days, then the date. */
export function ago(ms: number, nowMs: number, t: Strings): string {
  const minutes = Math.round((nowMs - ms) / 60_000)
  if (minutes < 1) return t.justNow
  const relative = new Intl.RelativeTimeFormat(t.locale, { numeric: 'auto' })
  if (minutes < 60) return relative.format(-minutes, 'minute')
  if (minutes < 24 * 60) return relative.format(-Math.round(minutes / 60), 'hour')
  if (daysBetween(ms, nowMs) < 7) return relative.format(-daysBetween(ms, nowMs), 'day')
  return dateName(ms, t)
}

export function dateName(ms: number, t: Strings): string {
  const sameYear = new Date(ms).getFullYear() === new Date().getFullYear()
  return new Date(ms).toLocaleDateString(t.locale, {
    ...(sameYear ? {} : { year: 'numeric' }),
    month: 'short',
    day: 'numeric',
  })
}

/** Day and time to the second, the same in every language: logs are compared with other logs. */
export function exactTime(ms: number): string {
  return new Date(ms).toLocaleString('sv-SE')
}

/** `4:05`, counting down. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

/** As short as a list needs it: the time today, the day before that. */
export function shortTime(ms: number, nowMs: number, t: Strings): string {
  if (daysBetween(ms, nowMs) === 0) return clockTime(ms, t)
  if (daysBetween(ms, nowMs) === 1) return t.yesterday
  return new Date(ms).toLocaleDateString(t.locale, { month: 'numeric', day: 'numeric' })
}

export function dayOf(ms: number): number {
  return new Date(ms).setHours(0, 0, 0, 0)
}

let clock: { locale: string; format: Intl.DateTimeFormat } | undefined

function daysBetween(ms: number, nowMs: number): number {
  return Math.round((dayOf(nowMs) - dayOf(ms)) / 86_400_000)
}
