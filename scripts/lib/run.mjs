// Running other programs.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Fix } from './say.mjs'

// Not import.meta.dirname, which an old Node lacks: it is to be told so in words.
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The environment in which npm's tools, and the Node that wrangler needs, come first. */
export function environment(extra = {}) {
  const path = [join(ROOT, 'node_modules', '.bin'), process.env.PATH].join(':')
  return { ...process.env, PATH: path, ...extra }
}

/** Runs a program to its end with its output shown. Throws a Fix when it fails. */
export async function run(command, args, { env = {}, cwd = ROOT } = {}) {
  const child = spawn(command, args, { cwd, env: environment(env), stdio: 'inherit' })
  const code = await ended(child, command)
  if (code !== 0) throw new Fix(`${command} ${args.join(' ')} failed (exit ${code}); its message is above`)
}

/** Runs a program and answers its exit code and what it printed. */
export async function capture(command, args, { env = {}, cwd = ROOT } = {}) {
  const child = spawn(command, args, { cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data) => (stdout += data))
  child.stderr.on('data', (data) => (stderr += data))
  return { code: await ended(child, command), stdout, stderr }
}

function ended(child, command) {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Fix(`cannot run ${command}: ${error.message}`)))
    child.once('close', (code, signal) => resolve(code ?? signal))
  })
}
