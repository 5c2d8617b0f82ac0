// What the counted work costs on Cloudflare: every term of the sum. Prices: Workers Paid, USD, beyond what is included
// (shared/cloudflare.md §2; developers.cloudflare.com/workers/platform/pricing and /durable-objects/platform/pricing).
// Neither the $5 a month that an account pays nor the amounts included in it are taken off: this is what one more costs.
//
// Duration counts the time in which a handler runs, timers that it awaits included. Idle time of an object that can
// hibernate is not billed, even before it hibernates; sockets that are open and pings that the runtime answers cost
// nothing. What this machine does not show is the wait for a commit on Cloudflare's storage: COMMIT_MS stands for it.

import { REPLY } from './counting.mjs'

/** Per unit. */
const PRICES = {
  /** $0.30 per million requests of the Worker; an upgrade to a WebSocket is one. */
  worker_request: 0.3e-6,
  /** $0.02 per million milliseconds of CPU of the Worker. */
  worker_cpu_ms: 0.02e-6,
  /** $0.15 per million requests of objects: a call or an alarm is one, 20 incoming WebSocket messages are one. */
  object_request: 0.15e-6,
  /** $12.50 per million GB-s; an object counts as 128 MB. */
  gb_second: 12.5e-6,
  /** $1.00 per million rows written, in an object or in D1. */
  row_written: 1e-6,
  /** $0.001 per million rows read. */
  row_read: 0.001e-6,
  /** $0.20 per GB-month of an object's SQLite. */
  gb_month: 0.2,
}
const OBJECT_GB = 0.128
const MESSAGES_PER_REQUEST = 20

// Assumptions, where nothing could be counted here.
/** How long an object waits for a commit on Cloudflare, for each of its events that writes. */
const COMMIT_MS = 10
/** How often a socket comes back in a month: deploys, updates of the runtime, networks. */
const RECONNECTS_PER_SOCKET = 60
const SOCKETS = 3
/** Questions, and as many answers. */
const MESSAGES_PER_MONTH = 3_000
/** `HISTORY_MESSAGES_MAX` of relay/src/limit.rs: what is kept of a person who writes this much, month after month. */
const HISTORY_MESSAGES = 20_000

/**
 * Targets 12 to 14 of the issue, from what `counting.mjs` counted. `cpuMs` is the CPU of one webhook, the whole
 * process's, objects included: more than what is billed.
 */
export function costs(counted, cpuMs) {
  const inbound = meters(counted.webhook, cpuMs)
  const bySocket = month(counted, counted.streamedReply, cpuMs)
  const byWebhook = month(counted, counted.webhookReply, cpuMs)
  // What an exchange stores is the same, and shows over more of them than take four seconds each.
  const { streamedReply, shownReply } = counted
  const database_bytes = (streamedReply.database_bytes / streamedReply.times) * shownReply.times
  const shown = month(counted, { ...shownReply, database_bytes }, cpuMs)
  return {
    per_message: inbound,
    per_million_inbound: { terms: terms(inbound, 1e6), naive: terms(NAIVE, 1e6) },
    user_month_sockets: bySocket,
    user_month_webhook: byWebhook,
    user_month_shown: shown,
    hosted_pub_sub_user_month: HOSTED_PUB_SUB,
    dollars: {
      per_million_inbound: total(terms(inbound, 1e6)),
      per_million_inbound_naive: total(terms(NAIVE, 1e6)),
      user_month_sockets: total(bySocket),
      user_month_webhook: total(byWebhook),
      user_month_shown: total(shown),
    },
    wakes_per_day: counted.idle.wakes_per_day,
    next_alarm_in_ms: counted.idle.next_alarm_in_ms,
  }
}

/** The lines of the table: targets 12, 13 and 14. */
export function costLines(costs) {
  const { per_message: message, dollars } = costs
  const line = (target, what, relay, most, peer, against) => ({
    ...{
      target,
      what,
      field: what,
      relay,
      peer,
      against,
      median: relay,
      min: relay,
      max: relay,
      rounds: 1,
      isPlain: true,
    },
    ...(most !== undefined && { most, met: relay <= most }),
  })
  return [
    line(12, 'rows written per inbound message', message.rows_written, 1.05, NAIVE.rows_written, 'naive'),
    line(12, 'D1 rows per inbound message', message.d1_rows_read + message.d1_rows_written, 0, 1, 'naive'),
    line(12, 'object requests per inbound message', message.object_requests, 1.05, NAIVE.object_requests, 'naive'),
    line(
      13,
      '$ per million inbound messages',
      dollars.per_million_inbound,
      1.6,
      dollars.per_million_inbound_naive,
      'naive',
    ),
    line(13, '$ per user-month, sockets', dollars.user_month_sockets, 0.01, HOSTED_PUB_SUB, 'hosted pub/sub'),
    line(
      13,
      '$ per user-month, Feishu, whole',
      dollars.user_month_webhook,
      undefined,
      HOSTED_PUB_SUB,
      'hosted pub/sub',
    ),
    line(13, '$ per user-month, Feishu, shown', dollars.user_month_shown, undefined, HOSTED_PUB_SUB, 'hosted pub/sub'),
    line(14, 'wake-ups by us in 24 h idle', costs.wakes_per_day, 0, 0, 'j0'),
  ]
}

