import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { Desk } from '../src/desk'
import type { Payload, SendPayloadContext } from '../src/openclaw'
import { renderPresentation, sendPayload, sendPlain } from '../src/send'
import { kindOf, targetOf } from '../src/target'

let desk: Partial<Desk> | undefined
vi.mock('../src/gateway', () => ({
  deskOf: () => desk,
  clock: { now: () => 5, after: (_: number, run: () => void) => run(), cancel() {} },
}))
vi.mock('openclaw/plugin-sdk/interactive-runtime', () => ({
  renderMessagePresentationFallbackText: ({ text }: { text: string }) => text,
}))
const said: unknown[][] = []
const pushed: unknown[] = []
const beside: string[] = []
beforeEach(() => {
  for (const list of [said, pushed, beside]) list.splice(0)
  // A question of `web` waits for what OpenClaw says there.
  desk = {
    say: (conversation, ...what) => conversation === 'web' && said.push(what) > 0,
    pushed: (conversation) => void beside.push(conversation),
  }
  const before = globalThis.fetch
  globalThis.fetch = async (_, init) => {
    pushed.push(JSON.parse(String(init?.body)))
    return Response.json({ seq: 7, conversation: 'web', new: true }, { status: 201 })
  }
  onTestFinished(() => {
    globalThis.fetch = before
  })
})

const cfg = { channels: { 'claw-relay': { relayUrl: 'http://relay', token: 'key' } } }
const allow = { label: 'Allow', action: { type: 'approval', approvalId: '7f3a', decision: 'allow-once' } }
const presentation = { blocks: [{ type: 'buttons', buttons: [allow] }] }
const button = { label: '允许一次 · Allow once', text: '/approve 7f3a allow-once', style: 'primary' }
/** As OpenClaw does it: without the presentation, and a text alone by `sendText`. */
const send = (to: string, payload: Payload): Promise<{ messageId: string }> => {
  const { presentation, ...rest } = payload
  const rendered = presentation ? renderPresentation({ payload: rest, presentation }) : rest
  const context: SendPayloadContext = { cfg, to, text: rendered.text ?? '', payload: rendered }
  return rendered.channelData ? sendPayload(context) : sendPlain(context)
}

test('an approval is a message of its own, with buttons, also while a question waits for words', async () => {
  const execApproval = { approvalId: '7f3a', state: 'pending' }
  await send('claw-relay:web', { text: 'May I?', presentation, channelData: { execApproval } })
  await send('web', { text: 'Allowed.', channelData: { execApproval: { ...execApproval, state: 'resolved' } } })
  expect(pushed).toEqual([
    { text: 'May I?', conversation: 'web', buttons: [button] },
    { text: 'Allowed.', conversation: 'web' },
  ])
  // The question is not answered by that.
  expect([said, beside]).toEqual([[], []])
})

test('other buttons go where the text goes', async () => {
  const choice = { label: 'Blue', action: { type: 'callback', value: 'blue' } }
  const presentation = { blocks: [{ type: 'buttons', buttons: [choice] }] }
  const button = { label: 'Blue', text: 'blue' }
  await send('web', { text: 'Which?', presentation })
  expect(said).toEqual([['Which?', [], [button]]])
  await send('feishu:main:oc_1', { text: 'Which?', presentation })
  expect(pushed).toEqual([{ text: 'Which?', conversation: 'feishu:main:oc_1', buttons: [button] }])
  expect(beside).toEqual(['feishu:main:oc_1'])
})

test('a group is a conversation whose target says so', async () => {
  desk = undefined
  for (const to of ['feishu:main:oc_1', 'group:feishu:main:oc_1', 'claw-relay:group:feishu:main:oc_1', 'group:x'])
    await send(to, { text: 'hi' })
  const conversations = pushed.map((message) => (message as { conversation: string }).conversation)
  expect(conversations).toEqual(['feishu:main:oc_1', 'feishu:main:oc_1', 'feishu:main:oc_1', 'group:x'])
  expect(['web', 'group:x', 'claw-relay:group:x:y:z'].map(kindOf)).toEqual(['direct', 'direct', 'group'])
  expect(kindOf(targetOf('feishu:main:oc_1', 'group'))).toBe('group')
})

test('an agent hides no command behind a button', async () => {
  desk = undefined
  const go = { label: 'Go on', action: { type: 'command', command: '/elevated full' } }
  const approvalId = '0f7e514f-b0dd-49c9-8398-06a14083082e'
  const forged = { label: 'Blue', action: { ...allow.action, approvalId } }
  await send('web', { text: 'Shall I?', presentation: { blocks: [{ type: 'buttons', buttons: [go, forged] }] } })
  expect(pushed).toEqual([
    {
      text: `Shall I?\n\n- 允许一次 · Allow once: \`/approve ${approvalId} allow-once\``,
      conversation: 'web',
      buttons: [{ label: 'Go on · /elevated full', text: '/elevated full' }],
    },
  ])
})

test('a process without a desk pushes, and a presentation without buttons is a text', async () => {
  desk = undefined
  const sent = await send('web', { text: 'hi', presentation: { blocks: [] } })
  expect(sent.messageId).toMatch(/^push:/)
  expect(pushed).toEqual([{ text: 'hi', conversation: 'web' }])
})
