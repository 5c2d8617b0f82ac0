// What an address brings along: a sign-in link, a pairing code, an invitation, the way back from another sign-in page.

export interface Entrance {
  invitation?: string
  link?: string
  oauth?: { code: string; state: string }
  /** The other sign-in page said no; why, in its words. */
  oauthRefused?: string
  pair?: string
}

/** From the query and the fragment of the page's own address. */
export function entrance(query: string, fragment: string): Entrance {
  const asked = parameters(query)
  const { link } = parameters(fragment)
  const pair = asked.pair === undefined ? null : pairingCode(asked.pair)
  return {
    ...(asked.invitation ? { invitation: asked.invitation } : {}),
    ...(link ? { link } : {}),
    ...(asked.code && asked.state ? { oauth: { code: asked.code, state: asked.state } } : {}),
    ...(asked.error && asked.state ? { oauthRefused: asked.error } : {}),
    ...(pair === null ? {} : { pair }),
  }
}

/** What a person pasted: a sign-in link, or its code alone. */
export function linkCode(pasted: string): string | null {
  const text = pasted.trim()
  const fragment = text.indexOf('#')
  if (fragment >= 0) return parameters(text.slice(fragment)).link ?? null
  return /^[\w.~-]{6,}$/.test(text) ? text : null
}

/** The code inside an invitation link, or what was typed. */
export function invitationCode(typed: string): string {
  const text = typed.trim()
  const query = text.indexOf('?')
  return query < 0 ? text : (parameters(text.slice(query)).invitation ?? text)
}

/**
 * `K7PM-3XQD`, however it was typed: small, spaced, full width, with another dash, or as the whole link.
 * Null when it cannot be one.
 */
export function pairingCode(typed: string): string | null {
  const query = typed.indexOf('?')
  const text = query < 0 ? typed : (parameters(typed.slice(query)).pair ?? '')
  const letters = text
    .normalize('NFKC')
    .toUpperCase()
    .replace(/[\s\p{Dash}_.]/gu, '')
  return /^[0-9A-Z]{8}$/.test(letters) ? `${letters.slice(0, 4)}-${letters.slice(4)}` : null
}

// No URLSearchParams here: the mini program has none.
function parameters(text: string): Record<string, string | undefined> {
  const found: Record<string, string> = {}
  for (const part of text.replace(/^[?#]/, '').split(/[&#]/)) {
    const [name = '', value = ''] = part.split(/=(.*)/s)
    found[name] = decoded(value)
  }
  return found
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    // A lone percent sign: taken as it stands.
    return text
  }
}
