// A member of a company writes to a WeCom app, or to an AI bot; their own agent answers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { linksTo, picture, read, startFiles } from './support/files.mjs'
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
import { must, serve } from './support/server.mjs'
import { addressCheck, sealed, startWecom, startWecomBot, xml } from './support/wecom.mjs'
import { until } from './support/world.mjs'

test('wecom', async (t) => {
  const world = await startPlatformWorld(t, startWecom)
  const { fake } = world

  await t.test('an app is tried before it is kept, and a refusal names its own fields', async () => {
    await refusesCredentials(world, { secret: 'x-must-not-leak' }, /^corp_id, agent_id, secret: WeCom 40001: /)
    await refusesCredentials(world, { agent_id: 7 }, /^corp_id, agent_id, secret: WeCom 40056: invalid agentid$/)
    fake.isTrusted = false
    await refusesCredentials(world, {}, /60020: not allow to access from your ip.*企业可信IP/)
    fake.isTrusted = true
  })

  await t.test('the address check is answered with the bare text, within a second', async () => {
    const began = Date.now()
    const response = await world.receive(addressCheck(fake, '1616140317555161061'))
    assert.deepEqual([response.status, await response.text()], [200, '1616140317555161061'])
    assert.ok(Date.now() - began < 1000)
  })

  await t.test('the account `default` is where older gateways have their callback', async () => {
    await createAccount(world, { ...fake.account, id: 'default' })
    const { query, headers, body } = fake.question('m-older', 'older')
    const response = await fetch(`${world.url}/wecom?${query}`, { method: 'POST', headers, body })
    assert.equal(response.status, 200)
    await world.answered('older')
    const check = addressCheck(fake, '42')
    const checked = await fetch(`${world.url}/wecom?${check.query}`)
    assert.deepEqual([checked.status, await checked.text()], [200, '42'])
  })

  await t.test('a question is answered once, by a message to whoever asked', () => answersOnce(world, { from: 'bob' }))

  await t.test('answers are Markdown, as far as WeCom shows it', async () => {
    await world.asks('m-markdown', '**bold** ~~gone~~')
    await world.settles()
    const { text, msgtype } = fake.sent.find((message) => message.text.includes('bold'))
    assert.deepEqual([text, msgtype], ['answer to: **bold** gone 🚀 好的', 'markdown'])
  })

  await t.test('the same words again are said again, though WeCom drops what is the same', async () => {
    await world.asks('m-same-1', 'same', { from: 'member8' })
    await world.asks('m-same-2', 'same', { from: 'member8' })
    await world.asks('m-same-3', 'other', { from: 'member8' })
    await world.answered('other')
    assert.equal(world.answers('same').length, 2)
  })

  await t.test('a long answer comes in parts of 2,048 bytes', () => answersInParts(world, { chars: 2000, parts: 2 }))

  await t.test('an expired access token is renewed once', () => renewsTheToken(world))

  await t.test('a busy platform is tried again', () =>
    triesAgain(world, [
      { status: 200, body: { errcode: -1, errmsg: 'system busy' } },
      { status: 502, body: { errcode: 45009, errmsg: 'api freq out of limit' } },
    ]),
  )

  await t.test('an answer that is refused says why', async () => {
    await saysWhyRefused(world, { status: 200, body: { errcode: 48002, errmsg: 'api forbidden' } }, /48002.*权限/)
    await failsSaying(world, 'out of sight', /81013.*可见范围/, { from: 'outsider' })
    fake.isTrusted = false
    await failsSaying(world, 'from elsewhere', /60020.*企业可信IP/)
    fake.isTrusted = true
  })

  await t.test('calls may go by a proxy with an address that WeCom trusts', async () => {
    fake.isTrusted = false
    let passed = 0
    const proxy = await serve(async ({ url, method, headers }, body, response) => {
      must(url.startsWith('/secret-path/'), url)
      passed += 1
      const answer = await fetch(fake.url + url.slice('/secret-path'.length), {
        method,
        headers: { 'content-type': headers['content-type'], 'x-from': 'a trusted address' },
        body: body || null,
      })
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
    })
    t.after(() => proxy.close())
    await createAccount(world, fake.account, { id: 'proxied', api_base: `${proxy.url}/secret-path` })
    await world.asks('m-proxied', 'by a proxy', { account: 'proxied' })
    await world.answered('by a proxy')
    // Trying the account: a token and the app. Answering: a token of its own, the message, and who asked.
    await until(() => passed >= 5, 'all calls')
    assert.deepEqual([passed, proxy.faults], [5, []])
    fake.isTrusted = true
  })

  await t.test('a stranger is told a code', () => pairsStrangers(world, { from: 'stranger' }))

  await t.test('forgeries are refused with the same words', async () => {
    const text = xml({ ToUserName: 'x', FromUserName: 'alice', MsgType: 'text', Content: 'forged', MsgId: '1' })
    const good = fake.question('m-forged', 'forged')
    const { account } = fake
    await refusesForgeries(world, {
      'another token': sealed(account, account.corp_id, text, { token: 'another' }),
      'another key': sealed({ ...account, encoding_aes_key: 'A'.repeat(43) }, account.corp_id, text),
      'for another company': sealed(account, 'ww9999999999999999', text),
      'two hours old': sealed(account, account.corp_id, text, { at: Date.now() - 7_200_000 }),
      'no signature': { ...good, query: good.query.replace('msg_signature', 'signature') },
      'another text': { ...good, body: good.body.replace('<Encrypt><![CDATA[', '<Encrypt><![CDATA[AAAA') },
      'not encrypted': { ...good, body: text },
      'an address check by another token': addressCheck({ account: { ...account, token: 'another' } }, 'echo'),
    })
  })

  await t.test('what is no callback is refused', () =>
    refusesOthers(world, {
      methods: ['GET', 'POST'],
      notRead: { 'no XML': [{ body: 'nothing' }, 401], empty: [{ body: '' }, 401] },
    }),
  )

  await t.test('events and messages to several are acknowledged and ignored', async () => {
    const asked = world.model.questions.length
    const common = { ToUserName: fake.account.corp_id, FromUserName: 'alice', CreateTime: 1_700_000_000 }
    for (const fields of [
      { ...common, MsgType: 'event', Event: 'enter_agent', EventKey: '' },
      { ...common, FromUserName: '@all', MsgType: 'text', Content: 'to all', MsgId: 'm-all' },
      { ...common, FromUserName: 'alice|bob', MsgType: 'text', Content: 'to two', MsgId: 'm-two' },
    ]) {
      assert.equal((await world.receive(fake.callback(fields))).status, 200)
    }
    await world.ignored('to all')
    assert.equal(world.model.questions.length, asked + 1)
  })

  await t.test('files go both ways: each as what it is, and what does not fit as a link', async () => {
    const files = await startFiles(world)
    const [photo, speech, film] = [
      picture(90_000),
      Buffer.from('#!AMR\n speech'),
      Buffer.from('\0\0\0\x18ftypmp42 film'),
    ]
    fake.files.set('/pic_wework/photo/0', { bytes: photo, type: 'image/png' })
    fake.files.set('voice-1', { bytes: speech, type: 'audio/amr', name: 'v.amr' })
    fake.files.set('video-1', { bytes: film, type: 'video/mp4', name: 'v.mp4' })
    const receives = (id, fields) => files.receives(fake.message(id, fields), id)

    const PicUrl = `${fake.url}/pic_wework/photo/0`
    const image = await receives('f-image', { MsgType: 'image', PicUrl, MediaId: 'image-1' })
    assert.deepEqual([image.text, image.files.length, image.files[0].kind], ['', 1, 'image'])
    await files.holds(image.files[0], photo, 'image/png')
    fake.expireToken()
    const voice = await receives('f-voice', { MsgType: 'voice', MediaId: 'voice-1', Format: 'amr' })
    await files.holds(voice.files[0], speech, 'audio/amr')
    const video = await receives('f-video', { MsgType: 'video', MediaId: 'video-1', ThumbMediaId: 't' })
    await files.holds(video.files[0], film, 'video/mp4')
    const gone = await receives('f-gone', { MsgType: 'video', MediaId: 'video-2', ThumbMediaId: 't' })
    const said = await read(gone.files[0].url)
    assert.deepEqual([said.status, /40007/.test(said.bytes)], [404, true], said.bytes.toString())

    const before = fake.sent.length
    const [table, tiny] = [Buffer.from('a,b\n1,2\n'), Buffer.from('hi\n')]
    fake.expireToken()
    files.reply(image, 'here', [
      await files.upload(photo, { name: '图 "1".png' }),
      await files.upload(speech, { name: 's.amr', type: 'audio/amr' }),
      await files.upload(film, { name: 'f.mp4', type: 'video/mp4' }),
      await files.upload(table, { name: '表.csv', type: 'text/csv' }),
      await files.upload(tiny, { name: 'tiny.txt', type: 'text/plain' }),
    ])
    const sent = await files.sent(before, 6)
    assert.deepEqual(
      sent.map(({ msgtype }) => msgtype),
      ['markdown', 'image', 'voice', 'video', 'file', 'markdown'],
    )
    assert.deepEqual([sent[1].file.name, sent[4].file.name], ['图 "1".png', '表.csv'])
    for (const [at, bytes] of [
      [1, photo],
      [2, speech],
      [3, film],
      [4, table],
    ])
      assert.ok(sent[at].file.bytes.equals(bytes))
    await linksTo(sent[5].text, tiny)
    files.close()
  })

  await t.test('the fakes found nothing wrong', () => endsWell(world))
})

