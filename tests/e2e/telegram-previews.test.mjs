// Answers in Telegram's private chats that grow while they are made.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerTo } from './support/model.mjs'
import { createAccount, endsWell, startPlatformWorld } from './support/platform.mjs'
import { startTelegram } from './support/telegram.mjs'
import { until } from './support/world.mjs'

test('telegram previews', async (t) => {
  const world = await startPlatformWorld(t, startTelegram)
  const { fake, model } = world
  const words = (count) => Array.from({ length: count }, (_, n) => `word${n}`).join(' ')
  const slowly = (count) => {
    model.delayMs = 60
    model.answer = (question) => `${question}\n\n${words(count)} **bold** end`
  }
  const sentTo = (chat) => fake.sent.filter(({ to }) => to === chat)
  const shownTo = (chat) => fake.previews.filter((preview) => preview.chat === chat)

  await t.test('what there is so far is shown, and the answer is a message of its own', async () => {
    slowly(60)
    await world.asks('t-grows', 'growing')
    const [answer] = await until(() => sentTo('1001').length && sentTo('1001'), 'the answer')
    assert.equal(answer.text, `growing\n\n${words(60)} bold end`)
    assert.deepEqual(fake.actions, [1001], 'it was typing')
    const previews = shownTo('1001')
    assert.ok(previews.length >= 2, `${previews.length} previews`)
    // Each more of it, all of them one that changes, not too often, and none that comes after the answer.
    for (const { text } of previews) assert.ok(answer.text.startsWith(text.trimEnd()), text)
    assert.deepEqual(
      previews.toSorted((a, b) => a.text.length - b.text.length),
      previews,
    )
    assert.equal(new Set(previews.map(({ id }) => id)).size, 1)
    const waits = previews.slice(1).map(({ at }, n) => at - previews[n].at)
    assert.ok(
      waits.every((ms) => ms > 900),
      `${waits}`,
    )
    model.answer = answerTo
    await world.settles()
    assert.equal(sentTo('1001').length, 2)
    assert.ok(shownTo('1001').every(({ id, at }) => id !== previews[0].id || at <= answer.at))
  })

  await t.test('of a long one the end is shown', async () => {
    model.delayMs = 3
    model.answer = () => `${'A sentence of a long story. '.repeat(300)}The end comes at last. ${words(700)}`
    await world.asks('t-long', 'long', { from: '1002' })
    await until(() => sentTo('1002').length === 3, 'all of it')
    const last = shownTo('1002').at(-1)
    assert.ok(last.text.length <= 4096 && !sentTo('1002')[0].text.startsWith(last.text), last.text.slice(0, 80))
  })

  await t.test('in groups nothing is', async () => {
    slowly(30)
    await world.asks('t-group', '@claw_test_bot in a group', { group: '-100700' })
    await until(() => sentTo('-100700').length === 1, 'the answer')
    assert.deepEqual(shownTo('-100700'), [])
  })

  await t.test('a bot that may not is not asked again, and answers all the same', async () => {
    fake.hasPreviews = false
    slowly(60)
    const [shown, before] = [fake.previews.length, fake.calls.length]
    await world.asks('t-no', 'not shown', { from: '1003' })
    await until(() => sentTo('1003').length === 1, 'the answer')
    await world.asks('t-no-2', 'nor this', { from: '1003' })
    await until(() => sentTo('1003').length === 2, 'the next answer')
    const tried = fake.calls.slice(before).filter(({ method }) => method === 'sendMessageDraft')
    assert.deepEqual([tried.length, fake.previews.length], [1, shown])
    fake.hasPreviews = true
  })

  await t.test('nor one whose operator does not want it', async () => {
    await createAccount(world, fake.account, { id: 'whole', streaming: false })
    slowly(60)
    await world.asks('t-whole', 'as a whole', { from: '1004', account: 'whole' })
    await until(() => sentTo('1004').length === 1, 'the answer')
    assert.deepEqual(shownTo('1004'), [])
  })

  await t.test('the fakes found nothing wrong', () => endsWell(world))
})
