// Runs that count: the relay inside the counting wrapper, one thing done many times, and the counters before and
// after. Time plays no part but for `awake_ms`, which is what Cloudflare bills as duration.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectAgent, connectDevice } from './client.mjs'
import { withSystem } from './system.mjs'
import { postWebhook, startFeishu } from './webhook.mjs'

/** An answer as it is streamed: 200 tokens of 4 characters in 4 s, sent every 50 ms as claw-agent does. */
export const REPLY = { tokens: 200, tokens_per_second: 50, coalesce_ms: 50, token: 'word' }

/** Counts everything. Answers, by what was done, `{ times, ...counters }` of all the times together. */
export async function count({ folder, isQuick, say }) {
  const counted = {}
  const lane = async (runs) => {
    for (const [name, run] of Object.entries(runs)) {
      say(`counting: ${name}`)
      counted[name] = await countOne(name, run, { folder, isQuick })
    }
  }
  // Idling mostly waits: the others run meanwhile, each on a relay of its own.
  await Promise.all([lane({ idle }), lane({ webhook, webhookReply, shownReply, streamedReply, connect })])
  return counted
}

async function countOne(name, run, { folder, isQuick }) {
  const feishu = await startFeishu()
  try {
    const streaming = name === 'shownReply'
    const options = { folder: join(folder, `count-${name}`), counted: true, apiBase: feishu.url, streaming }
    const counted = await withSystem('relay', options, (relay) => run({ relay, feishu, isQuick }))
    if (feishu.faults.length > 0) throw new Error(`Feishu's API: ${feishu.faults[0]}`)
    return counted
  } finally {
    await feishu.close()
  }
}

/** Webhook in, one acknowledgement of the agent: nobody answers, no device listens. */
async function webhook({ relay, isQuick }) {
  const agent = await connectAgent(relay.url, 0)
  const one = async (n) => {
    await postWebhook(relay.url, 0, { id: `om_${n}`, chat: 'oc_1', text: TEXT })
    await agent.next(isMessage, 'message')
  }
  await one('first')
  return between(relay, isQuick ? 50 : 300, one, () => agent.close())
}

/** Webhook in, a final answer of the agent, which goes out by Feishu's API; two devices listen. */
async function webhookReply({ relay, feishu, isQuick }) {
  const agent = await connectAgent(relay.url, 0)
  const devices = [await connectDevice(relay.url, 0), await connectDevice(relay.url, 0)]
  const one = async (n) => {
    // Feishu takes 5 answers a second in one chat; more of them in one would wait for each other.
    await Promise.all([
      postWebhook(relay.url, 0, { id: `om_${n}`, chat: `oc_${n % CHATS}`, text: TEXT }),
      sleep(PACE_MS),
    ])
    const { seq } = await agent.next(isMessage, 'message')
    agent.send({ type: 'reply', reply_to: seq, text: TEXT })
    await agent.next(({ type }) => type === 'accepted', 'accepted')
  }
  for (let n = 0; n < CHATS; n += 1) await one(n)
  const times = isQuick ? 30 : 200
  const result = await between(
    relay,
    times,
    (n) => one(n + CHATS),
    () => [agent, ...devices].map((peer) => peer.close()),
  )
  const missing = CHATS + times - feishu.replies.length
  if (missing !== 0) throw new Error(`${missing} answers did not reach Feishu within ${SETTLE_MS} ms`)
  return result
}

/**
 * Webhook in, a streamed answer of the agent, which Feishu shows as a card while it is made, and a reaction before it;
 * two devices listen. Eight people at once.
 */
