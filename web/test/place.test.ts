import { expect, test } from 'vitest'

import { forgetPlace, loadPlace, savePlace } from '../src/lib/place'
import { memory } from './storage'

const PLACE = { conversation: 'feishu:main:oc_1', texts: { 'feishu:main:oc_1': '写到一半', web: '' } }

test('a reload finds the place and what was begun, of the same user only', () => {
  const storage = memory()
  savePlace(storage, 'usr_a', PLACE)
  expect(loadPlace(storage, 'usr_a')).toEqual({ ...PLACE, texts: { 'feishu:main:oc_1': '写到一半' } })
  expect(loadPlace(storage, 'usr_b')).toBeNull()
  forgetPlace(storage)
  expect(storage.map.size).toBe(0)
  expect(loadPlace(storage, 'usr_a')).toBeNull()
})

test.each(['{', '{"user":"usr_a"}', '[]', '{"user":"usr_a","conversation":7}'])('damage is not fatal: %s', (text) => {
  const storage = memory()
  storage.map.set('claw-relay.place', text)
  expect(loadPlace(storage, 'usr_a')).toBeNull()
})

test('what does not fit leaves nothing older behind', () => {
  const storage = memory()
  savePlace(storage, 'usr_a', PLACE)
  const full = {
    ...storage,
    setItem: () => {
      throw new Error('QuotaExceededError')
    },
  }
  savePlace(full, 'usr_a', PLACE)
  expect(loadPlace(storage, 'usr_a')).toBeNull()
})
