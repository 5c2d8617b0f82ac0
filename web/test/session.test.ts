import { beforeEach, expect, test } from 'vitest'

import type { Answer } from '../src/lib/api'
import { call, Refused, Unreachable } from '../src/lib/api'
import type { Call, Session, SessionSurroundings, SignedOutWhy, User } from '../src/lib/session'
import { SESSION_KEY, SessionKeeper } from '../src/lib/session'

const MINUTE = 60_000
const ADA: User = { id: 'usr_ada', name: 'Ada', role: 'user' }
const BOB: User = { id: 'usr_bob', name: 'Bob', role: 'user' }

/** The relay's side of the contract, as far as sessions go, and a browser with any number of tabs before it. */
class World {
  nowMs = 1_000_000
  calls: Call[] = []
  /** Takes effect, and is not answered. */
  lose = 0
  status: number | null = null
  /** Nothing is answered before this. */
  hold: Promise<void> = Promise.resolve()
  deniedPath = ''
  user = ADA
  /** Tabs do not hear yet what another one stored. */
  isSlowToTell = false
  refreshToken = ''
  spent: { token: string; atMs: number; isForgiven: boolean } | null = null
  accessTokens = new Set<string>()
  isRevoked = false
  /** By idempotency key. */
  private answers = new Map<string, Answer>()
  private count = 0
  private readonly map = new Map<string, string>()
  private queue: Promise<unknown> = Promise.resolve()
  private readonly tabs: SessionKeeper[] = []

  tab({ locks = true } = {}) {
    const seen: { user: string | null; why: SignedOutWhy }[] = []
    const around: SessionSurroundings = {
      storage: {
        getItem: (key) => this.map.get(key) ?? null,
        setItem: (key, value) => this.wrote(keeper, () => this.map.set(key, value)),
        removeItem: (key) => this.wrote(keeper, () => this.map.delete(key)),
      },
      now: () => this.nowMs,
      exclusively: <T>(run: () => Promise<T>) => {
        if (!locks) return run()
        const turn = this.queue.then(run)
        this.queue = turn.catch(() => {})
        return turn
      },
      send: (call) => this.send(call),
      newKey: () => `key-${++this.count}`,
    }
    const keeper = new SessionKeeper(around, (user, why) => seen.push({ user: user?.id ?? null, why }))
    this.tabs.push(keeper)
    return { keeper, seen, get: (path = '/v1/me') => call(keeper.request, 'GET', path) }
  }

  session(user = this.user, id = 'ses_1', minutes = 15): Session {
    const access_token = `access-${++this.count}`
    this.accessTokens.add(access_token)
    this.refreshToken = `refresh-${++this.count}`
    return {
      user,
      session: id,
      access_token,
      expires_at_ms: this.nowMs + minutes * MINUTE,
      refresh_token: this.refreshToken,
      refresh_expires_at_ms: this.nowMs + 30 * 24 * 60 * MINUTE + this.count,
    }
  }

  refreshes(): number {
    return this.calls.filter(({ path }) => path === '/v1/auth/refresh').length
  }

  private async send(call: Call): Promise<Answer> {
    this.calls.push({ ...call })
    const key = call.path.startsWith('/v1/auth/') ? call.idempotencyKey : undefined
    const answer = this.answers.get(key ?? '') ?? this.answer(call)
    if (key !== undefined && answer.status < 400) this.answers.set(key, answer)
    await this.hold
    if (this.lose > 0) {
      this.lose--
      throw new Unreachable()
    }
    await Promise.resolve()
    return answer
  }

  private answer({ path, body, bearer }: Call): Answer {
    if (this.status !== null) return { status: this.status, body: undefined }
    if (path === '/v1/auth/refresh') return this.refresh((body as { refresh_token: string }).refresh_token)
    if (path === this.deniedPath || this.isRevoked || !this.accessTokens.has(bearer ?? ''))
      return { status: 401, body: { type: '/errors/unauthorized' } }
    return { status: 200, body: {} }
  }

  private refresh(token: string): Answer {
    const isCurrent = token === this.refreshToken
    const isForgiven = token === this.spent?.token && !this.spent.isForgiven && this.nowMs - this.spent.atMs <= 30_000
    if (!isCurrent && !isForgiven) this.isRevoked = true
    if (this.isRevoked) return { status: 401, body: { type: '/errors/unauthorized' } }
    this.spent = { token: isCurrent ? token : this.spent!.token, atMs: this.nowMs, isForgiven }
    return { status: 200, body: this.session() }
  }

