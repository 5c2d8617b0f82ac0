import { computed } from 'vue'

import { language } from '../../settings'
import { CONSOLE } from './strings'

export const s = computed(() => CONSOLE[language.value])
