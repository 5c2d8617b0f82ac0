// A person writes to a Feishu bot; their own agent answers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encrypt, enteredEvent, MENTION_BOT, MENTION_TOM, messageEvent, VERIFICATION_TOKEN } from './support/feishu.mjs'
import { answerTo } from './support/model.mjs'
import { request } from './support/people.mjs'
import { createAgent, post, startFeishuWorld, until } from './support/world.mjs'

test('feishu', async (t) => {
  const world = await startFeishuWorld(t)
  const agent = await createAgent(world)
  let running = agent.start()
  await running.connected()

  const answered = (messageId) => until(() => world.feishu.repliesTo(messageId)[0], `an answer to ${messageId}`)

  await t.test('an encrypted, signed message is answered once, with what the model streamed', async () => {
    const response = await world.webhook(messageEvent('om_first', '你好 agent'))
    assert.equal(response.status, 200)
    assert.equal(await response.text(), '{}')
    const reply = await answered('om_first')
    assert.equal(reply.text, answerTo('你好 agent'))
    assert.deepEqual(world.model.questions, ['你好 agent'])
    assert.deepEqual(world.feishu.repliesTo('om_first').length, 1)
  })

  await t.test('the address check is answered within a second, and only with the right token', async () => {
    const check = (token) => ({ challenge: 'c-42', token, type: 'url_verification' })
    const began = Date.now()
    // Without a signature, as the platform may send it.
    const body = JSON.stringify({ encrypt: encrypt(check(VERIFICATION_TOKEN)) })
    const headers = { 'content-type': 'application/json' }
    const response = await post(`${world.url}/webhook/feishu/main`, { headers, body })
    assert.deepEqual([response.status, await response.json()], [200, { challenge: 'c-42' }])
    assert.ok(Date.now() - began < 1000)
    const wrong = await world.webhook(check('another'))
    assert.equal(wrong.status, 401)
    assert.ok(!(await wrong.text()).includes('c-42'))
  })

  await t.test('the same event three times in sequence and eight times at once has one answer', async () => {
    const event = messageEvent('om_repeated', 'once')
    for (let n = 0; n < 3; n++) assert.equal((await world.webhook(event)).status, 200)
    const responses = await Promise.all(Array.from({ length: 8 }, () => world.webhook(event)))
    assert.deepEqual([...new Set(responses.map((response) => response.status))], [200])
    await answered('om_repeated')
    // A later question of the same chat is answered after everything before it.
    await world.webhook(messageEvent('om_after_repeated', 'after'))
    await answered('om_after_repeated')
    assert.equal(world.feishu.repliesTo('om_repeated').length, 1)
    assert.equal(world.model.questions.filter((question) => question === 'once').length, 1)

    await world.process.stop()
    await world.restart()
    assert.equal((await world.webhook(event)).status, 200)
    await world.webhook(messageEvent('om_after_restart', 'after restart'))
    await answered('om_after_restart')
    assert.equal(world.feishu.repliesTo('om_repeated').length, 1)
    assert.equal(world.model.questions.filter((question) => question === 'once').length, 1)
  })

  await t.test('fifty messages wait for an agent that is away, and are answered in order', async () => {
    await running.kill()
    const ids = Array.from({ length: 50 }, (_, n) => `om_waiting_${n}`)
    for (const id of ids) assert.equal((await world.webhook(messageEvent(id, `question ${id}`))).status, 200)
    assert.equal(ids.flatMap((id) => world.feishu.repliesTo(id)).length, 0)
    running = agent.start()
    await until(() => ids.every((id) => world.feishu.repliesTo(id).length > 0), 'fifty answers')
    const answers = world.feishu.replies.filter((reply) => ids.includes(reply.messageId))
    assert.deepEqual(
      answers.map((reply) => reply.messageId),
      ids,
    )
    assert.deepEqual(
      answers.map((reply) => reply.text),
      ids.map((id) => answerTo(`question ${id}`)),
    )
  })

  await t.test('an expired access token is renewed once, and the answer sent once', async () => {
    const before = world.feishu.tokens
    world.feishu.expireToken()
    await world.webhook(messageEvent('om_expired', 'token'))
    await answered('om_expired')
    assert.equal(world.feishu.tokens, before + 1)
    assert.equal(world.feishu.repliesTo('om_expired').length, 1)
    // Many at once, in chats of their own, so that they are sent at the same time: still one renewal.
    world.feishu.expireToken()
    const ids = Array.from({ length: 6 }, (_, n) => `om_expired_${n}`)
    await Promise.all(ids.map((id) => world.webhook(messageEvent(id, id, { chat: `oc_${id}` }))))
    await Promise.all(ids.map(answered))
    assert.equal(world.feishu.tokens, before + 2)
  })

  await t.test('a busy platform is tried again with the same idempotency key', async () => {
    world.feishu.next = [
      {
        status: 429,
        body: { code: 99991400, msg: 'request trigger frequency limit' },
        headers: { 'x-ogw-ratelimit-reset': '1' },
      },
      { status: 500, body: { code: 2200, msg: 'Internal Error' } },
    ]
    await world.webhook(messageEvent('om_busy', 'busy'))
    await answered('om_busy')
    const calls = world.feishu.calls.filter((call) => call.messageId === 'om_busy')
    assert.equal(calls.length, 3)
    assert.equal(new Set(calls.map((call) => call.uuid)).size, 1)
    assert.ok(calls[1].at - calls[0].at >= 1000, 'the wait that the platform asked for')
  })

  await t.test('in a group only messages that mention the bot are questions, with names for placeholders', async () => {
    const group = { group: true, chat: 'oc_group' }
    await world.webhook(messageEvent('om_group_1', '@_user_2 lunch?', { ...group, mentions: [MENTION_TOM] }))
    await world.webhook(messageEvent('om_group_2', '@_all lunch?', group))
    await world.webhook(
      messageEvent('om_group_3', '@_user_1 ask @_user_2 please', { ...group, mentions: [MENTION_BOT, MENTION_TOM] }),
    )
    const reply = await answered('om_group_3')
    assert.equal(reply.text, answerTo('ask @Tom please'))
    assert.equal(world.feishu.replies.filter((reply) => /om_group_[12]/.test(reply.messageId)).length, 0)
  })

  await t.test(
    'a rich text is a question too; other types and unknown events are acknowledged and ignored',
    async () => {
      const content = {
        title: '周报',
        content: [
          [
            { tag: 'text', text: 'see ' },
            { tag: 'a', href: 'https://example.com/x', text: 'this' },
          ],
        ],
      }
      await world.webhook(messageEvent('om_post', '', { type: 'post', content }))
      assert.equal((await answered('om_post')).text, answerTo('**周报**\nsee [this](https://example.com/x)'))

      const ignored = [
        messageEvent('om_sticker', '', { type: 'sticker', content: { file_key: 'f' } }),
        {
          ...messageEvent('om_x', 'x'),
          header: { ...messageEvent('', '').header, event_type: 'im.message.message_read_v1' },
        },
        { ts: '1', uuid: 'u-1', token: VERIFICATION_TOKEN, type: 'event_callback', event: { type: 'app_open' } },
      ]
      const questions = world.model.questions.length
      for (const event of ignored) assert.equal((await world.webhook(event)).status, 200)
      assert.equal(world.model.questions.length, questions)
    },
  )

  await t.test('a message of schema 1.0 is answered', async () => {
    const event = {
      type: 'message',
      app_id: 'cli_x',
      tenant_key: 't',
      open_id: 'ou_alice',
      open_chat_id: 'oc_v1',
      open_message_id: 'om_v1',
      chat_type: 'private',
      msg_type: 'text',
      text: 'old',
      text_without_at_bot: 'old',
      is_mention: false,
    }
    const response = await world.webhook({
      ts: '1502199207.7',
      uuid: 'uuid-1',
      token: VERIFICATION_TOKEN,
      type: 'event_callback',
      event,
    })
    assert.equal(response.status, 200)
    assert.equal((await answered('om_v1')).text, answerTo('old'))
  })

  await t.test('an account without an Encrypt Key is told by its token, the address check too', async () => {
    const account = {
      id: 'plain',
      platform: 'feishu',
      default_user: 'me',
      app_id: 'cli_a1b2c3d4e5f60001',
      app_secret: 'app-secret-that-must-not-leak',
    }
    await world.call(world.token, 'POST', '/v1/admin/accounts', {
      ...account,
      verification_token: VERIFICATION_TOKEN,
      api_base: world.feishu.url,
    })
    const send = (event) =>
      post(`${world.url}/webhook/feishu/plain`, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(event, null, 2),
      })
    assert.equal((await send(messageEvent('om_plain', 'plain'))).status, 200)
    assert.equal((await answered('om_plain')).text, answerTo('plain'))
    const checked = await send({ challenge: 'c-43', token: VERIFICATION_TOKEN, type: 'url_verification' })
    assert.deepEqual([checked.status, await checked.json()], [200, { challenge: 'c-43' }])
    const forged = messageEvent('om_forged', 'forged')
    forged.header.token = 'v-token-0002'
    assert.equal((await send(forged)).status, 401)
    // The platform gave it another token. What it will not take is not kept; then the new one is good, and the old one not.
    const put = (changes, id = 'plain') =>
      request(world, world.token, 'PUT', `/v1/admin/accounts/${id}/credentials`, {
        ...account,
        verification_token: 'v-token-0002',
        api_base: world.feishu.url,
        ...changes,
      })
    assert.deepEqual((await put({ app_secret: 'wrong' })).body.type, '/errors/platform_refused')
    assert.equal((await put({}, 'main')).status, 400, 'another account')
    assert.equal((await put({ platform: 'qq', app_id: '1', secret: 's' })).status, 400, 'another platform')
    assert.equal((await put({ verification_token: '' })).status, 400)
    assert.equal((await put({}, 'nowhere')).status, 404)
    assert.equal((await send(messageEvent('om_plain_2', 'still'))).status, 200)
    assert.equal((await put({})).status, 200)
    assert.equal((await send(forged)).status, 200)
    assert.equal((await answered('om_forged')).text, answerTo('forged'))
    assert.equal((await send(messageEvent('om_plain_3', 'too late'))).status, 401)
  })

  await t.test('hello is said once, to whoever opens the chat first, and to a group that it comes to', async () => {
    const said = (chat) => world.feishu.repliesTo(chat).map(({ text }) => text)
    for (let n = 0; n < 2; n += 1) {
      assert.equal((await world.webhook(enteredEvent('oc_new'))).status, 200)
      assert.equal((await world.webhook(enteredEvent('oc_team', { group: true }))).status, 200)
    }
    await world.webhook(enteredEvent('oc_known', { last: 'om_1' }))
    await until(() => said('oc_new').length + said('oc_team').length === 2, 'both greetings')
    assert.match(said('oc_new')[0], /你好.*\/help[\s\S]*Hello/)
    assert.match(said('oc_team')[0], /@我[\s\S]*Mention me/)
    await world.webhook(messageEvent('om_after_hello', 'after hello'))
    await answered('om_after_hello')
    assert.deepEqual([said('oc_new').length, said('oc_team').length, said('oc_known').length], [1, 1, 0])
    // A stranger is told how to be known.
    await world.call(world.token, 'PATCH', '/v1/admin/accounts/main', { policy: 'pairing', default_user: '' })
    await world.webhook(enteredEvent('oc_stranger', { by: 'ou_stranger' }))
    assert.match(await until(() => said('oc_stranger')[0], 'the code'), /绑定码 \w{4}-\w{4}/)
    await world.call(world.token, 'PATCH', '/v1/admin/accounts/main', { policy: 'open', default_user: 'me' })
  })

  await t.test('the fakes found nothing wrong', () => {
    assert.deepEqual(world.feishu.faults, [])
    assert.deepEqual(world.model.faults, [])
    // Nothing secret in what the relay prints.
    for (const secret of [
      'app-secret-that-must-not-leak',
      'encrypt-key-that-must-not-leak',
      world.secrets.SIGNING_KEY,
    ]) {
      assert.ok(!world.process.output().includes(secret))
    }
  })
})
