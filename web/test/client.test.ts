import { expect, test } from 'vitest'

import { World } from './world'

const HI = { id: 'm-1', conversation: 'web', text: 'hi' }

test('the first hello asks for the newest messages', async () => {
  const world = new World()
  await world.online()
  expect(world.socket.sent).toEqual(['{"type":"hello","last":100,"capabilities":["deltas"],"client":"test/1"}'])
  expect(world.status).toEqual({ state: 'online' })
})

test('resumes after the last message that it handed on', async () => {
  const world = new World()
  await world.online()
  world.hear(world.message(41), world.message(42))
  await world.reconnect('7.42', { outcome: 'continued', after: 42 })
  expect(world.socket.of('hello')).toEqual([
    { type: 'hello', cursor: '7.42', capabilities: ['deltas'], client: 'test/1' },
  ])
  expect(world.dials).toBe(2)
})

test.each([
  [{ outcome: 'gap', from: 43, to: 90, reason: 'trimmed' }, '7.90'],
  [{ outcome: 'gap', from: 0, to: 5, reason: 'epoch' }, '9.5'],
  [{ outcome: 'gap', from: 31, to: 42, reason: 'ahead' }, '7.30'],
] as const)('goes on behind a gap %#', async (resumed, cursor) => {
  const world = new World()
  await world.online()
  world.hear(world.message(42))
  await world.reconnect(cursor, resumed)
  await world.reconnect(cursor, { outcome: 'continued', after: 0 })
  expect(world.socket.of('hello')).toMatchObject([{ cursor }])
})

test('a cursor that the relay does not know is dropped', async () => {
  const world = new World()
  await world.online()
  world.hear({ type: 'error', code: 'bad_cursor', detail: '' })
  world.socket.on.closed(4400)
  await world.redial()
  world.socket.on.opened()
  expect(world.socket.of('hello')).toMatchObject([{ last: 100 }])
})

test('acknowledges after 200 ms, once for all', async () => {
  const world = new World()
  await world.online()
  world.hear(world.message(41))
  world.advance(150)
  world.hear(world.message(42))
  expect(world.socket.of('ack')).toEqual([])
  world.advance(50)
  expect(world.socket.of('ack')).toEqual([{ type: 'ack', seq: 42 }])
  world.advance(5_000)
  expect(world.socket.of('ack')).toHaveLength(1)
})

test('acknowledges at once after 32 messages', async () => {
  const world = new World()
  await world.online()
  for (let seq = 41; seq < 41 + 70; seq++) world.hear(world.message(seq))
  expect(world.socket.of('ack')).toEqual([
    { type: 'ack', seq: 72 },
    { type: 'ack', seq: 104 },
  ])
  world.advance(200)
  expect(world.socket.of('ack').at(-1)).toEqual({ type: 'ack', seq: 110 })
})

test('what was not accepted goes out again with the same id', async () => {
  const world = new World()
  world.client.start()
  expect(world.client.send(HI)).toBe(true)
  await world.settle()
  world.socket.on.opened()
  expect(world.socket.of('send')).toEqual([])
  world.welcome('7.40', { outcome: 'started', after: 40 })
  expect(world.socket.of('send')).toEqual([{ type: 'send', ...HI }])
  await world.reconnect('7.40', { outcome: 'continued', after: 40 })
  expect(world.socket.of('send')).toEqual([{ type: 'send', ...HI }])
  world.hear({ type: 'accepted', id: 'm-1', seq: 41 })
  await world.reconnect('7.41', { outcome: 'continued', after: 40 })
  expect(world.socket.of('send')).toEqual([])
})

test('its files go out with it, each time', async () => {
  const world = new World()
  await world.online()
  const file = { id: 'f_1', name: 'a.png', kind: 'image' as const, bytes: 9, url: 'https://relay/v1/files/f_1' }
  world.client.send({ ...HI, text: '', files: [file] })
  const sent = [{ type: 'send', ...HI, text: '', files: [file] }]
  expect(world.socket.of('send')).toEqual(sent)
  await world.reconnect('7.40', { outcome: 'continued', after: 40 })
  expect(world.socket.of('send')).toEqual(sent)
})

test('what was refused does not go out again', async () => {
  const world = new World()
  await world.online()
  world.client.send(HI)
  world.hear({ type: 'error', code: 'queue_full', detail: '', id: 'm-1' })
  await world.reconnect('7.40', { outcome: 'continued', after: 40 })
  expect(world.socket.of('send')).toEqual([])
})

test('an unanswered send is repeated on a living connection', async () => {
  const world = new World()
  await world.online()
  world.client.send(HI)
  world.advance(30_000)
  expect(world.socket.of('send')).toHaveLength(2)
})

test('a text that would make too large a frame is not sent', () => {
  expect(new World().client.send({ ...HI, text: '\u0001'.repeat(200_000) })).toBe(false)
})

test('stop goes out at once, once, and tests the connection', async () => {
  const world = new World()
  await world.online()
  expect(world.client.stop(41)).toBe(true)
  expect(world.socket.of('stop')).toEqual([{ type: 'stop', reply_to: 41 }])
  expect(world.socket.sent.at(-1)).toBe('ping')
  world.hear({ type: 'state', seq: 41, state: 'failed', reason: 'stopped' })
  world.advance(29_000)
  expect(world.socket.of('stop')).toHaveLength(1)
  expect(world.status.state).toBe('online')
})

