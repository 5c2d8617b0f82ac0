import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Envelope } from '../../web/src/lib/frame'
import { question, World } from './support'

function onDisk(): World {
  const folder = mkdtempSync(join(tmpdir(), 'claw-relay-desk-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return new World(join(folder, 'a', 'store.sqlite'))
}

test('questions of a lane are answered one after another, those of others meanwhile, commands at once', async () => {
  const world = new World()
  world.connect()
  await world.ask(1, 'a')
  await world.ask(2, 'a')
  await world.ask(3, 'b')
  await world.ask(4, 'a', { text: '/approve x allow-once' })
  expect(world.agent.asked).toEqual([1, 3, 4])
  world.agent.turns.get(1)!.say('one')
  await world.agent.turns.get(1)!.end()
  expect(world.agent.asked).toEqual([1, 3, 4, 2])
})

test('a question is acknowledged once OpenClaw has taken it over', async () => {
  const world = new World()
  world.connect()
  await world.ask(1, 'a')
  await world.ask(2, 'b')
  await world.ask(4, 'c')
  world.agent.turns.get(2)!.adopted()
  expect(world.take('ack')).toEqual([])
  world.agent.turns.get(1)!.adopted()
  expect(world.take('ack')).toEqual([{ type: 'ack', seq: 3 }])
  // A command is never adopted: its end is what counts.
  world.agent.turns.get(4)!.say('done')
  await world.agent.turns.get(4)!.end()
  expect(world.take('ack')).toEqual([{ type: 'ack', seq: 4 }])
})

test('what a group once was it stays, for a press and for the page, also after a restart', async () => {
  const world = onDisk()
  world.connect({ outcome: 'gap', from: 1, to: 1, reason: 'epoch' })
  const pressed: Envelope['from'] = { kind: 'user', via: 'feishu', sender: 'ou_2' }
  const inGroup: Envelope['from'] = { ...pressed, group: true }
  const told: [string, Envelope['from']][] = []
  const listen = () => {
    const { answer } = world.agent
    world.agent.answer = (question, turn) => {
      told.push([question.conversation, question.from])
      return answer.call(world.agent, question, turn)
    }
  }
  listen()
  await world.ask(2, 'a', { from: pressed })
  await world.ask(3, 'b', { from: inGroup })
  world.restart()
  world.connect({ outcome: 'continued', after: 3 })
  listen()
  await world.ask(4, 'b', { from: pressed })
  await world.ask(5, 'c', { from: pressed })
  expect(told).toEqual([
    ['a', pressed],
    ['b', inGroup],
    ['b', inGroup],
    ['c', pressed],
  ])
})

test('many that wait for one conversation do not hold up the others', async () => {
  const world = new World()
  world.connect()
  for (let seq = 1; seq <= 127; seq++) await world.ask(seq, 'a')
  expect(world.take('ack')).toEqual([])
  await world.ask(128, 'a')
  expect(world.take('ack')).toEqual([{ type: 'ack', seq: 128 }])
})

test('an answer is shown while it is made, and sent once, with all its parts', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  const turn = world.agent.turns.get(1)!
  turn.partial('Let me')
  turn.partial('Let me see.')
  turn.doing('⏳ exec …')
  await world.clock.advance(100)
  turn.say('Let me see.')
  turn.partial('It is')
  await world.clock.advance(100)
  turn.say('It is 4.')
  await world.clock.advance(100)
  expect(world.take('delta').map(({ offset, text }) => [offset, text])).toEqual([
    [0, 'Let me'],
    [6, ' see.\n\n⏳ exec …'],
    [0, 'Let me see.\n\nIt is'],
    [18, ' 4.'],
  ])
  await turn.end()
  expect(world.sent).toEqual([
    { type: 'reply', reply_to: 1, text: 'Let me see.\n\nIt is 4.' },
    { type: 'ack', seq: 1 },
  ])
  await world.hear({ type: 'accepted', id: 'reply:1', seq: 2 })
  expect(world.store.answers()).toEqual([])
  expect(world.clock.waiting).toBe(0)
})

test('the relay may ask for the answer again, and a new connection gets it whole', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  world.agent.turns.get(1)!.partial('half an')
  await world.hear({ type: 'restream', reply_to: 1 })
  world.desk.disconnected()
  world.agent.turns.get(1)!.partial('half an answer')
  expect(world.take('delta').map(({ offset, text }) => [offset, text])).toEqual([
    [0, 'half an'],
    [0, 'half an'],
  ])
  world.connect({ outcome: 'continued', after: 1 })
  expect(world.take('delta').map(({ offset, text }) => [offset, text])).toEqual([[0, 'half an answer']])
})

