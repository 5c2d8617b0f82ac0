// What every chat platform has in common for tests: its world, and the promises that hold on all of them.
//
// A fake (`wecom.mjs`, `wechat.mjs` …) serves the platform's API and makes what the platform sends:
//   sent      the messages that are in chats: { to, text, token, … }
//   calls     every try at sending one, also refused ones: { at, … }
//   next      scripted answers for the next tries: [{ status, body, headers }]
//   tokens    how many access tokens were given out; expireToken() ends the present one
//   question(id, text, options)  a person's message as a signed request: { method, query, headers, body }; each call
//             signs anew, as the platform does when it tries again

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerTo, startModel } from './model.mjs'
import { request } from './people.mjs'
import { createAgent, startWorld, until } from './world.mjs'

/** A world with a platform's fake, its bot account `main`, a model and an agent that is connected. */
export async function startPlatformWorld(t, start) {
  const world = await startWorld(t, { vars: { RATE_LIMITS: 'off' } })
  world.fake = await start()
  world.model = await startModel()
  t.after(() => Promise.all([world.fake.close(), world.model.close()]))
  await createAccount(world, world.fake.account)
  world.agent = await createAgent(world)
  world.running = world.agent.start()
  await world.running.connected()

  /** Sends what the platform would to the account `id`. */
  world.receive = ({ method = 'POST', query = '', headers, body }, id = 'main') => {
    const path = `/webhook/${world.fake.account.platform}/${id}`
    return fetch(`${world.url}${path}${query && `?${query}`}`, { method, headers, body })
  }
  /** A person writes. */
  world.asks = async (id, text, options) => {
    const response = await world.receive(world.fake.question(id, text, options), options?.account)
    const said = await response.text()
    assert.deepEqual([response.status, said], [200, world.fake.ack], id)
  }
  /** The answers to a question in chats, known by its words. */
  world.answers = (text) => world.fake.sent.filter((message) => message.text === answerTo(text))
  world.answered = (text) => until(() => world.answers(text)[0], `an answer to ${text}:\n${world.process.output()}`)
  /** The same, for a question with a file, which the model is told of in words after it. */
  world.answeredWithFile = (text) => {
    const isIt = (message) => message.text.startsWith(`answer to: ${text}\n[file: `)
    return until(() => world.fake.sent.find(isIt), `an answer to ${text}:\n${world.process.output()}`)
  }
  /** Everything that came before is done with: something that came after it is answered. */
  world.settles = async () => {
    const last = `last ${randomUUID()}`
    await world.asks(last.replace(' ', '-'), last)
    await world.answered(last)
  }
  /** These words reached nobody. */
  world.ignored = async (text) => {
    await world.settles()
    assert.ok(!world.model.questions.some((question) => question.includes(text)), text)
  }
  return world
}

export function createAccount(world, account, changes = {}) {
  return world.call(world.token, 'POST', '/v1/admin/accounts', { ...account, api_base: world.fake.url, ...changes })
}

/** Creating an account with wrong credentials says so, with the platform's own words and fields. */
export async function refusesCredentials(world, changes, words) {
  const body = { ...world.fake.account, id: 'wrong', api_base: world.fake.url, ...changes }
  const { status, body: problem } = await request(world, world.token, 'POST', '/v1/admin/accounts', body)
  assert.deepEqual([status, problem.type], [422, '/errors/platform_refused'])
  assert.match(problem.detail, words)
  const secrets = Object.values(body).filter((value) => /must-not-leak/.test(value))
  for (const secret of secrets) assert.ok(!problem.detail.includes(secret), problem.detail)
}

/** A question has one answer, at whoever asked, however often it comes. */
export async function answersOnce(world, options = {}) {
  await world.asks('m-first', '你好 agent', options)
  const answer = await world.answered('你好 agent')
  assert.equal(answer.to, world.fake.chatOf(options), 'where it went')
  for (let n = 0; n < 3; n++) await world.asks('m-repeated', 'once', options)
  await Promise.all(Array.from({ length: 8 }, () => world.asks('m-repeated', 'once', options)))
  await world.answered('once')
  // A later question of the same chat is answered after everything before it.
  await world.asks('m-after', 'after', options)
  await world.answered('after')
  assert.deepEqual([world.answers('你好 agent').length, world.answers('once').length], [1, 1])
  assert.equal(world.model.questions.filter((question) => question === 'once').length, 1)
}

/** A long answer comes in parts that the platform takes, in order and whole. */
export async function answersInParts(world, { chars, parts, options = {} }) {
  const words = Array.from({ length: Math.ceil(chars / 8) }, (_, n) => `字词${String(n).padStart(5, '0')} `)
  const text = `long ${words.join('')}end`
  const before = world.fake.sent.length
  await world.asks(options.id ?? 'm-long', text, options)
  const whole = answerTo(text)
  const there = ({ to }) => to === world.fake.chatOf(options)
  const said = () =>
    world.fake.sent
      .slice(before)
      .filter(there)
      .map((message) => message.text)
  const squeeze = (text) => text.replace(/\s/g, '')
  await until(() => squeeze(said().join('')) === squeeze(whole), `${parts} parts of a long answer`, 15_000)
  assert.equal(said().length, parts)
}

