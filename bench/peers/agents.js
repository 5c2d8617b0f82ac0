// The Cloudflare Agents SDK: an Agent that hibernates and keeps each message in its SQLite; no authentication.

import { Agent, getAgentByName } from 'agents'

export class Claw extends Agent {
  // Its own frames on connect would be taken for messages.
  static options = { hibernate: true, sendIdentityOnConnect: false }

  shouldSendProtocolMessages() {
    return false
  }

  onStart() {
    this.sql`create table if not exists messages (id integer primary key, body text not null)`
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
  }

  getConnectionTags(_, { request }) {
    return [new URL(request.url).searchParams.get('role')]
  }

  async onRequest(request) {
    const text = await request.text()
    const seq = this.#store(text)
    this.#send('agent', text)
    return Response.json({ seq })
  }

  onMessage(connection, text) {
    const isDevice = connection.tags.includes('device')
    // A delta: neither stored nor acknowledged.
    if (!isDevice && text.startsWith('d')) return this.#send('device', text)
    const seq = this.#store(text)
    this.#send(isDevice ? 'agent' : 'device', text)
    connection.send(`{"a":${seq}}`)
  }

  #store(text) {
    const [{ id }] = this.sql`insert into messages (body) values (${text}) returning id`
    return id
  }

  #send(role, text) {
    for (const connection of this.getConnections(role)) connection.send(text)
  }
}

export default {
  async fetch(request, env) {
    const [, first, name] = new URL(request.url).pathname.split('/')
    if (first === 'healthz') return new Response('ok')
    const agent = await getAgentByName(env.OBJECT, name)
    return agent.fetch(request)
  },
}
