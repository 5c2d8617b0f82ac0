// A person writes to a QQ bot; their own agent answers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { linksTo, picture, read, startFiles } from './support/files.mjs'
import { answerTo } from './support/model.mjs'
import {
  answersInParts,
  answersOnce,
  createAccount,
  endsWell,
  failsSaying,
  pairsStrangers,
  refusesCredentials,
  refusesForgeries,
  refusesOthers,
  renewsTheToken,
  saysWhyRefused,
  startPlatformWorld,
  triesAgain,
} from './support/platform.mjs'
import { isSigned, signed, startQq } from './support/qq.mjs'
import { until } from './support/world.mjs'

test('qq', async (t) => {
  const world = await startPlatformWorld(t, async () => {
    const fake = await startQq()
    fake.account.token_base = fake.url
    return fake
  })
  const { fake } = world

  await t.test('a bot is tried before it is kept', async () => {
    await refusesCredentials(world, { app_secret: 'x-must-not-leak' }, /^app_id, app_secret: QQ 100016: /)
    fake.isListed = false
    await refusesCredentials(world, {}, /11298: ip not in whitelist.*IP 白名单/)
    fake.isListed = true
  })

  await t.test('the address check is signed, and nothing that could be an event', async () => {
    const check = (d) => ({ op: 13, d })
    const harmless = { plain_token: 'Arq0D5A61EgUu4OxUvOp', event_ts: '1725442341' }
    const unsigned = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(check(harmless)) }
    for (const request of [unsigned, signed(check(harmless))]) {
      const response = await world.receive(request)
      const { plain_token, signature } = await response.json()
      assert.deepEqual([response.status, plain_token], [200, harmless.plain_token])
      assert.ok(isSigned(harmless.event_ts + harmless.plain_token, signature))
    }
    const event = JSON.stringify({ op: 0, t: 'C2C_MESSAGE_CREATE', d: { id: 'x', content: 'forged' } })
    const bait = (d) => ({ ...unsigned, body: JSON.stringify(check(d)) })
    await refusesForgeries(world, {
      'an event to sign': bait({ ...harmless, plain_token: event }),
      'the beginning of an event to sign': bait({ plain_token: 'x', event_ts: `1725442341${event}` }),
      'an event to sign, well signed': signed(check({ ...harmless, plain_token: event })),
      'no text to sign': bait({ ...harmless, plain_token: '' }),
      'signed by another': signed(check(harmless), { secret: 'another' }),
    })
  })

  await t.test('a question is answered once, as a reply', async () => {
    await answersOnce(world, { from: 'USER_BOB' })
    const [answer] = world.answers('once')
    assert.deepEqual([answer.isReply, answer.replyTo, answer.isMarkdown], [true, 'm-repeated', true])
  })

  await t.test('in groups, channels and private chats of guilds', async () => {
    await world.asks('m-group', 'in a group', { group: 'GROUP_1' })
    await world.asks('m-channel', 'in a channel <b>', { channel: '1001' })
    await world.asks('m-dm', 'in a guild alone', { dm: '2001' })
    assert.equal((await world.answered('in a group')).to, 'v2/groups/GROUP_1')
    assert.equal((await world.answered('in a channel <b>')).to, 'channels/1001')
    assert.equal((await world.answered('in a guild alone')).to, 'dms/2001')
    assert.ok(['in a group', 'in a channel <b>'].every((text) => world.model.questions.includes(text)))
  })

  await t.test('what does not mention the bot, or is said by one, is ignored', async () => {
    const d = { id: 'm-x', channel_id: '1001', guild_id: 'g1', author: { id: 'u' }, content: 'not for the bot' }
    const bot = { id: 'm-y', author: { user_openid: 'USER_BOT', bot: true }, content: 'not for the bot' }
    const group = { id: 'm-z', group_openid: 'G', author: { member_openid: 'u' }, content: 'not for the bot' }
    for (const request of [
      fake.event('MESSAGE_CREATE', d),
      fake.event('C2C_MESSAGE_CREATE', bot),
      fake.event('GROUP_MESSAGE_CREATE', group),
      fake.event('FRIEND_DEL', { openid: 'USER_ALICE', timestamp: 1 }),
    ]) {
      const response = await world.receive(request)
      assert.deepEqual([response.status, await response.text()], [200, fake.ack])
    }
    await world.ignored('not for the bot')
    await world.asks('m-mentioned', 'for the bot', { channel: '1001', t: 'MESSAGE_CREATE' })
    await world.answered('for the bot')
  })

  await t.test('a long answer comes in parts, each with a number of its own', async () => {
    const before = fake.calls.length
    await answersInParts(world, { chars: 7000, parts: 2, options: { from: 'USER_LONG' } })
    assert.equal(new Set(fake.calls.slice(before).map((call) => call.msg_seq)).size, 2)
  })

  await t.test('an expired access token is renewed once', () => renewsTheToken(world, (n) => ({ from: `USER_${n}` })))

  await t.test('a busy platform is tried again with the same number', async () => {
    const before = fake.calls.length
    await triesAgain(world, [
      { status: 429, body: { err_code: 22009, message: 'limit exceed' }, headers: { 'retry-after': '1' } },
      { status: 500, body: { err_code: 50055001, message: 'try again' } },
    ])
    const [first, second, third] = fake.calls.slice(before)
    assert.ok(second.at - first.at >= 1000)
    assert.deepEqual([second.msg_seq, third.msg_seq], [first.msg_seq, first.msg_seq])
  })

  await t.test('an answer that was taken although nothing was heard of it is there once', async () => {
    const before = fake.calls.length
    fake.losesNext = true
    await world.asks('m-lost', 'lost on the way back')
    await until(() => fake.calls.length - before === 2, 'the second try')
    await world.settles()
    assert.equal(world.answers('lost on the way back').length, 1)
    const { dead_letters: letters } = await world.call(world.token, 'GET', '/v1/dead-letters')
    assert.deepEqual(letters, [])
  })

  await t.test('a bot that may not send Markdown, or links, says it in other words, once', async () => {
    const answerOf = async (id, text) => {
      const before = fake.calls.length
      await world.asks(id, text, { from: 'USER_WAYS' })
      const answer = await until(() => fake.sent.find(({ replyTo }) => replyTo === id), `an answer to ${text}`)
      return [answer.text, answer.isMarkdown, fake.calls.length - before]
    }
    const link = 'https://example.com'
    fake.may.markdown = false
    assert.deepEqual(await answerOf('m-1', `**bold** ${link}`), [answerTo(`bold ${link}`), false, 2])
    fake.may = { markdown: true, links: false }
    assert.deepEqual(await answerOf('m-2', `see ${link}`), [answerTo('see example.com'), false, 2])
    // Neither: three ways, and no more.
    fake.may = { markdown: false, links: false }
    assert.deepEqual(await answerOf('m-3', `**and** ${link}`), [answerTo('and example.com'), false, 3])
    fake.next = [304036, 304003, 304003].map((err_code) => ({ status: 400, body: { err_code, message: 'no' } }))
    await failsSaying(world, `no way at all ${link}`, /304003/, { from: 'USER_WAYS', calls: 3 })
    fake.may = { markdown: true, links: true }
    await until(() => fake.sent.some(({ text }) => /未能送达.*304003/.test(text)), 'a word about it')
    assert.equal(fake.sent.filter(({ replyTo }) => /^m-[123]$/.test(replyTo)).length, 3)
  })

  await t.test('a long answer without Markdown is whole', async () => {
    fake.may.markdown = false
    await answersInParts(world, { chars: 6000, parts: 2, options: { from: 'USER_LONG_PLAIN', id: 'm-long-plain' } })
    fake.may.markdown = true
  })

  await t.test('an answer that is refused, or too late, says why', async () => {
    const refusal = { status: 400, body: { err_code: 40034006, message: 'content illegal' } }
    await saysWhyRefused(world, refusal, /40034006.*审核/)
    world.model.thinkMs = 400
    const late = failsSaying(world, 'too late', /40034025.*时间或次数/, { group: 'GROUP_LATE', id: 'm-late' })
    await until(() => world.model.questions.includes('too late'), 'the question')
    fake.cameBefore('m-late', 6 * 60_000)
    await late
  })

  await t.test('a bot that may write unasked answers late all the same', async () => {
    await createAccount(world, fake.account, { id: 'proactive', proactive: true })
    fake.may.proactive = true
    await world.asks('m-very-late', 'very late', { account: 'proactive' })
    await until(() => world.model.questions.includes('very late'), 'the question')
    fake.cameBefore('m-very-late', 61 * 60_000)
    const { isReply } = await world.answered('very late')
    assert.equal(isReply, false)
    world.model.thinkMs = 0
    fake.may.proactive = false
  })

  await t.test('it says hello, once, to a new friend and to a group that it is added to', async () => {
    const hears = async (id, options, words) => {
      const before = fake.sent.length
      for (let n = 0; n < 3; n += 1) {
        const response = await world.receive(fake.added(id, options))
        assert.deepEqual([response.status, await response.text()], [200, fake.ack])
      }
      const said = () => fake.sent.slice(before).filter(({ to }) => to === fake.chatOf(options))
      const [hello] = await until(() => said().length > 0 && said(), id)
      assert.match(hello.text, words)
      assert.equal(hello.replyTo, id)
      await sleep(300)
      assert.equal(said().length, 1)
    }
    await hears('FRIEND_ADD:1/a', { from: 'USER_NEW' }, /Hello! Write to me/)
    await hears('GROUP_ADD_ROBOT:2', { from: 'MEMBER_NEW', group: 'GROUP_NEW' }, /Hello! Mention me/)
    const policy = (changes) => world.call(world.token, 'PATCH', '/v1/admin/accounts/main', changes)
    await policy({ policy: 'pairing', default_user: '' })
    await hears('FRIEND_ADD:3', { from: 'USER_UNKNOWN' }, /We have not met.*code [0-9A-Z]{4}-/s)
    await policy({ policy: 'open', default_user: 'me' })
  })

  await t.test('a stranger is told a code', () => pairsStrangers(world, { from: 'USER_STRANGER' }))

  await t.test('forgeries are refused with the same words', async () => {
    const good = fake.question('m-forged', 'forged')
    const { 'x-signature-ed25519': signature, 'x-signature-timestamp': time, ...others } = good.headers
    const changed = (headers) => ({ ...good, headers: { ...good.headers, ...headers } })
    // The second half is a number: with the order of the group added it is the same signature once more.
    const twin = Buffer.from(signature, 'hex')
    twin[63] |= 0x80
    await refusesForgeries(world, {
      'another secret': signed(JSON.parse(good.body), { secret: 'another' }),
      'six minutes old': signed(JSON.parse(good.body), { at: Date.now() - 360_000 }),
      'no signature': { ...good, headers: others },
      'no time': { ...good, headers: { ...others, 'x-signature-ed25519': signature } },
      'another time': changed({ 'x-signature-timestamp': String(Number(time) + 1) }),
      'not hexadecimal': changed({ 'x-signature-ed25519': 'z'.repeat(128) }),
      'too short': changed({ 'x-signature-ed25519': 'ab' }),
      'no canonical number': changed({ 'x-signature-ed25519': twin.toString('hex') }),
      'another text': { ...good, body: good.body.replace('forged', 'f0rged') },
    })
  })

  await t.test('what is no event is refused', () =>
    refusesOthers(world, { methods: ['POST'], notRead: { 'no JSON': [signed('nothing'), 400] } }),
  )

  await t.test('files go both ways: QQ fetches them, and where it does not they are links', async () => {
    const files = await startFiles(world)
    const [photo, speech] = [picture(90_000), Buffer.from('RIFF\0\0\0\0WAVE speech')]
    const url = (path) => `${fake.url}${path}`
    fake.files.set('/download', { bytes: photo, type: 'image/png' })
    fake.files.set('/voice.wav', { bytes: speech })
    const receives = (id, options, ...attachments) =>
      files.receives(fake.question(id, '', options, { attachments }), id)

    const image = { content_type: 'image/png', filename: '图.png', size: photo.length, width: 1, url: url('/download') }
    const voice = {
      content_type: 'voice',
      filename: 'v.amr',
      url: url('/v.amr'),
      voice_wav_url: url('/voice.wav'),
      asr_refer_text: '说的话',
    }
    const both = await receives('f-both', {}, image, voice)
    assert.deepEqual([both.text, both.files.map(({ kind }) => kind)], ['说的话', ['image', 'audio']])
    assert.deepEqual([both.files[0].name, both.files[0].bytes], ['图.png', photo.length])
    await files.holds(both.files[0], photo, 'image/png')
    await files.holds(both.files[1], speech, 'audio/wav')
    const gone = await receives('f-gone', {}, { content_type: 'file', filename: 'x.zip', url: url('/v2/x') })
    assert.equal((await read(gone.files[0].url)).status, 404)

    const [plot, table] = [await files.upload(photo), Buffer.from('a,b\n')]
    const csv = await files.upload(table, { name: '表.csv', type: 'text/csv' })
    let before = fake.sent.length
    fake.expireToken()
    files.reply(both, 'here', [plot, csv])
    const [words, shown, saved] = await files.sent(before, 3)
    assert.deepEqual([words.text, shown.file.file_type, saved.file.file_type], ['here', 1, 4])
    assert.deepEqual([shown.file.name, saved.file.name], ['a.png', '表.csv'])
    assert.ok(shown.file.bytes.equals(photo) && saved.file.bytes.equals(table))

    // Refused, one is a link; where its address is refused, too, without https.
    before = fake.sent.length
    fake.nextUpload = [{ status: 400, body: { err_code: 850027, message: 'file too big' } }]
    files.reply(gone, '', [plot])
    const [link] = await files.sent(before, 1)
    await linksTo(link.text, photo)

    // Busy, one is asked again; the answer to the call is lost, and one arrives once.
    const group = await receives('f-group', { group: 'GROUP_FILES' }, image)
    before = fake.sent.length
    fake.nextUpload = [{ status: 500, body: { err_code: 50055001, message: 'again' } }]
    fake.losesNext = true
    files.reply(group, '', [plot])
    const [once] = await files.sent(before, 1)
    assert.ok(once.file.bytes.equals(photo))

    // Guilds show pictures alone.
    const channel = await receives('f-channel', { channel: '9001' }, image)
    before = fake.sent.length
    files.reply(channel, 'in a channel', [plot, csv])
    const [, inChannel, linked] = await files.sent(before, 3)
    assert.ok(inChannel.file.bytes.equals(photo))
    await linksTo(linked.text, table)
    files.close()
  })

  await t.test('the fakes found nothing wrong', () => endsWell(world))
})
