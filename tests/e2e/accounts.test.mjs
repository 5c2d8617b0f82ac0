// Who may do what, for how long: sign-up, sessions, tokens, keys, tickets, and what is left when a user is gone.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { connectDevice } from './support/device.mjs'
import { APP, ENCRYPT_KEY, messageEvent, VERIFICATION_TOKEN } from './support/feishu.mjs'
import { request, signUp } from './support/people.mjs'
import { signToken } from './support/token.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

test('accounts', async (t) => {
  const world = await startFeishuWorld(t, { vars: { RATE_LIMITS: 'off' } })
  const ask = (...args) => request(world, ...args)

  await t.test('nobody comes without an invitation, and one is good once', async () => {
    const body = { login: 'Ada@Example.com', password: 'correct horse battery', name: 'Ada' }
    assert.equal((await ask('', 'POST', '/v1/auth/register', body)).status, 403)
    const { code } = (await ask(world.token, 'POST', '/v1/admin/invitations', { uses: 1 })).body
    const short = { ...body, password: 'short', invitation: code }
    assert.equal((await ask('', 'POST', '/v1/auth/register', short)).status, 400)
    const registered = await ask('', 'POST', '/v1/auth/register', { ...body, invitation: code })
    assert.equal(registered.status, 201)
    assert.equal(registered.body.user.role, 'user')
    const again = await ask('', 'POST', '/v1/auth/register', { ...body, login: 'b@example.com', invitation: code })
    assert.equal(again.status, 403)
    // The same login is taken, whatever its case, and the invitation is not used up by that.
    const second = (await ask(world.token, 'POST', '/v1/admin/invitations')).body.code
    const taken = await ask('', 'POST', '/v1/auth/register', { ...body, login: 'ADA@example.COM', invitation: second })
    assert.equal(taken.status, 409)
    const other = { ...body, login: '+86 138-0000-0000', invitation: second }
    assert.equal((await ask('', 'POST', '/v1/auth/register', other)).status, 201)
  })

  await t.test('a wrong login and a wrong password are told apart by nothing', async () => {
    const wrong = { login: 'ada@example.com', password: 'wrong horse battery' }
    const unknown = { login: 'nobody@example.com', password: 'wrong horse battery' }
    const answers = [await ask('', 'POST', '/v1/auth/login', wrong), await ask('', 'POST', '/v1/auth/login', unknown)]
    assert.deepEqual([answers[0].status, answers[0].body], [401, answers[1].body])
    // Nor by time, as far as that can be measured here: both work through Argon2id. Without it one would take a tenth.
    const times = { wrong: [], unknown: [] }
    for (let n = 0; n < 9; n += 1) {
      for (const [name, body] of Object.entries({ wrong, unknown })) {
        const began = performance.now()
        await ask('', 'POST', '/v1/auth/login', body)
        times[name].push(performance.now() - began)
      }
    }
    const ratio = Math.min(...times.wrong) / Math.min(...times.unknown)
    assert.ok(ratio > 0.5 && ratio < 2, `ratio ${ratio}`)
    t.diagnostic(`a sign-in takes ${Math.min(...times.wrong).toFixed(0)} ms here, nearly all of it Argon2id`)
    assert.equal((await ask('', 'POST', '/v1/auth/login', { ...wrong, password: 'correct horse battery' })).status, 200)
  })

  await t.test('refresh tokens rotate, forgive once, and give a thief away', async () => {
    const refresh = (refresh_token) => ask('', 'POST', '/v1/auth/refresh', { refresh_token })
    const first = await signUp(world, 'rotating')
    assert.equal((await refresh(first.refresh_token)).status, 200)
    // The answer was lost: the same again gets the same place, once.
    const lost = (await refresh(first.refresh_token)).body
    assert.equal((await refresh(lost.refresh_token)).status, 200, 'what was forgiven goes on')
    // Of two at once both go on: one was forgiven.
    const racing = await signUp(world, 'racing')
    const both = await Promise.all([refresh(racing.refresh_token), refresh(racing.refresh_token)])
    assert.deepEqual(
      both.map(({ status }) => status),
      [200, 200],
    )
    // A third time is theft: nobody has the session any more, its sockets close, its access token is over.
    const thief = await signUp(world, 'stolen')
    const device = await connectDevice(world, thief.access_token)
    await until(() => device.epoch, 'the welcome')
    for (let n = 0; n < 2; n += 1) assert.equal((await refresh(thief.refresh_token)).status, 200)
    const began = Date.now()
    assert.equal((await refresh(thief.refresh_token)).status, 401)
    await until(() => device.closed, 'the socket to be closed')
    assert.ok(Date.now() - began < 5000)
    assert.equal(device.closed.code, 4401)
    assert.equal((await ask(thief.access_token, 'GET', '/v1/me')).status, 401)
    assert.equal((await ask(thief.access_token, 'GET', '/v1/conversations')).status, 401)
    assert.equal((await refresh(first.access_token)).status, 401, 'an access token is no refresh token')
  })

  await t.test('sessions are listed and ended, one by one or all', async () => {
    const here = await signUp(world, 'sessions')
    const { code } = (await ask(here.access_token, 'POST', '/v1/me/links', { uses: 2 })).body
    const there = (await ask('', 'POST', '/v1/auth/link', { code })).body
    const third = (await ask('', 'POST', '/v1/auth/link', { code })).body
    assert.equal((await ask('', 'POST', '/v1/auth/link', { code })).status, 401, 'used up')
    const { sessions } = (await ask(here.access_token, 'GET', '/v1/me/sessions')).body
    assert.deepEqual(sessions.map(({ id }) => id).sort(), [here.session, there.session, third.session].sort())
    assert.deepEqual(
      sessions.filter((row) => row.is_current).map(({ id }) => id),
      [here.session],
    )
    assert.equal((await ask(here.access_token, 'DELETE', `/v1/me/sessions/${there.session}`)).status, 204)
    assert.equal((await ask(there.access_token, 'GET', '/v1/me')).status, 401)
    assert.equal((await ask(here.access_token, 'DELETE', '/v1/me/sessions')).status, 204)
    assert.equal((await ask(third.access_token, 'GET', '/v1/me')).status, 401)
    assert.equal((await ask(here.access_token, 'GET', '/v1/me')).status, 200)
    // A new password needs the old one, and ends every other session.
    const login = { login: 'sessions@example.com' }
    const other = (await ask('', 'POST', '/v1/auth/login', { ...login, password: here.password })).body
    const changed = { ...login, password: 'another long password' }
    assert.equal((await ask(here.access_token, 'PUT', '/v1/me/password', changed)).status, 403)
    const proven = { ...changed, current: here.password }
    const link = (await ask(here.access_token, 'POST', '/v1/me/links')).body
    assert.equal((await ask(here.access_token, 'PUT', '/v1/me/password', proven)).status, 204)
    assert.equal((await ask('', 'POST', '/v1/auth/link', { code: link.code })).status, 401)
    assert.equal((await ask(other.access_token, 'GET', '/v1/me')).status, 401)
    assert.equal((await ask('', 'POST', '/v1/auth/login', { ...login, password: here.password })).status, 401)
    assert.equal((await ask(here.access_token, 'POST', '/v1/auth/logout')).status, 204)
    assert.equal((await ask(here.access_token, 'GET', '/v1/me')).status, 401)
  })

  await t.test('an agent is out within 5 s of the end of its key, and stays out', async () => {
    const agent = await createAgent(world, 'revoked')
    const running = agent.start()
    await running.connected()
    const { keys } = (await ask(world.token, 'GET', `/v1/agents/${agent.id}/keys`)).body
    assert.deepEqual(keys[0].scopes, ['push', 'receive', 'send'])
    await until(async () => {
      const listed = (await ask(world.token, 'GET', `/v1/agents/${agent.id}/keys`)).body.keys
      return listed[0].used_ms
    }, 'its use to be noted')
    assert.equal((await ask(agent.key, 'POST', '/v1/auth/verify')).body.kind, 'agent')
    const began = Date.now()
    const path = `/v1/agents/${agent.id}/keys/${keys[0].id}`
    const rotated = (await ask(world.token, 'POST', `${path}/rotate`)).body
    await until(() => /refused|unauthorized|401/i.test(running.log), `the agent to be told:\n${running.log}`)
    assert.ok(Date.now() - began < 5000)
    assert.equal((await ask(agent.key, 'POST', '/v1/auth/verify')).status, 401)
    assert.equal((await ask(rotated.key, 'POST', '/v1/auth/verify')).status, 200)
    assert.equal((await ask(world.token, 'DELETE', path)).status, 404, 'it is gone')
    await running.kill()
    // Without its agent the user's questions go to the next one that connects.
    assert.equal((await ask(world.token, 'DELETE', `/v1/agents/${agent.id}`)).status, 204)
  })

  await t.test('tickets are good once, for 30 s, for the page that asked', async () => {
    const person = await signUp(world, 'tickets')
    const take = async (origin) => {
      const headers = origin ? { origin } : {}
      return ask(person.access_token, 'POST', '/v1/tickets', undefined, headers)
    }
    assert.equal((await take('https://evil.example')).status, 403)
    const { ticket } = (await take(world.url)).body
    const open = (ticket, origin) => upgrade(`${world.url}/v1/ws?ticket=${ticket}`, origin)
    assert.equal(await open(ticket, 'https://evil.example'), 403)
    assert.equal(await open(ticket, world.url), 101)
    assert.equal(await open(ticket, world.url), 401, 'replayed')
    const without = (await take()).body.ticket
    assert.equal(await open(without, world.url), 401, 'asked for by no page, used by one')
    assert.equal(await open((await take(world.url)).body.ticket), 401, 'asked for by a page, used by none')
    const { user, session } = person
    const iat = Math.floor(Date.now() / 1000)
    const old = { sub: user.id, jti: 'x', sid: session, iat: iat - 60, exp: iat - 30 }
    assert.equal(await open(signToken(world.secrets.SIGNING_KEY, 'ticket', old)), 401)
  })

  await t.test('a POST with a key is done once', async () => {
    const person = await signUp(world, 'once')
    const create = (name, key) => ask(person.access_token, 'POST', '/v1/agents', { name }, { 'idempotency-key': key })
    const first = await create('a', 'k1')
    const again = await create('a', 'k1')
    assert.deepEqual([again.status, again.body], [201, first.body])
    assert.equal(again.headers.get('idempotent-replayed'), 'true')
    assert.equal((await create('b', 'k1')).status, 409, 'another body')
    assert.equal((await create('a', '')).status, 400)
    assert.equal((await create('a', 'é')).status, 400)
    const eight = await Promise.all(Array.from({ length: 8 }, () => create('c', 'k2')))
    assert.ok(eight.every(({ status }) => status === 201 || status === 409))
    const { agents } = (await ask(person.access_token, 'GET', '/v1/agents')).body
    assert.equal(agents.filter(({ name }) => name === 'c').length, 1)
    // Another user's same key is another key.
    const other = await signUp(world, 'once-more')
    const theirs = await ask(other.access_token, 'POST', '/v1/agents', { name: 'a' }, { 'idempotency-key': 'k1' })
    assert.notEqual(theirs.body.agent.id, first.body.agent.id)
  })

  await t.test('so is one that signs in, and nobody is given the answer of another', async () => {
    const post = (path, body, key, bearer = '') => ask(bearer, 'POST', path, body, { 'idempotency-key': key })
    const invitation = (await ask(world.token, 'POST', '/v1/admin/invitations', { uses: 1 })).body.code
    const asked = { login: 'repeats@example.com', password: 'correct horse battery', name: 'Repeats', invitation }
    const first = await post('/v1/auth/register', asked, 'k')
    const again = await post('/v1/auth/register', asked, 'k')
    assert.deepEqual([again.status, again.body], [201, first.body], 'though the invitation is spent')
    assert.equal(again.headers.get('idempotent-replayed'), 'true')
    assert.equal((await post('/v1/auth/register', asked, 'k2')).status, 403)
    // A refresh token is good once; the same request has the same answer, and is no reuse.
    const { refresh_token } = first.body
    const refreshed = await post('/v1/auth/refresh', { refresh_token }, 'k')
    for (let n = 0; n < 3; n++) {
      assert.deepEqual((await post('/v1/auth/refresh', { refresh_token }, 'k')).body, refreshed.body)
    }
    assert.equal((await ask(refreshed.body.access_token, 'GET', '/v1/me')).status, 200)
    // The same key with another password is another request.
    const { login, password } = asked
    const signedIn = await post('/v1/auth/login', { login, password }, 'k')
    assert.equal(signedIn.status, 200)
    assert.equal((await post('/v1/auth/login', { login, password: 'another one, wrong' }, 'k')).status, 401)
    assert.deepEqual((await post('/v1/auth/login', { login, password }, 'k')).body, signedIn.body)
    // What was refused is not kept.
    assert.equal(
      (await post('/v1/auth/login', { login, password: 'another one, wrong' }, 'k')).headers.get('idempotent-replayed'),
      null,
    )
    const ticket = await post('/v1/tickets', undefined, 'k', signedIn.body.access_token)
    assert.deepEqual((await post('/v1/tickets', undefined, 'k', signedIn.body.access_token)).body, ticket.body)
    assert.notDeepEqual((await post('/v1/tickets', undefined, 'k', world.token)).body, ticket.body)
  })

  await t.test('secrets are nowhere in the files, and open under rotated keys', async () => {
    const config = { model: { api_key: 'model-key-that-must-not-leak' } }
    const agent = await createAgent(world, 'with-config')
    assert.equal((await ask(world.token, 'PUT', '/v1/config', { config })).status, 200)
    assert.deepEqual((await ask(agent.key, 'GET', '/v1/config')).body, { config })
    const running = agent.start()
    await running.connected()
    await world.webhook(messageEvent('om_before_rotation', 'before'))
    await until(() => world.feishu.repliesTo('om_before_rotation').length === 1, 'an answer')
    const tokens = world.feishu.replies.map(({ token }) => token)
    const kept = [APP.app_secret, ENCRYPT_KEY, VERIFICATION_TOKEN, config.model.api_key, ...tokens]
    const people = ['correct horse battery', world.token, agent.key, world.operatorToken]
    for (const secret of [...kept, ...people]) assert.deepEqual(filesWith(world.storage, secret), [], secret)
    // The search does find what is there.
    assert.notDeepEqual(filesWith(world.storage, 'om_before_rotation'), [])
    // Both keys change under traffic: the new one in front, everything sealed anew, then the old one goes.
    const { SIGNING_KEY, SEALING_KEY } = world.secrets
    const [signing, sealing] = ['s', 'e'].map((word) =>
      createHash('sha512')
        .update(word + SEALING_KEY)
        .digest('base64'),
    )
    world.secrets.SIGNING_KEY = `${signing} ${SIGNING_KEY}`
    world.secrets.SEALING_KEY = `${sealing} ${SEALING_KEY}`
    await world.process.stop()
    await world.restart()
    assert.equal((await ask(world.token, 'GET', '/v1/me')).status, 200, 'nobody is signed out')
    const during = Array.from({ length: 10 }, (_, at) => `om_during_rotation_${at}`)
    const [rotated] = await Promise.all([
      ask(world.token, 'POST', '/v1/admin/secrets/rotate'),
      ...during.map((id) => world.webhook(messageEvent(id, id))),
    ])
    assert.ok(rotated.body.sealed >= 2, `${rotated.body.sealed}`)
    await until(() => during.every((id) => world.feishu.repliesTo(id).length === 1), 'answers to all')
    assert.equal((await ask(world.token, 'POST', '/v1/admin/secrets/rotate')).body.sealed, 0)
    world.secrets.SEALING_KEY = sealing
    await world.process.stop()
    await world.restart()
    await world.webhook(messageEvent('om_after_rotation', 'after'))
    await until(() => world.feishu.repliesTo('om_after_rotation').length === 1, 'an answer under the new key')
    assert.deepEqual((await ask(world.token, 'GET', '/v1/config')).body, { config })
    await running.kill()
  })

  await t.test('everything of mine in one document, and then nothing', async () => {
    const person = await signUp(world, 'leaving')
    const { access_token: token, user } = person
    await ask(token, 'PATCH', '/v1/me', { name: 'Leaving-Name-To-Find' })
    const { agent } = (await ask(token, 'POST', '/v1/agents', { name: 'leaving-agent' })).body
    const { key } = (await ask(token, 'POST', `/v1/agents/${agent.id}/keys`)).body
    await ask(token, 'PUT', '/v1/config', { config: { greeting: 'hello' } })
    const device = await connectDevice(world, token)
    for (let n = 0; n < 40; n += 1) device.ask(`leaving-${n}`, `what I said ${n} to-find-later`)
    await until(() => device.messages.size === 40, 'all to be accepted')
    const exported = (await ask(token, 'GET', '/v1/me/export')).body
    assert.equal(exported.user.id, user.id)
    assert.deepEqual(
      exported.messages.map(({ text }) => text),
      Array.from({ length: 40 }, (_, n) => `what I said ${n} to-find-later`),
    )
    assert.equal(exported.agents[0].keys.length, 1)
    assert.deepEqual(exported.config, { greeting: 'hello' })
    assert.equal(exported.events.filter(({ kind }) => kind === 'accepted').length, 40)
    assert.ok(!JSON.stringify(exported).includes(key))
    assert.equal((await ask(token, 'DELETE', '/v1/me')).status, 400, 'not by accident')
    assert.equal((await ask(token, 'DELETE', `/v1/me?confirm=${user.id}`)).status, 204)
    await until(() => device.closed, 'the socket to be closed')
    // Whatever proof is left opens nothing, and begins nothing anew.
    assert.equal((await ask(token, 'GET', '/v1/conversations')).status, 401)
    assert.equal((await ask(key, 'POST', '/v1/messages', { text: 'still here?' })).status, 401)
    assert.equal(await upgrade(`${world.url}/v1/ws`, undefined, key), 401)
    assert.equal((await ask('', 'POST', '/v1/auth/refresh', { refresh_token: person.refresh_token })).status, 401)
    const login = { login: 'leaving@example.com', password: person.password }
    assert.equal((await ask('', 'POST', '/v1/auth/login', login)).status, 401)
    await world.process.stop()
    for (const word of [user.id, 'Leaving-Name-To-Find', 'to-find-later', agent.id, 'leaving@example.com']) {
      assert.deepEqual(rowsWith(world.storage, word), [], word)
    }
    assert.notDeepEqual(rowsWith(world.storage, world.user.id), [], 'the search finds what is there')
    await world.restart()
    // The log still tells that somebody was deleted, and its chain is whole.
    const { entries } = await audit(world)
    assert.equal(entries.at(-1).action, 'user.delete')
    verify(entries)
    const changed = entries.with(3, { ...entries[3], action: 'nothing.happened' })
    assert.throws(() => verify(changed), /entry 4/)
    assert.throws(() => verify(entries.toSpliced(3, 1)), /entry 5/)
  })

  await t.test('however many come at once, the log has them all', async () => {
    const before = (await audit(world)).entries.length
    const names = Array.from({ length: 60 }, (_, n) => `at once ${n}`)
    const made = await Promise.all(names.map((name) => ask(world.token, 'POST', '/v1/admin/users', { name })))
    assert.ok(made.every(({ status }) => status === 201))
    const { entries } = await audit(world)
    assert.equal(entries.length, before + names.length)
    verify(entries)
  })

  await t.test('what is not told is not done', async () => {
    const person = await signUp(world, 'untold')
    const agents = async () => (await ask(person.access_token, 'GET', '/v1/agents')).body.agents.length
    const create = () => ask(person.access_token, 'POST', '/v1/agents', { name: 'a' })
    const before = (await audit(world)).entries.length
    await d1(world, "create trigger untold before insert on audit begin select raise(abort, 'no room'); end")
    assert.equal((await create()).status, 503)
    assert.equal((await ask(world.token, 'POST', '/v1/admin/users', { name: 'Untold' })).status, 503)
    assert.equal(await agents(), 0)
    await d1(world, 'drop trigger untold')
    assert.equal((await create()).status, 201)
    assert.equal(await agents(), 1)
    const { entries } = await audit(world)
    assert.deepEqual(
      entries.slice(before).map(({ action }) => action),
      ['agent.create'],
    )
    verify(entries)
    // What changes nothing is not told.
    const listed = '/v1/admin/accounts/main/senders/ou_told_once'
    assert.equal((await ask(world.token, 'PUT', listed, {})).status, 204)
    assert.equal((await ask(world.token, 'PUT', listed, {})).status, 204)
    assert.equal((await audit(world)).entries.at(-1).action, 'sender.list')
    assert.equal((await audit(world)).entries.length, entries.length + 1)
  })

  await t.test('every list comes in pages, and nothing in it twice', async () => {
    const person = await signUp(world, 'pages')
    const put = (path) => ask(world.token, 'PUT', path, {})
    const main = '/v1/admin/accounts/main'
    for (let n = 0; n < 5; n += 1) {
      await Promise.all([put(`${main}/senders/ou_page_${n}`), put(`${main}/groups/oc_page_${n}`)])
      await ask(world.token, 'POST', '/v1/admin/invitations', {})
      await ask('', 'POST', '/v1/auth/login', { login: 'pages@example.com', password: person.password })
    }
    const device = await connectDevice(world, person.access_token)
    for (let n = 0; n < 5; n += 1)
      device.send({ type: 'send', id: `page-${n}`, conversation: `room-${n}`, text: 'hello' })
    await until(() => device.messages.size === 5, 'all to be accepted')
    const operator = world.token
    for (const [token, path, name, key, by = 'cursor'] of [
      [operator, '/v1/admin/users', 'users', 'id'],
      [operator, '/v1/admin/accounts', 'accounts', 'id'],
      [operator, `${main}/senders`, 'senders', 'sender'],
      [operator, `${main}/groups`, 'groups', 'chat'],
      [operator, '/v1/admin/invitations', 'invitations', 'id'],
      [operator, '/v1/admin/audit', 'entries', 'seq'],
      [operator, '/v1/admin/audit?order=newest', 'entries', 'seq'],
      [person.access_token, '/v1/me/sessions', 'sessions', 'id'],
      [person.access_token, '/v1/conversations', 'conversations', 'id', 'before'],
      [person.access_token, '/v1/dead-letters', 'dead_letters', 'seq', 'before'],
    ]) {
      const get = (query) => ask(token, 'GET', `${path}${path.includes('?') ? '&' : '?'}${query}`)
      const found = []
      let next
      do {
        const { status, body } = await get(`limit=2${next ? `&${by}=${encodeURIComponent(next)}` : ''}`)
        assert.equal(status, 200, path)
        assert.ok(body[name].length <= 2)
        found.push(...body[name].map((row) => row[key]))
        next = body.next
      } while (next)
      const whole = (await get('limit=100')).body[name].map((row) => row[key])
      assert.deepEqual(found.slice(0, 100), whole, path)
      assert.equal(new Set(found).size, found.length, path)
      if (!['accounts', 'dead_letters'].includes(name)) assert.ok(found.length >= 5, `${path}: ${found.length}`)
      for (const query of ['limit=0', 'limit=x', 'limit=100000']) assert.equal((await get(query)).status, 400, query)
    }
    assert.equal((await ask(operator, 'GET', `${main}/senders?cursor=x`)).status, 400)
    assert.equal((await ask(operator, 'GET', '/v1/admin/audit?order=random')).status, 400)
    assert.equal((await ask(person.access_token, 'GET', '/v1/conversations?before=x')).status, 400)
    device.close()
  })

  await t.test('the last operator stays', async () => {
    const path = `/v1/me?confirm=${world.user.id}`
    assert.equal((await ask(world.token, 'DELETE', path)).status, 409)
    const demoted = await ask(world.token, 'PATCH', `/v1/admin/users/${world.user.id}`, { role: 'user' })
    assert.equal(demoted.status, 409)
  })

  await t.test('who is disabled is out', async () => {
    const person = await signUp(world, 'disabled')
    const { agent } = (await ask(person.access_token, 'POST', '/v1/agents', { name: 'theirs' })).body
    const scopes = ['send', 'receive', 'send']
    const made = (await ask(person.access_token, 'POST', `/v1/agents/${agent.id}/keys`, { scopes })).body
    assert.deepEqual(made.scopes, ['receive', 'send'])
    const { key } = made
    const path = `/v1/admin/users/${person.user.id}`
    assert.equal((await ask(world.token, 'PATCH', path, { is_disabled: true })).status, 200)
    assert.equal((await ask(person.access_token, 'GET', '/v1/me')).status, 401)
    const login = { login: 'disabled@example.com', password: person.password }
    assert.equal((await ask('', 'POST', '/v1/auth/login', login)).status, 401)
    assert.equal((await ask(key, 'GET', '/v1/config')).status, 401)
    assert.equal((await ask(key, 'POST', '/v1/auth/verify')).status, 401)
    assert.equal(await upgrade(`${world.url}/v1/ws`, undefined, key), 401)
    assert.equal((await ask(world.token, 'PATCH', path, { is_disabled: false })).status, 200)
    // A change that cannot be made whole is not made at all.
    const taken = { role: 'operator', login: 'ada@example.com', password: 'another long password' }
    assert.equal((await ask(world.token, 'PATCH', path, taken)).status, 409)
    assert.equal((await ask(world.token, 'GET', path)).body.role, 'user')
    assert.equal((await ask('', 'POST', '/v1/auth/login', login)).status, 200)
  })
})

