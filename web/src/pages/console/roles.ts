// A role to choose, in the chosen language.

import { computed, ref } from 'vue'

import type { User } from '../../lib/session'
import { s } from './words'

export function useRoles(initial: User['role'] = 'user') {
  const role = ref(initial)
  const roles = computed(() =>
    (['user', 'operator'] as const).map((value) => ({
      value,
      label: s.value.roles[value],
      about: s.value.roleAbout[value],
    })),
  )
  return { role, roles }
}
