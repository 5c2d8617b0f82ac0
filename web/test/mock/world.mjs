// What the mock relay knows: users, sessions and everything of theirs.

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

export class World {
  asked = []
  faults = []
  /** Answers by `METHOD /path`, instead of what would be. */
  forced = new Map()
  answers = new Map()
  users = new Map()
  logins = new Map()
  sessions = new Map()
  access = new Map()
  links = new Map()
  invitations = new Map()
  pairings = new Map()
  agents = new Map()
  identities = new Map()
  accounts = new Map()
  /** What is left of an account's quota, as the API has it. */
  quotas = new Map()
  providers = new Map()
  oauth = new Map()
  letters = []
  events = []
  audit = []
  accessMs = 15 * MINUTE
  /** Refresh tokens that came a second time. */
  reused = 0
  #count = 0

  constructor({ isNew = false, signUp = 'closed' } = {}) {
    this.isNew = isNew
    this.signUp = signUp
    this.operatorToken = 'clawop_one-time'
  }

  id(prefix) {
    this.#count++
    return `${prefix}_${this.#count.toString(36).padStart(8, '0')}`
  }

  addUser(name, { role = 'user', login, password } = {}) {
    const user = {
      id: this.id('usr'),
      name,
      role,
      created_ms: Date.now() - 40 * DAY,
      is_disabled: false,
      audit_id: `aud_${this.users.size + 1}`,
    }
    this.users.set(user.id, user)
    if (login) this.logins.set(login, { user: user.id, password })
    return user
  }

  signIn(user, client = 'Mozilla/5.0') {
    const session = { id: this.id('ses'), user: user.id, client, created_ms: Date.now(), refresh: null, spent: null }
    this.sessions.set(session.id, session)
    return this.grant(session)
  }

  /** A new pair of tokens; the old refresh token is spent. */
  grant(session) {
    const [access, refresh] = [this.id('access'), this.id('refresh')]
    const now = Date.now()
    Object.assign(session, { refresh, used_ms: now, expires_ms: now + 30 * DAY })
    this.access.set(access, session.id)
    const { id, name, role } = this.users.get(session.user)
    return {
      user: { id, name, role },
      session: session.id,
      access_token: access,
      expires_at_ms: now + this.accessMs,
      refresh_token: refresh,
      refresh_expires_at_ms: session.expires_ms,
    }
  }

  refresh(token) {
    const session = [...this.sessions.values()].find(
      ({ refresh, spent }) => refresh === token || spent?.token === token,
    )
    if (session?.refresh !== token) this.reused++
    if (!session) return null
    const isForgiven =
      session.spent?.token === token && !session.spent.isForgiven && Date.now() - session.spent.atMs < 30_000
    if (session.refresh !== token && !isForgiven) {
      this.endSession(session.id)
      return null
    }
    session.spent = { token, atMs: Date.now(), isForgiven }
    return this.grant(session)
  }

  sessionOf(access) {
    return this.sessions.get(this.access.get(access)) ?? null
  }

  endSession(id) {
    this.sessions.delete(id)
  }

  endSessionsOf(user, except) {
    for (const session of this.sessions.values()) {
      if (session.user === user && session.id !== except) this.endSession(session.id)
    }
  }

  addLink(user) {
    const code = this.id('link')
    this.links.set(code, user)
    return code
  }

  addPairing(code, { account = 'main', sender = 'ou_7d8a6e6df7621556ce0d21922b676706' } = {}) {
    this.pairings.set(code, { account, sender })
  }

  addAgent(user, name) {
    const agent = { id: this.id('agt'), name, created_ms: Date.now() - 9 * DAY, user, keys: new Map() }
    this.agents.set(agent.id, agent)
    return agent
  }

  addIdentity(user, { account, sender, name = null, platform = 'feishu', push = true }) {
    const who = { account, platform, sender, name, avatar_url: null }
    const identity = { id: this.id('idt'), ...who, push, created_ms: Date.now() - 3 * DAY }
    this.identities.set(identity.id, { ...identity, user })
    return identity
  }

  remove(user) {
    this.endSessionsOf(user)
    this.users.delete(user)
  }

  log(actor, action, subject, detail) {
    const seq = this.audit.length + 1
    const hash = (seq * 2654435761).toString(16).padStart(16, '0')
    this.audit.push({ seq, at_ms: Date.now() - (200 - seq) * MINUTE, actor, action, subject, detail, hash })
  }
}
