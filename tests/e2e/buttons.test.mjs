// Buttons under messages: what one may answer at a press, once.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectDevice } from './support/device.mjs'
import { openSocket } from './support/dialect.mjs'
import { MENTION_BOT, messageEvent, pressEvent } from './support/feishu.mjs'
import { request } from './support/people.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

const ALLOW = { label: '允许一次 · Allow once', text: '/approve 7f3a allow-once', style: 'primary' }
const DENY = { label: '拒绝 · Deny', text: '/approve 7f3a deny', style: 'danger' }

test('buttons', async (t) => {
  const world = await startFeishuWorld(t)
  const { feishu } = world
  const agent = await createAgent(world)
  const socket = await openSocket(`${world.url}/v1/ws`, {
    authorization: `Bearer ${agent.key}`,
    'sec-websocket-protocol': 'claw-relay.v1',
  })
  const heard = []
  socket.socket.addEventListener('message', ({ data }) => {
    for (const frame of [JSON.parse(data)].flat()) {
      heard.push(frame)
      if (frame.type === 'message') socket.say({ type: 'ack', seq: frame.seq })
    }
  })
  socket.say({ type: 'hello' })
  const device = await connectDevice(world, world.token)
  const asked = (text) => until(() => heard.find((frame) => frame.text === text), text)
  const count = (text) => heard.filter((frame) => frame.text === text).length
  const replies = (id, n) => until(() => feishu.repliesTo(id).length >= n && feishu.repliesTo(id), id)
  const reply = (question, text, buttons) => socket.say({ type: 'reply', reply_to: question.seq, text, buttons })

  /** Presses a button of a card, and shows what the relay answers to that. */
  const press = async (message, { value }, who) => {
    const response = await world.webhook(pressEvent(value, { message, ...who }))
    assert.equal(response.status, 200)
    const answer = await response.json()
    feishu.pressed(message, answer)
    return answer
  }

  await t.test('an answer has them in Feishu, and a press says what they say, once', async () => {
    await world.webhook(messageEvent('om_may', 'delete it'))
    reply(await asked('delete it'), 'May I run `rm -rf build`?', [ALLOW, DENY])
    const [{ id, card, type }] = await replies('om_may', 1)
    assert.equal(type, 'interactive')
    assert.equal(card.text, 'May I run `rm -rf build`?')
    const [allow, deny] = card.buttons
    assert.deepEqual([allow.label, deny.label], [ALLOW.label, DENY.label])
    assert.match((await press(id, allow)).toast.content, /got it/)
    const said = await asked(ALLOW.text)
    const [seq] = allow.value.choice.split('.')
    assert.deepEqual([said.id, said.from.sender, said.from.group], [`press-${seq}`, 'ou_alice', undefined])
    // The card says so, and can be pressed no more.
    assert.deepEqual([card.text, card.buttons, card.chosen], ['May I run `rm -rf build`?', [], [`✓ ${ALLOW.label}`]])
    // Again, and the other one, on a screen that shows the old one: a message is answered so once.
    await Promise.all(Array.from({ length: 4 }, () => press(id, allow)))
    const late = await press(id, deny)
    assert.match(late.toast.content, /already answered/)
    assert.deepEqual([late.card, card.chosen], [undefined, [`✓ ${ALLOW.label}`]])
    reply(await asked(ALLOW.text), 'Done.')
    assert.equal((await replies(id, 1))[0].text, 'Done.')
    await sleep(200)
    assert.deepEqual([count(ALLOW.text), count(DENY.text)], [1, 0])
    const shown = [...device.messages.values()].find(({ text }) => text.startsWith('May I run'))
    assert.deepEqual(shown.buttons, [ALLOW, DENY])
  })

  await t.test('nobody presses for another', async () => {
    await world.call(world.token, 'PATCH', '/v1/admin/accounts/main', { policy: 'closed', default_user: '' })
    await world.call(world.token, 'POST', '/v1/admin/identities', {
      account: 'main',
      sender: 'ou_alice',
      user: world.user.id,
    })
    await world.webhook(messageEvent('om_mine', 'mine', { chat: 'oc_1' }))
    reply(await asked('mine'), 'Sure?', [{ label: 'Yes', text: 'yes, sure' }])
    const [{ id, card }] = await replies('om_mine', 1)
    const by = 'ou_mallory'
    const [yes] = card.buttons
    assert.match((await press(id, yes, { by })).toast.content, /not for you/)
    await sleep(300)
    assert.equal(count('yes, sure'), 0)
    await press(id, yes)
    await asked('yes, sure')
  })

  await t.test('in a group, whoever is answered by the agent that asked', async () => {
    await world.webhook(
      messageEvent('om_all', 'all @_user_1', { chat: 'oc_group', group: true, mentions: [MENTION_BOT] }),
    )
    reply(await asked('all'), 'Sure?', [{ label: 'Yes', text: 'yes, all' }])
    const [{ id, card }] = await replies('om_all', 1)
    const [yes] = card.buttons
    assert.match((await press(id, yes, { chat: 'oc_group', by: 'ou_mallory' })).toast.content, /not for you/)
    await press(id, yes, { chat: 'oc_group' })
    assert.equal((await asked('yes, all')).from.group, true)
    assert.deepEqual(card.chosen, ['✓ Yes'])
  })

  await t.test('what is said unasked may have them; a card that is refused becomes words', async () => {
    const push = {
      text: 'The backup failed.',
      conversation: 'feishu:main:oc_1',
      buttons: [{ label: '重试 · Retry', text: 'retry' }],
    }
    feishu.next = [{ status: 400, body: { code: 230099, msg: 'Failed to create card content' } }]
    const pushed = await request(world, world.token, 'POST', '/v1/messages', push)
    assert.equal(pushed.status, 201)
    const words = await until(() => feishu.replies.find(({ text }) => text.includes('The backup failed')), 'the push')
    assert.match(words.text, /The backup failed\.\s+- 重试 · Retry: `retry`/)
  })

  await t.test('too many, or ones that say nothing, are refused by name', async () => {
    for (const [buttons, said] of [
      [Array(9).fill(ALLOW), /^buttons: at most 8$/],
      [[{ label: '', text: 'x' }], /^buttons: a label has 1 to 60 bytes$/],
      [[{ label: 'x', text: ' ' }], /^buttons: a text has 1 to 500 bytes$/],
      [[{ label: 'x' }], /buttons.*missing field `text`/],
    ]) {
      const { status, body } = await request(world, world.token, 'POST', '/v1/messages', { text: 'x', buttons })
      assert.equal(status, 400)
      assert.match(body.detail, said)
    }
  })

  await t.test('the fakes found nothing wrong', () => assert.deepEqual(feishu.faults, []))
})