test('a stop that a dead connection swallowed is known within seconds', async () => {
  const world = new World()
  await world.online()
  world.client.stop(41)
  world.advance(5_000)
  expect(world.status.state).toBe('waiting')
})

test('without a connection nothing is stopped, and nothing is kept to be stopped later', async () => {
  const world = new World()
  expect(world.client.stop(41)).toBe(false)
  world.client.start()
  await world.settle()
  world.socket.on.opened()
  expect(world.client.stop(41)).toBe(false)
  world.welcome('7.41', { outcome: 'continued', after: 41 })
  expect(world.socket.of('stop')).toEqual([])
})

test('close 4410, read too slowly: reconnects as after any other', async () => {
  const world = new World()
  await world.online()
  world.hear(world.message(41), { type: 'error', code: 'stalled', detail: '' })
  world.socket.on.closed(4410)
  await world.redial()
  world.socket.on.opened()
  expect(world.socket.of('hello')).toMatchObject([{ cursor: '7.41' }])
})

test('a stop meant for agents changes nothing', async () => {
  const world = new World()
  await world.online()
  const before = world.socket.sent.length
  world.hear({ type: 'stop', reply_to: 41 })
  expect(world.socket.sent).toHaveLength(before)
})

test('pings, and drops a connection that is silent for two intervals', async () => {
  const world = new World()
  await world.online()
  world.advance(30_000)
  expect(world.socket.sent.at(-1)).toBe('ping')
  world.socket.on.received('pong')
  world.advance(59_999)
  const { socket } = world
  expect(socket.closed).toBe(false)
  world.advance(1)
  expect(socket.closed).toBe(true)
  expect(world.status.state).toBe('waiting')
})

test('full jitter, doubled up to 30 s, begun anew after a connection that lasted', async () => {
  const world = new World()
  world.address = { unreachable: true }
  world.client.start()
  const delays: number[] = []
  for (let attempt = 0; attempt < 8; attempt++) {
    await world.settle()
    const { status } = world
    if (status.state !== 'waiting') throw new Error(status.state)
    delays.push(status.retryAtMs - world.nowMs)
    world.advance(status.retryAtMs - world.nowMs)
  }
  expect(delays).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  world.address = { url: 'wss://relay' }
  await world.settle()
  await world.redial()
  world.socket.on.opened()
  world.welcome('7.40', { outcome: 'started', after: 40 })
  world.advance(10_000)
  world.random = 0.5
  world.socket.on.closed(1006)
  expect(world.status).toEqual({ state: 'waiting', retryAtMs: world.nowMs + 250 })
})

test('a connection that never welcomes is given up', async () => {
  const world = new World()
  world.client.start()
  await world.settle()
  world.advance(20_000)
  expect(world.socket.closed).toBe(true)
  expect(world.status.state).toBe('waiting')
})

test.each([
  [401, 'unauthorized'],
  [403, 'forbidden'],
] as const)('HTTP %i stops it', async (refused, why) => {
  const world = new World()
  world.address = { refused }
  world.client.start()
  await world.settle()
  world.advance(600_000)
  expect(world.status).toEqual({ state: 'stopped', why })
  expect(world.dials).toBe(1)
})

test('HTTP 503 does not stop it', async () => {
  const world = new World()
  world.address = { refused: 503 }
  world.client.start()
  await world.settle()
  expect(world.status.state).toBe('waiting')
})

test('close 4409 stops it', async () => {
  const world = new World()
  await world.online()
  world.socket.on.closed(4409)
  world.advance(600_000)
  expect(world.status).toEqual({ state: 'stopped', why: 'replaced' })
  expect(world.dials).toBe(1)
})

test('close 4401 comes back with a fresh token, and stops when that is refused', async () => {
  const world = new World()
  await world.online()
  world.socket.on.closed(4401)
  expect(world.ended).toBe(1)
  expect(world.status.state).toBe('waiting')
  world.address = { refused: 401 }
  await world.redial()
  expect(world.status).toEqual({ state: 'stopped', why: 'unauthorized' })
  expect([world.dials, world.ended]).toEqual([2, 1])
})

test('waking dials at once, and tests a connection that may have slept', async () => {
  const world = new World()
  await world.online()
  world.client.wake()
  expect(world.socket.sent.at(-1)).toBe('ping')
  world.socket.on.received('pong')
  world.advance(5_000)
  expect(world.status.state).toBe('online')
  world.client.wake()
  world.advance(5_000)
  expect(world.status.state).toBe('waiting')
  world.client.wake()
  expect(world.dials).toBe(2)
})

test('late events of an old connection change nothing', async () => {
  const world = new World()
  await world.online()
  const old = world.socket
  await world.reconnect('7.40', { outcome: 'continued', after: 40 })
  const heard = world.frames.length
  old.on.closed(4409)
  old.on.received('{"type":"accepted","id":"x","seq":1}')
  expect(world.status.state).toBe('online')
  expect(world.frames).toHaveLength(heard)
})

test('what cannot be read is passed over', async () => {
  const world = new World()
  await world.online()
  world.socket.on.received('{"type":"message"}')
  world.hear({ type: 'unknown' }, world.message(41))
  expect(world.status.state).toBe('online')
  expect(world.frames.at(-1)).toEqual(world.message(41))
})

test('leaving is for good', async () => {
  const world = new World()
  await world.online()
  world.client.leave()
  world.advance(600_000)
  expect(world.socket.closed).toBe(true)
  expect(world.dials).toBe(1)
})
