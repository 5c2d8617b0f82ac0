import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { openStore } from '../src/store'

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'claw-relay-store-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, 'claw-relay', 'default.sqlite')
}

test('everything survives reopening, in a folder that only its owner reads', () => {
  const file = place()
  const store = openStore(file)
  expect([store.epoch(), store.answers(), store.held(), store.tries(1), store.session('a')]).toEqual([
    null,
    [],
    [],
    0,
    0,
  ])
  store.begin(9)
  store.keep({ type: 'reply', reply_to: 2, text: '好😀' })
  store.keep({ type: 'fail', reply_to: 1, reason: 'no' })
  store.try(3)
  store.try(3)
  store.putSession('a', 2)
  store.putGroup('a')
  store.putGroup('a')
  store.close()
  const again = openStore(file)
  expect(again.epoch()).toBe(9)
  expect(again.answers()).toEqual([
    { type: 'fail', reply_to: 1, reason: 'no' },
    { type: 'reply', reply_to: 2, text: '好😀' },
  ])
  expect([again.answer(2)?.type, again.answer(7), again.held(), again.tries(3), again.session('a')]).toEqual([
    'reply',
    null,
    [1, 2, 3],
    2,
    2,
  ])
  expect(['a', 'b'].map(again.isGroup)).toEqual([true, false])
  again.close()
  expect(statSync(join(file, '..')).mode & 0o777).toBe(0o700)
})

test('what is settled, dropped or of another timeline is gone', () => {
  const store = openStore(place())
  store.begin(9)
  for (const seq of [1, 2, 3]) {
    store.keep({ type: 'reply', reply_to: seq, text: '.' })
    store.try(seq)
  }
  store.settle(2)
  expect(store.held()).toEqual([1, 3])
  store.dropFrom(3)
  expect([store.held(), store.tries(3)]).toEqual([[1], 0])
  store.putSession('a', 1)
  store.putGroup('a')
  store.begin(10)
  expect([store.epoch(), store.held(), store.session('a'), store.isGroup('a')]).toEqual([10, [], 0, false])
  store.close()
})

test('a hello names the oldest thousand; conversations are kept up to a limit', () => {
  const file = place()
  openStore(file).close()
  const db = new DatabaseSync(file)
  const numbers = 'with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000)'
  db.exec(`${numbers} insert into attempt select i, 1 from n`)
  db.exec(`${numbers} insert into conversation select 'c' || i, 1 from n`)
  db.exec(`${numbers} insert into crowd select 'c' || i from n`)
  db.close()
  const full = openStore(file)
  expect([full.held().length, full.held().at(-1)]).toEqual([1_000, 1_000])
  full.putSession('c1', 2)
  full.putSession('new', 1)
  expect(['c1', 'c2', 'c3', 'new'].map(full.session)).toEqual([2, 0, 1, 1])
  full.putGroup('new')
  expect(['c1', 'c2', 'new'].map(full.isGroup)).toEqual([false, true, true])
  full.close()
})
