// What is asked of the person at the keyboard, and what is shown to them.

import { createInterface } from 'node:readline'
import { Fix } from '../lib/say.mjs'
import { USAGE } from './exit.mjs'

let lines

/** Something secret: typed without being shown, or the next line of what is piped in. */
export async function askSecret(what) {
  const { stdin, stderr } = process
  if (!stdin.isTTY) {
    lines ??= createInterface({ input: stdin })[Symbol.asyncIterator]()
    const { value, done } = await lines.next()
    if (done || value === '') throw new Fix(`${what}: expected on a line of standard input`, USAGE)
    return value
  }
  stderr.write(`${what}: `)
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  try {
    return await new Promise((resolve, reject) => {
      let typed = ''
      stdin.on('data', function read(keys) {
        for (const key of keys) {
          if (key === '\r' || key === '\n' || key === '\x04') {
            stdin.off('data', read)
            return resolve(typed)
          }
          if (key === '\x03') return reject(new Fix('interrupted', 130))
          // Backspace takes a whole character, also one of two UTF-16 units.
          typed = key === '\x7f' || key === '\b' ? [...typed].slice(0, -1).join('') : typed + key
        }
      })
    })
  } finally {
    stdin.setRawMode(false)
    stdin.pause()
    stderr.write('\n')
  }
}

/** Stops listening to what is piped in, so that the program can end. */
export function hangUp() {
  lines?.return()
  lines = undefined
}

/** Rows as columns: `columns` maps each heading to a function of a row. */
export function table(rows, columns) {
  if (rows.length === 0) return '(none · 无)'
  const names = Object.keys(columns)
  const cells = rows.map((row) => names.map((name) => printable(columns[name](row))))
  const all = [names, ...cells]
  const widths = names.map((_, at) => Math.max(...all.map((line) => width(line[at]))))
  const pad = (text, at) => (at === names.length - 1 ? text : text + ' '.repeat(widths[at] - width(text)))
  return all.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')
}

/** A moment, in the time of this machine. */
export function when(ms) {
  if (ms === undefined || ms === null) return ''
  const at = new Date(ms)
  const two = (number) => String(number).padStart(2, '0')
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-')
  return `${day} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')}`
}

/** As one line: what others wrote must not move the cursor or hide something. */
export function printable(value) {
  return String(value ?? '').replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}

function width(text) {
  return [...text].reduce((sum, letter) => sum + (letter.codePointAt(0) >= 0x2e80 ? 2 : 1), 0)
}
