// Tokens in the format of relay/src/auth/jwt.rs, right ones and wrong ones.

import { createHmac } from 'node:crypto'

/** A token of this kind, as the relay that runs with this secret signs it. */
export function signToken(secret, kind, claims, header = {}) {
  const all = { iss: 'claw-relay', aud: kind, iat: Math.floor(Date.now() / 1000), ...claims }
  return sign(keyOf(secret, kind), { alg: 'HS256', kid: kidOf(secret), typ: `${kind}+jwt`, ...header }, all)
}

/** Any header and claims, signed with this key. */
export function sign(key, header, claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part(header)}.${part(claims)}`
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}

/** The key that tokens of this kind are signed with. */
export function keyOf(secret, kind) {
  return createHmac('sha256', secret).update(`claw-relay ${kind}\x01`).digest()
}

/** How a secret is named in the header. */
export function kidOf(secret) {
  return keyOf(secret, 'id').subarray(0, 6).toString('base64url')
}