test('a turn without an answer is done; one that was turned away and one that broke are failures that say why', async () => {
  const world = new World()
  world.connect()
  await world.ask(1, 'a')
  await world.agent.turns.get(1)!.end()
  expect(world.take('fail')).toEqual([])
  await world.clock.advance(2_000)
  await world.ask(2, 'a')
  await world.agent.turns.get(2)!.end({ refused: 'not you' })
  await world.ask(3, 'a')
  world.agent.turns.get(3)!.adopted()
  await world.agent.turns.get(3)!.fail(new Error('boom'))
  expect(world.take('done')).toEqual([{ type: 'done', reply_to: 1 }])
  expect(world.take('fail').map(({ reply_to, reason }) => [reply_to, reason])).toEqual([
    [2, 'not you'],
    [3, 'OpenClaw could not take this: the log of its gateway says why'],
  ])
  expect(world.lines.some((line) => line.includes('question 3: Error: boom'))).toBe(true)
})

test('what a turn wrote without delivering it is its answer', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  world.agent.turns.get(1)!.partial('said elsewhere')
  await world.agent.turns.get(1)!.end()
  await world.clock.advance(2_000)
  expect(world.take('reply')).toEqual([{ type: 'reply', reply_to: 1, text: 'said elsewhere' }])
})

test('an agent that talks without end is cut at 128 KiB', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  for (let n = 0; n < 200; n++) world.agent.turns.get(1)!.say('x'.repeat(1024))
  await world.agent.turns.get(1)!.end()
  const [reply] = world.take('reply')
  expect(reply!.text.length).toBeLessThanOrEqual(128 * 1024)
  expect(reply!.text.endsWith('[cut at 128 KiB]')).toBe(true)
})

test('files go with the answer, with or without words, and are sent again as they were', async () => {
  const world = onDisk()
  const file = (n: number) => ({
    id: `fil_${n}`,
    name: `${n}.png`,
    kind: 'image' as const,
    url: `https://r/v1/files/${n}`,
  })
  world.connect()
  await world.ask(1, 'a')
  await world.ask(2, 'b')
  await world.ask(3, 'c')
  world.agent.turns.get(1)!.say('Here.', [file(1)])
  world.agent.turns.get(1)!.say('', [file(2)])
  await world.agent.turns.get(1)!.end()
  const reply = { type: 'reply', reply_to: 1, text: 'Here.', files: [file(1), file(2)] }
  expect(world.take('reply')).toEqual([reply])
  world.agent.turns.get(2)!.say('', [file(3)])
  await world.agent.turns.get(2)!.end()
  expect(world.take('reply')).toEqual([{ type: 'reply', reply_to: 2, text: '', files: [file(3)] }])
  const twelve = Array.from({ length: 12 }, (_, n) => file(n))
  world.agent.turns.get(3)!.deferred()
  expect(world.desk.say('c', 'Many.', twelve)).toBe(true)
  await world.agent.turns.get(3)!.end()
  const [many] = world.take('reply')
  expect(many!.files).toEqual(twelve.slice(0, 10))
  expect(many!.text).toMatch(
    /^Many\.\n\n📎 10\.png（未发送 · not sent: more than 10 files in one answer）\n\n📎 11\.png/,
  )

  world.restart()
  world.connect()
  expect(world.take('reply')[0]).toEqual(reply)
})

test('buttons go with the answer; more than eight are words', async () => {
  const world = onDisk()
  const button = (n: number) => ({ label: `b${n}`, text: `/b ${n}` })
  const buttons = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => button(from + n))
  world.connect()
  await world.ask(1)
  world.agent.turns.get(1)!.say('Which?', [], buttons(0, 5))
  world.agent.turns.get(1)!.say('Or?', [], buttons(5, 10))
  await world.agent.turns.get(1)!.end()
  const answer = {
    type: 'reply',
    reply_to: 1,
    text: 'Which?\n\nOr?\n\n- b8: `/b 8`\n- b9: `/b 9`',
    buttons: buttons(0, 8),
  }
  expect(world.take('reply')).toEqual([answer])
  world.restart()
  world.connect()
  expect(world.take('reply')).toEqual([answer])
})

test('an answer that went as messages of its own closes the question', async () => {
  const world = new World()
  world.connect()
  await world.ask(1, 'a')
  await world.ask(2, 'b')
  world.desk.pushed('a')
  await world.agent.turns.get(1)!.end()
  expect(world.take('done')).toEqual([{ type: 'done', reply_to: 1 }])
})

test('a follow-up of OpenClaw answers the question that waits for it, and no other', async () => {
  const world = new World()
  world.connect()
  await world.ask(1, 'a')
  expect(world.desk.say('a', 'early')).toBe(false)
  world.agent.turns.get(1)!.deferred()
  expect(world.desk.say('b', 'elsewhere')).toBe(false)
  expect(world.desk.say('a', 'the follow-up')).toBe(true)
  await world.agent.turns.get(1)!.end()
  expect(world.take('reply')).toEqual([{ type: 'reply', reply_to: 1, text: 'the follow-up' }])
})

