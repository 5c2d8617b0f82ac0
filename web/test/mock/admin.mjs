// The operators' half.

import { ok, problem } from './answer.mjs'

const NONE = problem(404, 'not_found')
const PAGE = 20

/** A page of rows by the place of its first. */
function page(name, rows, query) {
  const from = Number(query.get('cursor') ?? query.get('before') ?? 0)
  const next = from + PAGE < rows.length ? { next: String(from + PAGE) } : {}
  return ok({ [name]: rows.slice(from, from + PAGE), ...next })
}

const shownAccount = ({ id, platform, policy, groups, default_user, egress, created_ms }) => ({
  id,
  platform,
  policy,
  groups,
  ...(default_user ? { default_user } : {}),
  ...(egress ? { egress } : {}),
  created_ms,
})

function listRoutes(name, field) {
  const path = `/v1/admin/accounts/{id}/${name}`
  const of = (account) => (account[name === 'senders' ? 'senderList' : 'groupList'] ??= new Map())
  return [
    [
      `GET ${path}`,
      ({ world, parameters: [id], query }) => page(name, [...of(world.accounts.get(id)).values()], query),
    ],
    [
      `PUT ${path}/{row}`,
      ({ world, parameters: [id, row], body }) => {
        of(world.accounts.get(id)).set(row, { [field]: row, ...body, created_ms: Date.now() })
        return ok()
      },
    ],
    [
      `DELETE ${path}/{row}`,
      ({ world, parameters: [id, row] }) => (of(world.accounts.get(id)).delete(row) ? ok() : NONE),
    ],
  ]
}

export const adminRoutes = [
  [
    'GET /v1/admin/accounts',
    ({ world, query }) => page('accounts', [...world.accounts.values()].map(shownAccount), query),
  ],
  [
    'POST /v1/admin/accounts',
    ({ world, body }) => {
      if (world.accounts.has(body.id)) return problem(409, 'conflict', 'id: there is an account of this name')
      const secret = body.app_secret ?? body.secret ?? body.bot_token
      if (secret?.endsWith('wrong'))
        return problem(
          422,
          'platform_refused',
          `${body.bot_token ? 'bot_token' : 'app_id, app_secret'}: 10014: invalid`,
        )
      world.accounts.set(body.id, { policy: 'pairing', groups: 'any', ...body, created_ms: Date.now() })
      const account = shownAccount(world.accounts.get(body.id))
      return ok({ account, webhook: `/webhook/${body.platform}/${body.id}` }, 201)
    },
  ],
  [
    'POST /v1/admin/accounts/{id}/check',
    ({ world, parameters: [id] }) => {
      const { egress } = world.accounts.get(id)
      const detail = 'WeCom 60020: not allow to access from your ip: 请把出口 IP 加入应用的“企业可信IP”'
      const left = { name: 'egress', ok: true, detail: egress ? `through ${egress}` : 'directly from the relay' }
      const taken = { name: 'credentials', ok: Boolean(egress), detail: egress ? 'taken' : detail }
      const address = `https://relay.test/webhook/wecom/${id}`
      const callback = { name: 'callback', ok: false, detail: `never called yet: enter ${address} there` }
      return ok({ checks: [left, taken, callback] })
    },
  ],
  [
    'GET /v1/admin/accounts/{id}/quota',
    ({ world, parameters: [id] }) => {
      const account = world.accounts.get(id)
      return account ? ok(world.quotas.get(id) ?? { allowances: [], windows: [] }) : NONE
    },
  ],
  [
    'PUT /v1/admin/accounts/{id}/credentials',
    ({ world, parameters: [id], body }) => {
      if (body.app_secret?.endsWith('wrong'))
        return problem(422, 'platform_refused', 'app_id, app_secret: 10014: invalid')
      const account = { ...world.accounts.get(id), ...body }
      world.accounts.set(id, account)
      return ok({ account: shownAccount(account), webhook: `/webhook/${body.platform}/${id}` })
    },
  ],
  [
    'PATCH /v1/admin/accounts/{id}',
    ({ world, parameters: [id], body }) => {
      if (body.default_user && !world.users.has(body.default_user))
        return problem(400, 'bad_request', 'default_user: no such user')
      const account = world.accounts.get(id)
      return account ? ok({ account: shownAccount(Object.assign(account, body)) }) : NONE
    },
  ],
  ['DELETE /v1/admin/accounts/{id}', ({ world, parameters: [id] }) => (world.accounts.delete(id) ? ok() : NONE)],
  ...listRoutes('senders', 'sender'),
  ...listRoutes('groups', 'chat'),
  ['GET /v1/admin/users', ({ world, query }) => page('users', [...world.users.values()], query)],
  ['GET /v1/admin/users/{id}', ({ world, parameters: [id] }) => (world.users.has(id) ? ok(world.users.get(id)) : NONE)],
  ['POST /v1/admin/users', ({ world, body }) => ok({ user: world.addUser(body.name, body) }, 201)],
  [
    'PATCH /v1/admin/users/{id}',
    ({ world, parameters: [id], body: { login, password, ...change } }) => {
      const user = world.users.get(id)
      if (!user) return NONE
      Object.assign(user, change)
      if (login) world.logins.set(login, { user: id, password })
      if (user.is_disabled) world.endSessionsOf(id)
      return ok({ user: { id, name: user.name, role: user.role } })
    },
  ],
  [
    'DELETE /v1/admin/users/{id}',
    ({ world, parameters: [id] }) => {
      world.remove(id)
      return ok()
    },
  ],
  ['GET /v1/admin/users/{id}/dead-letters', ({ world, query }) => page('dead_letters', world.letters, query)],
  [
    'POST /v1/admin/users/{id}/dead-letters/{seq}/replay',
    ({ world, parameters: [, seq] }) => {
      world.letters = world.letters.filter((letter) => letter.seq !== Number(seq))
      return ok({ seq: 99, new: true })
    },
  ],
  ['GET /v1/admin/users/{id}/events', ({ world, query }) => page('events', world.events, query)],
  [
    'GET /v1/admin/invitations',
    ({ world }) => ok({ invitations: [...world.invitations.values()].filter(({ uses }) => uses > 0) }),
  ],
  [
    'POST /v1/admin/invitations',
    ({ world, body: { role = 'user', uses = 1, days = 7 } }) => {
      const code = world.id('code')
      const invitation = { id: world.id('inv'), role, uses, expires_ms: Date.now() + days * 86_400_000 }
      world.invitations.set(code, invitation)
      return ok({ invitation, code }, 201)
    },
  ],
  [
    'DELETE /v1/admin/invitations/{id}',
    ({ world, parameters: [id] }) => {
      const [code] = [...world.invitations].find(([, invitation]) => invitation.id === id) ?? []
      return world.invitations.delete(code) ? ok() : NONE
    },
  ],
  [
    'GET /v1/admin/providers',
    ({ world }) => ok({ providers: [...world.providers.values()].map(({ id, kind }) => ({ id, kind })) }),
  ],
  [
    'POST /v1/admin/providers',
    ({ world, body }) => {
      world.providers.set(body.id, body)
      return ok({ id: body.id }, 201)
    },
  ],
  ['DELETE /v1/admin/providers/{id}', ({ world, parameters: [id] }) => (world.providers.delete(id) ? ok() : NONE)],
  [
    'GET /v1/admin/audit',
    ({ world, query }) => {
      const isNewest = query.get('order') === 'newest'
      return page('entries', isNewest ? world.audit.toReversed() : world.audit, query)
    },
  ],
  ['POST /v1/admin/secrets/rotate', ({ world }) => ok({ sealed: world.accounts.size + world.providers.size })],
]
