// Checking what was typed, before the relay is asked.

import { readFileSync } from 'node:fs'
import { Fix } from '../lib/say.mjs'
import { USAGE } from './exit.mjs'

/** A flag's whole number within a range, if it was given. */
export function whole(values, flag, min, max) {
  const text = values[flag]
  if (text === undefined) return undefined
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= min && number <= max) return number
  throw new Fix(`--${flag} ${text}: expected a whole number, ${min} to ${max}`, USAGE)
}

/** A word of a list, if it was given. */
export function oneOf(text, flag, words) {
  if (text === undefined || words.includes(text)) return text
  throw new Fix(`${flag} ${text}: expected ${words.slice(0, -1).join(', ')} or ${words.at(-1)}`, USAGE)
}

/** A part of a path. */
export function part(text) {
  return encodeURIComponent(text)
}

/** A JSON file. */
export function jsonFile(path, flag) {
  let text
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch (error) {
    throw new Fix(`${flag} ${path}: ${error.message}`, USAGE)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Fix(`${flag} ${path}: not JSON: ${error.message}`, USAGE)
  }
}

/** Refuses to change nothing. */
export function someOf(values, flags) {
  if (flags.every((flag) => values[flag] === undefined)) {
    throw new Fix(`nothing to change: give ${flags.map((flag) => `--${flag}`).join(', or ')}`, USAGE)
  }
}
