// What must survive the gateway: answers that the relay has not accepted, how often a question was tried, which session
// each conversation was last seen in, and which of them are groups. Questions need no place here: the relay keeps them until
// they are answered.

import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { ClientFrame, Seq } from '../../web/src/lib/frame'

export type Answer = ClientFrame & { type: 'done' | 'fail' | 'reply' }

/** Everything is of one timeline, which its epoch names. Each method is on disk when it returns. */
export interface Store {
  epoch(): number | null
  /** Another timeline: what was kept of the old one goes. */
  begin(epoch: number): void
  /** Answers that were not accepted, the oldest question's first. */
  answers(): Answer[]
  answer(seq: Seq): Answer | null
  keep(answer: Answer): void
  /** Nothing more is to be done for this question. */
  settle(seq: Seq): void
  /** Questions from this one on do not exist any more. */
  dropFrom(seq: Seq): void
  /** OpenClaw has taken this question over, once more. */
  try(seq: Seq): void
  /** How often it has. */
  tries(seq: Seq): number
  /** Questions that were tried or answered and are not settled: the oldest, as many as a `hello` may name. */
  held(): Seq[]
  /** The session that a conversation was last seen in; 0 for one that never was. */
  session(conversation: string): number
  putSession(conversation: string, session: number): void
  /** Whether others read along in a conversation, as far as anything was written there. */
  isGroup(conversation: string): boolean
  putGroup(conversation: string): void
  close(): void
}

export function openStore(file: string): Store {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(file)
  db.exec(SCHEMA)
  const epoch = db.prepare('select epoch from timeline')
  const begin = db.prepare('insert into timeline (epoch) values (?)')
  const answers = db.prepare('select frame from answer order by seq')
  const answer = db.prepare('select frame from answer where seq = ?')
  const keep = db.prepare('insert or replace into answer (seq, frame) values (?, ?)')
  const settleAnswer = db.prepare('delete from answer where seq = ?')
  const settleTries = db.prepare('delete from attempt where seq = ?')
  const tried = db.prepare('insert into attempt (seq, count) values (?, 1) on conflict do update set count = count + 1')
  const tries = db.prepare('select count from attempt where seq = ?')
  const held = db.prepare('select seq from answer union select seq from attempt order by seq limit ?')
  const session = db.prepare('select session from conversation where id = ?')
  const putSession = db.prepare('insert or replace into conversation (id, session) values (?, ?)')
  const trim = db.prepare(
    'delete from conversation where rowid not in (select rowid from conversation order by rowid desc limit ?)',
  )
  const group = db.prepare('select 1 from crowd where id = ?')
  const putGroup = db.prepare('insert or ignore into crowd (id) values (?)')
  const trimGroups = db.prepare(
    'delete from crowd where rowid not in (select rowid from crowd order by rowid desc limit ?)',
  )
  return {
    epoch: () => (epoch.get()?.epoch as number | undefined) ?? null,
    begin(value) {
      db.exec(
        'delete from timeline; delete from answer; delete from attempt; delete from conversation; delete from crowd',
      )
      begin.run(value)
    },
    answers: () => answers.all().map((row) => JSON.parse(row.frame as string)),
    answer(seq) {
      const row = answer.get(seq)
      return row ? JSON.parse(row.frame as string) : null
    },
    keep: (frame) => void keep.run(frame.reply_to, JSON.stringify(frame)),
    settle(seq) {
      settleAnswer.run(seq)
      settleTries.run(seq)
    },
    dropFrom: (seq) => db.exec(`delete from answer where seq >= ${seq}; delete from attempt where seq >= ${seq}`),
    try: (seq) => void tried.run(seq),
    tries: (seq) => (tries.get(seq)?.count as number | undefined) ?? 0,
    held: () => held.all(HELD_MAX).map((row) => row.seq as number),
    session: (conversation) => (session.get(conversation)?.session as number | undefined) ?? 0,
    putSession(conversation, value) {
      putSession.run(conversation, value)
      trim.run(CONVERSATIONS_MAX)
    },
    isGroup: (conversation) => group.get(conversation) !== undefined,
    putGroup(conversation) {
      putGroup.run(conversation)
      trimGroups.run(CONVERSATIONS_MAX)
    },
    close: () => db.close(),
  }
}

/** Conversations that were begun anew, and groups; beyond it the one for which that is longest ago is forgotten. */
const CONVERSATIONS_MAX = 10_000
/** As docs/protocol.md §3 has it. */
const HELD_MAX = 1_000
/** Another process has the file open only while this one takes over from it: wait for it. */
const SCHEMA = `
pragma busy_timeout = 5000;
pragma journal_mode = wal;
pragma synchronous = full;
create table if not exists timeline (epoch integer not null) strict;
create table if not exists answer (seq integer primary key, frame text not null) strict;
create table if not exists attempt (seq integer primary key, count integer not null) strict;
create table if not exists conversation (id text unique not null, session integer not null) strict;
create table if not exists crowd (id text unique not null) strict;
`
