// Bad input: each has its status and a problem-details body; nothing breaks, nothing leaks.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { test } from 'node:test'
import { connectDevice } from './support/device.mjs'
import { APP, ENCRYPT_KEY, encrypt, messageEvent, sign, signatureOf, VERIFICATION_TOKEN } from './support/feishu.mjs'
import { keyOf, kidOf, sign as signed, signToken } from './support/token.mjs'
import { createAgent, feishuAccount, post, startFeishuWorld, until } from './support/world.mjs'

test('bad input', async (t) => {
  const world = await startFeishuWorld(t)
  const { token } = world

  /** Sends a request and checks its refusal: status, code, a word of the detail, and that it says no more than that. */
  async function refused({ path, method = 'POST', headers = {}, body, status, code, detail = '' }) {
    const response = await fetch(world.url + path, { method, headers, body })
    const text = await response.text()
    assert.equal(response.status, status, `${method} ${path}: ${text}`)
    assert.equal(response.headers.get('content-type'), 'application/problem+json')
    const problem = JSON.parse(text)
    assert.deepEqual(Object.keys(problem).sort(), ['detail', 'status', 'title', 'type'])
    assert.deepEqual([problem.type, problem.status], [`/errors/${code}`, status])
    assert.ok(problem.detail.includes(detail), `${problem.detail} does not name ${detail}`)
    for (const secret of [
      APP.app_secret,
      ENCRYPT_KEY,
      VERIFICATION_TOKEN,
      world.secrets.SIGNING_KEY,
      world.secrets.SEALING_KEY,
      world.operatorToken,
    ]) {
      assert.ok(!text.includes(secret), 'a secret leaked')
    }
    return response
  }
  const bearer = (value) => ({ authorization: `Bearer ${value}` })
  const json = { 'content-type': 'application/json' }

  await t.test('webhooks', async () => {
    const path = '/webhook/feishu/main'
    const good = sign(messageEvent('om_never', 'never'))
    const unauthorized = { path, status: 401, code: 'unauthorized' }
    await refused({
      ...unauthorized,
      body: good.body,
      headers: { ...good.headers, 'x-lark-signature': '0'.repeat(64) },
    })
    await refused({ ...unauthorized, body: good.body, headers: json })
    await refused({ ...unauthorized, body: good.body.replace('{"encrypt":"', '{"encrypt":"A'), headers: good.headers })
    // Changed at its beginning (the text is damaged), in its last block (the padding is): answered alike, signed or not.
    const whole = encrypt(messageEvent('om_never', 'x'))
    for (const encrypted of [`AAAA${whole.slice(4)}`, `${whole.slice(0, -8)}AAAA${whole.slice(-4)}`]) {
      const body = JSON.stringify({ encrypt: encrypted })
      await refused({ ...unauthorized, body, headers: signatureOf(body) })
      await refused({ ...unauthorized, body, headers: json })
    }
    for (const encrypted of ['AAAA', '', '!!!', encrypt({}).slice(0, -24)]) {
      const body = JSON.stringify({ encrypt: encrypted })
      await refused({ ...unauthorized, body, headers: signatureOf(body) })
    }
    const wrongToken = messageEvent('om_never', 'never')
    wrongToken.header.token = 'wrong'
    await refused({ ...unauthorized, ...sign(wrongToken) })
    const plain = JSON.stringify(messageEvent('om_never', 'never'))
    await refused({ ...unauthorized, body: plain, headers: signatureOf(plain) })
    await refused({ ...good, path: '/webhook/feishu/nobody', status: 404, code: 'not_found' })
    await refused({ ...good, path: '/webhook/wecom/main', status: 404, code: 'not_found' })
    await refused({ path, body: 'not json', headers: json, status: 400, code: 'bad_request', detail: 'JSON' })
    await refused({ path, body: '', headers: json, status: 400, code: 'bad_request', detail: 'JSON' })
    await refused({
      path,
      body: 'x'.repeat(2_000_000),
      headers: json,
      status: 413,
      code: 'body_too_large',
      detail: '1048576',
    })
    const stream = new Blob(['x'.repeat(2_000_000)]).stream()
    const chunked = await fetch(world.url + path, { method: 'POST', headers: json, body: stream, duplex: 'half' })
    assert.equal(chunked.status, 413, 'also when the length is not declared')
    await refused({
      path,
      body: good.body,
      headers: { 'content-type': 'text/plain' },
      status: 415,
      code: 'unsupported_media_type',
    })
    const incomplete = messageEvent('om_never', 'never')
    delete incomplete.event.message.chat_id
    await refused({ path, ...sign(incomplete), status: 400, code: 'bad_request', detail: 'chat_id' })
    await refused({
      path,
      ...sign({ header: { token: VERIFICATION_TOKEN } }),
      status: 400,
      code: 'bad_request',
      detail: 'schema',
    })
    // A message whose content cannot be read is acknowledged: refused, it would block the platform's queue.
    const unreadable = messageEvent('om_never', 'never')
    unreadable.event.message.content = '{not json'
    assert.equal((await world.webhook(unreadable)).status, 200)
    const response = await refused({ path, method: 'GET', status: 405, code: 'method_not_allowed' })
    assert.equal(response.headers.get('allow'), 'POST')
  })

  await t.test('tokens', async () => {
    const { SIGNING_KEY: secret } = world.secrets
    const claims = {
      sub: world.user.id,
      role: 'operator',
      sid: world.session,
      exp: Math.floor(Date.now() / 1000) + 3600,
    }
    const forge = (changes = {}, header = {}) => signToken(secret, 'access', { ...claims, ...changes }, header)
    const whole = { iss: 'claw-relay', aud: 'access', iat: Math.floor(Date.now() / 1000), ...claims }
    const head = { alg: 'HS256', kid: kidOf(secret), typ: 'access+jwt' }
    const { key } = await createAgent(world, 'for-tokens')
    const bad = {
      'of another secret': signed('another secret', head, whole),
      'signed with the undivided secret': signed(secret, head, whole),
      'signed with the key of another kind': signed(keyOf(secret, 'agent'), head, whole),
      expired: forge({ exp: 1 }),
      'not yet': forge({ nbf: Math.floor(Date.now() / 1000) + 3600 }),
      'without an end': forge({ exp: undefined }),
      'of another issuer': forge({ iss: 'someone else' }),
      'for another audience': forge({ aud: 'agent' }),
      'alg none': signed(keyOf(secret, 'access'), { ...head, alg: 'none' }, whole).replace(/[^.]*$/, ''),
      'alg none, signed': forge({}, { alg: 'none' }),
      'of another kind': forge({}, { typ: 'agent+jwt' }),
      'of no key': forge({}, { kid: undefined }),
      'of an unknown key': forge({}, { kid: 'unknown' }),
      'of an unknown session': forge({ sid: 'ses_unknown' }),
      'an agent key': key,
      'cut short': token.slice(0, -5),
      empty: '',
      nonsense: 'a.b.c',
    }
    // The forger does know how: with the right key and claims the same token is accepted.
    await world.call(forge(), 'GET', '/v1/me')
    for (const [name, value] of Object.entries(bad)) {
      const response = await refused({
        path: '/v1/me',
        method: 'GET',
        headers: bearer(value),
        status: 401,
        code: 'unauthorized',
      })
      assert.ok(response.headers.has('www-authenticate'), name)
      // What signature and claims prove is enough for a socket, as long as the Hub does not know that the session ended.
      const opens = ['an agent key', 'of an unknown session'].includes(name)
      assert.equal(await upgrade(world.url, bearer(value)), opens ? 101 : 401, name)
    }
    await refused({ path: '/v1/me', method: 'GET', status: 401, code: 'unauthorized', detail: 'Authorization' })
    await refused({ path: '/v1/auth/operator', headers: bearer('x'.repeat(43)), status: 401, code: 'unauthorized' })
    await refused({
      path: '/v1/auth/operator',
      headers: bearer(world.operatorToken),
      status: 401,
      code: 'unauthorized',
      detail: 'used',
    })
    const login = { login: 'user@example.com', password: 'a password of a user' }
    await world.call(token, 'POST', '/v1/admin/users', { name: 'user', ...login })
    const { access_token: user } = await world.call('', 'POST', '/v1/auth/login', login)
    await refused({ path: '/v1/admin/accounts', method: 'GET', headers: bearer(user), status: 403, code: 'forbidden' })
  })

  await t.test('the API', async () => {
    const auth = { ...bearer(token), ...json }
    await refused({ path: '/v1/nothing', method: 'GET', status: 404, code: 'not_found' })
    await refused({
      path: '/v1/agents',
      method: 'DELETE',
      headers: auth,
      status: 405,
      code: 'method_not_allowed',
      detail: 'GET, POST',
    })
    await refused({ path: '/v1/agents', headers: auth, body: '{}', status: 400, code: 'bad_request', detail: 'name' })
    await refused({
      path: '/v1/agents',
      headers: auth,
      body: '{"name":" "}',
      status: 400,
      code: 'bad_request',
      detail: 'name',
    })
    await refused({
      path: '/v1/agents',
      headers: bearer(token),
      body: '{}',
      status: 415,
      code: 'unsupported_media_type',
    })
    await refused({ path: '/v1/agents/agt_unknown/keys', headers: auth, status: 404, code: 'not_found' })
    await refused({ path: '/v1/agents/a%20b/keys', headers: auth, status: 404, code: 'not_found' })
    const page = '/v1/conversations/web/messages'
    for (const cursor of ['x', '1', '1.-1', '1.1']) {
      await refused({
        path: `${page}?before=${cursor}`,
        method: 'GET',
        headers: auth,
        status: 400,
        code: 'bad_cursor',
        detail: 'before',
      })
    }
    for (const limit of ['0', '201', 'x', '-1']) {
      await refused({
        path: `${page}?limit=${limit}`,
        method: 'GET',
        headers: auth,
        status: 400,
        code: 'bad_request',
        detail: 'limit',
      })
    }
    const account = (changes) => ({
      path: '/v1/admin/accounts',
      headers: auth,
      body: JSON.stringify(feishuAccount(world, changes)),
    })
    await refused({ ...account({}), status: 409, code: 'conflict', detail: 'id' })
    await refused({ ...account({ id: 'x', platform: 'icq' }), status: 400, code: 'bad_request', detail: 'icq' })
    await refused({ ...account({ id: 'x', app_id: undefined }), status: 400, code: 'bad_request', detail: 'app_id' })
    await refused({ ...account({ id: 'a b' }), status: 400, code: 'bad_request', detail: 'letters' })
    await refused({
      ...account({ id: 'x', encrypt_key: '', verification_token: '' }),
      status: 400,
      code: 'bad_request',
      detail: 'encrypt_key',
    })
    await refused({
      ...account({ id: 'x', api_base: 'http://example.com' }),
      status: 400,
      code: 'bad_request',
      detail: 'api_base',
    })
    await refused({
      ...account({ id: 'x', default_user: 'usr_unknown' }),
      status: 400,
      code: 'bad_request',
      detail: 'default_user',
    })
    await refused({
      ...account({ id: 'x', app_secret: 'wrong' }),
      status: 422,
      code: 'platform_refused',
      detail: '10015',
    })
    const { accounts } = await world.call(token, 'GET', '/v1/admin/accounts')
    assert.deepEqual(
      accounts.map((row) => Object.keys(row).sort()),
      [['created_ms', 'default_user', 'groups', 'id', 'platform', 'policy']],
    )
  })

  await t.test('sockets', async () => {
    await refused({ path: '/v1/ws', method: 'GET', headers: bearer(token), status: 426, code: 'upgrade_required' })
    const { ticket } = await world.call(token, 'POST', '/v1/tickets')
    const open = (query) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${world.url.replace('http', 'ws')}/v1/ws${query}`, 'claw-relay.v1')
        socket.onopen = () => resolve('open') || socket.close()
        socket.onerror = () => resolve('refused')
      })
    assert.equal(await open(`?ticket=${ticket}`), 'open')
    assert.equal(await open(`?ticket=${ticket}`), 'refused', 'a ticket is good once')
    assert.equal(await open('?ticket=forged'), 'refused')
    assert.equal(await open(''), 'refused')

    /** What a new device hears after `frame`, and how its socket is closed, if it is. */
    async function hears(frame, hello = true) {
      const device = await connectDevice(world, token, { hello: hello ? {} : { type: 'ack', seq: 0 } })
      if (hello) await until(() => device.frames.some(({ type }) => type === 'presence'), 'the welcome')
      device.frames.length = 0
      device.send(frame)
      await until(() => device.closed || device.frames.length, `an answer to ${String(frame).slice(0, 40)}`)
      const { code, detail } = device.frames[0] ?? {}
      const closed = await until(() => device.closed, 'a close frame, which need not come', 1_000).then(
        ({ code }) => code,
        () => null,
      )
      if (!closed) await device.close()
      return { code, detail, closed }
    }
    assert.deepEqual(await hears('x'.repeat(1_100_000)), {
      code: 'frame_too_large',
      detail: 'a frame holds at most 1048576 bytes',
      closed: 1009,
    })
    assert.deepEqual(await hears(new Uint8Array([1, 2])).then(({ code, closed }) => [code, closed]), [
      'binary_frame',
      1003,
    ])
    assert.deepEqual(await hears('not json').then(({ code, closed }) => [code, closed]), ['bad_frame', null])
    const missing = await hears('{"type":"send","text":"x"}')
    assert.ok(missing.code === 'bad_frame' && missing.detail.includes('id') && !missing.closed)
    assert.deepEqual(
      await hears(`{"type":"send","id":"m-long","text":"${'x'.repeat(200_000)}"}`).then(({ code }) => code),
      'text_too_long',
    )
    // An unknown type is ignored: the next frame is the one that is answered.
    assert.deepEqual(
      await hears('[{"type":"from_the_future"},{"type":"ack","seq":99}]').then(({ code, closed }) => [code, closed]),
      ['bad_ack', null],
    )
    const noHello = await connectDevice(world, token, { hello: { type: 'ack', seq: 0 } })
    await until(() => noHello.closed, 'the socket to be closed')
    assert.equal(noHello.closed.code, 4400)
    const badCursor = await connectDevice(world, token, { cursor: 'nonsense' })
    await until(() => badCursor.closed, 'the socket to be closed')
    assert.deepEqual([badCursor.frames[0].code, badCursor.closed.code], ['bad_cursor', 4400])
  })

  await t.test('nothing broke', async () => {
    const response = await post(`${world.url}/webhook/feishu/main`, sign(messageEvent('om_last', 'still here')))
    assert.equal(response.status, 200)
    const { conversations } = await world.call(token, 'GET', '/v1/conversations')
    assert.deepEqual(
      conversations.map(({ id, last_seq }) => [id, last_seq]),
      [['feishu:main:oc_1', 1]],
    )
    assert.ok(!/ 500 |panicked|unreachable/.test(world.process.output()), world.process.output())
    assert.deepEqual(world.feishu.faults, [])
  })
})

/** The status that a WebSocket handshake with these headers is answered with. */
function upgrade(url, headers) {
  return new Promise((resolve, reject) => {
    const key = randomBytes(16).toString('base64')
    const handshake = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': 13,
      'sec-websocket-key': key,
    }
    const outgoing = request(`${url}/v1/ws`, {
      headers: { ...headers, ...handshake, 'sec-websocket-protocol': 'claw-relay.v1' },
    })
    outgoing.once('upgrade', (response, socket) => resolve(response.statusCode) || socket.destroy())
    outgoing.once('response', (response) => resolve(response.statusCode) || response.resume())
    outgoing.once('error', reject)
    outgoing.end()
  })
}
