// The load that most scenarios run under: for each user an agent, devices of which one asks, and chats in which someone
// writes.

import { setTimeout as sleep } from 'node:timers/promises'

/** Connects everyone, and begins. `stop()` ends the writing and comes back when nobody writes any more. */
export async function startLoad(
  world,
  { users = world.users, chats = 4, devices = 2, agent = {}, pauseMs = 60, length } = {},
) {
  const writers = []
  let isOver = false
  for (const user of users) {
    if (agent) world.agent(user, `agent.${user}`, { how: agent })
    for (let n = 0; n < devices; n++) world.device(user, `device-${n}.${user}`)
  }
  await world.ready()
  for (const user of users) {
    const asking = world.devices.find((device) => device.user === user)
    if (asking) writers.push(ask(asking, () => isOver, pauseMs))
    for (let n = 0; n < chats; n++) {
      writers.push(world.sender(user, `oc_${n}.${user}`).write(() => isOver, pauseMs, length))
    }
  }
  return {
    async stop() {
      isOver = true
      const unheard = new Promise((_, reject) => {
        setTimeout(() => reject(new Error('a writer was not accepted for a minute')), UNHEARD_MS_MAX).unref()
      })
      await Promise.race([Promise.all(writers), unheard])
    },
  }
}

/** Asks one question after the other, each once the one before is accepted. */
export async function ask(device, isOver, pauseMs) {
  const random = device.options.random.part('asks')
  while (!isOver()) {
    const question = device.ask(`${device.name}.${device.asked.size}`, `${device.name} #${device.asked.size} asks`)
    while (question.seq === null) await sleep(5)
    await sleep(random.next() * pauseMs)
  }
}

const UNHEARD_MS_MAX = 60_000
