// The operator's command line, as it is run: the real script against the real Worker.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { breaks, hashOf } from '../../scripts/admin/audit.mjs'
import { ROOT } from '../../scripts/lib/run.mjs'
import { newOperatorToken } from '../../scripts/lib/secret.mjs'
import { messageEvent } from './support/feishu.mjs'
import { request, signUp } from './support/people.mjs'
import { createAgent, feishuAccount, startFeishuWorld, until } from './support/world.mjs'

test('the command line', async (t) => {
  const world = await startFeishuWorld(t, { vars: { RATE_LIMITS: 'off', QUESTION_TTL_S: '2' } })
  const home = join(world.folder, 'state')
  const state = join(home, 'claw-relay', 'admin.json')
  const file = (name, content) => {
    const path = join(world.folder, name)
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }
  /** Runs the script, with `input` piped in. */
  const admin = async (args, { input = '', folder = home } = {}) => {
    const child = spawn(process.execPath, [join(ROOT, 'scripts', 'admin.mjs'), ...args], {
      env: { ...process.env, XDG_STATE_HOME: folder },
    })
    const result = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'])
      child[name].setEncoding('utf8').on('data', (text) => (result[name] += text))
    child.stdin.end(input)
    result.code = await new Promise((resolve) => child.once('close', resolve))
    return result
  }
  /** The answer of a command that must succeed. */
  const does = async (args, options) => {
    const { code, stdout, stderr } = await admin([...args, '--json'], options)
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
    return JSON.parse(stdout)
  }
  const refuses = async (args, code, words, options) => {
    const refused = await admin(args, options)
    assert.equal(refused.code, code, `${args.join(' ')}: ${refused.stdout}${refused.stderr}`)
    assert.match(refused.stderr, words)
    return refused
  }

  await t.test('signs in by token, password and link, and keeps that to itself', async () => {
    await refuses(['users'], 3, /nobody is signed in: .*sign-in/)
    await refuses(['sign-in', world.url], 2, /say how: --token/)
    await refuses(['sign-in', 'http://relay.example', '--token', 'x'], 2, /use https:/)
    await refuses(['sign-in', world.url, '--token', world.operatorToken], 3, /used already; set a new OPERATOR_TOKEN/)
    world.secrets.OPERATOR_TOKEN = newOperatorToken()
    await world.process.stop()
    await world.restart()
    const piped = { input: `${world.secrets.OPERATOR_TOKEN}\n` }
    assert.equal((await does(['sign-in', world.url, '--token', '-'], piped)).user.role, 'operator')
    assert.equal(statSync(state).mode & 0o777, 0o600)
    assert.equal(statSync(join(home, 'claw-relay')).mode & 0o777, 0o700)
    const login = ['--login', 'operator@example.com']
    await does(['password', ...login], { input: 'a long operator password\n' })
    // That ended the session of this test, as it should.
    const body = { login: 'operator@example.com', password: 'a long operator password' }
    assert.equal((await request(world, world.token, 'GET', '/v1/me')).status, 401)
    world.token = (await request(world, '', 'POST', '/v1/auth/login', body)).body.access_token
    await refuses(['sign-in', world.url, ...login], 3, /login or password: wrong/, { input: 'not that password\n' })
    await does(['sign-in', world.url, ...login], { input: 'a long operator password\n' })
    const { link } = await does(['link'])
    const elsewhere = { folder: join(world.folder, 'elsewhere') }
    assert.equal((await does(['sign-in', link], elsewhere)).user.id, world.user.id)
    // Also long after the access token is over.
    const old = join(elsewhere.folder, 'claw-relay', 'admin.json')
    writeFileSync(old, readFileSync(old, 'utf8').replace(/"access_token":"[^"]+"/, '"access_token":"x"'))
    await does(['sign-out'], elsewhere)
    await refuses(['whoami'], 3, /nobody is signed in/, elsewhere)
    assert.deepEqual((await does(['whoami'])).user.id, world.user.id)
    // Signing in anew ended the session before.
    // And signing out the one elsewhere.
    const { sessions } = (await request(world, world.token, 'GET', '/v1/me/sessions')).body
    assert.equal(sessions.filter(({ client }) => client === 'claw-relay admin').length, 1)
  })

  await t.test('refreshes by itself, also of several at once, and says when the session has ended', async () => {
    const kept = () => JSON.parse(readFileSync(state, 'utf8'))
    const age = () => {
      const old = kept()
      old.relays[world.url].expires_at_ms = 0
      writeFileSync(state, JSON.stringify(old), { mode: 0o600 })
      return old.relays[world.url].refresh_token
    }
    const before = age()
    const several = await Promise.all(Array.from({ length: 4 }, () => admin(['users'])))
    assert.deepEqual(
      several.map(({ code }) => code),
      [0, 0, 0, 0],
    )
    assert.notEqual(kept().relays[world.url].refresh_token, before)
    // One that others can read is not used.
    const { chmodSync } = await import('node:fs')
    chmodSync(state, 0o644)
    await refuses(['users'], 3, /can be read by others: chmod 600/)
    chmodSync(state, 0o600)
    // An access token that is not good any more, whatever the clock says.
    const stale = kept()
    stale.relays[world.url].access_token = 'not.a.token'
    writeFileSync(state, JSON.stringify(stale), { mode: 0o600 })
    await does(['users'])
    const folder = join(world.folder, 'ended')
    mkdirSync(join(folder, 'claw-relay'), { recursive: true })
    const ended = kept()
    ended.relays[world.url].expires_at_ms = 0
    ended.relays[world.url].refresh_token = 'x'
    writeFileSync(join(folder, 'claw-relay', 'admin.json'), JSON.stringify(ended), { mode: 0o600 })
    await refuses(['users'], 3, /the session at .* has ended: .*sign-in http/, { folder })
  })

  await t.test('names the flag and the fix', async () => {
    await refuses(['nonsense'], 2, /no such command/)
    await refuses(['user', 'create'], 2, /<name> is missing\nusage: .*user create <name>/)
    await refuses(['invite', '--days', '31'], 2, /--days 31: expected a whole number, 1 to 30/)
    await refuses(['invite', '--role', 'king'], 2, /--role king: expected user or operator/)
    await refuses(['invite', '--colour', 'red'], 2, /--colour/)
    await refuses(['account', 'policy', 'main'], 2, /nothing to change: give --policy/)
    await refuses(['account', 'policy', 'main', '--default-user', 'usr_nobody'], 1, /--default-user: .*no such user/)
    await refuses(['account', 'create', '--file', '/nowhere.json'], 2, /--file \/nowhere.json: ENOENT/)
    await refuses(['replay', world.user.id], 2, /a number that dead-letters shows, or --all/)
    await refuses(['whoami', '--relay', 'http://127.0.0.1:9'], 3, /nobody is signed in at http:\/\/127.0.0.1:9/)
    const help = await admin(['user', 'delete', '--help'])
    assert.match(help.stdout, /--confirm.*id once more/)
    assert.match(help.stdout, /永久删除/)
    const all = await admin([])
    assert.equal(all.code, 0)
    assert.match(all.stdout, /audit\s.*\n.*审计日志/)
  })

  await t.test('bots: their policies, lists and secrets', async () => {
    const second = feishuAccount(world, { id: 'second', default_user: undefined })
    const created = await does(['account', 'create', '--file', file('account.json', second)])
    assert.equal(created.webhook, '/webhook/feishu/second')
    assert.equal(created.account.policy, 'pairing')
    const wrong = file('wrong.json', { ...second, id: 'third', app_secret: 'wrong' })
    await refuses(['account', 'create', '--file', wrong], 1, /Platform refused: app_id, app_secret: /)
    const opened = ['account', 'policy', 'second', '--policy', 'open', '--default-user', 'me', '--groups', 'listed']
    const { account } = await does(opened)
    assert.deepEqual([account.policy, account.groups, account.default_user], ['open', 'listed', world.user.id])
    const closed = await does(['account', 'policy', 'second', '--default-user', 'none'])
    assert.equal(closed.account.default_user, undefined)
    await does(['sender', 'add', 'second', 'ou_1/ä'])
    assert.deepEqual((await does(['senders', 'second'])).senders[0].sender, 'ou_1/ä')
    await does(['sender', 'remove', 'second', 'ou_1/ä'])
    await does(['group', 'add', 'second', 'oc_1', '--user', world.user.id])
    assert.equal((await does(['groups', 'second'])).groups[0].user, world.user.id)
    await does(['bind', 'second', 'ou_2', world.user.id])
    const { stdout } = await admin(['accounts'])
    assert.match(stdout, /second\s+feishu\s+open\s+listed/)
    assert.ok(!stdout.includes(second.app_secret))
    const { allowances } = await does(['account', 'quota', 'second'])
    assert.deepEqual([allowances[0].period, allowances[0].used], ['month', 0])
    const { stdout: quota } = await admin(['account', 'quota', 'second'])
    assert.match(quota, /calls a month\s+organisation\s+0\s+unknown\s+\d{4}-\d\d-\d\d .* open\.feishu\.cn, .*99991403/)
    assert.match(quota, /messages a second\s+chat\s+5\s+open\.feishu\.cn/)
    const renewed = { ...second, verification_token: 'another-token' }
    assert.equal(
      (await does(['account', 'credentials', 'second', '--file', file('renewed.json', renewed)])).account.id,
      'second',
    )
    await does(['account', 'delete', 'second'])
    await refuses(['senders', 'second'], 1, /Not found: no such account/)
    assert.deepEqual(await does(['secrets', 'rotate']), { sealed: 0 })
  })

  await t.test('people come by invitation, and go', async () => {
    const invited = await does(['invite', '--role', 'user', '--days', '1', '--uses', '2'])
    assert.equal(invited.link, `${world.url}/?invitation=${invited.code}`)
    const body = { login: 'ada@example.com', password: 'a long password of ada', name: 'Ada' }
    const registered = await request(world, '', 'POST', '/v1/auth/register', { ...body, invitation: invited.code })
    assert.equal(registered.status, 201)
    const { id } = registered.body.user
    assert.equal((await does(['invitations'])).invitations[0].uses, 1)
    await does(['invitation', 'delete', invited.invitation.id])
    assert.match((await admin(['users'])).stdout, new RegExp(`${id}\\s+Ada\\s+user`))
    await does(['user', 'disable', id])
    assert.equal((await request(world, '', 'POST', '/v1/auth/login', body)).status, 401)
    await does(['user', 'enable', id])
    assert.equal((await request(world, '', 'POST', '/v1/auth/login', body)).status, 200)
    await does(['user', 'change', id, '--role', 'operator'])
    await refuses(['user', 'delete', id], 2, new RegExp(`add --confirm ${id}`))
    await does(['user', 'delete', id, '--confirm', id])
    await refuses(['user', 'enable', id], 1, /Not found: no such user/)
    const bob = ['user', 'create', 'Bob', '--login', 'bob@example.com']
    await refuses(bob, 1, /password: 12 to 128 characters/, { input: 'short\n' })
    const created = await does(bob, { input: 'a long password of bob\n' })
    assert.equal(created.user.name, 'Bob')
    await refuses(bob, 1, /--login: Conflict: login: somebody signs in with this already/, {
      input: 'a long password of bob\n',
    })
    // More than a page of them.
    for (let n = 0; n < 101; n += 1) {
      const { status } = await request(world, world.token, 'POST', '/v1/admin/users', { name: `n${n}` })
      assert.equal(status, 201)
    }
    assert.equal((await does(['users'])).users.length, 103)
  })

  await t.test('agents and their keys', async () => {
    const { agent } = await does(['agent', 'create', 'laptop'])
    const made = await admin(['key', 'create', agent.id, '--scopes', 'receive,push', '--name', 'cron'])
    const key = made.stdout.trim()
    const active = async (token) => (await request(world, token, 'POST', '/v1/auth/verify')).status
    assert.equal(await active(key), 200)
    const { keys } = await does(['keys', agent.id])
    assert.deepEqual([keys[0].name, keys[0].scopes], ['cron', ['push', 'receive']])
    const rotated = await does(['key', 'rotate', agent.id, keys[0].id])
    assert.deepEqual([await active(key), await active(rotated.key)], [401, 200])
    await does(['key', 'revoke', agent.id, rotated.id])
    assert.equal(await active(rotated.key), 401)
    await refuses(['key', 'rotate', agent.id, rotated.id], 1, /no such key of this agent/)
    // An id may begin with a dash.
    await refuses(['key', 'revoke', agent.id, '--AbcdefGhijklmn'], 1, /no such key of this agent/)
    await refuses(['key', 'create', agent.id, '--scopes', 'all'], 2, /--scopes all: expected receive/)
    await does(['agent', 'delete', agent.id])
  })

  await t.test('dead letters and events', async () => {
    const { id } = world.user
    for (const n of [1, 2, 3]) await world.webhook(messageEvent(`om_dead_${n}`, `nobody answers ${n}`))
    const letters = async () => (await does(['dead-letters', id])).dead_letters
    await until(async () => (await letters()).length === 3, 'three dead letters')
    const agent = await createAgent(world, 'late')
    const running = agent.start()
    await running.connected()
    const [newest, , oldest] = (await letters()).map(({ seq }) => seq)
    const one = await does(['replay', id, String(newest)])
    assert.deepEqual([one.replayed[0].of, one.replayed[0].new], [newest, true])
    const rest = await admin(['replay', id, '--all'])
    assert.equal(rest.code, 0, rest.stderr)
    assert.match(rest.stdout, new RegExp(`^${oldest} → \\d+\\n`))
    await until(() => world.feishu.repliesTo('om_dead_1').length > 1, 'an answer after all')
    await refuses(['replay', id, '999999'], 1, /not found/i)
    const { events } = await does(['events', id, '--limit', '300'])
    assert.ok(events.some(({ kind }) => kind === 'replayed'))
    assert.equal((await does(['events', id, '--limit', '2'])).events.length, 2)
    await running.kill()
  })

  await t.test('the audit log, whole or not', async () => {
    // More than a page of it.
    const { entries } = await does(['audit'])
    assert.ok(entries.length > 100, `${entries.length}`)
    assert.match((await admin(['audit'])).stdout, /user\.create/)
    const verified = await admin(['audit', '--verify'])
    assert.equal(verified.code, 0)
    assert.match(verified.stdout, /every hash is right/)
    const head = verified.stdout.match(/--head (\S+)/)[1]
    await does(['invite'])
    assert.equal((await does(['audit', '--verify', '--head', head])).wrong.length, 0)
    const path = join(world.folder, 'audit.json')
    await does(['audit', '--output', path])
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const offline = { folder: join(world.folder, 'nobody') }
    assert.equal((await does(['audit', '--verify', '--file', path, '--head', head], offline)).wrong.length, 0)
    const exported = JSON.parse(readFileSync(path, 'utf8')).entries
    const check = async (changed, words, ...more) => {
      const changedFile = file('changed.json', { entries: changed })
      const broken = await admin(['audit', '--verify', '--file', changedFile, ...more], offline)
      assert.equal(broken.code, 4)
      assert.match(broken.stdout, words)
    }
    await check(exported.with(3, { ...exported[3], action: 'nothing.happened' }), /^entry 4 does not have the hash/)
    await check(exported.toSpliced(3, 1), /^entry 4 is missing/)
    await check(exported.slice(2), /^entries 1 to 2 are missing/)
    await check([...exported, exported[0]], /entry 1 stands after entry/)
    // Cut off, or written anew as a whole: only who noted a hash can tell.
    await check(exported.slice(0, 5), /^entries 6 to \d+ are missing/, '--head', head)
    let previous = ''
    const anew = exported.map((entry) => {
      const other = { ...entry, actor: 'who_else' }
      previous = hashOf(previous, other)
      return { ...other, hash: previous }
    })
    assert.deepEqual(breaks(anew), [])
    await check(anew, /is another one than when its hash was noted/, '--head', head)
    await refuses(['audit', '--verify', '--file', file('no.json', '{}')], 2, /not an audit log/, offline)
    await refuses(['audit', '--verify', '--head', '7'], 2, /--head 7: expected seq:hash/)
  })

  await t.test('a user is no operator, and an export is theirs', async () => {
    const person = await signUp(world, 'carol')
    const folder = { folder: join(world.folder, 'carol') }
    const input = `${person.password}\n`
    await does(['sign-in', world.url, '--login', 'carol@example.com'], { ...folder, input })
    await refuses(['users'], 1, /Forbidden: only for operators/, folder)
    const path = join(world.folder, 'export.json')
    await does(['export', '--output', path], folder)
    assert.equal(JSON.parse(readFileSync(path, 'utf8')).user.id, person.user.id)
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  await t.test('a relay that does not answer is told from one that refuses', async () => {
    await world.process.stop()
    await refuses(['users'], 5, /does not answer \(ECONNREFUSED\)/)
  })
})

test('the chain is that of the relay', () => {
  // As relay/src/auth/audit.rs pins it.
  const entry = { seq: 1, at_ms: 1_800_000_000_000, actor: 'who_1', action: 'user.create', subject: 'who_2' }
  assert.equal(hashOf('', entry), 'NZs8YRkiGrQz0curmT_dquY-SSilBGYoFgn-CjDpXdU')
})
