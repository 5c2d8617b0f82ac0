// Whether the window is too narrow for two columns.

import type { Ref } from 'vue'
import { onScopeDispose, ref } from 'vue'

export function useNarrow(): Ref<boolean> {
  const query = matchMedia('(max-width: 820px)')
  const narrow = ref(query.matches)
  const update = () => (narrow.value = query.matches)
  query.addEventListener('change', update)
  onScopeDispose(() => query.removeEventListener('change', update))
  return narrow
}
