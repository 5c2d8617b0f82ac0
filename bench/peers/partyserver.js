// partyserver, hibernating, as its README shows it: forwards between sockets; no authentication, no storage.

import { getServerByName, Server } from 'partyserver'

export class Party extends Server {
  static options = { hibernate: true }
  #count = 0

  onStart() {
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  }

  getConnectionTags(_, { request }) {
    return [new URL(request.url).searchParams.get('role')]
  }

  async onRequest(request) {
    this.#send('agent', await request.text())
    return Response.json({ seq: ++this.#count })
  }

  onMessage(connection, text) {
    const isDevice = connection.tags.includes('device')
    this.#send(isDevice ? 'agent' : 'device', text)
    // A delta: no acknowledgement.
    if (!isDevice && text.startsWith('d')) return
    connection.send(`{"a":${++this.#count}}`)
  }

  #send(role, text) {
    for (const connection of this.getConnections(role)) connection.send(text)
  }
}

export default {
  async fetch(request, env) {
    const [, first, name] = new URL(request.url).pathname.split('/')
    if (first === 'healthz') return new Response('ok')
    const server = await getServerByName(env.OBJECT, name)
    return server.fetch(request)
  },
}