/** An expired token is renewed once, and the answer sent once; also when many calls find it expired together. */
export async function renewsTheToken(world, optionsOf = (n) => ({ from: `member${n}` })) {
  const before = world.fake.tokens
  world.fake.expireToken()
  await world.asks('m-expired', 'token')
  const { token } = await world.answered('token')
  assert.equal(world.fake.tokens, before + 1)
  world.fake.expireToken()
  const texts = Array.from({ length: 5 }, (_, n) => `token ${n}`)
  await Promise.all(texts.map((text, n) => world.asks(`m-expired-${n}`, text, optionsOf(n))))
  const answers = await Promise.all(texts.map(world.answered))
  assert.equal(world.fake.tokens, before + 2)
  assert.ok(answers.every((answer) => answer.token !== token))
  assert.deepEqual(
    texts.map((text) => world.answers(text).length),
    texts.map(() => 1),
  )
}

/** A busy platform is asked again, after as long as it wants. */
export async function triesAgain(world, busy, { waitMs = 0 } = {}) {
  const before = world.fake.calls.length
  world.fake.next = [...busy]
  await world.asks('m-busy', 'busy')
  await world.answered('busy')
  const calls = world.fake.calls.slice(before)
  assert.equal(calls.length, busy.length + 1)
  assert.ok(calls[1].at - calls[0].at >= waitMs, 'the wait that the platform asked for')
  assert.equal(world.answers('busy').length, 1)
}

/** An answer that the platform refuses for good is kept, says why, and is not tried again. */
export async function saysWhyRefused(world, refusal, words, options) {
  world.fake.next = [refusal]
  return failsSaying(world, `refused ${words}`, words, options)
}

/** A question whose answer does not arrive is a dead letter that says why. */
export async function failsSaying(world, text, words, options = {}) {
  const letters = async () => (await world.call(world.token, 'GET', '/v1/dead-letters')).dead_letters
  const known = (await letters()).map(({ seq }) => seq)
  const { calls } = world.fake
  const before = calls.length
  await world.asks(options.id ?? `m-${text.replace(/\W/g, '')}`, text, options)
  const letter = await until(
    async () => (await letters()).find(({ seq }) => !known.includes(seq)),
    `a refusal: ${text}`,
  )
  assert.equal(letter.outcome, 'failed')
  assert.match(letter.reason, words)
  assert.equal(world.answers(text).length, 0)
  // The answer once, or once in each way; and perhaps a word that it could not be delivered.
  await sleep(300)
  const most = (options.calls ?? 1) + 1
  assert.ok(calls.length - before <= most, `${calls.length - before} calls`)
  return letter
}

/** Whoever nobody knows is told a code, in private alone; with it they are somebody. */
export async function pairsStrangers(world, { from, options = {} }) {
  const policy = (changes) => request(world, world.token, 'PATCH', '/v1/admin/accounts/main', changes)
  assert.equal((await policy({ policy: 'pairing', default_user: '' })).status, 200)
  const before = world.fake.sent.length
  await world.asks('m-stranger', 'who am I?', { from, ...options })
  const told = await until(() => world.fake.sent[before], 'a code')
  const code = told.text.match(/[0-9A-Z]{4}-[0-9A-Z]{4}/)[0]
  assert.equal(told.to, world.fake.chatOf({ from, ...options }))
  assert.ok(told.text.includes(`${world.url}/?pair=${code}`), told.text)
  const { status, body } = await request(world, world.token, 'POST', '/v1/pairings', { code })
  assert.deepEqual([status, body.identity.sender], [201, from])
  await world.asks('m-somebody', 'now you know me', { from, ...options })
  await world.answered('now you know me')
  assert.ok(!world.model.questions.includes('who am I?'))
  assert.equal((await policy({ policy: 'open', default_user: 'me' })).status, 200)
}

/** Every request here is refused with the same words, which tell nothing about why. */
export async function refusesForgeries(world, forgeries, id = 'main') {
  const asked = world.model.questions.length
  assert.ok(Object.keys(forgeries).length > 0)
  for (const [name, forged] of Object.entries(forgeries)) {
    const response = await world.receive(forged, id)
    assert.deepEqual([response.status, await response.json()], [401, UNSIGNED], name)
  }
  await sleep(100)
  assert.equal(world.model.questions.length, asked)
}

/** What is no webhook of this platform is named: methods, bodies, accounts. */
export async function refusesOthers(world, { methods, notRead }) {
  const good = world.fake.question('m-never', 'never')
  for (const method of ['DELETE', 'PUT', ...(methods.includes('GET') ? [] : ['GET'])]) {
    const response = await world.receive({ ...good, method, body: method === 'GET' ? undefined : good.body })
    assert.deepEqual([response.status, response.headers.get('allow')], [405, methods.join(', ')], method)
  }
  assert.equal((await world.receive(good, 'nobody')).status, 404)
  for (const [name, [changes, status]] of Object.entries(notRead)) {
    const response = await world.receive({ ...good, ...changes })
    const problem = await response.json()
    assert.equal(response.status, status, `${name}: ${JSON.stringify(problem)}`)
  }
  assert.equal(world.answers('never').length, 0)
}

/** Nothing went wrong in the fakes, and nothing secret is in what the relay prints. */
export function endsWell(world) {
  assert.deepEqual(world.fake.faults, [])
  assert.deepEqual(world.model.faults, [])
  const secrets = Object.values(world.fake.account).filter((value) => /must-not-leak/.test(value))
  assert.ok(secrets.length > 0)
  for (const secret of [...secrets, ...world.fake.sent.map(({ token }) => token).filter(Boolean)]) {
    assert.ok(!world.process.output().includes(secret), secret)
  }
}

const UNSIGNED = {
  type: '/errors/unauthorized',
  title: 'Unauthorized',
  status: 401,
  detail: 'the request is not signed by the platform',
}
