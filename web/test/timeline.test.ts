import { expect, test } from 'vitest'

import { isUnasked, items, openQuestions, platform, speaker, summaries } from '../src/lib/conversation'
import type { Envelope, Resumed, ServerFrame, State } from '../src/lib/frame'
import type { Timeline, TimelineEvent } from '../src/lib/timeline'
import { EMPTY, reduce } from '../src/lib/timeline'

test('messages stand in the order of their seq, each once', () => {
  const timeline = play(welcome(), message(3), message(1), message(2), message(2))
  expect(timeline.messages.map(({ seq }) => seq)).toEqual([1, 2, 3])
})

test('a state reaches its question, with its reason', () => {
  const timeline = play(message(1), state(1, 'failed', 'gone'), state(9, 'replied'))
  expect(timeline.messages[0]).toMatchObject({ state: 'failed', reason: 'gone' })
  expect(reduce(timeline, { type: 'frame', frame: state(1, 'replied') }).messages[0]).not.toHaveProperty('reason')
})

test.each([
  ['appends at the end', [delta(0, 'Hel'), delta(3, 'lo')], 'Hello'],
  ['offset 0 replaces', [delta(0, 'Hello'), delta(0, 'Bye')], 'Bye'],
  ['cuts to the offset', [delta(0, 'Hello'), delta(2, 'y')], 'Hey'],
  ['drops a piece beyond the end', [delta(0, 'Hel'), delta(4, 'o')], 'Hel'],
  ['drops a first piece that is not the first', [delta(3, 'lo')], undefined],
  ['counts an emoji as two', [delta(0, '好😀'), delta(3, '!')], '好😀!'],
  ['drops what lies one beyond an emoji', [delta(0, '😀'), delta(3, '!')], '😀'],
  ['the same piece twice is the same', [delta(0, 'Hel'), delta(3, 'lo'), delta(3, 'lo')], 'Hello'],
])('a delta: %s', (_name, deltas, expected) => {
  expect(play(message(1), ...deltas).streams[1]?.text).toBe(expected)
})

test('the final answer takes the place of the stream, and late pieces do not bring it back', () => {
  const timeline = play(message(1), delta(0, 'Hel'), answer(2, 1, 'Hello.'), delta(0, 'Hel'))
  expect(timeline.streams).toEqual({})
  expect(items(timeline, 'web').map(({ key }) => key)).toEqual(['m-1', 'reply:1'])
})

test('the key of an answer stays the same while it grows and when it is final', () => {
  const growing = play(message(1), state(1, 'delivered'))
  expect(items(growing, 'web').at(-1)).toMatchObject({
    kind: 'stream',
    key: 'reply:1',
    stream: { text: '', live: true },
  })
  const final = reduce(growing, { type: 'frame', frame: answer(2, 1, 'Hello.') })
  expect(items(final, 'web').at(-1)).toMatchObject({ kind: 'message', key: 'reply:1' })
})

test('what was said before a failure stays, above its notice', () => {
  const notice: ServerFrame = { ...envelope(2), type: 'message', id: 'reply:1', from: { kind: 'relay' }, reply_to: 1 }
  const timeline = play(message(1), delta(0, 'Hel'), state(1, 'failed', 'gone'), notice, message(3))
  expect(timeline.streams[1]).toEqual({ text: 'Hel', live: false })
  expect(items(timeline, 'web').map(({ key }) => key)).toEqual(['m-1', 'reply:1', 'notice:2', 'm-3'])
})

test('what was said before a stop stays below its question, whatever follows, and does not grow any more', () => {
  const stopped = play(message(1), message(2), delta(0, 'Hel'), state(1, 'failed', 'stopped'), delta(3, 'lo'))
  expect(stopped.streams[1]).toEqual({ text: 'Hel', live: false })
  expect(items(stopped, 'web').map(({ key }) => key)).toEqual(['m-1', 'reply:1', 'm-2'])
  expect(items(play(message(1), delta(0, ''), state(1, 'failed')), 'web').map(({ key }) => key)).toEqual(['m-1'])
})

test('expired ends a question like a failure does, with its reason', () => {
  const timeline = play(message(1), delta(0, 'Hel'), state(1, 'expired', 'no answer within 24 h'))
  expect(timeline.messages[0]).toMatchObject({ state: 'expired', reason: 'no answer within 24 h' })
  expect(timeline.streams[1]).toEqual({ text: 'Hel', live: false })
})

