// Shows that what the peers and the checks of calls look for would be found: each is fed what must not happen.

import { Agent } from './agent.mjs'
import { checkCalls } from './checks.mjs'
import { Device } from './device.mjs'

/** Answers what was not noticed, as sentences. */
export function unnoticed() {
  const missed = []
  for (const [what, Kind, frames, expected] of PEERS) {
    const peer = new Kind({ name: 'peer', random: { next: () => 0, chance: () => false } })
    peer.receive(WELCOME)
    if (peer.faults.length > 0) missed.push(`a plain welcome is taken for a fault: ${peer.faults}`)
    for (const frame of frames) peer.receive(frame)
    if (!peer.faults.some((fault) => fault.includes(expected))) missed.push(`no peer noticed ${what}`)
  }
  for (const [what, log, taken] of CALLS) {
    if (checkCalls(log, taken).length !== 1) missed.push(`no check noticed ${what}`)
  }
  return missed
}

const WELCOME = { type: 'welcome', cursor: '1.0', resumed: { outcome: 'started', after: 0 } }
const QUESTION = { type: 'message', seq: 1, id: 'm', conversation: 'web', text: 'hi' }
const gap = { outcome: 'gap', from: 1, to: 2, reason: 'ahead' }

const PEERS = [
  ['a gap', Device, [{ ...WELCOME, resumed: gap }], 'gap (ahead)'],
  [
    'an answer that changes',
    Device,
    [QUESTION, { type: 'delta', reply_to: 1, offset: 0, text: 'x' }],
    'is not the answer',
  ],
  ['an acceptance of nothing', Device, [{ type: 'accepted', id: 'm', seq: 1 }], 'never asked'],
  ['an error', Device, [{ type: 'error', code: 'bad_ack', detail: '' }], 'bad_ack'],
  ['a question that came twice', Agent, [QUESTION, QUESTION], 'came again'],
  ['an acceptance of no answer', Agent, [{ type: 'accepted', id: 'reply:9', seq: 1 }], 'never said'],
]

const call = { kind: 'reply', messageId: 'om_1' }
const CALLS = [
  [
    'a call that came too soon',
    [
      { ...call, at: 0, resetMs: 1000 },
      { ...call, at: 900 },
    ],
    [],
  ],
  [
    'a changed key',
    [],
    [
      { messageId: 'om_1', uuid: 'a' },
      { messageId: 'om_1', uuid: 'b' },
    ],
  ],
]
