// A relay for the page's tests: the HTTP API of accounts, in memory, with the built page beside it. It holds the page
// to the contract: a request that the API does not describe is answered 404 and kept in `faults`.

import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { accountRoutes } from './account.mjs'
import { adminRoutes } from './admin.mjs'
import { problem } from './answer.mjs'
import { authRoutes } from './auth.mjs'
import { World } from './world.mjs'

const DIST = new URL('../../dist', import.meta.url).pathname

/** Serves a fresh world; `options` are those of `World`. */
export async function startMock(options) {
  const world = new World(options)
  const routes = [...authRoutes, ...accountRoutes, ...adminRoutes].map(([name, handle]) => ({
    ...pattern(name),
    handle,
  }))
  const server = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const url = new URL(request.url, world.url)
    if (!url.pathname.startsWith('/v1/')) return file(url.pathname, response)
    const body = Buffer.concat(chunks).toString('utf8')
    const { status, headers, json } = answer(world, routes, request, url, body)
    await world.pause?.(`${request.method} ${url.pathname}`)
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(json === undefined ? '' : JSON.stringify(json))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  world.url = `http://127.0.0.1:${server.address().port}`
  world.close = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  return world
}

function answer(world, routes, request, url, body) {
  const name = `${request.method} ${url.pathname}`
  world.asked.push(name)
  const forced = world.forced.get(name)
  if (forced) return forced
  const route = routes.find(({ method, regex }) => method === request.method && regex.test(url.pathname))
  if (!route) {
    world.faults.push(name)
    return problem(404, 'not_found')
  }
  const bearer = request.headers.authorization?.replace(/^Bearer /, '')
  const session = world.sessionOf(bearer)
  const isOpen = url.pathname.startsWith('/v1/auth/') && url.pathname !== '/v1/auth/logout'
  // A ticket is signed with what is in the token: whether its session ended, the object knows and not who signs.
  const isKnown = session || (name === 'POST /v1/tickets' && world.access.has(bearer))
  if (!isOpen && !isKnown) return problem(401, 'unauthorized')
  const user = session && world.users.get(session.user)
  if (url.pathname.startsWith('/v1/admin/') && user.role !== 'operator') return problem(404, 'not_found')

  const key = request.headers['idempotency-key']
  const kept = key && world.answers.get(key)
  if (kept) return { ...kept, headers: { 'idempotent-replayed': 'true' } }
  const parameters = route.regex.exec(url.pathname).slice(1).map(decodeURIComponent)
  const answered = route.handle({
    world,
    bearer,
    session,
    user,
    parameters,
    query: url.searchParams,
    body: body === '' ? {} : JSON.parse(body),
    client: request.headers['user-agent'],
  })
  if (key) world.answers.set(key, answered)
  return answered
}

function pattern(name) {
  const [method, path] = name.split(' ')
  return { method, regex: new RegExp(`^${path.replace(/\{\w+\}/g, '([^/]+)')}$`) }
}

function file(path, response) {
  const name = path === '/' ? 'index.html' : path.slice(1)
  let bytes
  try {
    bytes = readFileSync(join(DIST, name))
  } catch {
    response.writeHead(404)
    return response.end()
  }
  // The page's own policy, as it is deployed.
  const policy = /Content-Security-Policy: (.*)/.exec(readFileSync(join(DIST, '_headers'), 'utf8'))[1]
  response.writeHead(200, { 'content-type': TYPES[extname(name)], 'content-security-policy': policy })
  response.end(bytes)
}

const TYPES = { '.css': 'text/css', '.html': 'text/html', '.js': 'text/javascript', '.svg': 'image/svg+xml' }
