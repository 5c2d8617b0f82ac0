// A reader writes to a WeChat official account; their own agent answers by customer-service messages.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { carryByAgent, linksTo, picture, read, startFiles } from './support/files.mjs'
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
import { addressCheck, PLAIN, signed, startWechat } from './support/wechat.mjs'
import { opened, sealed, xml } from './support/wecom.mjs'
import { until } from './support/world.mjs'

test('wechat', async (t) => {
  const world = await startPlatformWorld(t, startWechat)
  const { fake } = world
  await createAccount(world, PLAIN)

  await t.test('an account is tried before it is kept', async () => {
    await refusesCredentials(world, { app_secret: 'x-must-not-leak' }, /^app_id, app_secret: WeChat 40125: /)
    fake.isListed = false
    fake.expireToken()
    await refusesCredentials(world, {}, /40164: invalid ip 203\.0\.113\.7.*IP 白名单/)
    fake.isListed = true
  })

  await t.test('the address check is answered with its echo, and only if that is harmless', async () => {
    for (const id of ['main', 'plain']) {
      const response = await world.receive(addressCheck('5838479218127813673'), id)
      assert.deepEqual([response.status, await response.text()], [200, '5838479218127813673'])
    }
    await refusesForgeries(world, {
      'another token': addressCheck('echo', 'another'),
      'a page': addressCheck('<script>alert(1)</script>'),
    })
  })

  await t.test('a question is answered once, by a message to whoever asked', () => answersOnce(world, { from: 'oBob' }))

  await t.test('in plain mode, too', async () => {
    await world.asks('m-plain', 'plain words', { plain: true, account: 'plain' })
    assert.equal((await world.answered('plain words')).to, 'oAlice')
  })

  await t.test('a long answer comes in parts of 2,048 bytes', () =>
    answersInParts(world, { chars: 2000, parts: 2, options: { from: 'oReader' } }),
  )

  await t.test('one message of five is left, and a longer answer says that it was cut', async () => {
    await world.asks('m-longer', `longer ${'字'.repeat(4000)}`, { from: 'oLong' })
    const parts = () => fake.sent.filter((message) => message.to === 'oLong')
    await until(() => parts().some(({ text }) => /截断/.test(text)), 'the end of a long answer')
    assert.equal(parts().length, 4)
    assert.ok(parts().every(({ text }) => Buffer.byteLength(text) <= 2048))
  })

  await t.test('links are shown as words with an address, and no others than ours', async () => {
    await world.asks('m-link', 'see [this](https://example.com/x) <a href="weixin://x">that</a>', { from: 'oLink' })
    const { text } = await until(() => fake.sent.find((message) => message.to === 'oLink'), 'an answer')
    assert.ok(text.includes('<a href="https://example.com/x">this</a> ＜a href="weixin://x">'), text)
  })

  await t.test('an expired access token is renewed once', () => renewsTheToken(world, (n) => ({ from: `oMember${n}` })))

  await t.test('a busy platform is tried again', () =>
    triesAgain(world, [
      { status: 200, body: { errcode: -1, errmsg: 'system error' } },
      { status: 200, body: { errcode: 45011, errmsg: 'api minute-quota reach limit' } },
    ]),
  )

  await t.test('an answer that is refused says why', async () => {
    await saysWhyRefused(world, { status: 200, body: { errcode: 48002, errmsg: 'user refuses' } }, /48002/)
    world.model.thinkMs = 400
    const late = failsSaying(world, 'two days late', /45015.*48 小时/, { from: 'oLate' })
    await until(() => world.model.questions.includes('two days late'), 'the question')
    fake.wroteBefore('oLate', 49 * 3_600_000)
    await late
    world.model.thinkMs = 0
    fake.isVerified = false
    await failsSaying(world, 'not verified', /48001.*customer_service/)
    fake.isVerified = true
  })

  await t.test('an account without customer-service messages says that it cannot answer by a call', async () => {
    await createAccount(world, fake.account, { id: 'unverified', customer_service: false })
    const before = fake.calls.length
    await failsSaying(world, 'no way back', /不能发客服消息/, { account: 'unverified' })
    assert.equal(fake.calls.length, before)
  })

  await t.test('a stranger is told a code', () => pairsStrangers(world, { from: 'oStranger' }))

  await t.test('speech is a question as WeChat wrote it down; events are ignored', async () => {
    const voice = { MsgType: 'voice', MediaId: 'm', Format: 'amr' }
    const asked = world.model.questions.length
    for (const fields of [
      { ...voice, Recognition: '说的话', MsgId: 'm-voice-1' },
      { MsgType: 'event', Event: 'unsubscribe', EventKey: '' },
    ]) {
      const response = await world.receive(fake.callback(fields))
      assert.deepEqual([response.status, await response.text()], [200, 'success'])
    }
    await world.answeredWithFile('说的话')
    await world.settles()
    assert.equal(world.model.questions.length, asked + 2)
  })

  await t.test('forgeries are refused with the same words', async () => {
    const { account } = fake
    const text = xml({ ToUserName: 'gh', FromUserName: 'oAlice', MsgType: 'text', Content: 'forged', MsgId: '1' })
    const good = fake.question('m-forged', 'forged')
    const headers = { 'content-type': 'text/xml' }
    await refusesForgeries(world, {
      'another token': sealed(account, account.app_id, text, { token: 'another' }),
      'for another account': sealed(account, 'wx9999999999999999', text),
      'two hours old': sealed(account, account.app_id, text, { at: Date.now() - 7_200_000 }),
      'another text': { ...good, body: good.body.replace('<Encrypt><![CDATA[', '<Encrypt><![CDATA[AAAA') },
      'plain in safe mode, well signed': { query: signed(account.token), headers, body: text },
    })
    await refusesForgeries(
      world,
      {
        'plain, another token': { query: signed('another'), headers, body: text },
        'plain, six minutes old': { query: signed(account.token, Date.now() - 360_000), headers, body: text },
        'plain, no signature': { query: '', headers, body: text },
      },
      'plain',
    )
  })

  await t.test('what is no callback is refused', () =>
    refusesOthers(world, { methods: ['GET', 'POST'], notRead: { 'no XML': [{ body: 'nothing' }, 401] } }),
  )

  await t.test('files go both ways: pictures as they are, others as links', async () => {
    const files = await startFiles(world)
    const [photo, speech, film] = [
      picture(90_000),
      Buffer.from('#!AMR\n speech'),
      Buffer.from('\0\0\0\x18ftypmp42 film'),
    ]
    fake.files.set('/mmbiz/photo/0', { bytes: photo, type: 'image/png' })
    fake.files.set('voice-1', { bytes: speech, type: 'audio/amr' })
    fake.files.set('video-1', { video_url: `${fake.url}/film?vkey=1` })
    fake.files.set('/film', { bytes: film, type: 'video/mp4' })
    const receives = (fields) => files.receives(fake.callback(fields), fields.MsgId)

    const PicUrl = `${fake.url}/mmbiz/photo/0`
    const image = await receives({ MsgType: 'image', PicUrl, MediaId: 'image-1', MsgId: 'f-image' })
    assert.deepEqual([image.text, image.files.length, image.files[0].kind], ['', 1, 'image'])
    await files.holds(image.files[0], photo, 'image/png')
    fake.expireToken()
    const voice = await receives({
      MsgType: 'voice',
      MediaId: 'voice-1',
      Format: 'amr',
      Recognition: '说的话',
      MsgId: 'f-v',
    })
    assert.deepEqual([voice.text, voice.files[0].kind], ['说的话', 'audio'])
    await files.holds(voice.files[0], speech, 'audio/amr')
    const video = await receives({ MsgType: 'video', MediaId: 'video-1', ThumbMediaId: 't', MsgId: 'f-video' })
    await files.holds(video.files[0], film, 'video/mp4')
    const gone = await receives({ MsgType: 'shortvideo', MediaId: 'video-2', ThumbMediaId: 't', MsgId: 'f-gone' })
    const said = await read(gone.files[0].url)
    assert.deepEqual([said.status, /40007/.test(said.bytes)], [404, true], said.bytes.toString())

    const before = fake.sent.length
    const table = Buffer.from('a,b\n')
    files.reply(image, 'here', [
      await files.upload(photo, { name: '图 "1".png' }),
      await files.upload(table, { name: 'a.csv', type: 'text/csv' }),
    ])
    const [words, sent, link] = await files.sent(before, 3)
    assert.deepEqual([words.text, sent.file.name, sent.file.type], ['here', '图 "1".png', 'image/png'])
    assert.ok(sent.file.bytes.equals(photo))
    assert.match(link.text, /^📎 <a href="http[^"]+">a\.csv<\/a>$/)
    await linksTo(link.text, table)

    // An account that answers in its callbacks alone gives links there, one for each word of the reader.
    await createAccount(world, fake.account, { id: 'bare', passive: true, customer_service: false })
    const calls = fake.calls.length
    const told = async (id, text) =>
      (await world.receive({ ...fake.question(id, text, { plain: false }) }, 'bare')).text()
    const asked = told('f-bare', 'draw')
    files.reply(await files.asked('wechat:bare:f-bare'), 'drawn', [
      await files.upload(photo),
      await files.upload(table),
    ])
    assert.match(opened(fake.account, await asked), /drawn\n\n（发送“继续”/)
    const next = (id, pattern) =>
      until(async () => {
        const reply = opened(fake.account, await told(`${id}-${Date.now()}`, '继续'))
        return pattern.test(reply) && reply
      }, id)
    await linksTo(await next('f-first', /📎.*a\.png[\s\S]*（发送“继续”/), photo)
    const last = await next('f-second', /📎/)
    assert.ok(!/发送/.test(last), last)
    await linksTo(last, table)
    assert.equal(fake.calls.length, calls)

    // By an agent, from its address: it brings what the API has, also where that says that a video is elsewhere.
    const made = await carryByAgent(world)
    const far = await receives({ MsgType: 'video', MediaId: 'video-1', ThumbMediaId: 't', MsgId: 'f-far' })
    await files.holds(far.files[0], film, 'video/mp4')
    const near = await receives({ MsgType: 'voice', MediaId: 'voice-1', Format: 'amr', MsgId: 'f-near' })
    await files.holds(near.files[0], speech, 'audio/amr')
    assert.ok(made() >= 2)
    const sentBefore = fake.sent.length
    files.reply(far, '', [await files.upload(photo, { name: '远.png' })])
    const [carried] = await files.sent(sentBefore, 1)
    assert.ok(carried.file.name === '远.png' && carried.file.bytes.equals(photo))
    files.close()
  })

  await t.test('the fakes found nothing wrong', () => endsWell(world))
})
