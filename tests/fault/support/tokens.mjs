// Access tokens and agent keys for any user: the suite knows the signing key, so it need not sign in a thousand people.

import { signToken } from '../../e2e/support/token.mjs'

/** Makes tokens for the relay that runs with this secret. */
export function mint(secret) {
  const end = () => ({ exp: Math.floor(Date.now() / 1000) + 86_400 })
  const scopes = ['receive', 'send', 'push']
  return {
    access: (user) => signToken(secret, 'access', { ...end(), sub: user, role: 'user', sid: `ses-${user}` }),
    agent: (user, agent) => signToken(secret, 'agent', { sub: agent, user, jti: `key-${agent}`, name: agent, scopes }),
  }
}
