import { expect, test } from 'vitest'
import { accountIds, applyInput, defaultAccountId, inputMistake, resolveAccount } from '../src/account'
import type { Config } from '../src/openclaw'

const with_ = (section: unknown): Config => ({ channels: { 'claw-relay': section } })
const RELAY = 'https://relay.example.com'

test('one account at the root, several under accounts, an account on top of the root', () => {
  const one = with_({ relayUrl: `${RELAY}/v1/ws`, token: ' key ' })
  expect([accountIds(one), defaultAccountId(one)]).toEqual([['default'], 'default'])
  expect(resolveAccount(one)).toEqual({
    accountId: 'default',
    enabled: true,
    relayUrl: RELAY,
    token: 'key',
    dmPolicy: 'pairing',
    allowFrom: [],
    groupPolicy: 'allowlist',
    groupAllowFrom: [],
    mistake: null,
  })
  const two = with_({
    relayUrl: RELAY,
    dmPolicy: 'open',
    allowFrom: ['*'],
    accounts: { home: { token: 'k1' }, office: { token: 'k2', dmPolicy: 'pairing', enabled: false, name: 'Office' } },
  })
  expect([accountIds(two), defaultAccountId(two)]).toEqual([['home', 'office'], 'home'])
  expect(resolveAccount(two, 'home')).toMatchObject({
    relayUrl: RELAY,
    token: 'k1',
    dmPolicy: 'open',
    allowFrom: ['*'],
  })
  expect(resolveAccount(two, 'office')).toMatchObject({ name: 'Office', enabled: false, dmPolicy: 'pairing' })
  expect(accountIds(with_({ token: 'k0', accounts: { office: { token: 'k2' } } }))).toEqual(['default', 'office'])
  expect(defaultAccountId(with_({ defaultAccount: 'b', accounts: { a: {}, b: {} } }))).toBe('b')
  expect(accountIds({})).toEqual(['default'])
})

test('who may ask in groups is set here, for an account, or for every channel', () => {
  const check = (config: Config, expected: string) =>
    expect(resolveAccount(config, 'home')).toMatchObject({ groupPolicy: expected, groupAllowFrom: [] })
  const everywhere = { defaults: { groupPolicy: 'open' } }
  check(with_({}), 'allowlist')
  check({ channels: { ...everywhere, 'claw-relay': {} } }, 'open')
  check({ channels: { ...everywhere, 'claw-relay': { groupPolicy: 'disabled' } } }, 'disabled')
  check(with_({ groupPolicy: 'open', accounts: { home: { groupPolicy: 'disabled' } } }), 'disabled')
  const named = with_({ groupAllowFrom: ['feishu:ou_1', 7] })
  expect(resolveAccount(named).groupAllowFrom).toEqual(['feishu:ou_1', '7'])
})

test('the address is the relay’s, however it was copied', () => {
  const check = (relayUrl: string, expected: string) =>
    expect(resolveAccount(with_({ relayUrl, token: 'k' })).relayUrl).toBe(expected)
  check('wss://relay.example.com/v1/ws', RELAY)
  check(' https://relay.example.com/ ', RELAY)
  check('ws://127.0.0.1:8787', 'http://127.0.0.1:8787')
  check('relay.example.com', '')
  check('ftp://relay.example.com', '')
})

test('a mistake names the field and what to write', () => {
  const check = (section: unknown, account: string, expected: RegExp) =>
    expect(resolveAccount(with_(section), account).mistake).toMatch(expected)
  check(
    { token: 'k' },
    'default',
    /^channels\.claw-relay\.relayUrl is missing: write the address of the relay, such as https:/,
  )
  check({ relayUrl: 'relay', token: 'k' }, 'default', /^channels\.claw-relay\.relayUrl is no address \(relay\): write/)
  check({ relayUrl: RELAY }, 'default', /^channels\.claw-relay\.token is missing: write an agent key/)
  const secret = 'se cret'
  const account = resolveAccount(with_({ relayUrl: RELAY, accounts: { home: { token: secret } } }), 'home')
  expect(account.mistake).toMatch(/^channels\.claw-relay\.accounts\.home\.token is no agent key: write/)
  expect(account.mistake).not.toContain(secret)
  const twins = { relayUrl: RELAY, accounts: { a: { token: 'k' }, b: { token: 'k' } } }
  check(twins, 'b', /accounts\.b\.token is the key of the account a: give each account an agent key of its own/)
  expect(resolveAccount(with_(twins), 'a').mistake).toBe(null)
})

test('what channels add writes', () => {
  const input = { relayUrl: RELAY, token: 'k' }
  const first = applyInput({}, 'default', input)
  expect(first).toEqual(with_({ enabled: true, ...input }))
  const second = applyInput(with_({ relayUrl: RELAY, accounts: { default: { token: 'k' } } }), 'office', {
    token: 'k2',
  })
  expect(second).toEqual(
    with_({
      relayUrl: RELAY,
      enabled: true,
      accounts: { default: { token: 'k' }, office: { enabled: true, token: 'k2' } },
    }),
  )
  expect(inputMistake({}, 'default', input)).toBe(null)
  expect(inputMistake({}, 'default', { token: 'k' })).toMatch(/^--relay-url is missing/)
  expect(inputMistake({}, 'office', { relayUrl: RELAY })).toMatch(/^--token is missing/)
  // The second account may lean on the first one's relay.
  expect(inputMistake(first, 'office', { token: 'k2' })).toBe(null)
})