test('an answer without words takes the place of what was shown on the way', () => {
  const silent = play(message(1), delta(0, '⏳ search'), state(1, 'replied'), delta(8, ' …'))
  expect(silent.streams).toEqual({})
  expect(items(silent, 'web').map(({ key }) => key)).toEqual(['m-1'])
  // The question may be older than what is shown here.
  expect(play(delta(0, '⏳'), state(1, 'replied')).streams).toEqual({})
})

test('what an agent said before it was stopped becomes its answer, and there is nothing more to stop', () => {
  const stopped = play(message(1), delta(0, 'Hel'), answer(2, 1, 'Hel ⏹'))
  expect(openQuestions(stopped, 'web')).toEqual([])
  const after = reduce(stopped, { type: 'frame', frame: state(1, 'failed', 'stopped') })
  expect(items(after, 'web').map(({ key }) => key)).toEqual(['m-1', 'reply:1'])
  expect(after.streams).toEqual({})
})

test.each([
  ['queued', [message(1)], [1]],
  ['delivered', [message(1), state(1, 'delivered')], [1]],
  ['replying, and another one waits', [message(1), state(1, 'replying'), message(2)], [1, 2]],
  ['answered, before the state says so', [message(1), state(1, 'replying'), answer(2, 1, 'Hello.')], []],
  ['replied', [message(1), state(1, 'replied')], []],
  ['failed', [message(1), state(1, 'failed', 'gone')], []],
  ['expired', [message(1), state(1, 'expired', 'too old')], []],
  ['of another conversation', [{ ...message(1), conversation: 'feishu:main:oc_1' } as ServerFrame], []],
])('can be stopped: %s', (_name, frames, expected) => {
  expect(openQuestions(play(...frames), 'web')).toEqual(expected)
})

test('a line stands where a conversation was begun anew, not where an old answer comes late', () => {
  const keys = (...frames: ServerFrame[]) => items(play(...frames), 'web').map(({ key }) => key)
  const at = (session: number, frame: ServerFrame) => ({ ...frame, session }) as ServerFrame
  const elsewhere = { ...at(9, message(2)), conversation: 'feishu:main:oc_1' } as ServerFrame
  expect(keys(at(3, message(1)))).toEqual(['m-1'])
  expect(keys(message(1), elsewhere, message(3))).toEqual(['m-1', 'm-3'])
  expect(keys(message(1), at(1, message(2)), at(1, message(3)), at(2, message(4)))).toEqual([
    'm-1',
    'session:2',
    'm-2',
    'm-3',
    'session:4',
    'm-4',
  ])
  expect(keys(message(1), at(1, message(2)), answer(3, 1, 'late'), at(1, message(4)))).toEqual([
    'm-1',
    'session:2',
    'm-2',
    'reply:1',
    'm-4',
  ])
})

test('a notice knows what became of its question, whichever comes first', () => {
  const notice: ServerFrame = { ...envelope(2), type: 'message', id: 'notice:2', from: { kind: 'relay' }, reply_to: 1 }
  const early = play(message(1), notice)
  expect(items(early, 'web').at(-1)).toMatchObject({ question: { state: 'queued' }, quoted: false })
  const failed = reduce(early, { type: 'frame', frame: state(1, 'failed', 'gone') })
  expect(items(failed, 'web').at(-1)).toMatchObject({ question: { state: 'failed' }, quoted: false })
})

test('own messages wait at the end until they come back from the relay', () => {
  const sending: TimelineEvent = { type: 'sending', message: { id: 'm-2', conversation: 'web', text: 'hi', at_ms: 1 } }
  let timeline = reduce(play(message(1)), sending)
  expect(items(timeline, 'web').at(-1)).toMatchObject({ kind: 'outgoing', key: 'm-2' })
  timeline = reduce(timeline, { type: 'frame', frame: { type: 'accepted', id: 'm-2', seq: 2 } })
  expect(timeline.outgoing[0]).toMatchObject({ seq: 2 })
  timeline = reduce(timeline, { type: 'frame', frame: message(2) })
  expect(timeline.outgoing).toEqual([])
  expect(items(timeline, 'web').map(({ key }) => key)).toEqual(['m-1', 'm-2'])
})

