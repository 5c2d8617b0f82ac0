// One's own account.

import { ok, problem } from './answer.mjs'

const NONE = problem(404, 'not_found')

const loginsOf = (world, user) =>
  [...world.logins].filter(([, login]) => login.user === user.id).map(([subject]) => ({ kind: 'password', subject }))
const agentOf = ({ world, user, parameters: [id] }) => {
  const agent = world.agents.get(id)
  return agent?.user === user.id ? agent : null
}
const shownAgent = ({ id, name, created_ms }) => ({ id, name, created_ms })
const shownIdentity = ({ user: _, ...identity }) => identity
const newKey = (world, agent, { name = '', scopes = ['receive', 'send', 'push'] }) => {
  const key = { id: world.id('key'), name, scopes, created_ms: Date.now() }
  agent.keys.set(key.id, key)
  return ok({ id: key.id, key: `${key.id}.${'s3cr3t'.repeat(8)}`, name, scopes }, 201)
}

export const accountRoutes = [
  ['GET /v1/me', ({ world, user }) => ok({ user, logins: loginsOf(world, user) })],
  [
    'PATCH /v1/me',
    ({ user, body }) => {
      user.name = body.name
      return ok({ user })
    },
  ],
  [
    'PUT /v1/me/password',
    ({ world, user, session, body }) => {
      const [old] = loginsOf(world, user)
      if (old && world.logins.get(old.subject).password !== body.current) return problem(403, 'forbidden')
      if (old) world.logins.delete(old.subject)
      world.logins.set(body.login, { user: user.id, password: body.password })
      world.endSessionsOf(user.id, session.id)
      return ok()
    },
  ],
  ['GET /v1/me/export', ({ user }) => ok({ user, conversations: [] })],
  [
    'DELETE /v1/me',
    ({ world, user, query }) => {
      if (query.get('confirm') !== user.id) return problem(400, 'bad_request', 'confirm')
      world.remove(user.id)
      return ok()
    },
  ],
  [
    'GET /v1/me/sessions',
    ({ world, user, session }) => {
      const mine = [...world.sessions.values()].filter((row) => row.user === user.id)
      return ok({
        sessions: mine.map(({ id, client, created_ms, used_ms, expires_ms }) => ({
          id,
          client,
          created_ms,
          used_ms,
          expires_ms,
          is_current: id === session.id,
        })),
      })
    },
  ],
  [
    'DELETE /v1/me/sessions',
    ({ world, user, session }) => {
      world.endSessionsOf(user.id, session.id)
      return ok()
    },
  ],
  [
    'DELETE /v1/me/sessions/{id}',
    ({ world, user, parameters: [id] }) => {
      if (world.sessions.get(id)?.user !== user.id) return NONE
      world.endSession(id)
      return ok()
    },
  ],
  [
    'POST /v1/me/links',
    ({ world, user }) =>
      ok({ code: world.addLink(user.id), expires_at_ms: Date.now() + (world.linkMs ?? 600_000) }, 201),
  ],
  [
    'GET /v1/agents',
    ({ world, user }) =>
      ok({ agents: [...world.agents.values()].filter((row) => row.user === user.id).map(shownAgent) }),
  ],
  ['POST /v1/agents', ({ world, user, body }) => ok({ agent: shownAgent(world.addAgent(user.id, body.name)) }, 201)],
  [
    'PATCH /v1/agents/{id}',
    (asked) => {
      const agent = agentOf(asked)
      if (!agent) return NONE
      agent.name = asked.body.name
      return ok({ agent: shownAgent(agent) })
    },
  ],
  [
    'DELETE /v1/agents/{id}',
    (asked) => {
      if (!agentOf(asked)) return NONE
      asked.world.agents.delete(asked.parameters[0])
      return ok()
    },
  ],
  ['GET /v1/agents/{id}/keys', (asked) => (agentOf(asked) ? ok({ keys: [...agentOf(asked).keys.values()] }) : NONE)],
  ['POST /v1/agents/{id}/keys', (asked) => (agentOf(asked) ? newKey(asked.world, agentOf(asked), asked.body) : NONE)],
  [
    'POST /v1/agents/{id}/keys/{key}/rotate',
    (asked) => {
      const agent = agentOf(asked)
      const old = agent?.keys.get(asked.parameters[1])
      if (!old) return NONE
      agent.keys.delete(old.id)
      return newKey(asked.world, agent, old)
    },
  ],
  ['DELETE /v1/agents/{id}/keys/{key}', (asked) => (agentOf(asked)?.keys.delete(asked.parameters[1]) ? ok() : NONE)],
  [
    'GET /v1/identities',
    ({ world, user }) =>
      ok({ identities: [...world.identities.values()].filter((row) => row.user === user.id).map(shownIdentity) }),
  ],
  [
    'PATCH /v1/identities/{id}',
    ({ world, user, parameters: [id], body }) => {
      const identity = world.identities.get(id)
      if (identity?.user !== user.id) return NONE
      identity.push = body.push
      return ok({ identity: shownIdentity(identity) })
    },
  ],
  [
    'DELETE /v1/identities/{id}',
    ({ world, user, parameters: [id] }) => {
      if (world.identities.get(id)?.user !== user.id) return NONE
      world.identities.delete(id)
      return ok()
    },
  ],
  [
    'POST /v1/pairings',
    ({ world, user, body }) => {
      const waiting = world.pairings.get(body.code)
      if (!waiting) return NONE
      world.pairings.delete(body.code)
      return ok({ identity: world.addIdentity(user.id, waiting) }, 201)
    },
  ],
  ['POST /v1/tickets', () => ok({ ticket: 'ticket', expires_at_ms: Date.now() + 30_000 })],
  ['GET /v1/conversations', () => ok({ conversations: [] })],
]
