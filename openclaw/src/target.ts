// Where OpenClaw sends to: a conversation of the relay, with or without the channel before it. A group has `group:` before
// it too, because nothing else tells OpenClaw which session what it says there belongs to.

import { CHANNEL } from './account'

export type Kind = 'direct' | 'group'

export function targetOf(conversation: string, kind: Kind): string {
  return kind === 'group' ? `group:${conversation}` : conversation
}

/** Without the channel. */
export function normalizeTarget(target: string): string {
  return target.trim().replace(new RegExp(`^${CHANNEL}:`), '')
}

export function kindOf(target: string): Kind {
  return GROUP.test(normalizeTarget(target)) ? 'group' : 'direct'
}

export function conversationOf(target: string): string {
  return normalizeTarget(target).replace(GROUP, '')
}

/** Groups are a platform's, `feishu:main:oc_1`; a conversation of the user's own devices may be called `group:x`. */
const GROUP = /^group:(?=[^:]+:[^:]+:)/
