import { expect, test } from 'vitest'

import { entrance, invitationCode, linkCode, pairingCode } from '../src/lib/entrance'

test.each([
  ['', '', {}],
  ['', '#/settings/agents', {}],
  ['', '#link=Ab-c_9', { link: 'Ab-c_9' }],
  ['?pair=k7pm-3xqd', '', { pair: 'K7PM-3XQD' }],
  ['?pair=short', '', {}],
  ['?invitation=inv%2B1', '#link=abc', { invitation: 'inv+1', link: 'abc' }],
  ['?code=c1&state=s1', '', { oauth: { code: 'c1', state: 's1' } }],
  ['?error=access_denied&state=s1', '', { oauthRefused: 'access_denied' }],
  // Without a state it is not the way back from anywhere.
  ['?code=c1', '', {}],
  ['?pair=%', '#%', {}],
])('the address %s%s brings %j', (query, fragment, brought) => {
  expect(entrance(query, fragment)).toEqual(brought)
})

test.each([
  ['K7PM-3XQD', 'K7PM-3XQD'],
  [' k7pm3xqd ', 'K7PM-3XQD'],
  ['k7pm 3xqd', 'K7PM-3XQD'],
  ['Ｋ７ＰＭ－３ＸＱＤ', 'K7PM-3XQD'],
  ['k7pm–3xqd', 'K7PM-3XQD'],
  ['https://relay.example/?pair=K7PM-3XQD', 'K7PM-3XQD'],
  ['https://relay.example/?pair=K7PM-3XQD#/', 'K7PM-3XQD'],
  ['https://relay.example/?other=1', null],
  ['K7PM-3XQ', null],
  ['K7PM-3XQDD', null],
  ['配对码', null],
  ['', null],
])('the pairing code %j is read as %j', (typed, code) => {
  expect(pairingCode(typed)).toBe(code)
})

test.each([
  ['https://relay.example/#link=Abc_123', 'Abc_123'],
  ['  Abc_123\n', 'Abc_123'],
  ['https://relay.example/', null],
  ['https://relay.example/#/settings', null],
  ['two words', null],
  ['', null],
])('of the paste %j the link code is %j', (pasted, code) => {
  expect(linkCode(pasted)).toBe(code)
})

test.each([
  [' abc ', 'abc'],
  ['https://relay.example/?invitation=abc', 'abc'],
])('of %j the invitation is %j', (typed, code) => {
  expect(invitationCode(typed)).toBe(code)
})
