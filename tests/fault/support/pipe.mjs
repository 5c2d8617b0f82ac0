// A stretch of network between a peer and the relay: it can stall, so that the peer's TCP window fills up, or break.

import { once } from 'node:events'
import { createConnection, createServer } from 'node:net'

/** Starts a pipe to `url`; peers dial `pipe.url`. */
export async function startPipe(url) {
  const { hostname, port } = new URL(url)
  const pairs = new Set()
  const pipe = {
    isStalled: false,
    /** Nothing is read from the relay any more: what it sends stays in its own buffers and the system's. */
    stall() {
      pipe.isStalled = true
      for (const { upstream } of pairs) upstream.pause()
    },
    flow() {
      pipe.isStalled = false
      for (const { upstream } of pairs) upstream.resume()
    },
    /** Breaks every connection without a goodbye, on both sides. */
    cut() {
      for (const { client, upstream } of pairs) {
        client.resetAndDestroy()
        upstream.resetAndDestroy()
      }
    },
  }
  const server = createServer((client) => {
    const upstream = createConnection({ host: hostname, port })
    const pair = { client, upstream }
    pairs.add(pair)
    client.on('data', (bytes) => upstream.write(bytes))
    upstream.on('data', (bytes) => client.write(bytes))
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ]) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy() && pairs.delete(pair))
    }
    if (pipe.isStalled) upstream.pause()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  pipe.url = `http://127.0.0.1:${server.address().port}`
  pipe.close = () => {
    pipe.cut()
    return new Promise((resolve) => server.close(resolve))
  }
  return pipe
}
