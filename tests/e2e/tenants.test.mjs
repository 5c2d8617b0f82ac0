// Nobody reaches what is not theirs: every route that names something, with every kind of id of another's, as every kind of
// caller. Generated from /openapi.json, so that a new route is in it by itself.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectDevice } from './support/device.mjs'
import { request, signUp } from './support/people.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

test('tenants', async (t) => {
  const world = await startFeishuWorld(t, { vars: { RATE_LIMITS: 'off' } })
  const ask = (...args) => request(world, ...args)
  const owner = await signUp(world, 'owner')
  const agent = await createAgent({ ...world, token: owner.access_token }, 'owned')
  const { keys } = (await ask(owner.access_token, 'GET', `/v1/agents/${agent.id}/keys`)).body
  const binding = { account: 'main', sender: 'ou_owner', user: owner.user.id }
  await ask(world.token, 'POST', '/v1/admin/identities', binding)
  const { identities } = (await ask(owner.access_token, 'GET', '/v1/identities')).body
  const device = await connectDevice(world, owner.access_token)
  device.ask('m1', 'a secret of the owner', 'private')
  await until(() => device.messages.size === 1, 'the message')
  const { invitation } = (await ask(world.token, 'POST', '/v1/admin/invitations')).body

  /** What the owner has, by the name that a path gives it; and what nobody has. */
  const owned = {
    account: 'main',
    agent: agent.id,
    chat: 'oc_1',
    conversation: 'private',
    identity: identities[0].id,
    invitation: invitation.id,
    key: keys[0].id,
    provider: 'none',
    sender: 'ou_owner',
    seq: '1',
    session: owner.session,
    user: owner.user.id,
  }
  const unknown = { ...Object.fromEntries(Object.keys(owned).map((name) => [name, `no_such_${name}`])), seq: '999' }

  const other = await signUp(world, 'other')
  const others = await createAgent({ ...world, token: other.access_token }, 'other')
  const { body: limited } = await ask(other.access_token, 'POST', `/v1/agents/${others.id}/keys`, {
    scopes: ['egress'],
  })
  const callers = {
    nobody: '',
    'another user': other.access_token,
    'an agent of another user': others.key,
    'a limited key of another user': limited.key,
    'an agent of the owner': agent.key,
    'a refresh token of the owner': owner.refresh_token,
  }
  const { body: api } = await ask('', 'GET', '/openapi.json')
  const routes = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  )
  // A file's name is a signature that holds whoever asks: tests/e2e/files.test.mjs.
  const isNamed = ({ path }) => path.includes('{') && !/^\/v1\/(auth|files)\//.test(path)
  const named = routes.filter(isNamed)
  assert.ok(named.length >= 25, `${named.length} routes name something`)
  let checked = 0
  for (const { path, method, operation } of named) {
    await t.test(`${method} ${path}`, async () => {
      const fill = (ids) => path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(ids[name]))
      const body = bodies[operation.operationId]
      const call = (token, ids) => ask(token, method, fill(ids), body)
      const isAdmin = path.startsWith('/v1/admin/')
      for (const [name, token] of Object.entries(callers)) {
        const [theirs, none] = [await call(token, owned), await call(token, unknown)]
        const where = `${name}: ${theirs.status} ${JSON.stringify(theirs.body)}`
        // The same refusal, to the letter, whether it is another's or does not exist; a number that was asked for is said back.
        const letters = ({ body }, seq) => JSON.stringify(body).replace(`question ${seq}`, 'question …')
        assert.equal(theirs.status, none.status, where)
        assert.equal(letters(theirs, owned.seq), letters(none, unknown.seq))
        checked += 1
        // A conversation is a name in one's own timeline: another's name is just an empty one of one's own.
        if (path.startsWith('/v1/conversations/') && name === 'another user') {
          assert.deepEqual(theirs.body, { messages: [], next: null })
          continue
        }
        const expected = name === 'another user' ? (isAdmin ? 403 : 404) : 401
        assert.equal(theirs.status, expected, where)
      }
    })
  }
  assert.equal(checked, named.length * Object.keys(callers).length)

  await t.test('and the clock does not tell them apart', async () => {
    // Pairs, one after the other, in changing order: what slows the machine down slows both alike.
    const took = { owned: [], unknown: [] }
    const ids = { owned, unknown }
    // Admin routes refuse before they look, and a conversation is a name of one's own: the others look.
    const looking = named.filter(({ path }) => !/^\/v1\/(admin|conversations)\//.test(path))
    for (let round = 0; round < 20; round += 1) {
      for (const { path, method, operation } of looking) {
        for (const kind of round % 2 ? ['owned', 'unknown'] : ['unknown', 'owned']) {
          const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(ids[kind][name]))
          const from = performance.now()
          await ask(other.access_token, method, filled, bodies[operation.operationId])
          took[kind].push(performance.now() - from)
        }
      }
    }
    const [theirs, none] = [took.owned, took.unknown].map((all) => all.sort((a, b) => a - b)[all.length >> 1])
    const seen = `${theirs.toFixed(2)} ms for another's, ${none.toFixed(2)} ms for nobody's, ${took.owned.length} of each`
    t.diagnostic(seen)
    assert.ok(theirs / none > 0.67 && theirs / none < 1.5, seen)
  })

  await t.test('and what is the owner’s is still there', async () => {
    assert.equal((await ask(owner.access_token, 'GET', '/v1/me')).status, 200)
    assert.equal((await ask(owner.access_token, 'GET', `/v1/agents/${agent.id}/keys`)).body.keys.length, 1)
    assert.equal((await ask(owner.access_token, 'GET', '/v1/identities')).body.identities.length, 1)
    assert.equal(device.closed, null)
  })

  await t.test('a push of another agent stays in its own timeline', async () => {
    const pushed = await ask(others.key, 'POST', '/v1/messages', { text: 'intruder', conversation: 'private' })
    assert.equal(pushed.status, 201)
    const { messages } = (await ask(owner.access_token, 'GET', '/v1/conversations/private/messages')).body
    assert.deepEqual(
      messages.map(({ text }) => text),
      ['a secret of the owner'],
    )
  })

  await t.test('headers that say who one is count for nothing', async () => {
    const asked = { by: owner.session, begin: true, ask: { ask: 'conversations', before: null, limit: 10 } }
    const spoofed = {
      // As the Worker asks a Hub.
      'x-claw-ask': Buffer.from(JSON.stringify(asked)).toString('base64url'),
      'x-forwarded-for': '127.0.0.1',
      'x-user-id': owner.user.id,
    }
    assert.equal((await ask('', 'GET', '/v1/conversations', undefined, spoofed)).status, 401)
    const { conversations } = (await ask(other.access_token, 'GET', '/v1/conversations', undefined, spoofed)).body
    assert.ok(!JSON.stringify(conversations).includes('owner'))
  })
})

/** Bodies that would be good, so that only whose it is can be what is refused. */
const bodies = {
  AccountChange: { policy: 'open' },
  AccountCredentials: { id: 'main', platform: 'feishu', app_id: 'cli_1', app_secret: 's', verification_token: 't' },
  AgentKeyCreate: {},
  AgentRename: { name: 'mine now' },
  GroupPut: {},
  IdentityChange: { push: false },
  UserChange: { role: 'operator' },
}
