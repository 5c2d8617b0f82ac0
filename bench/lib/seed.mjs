// What must be in D1 before the load begins: an operator, one bot account, and 2,000 people with an agent each.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../scripts/lib/run.mjs'
import { APP, BOT } from '../../tests/e2e/support/feishu.mjs'

/**
 * Applies migrations/ and adds `usr_bench_i`, `agt_bench_i` and the sender `ou_bench_i` of account `bench`, which shows
 * answers while they are made if it is `streaming`.
 */
export async function seed(url, { encryptKey, verificationToken, apiBase, streaming }) {
  const folder = join(ROOT, 'migrations')
  const migrations = readdirSync(folder).sort()
  await execute(
    url,
    migrations.map((file) => ({ sql: readFileSync(join(folder, file), 'utf8'), params: [] })),
  )
  const settings = {
    platform: 'feishu',
    ...APP,
    encrypt_key: encryptKey,
    verification_token: verificationToken,
    bot_open_id: BOT,
    api_base: apiBase,
    streaming,
  }
  const now = Date.now()
  await execute(url, [
    {
      sql: `insert into users (id, name, role, audit_id, created_ms) values ('usr_operator', 'operator', 'operator', 'who_0', ?)`,
      params: [now],
    },
    {
      sql: `insert into accounts (id, platform, settings, created_ms) values ('bench', 'feishu', ?, ?)`,
      params: [JSON.stringify(settings), now],
    },
    {
      sql: `${PEOPLE} insert into users (id, name, role, audit_id, created_ms) select 'usr_bench_' || i, 'person ' || i, 'user', 'who_bench_' || i, ? from people`,
      params: [now],
    },
    {
      sql: `${PEOPLE} insert into agents select 'agt_bench_' || i, 'usr_bench_' || i, 'agent ' || i, ? from people`,
      params: [now],
    },
    {
      sql: `${PEOPLE} insert into agent_keys (id, agent_id, created_ms)
        select 'key-agt_bench_' || i, 'agt_bench_' || i, ? from people`,
      params: [now],
    },
    {
      sql: `${PEOPLE} insert into identities (id, account_id, sender, user_id, created_ms) select 'idt_' || i, 'bench', 'ou_bench_' || i, 'usr_bench_' || i, ? from people`,
      params: [now],
    },
  ])
}

async function execute(url, queries) {
  const response = await fetch(`${url}/execute?resultsFormat=NONE`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(queries),
    signal: AbortSignal.timeout(30_000),
  })
  const answer = await response.json()
  if (answer.error) throw new Error(`seeding D1: ${answer.error}`)
}

/** As many as the driver may ask for. */
const PEOPLE = `with recursive people (i) as (select 0 union all select i + 1 from people where i < 1999)`
