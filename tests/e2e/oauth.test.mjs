// Signing in with an account elsewhere: Feishu and WeCom by OAuth, WeChat by `wx.login`; and what tampering comes to.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { request, signUp } from './support/people.mjs'
import { json, serve } from './support/server.mjs'
import { startWorld } from './support/world.mjs'

const SECRET = 'provider-secret-that-must-not-leak'

test('providers', async (t) => {
  const world = await startWorld(t, { vars: { RATE_LIMITS: 'off', SIGN_UP: 'organisation' } })
  const ask = (...args) => request(world, ...args)
  const platform = await startPlatform()
  t.after(() => platform.close())
  const provider = (id, kind, more) =>
    ask(world.token, 'POST', '/v1/admin/providers', {
      ...{ id, kind, app_id: `app_${id}`, app_secret: SECRET, api: platform.url },
      ...more,
    })
  for (const [id, kind, more] of [
    ['lark', 'feishu', { organisations: ['tenant_ours'] }],
    ['corp', 'wecom', { agent_id: '1000002' }],
    ['mini', 'wechat', {}],
  ]) {
    assert.equal((await provider(id, kind, more)).status, 201)
  }
  assert.equal((await provider('lark', 'feishu')).status, 409)
  assert.match((await provider('bare', 'wecom')).body.detail, /agent_id/)
  const methods = (await ask('', 'GET', '/v1/auth/methods')).body
  assert.deepEqual(
    methods.providers.map(({ id }) => id),
    ['corp', 'lark', 'mini'],
  )
  const redirect_uri = `${world.url}/`

  /** Begins at a provider; answers what comes back with the person. */
  const begin = async (id, more = {}) => {
    const verifier = randomBytes(32).toString('base64url')
    const challenge = createHash('sha256').update(verifier).digest('base64url')
    const started = await ask('', 'POST', `/v1/auth/oauth/${id}/start`, { challenge, redirect_uri, ...more })
    assert.equal(started.status, 200, JSON.stringify(started.body))
    const url = new URL(started.body.url)
    return { verifier, url, state: url.searchParams.get('state') }
  }
  const finish = (id, body) => ask('', 'POST', `/v1/auth/oauth/${id}/finish`, body)

  await t.test('Feishu: a member signs up, and in again', async () => {
    const { verifier, url, state } = await begin('lark')
    assert.equal(url.searchParams.get('code_challenge_method'), 'S256')
    assert.equal(url.searchParams.get('redirect_uri'), redirect_uri)
    const code = platform.code({ open_id: 'ou_1', name: '小明', tenant_key: 'tenant_ours' }, url)
    const first = await finish('lark', { code, state, verifier })
    assert.equal(first.status, 200)
    assert.equal(first.body.user.name, '小明')
    const again = await begin('lark')
    const next = platform.code({ open_id: 'ou_1', name: '小明', tenant_key: 'tenant_ours' }, again.url)
    const second = await finish('lark', { code: next, state: again.state, verifier: again.verifier })
    assert.equal(second.body.user.id, first.body.user.id)
  })

  await t.test('whoever is of another organisation needs an invitation', async () => {
    const stranger = { open_id: 'ou_2', name: 'Eve', tenant_key: 'tenant_other' }
    const one = await begin('lark')
    const refused = await finish('lark', { ...one, url: undefined, code: platform.code(stranger, one.url) })
    assert.equal(refused.status, 403)
    const { code: invitation } = (await ask(world.token, 'POST', '/v1/admin/invitations')).body
    const two = await begin('lark', { invitation })
    const admitted = await finish('lark', { ...two, url: undefined, code: platform.code(stranger, two.url) })
    assert.equal(admitted.status, 200)
  })

  await t.test('WeCom: members alone; WeChat: by invitation', async () => {
    const one = await begin('corp')
    const member = platform.code({ userid: 'zhangsan' }, one.url)
    assert.equal((await finish('corp', { ...one, url: undefined, code: member })).status, 200)
    const two = await begin('corp')
    const outsider = platform.code({ openid: 'o_1', external_userid: 'wm_1' }, two.url)
    assert.equal((await finish('corp', { ...two, url: undefined, code: outsider })).status, 422)
    const { code: invitation } = (await ask(world.token, 'POST', '/v1/admin/invitations')).body
    const login = (code, more) => ask('', 'POST', '/v1/auth/wechat', { provider: 'mini', code, ...more })
    const { body } = await login(platform.code({ openid: 'o_2' }), { invitation })
    assert.equal((await login(platform.code({ openid: 'o_2' }))).body.user.id, body.user.id)
    assert.equal((await login('no such code')).status, 422)
    assert.equal((await ask('', 'POST', '/v1/auth/wechat', { provider: 'lark', code: 'x' })).status, 404)
    // The same in ManServer's words, which name no mini program.
    const weapp = { grant_type: 'weapp_code', code: platform.code({ openid: 'o_2' }) }
    const { body: token } = await ask('', 'POST', '/ocms/auth/weapp/token', weapp)
    assert.deepEqual([token.token_type, token.expires_in, token.scope], ['bearer', 900, 'profile robots'])
    assert.equal((await ask(token.access_token, 'GET', '/v1/me')).body.user.id, body.user.id)
  })

  await t.test('tampering is refused, and nobody is asked', async () => {
    const { verifier, state, url } = await begin('lark')
    const other = await begin('lark')
    const wecom = await begin('corp')
    const code = platform.code({ open_id: 'ou_1', tenant_key: 'tenant_ours' }, url)
    const { access_token, refresh_token } = await signUp(world, 'someone')
    const calls = platform.calls
    for (const [name, body, id = 'lark'] of [
      ['no verifier of its own', { code, state, verifier: other.verifier }],
      ['a short verifier', { code, state, verifier: 'short' }],
      ['a state cut short', { code, state: state.slice(0, -3), verifier }],
      ['a state of another kind', { code, state: access_token, verifier }],
      ['a refresh token as state', { code, state: refresh_token, verifier }],
      ['the state of another provider', { code, state: wecom.state, verifier: wecom.verifier }],
      ['another provider for the state', { code, state, verifier }, 'corp'],
    ]) {
      assert.equal((await finish(id, body)).status, 401, name)
    }
    assert.equal(platform.calls, calls)
    assert.equal((await finish('lark', { code, state, verifier })).status, 200)
    const replayed = platform.code({ open_id: 'ou_1', tenant_key: 'tenant_ours' }, url)
    assert.equal((await finish('lark', { code: replayed, state, verifier })).status, 401, 'the state is good once')
    const start = (body) => ask('', 'POST', '/v1/auth/oauth/lark/start', body)
    const challenge = createHash('sha256').update(verifier).digest('base64url')
    for (const redirect of [
      'https://evil.example/',
      `${world.url}`,
      `${world.url}/path`,
      `${world.url}.evil.example/`,
    ]) {
      assert.equal((await start({ challenge, redirect_uri: redirect })).status, 400, redirect)
    }
    assert.equal((await start({ challenge: 'short', redirect_uri })).status, 400)
  })

  await t.test('a provider that is busy is not taken for a refusal', async () => {
    const { verifier, state, url } = await begin('lark')
    platform.isBusy = true
    const code = platform.code({ open_id: 'ou_1', tenant_key: 'tenant_ours' }, url)
    assert.equal((await finish('lark', { code, state, verifier })).status, 503)
    platform.isBusy = false
  })
  assert.deepEqual(platform.faults, [])
  assert.ok(!world.process.output().includes(SECRET))
})

