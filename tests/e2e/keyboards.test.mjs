// Buttons on platforms that give one too little room for what it says: which one was pressed comes back, and the relay
// knows the rest. (Feishu's, which say it themselves: buttons.test.mjs.)

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALLOW, DENY, startAsking } from './support/asking.mjs'
import { createAccount, endsWell, startPlatformWorld } from './support/platform.mjs'
import { startTelegram, update } from './support/telegram.mjs'
import { opened, startWecom } from './support/wecom.mjs'
import { until } from './support/world.mjs'

test('telegram', async (t) => {
  const world = await startPlatformWorld(t, startTelegram)
  const { fake } = world
  const agent = await startAsking(world)
  let ids = 0
  const asks = (options, text, buttons) => {
    const message = fake.message(`k-${++ids}`, options, { text: `@claw_test_bot delete ${ids}` })
    return agent.asks(update(message), message.update_id, text, buttons)
  }
  const press = async (message, n, options) => fake.toast(await world.receive(fake.press(message, n, options)))
  const policy = (changes) => world.call(world.token, 'PATCH', '/v1/admin/accounts/main', changes)

  await t.test('a press says what the button says, once, and its choice stays', async () => {
    const { message, seq, conversation } = await asks({}, 'May I run **`rm -rf build`**?')
    assert.equal(message.text, 'May I run rm -rf build?')
    assert.deepEqual(
      message.keyboard.map(([{ text }]) => text),
      [ALLOW.label, DENY.label],
    )
    const offered = { ...message }
    assert.match(await press(offered, 0), /收到 · got it/)
    const said = await agent.asked(`press-${seq}`)
    assert.deepEqual([said.text, said.conversation], [ALLOW.text, conversation])
    assert.deepEqual(said.from, { kind: 'user', via: 'telegram', sender: '1001', name: 'Ada' })
    await until(() => message.keyboard[0][0].text === `✓ ${ALLOW.label}`, 'the choice')
    assert.equal(message.keyboard.length, 1)
    // Again, at once and by what is left of it; and the other one, on a screen that still shows it.
    const again = await Promise.all(Array.from({ length: 4 }, () => press(offered, 0, { id: '438218901249' })))
    assert.ok(again.every((toast) => /got it/.test(toast)))
    assert.match(await press(message, 0), /got it/)
    assert.match(await press(offered, 1), /already answered/)
    assert.deepEqual([await agent.count(ALLOW.text), await agent.count(DENY.text)], [1, 0])
    const before = fake.sent.length
    agent.say({ type: 'reply', reply_to: said.seq, text: 'Done.' })
    const [done] = await agent.sent(before, 1)
    assert.deepEqual([done.text, done.replies_to, done.keyboard], ['Done.', message.message_id, undefined])
  })

  await t.test('in groups, also in their topics', async () => {
    for (const options of [{ group: '-100900' }, { group: '-100900', topic: '7' }]) {
      const { message, seq, conversation } = await asks(options, 'Sure?', [{ label: 'Yes', text: `yes ${ids}` }])
      assert.equal(conversation, `telegram:main:${fake.chatOf(options).replace('/', '.')}`)
      assert.match(await press(message, 0, { by: '1002' }), /got it/)
      const said = await agent.asked(`press-${seq}`)
      assert.deepEqual([said.conversation, said.from.sender], [conversation, '1002'])
    }
  })

  await t.test('nobody presses for another, nor what is not there', async () => {
    const { message, seq } = await asks({ from: '1003' }, 'Really?', [{ label: 'Yes', text: 'yes, really' }])
    const [[{ callback_data }]] = message.keyboard
    // A client may say anything: that it is in another chat, that it was another button.
    assert.match(await press({ ...message, chat: 1004 }, 0, { by: '1004' }), /not for you/)
    for (const data of [callback_data.replace('.0.', '.1.'), `0/${seq + 1}.0.AAAAAAAA`]) {
      assert.match(await press(message, 0, { by: '1003', data }), /not for you/)
    }
    const other = await world.receive(fake.press(message, 0, { by: '1003', data: 'like' }))
    assert.deepEqual([other.status, await other.text()], [200, '{}'])
    await policy({ policy: 'closed', default_user: '' })
    const sender = { account: 'main', sender: '1003', user: world.user.id }
    await world.call(world.token, 'POST', '/v1/admin/identities', sender)
    assert.match(await press({ ...message, chat: -100900 }, 0, { by: '1666' }), /not for you/)
    assert.match(await press(message, 0, { by: '1666' }), /not for you/)
    assert.equal(await agent.count('yes, really'), 0)
    assert.match(await press(message, 0, { by: '1003' }), /got it/)
    await agent.asked(`press-${seq}`)
    await policy({ policy: 'open', default_user: 'me' })
  })

  await t.test('a keyboard that is refused becomes words', async () => {
    const body = { ok: false, error_code: 400, description: 'Bad Request: BUTTON_DATA_INVALID' }
    fake.next = [{ status: 400, body }]
    const { message } = await asks({ from: '1005' }, 'Sure?', [{ label: '好 · OK', text: 'ok' }])
    assert.match(message.text, /^Sure\?\s+• 好 · OK: ok$/)
    assert.equal(message.keyboard, undefined)
  })

  await t.test('the fakes found nothing wrong', () => {
    agent.close()
    endsWell(world)
  })
})

