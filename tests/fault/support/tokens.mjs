// Access tokens and agent keys for any user, in the format of relay/src/auth.rs: the suite knows the signing key, so it
// need not sign in a thousand people.

import { createHmac } from 'node:crypto'

/** Makes tokens for the relay that runs with this secret. */
export function mint(secret) {
  const key = (purpose) => createHmac('sha256', secret).update(`claw-relay ${purpose}\x01`).digest()
  const keys = { access: key('access'), agent: key('agent') }
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const sign = (key, claims) => {
    const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
    return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
  }
  return {
    access: (user) => sign(keys.access, { exp: Math.floor(Date.now() / 1000) + 86_400, sub: user, role: 'user' }),
    agent: (user, agent) => sign(keys.agent, { sub: agent, user, jti: `key-${agent}`, name: agent }),
  }
}
