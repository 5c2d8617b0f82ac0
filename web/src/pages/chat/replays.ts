// Asking anew what failed or expired: one request per question at a time, and what became of it.

import { ref } from 'vue'

import type { Request } from '../../lib/api'
import { Refused, replay } from '../../lib/api'
import type { Seq } from '../../lib/frame'

/** Without a code, nobody knows whether the relay heard; asking it twice has one effect. */
export type Replay = { state: 'done' | 'pending' } | { state: 'refused'; code: string | null }

export function useReplays(request: Request) {
  const replays = ref<Record<Seq, Replay>>({})

  /** The place in the timeline of what came of it. */
  async function askAgain(question: Seq): Promise<Seq | null> {
    const known = replays.value[question]
    if (known && known.state !== 'refused') return null
    replays.value[question] = { state: 'pending' }
    // Unless the question went on meanwhile, or the number became another's.
    const settle = (now: Replay) => {
      if (replays.value[question]?.state === 'pending') replays.value[question] = now
    }
    try {
      const seq = await replay(request, question)
      settle({ state: 'done' })
      return seq
    } catch (error) {
      settle({ state: 'refused', code: error instanceof Refused ? error.code : null })
      return null
    }
  }

  return { askAgain, replays }
}