test('limits and origins', async (t) => {
  const origin = 'https://page.example'
  const world = await startFeishuWorld(t, { vars: { ALLOWED_ORIGINS: origin } })
  const ask = (...args) => request(world, ...args)
  const preflight = (from) => ask('', 'OPTIONS', '/v1/me', undefined, { origin: from })
  assert.equal((await preflight(origin)).headers.get('access-control-allow-origin'), origin)
  assert.equal((await preflight('https://evil.example')).headers.get('access-control-allow-origin'), null)
  const answer = await ask(world.token, 'GET', '/v1/me', undefined, { origin })
  assert.equal(answer.headers.get('access-control-allow-origin'), origin)
  assert.match(answer.headers.get('ratelimit-policy'), /^"requests";q=\d+;w=60$/)
  const wrong = { login: 'someone@example.com', password: 'wrong horse battery' }
  /** Tries until it is too often. */
  const guess = async (status, ...tried) => {
    for (let n = 0; n < 40; n += 1) {
      const answer = await ask(...tried)
      if (answer.status === 429) return answer
      assert.equal(answer.status, status)
    }
    throw new Error('guessing is not slowed down')
  }
  const refused = await guess(401, '', 'POST', '/v1/auth/login', wrong)
  assert.equal(refused.headers.get('retry-after'), '60')
  assert.equal(refused.body.type, '/errors/rate_limited')
  // By whom it is guessed, too: the address has many more.
  await guess(404, world.token, 'POST', '/v1/pairings', { code: '0000-0000' })
  assert.equal((await ask(world.token, 'GET', '/v1/me')).status, 200)
})

