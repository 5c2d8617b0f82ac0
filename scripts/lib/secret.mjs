// Secrets that the scripts make up.

import { randomBytes } from 'node:crypto'

/** 32 random bytes as URL-safe text. */
export function newSecret() {
  return randomBytes(32).toString('base64url')
}

/** The same, recognisable as an operator token. */
export function newOperatorToken() {
  return `opr_${newSecret()}`
}
