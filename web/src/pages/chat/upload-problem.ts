// Why a file was not uploaded, in the person's language.

import { Unreadable } from '../../account'
import { Refused } from '../../lib/api'
import type { Strings } from '../../strings'
import { explain } from '../../task'

export function uploadProblem(error: unknown, t: Strings): string {
  if (error instanceof Unreadable) return t.uploadProblem.unreadable
  if (error instanceof Refused && error.status === 413) return t.uploadProblem.tooLarge
  if (error instanceof Refused && error.status === 503) return t.uploadProblem.unavailable
  return explain(error, t)
}
