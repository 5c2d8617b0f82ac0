// What OpenClaw wants delivered, as text and files.

import { renderMessagePresentationFallbackText } from 'openclaw/plugin-sdk/interactive-runtime'
import type { Media } from './media'
import type { Payload } from './openclaw'

/** Text and presentation (tables, choices) as text; reasoning is not for the chat. */
export function textOf(payload: Payload): string {
  if (isHidden(payload)) return ''
  const { text = '', presentation, presentationTextMode } = payload
  const shown =
    presentation === undefined || presentationTextMode === 'fallback'
      ? text
      : renderMessagePresentationFallbackText({ text, presentation })
  return shown.trim()
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

function isHidden({ isReasoning, isCommentary }: Payload): boolean {
  return isReasoning === true || isCommentary === true
}
