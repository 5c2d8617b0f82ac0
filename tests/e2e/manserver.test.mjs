// ManServer's clients: a robot with an agent key, a person with an access token, each in their own words.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectDevice } from './support/device.mjs'
import { openSocket, refusal, replay } from './support/dialect.mjs'
import { PIXEL, picture, read } from './support/files.mjs'
import { request, signUp } from './support/people.mjs'
import { signToken } from './support/token.mjs'
import { createAgent, startWorld, until } from './support/world.mjs'

test('manserver', async (t) => {
  const world = await startWorld(t, { vars: { LOG_WAKES: 'on' } })
  const agent = await createAgent(world, 'robot')
  const stream = `${world.url}/ocms/v1/stream`
  const robot = (key = agent.key) => openSocket(`${stream}?apiKey=${key}`)
  const person = (conversation, token = world.token) =>
    openSocket(`${stream}?token=${token}&robotId=${agent.id}&conversationId=${conversation}`)
  const answer = (conversationId, text) => ({ type: 'message', data: { text, recipientId: 'x', conversationId } })
  const history = async (conversation, query = '') => {
    const path = `/ocms/chat/history/${world.user.id}?conversation_id=${conversation}${query}`
    return (await request(world, world.token, 'GET', path)).body
  }

  const bearer = (token) => ({ authorization: `Bearer ${token}` })
  /** As `wx.uploadFile` and the robots' plugin send it. */
  const form = (bytes, name = 'a.png', type = 'image/png') => {
    const form = new FormData()
    form.append('user_id', 'whoever')
    form.append('file', new File([bytes], name, { type }))
    return form
  }
  const upload = async (body, headers, query = '') => {
    const response = await fetch(`${world.url}/ocms/upload/file?user_id=1${query}`, { method: 'POST', headers, body })
    return { status: response.status, body: await response.json() }
  }
  const download = (path, headers, query = '') =>
    read(`${world.url}/ocms/download/file?user_id=1&file_name=${encodeURIComponent(path)}${query}`, headers)

  await t.test('talk as recorded', async () => {
    const open = (who, query) =>
      openSocket(`${stream}?${who === 'robot' ? `apiKey=${agent.key}` : `token=${world.token}`}&${query}`)
    const files = {
      async upload(who, name) {
        const { status, body } = await upload(form(PIXEL, name), bearer(who === 'robot' ? agent.key : world.token))
        assert.equal(status, 200, JSON.stringify(body))
        return body
      },
      async download(who, path) {
        const { headers, bytes } = await download(path, bearer(who === 'robot' ? agent.key : world.token))
        assert.ok(bytes.equals(PIXEL))
        const name = headers.get('content-disposition').split("''")[1]
        return { name, type: headers.get('content-type'), size: bytes.length }
      },
    }
    const clients = await replay('manserver.jsonl', {
      open,
      files,
      known: { $user: world.user.id, $robot: agent.id },
    })
    await Promise.all(Object.values(clients).map((client) => client.close()))
  })

  await t.test('what waits for a robot reaches it once and in order, and a device sees all of it', async () => {
    const device = await connectDevice(world, world.token)
    const asker = await person('waiting')
    const texts = Array.from({ length: 20 }, (_, n) => `question ${n}`)
    for (const text of texts) asker.say({ text, conversationId: 'waiting' })
    await until(() => device.texts().includes('question 19'), 'the questions to be stored')
    const running = await robot()
    await until(() => running.heard.length >= 20, 'twenty questions')
    assert.deepEqual(
      running.heard.map(({ data }) => data.text),
      texts,
    )
    assert.equal(new Set(running.heard.map(({ data }) => data.id)).size, 20)
    for (const { data } of running.heard.splice(0)) running.say(answer(data.conversationId, `answer to ${data.text}`))
    await until(() => asker.heard.length >= 20, 'twenty answers')
    assert.deepEqual(
      asker.heard.splice(0).map(({ text }) => text),
      texts.map((text) => `answer to ${text}`),
    )
    await until(() => device.texts().includes('answer to question 19'), 'the device to see it')
    assert.deepEqual(
      [
        ...new Set(
          [...device.messages.values()]
            .filter((message) => message.conversation === 'waiting' && message.state)
            .map(({ seq }) => device.states.get(seq)),
        ),
      ],
      ['replied'],
    )
    // And a device's own question in that conversation reaches the robot.
    device.ask('from-the-page', 'hello from the page', 'waiting')
    assert.equal((await running.hear()).data.id, 'from-the-page')
    running.say(answer('waiting', 'hello page'))
    assert.equal((await asker.hear()).text, 'hello page')
    await sleep(300)
    assert.deepEqual([running.heard, asker.heard], [[], []])
    await Promise.all([running.close(), asker.close(), device.close()])
  })

  await t.test('a robot that dies before it answers is asked again, and one answer is kept', async () => {
    const asker = await person('dying')
    let running = await robot()
    asker.say({ text: 'will you live?', conversationId: 'dying' })
    const asked = await running.hear()
    await running.close()
    running = await robot()
    assert.deepEqual(await running.hear(), asked, 'under the same id')
    running.say(answer('dying', 'yes'))
    assert.equal((await asker.hear()).text, 'yes')
    await running.close()
    running = await robot()
    await sleep(300)
    assert.deepEqual(running.heard, [], 'what is answered does not come again')
    const { messages, total } = await history('dying')
    assert.deepEqual(
      [total, messages.map(({ sender, text, robot_id }) => [sender, text, robot_id])],
      [
        2,
        [
          ['user', 'will you live?', agent.id],
          ['robot', 'yes', agent.id],
        ],
      ],
    )
    // All of it once more, with the relay killed in between.
    asker.say({ text: 'and the relay?', conversationId: 'dying' })
    const again = await running.hear()
    await world.kill()
    await world.restart()
    running = await robot()
    assert.deepEqual(await running.hear(), again)
    running.say(answer('dying', 'it came back'))
    await until(async () => (await history('dying')).total === 4, 'the answer')
    await running.close()
  })

  await t.test('everyone sleeps, and all goes on', async () => {
    const [asker, running] = [await person('sleepy'), await robot()]
    asker.say({ text: 'before', conversationId: 'sleepier' })
    await running.hear()
    await sleep(14_000)
    running.say(answer('sleepier', 'after'))
    assert.deepEqual(await asker.hear(), {
      sender: 'Robot',
      robotId: agent.id,
      text: 'after',
      mediaUrl: null,
      conversationId: 'sleepier',
    })
    await until(() => /hub restored with 2 sockets/.test(world.process.output()), 'the log')
    asker.say({ type: 'ping' })
    assert.deepEqual(await asker.hear(), { type: 'pong' })
    await Promise.all([asker.close(), running.close()])
  })

  await t.test('the newest connection of a robot wins, and a key that is revoked is out', async () => {
    // Sockets that never said anything have their end shaken hands on by workerd after 10 s only.
    const greet = async (running) => running.say({ type: 'ping' }) ?? (await running.hear())
    const first = await robot()
    await greet(first)
    const second = await robot()
    await greet(second)
    assert.equal((await first.hear()).code, 'replaced')
    await until(() => first.closed, 'the first to be closed')
    assert.equal(first.closed.code, 4409)
    const { keys } = await world.call(world.token, 'GET', `/v1/agents/${agent.id}/keys`)
    const other = await world.call(world.token, 'POST', `/v1/agents/${agent.id}/keys`)
    await request(world, world.token, 'DELETE', `/v1/agents/${agent.id}/keys/${keys[0].id}`)
    await until(() => second.closed, 'the second to be closed', 5000)
    assert.equal(second.closed.code, 4401)
    assert.equal((await refusal(`${stream}?apiKey=${agent.key}`)).status, 401)
    agent.key = other.key
    await (await robot()).close()
  })

  await t.test('who has no right gets no socket', async () => {
    const stranger = await signUp(world, 'stranger')
    const theirs = await createAgent({ ...world, token: stranger.access_token }, 'theirs')
    const limited = await world.call(world.token, 'POST', `/v1/agents/${agent.id}/keys`, { scopes: ['push'] })
    const to = (id, token = world.token) => `token=${token}&robotId=${id}`
    const expired = signToken(world.secrets.SIGNING_KEY, 'access', {
      sub: world.user.id,
      role: 'operator',
      sid: world.session,
      exp: 1,
    })
    for (const [query, status, headers] of [
      ['', 401],
      ['apiKey=', 401],
      ['apiKey=sk-api-1234', 401],
      [`apiKey=${world.token}`, 401],
      [`apiKey=${limited.key}`, 403],
      [to(agent.id, agent.key), 401],
      [to(agent.id, expired), 401],
      [to(theirs.id), 404],
      [to('agt_none'), 404],
      [to('%00'), 404],
      [`token=${world.token}`, 404],
      [`${to(agent.id)}&conversationId=a%20b`, 400],
      [to(agent.id), 403, { origin: 'https://evil.example' }],
      [to(agent.id), 101, { origin: world.url }],
      [`robotId=${agent.id}`, 101, { authorization: `Bearer ${world.token}` }],
      ['', 101, { 'x-api-key': agent.key }],
    ]) {
      const refused = await refusal(`${stream}?${query}`, headers)
      assert.equal(refused.status, status, `${query}: ${refused.body}`)
    }
    assert.equal((await request(world, '', 'GET', `/ocms/v1/stream?apiKey=${agent.key}`)).status, 426)
  })

  await t.test('garbage closes nothing but what is too large', async () => {
    const running = await robot()
    for (const frame of ['', '{', '[]', '[[[', '"', '{"type":"message"}', '{"type":"message","data":[]}', '\u0000']) {
      running.say(frame)
      assert.equal((await running.hear(frame)).code, 'bad_frame', frame)
    }
    running.socket.send(new Uint8Array([1, 2, 3]))
    assert.equal((await running.hear()).code, 'binary_frame')
    await until(() => running.closed, 'a binary frame to close it')
    const asker = await person('garbage')
    asker.say(`"${'x'.repeat(1024 * 1024)}"`)
    assert.equal((await asker.hear()).error, 'frame_too_large')
    await until(() => asker.closed, 'a long frame to close it')
    assert.equal(asker.closed.code, 1009)
  })

  await t.test('files are the user’s own, whole, and by whatever credential these clients have', async () => {
    const big = picture(7_000_000)
    const basic = { authorization: `Basic ${Buffer.from(`robot:${agent.key}`).toString('base64')}` }
    for (const [headers, query] of [
      [bearer(world.token), ''],
      [bearer(agent.key), ''],
      [{ 'x-api-key': agent.key }, ''],
      [{}, `&apiKey=${agent.key}`],
      [{}, `&token=${world.token}`],
      [basic, ''],
    ]) {
      const { status, body } = await upload(form(big, '图.png'), headers, query)
      assert.deepEqual([status, body.success, body.file_size], [200, true, big.length], JSON.stringify(body))
      const got = await download(body.file_path, headers, query)
      assert.deepEqual([got.status, got.headers.get('cache-control')], [200, 'no-store'])
      assert.ok(got.bytes.equals(big))
      assert.ok((await read(body.file_path)).bytes.equals(big), 'it is a file like any other')
      const part = await download(body.file_path, { ...headers, range: 'bytes=1-3' }, query)
      assert.deepEqual([part.status, part.bytes], [206, big.subarray(1, 4)])
    }
    const { body: mine } = await upload(form(PIXEL), bearer(world.token))
    const old = `${world.url}/ocms/download/file?file_path=${encodeURIComponent(mine.file_path)}`
    assert.ok((await read(old, bearer(world.token))).bytes.equals(PIXEL))

    const stranger = await signUp(world, 'nosy')
    const limited = await world.call(world.token, 'POST', `/v1/agents/${agent.id}/keys`, { scopes: ['receive'] })
    const detail = ({ bytes }) => JSON.parse(bytes).detail
    for (const [path, headers, status, said] of [
      [mine.file_path, {}, 401, /Bearer/],
      [mine.file_path, bearer('sk-api-1'), 401, /sign in/],
      [mine.file_path, bearer(stranger.access_token), 404, /^no such file$/],
      [`${mine.file_path}x`, bearer(world.token), 404, /^no such file$/],
      ['cat.jpg', bearer(world.token), 400, /^file_name: what \/ocms\/upload\/file answered/],
      ['', bearer(world.token), 400, /^file_name: /],
    ]) {
      const refused = await download(path, headers)
      assert.equal(refused.status, status, path)
      assert.match(detail(refused), said)
    }
    assert.equal((await download(mine.file_path, bearer(limited.key))).status, 200, 'who may hear may read')

    const boundary = { 'content-type': 'multipart/form-data; boundary=X' }
    const other = new FormData()
    other.append('files', new File([PIXEL], 'a.png'))
    for (const [body, headers, status, said] of [
      [form(PIXEL), {}, 401, /Bearer/],
      [form(PIXEL), bearer(limited.key), 403, /send, or push/],
      [form(Buffer.alloc(0)), bearer(world.token), 400, /^file: the file is empty/],
      [form(Buffer.alloc(30_000_001)), bearer(world.token), 413, /^file: at most 30000000 bytes/],
      [Buffer.alloc(30_100_000), { ...bearer(world.token), ...boundary }, 413, /^file: at most 30000000 bytes/],
      [other, bearer(world.token), 400, /^file: expected a file in the field of this name/],
      ['', { ...bearer(world.token), ...boundary }, 400, /^file: expected a file/],
      [PIXEL, { ...bearer(world.token), 'content-type': 'image/png' }, 400, /^Content-Type: expected multipart/],
      [
        '--X\r\nContent-Disposition: form-data; name="file"\r\n\r\nhello',
        { ...bearer(world.token), ...boundary },
        400,
        /^file: it ended early/,
      ],
      [
        `--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n${'x'.repeat(70_000)}`,
        { ...bearer(world.token), ...boundary },
        400,
        /^file: expected at most 64 KiB before it/,
      ],
    ]) {
      const refused = await upload(body, headers)
      assert.equal(refused.status, status, JSON.stringify(refused.body))
      assert.match(refused.body.detail, said)
    }
  })

  await t.test('the calls beside it are other names for ours', async () => {
    const ask = (method, path, token = world.token, body) => request(world, token, method, `/ocms${path}`, body)
    const { body: robots } = await ask('GET', '/robots/')
    assert.deepEqual(
      robots.map(({ robot_id, name }) => [robot_id, name]),
      [[agent.id, 'robot']],
    )
    const { body: conversations } = await ask('GET', '/conversations/?robot_id=x')
    assert.ok(conversations.some(({ conversation_id, updated_at }) => conversation_id === 'dying' && updated_at > 1e12))
    const { body: begun } = await ask('POST', '/conversations/', world.token, { robot_id: agent.id })
    assert.match(begun.conversation_id, /^conv_/)
    assert.deepEqual((await history(begun.conversation_id)).messages, [])
    assert.deepEqual(
      (await history('dying', '&limit=1&offset=1')).messages.map(({ text }) => text),
      ['and the relay?'],
    )
    assert.equal((await ask('GET', '/chat/history/usr_other')).status, 404)
    for (const path of ['/robots/', '/conversations/', `/chat/history/${world.user.id}`]) {
      assert.equal((await ask('GET', path, agent.key)).status, 401)
    }
    const session = await signUp(world, 'someone')
    const { status, body: token } = await ask('POST', '/auth/refresh', '', { refresh_token: session.refresh_token })
    assert.deepEqual([status, token.token_type, token.expires_in], [200, 'bearer', 900])
    assert.equal((await ask('GET', '/robots/', token.access_token)).status, 200)
    assert.equal((await ask('POST', '/auth/refresh', '', { refresh_token: 'x' })).status, 401)
    const refused = await ask('POST', '/auth/weapp/token', '', { grant_type: 'weapp_code', code: 'c' })
    assert.deepEqual([refused.status, refused.body.detail], [404, 'no such mini program'])
    assert.ok(!world.process.output().includes(agent.key), 'keys in addresses are not logged')
  })
})
