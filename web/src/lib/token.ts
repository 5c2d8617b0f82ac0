// Where the access token comes from and where it is kept.

export interface Storage {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

/** The token of a sign-in link: `/#token=…`. */
export function tokenInFragment(fragment: string): string | null {
  const [, token] = /^#?(?:[^&]*&)*token=([^&]+)/.exec(fragment) ?? []
  return token === undefined ? null : tokenInPaste(token)
}

/** What a person pasted: the token, or the whole link. */
export function tokenInPaste(text: string): string | null {
  const pasted = text.trim()
  const fragment = pasted.indexOf('#')
  if (fragment >= 0) return tokenInFragment(pasted.slice(fragment))
  return /^[\x21-\x7e]+$/.test(pasted) ? pasted : null
}

export const TOKEN_KEY = 'claw-relay.token'
