// Keeps somebody signed in. The access token lives a quarter of an hour and stays in memory; the refresh token is
// spent by every use and lies where all tabs find it, so that only one tab at a time may use it.
// Clock, storage, lock and requests are passed in.

import type { Answer, Method, Request } from './api'
import { Refused } from './api'
import type { Storage } from './storage'

export interface User {
  id: string
  name: string
  role: 'operator' | 'user'
}
/** What every way of signing in answers. */
export interface Session {
  user: User
  session: string
  access_token: string
  expires_at_ms: number
  refresh_token: string
  refresh_expires_at_ms: number
}
/** What outlives a reload. */
export type Kept = Omit<Session, 'access_token' | 'expires_at_ms'>

export interface Call {
  method: Method
  path: string
  body?: unknown
  bearer?: string
  idempotencyKey?: string
}

export interface SessionSurroundings {
  storage: Storage
  now(): number
  /** Runs when no other tab runs anything here; at once where a browser has no locks. */
  exclusively<T>(run: () => Promise<T>): Promise<T>
  /** Rejects only when there is no answer at all. */
  send(call: Call): Promise<Answer>
  newKey(): string
}

/** Why nobody is signed in: by their own hand (here, in another tab, for good), or by the relay. */
export type SignedOutWhy = 'deleted' | 'elsewhere' | 'expired' | 'forbidden' | 'new' | 'revoked'

export class SessionKeeper {
  private access: { token: string; staleAtMs: number } | null = null
  private isDeleting = false
  private known: Kept | null
  private refreshing: Promise<string> | null = null

  constructor(
    private readonly around: SessionSurroundings,
    private readonly onChange: (user: User | null, why: SignedOutWhy) => void,
  ) {
    this.known = this.read()
  }

  get user(): User | null {
    return this.known?.user ?? null
  }

  /** Somebody signed in. */
  begin(session: Session): void {
    this.keep(session)
    this.onChange(session.user, 'new')
  }

  /** Here this has an effect in any case; on the relay, the session ends once it can be reached. */
  async leave(): Promise<void> {
    try {
      const bearer = await this.token()
      this.end('new')
      await this.around.send({ method: 'POST', path: '/v1/auth/logout', bearer })
    } finally {
      this.end('new')
    }
  }

  end(why: SignedOutWhy): void {
    if (this.known === null) return
    this.access = null
    this.known = null
    this.around.storage.removeItem(SESSION_KEY)
    this.onChange(null, this.isDeleting ? 'deleted' : why)
  }

  /** Ends with what `remove` takes away for good, whoever hears of that first: its answer or the connection. */
  async delete(remove: () => Promise<unknown>): Promise<void> {
    this.isDeleting = true
    try {
      await remove()
      this.end('deleted')
    } finally {
      this.isDeleting = false
    }
  }

  /** The relay says that this session ended: whether it did, a new access token shows. */
  doubt(): void {
    this.access = null
  }

  /** Another tab wrote the storage: signed out, in as somebody else, or merely refreshed. */
  storageChanged(): void {
    const before = this.known
    this.known = this.read()
    if (before?.session === this.known?.session) return this.tellNews(before)
    this.access = null
    this.onChange(this.user, 'elsewhere')
  }

  renamed(user: User): void {
    if (this.known === null) return
    this.known = { ...this.known, user }
    const kept = this.read()
    if (kept?.session === this.known.session) this.write({ ...kept, user })
    this.onChange(user, 'new')
  }

  /** As somebody signed in. What creates something carries a key, so that asking twice has one effect. */
  readonly request: Request = async (method, path, body) => {
    const idempotencyKey = method === 'POST' && body !== undefined ? this.around.newKey() : undefined
    return this.authorised(async (bearer) => {
      const call = { method, path, body, bearer, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) }
      try {
        return await this.around.send(call)
      } catch (error) {
        if (idempotencyKey === undefined) throw error
        return this.around.send(call)
      }
    })
  }

  /** Asks with an access token, and once more with a new one when that was refused. */
  async authorised(ask: (bearer: string) => Promise<Answer>): Promise<Answer> {
    const token = await this.token()
    const answer = await ask(token)
    return answer.status === 401 ? ask(await this.token(token)) : answer
  }

  /** An access token that is good for a while, and is not the one that was just refused. */
  private token(refused?: string): Promise<string> {
    const { access } = this
    if (access !== null && access.token !== refused && this.around.now() < access.staleAtMs)
      return Promise.resolve(access.token)
    this.refreshing ??= this.around
      .exclusively(() => this.refresh())
      .finally(() => {
        this.refreshing = null
      })
    return this.refreshing
  }

  private async refresh(): Promise<string> {
    // Read anew: while this tab waited, another one may have spent the token and left its successor.
    const kept = this.read()
    if (kept === null || kept.session !== this.known?.session) throw new Refused(SIGNED_OUT)
    const { refresh_token } = kept
    const idempotencyKey = this.around.newKey()
    const call: Call = { method: 'POST', path: '/v1/auth/refresh', body: { refresh_token }, idempotencyKey }
    // An answer that was lost had the only token that is good: the same once more.
    const answer = await this.around.send(call).catch(() => this.around.send(call))
    // Signed out meanwhile, or in as somebody else: what came belongs to nobody.
    if (this.read()?.session !== kept.session) throw new Refused(SIGNED_OUT)
    if (answer.status === 200) {
      const before = this.known
      this.keep(answer.body as Session)
      this.tellNews(before)
      return (answer.body as Session).access_token
    }
    if (answer.status === 401) this.end(this.around.now() >= kept.refresh_expires_at_ms ? 'expired' : 'revoked')
    throw new Refused(answer)
  }

  private keep({ access_token, expires_at_ms, ...kept }: Session): void {
    // Clocks differ: whatever this one says, a token is used for a while, and never for longer than it can last.
    const now = this.around.now()
    const goodForMs = Math.min(Math.max(expires_at_ms - now - EARLY_MS, GOOD_FOR_MS_MIN), GOOD_FOR_MS_MAX)
    this.access = { token: access_token, staleAtMs: now + goodForMs }
    this.known = kept
    // Without locks two tabs may refresh at once; the later token is the one that counts, whoever writes last.
    const other = this.read()
    const isOlder = other?.session === kept.session && other.refresh_expires_at_ms > kept.refresh_expires_at_ms
    if (!isOlder) this.write(kept)
  }

  /** Another name or another role, of the same user. */
  private tellNews(before: Kept | null): void {
    const { user } = this
    if (user !== null && (before?.user.name !== user.name || before.user.role !== user.role)) this.onChange(user, 'new')
  }

  private read(): Kept | null {
    const text = this.around.storage.getItem(SESSION_KEY)
    if (text === null) return null
    try {
      const kept = JSON.parse(text) as Partial<Kept> | null
      const whole = typeof kept?.refresh_token === 'string' && typeof kept.session === 'string' && kept.user
      return whole ? (kept as Kept) : null
    } catch {
      // Not ours, or damaged: as good as nothing.
      return null
    }
  }

  private write(kept: Kept): void {
    this.around.storage.setItem(SESSION_KEY, JSON.stringify(kept))
  }
}

export const SESSION_KEY = 'claw-relay.session'
/** A token is replaced so long before it ends: a request takes its time. */
const EARLY_MS = 60_000
const GOOD_FOR_MS_MIN = 60_000
const GOOD_FOR_MS_MAX = 14 * 60_000
const SIGNED_OUT: Answer = { status: 401, body: { type: '/errors/unauthorized', detail: 'nobody is signed in' } }
