// What a person asked for and waits for: whether it runs, and why it did not work.

import type { Ref } from 'vue'
import { computed, ref, shallowRef, watch } from 'vue'

import { Refused, Unreachable } from './lib/api'
import { t } from './settings'
import type { Strings } from './strings'

export function useTask() {
  const busy = ref(false)
  const error = shallowRef<unknown>(null)
  const problem = computed(() => (error.value === null ? '' : explain(error.value, t.value)))

  /** Runs one at a time; true when it worked. */
  async function run(work: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    error.value = null
    try {
      await work()
      return true
    } catch (reason) {
      error.value = reason
      if (!(reason instanceof Refused || reason instanceof Unreachable)) throw reason
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy, error, problem, run }
}

/** What changes while something loads may not be in what comes: `refresh` loads once more when it was spoiled meanwhile. */
function useFreshness(load: () => Promise<void>) {
  let isOld = false
  async function refresh(): Promise<void> {
    while (isOld) {
      isOld = false
      await load()
    }
  }
  function spoil(): void {
    isOld = true
  }
  return { refresh, spoil }
}

/** What a page shows and loads anew after every change; what was there stays until the new is. */
export function useLoad<T>(load: () => Promise<T>) {
  const value = shallowRef<T | null>(null)
  const { busy, error, problem, run } = useTask()
  const { refresh, spoil } = useFreshness(async () => {
    value.value = await load()
  })
  const reload = () => {
    spoil()
    return run(refresh)
  }
  void reload()
  return { busy, error, problem, reload, value }
}

/** A field for what is loaded (undefined before). What a person changed since it was loaded or sent stays when it is loaded anew. */
export function useEdit<T>(loaded: () => T | undefined, initial: T) {
  const value = ref(initial) as Ref<T>
  let known = initial
  watch(
    loaded,
    (now) => {
      if (now === undefined) return
      if (value.value === known) value.value = now
      known = now
    },
    { immediate: true },
  )
  /** The relay has this now. */
  function sent(now: T): void {
    known = now
  }
  return { sent, value }
}

/** A list that comes in pages. */
export function usePages<T>(load: (cursor?: string) => Promise<{ rows: T[]; next?: string | undefined }>) {
  const rows = shallowRef<T[] | null>(null)
  const next = ref<string>()
  const { busy, problem, run } = useTask()
  const { refresh, spoil } = useFreshness(async () => {
    const page = await load()
    rows.value = page.rows
    next.value = page.next
  })
  const reload = () => {
    spoil()
    return run(refresh)
  }
  const more = () =>
    run(async () => {
      const page = await load(next.value)
      rows.value = [...(rows.value ?? []), ...page.rows]
      next.value = page.next
      await refresh()
    })
  void reload()
  return { busy, more, next, problem, reload, rows }
}

/** What went wrong, in the person's language; with the relay's own words where only those say what to change. */
export function explain(error: unknown, t: Strings): string {
  if (!(error instanceof Refused)) return t.problem.unreachable
  const { status, code, detail, retryAfterS } = error
  if (status === 429) return code === 'queue_full' ? t.refused.queue_full : t.problem.tooMany(retryAfterS ?? 60)
  if (status === 401) return t.problem.unauthorized
  if (status === 403) return t.problem.forbidden
  if (status === 404) return t.problem.notFound
  if (status === 409) return t.problem.conflict(detail)
  if (status >= 500) return t.problem.broken(status)
  return t.problem.refused(detail || code)
}
