// The description of the HTTP API is exact: a client that is driven by it alone finds no status, body or header that it
// does not tell of, and no 5xx; and people can read it.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { pythonTool } from '../../scripts/lib/tools.mjs'
import { request, signUp } from './support/people.mjs'
import { startFeishuWorld } from './support/world.mjs'

const VERSION = '4.32.5'
/** What ends the session that the client has, or is no HTTP. */
const LEFT_OUT = ['AuthLogout', 'MePassword', 'WebSocket', 'ManServerStream', 'Plugin']

test('the description', async (t) => {
  const world = await startFeishuWorld(t, { vars: { RATE_LIMITS: 'off' } })

  await t.test('is served, with a page to read it', async () => {
    const { status, body } = await request(world, '', 'GET', '/openapi.json')
    assert.deepEqual([status, body.openapi], [200, '3.1.0'])
    const page = await request(world, '', 'GET', '/docs/')
    assert.equal(page.status, 200)
    assert.doesNotMatch(page.body, /(src|href)="(https?:)?\/\//, 'nothing from elsewhere')
  })

  const schemathesis = await pythonTool('schemathesis', VERSION)
  const skip = schemathesis === null && 'schemathesis needs python3 with venv'
  await t.test('holds, whatever is sent', { skip }, async () => {
    const { access_token: token } = await signUp(world, 'schema', 'operator')
    const { code, output } = await drive(schemathesis, world, token)
    assert.equal(code, 0, output.slice(-6000))
    assert.match(output, /Tested: +8\d/, output.slice(-2000))
  })
})

function drive(schemathesis, world, token) {
  const args = [
    ...[
      'run',
      `${world.url}/openapi.json`,
      '--header',
      `Authorization: Bearer ${token}`,
      '--header',
      'Connection: close',
    ],
    ...['--phases', 'coverage,fuzzing', '--max-examples', '8', '--seed', '1', '--generation-deterministic'],
    ...['--checks', 'all', '--exclude-checks', UNSUITABLE.join(','), '--continue-on-failure', '--no-color'],
    ...LEFT_OUT.flatMap((name) => ['--exclude-operation-id', name]),
  ]
  const child = spawn(schemathesis, args, { cwd: world.folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data))
  return new Promise((resolve) => child.once('exit', (code) => resolve({ code, output })))
}

/** Not promises of this API: what is unknown in a body is ignored; ids in paths are made up. */
const UNSUITABLE = [
  'negative_data_rejection',
  'positive_data_acceptance',
  'use_after_free',
  'ensure_resource_availability',
]
