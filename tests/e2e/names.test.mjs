// What people are called on platforms whose webhooks hold ids alone: asked of the platform once, known from then on.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectDevice } from './support/device.mjs'
import { messageEvent } from './support/feishu.mjs'
import { request } from './support/people.mjs'
import { startPlatformWorld } from './support/platform.mjs'
import { startWecom } from './support/wecom.mjs'
import { startFeishuWorld, until } from './support/world.mjs'

test('feishu', async (t) => {
  const world = await startFeishuWorld(t)
  const { feishu } = world
  const device = await connectDevice(world, world.token)
  const bind = (sender) =>
    world.call(world.token, 'POST', '/v1/admin/identities', { account: 'main', sender, user: world.user.id })
  const identity = async (sender) => {
    const { identities } = await world.call(world.token, 'GET', '/v1/identities')
    const { id, name, avatar_url } = identities.find((identity) => identity.sender === sender)
    return { id, name, avatar_url }
  }
  /** What the writer of a message is called on the page. */
  const writes = async (id, sender = 'ou_alice') => {
    const event = messageEvent(id, id)
    event.event.sender.sender_id.open_id = sender
    assert.equal((await world.webhook(event)).status, 200)
    const shown = () => [...device.messages.values()].find((message) => message.id === `feishu:main:${id}`)
    return (await until(shown, id)).from.name
  }
  const asked = (sender) => feishu.asked.filter((id) => id === sender).length
  feishu.people.set('ou_alice', { name: 'Ada \n Lovelace', avatar: { avatar_240: 'https://cdn.test/ada.png' } })
  await bind('ou_alice')

  await t.test('the first message waits for nobody; the next one has the name', async () => {
    assert.equal(await writes('om_1'), undefined)
    await until(async () => (await identity('ou_alice')).name, 'the name')
    assert.deepEqual(await identity('ou_alice'), {
      id: (await identity('ou_alice')).id,
      name: 'Ada Lovelace',
      avatar_url: 'https://cdn.test/ada.png',
    })
    assert.equal(await writes('om_2'), 'Ada Lovelace')
    assert.equal(asked('ou_alice'), 1)
  })

  await t.test('it is not asked again, after a restart either', async () => {
    await world.kill()
    await world.restart()
    const again = await connectDevice(world, world.token)
    await world.webhook(messageEvent('om_3', 'om_3'))
    const shown = () => [...again.messages.values()].find(({ id }) => id === 'feishu:main:om_3')
    assert.equal((await until(shown, 'om_3')).from.name, 'Ada Lovelace')
    await sleep(300)
    assert.equal(asked('ou_alice'), 1)
    again.close()
  })

  await t.test('a bot that may not ask asks once', async () => {
    await bind('ou_bob')
    const fresh = await connectDevice(world, world.token)
    for (const id of ['om_4', 'om_5', 'om_6']) {
      const event = messageEvent(id, id)
      event.event.sender.sender_id.open_id = 'ou_bob'
      await world.webhook(event)
      const shown = () => [...fresh.messages.values()].find((message) => message.id === `feishu:main:${id}`)
      assert.equal((await until(shown, id)).from.name, undefined)
      await until(() => asked('ou_bob') === 1, 'the question')
      await sleep(200)
    }
    assert.equal(asked('ou_bob'), 1)
    assert.deepEqual((await identity('ou_bob')).name, null)
    fresh.close()
  })

  await t.test('whoever is unbound is forgotten', async () => {
    const { id } = await identity('ou_alice')
    assert.equal((await request(world, world.token, 'DELETE', `/v1/identities/${id}`)).status, 204)
    await bind('ou_alice')
    assert.deepEqual((await identity('ou_alice')).name, null)
  })

  await t.test('the fakes found nothing wrong', () => assert.deepEqual(feishu.faults, []))
})

test('wecom', async (t) => {
  const world = await startPlatformWorld(t, startWecom)
  const { fake } = world
  fake.people.set('alice', { name: '李雷' })
  const device = await connectDevice(world, world.token)
  const nameIn = async (text) => {
    await world.asks(`m-${text}`, text)
    const shown = () => [...device.messages.values()].find((message) => message.text === text)
    return (await until(shown, text)).from.name
  }
  assert.equal(await nameIn('one'), undefined)
  await until(() => fake.asked.length === 1, 'the question')
  await until(async () => (await nameIn(`again ${Date.now()}`)) === '李雷', 'the name')
  assert.deepEqual(fake.asked, ['alice'])
  assert.deepEqual(fake.faults, [])
})