/** The sums, as text: a line for each term. */
export function costText(costs) {
  const { per_million_inbound, user_month_sockets, user_month_webhook, user_month_shown } = costs
  const parts = [
    ['one million inbound messages (webhook, one ack)', per_million_inbound.terms],
    ['the same, naive: 9 rows, one more in D1, 1.1 object requests', per_million_inbound.naive],
    ['a user-month by sockets: 3,000 in, 3,000 streamed replies, 3 sockets', user_month_sockets],
    ['a user-month by Feishu: 3,000 webhooks in, 3,000 replies by API, 3 sockets', user_month_webhook],
    ['the same, each reply a card that grows for 4 s, and a reaction before it (the default)', user_month_shown],
  ]
  const row = ({ what, units, dollars }) =>
    `    ${what.padEnd(34)}${format(units).padStart(14)}  $${dollars.toFixed(6)}`
  const part = ([title, terms]) =>
    `  ${title}\n${terms.map(row).join('\n')}\n    ${'sum'.padEnd(48)}  $${total(terms).toFixed(6)}`
  return `${parts.map(part).join('\n')}\n  hosted pub/sub, a user-month (issue 4): $${costs.hosted_pub_sub_user_month}
  Duration counts handlers and their timers; idle hibernatable time is not billed. A commit is taken for ${COMMIT_MS} ms,
  a socket for ${RECONNECTS_PER_SOCKET} reconnects a month; a streamed reply has ${REPLY.tokens} tokens at ${REPLY.tokens_per_second} a second, in a
  frame every ${REPLY.coalesce_ms} ms; ${HISTORY_MESSAGES.toLocaleString('en')} messages stay stored. The amounts included in the $5 plan are not taken off.`
}

/** What one of several times took, in billed units. */
function meters(counted, cpuMs) {
  const each = (total) => total / counted.times
  const events = counted.fetches + counted.alarms + counted.messages
  return {
    worker_requests: each(counted.requests),
    worker_cpu_ms: each(counted.requests) * cpuMs,
    object_requests: each(counted.fetches + counted.alarms + counted.messages / MESSAGES_PER_REQUEST),
    rows_written: each(counted.rows_written),
    rows_read: each(counted.rows_read),
    d1_rows_written: each(counted.d1_rows_written),
    d1_rows_read: each(counted.d1_rows_read),
    awake_ms: each(counted.awake_ms),
    // No event writes in more than one commit, and most deltas in none.
    commits: each(Math.min(events, counted.rows_written)),
    stored_bytes: each(counted.database_bytes),
  }
}

function month(counted, exchange, cpuMs) {
  const once = meters(exchange, cpuMs)
  const reconnect = meters(counted.connect, cpuMs)
  const reconnects = SOCKETS * RECONNECTS_PER_SOCKET
  const sum = Object.entries(once).map(([name, value]) => [
    name,
    value * MESSAGES_PER_MONTH + reconnect[name] * reconnects,
  ])
  // Whoever stays has their whole history stored, not only this month's.
  const stored_bytes = (once.stored_bytes / 2) * HISTORY_MESSAGES
  return terms({ ...Object.fromEntries(sum), stored_bytes }, 1)
}

/** Each meter, times `count`, in dollars. */
function terms(meters, count) {
  const term = (what, units, price) => ({ what, units: units * count, dollars: units * count * price })
  const gbSeconds = (ms) => (ms / 1000) * OBJECT_GB
  return [
    term('Worker requests', meters.worker_requests, PRICES.worker_request),
    term('Worker CPU, ms, at most', meters.worker_cpu_ms, PRICES.worker_cpu_ms),
    term('object requests', meters.object_requests, PRICES.object_request),
    term('object rows written', meters.rows_written, PRICES.row_written),
    term('object rows read', meters.rows_read, PRICES.row_read),
    term('D1 rows written', meters.d1_rows_written, PRICES.row_written),
    term('D1 rows read', meters.d1_rows_read, PRICES.row_read),
    term('duration awake, GB-s', gbSeconds(meters.awake_ms), PRICES.gb_second),
    term('duration of commits, GB-s, assumed', gbSeconds(meters.commits * COMMIT_MS), PRICES.gb_second),
    term('storage, GB for a month', meters.stored_bytes / 1e9, PRICES.gb_month),
  ]
}

const total = (terms) => terms.reduce((sum, { dollars }) => sum + dollars, 0)
const format = (units) => (units >= 100 ? Math.round(units).toLocaleString('en') : units.toPrecision(3))

/** The "naive 9": as many rows, requests and D1 rows as a straightforward design takes. */
const NAIVE = {
  worker_requests: 1,
  worker_cpu_ms: 0,
  object_requests: 1.1,
  rows_written: 9,
  rows_read: 0,
  d1_rows_written: 1,
  d1_rows_read: 0,
  awake_ms: 0,
  commits: 0,
  stored_bytes: 0,
}
/** Dollars per user-month, of issue 4. */
const HOSTED_PUB_SUB = 0.33
