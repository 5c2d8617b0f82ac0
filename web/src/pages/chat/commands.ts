// The list of commands while one is being written: what is in it, what is chosen, which keys it takes.

import type { Ref } from 'vue'
import { computed, ref, watch } from 'vue'

import type { Suggestion } from '../../lib/commands'
import { suggest } from '../../lib/commands'
import { language } from '../../settings'

export function useCommands(text: Ref<string>, pick: (suggestion: Suggestion) => void) {
  const chosen = ref(0)
  const closed = ref(false)
  /** Whether the text has the keyboard. */
  const focused = ref(false)

  const matching = computed(() => suggest(text.value, language.value))
  const commands = computed(() => (focused.value && !closed.value ? matching.value : []))
  watch(matching, (now) => {
    chosen.value = 0
    // Closed by hand, it stays closed until another command is begun.
    if (now.length === 0) closed.value = false
  })

  /** Whether the list took the key. */
  function press(key: string): boolean {
    const count = commands.value.length
    if (count === 0) return false
    if (key === 'ArrowDown') chosen.value = (chosen.value + 1) % count
    else if (key === 'ArrowUp') chosen.value = (chosen.value + count - 1) % count
    else if (key === 'Enter' || key === 'Tab') pick(commands.value[chosen.value]!)
    else if (key === 'Escape') closed.value = true
    else return false
    return true
  }

  return { chosen, commands, focused, press }
}
