import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import type { Envelope } from '../../web/src/lib/frame'
import { resolveAccount } from '../src/account'
import type { Action, Payload, Runtime } from '../src/openclaw'
import { OpenClaw } from '../src/turn'
import { settle, World } from './support'

vi.mock('openclaw/plugin-sdk/channel-ingress-runtime', () => ({ defineStableChannelIngressIdentity: () => ({}) }))
vi.mock('openclaw/plugin-sdk/channel-pairing', () => ({
  createChannelPairingController: () => ({ readAllowFromStore: async () => ['feishu:ou_paired'] }),
}))
vi.mock('openclaw/plugin-sdk/interactive-runtime', () => ({
  renderMessagePresentationFallbackText: ({ text }: { text: string }) => text,
}))

type Resolve = { text?: string; event: { mayPair: boolean }; [key: string]: unknown }
type Dispatch = { delivery: { deliver(payload: Payload): Promise<object> }; messageId: string }

/** A gateway that lets everyone in, and holds every turn until the test ends it. */
class Gateway {
  readonly asked: Resolve[] = []
  readonly contexts: Record<string, unknown>[] = []
  /** Why nobody is let in. */
  blocked: string | undefined
  readonly turns = new Map<string, Dispatch & { end(deferredToActiveRun?: string): Promise<void> }>()
  readonly runtime = {
    config: { current: () => ({}) },
    events: { onAgentEvent: () => () => {} },
    channel: {
      routing: {
        resolveAgentRoute: ({ peer: { kind, id } }: { peer: { kind: string; id: string } }) => ({
          agentId: 'main',
          sessionKey: kind === 'direct' ? id : `${kind}:${id}`,
        }),
      },
      text: { hasControlCommand: (text: string) => text.startsWith('/') },
      inbound: {
        ingress: {
          resolve: async (params: Resolve) => {
            this.asked.push(params)
            const admission = this.blocked === undefined ? 'dispatch' : 'drop'
            return { ingress: { admission, reasonCode: this.blocked }, commandAccess: { authorized: true } }
          },
        },
        buildContext: (params: Record<string, unknown>) => this.contexts.push(params),
        dispatch: (params: Dispatch) =>
          new Promise((resolve) => {
            const end = (deferredToActiveRun?: string) => {
              resolve({ dispatchResult: { deferredToActiveRun } })
              return settle()
            }
            this.turns.set(params.messageId, { ...params, end })
          }),
      },
    },
  } as unknown as Runtime
}

const pushed: unknown[] = []
beforeEach(() => {
  pushed.splice(0)
  const before = globalThis.fetch
  globalThis.fetch = async (_, init) => {
    pushed.push(JSON.parse(String(init?.body)))
    return Response.json({ seq: 7, conversation: 'web', new: true }, { status: 201 })
  }
  onTestFinished(() => {
    globalThis.fetch = before
  })
})

const account = resolveAccount({ channels: { 'claw-relay': { relayUrl: 'http://relay', token: 'key' } } })
const world = () => {
  const world = new World()
  const gateway = new Gateway()
  world.answerWith(new OpenClaw(gateway.runtime, account, world.clock, world.log))
  world.connect()
  return { world, gateway }
}
const buttons = (action: Action) => ({ blocks: [{ type: 'buttons', buttons: [{ label: 'Blue', action }] }] })

test('what a turn waits for is a message of its own, at once', async () => {
  const { world: w, gateway } = world()
  await w.ask(1)
  const { delivery, end } = gateway.turns.get('m-1')!
  const presentation = buttons({ type: 'approval', approvalId: '7f3a', decision: 'deny' })
  await delivery.deliver({ text: 'May I?', presentation, channelData: { execApproval: { state: 'pending' } } })
  const deny = { label: '拒绝 · Deny', text: '/approve 7f3a deny', style: 'danger' }
  expect(pushed).toEqual([{ text: 'May I?', conversation: 'web', buttons: [deny] }])
  await delivery.deliver({ text: 'Which?', presentation: buttons({ type: 'command', command: '/x' }) })
  await end()
  expect(w.take('reply')).toEqual([
    { type: 'reply', reply_to: 1, text: 'Which?', buttons: [{ label: 'Blue', text: '/x' }] },
  ])
  expect(pushed.length).toBe(1)
})

test('the answer to what a turn asks goes ahead of what waits for that turn', async () => {
  const { world: w, gateway } = world()
  await w.ask(1)
  await w.ask(2)
  const presentation = buttons({ type: 'question', optionValue: 'Blue' })
  const { delivery, end } = gateway.turns.get('m-1')!
  await delivery.deliver({ text: 'Which?', presentation, channelData: { askUser: { questionId: 'ask_1' } } })
  expect(pushed).toEqual([{ text: 'Which?', conversation: 'web', buttons: [{ label: 'Blue', text: 'Blue' }] }])
  await w.ask(3, 'web', { text: 'Blue' })
  await w.ask(4, 'other')
  // Not before OpenClaw knows that its question is there.
  expect([...gateway.turns.keys()]).toEqual(['m-1', 'm-4'])
  await w.clock.advance(500)
  expect([...gateway.turns.keys()]).toEqual(['m-1', 'm-4', 'm-3'])
  await gateway.turns.get('m-3')!.end('steer')
  expect(w.take('reply')).toEqual([{ type: 'reply', reply_to: 3, text: '✓ 已转达 · passed on' }])
  // Answered: the next one waits again.
  await w.ask(5)
  expect(gateway.turns.has('m-5')).toBe(false)
  await delivery.deliver({ text: 'Blue it is.' })
  await end()
  expect(w.take('reply')).toEqual([{ type: 'reply', reply_to: 1, text: 'Blue it is.' }])
  expect([...gateway.turns.keys()]).toEqual(['m-1', 'm-4', 'm-3', 'm-2'])
})

