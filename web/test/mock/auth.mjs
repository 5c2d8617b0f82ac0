// Without a sign-in.

import { ok, problem } from './answer.mjs'

const DENIED = problem(401, 'unauthorized', 'wrong login or password')

export const authRoutes = [
  [
    'GET /v1/auth/methods',
    ({ world }) =>
      ok({
        sign_up: world.signUp,
        is_new: world.isNew,
        providers: [...world.providers.values()].map(({ id, kind }) => ({ id, kind })),
      }),
  ],
  [
    'POST /v1/auth/operator',
    ({ world, bearer, client }) => {
      if (!world.isNew || bearer !== world.operatorToken) return problem(401, 'unauthorized')
      world.isNew = false
      return ok(world.signIn(world.addUser('operator', { role: 'operator' }), client))
    },
  ],
  [
    'POST /v1/auth/login',
    ({ world, body, client }) => {
      const login = world.logins.get(body.login)
      if (!login || login.password !== body.password) return DENIED
      return ok(world.signIn(world.users.get(login.user), client))
    },
  ],
  [
    'POST /v1/auth/register',
    ({ world, body, client }) => {
      const invitation = world.invitations.get(body.invitation)
      if (world.signUp !== 'open' && !invitation) return problem(403, 'forbidden', 'an invitation is needed')
      if (world.logins.has(body.login)) return problem(409, 'conflict', 'this login is taken')
      if (invitation) invitation.uses--
      const user = world.addUser(body.name, { ...body, role: invitation?.role })
      return ok(world.signIn(user, client), 201)
    },
  ],
  [
    'POST /v1/auth/refresh',
    ({ world, body }) => {
      const session = world.refresh(body.refresh_token)
      return session ? ok(session) : problem(401, 'unauthorized')
    },
  ],
  [
    'POST /v1/auth/link',
    ({ world, body, client }) => {
      const user = world.links.get(body.code)
      if (!user) return problem(401, 'unauthorized')
      world.links.delete(body.code)
      return ok(world.signIn(world.users.get(user), client))
    },
  ],
  [
    'POST /v1/auth/oauth/{provider}/start',
    ({ world, parameters: [provider], body }) => {
      if (body.redirect_uri !== `${world.url}/`) return problem(400, 'bad_request', 'redirect_uri')
      const state = world.id('state')
      world.oauth.set(state, { provider, ...body })
      // The platform's page, which sends the browser straight back.
      return ok({ url: `${world.url}/?code=${world.oauthCode ?? 'c1'}&state=${state}` })
    },
  ],
  [
    'POST /v1/auth/oauth/{provider}/finish',
    ({ world, parameters: [provider], body, client }) => {
      const begun = world.oauth.get(body.state)
      world.oauth.delete(body.state)
      if (begun?.provider !== provider || !body.verifier || begun.challenge.length !== 43)
        return problem(401, 'unauthorized')
      return ok(world.signIn(world.addUser('Grace'), client))
    },
  ],
  [
    'POST /v1/auth/logout',
    ({ world, session }) => {
      world.endSession(session.id)
      return ok()
    },
  ],
]
