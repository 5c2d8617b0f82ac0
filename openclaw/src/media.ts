// Files between OpenClaw and the relay: what a question brings becomes media of OpenClaw's, what OpenClaw wants sent
// becomes files beside a message. Whatever cannot go along is said in the text.

import { basename } from 'node:path'
import type { File } from '../../web/src/lib/frame'
import type { Account } from './account'
import { download, FILES_MAX, sizeOf, upload } from './files'
import type { Log } from './log'
import type { MediaAccess, Runtime } from './openclaw'
import type { Around } from './patience'

/** What OpenClaw is given of a question's files. */
export interface Received {
  /** As `buildContext` takes them. */
  facts: object[]
  /** A line for each that it is not given. */
  words: string[]
}

/** Something that OpenClaw wants sent: a path, or an address; and what it calls it, if it says. */
export type Media = { url: string; name?: string }

/** What goes along, and a line for each that does not. */
export type Sent = { files: File[]; words: string[] }

/** Fetches the files of a question, one after another. What comes of it counts for nothing once `signal` fires. */
export async function receive(
  runtime: Runtime,
  account: Account,
  question: { id: string; files?: File[] },
  around: Around,
  log: Log,
  signal: AbortSignal,
): Promise<Received> {
  const saved: object[] = []
  const words: string[] = []
  for (const file of question.files ?? []) {
    try {
      const { bytes, mediaType } = await download(account, file, around, signal)
      const { saveMediaBuffer } = runtime.channel.media
      const { path, contentType = mediaType } = await saveMediaBuffer(
        Buffer.from(bytes),
        mediaType,
        'inbound',
        bytes.byteLength,
        file.name,
      )
      saved.push({ path, contentType, fileName: file.name, sizeBytes: bytes.byteLength, messageId: question.id })
    } catch (error) {
      if (signal.aborted) break
      log.warn(`file ${file.id} of a question was not received: ${reasonOf(error)}`)
      const facts = [file.name, file.media_type ?? file.kind, ...(file.bytes ? [sizeOf(file.bytes)] : [])]
      words.push(`[file: ${facts.join(', ')} — not received: ${reasonOf(error)}]`)
    }
  }
  if (saved.length === 0) return { facts: [], words }
  const { toInboundMediaFacts } = await import('openclaw/plugin-sdk/channel-inbound')
  return { facts: toInboundMediaFacts(saved), words }
}

/** Uploads what OpenClaw lets be read, each once, in order. */
export async function send(
  account: Account,
  media: Media[],
  access: MediaAccess,
  around: Around,
  signal?: AbortSignal,
): Promise<Sent> {
  const sent: Sent = { files: [], words: [] }
  for (const { url, name } of media) {
    let called = name ?? nameOf(url)
    try {
      if (sent.files.length === FILES_MAX) throw new Error(`more than ${FILES_MAX} files`)
      const { loadOutboundMediaFromUrl } = await import('openclaw/plugin-sdk/outbound-media')
      const { buffer, contentType, fileName } = await loadOutboundMediaFromUrl(url, {
        ...access,
        // As it is: what a platform wants smaller, the relay sends as a file.
        optimizeImages: false,
        maxBytes: LOADED_BYTES_MAX,
      })
      called = name ?? fileName ?? called
      const mediaType = contentType ?? 'application/octet-stream'
      sent.files.push(await upload(account, called, { bytes: buffer, mediaType }, around, signal))
    } catch (error) {
      signal?.throwIfAborted()
      sent.words.push(notSent(called, reasonOf(error)))
    }
  }
  return sent
}

/** A file that did not go along, in words. */
export function notSent(name: string, why: string): string {
  return `📎 ${name}（未发送 · not sent: ${why}）`
}

/** Without where it is: the path is nobody's business. */
function nameOf(url: string): string {
  return /^https?:/i.test(url) ? basename(new URL(url).pathname) || 'file' : basename(url.replaceAll('\\', '/'))
}

/** One line, without paths and without addresses. */
function reasonOf(error: unknown): string {
  const { message } = error instanceof Error ? error : { message: String(error) }
  const line = message.split('\n')[0]!.replaceAll(/(?:https?:\/\/|file:|~?\/|[A-Za-z]:\\)\S+/g, '…')
  return line.length > REASON_CHARS_MAX ? `${line.slice(0, REASON_CHARS_MAX)}…` : line
}

/** As the relay takes it. */
const LOADED_BYTES_MAX = 30_000_000
const REASON_CHARS_MAX = 200
