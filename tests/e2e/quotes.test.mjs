// What a message replies to reaches the agent with it, where the platform's webhook names it by its id alone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectDevice } from './support/device.mjs'
import { APP, BOT, messageEvent } from './support/feishu.mjs'
import { PIXEL, read } from './support/files.mjs'
import { startFeishuWorld, until } from './support/world.mjs'

test('feishu', async (t) => {
  const world = await startFeishuWorld(t)
  const { feishu } = world
  const device = await connectDevice(world, world.token, { hello: { capabilities: ['deltas', 'files'] } })
  await world.call(world.token, 'POST', '/v1/admin/identities', {
    account: 'main',
    sender: 'ou_alice',
    user: world.user.id,
  })
  /** What the agent gets when Alice replies to a message. */
  const replies = async (id, text, parent, topic) => {
    const event = messageEvent(id, text)
    event.event.message.parent_id = parent
    event.event.message.root_id = topic ? 'om_topic' : parent
    if (topic) event.event.message.thread_id = topic
    const began = Date.now()
    assert.equal((await world.webhook(event)).status, 200)
    const answeredMs = Date.now() - began
    const shown = () => [...device.messages.values()].find((message) => message.id === `feishu:main:${id}`)
    return { ...(await until(shown, id)), answeredMs }
  }
  const bob = { id: 'ou_bob', id_type: 'open_id', sender_type: 'user' }
  const says = (id, msg_type, content, more = {}) =>
    feishu.messages.set(id, {
      msg_type,
      body: { content: JSON.stringify(content) },
      sender: bob,
      deleted: false,
      ...more,
    })

  await t.test('words, with whom they mention', async () => {
    const mentions = [
      { key: '@_user_1', id: BOT, id_type: 'open_id', name: 'claw' },
      { key: '@_user_2', id: 'ou_eve', id_type: 'open_id', name: 'Eve' },
    ]
    says('om_words', 'text', { text: '@_user_1 @_user_2 said:\nit rains' }, { mentions })
    assert.equal((await replies('om_1', 'is that so?', 'om_words')).text, 'is that so?\n\n> @Eve said:\n> it rains')
    says('om_post', 'post', {
      title: 'Plan',
      content: [[{ tag: 'text', text: 'one' }], [{ tag: 'text', text: 'two' }]],
    })
    assert.equal((await replies('om_2', 'shorter', 'om_post')).text, 'shorter\n\n> **Plan**\n> one\n> two')
    assert.deepEqual(feishu.read, ['om_words', 'om_post'])
  })

  await t.test('a picture, to be fetched like one of its own', async () => {
    says('om_photo', 'image', { image_key: 'img_1' })
    feishu.resources.set('om_photo/img_1/image', { bytes: PIXEL, type: 'image/png' })
    const { text, files } = await replies('om_3', 'what is it?', 'om_photo')
    assert.deepEqual([text, files.length, files[0].kind], ['what is it?', 1, 'image'])
    assert.ok((await read(files[0].url)).bytes.equals(PIXEL))
  })

  await t.test('what a topic began with is said once', async () => {
    says('om_topic', 'text', { text: 'what shall we eat?' })
    assert.equal((await replies('om_t1', 'an idea?', 'om_topic', 'omt_1')).text, 'an idea?\n\n> what shall we eat?')
    assert.equal((await replies('om_t2', 'another?', 'om_topic', 'omt_1')).text, 'another?')
    assert.equal(feishu.read.filter((id) => id === 'om_topic').length, 1)
    // What is quoted in it is another message.
    assert.equal((await replies('om_t3', 'shorter', 'om_words', 'omt_1')).text.split('\n')[2], '> @Eve said:')
  })

  await t.test('of the bot’s own words so many as show which', async () => {
    const sender = { id: APP.app_id, id_type: 'app_id', sender_type: 'app' }
    says('om_own', 'text', { text: 'x'.repeat(500) }, { sender })
    assert.equal((await replies('om_4', 'go on', 'om_own')).text, `go on\n\n> ${'x'.repeat(100)}…`)
    says('om_card', 'interactive', { elements: [] }, { sender })
    assert.equal((await replies('om_5', 'go on', 'om_card')).text, 'go on')
  })

  await t.test('what cannot be read is said so', async () => {
    const unread = 'why?\n\n> [引用的消息无法读取 · the quoted message could not be read]'
    assert.equal((await replies('om_6', 'why?', 'om_elsewhere')).text, unread)
    says('om_gone', 'text', { text: 'x' }, { deleted: true })
    assert.equal((await replies('om_7', 'why?', 'om_gone')).text, unread)
    says('om_sticker', 'sticker', { file_key: 'f' })
    assert.equal((await replies('om_8', 'why?', 'om_sticker')).text, unread)
  })

  await t.test('a platform that hangs holds the message up for 1.5 s', async () => {
    feishu.messages.set('om_slow', 'hang')
    const { text, answeredMs } = await replies('om_9', 'why?', 'om_slow')
    assert.match(text, /^why\?\n\n> \[引用的消息无法读取/)
    assert.ok(answeredMs < 5_000, `${answeredMs} ms`)
  })

  await t.test('a command is taken without asking', async () => {
    const before = feishu.read.length
    assert.equal((await replies('om_10', '／状态', 'om_words')).text, '／状态')
    assert.equal(feishu.read.length, before)
  })

  await t.test('the fake found nothing wrong', () => assert.deepEqual(feishu.faults, []))
})
