// claw-agent at a real OpenClaw gateway with nothing installed in it, and what may happen on the way. Runs when
// CLAW_RELAY_OPENCLAW is set: a gateway takes 1.2 GB of memory, its installation 850 MB of disk.

import assert from 'node:assert/strict'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openClaw } from '../../scripts/lib/tools.mjs'
import {
  answerTo,
  createOpenClaw,
  long,
  PATIENCE_MS,
  PICTURE,
  personIn,
  picturesIn,
  skip,
  startClawModel,
} from './support/openclaw.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

test('openclaw gateway', { skip }, async (t) => {
  const openclaw = await openClaw()
  const world = await startFeishuWorld(t)
  const model = await startClawModel()
  t.after(() => model.close())
  const folder = join(world.folder, 'openclaw')
  mkdirSync(folder)
  const claw = await createOpenClaw(t, openclaw, folder, model)
  const home = await createAgent(world, 'home')
  const backend = ['--backend', 'openclaw', '--openclaw-url', `ws://127.0.0.1:${claw.port}`]
  const start = (token = 'dev-gateway-token') => home.start([...backend, '--openclaw-token', token])
  let agent

  const { writes, resource, device, seqOf, begun } = personIn(world)
  const told = (id, ms = PATIENCE_MS) =>
    until(() => world.feishu.repliesTo(id)[0]?.text, `an answer to ${id}:\n${agent.log}\n${claw.gateway?.output}`, ms)
  const timesAsked = (text) => model.questions.filter((question) => question === text).length
  /** Everything that was said in answer to these, in order: none twice. */
  const answers = (ids) =>
    world.feishu.replies.filter((reply) => ids.includes(reply.messageId)).map((reply) => [reply.messageId, reply.text])

  await t.test('a wrong token ends the start with a sentence', async () => {
    await claw.start()
    const wrong = start('not-the-token')
    await until(() => wrong.log.includes('claw-agent: '), `the agent to end:\n${wrong.log}`)
    assert.match(
      wrong.log,
      /claw-agent: the OpenClaw gateway does not take this token: --openclaw-token must be gateway/,
    )
    assert.doesNotMatch(wrong.log, /not-the-token|panicked/)
  })

  await t.test('an answer is shown while it is made', async () => {
    agent = start()
    await agent.connected()
    assert.match(agent.log, /connected to OpenClaw 2026/)
    const page = await device()
    model.delayMs = 150
    const id = await writes('one two three four five')
    const seq = await seqOf(page, id)
    const answer = await told(id)
    model.delayMs = 0
    assert.equal(answer, answerTo('one two three four five'))
    await until(() => page.states.get(seq) === 'replied', 'the state')
    const deltas = page.frames.filter((frame) => frame.type === 'delta' && frame.reply_to === seq)
    assert.ok(deltas.length >= 4, `${deltas.length} deltas`)
    assert.equal(page.streams.get(seq), answer)
    await page.close()
    assert.equal(statSync(join(world.folder, home.id, 'openclaw-device.key')).mode & 0o777, 0o600)
  })

  await t.test('two conversations at a time do not hear of each other', async () => {
    const contexts = new Map()
    model.onQuestion = (messages) => contexts.set(messages.length, JSON.stringify(messages))
    const both = [await writes('here', { chat: 'oc_a' }), await writes('there', { chat: 'oc_A' })]
    assert.deepEqual(await Promise.all(both.map((id) => told(id))), [answerTo('here'), answerTo('there')])
    model.onQuestion = undefined
    for (const context of contexts.values()) assert.ok(!(context.includes('here"') && context.includes('there"')))
  })

  await t.test('/stop ends the turn, and the next one is answered', async () => {
    const page = await device()
    // Left alone, it would take half a minute.
    model.delayMs = 750
    const id = await writes(long('stop'))
    await begun(page, await seqOf(page, id))
    const behind = await writes('behind it')
    const began = Date.now()
    assert.match(await told(await writes('/stop')), /Stopped: 2/)
    await until(() => model.streaming === 0, 'the model to be left alone')
    assert.ok(Date.now() - began < 10_000, `${Date.now() - began} ms`)
    model.delayMs = 0
    assert.equal(await told(await writes('after it')), answerTo('after it'))
    assert.deepEqual(answers([id, behind]), [])
    assert.ok(!model.questions.includes('behind it'))
    await page.close()
  })

  await t.test("OpenClaw's own commands work, and /new forgets", async () => {
    assert.match(await told(await writes('//whoami')), /User id: gateway-client/)
    const contexts = []
    model.onQuestion = (messages) => contexts.push(messages.filter(({ role }) => role === 'assistant').length)
    await told(await writes('before'))
    await told(await writes('/new'))
    assert.equal(await told(await writes('anew')), answerTo('anew'))
    model.onQuestion = undefined
    assert.ok(contexts[0] > 0, `${contexts}`)
    assert.equal(contexts[1], 0, `${contexts}`)
  })

  await t.test('files go both ways', async () => {
    const shown = []
    const texts = []
    model.onQuestion = (messages) => {
      shown.push(...picturesIn(messages))
      texts.push(JSON.stringify(messages.slice(1)))
    }
    resource('image', 'img_v3_red', PICTURE, 'image/png')
    await told(await writes('', { type: 'image', content: { image_key: 'img_v3_red' } }))
    assert.equal(shown.length, 1)
    resource('file', 'file_v3_b', Buffer.from('%PDF-1.7 '.repeat(30)), 'application/pdf')
    await told(await writes('', { type: 'file', content: { file_key: 'file_v3_b', file_name: 'b.pdf' } }))
    assert.match(texts.at(-1), /media attached: [^"]*\.pdf/)
    model.onQuestion = undefined
    writeFileSync(join(folder, 'ws', 'plot.png'), PICTURE)
    // OpenClaw 2026.9.6 does not always let a client of this kind have files of the workspace: then the answer says so.
    const said = await told(await writes('send: ./plot.png'))
    const unsent = /^Here it is\.\n\n📎 plot\.png（未发送 · not sent: OpenClaw could not read it, delivery-failed）$/
    if (unsent.test(said)) return
    // The file follows the text.
    assert.equal(said, 'Here it is.')
    const sent = await until(
      () => world.feishu.replies.find(({ type }) => type === 'image'),
      'the picture',
      PATIENCE_MS,
    )
    assert.ok(sent.file.bytes.equals(PICTURE))
  })

  await t.test('a gateway killed in the middle of two turns answers when it is back, once', async () => {
    const page = await device()
    model.delayMs = 150
    const id = await writes(long('kill'))
    await begun(page, await seqOf(page, id))
    // This one has only just begun, and is the first of its session: OpenClaw may not know afterwards that it ran.
    const first = await writes(long('first'), { chat: 'oc_first' })
    await until(() => timesAsked(long('first')) > 0, 'the model to be asked', PATIENCE_MS)
    await claw.kill()
    model.delayMs = 0
    await page.close()
    await claw.start()
    assert.equal(await told(id), answerTo(long('kill')))
    assert.equal(await told(first), answerTo(long('first')))
    assert.equal(await told(await writes('and on')), answerTo('and on'))
    assert.equal(await told(await writes('on here, too', { chat: 'oc_first' })), answerTo('on here, too'))
    assert.deepEqual(answers([id, first]).length, 2)
  })

  await t.test('an agent killed in the middle of an answer goes on with it, and nothing is asked twice', async () => {
    const page = await device()
    model.delayMs = 150
    const id = await writes(long('agent'))
    const seq = await seqOf(page, id)
    await begun(page, seq)
    await agent.kill()
    agent = start()
    await agent.connected()
    assert.equal(await told(id), answerTo(long('agent')))
    await until(() => page.states.get(seq) === 'replied', 'the state')
    assert.equal(page.streams.get(seq), answerTo(long('agent')))
    assert.equal(timesAsked(long('agent')), 1)
    await page.close()

    // This one ends while the agent is away.
    const other = await device()
    const late = await writes(long('away'))
    await begun(other, await seqOf(other, late))
    await agent.kill()
    model.delayMs = 0
    await until(() => model.streaming === 0, 'the model to end')
    await sleep(2000)
    agent = start()
    assert.equal(await told(late), answerTo(long('away')))
    assert.equal(timesAsked(long('away')), 1)
    await told(await writes('and on again'))
    assert.equal(answers([id, late]).length, 2)
    await other.close()
  })

  await t.test('a gateway that comes to its end finishes the turn, or the next one does', async () => {
    const page = await device()
    // Long enough for a busy machine to tell the gateway in the middle of it.
    model.delayMs = 400
    const id = await writes(long('drain'))
    await begun(page, await seqOf(page, id))
    claw.gateway.child.kill('SIGTERM')
    await until(() => claw.gateway.output.includes('draining active work'), 'the gateway to drain')
    const late = await writes('too late', { chat: 'oc_2' })
    await claw.gateway.exited
    model.delayMs = 0
    await page.close()
    await claw.start()
    assert.deepEqual([await told(id), await told(late)], [answerTo(long('drain')), answerTo('too late')])
    assert.equal(timesAsked(long('drain')), 1)
    assert.equal(answers([id, late]).length, 2)
  })

  await t.test('twenty questions asked while the gateway is down are answered once, in order', async () => {
    await claw.kill()
    const texts = Array.from({ length: 20 }, (_, n) => `queued ${n}`)
    const ids = []
    for (const text of texts) ids.push(await writes(text))
    const before = model.questions.length
    await claw.start()
    await told(ids.at(-1), 180_000)
    assert.deepEqual(model.questions.slice(before), texts)
    assert.deepEqual(
      answers(ids),
      ids.map((id, n) => [id, answerTo(texts[n])]),
    )
  })

  await t.test('no secret and no message reaches the log', () => {
    assert.doesNotMatch(agent.log, /dev-gateway-token|queued|panicked/)
    assert.ok(!agent.log.includes(home.key))
  })

  // The folder goes first when the test ends: nobody may write into it then.
  await Promise.all([agent.kill(), claw.kill()])
  assert.deepEqual([...model.faults, ...world.feishu.faults], [])
})
