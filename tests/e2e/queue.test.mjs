// Questions that are routed, stopped, taken back, expire, and are asked again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectDevice } from './support/device.mjs'
import { messageEvent, recallEvent } from './support/feishu.mjs'
import { answerTo } from './support/model.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

test('queue', async (t) => {
  const world = await startFeishuWorld(t, { vars: { QUESTION_TTL_S: '6', EVENT_LOG: 'ids' } })
  const home = await createAgent(world, 'home')
  const office = await createAgent(world, '办公室')
  const atHome = home.start()
  await atHome.connected()
  const atOffice = office.start(['--backend', 'echo'])
  await atOffice.connected()
  const device = await connectDevice(world, world.token)

  let count = 0
  /** A person writes in Feishu. */
  const writes = async (text, options) => {
    const id = `om_${++count}`
    assert.equal((await world.webhook(messageEvent(id, text, options))).status, 200)
    return id
  }
  const told = (id) => until(() => world.feishu.repliesTo(id)[0]?.text, `an answer to ${id}`)
  const dead = async () => (await world.call(world.token, 'GET', '/v1/dead-letters')).dead_letters
  const seqOf = (id) =>
    until(() => [...device.messages.values()].find((message) => message.id === `feishu:main:${id}`)?.seq, id)

  await t.test('a chat has commands, in both languages, and each chat its agent', async () => {
    assert.match(await told(await writes('/help')), /\/停止/)
    assert.match(await told(await writes('/智能体')), /▶ home \(在线 · online\)\n・ 办公室/)
    assert.match(await told(await writes('/使用 办公室')), /“办公室” answers here/)
    assert.equal(await told(await writes('hi')), 'echo: hi')
    assert.equal(await told(await writes('@home hi')), answerTo('hi'))
    assert.equal(await told(await writes('elsewhere', { chat: 'oc_2' })), answerTo('elsewhere'))
    assert.match(await told(await writes('/use home')), /“home” answers here/)
    assert.match(await told(await writes('/status')), /home \(在线 · online\)\n.*0 这里/)
  })

  await t.test('/new makes the agent forget, and only then', async () => {
    const contexts = []
    world.model.onQuestion = (messages) => contexts.push(messages.length)
    await told(await writes('remember 7'))
    await told(await writes('what was it?'))
    await told(await writes('/new'))
    await told(await writes('and now?'))
    world.model.onQuestion = undefined
    assert.ok(contexts[1] > contexts[0], `${contexts}`)
    assert.equal(contexts[2], 1, `${contexts}`)
  })

  await t.test('/stop ends the running answer and all that waits behind it, at once', async () => {
    world.model.delayMs = 150
    const long = await writes(Array.from({ length: 30 }, (_, n) => `word${n}`).join(' '))
    const seq = await seqOf(long)
    await until(() => (device.streams.get(seq) ?? '').length > 20, 'the answer to begin')
    const waiting = [await writes('waits 1'), await writes('waits 2')]
    const began = Date.now()
    assert.match(await told(await writes('/stop')), /Stopped: 3/)
    await until(() => world.model.streaming === 0, 'the model to be left alone')
    assert.ok(Date.now() - began < 4000, `${Date.now() - began} ms`)
    world.model.delayMs = 0
    // What comes after is answered; what was stopped never is. What was shown of it stays on the devices.
    assert.equal(await told(await writes('after the stop')), answerTo('after the stop'))
    assert.deepEqual(
      [long, ...waiting].map((id) => world.feishu.repliesTo(id).length),
      [0, 0, 0],
    )
    assert.match(device.answerTo(seq).text, /word1[\s\S]*已停止 · stopped$/)
    assert.equal(device.states.get(seq), 'failed')
    assert.ok(!world.model.questions.includes('waits 1'))
  })

  await t.test('a device stops one question', async () => {
    world.model.delayMs = 150
    device.ask('m-stop', Array.from({ length: 30 }, (_, n) => `w${n}`).join(' '))
    const seq = await until(() => [...device.messages.values()].find((m) => m.id === 'm-stop')?.seq, 'm-stop')
    await until(() => (device.streams.get(seq) ?? '').length > 10, 'the answer to begin')
    device.send({ type: 'stop', reply_to: seq })
    await until(() => device.states.get(seq) === 'failed' && world.model.streaming === 0, 'the stop')
    world.model.delayMs = 0
  })

  await t.test('a message taken back in Feishu is not answered', async () => {
    world.model.thinkMs = 1500
    const kept = await writes('kept')
    const secret = await writes('a secret')
    const seq = await seqOf(secret)
    assert.equal((await world.webhook(recallEvent(secret))).status, 200)
    await until(() => device.states.get(seq) === 'failed', `the recall:\n${world.process.output()}`, 5000)
    world.model.thinkMs = 0
    assert.equal(await told(kept), answerTo('kept'))
    assert.equal(await told(await writes('the next one')), answerTo('the next one'))
    assert.equal(world.feishu.repliesTo(secret).length, 0)
    const history = await world.call(world.token, 'GET', '/v1/conversations/feishu:main:oc_1/messages')
    assert.ok(!JSON.stringify(history).includes('a secret'))
    // A recall of what is answered, or never was ours, changes nothing.
    assert.equal((await world.webhook(recallEvent(kept))).status, 200)
    assert.equal((await world.webhook(recallEvent('om_never', { chat: 'oc_never' }))).status, 200)
  })

  await t.test('what no agent answers in time expires: told once, kept, and asked again', async () => {
    await atHome.kill()
    const ids = [await writes('one'), await writes('two'), await writes('three')]
    const seqs = await Promise.all(ids.map(seqOf))
    await until(() => seqs.every((seq) => device.states.get(seq) === 'expired'), 'three to expire', 15_000)
    const notices = await until(() => {
      const replies = ids.flatMap((id) => world.feishu.repliesTo(id))
      return replies.length > 0 && replies
    }, 'a notice')
    assert.equal(notices.length, 1)
    assert.match(notices[0].text, /no answer within 6 s/)
    const letters = (await dead()).filter((letter) => seqs.includes(letter.seq))
    assert.deepEqual(letters.map((letter) => letter.outcome).sort(), ['expired', 'expired', 'expired'])
    const operators = await world.call(world.token, 'GET', `/v1/admin/users/${world.user.id}/dead-letters`)
    assert.deepEqual(operators.dead_letters, await dead())

    const back = home.start()
    await back.connected()
    const replay = `/v1/dead-letters/${seqs[1]}/replay`
    const first = await world.call(world.token, 'POST', replay)
    const again = await world.call(world.token, 'POST', replay)
    assert.deepEqual([first.new, again.new, again.seq], [true, false, first.seq])
    await until(() => world.feishu.repliesTo(ids[1]).some((reply) => reply.text === answerTo('two')), 'the answer')
    assert.equal(world.model.questions.filter((question) => question === 'two').length, 1)
    assert.ok(!world.model.questions.includes('one'), 'what expired is not answered late')
    assert.deepEqual(
      (await dead()).filter((letter) => seqs.includes(letter.seq)).map((letter) => letter.seq),
      [seqs[2], seqs[0]],
    )
  })

  await t.test('the event log says what happened to a message, without what it says', async () => {
    const id = await writes('please tell nobody')
    await told(id)
    const seq = await seqOf(id)
    const log = async (path) => (await world.call(world.token, 'GET', `${path}?limit=100`)).events
    const events = await until(async () => {
      const all = (await log('/v1/events')).filter((event) => event.seq === seq)
      return all.some((event) => event.kind === 'delivery') && all
    }, 'the delivery in the log')
    assert.deepEqual(events.map((event) => event.kind).reverse(), ['accepted', 'answered', 'delivery'])
    const whole = JSON.stringify(await log(`/v1/admin/users/${world.user.id}/events`))
    assert.ok(whole.includes(id) && !whole.includes('tell nobody'))
  })

  await t.test('a bot never sends faster than the platform allows', async () => {
    const before = world.feishu.calls.length
    const ids = []
    for (let n = 0; n < 14; n++) ids.push(await writes('/help', { chat: 'oc_fast' }))
    await until(() => ids.every((id) => world.feishu.repliesTo(id).length === 1), 'fourteen answers')
    const times = world.feishu.calls.slice(before).map((call) => call.at)
    // Measured where the calls arrive: the way there may take a little less or more.
    const within = (from) => times.filter((at) => at >= from && at < from + 950).length
    assert.ok(Math.max(...times.map(within)) <= 5, `${times.map((at) => at - times[0])}`)
  })

  await t.test('bad requests name what is wrong', async () => {
    const get = async (method, path) => {
      const response = await fetch(world.url + path, { method, headers: { authorization: `Bearer ${world.token}` } })
      return [response.status, (await response.json()).detail]
    }
    assert.deepEqual(await get('POST', '/v1/dead-letters/x/replay'), [400, 'seq: the number of a question'])
    assert.deepEqual(await get('POST', '/v1/dead-letters/999999/replay'), [404, 'no question 999999'])
    assert.deepEqual(await get('GET', '/v1/events?limit=1000'), [400, 'limit: a whole number, 1 to 200'])
    assert.deepEqual(await get('GET', '/v1/admin/users/usr_nobody/events'), [404, 'no such user'])
    const [status] = await get('DELETE', '/v1/dead-letters')
    assert.equal(status, 405)
  })
})
