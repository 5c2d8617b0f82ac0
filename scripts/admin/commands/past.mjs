// What became of messages, and what was done by whom.

import { writeFileSync } from 'node:fs'
import { Fix } from '../../lib/say.mjs'
import { Refused } from '../api.mjs'
import { breaks } from '../audit.mjs'
import { AUDIT_BROKEN, REFUSED, USAGE } from '../exit.mjs'
import { pages } from '../pages.mjs'
import { printable, table, when } from '../terminal.mjs'
import { jsonFile, part, whole } from '../values.mjs'

const user = (id) => `/v1/admin/users/${part(id)}`
const letters = (ask, id) => pages(ask, `${user(id)}/dead-letters`, 'dead_letters', 'before')

export const past = [
  {
    name: 'dead-letters',
    takes: ['user'],
    says: ['Questions of a user that got no answer, newest first.', '列出用户没有得到回答的提问，新的在前。'],
    run: async ({ ask, args: [id] }) => ({ dead_letters: await letters(ask, id) }),
    show: ({ dead_letters }) =>
      table(dead_letters, {
        seq: (row) => row.seq,
        conversation: (row) => row.conversation,
        at: (row) => when(row.at_ms),
        outcome: (row) => row.outcome,
        reason: (row) => row.reason ?? '',
      }),
  },
  {
    name: 'replay',
    takes: ['user', 'seq?'],
    options: { all: { type: 'boolean', hint: 'all of them, oldest first' } },
    says: ['Ask a dead letter again.', '重放一条（或全部）死信。'],
    async run({ ask, args: [id, seq], values: { all } }) {
      if ((seq === undefined) !== (all === true)) {
        throw new Fix('replay: say which: a number that dead-letters shows, or --all', USAGE)
      }
      if (seq !== undefined && !/^\d+$/.test(seq)) throw new Fix(`seq ${seq}: expected a number`, USAGE)
      const again = (number) => ask('POST', `${user(id)}/dead-letters/${number}/replay`)
      if (seq !== undefined) return { replayed: [{ of: Number(seq), ...(await again(seq)) }], failed: [] }
      const dead = await letters(ask, id)
      const [replayed, failed] = [[], []]
      for (const { seq: number } of dead.toSorted((a, b) => a.seq - b.seq)) {
        try {
          replayed.push({ of: number, ...(await again(number)) })
        } catch (error) {
          if (!(error instanceof Refused)) throw error
          failed.push({ of: number, code: error.code, detail: error.detail })
          // The next ones would hear the same.
          if (![404, 409].includes(error.status)) break
        }
      }
      return { replayed, failed, left: dead.length - replayed.length - failed.length }
    },
    show: ({ replayed, failed, left = 0 }) =>
      [
        ...replayed.map((row) => `${row.of} → ${row.seq}${row.new ? '' : ' (was done before)'}`),
        ...failed.map((row) => `${row.of}: ${row.code}: ${printable(row.detail)}`),
        ...(left ? [`${left} more: run it again when the agent has caught up`] : []),
      ].join('\n') || 'there are none',
    exitCode: ({ failed, left }) => (failed.length > 0 || left ? REFUSED : 0),
  },
  {
    name: 'events',
    takes: ['user'],
    options: { limit: { type: 'string', hint: 'how many, 50 by default' } },
    says: ['What arrived, was decided and was sent for a user, newest first.', '查看用户的事件日志，新的在前。'],
    async run({ ask, args: [id], values }) {
      const limit = whole(values, 'limit', 1, 100_000) ?? 50
      const events = []
      let before = ''
      do {
        const count = Math.min(limit - events.length, PAGE_EVENTS)
        const page = await ask('GET', `${user(id)}/events?limit=${count}${before && `&before=${before}`}`)
        events.push(...page.events)
        before = page.next
      } while (before && events.length < limit)
      return { events }
    },
    show: ({ events }) =>
      table(events, {
        at: (row) => when(row.at_ms),
        kind: (row) => row.kind,
        seq: (row) => row.seq ?? '',
        detail: (row) => row.detail ?? '',
      }),
  },
  {
    name: 'audit',
    options: {
      verify: { type: 'boolean', hint: 'check every hash, and say which entry is wrong' },
      file: { type: 'string', hint: 'of a file that --output wrote, not of the relay' },
      head: { type: 'string', hint: 'with --verify: seq:hash, as it said before, of what must still be there' },
      output: { type: 'string', hint: 'the file to write the log to, as JSON' },
    },
    says: ['Who did what; verify that nothing was changed.', '查看审计日志，或校验它没有被改动。'],
    isOpen: true,
    async run({ relay, values: { verify, file, head, output } }) {
      if (head !== undefined && !verify) throw new Fix('--head goes with --verify', USAGE)
      const entries = file === undefined ? await pages(relay().ask, '/v1/admin/audit', 'entries') : read(file)
      if (output !== undefined) {
        writeFileSync(output, `${JSON.stringify({ entries }, null, 2)}\n`, { mode: 0o600 })
      }
      if (!verify) return output === undefined ? { entries } : { file: output, count: entries.length }
      const wrong = breaks(entries, noted(head))
      const last = entries.at(-1)
      return { count: entries.length, head: last ? `${last.seq}:${last.hash}` : undefined, wrong }
    },
    show({ entries, file, count, head, wrong }) {
      if (entries) {
        return table(entries, {
          seq: (row) => row.seq,
          at: (row) => when(row.at_ms),
          actor: (row) => row.actor,
          action: (row) => row.action,
          subject: (row) => row.subject ?? '',
          detail: (row) => row.detail ?? '',
        })
      }
      if (file) return `${file}: ${count} entries`
      if (wrong.length > 0) return wrong.slice(0, BREAKS_SHOWN).map(printable).join('\n')
      if (count === 0) return 'there are no entries'
      return `${count} entries, every hash is right. Note the last one, and nobody can cut the log off before it:\n  npm run admin -- audit --verify --head ${head}`
    },
    exitCode: ({ wrong = [] }) => (wrong.length > 0 ? AUDIT_BROKEN : 0),
  },
]

function read(file) {
  const json = jsonFile(file, '--file')
  const entries = Array.isArray(json) ? json : json?.entries
  const isEntry = (row) => Number.isSafeInteger(row?.seq) && typeof row.hash === 'string'
  if (!Array.isArray(entries) || !entries.every(isEntry)) {
    throw new Fix(`--file ${file}: not an audit log: make one with audit --output ${file}`, USAGE)
  }
  return entries
}

function noted(head) {
  if (head === undefined) return undefined
  const [, seq, hash] = head.match(/^([1-9]\d*):([\w-]{43})$/) ?? []
  if (!hash) throw new Fix(`--head ${head}: expected seq:hash, as audit --verify prints it`, USAGE)
  return { seq: Number(seq), hash }
}

const PAGE_EVENTS = 200
const BREAKS_SHOWN = 20