test('a stopped question is aborted, answered by nobody, and holds its lane until its turn is over', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  await world.ask(2)
  await world.ask(3)
  const turn = world.agent.turns.get(1)!
  turn.adopted()
  await world.hear({ type: 'stop', reply_to: 1 }, { type: 'stop', reply_to: 2 }, { type: 'stop', reply_to: 77 })
  expect(turn.signal.aborted).toBe(true)
  expect(world.agent.asked).toEqual([1])
  turn.partial('too late')
  turn.say('too late')
  await turn.end()
  expect(world.agent.asked).toEqual([1, 3])
  await world.clock.advance(20_000)
  expect(world.sent.filter(({ type }) => type !== 'ack')).toEqual([])
  expect(world.store.held()).toEqual([])
})

test('a stopped turn that does not end does not hold its lane for ever', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  await world.ask(2)
  await world.hear({ type: 'stop', reply_to: 1 })
  await world.clock.advance(9_999)
  expect(world.agent.asked).toEqual([1])
  await world.clock.advance(1)
  expect(world.agent.asked).toEqual([1, 2])
})

test('an answer is sent until it is accepted', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  world.desk.disconnected()
  world.agent.turns.get(1)!.say('hi')
  await world.agent.turns.get(1)!.end()
  const reply = { type: 'reply', reply_to: 1, text: 'hi' }
  world.connect({ outcome: 'continued', after: 1 })
  expect(world.take('reply')).toEqual([reply])
  await world.hear({ type: 'error', code: 'unavailable', detail: '', id: 'reply:1' })
  await world.clock.advance(5_000)
  expect(world.take('reply')).toEqual([reply])
  world.connect({ outcome: 'continued', after: 1 })
  expect(world.take('reply')).toEqual([reply])
  await world.hear({ type: 'error', code: 'already_replied', detail: '', id: 'reply:1' })
  world.connect({ outcome: 'continued', after: 1 })
  expect(world.take('reply')).toEqual([])
})

test('an answer that is refused for good becomes a failure; a refused failure is given up', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  world.agent.turns.get(1)!.say('hi')
  await world.agent.turns.get(1)!.end()
  await world.hear({ type: 'error', code: 'text_too_long', detail: '', id: 'reply:1' })
  expect(world.take('fail')).toEqual([
    { type: 'fail', reply_to: 1, reason: 'the relay refused the answer: text_too_long' },
  ])
  await world.hear({ type: 'error', code: 'bad_frame', detail: '', id: 'reply:1' })
  expect(world.store.answers()).toEqual([])
})

test('after a restart what was answered is not asked again, what was not is, and the relay is told of both', async () => {
  const world = onDisk()
  expect(world.desk.hello('c')).toEqual({ type: 'hello', client: 'c' })
  world.connect()
  await world.ask(1)
  await world.ask(2)
  expect(world.desk.hello('c')).toEqual({ type: 'hello', cursor: '9.2', open: [1, 2], client: 'c' })
  world.agent.turns.get(1)!.adopted()
  world.agent.turns.get(1)!.say('one')
  await world.agent.turns.get(1)!.end()
  world.agent.turns.get(2)!.adopted()

  world.restart()
  expect(world.desk.hello('c')).toEqual({ type: 'hello', open: [1, 2], client: 'c' })
  world.connect()
  expect(world.take('reply')).toEqual([{ type: 'reply', reply_to: 1, text: 'one' }])
  await world.ask(1)
  await world.ask(2)
  expect(world.agent.asked).toEqual([2])
  await world.hear({ type: 'accepted', id: 'reply:1', seq: 3 }, { type: 'stop', reply_to: 2 })
  world.restart()
  expect(world.desk.hello('c')).toEqual({ type: 'hello', client: 'c' })
})

test('a question that ends the gateway each time is given up after three times', async () => {
  const world = onDisk()
  for (let n = 1; n <= 3; n++) {
    world.connect()
    await world.ask(1)
    expect(world.agent.asked).toEqual([1])
    world.agent.turns.get(1)!.adopted()
    world.restart()
  }
  world.connect()
  await world.ask(1)
  expect(world.agent.asked).toEqual([])
  expect(world.take('fail')).toEqual([
    { type: 'fail', reply_to: 1, reason: 'OpenClaw was ended 3 times while it worked on this' },
  ])
})

