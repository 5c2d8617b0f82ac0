// What a platform allows a bot, and what is left: counted as the platform counts it, kept through crashes, begun anew, and
// said beforehand once nothing is left.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { deserialize, serialize } from 'node:v8'
import { connectDevice } from './support/device.mjs'
import { messageEvent, sign } from './support/feishu.mjs'
import { answerTo } from './support/model.mjs'
import { request } from './support/people.mjs'
import { createAccount, endsWell, startPlatformWorld } from './support/platform.mjs'
import { startWechat } from './support/wechat.mjs'
import { createAgent, feishuAccount, post, startFeishuWorld, until } from './support/world.mjs'

const quotaOf = async (world, id = 'main') => world.call(world.token, 'GET', `/v1/admin/accounts/${id}/quota`)
const counted = async (world, id) => (await quotaOf(world, id)).allowances.find(({ used }) => used !== null)
const push = (world, body) => request(world, world.token, 'POST', '/v1/messages', body)
/** Calls that a crash may forget (src/quota.rs). */
const FORGOTTEN_MAX = 20

test('feishu', async (t) => {
  const world = await startFeishuWorld(t, { vars: { RATE_LIMITS: 'off' } })
  const { feishu } = world
  const agent = await createAgent(world)
  await agent.start().connected()
  const ask = (id, text = id, options) => world.webhook(messageEvent(id, text, options))
  const answered = (id) => until(() => feishu.repliesTo(id)[0], `an answer to ${id}`)
  const asked = async (ids, chat = () => 'oc_1') => {
    await Promise.all(ids.map((id) => ask(id, id, { chat: chat(id) })))
    await Promise.all(ids.map(answered))
  }

  await t.test('every call is counted, and what is allowed is told with where it says so', async () => {
    assert.equal((await counted(world)).used, 0)
    await asked(Array.from({ length: 7 }, (_, n) => `om_${n}`))
    const { allowances, windows } = await quotaOf(world)
    const [month] = allowances
    assert.deepEqual(
      { ...month, resets_ms: new Date(month.resets_ms + 8 * 3_600_000).toISOString().slice(8) },
      {
        ...{ name: 'calls', scope: 'organisation', period: 'month', limit: null, used: feishu.apiCalls },
        ...{ is_used_up: false, resets_ms: '01T00:00:00.000Z', source: 'open.feishu.cn, “通用错误码” 99991403' },
      },
    )
    // The answers, and once who asks.
    assert.equal(feishu.apiCalls, 8)
    assert.ok(month.resets_ms > Date.now() && month.resets_ms < Date.now() + 32 * 86_400_000)
    const rates = allowances.slice(1).map(({ scope, period, limit, used }) => [scope, period, limit, used])
    assert.deepEqual(rates, [
      ['account', 'minute', 1000, null],
      ['chat', 'second', 5, null],
      ['account', 'second', 50, null],
    ])
    assert.deepEqual(windows, [])
  })

  await t.test('also calls with a token that had expired, and those that draw a card', async () => {
    feishu.expireToken()
    await asked(['om_expired'])
    assert.equal(feishu.apiCalls, 10)
    await createAccount({ ...world, fake: feishu }, feishuAccount(world, { id: 'cards', streaming: true }), {
      api_base: feishu.url,
    })
    const before = feishu.apiCalls
    world.model.delayMs = 60
    const words = Array.from({ length: 40 }, (_, n) => `word${n}`).join(' ')
    await post(`${world.url}/webhook/feishu/cards`, sign(messageEvent('om_card', words, { chat: 'oc_cards' })))
    await until(() => feishu.repliesTo('om_card')[0]?.text === answerTo(words), 'a whole card')
    world.model.delayMs = 0
    await sleep(300)
    const drawn = feishu.apiCalls - before
    assert.ok(drawn >= 5, `${drawn} calls: begun, placed, grown, ended`)
    // Each account counts its own.
    assert.deepEqual([(await counted(world)).used, (await counted(world, 'cards')).used], [10, drawn])
  })

  await t.test('kill -9 at rest forgets nothing', async () => {
    // The answer is there before the account has written that it is.
    await sleep(300)
    await world.kill()
    await world.restart()
    const all = async () => (await counted(world)).used + (await counted(world, 'cards')).used
    assert.equal(await all(), feishu.apiCalls)
    await asked(['om_after_kill'])
    assert.equal(await all(), feishu.apiCalls)
  })

  await t.test(`kill -9 under load forgets at most ${FORGOTTEN_MAX}`, async () => {
    const ids = Array.from({ length: 150 }, (_, n) => `om_load_${n}`)
    const before = feishu.apiCalls
    const sending = Promise.all(ids.map((id, n) => ask(id, id, { chat: `oc_${n % 30}` }).catch(() => null)))
    await until(() => feishu.apiCalls >= before + 60, 'calls in full swing')
    await world.kill()
    const made = feishu.apiCalls
    await sending
    await world.restart()
    const forgotten = made - before
    const used = (await counted(world)).used + (await counted(world, 'cards')).used
    t.diagnostic(`killed after ${forgotten} calls of this load: ${feishu.apiCalls} made by now, ${used} counted`)
    assert.ok(used >= made - FORGOTTEN_MAX, `${used} counted of ${made}`)
    assert.ok(used <= feishu.apiCalls, `${used} counted of ${feishu.apiCalls}`)
    await Promise.all(ids.map((id) => ask(id)))
    await until(() => ids.every((id) => feishu.repliesTo(id)[0]), 'every answer', 60_000)
  })

  await t.test(
    'once Feishu says that the month is used up, answers say why and pushes are refused beforehand',
    async () => {
      const device = await connectDevice(world, world.token)
      const up = { status: 400, body: { code: 99991403, msg: 'the monthly API call quota has been exceeded' } }
      // The answer, and the word that it could not be delivered.
      feishu.next = [up, up, up]
      await ask('om_up')
      const letters = async () => (await world.call(world.token, 'GET', '/v1/dead-letters')).dead_letters
      const letter = await until(async () => (await letters())[0], 'the dead letter')
      assert.match(letter.reason, /99991403/)
      // On the page: the question failed, and why.
      const path = '/v1/conversations/feishu:main:oc_1/messages?limit=20'
      const { messages } = await world.call(world.token, 'GET', path)
      const question = messages.find(({ id }) => id === 'feishu:main:om_up')
      assert.equal(question.state, 'failed')
      assert.match(question.reason, /not delivered: .*99991403/)
      await until(() => device.states.get(question.seq) === 'failed', 'the page to know')

      const used = await counted(world)
      assert.ok(used.is_used_up)
      const before = feishu.apiCalls
      const named = await push(world, { text: 'tea', conversation: 'feishu:main:oc_1' })
      assert.deepEqual([named.status, named.body.type], [409, '/errors/conflict'])
      assert.match(
        named.body.detail,
        /^conversation: feishu allows main no more calls of its API until \d{4}-\d\d-01 00:00 \(UTC\+8\)$/,
      )
      assert.equal((await push(world, { text: 'tea on the page', conversation: 'web' })).status, 201)
      await sleep(200)
      assert.equal(feishu.apiCalls, before, 'nothing was tried')
    },
  )

  await t.test('and that holds through a restart, until an answer goes or the operator checks', async () => {
    feishu.next = []
    await world.process.stop()
    await world.restart()
    assert.ok((await counted(world)).is_used_up)
    assert.equal((await push(world, { text: 'tea', conversation: 'feishu:main:oc_1' })).status, 409)
    const { body } = await request(world, world.token, 'POST', '/v1/admin/accounts/main/check')
    assert.deepEqual(
      body.checks.map(({ name, ok }) => [name, ok]),
      [
        ['egress', true],
        ['credentials', true],
        ['scopes', true],
        ['callback', true],
      ],
    )
    assert.equal((await counted(world)).is_used_up, false)
    assert.equal((await push(world, { text: 'more tea', conversation: 'feishu:main:oc_1' })).status, 201)
    await until(() => feishu.replies.some(({ text }) => text === 'more tea'), 'the push')
    // An answer that goes says so too.
    const up = { status: 400, body: { code: 99991403, msg: 'quota' } }
    // Also the word that it could not be delivered, which would say so.
    feishu.next = [up, up, up]
    await ask('om_up_again')
    await until(async () => (await counted(world)).is_used_up, 'the mark')
    feishu.next = []
    await asked(['om_well'])
    await until(async () => !(await counted(world)).is_used_up, 'the mark to go')
  })

  await t.test('a new month begins at nothing', async () => {
    await world.process.stop()
    const rolled = changeCounts(world.storage, (counts) => {
      for (const count of counts) Object.assign(count, { began: count.began - 86_400_000, is_used_up: true })
    })
    assert.ok(rolled >= 1, 'an account whose counts were kept')
    await world.restart()
    const { used, is_used_up } = await counted(world)
    assert.deepEqual([used, is_used_up], [0, false])
    const before = feishu.apiCalls
    await asked(['om_new_month'])
    assert.equal((await counted(world)).used, feishu.apiCalls - before)
  })

  await t.test('only for operators, and of an account that there is', async () => {
    assert.equal((await request(world, '', 'GET', '/v1/admin/accounts/main/quota')).status, 401)
    assert.equal((await request(world, world.token, 'GET', '/v1/admin/accounts/nobody/quota')).status, 404)
  })

  assert.deepEqual(feishu.faults, [])
})

