// The older relay's plugin: it says who it is in its first frame, and answers what people write to a Feishu bot.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectDevice } from './support/device.mjs'
import { openSocket, refusal, replay } from './support/dialect.mjs'
import { messageEvent } from './support/feishu.mjs'
import { request } from './support/people.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

test('the relay plugin', async (t) => {
  const world = await startFeishuWorld(t, { vars: { LOG_WAKES: 'on' } })
  const agent = await createAgent(world, 'gateway')
  const open = () => openSocket(`${world.url}/openclaw`)
  const plugin = async (token = agent.key) => {
    const client = await open()
    client.say({ type: 'auth', token })
    assert.deepEqual(await client.hear(), { type: 'auth_success' })
    return client
  }
  const feishu = {
    ask: async (id, text, chat) => assert.equal((await world.webhook(messageEvent(id, text, { chat }))).status, 200),
    answerTo: async (id) => (await until(() => world.feishu.repliesTo(id)[0], `an answer to ${id}`)).text,
  }

  await t.test('talks as recorded', async () => {
    const known = { $user: world.user.id, $key: agent.key }
    const clients = await replay('relay-plugin.jsonl', { open, feishu, known })
    const device = await connectDevice(world, world.token)
    await until(() => device.texts().includes('said unasked: for the devices alone'), 'what was said unasked')
    assert.equal(world.feishu.replies.length, 4, 'and no chat has it')
    await Promise.all([...Object.values(clients), device].map((client) => client.close()))
  })

  await t.test('twenty questions wait, and each is answered once in the chat that asked it', async () => {
    const ids = Array.from({ length: 20 }, (_, n) => `om_waiting_${n}`)
    for (const [n, id] of ids.entries()) await feishu.ask(id, `question ${id}`, `oc_${n % 3}`)
    let client = await plugin()
    for (const [n, id] of ids.entries()) {
      const asked = await client.hear(id)
      assert.deepEqual([asked.messageId, asked.chatId, asked.content], [id, `oc_${n % 3}`, `question ${id}`])
      assert.deepEqual(client.heard, [], 'one at a time')
      if (n === 7) {
        // It dies before it answers, and the next one is asked again.
        await client.close()
        client = await plugin()
        assert.deepEqual(await client.hear(), asked)
      }
      client.say({ type: 'llm_request', content: `answer to ${id}` })
    }
    for (const id of ids) assert.equal(await feishu.answerTo(id), `answer to ${id}`)
    assert.deepEqual(
      ids.map((id) => world.feishu.repliesTo(id).length),
      ids.map(() => 1),
    )
    await client.close()
  })

  await t.test('it sleeps, and goes on', async () => {
    const client = await plugin()
    await feishu.ask('om_sleep_1', 'before')
    await client.hear()
    await sleep(14_000)
    await feishu.ask('om_sleep_2', 'meanwhile')
    await until(() => /hub restored with 1 sockets/.test(world.process.output()), 'the log')
    client.say({ type: 'llm_request', content: 'after' })
    assert.equal(await feishu.answerTo('om_sleep_1'), 'after')
    assert.equal((await client.hear()).messageId, 'om_sleep_2')
    client.say({ type: 'llm_request', content: 'awake' })
    assert.equal(await feishu.answerTo('om_sleep_2'), 'awake')
    await client.close()
  })

  await t.test('what it says before it is let in is not lost', async () => {
    await feishu.ask('om_early', 'early')
    const client = await open()
    client.say({ type: 'auth', token: agent.key })
    client.say({ type: 'ping' })
    assert.deepEqual(
      [await client.hear(), (await client.hear()).messageId, await client.hear()],
      [{ type: 'auth_success' }, 'om_early', { type: 'pong' }],
    )
    client.say({ type: 'llm_request', content: 'bird' })
    assert.equal(await feishu.answerTo('om_early'), 'bird')
    await client.close()
  })

  await t.test('who has no key is out, with a reason', async () => {
    const { key } = await world.call(world.token, 'POST', `/v1/agents/${agent.id}/keys`, { scopes: ['send'] })
    for (const [frame, code, close] of [
      [{ type: 'auth', token: 'wrong' }, 'unauthorized', 4401],
      [{ type: 'auth', token: world.token }, 'unauthorized', 4401],
      [{ type: 'auth' }, 'unauthorized', 4401],
      [{ type: 'llm_request', content: 'hi' }, 'unauthorized', 4401],
      ['{', 'unauthorized', 4401],
      [{ type: 'auth', token: key }, 'forbidden', 4403],
    ]) {
      const client = await open()
      client.say(frame)
      const refused = await client.hear(JSON.stringify(frame))
      assert.deepEqual([refused.type, refused.code], ['error', code])
      await until(() => client.closed, 'the refusal')
      assert.equal(client.closed.code, close)
    }
    const long = await open()
    long.say('x'.repeat(70_000))
    await until(() => long.closed, 'one that says too much to be closed')
    const silent = await open()
    await until(() => silent.closed, 'one that says nothing to be closed', 15_000)
    assert.equal(silent.closed.code, 4401)
    assert.equal((await refusal(`${world.url}/openclaw`, { origin: 'https://evil.example' })).status, 403)
    assert.equal((await request(world, '', 'GET', '/openclaw')).status, 426)
  })

  await t.test('a key that is revoked is out at once', async () => {
    const client = await plugin()
    const { keys } = await world.call(world.token, 'GET', `/v1/agents/${agent.id}/keys`)
    for (const key of keys) await request(world, world.token, 'DELETE', `/v1/agents/${agent.id}/keys/${key.id}`)
    await until(() => client.closed, 'it to be closed', 5000)
    assert.equal(client.closed.code, 4401)
    const again = await open()
    again.say({ type: 'auth', token: agent.key })
    assert.equal((await again.hear()).code, 'unauthorized')
    await until(() => again.closed, 'it to be closed')
  })

  await t.test('the fakes found nothing wrong', () => {
    assert.deepEqual(world.feishu.faults, [])
    assert.ok(!world.process.output().includes(agent.key))
  })
})
