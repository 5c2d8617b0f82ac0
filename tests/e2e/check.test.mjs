// What a check of a bot account says of its platform's conditions.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messageEvent } from './support/feishu.mjs'
import { request } from './support/people.mjs'
import { createAccount, startPlatformWorld } from './support/platform.mjs'
import { startWechat } from './support/wechat.mjs'
import { feishuAccount, startFeishuWorld, until } from './support/world.mjs'

const checked = async (world, id = 'main') => {
  const { status, body } = await request(world, world.token, 'POST', `/v1/admin/accounts/${id}/check`)
  assert.equal(status, 200)
  return Object.fromEntries(body.checks.map(({ name, ok, detail }) => [name, [ok, detail]]))
}

test('feishu', async (t) => {
  const world = await startFeishuWorld(t)
  const { feishu } = world

  await t.test('a new bot is told where its callback is, and what it may not do', async () => {
    const { callback, scopes } = await checked(world)
    assert.deepEqual(callback, [false, `never called yet: enter ${world.url}/webhook/feishu/main there`])
    assert.deepEqual(scopes, [true, 'missing: contact:user.base:readonly (what people are called)'])
  })

  await t.test('a forged call shows nothing, a signed one does, after a restart too', async () => {
    const forged = messageEvent('om_forged', 'x')
    forged.header.token = 'wrong'
    await fetch(`${world.url}/webhook/feishu/main`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(forged),
    })
    assert.equal((await checked(world)).callback[0], false)
    const before = Date.now()
    await world.webhook(messageEvent('om_1', 'hello'))
    const [, detail] = await until(async () => {
      const { callback } = await checked(world)
      return callback[0] && callback
    }, 'the call to be noted')
    const [, at] = detail.match(/^called at (\S+), or within the hour after$/)
    assert.ok(Date.parse(at) >= before - 1000 && Date.parse(at) <= Date.now(), at)
    await world.kill()
    await world.restart()
    assert.deepEqual((await checked(world)).callback, [true, detail])
  })

  await t.test('without what it cannot do without it fails, with why', async () => {
    feishu.scopes = ['im:message:send_as_bot']
    await createAccount({ ...world, fake: feishu }, feishuAccount(world, { id: 'grows', streaming: true }), {
      api_base: feishu.url,
    })
    const { scopes } = await checked(world, 'grows')
    assert.equal(scopes[0], false)
    assert.match(
      scopes[1],
      /^missing: im:message\.p2p_msg:readonly \(what is written to the bot\), .*cardkit:card:write/,
    )
  })

  await t.test('the fakes found nothing wrong', () => assert.deepEqual(feishu.faults, []))
})

test('an account that calls no API is checked by who calls it', async (t) => {
  const world = await startPlatformWorld(t, startWechat)
  const account = { ...world.fake.account, id: 'quiet', passive: true, customer_service: false }
  await createAccount(world, account)
  const { egress, callback, ...others } = await checked(world, 'quiet')
  assert.deepEqual([egress, others], [[true, 'answers go in responses to callbacks alone'], {}])
  assert.equal(callback[0], false)
})