test('a turn may end before its answer is known to have been passed on', async () => {
  const { world: w, gateway } = world()
  await w.ask(1)
  const { delivery, end } = gateway.turns.get('m-1')!
  await delivery.deliver({ text: 'Which?', channelData: { askUser: { questionId: 'ask_1' } } })
  await w.ask(2, 'web', { text: 'Blue' })
  await w.clock.advance(500)
  await delivery.deliver({ text: 'Blue it is.' })
  await end()
  await gateway.turns.get('m-2')!.end('steer')
  expect(w.take('reply').map(({ reply_to, text }) => [reply_to, text])).toEqual([
    [1, 'Blue it is.'],
    [2, '✓ 已转达 · passed on'],
  ])
})

test('a question that is never answered ends with its turn', async () => {
  const { world: w, gateway } = world()
  await w.ask(1)
  const { delivery, end } = gateway.turns.get('m-1')!
  await delivery.deliver({ text: 'Which?', channelData: { askUser: { questionId: 'ask_1' } } })
  await delivery.deliver({ text: 'As you like.' })
  await end()
  await w.ask(2)
  await w.ask(3)
  expect([...gateway.turns.keys()]).toEqual(['m-1', 'm-2'])
})

const GROUP = 'feishu:main:oc_1'
const inGroup = (sender: string, more: Partial<Envelope> = {}): Partial<Envelope> => ({
  from: { kind: 'user', via: 'feishu', sender, name: 'Bob', group: true },
  ...more,
})

test('a group is one: its session, what was meant for the bot, and who wrote', async () => {
  const { world: w, gateway } = world()
  await w.ask(1, GROUP, inGroup('ou_1'))
  await w.ask(2, GROUP, inGroup('ou_2'))
  // One session: the second waits.
  expect([...gateway.turns.keys()]).toEqual(['m-1'])
  expect(gateway.asked[0]).toMatchObject({
    subject: { stableId: 'feishu:ou_1' },
    conversation: { kind: 'group', id: GROUP },
    contextBinding: { sessionKey: `group:${GROUP}` },
    event: { mayPair: false },
    policy: { groupPolicy: 'allowlist', activation: { requireMention: true } },
    mentionFacts: { wasMentioned: true },
    // Whoever was let in in private.
    groupAllowFrom: ['feishu:ou_paired'],
  })
  expect(gateway.contexts[0]).toMatchObject({
    from: `claw-relay:group:${GROUP}`,
    sender: { id: 'feishu:ou_1', name: 'Bob' },
    conversation: { kind: 'group', id: GROUP },
    reply: { to: `group:${GROUP}`, originatingTo: `group:${GROUP}` },
    access: { mentions: { wasMentioned: true, requireMention: true } },
  })
  await w.ask(3, 'web')
  expect(gateway.asked[1]).toMatchObject({ conversation: { kind: 'direct' }, event: { mayPair: true } })
  expect([gateway.asked[1]?.mentionFacts, gateway.contexts[1]?.from]).toEqual([undefined, 'web'])
})

test('commands in a group are for those whom OpenClaw knows, also by a code; to begin anew is the relay’s word', async () => {
  const { world: w, gateway } = world()
  await w.ask(1, GROUP, inGroup('ou_1', { text: '/approve 7f3a deny' }))
  expect(gateway.asked[0]?.command).toEqual({
    allowTextCommands: true,
    hasControlCommand: true,
    commandOwnerAllowFrom: ['feishu:ou_paired'],
  })
  await w.ask(2, GROUP, inGroup('ou_1', { session: 1 }))
  expect(gateway.asked[1]?.command).toMatchObject({ useAccessGroups: false })
  await gateway.turns.get('m-2:new')?.end()
  expect(gateway.asked[2]?.command).toBe(undefined)
})

test('who is not let in in a group is told which setting it was; where OpenClaw shall be quiet it is', async () => {
  const { world: w, gateway } = world()
  gateway.blocked = 'group_policy_not_allowlisted'
  await w.ask(1, GROUP, inGroup('ou_1'))
  const reason =
    'OpenClaw did not let this in (group_policy_not_allowlisted): write to it in private first, or see groupPolicy and groupAllowFrom of channels.claw-relay'
  expect(w.take('fail')).toEqual([{ type: 'fail', reply_to: 1, reason }])
  gateway.blocked = 'group_policy_disabled'
  await w.ask(2, GROUP, inGroup('ou_1'))
  await w.clock.advance(2_000)
  expect([w.take('fail'), w.take('done')]).toEqual([[], [{ type: 'done', reply_to: 2 }]])
  expect(gateway.turns.size).toBe(0)
})
