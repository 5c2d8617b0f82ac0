// Answers in QQ's private chats that grow while they are made.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAccount, endsWell, startPlatformWorld } from './support/platform.mjs'
import { startQq } from './support/qq.mjs'
import { until } from './support/world.mjs'

test('qq streams', async (t) => {
  const world = await startPlatformWorld(t, async () => {
    const fake = await startQq()
    Object.assign(fake.account, { token_base: fake.url, streaming: true })
    return fake
  })
  const { fake, model } = world
  const words = (count) => Array.from({ length: count }, (_, n) => `word${n}`).join(' ')
  const slowly = (count, delayMs = 60) => {
    model.delayMs = delayMs
    model.answer = (question) => `# ${question}\n\n${words(count)} **bold** end`
  }
  const sentTo = (from) => fake.sent.filter(({ to }) => to === `v2/users/${from}`)
  const framesOf = (id) => fake.frames.filter(({ msg_id }) => msg_id === id)
  const isGrowing = (from, count = 2) =>
    until(() => sentTo(from)[0]?.shown?.length >= count && sentTo(from)[0], 'the message to grow')
  const hasEnded = (from) => until(() => sentTo(from)[0]?.isGrowing === false && sentTo(from)[0], 'the end', 30_000)
  /** Whoever asked has the whole answer, once, and nothing else. */
  const hasWhole = async (from, text, parts = 1) => {
    const whole = () =>
      sentTo(from)
        .map((message) => message.text)
        .join('\n\n')
    await until(() => whole() === text, `the answer to ${from}: ${whole().slice(0, 200)}`, 30_000)
    await sleep(300)
    assert.deepEqual([whole(), sentTo(from).length], [text, parts])
    assert.ok(sentTo(from).every(({ isGrowing }) => !isGrowing))
  }
  const answer = (question, count) => `# ${question}\n\n${words(count)} **bold** end`

  await t.test('a message grows with the answer, and becomes it', async () => {
    slowly(60)
    await world.asks('s-grows', 'growing', { from: 'U_GROWS' })
    const message = await isGrowing('U_GROWS', 3)
    assert.ok(message.isGrowing && message.text.length < 300, message.text)
    await hasEnded('U_GROWS')
    assert.equal(message.text, `# growing\n\n${words(60)} **bold** end`)
    assert.deepEqual([message.replyTo, sentTo('U_GROWS').length], ['s-grows', 1])
    const frames = framesOf('s-grows')
    assert.deepEqual(
      frames.map(({ index }) => index),
      frames.map((_, n) => n),
    )
    assert.equal(new Set(frames.map(({ msg_seq }) => msg_seq)).size, 1)
    assert.equal(fake.calls.length, 0, 'no other message')
    // Each time more of it, and as often as the platform's own libraries send.
    const waits = frames.slice(1, -1).map(({ at }, n) => at - frames[n].at)
    assert.ok(
      waits.every((ms) => ms > 400),
      `${waits}`,
    )
  })

  await t.test('an answer of which nothing is settled before it is whole is a message like any other', async () => {
    model.delayMs = 300
    model.answer = () => '# a heading that grows'
    await world.asks('s-once', 'at once', { from: 'U_ONCE' })
    await hasWhole('U_ONCE', '# a heading that grows')
    assert.equal(framesOf('s-once').length, 0)
  })

  await t.test('whoever asked may stop it: it ends with what came', async () => {
    slowly(400)
    await world.asks('s-stop', 'stop me', { from: 'U_STOP' })
    const message = await isGrowing('U_STOP')
    await world.asks('s-stop-2', '/stop', { from: 'U_STOP' })
    await hasEnded('U_STOP')
    assert.match(message.text, /^# stop me\n\nword0 [\s\S]*word\d+\s*⏹ 已停止 · stopped$/)
    assert.ok(!message.text.includes('word399'))
    const others = sentTo('U_STOP').filter((other) => other !== message)
    assert.ok(
      others.every(({ replyTo, text }) => replyTo === 's-stop-2' && !text.includes('word')),
      JSON.stringify(others),
    )
    await until(() => model.streaming === 0, 'the model to be left alone')
  })

  await t.test('also while its agent has said nothing for long', async () => {
    model.delayMs = 30_000
    model.answer = () => 'A word, and then another'
    await world.asks('s-idle', 'think', { from: 'U_IDLE' })
    const message = await isGrowing('U_IDLE', 1)
    await sleep(11_500)
    assert.deepEqual([message.text, message.isGrowing], ['A', true])
    await world.asks('s-idle-2', '/stop', { from: 'U_IDLE' })
    await hasEnded('U_IDLE')
    assert.equal(message.text, 'A \n\n⏹ 已停止 · stopped')
  })

  await t.test('one that is longer than a message ends with its first part, and the others follow', async () => {
    const paragraphs = Array.from({ length: 60 }, (_, n) => `**Paragraph ${n}** ${'of a long story '.repeat(6)}end.`)
    model.delayMs = 3
    model.answer = () => paragraphs.join('\n\n')
    await world.asks('s-long', 'long', { from: 'U_LONG' })
    await isGrowing('U_LONG')
    await hasWhole('U_LONG', paragraphs.join('\n\n'), 2)
    const [first, second] = sentTo('U_LONG')
    assert.ok(first.shown && !second.shown && first.text.length > 3_000)
  })

  await t.test('a busy platform is waited for, and an expired token renewed', async () => {
    slowly(100)
    await world.asks('s-busy', 'busy', { from: 'U_BUSY' })
    await isGrowing('U_BUSY')
    fake.nextFrame = [{ status: 429, body: { err_code: 50002, message: 'too many' } }]
    const shown = sentTo('U_BUSY')[0].shown.length
    await until(() => fake.nextFrame.length === 0, 'a refusal')
    await isGrowing('U_BUSY', shown + 1)
    fake.expireToken()
    await hasWhole('U_BUSY', answer('busy', 100))
    const indices = framesOf('s-busy').map(({ index }) => index)
    assert.deepEqual(
      [...new Set(indices)],
      Array.from({ length: indices.at(-1) + 1 }, (_, n) => n),
    )
  })

  await t.test('one that ended although nothing was heard of it is there once', async () => {
    slowly(20)
    fake.losesNextEnd = true
    await world.asks('s-lost', 'lost', { from: 'U_LOST' })
    await until(() => framesOf('s-lost').filter(({ input_state }) => input_state === 10).length === 2, 'another try')
    await hasWhole('U_LOST', answer('lost', 20))
    assert.deepEqual(fake.withdrawn, [])
    const { dead_letters: letters } = await world.call(world.token, 'GET', '/v1/dead-letters')
    assert.deepEqual(letters, [])
  })

  await t.test('the relay dies while a message grows: it still becomes the one answer', async () => {
    slowly(80)
    await world.asks('s-crash', 'crash', { from: 'U_CRASH' })
    await isGrowing('U_CRASH')
    await world.kill()
    await world.restart()
    await hasWhole('U_CRASH', answer('crash', 80))
    const indices = framesOf('s-crash').map(({ index }) => index)
    assert.ok(
      indices.every((index, n) => n === 0 || index > indices[n - 1]),
      `${indices}`,
    )
  })

  await t.test('one that will not take the answer is recalled, and the answer is a message', async () => {
    slowly(40)
    await world.asks('s-refused', 'refused', { from: 'U_REFUSED' })
    const message = await isGrowing('U_REFUSED', 1)
    fake.nextFrame = Array.from({ length: 50 }, () => ({ status: 400, body: { err_code: 40034102, message: 'no' } }))
    await hasWhole('U_REFUSED', answer('refused', 40))
    assert.deepEqual([fake.withdrawn, sentTo('U_REFUSED')[0].shown], [[message], undefined])
    fake.nextFrame = []
  })

  await t.test('where it cannot be recalled, it is left as it is, and the answer follows', async () => {
    slowly(40)
    fake.may.withdraw = false
    await world.asks('s-stays', 'stays', { from: 'U_STAYS' })
    const message = await isGrowing('U_STAYS', 1)
    // As of an answer that goes on in another way: what is shown refuses it, and can still be ended.
    const refusal = { status: 404, body: { code: 40007, err_code: 40113003, message: '已经提交的消息内容不可修改' } }
    const isEnd = ({ msg_id, input_state }) => msg_id === 's-stays' && input_state === 10
    fake.refusesFrame = (frame) => (isEnd(frame) && fake.frames.filter(isEnd).length === 1 ? refusal : null)
    await until(() => sentTo('U_STAYS').length === 2, 'the answer', 30_000)
    const [left, whole] = sentTo('U_STAYS')
    assert.deepEqual([left, left.isGrowing, whole.text], [message, false, answer('stays', 40)])
    assert.ok(whole.text.startsWith(left.text))
    Object.assign(fake, { refusesFrame: null })
    fake.may.withdraw = true
  })

  await t.test('a message that can no more be replied to says nothing of others', async () => {
    slowly(20)
    fake.nextFrame = [{ status: 400, body: { err_code: 40034025, message: 'msg_id expired' } }]
    await world.asks('s-late', 'late', { from: 'U_LATE' })
    await hasWhole('U_LATE', answer('late', 20))
    assert.equal(framesOf('s-late').length, 1)
    await world.asks('s-next', 'next', { from: 'U_NEXT' })
    await isGrowing('U_NEXT', 1)
    await hasWhole('U_NEXT', answer('next', 20))
  })

  await t.test('in groups and guilds answers come whole', async () => {
    slowly(20)
    const before = fake.frames.length
    await world.asks('s-group', 'group', { group: 'GROUP_1' })
    await world.asks('s-channel', 'channel', { channel: '1001' })
    await world.asks('s-dm', 'dm', { dm: '2001' })
    const has = (id) => fake.sent.some(({ replyTo, text }) => replyTo === id && text.endsWith('end'))
    await until(() => ['s-group', 's-channel', 's-dm'].every(has), 'the answers', 30_000)
    assert.equal(fake.frames.length, before)
  })

  await t.test('a bot that may not is not asked again, and answers all the same', async () => {
    slowly(20)
    for (const [id, right] of Object.entries({ bare: 'stream', plain: 'markdown' })) {
      await createAccount(world, fake.account, { id })
      fake.may[right] = false
      const text =
        id === 'bare' ? (question) => answer(question, 20) : (question) => `【${question}】\n\n${words(20)} bold end`
      for (const n of [1, 2]) {
        const from = `U_${id}_${n}`
        await world.asks(`s-${id}-${n}`, `${id} ${n}`, { from, account: id })
        await hasWhole(from, text(`${id} ${n}`))
      }
      fake.may[right] = true
      assert.deepEqual([framesOf(`s-${id}-1`).length, framesOf(`s-${id}-2`).length], [1, 0], id)
    }
  })

  await t.test('nor one whose operator does not want it, or wants plain text', async () => {
    slowly(20)
    for (const [id, changes] of Object.entries({ whole: { streaming: false }, text: { markdown: false } })) {
      await createAccount(world, fake.account, { id, ...changes })
      await world.asks(`s-${id}`, id, { from: `U_${id}`, account: id })
      await until(() => sentTo(`U_${id}`).length === 1, 'the answer', 30_000)
      assert.equal(framesOf(`s-${id}`).length, 0, id)
    }
  })

  await t.test('the fakes found nothing wrong', () => endsWell(world))
})
