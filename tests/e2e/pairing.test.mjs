// Strangers become somebody: by a code that the bot tells them, by lists, by groups; and what is said to them unasked.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MENTION_BOT, messageEvent } from './support/feishu.mjs'
import { answerTo } from './support/model.mjs'
import { request, signUp } from './support/people.mjs'
import { createAgent, feishuAccount, startFeishuWorld, until } from './support/world.mjs'

test('pairing', async (t) => {
  const world = await startFeishuWorld(t, { vars: { RATE_LIMITS: 'off' } })
  const ask = (...args) => request(world, ...args)
  const policy = (changes) => ask(world.token, 'PATCH', '/v1/admin/accounts/main', changes)
  /** A message of a sender, alone with the bot or in a group. */
  const says = async (sender, id, text, { chat = `oc_${sender}`, group = false } = {}) => {
    const mentions = group ? [MENTION_BOT] : []
    const event = messageEvent(id, group ? `@_user_1 ${text}` : text, { chat, group, mentions })
    event.event.sender.sender_id.open_id = sender
    const response = await world.webhook(event)
    assert.equal(response.status, 200)
  }
  const told = (id) => until(() => world.feishu.repliesTo(id)[0], `an answer to ${id}`)
  const silent = async (id) => {
    await sleep(600)
    assert.deepEqual(world.feishu.repliesTo(id), [], id)
  }
  /** A person with an agent that answers. */
  const withAgent = async (name) => {
    const person = await signUp(world, name)
    const agent = await createAgent({ ...world, token: person.access_token }, `agent of ${name}`)
    const running = agent.start()
    await running.connected()
    return { ...person, agent, running }
  }
  const ada = await withAgent('ada')
  const bob = await withAgent('bob')
  const codeIn = (text) => text.match(/[0-9A-Z]{4}-[0-9A-Z]{4}/)[0]
  assert.equal((await policy({ policy: 'pairing', default_user: '' })).status, 200)

  await t.test('a stranger is told a code once, and is somebody when it is entered', async () => {
    await says('ou_new', 'om_1', 'hello?')
    const { text } = await told('om_1')
    const code = codeIn(text)
    assert.ok(text.endsWith(`${world.url}/?pair=${code}`), text)
    await says('ou_new', 'om_2', 'anyone?')
    await silent('om_2')
    // Wrong ones are all answered alike.
    const wrong = await ask(ada.access_token, 'POST', '/v1/pairings', { code: '0000-0000' })
    const nonsense = await ask(ada.access_token, 'POST', '/v1/pairings', { code: 'no code at all' })
    assert.deepEqual([wrong.status, wrong.body], [404, nonsense.body])
    const typed = code.toLowerCase().replace('-', ' ')
    const paired = await ask(ada.access_token, 'POST', '/v1/pairings', { code: typed })
    assert.equal(paired.status, 201)
    assert.deepEqual([paired.body.identity.account, paired.body.identity.sender], ['main', 'ou_new'])
    assert.equal((await ask(bob.access_token, 'POST', '/v1/pairings', { code })).status, 404, 'used')
    await says('ou_new', 'om_3', 'hello again')
    assert.equal((await told('om_3')).text, answerTo('hello again'))
    const { conversations } = (await ask(ada.access_token, 'GET', '/v1/conversations')).body
    assert.deepEqual(
      conversations.map(({ id }) => id),
      ['feishu:main:oc_ou_new'],
    )
    assert.deepEqual((await ask(bob.access_token, 'GET', '/v1/conversations')).body.conversations, [])
  })

  await t.test('whoever is bound asks for a code to be bound to another', async () => {
    await says('ou_new', 'om_bind', '/bind')
    const code = codeIn((await told('om_bind')).text)
    await says('ou_new', 'om_bind_2', '/绑定')
    const newer = codeIn((await told('om_bind_2')).text)
    assert.equal((await ask(bob.access_token, 'POST', '/v1/pairings', { code })).status, 404, 'replaced')
    assert.equal((await ask(bob.access_token, 'POST', '/v1/pairings', { code: newer })).status, 201)
    await says('ou_new', 'om_4', 'for bob')
    await told('om_4')
    const { conversations } = (await ask(bob.access_token, 'GET', '/v1/conversations')).body
    assert.equal(conversations.length, 1)
    assert.deepEqual((await ask(ada.access_token, 'GET', '/v1/identities')).body.identities, [])
  })

  await t.test('an agent reaches its owner unasked, unless that is turned off', async () => {
    const [identity] = (await ask(bob.access_token, 'GET', '/v1/identities')).body.identities
    const push = (body, headers) => ask(bob.agent.key, 'POST', '/v1/messages', body, headers)
    const once = { 'idempotency-key': 'tea-1' }
    const first = await push({ text: 'tea is ready' }, once)
    assert.equal(first.status, 201)
    assert.deepEqual([first.body.conversation, first.body.new], ['feishu:main:oc_ou_new', true])
    assert.deepEqual({ ...(await push({ text: 'tea is ready' }, once)).body, new: true }, first.body)
    await until(() => world.feishu.replies.some(({ text }) => text === 'tea is ready'), 'the message in the chat')
    await ask(bob.access_token, 'PATCH', `/v1/identities/${identity.id}`, { push: false })
    assert.equal((await push({ text: 'quiet', conversation: 'feishu:main:oc_ou_new' })).status, 403)
    assert.equal((await push({ text: 'on the page' })).body.conversation, 'web')
    assert.equal(world.feishu.replies.filter(({ text }) => text === 'tea is ready').length, 1)
    assert.ok(!world.feishu.replies.some(({ text }) => text === 'on the page'))
    // A key without the scope says nothing; a person's own script does.
    const path = `/v1/agents/${bob.agent.id}/keys`
    const { key } = (await ask(bob.access_token, 'POST', path, { scopes: ['receive'] })).body
    assert.equal((await ask(key, 'POST', '/v1/messages', { text: 'x' })).status, 403)
    assert.equal((await ask(bob.access_token, 'POST', '/v1/messages', { text: 'from a script' })).status, 201)
    assert.equal((await push({ text: '' })).status, 400)
    assert.equal((await ask(bob.access_token, 'DELETE', `/v1/identities/${identity.id}`)).status, 204)
    const gone = await push({ text: 'still there?', conversation: 'feishu:main:oc_ou_new' })
    assert.equal(gone.status, 403, 'whoever is unbound is left alone')
    await says('ou_new', 'om_5', 'a stranger again')
    assert.ok(codeIn((await told('om_5')).text))
  })

  await t.test('lists and closed doors', async () => {
    await policy({ policy: 'listed', default_user: ada.user.id })
    await says('ou_listed', 'om_6', 'may I?')
    await silent('om_6')
    assert.equal((await ask(world.token, 'PUT', '/v1/admin/accounts/main/senders/ou_listed')).status, 204)
    await says('ou_listed', 'om_7', 'and now?')
    assert.equal((await told('om_7')).text, answerTo('and now?'))
    await policy({ policy: 'closed' })
    await says('ou_listed', 'om_8', 'closed')
    await silent('om_8')
    await policy({ policy: 'open' })
    await says('ou_anyone', 'om_9', 'open')
    assert.equal((await told('om_9')).text, answerTo('open'))
  })

  await t.test('groups: none, listed ones, and whose agent answers there', async () => {
    await policy({ policy: 'pairing', groups: 'any' })
    const there = { chat: 'oc_group', group: true }
    await says('ou_in_group', 'om_10', 'who am I?', there)
    const { text } = await told('om_10')
    assert.ok(!/[0-9A-Z]{4}-[0-9A-Z]{4}/.test(text), 'no code where others read it')
    await says('ou_in_group', 'om_11', 'and again', there)
    await silent('om_11')
    await policy({ groups: 'listed' })
    await says('ou_listed', 'om_12', 'not listed', there)
    await silent('om_12')
    const path = '/v1/admin/accounts/main/groups/oc_group'
    assert.equal((await ask(world.token, 'PUT', path, { user: bob.user.id })).status, 204)
    await says('ou_in_group', 'om_13', 'for the agent of the group', there)
    await told('om_13')
    const { conversations } = (await ask(bob.access_token, 'GET', '/v1/conversations')).body
    assert.ok(conversations.some(({ id }) => id === 'feishu:main:oc_group'))
    await policy({ groups: 'none' })
    await says('ou_in_group', 'om_14', 'nobody', there)
    await silent('om_14')
  })

  await t.test('a code ends by itself', async () => {
    await policy({ policy: 'pairing', groups: 'any' })
    await says('ou_late', 'om_15', 'hello?')
    const code = codeIn((await told('om_15')).text)
    await world.process.stop()
    inD1(world.storage, 'pairings', "update pairings set expires_ms = 1 where sender = 'ou_late' returning hash")
    await world.restart()
    assert.equal((await ask(ada.access_token, 'POST', '/v1/pairings', { code })).status, 404)
    await says('ou_late', 'om_16', 'hello?')
    assert.notEqual(codeIn((await told('om_16')).text), code)
  })
  await Promise.all([ada.running.kill(), bob.running.kill()])
  assert.deepEqual(world.feishu.faults, [])
})

