// Answers in Feishu that grow while they are made, as cards.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectDevice } from './support/device.mjs'
import { messageEvent, pressEvent, recallEvent } from './support/feishu.mjs'
import { createAgent, feishuAccount, startFeishuWorld, until } from './support/world.mjs'

test('feishu cards', async (t) => {
  const world = await startFeishuWorld(t)
  const { feishu, model } = world
  await world.call(world.token, 'PUT', '/v1/admin/accounts/main/credentials', feishuAccount(world, { streaming: true }))
  const agent = await createAgent(world)
  let running = agent.start()
  await running.connected()
  const words = (count) => Array.from({ length: count }, (_, n) => `word${n}`).join(' ')
  const slowly = (count) => {
    model.delayMs = 60
    model.answer = (question) => `# ${question}\n\n${words(count)} **bold** end`
  }
  const cardOf = (id) => feishu.repliesTo(id)[0]?.card
  const isDone = (id) => () => cardOf(id)?.streaming === false

  await t.test('a card grows with the answer, and becomes it', async () => {
    slowly(60)
    await world.webhook(messageEvent('om_grows', 'growing'))
    await until(() => cardOf('om_grows')?.shown.length >= 3, 'the card to grow')
    const card = cardOf('om_grows')
    assert.deepEqual([card.streaming, card.buttons], [true, [{ label: '⏹ 停止 · Stop', value: { stop: 'om_grows' } }]])
    await until(isDone('om_grows'), 'the answer')
    assert.equal(card.text, `# growing\n\n${words(60)} **bold** end`)
    assert.deepEqual(card.buttons, [])
    // Each time more of it, and never faster than twice a second: calls count against a quota.
    assert.ok(card.shown.every((text, n) => n === 0 || text.startsWith(card.shown[n - 1].trimEnd())))
    const waits = card.at.slice(1, -1).map((at, n) => at - card.at[n])
    assert.ok(
      waits.every((ms) => ms > 400),
      `${waits}`,
    )
    assert.equal(feishu.repliesTo('om_grows').length, 1)
  })

  const marksOf = (id) => feishu.reactions.filter(({ message }) => message === id)
  const isUnmarked = (id) => () => marksOf(id).length === 1 && marksOf(id)[0].isGone

  await t.test('until there are words, a reaction says that it is being answered', async () => {
    slowly(10)
    model.thinkMs = 1_500
    const marked = messageEvent('om_think', 'think')
    await Promise.all([world.webhook(marked), world.webhook(marked)])
    const mark = await until(() => marksOf('om_think')[0], 'the reaction')
    assert.deepEqual([mark.type, mark.isGone, feishu.repliesTo('om_think')], ['Typing', false, []])
    await until(() => feishu.repliesTo('om_think')[0], 'the answer')
    await until(isUnmarked('om_think'), 'the reaction to go')
    // What it stands on is known: nothing is listed.
    assert.equal(feishu.listed, 0)
    model.thinkMs = 0
  })

  await t.test('when many ask at once, the calls that the bot may make are left to answers', async () => {
    model.thinkMs = 1_000
    model.answer = (question) => `re ${question}`
    const ids = Array.from({ length: 40 }, (_, n) => `om_many_${n}`)
    const listed = feishu.listed
    await Promise.all(ids.map((id, n) => world.webhook(messageEvent(id, id, { chat: `oc_many_${n}` }))))
    await until(() => ids.every((id) => feishu.repliesTo(id).length === 1), 'every answer', 60_000)
    const marked = ids.filter((id) => marksOf(id).length > 0)
    // Half of 25 at once, then half of 50 a second.
    const times = marked.map((id) => marksOf(id)[0].atMs).sort((a, b) => a - b)
    const most = 13 + (times.at(-1) - times[0]) / 40
    assert.ok(marked.length > 0 && marked.length <= most, `${marked.length} of 40 have a reaction, not ${most}`)
    await until(() => marked.every((id) => isUnmarked(id)()), 'the reactions to go')
    // That one has none is known, too.
    assert.equal(feishu.listed, listed)
    model.thinkMs = 0
  })

  await t.test('an agent that is away answers nothing yet, and a question taken back is over', async () => {
    await running.kill()
    await until(async () => !(await world.call(world.token, 'GET', '/v1/agents')).agents[0].online, 'it to be gone')
    await world.webhook(messageEvent('om_away', 'away'))
    await sleep(300)
    assert.deepEqual(marksOf('om_away'), [])
    await world.webhook(recallEvent('om_away'))
    model.thinkMs = 5_000
    running = agent.start()
    await running.connected()
    await world.webhook(messageEvent('om_back', 'back'))
    await until(() => marksOf('om_back')[0], 'the reaction')
    await world.webhook(recallEvent('om_back'))
    await until(isUnmarked('om_back'), 'the reaction to go')
    model.thinkMs = 0
  })

  await t.test('an answer that comes at once is no card', async () => {
    model.delayMs = 0
    model.answer = (question) =>
      question === 'plain' ? 'plain words' : 'some **bold** words\n\n![p](https://a.b/c.png)'
    running.kill()
    // Two wait; the agent answers before anyone could look.
    await world.webhook(messageEvent('om_plain', 'plain', { chat: 'oc_plain' }))
    await world.webhook(messageEvent('om_rich', 'rich', { chat: 'oc_rich' }))
    running = agent.start()
    const [plain, rich] = await until(() => {
      const all = [feishu.repliesTo('om_plain')[0], feishu.repliesTo('om_rich')[0]]
      return all.every((reply) => reply && !reply.card?.streaming) && all
    }, 'both answers')
    if (!plain.card) assert.deepEqual([plain.type, plain.text], ['text', 'plain words'])
    if (!rich.card) assert.equal(rich.type, 'post')
    assert.match(rich.text, /\*\*bold\*\* words\s+\[🖼 p\]\(https:\/\/a\.b\/c\.png\)/)
  })

  await t.test('whoever asked may stop it by the button, and nobody else', async () => {
    slowly(400)
    const device = await connectDevice(world, world.token)
    await world.webhook(messageEvent('om_stop', 'stop me'))
    const card = await until(() => cardOf('om_stop'), 'the card')
    const [{ value }] = card.buttons
    assert.equal((await world.webhook(pressEvent(value, { by: 'ou_mallory' }))).status, 200)
    await sleep(1_500)
    assert.equal(card.streaming, true)
    const pressed = await world.webhook(pressEvent(value))
    assert.deepEqual([pressed.status, (await pressed.json()).toast.type], [200, 'info'])
    await until(isDone('om_stop'), 'the card to end')
    assert.match(card.text, /word1 [\s\S]*⏹ 已停止 · stopped$/)
    assert.deepEqual(card.buttons, [])
    const { seq } = [...device.messages.values()].find(({ id }) => id === 'feishu:main:om_stop')
    await until(() => device.states.get(seq) === 'failed', 'the state')
    await until(() => model.streaming === 0, 'the model to be left alone')
    // Pressed once more, and on a card of something else, nothing happens.
    assert.equal((await world.webhook(pressEvent(value))).status, 200)
    assert.equal((await world.webhook(pressEvent({ other: 1 }))).status, 200)
    assert.equal((await world.webhook(pressEvent('stop'))).status, 200)
    assert.equal(feishu.repliesTo('om_stop').length, 1)
    device.close()
  })

  await t.test('what is too long for a card comes as messages, and the card goes', async () => {
    model.delayMs = 10
    model.answer = () => Array.from({ length: 300 }, (_, n) => `**line ${n}** ${'x'.repeat(100)}`).join('\n')
    await world.webhook(messageEvent('om_long', 'long'))
    await until(() => cardOf('om_long'), 'the card')
    const whole = () =>
      feishu
        .repliesTo('om_long')
        .map(({ text }) => text)
        .join('\n')
    await until(() => /line 299\*\* x{100}$/.test(whole()), 'the answer', 60_000)
    const parts = feishu.repliesTo('om_long')
    assert.ok(parts.length === 2 && parts.every(({ type }) => type === 'post'), `${parts.map(({ type }) => type)}`)
    for (let n = 0; n < 300; n += 1) assert.equal(whole().split(`line ${n}**`).length, 2, `line ${n} once`)
    assert.equal(feishu.withdrawn.length, 1)
  })

  await t.test('a card that the platform will not change any more is replaced by a message', async () => {
    slowly(40)
    await world.webhook(messageEvent('om_refused', 'refused'))
    const card = await until(() => cardOf('om_refused'), 'the card')
    // Whatever is asked of cards from now on.
    feishu.nextCard = Array.from({ length: 50 }, () => ({ status: 400, body: { code: 200750, msg: 'card expired' } }))
    const last = await until(() => feishu.repliesTo('om_refused').find(({ type }) => type === 'post'), 'the answer')
    assert.match(last.text, /^\*\*refused\*\*[\s\S]*word39 \*\*bold\*\* end$/)
    assert.deepEqual(feishu.repliesTo('om_refused'), [last], 'the card is gone')
    assert.equal(card.streaming, true)
    feishu.nextCard = []
  })

  await t.test('the relay dies while a card grows: it still becomes the one answer', async () => {
    slowly(80)
    await world.webhook(messageEvent('om_crash', 'crash'))
    await until(() => cardOf('om_crash')?.shown.length >= 2, 'the card to grow')
    await world.kill()
    await world.restart()
    await until(isDone('om_crash'), 'the answer', 60_000)
    assert.match(cardOf('om_crash').text, /^# crash[\s\S]*word79 \*\*bold\*\* end$/)
    assert.equal(feishu.repliesTo('om_crash').length, 1)
    // The relay forgot what it is called, and found it.
    await until(isUnmarked('om_crash'), 'the reaction to go')
    assert.ok(feishu.listed >= 1)
  })

  await t.test('without the scope answers come whole, and cards are not asked for again and again', async () => {
    slowly(30)
    feishu.mayDraw = false
    for (const id of ['om_bare_1', 'om_bare_2']) {
      await world.webhook(messageEvent(id, id))
      const reply = await until(() => feishu.repliesTo(id)[0], `an answer to ${id}`)
      assert.equal(reply.type, 'post')
    }
    assert.equal(feishu.refusedCards, 1)
    feishu.mayDraw = true
  })

  await t.test('nor are reactions', async () => {
    model.answer = (question) => `re ${question}`
    feishu.mayReact = false
    for (const id of ['om_unmarked_1', 'om_unmarked_2', 'om_unmarked_3']) {
      await world.webhook(messageEvent(id, id))
      await until(() => feishu.repliesTo(id)[0], `an answer to ${id}`)
    }
    await sleep(300)
    assert.ok([1, 2].includes(feishu.refusedReactions), `${feishu.refusedReactions}`)
    feishu.mayReact = true
  })

  await t.test('the fakes found nothing wrong', () => {
    assert.deepEqual(feishu.faults, [])
  })
})
