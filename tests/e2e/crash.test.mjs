// kill -9, of the server and of the agent, while messages are on their way.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectDevice } from './support/device.mjs'
import { messageEvent } from './support/feishu.mjs'
import { answerTo } from './support/model.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

test('kill -9 of the server with 200 messages in flight loses and doubles nothing', async (t) => {
  const world = await startFeishuWorld(t, { delayMs: 2 })
  const agent = await createAgent(world)
  await agent.start().connected()
  const ids = Array.from({ length: 200 }, (_, n) => `om_${n}`)
  const chat = (id) => `oc_${Number(id.slice(3)) % 8}`
  const accepted = new Set()
  const send = async (id) => {
    const response = await world.webhook(messageEvent(id, `question ${id}`, { chat: chat(id) })).catch(() => null)
    if (response?.status === 200) accepted.add(id)
  }
  const sending = Promise.all(ids.map(send))
  await until(() => accepted.size >= 100 && world.model.questions.length > 0, 'the work to be in full swing')
  await world.kill()
  await sending
  const [acceptedBefore, answeredBefore] = [accepted.size, world.feishu.replies.length]
  assert.ok(
    answeredBefore < acceptedBefore,
    `${answeredBefore} of ${acceptedBefore} accepted were answered: killed too late`,
  )
  t.diagnostic(`killed with ${acceptedBefore} accepted and ${answeredBefore} answered`)

  await world.restart()
  // The platform repeats what was not acknowledged, and now and then what was.
  await Promise.all(ids.filter((id, n) => !accepted.has(id) || n % 10 === 0).map(send))
  assert.equal(accepted.size, 200)
  await until(() => ids.every((id) => world.feishu.repliesTo(id).length > 0), 'every answer', 60_000)
  await sleep(300)
  for (const id of ids) {
    assert.deepEqual(
      world.feishu.repliesTo(id).map((reply) => reply.text),
      [answerTo(`question ${id}`)],
    )
  }
  // In order within each chat: that of the timeline.
  for (const name of new Set(ids.map(chat))) {
    const { messages } = await world.call(
      world.token,
      'GET',
      `/v1/conversations/feishu:main:${name}/messages?limit=200`,
    )
    const questions = messages
      .filter((message) => message.from.kind === 'user')
      .map((message) => message.id.split(':')[2])
    const answers = world.feishu.replies.map((reply) => reply.messageId).filter((id) => chat(id) === name)
    assert.deepEqual(answers, questions)
  }
  assert.deepEqual(world.feishu.faults, [])
})

test('kill -9 of the agent in the middle of an answer: answered after its restart, once', async (t) => {
  const world = await startFeishuWorld(t, { delayMs: 80 })
  const agent = await createAgent(world)
  const first = agent.start()
  await first.connected()
  const device = await connectDevice(world, world.token)
  const words = Array.from({ length: 30 }, (_, n) => `word${n}`).join(' ')
  await world.webhook(messageEvent('om_1', words))
  await until(() => (device.streams.get(1) ?? '').length > 20, 'the answer to begin')
  await first.kill()
  await until(() => device.states.get(1) === 'delivered', 'the question to wait again')
  assert.equal(device.answerTo(1), undefined)
  world.model.delayMs = 5
  await agent.start().connected()
  await until(() => world.feishu.repliesTo('om_1').length > 0 && device.states.get(1) === 'replied', 'the answer')
  await sleep(300)
  assert.deepEqual(
    world.feishu.replies.map((reply) => reply.text),
    [answerTo(words)],
  )
  const finals = device.frames.filter((frame) => frame.type === 'message' && frame.reply_to === 1)
  assert.deepEqual(
    finals.map((frame) => frame.text),
    [answerTo(words)],
  )
  assert.equal(world.model.questions.length, 2, 'it was asked again after the restart')
})

test('a restart of the server in the middle of an answer changes nothing for the reader', async (t) => {
  const world = await startFeishuWorld(t, { delayMs: 60 })
  await (await createAgent(world)).start().connected()
  const device = await connectDevice(world, world.token)
  const words = Array.from({ length: 40 }, (_, n) => `word${n}`).join(' ')
  device.ask('m-1', words)
  await until(() => (device.streams.get(1) ?? '').length > 20, 'the answer to begin')
  const cursor = device.cursor()
  await world.kill()
  await world.restart()
  const again = await connectDevice(world, world.token, { cursor })
  await until(() => again.answerTo(1), 'the answer')
  assert.equal(again.answerTo(1).text, answerTo(words))
  assert.equal(world.model.questions.length, 1, 'the agent went on where it was')
})

test('an answer that the platform would not take when the server was killed is delivered with nobody connected', async (t) => {
  const world = await startFeishuWorld(t)
  const running = (await createAgent(world)).start()
  await running.connected()
  world.feishu.next = Array.from({ length: 3 }, () => ({ status: 500, body: { code: 2200, msg: 'Internal Error' } }))
  await world.webhook(messageEvent('om_1', 'wait for it'))
  await until(() => world.feishu.calls.length > 0, 'the first try')
  await running.kill()
  await world.kill()
  // Nothing but its alarm wakes the object: no request, no socket.
  await world.restart()
  await until(() => world.feishu.repliesTo('om_1').length > 0, 'the answer')
  assert.deepEqual(
    world.feishu.replies.map((reply) => reply.text),
    [answerTo('wait for it')],
  )
})
