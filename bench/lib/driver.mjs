// Runs the load driver (bench/driver/), whose contract is: one JSON object on stdout, an exit code other than 0 with
// one clear line on stderr when anything was lost, doubled, out of order or refused.

import { spawn } from 'node:child_process'
import { Fix } from '../../scripts/lib/say.mjs'
import { SECRETS } from './secrets.mjs'

/**
 * Runs one load against a system and answers the driver's figures.
 * @param {string} driver the path of the binary
 * @param {string} load such as `webhook`
 * @param {{ system?: 'plain' | 'relay', url: string, pid: number, options: object }} target
 */
export async function runDriver(driver, load, { system, url, pid, options }) {
  const relay = {
    'signing-key': SECRETS.signingKey,
    'encrypt-key': SECRETS.encryptKey,
    'verification-token': SECRETS.verificationToken,
    account: 'bench',
  }
  const given = { system, url, pid, ...(system === 'relay' && relay), ...options }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  const args = [load, ...set.flatMap(([name, value]) => [`--${name}`, String(value)])]
  const child = spawn(driver, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: RUN_MS_MAX, killSignal: 'SIGKILL' })
  running.add(child)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (data) => (stdout += data))
  child.stderr.on('data', (data) => (stderr = (stderr + data).slice(-STDERR_CHARACTERS_MAX)))
  const code = await new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Fix(`cannot run ${driver}: ${error.message}`)))
    child.once('close', (code, signal) => resolve(code ?? signal))
  })
  running.delete(child)
  if (code === 'SIGKILL') throw new Fix(`the driver (${load}) did not end within ${RUN_MS_MAX / 60_000} min: ${stderr}`)
  if (code !== 0) throw new Fix(`the driver (${load}, exit ${code}): ${stderr.trim().split('\n').at(-1)}`)
  try {
    return JSON.parse(stdout)
  } catch {
    throw new Fix(`the driver (${load}) printed no JSON object: ${stdout.slice(0, 200)}`)
  }
}

const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** 15 min: a million messages take a few. */
const RUN_MS_MAX = 15 * 60_000
const STDERR_CHARACTERS_MAX = 4_000