test.each([
  ['came already', [message(1), message(2), message(3)]],
  ['came before what is here', [welcome({ outcome: 'started', after: 2 })]],
])('what waits to be accepted and %s does not wait any longer', (_name, frames) => {
  const sending: TimelineEvent = {
    type: 'sending',
    message: { id: 'press-1', conversation: 'web', text: 'yes', at_ms: 1 },
  }
  const timeline = reduce(play(...frames), sending)
  const accepted = reduce(timeline, { type: 'frame', frame: { type: 'accepted', id: 'press-1', seq: 2 } })
  expect(accepted.outgoing).toEqual([])
})

test('what history brings does not wait any longer', () => {
  const sending: TimelineEvent = { type: 'sending', message: { id: 'm-2', conversation: 'web', text: 'hi', at_ms: 1 } }
  const timeline = reduce(play(welcome({ outcome: 'started', after: 2 })), sending)
  const messages = [envelope(1), envelope(2)]
  expect(reduce(timeline, { type: 'history', conversation: 'web', messages, next: null }).outgoing).toEqual([])
})

test('a refused message says why, and trying again clears it', () => {
  const own = { id: 'm-1', conversation: 'web', text: 'hi', at_ms: 1 }
  let timeline = reduce(EMPTY, { type: 'sending', message: own })
  timeline = reduce(timeline, { type: 'frame', frame: { type: 'error', code: 'queue_full', detail: '', id: 'm-1' } })
  expect(timeline.outgoing).toEqual([{ ...own, refused: 'queue_full' }])
  expect(reduce(timeline, { type: 'sending', message: own }).outgoing).toEqual([own])
  expect(reduce(timeline, { type: 'dropped', id: 'm-1' }).outgoing).toEqual([])
})

test('continued: everything stays', () => {
  const timeline = play(welcome(), message(1), delta(0, 'Hel'), welcome({ outcome: 'continued', after: 1 }))
  expect(timeline.messages).toHaveLength(1)
  expect(timeline.streams[1]?.text).toBe('Hel')
})

test('trimmed: a marker stands where messages are missing', () => {
  const timeline = play(
    welcome(),
    message(1),
    welcome({ outcome: 'gap', from: 2, to: 5, reason: 'trimmed' }),
    message(6),
  )
  expect(items(timeline, 'web').map(({ key }) => key)).toEqual(['m-1', 'gap:2', 'm-6'])
})

test('epoch: the local copy goes, what was never accepted stays', () => {
  const own = { id: 'm-9', conversation: 'web', text: 'hi', at_ms: 1 }
  let timeline = play(welcome(), message(1), delta(0, 'Hel'))
  timeline = reduce(timeline, { type: 'history', conversation: 'web', messages: [], next: null })
  timeline = reduce(timeline, { type: 'sending', message: own })
  timeline = reduce(timeline, {
    type: 'frame',
    frame: welcome({ outcome: 'gap', from: 0, to: 3, reason: 'epoch' }, '8.3'),
  })
  expect(timeline).toEqual({ ...EMPTY, epoch: 8, outgoing: [own], start: 3 })
})

test('ahead: messages that the relay lost are dropped here too', () => {
  const timeline = play(
    welcome(),
    message(1),
    message(2),
    message(3),
    welcome({ outcome: 'gap', from: 2, to: 3, reason: 'ahead' }),
  )
  expect(timeline.messages.map(({ seq }) => seq)).toEqual([1])
})

test('started anew: nothing is known to join, so begin anew', () => {
  expect(play(welcome(), message(1), welcome({ outcome: 'started', after: 50 })).messages).toEqual([])
})

test('history joins in front and never overwrites what is newer', () => {
  const known = play(welcome({ outcome: 'started', after: 2 }), message(3), state(3, 'replied'))
  const timeline = reduce(known, {
    type: 'history',
    conversation: 'web',
    messages: [envelope(1), envelope(2), envelope(3)],
    next: '7.1',
  })
  expect(timeline.messages.map((each) => [each.seq, each.state])).toEqual([
    [1, 'queued'],
    [2, 'queued'],
    [3, 'replied'],
  ])
  expect(timeline.history).toEqual({ web: '7.1' })
})

test('an answer away from its question quotes it', () => {
  const timeline = play(message(1), message(2), answer(3, 1, 'A'), answer(4, 2, 'B'))
  expect(
    items(timeline, 'web').map((item) => (item.kind === 'message' && item.quoted ? item.question!.seq : null)),
  ).toEqual([null, null, 1, 2])
})

