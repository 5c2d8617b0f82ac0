import { existsSync, readFileSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { decodeClient, decodeServer, encode, encodeBatch, parseCursor, readServer } from '../src/lib/codec'
import type { ClientFrame, ServerFrame } from '../src/lib/frame'

// The JSON that every implementation must write, byte for byte. Deployed agents and pages break if it moves.
const CLIENT = [
  '{"type":"ack","seq":42}',
  '{"type":"delta","reply_to":42,"offset":0,"text":"Hel"}',
  '{"type":"fail","reply_to":42,"reason":"model server unreachable"}',
  '{"type":"hello"}',
  '{"type":"hello","cursor":"1732233600000.42","last":100,"capabilities":["deltas"],"client":"web/0.1.0"}',
  '{"type":"hello","open":[40,41]}',
  '{"type":"reply","reply_to":42,"text":"Hello."}',
  '{"type":"send","id":"m-7f3a","text":"hi"}',
  '{"type":"send","id":"m-7f3a","conversation":"web","text":"你好 😀"}',
  '{"type":"stop","reply_to":41}',
]
const SERVER = [
  '{"type":"accepted","id":"m-7f3a","seq":41}',
  '{"type":"delta","reply_to":41,"offset":3,"text":"lo"}',
  '{"type":"error","code":"queue_full","detail":"200 wait","id":"m-7f3a"}',
  '{"type":"error","code":"bad_frame","detail":"…"}',
  '{"type":"message","seq":41,"id":"m-7f3a","conversation":"web","from":{"kind":"user","via":"web"},"at_ms":1732233600456,"text":"hi","state":"queued"}',
  '{"type":"message","seq":41,"id":"m-7f3a","conversation":"web","session":2,"from":{"kind":"user","via":"web"},"agent":"agt_1","at_ms":1,"text":"hi","state":"expired","reason":"no answer within 24 h"}',
  '{"type":"message","seq":42,"id":"reply:41","conversation":"web","from":{"kind":"agent","id":"agt_1"},"reply_to":41,"at_ms":1732233601000,"text":"Hello."}',
  '{"type":"message","seq":43,"id":"notice:41","conversation":"web","from":{"kind":"relay"},"at_ms":1,"text":"Failed"}',
  '{"type":"message","seq":44,"id":"feishu:main:om_1","conversation":"feishu:main:oc_1","from":{"kind":"user","via":"feishu","sender":"ou_1"},"at_ms":1,"text":"hi","state":"failed","reason":"gone"}',
  '{"type":"message","seq":44,"id":"telegram:main:1","conversation":"telegram:main:-100","from":{"kind":"user","via":"telegram","sender":"5","name":"Ada Lovelace","group":true},"at_ms":1,"text":"hi","state":"queued"}',
  '{"type":"presence","agents":[{"id":"agt_1","name":"laptop","online":true}]}',
  '{"type":"restream","reply_to":41}',
  '{"type":"state","seq":41,"state":"replied"}',
  '{"type":"state","seq":41,"state":"failed","reason":"gone"}',
  '{"type":"state","seq":41,"state":"expired","reason":"no answer within 24 h"}',
  '{"type":"stop","reply_to":41}',
  '{"type":"welcome","user":"usr_1","cursor":"1732233600000.42","resumed":{"outcome":"continued","after":40},"window":256,"ping_ms":30000}',
  '{"type":"welcome","user":"usr_1","cursor":"1.2","resumed":{"outcome":"gap","from":1,"to":2,"reason":"trimmed"},"window":256,"ping_ms":30000}',
]

const decodeBy = { client: decodeClient, server: decodeServer }
function roundTrip(direction: 'client' | 'server', json: string): string {
  const frames: (ClientFrame | ServerFrame)[] = decodeBy[direction](json)
  return json.trimStart().startsWith('[') ? encodeBatch(frames) : encode(frames[0]!)
}

test.each(CLIENT)('client frame %s', (json) => expect(roundTrip('client', json)).toBe(json))
test.each(SERVER)('server frame %s', (json) => expect(roundTrip('server', json)).toBe(json))

test('a batch is decoded in order', () => {
  expect(roundTrip('server', `[${SERVER.join(',')}]`)).toBe(`[${SERVER.join(',')}]`)
  expect(decodeServer('[]')).toEqual([])
})

test('unknown types and fields do no harm', () => {
  expect(decodeServer('{"type":"hologram","x":1}')).toEqual([{ type: 'unknown' }])
  expect(decodeServer('{"type":"restream","reply_to":1,"why":"?"}')).toEqual([{ type: 'restream', reply_to: 1 }])
  expect(
    decodeServer(
      '{"type":"welcome","user":"u","cursor":"1.2","resumed":{"outcome":"gap","from":1,"to":2,"reason":"flood"},"window":1,"ping_ms":1}',
    ),
  ).toMatchObject([{ resumed: { reason: 'unknown' } }])
})

test('session 0 is left out, as the relay leaves it out', () => {
  const json =
    '{"type":"message","seq":1,"id":"m","conversation":"web","session":0,"from":{"kind":"relay"},"at_ms":1,"text":""}'
  expect(roundTrip('server', json)).toBe(json.replace('"session":0,', ''))
})

test('null counts as absent', () => {
  expect(decodeClient('{"type":"hello","cursor":null,"client":null}')).toEqual([{ type: 'hello' }])
})

test.each([
  'ping',
  '1',
  'null',
  '[[]]',
  '{}',
  '{"type":"ack"}',
  '{"type":"ack","seq":-1}',
  '{"type":"ack","seq":1.5}',
  '{"type":"ack","seq":"1"}',
  '{"type":"ack","seq":9007199254740992}',
  '{"type":"hello","cursor":"12"}',
  '{"type":"hello","capabilities":[1]}',
  '{"type":"hello","open":["40"]}',
  '{"type":"send","id":"a b","text":""}',
  '{"type":"stop"}',
  `{"type":"send","id":"${'x'.repeat(201)}","text":""}`,
  '{"type":"send","id":"","text":""}',
  `[${Array(65).fill('{"type":"ack","seq":1}').join(',')}]`,
  `{"type":"reply","reply_to":1,"text":"${'好'.repeat(350_000)}"}`,
])('malformed %#', (json) => expect(() => decodeClient(json)).toThrow())

test('cursors', () => {
  expect(parseCursor('1732233600000.42')).toEqual({ epoch: 1732233600000, seq: 42 })
  for (const bad of ['', '12', '1.-2', '+1.2', '1.2.3', '1.9007199254740992', '１.２'])
    expect(() => parseCursor(bad)).toThrow()
})

interface Vector {
  id: string
  direction: 'client' | 'server'
  json: string
  valid: boolean
}
const file = new URL('../../tests/vectors/frames.json', import.meta.url)
const vectors: Vector[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).vectors : []
describe.skipIf(vectors.length === 0)('tests/vectors/frames.json', () => {
  test.each(vectors.map((vector) => [vector.id, vector] as const))('%s', (_id, { direction, json, valid }) => {
    if (valid) expect(roundTrip(direction, json)).toBe(json)
    else expect(() => decodeBy[direction](json)).toThrow()
  })
})

test('an unreadable frame does not take its batch along, nor does a state of a newer relay', () => {
  const batch =
    '[{"type":"state","seq":"x"},{"type":"state","seq":1,"state":"from_the_future"},{"type":"restream","reply_to":1}]'
  expect(readServer(batch)).toEqual([
    { type: 'unknown' },
    { type: 'state', seq: 1, state: 'unknown' },
    { type: 'restream', reply_to: 1 },
  ])
})
