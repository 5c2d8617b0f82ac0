import { expect, test } from 'vitest'
import type { File } from '../../web/src/lib/frame'
import { resolveAccount } from '../src/account'
import { download, sizeOf, upload } from '../src/files'

const account = resolveAccount({ channels: { 'claw-relay': { relayUrl: 'http://relay', token: 'key' } } })
const FILE: File = { id: 'fil_1', name: 'a.png', kind: 'image', url: 'https://other-name-of-it/v1/files/x.y?z=1' }

/** Answers one call after the other, and keeps what was asked. */
function relay(...answers: (Response | Error)[]) {
  const calls: { url: string; method: string; headers: Headers; body: unknown }[] = []
  const around = {
    random: () => 1,
    after: (_: number, run: () => void) => run(),
    fetch: async (url: string | URL | Request, init?: RequestInit) => {
      const { method = 'GET', headers, body } = init ?? {}
      calls.push({ url: String(url), method, headers: new Headers(headers), body })
      const answer = answers.shift()!
      if (answer instanceof Error) throw answer
      return answer
    },
  }
  return { calls, around }
}
const problem = (status: number, detail: string) => Response.json({ type: '/errors/x', detail }, { status })

test('a file is read from the relay itself, whatever name its address has', async () => {
  const { calls, around } = relay(new Response('bytes', { headers: { 'content-type': 'Image/PNG; x=y' } }))
  const { bytes, mediaType } = await download(account, FILE, around)
  expect([new TextDecoder().decode(bytes), mediaType]).toEqual(['bytes', 'image/png'])
  expect(calls[0]!.url).toBe('http://relay/v1/files/x.y?z=1')
  expect(calls[0]!.headers.get('authorization')).toBe(null)
  for (const url of ['https://relay/v1/agents', 'file:///v1/x', 'x'])
    await expect(download(account, { ...FILE, url }, around)).rejects.toThrow("none of the relay's")
  expect(calls.length).toBe(1)
})

test('what may pass is tried again, what does not says why at once', async () => {
  const passing = relay(new TypeError('fetch failed'), problem(503, 'busy'), new Response('x'))
  await download(account, FILE, passing.around)
  expect(passing.calls.length).toBe(3)
  const gone = relay(problem(404, 'this file was deleted'))
  await expect(download(account, FILE, gone.around)).rejects.toThrow('HTTP 404: this file was deleted')
  const down = relay(problem(503, 'busy'), problem(503, 'busy'), problem(503, 'this relay keeps no files'))
  await expect(upload(account, 'a', { bytes: Buffer.from('x'), mediaType: 'text/plain' }, down.around)).rejects.toThrow(
    'HTTP 503: this relay keeps no files',
  )
  // A redirect leads elsewhere.
  const moved = relay(new Response(null, { status: 302, headers: { location: 'http://elsewhere' } }))
  await expect(download(account, FILE, moved.around)).rejects.toThrow('HTTP 302')
})

test('what is too large is not read', async () => {
  const { calls, around } = relay()
  await expect(download(account, { ...FILE, bytes: 30_000_001 }, around)).rejects.toThrow('larger than 30 MB')
  expect(calls).toEqual([])
  const piece = new Uint8Array(1_000_000)
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(piece) })
  const silent = relay(new Response(endless))
  await expect(download(account, FILE, silent.around)).rejects.toThrow('larger than 30 MB')
  const bytes = new Uint8Array(30_000_001)
  await expect(upload(account, 'a', { bytes, mediaType: 'x/y' }, around)).rejects.toThrow('larger than 30 MB')
})

test('a file is uploaded with the agent key, and is what the relay answers', async () => {
  const { calls, around } = relay(Response.json({ ...FILE, new: true }, { status: 201 }))
  const bytes = Buffer.from('bytes')
  expect(await upload(account, '图 1.png', { bytes, mediaType: 'image/png' }, around)).toEqual(FILE)
  expect(calls[0]!.url).toBe('http://relay/v1/files?name=%E5%9B%BE%201.png')
  expect([calls[0]!.method, calls[0]!.body]).toEqual(['POST', bytes])
  expect(calls[0]!.headers.get('authorization')).toBe('Bearer key')
  expect(calls[0]!.headers.get('content-type')).toBe('image/png')
})

test('sizes in words', () => {
  expect([999, 1_000, 12_345, 29_950_001].map(sizeOf)).toEqual(['999 B', '1 KB', '13 KB', '30.0 MB'])
})
