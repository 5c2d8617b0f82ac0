// Files beside messages: uploaded, read by their URL, from and to a device, an agent, Feishu.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { connectDevice } from './support/device.mjs'
import { messageEvent } from './support/feishu.mjs'
import { request, signUp } from './support/people.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

/** The smallest picture there is, and others that begin like one. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const picture = (length) => Buffer.concat([PIXEL, randomBytes(length - PIXEL.length)])

test('files', async (t) => {
  const world = await startFeishuWorld(t, { vars: { RATE_LIMITS: 'off' } })
  const agent = await createAgent(world)
  const upload = async (token, bytes, { name = 'a.png', type = 'image/png', headers } = {}) => {
    const response = await fetch(`${world.url}/v1/files?name=${encodeURIComponent(name)}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': type, ...headers },
      body: bytes,
      duplex: 'half',
    })
    return { status: response.status, body: await response.json() }
  }
  const read = async (url, headers = {}) => {
    const response = await fetch(url, { headers })
    return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
  }

  await t.test('a file is read as it was sent, by its URL alone, and by nobody without', async () => {
    for (const [bytes, name, type, expected] of [
      [PIXEL, '图 1.png', 'image/png', ['图 1.png', 'image', 'image/png', 'inline']],
      [
        randomBytes(7_000_000),
        'big.bin',
        'application/octet-stream',
        ['big.bin', 'file', 'application/octet-stream', 'attachment'],
      ],
      [Buffer.from('hello'), '../a.txt', 'text/plain; charset=utf-8', ['a.txt', 'file', 'text/plain', 'attachment']],
      // What would run in a browser is never shown there, whatever it is said to be.
      [Buffer.from('<script>alert(1)</script>'), 'x.html', 'text/html', ['x.html', 'file', 'text/html', 'attachment']],
      [
        Buffer.from('<svg onload=alert(1)>'),
        'x.png',
        'image/png',
        ['x.png', 'file', 'application/octet-stream', 'attachment'],
      ],
    ]) {
      const { status, body: file } = await upload(world.token, bytes, { name, type })
      assert.equal(status, 201, JSON.stringify(file))
      assert.deepEqual([file.name, file.kind, file.media_type, file.bytes], [...expected.slice(0, 3), bytes.length])
      const got = await read(file.url)
      assert.equal(got.status, 200)
      assert.ok(got.bytes.equals(bytes), `${name}: the same bytes`)
      const [kind, place] = [got.headers.get('content-type'), got.headers.get('content-disposition')]
      assert.deepEqual([kind, place.split(';')[0]], [expected[2], expected[3]])
      assert.ok(place.endsWith(`filename*=UTF-8''${encodeURIComponent(expected[0])}`), place)
      assert.match(got.headers.get('content-security-policy'), /sandbox/)
      assert.equal(got.headers.get('x-content-type-options'), 'nosniff')
      const part = await read(file.url, { range: 'bytes=2-4' })
      assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 2-4/${bytes.length}`])
      assert.ok(part.bytes.equals(bytes.subarray(2, 5)))
      assert.equal((await read(`${file.url.slice(0, -3)}xyz`)).status, 404)
    }
  })

  await t.test('what is too long, empty, cut off or nobody’s is refused, and nothing hangs', async () => {
    const big = await upload(world.token, Buffer.alloc(30_000_001))
    assert.deepEqual([big.status, big.body.type], [413, '/errors/body_too_large'])
    assert.deepEqual((await upload(world.token, Buffer.alloc(0))).status, 400)
    assert.equal((await upload('nobody', PIXEL)).status, 401)
    // A body whose length nobody says is counted as it comes.
    const chunked = (count, size) =>
      new ReadableStream({
        start: (controller) => {
          controller.enqueue(PIXEL)
          for (let n = 0; n < count; n++) controller.enqueue(new Uint8Array(size))
          controller.close()
        },
      })
    const streamed = await upload(world.token, chunked(11, 1_000_000))
    assert.deepEqual([streamed.status, streamed.body.bytes], [201, 11_000_000 + PIXEL.length])
    const back = await read(streamed.body.url)
    assert.ok(back.bytes.equals(Buffer.concat([PIXEL, Buffer.alloc(11_000_000)])))
    assert.equal((await upload(world.token, chunked(31, 1_000_000))).status, 413)
    // Keys that may only receive upload nothing.
    const { body } = await request(world, world.token, 'POST', `/v1/agents/${agent.id}/keys`, { scopes: ['receive'] })
    assert.equal((await upload(body.key, PIXEL)).status, 403)
  })

  const running = agent.start(['--backend', 'echo'])
  await running.connected()
  const device = await connectDevice(world, world.token)
  const send = (id, text, files, more = {}) => device.send({ type: 'send', id, text, files, ...more })
  const answered = (id) =>
    until(() => {
      const question = [...device.messages.values()].find((message) => message.id === id)
      return question && device.answerTo(question.seq)
    }, `an answer to ${id}`)

  await t.test('messages have files beside them, with or without words', async () => {
    const { body: file } = await upload(world.token, PIXEL)
    send('m-file', '', [file])
    await answered('m-file')
    const question = [...device.messages.values()].find(({ id }) => id === 'm-file')
    assert.deepEqual([question.text, question.files], ['', [file]])
    // The URL proves everything: what else is said does not count.
    send('m-lie', 'look', [{ ...file, name: 'evil.exe', kind: 'file', bytes: 1 }])
    await answered('m-lie')
    assert.deepEqual([...device.messages.values()].find(({ id }) => id === 'm-lie').files, [file])
    const { messages } = (await request(world, world.token, 'GET', '/v1/conversations/web/messages')).body
    assert.deepEqual(messages.find(({ id }) => id === 'm-file').files, [file])
  })

  await t.test('a file that is none, another’s, or one too many is refused by name', async () => {
    const other = await signUp(world, 'mallory')
    const { body: theirs } = await upload(other.access_token, PIXEL)
    const { body: mine } = await upload(world.token, PIXEL)
    for (const [id, files, said] of [
      ['m-forged', [{ ...mine, url: `${mine.url}x` }], /^files\[0\]\.url: not a file of this user/],
      ['m-theirs', [mine, theirs], /^files\[1\]\.url: not a file of this user/],
      ['m-many', Array(11).fill(mine), /^files: at most 10$/],
      ['m-none', [], /^text: must not be empty/],
    ]) {
      send(id, '', files)
      const refusal = await until(() => device.frames.find((frame) => frame.type === 'error' && frame.id === id), id)
      assert.match(refusal.detail, said)
    }
    const pushed = await request(world, world.token, 'POST', '/v1/messages', { text: 'x', files: [theirs] })
    assert.deepEqual([pushed.status, /^files\[0\]\.url/.test(pushed.body.detail)], [400, true])
    const fine = await request(world, world.token, 'POST', '/v1/messages', { text: '', files: [mine] })
    assert.equal(fine.status, 201)
    await until(() => device.messages.get(fine.body.seq)?.files?.length === 1, 'the push')
  })
  await running.kill()

  // From here on the agent is a socket of the test: it sees what agents see.
  const socket = new WebSocket(`${world.url.replace('http', 'ws')}/v1/ws`, {
    protocols: 'claw-relay.v1',
    headers: { authorization: `Bearer ${agent.key}` },
  })
  const heard = []
  const say = (frame) => socket.send(JSON.stringify(frame))
  socket.addEventListener('message', ({ data }) => {
    for (const frame of [JSON.parse(data)].flat()) {
      heard.push(frame)
      if (frame.type === 'message') say({ type: 'ack', seq: frame.seq })
    }
  })
  await until(() => socket.readyState === WebSocket.OPEN, 'the agent')
  say({ type: 'hello' })
  const asked = (id) => until(() => heard.find((frame) => frame.id === id), id)
  const replies = (messageId, count) =>
    until(() => world.feishu.repliesTo(messageId).length >= count && world.feishu.repliesTo(messageId), messageId)

  await t.test(
    'what people send on Feishu reaches the agent: fetched once, also when the length is not said',
    async () => {
      const bytes = picture(300_000)
      world.feishu.resources.set('om_pic/img_v3_a/image', { bytes, type: 'image/png' })
      world.feishu.resources.set('om_doc/file_v3_b/file', {
        bytes: Buffer.from('%PDF-1.7 x'.repeat(20)),
        type: 'application/octet-stream',
        chunked: true,
      })
      await world.webhook(messageEvent('om_pic', '', { type: 'image', content: { image_key: 'img_v3_a' } }))
      const { text, files } = await asked('feishu:main:om_pic')
      assert.deepEqual([text, files.length, files[0].kind, files[0].name], ['', 1, 'image', 'image'])
      const got = await read(files[0].url)
      assert.deepEqual([got.status, got.headers.get('content-type')], [200, 'image/png'])
      assert.ok(got.bytes.equals(bytes))
      await read(files[0].url)
      assert.equal(world.feishu.fetched, 1)
      await world.webhook(
        messageEvent('om_doc', '', { type: 'file', content: { file_key: 'file_v3_b', file_name: '报告.pdf' } }),
      )
      const [document] = (await asked('feishu:main:om_doc')).files
      assert.deepEqual([document.kind, document.name], ['file', '报告.pdf'])
      const pdf = await read(document.url)
      assert.deepEqual([pdf.status, pdf.headers.get('content-type'), pdf.bytes.length], [200, 'application/pdf', 200])
      // A rich text has both.
      world.feishu.resources.set('om_rich/img_v3_c/image', { bytes, type: 'image/png' })
      const content = {
        title: '',
        content: [
          [
            { tag: 'text', text: 'see ' },
            { tag: 'img', image_key: 'img_v3_c' },
          ],
        ],
      }
      await world.webhook(messageEvent('om_rich', '', { type: 'post', content }))
      const rich = await asked('feishu:main:om_rich')
      assert.deepEqual([rich.text, rich.files.length], ['see [image img_v3_c]', 1])
      for (const id of ['om_pic', 'om_doc', 'om_rich']) {
        say({ type: 'reply', reply_to: (await asked(`feishu:main:${id}`)).seq, text: `got ${id}` })
      }
      await replies('om_rich', 1)
    },
  )

  await t.test('one that cannot be fetched says why, and is fetched by whoever reads it later', async () => {
    await world.webhook(messageEvent('om_late', '', { type: 'image', content: { image_key: 'img_v3_late' } }))
    const { seq, files } = await asked('feishu:main:om_late')
    const gone = await read(files[0].url)
    assert.equal(gone.status, 404)
    assert.match(JSON.parse(gone.bytes).detail, /could not be fetched from its platform: Feishu 234003/)
    world.feishu.resources.set('om_late/img_v3_late/image', { bytes: PIXEL, type: 'image/png' })
    world.feishu.expireToken()
    assert.ok((await read(files[0].url)).bytes.equals(PIXEL))
    say({ type: 'reply', reply_to: seq, text: 'late' })
    await replies('om_late', 1)
  })

  await t.test('an answer’s files follow its words at Feishu, each once, and in order', async () => {
    const bytes = picture(120_000)
    const { body: image } = await upload(agent.key, bytes, { name: 'plot.png' })
    const { body: table } = await upload(agent.key, Buffer.from('a,b\n1,2\n'), { name: '表 "1".csv', type: 'text/csv' })
    await world.webhook(messageEvent('om_both', 'plot it'))
    const { seq } = await asked('feishu:main:om_both')
    world.feishu.expireToken()
    say({ type: 'reply', reply_to: seq, text: 'Here they are.', files: [image, table] })
    const all = await replies('om_both', 3)
    assert.deepEqual(
      all.map(({ type }) => type),
      ['text', 'image', 'file'],
    )
    assert.ok(all[1].file.bytes.equals(bytes))
    assert.deepEqual([all[2].file.name, all[2].file.bytes.toString()], ['表 "1".csv', 'a,b\n1,2\n'])
    assert.equal(new Set(all.map(({ uuid }) => uuid)).size, 3)
    const shown = await until(() => device.answerTo(seq), 'the answer in the page')
    assert.deepEqual(shown.files, [image, table])
  })

  await t.test(
    'a picture alone is an answer; what Feishu refuses goes as a link; a busy one is asked again',
    async () => {
      const { body: image } = await upload(agent.key, PIXEL, { name: 'dot.png' })
      await world.webhook(messageEvent('om_alone', 'only a picture'))
      say({ type: 'reply', reply_to: (await asked('feishu:main:om_alone')).seq, text: '', files: [image] })
      assert.deepEqual(
        (await replies('om_alone', 1)).map(({ type }) => type),
        ['image'],
      )

      world.feishu.nextUpload = [{ status: 400, body: { code: 234006, msg: 'The file size exceed the max value.' } }]
      await world.webhook(messageEvent('om_link', 'too big'))
      say({ type: 'reply', reply_to: (await asked('feishu:main:om_link')).seq, text: 'x', files: [image] })
      const link = (await replies('om_link', 2))[1]
      assert.match(link.text, /^📎 \[dot\.png\]\(http/)
      assert.ok((await read(link.text.match(/\((http[^)]+)\)/)[1])).bytes.equals(PIXEL))

      world.feishu.nextUpload = [{ status: 500, body: {} }]
      await world.webhook(messageEvent('om_busy', 'busy'))
      say({ type: 'reply', reply_to: (await asked('feishu:main:om_busy')).seq, text: 'x', files: [image] })
      assert.deepEqual(
        (await replies('om_busy', 2)).map(({ type }) => type),
        ['text', 'image'],
      )
    },
  )

  await t.test('files go by an agent too, where a bot’s calls leave from its address', async () => {
    const carrier = await createAgent(world, 'carrier')
    const made = await request(world, world.token, 'POST', `/v1/agents/${carrier.id}/keys`, { scopes: ['egress'] })
    const carrying = carrier.start(['--key', made.body.key, '--backend', 'none', '--egress', world.feishu.url])
    await carrying.connected()
    const set = (egress) => request(world, world.token, 'PATCH', '/v1/admin/accounts/main', { egress })
    assert.equal((await set(carrier.id)).status, 200)
    const calls = () => carrying.log.split('calling 127.0.0.1 for the relay').length - 1

    const bytes = picture(500_000)
    world.feishu.resources.set('om_far/img_v3_f/image', { bytes, type: 'image/png' })
    world.feishu.expireToken()
    await world.webhook(messageEvent('om_far', '', { type: 'image', content: { image_key: 'img_v3_f' } }))
    const { seq, files } = await asked('feishu:main:om_far')
    const got = await read(files[0].url)
    assert.equal(got.status, 200, `${got.bytes.subarray(0, 500)}\n${carrying.log}`)
    assert.deepEqual([got.status, got.headers.get('content-type')], [200, 'image/png'])
    assert.ok(got.bytes.equals(bytes))
    const before = calls()
    assert.ok(before > 0)
    const { body: image } = await upload(agent.key, bytes, { name: '图 "1".png' })
    say({ type: 'reply', reply_to: seq, text: 'back', files: [image] })
    const sent = (await replies('om_far', 2))[1]
    assert.deepEqual([sent.type, sent.file.name], ['image', '图 "1".png'])
    assert.ok(sent.file.bytes.equals(bytes))
    assert.equal(calls(), before + 3, 'the words, the upload, the picture')
    // One that is not there says so, in the platform's words.
    await world.webhook(messageEvent('om_nowhere', '', { type: 'image', content: { image_key: 'img_v3_n' } }))
    const nowhere = await read((await asked('feishu:main:om_nowhere')).files[0].url)
    assert.match(JSON.parse(nowhere.bytes).detail, /Feishu 234003/)
    // Nobody else puts anything there.
    const put = await fetch(files[0].url, { method: 'PUT', body: PIXEL })
    assert.equal(put.status, 404)
    assert.equal((await set('')).status, 200)
  })

  await t.test('files go on when the relay dies in between', async () => {
    const { body: image } = await upload(agent.key, PIXEL)
    await world.webhook(messageEvent('om_crash', 'crash'))
    const { seq } = await asked('feishu:main:om_crash')
    world.feishu.nextUpload = Array(2).fill({ status: 500, body: {} })
    say({ type: 'reply', reply_to: seq, text: 'words', files: [image] })
    await replies('om_crash', 1)
    await world.kill()
    await world.restart()
    assert.deepEqual(
      (await replies('om_crash', 2)).map(({ type }) => type),
      ['text', 'image'],
    )
    assert.equal(world.feishu.repliesTo('om_crash').length, 2)
  })

  await t.test('whoever is deleted takes their files along', async () => {
    const gone = await signUp(world, 'leaver')
    const { body: file } = await upload(gone.access_token, PIXEL)
    assert.equal((await read(file.url)).status, 200)
    const path = `/v1/me?confirm=${gone.user.id}`
    assert.equal((await request(world, gone.access_token, 'DELETE', path)).status, 204)
    assert.equal((await read(file.url)).status, 404)
  })

  await t.test('the fakes found nothing wrong', () => {
    assert.deepEqual(world.feishu.faults, [])
    assert.ok(!world.process.output().includes('panicked'))
  })
})
