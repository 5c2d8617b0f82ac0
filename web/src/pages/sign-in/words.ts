import { computed } from 'vue'

import { language } from '../../settings'
import { SIGN_IN } from './strings'

export const s = computed(() => SIGN_IN[language.value])
