// A person writes to a Telegram bot; their own agent answers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { carryByAgent, linksTo, picture, read, startFiles } from './support/files.mjs'
import { answerTo } from './support/model.mjs'
import {
  answersInParts,
  answersOnce,
  endsWell,
  failsSaying,
  pairsStrangers,
  refusesCredentials,
  refusesForgeries,
  refusesOthers,
  saysWhyRefused,
  startPlatformWorld,
  triesAgain,
} from './support/platform.mjs'
import { NAME, startTelegram, update } from './support/telegram.mjs'
import { until } from './support/world.mjs'

test('telegram', async (t) => {
  const world = await startPlatformWorld(t, startTelegram)
  const { fake } = world

  await t.test('a bot is tried before it is kept', () =>
    refusesCredentials(world, { bot_token: '1:x-must-not-leak' }, /^bot_token: Telegram 401: Unauthorized$/),
  )

  await t.test('a question is answered once, as a reply', () => answersOnce(world, { from: '1002' }))

  await t.test('a long answer comes in parts of 4,096 characters', () =>
    answersInParts(world, { chars: 6000, parts: 2, options: { from: '1003' } }),
  )

  await t.test('an answer is HTML, and what looks like it is not', async () => {
    await world.asks('m-html', '**bold** & <i>not</i> `code`', { from: '1004' })
    const { text, raw } = await until(() => fake.sent.find(({ chat }) => chat === 1004), 'an answer')
    assert.equal(text, 'answer to: bold & <i>not</i> code 🚀 好的')
    assert.match(raw, /<b>bold<\/b> &amp; &lt;i&gt;not/)
  })

  await t.test('without markup if Telegram cannot read ours, once', async () => {
    fake.readsMarkup = false
    const before = fake.calls.length
    await world.asks('m-plain', '**bold** & <i>not</i>', { from: '1005' })
    const { raw } = await until(() => fake.sent.find(({ chat }) => chat === 1005), 'an answer')
    assert.equal(raw, 'answer to: bold & <i>not</i> 🚀 好的')
    assert.deepEqual(
      fake.calls.slice(before).map((call) => call.parse_mode),
      ['HTML', undefined],
    )
    await answersInParts(world, { chars: 5000, parts: 2, options: { from: '1006', id: 'm-long-plain' } })
    fake.readsMarkup = true
  })

  await t.test('in groups only what mentions the bot, commands it or replies to it', async () => {
    const options = { from: '1001', group: '-100200', topic: '7' }
    const says = async (id, fields) => {
      const response = await world.receive(update(fake.message(id, options, fields)))
      assert.deepEqual([response.status, await response.text()], [200, '{}'])
    }
    const replied = (username) => ({ message_id: 1, from: { id: 9, is_bot: true, username } })
    await says('g-1', { text: 'lunch? not for the bot' })
    await says('g-2', { text: `@${NAME}2 not for the bot` })
    await says('g-3', { text: 'not for the bot', reply_to_message: replied('other_bot') })
    await says('g-4', { text: `@${NAME.toUpperCase()} in a group` })
    await says('g-5', { text: 'as a reply', reply_to_message: replied(NAME) })
    await says('g-6', { caption: `under a picture @${NAME}`, photo: [] })
    // The model is told who wrote.
    assert.equal((await world.answered('Ada: in a group')).to, '-100200/7')
    await world.answered('Ada: as a reply')
    await world.answered('Ada: under a picture')
    await world.ignored('not for the bot')
  })

  await t.test('a busy platform is tried again after as long as it wants', () =>
    triesAgain(
      world,
      [
        {
          status: 429,
          body: { ok: false, error_code: 429, description: 'Too Many Requests', parameters: { retry_after: 1 } },
        },
        { status: 502, body: 'bad gateway' },
      ],
      { waitMs: 1000 },
    ),
  )

  await t.test('an answer that is refused says why', async () => {
    const body = { ok: false, error_code: 400, description: 'Bad Request: not enough rights' }
    await saysWhyRefused(world, { status: 400, body }, /Telegram 400: Bad Request: not enough rights/)
    fake.blocked.add(1007)
    await failsSaying(world, 'from someone who left', /403.*停用或移出/, { from: '1007' })
  })

  await t.test('a stranger is told a code', () => pairsStrangers(world, { from: '1008' }))

  await t.test('it says hello to who presses Start, and to a group that it is added to', async () => {
    const hears = async (request, to, words) => {
      const before = fake.sent.length
      assert.equal((await world.receive(request)).status, 200)
      const said = await until(() => fake.sent.slice(before).find((message) => message.to === to), words)
      assert.match(said.text, words)
      return said
    }
    await hears(fake.question('start-1', '/start', { from: '1010' }), '1010', /Hello! Write to me/)
    await hears(fake.question('start-2', '/start from-a-link', { from: '1011' }), '1011', /Hello! Write to me/)
    const said = await hears(fake.changed({ group: '-100700' }), '-100700', /Hello! Mention me/)
    assert.equal(said.replies_to, undefined)
    const before = fake.sent.length
    await world.receive(fake.changed({ group: '-100700', was: 'member', is: 'administrator' }))
    await world.receive(fake.changed({ group: '-100700', was: 'administrator', is: 'left' }))
    const policy = (changes) => world.call(world.token, 'PATCH', '/v1/admin/accounts/main', changes)
    await policy({ groups: 'listed' })
    await world.receive(fake.changed({ group: '-100701' }))
    await policy({ groups: 'any', policy: 'pairing', default_user: '' })
    await hears(fake.question('start-3', '/start', { from: '1012' }), '1012', /We have not met.*code [0-9A-Z]{4}-/s)
    await policy({ policy: 'open', default_user: 'me' })
    assert.deepEqual(
      fake.sent.slice(before).filter(({ to }) => to.startsWith('-')),
      [],
    )
    assert.ok(!world.model.questions.some((question) => question.includes('/start')))
  })

  await t.test('other updates are acknowledged and ignored', async () => {
    const asked = world.model.questions.length
    const bot = { id: 9, is_bot: true }
    for (const body of [
      { update_id: 1, edited_message: { message_id: 1, text: 'changed' } },
      { update_id: 2, my_chat_member: {} },
      fake.message('m-sticker', {}, { sticker: {} }),
      fake.message('m-bot', {}, { text: 'by a bot', from: bot }),
    ]) {
      assert.equal((await world.receive(update(body))).status, 200)
    }
    await world.settles()
    assert.equal(world.model.questions.length, asked + 1)
  })

  await t.test('forgeries are refused with the same words', async () => {
    const good = fake.question('m-forged', 'forged')
    const headers = { 'content-type': 'application/json' }
    await refusesForgeries(world, {
      'another secret': update(JSON.parse(good.body), 'another'),
      'an empty secret': update(JSON.parse(good.body), ''),
      'no secret': { ...good, headers },
    })
  })

  await t.test('what is no update is refused', () =>
    refusesOthers(world, {
      methods: ['POST'],
      notRead: {
        'no JSON': [{ body: 'nothing' }, 400],
        'no update': [{ body: '{"message":{}}' }, 400],
        'another type': [{ headers: { ...fake.question('m-x', 'x').headers, 'content-type': 'text/plain' } }, 415],
      },
    }),
  )

  await t.test('files go both ways, each as what it is, and the token stays secret', async () => {
    const files = await startFiles(world)
    const [photo, speech, table] = [picture(90_000), Buffer.from('OggS speech'), Buffer.from('a,b\n1,2\n')]
    fake.files.set('photo-big', { bytes: photo, path: 'photos/file_1.png' })
    fake.files.set('voice-1', { bytes: speech, path: 'voice/file_2.oga' })
    fake.files.set('doc-big', { bytes: Buffer.alloc(20_000_001), path: 'documents/file_3.bin' })
    const receives = (id, fields, options) => {
      const message = fake.message(id, options, fields)
      return files.receives(update(message), message.update_id)
    }
    const sizes = [{ file_id: 'photo-small' }, { file_id: 'photo-big', file_size: photo.length }]
    const group = { group: '-100500', topic: '9' }
    const image = await receives('f-image', { photo: sizes, caption: `@${NAME} look` }, group)
    assert.deepEqual([image.text, image.files.map(({ kind }) => kind)], ['look', ['image']])
    const ada = { kind: 'user', via: 'telegram', sender: '1001', name: 'Ada' }
    assert.deepEqual(image.from, { ...ada, group: true })
    await files.holds(image.files[0], photo, 'image/png')
    const voice = await receives('f-voice', { voice: { file_id: 'voice-1', mime_type: 'audio/ogg', duration: 1 } })
    assert.deepEqual([voice.text, voice.files[0].kind, voice.from], ['', 'audio', ada])
    await files.holds(voice.files[0], speech, 'audio/ogg')
    const document = await receives('f-big', { document: { file_id: 'doc-big', file_name: '大.bin' } })
    assert.equal(document.files[0].name, '大.bin')
    const said = await read(document.files[0].url)
    assert.deepEqual([said.status, /file is too big/.test(said.bytes)], [404, true], said.bytes.toString())
    for (const { url } of [image.files[0], voice.files[0], document.files[0]]) {
      const claims = Buffer.from(url.split('.').at(-2), 'base64url').toString()
      assert.ok(!claims.includes('must-not-leak'), claims)
    }

    let before = fake.sent.length
    files.reply(image, 'here', [
      await files.upload(photo, { name: '图 "1".png' }),
      await files.upload(speech, { name: 's.ogg', type: 'audio/ogg' }),
      await files.upload(table, { name: '表.csv', type: 'text/csv' }),
    ])
    const sent = await files.sent(before, 4)
    assert.deepEqual(
      sent.map(({ method, to }) => [method, to]),
      [undefined, 'sendPhoto', 'sendVoice', 'sendDocument'].map((method) => [method, '-100500/9']),
    )
    assert.deepEqual([sent[1].file.name, sent[3].file.name], ['图 "1".png', '表.csv'])
    for (const [at, bytes] of [
      [1, photo],
      [2, speech],
      [3, table],
    ])
      assert.ok(sent[at].file.bytes.equals(bytes))

    // Busy, it is asked again; refused, it is a link.
    before = fake.sent.length
    const refusal = { ok: false, error_code: 400, description: 'Bad Request: PHOTO_INVALID_DIMENSIONS' }
    const busy = { ok: false, error_code: 429, description: 'Too Many Requests', parameters: { retry_after: 1 } }
    fake.next = [
      { status: 429, body: busy },
      { status: 400, body: refusal },
    ]
    files.reply(voice, '', [await files.upload(photo)])
    const [link] = await files.sent(before, 1)
    await linksTo(link.raw, photo)

    // By an agent, too.
    const made = await carryByAgent(world)
    const far = await receives('f-far', { photo: sizes })
    await files.holds(far.files[0], photo, 'image/png')
    before = fake.sent.length
    files.reply(far, '', [await files.upload(table, { name: '远.csv', type: 'text/csv' })])
    const [carried] = await files.sent(before, 1)
    assert.deepEqual([carried.method, carried.file.name, made() >= 3], ['sendDocument', '远.csv', true])
    files.close()
  })

  await t.test('the fakes found nothing wrong', () => {
    endsWell(world)
    assert.ok(world.answers('once').every(({ text }) => text === answerTo('once')))
  })
})