async function shownReply({ relay, feishu, isQuick }) {
  const people = await connectPeople(relay)
  const exchange = async ({ agent, devices }, i, n) => {
    await postWebhook(relay.url, i, { id: `om_${i}_${n}`, chat: `oc_${i}`, text: TEXT })
    const { seq } = await agent.next(isMessage, 'message')
    await stream(agent, seq)
    await answered(devices, seq)
    const answer = feishu.replies.find(({ messageId }) => messageId === `om_${i}_${n}`)
    if (!answer?.card) throw new Error(`om_${i}_${n} has no card: ${JSON.stringify(answer)}`)
  }
  const everyone = (n) => Promise.all(people.map((person, i) => exchange(person, i, n)))
  const close = () => people.flatMap(({ agent, devices }) => [agent, ...devices]).map((peer) => peer.close())
  await everyone('first')
  const rounds = isQuick ? 1 : 3
  const result = await between(relay, rounds, everyone, close)
  return { ...result, times: rounds * PEOPLE }
}

/** A question of a device, a streamed answer of the agent, a second device listening. Eight people at once. */
async function streamedReply({ relay, isQuick }) {
  const people = await connectPeople(relay)
  const exchange = async ({ agent, devices }, n) => {
    devices[0].send({ type: 'send', id: `m-${n}`, text: TEXT })
    const { seq } = await agent.next(isMessage, 'message')
    await stream(agent, seq)
    await answered(devices, seq)
  }
  const everyone = (n) => Promise.all(people.map((person) => exchange(person, n)))
  // The first question of a day sets the alarm that ends it in time; the others find it set.
  for (const { agent, devices } of people) await ask({ agent, devices, id: 'first', reply: TEXT })
  const rounds = isQuick ? 1 : 3
  const close = () => people.flatMap(({ agent, devices }) => [agent, ...devices]).map((peer) => peer.close())
  const result = await between(relay, rounds, everyone, () => {})
  // A database grows by whole pages: what one exchange stores shows over many, and those need not be streamed.
  const [{ agent, devices }] = people
  const text = REPLY.token.repeat(REPLY.tokens)
  const stored = await between(relay, STORED, (n) => ask({ agent, devices, id: `s-${n}`, reply: text }), close)
  const times = rounds * PEOPLE
  return { ...result, times, database_bytes: (stored.database_bytes / STORED) * times }
}

/** Eight people, each with an agent and two devices. */
function connectPeople(relay) {
  return Promise.all(
    Array.from({ length: PEOPLE }, async (_, i) => {
      const agent = await connectAgent(relay.url, i)
      return { agent, devices: [await connectDevice(relay.url, i), await connectDevice(relay.url, i)] }
    }),
  )
}

/** Answers a question as `REPLY` says. */
async function stream(agent, seq) {
  const pieces = piecesOf(REPLY)
  const began = performance.now()
  for (const [at, { offset, text }] of pieces.entries()) {
    await sleep(Math.max(0, began + at * REPLY.coalesce_ms - performance.now()))
    agent.send({ type: 'delta', reply_to: seq, offset, text })
  }
  agent.send({ type: 'reply', reply_to: seq, text: pieces.map(({ text }) => text).join('') })
}

/** A device that comes and goes. */
async function connect({ relay, isQuick }) {
  const one = async () => (await connectDevice(relay.url, 0)).close()
  await one()
  return between(relay, isQuick ? 10 : 50, one, () => {})
}

/**
 * Nothing to do, with an agent and two devices connected, after one question was asked and answered. Then one question
 * more, which shows that the object had been asleep.
 */
async function idle({ relay, isQuick }) {
  const agent = await connectAgent(relay.url, 0)
  const devices = [await connectDevice(relay.url, 0), await connectDevice(relay.url, 0)]
  await ask({ agent, devices, id: 'm-1', reply: TEXT })
  await sleep(SETTLE_MS)
  const seconds = isQuick ? 14 : 100
  const before = await relay.counters()
  await sleep(seconds * 1000)
  const after = await relay.counters()
  await ask({ agent, devices, id: 'm-2', reply: TEXT })
  const woken = (await relay.counters()).wakes - after.wakes
  for (const peer of [agent, ...devices]) peer.close()
  if (woken !== 1)
    throw new Error(`the object was not asleep after ${seconds} s: it woke ${woken} times for a question`)
  const events = ['fetches', 'messages', 'alarms', 'wakes'].reduce((sum, name) => sum + after[name] - before[name], 0)
  const isAlarmDue = after.next_alarm_in_ms !== null && after.next_alarm_in_ms <= DAY_MS
  return {
    seconds,
    events,
    next_alarm_in_ms: after.next_alarm_in_ms,
    wakes_per_day: wakesPerDay(events, seconds, isAlarmDue),
  }
}