test('an account that was stored before there was sealing is sealed by a rotation', async (t) => {
  const world = await startFeishuWorld(t)
  await world.process.stop()
  const settings = JSON.stringify({
    ...feishuAccount(world),
    id: undefined,
    default_user: undefined,
    bot_open_id: 'ou_bot000000000000000000000000000',
  })
  const read = (...statement) => inD1(world.storage, 'accounts', ...statement)
  read("update accounts set settings = ? where id = 'main' returning id", settings)
  await world.restart()
  const agent = await createAgent(world)
  const running = agent.start()
  await running.connected()
  await world.webhook(messageEvent('om_plain', 'still works'))
  await until(() => world.feishu.repliesTo('om_plain').length === 1, 'an answer')
  const { body } = await request(world, world.token, 'POST', '/v1/admin/secrets/rotate')
  assert.deepEqual(body, { sealed: 1 })
  await running.kill()
  await world.process.stop()
  assert.match(read("select settings from accounts where id = 'main'").settings, /^s1\./)
})

/** Runs a statement in the D1 of a relay that is stopped; answers its first row. */
function inD1(storage, table, statement, ...values) {
  const names = readdirSync(storage, { recursive: true })
  const files = names.filter((name) => /v3\/d1\/.*\.sqlite$/.test(name) && !name.includes('metadata'))
  for (const name of files) {
    const database = new DatabaseSync(join(storage, name))
    // A workerd that ends may hold it a little longer.
    database.exec('pragma busy_timeout = 20000')
    const has = database.prepare('select 1 from sqlite_master where name = ?').get(table)
    const row = has && database.prepare(statement).get(...values)
    database.close()
    if (has) return row
  }
  throw new Error('no D1')
}
