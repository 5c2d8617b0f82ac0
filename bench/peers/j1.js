// J1: J0, and one INSERT per message. What it stored, a device can drain: row by row with an acknowledgement for each,
// or all at once.

import { DurableObject } from 'cloudflare:workers'

export { default } from './by-name.js'

export class J1 extends DurableObject {
  constructor(state, env) {
    super(state, env)
    state.storage.sql.exec('create table if not exists messages (id integer primary key, body text not null)')
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  }

  async fetch(request) {
    if (request.headers.get('upgrade') === 'websocket') return this.#open(new URL(request.url).searchParams)
    const text = await request.text()
    const seq = this.#store(text)
    this.#send('agent', text)
    return Response.json({ seq })
  }

  webSocketMessage(socket, text) {
    const [role] = this.ctx.getTags(socket)
    if (role === 'drain') return this.#sendNext(socket)
    // A delta: neither stored nor acknowledged.
    if (role === 'agent' && text.startsWith('d')) return this.#send('device', text)
    const seq = this.#store(text)
    this.#send(role === 'device' ? 'agent' : 'device', text)
    socket.send(`{"a":${seq}}`)
  }

  #open(query) {
    const { 0: client, 1: server } = new WebSocketPair()
    const [role, drain, after] = [query.get('role'), query.get('drain'), Number(query.get('after'))]
    this.ctx.acceptWebSocket(server, [drain ? 'drain' : role])
    if (drain === 'rows') {
      server.serializeAttachment(after)
      this.#sendNext(server)
    } else if (drain === 'blast') {
      const rows = this.ctx.storage.sql.exec('select body from messages where id > ? order by id', after)
      for (const { body } of rows) server.send(body)
      server.send('{"end":true}')
    }
    return new Response(null, { status: 101, webSocket: client })
  }

  /** One row after the one before it was acknowledged. */
  #sendNext(socket) {
    const after = socket.deserializeAttachment()
    const statement = 'select id, body from messages where id > ? order by id limit 1'
    const [row] = this.ctx.storage.sql.exec(statement, after)
    if (!row) return socket.send('{"end":true}')
    socket.serializeAttachment(row.id)
    socket.send(row.body)
  }

  #store(text) {
    return this.ctx.storage.sql.exec('insert into messages (body) values (?) returning id', text).one().id
  }

  #send(role, text) {
    for (const socket of this.ctx.getWebSockets(role)) socket.send(text)
  }
}
