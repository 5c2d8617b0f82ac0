// Loads the plugin, or says in one sentence that the OpenClaw around it does not fit: its SDK changes between releases.

import { createRequire } from 'node:module'

/** The module `plugin.js` beside this file's bundle. */
export function load(): typeof import('./plugin') {
  try {
    return createRequire(import.meta.url)('./plugin.js')
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    const misfit = new Error(
      `claw-relay does not fit this OpenClaw (it was made for ${MADE_FOR}): update both, with "openclaw update" and "openclaw plugins update claw-relay". What is missing: ${cause}`,
    )
    // Where in our files it came up helps nobody.
    misfit.stack = misfit.message
    throw misfit
  }
}

declare const MADE_FOR: string
