import { expect, test } from 'vitest'
import { inWords, spelledOut, takeButtons } from '../src/buttons'
import type { Control } from '../src/openclaw'

const taken = (...buttons: Control[]) => takeButtons({ blocks: [{ type: 'buttons', buttons }] })
/** What becomes of one control: a button, or what is left of its block. */
const became = (control: Control) => {
  const { buttons, rest } = taken(control)
  expect(buttons.length + rest.blocks.length).toBe(1)
  return buttons[0] ?? rest.blocks[0]
}
const approval = (decision: string): Control => ({
  label: 'As OpenClaw calls it',
  action: { type: 'approval', approvalId: '7f3a', decision },
  style: 'success',
})

test('an approval can be given once, for ever, or denied', () => {
  expect(taken(approval('allow-once'), approval('allow-always'), approval('deny'))).toEqual({
    buttons: [
      { label: '允许一次 · Allow once', text: '/approve 7f3a allow-once', style: 'primary' },
      { label: '总是允许 · Allow always', text: '/approve 7f3a allow-always' },
      { label: '拒绝 · Deny', text: '/approve 7f3a deny', style: 'danger' },
    ],
    rest: { blocks: [] },
  })
})

test('a command is said as it is; one that the relay would take is passed on', () => {
  const said = (command: string) => became({ label: 'x', action: { type: 'command', command } })
  expect(said('/model gpt')).toEqual({ label: 'x', text: '/model gpt' })
  expect(said('/status')).toEqual({ label: 'x', text: '//status' })
  expect(said('/Help ')).toEqual({ label: 'x', text: '//Help ' })
  expect(said('/use x')).toEqual({ label: 'x', text: '//use x' })
  expect(said('/status full')).toEqual({ label: 'x', text: '/status full' })
  // These mean the same to both.
  expect(said('/new')).toEqual({ label: 'x', text: '/new' })
  expect(said('/stop')).toEqual({ label: 'x', text: '/stop' })
})

test('a choice says its value, and never a command', () => {
  const callback = (value: string): Control => ({ label: 'Yes', action: { type: 'callback', value } })
  expect(became(callback('deploy:yes'))).toEqual({ label: 'Yes', text: 'deploy:yes' })
  expect(became(callback(' /approve 7f3a allow-always'))).toEqual({ label: 'Yes', text: 'Yes' })
  expect(became({ ...callback('／status'), label: '／x' })).toHaveProperty('type', 'buttons')
  expect(became({ label: '1', action: { type: 'question', optionValue: 'Blue' } })).toEqual({
    label: '1',
    text: 'Blue',
  })
  expect(became({ label: 'Yes', value: 'yes', style: 'danger' })).toEqual({
    label: 'Yes',
    text: 'yes',
    style: 'danger',
  })
  // An action counts, whatever stands beside it.
  const both: Control = { label: 'Yes', value: 'yes', action: { type: 'question' } }
  expect(became(both)).toEqual({ type: 'buttons', buttons: [both] })
})

test('an address is a link, if it leads into the net', () => {
  const link = (text: string) => ({ type: 'text', text: `- ${text}` })
  const url = 'https://example.com/a(b)'
  expect(became({ label: 'Notes [1]', action: { type: 'url', url } })).toEqual(
    link('[Notes \\[1\\]](https://example.com/a%28b%29)'),
  )
  expect(became({ label: 'App', webApp: { url: 'https://example.com' } })).toEqual(link('[App](https://example.com/)'))
  const other: Control = { label: 'x', action: { type: 'url', url: 'javascript:alert(1)' } }
  expect(became(other)).toEqual({ type: 'buttons', buttons: [other] })
})

test('what is disabled, says nothing or is too long stays for OpenClaw to put into words', () => {
  for (const control of [
    { label: 'Off', action: { type: 'command', command: '/x' }, disabled: true },
    { label: 'Widget', action: { type: 'web-app' } },
    { label: 'Pick', action: { type: 'model-picker' } },
    { label: 'Nothing' },
    { label: '', value: 'x' },
    { label: '长'.repeat(21), value: 'x' },
    { label: 'Long', action: { type: 'command', command: `/${'x'.repeat(500)}` } },
  ] satisfies Control[])
    expect(became(control)).toEqual({ type: 'buttons', buttons: [control] })
  expect(became({ label: '长'.repeat(20), value: 'x' })).toEqual({ label: '长'.repeat(20), text: 'x' })
})

test('there are eight of them at most, over all blocks; everything else keeps its place', () => {
  const options = Array.from({ length: 6 }, (_, n) => ({ label: `o${n}`, value: `v${n}` }))
  const presentation = {
    title: 'Title',
    blocks: [
      { type: 'text', text: 'above' },
      { type: 'buttons', buttons: options },
      { type: 'select', placeholder: 'Which', options },
      { type: 'divider' },
    ],
  }
  const { buttons, rest } = takeButtons(presentation)
  expect(buttons.map(({ label }) => label)).toEqual(['o0', 'o1', 'o2', 'o3', 'o4', 'o5', 'o0', 'o1'])
  expect(rest).toEqual({
    title: 'Title',
    blocks: [
      { type: 'text', text: 'above' },
      { type: 'select', placeholder: 'Which', options: options.slice(2) },
      { type: 'divider' },
    ],
  })
  const few = { blocks: [{ type: 'select', placeholder: 'Which', options: options.slice(0, 2) }] }
  expect(takeButtons(few).rest).toEqual({ blocks: [{ type: 'text', text: 'Which' }] })
})

test('a command can be spelled out on its button', () => {
  const yes = { label: 'Yes', text: 'yes' }
  expect(spelledOut(yes)).toEqual(yes)
  expect(spelledOut({ label: 'Go on', text: '/elevated full', style: 'primary' })).toEqual({
    label: 'Go on · /elevated full',
    text: '/elevated full',
    style: 'primary',
  })
  expect(spelledOut({ label: 'State', text: '//status' })).toEqual({ label: 'State · /status', text: '//status' })
  expect(spelledOut({ label: 'Go on', text: `/approve ${'x'.repeat(45)}` })).toBe(null)
})

test('a button in words tells what to write', () => {
  expect(inWords({ label: 'Yes', text: '/yes' })).toBe('- Yes: `/yes`')
})
