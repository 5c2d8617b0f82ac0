// Files beside messages: what may be sent, and the addresses they go to and are read at.

import type { FileKind } from './frame'
import { FILE_KINDS } from './frame'
import { wellFormed } from './text'

/** One file, in bytes (docs/protocol.md §7). */
export const FILE_BYTES_MAX = 30_000_000
/** Files beside one message. */
export const FILES_MAX = 10
/** How long the relay keeps a file. */
export const FILE_MS = 7 * 24 * 60 * 60 * 1000

/** What was chosen and cannot be sent. */
export interface Rejected {
  name: string
  why: 'empty' | 'too_large' | 'too_many'
}

/** Which of the chosen files may go with a message that has so many already; the others are not even uploaded. */
export function admit<T extends { name: string; size: number }>(chosen: readonly T[], present: number) {
  const taken: T[] = []
  const rejected: Rejected[] = []
  for (const file of chosen) {
    if (file.size === 0) rejected.push({ name: file.name, why: 'empty' })
    else if (file.size > FILE_BYTES_MAX) rejected.push({ name: file.name, why: 'too_large' })
    else if (present + taken.length >= FILES_MAX) rejected.push({ name: file.name, why: 'too_many' })
    else taken.push(file)
  }
  return { taken, rejected }
}

/** What a file is, by its media type, as the relay will say. */
export function kindOf(mediaType: string): FileKind {
  return FILE_KINDS.find((kind) => mediaType.startsWith(`${kind}/`)) ?? 'file'
}

/** Whether the files of a message of that time are surely gone. */
export function areGone(atMs: number, nowMs: number): boolean {
  return nowMs - atMs > FILE_MS + CLOCK_ERROR_MS_MAX
}

/** Where a file with this name is uploaded. */
export function uploadPath(name: string): string {
  return `/v1/files?name=${encodeURIComponent(wellFormed(name))}`
}

/**
 * Where this page reads a file. A relay may have several addresses, and a file's has the one that its sender used; the
 * signature covers the path, and the page's own address is the one that its content policy lets it read from.
 */
export function readPath(url: string): string {
  return /^https?:\/\/[^/]+(\/v1\/files\/.*)$/i.exec(url)?.[1] ?? url
}

/** A name, and the end of it that is always to be seen: a few letters and what kind of file it is. */
export function splitName(name: string): { stem: string; ending: string } {
  const ending = /[^.\s]{0,4}\.[^.\s]{1,8}$/u.exec(name)?.[0] ?? [...name].slice(-6).join('')
  return { stem: name.slice(0, name.length - ending.length), ending }
}

/** Whether what is on the clipboard is meant as files. Office programs put a picture of the copied text beside it. */
export function pastesFiles(types: readonly string[]): boolean {
  const isRichText = types.includes('text/plain') && (types.includes('text/html') || types.includes('text/rtf'))
  return types.includes('Files') && !isRichText
}

/** So far may the clock of this device be wrong. */
const CLOCK_ERROR_MS_MAX = 24 * 60 * 60 * 1000
