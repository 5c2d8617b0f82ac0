// npm start: what goes wrong on a new machine is one clear line with the fix; Ctrl-C stops everything; a second start
// keeps the history.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { AGENT } from '../../scripts/lib/build.mjs'
import { startDemo } from '../../scripts/lib/demo.mjs'
import { QUIET } from '../../scripts/lib/relay.mjs'
import { capture, ROOT } from '../../scripts/lib/run.mjs'
import { connectDevice } from './support/device.mjs'
import { answerTo, startModel } from './support/model.mjs'
import { freePort } from './support/server.mjs'
import { scratch, until } from './support/world.mjs'

test('what is missing is one clear line', async (t) => {
  const lines = async (env) => {
    const { output, code } = await run(env)
    assert.equal(code, 1, output)
    assert.ok(!/^\s+at /m.test(output), `a stack trace:\n${output}`)
    return output
      .trim()
      .split('\n')
      .filter((line) => line.includes('✗'))
  }
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address()
  const taken = await lines({ PORT: String(port) })
  assert.equal(taken.length, 1)
  assert.match(taken[0], new RegExp(`port ${port} is taken.*PORT=${port + 1} npm start`))
  assert.match((await lines({ PORT: 'x' }))[0], /PORT=x: not a port/)
  // A machine on which only Node is found.
  const missing = await lines({ PATH: scratch() })
  assert.equal(missing.length, 1)
  assert.match(missing[0], /cargo is missing.*rustup\.rs/)
})

test('Ctrl-C stops every process', async () => {
  const port = await freePort()
  const { group, ended, output } = begin({ PORT: String(port) })
  await until(() => output().includes('#link='), 'the link', 60_000)
  assert.match(output(), /operator token opr_/)
  assert.match(output(), /echoes what you write|answers with/)
  process.kill(-group, 'SIGINT')
  assert.equal(await ended, 0, output())
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`))
  assert.equal(await running(`127.0.0.1:${port}`), false)
})

test('a second start keeps the history, and connects the same agent', async (t) => {
  const folder = scratch()
  const port = await freePort()
  const first = await startDemo({ port, folder, agent: AGENT })
  const device = await connectDevice(first.relay, first.token)
  device.ask('m-1', 'remember me')
  await until(() => device.answerTo(1), 'the answer')
  await first.stop()

  const second = await startDemo({ port, folder, agent: AGENT })
  t.after(() => second.stop())
  const again = await connectDevice(second.relay, second.token)
  await until(() => again.messages.size === 2, 'the history')
  assert.deepEqual(again.texts(), ['remember me', 'echo: remember me'])
  again.ask('m-2', 'and again')
  await until(() => again.answerTo(3), 'the answer')
  const { agents } = await second.relay.call(second.token, 'GET', '/v1/agents')
  assert.equal(agents.length, 1)
})

test('wrangler would deploy it as it is', async () => {
  const { code, stdout, stderr } = await capture(
    'wrangler',
    ['deploy', '--dry-run', '--outdir', join(ROOT, 'build', 'dry-run')],
    {
      env: QUIET,
    },
  )
  assert.equal(code, 0, stdout + stderr)
  for (const binding of ['env.HUB (Hub)', 'env.ACCOUNT (Account)', 'env.DB (claw-relay)'])
    assert.ok(stdout.includes(binding), stdout)
})

test('a model server on loopback is found and used', async (t) => {
  // LM Studio's port.
  const model = await startModel({ port: 1234 }).catch((error) => error)
  if (model.code === 'EADDRINUSE') return t.skip('port 1234 is taken on this machine')
  t.after(() => model.close())
  const demo = await startDemo({ port: await freePort(), folder: scratch(), agent: AGENT })
  t.after(() => demo.stop())
  const device = await connectDevice(demo.relay, demo.token)
  device.ask('m-1', 'hello model')
  await until(() => device.answerTo(1), 'the answer')
  assert.equal(device.answerTo(1).text, answerTo('hello model'))
})

function begin(env) {
  // As a terminal does: a process group of its own, which Ctrl-C reaches as a whole.
  const child = spawn(process.execPath, [join(ROOT, 'scripts', 'start.mjs')], {
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (data) => (output += data))
  child.stderr.on('data', (data) => (output += data))
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)))
  return { group: child.pid, ended, output: () => output }
}

async function run(env) {
  const { ended, output } = begin(env)
  return { code: await ended, output: output() }
}

/** Whether any process was started with these words. */
function running(words) {
  const child = spawn('pgrep', ['-f', words], { stdio: 'ignore' })
  return new Promise((resolve) => child.once('exit', (code) => resolve(code === 0)))
}
