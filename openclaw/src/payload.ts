// What OpenClaw wants delivered, as the text that the wire carries today.

import { renderMessagePresentationFallbackText } from 'openclaw/plugin-sdk/interactive-runtime'
import type { Payload } from './openclaw'

/**
 * Text and presentation (tables, choices) as text; reasoning is not for the chat. Files are named, not sent: the wire
 * has no frame for them yet. They would be uploaded here, from the paths in `mediaUrls`.
 */
export function textOf(payload: Payload): string {
  if (payload.isReasoning || payload.isCommentary) return ''
  const { text = '', presentation, presentationTextMode } = payload
  const shown =
    presentation === undefined || presentationTextMode === 'fallback'
      ? text
      : renderMessagePresentationFallbackText({ text, presentation })
  const files = payload.mediaUrls ?? (payload.mediaUrl ? [payload.mediaUrl] : [])
  return [shown.trim(), ...files.map(left)].filter((part) => part !== '').join('\n\n')
}

function left(file: string): string {
  return `📎 ${file.split(/[/\\]/).at(-1)} (未发送：中继还不能传文件 · not sent: the relay carries no files yet)`
}
