// The platforms' own libraries as peers that share no code with the relay or with the fakes: they make what the Worker
// reads, and read what the fakes and the Worker make.
//
// Feishu: @larksuiteoapi/node-sdk. WeCom's apps and AI bots: @wecom/crypto, whose cipher is that of official accounts too
// (with the AppID as receiver); these have wechatpy, too. QQ has a library of Python in qq-botpy.test.mjs: its own are for Go or
// speak WebSocket alone, and those on npm pin an old axios. Left out: Telegram and DingTalk, which have a secret in a header and one
// HMAC.

import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import * as lark from '@larksuiteoapi/node-sdk'
import wecom from '@wecom/crypto'
import { APP, ENCRYPT_KEY, encrypt, messageEvent, sign, startFeishu, VERIFICATION_TOKEN } from './support/feishu.mjs'
import { answerTo } from './support/model.mjs'
import { createAccount, endsWell, startPlatformWorld } from './support/platform.mjs'
import { startWechat } from './support/wechat.mjs'
import { startWecom, startWecomBot, xml } from './support/wecom.mjs'
import { feishuAccount, post, until } from './support/world.mjs'

test('official libraries', async (t) => {
  const world = await startPlatformWorld(t, startWecom)
  const [bot, wechat, feishu] = [await startWecomBot(), await startWechat(), await startFeishu()]
  t.after(() => Promise.all([bot, wechat, feishu].map((fake) => fake.close())))
  world.feishu = feishu
  await createAccount(world, bot.account, { id: 'bot', api_base: bot.url })
  await createAccount(world, wechat.account, { id: 'oa', api_base: wechat.url })
  await world.call(world.token, 'POST', '/v1/admin/accounts', feishuAccount(world, { id: 'lark' }))

  /** What @wecom/crypto makes of a text: the query and the ciphertext. */
  const seal = ({ account }, receiver, text) => {
    const encrypted = wecom.encrypt(account.encoding_aes_key, text, receiver)
    const [timestamp, nonce] = [Math.floor(Date.now() / 1000), randomBytes(4).toString('hex')]
    const signature = wecom.getSignature(account.token, timestamp, nonce, encrypted)
    return { encrypted, query: `msg_signature=${signature}&timestamp=${timestamp}&nonce=${nonce}` }
  }
  const fakes = {
    'wecom/main': [world.fake, world.fake.account.corp_id],
    'wecom-bot/bot': [bot, ''],
    'wechat/oa': [wechat, wechat.account.app_id],
  }

  await t.test('@wecom/crypto: the Worker reads what it encrypts and signs, of every length', async () => {
    // A whole round of paddings: 1 to 32 bytes.
    for (let length = 1; length <= 32; length++) {
      const echo = 'e'.repeat(length)
      const { encrypted, query } = seal(world.fake, world.fake.account.corp_id, echo)
      const url = `${world.url}/webhook/wecom/main?${query}&echostr=${encodeURIComponent(encrypted)}`
      const response = await fetch(url)
      assert.deepEqual([response.status, await response.text()], [200, echo])
    }
    for (const [path, [fake, receiver]] of Object.entries(fakes)) {
      const text = `by @wecom/crypto to ${path}`
      const event =
        fake === bot
          ? JSON.stringify({ ...bot.message(randomUUID()), msgtype: 'text', text: { content: text } })
          : xml({ ToUserName: 'x', FromUserName: 'alice', MsgType: 'text', Content: text, MsgId: randomUUID() })
      const { encrypted, query } = seal(fake, receiver, event)
      const body = fake === bot ? JSON.stringify({ encrypt: encrypted }) : xml({ ToUserName: 'x', Encrypt: encrypted })
      const response = await post(`${world.url}/webhook/${path}?${query}`, { body })
      assert.equal(response.status, 200, `${path}: ${await response.text()}`)
      await until(() => world.model.questions.includes(text), text)
    }
  })

  await t.test('@wecom/crypto reads what the Worker answers in the callback, encrypted and signed', async () => {
    for (const [path, [fake, receiver]] of Object.entries(fakes)) {
      const { account } = fake
      await createAccount(world, account, { id: `held-${account.platform}`, api_base: fake.url, passive: true })
      const { query, headers, body } = fake.question(`m-held-${path}`, `held for ${path}`)
      const url = `${world.url}/webhook/${account.platform}/held-${account.platform}?${query}`
      const reply = await (await post(url, { headers, body })).text()
      const field = (xmlName, jsonName) =>
        fake === bot
          ? String(JSON.parse(reply)[jsonName])
          : reply.match(new RegExp(`<${xmlName}>(?:<!\\[CDATA\\[)?(.*?)(?:\\]\\]>)?</${xmlName}>`))[1]
      const encrypted = field('Encrypt', 'encrypt')
      const { message, id } = wecom.decrypt(account.encoding_aes_key, encrypted)
      assert.equal(id, receiver, path)
      const parts = [field('TimeStamp', 'timestamp'), field('Nonce', 'nonce'), encrypted]
      assert.equal(wecom.getSignature(account.token, ...parts), field('MsgSignature', 'msgsignature'), path)
      assert.equal(parts[1], new URLSearchParams(query).get('nonce'), path)
      // A bot shows an answer as far as it has come.
      if (fake === bot) assert.ok(answerTo(`held for ${path}`).startsWith(JSON.parse(message).stream.content), message)
      else assert.ok(message.includes(`<Content><![CDATA[${answerTo(`held for ${path}`)}]]>`), message)
    }
  })

  await t.test('@wecom/crypto: a press that it encrypts is answered by an update that it reads', async () => {
    const path = `${world.url}/webhook/wecom-bot/held-wecom-bot`
    const sends = ({ query, headers, body }) => post(`${path}?${query}`, { headers, body })
    let shown = await bot.shown(await sends(bot.question('m-card', 'before a card', { from: 'member1' })))
    while (!shown.finish) shown = await bot.shown(await sends(bot.refresh(shown.id, { from: 'member1' })))
    const buttons = [{ label: 'Yes', text: 'pressed by @wecom/crypto' }]
    const push = { conversation: 'wecom-bot:held-wecom-bot:member1', text: 'Sure?', buttons }
    await world.call(world.token, 'POST', '/v1/messages', push)
    const { card } = await until(() => bot.sent.find(({ text }) => text === 'Sure?'), 'the card')

    const pressed = { card_type: card.card_type, event_key: card.button_list[0].key, task_id: card.task_id }
    const event = { eventtype: 'template_card_event', template_card_event: pressed }
    const text = JSON.stringify({ ...bot.message('m-press', { from: 'member1' }), msgtype: 'event', event })
    const { encrypted, query } = seal(bot, '', text)
    const reply = await (await post(`${path}?${query}`, { body: JSON.stringify({ encrypt: encrypted }) })).json()
    const { message, id } = wecom.decrypt(bot.account.encoding_aes_key, reply.encrypt)
    const signature = wecom.getSignature(bot.account.token, reply.timestamp, reply.nonce, reply.encrypt)
    assert.deepEqual([id, signature], ['', reply.msgsignature])
    const { response_type, template_card } = JSON.parse(message)
    assert.deepEqual(
      [response_type, template_card.task_id, template_card.button_list[0].text],
      ['update_template_card', card.task_id, '✓ Yes'],
    )
    await until(() => bot.sent.some(({ text }) => text === answerTo('pressed by @wecom/crypto')), 'the answer to it')
  })

  await t.test('@wecom/crypto reads what the fakes encrypt and sign', () => {
    for (const [path, [fake, receiver]] of Object.entries(fakes)) {
      const { query, body } = fake.question('m-1', 'read by the library')
      const [, encrypted] = body.match(/(?:Encrypt><!\[CDATA\[|"encrypt":")([\w+/=]+)/)
      const { message, id } = wecom.decrypt(fake.account.encoding_aes_key, encrypted)
      assert.equal(id, receiver, path)
      assert.ok(message.includes('read by the library'), path)
      const params = new URLSearchParams(query)
      const parts = [params.get('timestamp'), params.get('nonce'), encrypted]
      assert.equal(wecom.getSignature(fake.account.token, ...parts), params.get('msg_signature'), path)
    }
  })

  await t.test(
    'Feishu: the library accepts the events of the fake that the Worker answers, and no others',
    async () => {
      const logger = Object.fromEntries(['error', 'warn', 'info', 'debug', 'trace'].map((level) => [level, () => {}]))
      const heard = []
      const dispatcher = new lark.EventDispatcher({
        encryptKey: ENCRYPT_KEY,
        verificationToken: VERIFICATION_TOKEN,
        logger,
      }).register({ 'im.message.receive_v1': ({ message }) => void heard.push(message.content) })
      const hears = ({ headers, body }) =>
        dispatcher.invoke(Object.assign(Object.create({ headers }), JSON.parse(body)))
      const request = sign(messageEvent('om_sdk', 'by the fake'))
      await hears(request)
      assert.deepEqual(heard, ['{"text":"by the fake"}'])
      assert.equal((await post(`${world.url}/webhook/feishu/lark`, request)).status, 200)
      const reply = await until(() => feishu.repliesTo('om_sdk')[0], 'an answer')
      assert.match(reply.text, /by the fake/)
      // What one of them refuses, the other does too.
      const forged = { ...request, headers: { ...request.headers, 'x-lark-signature': '0'.repeat(64) } }
      await hears(forged)
      assert.equal(heard.length, 1)
      assert.equal((await post(`${world.url}/webhook/feishu/lark`, forged)).status, 401)
    },
  )

  await t.test('Feishu: the Worker answers an address check as the library does', async () => {
    const event = { type: 'url_verification', challenge: 'c-1', token: VERIFICATION_TOKEN }
    const body = { encrypt: encrypt(event) }
    const { isChallenge, challenge } = lark.generateChallenge(body, { encryptKey: ENCRYPT_KEY })
    const headers = { 'content-type': 'application/json' }
    const response = await post(`${world.url}/webhook/feishu/lark`, { headers, body: JSON.stringify(body) })
    assert.deepEqual([isChallenge, await response.json()], [true, challenge])
  })

  await t.test("Feishu: the library's client can use the fake's API as the Worker does", async () => {
    const client = new lark.Client({
      appId: APP.app_id,
      appSecret: APP.app_secret,
      domain: feishu.url,
      loggerLevel: lark.LoggerLevel.error,
    })
    const data = { msg_type: 'text', content: JSON.stringify({ text: 'from the library' }), uuid: 'sdk-1' }
    for (let n = 0; n < 2; n++) {
      const answer = await client.im.message.reply({ path: { message_id: 'om_1' }, data })
      assert.equal(answer.code, 0)
    }
    assert.deepEqual(
      feishu.repliesTo('om_1').map(({ text }) => text),
      ['from the library'],
    )
  })

  await t.test('the fakes found nothing wrong', () => {
    endsWell(world)
    for (const fake of [bot, wechat, feishu]) assert.deepEqual(fake.faults, [])
  })
})
