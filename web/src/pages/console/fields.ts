// The fields of a platform in a form: what stands there, what is wrong with it, and what the relay says about it.

import { computed, nextTick, ref, useTemplateRef, watch } from 'vue'

import { Refused } from '../../lib/api'
import { language, t } from '../../settings'
import { explain, useTask } from '../../task'
import { initialValues, refusedField, wrongFields } from './bot'
import type { Platform } from './platforms'
import { s } from './words'

/** In a form that has the ref `form`. `others`: what is wrong with the form's other fields, by their names. */
export function useFields(platform: Platform, others: () => Record<string, string> = () => ({})) {
  const form = useTemplateRef<HTMLFormElement>('form')
  const values = ref(initialValues(platform))
  /** Until one tries, an empty form is no mistake. */
  const tried = ref(false)
  const { busy, error, run } = useTask()

  const usual = platform.fields.filter(({ isAdvanced }) => !isAdvanced)
  const advanced = platform.fields.filter(({ isAdvanced }) => isAdvanced)
  const wrong = computed(() => ({ ...wrongFields(platform, values.value, language.value), ...others() }))
  const names = () => [...Object.keys(others()), ...platform.fields.map(({ name }) => name)]
  const refused = computed(() => refusedField(error.value, names()))
  const problem = computed(() => {
    if (error.value === null || refused.value) return ''
    return refusal(error.value instanceof Refused ? error.value.detail.replace(/^[a-z_, ]+: /, '') : '')
  })

  /** In the relay's words, for only they say what to change. */
  function refusal(why: string): string {
    if (error.value instanceof Refused && error.value.code === 'platform_refused') return s.value.platformRefused(why)
    return explain(error.value, t.value)
  }

  function problemOf(name: string): string {
    if (refused.value?.name === name) return refusal(refused.value.why)
    return (tried.value && wrong.value[name]) || ''
  }

  // What was refused is no longer what stands there.
  watch(values, () => (error.value = null), { deep: true })

  /** Whether `save` went through; if not, what is wrong is shown. */
  async function submit(save: () => Promise<unknown>): Promise<boolean> {
    tried.value = true
    if (Object.values(wrong.value).every((why) => !why) && (await run(save))) return true
    await nextTick()
    const first = form.value?.querySelector<HTMLElement>('[aria-invalid]')
    first?.closest('details')?.setAttribute('open', '')
    first?.scrollIntoView({ block: 'center' })
    first?.focus()
    return false
  }

  return { advanced, busy, error, problem, problemOf, submit, tried, usual, values }
}
