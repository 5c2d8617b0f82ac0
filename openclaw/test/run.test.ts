import { expect, test } from 'vitest'
import type { RunEvent } from '../src/openclaw'
import { OtherRun } from '../src/run'
import { settle, TestClock } from './support'

/** A session whose events the test tells. */
function session() {
  const clock = new TestClock()
  const abort = new AbortController()
  const told: string[] = []
  let hear: ((event: RunEvent) => void) | null = null
  const turn = {
    signal: abort.signal,
    isAgain: true,
    adopted: () => void told.push('adopted'),
    deferred: () => void told.push('deferred'),
    partial: (text: string) => void told.push(text),
    doing() {},
    say() {},
  }
  const events = {
    onAgentEvent(listener: (event: RunEvent) => void) {
      hear = listener
      return () => {
        hear = null
      }
    },
  }
  const run = new OtherRun(events, 'agent:main:a', turn, clock)
  const outcome = { value: undefined as boolean | undefined }
  return {
    clock,
    abort,
    told,
    run,
    outcome,
    wait() {
      void run.end().then((value) => {
        outcome.value = value
      })
      return settle()
    },
    tell(event: Partial<RunEvent>) {
      hear?.({ runId: 'r1', stream: 'lifecycle', data: {}, ...event })
      return settle()
    },
    isListening() {
      return hear !== null
    },
  }
}

test('a run is followed to its end', async () => {
  const { tell, told, wait, outcome, run, ...world } = session()
  await wait()
  await tell({ runId: 'other', sessionKey: 'agent:main:b', data: { phase: 'end' } })
  expect(told).toEqual([])
  await tell({ sessionKey: 'agent:main:a', data: { phase: 'start' } })
  await tell({ stream: 'assistant', data: { text: 'half' } })
  await tell({ stream: 'tool', data: { phase: 'end' } })
  await tell({ data: { phase: 'finishing' } })
  expect([told, outcome.value]).toEqual([['adopted', 'deferred', '', 'half'], undefined])
  await tell({ data: { phase: 'end' } })
  expect(outcome.value).toBe(true)
  expect(world.clock.waiting).toBe(0)
  run.leave()
  expect(world.isListening()).toBe(false)
})

test('one that began, or was over, before anybody waited for it counts too', async () => {
  const { tell, told, wait, outcome } = session()
  await tell({ sessionKey: 'agent:main:a', data: { phase: 'start' } })
  await tell({ stream: 'assistant', data: { text: 'told before' } })
  await tell({ data: { phase: 'end' } })
  await wait()
  expect([told, outcome.value]).toEqual([['adopted', 'deferred', 'told before'], true])
})

test('without one there is an end to the waiting', async () => {
  const { clock, wait, outcome } = session()
  await wait()
  await clock.advance(29_999)
  expect(outcome.value).toBe(undefined)
  await clock.advance(1)
  await settle()
  expect(outcome.value).toBe(false)
})

test('nobody waits for a stopped question', async () => {
  const { abort, tell, wait, outcome } = session()
  await wait()
  await tell({ sessionKey: 'agent:main:a', data: { phase: 'start' } })
  abort.abort()
  await settle()
  expect(outcome.value).toBe(true)
})
