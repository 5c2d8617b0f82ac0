// Libraries of platforms that are written in Python, as peers.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { json } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const FOLDER = dirname(fileURLToPath(import.meta.url))

/** One use of a library: `script`, beside this file, is told what to do, with what it is always told, and answers. */
export function libraryOf(python, script, always) {
  return async (what, said) => {
    const child = spawn(python, [join(FOLDER, script)], { stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdin.end(JSON.stringify({ do: what, ...always, ...said }))
    const [answer, [code]] = await Promise.all([json(child.stdout), once(child, 'exit')])
    assert.equal(code, 0)
    return answer
  }
}