test('what is said unasked answers nothing: it quotes no question, stops none, and the next answer quotes its own', () => {
  const { state: _, ...words } = envelope(2)
  const unasked: Envelope = { ...words, from: { kind: 'agent', id: 'agt_1' } }
  const script: Envelope = { ...unasked, seq: 3, id: 'm-3', from: { kind: 'relay' } }
  const said = [unasked, script].map((message) => ({ type: 'message', ...message }) as ServerFrame)
  const timeline = play(message(1), ...said)
  expect(items(timeline, 'web').map((item) => item.kind === 'message' && item.quoted)).toEqual([false, false, false])
  expect(openQuestions(timeline, 'web')).toEqual([1])
  const answered = reduce(timeline, { type: 'frame', frame: answer(4, 1, 'A') })
  expect(items(answered, 'web').map((item) => item.kind === 'message' && item.quoted)).toEqual([
    false,
    false,
    false,
    true,
  ])
  expect(answered.messages.map(isUnasked)).toEqual([false, true, true, false])
})

test.each([
  ['web', 'web'],
  ['notes', 'web'],
  ['feishu:main:oc_1', 'feishu'],
  ['wecom-bot:corp:group-wrk.1', 'wecom-bot'],
  ['telegram:main:-100123.7', 'telegram'],
])('the conversation %j is held at %j', (conversation, where) => {
  expect(platform(conversation)).toBe(where)
})

test('a name stands over what was written in a group, and nowhere else', () => {
  const by = (from: object) =>
    speaker({ ...envelope(1), from: { kind: 'user', via: 'telegram', sender: '5', ...from } })
  expect(by({ name: 'Ada', group: true })).toBe('Ada')
  expect(by({ name: 'Ada' })).toBeUndefined()
  expect(by({ group: true })).toBeUndefined()
  expect(speaker({ ...envelope(2), from: { kind: 'agent', id: 'agt_1' } })).toBeUndefined()
})

test('conversations: newest first, `web` always there, each with its last words', () => {
  const feishu: ServerFrame = { ...message(2), conversation: 'feishu:main:oc_1', at_ms: 5 } as ServerFrame
  const list = summaries(play(feishu), [{ id: 'feishu:main:oc_2', last_seq: 1, last_at_ms: 9 }])
  expect(list.map(({ id, preview }) => [id, preview?.text])).toEqual([
    ['feishu:main:oc_2', undefined],
    ['feishu:main:oc_1', 'hi'],
    ['web', undefined],
  ])
})

test('a conversation whose last message is a picture says so', () => {
  const files = [{ id: 'f_1', name: 'a.png', kind: 'image' as const, url: 'https://relay/v1/files/f_1' }]
  const [web] = summaries(play({ ...message(1), text: '', files } as ServerFrame), [])
  expect(web?.preview).toEqual({ text: '', files, kind: 'user' })
})

function play(...frames: ServerFrame[]): Timeline {
  return frames.reduce((timeline, frame) => reduce(timeline, { type: 'frame', frame }), EMPTY)
}

function welcome(resumed: Resumed = { outcome: 'started', after: 0 }, cursor = '7.0'): ServerFrame {
  return { type: 'welcome', user: 'usr_1', cursor, resumed, window: 256, ping_ms: 30_000 }
}

function envelope(seq: number): Envelope {
  return {
    seq,
    id: `m-${seq}`,
    conversation: 'web',
    from: { kind: 'user', via: 'web' },
    at_ms: seq,
    text: 'hi',
    state: 'queued',
  }
}

function message(seq: number): ServerFrame {
  return { type: 'message', ...envelope(seq) }
}

function answer(seq: number, reply_to: number, text: string): ServerFrame {
  return {
    type: 'message',
    seq,
    id: `reply:${reply_to}`,
    conversation: 'web',
    from: { kind: 'agent', id: 'agt_1' },
    reply_to,
    at_ms: seq,
    text,
  }
}

function delta(offset: number, text: string): ServerFrame {
  return { type: 'delta', reply_to: 1, offset, text }
}

function state(seq: number, to: State, reason?: string): ServerFrame {
  return { type: 'state', seq, state: to, ...(reason === undefined ? {} : { reason }) }
}
