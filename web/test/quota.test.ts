import { expect, test } from 'vitest'

import type { Allowance, Quota } from '../src/lib/quota'
import { counted, duration, isLow, METERED, PERIODS, rates, share } from '../src/lib/quota'
import { CONSOLE } from '../src/pages/console/strings'

const allowance = (changes: Partial<Allowance>): Allowance => ({
  name: 'calls',
  scope: 'account',
  period: 'day',
  limit: null,
  used: 0,
  is_used_up: false,
  resets_ms: 1,
  source: 'example.com',
  ...changes,
})
const only = (changes: Partial<Allowance>) => counted({ allowances: [allowance(changes)], windows: [] })[0]!

test('what is counted is apart from what is not', () => {
  const quota: Quota = {
    allowances: [allowance({ used: 0 }), allowance({ used: null, limit: 5, period: 'second', resets_ms: null })],
    windows: [],
  }
  expect(counted(quota).map(({ used }) => used)).toEqual([0])
  expect(rates(quota).map(({ limit }) => limit)).toEqual([5])
})

test('how much is gone is known with a limit, or when the platform says so', () => {
  expect(share(only({ used: 7 }))).toBeNull()
  expect(share(only({ used: 25, limit: 100 }))).toBe(0.25)
  expect(share(only({ used: 120, limit: 100 }))).toBe(1)
  expect(share(only({ used: 7, is_used_up: true }))).toBe(1)
  expect(share(only({ used: 0, limit: 0 }))).toBeNull()
  expect([79, 80].map((used) => isLow(only({ used, limit: 100 })))).toEqual([false, true])
})

test('durations are read as a person says them', () => {
  expect(duration(48 * 3_600_000, 'en')).toBe('48 hours')
  expect(duration(300_000, 'en')).toBe('5 minutes')
  expect(duration(3_600_000, 'zh-CN')).toMatch(/^1\s?小时$/)
})

test('every name is a phrase in both languages', () => {
  const { en, zh } = CONSOLE
  const name = (s: typeof zh, scope: Allowance['scope']) =>
    s.quotaName(s.metered.calls, s.periods.month, s.quotaScopes[scope])
  expect(name(en, 'organisation')).toBe('API calls a month (all apps of the organisation together)')
  expect(name(zh, 'organisation')).toBe('每月 API 调用（企业内所有应用共用）')
  expect(name(en, 'account')).toBe('API calls a month')
  for (const s of [en, zh]) {
    expect(METERED.every((what) => s.metered[what] !== '')).toBe(true)
    expect(PERIODS.every((period) => s.periods[period] !== '')).toBe(true)
    expect(s.windowAbout(s.windowChats.all, '1 h', 1)).toMatch(/1 /)
  }
  expect(en.windowAbout('All chats', '1 hour', 1)).toContain('1 message within 1 hour')
})
