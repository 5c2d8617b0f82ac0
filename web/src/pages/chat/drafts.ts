// What is being written in each conversation: its text, the files beside it, and whether it goes by itself once those are
// uploaded. `upload` and `send` are passed in.

import type { Ref } from 'vue'
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'

import type { UploadEvents } from '../../browser'
import { Unreachable } from '../../lib/api'
import type { Rejected } from '../../lib/files'
import { admit } from '../../lib/files'
import type { File } from '../../lib/frame'

/** A file that is to go with a message. */
export interface Attachment {
  readonly key: number
  readonly conversation: string
  readonly name: string
  readonly bytes: Blob
  readonly upload: Upload
}
export type Upload =
  | { state: 'queued' }
  /** `share`: from 0 to 1. */
  | { state: 'uploading'; share: number }
  | { state: 'failed'; error: unknown }
  | { state: 'done'; file: File }

export interface DraftSurroundings {
  upload(name: string, bytes: Blob, on: UploadEvents): Promise<File>
  send(conversation: string, text: string, files: File[]): void
}

/** `begun`: what was being written before, by conversation. */
export function useDrafts(active: Ref<string>, around: DraftSurroundings, begun: Record<string, string> = {}) {
  const texts = ref({ ...begun })
  const all = shallowRef<readonly Attachment[]>([])
  const running = new Map<number, AbortController>()
  /** What goes as soon as its files are there, by conversation. */
  const leaving = ref<Record<string, string>>({})
  const rejected = shallowRef<readonly Rejected[]>([])
  let lastKey = 0

  const text = computed({
    get: () => texts.value[active.value] ?? '',
    set: (now) => {
      texts.value[active.value] = now
      // Whoever goes on writing is not done.
      stay(active.value)
    },
  })
  const attachments = computed(() => beside(active.value))
  const isLeaving = computed(() => active.value in leaving.value)
  /** Whether any files wait here, in any conversation: unlike texts, a reload loses them. */
  const hasFiles = computed(() => all.value.length > 0)

  // It is about the choice that was just made, here.
  watch(active, () => (rejected.value = []))

  function beside(conversation: string): readonly Attachment[] {
    return all.value.filter((attachment) => attachment.conversation === conversation)
  }

  function attach(chosen: readonly globalThis.File[]): void {
    const conversation = active.value
    const admitted = admit(chosen, beside(conversation).length)
    rejected.value = admitted.rejected
    const taken = admitted.taken.map(
      (bytes): Attachment => ({ key: ++lastKey, conversation, name: bytes.name, bytes, upload: { state: 'queued' } }),
    )
    all.value = [...all.value, ...taken]
    if (taken.length > 0) stay(conversation)
    begin()
  }

  function detach(key: number): void {
    running.get(key)?.abort()
    const conversation = all.value.find((attachment) => attachment.key === key)?.conversation
    all.value = all.value.filter((attachment) => attachment.key !== key)
    if (conversation !== undefined) settle(conversation)
  }

  function retry(key: number): void {
    progress(key, { state: 'queued' })
    begin()
  }

  /** The network is back: what was lost with it goes on by itself. */
  function retryLost(): void {
    for (const { key, upload } of all.value)
      if (upload.state === 'failed' && upload.error instanceof Unreachable) progress(key, { state: 'queued' })
    begin()
  }

  /** Sends this now, or as soon as its files are there. */
  function submit(words: string): void {
    const conversation = active.value
    leaving.value[conversation] = words
    settle(conversation)
  }

  function stay(conversation: string): void {
    delete leaving.value[conversation]
  }

  function settle(conversation: string): void {
    const words = leaving.value[conversation]
    if (words === undefined) return
    const files: File[] = []
    for (const { upload } of beside(conversation)) {
      if (upload.state === 'failed') return stay(conversation)
      if (upload.state !== 'done') return
      files.push(upload.file)
    }
    stay(conversation)
    // What was taken away was all there was.
    if (words === '' && files.length === 0) return
    all.value = all.value.filter((attachment) => attachment.conversation !== conversation)
    delete texts.value[conversation]
    rejected.value = []
    around.send(conversation, words, files)
  }

  function begin(): void {
    for (const attachment of all.value) {
      if (running.size >= UPLOADS_MAX) return
      if (attachment.upload.state === 'queued' && !running.has(attachment.key)) void run(attachment)
    }
  }

  async function run({ key, conversation, name, bytes }: Attachment): Promise<void> {
    const aborter = new AbortController()
    running.set(key, aborter)
    progress(key, { state: 'uploading', share: 0 })
    try {
      const file = await around.upload(name, bytes, {
        progress: (share) => progress(key, { state: 'uploading', share }),
        signal: aborter.signal,
      })
      progress(key, { state: 'done', file })
    } catch (error) {
      progress(key, { state: 'failed', error })
    }
    running.delete(key)
    settle(conversation)
    begin()
  }

  /** Nothing happens to what was taken away. */
  function progress(key: number, upload: Upload): void {
    all.value = all.value.map((attachment) => (attachment.key === key ? { ...attachment, upload } : attachment))
  }

  onScopeDispose(() => {
    for (const aborter of running.values()) aborter.abort()
    all.value = []
  })

  return { attach, attachments, detach, hasFiles, isLeaving, rejected, retry, retryLost, submit, text, texts }
}

/** More at a time would leave a browser no connection for anything else: it has six to one address. */
const UPLOADS_MAX = 3
