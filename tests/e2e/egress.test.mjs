// A bot's calls leave from an agent's machine, since its platform takes them from listed addresses only.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectDevice } from './support/device.mjs'
import { request, signUp } from './support/people.mjs'
import { startPlatformWorld } from './support/platform.mjs'
import { startWecom } from './support/wecom.mjs'
import { createAgent, until } from './support/world.mjs'

test('egress', async (t) => {
  const world = await startPlatformWorld(t, startWecom)
  const { fake } = world
  const ask = (...args) => request(world, world.token, ...args)
  const main = '/v1/admin/accounts/main'
  const check = async () => (await ask('POST', `${main}/check`)).body.checks
  const set = (egress) => ask('PATCH', main, { egress })

  // A machine that makes calls and answers nothing: its key can do nothing else.
  const carrier = await createAgent(world, 'carrier')
  const { key } = (await ask('POST', `/v1/agents/${carrier.id}/keys`, { name: 'calls', scopes: ['egress'] })).body
  const carry = (...more) => carrier.start(['--key', key, '--backend', 'none', ...more])
  const made = (running) => running.log.split('calling 127.0.0.1 for the relay').length - 1
  let running = carry('--egress', fake.url)
  await running.connected()

  await t.test('calls leave directly, until an agent is named', async () => {
    await world.asks('m-direct', 'directly')
    await world.answered('directly')
    assert.equal(made(running), 0)
    assert.match(
      (await check()).map(({ name, ok, detail }) => `${name} ${ok} ${detail}`).join(),
      /^egress true directly from the relay,credentials true taken,callback true called at 20\d\d-[\d:.T-]+Z, or within the hour after$/,
    )
    const changed = await set(carrier.id)
    assert.deepEqual([changed.status, changed.body.account.egress], [200, carrier.id])
    const checks = await check()
    assert.deepEqual(checks[0], { name: 'egress', ok: true, detail: `through ${carrier.id}` })
    assert.ok(made(running) >= 2, 'the token, and who the bot is')
  })

  await t.test('an answer goes by the agent, and so does a new token', async () => {
    fake.expireToken()
    const before = made(running)
    await world.asks('m-carried', 'carried 你好')
    await world.answered('carried 你好')
    assert.ok(made(running) >= before + 2)
    // Whoever carries calls hears nothing else, and is no agent to anybody.
    const device = await connectDevice(world, world.token)
    const { agents } = await until(() => device.frames.find(({ type }) => type === 'presence'), 'who is there')
    assert.deepEqual(
      agents.map(({ id }) => id),
      [world.agent.id],
    )
    device.close()
    assert.ok(!/question \d+ received/.test(running.log), running.log)
    assert.ok(
      !running.log.includes(fake.account.secret) && !running.log.includes('access_token'),
      'secrets are not logged',
    )
  })

  await t.test('answers wait for an agent that is away, and come once, in order', async () => {
    await running.kill()
    const sent = fake.sent.length
    await until(async () => !(await check())[0].ok, 'it to be known')
    assert.match((await check())[0].detail, /is not connected/)
    for (const n of [1, 2, 3]) await world.asks(`m-away-${n}`, `away ${n}`)
    await until(() => world.model.questions.includes('away 3'), 'the model to be asked')
    assert.equal(fake.sent.length, sent)
    running = carry('--egress', fake.url)
    await running.connected()
    await world.answered('away 3')
    const came = fake.sent.slice(sent).map(({ text }) => text.match(/away \d/)?.[0])
    assert.deepEqual(came, ['away 1', 'away 2', 'away 3'])
  })

  await t.test('an agent calls what is on its list, and nothing else', async () => {
    await running.kill()
    for (const [flags, said] of [
      [['--egress', 'platforms'], /127\.0\.0\.1 is not on this agent's egress list/],
      [[], /start it with --egress/],
    ]) {
      running = carry(...flags)
      await running.connected()
      assert.match((await check())[0].detail, said)
      await running.kill()
    }
    const wrong = carry('--egress', 'https://api.example.com')
    await until(() => /egress: https:\/\/api\.example\.com: expected/.test(wrong.log), `a word:\n${wrong.log}`)
    running = carry('--egress', fake.url)
    await running.connected()
    assert.equal((await check())[0].ok, true)
  })

  await t.test('only by an agent of one’s own, and only with the scope', async () => {
    const other = await signUp(world, 'other')
    const theirs = await createAgent({ ...world, token: other.access_token }, 'theirs')
    for (const egress of [theirs.id, 'agt_none', 'x y']) {
      const { status, body } = await set(egress)
      assert.deepEqual([status, /^egress: no such agent of yours$/.test(body.detail)], [400, true])
    }
    // The agent that answers has a key without it.
    assert.equal((await set(world.agent.id)).status, 200)
    assert.match((await check())[0].detail, /is not connected/)
    // Nor does it help to say that a call was made.
    const device = await connectDevice(world, world.token)
    device.send({ type: 'fetched', id: 'x', answer: { status: 200, body: '{}' } })
    await until(() => device.frames.some(({ type, code }) => type === 'error' && code === 'forbidden'), 'a refusal')
    device.close()
    assert.equal((await set(carrier.id)).status, 200)
  })

  await t.test('a bot can be made that way from the start, and is left directly when its agent goes', async () => {
    const before = made(running)
    const account = { ...fake.account, id: 'second', api_base: fake.url, egress: carrier.id }
    const created = await ask('POST', '/v1/admin/accounts', account)
    assert.deepEqual([created.status, created.body.account.egress], [201, carrier.id])
    assert.equal(made(running), before + 2)
    const renewed = await ask('PUT', '/v1/admin/accounts/second/credentials', {
      ...fake.account,
      id: 'second',
      api_base: fake.url,
    })
    assert.equal(renewed.status, 200)
    assert.equal(made(running), before + 4)
    assert.equal((await ask('DELETE', `/v1/agents/${carrier.id}`)).status, 204)
    const { accounts } = (await ask('GET', '/v1/admin/accounts')).body
    assert.deepEqual(
      accounts.map(({ egress }) => egress),
      [undefined, undefined],
    )
    assert.equal((await check())[0].detail, 'directly from the relay')
    await world.asks('m-after', 'after it went')
    await world.answered('after it went')
  })

  await t.test('the fakes found nothing wrong', () => assert.deepEqual(fake.faults, []))
})