test('what is missing or weak is named', async (t) => {
  const world = await startFeishuWorld(t)
  for (const [name, value] of [
    ['SEALING_KEY', 'too-short'],
    ['SIGNING_KEY', 'ab'.repeat(30)],
  ]) {
    await world.process.stop()
    const kept = world.secrets[name]
    world.secrets[name] = value
    await world.restart()
    const answer = await request(world, '', 'GET', '/healthz')
    assert.equal(answer.status, 503)
    assert.match(answer.body.detail, new RegExp(`secret ${name} is missing or weak`))
    assert.equal((await request(world, world.token, 'GET', '/v1/me')).status, 503)
    world.secrets[name] = kept
  }
})

/** The files under `folder` that hold a text, as UTF-8 or UTF-16. */
function filesWith(folder, text) {
  const forms = [Buffer.from(text, 'utf8'), Buffer.from(text, 'utf16le')]
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile() && entry.name !== 'secrets.env')
  return files
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => forms.some((form) => readFileSync(file).includes(form)))
}

/** The tables of D1 and of every object that have a row with a text. */
function rowsWith(folder, text) {
  const names = readdirSync(folder, { recursive: true }).filter((name) => /v3\/(d1|do)\/.*\.sqlite$/.test(name))
  // Which objects there are is the runtime's own to know.
  const files = names.filter((name) => !/\/metadata\.sqlite$/.test(name))
  const found = []
  for (const name of files) {
    const database = new DatabaseSync(join(folder, name), { readOnly: true })
    for (const { name: table } of database.prepare("select name from sqlite_master where type = 'table'").all()) {
      const rows = database.prepare(`select * from "${table}"`).all()
      if (
        JSON.stringify(rows, (_, value) =>
          value instanceof Uint8Array ? Buffer.from(value).toString() : value,
        ).includes(text)
      ) {
        found.push(`${name} ${table}`)
      }
    }
    database.close()
  }
  return found
}

