import { beforeEach, expect, test, vi } from 'vitest'
import type { File } from '../../web/src/lib/frame'
import { resolveAccount } from '../src/account'
import { receive, send } from '../src/media'
import type { Runtime } from '../src/openclaw'

const loaded: [string, object][] = []
vi.mock('openclaw/plugin-sdk/channel-inbound', () => ({ toInboundMediaFacts: (media: object[]) => media }))
vi.mock('openclaw/plugin-sdk/outbound-media', () => ({
  loadOutboundMediaFromUrl: async (url: string, options: object) => {
    loaded.push([url, options])
    if (url.includes('secret')) throw new Error(`Local media path is not under an allowed directory: ${url}`)
    return { buffer: Buffer.from(url), contentType: 'image/png', fileName: 'plot.png' }
  },
}))
beforeEach(() => void loaded.splice(0))

const account = resolveAccount({ channels: { 'claw-relay': { relayUrl: 'http://relay', token: 'key' } } })
const log = { info() {}, warn() {}, error() {} }
const file = (name: string): File => ({ id: `fil_${name}`, name, kind: 'image', url: `https://relay/v1/files/${name}` })

const around = {
  random: () => 1,
  after: (_: number, run: () => void) => run(),
  fetch: async (url: string | URL | Request, init?: RequestInit) => {
    const { pathname, searchParams } = new URL(String(url))
    if (init?.method === 'POST') return Response.json(file(searchParams.get('name')!), { status: 201 })
    if (pathname.endsWith('gone')) return Response.json({ detail: 'this file was deleted' }, { status: 404 })
    return new Response('bytes', { headers: { 'content-type': 'image/png' } })
  },
}

test('files of a question become media; one that cannot be had is named, with the reason', async () => {
  const saved: unknown[] = []
  const saveMediaBuffer = async (...of: unknown[]) => {
    saved.push(of)
    return { path: '/state/media/inbound/1.png' }
  }
  const runtime = { channel: { media: { saveMediaBuffer } } } as unknown as Runtime
  const question = { id: 'm-1', files: [file('cat'), { ...file('gone'), bytes: 2_000 }] }
  const { signal } = new AbortController()
  expect(await receive(runtime, account, question, around, log, signal)).toEqual({
    facts: [
      {
        path: '/state/media/inbound/1.png',
        contentType: 'image/png',
        fileName: 'cat',
        sizeBytes: 5,
        messageId: 'm-1',
      },
    ],
    words: ['[file: gone, image, 2 KB — not received: HTTP 404: this file was deleted]'],
  })
  expect(saved).toEqual([[Buffer.from('bytes'), 'image/png', 'inbound', 5, 'cat']])
  expect(await receive(runtime, account, { id: 'm-2' }, around, log, signal)).toEqual({ facts: [], words: [] })
})

test('what OpenClaw sends is read as it allows, and uploaded; what it does not allow is named without its path', async () => {
  const media = [{ url: '/state/media/outbound/1.png' }, { url: '/etc/secret.txt' }, { url: '/x/y.png', name: 'y.png' }]
  const { files, words } = await send(account, media, { mediaLocalRoots: ['/x'] }, around)
  expect(files).toEqual([file('plot.png'), file('y.png')])
  expect(words).toEqual(['📎 secret.txt（未发送 · not sent: Local media path is not under an allowed directory: …）'])
  expect(loaded[0]![1]).toEqual({ mediaLocalRoots: ['/x'], optimizeImages: false, maxBytes: 30_000_000 })
})

test('at most ten files go along', async () => {
  const media = Array.from({ length: 12 }, (_, n) => ({ url: `/x/${n}.png` }))
  const { files, words } = await send(account, media, {}, around)
  expect([files.length, words.length, loaded.length]).toEqual([10, 2, 10])
  expect(words[0]).toBe('📎 10.png（未发送 · not sent: more than 10 files）')
})