/** A question of a device and its answer, not streamed. */
async function ask({ agent, devices, id, reply }) {
  devices[0].send({ type: 'send', id, text: TEXT })
  const { seq } = await agent.next(isMessage, 'message')
  agent.send({ type: 'reply', reply_to: seq, text: reply })
  await answered(devices, seq)
}

/** Every device has the answer to a question. */
function answered(devices, seq) {
  const isAnswer = ({ type, reply_to }) => type === 'message' && reply_to === seq
  return Promise.all(devices.map((device) => device.next(isAnswer, 'answer')))
}

/** What was seen in the window goes on all day; an alarm that is set for within the day is one more. */
function wakesPerDay(events, seconds, isAlarmDue) {
  return (events * DAY_MS) / (seconds * 1000) + (isAlarmDue ? 1 : 0)
}

/** Does `one` some times, and answers the counters' difference once everything has come to rest. */
async function between(relay, times, one, close) {
  const [before, d1Before, cpuBefore] = [await settled(relay), await relay.d1Counters(), cpuMs(relay.pid)]
  for (let n = 0; n < times; n += 1) await one(n)
  const [after, d1After] = [await settled(relay), await relay.d1Counters()]
  const cpu_ms = cpuMs(relay.pid) - cpuBefore
  close()
  const { wasm_bytes, objects, next_alarm_in_ms, ...counters } = difference(after, before)
  const { calls: d1_calls, rows_read: d1_rows_read, rows_written: d1_rows_written } = difference(d1After, d1Before)
  return { times, ...counters, d1_calls, d1_rows_read, d1_rows_written, cpu_ms, wasm_bytes: after.wasm_bytes }
}

function difference(now, then) {
  const back = Object.keys(then).find((name) => now[name] < then[name] && name !== 'next_alarm_in_ms')
  if (back) throw new Error(`the counter ${back} ran backwards, from ${then[back]} to ${now[back]}`)
  return Object.fromEntries(Object.keys(then).map((name) => [name, now[name] - then[name]]))
}

async function settled(relay) {
  await sleep(SETTLE_MS)
  return relay.counters()
}

/** CPU time of a process, all its threads, in ms. */
function cpuMs(pid) {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const ns = tasks.map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]))
  return ns.reduce((sum, ns) => sum + ns, 0) / 1e6
}

/** The pieces in which an answer is sent: the first token at once, then what came within each window. */
function piecesOf({ tokens, tokens_per_second, coalesce_ms, token }) {
  const perPiece = (tokens_per_second * coalesce_ms) / 1000
  const pieces = []
  for (let made = 0, offset = 0; made < tokens; ) {
    const count = Math.min(tokens - made, pieces.length === 0 ? 1 : Math.round(perPiece))
    const text = token.repeat(count)
    pieces.push({ offset, text })
    offset += text.length
    made += count
  }
  return pieces
}

const isMessage = ({ type, reply_to }) => type === 'message' && reply_to === undefined
/** A question or an answer of 200 bytes. */
const TEXT = 'x'.repeat(200)
const CHATS = 20
/** 25 messages a second: below Feishu's 50 for one bot. */
const PACE_MS = 40
const PEOPLE = 8
/** Exchanges over which the growth of a database is taken. */
const STORED = 200
/** Until alarms, acknowledgements and calls that follow have been. */
const SETTLE_MS = 1_500
const DAY_MS = 24 * 60 * 60 * 1000