  private wrote(writer: SessionKeeper, write: () => void): void {
    write()
    if (this.isSlowToTell) return
    for (const tab of this.tabs) if (tab !== writer) queueMicrotask(() => tab.storageChanged())
  }
}

let world: World
beforeEach(() => {
  world = new World()
})

test('a token is used while it is good, and replaced shortly before it ends', async () => {
  const tab = world.tab()
  tab.keeper.begin(world.session())
  await tab.get()
  world.nowMs += 13.9 * MINUTE
  await tab.get()
  expect(world.refreshes()).toBe(0)
  world.nowMs += 0.2 * MINUTE
  await tab.get()
  expect(world.refreshes()).toBe(1)
  expect(world.calls.map(({ path }) => path)).toEqual(['/v1/me', '/v1/me', '/v1/auth/refresh', '/v1/me'])
})

test('a token that lasts five minutes is replaced after four', async () => {
  const tab = world.tab()
  tab.keeper.begin(world.session(ADA, 'ses_1', 5))
  world.nowMs += 3.9 * MINUTE
  await tab.get()
  expect(world.refreshes()).toBe(0)
  world.nowMs += 0.2 * MINUTE
  await tab.get()
  expect(world.refreshes()).toBe(1)
})

test('a reload goes on with the refresh token alone; the access token was never stored', async () => {
  const before = world.tab()
  const session = world.session()
  before.keeper.begin(session)
  const after = world.tab()
  expect(after.keeper.user).toEqual(ADA)
  await after.get()
  expect(world.refreshes()).toBe(1)
  expect(world.calls.at(-1)?.bearer).not.toBe(session.access_token)
})

test('many requests at once share one refresh', async () => {
  world.tab().keeper.begin(world.session())
  const tab = world.tab()
  await Promise.all([tab.get(), tab.get(), tab.get()])
  expect(world.refreshes()).toBe(1)
})

test('what is refused is asked once more with a new token, and only once', async () => {
  const tab = world.tab()
  tab.keeper.begin(world.session())
  world.accessTokens.clear()
  await tab.get()
  expect(world.calls.map(({ path }) => path)).toEqual(['/v1/me', '/v1/auth/refresh', '/v1/me'])

  // Wrong for another reason than the token: the answer is handed on, and nobody is signed out.
  world.calls = []
  world.deniedPath = '/v1/me/password'
  await expect(tab.get('/v1/me/password')).rejects.toMatchObject({ status: 401 })
  expect(world.calls).toHaveLength(3)
  expect(tab.keeper.user).toEqual(ADA)
})

test('an upload goes the same way: with a new token, once, when the first was refused', async () => {
  const tab = world.tab()
  tab.keeper.begin(world.session())
  const used: string[] = []
  const answers = [
    { status: 401, body: undefined },
    { status: 201, body: {} },
  ]
  const answer = await tab.keeper.authorised((bearer) => {
    used.push(bearer)
    return Promise.resolve(answers[used.length - 1]!)
  })
  expect(answer.status).toBe(201)
  expect(new Set(used).size).toBe(2)
  expect(world.refreshes()).toBe(1)
})

test.each([true, false])('eight tabs that wake at once stay signed in (locks: %s)', async (locks) => {
  world.tab().keeper.begin(world.session())
  // Without locks the relay forgives one double use; two tabs are what that can carry.
  const tabs = Array.from({ length: locks ? 8 : 2 }, () => world.tab({ locks }))
  await Promise.all(tabs.map((tab) => tab.get()))
  world.nowMs += 20 * MINUTE
  await tabs[0]!.get()
  expect(world.isRevoked).toBe(false)
  expect(tabs.flatMap((tab) => tab.seen)).toEqual([])
})

test('without locks, the later of two tokens is the one that stays, whoever writes last', async () => {
  const tab = world.tab({ locks: false })
  const [older, later] = [world.session(), world.session()]
  tab.keeper.begin(later)
  tab.keeper.begin(older)
  const reloaded = world.tab()
  await reloaded.get()
  expect(world.isRevoked).toBe(false)
})

