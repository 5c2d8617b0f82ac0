import { expect, test } from 'vitest'

import type { Answer } from '../src/lib/buttons'
import { answers, pressId } from '../src/lib/buttons'
import type { Author, Envelope } from '../src/lib/frame'
import type { Outgoing, TimelineEvent } from '../src/lib/timeline'
import { EMPTY, reduce } from '../src/lib/timeline'

const YES = { label: 'Yes', text: 'yes' }
const NO = { label: 'No', text: 'no' }

test('a press is called after its message, on every device', () => {
  // Whoever changes it lets a message be answered twice: other devices and other releases say the same.
  expect(pressId(42)).toBe('press-42')
})

test.each<[string, TimelineEvent[], [number, Answer][]]>([
  ['nothing was said yet', [asks(2)], []],
  ['what was said before is no answer', [says(1, 'hi'), asks(2)], []],
  ['an agent that says more answers nothing', [asks(2), tells(3)], []],
  ['a press', [asks(2), says(3, 'yes', 'press-2')], [[2, 'yes']]],
  ['a press that waits', [asks(2), waits('yes', 'press-2')], [[2, 'yes']]],
  ['a press that the relay refused', [asks(2), refused('yes', 'press-2')], []],
  ['the first text counts', [asks(2), says(3, 'no', 'press-2'), waits('hi')], [[2, 'no']]],
  ['a press answers the message that it names', [asks(2), asks(3), says(4, 'yes', 'press-2')], [[2, 'yes']]],
  ['a press at a platform', [asks(2), says(3, 'no', 'feishu:main:om_1.pressed')], [[2, 'no']]],
  ['what a button says answers the newest such message', [asks(2), asks(3), says(4, 'yes')], [[3, 'yes']]],
  [
    'and then the one before',
    [asks(2), asks(3), says(4, 'yes', 'press-3'), says(5, 'no')],
    [
      [3, 'yes'],
      [2, 'no'],
    ],
  ],
  [
    'other words answer all that are open, and only those',
    [asks(2), asks(3), says(4, 'later'), asks(5)],
    [
      [2, null],
      [3, null],
    ],
  ],
  ['words that wait', [asks(2), waits('later')], [[2, null]]],
  ['words that the relay refused', [asks(2), refused('later')], []],
  ['a press that was late is marked all the same', [asks(2), says(3, 'later'), says(4, 'no', 'press-2')], [[2, 'no']]],
  ['another conversation is another matter', [asks(2), says(3, 'yes', 'm-3', 'feishu:main:oc_1')], []],
])('which buttons are used: %s', (_name, events, expected) => {
  expect([...answers(events.reduce(reduce, EMPTY), 'web')]).toEqual(expected)
})

function asks(seq: number): TimelineEvent {
  return message({ seq, id: `push:${seq}`, text: 'Sure?', from: { kind: 'agent', id: 'agt_1' }, buttons: [YES, NO] })
}

function tells(seq: number): TimelineEvent {
  return message({ seq, id: `push:${seq}`, text: 'yes', from: { kind: 'agent', id: 'agt_1' } })
}

function says(seq: number, text: string, id = `m-${seq}`, conversation = 'web'): TimelineEvent {
  return message({ seq, id, text, conversation, from: { kind: 'user', via: 'web' }, state: 'queued' })
}

function waits(text: string, id = 'm-waits', more: Partial<Outgoing> = {}): TimelineEvent {
  return { type: 'sending', message: { id, conversation: 'web', text, at_ms: 1, ...more } }
}

function refused(text: string, id?: string): TimelineEvent {
  return waits(text, id, { refused: 'queue_full' })
}

function message(fields: Partial<Envelope> & { seq: number; id: string; from: Author; text: string }): TimelineEvent {
  return { type: 'frame', frame: { type: 'message', conversation: 'web', at_ms: fields.seq, ...fields } }
}
