// The relay is replaced by a newer one while clients are connected: each Hub migrates its tables when it wakes.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { connectDevice } from './support/device.mjs'
import { messageEvent } from './support/feishu.mjs'
import { answerTo } from './support/model.mjs'
import { createAgent, startFeishuWorld, until } from './support/world.mjs'

test('a Hub of the schema before this one goes on with its clients', async (t) => {
  const world = await startFeishuWorld(t)
  const agent = await createAgent(world)
  let running = agent.start()
  await running.connected()
  const device = await connectDevice(world, world.token)
  await world.webhook(messageEvent('om_before', 'before'))
  await until(() => world.feishu.repliesTo('om_before').length === 1, 'the first answer')
  // One question is being answered, and one waits for its agent, when the relay goes.
  world.model.thinkMs = 4_000
  await world.webhook(messageEvent('om_open', 'open'))
  await until(() => world.model.questions.includes('open'), 'the model to be asked')
  const cursor = device.cursor()
  await world.kill()
  assert.equal(downgrade(world.storage), 1)
  world.model.thinkMs = 0
  await running.kill()
  await world.restart()

  const back = await connectDevice(world, world.token, { cursor })
  assert.equal((await world.webhook(messageEvent('om_before', 'before'))).status, 200)
  await world.webhook(messageEvent('om_after', 'after'))
  running = agent.start()
  await until(
    () => ['om_open', 'om_after'].every((id) => world.feishu.repliesTo(id).length === 1),
    `both answers:\n${world.process.output()}`,
  )
  assert.deepEqual(
    world.feishu.replies.map((reply) => reply.text),
    ['before', 'open', 'after'].map(answerTo),
  )
  await until(() => back.texts().includes(answerTo('after')), 'the device to follow')
  const welcome = back.frames.find((frame) => frame.type === 'welcome')
  assert.equal(welcome.resumed.outcome, 'continued')
  assert.equal(version(world.storage), 6)
})

/** Every Hub's database under `storage`: those with a timeline. */
function hubs(storage) {
  const files = readdirSync(storage, { recursive: true }).filter((name) => name.endsWith('.sqlite'))
  const databases = files.map((name) => new DatabaseSync(join(storage, name)))
  return databases.filter((database) => {
    const found = database.prepare("select 1 from sqlite_master where name = 'deliveries'").get()
    if (!found) database.close()
    return found
  })
}

function version(storage) {
  const [hub] = hubs(storage)
  const { value } = hub.prepare("select value from meta where key = 'schema'").get()
  hub.close()
  return value
}

/** Takes back what schema version 6 brought, keeping the rows. Answers how many Hubs there were. */
function downgrade(storage) {
  const all = hubs(storage)
  for (const hub of all) {
    hub.exec(`
      alter table messages drop column author_name;
      alter table messages drop column in_group;
      update meta set value = 5 where key = 'schema';
    `)
    hub.close()
  }
  return all.length
}