test('a refresh whose answer was lost is forgiven, and the tab stays signed in', async () => {
  world.tab().keeper.begin(world.session())
  const tab = world.tab()
  world.lose = 2
  await expect(tab.get()).rejects.toBeInstanceOf(Unreachable)
  expect(tab.keeper.user).toEqual(ADA)
  world.nowMs += 20_000
  await tab.get()
  expect(world.refreshes()).toBe(3)
  expect(tab.seen).toEqual([])
})

test('a refresh whose answer was lost is asked for once more at once, by the same key', async () => {
  world.tab().keeper.begin(world.session())
  const tab = world.tab()
  world.lose = 1
  await tab.get()
  const [first, second] = world.calls.filter(({ path }) => path === '/v1/auth/refresh')
  expect(second?.idempotencyKey).toBe(first?.idempotencyKey)
  expect(world.spent?.isForgiven).toBe(false)
  expect(tab.seen).toEqual([])
})

test.each([429, 500, 503])('a relay that answers %i to a refresh signs nobody out', async (status) => {
  world.tab().keeper.begin(world.session())
  const tab = world.tab()
  world.status = status
  await expect(tab.get()).rejects.toMatchObject({ status })
  world.status = null
  await tab.get()
  expect(tab.seen).toEqual([])
})

test('a revoked session signs out every tab, with a reason', async () => {
  world.tab().keeper.begin(world.session())
  const [one, two] = [world.tab(), world.tab()]
  await Promise.all([one.get(), two.get()])
  world.isRevoked = true
  await expect(one.get()).rejects.toBeInstanceOf(Refused)
  expect(one.seen).toEqual([{ user: null, why: 'revoked' }])
  expect(two.seen).toEqual([{ user: null, why: 'elsewhere' }])
  await expect(two.get()).rejects.toMatchObject({ status: 401 })
})

test('another name or role is shown after the next refresh, in every tab', async () => {
  const [one, two] = [world.tab(), world.tab()]
  one.keeper.begin(world.session())
  await Promise.resolve()
  world.user = { ...ADA, role: 'operator' }
  world.accessTokens.clear()
  await one.get()
  expect([one.keeper.user?.role, two.keeper.user?.role]).toEqual(['operator', 'operator'])
  expect(one.seen).toHaveLength(2)
  expect(two.seen).toHaveLength(2)
})

test('a session that ran out says so', async () => {
  world.tab().keeper.begin(world.session())
  const tab = world.tab()
  world.nowMs += 31 * 24 * 60 * MINUTE
  world.isRevoked = true
  await expect(tab.get()).rejects.toBeInstanceOf(Refused)
  expect(tab.seen).toEqual([{ user: null, why: 'expired' }])
})

test('signing out ends the session on the relay too, and here at once', async () => {
  const tab = world.tab()
  tab.keeper.begin(world.session())
  const { hold, release } = held()
  world.hold = hold
  const left = tab.keeper.leave()
  await Promise.resolve()
  expect(tab.keeper.user).toBeNull()
  release()
  await left
  expect(world.calls.at(-1)).toMatchObject({ method: 'POST', path: '/v1/auth/logout' })
  expect(tab.seen).toEqual([
    { user: 'usr_ada', why: 'new' },
    { user: null, why: 'new' },
  ])
})

test('a session that is said to have ended is asked for anew, and ends when that is refused', async () => {
  const tab = world.tab()
  tab.keeper.begin(world.session())
  await tab.get()
  tab.keeper.doubt()
  await tab.get()
  expect(world.calls.filter(({ path }) => path === '/v1/auth/refresh')).toHaveLength(1)
  world.isRevoked = true
  tab.keeper.doubt()
  await expect(tab.get()).rejects.toBeInstanceOf(Refused)
  expect(tab.seen.at(-1)).toEqual({ user: null, why: 'revoked' })
})

test('an account that is deleted was deleted, whoever says first that it is gone', async () => {
  const tab = world.tab()
  tab.keeper.begin(world.session())
  await tab.keeper.delete(async () => {
    world.isRevoked = true
    tab.keeper.doubt()
    await tab.get().catch(() => {})
  })
  expect(tab.seen.slice(1)).toEqual([{ user: null, why: 'deleted' }])
  const kept = world.tab()
  world.isRevoked = false
  kept.keeper.begin(world.session())
  await expect(kept.keeper.delete(() => Promise.reject(new Error('offline')))).rejects.toThrow('offline')
  kept.keeper.end('forbidden')
  expect(kept.seen.at(-1)).toEqual({ user: null, why: 'forbidden' })
})

