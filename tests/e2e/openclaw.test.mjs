// The channel plugin in a real OpenClaw gateway, from `plugins install` to an answer in Feishu, and what may happen on
// the way. Runs when CLAW_RELAY_OPENCLAW is set: a gateway takes 1.2 GB of memory, its installation 850 MB of disk.

import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT, run } from '../../scripts/lib/run.mjs'
import { openClaw } from '../../scripts/lib/tools.mjs'
import { MENTION_BOT, pressEvent } from './support/feishu.mjs'
import {
  answerTo,
  createOpenClaw,
  long,
  PATIENCE_MS,
  PICTURE,
  packPlugin,
  personIn,
  picturesIn,
  skip,
  startClawModel,
} from './support/openclaw.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

test('openclaw', { skip }, async (t) => {
  const openclaw = await openClaw()
  const world = await startFeishuWorld(t)
  const model = await startClawModel()
  t.after(() => model.close())
  const home = await createAgent(world, 'home')
  const office = await createAgent(world, 'office')
  const folder = join(world.folder, 'openclaw')
  mkdirSync(folder)
  const claw = await createOpenClaw(t, openclaw, folder, model, { OFFICE_KEY: office.key })
  const packed = await packPlugin(folder)

  const { writes, resource, device, seqOf, begun } = personIn(world)
  const told = (id, ms = PATIENCE_MS) =>
    until(() => world.feishu.repliesTo(id)[0]?.text, `an answer to ${id}:\n${claw.gateway?.output}`, ms)
  const connected = (account) =>
    until(
      () => claw.gateway.output.includes(`${account} is connected to`),
      `${account} to connect:\n${claw.gateway.output}`,
      PATIENCE_MS,
    )

  await t.test('an OpenClaw that does not fit is told so in a sentence', async () => {
    const other = join(folder, 'other')
    cpSync(join(ROOT, 'openclaw'), other, { recursive: true, filter: (path) => !path.includes('node_modules') })
    const manifest = JSON.parse(readFileSync(join(other, 'package.json'), 'utf8'))
    manifest.openclaw.compat.pluginApi = '>=2099.1.0'
    writeFileSync(join(other, 'package.json'), JSON.stringify({ ...manifest, scripts: {} }))
    await run('npm', ['pack', '--silent', '--pack-destination', other], { cwd: other })
    const archive = join(other, `${manifest.name}-${manifest.version}.tgz`)
    const refused = await claw.cli('plugins', 'install', `npm-pack:${archive}`, '--force', '--accept-capabilities')
    assert.notEqual(refused.code, 0)
    assert.match(refused.output, /requires plugin API >=2099\.1\.0, but this OpenClaw runtime exposes 2026/)
    assert.doesNotMatch(refused.output, /\n\s+at /)
  })

  await t.test('the packed plugin is installed and set up by the command line', async () => {
    const installed = await claw.cli('plugins', 'install', `npm-pack:${packed}`, '--force', '--accept-capabilities')
    assert.equal(installed.code, 0, installed.output)
    const add = ['channels', 'add', '--channel', 'claw-relay']
    const wrong = await claw.cli(...add, '--relay-url', 'relay', '--token', home.key)
    assert.notEqual(wrong.code, 0)
    assert.match(wrong.output, /--relay-url is no address \(relay\): write the address of the relay, such as https:/)
    const added = await claw.cli(...add, '--relay-url', world.url, '--token', home.key)
    assert.equal(added.code, 0, added.output)
    assert.equal(claw.config().channels['claw-relay'].relayUrl, world.url)
  })

  await t.test('whoever OpenClaw does not know gets a code, and is let in with it', async () => {
    await claw.start()
    await connected('default')
    const [, code] = /openclaw pairing approve claw-relay ([A-Z0-9]{8})/.exec(await told(await writes('hello'))) ?? []
    assert.ok(code)
    assert.deepEqual(model.questions, [])
    const approved = await claw.cli('pairing', 'approve', 'claw-relay', code)
    assert.equal(approved.code, 0, approved.output)
    assert.equal(await told(await writes('hello again')), answerTo('hello again'))
  })

  await t.test('an answer is shown while it is made', async () => {
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
  })

  await t.test('/stop ends the turn and what waits behind it, and the next one is answered', async () => {
    const page = await device()
    // Left alone, it would take half a minute.
    model.delayMs = 750
    const id = await writes(long('stop'))
    const seq = await seqOf(page, id)
    await begun(page, seq)
    const behind = await writes('behind it')
    const began = Date.now()
    assert.match(await told(await writes('/stop')), /Stopped: 2/)
    await until(() => model.streaming === 0, 'the model to be left alone')
    assert.ok(Date.now() - began < 10_000, `${Date.now() - began} ms`)
    model.delayMs = 0
    assert.equal(await told(await writes('after it')), answerTo('after it'))
    assert.deepEqual([world.feishu.repliesTo(id), world.feishu.repliesTo(behind)], [[], []])
    assert.ok(!model.questions.includes('behind it'))
    await page.close()
  })

  await t.test("OpenClaw's own commands work, and /new forgets", async () => {
    assert.match(await told(await writes('//whoami')), /feishu:ou_alice/)
    const contexts = []
    model.onQuestion = (messages) => contexts.push(messages.filter(({ role }) => role === 'assistant').length)
    await told(await writes('before'))
    await told(await writes('/new'))
    assert.equal(await told(await writes('anew')), answerTo('anew'))
    model.onQuestion = undefined
    assert.ok(contexts[0] > 0, `${contexts}`)
    assert.equal(contexts[1], 0, `${contexts}`)
  })

  await t.test('media go both ways', async () => {
    const shown = []
    const texts = []
    model.onQuestion = (messages) => {
      shown.push(...picturesIn(messages))
      texts.push(JSON.stringify(messages.slice(1)))
    }
    resource('image', 'img_v3_red', PICTURE, 'image/png')
    await told(await writes('', { type: 'image', content: { image_key: 'img_v3_red' } }))
    assert.equal(shown.length, 1)
    assert.match(shown[0], /^data:image\/(png|jpeg);base64,/)
    // What no model is shown is told by where it is, and what cannot be had by why.
    resource('file', 'file_v3_b', Buffer.from('%PDF-1.7 '.repeat(30)), 'application/pdf')
    await told(await writes('', { type: 'file', content: { file_key: 'file_v3_b', file_name: 'b.pdf' } }))
    assert.match(texts.at(-1), /media attached: \S+\.pdf \(application\/pdf\)/)
    await told(await writes('', { type: 'file', content: { file_key: 'file_v3_gone', file_name: 'gone.txt' } }))
    assert.match(texts.at(-1), /\[file: gone\.txt, file — not received: HTTP 404: .*Feishu 234003/)
    model.onQuestion = undefined

    writeFileSync(join(folder, 'ws', 'plot.png'), PICTURE)
    const id = await writes('send: ./plot.png')
    const sent = () => world.feishu.replies.filter(({ type }) => type === 'image')
    await until(() => sent().length === 1, `a picture:\n${claw.gateway.output}`, PATIENCE_MS)
    assert.equal(world.feishu.repliesTo(id)[0].text, 'Here it is.')
    assert.ok(sent()[0].file.bytes.equals(PICTURE))
    const denied = await told(await writes('send: /etc/hostname'))
    assert.match(denied, /hostname/)

    // From a process without a connection, unasked.
    const push = ['message', 'send', '--channel', 'claw-relay', '--target', 'feishu:main:oc_1', '--message', 'look']
    const pushed = await claw.cli(...push, '--media', join(folder, 'ws', 'plot.png'))
    assert.equal(pushed.code, 0, pushed.output)
    await until(() => sent().length === 2, `the picture that was pushed:\n${pushed.output}`)
    assert.ok(sent()[1].file.bytes.equals(PICTURE))
  })

  await t.test('a group is one: a session for all in it, who wrote, that they meant the bot, and who may', async () => {
    const team = { chat: 'oc_team', group: true, mentions: [MENTION_BOT] }
    const says = (by, text) => writes(`@_user_1 ${text}`, { ...team, by })
    const reconfigured = async (change) => {
      const from = claw.gateway.output.length
      claw.configure(({ channels }) => change(channels['claw-relay']))
      // OpenClaw may still have been about an earlier change.
      const since = () => claw.gateway.output.slice(from).split('evaluating reload (channels.claw-relay')[1] ?? ''
      const isDone = () => /hot reload applied/.test(since()) && /default is connected to/.test(since())
      await until(isDone, 'the channel to start again', PATIENCE_MS)
    }
    const hears = (id, pattern) =>
      until(
        () => world.feishu.repliesTo(id).some(({ text }) => pattern.test(text)),
        `${pattern}:\n${claw.gateway.output}`,
        PATIENCE_MS,
      )
    const seen = []
    /** What the model reads; some of it is JSON within JSON. */
    const read = ({ content }) =>
      [content]
        .flat()
        .map((part) => part?.text ?? part)
        .join('\n')
        .replaceAll('\\', '')
    model.onQuestion = (messages) => seen.push(messages.map(read).join('\n\n'))

    // Whoever was let in in private may ask here too; others are told so, and the model is not.
    assert.equal(await told(await says('ou_alice', 'the code word is plum')), answerTo('the code word is plum'))
    const fact = (name, value) => new RegExp(`"${name}":${value}`)
    assert.match(seen[0], fact('is_group_chat', true))
    assert.match(seen[0], fact('was_mentioned', true))
    assert.match(seen[0], fact('id', '"feishu:ou_alice"'))
    assert.match(seen[0], fact('group_subject', '"feishu:main:oc_team"'))
    assert.match(
      await told(await says('ou_bob', 'and who am I?')),
      /group_policy_not_allowlisted\): write to it in private first, or see groupPolicy/,
    )
    assert.equal(seen.length, 1)

    await reconfigured((section) => (section.groupPolicy = 'open'))
    assert.equal(await told(await says('ou_bob', 'hello from bob')), answerTo('hello from bob'))
    assert.match(seen[1], /the code word is plum/, 'one session')
    assert.match(seen[1], fact('id', '"feishu:ou_bob"'))
    await told(await writes('in private'))
    assert.doesNotMatch(seen[2], /plum|is_group_chat/)
    assert.match(await told(await says('ou_alice', '//status')), /claw-relay:group:feishu:main:oc_team/)

    // Asked in the group, decided there by somebody whom OpenClaw knows.
    const id = await says('ou_bob', 'run: uname -s')
    const card = await until(
      () => world.feishu.replies.find(({ card, text }) => card && text.includes('uname -s')),
      `a card:\n${claw.gateway.output}`,
      PATIENCE_MS,
    )
    const [allow] = card.card.buttons
    await world.webhook(pressEvent(allow.value, { chat: 'oc_team', by: 'ou_alice', message: card.id }))
    await hears(card.id, /allow-once submitted/)
    await hears(id, /^it printed: Linux/)
    assert.match(await told(await says('ou_bob', '//whoami')), /control_command_unauthorized/)

    // What is said unasked.
    const target = ['--channel', 'claw-relay', '--target', 'group:feishu:main:oc_team']
    const sent = await claw.cli('message', 'send', ...target, '--message', 'tea is ready')
    assert.equal(sent.code, 0, sent.output)
    await until(() => world.feishu.replies.some(({ text }) => text === 'tea is ready'), 'what was said unasked')

    // The user's own page, in that conversation: the same session.
    const page = await device()
    page.ask('m-team', 'from the page', 'feishu:main:oc_team')
    const asked = await until(() => [...page.messages.values()].find(({ id }) => id === 'm-team'), 'the question')
    await until(() => page.answerTo(asked.seq), 'the answer on the page', PATIENCE_MS)
    assert.match(seen.at(-1), /the code word is plum/)

    // Whoever may ask may begin anew: that is the relay's command.
    await told(await says('ou_bob', '/new'))
    assert.equal(await told(await says('ou_bob', 'anew')), answerTo('anew'))
    assert.doesNotMatch(seen.at(-1), /plum/)

    await reconfigured((section) => (section.groupPolicy = 'disabled'))
    const count = seen.length
    const quiet = await says('ou_alice', 'are you there?')
    const seq = await seqOf(page, quiet)
    await until(() => page.states.get(seq) === 'replied', 'the state', PATIENCE_MS)
    assert.deepEqual([world.feishu.repliesTo(quiet), seen.length], [[], count])
    assert.equal(await told(await writes('and here?')), answerTo('and here?'))
    await reconfigured((section) => delete section.groupPolicy)
    model.onQuestion = undefined
    await page.close()
  })

  await t.test('two accounts, one of them with its key in a variable, while the gateway runs', async () => {
    claw.configure(({ channels }) => {
      const section = channels['claw-relay']
      section.accounts = {
        default: { token: section.token },
        office: { token: `\${OFFICE_KEY}`, dmPolicy: 'open', allowFrom: ['*'] },
        guest: { token: 'no-key' },
      }
      delete section.token
    })
    await connected('office')
    await until(() => /guest does not connect .*the relay does not take the key/.test(claw.gateway.output), 'a refusal')
    const page = await device()
    const both = [await writes('@home to one'), await writes('@office to the other')]
    for (const id of both) await told(id)
    const answers = both.map(async (id) => {
      const seq = await seqOf(page, id)
      return until(() => page.answerTo(seq), `the answer to ${id} on the page`)
    })
    const authors = (await Promise.all(answers)).map((answer) => answer.from.id)
    assert.deepEqual(authors, [home.id, office.id])
    await page.close()
  })

  await t.test('a gateway killed in the middle of a turn answers when it is back, once', async () => {
    const page = await device()
    model.delayMs = 150
    const id = await writes(long('kill'))
    await begun(page, await seqOf(page, id))
    await claw.kill()
    model.delayMs = 0
    await page.close()
    await claw.start()
    // OpenClaw itself may say first that it goes on.
    const answers = () => world.feishu.repliesTo(id).filter(({ text }) => text === answerTo(long('kill')))
    await until(() => answers().length > 0, 'the answer', PATIENCE_MS)
    await told(await writes('and on'))
    assert.equal(answers().length, 1)
  })

  await t.test('a relay killed in the middle of a turn gets the answer when it is back, once', async () => {
    const page = await device()
    model.delayMs = 150
    const id = await writes(long('relay'))
    await begun(page, await seqOf(page, id))
    await world.kill()
    await sleep(1000)
    await world.restart()
    assert.equal(await told(id), answerTo(long('relay')))
    model.delayMs = 0
    await told(await writes('and on again'))
    assert.equal(world.feishu.repliesTo(id).length, 1)
    // The turn went on all the while.
    assert.equal(model.questions.filter((question) => question === long('relay')).length, 1)
  })

  await t.test('what is asked while a gateway comes to its end is answered by the next one', async () => {
    const page = await device()
    // Long enough for a busy machine to tell the gateway in the middle of it.
    model.delayMs = 400
    const id = await writes(long('drain'))
    await begun(page, await seqOf(page, id))
    claw.gateway.child.kill('SIGTERM')
    await until(() => claw.gateway.output.includes('draining active work'), 'the gateway to drain')
    const late = [await writes('too late'), await writes('elsewhere', { chat: 'oc_2' })]
    assert.equal(await claw.gateway.exited, 0)
    model.delayMs = 0
    assert.equal(await told(id), answerTo(long('drain')))
    await page.close()
    await claw.start()
    assert.deepEqual([await told(late[0]), await told(late[1])], [answerTo('too late'), answerTo('elsewhere')])
    assert.deepEqual(
      [id, ...late].map((id) => world.feishu.repliesTo(id).length),
      [1, 1, 1],
    )
  })

  await t.test('the newest connection of an account wins, and is not fought', async () => {
    const headers = { authorization: `Bearer ${home.key}` }
    const address = `${world.url.replace('http', 'ws')}/v1/ws`
    const other = new WebSocket(address, { protocols: ['claw-relay.v1'], headers })
    other.addEventListener('open', () => other.send('{"type":"hello"}'))
    await until(() => claw.gateway.output.includes('another gateway connected with this key'), 'the other one to win')
    await sleep(2000)
    assert.equal(other.readyState, WebSocket.OPEN)
    other.close()
  })

  await t.test('fifty questions asked while the gateway is down are answered once, in order', async () => {
    await claw.kill()
    const texts = Array.from({ length: 50 }, (_, n) => `queued ${n}`)
    const ids = []
    for (const text of texts) ids.push(await writes(text))
    const before = model.questions.length
    await claw.start()
    await told(ids.at(-1), 180_000)
    assert.deepEqual(model.questions.slice(before), texts)
    const answers = world.feishu.replies.filter((reply) => ids.includes(reply.messageId))
    assert.deepEqual(
      answers.map((reply) => [reply.messageId, reply.text]),
      ids.map((id, n) => [id, answerTo(texts[n])]),
    )
  })

  await t.test('the plugin leaves nothing in the config when it is uninstalled', async () => {
    await claw.kill()
    const gone = await claw.cli('plugins', 'uninstall', 'claw-relay', '--force')
    assert.equal(gone.code, 0, gone.output)
    assert.equal(claw.config().channels?.['claw-relay'], undefined)
    assert.equal((await claw.cli('config', 'validate')).code, 0)
  })

  assert.deepEqual([...model.faults, ...world.feishu.faults], [])
})
