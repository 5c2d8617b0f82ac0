import { expect, test } from 'vitest'
import { resolveAccount } from '../src/account'
import { push } from '../src/push'

const account = resolveAccount({ channels: { 'claw-relay': { relayUrl: 'http://relay', token: 'key' } } })

/** Answers one call after the other, and keeps what was asked. */
function relay(...answers: (Response | Error)[]) {
  const calls: { url: string; headers: Headers; body: unknown }[] = []
  const delays: number[] = []
  const around = {
    random: () => 1,
    after: (ms: number, run: () => void) => {
      delays.push(ms)
      run()
    },
    fetch: async (url: string | URL | Request, init?: RequestInit) => {
      calls.push({ url: String(url), headers: new Headers(init?.headers), body: JSON.parse(String(init?.body)) })
      const answer = answers.shift()!
      if (answer instanceof Error) throw answer
      return answer
    },
  }
  return {
    calls,
    delays,
    around,
    send: (key?: string) => push(account, { conversation: 'web', text: 'hi', ...(key && { key }) }, around),
  }
}
/** As protocol/src/api/timeline.rs has it. */
const created = () => Response.json({ seq: 7, conversation: 'web', new: true }, { status: 201 })
const refusal = (status: number, detail = 'why') => Response.json({ type: '/errors/x', detail }, { status })

test('a message is sent with the agent key and a key of its own', async () => {
  const { calls, send } = relay(created())
  expect(await send('k-1')).toBe('push:k-1')
  expect(calls[0]!.url).toBe('http://relay/v1/messages')
  expect(calls[0]!.body).toEqual({ text: 'hi', conversation: 'web' })
  expect(calls[0]!.headers.get('authorization')).toBe('Bearer key')
  expect(calls[0]!.headers.get('idempotency-key')).toBe('k-1')
  const other = relay(created())
  expect(await other.send()).toBe(`push:${other.calls[0]!.headers.get('idempotency-key')}`)
  expect(other.calls[0]!.headers.get('idempotency-key')).toMatch(/^[0-9a-f-]{36}$/)
})

test('files and buttons go along', async () => {
  const { calls, around } = relay(created())
  const button = { label: 'Yes', text: '/yes', style: 'primary' as const }
  const file = { id: 'fil_1', name: 'a.png', kind: 'image' as const, url: 'https://relay/v1/files/x' }
  await push(account, { conversation: 'web', text: '', files: [file], buttons: [button] }, around)
  expect(calls[0]!.body).toEqual({ text: '', conversation: 'web', files: [file], buttons: [button] })
})

test('what may pass is tried three times, with the same key', async () => {
  const { calls, delays, send } = relay(new TypeError('fetch failed'), refusal(503), created())
  await send('k-1')
  expect(calls.map(({ headers }) => headers.get('idempotency-key'))).toEqual(['k-1', 'k-1', 'k-1'])
  expect(delays).toEqual([500, 1000])
  const down = relay(refusal(503), refusal(429), refusal(500))
  await expect(down.send()).rejects.toThrow('the relay at http://relay answered HTTP 500: why, 3 times in a row')
  expect(down.calls.length).toBe(3)
})

test('what does not pass is said at once', async () => {
  await expect(relay(refusal(401)).send()).rejects.toThrow(
    'the relay at http://relay refused the message: HTTP 401: why',
  )
  await expect(relay(new Response('?', { status: 404 })).send()).rejects.toThrow(
    "takes no messages of an agent's own into web (HTTP 404): if that conversation exists, update the relay",
  )
  const wrong = resolveAccount({ channels: { 'claw-relay': { relayUrl: 'http://relay' } } })
  const { calls } = relay()
  await expect(
    push(wrong, { conversation: 'web', text: 'hi' }, { ...globalThis, after: () => {}, random: () => 1 }),
  ).rejects.toThrow('channels.claw-relay.token is missing')
  expect(calls).toEqual([])
})
