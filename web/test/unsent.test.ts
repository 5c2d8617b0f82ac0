import { expect, test } from 'vitest'

import { loadUnsent, saveUnsent } from '../src/lib/unsent'
import { memory } from './storage'

const message = { id: 'm-1', conversation: 'web', text: '你好 🚀', at_ms: 1 }

test('what was not accepted is there after a reload, for the same user only', () => {
  const storage = memory()
  saveUnsent(storage, 'usr_a', [
    message,
    { ...message, id: 'm-2', seq: 7 },
    { ...message, id: 'm-3', refused: 'queue_full' },
  ])
  expect(loadUnsent(storage, 'usr_a')).toEqual([message])
  expect(loadUnsent(storage, 'usr_b')).toEqual([])
})

test('its files stay with it', () => {
  const storage = memory()
  const file = { id: 'f_1', name: 'a.png', kind: 'image' as const, bytes: 9, url: 'https://relay/v1/files/f_1' }
  saveUnsent(storage, 'usr_a', [{ ...message, files: [file] }])
  expect(loadUnsent(storage, 'usr_a')).toEqual([{ ...message, files: [file] }])
})

test('nothing is left behind once all is accepted, and damage is not fatal', () => {
  const storage = memory()
  saveUnsent(storage, 'usr_a', [message])
  saveUnsent(storage, 'usr_a', [])
  expect(storage.map.size).toBe(0)
  storage.setItem('claw-relay.unsent', '{not json')
  expect(loadUnsent(storage, 'usr_a')).toEqual([])
})
