// What can be said about a login and a password before the relay is asked.

import { PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN } from '../../lib/account'
import type { SignInStrings } from './strings'

/** An e-mail address, or a phone number with its country code, roughly: the relay decides. */
export function looksLikeLogin(text: string): boolean {
  return /^\S+@\S+\.\S+$|^\+[\d\s()-]{7,24}$/.test(text.trim())
}

export function passwordProblem(password: string, s: Pick<SignInStrings, 'passwordLong' | 'passwordShort'>): string {
  // As people count, not as UTF-16 does.
  const length = Array.from(password).length
  if (length < PASSWORD_LENGTH_MIN) return s.passwordShort(PASSWORD_LENGTH_MIN - length)
  return length > PASSWORD_LENGTH_MAX ? s.passwordLong : ''
}
