// Files that come by themselves: dropped onto the page, or pasted anywhere on it.

import type { Ref } from 'vue'
import { onScopeDispose, ref } from 'vue'

import { pastesFiles } from '../../lib/files'

/** `page` is where they may come; while it is inert behind another one, they are not for it. */
export function useIncoming(page: Ref<HTMLElement | undefined>, take: (files: File[]) => void) {
  /** Whether files are being held over the page. */
  const over = ref(false)
  let depth = 0
  /** A picture that is dragged out of the page looks like a file that comes. */
  let isOurs = false

  const isOpen = () =>
    page.value !== undefined && !page.value.closest('[inert]') && !document.querySelector('dialog[open]')
  const has = (event: DragEvent) => !isOurs && event.dataTransfer?.types.includes('Files') === true && isOpen()

  function enter(event: DragEvent): void {
    if (!has(event)) return
    // Each element on the way is entered before the one before it is left.
    depth++
    over.value = true
  }

  function move(event: DragEvent): void {
    if (!has(event)) return
    // Otherwise the browser goes to the file, and away from here.
    event.preventDefault()
    event.dataTransfer!.dropEffect = 'copy'
  }

  function leave(): void {
    depth = Math.max(0, depth - 1)
    over.value = depth > 0
  }

  function drop(event: DragEvent): void {
    depth = 0
    over.value = false
    if (!has(event)) return
    event.preventDefault()
    take([...event.dataTransfer!.files])
  }

  function paste(event: ClipboardEvent): void {
    const { clipboardData } = event
    if (!clipboardData || !isOpen() || !pastesFiles(clipboardData.types)) return
    event.preventDefault()
    take([...clipboardData.files])
  }

  const listening = new AbortController()
  const { signal } = listening
  document.addEventListener('dragstart', () => (isOurs = true), { signal })
  document.addEventListener('dragend', () => (isOurs = false), { signal })
  document.addEventListener('dragenter', enter, { signal })
  document.addEventListener('dragleave', leave, { signal })
  document.addEventListener('dragover', move, { signal })
  document.addEventListener('drop', drop, { signal })
  document.addEventListener('paste', paste, { signal })
  onScopeDispose(() => listening.abort())

  return over
}
