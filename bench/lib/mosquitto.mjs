// The check from outside: mosquitto, when it is installed, with QoS 1, persistent sessions, and its store in `folder`.

import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isTaken } from '../../scripts/lib/relay.mjs'
import { capture } from '../../scripts/lib/run.mjs'
import { Fix } from '../../scripts/lib/say.mjs'
import { freePort } from '../../tests/e2e/support/server.mjs'
import { runDriver } from './driver.mjs'

/** Runs the driver's `mqtt`, round by round; none when mosquitto is not installed. */
export async function measureMosquitto({ driver, folder, isQuick, rounds: count }) {
  const version = await capture('mosquitto', ['-h']).catch(() => null)
  if (!version) return null
  const rounds = []
  while (rounds.length < count) {
    const own = join(folder, 'mosquitto')
    const broker = await startMosquitto(own)
    try {
      const options = isQuick ? { count: 200, 'durable-count': 2_000 } : {}
      rounds.push({ mosquitto: await runDriver(driver, 'mqtt', { ...broker, options }) })
    } finally {
      await broker.stop()
      rmSync(own, { recursive: true, force: true })
    }
  }
  return { version: version.stdout.split('\n')[0], rounds, lines: [] }
}

async function startMosquitto(folder) {
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const config = join(folder, 'mosquitto.conf')
  // As root it would otherwise become the user `mosquitto`, who may not write here. Saved at every change: a message
  // that was acknowledged is as durable as the broker can make it.
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'user root',
    'persistence true',
    `persistence_location ${folder}/`,
    'autosave_on_changes true',
    'autosave_interval 1',
    'max_queued_messages 0',
    'max_inflight_messages 0',
    'set_tcp_nodelay true',
  ]
  writeFileSync(config, `${lines.join('\n')}\n`)
  const child = spawn('mosquitto', ['-c', config], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => (output = (output + text).slice(-2000)))
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const stop = async () => {
    kill()
    process.off('exit', kill)
    await exited
  }
  const deadline = Date.now() + START_MS_MAX
  while (!(await isTaken(port))) {
    if (child.exitCode === null && Date.now() < deadline) {
      await sleep(20)
      continue
    }
    await stop()
    throw new Fix(`mosquitto did not start:\n${output}`)
  }
  return { url: `mqtt://127.0.0.1:${port}`, pid: child.pid, stop }
}

const START_MS_MAX = 10_000
