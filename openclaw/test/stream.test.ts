import { expect, test } from 'vitest'
import { TEXT_BYTES_MAX, utf8Bytes } from '../../web/src/lib/text'
import { bounded, COALESCE_MS, Stream } from '../src/stream'

test('the first piece goes at once, later ones together, with UTF-16 offsets', () => {
  const stream = new Stream()
  expect(stream.dueInMs(0)).toBe(null)
  stream.show('a😀')
  expect(stream.take(0)).toEqual({ offset: 0, text: 'a😀' })
  stream.show('a😀é')
  stream.show('a😀é中')
  expect(stream.dueInMs(1)).toBe(COALESCE_MS - 1)
  expect(stream.take(1)).toBe(null)
  expect(stream.take(COALESCE_MS)).toEqual({ offset: 3, text: 'é中' })
  expect(stream.dueInMs(COALESCE_MS)).toBe(null)
})

test('a text that is taken back is sent whole, also when only its end is', () => {
  const stream = new Stream()
  stream.show('one\n\n⏳ exec …')
  stream.take(0)
  stream.show('one')
  expect(stream.take(COALESCE_MS)).toEqual({ offset: 0, text: 'one' })
  stream.show('two')
  expect(stream.take(2 * COALESCE_MS)).toEqual({ offset: 0, text: 'two' })
  // Nothing cannot be shown; what comes next replaces what stands there.
  stream.show('')
  expect(stream.dueInMs(9999)).toBe(null)
  stream.resend()
  stream.show('two')
  expect(stream.take(2 * COALESCE_MS)).toEqual({ offset: 0, text: 'two' })
})

test('half a character is never sent as the whole', () => {
  const stream = new Stream()
  stream.show('a\ud83d')
  expect(stream.take(0)).toEqual({ offset: 0, text: 'a\ufffd' })
  stream.show('a😀')
  expect(stream.take(COALESCE_MS)).toEqual({ offset: 0, text: 'a😀' })
})

test('a text over the limit is cut at a character, and says so', () => {
  const whole = '中'.repeat(TEXT_BYTES_MAX / 3)
  expect(bounded(whole)).toBe(whole)
  const cut = bounded(`${whole}😀`)
  expect(cut.endsWith('中\n… [cut at 128 KiB]')).toBe(true)
  expect(utf8Bytes(cut)).toBeLessThanOrEqual(TEXT_BYTES_MAX)
  expect(utf8Bytes(cut)).toBeGreaterThan(TEXT_BYTES_MAX - 4)
  const pairs = bounded('😀'.repeat(TEXT_BYTES_MAX / 2))
  expect(pairs).not.toMatch(/[\ud800-\udbff](?![\udc00-\udfff])/)
})
