// Names and times as a person reads them, in the chosen language.

import { platform, WEB } from './lib/conversation'
import type { Rejected } from './lib/files'
import type { File } from './lib/frame'
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

/** `1.2 MB`, of a thousand kilobytes each as the relay counts them. */
export function fileSize(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  const [size, unit] = bytes < 999_500 ? [bytes / 1_000, 'KB'] : [bytes / 1_000_000, 'MB']
  return `${size < 10 ? Number(size.toFixed(1)) : Math.round(size)} ${unit}`
}

/** A message where only a line of words fits: `[2 images] What is this?` */
export function excerpt({ text, files = [] }: { text: string; files?: readonly File[] }, t: Strings): string {
  const first = files[0]
  if (!first) return text
  const kind = files.every((file) => file.kind === first.kind) ? first.kind : 'file'
  const name = files.length === 1 && kind === 'file' ? first.name : ''
  return [`[${t.fileWords[kind](files.length)}]`, name, text].filter(Boolean).join(' ')
}

/** What was chosen and cannot be sent, a sentence for each reason. */
export function rejections(rejected: readonly Rejected[], t: Strings): string[] {
  return (['empty', 'too_large', 'too_many'] as const).flatMap((why) => {
    const names = rejected.filter((file) => file.why === why).map(({ name }) => name)
    if (names.length === 0) return []
    return t.rejected[why](t.names(names.slice(0, NAMES_MAX), names.length), names.length)
  })
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

/** So many names are read; of more, nobody reads any. */
const NAMES_MAX = 3
let clock: { locale: string; format: Intl.DateTimeFormat } | undefined

function daysBetween(ms: number, nowMs: number): number {
  return Math.round((dayOf(nowMs) - dayOf(ms)) / 86_400_000)
}
