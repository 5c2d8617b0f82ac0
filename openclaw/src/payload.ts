// What OpenClaw wants delivered, as text, files and buttons.

import { renderMessagePresentationFallbackText } from 'openclaw/plugin-sdk/interactive-runtime'
import type { Button } from '../../web/src/lib/frame'
import { takeButtons } from './buttons'
import type { Media } from './media'
import type { Payload } from './openclaw'

/** What a message shows: buttons never without a text. */
export interface Shown {
  text: string
  buttons: Button[]
}

/** Text and presentation (tables, choices) as text and buttons; reasoning is not for the chat. */
export function shownBy(payload: Payload): Shown {
  if (isHidden(payload)) return { text: '', buttons: [] }
  const { text = '', presentation, presentationTextMode } = payload
  if (presentation === undefined) return { text: text.trim(), buttons: [] }
  const { buttons, rest } = takeButtons(presentation)
  const isTwice = presentationTextMode === 'fallback'
  // The text says what the presentation says, in words: one of them is enough.
  if (isTwice && text.trim() !== '' && buttons.length === 0) return { text: text.trim(), buttons }
  const shown = renderMessagePresentationFallbackText({ text: isTwice ? '' : text, presentation: rest }).trim()
  return { text: shown === '' && buttons.length > 0 ? CHOOSE : shown, buttons }
}

/** The files that go with it. */
export function mediaOf(payload: Payload): Media[] {
  if (isHidden(payload)) return []
  const urls = payload.mediaUrls?.length ? payload.mediaUrls : payload.mediaUrl ? [payload.mediaUrl] : []
  return urls.map((url, n) => {
    const { name } = payload.attachments?.[n] ?? {}
    return { url, ...(name && { name }) }
  })
}

/** Asks somebody for whom the turn waits, or tells what became of it: it cannot itself wait for the end of that turn. */
export function isUrgent({ channelData }: Payload): boolean {
  return channelData?.execApproval !== undefined || channelData?.askUser !== undefined
}

/** Wants an answer in words, which a turn waits for. */
export function isQuestion({ channelData }: Payload): boolean {
  return channelData?.askUser !== undefined
}

function isHidden({ isReasoning, isCommentary }: Payload): boolean {
  return isReasoning === true || isCommentary === true
}

const CHOOSE = '请选择 · please choose:'
