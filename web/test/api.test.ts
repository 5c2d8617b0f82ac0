import { expect, test } from 'vitest'

import type { Answer } from '../src/lib/api'
import { Refused, replay } from '../src/lib/api'

function relay(answer: Answer) {
  const asked: string[] = []
  const request = (method: string, path: string) => {
    asked.push(`${method} ${path}`)
    return Promise.resolve(answer)
  }
  return { asked, request }
}

test('a replay says where what came of it stands', async () => {
  const world = relay({ status: 200, body: { seq: 57, new: true } })
  expect(await replay(world.request, 41)).toBe(57)
  expect(world.asked).toEqual(['POST /v1/dead-letters/41/replay'])
})

test.each([
  [{ status: 409, body: { type: '/errors/conflict', title: 'Conflict', status: 409 } }, 'conflict'],
  [{ status: 429, body: { type: '/errors/queue_full', title: 'Queue full', status: 429 } }, 'queue_full'],
  [{ status: 502, body: undefined }, 'unknown'],
])('a refused replay names its error code %#', async (answer, code) => {
  const error = await replay(relay(answer).request, 41).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(Refused)
  expect(error).toMatchObject({ status: answer.status, code })
})