test('wecom AI bot', async (t) => {
  const world = await startPlatformWorld(t, startWecomBot)
  const { fake } = world

  await t.test('the address check is answered with the bare text', async () => {
    const response = await world.receive(addressCheck(fake, 'echo-1'))
    assert.deepEqual([response.status, await response.text()], [200, 'echo-1'])
  })

  await t.test('an account is not kept when the platform cannot be reached', () =>
    refusesCredentials(world, { api_base: 'http://127.0.0.1:1' }, /^api_base: no answer/),
  )

  await t.test('a question is answered once, at the address that came with it', () => answersOnce(world))

  await t.test('in groups the mention is left out, and the answer goes to the group', async () => {
    await world.asks('m-group', 'in a group', { group: 'wrk-1' })
    assert.equal((await world.answered('in a group')).to, 'wrk-1')
    assert.ok(world.model.questions.includes('in a group'))
  })

  await t.test('quoted words come along', async () => {
    const quote = { msgtype: 'text', text: { content: 'first\nsecond' } }
    const event = { ...fake.message('m-quote'), msgtype: 'text', text: { content: 'what is this?' }, quote }
    assert.equal((await world.receive(fake.callback(event))).status, 200)
    await world.answered('what is this?\n\n> first\n> second')
  })

  await t.test('an answer as long as the platform takes is one message, a longer one is cut and says so', async () => {
    await world.asks('m-long', `long ${'字'.repeat(9_000)}`)
    const { text } = await until(() => fake.sent.find((message) => message.text.includes('long 字')), 'a long answer')
    assert.ok(Buffer.byteLength(text) > 19_000 && Buffer.byteLength(text) <= 20_480)
    assert.match(text, /截断/)
  })

  await t.test('a busy platform is tried again', () =>
    triesAgain(world, [
      { status: 200, body: { errcode: -1, errmsg: 'system busy' } },
      { status: 429, body: { errcode: 45009, errmsg: 'api freq out of limit' }, headers: { 'retry-after': '1' } },
    ]),
  )

  await t.test('an answer that is refused, or too late, says why', async () => {
    await saysWhyRefused(world, { status: 200, body: { errcode: 40008, errmsg: 'invalid message type' } }, /40008/)
    const thinkMs = world.model.thinkMs
    world.model.thinkMs = 400
    const late = failsSaying(world, 'too late', /40058: invalid response_code/, { id: 'm-late' })
    await until(() => world.model.questions.includes('too late'), 'the question')
    fake.expire('m-late')
    await late
    world.model.thinkMs = thinkMs
  })

  await t.test('an answer goes nowhere but to the platform', async () => {
    const event = { ...fake.message('m-elsewhere'), msgtype: 'text', text: { content: 'elsewhere' } }
    const before = fake.calls.length
    const response_url = `http://127.0.0.1:1/cgi-bin/aibot/response?response_code=1`
    assert.equal((await world.receive(fake.callback({ ...event, response_url }))).status, 200)
    await until(() => world.model.questions.includes('elsewhere'), 'the question')
    const letters = () => world.call(world.token, 'GET', '/v1/dead-letters')
    await until(async () => (await letters()).dead_letters.some(({ reason }) => /回复地址/.test(reason)), 'the refusal')
    assert.equal(fake.calls.length, before)
  })

  await t.test('a stranger is told a code', () => pairsStrangers(world, { from: 'stranger' }))

  await t.test('other events are acknowledged and ignored', async () => {
    const asked = world.model.questions.length
    for (const event of [
      { ...fake.message('m-enter'), msgtype: 'event', event: { eventtype: 'feedback_event' } },
      { ...fake.message('m-stream'), msgtype: 'stream', stream: { id: 'x' } },
    ]) {
      const response = await world.receive(fake.callback(event))
      assert.deepEqual([response.status, await response.text()], [200, ''])
    }
    await world.settles()
    assert.equal(world.model.questions.length, asked + 1)
  })

  await t.test('forgeries are refused with the same words', async () => {
    const good = fake.question('m-forged', 'forged')
    const forge = (account, receiver) => {
      const { query, body } = sealed(account, receiver, JSON.stringify(fake.message('m-forged')))
      const [, encrypt] = body.match(/<Encrypt><!\[CDATA\[(.*?)\]\]/)
      return { ...good, query, body: JSON.stringify({ encrypt }) }
    }
    await refusesForgeries(world, {
      'another token': forge({ ...fake.account, token: 'another' }, ''),
      'for an app': forge(fake.account, 'ww1a2b3c4d5e6f7a8b'),
      'not encrypted': { ...good, body: JSON.stringify(fake.message('m-forged')) },
    })
  })

  await t.test('what is no callback is refused', () =>
    refusesOthers(world, { methods: ['GET', 'POST'], notRead: { 'no JSON': [{ body: '<xml/>' }, 400] } }),
  )

  await t.test('files come encrypted, and go as links in the one message that there is', async () => {
    const files = await startFiles(world)
    const [photo, book, table] = [picture(90_001), picture(7_000_003), Buffer.from('a,b\n')]
    fake.files.set('/img/1', photo)
    fake.files.set('/file/2', book)
    const image = { msgtype: 'image', image: { url: `${fake.url}/img/1?sign=a%3Db` } }
    const receives = (id, fields, options) =>
      files.receives(fake.callback({ ...fake.message(id, options), ...fields }), id)

    const alone = await receives('f-image', image)
    assert.deepEqual([alone.text, alone.files.map(({ kind }) => kind)], ['', ['image']])
    await files.holds(alone.files[0], photo, 'image/png')
    const long = await receives('f-file', { msgtype: 'file', file: { url: `${fake.url}/file/2` } }, { from: 'bob' })
    await files.holds(long.files[0], book)
    const msg_item = [{ msgtype: 'text', text: { content: `@${fake.account.name} look` } }, image]
    const mixed = await receives('f-mixed', { msgtype: 'mixed', mixed: { msg_item } }, { group: 'chat-files' })
    assert.deepEqual([mixed.text, mixed.files.length], ['look', 1])
    fake.files.set('/img/4', null)
    const gone = await receives(
      'f-gone',
      { msgtype: 'image', image: { url: `${fake.url}/img/4` } },
      { from: 'member1' },
    )
    assert.equal((await read(gone.files[0].url)).status, 404)

    const both = [await files.upload(photo), await files.upload(table, { name: '表.csv', type: 'text/csv' })]
    const before = fake.sent.length
    files.reply(mixed, 'here', both)
    const [answer] = await files.sent(before, 1)
    const [words, ...links] = answer.text.split('\n📎')
    assert.deepEqual([words, links.length], ['here', 2])
    for (const [at, bytes] of [
      [0, photo],
      [1, table],
    ])
      await linksTo(`📎${links[at]}`, bytes)
    files.reply(alone, '', both)
    const [, second] = await files.sent(before, 2)
    assert.equal(second.text.match(/📎/g).length, 2)

    // In the callback's response as it grows, and nothing beside it.
    await createAccount(world, fake.account, { id: 'held', passive: true })
    const asks = async (request) => fake.shown(await world.receive(request, 'held'))
    let stream = await asks(fake.callback({ ...fake.message('f-held', { from: 'member2' }), ...image }))
    files.reply(await files.asked('wecom-bot:held:f-held'), 'grown', both)
    while (!stream.finish) {
      stream = await asks(fake.refresh(stream.id, { from: 'member2' }))
    }
    assert.match(stream.content, /^grown\n📎.*\n📎.*表\.csv/)
    await world
      .call(world.token, 'GET', '/v1/dead-letters')
      .then(({ dead_letters }) =>
        assert.ok(!dead_letters.some(({ conversation }) => /member2|chat-files/.test(conversation))),
      )
    await sleep(1_500)
    assert.equal(fake.sent.length, before + 2)
    files.close()
  })

  await t.test('the fakes found nothing wrong', () => endsWell(world))
})
