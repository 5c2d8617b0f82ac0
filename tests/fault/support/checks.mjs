// What must hold in the end, checked on what was recorded at the edges: who was told "accepted", what stands in the
// chats, what each device saw. Pure, so that `sabotage` can show that each check bites.

import { answerTo } from '../../e2e/support/model.mjs'

/** What a world recorded. `answers(text)` lists the texts that may answer a question. */
export function evidenceOf(world, answers = (text) => [answerTo(text)]) {
  const questions = []
  for (const sender of world.senders) {
    sender.sent.forEach(({ id, conversation, text, acceptedAt }, index) => {
      if (!acceptedAt) return
      const place = { writer: sender.chat, index, user: sender.user, conversation }
      questions.push({ id: `feishu:main:${id}`, platformId: id, answers: answers(text), ...place })
    })
  }
  for (const device of world.devices) {
    const asked = [...device.asked.values()].filter(({ seq }) => seq !== null)
    asked.forEach(({ id, conversation = 'web', text, seq }, index) => {
      const place = { writer: device.name, index, user: device.user, conversation }
      questions.push({ id, platformId: null, answers: answers(text), seq, ...place })
    })
  }
  const replies = world.feishu.replies.map(({ messageId, text, uuid }) => ({ messageId, text, uuid }))
  const timelines = world.devices.map(({ name, user, timeline }) => ({ name, user, messages: timeline }))
  return { questions, replies, timelines }
}

/** Everything that is lost, doubled, out of order or wrong, each as a sentence. */
export function examine({ questions, replies, timelines }) {
  const found = { lost: [], doubled: [], disordered: [], wrong: [] }
  for (const timeline of timelines) examineTimeline(timeline, found)
  const places = compareTimelines(timelines, found)
  const repliesTo = groupBy(replies, ({ messageId }) => messageId)
  const known = new Set(questions.map(({ platformId }) => platformId))
  for (const [id] of repliesTo) if (!known.has(id)) found.wrong.push(`${id} was answered and never accepted`)
  for (const question of questions) examineQuestion(question, places.get(question.user), repliesTo, found)
  examineOrder(questions, places, replies, found)
  return found
}

/** One device: every seq once, in order, without a hole. */
function examineTimeline({ name, messages }, { lost, doubled, disordered }) {
  const seen = new Set()
  let last = messages[0]?.seq - 1
  for (const { seq } of messages) {
    if (seen.has(seq)) doubled.push(`${name} got ${seq} twice`)
    else if (seq < last) disordered.push(`${name} got ${seq} after ${last}`)
    seen.add(seq)
    last = Math.max(last, seq)
  }
  for (let seq = messages[0]?.seq; seq <= last; seq++) if (!seen.has(seq)) lost.push(`${name} missed ${seq}`)
}

/** All devices of a user saw the same. Answers, per user, where each message stands and what answers it. */
function compareTimelines(timelines, found) {
  const places = new Map()
  for (const [user, all] of groupBy(timelines, (timeline) => timeline.user)) {
    const bySeq = new Map()
    const ids = new Map()
    const answers = new Map()
    for (const { name, messages } of all) {
      for (const message of messages) {
        const { seq, id, text, reply_to } = message
        const other = bySeq.get(seq)
        if (other && (other.id !== id || other.text !== text)) found.wrong.push(`${name} saw another ${seq}: ${id}`)
        if (other) continue
        bySeq.set(seq, message)
        if (ids.has(id)) found.doubled.push(`${id} is ${ids.get(id)} and ${seq} in ${user}'s timeline`)
        else ids.set(id, seq)
        if (reply_to) answers.set(reply_to, [...(answers.get(reply_to) ?? []), message])
      }
    }
    const [first, last] = [Math.min(...bySeq.keys()), Math.max(...bySeq.keys())]
    for (const { name, messages } of all) {
      const end = messages.at(-1)?.seq ?? 0
      if (bySeq.size > 0 && end < last) found.lost.push(`${name} ends at ${end} of ${last}`)
      if (bySeq.size > 0 && messages.length > 0 && messages[0].seq > first) {
        found.lost.push(`${name} begins at ${messages[0].seq}, not ${first}`)
      }
    }
    places.set(user, { ids, answers })
  }
  return places
}