test('wechat', async (t) => {
  const world = await startPlatformWorld(t, startWechat)
  const { fake } = world
  const check = async () => (await request(world, world.token, 'POST', '/v1/admin/accounts/main/check')).body.checks
  const chat = 'wechat:main:oAlice'

  await t.test('messages are counted by the day, beside the window that each reader opens', async () => {
    for (const text of ['one', 'two', 'three']) {
      await world.asks(`m-${text}`, text)
      await world.answered(text)
    }
    const { allowances, windows } = await quotaOf(world)
    const day = allowances.map(({ name, period, limit, used }) => ({ name, period, limit, used }))
    assert.deepEqual(day, [{ name: 'calls', period: 'day', limit: null, used: 3 }])
    assert.equal(fake.calls.length, 3)
    assert.deepEqual(
      windows.map(({ chats, open_ms, messages }) => [chats, open_ms / 3_600_000, messages]),
      [['all', 48, 5]],
    )
  })

  await t.test('a check asks WeChat, whose count goes before ours', async () => {
    fake.daily = { limit: 500, elsewhere: 40 }
    assert.deepEqual((await check())[2], { name: 'quota', ok: true, detail: '43 of 500 messages were sent today' })
    const { used, limit, is_used_up } = await counted(world)
    assert.deepEqual([used, limit, is_used_up], [43, 500, false])
    await world.asks('m-four', 'four')
    await world.answered('four')
    assert.equal((await counted(world)).used, 44)
  })

  await t.test('what WeChat does not say is not made up', async () => {
    fake.daily = null
    const [, , quota] = await check()
    assert.ok(quota.ok)
    assert.match(quota.detail, /^the platform does not say: WeChat 76022/)
    assert.equal((await counted(world)).used, 44)
  })

  await t.test('nothing is left, by the count: pushes are refused beforehand', async () => {
    fake.daily = { limit: 500, elsewhere: 496 }
    const [, , quota] = await check()
    assert.deepEqual([quota.ok, quota.detail], [false, '500 of 500 messages were sent today'])
    const before = fake.calls.length
    const refused = await push(world, { text: 'tea', conversation: chat })
    assert.equal(refused.status, 409)
    assert.match(refused.body.detail, /^conversation: wechat allows main no more calls of its API until \d{4}-/)
    assert.equal(fake.calls.length, before)
    fake.daily = { limit: 500, elsewhere: 0 }
    await check()
    assert.equal((await push(world, { text: 'tea', conversation: chat })).status, 201)
    await until(() => fake.sent.some(({ text }) => text === 'tea'), 'the push')
  })

  await t.test('nor by what WeChat says of a message', async () => {
    fake.next = [{ status: 200, body: { errcode: 45009, errmsg: 'reach max api daily quota limit' } }]
    await world.asks('m-up', 'up')
    await until(async () => (await counted(world)).is_used_up, 'the mark')
    // The answer itself waits, and its success says that there is something left.
    await world.answered('up')
    await until(async () => !(await counted(world)).is_used_up, 'the mark to go')
    assert.equal((await counted(world)).used, fake.calls.length)
  })

  endsWell(world)
})

/** Changes what the accounts of a stopped relay have counted, as their objects keep it; answers how many have. */
function changeCounts(storage, change) {
  let changed = 0
  for (const name of readdirSync(storage, { recursive: true }).filter((name) => name.endsWith('.sqlite'))) {
    const database = new DatabaseSync(join(storage, name))
    // A workerd that ends may hold it a little longer.
    database.exec('pragma busy_timeout = 20000')
    const has = database.prepare("select 1 from sqlite_master where name = '_cf_KV'").get()
    const row = has && database.prepare("select value from _cf_KV where key = 'quota'").get()
    if (row) {
      const kept = deserialize(row.value)
      change(kept.counts)
      database.prepare("update _cf_KV set value = ? where key = 'quota'").run(serialize(kept))
      changed += 1
    }
    database.close()
  }
  return changed
}