/** Feishu's, WeCom's and WeChat's sign-in, which refuse what they refuse: unknown and used codes, wrong verifiers. */
async function startPlatform() {
  const codes = new Map()
  const tokens = new Map()
  const platform = { calls: 0, isBusy: false }
  const server = await serve((message, body, response) => {
    platform.calls += 1
    const url = new URL(message.url, 'http://fake')
    const query = (name) => url.searchParams.get(name)
    if (platform.isBusy) return json(response, 500, { code: 20050, msg: 'busy' })
    const use = (code) => {
      const known = codes.get(code)
      codes.delete(code)
      return known
    }
    switch (url.pathname) {
      case '/open-apis/authen/v2/oauth/token': {
        const asked = JSON.parse(body)
        if (asked.client_secret !== SECRET) return json(response, 400, { code: 20002, error: 'invalid_client' })
        const known = use(asked.code)
        if (!known) return json(response, 400, { code: 20003, error: 'invalid_grant' })
        const challenge = createHash('sha256').update(asked.code_verifier).digest('base64url')
        const isTheirs = challenge === known.challenge && asked.redirect_uri === known.redirect
        if (!isTheirs) return json(response, 400, { code: 20049, error: 'invalid_grant' })
        const token = randomBytes(16).toString('hex')
        tokens.set(token, known.person)
        return json(response, 200, { code: 0, access_token: token, token_type: 'Bearer', expires_in: 7200 })
      }
      case '/open-apis/authen/v1/user_info': {
        const person = tokens.get((message.headers.authorization ?? '').replace('Bearer ', ''))
        return person ? json(response, 200, { code: 0, data: person }) : json(response, 400, { code: 20005 })
      }
      case '/cgi-bin/gettoken': {
        if (query('corpsecret') !== SECRET) return json(response, 200, { errcode: 40001 })
        tokens.set('corp token', true)
        return json(response, 200, { errcode: 0, access_token: 'corp token', expires_in: 7200 })
      }
      case '/cgi-bin/auth/getuserinfo': {
        if (!tokens.has(query('access_token'))) return json(response, 200, { errcode: 40014 })
        const known = use(query('code'))
        return known ? json(response, 200, { errcode: 0, ...known.person }) : json(response, 200, { errcode: 40029 })
      }
      case '/sns/jscode2session': {
        if (query('secret') !== SECRET) return json(response, 200, { errcode: 40125 })
        const known = use(query('js_code'))
        return json(response, 200, known ? { ...known.person, session_key: 'k' } : { errcode: 40029 })
      }
    }
    throw new Error(`no such api: ${message.method} ${url.pathname}`)
  })
  /** The code that a person comes back with from `page`. */
  const code = (person, page) => {
    const made = randomBytes(16).toString('hex')
    const asked = (name) => page?.searchParams.get(name)
    codes.set(made, { person, challenge: asked('code_challenge'), redirect: asked('redirect_uri') })
    return made
  }
  return Object.assign(platform, server, { code })
}
