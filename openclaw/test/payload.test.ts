import { expect, test, vi } from 'vitest'
import type { Payload, Presentation } from '../src/openclaw'
import { isQuestion, isUrgent, shownBy } from '../src/payload'

vi.mock('openclaw/plugin-sdk/interactive-runtime', () => ({
  /** Like OpenClaw's, for what occurs here: the text, the title, the texts, the labels. */
  renderMessagePresentationFallbackText: ({ text, presentation }: { text: string; presentation: Presentation }) => {
    const blocks = presentation.blocks.map(
      (block) => block.text ?? block.buttons?.map(({ label }) => `- ${label}`).join('\n'),
    )
    return [text, presentation.title, ...blocks].filter(Boolean).join('\n\n')
  },
}))

const yes = { label: 'Yes', action: { type: 'command', command: '/yes' } }
const ours = { label: 'Yes', text: '/yes' }
const question = { label: 'Ask', action: { type: 'question' } }
const blocks = [
  { type: 'text', text: 'Sure?' },
  { type: 'buttons', buttons: [yes, question] },
]

test.each<[string, Payload, ReturnType<typeof shownBy>]>([
  ['a text', { text: ' hi ' }, { text: 'hi', buttons: [] }],
  [
    'buttons go beside the text',
    { text: 'hi', presentation: { blocks } },
    { text: 'hi\n\nSure?\n\n- Ask', buttons: [ours] },
  ],
  [
    'buttons alone get a word to stand under',
    { presentation: { blocks: [{ type: 'buttons', buttons: [yes] }] } },
    { text: '请选择 · please choose:', buttons: [ours] },
  ],
  [
    'a text that says what the presentation says stands for it',
    { text: 'In words', presentation: { title: 'Table', blocks: [] }, presentationTextMode: 'fallback' },
    { text: 'In words', buttons: [] },
  ],
  [
    'but not for buttons',
    {
      text: 'In words',
      presentation: { title: 'Sure?', blocks: [{ type: 'buttons', buttons: [yes] }] },
      presentationTextMode: 'fallback',
    },
    { text: 'Sure?', buttons: [ours] },
  ],
  ['thoughts are hidden', { text: 'hm', presentation: { blocks }, isReasoning: true }, { text: '', buttons: [] }],
])('%s', (_, payload, expected) => expect(shownBy(payload)).toEqual(expected))

test('what a turn waits for is told from the rest', () => {
  const approval = { text: 'x', channelData: { execApproval: { approvalId: '7f3a', state: 'resolved' } } }
  const question = { text: 'x', channelData: { askUser: { questionId: 'ask_1' } } }
  const other = { text: 'x', channelData: { other: {} } }
  expect([approval, question, other].map(isUrgent)).toEqual([true, true, false])
  expect([approval, question, other].map(isQuestion)).toEqual([false, true, false])
})
