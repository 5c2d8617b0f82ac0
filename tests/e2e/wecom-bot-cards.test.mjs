// Buttons of WeCom's AI bots: on a card with the end of a stream, or on one of its own; a press replaces the card in the
// response to it, and what it asks is answered at the address that comes with it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ALLOW, DENY, startAsking } from './support/asking.mjs'
import { createAccount, endsWell, startPlatformWorld } from './support/platform.mjs'
import { sealed, startWecomBot } from './support/wecom.mjs'
import { until } from './support/world.mjs'

test('wecom AI bot: cards', async (t) => {
  const world = await startPlatformWorld(t, startWecomBot)
  const { fake } = world
  await createAccount(world, fake.account, { id: 'held', passive: true })
  const agent = await startAsking(world)
  let ids = 0
  const labels = (card) => card?.button_list.map(({ text }) => text)
  const press = async (card, n, { account = 'held', ...options } = {}) =>
    fake.updated(await world.receive(fake.press(card, n, options), account), card, options)
  /** A question whose answer is shown as it comes: everything that is shown, and where the answer is. */
  const streams = async (text, buttons, options) => {
    const id = `s-${++ids}`
    const shown = async (request) => fake.shown(await world.receive(request, 'held'))
    const frames = [await shown(fake.question(id, `delete ${ids}`, options))]
    const next = async () => frames.push(await shown(fake.refresh(frames[0].id, options)))
    const question = await agent.asked(`wecom-bot:held:${id}`)
    agent.say({ type: 'delta', reply_to: question.seq, offset: 0, text: text.slice(0, 5) })
    await until(async () => (await next()) && frames.at(-1).content, 'the beginning')
    agent.say({ type: 'reply', reply_to: question.seq, text, buttons })
    await until(async () => (await next()) && frames.at(-1).finish, 'the end')
    const again = () => shown(fake.refresh(frames[0].id, options))
    return { frames, again, id, seq: await agent.placeOf(question), conversation: question.conversation }
  }

  await t.test('a stream ends with its buttons, once; a press says what the button says, once', async () => {
    const { frames, again, id, seq, conversation } = await streams('May I run **`rm -rf build`**?', [ALLOW, DENY])
    const { content, card } = frames.at(-1)
    assert.deepEqual([content, labels(card)], ['May I run **`rm -rf build`**?', [ALLOW.label, DENY.label]])
    assert.ok(frames.slice(0, -1).every((frame) => !frame.card && !frame.finish))
    assert.equal(frames.at(-2).content, 'May I')
    // That response was lost.
    assert.deepEqual((await again()).card, card)
    await sleep(1_000)
    assert.deepEqual([fake.sent.length, fake.isUsed(id)], [0, false])

    const { userids, ...settled } = await press(card, 0, { id: 'press-first' })
    assert.deepEqual([settled.labels, settled.text, userids], [[`✓ ${ALLOW.label}`], undefined, undefined])
    const said = await agent.asked(`press-${seq}`)
    assert.deepEqual([said.text, said.conversation], [ALLOW.text, conversation])
    assert.deepEqual(said.from, { kind: 'user', via: 'wecom-bot', sender: 'alice' })
    // Again: by what is on the card now, and on screens that still show it as it was; and the other one there.
    const repeated = await Promise.all([press(settled.card, 0), press(card, 0), press(card, 0)])
    assert.deepEqual(
      repeated.flatMap(({ labels }) => labels),
      Array(3).fill(`✓ ${ALLOW.label}`),
    )
    assert.match((await press(card, 1)).labels[0], /already answered/)
    assert.deepEqual([await agent.count(ALLOW.text), await agent.count(DENY.text)], [1, 0])
    agent.say({ type: 'reply', reply_to: said.seq, text: 'Done.' })
    const [done] = await agent.sent(0, 1)
    assert.deepEqual([done.to, done.text, fake.isUsed('press-first')], ['alice', 'Done.', true])
  })

  await t.test('an answer that is there at once has its card in the first response', async () => {
    const held = world.receive(fake.question('s-quick', 'quick', { from: 'member1' }), 'held')
    const question = await agent.asked('wecom-bot:held:s-quick')
    agent.say({ type: 'reply', reply_to: question.seq, text: 'Sure?', buttons: [ALLOW] })
    const { finish, content, card } = await fake.shown(await held)
    assert.deepEqual([finish, content, labels(card)], [true, 'Sure?', [ALLOW.label]])
  })

  await t.test('in groups whoever may talk to the bot chooses for all, and nobody else does', async () => {
    const group = 'wrk-1'
    const { frames, seq, conversation } = await streams('Sure?', [{ label: 'Yes', text: 'yes, all' }], { group })
    assert.equal(conversation, 'wecom-bot:held:group-wrk-1')
    const { card } = frames.at(-1)
    const policy = (changes) => world.call(world.token, 'PATCH', '/v1/admin/accounts/held', changes)
    await policy({ policy: 'closed', default_user: '' })
    const sender = { account: 'held', sender: 'bob', user: world.user.id }
    await world.call(world.token, 'POST', '/v1/admin/identities', sender)
    const stranger = await press(card, 0, { by: 'stranger', group })
    assert.match(stranger.labels[0], /not for you/)
    assert.deepEqual([stranger.userids, await agent.count('yes, all')], [['stranger'], 0])
    const chosen = await press(card, 0, { by: 'bob', group, id: 'press-group' })
    assert.deepEqual([chosen.labels, chosen.userids], [['✓ Yes'], undefined])
    const said = await agent.asked(`press-${seq}`)
    assert.deepEqual([said.conversation, said.from.sender], [conversation, 'bob'])
    const before = fake.sent.length
    agent.say({ type: 'reply', reply_to: said.seq, text: 'Done.', buttons: [ALLOW] })
    const [done] = await agent.sent(before, 1)
    assert.deepEqual([done.to, fake.isUsed('press-group')], [group, true])
    // An address takes no cards in groups.
    assert.equal(done.text, `Done.\n\n- ${ALLOW.label}: \`${ALLOW.text}\``)
    await policy({ policy: 'open', default_user: 'me' })
  })

  const asks = (options, text, buttons) => {
    const id = `k-${++ids}`
    return agent.asks(fake.question(id, `delete ${ids}`, options), id, text, buttons)
  }
  const onMain = (by) => ({ account: 'main', by })

  await t.test('a late answer is on its card, and stays there when that is pressed', async () => {
    const { message, seq, conversation } = await asks({ from: 'bob' }, 'May I run **`rm -rf build`**?')
    assert.deepEqual([message.to, message.text], ['bob', 'May I run rm -rf build?'])
    assert.deepEqual(labels(message.card), [ALLOW.label, DENY.label])
    const settled = await press(message.card, 1, onMain('bob'))
    assert.deepEqual([settled.labels, settled.text], [[`✓ ${DENY.label}`], message.text])
    const said = await agent.asked(`press-${seq}`)
    assert.deepEqual([said.text, said.conversation], [DENY.text, conversation])
    const again = await press(settled.card, 0, onMain('bob'))
    assert.deepEqual([again.labels, again.text], [settled.labels, message.text])
  })

  await t.test('more than a card takes are words, and so are those of a card that is refused', async () => {
    const check = async (options, text, buttons, expected) => {
      const { message } = await asks(options, text, buttons)
      assert.equal(message.card, undefined)
      assert.ok(message.text.startsWith(text) && message.text.endsWith(expected), message.text)
    }
    const [yes, words] = [[{ label: 'Yes', text: 'this one' }], '\n\n- Yes: `this one`']
    const many = Array.from({ length: 7 }, (_, n) => ({ label: `Choice ${n}`, text: `choice ${n}` }))
    await check({ from: 'member2' }, 'Which?', many, '- Choice 6: `choice 6`')
    await check({ from: 'member3' }, '字'.repeat(113), yes, words)
    await check({ from: 'member4', group: 'wrk-2' }, 'This?', yes, words)
    fake.next = [{ status: 200, body: { errcode: 42045, errmsg: 'Template_Card.card_action invalid' } }]
    await check({ from: 'member5' }, 'That?', yes, words)
    const { frames } = await streams('Which?', many, { from: 'member6' })
    assert.equal(frames.at(-1).card, undefined)
    assert.match(frames.at(-1).content, /- Choice 6: `choice 6`$/)
  })

  await t.test('nobody presses for another, nor what is not there', async () => {
    const { message, seq } = await asks({ from: 'member7' }, 'Really?', [{ label: 'Yes', text: 'yes, really' }])
    const { card } = message
    const gone = async (options) => assert.match((await press(card, 0, options)).labels[0], /not for you/)
    await gone(onMain('alice'))
    await gone({ ...onMain('member7'), group: 'wrk-3' })
    await gone({ ...onMain('member7'), key: `${seq}.1.AAAAAAAA` })
    const other = await world.receive(fake.press(card, 0, { by: 'member7', key: 'like' }))
    assert.deepEqual([other.status, await other.text()], [200, ''])
    const { query } = sealed({ ...fake.account, token: 'another' }, '', '{}')
    const forged = await world.receive({ ...fake.press(card, 0, { by: 'member7' }), query })
    assert.equal(forged.status, 401)
    assert.equal(await agent.count('yes, really'), 0)
    assert.deepEqual((await press(card, 0, onMain('member7'))).labels, ['✓ Yes'])
    await agent.asked(`press-${seq}`)
  })

  await t.test('the fakes found nothing wrong', () => {
    agent.close()
    endsWell(world)
  })
})
