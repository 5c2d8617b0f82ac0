// What the fakes stand on: a small HTTP server on a free port of this machine.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createSocketServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Serves `handle(request, body, response)` on `port`, by default a free one; a throw is a 500 and is kept in `faults`, which tests must find empty. */
export async function serve(handle, port = 0) {
  const faults = []
  let slowMs = 0
  const server = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    request.bytes = Buffer.concat(chunks)
    if (slowMs) await sleep(slowMs)
    try {
      await handle(request, request.bytes.toString('utf8'), response)
    } catch (error) {
      faults.push(error)
      if (!response.headersSent) json(response, 500, { code: 1, msg: String(error) })
    }
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  /** From now on every request waits so long for its answer. */
  const slow = (ms) => (slowMs = ms)
  return { url: `http://127.0.0.1:${server.address().port}`, faults, close, slow }
}

export function json(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
  response.end(JSON.stringify(body))
}

/** The fields of a form that was sent, each a text or a file: { name, type, bytes }. */
export async function form(request) {
  const { headers, bytes } = request
  must(/^multipart\/form-data; boundary=/.test(headers['content-type'] ?? ''), 'content type of a form')
  must(Number(headers['content-length']) === bytes.length, 'the length of a form is declared')
  const fields = await new Response(bytes, { headers: { 'content-type': headers['content-type'] } }).formData()
  const read = async (value) =>
    typeof value === 'string'
      ? value
      : { name: value.name, type: value.type, bytes: Buffer.from(await value.arrayBuffer()) }
  return Object.fromEntries(await Promise.all([...fields].map(async ([key, value]) => [key, await read(value)])))
}

/** What a platform would not answer to but cannot happen: the test must find it in `faults`. */
export function must(holds, what) {
  if (!holds) throw new Error(`the relay got this wrong: ${what}`)
}

export async function freePort() {
  const server = createSocketServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}