test.each([0, 20])(
  'with the relay away, signing out works here (%i minutes after the last request)',
  async (minutes) => {
    const tab = world.tab()
    tab.keeper.begin(world.session())
    world.nowMs += minutes * MINUTE
    world.lose = 2
    await expect(tab.keeper.leave()).rejects.toBeInstanceOf(Unreachable)
    expect(tab.keeper.user).toBeNull()
    expect(world.tab().keeper.user).toBeNull()
  },
)

test('another account in another tab is taken over here; what was under way for the first is dropped', async () => {
  const [one, two] = [world.tab(), world.tab()]
  one.keeper.begin(world.session())
  await Promise.resolve()
  world.nowMs += 20 * MINUTE
  const { hold, release } = held()
  world.hold = hold
  const asked = one.get()
  // The refresh is with the relay when somebody else signs in.
  while (world.refreshes() === 0) await Promise.resolve()
  const bobs = world.session(BOB, 'ses_2')
  two.keeper.begin(bobs)
  release()
  await expect(asked).rejects.toMatchObject({ status: 401 })
  expect(one.keeper.user).toEqual(BOB)
  expect(one.seen.at(-1)).toEqual({ user: 'usr_bob', why: 'elsewhere' })
  expect(world.tab().keeper.user).toEqual(BOB)
  world.refreshToken = bobs.refresh_token
  await one.get()
  expect(world.calls.at(-2)?.body).toEqual({ refresh_token: bobs.refresh_token })
})

test('a tab that has not heard of the other account yet does not go on as that one unawares', async () => {
  const [one, two] = [world.tab(), world.tab()]
  one.keeper.begin(world.session())
  world.isSlowToTell = true
  two.keeper.begin(world.session(BOB, 'ses_2'))
  world.nowMs += 20 * MINUTE
  await expect(one.get()).rejects.toMatchObject({ status: 401 })
  expect(world.refreshes()).toBe(0)
  one.keeper.storageChanged()
  expect(one.seen.at(-1)).toEqual({ user: 'usr_bob', why: 'elsewhere' })
})

test('a token of the account before is not used for the one after', async () => {
  const [one, two] = [world.tab(), world.tab()]
  const adas = world.session()
  one.keeper.begin(adas)
  await Promise.resolve()
  two.keeper.begin(world.session(BOB, 'ses_2'))
  await Promise.resolve()
  await one.get()
  expect(world.calls.at(-1)?.bearer).not.toBe(adas.access_token)
})

test('what creates something carries a key, the same one when it is sent again', async () => {
  const tab = world.tab()
  tab.keeper.begin(world.session())
  world.lose = 1
  await call(tab.keeper.request, 'POST', '/v1/agents', { name: 'laptop' })
  const [first, second] = world.calls.map(({ idempotencyKey }) => idempotencyKey)
  expect(first).toBeTruthy()
  expect(second).toBe(first)
  await call(tab.keeper.request, 'POST', '/v1/agents', { name: 'laptop' })
  expect(world.calls.at(-1)?.idempotencyKey).not.toBe(first)
  await call(tab.keeper.request, 'POST', '/v1/tickets')
  expect(world.calls.at(-1)).not.toHaveProperty('idempotencyKey')
})

test.each([-60, 60])('a clock that is %i minutes off costs no refresh per request', async (minutes) => {
  const tab = world.tab()
  const session = world.session()
  world.nowMs += minutes * MINUTE
  tab.keeper.begin(session)
  for (let n = 0; n < 5; n++) await tab.get()
  expect(world.refreshes()).toBe(0)
})

test('damage in the storage is the same as nobody signed in', () => {
  for (const text of ['{not json', 'null', '{"session":"ses_1"}']) {
    const keeper = new SessionKeeper(
      {
        storage: { getItem: (key) => (key === SESSION_KEY ? text : null), setItem() {}, removeItem() {} },
        now: () => 0,
        exclusively: (run) => run(),
        send: () => Promise.reject(new Unreachable()),
        newKey: () => 'key',
      },
      () => {},
    )
    expect(keeper.user).toBeNull()
  }
})

function held() {
  let release = () => {}
  const hold = new Promise<void>((resolve) => {
    release = resolve
  })
  return { hold, release }
}
