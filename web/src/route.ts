// Which page is shown, by the fragment of the address: `#/settings/agents`; nothing is the chat.

import { ref } from 'vue'

export const route = ref(parts())

addEventListener('hashchange', () => {
  route.value = parts()
})

export function go(address: string): void {
  location.hash = address
}

function parts(): string[] {
  if (!location.hash.startsWith('#/')) return []
  return location.hash.slice(2).split('/').filter(Boolean).map(decodeURIComponent)
}
