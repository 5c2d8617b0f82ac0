// A test that cannot fail proves nothing: each of these spoils what was recorded in one way, and the checks must say so.

import { examine, groupBy } from './checks.mjs'

/** name → { expect: which list must grow, spoil(evidence, random): a spoilt copy, or null when there is nothing to spoil } */
export const SABOTAGE = {
  'answer-lost': { expect: 'lost', spoil: (e, random) => dropOne(e, 'replies', random) },
  'answer-doubled': { expect: 'doubled', spoil: (e, random) => doubleOne(e, 'replies', random) },
  'answers-swapped': { expect: 'disordered', spoil: swapReplies },
  'answer-changed': {
    expect: 'wrong',
    spoil: (e, random) => change(e, 'replies', random, (reply) => ({ ...reply, text: `${reply.text}!` })),
  },
  'answer-unasked': {
    expect: 'wrong',
    spoil: (e) => ({ ...e, replies: [...e.replies, { messageId: 'om_unasked', text: 'hi' }] }),
  },
  'message-lost': { expect: 'lost', spoil: (e, random) => inTimeline(e, random, dropOne) },
  'message-doubled': { expect: 'doubled', spoil: (e, random) => inTimeline(e, random, doubleOne) },
  'messages-swapped': {
    expect: 'disordered',
    spoil: (e, random) =>
      inTimeline(e, random, (timeline, key) => {
        const messages = [...timeline[key]]
        if (messages.length < 2) return null
        const at = random.below(messages.length - 1)
        ;[messages[at], messages[at + 1]] = [messages[at + 1], messages[at]]
        return { ...timeline, [key]: messages }
      }),
  },
  'message-changed': {
    expect: 'wrong',
    spoil: (e, random) =>
      inTimeline(e, random, (timeline, key) =>
        change(timeline, key, random, (message) => ({ ...message, id: `${message.id}!` })),
      ),
  },
  'question-lost': {
    expect: 'lost',
    spoil: (e) => ({ ...e, questions: [...e.questions, { ...e.questions[0], id: 'never-stored', platformId: null }] }),
  },
}

/** Spoils the evidence in every way that it allows. Answers how many ways were tried, and those that no check noticed. */
export function selfCheck(evidence, random) {
  const result = { tried: 0, unnoticed: [] }
  const before = examine(evidence)
  for (const [name, { expect, spoil }] of Object.entries(SABOTAGE)) {
    const spoilt = spoil(evidence, random)
    if (!spoilt) continue
    result.tried += 1
    if (examine(spoilt)[expect].length <= before[expect].length) result.unnoticed.push(name)
  }
  return result
}

function without(list, at) {
  return [...list.slice(0, at), ...list.slice(at + 1)]
}

function dropOne(holder, key, random) {
  const list = holder[key]
  return list.length > 0 ? { ...holder, [key]: without(list, random.below(list.length)) } : null
}

function doubleOne(holder, key, random) {
  const list = holder[key]
  return list.length > 0 ? { ...holder, [key]: [...list, random.pick(list)] } : null
}

function change(holder, key, random, into) {
  const list = holder[key]
  if (list.length === 0) return null
  const at = random.below(list.length)
  return { ...holder, [key]: list.with(at, into(list[at])) }
}

/** Spoils the timeline of one device; another of the same user keeps the truth. */
function inTimeline(evidence, random, spoil) {
  const groups = groupBy(evidence.timelines, ({ user }) => user)
  const able = evidence.timelines.filter(({ user, messages }) => messages.length > 2 && groups.get(user).length > 1)
  if (able.length === 0) return null
  const victim = random.pick(able)
  const spoilt = spoil(victim, 'messages', random)
  if (!spoilt) return null
  return { ...evidence, timelines: evidence.timelines.map((timeline) => (timeline === victim ? spoilt : timeline)) }
}

/** Exchanges the first two answers of a chat that has two. */
function swapReplies({ questions, replies, ...rest }) {
  const conversationOf = new Map(questions.map(({ platformId, conversation }) => [platformId, conversation]))
  const chats = groupBy([...replies.entries()], ([, { messageId }]) => conversationOf.get(messageId))
  const [first, second] = [...chats.values()].find((chat) => chat.length > 1) ?? []
  if (!second) return null
  return { questions, replies: replies.with(first[0], second[1]).with(second[0], first[1]), ...rest }
}
