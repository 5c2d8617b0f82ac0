// A device: a WebSocket client written from docs/protocol.md alone, so that it checks the page's own client too.

import { until } from './world.mjs'

/** Connects as the user of `token`. `cursor` resumes. */
export async function connectDevice(relay, token, { cursor, hello = {} } = {}) {
  const { ticket } = await relay.call(token, 'POST', '/v1/tickets')
  const socket = new WebSocket(`${relay.url.replace('http', 'ws')}/v1/ws?ticket=${ticket}`, 'claw-relay.v1')
  const device = {
    socket,
    frames: [],
    closed: null,
    /** seq → message. */
    messages: new Map(),
    /** seq of the question → state. */
    states: new Map(),
    /** seq of the question → the answer so far. */
    streams: new Map(),
    epoch: null,
    /** Strings and bytes go out as they are, anything else as JSON. */
    send: (frame) =>
      socket.send(typeof frame === 'string' || ArrayBuffer.isView(frame) ? frame : JSON.stringify(frame)),
    ask: (id, text, conversation) => device.send({ type: 'send', id, text, conversation }),
    texts: () => [...device.messages.values()].map((message) => message.text),
    cursor: () => `${device.epoch}.${Math.max(0, ...device.messages.keys())}`,
    answerTo: (seq) => [...device.messages.values()].find((message) => message.reply_to === seq),
    close() {
      socket.close()
      return until(() => device.closed, 'the socket to close')
    },
  }
  socket.addEventListener('close', (event) => (device.closed = event))
  socket.addEventListener('message', ({ data }) => {
    if (data === 'pong') return
    const parsed = JSON.parse(data)
    for (const frame of Array.isArray(parsed) ? parsed : [parsed]) receive(device, frame)
  })
  await until(() => socket.readyState === WebSocket.OPEN || device.closed, 'the socket to open')
  device.send({ type: 'hello', cursor, capabilities: ['deltas'], client: 'e2e', ...hello })
  return device
}

function receive(device, frame) {
  device.frames.push(frame)
  switch (frame.type) {
    case 'welcome':
      device.epoch = frame.cursor.split('.')[0]
      break
    case 'message':
      device.messages.set(frame.seq, frame)
      if (frame.state) device.states.set(frame.seq, frame.state)
      device.send({ type: 'ack', seq: frame.seq })
      break
    case 'state':
      device.states.set(frame.seq, frame.state)
      break
    case 'delta': {
      const shown = device.streams.get(frame.reply_to) ?? ''
      if (frame.offset <= shown.length) device.streams.set(frame.reply_to, shown.slice(0, frame.offset) + frame.text)
    }
  }
}
