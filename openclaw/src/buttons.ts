// The controls of OpenClaw's messages as buttons of the relay's: whoever presses one says what it stands for, as if they
// had written it (docs/protocol.md §4). What cannot be a button becomes a link, or stays for OpenClaw to put into words.

import type { Button } from '../../web/src/lib/frame'
import { utf8Bytes } from '../../web/src/lib/text'
import type { Action, Block, Control, Presentation } from './openclaw'

/** Takes the buttons out of a presentation, at most `BUTTONS_MAX`, in order. `rest` has everything else. */
export function takeButtons({ blocks, ...heading }: Presentation): { buttons: Button[]; rest: Presentation } {
  const buttons: Button[] = []
  /** What is left of these controls: those that are neither buttons nor links, and a text with the links. */
  const take = (controls: Control[]): { left: Control[]; links: Block[] } => {
    const left: Control[] = []
    const links: string[] = []
    for (const control of controls) {
      const button = buttons.length < BUTTONS_MAX ? buttonOf(control) : null
      const link = linkOf(control)
      if (button !== null) buttons.push(button)
      else if (link !== null) links.push(`- ${link}`)
      else left.push(control)
    }
    return { left, links: links.length > 0 ? [{ type: 'text', text: links.join('\n') }] : [] }
  }
  const rest = blocks.flatMap((block): Block[] => {
    if (block.type === 'buttons') {
      const { left, links } = take(block.buttons ?? [])
      return [...(left.length > 0 ? [{ ...block, buttons: left }] : []), ...links]
    }
    if (block.type !== 'select') return [block]
    const { left } = take(block.options ?? [])
    if (left.length > 0) return [{ ...block, options: left }]
    return block.placeholder ? [{ type: 'text', text: block.placeholder }] : []
  })
  return { buttons, rest: { ...heading, blocks: rest } }
}

/** A button where there is no room for one. */
export function inWords({ label, text }: Button): string {
  return `- ${label}: \`${text}\``
}

/**
 * A button on which stands which command it says, or `null` if that is too long. An agent can be talked into offering one,
 * and whoever presses it has more rights than the agent.
 */
export function spelledOut(button: Button): Button | null {
  if (plain(button.text) !== null) return button
  const label = `${button.label} · ${button.text.replace(/^\/\//, '/')}`
  return utf8Bytes(label) <= BUTTON_LABEL_BYTES_MAX ? { ...button, label } : null
}

function buttonOf(control: Control): Button | null {
  const action = actionOf(control)
  const text = action && !control.disabled ? saidBy(action, control.label) : null
  if (text === null) return null
  const decision = action?.type === 'approval' ? DECISIONS[action.decision ?? ''] : undefined
  const { label, style } = decision ?? { label: control.label, style: STYLES[control.style ?? ''] }
  const fits = (words: string, bytesMax: number) => words.trim() !== '' && utf8Bytes(words) <= bytesMax
  if (!fits(label, BUTTON_LABEL_BYTES_MAX) || !fits(text, BUTTON_TEXT_BYTES_MAX)) return null
  return { label, text, ...(style && { style }) }
}

/** What pressing it says. `null`: nothing that could be said, such as the answer to a form. */
function saidBy(action: Action, label: string): string | null {
  switch (action.type) {
    case 'approval':
      return `/approve ${action.approvalId} ${action.decision}`
    case 'callback':
      return plain(action.value) ?? plain(label)
    case 'command':
      return action.command?.replace(COMMANDS_OF_THE_RELAY, '/$&') ?? null
    case 'question':
      return plain(action.optionValue)
    default:
      return null
  }
}

/** What an agent may put into somebody's mouth: no command. */
function plain(words: string | undefined): string | null {
  return words === undefined || /^\s*[/／]/.test(words) ? null : words
}

function linkOf(control: Control): string | null {
  const { type, url } = actionOf(control) ?? {}
  const isLink = (type === 'url' || type === 'web-app') && !control.disabled
  if (!isLink || url === undefined || !URL.canParse(url)) return null
  const { href, protocol } = new URL(url)
  if (protocol !== 'https:' && protocol !== 'http:') return null
  const label = control.label.replaceAll(/[[\]\\]/g, '\\$&')
  return `[${label}](${href.replaceAll('(', '%28').replaceAll(')', '%29')})`
}

/** Older makers of messages say without an action what a control does. */
function actionOf({ action, url, value, webApp, web_app }: Control): Action | undefined {
  if (action !== undefined) return action
  const address = url ?? webApp?.url ?? web_app?.url
  if (address) return { type: 'url', url: address }
  return value ? { type: 'callback', value } : undefined
}

/** What may be decided on a command that needs approval, and how it looks. */
const DECISIONS: Record<string, { label: string; style?: Button['style'] }> = {
  'allow-once': { label: '允许一次 · Allow once', style: 'primary' },
  'allow-always': { label: '总是允许 · Allow always' },
  deny: { label: '拒绝 · Deny', style: 'danger' },
}
const STYLES: Record<string, Button['style']> = { danger: 'danger', primary: 'primary', success: 'primary' }
/** Commands that the relay has too, with another meaning; with two slashes they go to OpenClaw (docs/protocol.md §4). */
const COMMANDS_OF_THE_RELAY = /^\/(?:(?:agents|help|status)\s*$|use(?:\s|$))/i
/** As docs/protocol.md §7 has them. */
export const BUTTONS_MAX = 8
const BUTTON_LABEL_BYTES_MAX = 60
export const BUTTON_TEXT_BYTES_MAX = 500