test('wecom', async (t) => {
  const world = await startPlatformWorld(t, startWecom)
  const { fake } = world
  const agent = await startAsking(world)
  let ids = 0
  const asks = (from, text, buttons) => {
    const id = `k-${++ids}`
    return agent.asks(fake.question(id, `delete ${ids}`, { from }), id, text, buttons)
  }
  const cardAfter = async (message) => {
    const next = () => fake.sent.slice(fake.sent.indexOf(message) + 1).find(({ to }) => to === message.to)
    const sent = await until(next, 'the card')
    assert.ok(sent.card, sent.text)
    return sent
  }
  const press = async (sent, n, options) =>
    fake.replaced(await world.receive(fake.press(sent, n, options)), options?.by)

  await t.test('a card follows the answer; a press says what the button says, once', async () => {
    const { message, seq, conversation } = await asks('alice', 'May I run **`rm -rf build`**?')
    assert.equal(message.text, 'May I run **`rm -rf build`**?')
    const sent = await cardAfter(message)
    assert.deepEqual(
      sent.card.button_list.map(({ text }) => text),
      [ALLOW.label, DENY.label],
    )
    assert.equal(await press(sent, 0), `✓ ${ALLOW.label}`)
    const said = await agent.asked(`press-${seq}`)
    assert.deepEqual([said.text, said.conversation], [ALLOW.text, conversation])
    assert.deepEqual(said.from, { kind: 'user', via: 'wecom', sender: 'alice' })
    // WeCom asks three times; and the other button is still there for a moment.
    const again = await Promise.all([press(sent, 0), press(sent, 0)])
    assert.deepEqual(again, [`✓ ${ALLOW.label}`, `✓ ${ALLOW.label}`])
    assert.match(await press(sent, 1), /already answered/)
    assert.deepEqual([await agent.count(ALLOW.text), await agent.count(DENY.text)], [1, 0])
    const before = fake.sent.length
    agent.say({ type: 'reply', reply_to: said.seq, text: 'Done.' })
    const [done] = await agent.sent(before, 1)
    assert.deepEqual([done.to, done.text], ['alice', 'Done.'])
  })

  await t.test('nobody presses for another, nor what is not there', async () => {
    const { message, seq } = await asks('bob', 'Really?', [{ label: 'Yes', text: 'yes, really' }])
    const sent = await cardAfter(message)
    assert.match(await press(sent, 0, { by: 'alice' }), /not for you/)
    assert.match(await press(sent, 0, { by: 'bob', key: `${seq}.1.AAAAAAAA` }), /not for you/)
    const other = await world.receive(fake.press(sent, 0, { by: 'bob', key: 'like' }))
    assert.deepEqual([other.status, await other.text()], [200, ''])
    assert.equal(await agent.count('yes, really'), 0)
    assert.equal(await press(sent, 0, { by: 'bob' }), '✓ Yes')
    await agent.asked(`press-${seq}`)
  })

  await t.test('more than a card takes are words, and so are those of a card that is refused', async () => {
    const many = Array.from({ length: 7 }, (_, n) => ({ label: `Choice ${n}`, text: `choice ${n}` }))
    const { message } = await asks('member1', 'Which?', many)
    assert.match(message.text, /^Which\?[\s\S]*Choice 6: `choice 6`$/)
    const { message: asked } = await asks('member2', 'This?', [{ label: 'Yes', text: 'this one' }])
    assert.equal(asked.text, 'This?')
    await cardAfter(asked)
    const before = fake.sent.length
    const question = await agent.receives(fake.question('k-refused', 'once more', { from: 'member3' }), 'k-refused')
    fake.next = [undefined, { status: 200, body: { errcode: 40058, errmsg: 'invalid template_card' } }]
    agent.say({ type: 'reply', reply_to: question.seq, text: 'That?', buttons: [{ label: 'Yes', text: 'that one' }] })
    const sent = await agent.sent(before, 2)
    assert.deepEqual(
      sent.map(({ text }) => text.trim()),
      ['That?', '• Yes: `that one`'],
    )
  })

  await t.test('a card also follows an answer in the callback', async () => {
    await createAccount(world, { ...fake.account, id: 'held', passive: true })
    const held = world.receive(fake.question('k-held', 'held', { from: 'member4' }), 'held')
    const question = await agent.asked('wecom:held:k-held')
    const before = fake.sent.length
    agent.say({ type: 'reply', reply_to: question.seq, text: 'Sure?', buttons: [ALLOW] })
    const said = opened(fake.account, await (await held).text())
    assert.match(said, /<Content><!\[CDATA\[Sure\?\]\]><\/Content>/)
    const [sent] = await agent.sent(before, 1)
    assert.deepEqual([sent.to, sent.card?.button_list[0].text], ['member4', ALLOW.label])
  })

  await t.test('the fakes found nothing wrong', () => {
    agent.close()
    endsWell(world)
  })
})
