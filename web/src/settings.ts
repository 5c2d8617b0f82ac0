// Language and appearance: chosen by the system until a person chooses, then remembered.

import { computed, ref, watchEffect } from 'vue'

import { browserStorage } from './browser'
import type { Language } from './strings'
import { STRINGS } from './strings'

export type Theme = (typeof THEMES)[number]
const THEMES = ['auto', 'light', 'dark'] as const
const LANGUAGE_KEY = 'claw-relay.language'
const THEME_KEY = 'claw-relay.theme'

export const language = ref<Language>(
  remembered(LANGUAGE_KEY, ['en', 'zh']) ?? (navigator.language.startsWith('zh') ? 'zh' : 'en'),
)
export const theme = ref<Theme>(remembered(THEME_KEY, THEMES) ?? 'auto')
/** The words of the chosen language. */
export const t = computed(() => STRINGS[language.value])

export function switchLanguage(): void {
  language.value = language.value === 'zh' ? 'en' : 'zh'
  browserStorage.setItem(LANGUAGE_KEY, language.value)
}

export function switchTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length]!
  browserStorage.setItem(THEME_KEY, theme.value)
}

/** Keeps `<html>` in step: `lang` picks the right glyphs for Han characters, `theme-mode` is what TDesign reads. */
export function applySettings(): void {
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const systemDark = ref(dark.matches)
  dark.addEventListener('change', () => (systemDark.value = dark.matches))
  watchEffect(() => {
    const isDark = theme.value === 'dark' || (theme.value === 'auto' && systemDark.value)
    document.documentElement.setAttribute('theme-mode', isDark ? 'dark' : 'light')
    document.querySelector('meta[name=theme-color]')?.setAttribute('content', isDark ? '#1a201e' : '#ffffff')
    document.documentElement.lang = t.value.locale
  })
}

function remembered<T extends string>(key: string, allowed: readonly T[]): T | null {
  return allowed.find((value) => value === browserStorage.getItem(key)) ?? null
}
