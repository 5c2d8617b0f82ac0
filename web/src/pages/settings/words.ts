import { computed } from 'vue'

import { language } from '../../settings'
import { SETTINGS } from './strings'

export const s = computed(() => SETTINGS[language.value])
