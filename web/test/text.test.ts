import { expect, test } from 'vitest'

import { socketAddress } from '../src/lib/api'
import { utf8Bytes, wellFormed } from '../src/lib/text'
import { renderBlocks } from '../src/markdown'
import { STRINGS } from '../src/strings'

test('bytes are counted as the relay counts them', () => {
  for (const text of ['', 'abc', 'é', '你好', '😀', 'a😀你', '\ud800', '\ud800x']) {
    expect(utf8Bytes(text), text).toBe(new TextEncoder().encode(text).length)
  }
})

test('halves of surrogate pairs are replaced, whole ones kept', () => {
  expect(wellFormed('a😀\ud83dz\ude00')).toBe('a😀\ufffdz\ufffd')
})

test('a ticket becomes an address', async () => {
  const answers = (status: number, body: unknown) => () => Promise.resolve({ status, body })
  expect(await socketAddress(answers(200, { ticket: 'a+b' }), 'https://relay')).toEqual({
    url: 'wss://relay/v1/ws?ticket=a%2Bb',
  })
  expect(await socketAddress(answers(401, undefined), 'https://relay')).toEqual({ refused: 401 })
  expect(await socketAddress(answers(200, 'a proxy says hello'), 'https://relay')).toEqual({ unreachable: true })
  expect(await socketAddress(() => Promise.reject(new Error('no network')), 'https://relay')).toEqual({
    unreachable: true,
  })
})

test('what an agent writes cannot become markup of its own', () => {
  const render = (source: string) => renderBlocks(source, { copy: 'Copy' }).join('')
  expect(render('<img src=x onerror=alert(1)>')).not.toContain('<img')
  expect(render('[x](javascript:alert(1))')).not.toContain('<a')
  expect(render('![x](https://example.com/p.png)')).not.toContain('<img')
  expect(render('![x"onerror="](data:image/png;base64,AA)')).toContain('alt="x&quot;onerror=&quot;"')
  expect(render('```"><script>\n</code><script>\n```')).not.toContain('<script>')
  expect(render('https://example.com')).toContain('target="_blank" rel="noopener noreferrer"')
  expect(render('see README.md')).not.toContain('<a')
  expect(render('[x][y]\n\n[y]: https://example.com')).toContain('<a href="https://example.com"')
})

test('a growing answer changes its last block only', () => {
  const labels = { copy: 'Copy' }
  const before = renderBlocks('# A\n\n- b\n- c\n\npara', labels)
  const after = renderBlocks('# A\n\n- b\n- c\n\nparagraph\n\n```js\nx', labels)
  expect(before).toHaveLength(3)
  expect(after.slice(0, 2)).toEqual(before.slice(0, 2))
  expect(after).toHaveLength(4)
})

test('both languages say everything', () => {
  expect(Object.keys(STRINGS.en)).toEqual(Object.keys(STRINGS.zh))
})
