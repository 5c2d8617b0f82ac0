import { expect, test } from 'vitest'

import type { Answer } from '../src/lib/api'
import { useReplays } from '../src/pages/chat/replays'

/** A relay whose answers wait until the test gives them. */
function relay() {
  const asked: ((answer: Answer | Error) => void)[] = []
  const request = () =>
    new Promise<Answer>((resolve, reject) => {
      asked.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)))
    })
  return { asked, ...useReplays(request) }
}

const ASKED = { status: 200, body: { seq: 57, new: true } }

test('a double click asks once, and so does a click after it was asked', async () => {
  const world = relay()
  const [first, second] = [world.askAgain(41), world.askAgain(41)]
  expect(world.replays.value[41]).toEqual({ state: 'pending' })
  world.asked[0]!(ASKED)
  expect([await first, await second]).toEqual([57, null])
  expect(world.replays.value[41]).toEqual({ state: 'done' })
  expect(await world.askAgain(41)).toBe(null)
  expect(world.asked).toHaveLength(1)
})

test('a question that goes on before the answer comes is not marked', async () => {
  const world = relay()
  const sent = world.askAgain(41)
  delete world.replays.value[41]
  world.asked[0]!({ status: 200, body: { seq: 41, new: false } })
  await sent
  expect(world.replays.value).toEqual({})
})

test.each([
  [{ status: 429, body: { type: '/errors/queue_full' } }, 'queue_full'],
  [new Error('no network'), null],
])('after a refusal it can be tried again %#', async (answer, code) => {
  const world = relay()
  const refused = world.askAgain(41)
  world.asked[0]!(answer)
  expect(await refused).toBe(null)
  expect(world.replays.value[41]).toEqual({ state: 'refused', code })
  const again = world.askAgain(41)
  world.asked[1]!(ASKED)
  expect(await again).toBe(57)
})
