// Answers in the response to the callback: in time, in a later attempt, shown as they come; and late, by a call, once.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerTo } from './support/model.mjs'
import { createAccount, startPlatformWorld } from './support/platform.mjs'
import { startWechat } from './support/wechat.mjs'
import { decrypt, opened, startWecom, startWecomBot } from './support/wecom.mjs'
import { until } from './support/world.mjs'

/** A world whose account answers in the callback too, under the name `held`. */
async function startHeld(t, start) {
  const world = await startPlatformWorld(t, start)
  await createAccount(world, { ...world.fake.account, id: 'held', passive: true })
  world.held = (request) => world.receive(request, 'held')
  world.asked = (text) => world.model.questions.filter((question) => question === text).length
  return world
}

test('official accounts', async (t) => {
  const world = await startHeld(t, startWechat)
  const { fake, model } = world
  const ask = (id, text) => world.held(fake.question(id, text))

  await t.test('a quick answer is in the response', async () => {
    const reply = opened(fake.account, await (await ask('m-quick', 'quick')).text())
    assert.match(reply, /<ToUserName><!\[CDATA\[oAlice\]\]><\/ToUserName>/)
    assert.equal(contentOf(reply), answerTo('quick'))
    // Its response was lost, and WeChat asks again: the same once more, and the agent is asked once.
    assert.equal(contentOf(opened(fake.account, await (await ask('m-quick', 'quick')).text())), answerTo('quick'))
    await sleep(1_500)
    assert.deepEqual([world.answers('quick').length, world.asked('quick')], [0, 1])
  })

  await t.test('a slow one is in the response to the second attempt', async () => {
    model.thinkMs = 6_500
    assert.equal(await attempt(() => fake.question('m-slow', 'slow'), world), null, 'no answer of any kind in 5 s')
    const second = await attempt(() => fake.question('m-slow', 'slow'), world)
    assert.equal(contentOf(opened(fake.account, second)), answerTo('slow'))
    await sleep(3_500)
    assert.deepEqual([world.answers('slow').length, world.asked('slow')], [0, 1])
  })

  await t.test('one that is too late for three attempts is a customer-service message', async () => {
    model.thinkMs = 15_500
    const attempts = []
    for (let n = 0; n < 3; n += 1) attempts.push(await attempt(() => fake.question('m-late', 'late'), world))
    assert.deepEqual(attempts, [null, null, 'success'])
    await until(() => world.answers('late').length === 1, 'the late answer', 20_000)
    assert.equal(world.asked('late'), 1)
    model.thinkMs = 0
  })
  assert.deepEqual(fake.faults, [])
})

test('official accounts that can send nothing by themselves', async (t) => {
  const world = await startPlatformWorld(t, startWechat)
  const { fake, model } = world
  // Made without a call: it needs no API, and no listed address.
  fake.isListed = false
  const before = fake.calls.length
  await createAccount(world, { ...fake.account, id: 'bare', passive: true, customer_service: false })
  const receive = (request) => world.receive(request, 'bare')
  const said = async (id, text, options) =>
    contentOf(opened(fake.account, await (await receive(fake.question(id, text, options))).text()))
  const attempts = async (id, text) => {
    const heard = []
    for (let n = 0; n < 3 && !heard.at(-1); n += 1) {
      heard.push(await attempt(() => fake.question(id, text), world, 'bare'))
    }
    return heard.at(-1) && contentOf(opened(fake.account, heard.at(-1)))
  }

  await t.test('what is late is kept for the reader, who is told how to ask for it', async () => {
    model.thinkMs = 16_000
    assert.match(await attempts('m-kept', 'takes long'), /还在想.*继续/)
    // Asked for while it is still being made: that is waited for, and is no question.
    model.thinkMs = 0
    assert.equal(await attempts('m-poke', ' 继续 '), answerTo('takes long'))
    // The response was lost: the same again.
    assert.equal(await said('m-poke', '继续'), answerTo('takes long'))
    assert.deepEqual(model.questions, ['takes long'])
    // With nothing to wait for they are words like any others.
    assert.equal(await said('m-words', '继续'), answerTo('继续'))
  })

  await t.test(
    'an answer that was kept comes with the next message, whatever that says; and its own next',
    async () => {
      model.thinkMs = 16_000
      await attempts('m-first', 'first')
      await until(() => model.streaming === 0, 'the answer to be made', 20_000)
      model.thinkMs = 0
      await until(async () => (await said('m-second', 'second')) === answerTo('first'), 'the kept one')
      await until(async () => (await said(`m-more-${Date.now()}`, '/more')) === answerTo('second'), 'the next one')
      assert.equal(model.questions.filter((question) => question === 'second').length, 1)
    },
  )

  await t.test('a long answer goes on at the reader’s word, whole', async () => {
    const text = Array.from({ length: 60 }, (_, n) => `sentence ${n} ${'x'.repeat(60)}.`).join('\n')
    model.answer = () => text
    const parts = [await said('m-long', 'long')]
    while (/继续/.test(parts.at(-1))) {
      assert.ok(Buffer.byteLength(parts.at(-1)) <= 2048)
      await until(async () => {
        const part = await said(`m-long-${parts.length}`, '继续')
        return part && parts.push(part)
      }, 'the next part')
    }
    const whole = parts.map((part) => part.replace(/\n\n（发送.*$/, '')).join('\n')
    assert.equal(whole, text)
    model.answer = answerTo
  })

  await t.test('a stranger is told the code in the response', async () => {
    await world.call(world.token, 'PATCH', '/v1/admin/accounts/bare', { policy: 'pairing', default_user: '' })
    const told = await said('m-stranger', 'hello', { from: 'oNew' })
    assert.match(told, /绑定码 \w{4}-\w{4}/)
    const [, code] = told.match(/pair=([\w-]+)/)
    await world.call(world.token, 'POST', '/v1/pairings', { code })
    assert.equal(await said('m-bound', 'it is me', { from: 'oNew' }), answerTo('it is me'))
  })

  await t.test('whoever follows is told hello, or how to be known', async () => {
    const followed = async (from) => {
      const response = await receive(fake.callback({ MsgType: 'event', Event: 'subscribe', EventKey: '' }, { from }))
      return contentOf(opened(fake.account, await response.text()))
    }
    assert.match(await followed('oNew'), /你好！直接发消息/)
    assert.match(await followed('oFollower'), /绑定码/)
  })

  assert.equal(fake.calls.length, before)
  assert.deepEqual(fake.faults, [])
})

