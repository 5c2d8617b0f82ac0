// What wrangler.toml declares, which holds for the relay and, where it applies, for its peers.

import { join } from 'node:path'
import { unstable_readConfig as readConfig } from 'wrangler'
import { ROOT } from '../../scripts/lib/run.mjs'

let known

/** The compatibility date and flags, and the variables. */
export function compatibility() {
  known ??= readConfig({ config: join(ROOT, 'wrangler.toml') })
  const { compatibility_date: date, compatibility_flags: flags = [], vars = {} } = known
  return { date, flags, vars }
}
