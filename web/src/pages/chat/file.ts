// A file that is shown: where it is read, and what became of it when that did not work.

import { computed, ref } from 'vue'

import { fileStatus } from '../../browser'
import { readPath } from '../../lib/files'
import type { File } from '../../lib/frame'

/** The relay has it no more; it could not be fetched now; or the browser can only download it. */
export type Trouble = 'gone' | 'lost' | 'unshowable'

export function useFile(props: { file: File }) {
  const address = computed(() => readPath(props.file.url))
  /** Without a size it is still at its platform (docs/protocol.md §4), and may come at the next try. */
  const isHere = computed(() => props.file.bytes !== undefined)
  const trouble = ref<Trouble | null>(null)

  /** It did not come, and an element does not say why: ask. True when the relay does have it. */
  async function check(): Promise<boolean> {
    const status = await fileStatus(address.value)
    const isThere = status === 200 || status === 206
    if (!isThere) trouble.value = isHere.value && GONE.includes(status) ? 'gone' : 'lost'
    return isThere
  }

  /** An element cannot show it. */
  async function failed(): Promise<void> {
    if (await check()) trouble.value = 'unshowable'
  }

  function retry(): void {
    trouble.value = null
  }

  return { address, check, failed, retry, trouble }
}

const GONE = [404, 410]
