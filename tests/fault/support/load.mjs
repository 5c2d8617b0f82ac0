// The load that most scenarios run under: for each user an agent, devices of which one asks, and chats in which someone
// writes.

import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Connects everyone, and begins. `stop()` ends the writing and comes back when nobody writes any more. Whoever has
 * `OPEN_MAX` questions unanswered, by what the device that asks has seen, writes no further until there is room: a queue
 * that is full refuses, which is another scenario's (flood.mjs).
 */
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
    const room = async () => {
      while (!isOver && asking?.open.size >= OPEN_MAX) await sleep(50)
    }
    if (asking) writers.push(ask(asking, () => isOver, pauseMs, room))
    for (let n = 0; n < chats; n++) {
      writers.push(world.sender(user, `oc_${n}.${user}`).write(() => isOver, pauseMs, { room, length }))
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
export async function ask(device, isOver, pauseMs, room = async () => {}) {
  const random = device.options.random.part('asks')
  while (!isOver()) {
    const question = device.ask(`${device.name}.${device.asked.size}`, `${device.name} #${device.asked.size} asks`)
    while (question.seq === null) await sleep(5)
    await sleep(random.next() * pauseMs)
    await room()
  }
}

const UNHEARD_MS_MAX = 60_000
/** Below what the relay queues for one conversation and one agent: 400 and 800. */
const OPEN_MAX = 300
