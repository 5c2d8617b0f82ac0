import { readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { Refused } from '../src/lib/api'
import type { Values } from '../src/pages/console/bot'
import { freeId, initialValues, refusedField, settings, wrongFields, wrongId } from '../src/pages/console/bot'
import type { Platform } from '../src/pages/console/platforms'
import { PLATFORMS, platformOf } from '../src/pages/console/platforms'
import { STRINGS } from '../src/strings'

const KEY = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG'
const on = (id: string): Platform => platformOf(id)!
/** What an operator enters on each platform. */
const FILLED: Record<string, Values> = {
  feishu: { app_id: 'cli_1', app_secret: 's', encrypt_key: 'k' },
  wecom: { corp_id: 'ww1', agent_id: '1000002', secret: 's', token: 't', encoding_aes_key: KEY },
  'wecom-bot': { token: 't', encoding_aes_key: KEY },
  wechat: { app_id: 'wx1', app_secret: 's', token: 't', encoding_aes_key: '' },
  qq: { app_id: '1', app_secret: 's' },
  telegram: { bot_token: '1:A_b-c', secret_token: 'x' },
  dingtalk: { app_key: 'ding1', app_secret: 's' },
}
const filled = (id: string, more: Values = {}): Values => ({ ...initialValues(on(id)), ...FILLED[id], ...more })
const wrong = (id: string, more: Values = {}) => wrongFields(on(id), filled(id, more), 'en')

test('the table has every platform of the relay, with every setting that an operator can make', () => {
  // The relay's own examples: one account of each platform, with everything that can be set.
  const source = readFileSync(new URL('../../relay/src/platform/mod.rs', import.meta.url), 'utf8')
  const examples = [...source.matchAll(/r#"(\{"platform".*?\})"#/gs)].map(([, json]) => JSON.parse(json!) as object)
  // The relay asks the platform for these.
  const asked = ['platform', 'bot_open_id', 'bot_id', 'username']
  const theirs = examples.map((example) => [
    (example as { platform: string }).platform,
    Object.keys(example)
      .filter((name) => !asked.includes(name))
      .sort(),
  ])
  expect(theirs).toHaveLength(7)
  const ours = PLATFORMS.map(({ id, fields }) => [id, fields.map(({ name }) => name).sort()])
  expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(theirs))
  expect(Object.keys(STRINGS.en.platforms).sort()).toEqual(PLATFORMS.map(({ id }) => id).sort())
})

test.each(PLATFORMS.map(({ id }) => id))('%s: what is filled in is right, and nothing is right that is empty', (id) => {
  expect(wrong(id)).toEqual({})
  const { fields, oneOf = [] } = on(id)
  for (const { name, isOptional, kind } of fields) {
    if (!isOptional && !oneOf.includes(name) && kind !== 'switch' && kind !== 'choice')
      expect(wrong(id, { [name]: ' ' })).toHaveProperty(name)
  }
})

test.each([
  ['feishu', { encrypt_key: '', verification_token: '' }, ['encrypt_key']],
  ['feishu', { encrypt_key: '', verification_token: 'v' }, []],
  ['wecom', { agent_id: 'seven' }, ['agent_id']],
  ['wecom', { encoding_aes_key: KEY.slice(1) }, ['encoding_aes_key']],
  ['wecom', { encoding_aes_key: `${KEY}=` }, ['encoding_aes_key']],
  ['wecom', { api_base: 'https://proxy.example/' }, ['api_base']],
  ['wecom', { api_base: 'http://proxy.example' }, ['api_base']],
  ['wecom', { api_base: 'http://127.0.0.1:8080' }, []],
  ['wecom', { api_base: 'https://proxy.example/wecom' }, []],
  ['wechat', { encoding_aes_key: 'short' }, ['encoding_aes_key']],
  ['telegram', { bot_token: 'ABC' }, ['bot_token']],
  ['telegram', { bot_token: '1:' }, ['bot_token']],
  ['telegram', { bot_token: '1:a b' }, ['bot_token']],
  ['telegram', { secret_token: 'no spaces' }, ['secret_token']],
  ['telegram', { secret_token: 'x'.repeat(257) }, ['secret_token']],
])('%s with %j: wrong is %j', (id, more, names) => {
  expect(Object.keys(wrong(id, more))).toEqual(names)
})

test('what is made here is what the platform takes, and another one each time', () => {
  for (const platform of PLATFORMS) {
    const [once, again] = [initialValues(platform), initialValues(platform)]
    for (const { name, kind, check, isEnteredThere } of platform.fields) {
      if (kind === 'secret' && once[name] !== '') expect(once[name]).not.toBe(again[name])
      if (kind === 'secret' && once[name] !== '' && check) expect(once[name]).toMatch(check.pattern)
      if (isEnteredThere) expect(once[name]).not.toBe('')
    }
  }
})

test('the relay is sent what it reads: numbers, switches, and nothing that is empty', () => {
  expect(settings(on('wecom'), filled('wecom', { markdown: 'false', secret: ' s ' }))).toEqual({
    corp_id: 'ww1',
    agent_id: 1000002,
    secret: 's',
    token: 't',
    encoding_aes_key: KEY,
    markdown: false,
    passive: true,
  })
  expect(settings(on('feishu'), filled('feishu'))).toEqual({
    api_base: 'https://open.feishu.cn',
    app_id: 'cli_1',
    app_secret: 's',
    encrypt_key: 'k',
    streaming: true,
  })
})

test('the name of an account: free, and not to be guessed where the address is a secret', () => {
  expect(freeId(on('feishu'), [])).toBe('feishu')
  expect(freeId(on('feishu'), ['feishu', 'feishu-2'])).toBe('feishu-3')
  expect(freeId(on('dingtalk'), [])).toMatch(/^dingtalk-[a-z0-9]{16}$/)
  expect(wrongId('Main_1.a@b-c', [], 'en')).toBe('')
  for (const id of ['', 'a:b', 'a b', '名', 'x'.repeat(65)]) expect(wrongId(id, [], 'en')).not.toBe('')
  expect(wrongId('main', ['main'], 'en')).not.toBe('')
})

test.each([
  ['app_id, app_secret: Feishu 10014: app secret invalid', 'app_secret', 'Feishu 10014: app secret invalid'],
  ['encrypt_key or verification_token: at least one', 'verification_token', 'at least one'],
  ['id: there is an account of this name', 'id', 'there is an account of this name'],
  // No field here: it is said below the form.
  ['corp_id, secret: copy them', null, null],
  ['body: missing field `token`', null, null],
  ['', null, null],
])('%j is shown at %j', (detail, name, why) => {
  const refused = new Refused({ status: 400, body: { type: '/errors/bad_request', detail } })
  const names = ['id', 'app_id', 'app_secret', 'encrypt_key', 'verification_token']
  expect(refusedField(refused, names)).toEqual(name === null ? null : { name, why })
})

test('Telegram is told the address by a command', () => {
  const { command } = on('telegram')
  expect(command!({ api_base: '', bot_token: '1:A', secret_token: 's' }, 'https://r.example/webhook/telegram/t')).toBe(
    `curl 'https://api.telegram.org/bot1:A/setWebhook' -d 'url=https://r.example/webhook/telegram/t' -d 'secret_token=s' -d 'allowed_updates=["message","callback_query","my_chat_member"]'`,
  )
})
