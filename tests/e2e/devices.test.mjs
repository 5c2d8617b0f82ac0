// Several devices of one user, one timeline.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectDevice } from './support/device.mjs'
import { messageEvent } from './support/feishu.mjs'
import { answerTo } from './support/model.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

test('devices', async (t) => {
  const world = await startFeishuWorld(t, { delayMs: 60 })
  const agent = await createAgent(world)
  const running = agent.start()
  await running.connected()
  const one = await connectDevice(world, world.token)
  let two = await connectDevice(world, world.token)

  await t.test('two devices see the same timeline live, from the page and from Feishu', async () => {
    one.ask('m-1', 'from the web')
    await world.webhook(messageEvent('om_1', 'from Feishu'))
    await until(
      () => [1, 2].every((seq) => one.states.get(seq) === 'replied' && two.states.get(seq) === 'replied'),
      'both answers',
    )
    assert.deepEqual(
      [...one.messages.values()].map(({ state, ...message }) => message),
      [...two.messages.values()].map(({ state, ...message }) => message),
    )
    assert.deepEqual(
      new Set(one.texts()),
      new Set(['from the web', 'from Feishu', answerTo('from the web'), answerTo('from Feishu')]),
    )
    const question = [...one.messages.values()].find((message) => message.id === 'feishu:main:om_1')
    assert.deepEqual(question.from, { kind: 'user', via: 'feishu', sender: 'ou_alice' })
    // Every step was shown, in order.
    const steps = one.frames
      .filter((frame) => frame.type === 'state' && frame.seq === question.seq)
      .map((frame) => frame.state)
    assert.deepEqual(steps, ['delivered', 'replying', 'replied'])
  })

  await t.test(
    'a device that drops in the middle of an answer comes back with its cursor and ends with the same text',
    async () => {
      const words = Array.from({ length: 120 }, (_, n) => `word${n}🚀`).join(' ')
      one.ask('m-2', words)
      const seq = await until(
        () => [...one.messages.values()].find((message) => message.id === 'm-2')?.seq,
        'the question',
      )
      await until(() => (two.streams.get(seq) ?? '').length > 20, 'the answer to begin')
      const cursor = two.cursor()
      const seen = two.streams.get(seq)
      await two.close()
      await until(() => one.streams.get(seq).length > seen.length + 20, 'the answer to go on')
      two = await connectDevice(world, world.token, { cursor })
      // The stream so far comes at once, from its beginning, not only with the final message.
      await until(() => (two.streams.get(seq) ?? '').length > seen.length, 'the stream to resume')
      assert.equal(one.answerTo(seq), undefined, 'the answer is still being made')
      const welcome = two.frames.find((frame) => frame.type === 'welcome')
      assert.deepEqual(welcome.resumed, { outcome: 'continued', after: Number(cursor.split('.')[1]) })
      await until(() => one.answerTo(seq) && two.answerTo(seq), 'the final answer')
      assert.equal(two.answerTo(seq).text, answerTo(words))
      assert.equal(two.answerTo(seq).text, one.answerTo(seq).text)
      assert.ok(answerTo(words).startsWith(two.streams.get(seq)))
    },
  )

  await t.test('presence tells whether the agent is connected', async () => {
    const online = () => one.frames.filter((frame) => frame.type === 'presence').at(-1).agents[0].online
    assert.equal(online(), true)
    await running.kill()
    await until(() => !online(), 'the agent to be offline')
    await agent.start().connected()
    await until(online, 'the agent to be online')
  })

  await t.test('history is paged by cursor, and listed by conversation', async () => {
    const page = await world.call(world.token, 'GET', '/v1/conversations/web/messages?limit=2')
    assert.deepEqual(
      page.messages.map((message) => message.id),
      ['m-2', `reply:${page.messages[0].seq}`],
    )
    const older = await world.call(world.token, 'GET', `/v1/conversations/web/messages?before=${page.next}`)
    assert.deepEqual(
      [older.messages.map((message) => message.text), older.next],
      [['from the web', answerTo('from the web')], null],
    )
    const { conversations } = await world.call(world.token, 'GET', '/v1/conversations')
    assert.deepEqual(
      conversations.map((conversation) => conversation.id),
      ['web', 'feishu:main:oc_1'],
    )
  })

  await t.test('a heartbeat is answered', async () => {
    const pong = new Promise((resolve) =>
      one.socket.addEventListener('message', ({ data }) => data === 'pong' && resolve()),
    )
    one.send('ping')
    await pong
  })
})

test('everyone sleeps: sockets stay open while the object is out of memory, and all goes on', async (t) => {
  const world = await startFeishuWorld(t, { delayMs: 20, vars: { LOG_WAKES: 'on' } })
  await (await createAgent(world)).start().connected()
  const device = await connectDevice(world, world.token)
  device.ask('m-1', 'before')
  await until(() => device.answerTo(1), 'the first answer')
  const restored = () => world.process.output().match(/hub restored with \d sockets/g)
  assert.equal(restored().length, 1, 'in memory since the first request')
  // Heartbeats go on meanwhile, and wake nothing.
  for (let n = 0; n < 14; n++) {
    device.send('ping')
    await sleep(1000)
  }
  assert.equal(restored().length, 1)
  device.ask('m-2', 'after a long sleep')
  await until(() => device.answerTo(3), 'the second answer')
  await until(() => restored().length === 2, 'the log to say that it was out of memory in between')
  assert.equal(restored().at(-1), 'hub restored with 2 sockets', 'the agent and the device')
  assert.equal(device.answerTo(3).text, answerTo('after a long sleep'))
  assert.ok(device.streams.get(3).length > 0, 'deltas too')
  assert.equal(device.closed, null)
})
