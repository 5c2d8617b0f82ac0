import { expect, test } from 'vitest'

import { excerpt, fileSize, rejections } from '../src/format'
import { admit, areGone, FILE_BYTES_MAX, kindOf, pastesFiles, readPath, splitName, uploadPath } from '../src/lib/files'
import type { File } from '../src/lib/frame'
import { STRINGS } from '../src/strings'

const { en, zh } = STRINGS

test('what is empty, too large or one too many is not taken, and says why', () => {
  const files = [
    { name: 'empty', size: 0 },
    { name: 'largest', size: FILE_BYTES_MAX },
    { name: 'larger', size: FILE_BYTES_MAX + 1 },
    { name: 'eleventh', size: 1 },
  ]
  const { taken, rejected } = admit(files, 9)
  expect(taken.map(({ name }) => name)).toEqual(['largest'])
  expect(rejected).toEqual([
    { name: 'empty', why: 'empty' },
    { name: 'larger', why: 'too_large' },
    { name: 'eleventh', why: 'too_many' },
  ])
})

test('a sentence for each reason, with the first names of many', () => {
  const many = ['a', 'b', 'c', 'd'].map((name) => ({ name, why: 'empty' as const }))
  expect(rejections([...many, { name: 'film.mov', why: 'too_large' }], zh)).toEqual([
    '“a”、“b”、“c”等 4 个文件是空的，没有添加。',
    '“film.mov”超过 30 MB，没有添加。',
  ])
  expect(rejections([{ name: 'x', why: 'too_many' }], en)).toEqual(['A message takes 10 files at most; 1 not added.'])
})

test('a file is gone after a week, whatever the clock of this device says', () => {
  const week = 7 * 86_400_000
  expect([areGone(0, week), areGone(0, week + 86_400_001)]).toEqual([false, true])
})

test.each([
  ['image/png', 'image'],
  ['video/mp4', 'video'],
  ['audio/ogg; codecs=opus', 'audio'],
  ['application/pdf', 'file'],
  ['', 'file'],
])('%j is a %s', (type, kind) => expect(kindOf(type)).toBe(kind))

test('a name travels whole, even a broken one', () => {
  expect(uploadPath('报告 & 100%.pdf')).toBe('/v1/files?name=%E6%8A%A5%E5%91%8A%20%26%20100%25.pdf')
  expect(uploadPath('a\uD83D.txt')).toBe('/v1/files?name=a%EF%BF%BD.txt')
})

test.each([
  ['https://relay.example/v1/files/f_1?s=abc', '/v1/files/f_1?s=abc'],
  ['http://192.168.1.2:8787/v1/files/f_1', '/v1/files/f_1'],
  // Nobody else's are taken for ours.
  ['https://elsewhere.example/pictures/v1/files/1', 'https://elsewhere.example/pictures/v1/files/1'],
  ['javascript:alert(1)//v1/files/1', 'javascript:alert(1)//v1/files/1'],
])('%s is read at %s', (url, path) => expect(readPath(url)).toBe(path))

test.each([
  ['holiday in the mountains 2026.png', '2026.png'],
  ['archive.tar.gz', 'tar.gz'],
  ['年度报告.pdf', '年度报告.pdf'],
  ['Makefile', 'kefile'],
  ['🚀🚀🚀🚀🚀🚀🚀', '🚀🚀🚀🚀🚀🚀'],
  ['.env', '.env'],
  ['see chapter 3. Then go on', ' go on'],
])('the end of %j is %j', (name, ending) => {
  expect(splitName(name)).toEqual({ stem: name.slice(0, -ending.length), ending })
})

test.each([
  ['a screenshot', ['Files'], true],
  ['a picture of a page', ['text/html', 'Files'], true],
  ['a file of the Finder', ['text/plain', 'Files'], true],
  ['cells of a spreadsheet', ['text/plain', 'text/html', 'text/rtf', 'Files'], false],
  ['words', ['text/plain', 'text/html'], false],
])('pasted as files: %s', (_what, types, expected) => expect(pastesFiles(types)).toBe(expected))

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_000, '1 KB'],
  [1_540, '1.5 KB'],
  [999_499, '999 KB'],
  [999_500, '1 MB'],
  [30_000_000, '30 MB'],
])('%d bytes are %s', (bytes, size) => expect(fileSize(bytes)).toBe(size))

test.each([
  [{ text: 'hi' }, 'hi', 'hi'],
  [{ text: '', files: files('image') }, '[图片]', '[Image]'],
  [{ text: 'which one?', files: files('image', 'image') }, '[2 张图片] which one?', '[2 images] which one?'],
  [{ text: '', files: files('audio', 'image') }, '[2 个文件]', '[2 files]'],
  [{ text: '', files: files('file') }, '[文件] file-0', '[File] file-0'],
])('in one line: %j', (message, chinese, english) => {
  expect(excerpt(message, zh)).toBe(chinese)
  expect(excerpt(message, en)).toBe(english)
})

function files(...kinds: File['kind'][]): File[] {
  return kinds.map((kind, at) => ({ id: `f_${at}`, name: `file-${at}`, kind, url: 'https://relay/v1/files/1' }))
}
