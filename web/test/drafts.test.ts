import { afterEach, expect, test } from 'vitest'
import type { EffectScope } from 'vue'
import { effectScope, ref } from 'vue'

import { Refused, Unreachable } from '../src/lib/api'
import type { File as Sent } from '../src/lib/frame'
import { useDrafts } from '../src/pages/chat/drafts'

let scope: EffectScope
afterEach(() => scope.stop())

/** Uploads that go on when the test says so, and what was sent. */
function world() {
  const active = ref('web')
  const uploads: {
    name: string
    signal: AbortSignal
    progress(share: number): void
    end(result: Sent | Error): void
  }[] = []
  const sent: [conversation: string, text: string, files: string[]][] = []
  scope = effectScope()
  const drafts = scope.run(() =>
    useDrafts(active, {
      upload: (name, _bytes, on) =>
        new Promise((resolve, reject) => {
          uploads.push({ name, ...on, end: (result) => (result instanceof Error ? reject(result) : resolve(result)) })
        }),
      send: (conversation, text, files) => sent.push([conversation, text, files.map(({ id }) => id)]),
    }),
  )!
  const states = () => drafts.attachments.value.map(({ upload }) => upload.state)
  const end = async (at: number, result: Sent | Error = file(uploads[at]!.name)) => {
    uploads[at]!.end(result)
    for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  }
  return { active, drafts, end, sent, states, uploads }
}

test('what needs no upload goes at once, and leaves nothing behind', () => {
  const { drafts, sent } = world()
  drafts.text.value = 'hello '
  drafts.submit('hello')
  expect(sent).toEqual([['web', 'hello', []]])
  expect(drafts.text.value).toBe('')
  expect(drafts.isLeaving.value).toBe(false)
})

test('a message goes as soon as all its files are there, in the order they were chosen', async () => {
  const { drafts, end, sent, states, uploads } = world()
  drafts.attach([chosen('a'), chosen('b')])
  drafts.submit('')
  expect(drafts.isLeaving.value).toBe(true)
  uploads[0]!.progress(0.5)
  expect(drafts.attachments.value[0]!.upload).toEqual({ state: 'uploading', share: 0.5 })
  await end(1)
  expect(states()).toEqual(['uploading', 'done'])
  expect(sent).toEqual([])
  await end(0)
  expect(sent).toEqual([['web', '', ['a', 'b']]])
  expect(drafts.attachments.value).toEqual([])
})

test('whoever writes on or adds a file before it went holds it back', async () => {
  const { drafts, end, sent } = world()
  drafts.attach([chosen('a')])
  const holds = [() => (drafts.text.value = 'xy'), () => drafts.attach([chosen('b')])]
  for (const hold of holds) {
    drafts.submit('x')
    expect(drafts.isLeaving.value).toBe(true)
    hold()
    expect(drafts.isLeaving.value).toBe(false)
  }
  await end(0)
  await end(1)
  expect(sent).toEqual([])
  drafts.submit('xy')
  expect(sent).toEqual([['web', 'xy', ['a', 'b']]])
})

test('a failed upload holds the message back until it is tried again or taken away', async () => {
  const { drafts, end, sent, states, uploads } = world()
  drafts.attach([chosen('a'), chosen('b')])
  drafts.submit('look')
  await end(0, new Refused({ status: 429, body: undefined }))
  await end(1)
  expect(states()).toEqual(['failed', 'done'])
  expect([drafts.isLeaving.value, sent]).toEqual([false, []])
  drafts.retry(drafts.attachments.value[0]!.key)
  expect(uploads).toHaveLength(3)
  drafts.submit('look')
  await end(2)
  expect(sent).toEqual([['web', 'look', ['a', 'b']]])
})

test('what the network lost goes on when it is back, what the relay refused does not', async () => {
  const { drafts, end, states, uploads } = world()
  drafts.attach([chosen('a'), chosen('b')])
  await end(0, new Unreachable())
  await end(1, new Refused({ status: 400, body: undefined }))
  drafts.retryLost()
  expect(states()).toEqual(['uploading', 'failed'])
  expect(uploads).toHaveLength(3)
})

test('taking a file away ends its upload, and the message goes with the others', async () => {
  const { drafts, end, sent, uploads } = world()
  drafts.attach([chosen('a'), chosen('b')])
  drafts.submit('')
  await end(0)
  drafts.detach(drafts.attachments.value[1]!.key)
  expect(uploads[1]!.signal.aborted).toBe(true)
  expect(sent).toEqual([['web', '', ['a']]])
  await end(1, new Unreachable())
  expect(drafts.attachments.value).toEqual([])
})

test('an empty message is not sent when its only file was taken away', () => {
  const { drafts, sent } = world()
  drafts.attach([chosen('a')])
  drafts.submit('')
  drafts.detach(drafts.attachments.value[0]!.key)
  expect([drafts.isLeaving.value, sent]).toEqual([false, []])
})

test('three are uploaded at a time', async () => {
  const { drafts, end, states, uploads } = world()
  drafts.attach(['a', 'b', 'c', 'd', 'e'].map((name) => chosen(name)))
  expect(uploads.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  expect(states().slice(3)).toEqual(['queued', 'queued'])
  await end(1)
  expect(uploads.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd'])
})

test('every conversation has a draft of its own, and one that leaves goes to its own', async () => {
  const { active, drafts, end, sent } = world()
  drafts.text.value = 'for web'
  drafts.attach([chosen('a')])
  drafts.submit('for web')
  active.value = 'feishu:main:oc_1'
  expect([drafts.text.value, drafts.attachments.value, drafts.isLeaving.value]).toEqual(['', [], false])
  drafts.text.value = 'for Feishu'
  await end(0)
  expect(sent).toEqual([['web', 'for web', ['a']]])
  expect(drafts.text.value).toBe('for Feishu')
})

test('what cannot be sent is named, until the next choice', () => {
  const { drafts, uploads } = world()
  drafts.attach([chosen('empty', 0), chosen('a')])
  expect(drafts.rejected.value).toEqual([{ name: 'empty', why: 'empty' }])
  expect(uploads.map(({ name }) => name)).toEqual(['a'])
  drafts.attach([chosen('b')])
  expect(drafts.rejected.value).toEqual([])
})

test('a page that goes away ends its uploads', () => {
  const { drafts, uploads } = world()
  drafts.attach([chosen('a')])
  scope.stop()
  expect(uploads[0]!.signal.aborted).toBe(true)
})

function chosen(name: string, bytes = 3): File {
  return new File(['x'.repeat(bytes)], name, { type: 'text/plain' })
}

function file(name: string): Sent {
  return { id: name, name, kind: 'file', url: `https://relay/v1/files/${name}` }
}
