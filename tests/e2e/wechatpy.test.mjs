// wechatpy, which most official accounts written in Python speak through, as a peer that shares no code with the relay or
// with the fake: it makes what the Worker reads, and reads what the Worker and the fake make.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pythonTool } from '../../scripts/lib/tools.mjs'
import { answerTo } from './support/model.mjs'
import { createAccount, endsWell, startPlatformWorld } from './support/platform.mjs'
import { libraryOf } from './support/python.mjs'
import { signed, startWechat } from './support/wechat.mjs'
import { xml } from './support/wecom.mjs'
import { post } from './support/world.mjs'

const VERSION = '1.8.18'
const SCRIPT = 'wechat_library.py'

const python = await pythonTool('wechatpy', VERSION, { extra: 'cryptography', program: 'python' })
const skip = python === null && 'wechatpy needs python3 with venv'

test('wechatpy', { skip }, async (t) => {
  const world = await startPlatformWorld(t, startWechat)
  const { account } = world.fake
  await createAccount(world, account, { id: 'held', passive: true })
  const keys = { token: account.token, key: account.encoding_aes_key, app_id: account.app_id }

  const library = libraryOf(python, SCRIPT, keys)
  const field = (text, name) => text.match(new RegExp(`<${name}>(?:<!\\[CDATA\\[)?(.*?)(?:\\]\\]>)?</${name}>`))[1]
  /** The library reads an encrypted body whose signature stands where it is asked for. */
  const opens = (body, signature, timestamp, nonce) => library('open', { xml: body, signature, timestamp, nonce })
  const now = () => String(Math.floor(Date.now() / 1000))

  await t.test('the Worker reads what it encrypts and signs, and answers so that it reads the answer', async () => {
    for (const [id, words] of Object.entries({
      'm-py-1': 'by wechatpy',
      'm-py-2': `你好 ${'🙂'.repeat(40)} <b>&amp;`,
    })) {
      const event = xml({
        ToUserName: 'gh_1',
        FromUserName: 'oPy',
        CreateTime: now(),
        MsgType: 'text',
        Content: words,
        MsgId: id,
      })
      const [timestamp, nonce] = [now(), '1372623149']
      const sealed = await library('seal', { xml: event, timestamp, nonce })
      const query = new URLSearchParams({
        timestamp,
        nonce,
        encrypt_type: 'aes',
        msg_signature: field(sealed.xml, 'MsgSignature'),
      })
      const response = await post(`${world.url}/webhook/wechat/held?${query}`, { body: sealed.xml })
      const reply = await response.text()
      assert.equal(response.status, 200, reply)
      const read = await opens(reply, ...['MsgSignature', 'TimeStamp', 'Nonce'].map((name) => field(reply, name)))
      assert.deepEqual(read, { type: 'text', content: answerTo(words), from: 'gh_1', to: 'oPy' })
      const forged = await opens(reply, '0'.repeat(40), field(reply, 'TimeStamp'), field(reply, 'Nonce'))
      assert.deepEqual(forged, { refused: 'signature' })
    }
  })

  await t.test('it reads what the fake encrypts and signs', async () => {
    const { query, body } = world.fake.question('m-fake', 'read by the library', { from: 'oFake' })
    const params = new URLSearchParams(query)
    const read = await opens(body, ...['msg_signature', 'timestamp', 'nonce'].map((name) => params.get(name)))
    assert.deepEqual([read.type, read.content, read.from], ['text', 'read by the library', 'oFake'])
  })

  await t.test('the Worker takes an address check that it takes, and no other', async () => {
    const good = Object.fromEntries(new URLSearchParams(signed(account.token)))
    for (const [signature, answer, status] of [
      [good.signature, {}, 200],
      ['0'.repeat(40), { refused: 'signature' }, 401],
    ]) {
      const said = { ...good, signature }
      assert.deepEqual(await library('check', said), answer)
      const query = new URLSearchParams({ ...said, echostr: '5927' })
      const response = await fetch(`${world.url}/webhook/wechat/main?${query}`)
      assert.equal(response.status, status)
      if (status === 200) assert.equal(await response.text(), '5927')
    }
  })

  await t.test('the fake found nothing wrong', () => endsWell(world))
})
