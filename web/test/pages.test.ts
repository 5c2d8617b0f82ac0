import { expect, test } from 'vitest'

import { ago, conversationName, countdown } from '../src/format'
import { agentCommand } from '../src/lib/account'
import { CONSOLE } from '../src/pages/console/strings'
import { deviceName, isPhone } from '../src/pages/settings/device'
import { SETTINGS } from '../src/pages/settings/strings'
import { looksLikeLogin, passwordProblem } from '../src/pages/sign-in/check'
import { SIGN_IN } from '../src/pages/sign-in/strings'
import { STRINGS } from '../src/strings'

test.each([
  ['settings', SETTINGS],
  ['console', CONSOLE],
  ['sign-in', SIGN_IN],
])('both languages say everything on the page %s', (_page, { en, zh }) => {
  expect(Object.keys(en)).toEqual(Object.keys(zh))
  for (const [key, words] of Object.entries(zh)) {
    if (typeof words === 'object') expect(Object.keys(en[key as never])).toEqual(Object.keys(words))
  }
})

test.each([
  ['ada@example.com', true],
  ['+86 138 0013 8000', true],
  ['+44(20)7946-0958', true],
  // Without its country code nobody knows whose it is.
  ['13800138000', false],
  ['ada', false],
  ['ada@example', false],
  ['12', false],
  ['', false],
])('%j looks like a login: %s', (text, looks) => {
  expect(looksLikeLogin(text)).toBe(looks)
})

test('a password has 12 to 128 characters, as people count them', () => {
  const say = { passwordLong: 'long', passwordShort: (missing: number) => `${missing} missing` }
  expect(passwordProblem('密码'.repeat(5), say)).toBe('2 missing')
  expect(passwordProblem('🦀'.repeat(11), say)).toBe('1 missing')
  expect(passwordProblem('🦀'.repeat(12), say)).toBe('')
  expect(passwordProblem('x'.repeat(128), say)).toBe('')
  expect(passwordProblem('x'.repeat(129), say)).toBe('long')
})

test.each([
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/142.0 Safari/537.36',
    'Chrome · macOS',
    false,
  ],
  ['Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0', 'Edge · Windows', false],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile/15E Safari/604.1',
    'Safari · iPhone',
    true,
  ],
  ['Mozilla/5.0 (Linux; Android 16) Chrome/142.0 Mobile Safari/537.36 MicroMessenger/8.0', 'WeChat · Android', true],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', 'Firefox · Linux', false],
  ['claw-relay mini program 0.1.0', 'claw-relay mini program 0.1.0', true],
  ['', '', false],
])('the client %j is called %j', (client, name, phone) => {
  expect(deviceName(client)).toBe(name)
  expect(isPhone(client)).toBe(phone)
})

test.each([
  ['web', '网页聊天', 'Web chat'],
  ['notes', 'notes', 'notes'],
  ['feishu:main:oc_a0553eda9014c230', '飞书会话 c230', 'Feishu chat c230'],
  ['wecom:corp:lin.xiaoman', '企业微信会话 oman', 'WeCom chat oman'],
  ['wecom-bot:corp:group-wrkA1', '企业微信机器人会话 rkA1', 'WeCom bot chat rkA1'],
  ['wechat:oa:oABC-1234', '微信公众号会话 1234', 'WeChat account chat 1234'],
  ['qq:bot:c2c-E4F47A09', 'QQ 会话 7A09', 'QQ chat 7A09'],
  ['telegram:main:-100123.7', 'Telegram 会话 23.7', 'Telegram chat 23.7'],
  ['dingtalk:main:@q3bXz9', '钉钉会话 bXz9', 'DingTalk chat bXz9'],
  ['slack:main:C0123', 'slack 会话 0123', 'slack chat 0123'],
])('the conversation %j is called %j, %j', (id, zh, en) => {
  expect(conversationName(id, STRINGS.zh)).toBe(zh)
  expect(conversationName(id, STRINGS.en)).toBe(en)
})

test('how long ago, as near as one wants to know it', () => {
  const now = new Date(2026, 5, 15, 12).getTime()
  const say = (ms: number) => ago(now - ms, now, STRINGS.en)
  expect(say(20_000)).toBe('just now')
  expect(say(5 * 60_000)).toBe('5 minutes ago')
  expect(say(3 * 3_600_000)).toBe('3 hours ago')
  expect(say(30 * 3_600_000)).toBe('yesterday')
  // A clock that is ahead makes nothing strange.
  expect(say(-60_000)).toBe('just now')
  expect(countdown(245_999)).toBe('4:05')
  expect(countdown(-1)).toBe('0:00')
})

test('the command to start an agent takes the key from the environment, where other users of a computer do not see it', () => {
  expect(agentCommand('https://relay.example', 'k.s')).toBe(
    'CLAW_AGENT_KEY=k.s claw-agent run --relay https://relay.example',
  )
})