test('what OpenClaw does not take at present keeps its place and is no try', async () => {
  const world = new World()
  world.agent.next.push('later')
  world.connect()
  await world.ask(1, 'a')
  await world.ask(2, 'a')
  await world.ask(3, 'b')
  expect(world.agent.asked).toEqual([1])
  await world.clock.advance(4_999)
  expect(world.agent.asked).toEqual([1])
  await world.clock.advance(1)
  expect(world.agent.asked).toEqual([1, 1, 3])
  expect(world.store.tries(1)).toBe(0)
  expect(world.sent).toEqual([])
})

test('a question that OpenClaw fails to take is handed over again, but not for ever', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  for (let n = 1; n <= 6; n++) {
    expect(world.agent.asked.length).toBe(n)
    expect(world.take('fail')).toEqual([])
    await world.agent.turns.get(1)!.fail(new Error('busy'))
    await world.clock.advance(5_000)
  }
  expect(world.agent.asked.length).toBe(6)
  expect(world.take('fail')).toMatchObject([{ reply_to: 1 }])
})

test('a turn that the gateway takes along when it stops is no answer, and begins again with the channel', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  await world.agent.turns.get(1)!.end()
  world.desk.pause()
  world.desk.disconnected()
  await world.clock.advance(10_000)
  expect(world.store.answers()).toEqual([])
  world.desk.open()
  expect(world.agent.asked).toEqual([1, 1])
})

test('turns go on while the channel is restarted', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  world.desk.pause()
  world.desk.disconnected()
  world.desk.open()
  world.agent.turns.get(1)!.say('hi')
  await world.agent.turns.get(1)!.end()
  world.connect({ outcome: 'continued', after: 1 })
  expect(world.agent.asked).toEqual([1])
  expect(world.take('reply')).toEqual([{ type: 'reply', reply_to: 1, text: 'hi' }])
})

test('a conversation that was begun anew is, once', async () => {
  const world = new World()
  world.connect()
  for (const [seq, session] of [1, 1, 3, 2].entries()) {
    await world.ask(seq + 1, 'a', { session })
    world.agent.turns.get(seq + 1)!.say('.')
    await world.agent.turns.get(seq + 1)!.end()
  }
  expect(world.agent.renewed).toEqual([1, 3])
})

test('without its cursor the relay repeats every open question, which is not asked twice', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  world.desk.disconnected()
  world.desk.forgetCursor()
  expect(world.desk.hello('c')).toEqual({ type: 'hello', open: [1], client: 'c' })
  world.connect()
  await world.ask(1)
  await world.ask(2, 'b')
  expect(world.agent.asked).toEqual([1, 2])
})

test('another timeline, and one restored from an older copy, drop what has no meaning there', async () => {
  const check = async (resumed: Parameters<World['connect']>[0], cursor: string, held: number[], next: string) => {
    const world = new World()
    world.connect()
    for (const seq of [1, 2, 3]) await world.ask(seq, `c${seq}`)
    world.agent.turns.get(2)!.say('two')
    await world.agent.turns.get(2)!.end()
    const turns = [1, 3].map((seq) => world.agent.turns.get(seq)!)
    world.connect(resumed, cursor)
    expect(world.desk.hello('c')).toMatchObject({ cursor: next, ...(held.length > 0 && { open: held }) })
    expect(turns.map((turn) => turn.signal.aborted)).toEqual([1, 3].map((seq) => !held.includes(seq)))
  }
  await check({ outcome: 'continued', after: 3 }, '9.7', [1, 2, 3], '9.3')
  await check({ outcome: 'gap', from: 4, to: 7, reason: 'trimmed' }, '9.9', [1, 2, 3], '9.7')
  await check({ outcome: 'gap', from: 2, to: 3, reason: 'ahead' }, '9.1', [1], '9.1')
  await check({ outcome: 'gap', from: 1, to: 0, reason: 'epoch' }, '10.5', [], '10.0')
  await check({ outcome: 'started', after: 4 }, '10.5', [], '10.4')
})

test('what is not for an agent, or came before, is passed over', async () => {
  const world = new World()
  world.connect({ outcome: 'continued', after: 5 })
  await world.ask(5)
  await world.hear({ type: 'message', ...question(6), from: { kind: 'relay' } })
  await world.hear({ type: 'presence', agents: [] }, { type: 'unknown' })
  await world.hear({ type: 'error', code: 'bad_ack', detail: '' })
  expect(world.agent.asked).toEqual([])
  expect(world.take('ack')).toEqual([{ type: 'ack', seq: 6 }])
})

test('another key ends everything', async () => {
  const world = new World()
  world.connect()
  await world.ask(1)
  const turn = world.agent.turns.get(1)!
  world.desk.close()
  expect(turn.signal.aborted).toBe(true)
  expect(world.desk.size).toBe(0)
  turn.say('late')
  await turn.end()
  expect(world.take('reply')).toEqual([])
})
