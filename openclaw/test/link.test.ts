import { expect, test } from 'vitest'
import type { ClientFrame, ServerFrame } from '../../web/src/lib/frame'
import { Link, type SocketEvents, type Status } from '../src/link'
import { TestClock } from './support'

const WELCOME =
  '{"type":"welcome","user":"usr_1","cursor":"9.1","resumed":{"outcome":"started","after":0},"window":256,"ping_ms":30000}'

/** A link, the relay's end of its newest socket, and whoever talks on it. */
class World {
  readonly clock = new TestClock()
  readonly statuses: Status[] = []
  readonly heard: string[] = []
  readonly sockets: { on: SocketEvents; sent: string[]; closed: boolean }[] = []
  random = 0.5
  sounds = 0
  write: ((frame: ClientFrame) => void) | null = null
  readonly link = new Link(
    {
      now: () => this.clock.now(),
      after: (ms, run) => this.clock.after(ms, run),
      cancel: (timer) => this.clock.cancel(timer),
      random: () => this.random,
      open: (on) => {
        const socket = { on, sent: [] as string[], closed: false }
        this.sockets.push(socket)
        return {
          send: (text) => void socket.sent.push(text),
          close: () => {
            socket.closed = true
          },
        }
      },
    },
    {
      hello: (client) => ({ type: 'hello', client }),
      connected: (_, send) => {
        this.heard.push('connected')
        this.write = send
      },
      disconnected: () => void this.heard.push('disconnected'),
      forgetCursor: () => void this.heard.push('forgetCursor'),
      hear: (frame: ServerFrame) => void this.heard.push(frame.type),
    },
    'test/1',
    (status) => this.statuses.push(status),
    () => {
      this.sounds++
    },
  )

  get socket() {
    return this.sockets.at(-1)!
  }

  welcomed(): void {
    this.socket.on.opened()
    this.socket.on.received(WELCOME)
  }
}

function online(): World {
  const world = new World()
  world.link.dial()
  world.welcomed()
  return world
}

test('hello, welcome, frames in order, alone and in batches', () => {
  const world = online()
  expect(world.socket.sent).toEqual(['{"type":"hello","client":"test/1"}'])
  world.socket.on.received('[{"type":"accepted","id":"reply:1","seq":2},{"type":"from-tomorrow"}]')
  world.write!({ type: 'ack', seq: 1 })
  expect(world.heard).toEqual(['connected', 'accepted', 'unknown'])
  expect(world.socket.sent.at(-1)).toBe('{"type":"ack","seq":1}')
  expect(world.statuses.map(({ state }) => state)).toEqual(['connecting', 'online'])
})

test('a connection that is silent for two intervals is dropped', async () => {
  const world = online()
  await world.clock.advance(30_000)
  expect(world.socket.sent.at(-1)).toBe('ping')
  world.socket.on.received('pong')
  await world.clock.advance(60_000)
  expect(world.socket.closed).toBe(false)
  await world.clock.advance(30_000)
  expect(world.sockets[0]!.closed).toBe(true)
  expect(world.statuses[2]).toMatchObject({ state: 'waiting', why: 'the relay fell silent' })
  expect(world.heard.at(-1)).toBe('disconnected')
  expect(world.sounds).toBe(2)
})

test('a relay that takes the connection and says nothing is dialled again', async () => {
  const world = new World()
  world.link.dial()
  world.socket.on.opened()
  await world.clock.advance(20_000)
  expect(world.statuses[1]).toMatchObject({ state: 'waiting', why: 'no welcome came in time' })
  expect(world.heard).toEqual([])
})

test('it dials for ever, after a random time below a growing limit', async () => {
  const world = new World()
  world.random = 0.999
  world.link.dial()
  const delays: number[] = []
  for (let n = 0; n < 50; n++) {
    world.socket.on.closed(0, 'connect ECONNREFUSED')
    const status = world.statuses.at(-1)!
    const delay = status.state === 'waiting' ? status.delayMs : -1
    delays.push(delay)
    await world.clock.advance(delay)
  }
  expect(delays.slice(0, 7)).toEqual([499, 999, 1998, 3996, 7992, 15984, 29970])
  expect(delays.slice(7).every((delay) => delay === 29970)).toBe(true)
  expect(world.sockets.length).toBe(51)
  world.random = 0
  world.socket.on.closed(1006, '')
  await world.clock.advance(0)
  expect(world.sockets.length).toBe(52)
})

test('a connection that lasted begins the delays anew, one that did not does not', async () => {
  const world = online()
  world.random = 0.999
  const delay = () => {
    world.socket.on.closed(1011, '')
    const status = world.statuses.at(-1)!
    return status.state === 'waiting' ? status.delayMs : -1
  }
  expect(delay()).toBe(499)
  await world.clock.advance(500)
  world.welcomed()
  await world.clock.advance(9_999)
  expect(delay()).toBe(999)
  await world.clock.advance(1_000)
  world.welcomed()
  await world.clock.advance(10_000)
  expect(delay()).toBe(499)
})

test('what no repetition mends ends it, and says what to do', async () => {
  const check = async (happens: (on: SocketEvents) => void, why: RegExp) => {
    const world = online()
    happens(world.socket.on)
    expect(world.statuses.at(-1)).toMatchObject({ state: 'ended', why: expect.stringMatching(why) })
    await world.clock.advance(600_000)
    expect(world.sockets.length).toBe(1)
    expect(world.socket.closed).toBe(true)
  }
  await check((on) => on.refused(401), /does not take the key in `token`.*HTTP 401/)
  await check((on) => on.refused(403), /HTTP 403/)
  await check((on) => on.closed(4403, 'forbidden'), /too many agents/)
  await check((on) => on.closed(4409, 'replaced'), /another gateway connected with this key/)
})

test('a relay that is down, or does not know the cursor, is dialled again', async () => {
  const world = online()
  world.socket.on.closed(4400, 'bad_cursor')
  expect(world.heard).toEqual(['connected', 'forgetCursor', 'disconnected'])
  await world.clock.advance(500)
  world.socket.on.refused(503)
  expect(world.statuses.at(-1)).toMatchObject({ state: 'waiting', why: 'the relay answered HTTP 503', code: 503 })
  await world.clock.advance(1_000)
  expect(world.sockets.length).toBe(3)
})

test('a frame that cannot be read is not passed over: the next connection brings it again', () => {
  const world = online()
  world.socket.on.received('[{"type":"accepted","id":"a","seq":1},{"type":"message","seq":"x"}]')
  expect(world.statuses.at(-1)).toMatchObject({ state: 'waiting', why: 'a frame could not be taken: seq' })
})

test('what an old connection still says is not heard', async () => {
  const world = online()
  const old = world.socket.on
  old.closed(1006, '')
  await world.clock.advance(30_000)
  old.received('{"type":"accepted","id":"a","seq":1}')
  old.closed(4409, 'replaced')
  old.refused(401)
  old.opened()
  world.welcomed()
  expect(world.heard).toEqual(['connected', 'disconnected', 'connected'])
})

test('leaving closes the socket and waits for nothing', async () => {
  const world = online()
  world.link.leave()
  expect([world.socket.closed, world.clock.waiting]).toEqual([true, 0])
  const waiting = new World()
  waiting.link.dial()
  waiting.socket.on.closed(0, 'no')
  waiting.link.leave()
  await waiting.clock.advance(60_000)
  expect(waiting.sockets.length).toBe(1)
})