/** Changes the database while the relay is down. */
async function d1(world, statement) {
  await world.process.stop()
  const [name] = readdirSync(world.storage, { recursive: true }).filter((name) =>
    /v3\/d1\/(?!.*metadata).*\.sqlite$/.test(name),
  )
  const database = new DatabaseSync(join(world.storage, name))
  // A workerd that ends may hold it a little longer.
  database.exec('pragma busy_timeout = 20000')
  database.exec(statement)
  database.close()
  await world.restart()
}

async function audit(world) {
  const entries = []
  let next = ''
  do {
    const page = (await request(world, world.token, 'GET', `/v1/admin/audit?limit=50&cursor=${next}`)).body
    entries.push(...page.entries)
    next = page.next
  } while (next)
  return { entries }
}

/** As relay/src/auth/audit.rs has it; scripts/admin.mjs does the same. */
function verify(entries) {
  let previous = ''
  for (const { seq, at_ms, actor, action, subject = '', detail = '', hash } of entries) {
    const digest = createHash('sha256')
    for (const part of [previous, String(seq), String(at_ms), actor, action, subject, detail]) {
      const bytes = Buffer.from(part)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      digest.update(length).update(bytes)
    }
    if (digest.digest('base64url') !== hash) throw new Error(`entry ${seq} was changed, or one before it`)
    previous = hash
  }
}

/** The status that an upgrade is answered with. */
async function upgrade(url, origin, bearer) {
  const { request: send } = await import('node:http')
  return new Promise((resolve, reject) => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16, 7).toString('base64'),
      'sec-websocket-protocol': 'claw-relay.v1',
      ...(origin && { origin }),
      ...(bearer && { authorization: `Bearer ${bearer}` }),
    }
    const asked = send(url, { headers })
    asked.on('response', (response) => resolve(response.resume().statusCode))
    asked.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve(response.statusCode)
    })
    asked.on('error', reject)
    asked.end()
  })
}
