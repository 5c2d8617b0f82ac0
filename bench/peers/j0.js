// J0: the physical limit. Forwards between sockets; no authentication, no storage.

import { DurableObject } from 'cloudflare:workers'

export { default } from './by-name.js'

export class J0 extends DurableObject {
  #count = 0

  constructor(state, env) {
    super(state, env)
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  }

  async fetch(request) {
    if (request.headers.get('upgrade') === 'websocket') return this.#open(new URL(request.url).searchParams.get('role'))
    this.#send('agent', await request.text())
    return Response.json({ seq: ++this.#count })
  }

  webSocketMessage(socket, text) {
    const [role] = this.ctx.getTags(socket)
    if (role === 'device') {
      this.#send('agent', text)
    } else {
      this.#send('device', text)
      // A delta: no acknowledgement.
      if (text.startsWith('d')) return
    }
    socket.send(`{"a":${++this.#count}}`)
  }

  #open(role) {
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server, [role])
    return new Response(null, { status: 101, webSocket: client })
  }

  #send(role, text) {
    for (const socket of this.ctx.getWebSockets(role)) socket.send(text)
  }
}