test('WeCom apps', async (t) => {
  const world = await startHeld(t, startWecom)
  const { fake, model } = world
  const reply = await (await world.held(fake.question('m-quick', 'quick'))).text()
  assert.equal(contentOf(opened(fake.account, reply)), answerTo('quick'))
  model.thinkMs = 5_000
  const began = Date.now()
  assert.equal(await (await world.held(fake.question('m-late', 'late'))).text(), '')
  assert.ok(Date.now() - began < 5_000, 'WeCom waits 5 s')
  await until(() => world.answers('late').length === 1, 'the late answer')
  assert.deepEqual([world.answers('quick').length, world.asked('late')], [0, 1])
  assert.deepEqual(fake.faults, [])
})

test('AI bots', async (t) => {
  const world = await startHeld(t, startWecomBot)
  const { fake } = world
  const shown = async (request) => fake.shown(await world.held(request))

  await t.test('an answer is shown as it comes, and ends once', async () => {
    world.model.delayMs = 25
    const text = Array.from({ length: 80 }, (_, n) => `word${n}`).join(' ')
    const parts = [await shown(fake.question('m-stream', text))]
    while (!parts.at(-1).finish) {
      assert.ok(parts.length < 60, 'it does not end')
      parts.push(await shown(fake.refresh(parts[0].id)))
    }
    const contents = parts.map(({ content }) => content)
    assert.equal(contents.at(-1), answerTo(text))
    assert.ok(
      contents.some((content) => content && content !== answerTo(text)),
      'something was shown before the end',
    )
    assert.ok(parts.every(({ id }) => id === parts[0].id))
    await sleep(1_000)
    assert.equal(fake.sent.length, 0, 'response_url is not used for what was shown')
  })

  await t.test('hello is said to whoever opens the chat', async () => {
    const { response_url: _, ...message } = fake.message('m-enter')
    const request = fake.callback({ ...message, msgtype: 'event', event: { eventtype: 'enter_chat' } })
    const { encrypt } = JSON.parse(await (await world.held(request)).text())
    const { msgtype, text } = JSON.parse(decrypt(fake.account.encoding_aes_key, encrypt))
    assert.equal(msgtype, 'text')
    assert.match(text.content, /你好！直接发消息/)
  })

  await t.test('an answer that nobody asks for any more goes by response_url', async () => {
    world.model.thinkMs = 2_000
    const { finish } = await shown(fake.question('m-left', 'left alone'))
    assert.equal(finish, false)
    await until(() => world.answers('left alone').length === 1, 'the answer by response_url', 20_000)
    assert.equal(world.asked('left alone'), 1)
  })
  assert.deepEqual(fake.faults, [])
})

/** One attempt of WeChat's, which hangs up after 5 s: the body, or null. */
async function attempt(question, world, account = 'held') {
  const began = Date.now()
  try {
    const { headers, body, query } = question()
    const url = `${world.url}/webhook/wechat/${account}?${query}`
    const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(5_000) })
    return await response.text()
  } catch (error) {
    if (error.name !== 'TimeoutError') throw error
    return null
  } finally {
    await sleep(Math.max(0, 5_000 - (Date.now() - began)))
  }
}

function contentOf(xml) {
  return xml.match(/<Content><!\[CDATA\[(.*?)\]\]><\/Content>/s)[1]
}
