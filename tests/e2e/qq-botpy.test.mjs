// qq-botpy-sdk, which bots written in Python speak through, as a peer that shares no code with the relay or with the fake: it
// signs what the Worker reads, reads what the fake signs, and sends to the fake what the Worker sends.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pythonTool } from '../../scripts/lib/tools.mjs'
import { createAccount, endsWell, startPlatformWorld } from './support/platform.mjs'
import { libraryOf } from './support/python.mjs'
import { signed, startQq } from './support/qq.mjs'
import { until } from './support/world.mjs'

const VERSION = '2.2.1'
const SCRIPT = 'qq_library.py'

const python = await pythonTool('qq-botpy-sdk', VERSION, { program: 'python' })
const skip = python === null && 'qq-botpy-sdk needs python3 with venv'

test('qq-botpy-sdk', { skip }, async (t) => {
  const world = await startPlatformWorld(t, async () => {
    const fake = await startQq()
    Object.assign(fake.account, { token_base: fake.url, streaming: true })
    return fake
  })
  const { fake, model } = world
  const bot = { app_id: fake.account.app_id, secret: fake.account.app_secret, url: fake.url }

  const library = libraryOf(python, SCRIPT, bot)
  const now = () => String(Math.floor(Date.now() / 1000))

  await t.test(
    'the Worker signs an address check as it does, and takes events that it signed, whatever the secret',
    async () => {
      for (const length of [1, 16, 28, 32, 33, 64]) {
        const secret = 'DG5g3B4j9X2KOErGnaOC0ocQE3shWLAfffVLB1rhYPG7must-not-leak-1234567'.slice(0, length)
        const id = `secret-${length}`
        fake.secret = secret
        await createAccount(world, fake.account, { id, app_secret: secret })
        const body = JSON.stringify({ op: 13, d: { plain_token: 'Arq0D5A61EgUu4OxUvOp', event_ts: now() } })
        const headers = { 'content-type': 'application/json' }
        const theirs = await library('receive', { secret, headers, body })
        const ours = await world.receive({ headers, body }, id)
        assert.deepEqual([ours.status, await ours.json()], [theirs.status, theirs.body])
        assert.equal(theirs.status, 200)

        const text = `signed by the library ${length}`
        const d = { id: `m-${length}`, author: { user_openid: 'USER_PY' }, content: text }
        const event = JSON.stringify({ op: 0, id: `e-${length}`, t: 'C2C_MESSAGE_CREATE', s: 1, d })
        const timestamp = now()
        const { signature } = await library('sign', { secret, text: timestamp + event })
        const signs = (by) => ({ ...headers, 'x-signature-timestamp': timestamp, 'x-signature-ed25519': by })
        assert.equal((await world.receive({ headers: signs(signature), body: event }, id)).status, 200)
        await until(() => model.questions.includes(text), text)
        const { signature: another } = await library('sign', { secret: `${secret}x`, text: timestamp + event })
        // The same 32 bytes: what follows them counts for nothing.
        assert.equal(
          (await world.receive({ headers: signs(another), body: event }, id)).status,
          length < 32 ? 401 : 200,
        )
      }
      fake.secret = bot.secret
    },
  )

  await t.test('it takes what the fake signs, and reads in it what the Worker answers', async () => {
    for (const [scope, target, author, options] of [
      ['c2c', 'USER_1', 'USER_1', { from: 'USER_1' }],
      ['group', 'GROUP_1', 'USER_1', { from: 'USER_1', group: 'GROUP_1' }],
      ['channel', '1001', 'USER_1', { from: 'USER_1', channel: '1001' }],
      ['dm', '2001', 'USER_1', { from: 'USER_1', dm: '2001' }],
    ]) {
      const text = `read as ${scope}`
      const request = fake.question(`r-${scope}`, text, options)
      const heard = await library('receive', request)
      assert.deepEqual([heard.status, heard.body], [200, JSON.parse(fake.ack)])
      const { text: content, ...message } = heard.message
      assert.deepEqual(message, { id: `r-${scope}`, scope, target, author })
      assert.ok(content.includes(text), content)
      assert.equal((await world.receive(request)).status, 200)
      assert.equal((await world.answered(text)).to, fake.chatOf(options))
    }
  })

  await t.test('what one of them refuses, the other does too', async () => {
    const good = fake.question('r-forged', 'forged')
    const { 'x-signature-ed25519': signature, 'x-signature-timestamp': time, ...others } = good.headers
    for (const [why, forged] of Object.entries({
      'another secret': signed(JSON.parse(good.body), { secret: 'another' }),
      'six minutes old': signed(JSON.parse(good.body), { at: Date.now() - 360_000 }),
      'no signature': { ...good, headers: others },
      'another time': { ...good, headers: { ...good.headers, 'x-signature-timestamp': String(Number(time) + 1) } },
      'another text': { ...good, body: good.body.replace('forged', 'f0rged') },
      'no hexadecimal': { ...good, headers: { ...good.headers, 'x-signature-ed25519': `z${signature.slice(1)}` } },
    })) {
      assert.equal((await library('receive', forged)).status, 401, why)
      assert.equal((await world.receive(forged)).status, 401, why)
    }
  })

  await t.test('it sends to the fake what the Worker sends', async () => {
    model.delayMs = 40
    model.answer = (question) => `${question}: ${'one word after another '.repeat(20)}**end**`
    await world.asks('w-group', 'to a group', { group: 'GROUP_W' })
    await world.asks('w-c2c', 'to one', { from: 'USER_W' })
    const isWhole = ({ text, isGrowing }) => text.endsWith('**end**') && !isGrowing
    const whole = (id) => fake.sent.find((message) => message.replyTo === id && isWhole(message))
    await until(() => whole('w-group') && whole('w-c2c'), 'both answers')
    const { body: message } = fake.calls.find(({ path }) => path === 'v2/groups/GROUP_W')
    const ours = fake.frames.filter(({ msg_id }) => msg_id === 'w-c2c')
    assert.ok(ours.length >= 3, `${ours.length} frames`)

    fake.question('l-group', 'to the library', { group: 'GROUP_L' })
    fake.question('l-c2c', 'to the library', { from: 'USER_L' })
    const again = { ...message, msg_id: 'l-group' }
    const answer = await library('send', { scope: 'groups', to: 'GROUP_L', message: again })
    assert.ok(answer.id, JSON.stringify(answer))
    assert.deepEqual(fake.calls.at(-1).body, again)
    const frames = ours.map(({ at, path, stream_msg_id, ...frame }) => ({ ...frame, msg_id: 'l-c2c' }))
    const before = fake.frames.length
    const { answers } = await library('frames', { to: 'USER_L', frames })
    assert.ok(
      answers.every(({ id }) => id === answers[0].id),
      JSON.stringify(answers),
    )
    const id = whole('w-c2c').id
    const theirs = fake.frames.slice(before).map(({ at, path, event_id, ...frame }) => {
      assert.equal(event_id, 'l-c2c')
      return { ...frame, msg_id: 'w-c2c', ...('stream_msg_id' in frame && { stream_msg_id: id }) }
    })
    assert.deepEqual(
      theirs,
      ours.map(({ at, path, ...frame }) => frame),
    )
    assert.equal(whole('l-c2c').text, whole('w-c2c').text)
  })

  await t.test('its client can use the API of the fake, which refuses it what QQ refuses', async () => {
    assert.equal((await library('login')).bot, true)
    fake.question('c-1', 'hello', { from: 'USER_C' })
    const message = { msg_type: 0, content: 'from the library', msg_id: 'c-1', msg_seq: 1 }
    const sends = (changes) => library('send', { scope: 'users', to: 'USER_C', message: { ...message, ...changes } })
    assert.ok((await sends()).id)
    assert.deepEqual(await sends(), { status: 400, code: 40054005 })
    assert.deepEqual(await sends({ msg_id: 'unknown' }), { status: 400, code: 40034024 })
    const pieces = ['It ', 'grows ', 'as ', 'it ', 'is ', 'made.']
    const stream = await library('stream', { to: 'USER_C', msg_id: 'c-1', msg_seq: 2, pieces })
    const grown = fake.sent.find(({ id }) => id === stream.id)
    assert.deepEqual([grown.text, grown.isGrowing], [pieces.join(''), false])
    assert.ok(grown.shown.length >= 3, `${grown.shown}`)

    const frame = (index, content_raw, more) => {
      const [input_mode, content_type] = ['replace', 'markdown']
      return { input_mode, input_state: 1, index, content_type, content_raw, msg_id: 'c-1', msg_seq: 3, ...more }
    }
    const { answers } = await library('frames', {
      to: 'USER_C',
      frames: [
        frame(0, 'a', { msg_seq: 2 }),
        frame(1, 'a'),
        frame(0, 'a'),
        frame(0, 'a b'),
        frame(1, 'b'),
        frame(1, 'a b', { msg_seq: 4 }),
        frame(1, 'a b', { input_state: 10 }),
        frame(2, 'a b c'),
      ],
    })
    assert.deepEqual(
      answers.map(({ code }) => code ?? 0),
      [40054005, 40113003, 0, 40113003, 40113003, 40113002, 0, 40113003],
    )
    const { answers: none } = await library('frames', { to: 'USER_OTHER', frames: [frame(0, 'a')] })
    assert.deepEqual(none, [{ status: 400, code: 40034024 }])
  })

  await t.test('the fake found nothing wrong', () => endsWell(world))
})