/** A question: in the timeline, with one answer there, and one in its chat. */
function examineQuestion({ id, platformId, answers, seq: promised }, place, repliesTo, { lost, doubled, wrong }) {
  const seq = place?.ids.get(id)
  if (!seq) return lost.push(`${id} was accepted and is in no timeline`)
  if (promised && promised !== seq) wrong.push(`${id} was accepted as ${promised} and is ${seq}`)
  const inTimeline = place.answers.get(seq) ?? []
  if (inTimeline.length === 0) lost.push(`${id} has no answer in the timeline`)
  if (inTimeline.length > 1) doubled.push(`${id} has ${inTimeline.length} answers in the timeline`)
  if (inTimeline.some(({ text }) => !answers.includes(text))) wrong.push(`${id} has the wrong answer in the timeline`)
  if (!platformId) return
  const replies = repliesTo.get(platformId) ?? []
  if (replies.length === 0) lost.push(`${platformId} has no answer in its chat`)
  if (replies.length > 1) doubled.push(`${platformId} has ${replies.length} answers in its chat`)
  if (replies.some(({ text }) => text !== inTimeline[0]?.text))
    wrong.push(`${platformId} has the wrong answer in its chat`)
}

/** Questions of one writer stand in the timeline as written, and answers in a chat as the questions do in the timeline. */
function examineOrder(questions, places, replies, { disordered }) {
  const seqOf = ({ user, id }) => places.get(user)?.ids.get(id) ?? 0
  for (const [writer, own] of groupBy(
    questions.filter(({ index }) => index !== null),
    ({ writer }) => writer,
  )) {
    for (const [n, question] of own.entries()) {
      if (n > 0 && seqOf(question) < seqOf(own[n - 1])) disordered.push(`${writer}: ${question.id} overtook another`)
    }
  }
  const byPlatformId = new Map(questions.map((question) => [question.platformId, question]))
  const answered = replies.map(({ messageId }) => byPlatformId.get(messageId)).filter(Boolean)
  for (const [conversation, inChat] of groupBy(answered, ({ conversation }) => conversation)) {
    for (const [n, question] of inChat.entries()) {
      if (n > 0 && seqOf(question) < seqOf(inChat[n - 1])) {
        disordered.push(`${conversation}: ${question.id} was answered after a later one`)
      }
    }
  }
}

/** Calls of Feishu: after a 429 the relay waits as long as it was told, and an answer keeps its idempotency key. */
export function checkCalls(log, taken) {
  const violations = []
  const replies = log.filter(({ kind }) => kind === 'reply')
  for (const [id, calls] of groupBy(replies, ({ messageId }) => messageId)) {
    for (const [n, { at }] of calls.entries()) {
      const waited = n > 0 ? at - calls[n - 1].at : Number.POSITIVE_INFINITY
      const told = calls[n - 1]?.resetMs ?? 0
      if (waited < told - CLOCK_MS) violations.push(`${id}: called again after ${waited} ms, told to wait ${told}`)
    }
  }
  for (const [id, calls] of groupBy(taken, ({ messageId }) => messageId)) {
    const keys = new Set(calls.map(({ uuid }) => uuid))
    if (keys.size > 1) violations.push(`${id} was sent with ${keys.size} idempotency keys`)
  }
  return violations
}

export function groupBy(list, keyOf) {
  const groups = new Map()
  for (const item of list) {
    const key = keyOf(item)
    if (!groups.has(key)) groups.set(key, [])
    groups.get(key).push(item)
  }
  return groups
}

/** Two processes' clocks, in whole milliseconds. */
const CLOCK_MS = 20
